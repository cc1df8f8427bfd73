// SPDX-License-Identifier: GPL-3.0-or-later
// A canvas that keeps its size, its sharpness and its theme, and hands on where the pointer is. What is drawn is the caller's.
import { useEffect, useRef, useState } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import { type Ink, ink } from '../base/theme';
import type { Context, Drawn } from './frame';

export interface Tip {
    x: number;
    y: number;
    lines: ComponentChildren;
    href?: string; // where a click leads
}

interface Props {
    height: number;
    summary: string;
    draw: (c: Context, width: number, height: number, ink: Ink) => void;
    overlay?: (c: Context, width: number, height: number, ink: Ink) => void; // over it, cheap: what follows the pointer
    find?: (x: number, y: number, width: number, height: number) => Tip | null;
    onDrag?: (phase: 'start' | 'move' | 'end', x: number, y: number, width: number) => boolean; // true: it is the caller's
    onDrawn?: (drawn: Drawn) => void;
    deps: unknown[];
    children?: ComponentChildren;
}

export const FONT = '12px system-ui, sans-serif';

function prepare(canvas: HTMLCanvasElement, width: number, height: number): Context {
    const ratio = devicePixelRatio || 1, c = canvas.getContext('2d')!;
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.clearRect(0, 0, width, height);
    c.font = FONT;
    return c;
}

export function Canvas(p: Props) {
    const box = useRef<HTMLDivElement>(null), base = useRef<HTMLCanvasElement>(null), over = useRef<HTMLCanvasElement>(null);
    const [width, setWidth] = useState(0);
    const [tip, setTip] = useState<Tip | null>(null);
    const dragging = useRef(false);
    const colours = ink.value;
    useEffect(() => {
        const watch = new ResizeObserver(([e]) => setWidth(Math.floor(e.contentRect.width)));
        watch.observe(box.current!);
        return () => watch.disconnect();
    }, []);
    useEffect(() => {
        if (width) p.draw(prepare(base.current!, width, p.height), width, p.height, colours);
        p.onDrawn?.({
            canvas: () => base.current,
            size: () => [width, p.height],
            svg: (to) => {
                to.font = FONT;
                p.draw(to as unknown as Context, width, p.height, colours);
            },
        });
    }, [width, p.height, colours, ...p.deps]);
    useEffect(() => {
        if (width && p.overlay) p.overlay(prepare(over.current!, width, p.height), width, p.height, colours);
    });
    const place = (e: PointerEvent): [number, number] => {
        const r = box.current!.getBoundingClientRect();
        return [e.clientX - r.left, e.clientY - r.top];
    };
    return (
        <div class={`canvas${tip?.href ? ' can-open' : ''}`} ref={box} style={{ height: `${p.height}px` }}
            onPointerDown={(e) => {
                const [x, y] = place(e);
                dragging.current = p.onDrag?.('start', x, y, width) ?? false;
                if (dragging.current) {
                    box.current!.setPointerCapture(e.pointerId);
                    e.preventDefault();
                }
            }}
            onPointerMove={(e) => {
                const [x, y] = place(e);
                if (dragging.current) p.onDrag!('move', x, y, width);
                else if (p.find) setTip(p.find(x, y, width, p.height));
            }}
            onPointerUp={(e) => {
                const [x, y] = place(e);
                if (dragging.current) p.onDrag!('end', x, y, width);
                dragging.current = false;
            }}
            onPointerLeave={() => setTip(null)}
            onClick={() => tip?.href && (location.hash = tip.href)}>
            <canvas ref={base} role="img" aria-label={p.summary} style={{ width: `${width}px`, height: `${p.height}px` }} />
            {p.overlay && <canvas ref={over} class="over" aria-hidden="true" style={{ width: `${width}px`, height: `${p.height}px` }} />}
            {tip && <div class="tip" style={{ transform: `translate(${Math.max(4, Math.min(width - 200, tip.x + 14))}px, ${Math.max(0, tip.y - 12)}px)` }}>{tip.lines}</div>}
            {p.children}
        </div>
    );
}
