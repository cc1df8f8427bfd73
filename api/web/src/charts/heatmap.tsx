// SPDX-License-Identifier: GPL-3.0-or-later
// The objective over two parameters, in cells: the best, or the mean, of the trials in each. Cells without a trial stay empty.
import { useMemo } from 'preact/hooks';
import { number, plural, type Value } from '../base/format';
import { type Ink, viridis } from '../base/theme';
import { type Axis, drawAxes, inner } from './axis';
import { Canvas } from './canvas';
import type { Context, Drawn } from './frame';

interface Cell {
    i: number;
    j: number;
    value: number;
    n: number;
}

export function cells(x: Axis, y: Axis, xs: ArrayLike<Value>, ys: ArrayLike<Value>, values: ArrayLike<number>, rows: number[], better: (a: number, b: number) => boolean, mean: boolean) {
    const fit = Math.max(5, Math.min(24, Math.round(Math.sqrt(rows.length) / 1.4))), nx = x.numeric ? fit : x.n, ny = y.numeric ? fit : y.n, found = new Map<number, Cell>();
    for (const r of rows) {
        const u = x.part(xs[r]), v = y.part(ys[r]);
        if (Number.isNaN(u) || Number.isNaN(v)) continue;
        const i = Math.max(0, Math.min(nx - 1, Math.floor(u * nx))), j = Math.max(0, Math.min(ny - 1, Math.floor(v * ny))), cell = found.get(j * nx + i);
        if (!cell) found.set(j * nx + i, { i, j, value: values[r], n: 1 });
        else {
            cell.value = mean ? (cell.value * cell.n + values[r]) / (cell.n + 1) : better(values[r], cell.value) ? values[r] : cell.value;
            cell.n++;
        }
    }
    return { nx, ny, cells: [...found.values()] };
}

export function HeatMap({ x, y, built, metric, best, worst, height, onDrawn }: { x: Axis; y: Axis; built: ReturnType<typeof cells>; metric: string; best: number; worst: number; height: number; onDrawn?: (d: Drawn) => void }) {
    const shade = (v: number) => (best === worst ? 1 : (v - worst) / (best - worst));
    const byPlace = useMemo(() => new Map(built.cells.map((c) => [c.j * built.nx + c.i, c])), [built]);
    const RIGHT = 70;
    function draw(c: Context, w: number, h: number, ink: Ink) {
        const box = drawAxes(c, w - RIGHT, h, x, y, ink), cw = box.width / built.nx, ch = box.height / built.ny;
        for (const cell of built.cells) {
            c.fillStyle = viridis(shade(cell.value));
            c.fillRect(box.left + cell.i * cw + 0.5, box.top + (built.ny - 1 - cell.j) * ch + 0.5, Math.max(1, cw - 1), Math.max(1, ch - 1));
        }
        const bar = { x: w - RIGHT + 8, y: box.top, h: box.height };
        for (let i = 0; i < 40; i++) {
            c.fillStyle = viridis(1 - i / 39);
            c.fillRect(bar.x, bar.y + (i * bar.h) / 40, 12, bar.h / 40 + 1);
        }
        c.fillStyle = ink.faint;
        c.textAlign = 'left';
        c.textBaseline = 'top';
        c.fillText(number(best, 3), bar.x + 16, bar.y);
        c.textBaseline = 'bottom';
        c.fillText(number(worst, 3), bar.x + 16, bar.y + bar.h);
    }
    function find(mx: number, my: number, w: number, h: number) {
        const box = inner(w - RIGHT, h, y.ticks(Math.max(2, Math.floor(h / 42))).map((t) => t.text));
        const i = Math.floor(((mx - box.left) / box.width) * built.nx), j = built.ny - 1 - Math.floor(((my - box.top) / box.height) * built.ny), cell = i >= 0 && i < built.nx ? byPlace.get(j * built.nx + i) : undefined;
        return cell ? { x: mx, y: my, lines: <><b>{metric} {number(cell.value)}</b><br />{plural(cell.n, 'trial')}</> } : null;
    }
    return <Canvas height={height} summary={`${metric} over ${x.title} and ${y.title} in ${built.cells.length} of ${built.nx * built.ny} cells, from ${number(worst)} to ${number(best)}`} draw={draw} find={find} onDrawn={onDrawn} deps={[built, x, y, best, worst]} />;
}
