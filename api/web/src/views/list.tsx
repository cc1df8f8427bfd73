// SPDX-License-Identifier: GPL-3.0-or-later
// All experiments: how far each is, and what it has found.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { at, get } from '../base/api';
import { ago, duration, moment, number, plural } from '../base/format';
import { go, href, route, setQuery } from '../base/route';
import { ListStore } from '../data/list';
import { reason } from '../data/states';
import { type Experiment, FINAL_TRIAL, type TrialState } from '../data/types';
import { leaving, remove, verb } from '../ui/actions';
import { Empty, Failure, Loading, Progress, State } from '../ui/parts';
import { useNow } from '../ui/now';

const SPARK_TRIALS = 60, SPARK_EVERY_MS = 3000;

/** Objectives of the newest trials, oldest first; kept by experiment and read again when it has changed, not too often. */
const sparks = new Map<string, { revision: number; at: number; values: (number | null)[] }>();

function Spark({ e }: { e: Experiment }) {
    const [, redraw] = useState(0);
    const box = useRef<SVGSVGElement>(null), seen = useRef(false);
    useEffect(() => {
        const read = () => {
            const kept = sparks.get(e.uid);
            if (!seen.current || (kept && (kept.revision === e.revision || Date.now() - kept.at < SPARK_EVERY_MS))) return;
            sparks.set(e.uid, { revision: e.revision, at: Date.now(), values: kept?.values ?? [] });
            get<{ trials: { objective: number | null }[] }>(`${at(e.project, e.name)}/trials?order_by=-number&page_size=${SPARK_TRIALS}&fields=objective`).then(
                (got) => {
                    sparks.set(e.uid, { revision: e.revision, at: Date.now(), values: got.trials.map((t) => (typeof t.objective === 'number' ? t.objective : null)).reverse() });
                    redraw((n) => n + 1);
                },
                () => undefined, // the list says what is wrong
            );
        };
        const watch = new IntersectionObserver(([entry]) => {
            seen.current = entry.isIntersecting;
            read();
        });
        watch.observe(box.current!);
        const timer = setInterval(read, SPARK_EVERY_MS);
        read();
        return () => (watch.disconnect(), clearInterval(timer));
    }, [e.uid, e.revision]);
    const values = sparks.get(e.uid)?.values ?? [], finite = values.filter((v): v is number => v !== null);
    const order = [...finite].sort((a, b) => a - b), low = order[Math.floor(order.length * 0.05)], high = order[Math.ceil(order.length * 0.95) - 1]; // outliers lie on the border
    const x = (i: number) => 2 + (i * 96) / Math.max(1, values.length - 1), y = (v: number) => 22 - ((Math.max(low, Math.min(high, v)) - low) / (high - low || 1)) * 20;
    let dots = '';
    values.forEach((v, i) => v !== null && (dots += `M${x(i).toFixed(1)} ${y(v).toFixed(1)}h0`));
    return (
        <svg class="spark" ref={box} viewBox="0 0 100 24" width="100" height="24" role="img" aria-label={finite.length ? `newest ${finite.length} results from ${number(order[0])} to ${number(order[order.length - 1])}` : 'no result yet'}>
            <path d={dots} />
        </svg>
    );
}

const STATES = ['RUNNING', 'PAUSED', 'SUCCEEDED', 'FAILED', 'CANCELLED'];

export function List() {
    const store = useMemo(() => new ListStore(), []);
    const filter = route.value.query.filter ?? '', order = route.value.query.sort ?? 'new';
    const [chosen, setChosen] = useState<ReadonlySet<string>>(new Set());
    const box = useRef<HTMLInputElement>(null);
    const now = useNow(5000);
    useEffect(() => (store.start(), () => store.stop()), []);
    useEffect(() => store.setFilter(filter), [filter]);
    const all = store.experiments.value?.filter((e) => !leaving.value.has(e.uid)) ?? null;
    const experiments = useMemo(() => {
        const by: Record<string, (a: Experiment, b: Experiment) => number> = {
            new: (a, b) => (a.create_time < b.create_time ? 1 : -1),
            name: (a, b) => a.name.localeCompare(b.name),
            changed: (a, b) => b.revision - a.revision,
            trials: (a, b) => b.n_trials - a.n_trials,
        };
        return all && [...all].sort(by[order] ?? by.new);
    }, [store.experiments.value, leaving.value, order]);
    if (store.problem.value && !experiments) return <Failure problem={store.problem.value} />;
    if (!experiments) return <Loading what="experiments" />;
    const state = /^state=(\w+)$/.exec(filter)?.[1];
    const picked = experiments.filter((e) => chosen.has(e.uid));
    const pick = (e: Experiment, on: boolean) => setChosen((old) => new Set(on ? [...old, e.uid] : [...old].filter((u) => u !== e.uid)));
    const finished = (e: Experiment) => FINAL_TRIAL.reduce((n, s) => n + (e.counts[s as TrialState] ?? 0), 0);
    return (
        <>
            <div class="page-head">
                <h1>Experiments</h1>
                <a class="button primary" href={href(['new'])}>New experiment</a>
            </div>
            <form class="filter" role="search" onSubmit={(e) => (e.preventDefault(), setQuery({ filter: box.current!.value.trim() || undefined }))}>
                <input ref={box} type="search" name="filter" value={filter} aria-label="Filter experiments" placeholder='filter, such as state=RUNNING AND labels.team="vision"' spellcheck={false} onSearch={(e) => setQuery({ filter: e.currentTarget.value.trim() || undefined })} />
                <button type="submit">Filter</button>
                <label class="field-inline"><span>order</span>
                    <select value={order} onChange={(e) => setQuery({ sort: e.currentTarget.value === 'new' ? undefined : e.currentTarget.value })}>
                        <option value="new">newest</option><option value="changed">last changed</option><option value="name">name</option><option value="trials">most trials</option>
                    </select>
                </label>
            </form>
            <nav class="chips" aria-label="By state">
                <a href={href([], { ...route.value.query, filter: undefined })} aria-current={!filter ? 'true' : undefined}>all</a>
                {STATES.map((s) => <a key={s} href={href([], { ...route.value.query, filter: `state=${s}` })} aria-current={state === s ? 'true' : undefined}>{s.toLowerCase()}</a>)}
            </nav>
            {store.filterProblem.value && <p class="failure" role="alert">{store.filterProblem.value.message}</p>}
            {picked.length > 0 && (
                <div class="bulk" role="toolbar" aria-label="Selected experiments">
                    <b>{plural(picked.length, 'experiment')} selected</b>
                    <button type="button" onClick={() => picked.forEach((e) => verb(e, 'pause'))} disabled={!picked.some((e) => e.state === 'RUNNING')}>Pause</button>
                    <button type="button" onClick={() => picked.forEach((e) => verb(e, 'resume'))} disabled={!picked.some((e) => e.state === 'PAUSED')}>Resume</button>
                    <button type="button" class="danger" onClick={() => picked.forEach((e) => verb(e, 'stop', { mode: 'now' }))} disabled={!picked.some((e) => e.state === 'RUNNING' || e.state === 'PAUSED')}>Stop</button>
                    <button type="button" class="danger" onClick={() => (remove(picked), setChosen(new Set()))}>Delete</button>
                    <button type="button" onClick={() => setChosen(new Set())}>Clear</button>
                </div>
            )}
            {!experiments.length && !filter && (
                <Empty title="There are no experiments yet">
                    <p>Start one from a file: <code>hone run FILE.yaml</code>, tune a command: <code>hone tune -p lr=1e-4..0.1:log --minimize loss -- ./train {'{lr}'}</code>, or <a href={href(['new'])}>make one here</a>.</p>
                </Empty>
            )}
            {!experiments.length && filter && !store.filterProblem.value && <Empty title="No experiment matches"><p><a href={href([], { ...route.value.query, filter: undefined })}>Show all</a></p></Empty>}
            {experiments.length > 0 && (
                <div class="card table-box list">
                    <table aria-label="Experiments">
                        <thead><tr><th class="pick"><span class="hidden">selected</span></th><th scope="col">Experiment</th><th scope="col">State</th><th scope="col" class="progress-col">Progress</th><th scope="col" class="num">Best</th><th scope="col">Newest results</th><th scope="col">Labels</th><th scope="col">Created</th></tr></thead>
                        <tbody>
                            {experiments.map((e) => (
                                <tr key={e.uid} onDblClick={() => go([e.project, e.name])} class={chosen.has(e.uid) ? 'chosen' : ''}>
                                    <td class="pick"><input type="checkbox" aria-label={`select ${e.name}`} checked={chosen.has(e.uid)} onChange={(ev) => pick(e, ev.currentTarget.checked)} /></td>
                                    <td class="name"><a href={href([e.project, e.name])}>{e.name}</a>{e.project !== 'default' && <span class="faint"> {e.project}</span>}</td>
                                    <td><State state={e.state} />{e.reason && <div class="faint small">{reason(e.reason)}</div>}</td>
                                    <td class="progress-col">
                                        {e.progress !== null && <Progress value={e.progress} label={`progress of ${e.name}`} busy={e.state === 'RUNNING'} />}
                                        <span class="faint">{plural(finished(e), 'trial')}{e.counts.RUNNING ? `, ${e.counts.RUNNING} running` : ''}{e.counts.FAILED ? `, ${e.counts.FAILED} failed` : ''}{e.eta_seconds !== null && e.state === 'RUNNING' ? `, ${duration(e.eta_seconds)} left` : ''}</span>
                                    </td>
                                    <td class="num">{e.best ? <><b>{number(e.best.value)}</b> <a class="faint" href={href([e.project, e.name, 'trial', e.best.number])}>#{e.best.number}</a></> : '–'}</td>
                                    <td><Spark e={e} /></td>
                                    <td class="labels">{Object.entries(e.labels).map(([k, v]) => <span key={k} class="label">{k}={v}</span>)}</td>
                                    <td title={moment(e.create_time)}>{ago(e.create_time, now)}</td>
                                </tr>
                            ))}
                        </tbody>
                    </table>
                </div>
            )}
            {store.total.value > experiments.length && <p class="faint">The newest {experiments.length} of {store.total.value}; a filter finds the others.</p>}
        </>
    );
}
