// SPDX-License-Identifier: GPL-3.0-or-later
// An axis of values, numbers or choices, as a part between 0 and 1; and the frame that charts of two such axes are drawn in.
import { scaleLinear, scaleLog } from 'd3-scale';
import { number, type Value } from '../base/format';
import type { Ink } from '../base/theme';
import { choices, extent, isNumeric } from '../data/derive';
import type { ParameterSpec } from '../data/types';
import type { Context } from './frame';

export interface Tick {
    part: number;
    text: string;
}

export interface Axis {
    title: string;
    numeric: boolean;
    log: boolean;
    part: (v: Value) => number; // NAN: there is no such place
    at: (part: number) => Value; // the value there; of choices the nearest
    ticks: (most: number) => Tick[];
    n: number; // of choices
}

/** `low` and `high` may be equal; a log axis needs them above 0. */
export function numberAxis(title: string, low: number, high: number, log = false): Axis {
    const real = log && low > 0, [a, b] = low === high ? (real ? [low / 2, high * 2] : [low - (Math.abs(low) || 1) * 0.1, high + (Math.abs(high) || 1) * 0.1]) : [low, high];
    const scale = (real ? scaleLog() : scaleLinear()).domain([a, b]).range([0, 1]);
    const [k, o] = real ? [1 / Math.log(b / a), Math.log(a)] : [1 / (b - a), a];
    const decades = Math.log10(b / a);
    return {
        title, numeric: true, log: real, n: 0,
        part: (v) => (typeof v !== 'number' ? NaN : real ? (v > 0 ? (Math.log(v) - o) * k : NaN) : (v - o) * k),
        at: (part) => scale.invert(part),
        ticks: (most) => {
            let values = scale.ticks(most);
            if (real && decades >= 2) values = values.filter((v) => Math.abs(Math.log10(v) - Math.round(Math.log10(v))) < 1e-6);
            for (let fewer = most; values.length > most && fewer > 1; fewer--) values = real ? values.filter((_, i) => i % 2 === 0) : scale.ticks(fewer - 1);
            return values.map((v) => ({ part: scale(v), text: number(v, 4) }));
        },
    };
}

export function choiceAxis(title: string, values: Value[]): Axis {
    const index = new Map(values.map((v, i) => [v, i])), place = (i: number) => (i + 0.5) / Math.max(1, values.length);
    return {
        title, numeric: false, log: false, n: values.length,
        part: (v) => (index.has(v) ? place(index.get(v)!) : NaN),
        at: (part) => values[Math.max(0, Math.min(values.length - 1, Math.floor(part * values.length)))],
        ticks: (most) => values.map((v, i) => ({ part: place(i), text: String(v) })).filter((_, i) => i % Math.ceil(values.length / most) === 0),
    };
}

/** Of a parameter, over its range; an open one over what was tried. `log`: as its scale is, unless it is said. */
export function parameterAxis(name: string, p: ParameterSpec, tried: Value[], log = p.scale === 'log'): Axis {
    if (!isNumeric(p)) return choiceAxis(name, choices(p));
    const seen = extent(tried), low = p.min ?? seen?.[0] ?? 0, high = p.max ?? seen?.[1] ?? 1;
    return numberAxis(name, Math.min(low, seen?.[0] ?? low), Math.max(high, seen?.[1] ?? high), log); // a range that was narrowed later
}

// ---- two of them

export interface Box {
    left: number;
    top: number;
    width: number;
    height: number;
}

const TOP = 24; // the y axis's title stands above it

export const inner = (width: number, height: number, yLabels: string[] = []): Box => {
    const left = Math.min(110, Math.max(44, ...yLabels.map((t) => t.length * 7.2 + 18)));
    return { left, top: TOP, width: Math.max(10, width - left - 14), height: Math.max(10, height - TOP - 42) };
};

export const cutText = (c: Context, text: string, most: number) => {
    if (c.measureText(text).width <= most) return text;
    let end = text.length;
    while (end > 1 && c.measureText(`${text.slice(0, end)}…`).width > most) end--;
    return `${text.slice(0, end)}…`;
};

/** Grid, ticks and titles; gives the box inside. */
export function drawAxes(c: Context, width: number, height: number, x: Axis, y: Axis, ink: Ink): Box {
    const yTicks = y.ticks(Math.max(2, Math.floor(height / 42))), box = inner(width, height, yTicks.map((t) => t.text));
    const widest = x.numeric ? 48 : 12 + Math.max(0, ...x.ticks(60).map((t) => Math.min(60, c.measureText(t.text).width)));
    const xTicks = x.ticks(Math.max(2, Math.floor(box.width / widest)));
    c.lineWidth = 1;
    c.strokeStyle = ink.grid;
    c.fillStyle = ink.faint;
    c.beginPath();
    for (const t of yTicks) {
        const py = Math.round(box.top + (1 - t.part) * box.height) + 0.5;
        c.moveTo(box.left, py);
        c.lineTo(box.left + box.width, py);
    }
    for (const t of xTicks) {
        const px = Math.round(box.left + t.part * box.width) + 0.5;
        c.moveTo(px, box.top);
        c.lineTo(px, box.top + box.height);
    }
    c.stroke();
    c.strokeStyle = ink.line;
    c.beginPath();
    c.moveTo(box.left + 0.5, box.top);
    c.lineTo(box.left + 0.5, box.top + box.height + 0.5);
    c.lineTo(box.left + box.width, box.top + box.height + 0.5);
    c.stroke();
    c.textAlign = 'right';
    c.textBaseline = 'middle';
    for (const t of yTicks) c.fillText(cutText(c, t.text, box.left - 10), box.left - 7, box.top + (1 - t.part) * box.height);
    c.textAlign = 'center';
    c.textBaseline = 'top';
    const room = box.width / Math.max(1, xTicks.length);
    for (const t of xTicks) c.fillText(cutText(c, t.text, Math.max(20, room - 4)), box.left + t.part * box.width, box.top + box.height + 6);
    c.fillText(cutText(c, x.title + (x.log ? ' (log)' : ''), box.width), box.left + box.width / 2, box.top + box.height + 24);
    c.textAlign = 'left';
    c.fillText(cutText(c, y.title + (y.log ? ' (log)' : ''), width - 20), Math.max(4, box.left - 30), 3);
    return box;
}

export const px = (box: Box, part: number) => box.left + part * box.width;
export const py = (box: Box, part: number) => box.top + (1 - part) * box.height;

/** A mark of a state: circle, diamond, square, cross. */
export function mark(c: Context, shape: number, x: number, y: number, r: number) {
    if (shape === 0 && r < 2) {
        c.rect(x - r, y - r, 2 * r, 2 * r); // too small to be seen round, and much cheaper
    } else if (shape === 0) {
        c.moveTo(x + r, y);
        c.arc(x, y, r, 0, 2 * Math.PI);
    } else if (shape === 1) {
        c.moveTo(x, y - r * 1.3);
        c.lineTo(x + r * 1.3, y);
        c.lineTo(x, y + r * 1.3);
        c.lineTo(x - r * 1.3, y);
        c.closePath();
    } else {
        c.rect(x - r * 0.9, y - r * 0.9, r * 1.8, r * 1.8);
    }
}
