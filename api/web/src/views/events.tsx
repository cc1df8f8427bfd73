// SPDX-License-Identifier: GPL-3.0-or-later
// What happened, newest first.
import { useMemo, useState } from 'preact/hooks';
import { saved, withQuery } from '../base/api';
import { plural } from '../base/format';
import { href, route, setQuery } from '../base/route';
import { useResource } from '../data/resource';
import type { Event } from '../data/types';
import { Card, Failure, Loading, Select } from '../ui/parts';
import { Table } from '../ui/table';
import type { ViewProps } from './all';

const BACK = 3000; // revisions, of all experiments

export function Events({ store }: ViewProps) {
    const e = store.experiment.value!, [pages, setPages] = useState(1), [from] = useState(e.revision);
    const got = useResource<{ events: Event[] }>(saved ? `${store.path}/events` : withQuery(`${store.path}/events`, { after: Math.max(0, from - BACK * pages), limit: 10000 }));
    const fresh = store.events.value, kind = route.value.query.kind ?? '';
    const events = useMemo(() => {
        const old = got.data?.events ?? [], last = old[old.length - 1]?.revision ?? 0;
        return [...old, ...fresh.filter((x) => x.revision > last)].reverse();
    }, [got.data, fresh]);
    const kinds = useMemo(() => [...new Set(events.map((x) => x.kind))].sort(), [events]);
    const shown = kind ? events.filter((x) => x.kind === kind) : events;
    if (got.problem && got.problem.status !== 410) return <Failure problem={got.problem} />;
    if (!got.data && !got.problem) return <Loading what="events" />;
    const detail = (x: Event) => Object.entries(x.data).filter(([, v]) => v !== '' && v !== null).map(([k, v]) => `${k} ${typeof v === 'object' ? JSON.stringify(v) : String(v)}`).join(', ');
    return (
        <Card title="Events" note={plural(shown.length, 'event')} actions={<>
            <Select label="kind" value={kind} options={[{ value: '', text: 'all' }, ...kinds.map((k) => ({ value: k, text: k }))]} onChange={(v) => setQuery({ kind: v || undefined })} />
            {!saved && from - BACK * pages > 0 && !got.problem && <button type="button" onClick={() => setPages(pages * 4)}>Older</button>}
        </>}>
            {got.problem && <p class="faint">Older events are no longer kept.</p>}
            <Table label="Events" rows={shown.map((_, i) => i)} rowKey={(i) => shown[i].revision} height={Math.max(360, innerHeight - 330)} columns={[
                { id: 'time', title: 'Time', width: 13, cell: (i) => <time dateTime={shown[i].time} title={shown[i].time}>{new Date(shown[i].time).toLocaleString()}</time> },
                { id: 'kind', title: 'Kind', width: 12, cell: (i) => shown[i].kind },
                { id: 'trial', title: 'Trial', width: 5, cell: (i) => (shown[i].trial ? <a href={href([store.project, store.name, 'trial', shown[i].trial!])}>#{shown[i].trial}</a> : '') },
                { id: 'data', title: 'Detail', width: 26, cell: (i) => detail(shown[i]) },
            ]} />
        </Card>
    );
}
