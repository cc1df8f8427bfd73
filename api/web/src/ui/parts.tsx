// SPDX-License-Identifier: GPL-3.0-or-later
// Small parts that every view is made of.
import { signal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import type { Problem } from '../base/api';
import { percent } from '../base/format';
import { look } from '../data/states';

export function State({ state, quiet }: { state: string; quiet?: boolean }) {
    const { word, tone, shape } = look(state);
    return (
        <span class={`state ${tone}${quiet ? ' quiet' : ''}`}>
            <svg viewBox="0 0 16 16" width="12" height="12" aria-hidden="true"><path d={shape} /></svg>
            {word}
        </span>
    );
}

export function Progress({ value, label, busy }: { value: number | null; label: string; busy?: boolean }) {
    const now = value === null ? undefined : Math.round(value * 100);
    return (
        <div class={`progress${busy ? ' busy' : ''}`} role="progressbar" aria-label={label} aria-valuemin={0} aria-valuemax={100} aria-valuenow={now} aria-valuetext={percent(value)}>
            <div style={{ width: `${now ?? 0}%` }} />
        </div>
    );
}

/** Says that there is nothing, and what to do. `page`: it is all there is, so its title is the page's. */
export function Empty({ title, page, children }: { title: string; page?: boolean; children?: ComponentChildren }) {
    const Title = page ? 'h1' : 'p';
    return (
        <div class="empty">
            <Title class="empty-title">{title}</Title>
            {children}
        </div>
    );
}

/** What is wrong, and what to do next. */
export function Failure({ problem }: { problem: Problem }) {
    if (problem.status === 401 || problem.status === 403)
        return (
            <Empty title="You are not logged in" page>
                <p>Open the link that <code>hone serve</code> printed at its start, or the one that <code>hone link</code> prints now. It works once and logs this browser in.</p>
            </Empty>
        );
    if (problem.status === 0) return <Empty title="The service does not answer" page><p>{problem.message} This page goes on by itself when it is back.</p></Empty>;
    return (
        <div class="failure" role="alert">
            {problem.status === 404 ? <h1>Not found</h1> : <b>That did not work</b>}
            <p>{problem.message}</p>
        </div>
    );
}

export const Loading = ({ what = '' }) => <p class="loading" role="status">Loading {what}…</p>;

export function Card({ title, note, actions, children, class: more = '' }: { title?: string; note?: ComponentChildren; actions?: ComponentChildren; children: ComponentChildren; class?: string }) {
    return (
        <section class={`card ${more}`}>
            {title && (
                <header class="card-head">
                    <h2>{title}</h2>
                    {note && <span class="note">{note}</span>}
                    {actions && <div class="card-actions">{actions}</div>}
                </header>
            )}
            {children}
        </section>
    );
}

export interface Option {
    value: string;
    text: string;
}
export function Select({ label, value, options, onChange }: { label: string; value: string; options: Option[]; onChange: (value: string) => void }) {
    return (
        <label class="field-inline">
            <span>{label}</span>
            <select value={value} onChange={(e) => onChange(e.currentTarget.value)}>
                {options.map((o) => <option value={o.value} selected={o.value === value}>{o.text}</option>)}
            </select>
        </label>
    );
}

export function Toggle({ label, on, onChange }: { label: string; on: boolean; onChange: (on: boolean) => void }) {
    return <label class="toggle"><input type="checkbox" checked={on} onChange={(e) => onChange(e.currentTarget.checked)} /> {label}</label>;
}

// ---- notices: what was done, with a way back

interface Notice {
    id: number;
    text: string;
    bad?: boolean;
    action?: { text: string; run: () => void };
}
const notices = signal<Notice[]>([]);
let next = 1;

export function dismiss(id: number) {
    notices.value = notices.value.filter((n) => n.id !== id);
}

export function notify(text: string, options: { bad?: boolean; action?: Notice['action']; ms?: number } = {}): number {
    const id = next++;
    notices.value = [...notices.value, { id, text, bad: options.bad, action: options.action }];
    setTimeout(() => dismiss(id), options.ms ?? (options.bad ? 12000 : 6000));
    return id;
}

export function Notices() {
    return (
        <div class="notices" role="status" aria-live="polite">
            {notices.value.map((n) => (
                <div key={n.id} class={`notice${n.bad ? ' bad' : ''}`}>
                    <span>{n.text}</span>
                    {n.action && <button type="button" onClick={() => (dismiss(n.id), n.action!.run())}>{n.action.text}</button>}
                    <button type="button" class="bare" aria-label="Dismiss" onClick={() => dismiss(n.id)}>×</button>
                </div>
            ))}
        </div>
    );
}

/** Runs what a button asks for; what fails is told. */
export async function attempt<T>(work: () => Promise<T>, done?: string): Promise<T | undefined> {
    try {
        const result = await work();
        if (done) notify(done);
        return result;
    } catch (error) {
        notify((error as Error).message, { bad: true });
        return undefined;
    }
}

// ---- dialogs: the browser's own, which keeps the focus inside

export function Dialog({ title, open, onClose, children }: { title: string; open: boolean; onClose: () => void; children: ComponentChildren }) {
    const ref = useRef<HTMLDialogElement>(null);
    useLayoutEffect(() => {
        const dialog = ref.current!;
        if (open && !dialog.open) dialog.showModal();
        if (!open && dialog.open) dialog.close();
    }, [open]);
    return (
        <dialog ref={ref} aria-label={title} onClose={onClose} onClick={(e) => e.target === ref.current && onClose()}>
            {open && (
                <div class="dialog">
                    <header class="card-head"><h2>{title}</h2><button type="button" class="bare" aria-label="Close" onClick={onClose}>×</button></header>
                    {children}
                </div>
            )}
        </dialog>
    );
}

export function download(name: string, type: string, content: BlobPart) {
    const url = URL.createObjectURL(new Blob([content], { type }));
    const a = document.createElement('a');
    a.href = url;
    a.download = name;
    a.click();
    setTimeout(() => URL.revokeObjectURL(url), 1000);
}

export async function copy(text: string) {
    await attempt(() => navigator.clipboard.writeText(text), 'Copied');
}
