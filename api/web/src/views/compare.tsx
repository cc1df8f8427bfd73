// SPDX-License-Identifier: GPL-3.0-or-later
// Some trials side by side: where they differ, and their curves over each other.
import { useMemo } from 'preact/hooks';
import { withQuery } from '../base/api';
import { duration, number, plural, type Value } from '../base/format';
import { href, route, setQuery } from '../base/route';
import { ink } from '../base/theme';
import { CurvesChart, curveRows } from '../charts/curves';
import { Frame } from '../charts/frame';
import { rungs } from '../data/derive';
import { useResource } from '../data/resource';
import type { Curve } from '../data/types';
import { Card, Empty, Select, State, Toggle } from '../ui/parts';
import type { ViewProps } from './all';

export function Compare({ store, spec }: ViewProps) {
    const version = store.version.value, t = store.trials, q = route.value.query;
    const numbers = useMemo(() => (q.trials ?? '').split(',').map(Number).filter((n) => t.row(n) !== undefined).slice(0, 50), [q.trials, version]);
    const metrics = useMemo(() => [...new Set([...spec.objectives.map((o) => o.metric), ...t.names('metrics.')])], [version]);
    const metric = q.metric ?? metrics[0];
    const got = useResource<{ curves: Curve[] }>(numbers.length ? withQuery(`${store.path}/curves`, { trials: numbers.join(','), metric, max_points: 400 }) : null, store.reported.value.at, 1000);
    if (!numbers.length) return <Empty title="No trials to compare"><p>Select some in the <a href={href([store.project, store.name, 'trials'])}>list of trials</a>.</p></Empty>;
    const rows = numbers.map((n) => t.row(n)!), only = q.all !== '1';
    const line = (title: string, of: (r: number) => Value, strong = false) => ({ title, values: rows.map(of), strong });
    const lines = [
        ...metrics.map((m) => line(m, (r) => (m === spec.objectives[0].metric ? t.objective[r] : t.column(`metrics.${m}`)[r]), spec.objectives.some((o) => o.metric === m))),
        ...Object.keys(spec.parameters).map((p) => line(p, (r) => t.column(`params.${p}`)[r])),
        line('took', (r) => duration(t.seconds(r, Date.now()))),
        line('worker', (r) => t.column('worker')[r]),
        line('suggested by', (r) => t.column('origin.by')[r]),
    ];
    const differs = (values: Value[]) => values.some((v) => v !== values[0] && !(Number.isNaN(v) && Number.isNaN(values[0])));
    const shown = lines.filter((l) => !only || l.strong || differs(l.values));
    const curves = got.data?.curves ?? [];
    return (
        <div class="grid">
            <Card title={`Compare ${plural(numbers.length, 'trial')}`} class="wide" actions={<Toggle label="what is equal, too" on={!only} onChange={(on) => setQuery({ all: on ? '1' : undefined })} />}>
                <div class="table-box">
                    <table class="compare" aria-label="Comparison">
                        <thead><tr><td />{rows.map((r, i) => (
                            <th key={t.number[r]} scope="col"><i class="swatch" style={{ background: ink.value.lines[i % ink.value.lines.length] }} /> <a href={href([store.project, store.name, 'trial', t.number[r]])}>#{t.number[r]}</a> <State state={t.state[r]} quiet />
                                {rows.length > 1 && <button type="button" class="bare" aria-label={`leave out trial ${t.number[r]}`} onClick={() => setQuery({ trials: numbers.filter((n) => n !== t.number[r]).join(',') })}>×</button>}</th>
                        ))}</tr></thead>
                        <tbody>{shown.map((l) => (
                            <tr key={l.title} class={differs(l.values) ? 'differs' : ''}><th scope="row">{l.title}</th>{l.values.map((v, i) => <td key={numbers[i]}>{l.strong ? <b>{number(v, 6)}</b> : number(v, 6)}</td>)}</tr>
                        ))}</tbody>
                    </table>
                </div>
            </Card>
            <Frame title="Curves" class="wide" summary={`${metric} of ${plural(curves.length, 'trial')}`} data={() => ({ header: ['trial', 'step', metric], rows: curveRows(curves) })}
                controls={<Select label="metric" value={metric} options={metrics.map((m) => ({ value: m, text: m }))} onChange={(v) => setQuery({ metric: v })} />}>
                {(onDrawn) => (curves.length
                    ? <CurvesChart store={store} curves={curves} metric={metric} rungs={rungs(spec, Math.max(...curves.map((c) => c.steps[c.steps.length - 1])))} each height={340} onDrawn={onDrawn} />
                    : <p class="faint">They reported no steps of {metric}.</p>)}
            </Frame>
        </div>
    );
}
