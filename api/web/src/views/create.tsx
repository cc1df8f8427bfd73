// SPDX-License-Identifier: GPL-3.0-or-later
// A new experiment, by a form or by its file; the two are one document, and the service says of it what is wrong, and what it would try.
import { useEffect, useMemo, useState } from 'preact/hooks';
import { type FieldProblem, type Problem, at, get, sendFile } from '../base/api';
import { number, type Value } from '../base/format';
import { go, route } from '../base/route';
import { useResource } from '../data/resource';
import type { Experiment } from '../data/types';
import { Card, Failure, Loading, attempt, notify } from '../ui/parts';
import { type Capabilities, type Doc, Form } from './create_form';

interface Checked {
    valid: boolean;
    spec: Doc;
    warnings: FieldProblem[];
    samples: Record<string, Value>[];
}

const FIRST: Doc = {
    objectives: [{ metric: 'loss', direction: 'minimize' }],
    parameters: { lr: { type: 'float', min: 1e-5, max: 0.1, scale: 'log' }, optimizer: { type: 'categorical', values: ['sgd', 'adam'] } },
    algorithm: { name: 'auto' },
    trials: { max: 50, parallel: 2 },
    run: { command: ['python3', 'train.py', '--lr', '{lr}', '--optimizer', '{optimizer}'] },
};
const CHECK_MS = 350;

/** What the service thinks of a text, a moment after it has stopped changing. */
function useCheck(project: string, text: string) {
    const [state, set] = useState<{ text: string; checked: Checked | null; problem: Problem | null }>({ text: '', checked: null, problem: null });
    useEffect(() => {
        let over = false;
        const timer = setTimeout(() => {
            sendFile<Checked>(project, text, { check: true }).then(
                (checked) => !over && set({ text, checked, problem: null }),
                (error) => !over && set({ text, checked: null, problem: error as Problem }),
            );
        }, CHECK_MS);
        return () => {
            over = true;
            clearTimeout(timer);
        };
    }, [project, text]);
    return { ...state, busy: state.text !== text };
}

export function Create() {
    const clone = route.value.query.clone, [project, name] = clone?.split('/') ?? ['default'];
    const [doc, setDoc] = useState<Doc | null>(clone ? null : FIRST), [yaml, setYaml] = useState<string | null>(null), [problem, setProblem] = useState<Problem | null>(null);
    const can = useResource<Capabilities>('capabilities');
    useEffect(() => {
        if (!clone) return;
        get<Experiment>(at(project, name)).then((e) => setDoc({ ...(e.spec as unknown as Doc), name: `${e.name.slice(0, 58)}-copy` }), (error) => setProblem(error as Problem));
    }, [clone]);
    const text = useMemo(() => yaml ?? JSON.stringify(doc ?? {}), [yaml, doc]);
    const check = useCheck(project, text);
    if (problem) return <Failure problem={problem} />;
    if (!doc) return <Loading what="the experiment" />;
    const errors = check.problem?.errors ?? [], problems = check.problem && !errors.length ? [{ pointer: '', detail: check.problem.message }] : errors;
    async function toYaml() {
        try {
            setYaml(await sendFile<string>(project, text, { check: true, yaml: true }));
        } catch {
            setYaml(JSON.stringify(doc, null, 2)); // JSON is YAML: what is wrong can be mended there as well
        }
    }
    async function toForm() {
        const checked = await attempt(() => sendFile<Checked>(project, text, { check: true }));
        if (!checked) return;
        setDoc(checked.spec);
        setYaml(null);
    }
    async function create() {
        const made = await attempt(() => sendFile<Experiment>(project, text));
        if (!made) return;
        notify(`Created ${made.name}`);
        go([made.project, made.name]);
    }
    const names = check.checked ? [...new Set(check.checked.samples.flatMap((s) => Object.keys(s)))] : [];
    return (
        <>
            <div class="page-head">
                <h1>{clone ? `Clone of ${name}` : 'New experiment'}</h1>
                <div class="modes" role="group" aria-label="Write it as">
                    <button type="button" aria-pressed={yaml === null} onClick={() => yaml !== null && toForm()}>Form</button>
                    <button type="button" aria-pressed={yaml !== null} onClick={() => yaml === null && toYaml()}>YAML</button>
                </div>
                <button type="button" class="primary" disabled={check.busy || !check.checked} onClick={create}>Create</button>
            </div>
            <div class="create">
                {yaml === null
                    ? <Form doc={doc} onChange={setDoc} errors={errors} can={can.data} />
                    : <Card title="File"><textarea class="yaml" aria-label="The experiment file" spellcheck={false} value={yaml} onInput={(e) => setYaml(e.currentTarget.value)} /></Card>}
                <div class="side">
                    <Card title="Check">
                        <div role="status" aria-live="polite">
                            {check.busy ? <p class="faint">Checking…</p> : check.checked ? <p class="ok">✓ The service takes this file.</p> : <p class="field-problem">{problems.length === 1 ? 'There is a problem:' : `There are ${problems.length} problems:`}</p>}
                            {problems.length > 0 && <ul class="problems">{problems.map((e) => <li key={e.pointer + e.detail}>{e.pointer && <code>{e.pointer.slice(1).replaceAll('/', '.')}</code>} {e.detail}{e.hint && ` (${e.hint})`}</li>)}</ul>}
                            {check.checked?.warnings.map((w) => <p key={w.detail} class="faint">{w.pointer && <code>{w.pointer.slice(1).replaceAll('/', '.')}</code>} {w.detail}</p>)}
                        </div>
                    </Card>
                    <Card title="Preview" note="what it would try, drawn from the space">
                        {check.checked?.samples.length ? (
                            <div class="table-box" tabIndex={0} role="region" aria-label="Sampled configurations">
                                <table class="samples"><thead><tr>{names.map((n) => <th key={n} scope="col">{n}</th>)}</tr></thead>
                                    <tbody>{check.checked.samples.map((s, i) => <tr key={i}>{names.map((n) => <td key={n}>{number(s[n], 4)}</td>)}</tr>)}</tbody></table>
                            </div>
                        ) : <p class="faint">It appears when the file is right.</p>}
                    </Card>
                </div>
            </div>
        </>
    );
}

