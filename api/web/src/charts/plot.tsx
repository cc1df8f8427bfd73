// SPDX-License-Identifier: GPL-3.0-or-later
// uPlot in the clothes of this page: lines over an x axis.
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { number } from '../base/format';
import { type Ink, ink } from '../base/theme';
import type { Drawn } from './frame';
import type { SvgContext } from './svg';

interface Props {
    height: number;
    summary: string;
    data: uPlot.AlignedData;
    options: (ink: Ink) => Omit<uPlot.Options, 'width' | 'height'>;
    shape: string; // changes when `options` mean another chart; else only the data are exchanged
    onPick?: (x: number) => void; // a click: the x under the pointer
    onDrawn?: (drawn: Drawn) => void;
}

export const axis = (i: Ink, label: string, more: Partial<uPlot.Axis> = {}): uPlot.Axis => ({
    label, labelSize: 18, size: 30, labelFont: '12px system-ui, sans-serif', font: '12px system-ui, sans-serif', stroke: i.faint, labelGap: 2,
    grid: { stroke: i.grid, width: 1 }, ticks: { stroke: i.line, width: 1, size: 5 }, ...more,
});
export const valueAxis = (i: Ink, label: string): uPlot.Axis => axis(i, label, { size: 64, values: (_, ticks) => ticks.map((v) => (v === null ? '' : number(v, 4))) });

/** A uPlot whose canvas draws into SVG. */
function drawTo(svg: SvgContext, options: uPlot.Options, data: uPlot.AlignedData) {
    const real = HTMLCanvasElement.prototype.getContext, ratio = Object.getOwnPropertyDescriptor(uPlot, 'pxRatio');
    const hold = document.createElement('div');
    HTMLCanvasElement.prototype.getContext = (() => svg) as unknown as typeof real;
    try {
        const k = uPlot.pxRatio;
        if (k !== 1) svg.scale(1 / k, 1 / k);
        const u = new uPlot({ ...options, legend: { show: false }, cursor: { show: false } }, data, (self, init) => (hold.append(self.root), init()));
        u.batch(() => u.redraw()); // at once, and not with the next frame
        u.destroy();
    } finally {
        HTMLCanvasElement.prototype.getContext = real;
        if (ratio) Object.defineProperty(uPlot, 'pxRatio', ratio);
    }
}

export function Plot(p: Props) {
    const box = useRef<HTMLDivElement>(null), plot = useRef<uPlot | null>(null), latest = useRef(p);
    latest.current = p;
    const colours = ink.value;
    useEffect(() => {
        const element = box.current!;
        const size = () => ({ width: Math.max(120, element.clientWidth), height: p.height });
        const options = { ...p.options(colours), ...size() };
        const u = new uPlot(options, p.data, element);
        plot.current = u;
        const canvas = element.querySelector('canvas')!;
        canvas.setAttribute('role', 'img');
        canvas.setAttribute('aria-label', latest.current.summary);
        const watch = new ResizeObserver(() => u.setSize(size()));
        watch.observe(element);
        const pick = () => {
            const left = u.cursor.left ?? -1;
            if (left >= 0 && u.data[0].length) latest.current.onPick?.(u.data[0][u.posToIdx(left)]);
        };
        u.over.addEventListener('click', pick);
        p.onDrawn?.({ canvas: () => canvas, size: () => [element.clientWidth, p.height], svg: (to) => drawTo(to, { ...latest.current.options(colours), ...size() }, latest.current.data) });
        return () => {
            watch.disconnect();
            u.destroy();
        };
    }, [p.shape, p.height, colours]);
    useEffect(() => {
        const u = plot.current;
        if (!u || u.data === p.data) return;
        const { min, max } = u.scales.x, old = u.data[0];
        const zoomed = old.length > 0 && min! > old[0] || max! < old[old.length - 1];
        u.batch(() => {
            u.setData(p.data, !zoomed);
            if (zoomed) u.setScale('x', { min: min!, max: max! });
        });
        box.current!.querySelector('canvas')?.setAttribute('aria-label', p.summary);
    }, [p.data]);
    return <div class={`plot${p.onPick ? ' can-open' : ''}`} ref={box} style={{ minHeight: `${p.height}px` }} />;
}
