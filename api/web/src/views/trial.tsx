// SPDX-License-Identifier: GPL-3.0-or-later
// One trial: what it was given, what came of it, why it was tried and why it was stopped, its log, its attempts; retry it, stop it, try a neighbour.
import { useMemo, useState } from 'preact/hooks';
import { saved, send, withQuery } from '../base/api';
import { duration, moment, number, plural, utc, type Value } from '../base/format';
import { go, href } from '../base/route';
import { CurvesChart, curveRows } from '../charts/curves';
import { Frame } from '../charts/frame';
import { choices, isNumeric, objectiveColumn, rungs, sorted } from '../data/derive';
import { useResource } from '../data/resource';
import { reason } from '../data/states';
import { type Curve, FINAL_TRIAL, type Spec, type Trial as Row } from '../data/types';
import { Log } from '../ui/log';
import { useNow } from '../ui/now';
import { Card, Dialog, Failure, Loading, Progress, State, attempt, copy } from '../ui/parts';
import type { ViewProps } from './all';

interface Explained {
    why: string;
    origin: Row['origin'];
    nearest: { number: number; distance: number; objective: number }[];
    stopped: { reason: string; message: string } | null;
}

interface Measurement {
    metric: string;
    step: number;
    value: number | string;
    replicate: number;
}

export function Trial({ store, spec, rest }: ViewProps) {
    const n = Number(rest[0]), path = `${store.path}/trials/${n}`, t = store.trials, row = t.row(n), now = useNow(1000);
    const version = useMemo(() => ({ at: 0 }), [n]);
    if (store.reported.value.numbers.has(n)) version.at = store.reported.value.at; // read again when this trial was told of
    const got = useResource<Row>(saved ? null : path, version.at), why = useResource<Explained>(`${path}/explain`, FINAL_TRIAL.includes(got.data?.state ?? '') ? 1 : 0);
    const measured = useResource<{ measurements: Measurement[] }>(saved ? null : `${path}/measurements?max_points=1000`, version.at);
    const reported = useResource<{ curves: Curve[] }>(saved ? withQuery(`${store.path}/curves`, { trials: n, metric: spec.objectives[0].metric }) : null);
    const [neighbour, setNeighbour] = useState(false);
    const position = useMemo(() => {
        const o = spec.objectives[0], values = objectiveColumn(t, o, o), order = sorted(Array.from({ length: t.n }, (_, i) => i).filter((i) => t.state[i] === 'SUCCEEDED'), (r) => values[r], o.direction === 'maximize');
        return { rank: row === undefined ? -1 : order.indexOf(row), of: order.length };
    }, [store.version.value, row]);
    if (got.problem) return <Failure problem={got.problem} />;
    if (row === undefined || (!saved && !got.data)) return <Loading what={`trial ${rest[0]}`} />;
    const trial: Row = got.data ?? ({
        number: n, state: t.state[row], reason: String(t.column('reason')[row] ?? ''), message: '', params: t.params(row), objective: Number.isNaN(t.objective[row]) ? null : t.objective[row], metrics: Object.fromEntries(t.names('metrics.').map((m) => [m, t.column(`metrics.${m}`)[row] as number]).filter(([, v]) => !Number.isNaN(v))),
        worker: String(t.column('worker')[row] ?? ''), labels: {}, note: '', progress: null, objective_se: null, attempt: 1, origin: { by: String(t.column('origin.by')[row] ?? ''), how: String(t.column('origin.how')[row] ?? '') }, create_time: '', start_time: null, end_time: null,
    } as Row);
    const final = FINAL_TRIAL.includes(trial.state), start = t.column('start_time')[row] as number;
    const act = (verb: string) => attempt(() => send('POST', `${path}:${verb}`), verb === 'stop' ? `Stopping trial ${n}` : `Trial ${n} runs once more`);
    return (
        <>
            <div class="page-head sub-head">
                <h2 class="trial-title">Trial {n} <State state={trial.state} />{trial.reason && <span class="reason">{reason(trial.reason)}</span>}{position.rank >= 0 && <span class="reason">{position.rank === 0 ? 'the best' : `${position.rank + 1} of ${position.of}`}</span>}</h2>
                <div class="buttons">
                    {n > 1 && <a class="button" href={href([store.project, store.name, 'trial', n - 1])} aria-label="the trial before">←</a>}
                    {n < t.n && <a class="button" href={href([store.project, store.name, 'trial', n + 1])} aria-label="the next trial">→</a>}
                    {!saved && <>
                        {final && <button type="button" onClick={() => act('retry')}>Retry</button>}
                        {!final && <button type="button" class="danger" onClick={() => act('stop')}>Stop</button>}
                        <button type="button" onClick={() => setNeighbour(true)}>Try a neighbour</button>
                    </>}
                </div>
            </div>
            {trial.message && trial.state !== 'PRUNED' && <p class="message pre">{trial.message}</p>}
            {!final && trial.progress !== null && <Progress value={trial.progress} label={`progress of trial ${n}`} busy />}
            <div class="grid">
                <Card title="Parameters" actions={<button type="button" onClick={() => copy(JSON.stringify(trial.params, null, 2))}>Copy JSON</button>}>
                    <dl class="pairs one">{Object.entries(trial.params).map(([k, v]) => <div key={k}><dt>{k}</dt><dd>{number(v, 7)}</dd></div>)}</dl>
                </Card>
                <Card title="Results">
                    <dl class="pairs one">
                        {Object.entries(trial.metrics).map(([k, v]) => <div key={k} class={k === spec.objectives[0].metric ? 'strong' : ''}><dt>{k}</dt><dd>{number(v, 7)}{k === spec.objectives[0].metric && trial.objective_se !== null && ` ± ${number(trial.objective_se, 2)}`}</dd></div>)}
                        {!Object.keys(trial.metrics).length && <p class="faint">{final ? 'It gave none.' : 'None yet.'}</p>}
                        <div><dt>took</dt><dd>{Number.isNaN(start) ? '–' : duration(t.seconds(row, now))}</dd></div>
                        {!Number.isNaN(start) && <div><dt>started</dt><dd title={utc(start)}>{moment(start)}</dd></div>}
                        {trial.worker && <div><dt>worker</dt><dd>{trial.worker}</dd></div>}
                        {Object.entries(trial.labels).map(([k, v]) => <div key={k}><dt>{k}</dt><dd>{v}</dd></div>)}
                    </dl>
                </Card>
                <Why store={store} why={why.data} trial={trial} />
                {saved && reported.data && reported.data.curves.length > 0 && <Metrics store={store} spec={spec} measurements={ofReport(reported.data.curves[0], spec.objectives[0].metric)} n={n} />}
                {measured.data && measured.data.measurements.length > 0 && <Metrics store={store} spec={spec} measurements={measured.data.measurements} n={n} />}
                {(trial.attempts?.length ?? 0) > 0 && (
                    <Card title="Attempts" class="wide">
                        <div class="table-box">
                            <table aria-label="Attempts">
                                <thead><tr><th scope="col">Attempt</th><th scope="col">State</th><th scope="col">Cause</th><th scope="col">Exit</th><th scope="col">Worker</th><th scope="col">Took</th><th scope="col">Started</th></tr></thead>
                                <tbody>{trial.attempts!.map((a) => (
                                    <tr key={a.number}><td>{a.number}{a.replicate ? `, run ${a.replicate + 1}` : ''}</td><td><State state={a.state} quiet /></td><td class="long">{[a.reason && reason(a.reason), a.message].filter(Boolean).join(': ')}</td>
                                        <td>{a.signal !== null ? `signal ${a.signal}` : (a.exit_code ?? '–')}</td><td>{a.worker || '–'}</td><td>{a.start_time ? duration((Date.parse(a.end_time ?? new Date(now).toISOString()) - Date.parse(a.start_time)) / 1000) : '–'}</td><td>{moment(a.start_time)}</td></tr>
                                ))}</tbody>
                            </table>
                        </div>
                    </Card>
                )}
                {!saved && spec.run && <Card title="Log" class="wide"><Log path={`${path}/logs`} attempts={trial.attempts?.length ?? 1} name={`${store.name}-${n}`} /></Card>}
                {!saved && !spec.run && <Card title="Log" class="wide"><p class="faint">This trial ran elsewhere: its worker has its log.</p></Card>}
            </div>
            <Dialog title={`Try a neighbour of trial ${n}`} open={neighbour} onClose={() => setNeighbour(false)}>
                <Neighbour spec={spec} params={trial.params} onSend={async (params) => {
                    const made = await attempt(() => send<Row>('POST', `${store.path}/trials`, { params }));
                    if (!made) return;
                    setNeighbour(false);
                    go([store.project, store.name, 'trial', made.number]);
                }} />
            </Dialog>
        </>
    );
}

const ofReport = (c: Curve, metric: string): Measurement[] => c.steps.map((step, i) => ({ metric, step, value: c.values[i], replicate: 0 }));

function Why({ store, why, trial }: { store: ViewProps['store']; why: Explained | null; trial: Row }) {
    const link = (m: number) => <a href={href([store.project, store.name, 'trial', m])}>trial {m}</a>;
    return (
        <Card title="Why" class="wide">
            <p>{why?.why ?? `Suggested by ${trial.origin.by || 'an unknown algorithm'}${trial.origin.how ? ` (${trial.origin.how})` : ''}.`}</p>
            {trial.origin.expected !== undefined && trial.objective !== null && <p>Expected {number(trial.origin.expected)}{trial.origin.deviation !== undefined && ` ± ${number(trial.origin.deviation, 2)}`}, found {number(trial.objective)}.</p>}
            {why && why.nearest.length > 0 && <p>The nearest before it: {why.nearest.map((k, i) => <span key={k.number}>{i > 0 && ', '}{link(k.number)} ({number(k.objective)})</span>)}.</p>}
            {why?.stopped && (why.stopped.reason || why.stopped.message) && <p><b>Stopped</b> {reason(why.stopped.reason)}{why.stopped.message && `: ${why.stopped.message.replace(/^stopped: /, '')}`}</p>}
        </Card>
    );
}

function Metrics({ store, spec, measurements, n }: { store: ViewProps['store']; spec: Spec; measurements: Measurement[]; n: number }) {
    const byMetric = useMemo(() => {
        const out = new Map<string, Curve>();
        for (const m of measurements) {
            if (m.replicate > 0) continue;
            let c = out.get(m.metric);
            if (!c) out.set(m.metric, (c = { number: n, steps: [], values: [] }));
            c.steps.push(m.step);
            c.values.push(m.value);
        }
        return [...out].filter(([, c]) => c.steps.length > 1); // one value is among the results
    }, [measurements]);
    return (
        <>
            {byMetric.map(([metric, c]) => (
                <Frame key={metric} title={metric} class={byMetric.length === 1 ? 'wide' : ''} note={plural(c.steps.length, 'report')} summary={`${metric} by step`} data={() => ({ header: ['trial', 'step', metric], rows: curveRows([c]) })}>
                    {(onDrawn) => <CurvesChart store={store} curves={[c]} metric={metric} rungs={metric === spec.objectives[0].metric ? rungs(spec, c.steps[c.steps.length - 1]) : []} each height={230} onDrawn={onDrawn} />}
                </Frame>
            ))}
        </>
    );
}

/** A form with the trial's values, a little moved, to change at will. */
function Neighbour({ spec, params, onSend }: { spec: Spec; params: Record<string, Value>; onSend: (params: Record<string, Value>) => void }) {
    const [values, set] = useState<Record<string, Value>>(params);
    function nudge() {
        const next = { ...values };
        for (const [name, p] of Object.entries(spec.parameters)) {
            const v = next[name];
            if (typeof v !== 'number' || !isNumeric(p) || p.min === undefined || p.max === undefined) continue;
            const by = (Math.random() - 0.5) * 0.2, moved = p.scale === 'log' ? v * (p.max / p.min) ** by : v + (p.max - p.min) * by, inside = Math.max(p.min, Math.min(p.max, moved));
            next[name] = p.type === 'int' ? Math.round(inside) : p.step ? p.min + Math.round((inside - p.min) / p.step) * p.step : Number(inside.toPrecision(5));
        }
        set(next);
    }
    return (
        <form class="neighbour" onSubmit={(e) => (e.preventDefault(), onSend(values))}>
            {Object.entries(values).map(([name, v]) => {
                const p = spec.parameters[name];
                return (
                    <label key={name}><span>{name}</span>
                        {p && !isNumeric(p)
                            ? <select value={String(v)} onChange={(e) => set({ ...values, [name]: choices(p)[e.currentTarget.selectedIndex] })}>{choices(p).map((c) => <option selected={c === v}>{String(c)}</option>)}</select>
                            : <input type="number" step="any" value={Number(v)} min={p?.min} max={p?.max} onChange={(e) => set({ ...values, [name]: Number(e.currentTarget.value) })} />}
                    </label>
                );
            })}
            <div class="buttons"><button type="submit" class="primary">Enqueue</button><button type="button" onClick={nudge}>Move a little</button></div>
        </form>
    );
}
