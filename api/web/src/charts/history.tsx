// SPDX-License-Identifier: GPL-3.0-or-later
// Every trial's objective in order, by state, and the best so far as a staircase.
import { useMemo } from 'preact/hooks';
import uPlot from 'uplot';
import { number, plural } from '../base/format';
import { go, route, setQuery } from '../base/route';
import type { Ink } from '../base/theme';
import { bestSoFar, objectiveColumn, usefulRange } from '../data/derive';
import type { ExperimentStore } from '../data/experiment';
import type { Spec } from '../data/types';
import { Select } from '../ui/parts';
import { Frame } from './frame';
import { Plot, axis, valueAxis } from './plot';

const SERIES = [
    { states: ['SUCCEEDED'], label: 'succeeded', colour: (i: Ink) => i.lines[0] },
    { states: ['PRUNED'], label: 'pruned', colour: (i: Ink) => i.lines[4] },
    { states: ['INFEASIBLE'], label: 'infeasible', colour: (i: Ink) => i.lines[3] },
] as const;

/** Marks by state, so that colour is not all that tells them apart. */
function marks(shape: number, size: number): uPlot.Series.PathBuilder {
    return (u: uPlot, si: number) => {
        const path = new Path2D(), d = u.data[si], k = uPlot.pxRatio, r = size * k;
        const { min, max } = u.scales.x;
        for (let i = 0; i < d.length; i++) {
            const v = d[i], at = u.data[0][i];
            if (v === null || v === undefined || at < min! || at > max!) continue;
            const x = u.valToPos(at, 'x', true), y = Math.max(u.bbox.top, Math.min(u.bbox.top + u.bbox.height, u.valToPos(v, 'y', true)));
            if (shape === 0 && size < 2) {
                path.rect(x - r, y - r, 2 * r, 2 * r); // too small to be seen round, and much cheaper
            } else if (shape === 0) {
                path.moveTo(x + r, y);
                path.arc(x, y, r, 0, 2 * Math.PI);
            } else if (shape === 1) {
                path.moveTo(x, y - r * 1.25);
                path.lineTo(x + r * 1.25, y);
                path.lineTo(x, y + r * 1.25);
                path.lineTo(x - r * 1.25, y);
                path.closePath();
            } else {
                path.rect(x - r * 0.9, y - r * 0.9, r * 1.8, r * 1.8);
            }
        }
        return { stroke: null as unknown as Path2D, fill: path };
    };
}

type Kind = (typeof SERIES)[number];

export function History({ store, spec, height = 280 }: { store: ExperimentStore; spec: Spec; height?: number }) {
    const version = store.version.value, { trials } = store;
    const objective = spec.objectives.find((o) => o.metric === route.value.query.objective) ?? spec.objectives[0];
    const byTime = route.value.query.x === 'time', log = route.value.query.y === 'log';
    const built = useMemo(() => {
        const values = objectiveColumn(trials, objective, spec.objectives[0]), best = bestSoFar(trials, objective), ends = trials.column('end_time') as number[];
        const order = Array.from({ length: trials.n }, (_, i) => i).filter((i) => !byTime || Number.isFinite(ends[i]));
        if (byTime) order.sort((a, b) => ends[a] - ends[b]);
        const start = byTime && order.length ? Math.min(...[ends[order[0]]]) : 0;
        const x = order.map((i) => (byTime ? (ends[i] - start) / 1000 : trials.number[i]));
        const ok = (v: number) => Number.isFinite(v) && (!log || v > 0);
        const kinds: readonly Kind[] = SERIES.filter((k, i) => i === 0 || trials.state.some((s) => (k.states as readonly string[]).includes(s)));
        const lines = kinds.map(({ states }) => order.map((i) => ((states as readonly string[]).includes(trials.state[i]) && ok(values[i]) ? values[i] : null)));
        const stairs = order.map((i) => (ok(best[i]) ? best[i] : null));
        const finite = order.filter((i) => (trials.state[i] === 'SUCCEEDED' || trials.state[i] === 'PRUNED') && ok(values[i])).map((i) => values[i]);
        const failed = trials.state.filter((s) => s === 'FAILED' || s === 'LOST').length;
        return { kinds, order, failed, data: [x, ...lines, stairs] as uPlot.AlignedData, range: usefulRange(finite, objective), best: stairs.findLast((v) => v !== null) ?? null };
    }, [version, objective.metric, byTime, log]);
    const done = (built.data[1] as (number | null)[]).filter((v) => v !== null).length;
    const summary = `${objective.metric} of ${plural(done, 'finished trial')}${built.best === null ? '' : `, best ${number(built.best)}`}`;
    const options = (i: Ink): Omit<uPlot.Options, 'width' | 'height'> => ({
        scales: {
            x: { time: false },
            y: log ? { distr: 3 } : { range: (_, low, high) => pad(built.range?.low ?? low, built.range?.high ?? high) },
        },
        axes: [axis(i, byTime ? 'seconds from the first result' : 'trial', { values: (_, ticks) => ticks.map((t) => (Number.isInteger(t) || byTime ? number(t) : '')) }), valueAxis(i, objective.metric)],
        series: [
            { label: byTime ? 'time' : 'trial', value: (_, v) => (v === null ? '–' : number(v)) },
            ...built.kinds.map((s): uPlot.Series => ({
                label: s.label, stroke: s.colour(i), fill: `${s.colour(i)}${s === SERIES[0] ? '99' : 'cc'}`, paths: marks(SERIES.indexOf(s), done > 2000 ? 1.6 : done > 300 ? 2.4 : 3.2), points: { show: false },
                value: (_, v) => (v === null ? '–' : number(v)),
            })),
            { label: 'best so far', stroke: i.best, width: 2, paths: uPlot.paths.stepped!({ align: 1 }), points: { show: false }, value: (_, v) => (v === null ? '–' : number(v)) },
        ],
        cursor: { points: { size: 7 }, focus: { prox: 24 } },
        legend: { live: true },
    });
    const note = [built.range?.cut && !log ? 'the worst lie on the border' : '', built.failed ? `${plural(built.failed, 'trial')} failed` : ''].filter(Boolean).join('; ');
    return (
        <Frame title="History" summary={summary} note={note} class="wide"
            data={() => ({ header: [byTime ? 'seconds' : 'trial', ...built.kinds.map((s) => s.label), 'best so far'], rows: built.order.map((_, k) => built.data.map((d) => d[k] as number | null)) })}
            controls={<>
                {spec.objectives.length > 1 && <Select label="objective" value={objective.metric} options={spec.objectives.map((o) => ({ value: o.metric, text: o.metric }))} onChange={(v) => setQuery({ objective: v })} />}
                <Select label="by" value={byTime ? 'time' : 'trial'} options={[{ value: 'trial', text: 'trial' }, { value: 'time', text: 'time' }]} onChange={(v) => setQuery({ x: v === 'time' ? v : undefined })} />
                <Select label="scale" value={log ? 'log' : 'linear'} options={[{ value: 'linear', text: 'linear' }, { value: 'log', text: 'log' }]} onChange={(v) => setQuery({ y: v === 'log' ? v : undefined })} />
            </>}>
            {(onDrawn) => done === 0 && !built.data.slice(1).some((d) => d.some((v) => v !== null))
                ? <div class="chart-empty" style={{ minHeight: `${height}px` }}>No trial has given a result yet.</div>
                : <Plot height={height} summary={summary} data={built.data} options={options} shape={`${built.kinds.length} ${objective.metric} ${byTime} ${log} ${done > 300} ${done > 2000} ${JSON.stringify(built.range)}`}
                    onDrawn={onDrawn} onPick={(x) => {
                        const at = (built.data[0] as number[]).indexOf(x);
                        if (at >= 0) go([store.project, store.name, 'trial', trials.number[built.order[at]]]);
                    }} />}
        </Frame>
    );
}

export function pad(low: number, high: number): [number, number] {
    const room = (high - low || Math.abs(high) || 1) * 0.05;
    return [low - room, high + room];
}
