// SPDX-License-Identifier: GPL-3.0-or-later
// Trials as points over two axes: slices, fronts, what was expected against what was found. A line with a band may lie over them.
import { useMemo } from 'preact/hooks';
import { number, type Value } from '../base/format';
import { href } from '../base/route';
import type { Ink } from '../base/theme';
import type { ExperimentStore } from '../data/experiment';
import { look } from '../data/states';
import { type Axis, drawAxes, inner, mark, px, py } from './axis';
import { Canvas } from './canvas';
import type { Context, Drawn } from './frame';

export interface Over {
    x: Value[];
    mean: number[];
    low: number[];
    high: number[];
}

interface Props {
    store: ExperimentStore;
    rows: number[]; // of the trials, in the order that they are drawn in
    x: Axis;
    y: Axis;
    xs: ArrayLike<Value>; // by row
    ys: ArrayLike<Value>;
    colour?: (row: number, ink: Ink) => string;
    strong?: ReadonlySet<number>; // rows that stand out
    line?: number[]; // rows joined by a line, in order
    stepped?: boolean;
    over?: Over | null;
    diagonal?: boolean;
    height: number;
    summary: string;
    onDrawn?: (drawn: Drawn) => void;
    deps: unknown[];
}

const NEAR = 12;
const jitter = (n: number) => ((n * 2654435761) % 1000) / 1000 - 0.5; // the same for a trial each time

export function Scatter(p: Props) {
    const { trials } = p.store;
    const spots = useMemo(() => {
        const wide = p.x.numeric ? 0 : 0.6 / Math.max(1, p.x.n);
        return p.rows.map((r) => [p.x.part(p.xs[r]) + wide * jitter(trials.number[r]), Math.max(-0.005, Math.min(1.005, p.y.part(p.ys[r])))] as const);
    }, p.deps);
    const radius = p.rows.length > 1500 ? 1.6 : p.rows.length > 400 ? 2.6 : 3.6;
    const colour = p.colour ?? ((r: number, i: Ink) => (trials.state[r] === 'PRUNED' ? i.lines[4] : trials.state[r] === 'INFEASIBLE' ? i.lines[3] : i.lines[0]));
    const shape = (r: number) => (trials.state[r] === 'SUCCEEDED' ? 0 : trials.state[r] === 'INFEASIBLE' ? 2 : 1);
    function draw(c: Context, width: number, height: number, ink: Ink) {
        const box = drawAxes(c, width, height, p.x, p.y, ink);
        c.save();
        c.beginPath();
        c.rect(box.left - 3, box.top - 4, box.width + 6, box.height + 8);
        c.clip();
        if (p.diagonal) {
            c.strokeStyle = ink.line;
            c.setLineDash([4, 4]);
            c.beginPath();
            c.moveTo(px(box, 0), py(box, 0));
            c.lineTo(px(box, 1), py(box, 1));
            c.stroke();
            c.setLineDash([]);
        }
        const groups = new Map<string, number[]>(); // one path a colour
        p.rows.forEach((r, i) => {
            if (Number.isNaN(spots[i][0]) || Number.isNaN(spots[i][1])) return;
            const key = colour(r, ink), group = groups.get(key);
            if (group) group.push(i);
            else groups.set(key, [i]);
        });
        c.globalAlpha = p.rows.length > 400 ? 0.6 : 0.8;
        for (const [key, members] of groups) {
            c.fillStyle = key;
            c.beginPath();
            for (const i of members) mark(c, shape(p.rows[i]), px(box, spots[i][0]), py(box, spots[i][1]), radius);
            c.fill();
        }
        c.globalAlpha = 1;
        if (p.over?.x.length) drawOver(c, p.over, p.x, p.y, box, ink);
        if (p.line?.length) {
            c.strokeStyle = ink.best;
            c.lineWidth = 2;
            c.beginPath();
            p.line.forEach((r, i) => {
                const x = px(box, p.x.part(p.xs[r])), y = py(box, p.y.part(p.ys[r]));
                if (i === 0) c.moveTo(x, y);
                else {
                    if (p.stepped) c.lineTo(x, py(box, p.y.part(p.ys[p.line![i - 1]])));
                    c.lineTo(x, y);
                }
            });
            c.stroke();
        }
        if (p.strong) {
            c.fillStyle = ink.best;
            c.strokeStyle = ink.back;
            c.lineWidth = 1.5;
            c.beginPath();
            p.rows.forEach((r, i) => p.strong!.has(r) && !Number.isNaN(spots[i][0]) && mark(c, 0, px(box, spots[i][0]), py(box, spots[i][1]), radius + 1.6));
            c.fill();
            c.stroke();
        }
        c.restore();
    }
    function find(x: number, y: number, width: number, height: number) {
        const yTicks = p.y.ticks(Math.max(2, Math.floor(height / 42))), box = inner(width, height, yTicks.map((t) => t.text));
        let best = -1, least = NEAR * NEAR;
        spots.forEach(([a, b], i) => {
            const d = (px(box, a) - x) ** 2 + (py(box, b) - y) ** 2;
            if (d < least) [best, least] = [i, d];
        });
        if (best < 0) return null;
        const r = p.rows[best];
        return {
            x: px(box, spots[best][0]), y: py(box, spots[best][1]), href: href([p.store.project, p.store.name, 'trial', trials.number[r]]),
            lines: <><b>trial {trials.number[r]}</b> {look(trials.state[r]).word}<br />{p.x.title} {number(p.xs[r])}<br />{p.y.title} {number(p.ys[r])}</>,
        };
    }
    return <Canvas height={p.height} summary={p.summary} draw={draw} find={find} onDrawn={p.onDrawn} deps={p.deps} />;
}

function drawOver(c: Context, over: Over, x: Axis, y: Axis, box: ReturnType<typeof inner>, ink: Ink) {
    const at = (v: Value) => px(box, x.part(v)), up = (v: number) => py(box, y.part(v));
    if (!x.numeric) { // a bar for each choice
        c.strokeStyle = ink.best;
        over.x.forEach((v, i) => {
            c.lineWidth = 1.5;
            c.beginPath();
            c.moveTo(at(v), up(over.low[i]));
            c.lineTo(at(v), up(over.high[i]));
            c.stroke();
            c.lineWidth = 3;
            c.beginPath();
            c.moveTo(at(v) - 9, up(over.mean[i]));
            c.lineTo(at(v) + 9, up(over.mean[i]));
            c.stroke();
        });
        return;
    }
    c.fillStyle = ink.best;
    c.globalAlpha = 0.14;
    c.beginPath();
    over.x.forEach((v, i) => (i ? c.lineTo(at(v), up(over.high[i])) : c.moveTo(at(v), up(over.high[i]))));
    for (let i = over.x.length - 1; i >= 0; i--) c.lineTo(at(over.x[i]), up(over.low[i]));
    c.closePath();
    c.fill();
    c.globalAlpha = 1;
    c.strokeStyle = ink.best;
    c.lineWidth = 2;
    c.beginPath();
    over.x.forEach((v, i) => (i ? c.lineTo(at(v), up(over.mean[i])) : c.moveTo(at(v), up(over.mean[i]))));
    c.stroke();
}
