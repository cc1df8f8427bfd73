// SPDX-License-Identifier: GPL-3.0-or-later
// Parallel coordinates: a line for each trial over an axis for each parameter and objective. Drag along an axis to brush a range, drag a title to move
// the axis; the same by keyboard is in the view's list of axes.
import { useMemo, useRef, useState } from 'preact/hooks';
import { number, plural } from '../base/format';
import { href } from '../base/route';
import { type Ink, viridis } from '../base/theme';
import { spread } from '../data/derive';
import type { ExperimentStore } from '../data/experiment';
import { type Axis, cutText } from './axis';
import { Canvas } from './canvas';
import type { Context, Drawn } from './frame';

export interface Dimension {
    id: string;
    axis: Axis;
    parts: Float64Array; // by row; NAN: the trial has no such parameter
    brush: [number, number] | null;
}

interface Props {
    store: ExperimentStore;
    dimensions: Dimension[];
    rows: number[]; // worst first, so that the best lie on top
    shade: (row: number) => number; // 0 worst to 1 best
    onBrush: (id: string, brush: [number, number] | null, done: boolean) => void; // `done`: the drag is over
    dragging: boolean;
    n: number; // trials within the brushes
    onMove: (id: string, to: number) => void;
    height: number;
    onDrawn?: (d: Drawn) => void;
}

export const LINES_MAX = 1000;
const LINES_BEST = 60; // of them, surely the best
const LINES_DRAGGED = 300; // while a brush is dragged, so that it follows the pointer
const TOP = 46, BOTTOM = 34, SIDE = 62, SHADES = 24;

export const inBrushes = (dimensions: Dimension[], row: number) =>
    dimensions.every((d) => !d.brush || (d.parts[row] >= d.brush[0] - 1e-9 && d.parts[row] <= d.brush[1] + 1e-9));

export function ParallelChart(p: Props) {
    const drag = useRef<{ kind: 'brush' | 'title'; id: string; from: number; at: number } | null>(null);
    const [moving, setMoving] = useState<{ id: string; x: number } | null>(null);
    const n = p.dimensions.length;
    // Beyond what a screen can show, the best and an even part of the others are drawn; brushes count all.
    const drawn = useMemo(() => {
        if (p.rows.length <= LINES_MAX) return p.rows;
        const best = p.rows.slice(-LINES_BEST);
        return [...spread(p.rows.slice(0, -best.length), LINES_MAX - best.length), ...best];
    }, [p.rows]);
    const brushed = p.dimensions.some((d) => d.brush);
    const deps = [p.rows, ...p.dimensions.flatMap((d) => [d.id, d.axis, d.brush?.[0], d.brush?.[1]]), p.dragging];
    const inside = useMemo(() => {
        const all = brushed ? drawn.filter((r) => inBrushes(p.dimensions, r)) : drawn;
        return p.dragging ? spread(all, LINES_DRAGGED) : all;
    }, deps);
    const x = (i: number, w: number) => (n < 2 ? w / 2 : SIDE + (i * (w - 2 * SIDE)) / (n - 1));
    const y = (part: number) => (Number.isNaN(part) ? p.height - 12 : TOP + (1 - part) * (p.height - TOP - BOTTOM));
    function trace(c: Context, row: number, w: number) {
        for (let i = 0; i < n; i++) {
            const at = y(p.dimensions[i].parts[row]);
            if (i) c.lineTo(x(i, w), at);
            else c.moveTo(x(i, w), at);
        }
    }
    function draw(c: Context, w: number, h: number, ink: Ink) {
        c.lineJoin = 'round';
        if (brushed) {
            const out = new Set(inside);
            c.strokeStyle = ink.line;
            c.globalAlpha = 0.25;
            c.lineWidth = 1;
            c.beginPath();
            for (const r of spread(drawn.filter((q) => !out.has(q)), p.dragging ? 60 : 400)) trace(c, r, w);
            c.stroke();
        }
        const base = inside.length > 300 ? 0.6 : 0.75, fade = inside.length > 300; // of many, those that are not among the best recede
        c.lineWidth = inside.length > 300 ? 1 : 1.4;
        const groups: number[][] = Array.from({ length: SHADES }, () => []);
        for (const r of inside) groups[Math.min(SHADES - 1, Math.floor(p.shade(r) * SHADES))].push(r);
        groups.forEach((rows, k) => {
            c.strokeStyle = viridis(shadeOf(k / (SHADES - 1), ink));
            c.globalAlpha = fade ? base * (0.18 + 0.82 * (k / (SHADES - 1)) ** 4) : base;
            for (let i = 0; i < rows.length; i += 60) {
                c.beginPath();
                for (const r of rows.slice(i, i + 60)) trace(c, r, w);
                c.stroke();
            }
        });
        c.globalAlpha = 1;
        const missing = p.dimensions.some((d) => drawn.some((r) => Number.isNaN(d.parts[r])));
        p.dimensions.forEach((d, i) => {
            const at = Math.round(x(i, w)) + 0.5;
            c.strokeStyle = ink.faint;
            c.lineWidth = 1;
            c.beginPath();
            c.moveTo(at, TOP);
            c.lineTo(at, h - BOTTOM);
            c.stroke();
            c.fillStyle = ink.text;
            c.textAlign = 'center';
            c.textBaseline = 'bottom';
            c.font = '600 12px system-ui, sans-serif';
            c.fillText(cutText(c, d.axis.title, Math.max(50, (w - 2 * SIDE) / Math.max(1, n - 1) - 6)), Math.max(SIDE * 0.62, Math.min(w - SIDE * 0.62, at)), TOP - 22);
            c.font = '11px system-ui, sans-serif';
            c.textBaseline = 'middle';
            c.textAlign = i === n - 1 ? 'left' : 'right';
            const side = i === n - 1 ? 7 : -7, room = i === 0 || i === n - 1 ? SIDE - 8 : Math.max(24, (w - 2 * SIDE) / Math.max(1, n - 1) - 14);
            for (const t of d.axis.ticks(8)) {
                c.strokeStyle = ink.faint;
                c.beginPath();
                c.moveTo(at - 3, y(t.part));
                c.lineTo(at + 3, y(t.part));
                c.stroke();
                const text = cutText(c, t.text, room);
                c.strokeStyle = ink.back;
                c.fillStyle = ink.back;
                c.globalAlpha = 0.8;
                const wide = c.measureText(text).width;
                c.fillRect(side > 0 ? at + side - 2 : at + side - wide - 2, y(t.part) - 7, wide + 4, 14);
                c.globalAlpha = 1;
                c.fillStyle = ink.faint;
                c.fillText(text, at + side, y(t.part));
            }
            if (d.axis.log) {
                c.textAlign = 'center';
                c.fillStyle = ink.faint;
                c.fillText('log', at, TOP - 14);
            }
            if (d.brush) {
                c.fillStyle = ink.best;
                c.globalAlpha = 0.3;
                c.fillRect(at - 8, y(d.brush[1]), 16, y(d.brush[0]) - y(d.brush[1]));
                c.globalAlpha = 1;
                c.strokeStyle = ink.best;
                c.lineWidth = 1.5;
                c.strokeRect(at - 8, y(d.brush[1]), 16, y(d.brush[0]) - y(d.brush[1]));
            }
        });
        if (missing) {
            c.fillStyle = ink.faint;
            c.textAlign = 'left';
            c.fillText('not set', 4, h - 12);
        }
    }
    const nearestAxis = (mx: number, w: number) => Math.max(0, Math.min(n - 1, n < 2 ? 0 : Math.round(((mx - SIDE) / (w - 2 * SIDE)) * (n - 1))));
    const partAt = (my: number) => Math.max(0, Math.min(1, 1 - (my - TOP) / (p.height - TOP - BOTTOM)));
    function onDrag(phase: 'start' | 'move' | 'end', mx: number, my: number, w: number) {
        if (phase === 'start') {
            const i = nearestAxis(mx, w);
            if (n === 0 || Math.abs(mx - x(i, w)) > (my < TOP - 8 ? 44 : 16)) return false;
            drag.current = { kind: my < TOP - 8 ? 'title' : 'brush', id: p.dimensions[i].id, from: my < TOP - 8 ? mx : partAt(my), at: 0 };
            return true;
        }
        const d = drag.current;
        if (!d) return false;
        if (d.kind === 'title') {
            setMoving(phase === 'end' ? null : { id: d.id, x: mx });
            if (phase === 'end') p.onMove(d.id, nearestAxis(mx, w));
            return true;
        }
        const to = partAt(my);
        if (phase === 'end' && Math.abs(to - d.from) < 0.015) p.onBrush(d.id, null, true); // a click takes it away
        else if (phase === 'end' || performance.now() - d.at > 30) {
            d.at = performance.now();
            p.onBrush(d.id, [Math.min(to, d.from), Math.max(to, d.from)], phase === 'end');
        }
        return true;
    }
    function find(mx: number, my: number, w: number) {
        const left = Math.max(0, Math.min(n - 2, Math.floor(((mx - SIDE) / (w - 2 * SIDE)) * (n - 1))));
        if (n < 2 || my < TOP) return null;
        const f = (mx - x(left, w)) / (x(left + 1, w) - x(left, w));
        let best = -1, least = 6;
        for (const r of inside) {
            const at = y(p.dimensions[left].parts[r]) * (1 - f) + y(p.dimensions[left + 1].parts[r]) * f, d = Math.abs(at - my);
            if (d <= least) [best, least] = [r, d];
        }
        if (best < 0) return null;
        const number_ = p.store.trials.number[best];
        return {
            x: mx, y: my, href: href([p.store.project, p.store.name, 'trial', number_]),
            lines: <><b>trial {number_}</b>{p.dimensions.map((d) => <div key={d.id}>{d.axis.title} {Number.isNaN(d.parts[best]) ? '–' : number(d.axis.at(d.parts[best]), 4)}</div>)}</>,
        };
    }
    return (
        <Canvas height={p.height} draw={draw} find={find} onDrag={onDrag} onDrawn={p.onDrawn} deps={deps}
            summary={`${plural(p.rows.length, 'trial')} over ${p.dimensions.map((d) => d.axis.title).join(', ')}${brushed ? `; ${plural(p.n, 'trial')} within the brushes` : ''}`}
            overlay={(c, _w, h, ink) => {
                if (!moving) return;
                c.strokeStyle = ink.accent;
                c.lineWidth = 2;
                c.beginPath();
                c.moveTo(moving.x, TOP - 20);
                c.lineTo(moving.x, h - BOTTOM);
                c.stroke();
            }} />
    );
}

/** The brightest end of viridis is too pale on white, the darkest too dark on black. */
export const shadeOf = (part: number, ink: Ink) => (ink.back === '#ffffff' ? part * 0.86 : 0.22 + part * 0.78);
