// SPDX-License-Identifier: GPL-3.0-or-later
// When which worker ran which trial; above it, how many ran at once. Trials that name no worker are put into the fewest slots that hold them.
import { useMemo } from 'preact/hooks';
import { duration, number } from '../base/format';
import { href } from '../base/route';
import type { Ink } from '../base/theme';
import type { ExperimentStore } from '../data/experiment';
import { look } from '../data/states';
import { cutText } from './axis';
import { Canvas } from './canvas';
import { stateColour } from './curves';
import type { Context, Drawn } from './frame';

export interface Bar {
    row: number;
    lane: number;
    start: number;
    end: number;
}

export function lanes(store: ExperimentStore, now: number): { bars: Bar[]; names: string[]; from: number; to: number } {
    const t = store.trials, start = t.column('start_time') as number[], end = t.column('end_time') as number[], worker = t.column('worker');
    const rows = Array.from({ length: t.n }, (_, i) => i).filter((i) => Number.isFinite(start[i])).sort((a, b) => start[a] - start[b]);
    const free: { name: string; until: number }[] = [], bars: Bar[] = [];
    let from = Infinity, to = -Infinity;
    for (const r of rows) {
        const stop = Number.isFinite(end[r]) ? end[r] : now, name = worker[r] ? String(worker[r]) : '';
        let lane = free.findIndex((f) => f.name === name && f.until <= start[r] + 1);
        if (lane < 0) lane = free.push({ name, until: 0 }) - 1;
        free[lane].until = stop;
        bars.push({ row: r, lane, start: start[r], end: stop });
        from = Math.min(from, start[r]);
        to = Math.max(to, stop);
    }
    const order = free.map((_, i) => i).sort((a, b) => free[a].name.localeCompare(free[b].name, undefined, { numeric: true }) || a - b), place = new Map(order.map((lane, i) => [lane, i]));
    let slot = 0;
    return { bars: bars.map((b) => ({ ...b, lane: place.get(b.lane)! })), names: order.map((i) => free[i].name || `slot ${++slot}`), from, to };
}

const LEFT = 92, TOP = 58, BOTTOM = 30, LANES_MAX_PX = 8000; // a canvas has a largest size

export function TimelineChart({ store, built, onDrawn }: { store: ExperimentStore; built: ReturnType<typeof lanes>; onDrawn?: (d: Drawn) => void }) {
    const { bars, names, from, to } = built, { trials } = store;
    const high = names.length > 40 ? Math.max(1, Math.min(12, Math.floor(LANES_MAX_PX / names.length))) : 20, height = TOP + names.length * high + BOTTOM;
    const load = useMemo(() => {
        const changes = bars.flatMap((b) => [[b.start, 1], [b.end, -1]]).sort((a, b) => a[0] - b[0] || a[1] - b[1]);
        let n = 0;
        return changes.map(([at, by]) => [at, (n += by)]);
    }, [built]);
    const span = to - from || 1, busy = bars.reduce((sum, b) => sum + b.end - b.start, 0) / (span * Math.max(1, names.length));
    const x = (at: number, w: number) => LEFT + ((at - from) / span) * (w - LEFT - 12);
    function draw(c: Context, w: number, h: number, ink: Ink) {
        const most = Math.max(1, ...load.map((l) => l[1]));
        c.textBaseline = 'middle';
        c.fillStyle = ink.faint;
        c.textAlign = 'right';
        c.fillText('at once', LEFT - 8, 28);
        c.fillText(String(most), LEFT - 8, 12);
        c.fillStyle = ink.accent;
        c.globalAlpha = 0.3;
        c.beginPath();
        c.moveTo(LEFT, 46);
        let level = 0;
        for (const [at, n] of load) {
            c.lineTo(x(at, w), 46 - (level / most) * 38);
            c.lineTo(x(at, w), 46 - (n / most) * 38);
            level = n;
        }
        c.lineTo(x(to, w), 46);
        c.closePath();
        c.fill();
        c.globalAlpha = 1;
        c.strokeStyle = ink.grid;
        c.beginPath();
        names.forEach((_, i) => {
            c.moveTo(LEFT, TOP + i * high + 0.5);
            c.lineTo(w - 12, TOP + i * high + 0.5);
        });
        c.stroke();
        c.fillStyle = ink.faint;
        if (high >= 10) names.forEach((name, i) => name !== names[i - 1] && c.fillText(cutText(c, name, LEFT - 12), LEFT - 8, TOP + (i + 0.5) * high));
        const groups = new Map<string, Bar[]>();
        for (const b of bars) {
            const key = stateColour(trials.state[b.row], ink);
            const group = groups.get(key);
            if (group) group.push(b);
            else groups.set(key, [b]);
        }
        for (const [colour, of] of groups) {
            c.fillStyle = colour;
            c.beginPath();
            for (const b of of) c.rect(x(b.start, w), TOP + b.lane * high + (high > 6 ? 2.5 : 0), Math.max(1, x(b.end, w) - x(b.start, w) - 1), Math.max(1, high > 6 ? high - 4 : high));
            c.fill();
        }
        c.fillStyle = ink.back;
        c.textAlign = 'center';
        for (const b of bars) {
            const wide = x(b.end, w) - x(b.start, w), text = String(trials.number[b.row]);
            if (high >= 16 && wide > text.length * 7 + 6) c.fillText(text, (x(b.start, w) + x(b.end, w)) / 2, TOP + (b.lane + 0.5) * high + 0.5);
        }
        c.fillStyle = ink.faint;
        c.textBaseline = 'top';
        const ticks = Math.max(2, Math.floor((w - LEFT) / 120));
        for (let i = 0; i <= ticks; i++) {
            c.textAlign = i === 0 ? 'left' : i === ticks ? 'right' : 'center';
            c.fillText(i ? `+${duration((span * i) / ticks / 1000)}` : new Date(from).toLocaleTimeString(), x(from + (span * i) / ticks, w), h - BOTTOM + 10);
        }
    }
    function find(mx: number, my: number, w: number) {
        const lane = Math.floor((my - TOP) / high), b = bars.find((k) => k.lane === lane && mx >= x(k.start, w) - 2 && mx <= x(k.end, w) + 2);
        if (!b) return null;
        return {
            x: mx, y: my, href: href([store.project, store.name, 'trial', trials.number[b.row]]),
            lines: <><b>trial {trials.number[b.row]}</b> {look(trials.state[b.row]).word}<br />{duration((b.end - b.start) / 1000)} on {names[b.lane]}<br />{number(trials.objective[b.row])}</>,
        };
    }
    return <Canvas height={height} summary={`${bars.length} trials on ${names.length} workers over ${duration(span / 1000)}, ${Math.round(busy * 100)} % of their time in use`} draw={draw} find={find} onDrawn={onDrawn} deps={[built]} />;
}
