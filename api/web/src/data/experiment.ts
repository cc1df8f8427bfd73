// SPDX-License-Identifier: GPL-3.0-or-later
// One experiment as the page holds it: read once, then changed by deltas. `version` rises when a trial came, changed its state or gave a
// result; what goes on within trials is in `reported`.
import { batch, signal } from '@preact/signals';
import { type Problem, at, get, withQuery } from '../base/api';
import { follow } from './live';
import { COLUMNS, Trials } from './trials';
import type { Event, Experiment } from './types';

const GAP = 200; // numbers that lie nearer than this are asked for as one range
const RANGES = 20; // a filter has a limit of its own
const EVENTS_KEPT = 1000;

/** A filter for the trials of these numbers, and some between them. */
export function ranges(numbers: Iterable<number>): string {
    const sorted = [...numbers].sort((a, b) => a - b), found: [number, number][] = [];
    for (const n of sorted) {
        const last = found[found.length - 1];
        if (last && (n - last[1] <= GAP || found.length === RANGES)) last[1] = n;
        else found.push([n, n]);
    }
    return found.map(([a, b]) => `(number>=${a} AND number<=${b})`).join(' OR ');
}

export class ExperimentStore {
    readonly path: string;
    readonly experiment = signal<Experiment | null>(null);
    readonly problem = signal<Problem | null>(null);
    readonly loaded = signal(false); // the trials, too
    readonly version = signal(0);
    readonly events = signal<Event[]>([]); // since the page is open
    readonly reported = signal<{ numbers: Set<number>; at: number }>({ numbers: new Set(), at: 0 }); // trials that the last events told of
    readonly trials = new Trials();
    private end: (() => void) | null = null;

    constructor(readonly project: string, readonly name: string) {
        this.path = at(project, name);
    }

    start() {
        this.end ??= follow({
            path: `${this.path}/events`,
            load: () => this.load(),
            apply: (events) => this.apply(events),
            failed: (problem) => (this.problem.value = problem),
        });
    }

    stop() {
        this.end?.();
        this.end = null;
    }

    private async load(): Promise<number> {
        const columns = get<{ columns: Record<string, unknown[]> }>(withQuery(`${this.path}/columns`, { cols: COLUMNS }));
        columns.catch(() => undefined); // told below
        const experiment = await get<Experiment>(this.path);
        this.problem.value = null;
        this.experiment.value = experiment;
        const { columns: all } = await columns;
        this.trials.clear();
        this.trials.merge(all);
        this.loaded.value = true;
        this.version.value++;
        return experiment.revision;
    }

    private async apply(events: Event[]) {
        this.events.value = [...this.events.value, ...events].slice(-EVENTS_KEPT);
        if (events.some((e) => e.kind === 'trial.deleted')) {
            await this.load();
            return;
        }
        const numbers = new Set(events.flatMap((e) => (e.trial ? [e.trial] : [])));
        const [experiment, part] = await Promise.all([
            get<Experiment>(this.path),
            numbers.size ? get<{ columns: Record<string, unknown[]> }>(withQuery(`${this.path}/columns`, { cols: COLUMNS, filter: ranges(numbers) })) : null,
        ]);
        this.experiment.value = experiment;
        if (part) {
            const told = this.trials.merge(part.columns);
            batch(() => {
                if (told) this.version.value++;
                this.reported.value = { numbers, at: this.reported.value.at + 1 };
            });
        }
    }
}
