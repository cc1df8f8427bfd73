// SPDX-License-Identifier: GPL-3.0-or-later
// Values as people read them. Nothing here makes markup: all of it goes out as text.

export type Value = number | string | boolean | null | undefined;

export function number(v: Value, digits = 5): string {
    if (v === null || v === undefined) return '–';
    if (typeof v !== 'number') return String(v);
    if (!Number.isFinite(v)) return Number.isNaN(v) ? 'NaN' : v > 0 ? '∞' : '−∞';
    if (Number.isInteger(v) && Math.abs(v) < 1e7) return String(v);
    const size = Math.abs(v);
    if (size !== 0 && (size < 1e-3 || size >= 1e7)) return v.toExponential(Math.max(0, digits - 2)).replace(/\.?0+e/, 'e').replace('e+', 'e');
    return String(Number(v.toPrecision(digits)));
}

export const percent = (part: number | null | undefined, digits = 0) => (part === null || part === undefined ? '–' : `${(part * 100).toFixed(digits)} %`);

export function duration(seconds: number | null | undefined): string {
    if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return '–';
    if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
    if (seconds < 10) return `${seconds.toFixed(1)} s`;
    const s = Math.round(seconds);
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
    if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
    return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

export function ago(time: string | null | undefined, now: number): string {
    if (!time) return '–';
    const s = (now - Date.parse(time)) / 1000;
    return s < 5 ? 'just now' : `${duration(Math.round(s)).replace(/ \d+ (s|min|h)$/, '')} ago`;
}

export const moment = (time: string | number | null | undefined) => (time ? new Date(time).toLocaleString([], { dateStyle: 'medium', timeStyle: 'medium' }) : '–');
export const utc = (time: string | number | null | undefined) => (time ? new Date(time).toISOString() : '');
export const plural = (n: number, one: string, many = `${one}s`) => `${n.toLocaleString('en')} ${n === 1 ? one : many}`;

export function csv(header: string[], rows: Value[][]): string {
    // A cell that a spreadsheet would run as a formula is made a text.
    const cell = (v: Value) => {
        const text = v === null || v === undefined ? '' : String(v);
        const safe = typeof v === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
        return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
    };
    return [header, ...rows].map((row) => row.map(cell).join(',')).join('\r\n') + '\r\n';
}
