// SPDX-License-Identifier: GPL-3.0-or-later
// A table of which only the rows that are seen exist, however many there are. A real <table>: one row above and one below stand for the rest; its
// rows are filled anew as it is scrolled, in columns of fixed width, because making rows and measuring columns is what would cost.
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { ComponentChildren } from 'preact';

export interface Column {
    id: string;
    title: string;
    numeric?: boolean;
    sortable?: boolean;
    cell: (row: number) => ComponentChildren;
    hint?: string;
    width?: number; // rem; by its title and kind if it is not said
}

interface Props {
    label: string;
    columns: Column[];
    rows: ArrayLike<number>; // what cell() is asked for, in order
    rowKey: (row: number) => string | number;
    height: number; // pixels that it may take
    sort?: string; // "id" or "-id"
    onSort?: (sort: string) => void;
    onOpen?: (row: number) => void;
    selected?: (row: number) => boolean;
    onSelect?: (row: number, on: boolean) => void;
    rowClass?: (row: number) => string;
}

const PICK = 2.4;
const widthOf = (c: Column) => c.width ?? Math.max(c.numeric ? 7 : 9, c.title.length * 0.56 + 1.8);

const ROW = 34, SPARE = 6, NOTCH = 4 * ROW; // it is drawn anew only after so much scrolling

export function Table(p: Props) {
    const box = useRef<HTMLDivElement>(null);
    const [top, setTop] = useState(0);
    const [at, setAt] = useState(0); // the row that has the keyboard
    const focus = useRef(false);
    const n = p.rows.length;
    const shown = Math.ceil(p.height / ROW);
    const from = Math.max(0, Math.min(Math.floor(top / ROW) - SPARE, n - shown)), to = Math.min(n, from + shown + 2 * SPARE + 4);
    useEffect(() => {
        if (at >= n) setAt(Math.max(0, n - 1));
    }, [n]);
    useLayoutEffect(() => {
        if (!focus.current) return;
        focus.current = false;
        box.current?.querySelector<HTMLElement>(`tr[data-at="${at}"]`)?.focus({ preventScroll: true });
    }, [at, top]);

    function moveTo(next: number) {
        const i = Math.max(0, Math.min(n - 1, next)), b = box.current!, y = i * ROW, room = b.clientHeight - ROW; // the head stands over the rows
        if (y < b.scrollTop) b.scrollTop = y;
        else if (y + ROW > b.scrollTop + room) b.scrollTop = y + ROW - room;
        focus.current = true;
        setTop(Math.floor(b.scrollTop / NOTCH) * NOTCH);
        setAt(i);
    }
    function onKey(e: KeyboardEvent) {
        const target = e.target as HTMLElement;
        if (e.ctrlKey || e.metaKey || e.altKey || target.tagName !== 'TR') return;
        const moves: Record<string, number> = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: shown - 1, PageUp: 1 - shown, Home: -n, End: n };
        if (e.key in moves) moveTo(at + moves[e.key]);
        else if (e.key === 'Enter' && p.onOpen) p.onOpen(p.rows[at]);
        else if ((e.key === 'x' || e.key === ' ') && p.onSelect && p.selected) p.onSelect(p.rows[at], !p.selected(p.rows[at]));
        else return;
        e.preventDefault();
    }
    const width = p.columns.length + (p.onSelect ? 1 : 0);
    const head = (c: Column) => {
        const up = p.sort === c.id, down = p.sort === `-${c.id}`;
        const sorted = up ? 'ascending' : down ? 'descending' : undefined;
        return (
            <th key={c.id} scope="col" class={c.numeric ? 'num' : ''} aria-sort={sorted} title={c.hint}>
                {c.sortable && p.onSort ? <button type="button" onClick={() => p.onSort!(up ? `-${c.id}` : c.id)}>{c.title}<span aria-hidden="true">{up ? ' ↑' : down ? ' ↓' : ''}</span></button> : c.title}
            </th>
        );
    };
    const body = [];
    for (let i = from; i < to; i++) {
        const row = p.rows[i], chosen = p.selected?.(row) ?? false;
        body.push(
            <tr key={i - from} data-at={i} tabIndex={i === at || (i === from && (at < from || at >= to)) ? 0 : -1} aria-rowindex={i + 2} aria-selected={p.onSelect ? chosen : undefined}
                class={`${p.rowClass?.(row) ?? ''}${chosen ? ' chosen' : ''}`} onFocus={() => setAt(i)}
                onDblClick={() => p.onOpen?.(row)}>
                {p.onSelect && <td class="pick"><input type="checkbox" tabIndex={-1} aria-label={`select ${p.rowKey(row)}`} checked={chosen} onChange={(e) => p.onSelect!(row, e.currentTarget.checked)} /></td>}
                {p.columns.map((c) => <td key={c.id} class={c.numeric ? 'num' : ''}>{c.cell(row)}</td>)}
            </tr>,
        );
    }
    return (
        <div class="table-box" ref={box} style={{ maxHeight: `${p.height}px` }} onScroll={(e) => setTop(Math.floor(e.currentTarget.scrollTop / NOTCH) * NOTCH)} tabIndex={n ? -1 : 0} role="region" aria-label={p.label}>
            <table aria-label={p.label} aria-rowcount={n + 1} onKeyDown={onKey} class="rows" style={{ minWidth: `${p.columns.reduce((sum, c) => sum + widthOf(c), p.onSelect ? PICK : 0)}rem` }}>
                <colgroup>{p.onSelect && <col style={{ width: `${PICK}rem` }} />}{p.columns.map((c) => <col key={c.id} style={{ width: `${widthOf(c)}rem` }} />)}</colgroup>
                <thead><tr aria-rowindex={1}>{p.onSelect && <th class="pick"><span class="hidden">selected</span></th>}{p.columns.map(head)}</tr></thead>
                <tbody>
                    {from > 0 && <tr class="rest" aria-hidden="true"><td colSpan={width} style={{ height: `${from * ROW}px` }} /></tr>}
                    {body}
                    {to < n && <tr class="rest" aria-hidden="true"><td colSpan={width} style={{ height: `${(n - to) * ROW}px` }} /></tr>}
                </tbody>
            </table>
        </div>
    );
}
