// SPDX-License-Identifier: GPL-3.0-or-later
// The experiment file as the service understands it, and what this experiment is.
import { useEffect, useState } from 'preact/hooks';
import { Problem, getText, saved } from '../base/api';
import { moment, utc } from '../base/format';
import { href } from '../base/route';
import { Card, Failure, Loading, copy, download } from '../ui/parts';
import type { ViewProps } from './all';

export function File({ store }: ViewProps) {
    const [text, setText] = useState<string | null>(null), [problem, setProblem] = useState<Problem | null>(null);
    const e = store.experiment.value!, spec = JSON.stringify(e.spec);
    useEffect(() => {
        getText(store.path, 'application/yaml').then((got) => setText(got.text), (error) => setProblem(error as Problem));
    }, [spec]);
    if (problem) return <Failure problem={problem} />;
    if (text === null) return <Loading what="the file" />;
    return (
        <div class="grid">
            <Card title="File" class="wide" actions={<>
                <button type="button" onClick={() => copy(text)}>Copy</button>
                <button type="button" onClick={() => download(`${e.name}.yaml`, 'application/yaml', text)}>Save</button>
                {!saved && <a class="button" href={href(['new'], { clone: `${e.project}/${e.name}` })}>Clone</a>}
            </>}>
                <pre class="code" tabIndex={0}>{text}</pre>
            </Card>
            <Card title="Experiment" class="wide">
                <dl class="pairs one">
                    <div><dt>id</dt><dd><code>{e.uid}</code></dd></div>
                    <div><dt>seed</dt><dd><code>{e.seed}</code></dd></div>
                    <div><dt>created</dt><dd title={utc(e.create_time)}>{moment(e.create_time)}</dd></div>
                    {e.end_time && <div><dt>ended</dt><dd title={utc(e.end_time)}>{moment(e.end_time)}</dd></div>}
                    {Object.entries(e.labels).map(([k, v]) => <div key={k}><dt>{k}</dt><dd>{v}</dd></div>)}
                    {Object.entries(e.annotations).map(([k, v]) => <div key={k}><dt>{k}</dt><dd>{v}</dd></div>)}
                </dl>
                {e.note && <><h3>Note</h3><p class="pre">{e.note}</p></>}
            </Card>
        </div>
    );
}
