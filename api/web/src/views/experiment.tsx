// SPDX-License-Identifier: GPL-3.0-or-later
// One experiment: its head, its tabs, and the view that the address names.
import { useEffect, useMemo } from 'preact/hooks';
import { saved } from '../base/api';
import { ago, duration, moment, number, percent, plural, utc } from '../base/format';
import { href, route } from '../base/route';
import { ExperimentStore } from '../data/experiment';
import { reason } from '../data/states';
import { type Experiment as Row, FINAL_EXPERIMENT, type Spec, type TrialState } from '../data/types';
import { ExperimentButtons } from '../ui/actions';
import { Failure, Loading, Progress, State } from '../ui/parts';
import { useNow } from '../ui/now';
import { views } from './all';

const finished = (counts: Row['counts']) => (['SUCCEEDED', 'PRUNED', 'INFEASIBLE', 'FAILED', 'LOST', 'CANCELLED'] as TrialState[]).reduce((n, s) => n + (counts[s] ?? 0), 0);

function Head({ e }: { e: Row }) {
    const now = useNow(1000), spec = e.spec;
    const running = (e.counts.RUNNING ?? 0) + (e.counts.STARTING ?? 0);
    const took = e.start_time ? (Date.parse(e.end_time ?? new Date(now).toISOString()) - Date.parse(e.start_time)) / 1000 : null;
    const goal = spec.objectives[0].goal;
    return (
        <>
            <div class="page-head">
                <div class="title">
                    <nav class="crumbs" aria-label="Path">{saved ? <span>report of {moment(saved.created)}</span> : <a href={href([])}>Experiments</a>}{e.project !== 'default' && <span> / {e.project}</span>}</nav>
                    <h1>{e.name} <State state={e.state} />{e.reason && <span class="reason">{reason(e.reason)}</span>}</h1>
                    {e.message && e.state !== 'SUCCEEDED' && <p class="message">{e.message}</p>}
                </div>
                <ExperimentButtons e={e} />
            </div>
            <dl class="facts">
                <div class="fact"><dt>Best {spec.objectives[0].metric}</dt><dd>{e.best ? <a href={href([e.project, e.name, 'trial', e.best.number])}>{number(e.best.value)}</a> : '–'}</dd><dd class="sub">{e.best ? `trial ${e.best.number}` : `${spec.objectives[0].direction}`}{goal !== undefined && `, goal ${number(goal)}`}</dd></div>
                <div class="fact"><dt>Progress</dt><dd>{percent(e.progress)}</dd><dd class="sub">{e.progress !== null && <Progress value={e.progress} label="progress" busy={e.state === 'RUNNING'} />}</dd></div>
                <div class="fact"><dt>Trials</dt><dd>{finished(e.counts).toLocaleString('en')}{spec.trials.max ? <small> of {spec.trials.max.toLocaleString('en')}</small> : ''}</dd><dd class="sub">{running ? `${running} running now` : 'none running'}{spec.trials.parallel ? ` of ${spec.trials.parallel} at once` : ''}</dd></div>
                <div class="fact"><dt>{e.end_time ? 'Took' : 'Time'}</dt><dd>{duration(took)}</dd><dd class="sub">{e.state === 'RUNNING' && e.eta_seconds !== null ? `${duration(e.eta_seconds)} left, about ${new Date(now + e.eta_seconds * 1000).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })}` : e.start_time ? <span title={`${moment(e.start_time)}; ${utc(e.start_time)}`}>started {ago(e.start_time, now)}</span> : ''}</dd></div>
            </dl>
        </>
    );
}

function Tabs({ store, spec, view }: { store: ExperimentStore; spec: Spec; view: string }) {
    return (
        <nav class="tabs" aria-label="Views of the experiment">
            {views.filter((v) => !v.quiet && (!v.when || v.when(spec))).map((v) => (
                <a key={v.id} href={href(v.id ? [store.project, store.name, v.id] : [store.project, store.name])} aria-current={v.id === view ? 'page' : undefined}>{v.title}</a>
            ))}
        </nav>
    );
}

/** Marks, for who measures, when what `ready` stands for is on the screen. */
function useDrawn(mark: string, ready: boolean) {
    useEffect(() => {
        if (ready) requestAnimationFrame(() => requestAnimationFrame(() => performance.mark(mark)));
    }, [mark, ready]);
}

export function Experiment({ project, name, rest }: { project: string; name: string; rest: string[] }) {
    const store = useMemo(() => new ExperimentStore(project, name), [project, name]);
    useEffect(() => (store.start(), () => store.stop()), [store]);
    const e = store.experiment.value;
    useDrawn('hone:head', e !== null);
    useDrawn(`hone:view ${route.value.path.slice(2).join('/')}`, store.loaded.value);
    const spec = useMemo(() => e?.spec ?? null, [e && JSON.stringify(e.spec)]);
    if (store.problem.value && !e) return <Failure problem={store.problem.value} />;
    if (!e || !spec) return <Loading what={name} />;
    const id = rest[0] ?? '', view = views.find((v) => v.id === id) ?? views[0];
    const Show = view.component;
    return (
        <div class={`experiment${FINAL_EXPERIMENT.includes(e.state) ? ' ended' : ''}`}>
            <Head e={e} />
            <Tabs store={store} spec={spec} view={view.id} />
            {store.loaded.value ? <Show store={store} spec={spec} rest={rest.slice(1)} key={route.value.path.join('/')} /> : <Loading what={plural(e.n_trials, 'trial')} />}
        </div>
    );
}
