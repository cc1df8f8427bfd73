// SPDX-License-Identifier: GPL-3.0-or-later
// The experiments that match a filter, kept up to date.
import { signal } from '@preact/signals';
import { type Problem, get, withQuery } from '../base/api';
import { follow } from './live';
import type { Experiment } from './types';

const PAGE = 200;
type Page = { experiments: Experiment[]; total: number };

export class ListStore {
    readonly experiments = signal<Experiment[] | null>(null);
    readonly total = signal(0);
    readonly problem = signal<Problem | null>(null);
    readonly filterProblem = signal<Problem | null>(null);
    private filter = '';
    private end: (() => void) | null = null;

    start() {
        this.end ??= follow({
            path: 'events',
            load: () => this.load(),
            apply: async () => void (await this.load()),
            failed: (problem) => (this.problem.value = problem),
        });
    }

    stop() {
        this.end?.();
        this.end = null;
    }

    setFilter(filter: string) {
        if (filter === this.filter && this.experiments.value) return;
        this.filter = filter;
        this.load().catch(() => undefined); // the connection tells what is wrong
    }

    private async load(): Promise<number> {
        const newest = await get<Page>('projects/-/experiments?page_size=1&order_by=-revision');
        try {
            const page = await get<Page>(withQuery('projects/-/experiments', { page_size: PAGE, count: 'true', filter: this.filter }));
            this.experiments.value = page.experiments;
            this.total.value = page.total;
            this.filterProblem.value = null;
        } catch (error) {
            const problem = error as Problem;
            if (problem.status !== 400 && problem.status !== 422 && problem.status !== 413) throw error;
            this.filterProblem.value = problem;
            this.experiments.value ??= [];
        }
        this.problem.value = null;
        return newest.experiments[0]?.revision ?? 0;
    }
}
