// SPDX-License-Identifier: GPL-3.0-or-later
// What every chart has around it: a title, a sentence of what it shows for who cannot see it, its data as a table, and its ways out (PNG, SVG, CSV).
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { csv, number, type Value } from '../base/format';
import { ink } from '../base/theme';
import { Dialog, download } from '../ui/parts';
import { Table } from '../ui/table';
import { SvgContext, withReadablePaths } from './svg';

export type Context = CanvasRenderingContext2D;

/** What a chart can be asked for once it is drawn. */
export interface Drawn {
    canvas: () => HTMLCanvasElement | null;
    svg: (to: SvgContext) => void; // draws it again, `width` x `height` CSS pixels
    size: () => [number, number];
}

interface Props {
    title: string;
    summary: string; // in words, for role=img
    data: () => { header: string[]; rows: Value[][] };
    controls?: ComponentChildren;
    note?: ComponentChildren;
    class?: string;
    children: (onDrawn: (drawn: Drawn) => void) => ComponentChildren;
}

const fileName = (title: string) => title.toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '');

export function Frame(p: Props) {
    const drawn = useRef<Drawn | null>(null);
    const [table, setTable] = useState<{ header: string[]; rows: Value[][] } | null>(null);
    const menu = useRef<HTMLDetailsElement>(null);
    const away = (run: () => void) => () => {
        menu.current!.open = false;
        run();
    };
    useEffect(() => {
        const close = (e: Event) => !menu.current?.contains(e.target as Node) && menu.current?.removeAttribute('open');
        addEventListener('pointerdown', close);
        return () => removeEventListener('pointerdown', close);
    }, []);
    function png() {
        const from = drawn.current?.canvas();
        if (!from) return;
        const to = document.createElement('canvas'), c = to.getContext('2d')!;
        [to.width, to.height] = [from.width, from.height];
        c.fillStyle = ink.value.back;
        c.fillRect(0, 0, to.width, to.height);
        c.drawImage(from, 0, 0);
        to.toBlob((blob) => blob && download(`${fileName(p.title)}.png`, 'image/png', blob));
    }
    function svg() {
        if (!drawn.current) return;
        const to = new SvgContext(...drawn.current.size());
        withReadablePaths(() => drawn.current!.svg(to));
        download(`${fileName(p.title)}.svg`, 'image/svg+xml', to.finish(ink.value.back, `${p.title}: ${p.summary}`));
    }
    function saveCsv() {
        const { header, rows } = p.data();
        download(`${fileName(p.title)}.csv`, 'text/csv', csv(header, rows));
    }
    return (
        <section class={`card chart-card ${p.class ?? ''}`}>
            <header class="card-head">
                <h2>{p.title}</h2>
                {p.note && <span class="note">{p.note}</span>}
                <div class="card-actions">
                    {p.controls}
                    <details class="menu" ref={menu} onKeyDown={(e) => e.key === 'Escape' && (menu.current!.open = false, menu.current!.querySelector('summary')!.focus())}>
                        <summary aria-label={`Save or read ${p.title}`} title="Save, or view as a table">⋯</summary>
                        <div class="menu-list">
                            <button type="button" onClick={away(() => setTable(p.data()))}>View as table</button>
                            <button type="button" onClick={away(png)}>Save PNG</button>
                            <button type="button" onClick={away(svg)}>Save SVG</button>
                            <button type="button" onClick={away(saveCsv)}>Save CSV</button>
                        </div>
                    </details>
                </div>
            </header>
            {p.children((d) => (drawn.current = d))}
            <Dialog title={`${p.title}: data`} open={table !== null} onClose={() => setTable(null)}>
                {table && <Table label={`${p.title}: data`} height={420} rows={table.rows.map((_, i) => i)} rowKey={(i) => i}
                    columns={table.header.map((title, k) => ({ id: String(k), title, numeric: typeof table.rows[0]?.[k] === 'number', cell: (i: number) => number(table.rows[i][k], 7) }))} />}
            </Dialog>
        </section>
    );
}
