// SPDX-License-Identifier: GPL-3.0-or-later
// The views that are charts of all trials: curves, parallel coordinates, slices and heat map, importances, front, timeline.
import { useMemo, useState } from 'preact/hooks';
import { withQuery } from '../base/api';
import { number, percent, plural, type Value } from '../base/format';
import { href, route, setQuery } from '../base/route';
import { type Axis, numberAxis, parameterAxis } from '../charts/axis';
import { CurvesChart, curveRows } from '../charts/curves';
import { Frame } from '../charts/frame';
import { HeatMap, cells } from '../charts/heatmap';
import { pad } from '../charts/history';
import { type Dimension, LINES_MAX, ParallelChart, inBrushes } from '../charts/parallel';
import { Scatter } from '../charts/scatter';
import { TimelineChart, lanes } from '../charts/timeline';
import { better, extent, front, isNumeric, objectiveColumn, rungs, sorted, spread, usefulRange } from '../data/derive';
import type { ExperimentStore } from '../data/experiment';
import { useResource } from '../data/resource';
import { type Curve, type Dependence, FINAL_TRIAL, type Importances, type Objective, type Spec } from '../data/types';
import { useNow } from '../ui/now';
import { Card, Empty, Failure, Loading, Select, Toggle } from '../ui/parts';
import { Table } from '../ui/table';
import type { ViewProps } from './all';

const SLICE_POINTS = 2000;

/** Rows that have a value that counts, and the values. */
function told(store: ExperimentStore, o: Objective, spec: Spec, pruned = false): { rows: number[]; values: number[] } {
    const t = store.trials, values = objectiveColumn(t, o, spec.objectives[0]);
    const rows: number[] = [];
    for (let i = 0; i < t.n; i++) if ((t.state[i] === 'SUCCEEDED' || (pruned && t.state[i] === 'PRUNED')) && Number.isFinite(values[i])) rows.push(i);
    return { rows, values };
}

const chosenObjective = (spec: Spec) => spec.objectives.find((o) => o.metric === route.value.query.objective) ?? spec.objectives[0];

function ObjectiveSelect({ spec }: { spec: Spec }) {
    if (spec.objectives.length < 2) return null;
    return <Select label="objective" value={chosenObjective(spec).metric} options={spec.objectives.map((o) => ({ value: o.metric, text: o.metric }))} onChange={(v) => setQuery({ objective: v })} />;
}

const Few = ({ what }: { what: string }) => <Empty title={`No ${what} yet`}><p>They appear as soon as trials report.</p></Empty>;

// ---- learning curves

export function Curves({ store, spec }: ViewProps) {
    const version = store.version.value, t = store.trials, q = route.value.query;
    const many = Number(q.n) || 60, metrics = useMemo(() => [...new Set([...spec.objectives.map((o) => o.metric), ...t.names('metrics.')])], [version]);
    const metric = q.metric ?? metrics[0], o = spec.objectives.find((k) => k.metric === metric) ?? spec.objectives[0];
    const numbers = useMemo(() => {
        const all = Array.from({ length: t.n }, (_, i) => i), live = all.filter((i) => !FINAL_TRIAL.includes(t.state[i]) && t.state[i] !== 'QUEUED').slice(-20);
        const best = sorted(told(store, o, spec).rows, (r) => objectiveColumn(t, o, spec.objectives[0])[r], o.direction === 'maximize').slice(0, Math.ceil(many / 3));
        const taken = new Set([...best, ...live]), rest = spread(all.filter((i) => !taken.has(i)), Math.max(0, many - taken.size));
        return [...new Set([...rest, ...live, ...best.reverse()])].map((r) => t.number[r]).slice(-500);
    }, [version, many, metric]);
    const got = useResource<{ curves: Curve[] }>(numbers.length ? withQuery(`${store.path}/curves`, { trials: numbers.join(','), metric, max_points: 100 }) : null, store.reported.value.at, 1000);
    const [kept, setKept] = useState<Curve[]>([]);
    if (got.data && got.data.curves !== kept) setKept(got.data.curves);
    const curves = got.data?.curves ?? kept;
    const steps = extent(curves.map((c) => c.steps[c.steps.length - 1]))?.[1] ?? 1;
    const lines = useMemo(() => rungs(spec, steps), [spec, steps]);
    if (got.problem) return <Failure problem={got.problem} />;
    return (
        <Frame title="Learning curves" summary={`${metric} by step of ${plural(curves.length, 'trial')}`} note={`${plural(curves.length, 'trial')}: the best, those that run, and some of the others`}
            data={() => ({ header: ['trial', 'step', metric], rows: curveRows(curves) })}
            controls={<>
                <Select label="metric" value={metric} options={metrics.map((m) => ({ value: m, text: m }))} onChange={(v) => setQuery({ metric: v })} />
                <Select label="trials" value={String(many)} options={['20', '60', '150', '400'].map((v) => ({ value: v, text: v }))} onChange={(v) => setQuery({ n: v })} />
                <Toggle label="log steps" on={q.lx === '1'} onChange={(on) => setQuery({ lx: on ? '1' : undefined })} />
                <Toggle label="log values" on={q.ly === '1'} onChange={(on) => setQuery({ ly: on ? '1' : undefined })} />
            </>}>
            {(onDrawn) => (curves.length
                ? <><CurvesChart store={store} curves={curves} metric={metric} rungs={lines} best={store.experiment.value?.best?.number} logX={q.lx === '1'} logY={q.ly === '1'} height={440} onDrawn={onDrawn} /><StateLegend best /></>
                : got.data ? <Few what="curves" /> : <Loading what="curves" />)}
        </Frame>
    );
}

const StateLegend = ({ best }: { best?: boolean }) => (
    <p class="legend" aria-hidden="true">
        {best && <span><i class="k-best" /> best</span>}<span><i class="k-done" /> succeeded</span><span><i class="k-live" /> running</span><span><i class="k-cut" /> pruned</span><span><i class="k-bad" /> failed, ended</span>
    </p>
);

// ---- parallel coordinates

const writeBrushes = (b: Map<string, [number, number]>) => [...b].map(([id, [a, z]]) => `${encodeURIComponent(id)}:${a.toFixed(4)}:${z.toFixed(4)}`).join(';') || undefined;
function readBrushes(text = ''): Map<string, [number, number]> {
    return new Map(text.split(';').filter(Boolean).map((part) => {
        const [id, a, z] = part.split(':');
        return [decodeURIComponent(id), [Number(a), Number(z)]];
    }));
}

/** The brushes in the grammar of filters, for the list of trials. */
export function brushFilter(dimensions: Dimension[]): string {
    return dimensions.flatMap((d) => {
        if (!d.brush) return [];
        const quote = (v: Value) => (typeof v === 'string' ? `"${v.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"` : String(v));
        const [low, high] = d.brush, bound = (part: number) => Number((d.axis.at(part) as number).toPrecision(8));
        if (d.axis.numeric) return [low > 0 ? `${d.id}>=${bound(low)}` : '', high < 1 ? `${d.id}<=${bound(high)}` : ''].filter(Boolean); // an end of the axis is no bound
        const values = d.axis.ticks(1000).filter((t) => t.part >= d.brush![0] && t.part <= d.brush![1]).map((t) => `${d.id}=${quote(d.axis.at(t.part))}`);
        return values.length ? [`(${values.join(' OR ')})`] : [];
    }).join(' AND ');
}

export function Parallel({ store, spec }: ViewProps) {
    const version = store.version.value, t = store.trials, q = route.value.query;
    const [listing, setListing] = useState(false);
    const objective = spec.objectives[0], known = useMemo(() => [...Object.keys(spec.parameters).map((p) => `params.${p}`), ...spec.objectives.map((o, k) => (k ? `metrics.${o.metric}` : 'objective'))], [spec]);
    const order = useMemo(() => {
        const named = (q.axes ?? '').split(',').filter((id) => known.includes(id));
        return named.length ? named : known.length > 13 ? [...known.slice(0, 12), 'objective'] : known;
    }, [q.axes, known]);
    const flipped = (q.log ?? '').split(',').filter(Boolean); // axes that are not as their parameter's scale says
    const { rows, values } = useMemo(() => told(store, objective, spec, q.pruned === '1'), [version, q.pruned]);
    const byWorth = useMemo(() => sorted([...rows], (r) => values[r], objective.direction === 'minimize'), [rows]); // the best last
    const rank = useMemo(() => new Map(byWorth.map((r, i) => [r, byWorth.length < 2 ? 1 : i / (byWorth.length - 1)])), [byWorth]);
    const axes = useMemo(() => order.map((id): Dimension => {
        const column = t.column(id), name = id.replace(/^(params|metrics)\./, ''), p = id.startsWith('params.') ? spec.parameters[name] : undefined, flip = flipped.includes(id);
        let axis: Axis;
        if (p) axis = parameterAxis(name, p, column, (p.scale === 'log') !== flip);
        else {
            const o = id === 'objective' ? objective : spec.objectives.find((k) => k.metric === name)!, seen = usefulRange(rows.map((r) => column[r] as number), o);
            axis = numberAxis(o.metric, seen?.low ?? 0, seen?.high ?? 1, flip);
        }
        const parts = Float64Array.from({ length: t.n }, (_, r) => {
            const part = axis.part(column[r]);
            return p ? part : Math.max(0, Math.min(1, part));
        });
        return { id, axis, parts, brush: null };
    }), [version, order, q.log, rows]);
    const [draft, setDraft] = useState<{ id: string; brush: [number, number] } | null>(null); // while it is dragged; the address has it at the end
    const brushes = useMemo(() => {
        const kept = readBrushes(q.brush);
        return draft ? kept.set(draft.id, draft.brush) : kept;
    }, [q.brush, draft]);
    const dimensions = useMemo(() => axes.map((d) => ({ ...d, brush: brushes.get(d.id) ?? null })), [axes, brushes]);
    const inside = useMemo(() => byWorth.filter((r) => inBrushes(dimensions, r)).reverse(), [byWorth, dimensions]);
    const brush = (id: string, b: [number, number] | null, done = true) => {
        setDraft(done || !b ? null : { id, brush: b });
        if (!done) return;
        const next = new Map(brushes);
        if (b) next.set(id, b);
        else next.delete(id);
        setQuery({ brush: writeBrushes(next) });
    };
    const move = (id: string, to: number) => {
        const next = order.filter((x) => x !== id);
        next.splice(to, 0, id);
        setQuery({ axes: next.join(',') });
    };
    const log = (id: string) => setQuery({ log: (flipped.includes(id) ? flipped.filter((x) => x !== id) : [...flipped, id]).join(',') || undefined });
    const note = `${brushes.size ? `${inside.length.toLocaleString('en')} of ` : ''}${plural(rows.length, 'trial')}${rows.length > LINES_MAX ? `, ${LINES_MAX} of them drawn` : ''}`;
    return (
        <div class="grid">
            <Frame title="Parallel coordinates" class="wide" note={note} summary={note}
                data={() => ({ header: ['trial', ...dimensions.map((d) => d.axis.title)], rows: inside.map((r) => [t.number[r], ...dimensions.map((d) => t.column(d.id)[r])]) })}
                controls={<>
                    <Toggle label="pruned too" on={q.pruned === '1'} onChange={(on) => setQuery({ pruned: on ? '1' : undefined })} />
                    <button type="button" aria-expanded={listing} onClick={() => setListing(!listing)}>Axes</button>
                    <button type="button" disabled={!brushes.size} onClick={() => setQuery({ brush: undefined })}>Clear brushes</button>
                </>}>
                {(onDrawn) => (rows.length
                    ? <ParallelChart store={store} dimensions={dimensions} rows={byWorth} shade={(r) => rank.get(r) ?? 0} onBrush={brush} dragging={draft !== null} n={inside.length} onMove={move} height={430} onDrawn={onDrawn} />
                    : <Few what="trials" />)}
            </Frame>
            {listing && (
                <Card title="Axes" note="the same as dragging, by keyboard" class="wide">
                    <ul class="axes-list">
                        {dimensions.map((d, i) => (
                            <li key={d.id}>
                                <b>{d.axis.title}</b>
                                <button type="button" class="bare" disabled={i === 0} aria-label={`move ${d.axis.title} left`} onClick={() => move(d.id, i - 1)}>←</button>
                                <button type="button" class="bare" disabled={i === dimensions.length - 1} aria-label={`move ${d.axis.title} right`} onClick={() => move(d.id, i + 1)}>→</button>
                                {d.axis.numeric && <Toggle label="log" on={d.axis.log} onChange={() => log(d.id)} />}
                                <BrushFields d={d} onBrush={(b) => brush(d.id, b)} />
                                <button type="button" class="bare" aria-label={`hide ${d.axis.title}`} onClick={() => setQuery({ axes: order.filter((x) => x !== d.id).join(',') })}>hide</button>
                            </li>
                        ))}
                    </ul>
                    {known.some((id) => !order.includes(id)) && <p>Hidden: {known.filter((id) => !order.includes(id)).map((id) => <button key={id} type="button" onClick={() => setQuery({ axes: [...order, id].join(',') })}>{id.replace(/^\w+\./, '')}</button>)}</p>}
                </Card>
            )}
            {brushes.size > 0 && !draft && (
                <Card title="Within the brushes" note={plural(inside.length, 'trial')} class="wide" actions={<a class="button" href={href([store.project, store.name, 'trials'], { filter: brushFilter(dimensions) })}>As a filter</a>}>
                    <Table label="Trials within the brushes" rows={inside} rowKey={(r) => t.number[r]} height={300} columns={[
                        { id: 'number', title: 'Trial', cell: (r) => <a href={href([store.project, store.name, 'trial', t.number[r]])}>#{t.number[r]}</a> },
                        ...dimensions.map((d) => ({ id: d.id, title: d.axis.title, numeric: d.axis.numeric, cell: (r: number) => number(t.column(d.id)[r]) })),
                    ]} />
                </Card>
            )}
        </div>
    );
}

function BrushFields({ d, onBrush }: { d: Dimension; onBrush: (b: [number, number] | null) => void }) {
    const [low, high] = d.brush ?? [0, 1];
    if (!d.axis.numeric)
        return (
            <span class="choices-inline">
                {d.axis.ticks(30).map((t, i) => (
                    <Toggle key={t.text} label={t.text} on={!d.brush || (t.part >= low && t.part <= high)}
                        onChange={() => onBrush(d.brush && t.part >= low && t.part <= high && high - low < 1 / d.axis.n + 1e-6 ? null : [i / d.axis.n, (i + 1) / d.axis.n])} />
                ))}
            </span>
        );
    const set = (which: 0 | 1, text: string) => {
        const part = d.axis.part(Number(text));
        if (text.trim() === '' || Number.isNaN(part)) return onBrush(null);
        const b: [number, number] = [low, high];
        b[which] = Math.max(0, Math.min(1, part));
        return onBrush(b[0] <= b[1] ? b : [b[1], b[0]]);
    };
    return (
        <>
            <label class="field-inline">from <input type="text" inputMode="decimal" size={8} value={d.brush ? number(d.axis.at(low), 6) : ''} onChange={(e) => set(0, e.currentTarget.value)} /></label>
            <label class="field-inline">to <input type="text" inputMode="decimal" size={8} value={d.brush ? number(d.axis.at(high), 6) : ''} onChange={(e) => set(1, e.currentTarget.value)} /></label>
        </>
    );
}

// ---- slices and the heat map

function objectiveAxis(rows: number[], values: number[], o: Objective, log: boolean): Axis {
    const seen = usefulRange(rows.map((r) => values[r]), o), [low, high] = seen ? pad(seen.low, seen.high) : [0, 1];
    return numberAxis(o.metric, log && seen ? seen.low : low, log && seen ? seen.high : high, log);
}

function Slice({ store, spec, name, rows, values, y, version, line }: ViewProps & { name: string; rows: number[]; values: number[]; y: Axis; version: number; line: Dependence | null }) {
    const p = spec.parameters[name], column = store.trials.column(`params.${name}`), points = line?.parameters.find((k) => k.param === name)?.points;
    const own = useMemo(() => rows.filter((r) => column[r] !== null && column[r] !== undefined), [rows, version]);
    const x = useMemo(() => parameterAxis(name, p, column), [version, p]);
    const over = useMemo(() => (points?.length ? { x: points.map((k) => k.value), mean: points.map((k) => k.mean), low: points.map((k) => k.low), high: points.map((k) => k.high) } : null), [points]);
    const summary = `${y.title} over ${name}, ${plural(own.length, 'trial')}`;
    return (
        <Frame title={name} summary={summary} data={() => ({ header: ['trial', name, y.title], rows: own.map((r) => [store.trials.number[r], column[r], values[r]]) })}>
            {(onDrawn) => <Scatter store={store} rows={own} x={x} y={y} xs={column} ys={values} over={over} height={230} summary={summary} onDrawn={onDrawn} deps={[own, x, y, over]} />}
        </Frame>
    );
}

export function Slices(props: ViewProps) {
    const { store, spec } = props, version = store.version.value, q = route.value.query, t = store.trials;
    const o = chosenObjective(spec), names = Object.keys(spec.parameters), log = q.y === 'log';
    const { rows, values } = useMemo(() => told(store, o, spec, q.pruned === '1'), [version, o.metric, q.pruned]);
    const y = useMemo(() => objectiveAxis(rows, values, o, log), [rows, log]);
    const drawn = useMemo(() => {
        const best = sorted([...rows], (r) => values[r], o.direction === 'maximize').slice(0, 200), set = new Set(best);
        return rows.length <= SLICE_POINTS ? rows : [...spread(rows.filter((r) => !set.has(r)), SLICE_POINTS - best.length), ...best];
    }, [rows]);
    const a = names.includes(q.a ?? '') ? q.a! : names[0], b = names.includes(q.b ?? '') ? q.b! : (names[1] ?? names[0]), mean = q.cell === 'mean';
    const map = useMemo(() => {
        const x = parameterAxis(a, spec.parameters[a], t.column(`params.${a}`)), yy = parameterAxis(b, spec.parameters[b], t.column(`params.${b}`));
        return { x, y: yy, built: cells(x, yy, t.column(`params.${a}`), t.column(`params.${b}`), values, rows, better(o), mean) };
    }, [rows, a, b, mean]);
    const [low, high] = useMemo(() => extent(map.built.cells.map((c) => c.value)) ?? [0, 1], [map]);
    const [best, worst] = o.direction === 'maximize' ? [high, low] : [low, high];
    const line = useResource<Dependence>(withQuery(`${store.path}/dependence`, { param: '*', metric: o === spec.objectives[0] ? undefined : o.metric }), version, 8000);
    if (!rows.length) return <Few what="results" />;
    const options = names.map((n) => ({ value: n, text: n }));
    return (
        <>
            <div class="controls">
                <ObjectiveSelect spec={spec} />
                <Toggle label="log objective" on={log} onChange={(on) => setQuery({ y: on ? 'log' : undefined })} />
                <Toggle label="pruned too" on={q.pruned === '1'} onChange={(on) => setQuery({ pruned: on ? '1' : undefined })} />
                <span class="faint">Line and band: the objective along the parameter, averaged over the others by a model. {rows.length > drawn.length && `${plural(drawn.length, 'trial')} of ${rows.length.toLocaleString('en')} are drawn.`}</span>
            </div>
            <div class="grid thirds">
                {names.map((name) => <Slice key={name} {...props} name={name} rows={drawn} values={values} y={y} version={version} line={line.data} />)}
                {names.length > 1 && (
                    <Frame title="Heat map" class="wide" summary={`${o.metric} over ${a} and ${b}`}
                        data={() => ({ header: [a, b, o.metric, 'trials'], rows: map.built.cells.map((c) => [String(map.x.at((c.i + 0.5) / map.built.nx)), String(map.y.at((c.j + 0.5) / map.built.ny)), c.value, c.n]) })}
                        controls={<>
                            <Select label="x" value={a} options={options} onChange={(v) => setQuery({ a: v })} />
                            <Select label="y" value={b} options={options} onChange={(v) => setQuery({ b: v })} />
                            <Select label="cell" value={mean ? 'mean' : 'best'} options={[{ value: 'best', text: 'best' }, { value: 'mean', text: 'mean' }]} onChange={(v) => setQuery({ cell: v === 'mean' ? v : undefined })} />
                        </>}>
                        {(onDrawn) => <HeatMap x={map.x} y={map.y} built={map.built} metric={o.metric} best={best} worst={worst} height={360} onDrawn={onDrawn} />}
                    </Frame>
                )}
            </div>
        </>
    );
}

// ---- importances

export function ImportancesView({ store, spec }: ViewProps) {
    const version = store.version.value, q = route.value.query, o = chosenObjective(spec), top = q.top ?? '1';
    const got = useResource<Importances>(withQuery(`${store.path}/importances`, { top: top === '1' ? undefined : top, metric: o === spec.objectives[0] ? undefined : o.metric }), version, 8000);
    if (got.problem && !got.data) return <Failure problem={got.problem} />;
    if (!got.data) return <Loading what="importances" />;
    const { parameters, interactions, skill, n } = got.data, enough = parameters.some((p) => p.importance !== null);
    const most = Math.max(0.01, ...parameters.map((p) => p.high ?? 0));
    const trust = skill === null ? '' : skill > 0.8 ? 'the model knows these trials well' : skill > 0.4 ? 'the model knows these trials fairly' : 'the model hardly knows these trials: take it as a hint';
    return (
        <div class="grid">
            <Card title={`What ${o.metric} depends on`} note={enough ? `${plural(n, 'finished trial')}; ${trust} (skill ${percent(skill)})` : undefined} class="wide" actions={<>
                <ObjectiveSelect spec={spec} />
                <Select label="over" value={top} options={[{ value: '1', text: 'the whole space' }, { value: '0.25', text: 'the best quarter' }, { value: '0.1', text: 'the best tenth' }]} onChange={(v) => setQuery({ top: v === '1' ? undefined : v })} />
            </>}>
                {!enough ? <Empty title="Too few trials"><p>Eight finished trials with differing results are needed; there are {n}.</p></Empty> : (
                    <div class="table-box" tabIndex={0} role="region" aria-label="Importances"><table class="bars" aria-label="Importances">
                        <thead><tr><th scope="col">Parameter</th><th scope="col" class="num">Part</th><th scope="col"><span class="hidden">bar with interval</span></th><th scope="col" class="num" title="the extremes of 16 models that lack a third of the trials each">Interval</th><th scope="col" class="num">Trials</th></tr></thead>
                        <tbody>{parameters.map((p) => (
                            <tr key={p.name}>
                                <th scope="row"><a href={href([store.project, store.name, 'slices'])}>{p.name}</a></th>
                                <td class="num">{percent(p.importance, 1)}</td>
                                <td class="bar-cell"><div class="bar" aria-hidden="true"><div class="fill" style={{ width: `${((p.importance ?? 0) / most) * 100}%` }} /><div class="whisker" style={{ left: `${((p.low ?? 0) / most) * 100}%`, width: `${(((p.high ?? 0) - (p.low ?? 0)) / most) * 100}%` }} /></div></td>
                                <td class="num faint">{percent(p.low, 1)} – {percent(p.high, 1)}</td>
                                <td class="num faint">{p.n}</td>
                            </tr>
                        ))}</tbody>
                    </table></div>
                )}
            </Card>
            {interactions.length > 0 && (
                <Card title="Together" note="what pairs explain beyond each alone" class="wide">
                    <ul class="pairs-list">{interactions.slice(0, 8).map((i) => <li key={i.names.join()}><a href={href([store.project, store.name, 'slices'], { a: i.names[0], b: i.names[1] })}>{i.names.join(' and ')}</a> {percent(i.importance, 1)}</li>)}</ul>
                </Card>
            )}
        </div>
    );
}

// ---- the front of several objectives

export function Pareto({ store, spec }: ViewProps) {
    const version = store.version.value, t = store.trials, q = route.value.query, metrics = spec.objectives.map((o) => o.metric);
    const ox = spec.objectives.find((o) => o.metric === q.a) ?? spec.objectives[0], oy = spec.objectives.find((o) => o.metric === q.b && o !== ox) ?? spec.objectives.find((o) => o !== ox)!;
    const built = useMemo(() => {
        const xs = objectiveColumn(t, ox, spec.objectives[0]), ys = objectiveColumn(t, oy, spec.objectives[0]);
        const rows = Array.from({ length: t.n }, (_, i) => i).filter((i) => (t.state[i] === 'SUCCEEDED' || t.state[i] === 'INFEASIBLE') && Number.isFinite(xs[i]) && Number.isFinite(ys[i]));
        const best = front(rows.filter((i) => t.state[i] === 'SUCCEEDED'), xs, ys, better(ox), better(oy));
        const rx = usefulRange(rows.map((r) => xs[r]), ox), ry = usefulRange(rows.map((r) => ys[r]), oy);
        const title = (o: Objective) => `${o.metric} (${o.direction})`;
        return { xs, ys, rows, best, x: numberAxis(title(ox), ...(rx ? pad(rx.low, rx.high) : [0, 1] as [number, number])), y: numberAxis(title(oy), ...(ry ? pad(ry.low, ry.high) : [0, 1] as [number, number])) };
    }, [version, ox, oy]);
    const many = spec.objectives.length > 2; // then two axes do not show who is beaten by nobody: the service says it
    const optimal = useResource<{ trials: { number: number }[] }>(many ? withQuery(`${store.path}/optimal`, { fields: 'number' }) : null, version, 2000);
    if (!built.rows.length) return <Few what="results" />;
    const on = many ? (optimal.data?.trials.map((k) => t.row(k.number)).filter((r) => r !== undefined) ?? []) : built.best;
    const summary = `${plural(on.length, 'trial')} of ${built.rows.length} on the front of ${many ? `${spec.objectives.length} objectives` : `${ox.metric} and ${oy.metric}`}`;
    const options = metrics.map((m) => ({ value: m, text: m }));
    return (
        <div class="grid">
            <Frame title="Front" class="wide" summary={summary} note={summary} data={() => ({ header: ['trial', ox.metric, oy.metric, 'on the front'], rows: built.rows.map((r) => [t.number[r], built.xs[r], built.ys[r], on.includes(r) ? 'yes' : 'no']) })}
                controls={spec.objectives.length > 2 && <><Select label="x" value={ox.metric} options={options} onChange={(v) => setQuery({ a: v })} /><Select label="y" value={oy.metric} options={options} onChange={(v) => setQuery({ b: v })} /></>}>
                {(onDrawn) => <Scatter store={store} rows={built.rows} x={built.x} y={built.y} xs={built.xs} ys={built.ys} strong={new Set(on)} line={many ? undefined : built.best} stepped height={400} summary={summary} onDrawn={onDrawn} deps={[built, optimal.data]} />}
            </Frame>
            <Card title="On the front" class="wide" note={plural(on.length, 'trial')}>
                <Table label="Trials on the front" rows={on} rowKey={(r) => t.number[r]} height={320} columns={[
                    { id: 'number', title: 'Trial', cell: (r) => <a href={href([store.project, store.name, 'trial', t.number[r]])}>#{t.number[r]}</a> },
                    ...spec.objectives.map((o) => ({ id: o.metric, title: o.metric, numeric: true, cell: (r: number) => <b>{number(objectiveColumn(t, o, spec.objectives[0])[r])}</b> })),
                    ...Object.keys(spec.parameters).map((p) => ({ id: p, title: p, numeric: isNumeric(spec.parameters[p]), cell: (r: number) => number(t.column(`params.${p}`)[r]) })),
                ]} />
            </Card>
        </div>
    );
}

// ---- the timeline

export function Timeline({ store }: ViewProps) {
    const version = store.version.value, live = store.experiment.value?.state === 'RUNNING', now = useNow(!live ? 60000 : store.trials.n > 1000 ? 10000 : 1000);
    const built = useMemo(() => lanes(store, now), [version, live ? now : 0]);
    if (!built.bars.length) return <Few what="trials" />;
    return (
        <Frame title="Timeline" note={built.names.length > new Set(built.names).size ? `${plural(built.names.length, 'slot')} of ${plural(new Set(built.names).size, 'worker')}` : plural(built.names.length, 'worker')} summary="which worker ran which trial when"
            data={() => ({ header: ['trial', 'worker', 'state', 'start', 'end'], rows: built.bars.map((b) => [store.trials.number[b.row], built.names[b.lane], store.trials.state[b.row], new Date(b.start).toISOString(), new Date(b.end).toISOString()]) })}>
            {(onDrawn) => <><TimelineChart store={store} built={built} onDrawn={onDrawn} /><StateLegend /></>}
        </Frame>
    );
}

