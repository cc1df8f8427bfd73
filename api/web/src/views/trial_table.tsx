// SPDX-License-Identifier: GPL-3.0-or-later
// The leaderboard and the list of trials: sorted, filtered by the service's grammar, with the columns that one wants; pin, compare, stop and retry many.
import { useComputed, useSignal } from '@preact/signals';
import { useMemo, useRef, useState } from 'preact/hooks';
import { saved, withQuery } from '../base/api';
import { csv, duration, moment, number, plural, type Value } from '../base/format';
import { go, href, route, setQuery } from '../base/route';
import { sorted } from '../data/derive';
import type { ExperimentStore } from '../data/experiment';
import { useResource } from '../data/resource';
import { reason } from '../data/states';
import { FINAL_TRIAL, type Spec } from '../data/types';
import { forTrials } from '../ui/actions';
import { Card, Dialog, State, download } from '../ui/parts';
import { type Column, Table } from '../ui/table';

const KEPT = 'hone-columns';
const keep = (value: string) => {
    try {
        localStorage.setItem(KEPT, value);
    } catch {
        // then they are in the address alone
    }
};

const orNone = (v: Value) => (Number.isNaN(v) ? null : v); // a trial without a value

interface Known {
    id: string;
    title: string;
    group: string;
    numeric?: boolean;
    value: (row: number) => Value; // for sorting and CSV
    cell?: (row: number) => preact.ComponentChildren;
}

function known(store: ExperimentStore, spec: Spec): Known[] {
    const t = store.trials, plain = (id: string, title: string, group: string, numeric: boolean): Known => ({ id, title, group, numeric, value: (r) => t.column(id)[r] });
    const names = new Set(spec.objectives.map((o) => o.metric));
    return [
        { id: 'state', title: 'State', group: 'trial', value: (r) => t.state[r], cell: (r) => <><State state={t.state[r]} quiet />{t.column('reason')[r] ? <span class="faint"> {reason(String(t.column('reason')[r]))}</span> : ''}</> },
        ...spec.objectives.map((o, k): Known => ({
            id: k ? `metrics.${o.metric}` : 'objective', title: o.metric, group: 'objectives', numeric: true,
            value: (r) => (k ? t.column(`metrics.${o.metric}`)[r] : t.objective[r]),
            cell: (r) => <b>{number(orNone((k ? t.column(`metrics.${o.metric}`)[r] : t.objective[r]) as number | undefined))}</b>,
        })),
        ...Object.keys(spec.parameters).map((name) => plain(`params.${name}`, name, 'parameters', spec.parameters[name].type === 'float' || spec.parameters[name].type === 'int')),
        ...t.names('metrics.').filter((name) => !names.has(name)).map((name) => plain(`metrics.${name}`, name, 'metrics', true)),
        ...t.names('labels.').map((name) => plain(`labels.${name}`, name, 'labels', false)),
        { id: 'time', title: 'Took', group: 'trial', numeric: true, value: (r) => t.seconds(r, Date.now()), cell: (r) => (Number.isNaN(t.column('start_time')[r]) ? '–' : duration(t.seconds(r, Date.now()))) },
        { id: 'start_time', title: 'Started', group: 'trial', value: (r) => t.column('start_time')[r], cell: (r) => moment(t.column('start_time')[r] as number) },
        plain('worker', 'Worker', 'trial', false),
        plain('attempt', 'Attempt', 'trial', true),
        plain('origin.by', 'Suggested by', 'origin', false),
        plain('origin.expected', 'Expected', 'origin', true),
    ];
}

export function TrialTable({ store, spec, height, title, link }: { store: ExperimentStore; spec: Spec; height: number; title: string; link?: boolean }) {
    const version = store.version.value, t = store.trials, q = route.value.query;
    const [choosing, setChoosing] = useState(false);
    const selected = useSignal<ReadonlySet<number>>(new Set());
    const filterBox = useRef<HTMLInputElement>(null);
    const all = useMemo(() => known(store, spec), [version, spec]);
    const defaults = useMemo(() => ['state', ...spec.objectives.map((o, k) => (k ? `metrics.${o.metric}` : 'objective')), ...Object.keys(spec.parameters).slice(0, 12).map((p) => `params.${p}`), 'time'], [spec]);
    const kept = useMemo(() => {
        try {
            return localStorage.getItem(KEPT) ?? '';
        } catch {
            return '';
        }
    }, []);
    const ids = (q.cols ?? kept).split(',').filter((id) => all.some((k) => k.id === id));
    const columns = (ids.length ? ids : defaults).map((id) => all.find((k) => k.id === id)!).filter(Boolean);
    const best = `${spec.objectives[0].direction === 'maximize' ? '-' : ''}objective`;
    const sort = q.sort ?? best, down = sort.startsWith('-'), by = sort.replace(/^-/, '');
    const filter = q.filter ?? '';
    const matching = useResource<{ columns: { number: number[] } }>(filter && !saved ? withQuery(`${store.path}/columns`, { cols: 'number', filter }) : null, version, 500);
    const pinned = useMemo(() => (q.pin ?? '').split(',').map(Number).filter(Boolean), [q.pin]);
    const rows = useMemo(() => {
        const these = filter && matching.data ? matching.data.columns.number.map((n) => t.row(n)!).filter((r) => r !== undefined) : Array.from({ length: t.n }, (_, i) => i);
        const first = new Set(pinned.map((n) => t.row(n)).filter((r): r is number => r !== undefined));
        const key = by === 'number' ? (r: number) => t.number[r] : (all.find((k) => k.id === by) ?? all[1]).value;
        // Ordered by the objective only trials that count come first: a pruned one has a value, but it is none of the best.
        const counts = by === 'objective' ? (r: number) => (t.state[r] === 'SUCCEEDED' ? key(r) : null) : key;
        return [...first, ...sorted(these.filter((r) => !first.has(r)), counts, down)];
    }, [version, filter, matching.data, sort, pinned, all]);
    const bestRow = useComputed(() => store.experiment.value?.best?.number);
    const pin = (n: number) => setQuery({ pin: (pinned.includes(n) ? pinned.filter((p) => p !== n) : [...pinned, n]).join(',') || undefined });
    const shown: Column[] = [
        { id: 'number', title: 'Trial', width: 6, sortable: true, cell: (r) => <><a href={href([store.project, store.name, 'trial', t.number[r]])}>#{t.number[r]}</a>{t.number[r] === bestRow.value && <span class="best-mark" title="the best"> ★<span class="hidden"> best</span></span>}</> },
        ...columns.map((k): Column => ({ id: k.id, title: k.title, numeric: k.numeric, sortable: true, width: k.id === 'state' ? 13 : undefined, cell: k.cell ?? ((r) => number(orNone(k.value(r)))) })),
        { id: 'pin', title: 'Pin', width: 3.4, cell: (r) => <button type="button" class="bare pin" tabIndex={-1} aria-pressed={pinned.includes(t.number[r])} aria-label={`${pinned.includes(t.number[r]) ? 'unpin' : 'pin'} trial ${t.number[r]}`} title="keep on top" onClick={() => pin(t.number[r])}>{pinned.includes(t.number[r]) ? '▲' : '△'}</button> },
    ];
    const chosen = [...selected.value];
    const states = chosen.map((n) => t.state[t.row(n) ?? -1]);
    const choose = (id: string, on: boolean) => {
        const now = columns.map((c) => c.id), next = on ? [...now, id] : now.filter((x) => x !== id);
        keep(next.join(','));
        setQuery({ cols: next.join(',') });
    };
    const save = () => download(`${store.name}-trials.csv`, 'text/csv', csv(['number', ...all.map((k) => k.id)], rows.map((r) => [t.number[r], ...all.map((k) => k.value(r))])));
    return (
        <Card title={title} note={filter ? `${plural(rows.length, 'trial')} of ${t.n}` : plural(t.n, 'trial')} class="wide" actions={<>
            {link && <a class="button" href={href([store.project, store.name, 'trials'])}>All trials</a>}
            <button type="button" onClick={() => setChoosing(true)}>Columns</button>
            <button type="button" onClick={save}>CSV</button>
        </>}>
            {!saved && (
                <form class="filter" role="search" onSubmit={(e) => (e.preventDefault(), setQuery({ filter: filterBox.current!.value.trim() || undefined }))}>
                    <input ref={filterBox} type="search" name="filter" value={filter} placeholder='filter, such as state=SUCCEEDED AND params.lr<0.01' aria-label="Filter trials" spellcheck={false}
                        onSearch={(e) => setQuery({ filter: e.currentTarget.value.trim() || undefined })} />
                    <button type="submit">Filter</button>
                </form>
            )}
            {matching.problem && <p class="failure" role="alert">{matching.problem.message}</p>}
            {chosen.length > 0 && (
                <div class="bulk" role="toolbar" aria-label="Selected trials">
                    <b>{plural(chosen.length, 'trial')} selected</b>
                    <button type="button" disabled={chosen.length < 2} onClick={() => go([store.project, store.name, 'compare'], { trials: chosen.join(',') })}>Compare</button>
                    {!saved && <button type="button" disabled={!states.some((s) => FINAL_TRIAL.includes(s))} onClick={() => forTrials(store.project, store.name, chosen.filter((_, i) => FINAL_TRIAL.includes(states[i])), 'retry')}>Retry</button>}
                    {!saved && <button type="button" class="danger" disabled={!states.some((s) => !FINAL_TRIAL.includes(s))} onClick={() => forTrials(store.project, store.name, chosen.filter((_, i) => !FINAL_TRIAL.includes(states[i])), 'stop')}>Stop</button>}
                    <button type="button" onClick={() => (selected.value = new Set())}>Clear</button>
                </div>
            )}
            <div onKeyDown={(e) => {
                if (e.key === 'c' && !e.ctrlKey && (e.target as HTMLElement).tagName === 'TR' && chosen.length > 1) go([store.project, store.name, 'compare'], { trials: chosen.join(',') });
            }}>
                <Table label={title} columns={shown} rows={rows} rowKey={(r) => t.number[r]} height={height} sort={sort} onSort={(s) => setQuery({ sort: s === best ? undefined : s })}
                    onOpen={(r) => go([store.project, store.name, 'trial', t.number[r]])}
                    selected={(r) => selected.value.has(t.number[r])}
                    onSelect={(r, on) => {
                        const next = new Set(selected.value);
                        if (on) next.add(t.number[r]);
                        else next.delete(t.number[r]);
                        selected.value = next;
                    }}
                    rowClass={(r) => (pinned.includes(t.number[r]) ? 'pinned' : '')} />
            </div>
            <Dialog title="Columns" open={choosing} onClose={() => setChoosing(false)}>
                <div class="choices">
                    {[...new Set(all.map((k) => k.group))].map((group) => (
                        <fieldset key={group}>
                            <legend>{group}</legend>
                            {all.filter((k) => k.group === group).map((k) => (
                                <label key={k.id}><input type="checkbox" checked={columns.includes(k)} onChange={(e) => choose(k.id, e.currentTarget.checked)} /> {k.title}</label>
                            ))}
                        </fieldset>
                    ))}
                </div>
                <button type="button" onClick={() => (keep(''), setQuery({ cols: defaults.join(',') }))}>As at first</button>
            </Dialog>
        </Card>
    );
}

export const AllTrials = ({ store, spec }: { store: ExperimentStore; spec: Spec }) => <TrialTable store={store} spec={spec} height={Math.max(360, innerHeight - 330)} title="Trials" />;
