// SPDX-License-Identifier: GPL-3.0-or-later
// The form of an experiment file. It edits the document in place of its text and knows no rules: what is wrong is what the service says, at the field
// whose JSON Pointer it names.
import type { ComponentChildren } from 'preact';
import { useId, useState } from 'preact/hooks';
import type { FieldProblem } from '../base/api';
import type { Value } from '../base/format';
import { Card } from '../ui/parts';

/** A document is whatever its file says. */
export type Doc = Record<string, any>;

interface Setting {
    type: string;
    description?: string;
    default?: Value;
    enum?: string[];
}
interface Plugin {
    name: string;
    title?: string;
    about?: string;
    settings?: { properties?: Record<string, Setting> };
}
export interface Capabilities {
    algorithms: Plugin[];
    stoppers: Plugin[];
    backends: Plugin[];
}

interface Props {
    doc: Doc;
    onChange: (doc: Doc) => void;
    errors: FieldProblem[];
    can: Capabilities | null;
}

/** "0.1" is a number, "" is nothing, anything else stays what was typed, so that the service can say what is wrong with it. */
const typed = (text: string): Value => (text.trim() === '' ? undefined : Number.isFinite(Number(text)) ? Number(text) : text);
const shown = (v: Value) => (v === undefined || v === null ? '' : String(v));

/** Values as a list people type: 32, 64, adam, true. Quotes keep a number a text. */
const list = (text: string): Value[] => text.split(',').map((t) => t.trim()).filter(Boolean).map((t) => (t === 'true' ? true : t === 'false' ? false : /^(["']).*\1$/.test(t) ? t.slice(1, -1) : Number.isFinite(Number(t)) ? Number(t) : t));
const unlist = (values: Value[] = []) => values.map((v) => (typeof v === 'string' && (Number.isFinite(Number(v)) || v === 'true' || v === 'false') ? `"${v}"` : String(v))).join(', ');

const at = (errors: FieldProblem[], pointer: string) => errors.filter((e) => e.pointer === pointer || e.pointer.startsWith(`${pointer}/`));

function Field({ label, pointer, errors, children, class: more = '' }: { label: string; pointer: string; errors: FieldProblem[]; children: (id: string, invalid: boolean, describe: string) => ComponentChildren; class?: string }) {
    const id = useId(), bad = at(errors, pointer);
    return (
        <div class={`field ${more}${bad.length ? ' bad' : ''}`}>
            <label for={id}>{label}</label>
            {children(id, bad.length > 0, `${id}-problem`)}
            {bad.length > 0 && <p class="field-problem" id={`${id}-problem`}>{bad.map((e) => e.detail + (e.hint ? ` (${e.hint})` : '')).join('; ')}</p>}
        </div>
    );
}

function Text({ label, pointer, errors, value, onInput, placeholder, class: more }: { label: string; pointer: string; errors: FieldProblem[]; value: Value; onInput: (text: string) => void; placeholder?: string; class?: string }) {
    const [draft, setDraft] = useState<string | null>(null); // what is being typed: 1e- is on its way to 1e-3
    return (
        <Field label={label} pointer={pointer} errors={errors} class={more}>
            {(id, invalid, describe) => <input id={id} type="text" value={draft ?? shown(value)} placeholder={placeholder} aria-invalid={invalid} aria-describedby={invalid ? describe : undefined} spellcheck={false}
                onInput={(e) => (setDraft(e.currentTarget.value), onInput(e.currentTarget.value))} onBlur={() => setDraft(null)} />}
        </Field>
    );
}

function Choice({ label, pointer, errors, value, options, onChange }: { label: string; pointer: string; errors: FieldProblem[]; value: Value; options: { value: string; text: string }[]; onChange: (value: string) => void }) {
    return (
        <Field label={label} pointer={pointer} errors={errors}>
            {(id, invalid, describe) => <select id={id} aria-invalid={invalid} aria-describedby={invalid ? describe : undefined} onChange={(e) => onChange(e.currentTarget.value)}>{options.map((o) => <option value={o.value} selected={o.value === shown(value)}>{o.text}</option>)}</select>}
        </Field>
    );
}

const without = (o: Doc, ...keys: string[]): Doc => Object.fromEntries(Object.entries(o).filter(([k, v]) => !keys.includes(k) && v !== undefined));
const esc = (name: string) => name.replaceAll('~', '~0').replaceAll('/', '~1');

function Parameter({ name, p, errors, onRename, onChange, onRemove }: { name: string; p: Doc; errors: FieldProblem[]; onRename: (name: string) => void; onChange: (p: Doc) => void; onRemove: () => void }) {
    const here = `/parameters/${esc(name)}`, set = (more: Doc) => onChange(without({ ...p, ...more }));
    const numeric = p.type === 'float' || p.type === 'int', own = errors.filter((e) => e.pointer === here || e.pointer.startsWith(`${here}/when`));
    const retype = (type: string) => onChange(type === 'bool' ? { type, ...(p.when ? { when: p.when } : {}) } : type === 'categorical' ? { type, values: p.values ?? ['a', 'b'], ...(p.when ? { when: p.when } : {}) } : { ...without(p, 'values', 'distribution'), type, min: p.min ?? 0, max: p.max ?? 1 });
    const when = Object.entries((p.when ?? {}) as Record<string, Value | Value[]>).map(([k, v]) => `${k}=${unlist(Array.isArray(v) ? v : [v])}`).join('');
    return (
        <div class="param" role="group" aria-label={`parameter ${name}`}>
            <Text label="name" pointer={`${here}/name`} errors={errors} value={name} onInput={onRename} />
            <Choice label="type" pointer={`${here}/type`} errors={errors} value={p.type} options={['float', 'int', 'categorical', 'bool'].map((v) => ({ value: v, text: v }))} onChange={retype} />
            {numeric ? <>
                <Text label="from" pointer={`${here}/min`} errors={errors} value={p.min} onInput={(t) => set({ min: typed(t) })} />
                <Text label="to" pointer={`${here}/max`} errors={errors} value={p.max} onInput={(t) => set({ max: typed(t) })} />
                <Choice label="scale" pointer={`${here}/scale`} errors={errors} value={p.scale ?? 'linear'} options={['linear', 'log'].map((v) => ({ value: v, text: v }))} onChange={(scale) => onChange({ ...without(p, 'distribution'), scale })} />
            </> : p.type === 'categorical'
                ? <Text class="three" label="values, with commas" pointer={`${here}/values`} errors={errors} value={unlist(p.values)} onInput={(t) => set({ values: list(t) })} />
                : <span class="three" />}
            <button type="button" class="bare" aria-label={`remove ${name}`} onClick={onRemove}>×</button>
            {(when || (p.step !== undefined && p.step !== 1)) && <p class="faint three">{when && <>only when <code>{when}</code></>} {p.step !== undefined && p.step !== 1 && <>in steps of {p.step}</>}</p>}
            {own.map((e) => <p key={e.detail} class="field-problem">{e.detail}{e.hint && ` (${e.hint})`}</p>)}
        </div>
    );
}

function PluginFields({ kind, label, doc, errors, plugins, none, onChange }: { kind: 'algorithm' | 'stopping'; label: string; doc: Doc; errors: FieldProblem[]; plugins: Plugin[]; none?: boolean; onChange: (v: Doc | undefined) => void }) {
    const now: Doc = typeof doc[kind] === 'string' ? { name: doc[kind] } : (doc[kind] ?? { name: none ? 'none' : 'auto' });
    const chosen = plugins.find((a) => a.name === now.name), settings = Object.entries(chosen?.settings?.properties ?? {});
    const options = [...(none ? [{ value: 'none', text: 'none' }] : []), ...plugins.map((a) => ({ value: a.name, text: a.title ? `${a.title} (${a.name})` : a.name }))];
    return (
        <>
            <Choice label={label} pointer={`/${kind}`} errors={errors.filter((e) => e.pointer === `/${kind}` || e.pointer === `/${kind}/name`)} value={now.name} options={options} onChange={(name) => onChange(name === 'none' ? undefined : { name })} />
            {chosen?.about && <p class="faint">{chosen.about}</p>}
            {settings.length > 0 && (
                <details>
                    <summary>Settings of {chosen!.title ?? chosen!.name}</summary>
                    <div class="form">
                        {settings.map(([name, s]) => {
                            const set = (v: Value) => onChange({ name: now.name, settings: without({ ...(now.settings ?? {}), [name]: v }) });
                            const pointer = `/${kind}/settings/${name}`, title = `${name}${s.description ? `: ${s.description}` : ''}`;
                            return s.enum
                                ? <Choice key={name} label={title} pointer={pointer} errors={errors} value={now.settings?.[name] ?? s.default} options={s.enum.map((v) => ({ value: v, text: v }))} onChange={set} />
                                : <Text key={name} label={title} pointer={pointer} errors={errors} value={now.settings?.[name]} placeholder={shown(s.default)} onInput={(t) => set(s.type === 'boolean' ? t === 'true' : typed(t))} />;
                        })}
                    </div>
                </details>
            )}
        </>
    );
}

export function Form({ doc, onChange, errors, can }: Props) {
    const set = (more: Doc) => onChange(without({ ...doc, ...more }));
    const objectives: Doc[] = doc.objectives ?? (doc.objective ? [doc.objective] : []), parameters = Object.entries((doc.parameters ?? {}) as Record<string, Doc>);
    const setObjective = (k: number, o: Doc) => onChange({ ...without(doc, 'objective'), objectives: objectives.map((old, i) => (i === k ? without(o) : old)) });
    // Renaming keeps the place in the order; a name that another has would take that one away, so it waits.
    const setParameters = (list: [string, Doc][]) => new Set(list.map(([n]) => n)).size === list.length && set({ parameters: Object.fromEntries(list) });
    const fresh = () => {
        for (let i = 1; ; i++) if (!(`x${i}` in (doc.parameters ?? {}))) return `x${i}`;
    };
    const command = doc.run?.command, commandText = Array.isArray(command) ? command.join('\n') : shown(command);
    const setRun = (more: Doc | null) => set({ run: more ? without({ ...(doc.run ?? {}), ...more }) : undefined });
    return (
        <form class="form" onSubmit={(e) => e.preventDefault()}>
            <Card title="What is wanted">
                <div class="form">
                    <div class="row">
                        <Text label="name (empty: one is made up)" pointer="/name" errors={errors} value={doc.name} onInput={(t) => set({ name: t || undefined })} />
                    </div>
                    {objectives.map((o, k) => (
                        <div class="row" key={k}>
                            <Text label="metric" pointer={`/objectives/${k}/metric`} errors={errors} value={o.metric} onInput={(t) => setObjective(k, { ...o, metric: t })} />
                            <Choice label="is to be" pointer={`/objectives/${k}/direction`} errors={errors} value={o.direction} options={[{ value: 'minimize', text: 'minimized' }, { value: 'maximize', text: 'maximized' }]} onChange={(direction) => setObjective(k, { ...o, direction })} />
                            {k === 0 && <Text label="goal (ends it)" pointer={`/objectives/${k}/goal`} errors={errors} value={o.goal} onInput={(t) => setObjective(k, { ...o, goal: typed(t) })} />}
                            {objectives.length > 1 && <button type="button" class="bare" aria-label={`remove objective ${o.metric}`} onClick={() => onChange({ ...doc, objectives: objectives.filter((_, i) => i !== k) })}>×</button>}
                        </div>
                    ))}
                    <div><button type="button" onClick={() => onChange({ ...without(doc, 'objective'), objectives: [...objectives, { metric: `metric_${objectives.length + 1}`, direction: 'minimize' }] })}>Another objective</button></div>
                </div>
            </Card>
            <Card title="What may change">
                {parameters.map(([name, p], k) => (
                    <Parameter key={k} name={name} p={p} errors={errors}
                        onRename={(to) => setParameters(parameters.map(([n, q], i) => [i === k ? to : n, q]))}
                        onChange={(q) => setParameters(parameters.map(([n, old], i) => [n, i === k ? q : old]))}
                        onRemove={() => setParameters(parameters.filter((_, i) => i !== k))} />
                ))}
                {at(errors, '/parameters').filter((e) => e.pointer === '/parameters').map((e) => <p key={e.detail} class="field-problem">{e.detail}</p>)}
                <p><button type="button" onClick={() => setParameters([...parameters, [fresh(), { type: 'float', min: 0, max: 1 }]])}>Add a parameter</button></p>
                <Field label="constraints, one a line" pointer="/constraints" errors={errors}>
                    {(id) => <textarea id={id} rows={2} placeholder="lr * batch < 1" value={(doc.constraints ?? []).join('\n')} onChange={(e) => set({ constraints: e.currentTarget.value.split('\n').map((l) => l.trim()).filter(Boolean) })} />}
                </Field>
            </Card>
            <Card title="How it is searched">
                <div class="form">
                    <PluginFields kind="algorithm" label="algorithm" doc={doc} errors={errors} plugins={can?.algorithms ?? []} onChange={(algorithm) => set({ algorithm })} />
                    <PluginFields kind="stopping" label="stopping of bad trials" doc={doc} errors={errors} plugins={can?.stoppers ?? []} none onChange={(stopping) => set({ stopping })} />
                    <div class="row">
                        <Text label="trials at most" pointer="/trials/max" errors={errors} value={doc.trials?.max} onInput={(t) => set({ trials: without({ ...doc.trials, max: typed(t), max_failed: undefined }) })} />
                        <Text label="at once" pointer="/trials/parallel" errors={errors} value={doc.trials?.parallel} onInput={(t) => set({ trials: without({ ...doc.trials, parallel: typed(t) }) })} />
                        <Text label="time at most (30m, 2h)" pointer="/limits/time" errors={errors} value={doc.limits?.time} onInput={(t) => set({ limits: without({ ...doc.limits, time: typed(t) }) })} />
                        <Text label="seed" pointer="/seed" errors={errors} value={doc.seed} placeholder="drawn" onInput={(t) => set({ seed: typed(t) })} />
                    </div>
                </div>
            </Card>
            <Card title="What runs">
                <div class="form">
                    <label class="toggle"><input type="checkbox" checked={Boolean(doc.run)} onChange={(e) => setRun(e.currentTarget.checked ? { command: ['python3', 'train.py'] } : null)} /> The service runs the trials (else workers ask for them)</label>
                    {doc.run && (
                        <Field label={doc.run.shell ? 'command, for sh' : 'command, one argument a line; {name} is a parameter'} pointer="/run/command" errors={at(errors, '/run')}>
                            {(id, invalid, describe) => <textarea id={id} rows={Math.max(3, commandText.split('\n').length)} spellcheck={false} value={commandText} aria-invalid={invalid} aria-describedby={invalid ? describe : undefined}
                                onInput={(e) => setRun({ command: doc.run.shell ? e.currentTarget.value : e.currentTarget.value.split('\n').filter((l, i, all) => l !== '' || i < all.length - 1) })} />}
                        </Field>
                    )}
                    {doc.run && <Text label="directory" pointer="/run/cwd" errors={[]} value={doc.run.cwd} placeholder="each trial's own" onInput={(t) => setRun({ cwd: t || undefined })} />}
                    <Field label="labels, name=value, one a line" pointer="/labels" errors={errors}>
                        {(id) => <textarea id={id} rows={2} value={Object.entries(doc.labels ?? {}).map(([k, v]) => `${k}=${v}`).join('\n')}
                            onChange={(e) => set({ labels: Object.fromEntries(e.currentTarget.value.split('\n').filter((l) => l.includes('=')).map((l) => [l.slice(0, l.indexOf('=')).trim(), l.slice(l.indexOf('=') + 1).trim()])) })} />}
                    </Field>
                    <Field label="note" pointer="/note" errors={errors}>{(id) => <textarea id={id} rows={2} value={doc.note ?? ''} onInput={(e) => set({ note: e.currentTarget.value || undefined })} />}</Field>
                </div>
            </Card>
        </form>
    );
}
