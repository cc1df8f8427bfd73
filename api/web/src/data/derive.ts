// SPDX-License-Identifier: GPL-3.0-or-later
// What views compute of the trials: the order of a leaderboard, the best so far, a front. Pure.
import type { Value } from '../base/format';
import type { Trials } from './trials';
import type { Objective, ParameterSpec, Spec } from './types';

export const better = (o: Objective) => (o.direction === 'maximize' ? (a: number, b: number) => a > b : (a: number, b: number) => a < b);

/** For each row that succeeded in order of number: the best value up to it; NAN elsewhere. */
export function bestSoFar(trials: Trials, o: Objective): Float64Array {
    const out = new Float64Array(trials.n).fill(NaN), isBetter = better(o), values = objectiveColumn(trials, o);
    let best = NaN;
    for (let i = 0; i < trials.n; i++) {
        const v = values[i];
        if (trials.state[i] === 'SUCCEEDED' && Number.isFinite(v) && (Number.isNaN(best) || isBetter(v, best))) best = v;
        out[i] = best;
    }
    return out;
}

/** The values of an objective: the first one is a column of its own. */
export function objectiveColumn(trials: Trials, o: Objective, first?: Objective): number[] {
    if (first && o.metric !== first.metric) return trials.column(`metrics.${o.metric}`) as number[];
    const of = trials.column(`metrics.${o.metric}`) as number[];
    return of.length ? of : trials.objective;
}

/** Rows sorted by a column; what has no value comes last either way, equals stay in order of number. */
export function sorted(rows: number[], key: (row: number) => Value, down: boolean): number[] {
    const keys = rows.map(key), sign = down ? -1 : 1, missing = (v: Value) => v === null || v === undefined || (typeof v === 'number' && Number.isNaN(v));
    const order = rows.map((_, i) => i), there = order.filter((i) => !missing(keys[i])), rest = order.filter((i) => missing(keys[i]));
    if (there.some((i) => typeof keys[i] === 'string')) {
        const texts = keys.map(String);
        there.sort((a, b) => (texts[a] === texts[b] ? rows[a] - rows[b] : texts[a] < texts[b] ? -sign : sign));
    } else {
        const numbers = Float64Array.from(keys, Number);
        there.sort((a, b) => sign * (numbers[a] - numbers[b]) || rows[a] - rows[b]);
    }
    return [...there, ...rest.sort((a, b) => rows[a] - rows[b])].map((i) => rows[i]);
}

/** Rows that no other row beats in both objectives. */
export function front(rows: number[], x: ArrayLike<number>, y: ArrayLike<number>, betterX: (a: number, b: number) => boolean, betterY: (a: number, b: number) => boolean): number[] {
    const order = [...rows].sort((a, b) => (x[a] === x[b] ? (betterY(y[a], y[b]) ? -1 : 1) : betterX(x[a], x[b]) ? -1 : 1));
    const out: number[] = [];
    let best = NaN;
    for (const r of order)
        if (Number.isNaN(best) || betterY(y[r], best)) {
            out.push(r);
            best = y[r];
        }
    return out;
}

/** Steps at which halving compares trials; the rule's settings are all in the stored file. */
export function rungs(spec: Spec, most: number): number[] {
    const rule = [spec.stopping, spec.algorithm].find((r) => r && ['asha', 'hyperband', 'bohb'].includes(r.name));
    if (!rule) return [];
    const s = rule.settings as Record<string, number>, eta = Number(s.reduction_factor ?? 3), end = Number(s.max_resource) || Infinity, out: number[] = [];
    for (let step = Number(s.min_resource ?? 1) * eta ** Number(s.bracket ?? 0); step < Math.min(end, most + 1) && out.length < 40; step *= eta) out.push(step);
    return out;
}

/** Evenly spread members of a list, first and last among them. */
export function spread<T>(list: T[], most: number): T[] {
    if (list.length <= most) return list;
    return Array.from({ length: most }, (_, i) => list[Math.round((i * (list.length - 1)) / (most - 1))]);
}

export const isNumeric = (p: ParameterSpec) => p.type === 'float' || p.type === 'int';
export const choices = (p: ParameterSpec): Value[] => (p.type === 'bool' ? [false, true] : (p.values ?? []));

/** Range of the finite values; null when there are none. */
export function extent(values: ArrayLike<Value>, rows?: ArrayLike<number>): [number, number] | null {
    let low = Infinity, high = -Infinity;
    const n = rows ? rows.length : values.length;
    for (let i = 0; i < n; i++) {
        const v = values[rows ? rows[i] : i];
        if (typeof v !== 'number' || !Number.isFinite(v)) continue;
        if (v < low) low = v;
        if (v > high) high = v;
    }
    return low <= high ? [low, high] : null;
}

/** The range that shows what matters: the worst outliers (a tenth at most) do not flatten the rest. */
export function usefulRange(values: number[], o: Objective): { low: number; high: number; cut: boolean } | null {
    const finite = values.filter(Number.isFinite).sort((a, b) => a - b);
    if (!finite.length) return null;
    let low = finite[0], high = finite[finite.length - 1];
    const inner = o.direction === 'maximize' ? finite[Math.floor(finite.length * 0.1)] : finite[Math.ceil(finite.length * 0.9) - 1];
    const span = o.direction === 'maximize' ? high - inner : inner - low, whole = high - low;
    const cut = finite.length >= 10 && span > 0 && whole > 3 * span;
    if (cut && o.direction === 'maximize') low = inner - 0.15 * span;
    if (cut && o.direction === 'minimize') high = inner + 0.15 * span;
    return { low, high, cut };
}
