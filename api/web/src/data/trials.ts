// SPDX-License-Identifier: GPL-3.0-or-later
// All trials of an experiment by column, as GET columns answers them; changed in place by what the service says has changed.
import type { Value } from '../base/format';
import type { TrialState } from './types';

export const COLUMNS = 'number,state,reason,objective,objective_se,worker,attempt,progress,start_time,end_time,params.*,metrics.*,labels.*,origin.by,origin.how,origin.expected,origin.deviation,origin.acquisition';

const NUMBERS: Record<string, number> = { NaN: NaN, Infinity, '-Infinity': -Infinity };
const TIMES = ['start_time', 'end_time'];
const REALS = ['objective', 'objective_se', 'progress', 'origin.expected', 'origin.deviation', 'origin.acquisition'];

/** A column as it is kept: numbers with NAN for what is not known, times in ms, everything else as it came. */
function clean(name: string, values: unknown[]): Value[] {
    if (TIMES.includes(name)) return values.map((v) => (v ? Date.parse(v as string) : NaN));
    if (REALS.includes(name) || name.startsWith('metrics.')) return values.map((v) => (typeof v === 'number' ? v : v === null || v === undefined ? NaN : (NUMBERS[v as string] ?? NaN)));
    return values as Value[];
}

export class Trials {
    n = 0;
    readonly columns = new Map<string, Value[]>();
    private readonly rowOf = new Map<number, number>();

    /** Puts in rows, new or changed; tells whether a result among them is (a trial that only goes on is none). */
    merge(columns: Record<string, unknown[]>): boolean {
        const before = this.n, state = this.state, objective = this.objective;
        const numbers = columns.number as number[], first = this.n === 0;
        const rows = numbers.map((number) => {
            const known = this.rowOf.get(number);
            if (known !== undefined) return known;
            this.rowOf.set(number, this.n);
            return this.n++;
        });
        const told = this.n > before || rows.some((row, i) => state[row] !== columns.state[i] || !Object.is(objective[row], clean('objective', [columns.objective[i]])[0]));
        for (const name of Object.keys(columns)) {
            const values = clean(name, columns[name]);
            let column = this.columns.get(name);
            if (!column) this.columns.set(name, (column = []));
            if (first) this.columns.set(name, values);
            else for (let i = 0; i < rows.length; i++) column[rows[i]] = values[i];
        }
        const missing = [...this.columns].filter(([name]) => !(name in columns));
        for (const [, column] of missing) for (const row of rows) column[row] = undefined; // no row of this part has it
        return told;
    }

    clear() {
        this.n = 0;
        this.columns.clear();
        this.rowOf.clear();
    }

    column(name: string): Value[] {
        return this.columns.get(name) ?? [];
    }

    get number() {
        return this.column('number') as number[];
    }
    get state() {
        return this.column('state') as TrialState[];
    }
    get objective() {
        return this.column('objective') as number[];
    }

    row(number: number): number | undefined {
        return this.rowOf.get(number);
    }

    names(prefix: string): string[] {
        return [...this.columns.keys()].filter((k) => k.startsWith(prefix)).map((k) => k.slice(prefix.length));
    }

    /** Seconds from start to end, to now for one that runs. */
    seconds(row: number, now: number): number {
        const start = this.column('start_time')[row] as number, end = this.column('end_time')[row] as number;
        return ((Number.isNaN(end) ? now : end) - start) / 1000;
    }

    params(row: number): Record<string, Value> {
        const out: Record<string, Value> = {};
        for (const name of this.names('params.')) {
            const v = this.column(`params.${name}`)[row];
            if (v !== null && v !== undefined) out[name] = v;
        }
        return out;
    }
}
