// SPDX-License-Identifier: GPL-3.0-or-later
// What is done to experiments and trials, with what was done told, and a way back where there is one.
import { signal } from '@preact/signals';
import { at, saved, send } from '../base/api';
import { plural } from '../base/format';
import { go } from '../base/route';
import type { Experiment } from '../data/types';
import { attempt, notify } from './parts';

/** Experiments that are to be deleted once there is no way back any more; lists leave them out. */
export const leaving = signal<ReadonlySet<string>>(new Set());
const UNDO_MS = 7000;

const change = (key: string, there: boolean) => {
    const next = new Set(leaving.value);
    if (there) next.add(key);
    else next.delete(key);
    leaving.value = next;
};

/** The service has no undo, so the deletion waits for as long as the offer stands; leaving the page carries it out. */
export function remove(experiments: Pick<Experiment, 'project' | 'name' | 'uid'>[]) {
    let undone = false, gone = false;
    const run = (keepalive: boolean) => {
        if (undone || gone) return;
        gone = true;
        removeEventListener('pagehide', leave);
        for (const e of experiments)
            if (keepalive) void fetch(`api/v1/${at(e.project, e.name)}?force=true`, { method: 'DELETE', keepalive, headers: { 'X-Hone': '1' } });
            else void attempt(() => send('DELETE', `${at(e.project, e.name)}?force=true`)).then(() => change(e.uid, false));
    };
    const leave = () => run(true);
    addEventListener('pagehide', leave);
    for (const e of experiments) change(e.uid, true);
    setTimeout(() => run(false), UNDO_MS);
    notify(experiments.length === 1 ? `Deleted ${experiments[0].name}` : `Deleted ${plural(experiments.length, 'experiment')}`, {
        ms: UNDO_MS,
        action: {
            text: 'Undo',
            run: () => {
                undone = true;
                removeEventListener('pagehide', leave);
                for (const e of experiments) change(e.uid, false);
            },
        },
    });
}

const VERBS: Record<string, { text: string; states: string[]; done: string }> = {
    pause: { text: 'Pause', states: ['RUNNING'], done: 'Paused' },
    resume: { text: 'Resume', states: ['PAUSED'], done: 'Goes on' },
    stop: { text: 'Stop', states: ['CREATED', 'RUNNING', 'PAUSED'], done: 'Stopping' },
};

export const verb = (e: Pick<Experiment, 'project' | 'name'>, name: string, body?: unknown) =>
    attempt(() => send(`POST`, `${at(e.project, e.name)}:${name}`, body), `${VERBS[name].done}: ${e.name}`);

export function ExperimentButtons({ e }: { e: Experiment }) {
    if (saved) return null;
    return (
        <div class="buttons">
            {Object.entries(VERBS).map(([name, v]) => v.states.includes(e.state) && (
                <button key={name} type="button" class={name === 'stop' ? 'danger' : ''} onClick={() => verb(e, name, name === 'stop' ? { mode: 'now' } : undefined)}>{v.text}</button>
            ))}
            <button type="button" onClick={() => go(['new'], { clone: `${e.project}/${e.name}` })}>Clone</button>
            <button type="button" class="danger" onClick={() => (remove([e]), go([]))}>Delete</button>
        </div>
    );
}

/** One verb for many trials; what fails for some is told once. */
export async function forTrials(project: string, experiment: string, numbers: number[], name: 'stop' | 'retry') {
    const results = await Promise.allSettled(numbers.map((n) => send('POST', `${at(project, experiment)}/trials/${n}:${name}`)));
    const bad = results.filter((r): r is PromiseRejectedResult => r.status === 'rejected');
    const good = results.length - bad.length;
    if (good) notify(`${name === 'stop' ? 'Stopping' : 'Retrying'} ${plural(good, 'trial')}`);
    if (bad.length) notify(`${plural(bad.length, 'trial')} could not be ${name === 'stop' ? 'stopped' : 'retried'}: ${(bad[0].reason as Error).message}`, { bad: true });
}
