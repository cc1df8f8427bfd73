// SPDX-License-Identifier: GPL-3.0-or-later
// The first view of an experiment: what is best, and what came of the trials.
import { number } from '../base/format';
import { href } from '../base/route';
import { History } from '../charts/history';
import type { ExperimentStore } from '../data/experiment';
import type { Experiment as Row, TrialState } from '../data/types';
import { Card, State, copy } from '../ui/parts';
import type { ViewProps } from './all';
import { TrialTable } from './trial_table';

function Counts({ e }: { e: Row }) {
    const all = Object.entries(e.counts) as [TrialState, number][], total = all.reduce((n, [, k]) => n + k, 0);
    if (!total) return null;
    return (
        <div class="counts">
            <div class="counts-bar" aria-hidden="true">{all.map(([s, n]) => <div key={s} class={`seg s-${s.toLowerCase()}`} style={{ flexGrow: n }} />)}</div>
            <ul>{all.map(([s, n]) => <li key={s}><a href={href([e.project, e.name, 'trials'], { filter: `state=${s}` })}><State state={s} quiet /> {n.toLocaleString('en')}</a></li>)}</ul>
        </div>
    );
}

function Best({ store, e }: { store: ExperimentStore; e: Row }) {
    const row = e.best ? store.trials.row(e.best.number) : undefined;
    if (!e.best || row === undefined) return <Card title="Best so far"><p class="faint">No trial has succeeded yet.</p></Card>;
    const params = store.trials.params(row), objective = e.spec.objectives[0];
    const args = Object.entries(params).map(([k, v]) => `--${k} ${typeof v === 'string' && /[^\w.+-]/.test(v) ? `'${v.replaceAll("'", `'\\''`)}'` : String(v)}`).join(' ');
    return (
        <Card title="Best so far" note={<a href={href([e.project, e.name, 'trial', e.best.number])}>trial {e.best.number}</a>} actions={<>
            <button type="button" onClick={() => copy(args)}>Copy as arguments</button>
            <button type="button" onClick={() => copy(JSON.stringify(params, null, 2))}>as JSON</button>
        </>}>
            <dl class="pairs">
                <div class="strong"><dt>{objective.metric}</dt><dd>{number(e.best.value, 7)}</dd></div>
                {Object.entries(params).map(([k, v]) => <div key={k}><dt>{k}</dt><dd>{number(v)}</dd></div>)}
            </dl>
        </Card>
    );
}

export function Overview({ store, spec }: ViewProps) {
    const e = store.experiment.value!;
    void store.version.value;
    return (
        <div class="grid">
            <History store={store} spec={spec} />
            <Best store={store} e={e} />
            <Card title="Trials by state"><Counts e={e} /></Card>
            <TrialTable store={store} spec={spec} height={440} title="Leaderboard" link />
        </div>
    );
}

