// SPDX-License-Identifier: GPL-3.0-or-later
// The service's REST API; or, in a report that was saved to a file, the answers that were saved with it.

export interface FieldProblem {
    pointer: string;
    detail: string;
    hint?: string;
    code?: string;
}

export class Problem extends Error {
    constructor(readonly status: number, message: string, readonly code = '', readonly errors: FieldProblem[] = []) {
        super(message);
    }
}

interface Saved {
    version: string;
    created: string;
    project: string;
    experiment: string;
    answers: Record<string, unknown>;
}

const inlined = document.getElementById('hone-report')?.textContent;
export const saved: Saved | null = inlined ? (JSON.parse(inlined) as Saved) : null;

export const at = (project: string, experiment?: string) =>
    `projects/${encodeURIComponent(project)}${experiment === undefined ? '/experiments' : `/experiments/${encodeURIComponent(experiment)}`}`;

export function withQuery(path: string, query: Record<string, string | number | undefined>): string {
    const text = new URLSearchParams(Object.entries(query).flatMap(([k, v]) => (v === undefined || v === '' ? [] : [[k, String(v)]]))).toString();
    return text ? `${path}?${text}` : path;
}

/** What a report was given (src/cli/report.c): by the part of the path after the experiment; `param` and the metric of curves tell answers apart. */
function fromReport(path: string): unknown {
    const base = at(saved!.project, saved!.experiment), [plain, text] = path.split('?', 2) as [string, string | undefined], query = new URLSearchParams(text ?? '');
    const rest = plain.slice(base.length + 1), param = query.get('param') ?? (rest === 'curves' ? query.get('metric') : null), key = param ? `${rest}/${param}` : rest;
    const asked = query.get('top') ?? (rest === 'curves' ? null : query.get('metric')); // of these the report has what is shown first
    if (!plain.startsWith(base) || asked || !Object.hasOwn(saved!.answers, key)) throw new Problem(404, 'This is not part of the report. The service has it.', 'NOT_IN_REPORT');
    if (rest !== 'curves') return saved!.answers[key];
    const wanted = new Set((query.get('trials') ?? '').split(',').map(Number)), all = saved!.answers[key] as { curves: { number: number }[] };
    return { ...all, curves: all.curves.filter((c) => wanted.has(c.number)) };
}

async function call(method: string, path: string, options: { body?: unknown; type?: string; accept?: string; signal?: AbortSignal } = {}): Promise<Response> {
    const headers: Record<string, string> = { Accept: options.accept ?? 'application/json', 'X-Hone': '1' };
    if (options.body !== undefined) headers['Content-Type'] = options.type ?? 'application/json';
    const body = options.body === undefined ? undefined : typeof options.body === 'string' ? options.body : JSON.stringify(options.body);
    let answer: Response;
    try {
        answer = await fetch(`api/v1/${path}`, { method, headers, body, credentials: 'same-origin', signal: options.signal });
    } catch (error) {
        if ((error as Error).name === 'AbortError') throw error;
        throw new Problem(0, 'The service does not answer. Is `hone serve` running?', 'AWAY');
    }
    if (answer.ok) return answer;
    const problem = (await answer.json().catch(() => ({}))) as { detail?: string; code?: string; errors?: FieldProblem[] };
    throw new Problem(answer.status, problem.detail ?? `The service answered ${answer.status}.`, problem.code, problem.errors);
}

export async function get<T>(path: string, signal?: AbortSignal): Promise<T> {
    if (saved) return fromReport(path) as T;
    return (await call('GET', path, { signal })).json() as Promise<T>;
}

/** An answer that is text, with its headers. */
export async function getText(path: string, accept: string, signal?: AbortSignal): Promise<{ text: string; headers: Headers }> {
    if (saved) return { text: String(fromReport(`${path}//${accept === 'application/yaml' ? 'yaml' : 'text'}`)), headers: new Headers() };
    const answer = await call('GET', path, { accept, signal });
    return { text: await answer.text(), headers: answer.headers };
}

export async function send<T>(method: 'POST' | 'PATCH' | 'DELETE', path: string, body?: unknown): Promise<T> {
    const answer = await call(method, path, { body: body ?? (method === 'DELETE' ? undefined : {}) });
    return (answer.status === 204 ? undefined : await answer.json()) as T;
}

/** Creates an experiment of a file, or only checks it; the file is YAML or JSON text. */
export async function sendFile<T>(project: string, text: string, options: { check?: boolean; yaml?: boolean } = {}): Promise<T> {
    const path = withQuery(at(project), { validate_only: options.check ? 'true' : undefined });
    const answer = await call('POST', path, { body: text, type: 'application/yaml', accept: options.yaml ? 'application/yaml' : undefined });
    return (options.yaml ? await answer.text() : await answer.json()) as T;
}
