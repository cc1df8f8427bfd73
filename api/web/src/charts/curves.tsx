// SPDX-License-Identifier: GPL-3.0-or-later
// What trials reported, step by step; the rungs at which a stopping rule compares them stand as lines.
import { useMemo, useState } from 'preact/hooks';
import { number, plural } from '../base/format';
import { href } from '../base/route';
import type { Ink } from '../base/theme';
import { extent } from '../data/derive';
import type { ExperimentStore } from '../data/experiment';
import { look } from '../data/states';
import type { Curve } from '../data/types';
import { drawAxes, inner, numberAxis, px, py } from './axis';
import { Canvas } from './canvas';
import type { Context, Drawn } from './frame';

const NUMBERS: Record<string, number> = { NaN: NaN, Infinity, '-Infinity': -Infinity };
const real = (v: number | string) => (typeof v === 'number' ? v : (NUMBERS[v] ?? NaN));

interface Props {
    store: ExperimentStore;
    curves: Curve[];
    metric: string;
    rungs: number[];
    best?: number; // number of the trial that stands out
    each?: boolean; // a colour for each (few), else by state
    logX?: boolean;
    logY?: boolean;
    height: number;
    onDrawn?: (drawn: Drawn) => void;
}

export function stateColour(state: string, i: Ink): string {
    const { tone } = look(state);
    return tone === 'live' || tone === 'wait' ? i.lines[2] : tone === 'cut' ? i.lines[4] : tone === 'bad' || tone === 'off' ? i.lines[7] : i.lines[0];
}

export function CurvesChart(p: Props) {
    const [zoom, setZoom] = useState<[number, number] | null>(null); // parts of the x axis
    const [drag, setDrag] = useState<[number, number] | null>(null); // pixels
    const [near, setNear] = useState<number | null>(null);
    const lines = useMemo(() => p.curves.map((c) => ({ number: c.number, steps: c.steps, values: c.values.map(real) })), [p.curves]);
    const { x, y } = useMemo(() => {
        const steps = lines.flatMap((l) => [l.steps[0], l.steps[l.steps.length - 1]]), values = lines.flatMap((l) => l.values);
        const [x0, x1] = extent(steps) ?? [0, 1], positive = p.logY ? values.filter((v) => v > 0) : values, [y0, y1] = extent(positive) ?? [0, 1];
        const whole = numberAxis('step', p.logX ? Math.max(1, x0) : x0, x1, p.logX), room = p.logY ? 0 : (y1 - y0) * 0.04;
        const part = zoom && numberAxis('step', whole.at(zoom[0]) as number, whole.at(zoom[1]) as number, p.logX);
        return { x: part || whole, y: numberAxis(p.metric, y0 - room, y1 + room, p.logY) };
    }, [lines, p.logX, p.logY, zoom, p.metric]);
    const box = (w: number, h: number) => inner(w, h, y.ticks(Math.max(2, Math.floor(h / 42))).map((t) => t.text));
    const state = (n: number) => p.store.trials.state[p.store.trials.row(n) ?? -1] ?? '';
    function trace(c: Context, l: (typeof lines)[number], b: ReturnType<typeof inner>) {
        c.beginPath();
        let pen = false;
        for (let i = 0; i < l.steps.length; i++) {
            const u = x.part(l.steps[i]), v = y.part(l.values[i]);
            if (Number.isNaN(u) || !Number.isFinite(v)) {
                pen = false;
                continue;
            }
            if (pen) c.lineTo(px(b, u), py(b, v));
            else c.moveTo(px(b, u), py(b, v));
            pen = true;
        }
        c.stroke();
    }
    function draw(c: Context, width: number, height: number, ink: Ink) {
        const b = drawAxes(c, width, height, x, y, ink);
        c.save();
        c.beginPath();
        c.rect(b.left, b.top - 2, b.width + 2, b.height + 4);
        c.clip();
        c.strokeStyle = ink.line;
        c.fillStyle = ink.faint;
        c.setLineDash([5, 4]);
        c.textAlign = 'left';
        c.textBaseline = 'bottom';
        for (const step of p.rungs) {
            const at = Math.round(px(b, x.part(step))) + 0.5;
            c.beginPath();
            c.moveTo(at, b.top);
            c.lineTo(at, b.top + b.height);
            c.stroke();
            c.fillText(`rung ${number(step)}`, at + 3, b.top + b.height - 3);
        }
        c.setLineDash([]);
        c.lineJoin = 'round';
        const many = lines.length > 40;
        lines.forEach((l, i) => {
            const strong = l.number === p.best;
            c.strokeStyle = strong ? ink.best : p.each ? ink.lines[i % ink.lines.length] : stateColour(state(l.number), ink);
            c.lineWidth = strong ? 2.4 : p.each ? 1.8 : 1.1;
            c.globalAlpha = strong || p.each ? 1 : many ? 0.35 : 0.65;
            trace(c, l, b);
        });
        c.globalAlpha = 1;
        c.restore();
    }
    function find(mx: number, my: number, w: number, h: number) {
        const b = box(w, h);
        let best = -1, least = 144, at = 0;
        lines.forEach((l, k) => {
            for (let i = 0; i < l.steps.length; i++) {
                const d = (px(b, x.part(l.steps[i])) - mx) ** 2 + (py(b, y.part(l.values[i])) - my) ** 2;
                if (d < least) [best, least, at] = [k, d, i];
            }
        });
        setNear(best < 0 ? null : best);
        if (best < 0) return null;
        const l = lines[best];
        return {
            x: px(b, x.part(l.steps[at])), y: py(b, y.part(l.values[at])), href: href([p.store.project, p.store.name, 'trial', l.number]),
            lines: <><b>trial {l.number}</b> {state(l.number) && look(state(l.number)).word}<br />step {l.steps[at]}: {number(l.values[at])}</>,
        };
    }
    function onDrag(phase: 'start' | 'move' | 'end', mx: number, my: number, width: number) {
        const b = box(width, p.height);
        if (phase === 'start') {
            if (near !== null || mx < b.left || my > b.top + b.height) return false; // a click on a line opens it
            setDrag([mx, mx]);
            return true;
        }
        setDrag(drag && [drag[0], mx]);
        if (phase === 'end' && drag) {
            const [a, z] = [drag[0], mx].map((v) => Math.max(0, Math.min(1, (v - b.left) / b.width))).sort((u, v) => u - v);
            const [z0, z1] = zoom ?? [0, 1];
            if (z - a > 0.02) setZoom([z0 + a * (z1 - z0), z0 + z * (z1 - z0)]);
            setDrag(null);
        }
        return true;
    }
    const summary = `${p.metric} by step of ${plural(lines.length, 'trial')}${p.rungs.length ? `; rungs at ${p.rungs.map((r) => number(r)).join(', ')}` : ''}`;
    return (
        <Canvas height={p.height} summary={summary} draw={draw} find={find} onDrag={onDrag} onDrawn={p.onDrawn} deps={[lines, x, y, p.rungs, p.best, p.each]}
            overlay={(c, w, h, ink) => {
                const b = box(w, h);
                if (near !== null && lines[near]) {
                    c.strokeStyle = ink.text;
                    c.lineWidth = 2;
                    trace(c, lines[near], b);
                }
                if (drag) {
                    c.fillStyle = ink.accent;
                    c.globalAlpha = 0.15;
                    c.fillRect(Math.min(...drag), b.top, Math.abs(drag[1] - drag[0]), b.height);
                    c.globalAlpha = 1;
                }
            }}>
            {zoom && <button type="button" class="reset" onClick={() => setZoom(null)}>whole range</button>}
        </Canvas>
    );
}

/** The rows of a table of curves. */
export const curveRows = (curves: Curve[]) => curves.flatMap((c) => c.steps.map((s, i) => [c.number, s, c.values[i]] as (number | string)[]));
