// SPDX-License-Identifier: GPL-3.0-or-later
// What the search is doing: who suggests, how well its model foretells, whether it explores, and how much it still hopes to gain; the budget beside it.
import { useMemo } from 'preact/hooks';
import { duration, number, percent, plural } from '../base/format';
import { route, setQuery } from '../base/route';
import type { Ink } from '../base/theme';
import { numberAxis, parameterAxis } from '../charts/axis';
import { Frame } from '../charts/frame';
import { pad } from '../charts/history';
import { Scatter } from '../charts/scatter';
import { extent, usefulRange } from '../data/derive';
import { useResource } from '../data/resource';
import { FINAL_TRIAL } from '../data/types';
import { useNow } from '../ui/now';
import { Card, Empty, Progress, Select } from '../ui/parts';
import type { ViewProps } from './all';

const RECENT = 30;

/** Spearman's rank correlation. */
function rankCorrelation(a: number[], b: number[]): number {
    const ranks = (v: number[]) => {
        const order = v.map((_, i) => i).sort((i, j) => v[i] - v[j]), out = new Array<number>(v.length);
        for (let i = 0; i < order.length; ) {
            let j = i;
            while (j < order.length && v[order[j]] === v[order[i]]) j++;
            for (let k = i; k < j; k++) out[order[k]] = (i + j - 1) / 2;
            i = j;
        }
        return out;
    };
    const x = ranks(a), y = ranks(b), m = (a.length - 1) / 2;
    let xy = 0, xx = 0, yy = 0;
    for (let i = 0; i < a.length; i++) {
        xy += (x[i] - m) * (y[i] - m);
        xx += (x[i] - m) ** 2;
        yy += (y[i] - m) ** 2;
    }
    return xx && yy ? xy / Math.sqrt(xx * yy) : NaN;
}

interface Capabilities {
    algorithms: { name: string; title: string; about: string }[];
    stoppers: { name: string; title?: string; about?: string }[];
}

export function Search({ store, spec }: ViewProps) {
    const version = store.version.value, t = store.trials, e = store.experiment.value!, now = useNow(1000);
    const can = useResource<Capabilities>('capabilities');
    const by = t.column('origin.by'), how = t.column('origin.how'), expected = t.column('origin.expected') as number[], acquisition = t.column('origin.acquisition') as number[], deviation = t.column('origin.deviation') as number[];
    const built = useMemo(() => {
        const all = Array.from({ length: t.n }, (_, i) => i), o = spec.objectives[0];
        // How far each suggestion lies from the best trial before it, as a part of each parameter's range: far is exploring, near exploiting.
        const names = Object.keys(spec.parameters), axes = names.map((n) => parameterAxis(n, spec.parameters[n], t.column(`params.${n}`)));
        const parts = names.map((n, k) => t.column(`params.${n}`).map((v) => axes[k].part(v)));
        let best = -1;
        const distance = all.map((i) => {
            let sum = NaN;
            if (best >= 0) {
                sum = 0;
                for (let k = 0; k < parts.length; k++) {
                    const a = parts[k][i], b = parts[k][best];
                    sum += Number.isNaN(a) !== Number.isNaN(b) ? 1 : Number.isNaN(a) ? 0 : axes[k].numeric ? Math.abs(a - b) : a === b ? 0 : 1;
                }
                sum /= Math.max(1, parts.length);
            }
            const v = t.objective[i];
            if (t.state[i] === 'SUCCEEDED' && Number.isFinite(v) && (best < 0 || (o.direction === 'maximize' ? v > t.objective[best] : v < t.objective[best]))) best = i;
            return sum;
        });
        const kinds = new Map<string, number>();
        for (const i of all.slice(-RECENT)) {
            const name = `${by[i] ?? 'unknown'}${how[i] ? `: ${how[i]}` : ''}`;
            kinds.set(name, (kinds.get(name) ?? 0) + 1);
        }
        const foretold = all.filter((i) => t.state[i] === 'SUCCEEDED' && Number.isFinite(expected[i]) && Number.isFinite(t.objective[i]));
        const hoped = all.filter((i) => Number.isFinite(acquisition[i]));
        const spreadOf = (part: number[]) => (part.length ? part.reduce((s, v) => s + v, 0) / part.length : NaN);
        const measured = distance.filter(Number.isFinite);
        return { all, distance, kinds, foretold, hoped, recent: spreadOf(measured.slice(-RECENT)), before: spreadOf(measured.slice(0, RECENT)), fit: rankCorrelation(foretold.map((i) => expected[i]), foretold.map((i) => t.objective[i])) };
    }, [version, spec]);
    const algorithm = can.data?.algorithms.find((a) => a.name === spec.algorithm.name), stopper = can.data?.stoppers.find((s) => s.name === spec.stopping?.name);
    const done = t.state.filter((s) => FINAL_TRIAL.includes(s)).length, used = e.start_time ? (Date.parse(e.end_time ?? new Date(now).toISOString()) - Date.parse(e.start_time)) / 1000 : 0;
    const busy = useMemo(() => built.all.reduce((s, i) => s + (Number.isFinite(t.column('start_time')[i] as number) ? t.seconds(i, now) : 0), 0), [version]);
    const exploring = !Number.isFinite(built.recent) ? null : built.recent > 0.24 ? 'exploring: recent suggestions are far from the best' : built.recent > 0.12 ? 'between exploring and exploiting' : 'exploiting: recent suggestions are near the best';
    const both = extent([...built.foretold.map((i) => expected[i]), ...built.foretold.map((i) => t.objective[i])]);
    const shown = usefulRange([...built.foretold.map((i) => expected[i]), ...built.foretold.map((i) => t.objective[i])], spec.objectives[0]);
    const square = numberAxis('expected', ...(shown ? pad(shown.low, shown.high) : ([0, 1] as [number, number])));
    const numbers = numberAxis('trial', 1, Math.max(2, t.n));
    const far = numberAxis('distance from the best', 0, Math.max(0.05, extent(built.distance)?.[1] ?? 1));
    const ways = [...new Set(built.hoped.map((i) => String(how[i] ?? '')))], way = ways.includes(route.value.query.how ?? '') ? route.value.query.how! : ways[ways.length - 1];
    const hoping = built.hoped.filter((i) => String(how[i] ?? '') === way); // each way has a measure of its own
    const hope = extent(hoping.map((i) => acquisition[i]));
    const hopes = numberAxis('acquisition', ...(hope ? pad(...hope) : ([0, 1] as [number, number])));
    const byOrigin = (r: number, i: Ink) => (by[r] === 'user' || by[r] === 'import' ? i.lines[3] : Number.isFinite(expected[r]) || Number.isFinite(acquisition[r]) ? i.lines[0] : i.lines[7]);
    const lastHow = [...built.kinds].sort((a, b) => b[1] - a[1]);
    return (
        <div class="grid">
            <Card title="Now" note={algorithm ? algorithm.title : spec.algorithm.name}>
                <p>{algorithm?.about}</p>
                <h3>The last {plural(Math.min(RECENT, t.n), 'suggestion')}</h3>
                <ul class="plain">{lastHow.map(([name, n]) => <li key={name}>{n} × {name}</li>)}</ul>
                {exploring && <p>It is <b>{exploring}</b> (on average {percent(built.recent)} of the range of each parameter{Number.isFinite(built.before) && t.n > 2 * RECENT ? `, at first ${percent(built.before)}` : ''}).</p>}
                {built.foretold.length >= 5 && <p>Its model put {plural(built.foretold.length, 'trial')} in an order that agrees with what was found by <b>{number(built.fit, 2)}</b> (1 all, 0 chance).</p>}
            </Card>
            <Card title="Budget">
                <dl class="pairs one">
                    <div><dt>Trials</dt><dd>{done.toLocaleString('en')}{spec.trials.max ? ` of ${spec.trials.max.toLocaleString('en')}` : ''}{spec.trials.max ? <Progress value={done / spec.trials.max} label="trials used" /> : null}</dd></div>
                    <div><dt>Time</dt><dd>{duration(used)}{spec.limits.time ? ` of ${duration(spec.limits.time)}` : ''}{spec.limits.time ? <Progress value={Math.min(1, used / spec.limits.time)} label="time used" /> : null}</dd></div>
                    <div><dt>Time of all trials together</dt><dd>{duration(busy)}</dd></div>
                    <div><dt>A trial takes</dt><dd>{done ? duration(busy / Math.max(1, t.n)) : '–'}</dd></div>
                    {e.eta_seconds !== null && e.state === 'RUNNING' && <div><dt>Done in about</dt><dd>{duration(e.eta_seconds)}</dd></div>}
                    <div><dt>Stops bad trials</dt><dd>{spec.stopping && spec.stopping.name !== 'none' ? `${spec.stopping.name}: ${plural(e.counts.PRUNED ?? 0, 'trial')} pruned` : 'no rule'}</dd></div>
                    {spec.objectives[0].goal !== undefined && <div><dt>Goal</dt><dd>{number(spec.objectives[0].goal)}{e.best ? ` (${number(Math.abs(spec.objectives[0].goal - e.best.value))} away)` : ''}</dd></div>}
                </dl>
                {stopper?.about && <p class="faint">{stopper.about}</p>}
            </Card>
            <Frame title="Exploring or exploiting" note="how far each suggestion lies from the best before it" summary={exploring ?? 'no trial yet'} data={() => ({ header: ['trial', 'distance'], rows: built.all.map((i) => [t.number[i], built.distance[i]]) })}>
                {(onDrawn) => (Number.isFinite(built.recent) ? <Scatter store={store} rows={built.all.slice(-4000)} x={numbers} y={far} xs={t.number} ys={built.distance} colour={byOrigin} height={260} summary={exploring ?? ''} onDrawn={onDrawn} deps={[built]} /> : <Empty title="Nothing to compare with yet" />)}
            </Frame>
            {built.foretold.length >= 3 && both ? (
                <Frame title="Expected and found" note="on the dashed line the model was right" summary={`rank correlation ${number(built.fit, 2)}`} data={() => ({ header: ['trial', 'expected', 'deviation', 'found'], rows: built.foretold.map((i) => [t.number[i], expected[i], deviation[i], t.objective[i]]) })}>
                    {(onDrawn) => <Scatter store={store} rows={built.foretold} x={square} y={{ ...square, title: `${spec.objectives[0].metric} found` }} xs={expected} ys={t.objective} diagonal height={260} summary="expected against found" onDrawn={onDrawn} deps={[built]} />}
                </Frame>
            ) : <Card title="Expected and found"><p class="faint">This search foretells no values (a model such as <code>gp</code> does).</p></Card>}
            {built.hoped.length > 0 && (
                <Frame title="Hope left" class="wide" note="what the search expected to gain by each suggestion, in its own measure" summary="acquisition by trial" data={() => ({ header: ['trial', 'acquisition'], rows: hoping.map((i) => [t.number[i], acquisition[i]]) })}
                    controls={ways.length > 1 && <Select label="by" value={way} options={ways.map((w) => ({ value: w, text: w }))} onChange={(v) => setQuery({ how: v })} />}>
                    {(onDrawn) => <Scatter store={store} rows={hoping.slice(-4000)} x={numbers} y={hopes} xs={t.number} ys={acquisition} height={240} summary="acquisition by trial" onDrawn={onDrawn} deps={[built, way]} />}
                </Frame>
            )}
        </div>
    );
}
