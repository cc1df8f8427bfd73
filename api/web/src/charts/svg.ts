// SPDX-License-Identifier: GPL-3.0-or-later
// A drawing context that writes SVG: charts (ours and uPlot's) draw on it what they draw on a canvas, so an SVG of a chart is the same chart.

const n = (v: number) => String(Math.round(v * 100) / 100);
const escape = (s: string) => s.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`).replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, '');

/** What Path2D is, to be read again. */
export class Path {
    d = '';
    constructor(from?: Path | string) {
        if (from instanceof Path) this.d = from.d;
        else if (typeof from === 'string') this.d = from;
    }
    moveTo(x: number, y: number) { this.d += `M${n(x)} ${n(y)}`; }
    lineTo(x: number, y: number) { this.d += `${this.d ? 'L' : 'M'}${n(x)} ${n(y)}`; }
    bezierCurveTo(a: number, b: number, c: number, d: number, x: number, y: number) { this.d += `C${n(a)} ${n(b)} ${n(c)} ${n(d)} ${n(x)} ${n(y)}`; }
    quadraticCurveTo(a: number, b: number, x: number, y: number) { this.d += `Q${n(a)} ${n(b)} ${n(x)} ${n(y)}`; }
    rect(x: number, y: number, w: number, h: number) { this.d += `M${n(x)} ${n(y)}h${n(w)}v${n(h)}h${n(-w)}z`; }
    arc(x: number, y: number, r: number, from: number, to: number) {
        const start = [x + r * Math.cos(from), y + r * Math.sin(from)], end = [x + r * Math.cos(to), y + r * Math.sin(to)];
        const whole = Math.abs(to - from) >= 2 * Math.PI - 1e-6;
        this.d += `${this.d && !whole ? 'L' : 'M'}${n(start[0])} ${n(start[1])}`;
        if (whole) this.d += `A${n(r)} ${n(r)} 0 1 1 ${n(2 * x - start[0])} ${n(2 * y - start[1])}A${n(r)} ${n(r)} 0 1 1 ${n(start[0])} ${n(start[1])}`;
        else this.d += `A${n(r)} ${n(r)} 0 ${to - from > Math.PI ? 1 : 0} 1 ${n(end[0])} ${n(end[1])}`;
    }
    closePath() { this.d += 'z'; }
    addPath(other: Path) { this.d += other.d; }
}

interface Pen {
    strokeStyle: string;
    fillStyle: string;
    lineWidth: number;
    globalAlpha: number;
    font: string;
    textAlign: string;
    textBaseline: string;
    lineCap: string;
    lineJoin: string;
    dash: number[];
    transform: string;
    clip: string;
}

const ANCHORS: Record<string, string> = { left: 'start', start: 'start', center: 'middle', right: 'end', end: 'end' };
const BASELINES: Record<string, string> = { top: '0.8em', hanging: '0.8em', middle: '0.35em', alphabetic: '0', bottom: '-0.2em', ideographic: '-0.2em' };

export class SvgContext {
    private pen: Pen = { strokeStyle: '#000', fillStyle: '#000', lineWidth: 1, globalAlpha: 1, font: '12px sans-serif', textAlign: 'start', textBaseline: 'alphabetic', lineCap: 'butt', lineJoin: 'miter', dash: [], transform: '', clip: '' };
    private stack: Pen[] = [];
    private path = new Path();
    private readonly out: string[] = [];
    private clips = 0;
    private readonly ruler = document.createElement('canvas').getContext('2d')!;
    lineDashOffset = 0;
    miterLimit = 10;

    constructor(readonly width: number, readonly height: number) {}

    get canvas() { return { width: this.width, height: this.height }; }
    get strokeStyle() { return this.pen.strokeStyle; }
    set strokeStyle(v: string) { this.pen.strokeStyle = v; }
    get fillStyle() { return this.pen.fillStyle; }
    set fillStyle(v: string) { this.pen.fillStyle = v; }
    get lineWidth() { return this.pen.lineWidth; }
    set lineWidth(v: number) { this.pen.lineWidth = v; }
    get globalAlpha() { return this.pen.globalAlpha; }
    set globalAlpha(v: number) { this.pen.globalAlpha = v; }
    get font() { return this.pen.font; }
    set font(v: string) { this.pen.font = v; }
    get textAlign() { return this.pen.textAlign; }
    set textAlign(v: string) { this.pen.textAlign = v; }
    get textBaseline() { return this.pen.textBaseline; }
    set textBaseline(v: string) { this.pen.textBaseline = v; }
    get lineCap() { return this.pen.lineCap; }
    set lineCap(v: string) { this.pen.lineCap = v; }
    get lineJoin() { return this.pen.lineJoin; }
    set lineJoin(v: string) { this.pen.lineJoin = v; }

    save() { this.stack.push({ ...this.pen }); }
    restore() { this.pen = this.stack.pop() ?? this.pen; }
    translate(x: number, y: number) { this.pen.transform += `translate(${n(x)} ${n(y)})`; }
    rotate(a: number) { this.pen.transform += `rotate(${n((a * 180) / Math.PI)})`; }
    scale(x: number, y: number) { this.pen.transform += `scale(${n(x)} ${n(y)})`; }
    setTransform() { this.pen.transform = ''; }
    setLineDash(dash: number[]) { this.pen.dash = dash; }
    beginPath() { this.path = new Path(); }
    moveTo(x: number, y: number) { this.path.moveTo(x, y); }
    lineTo(x: number, y: number) { this.path.lineTo(x, y); }
    bezierCurveTo(a: number, b: number, c: number, d: number, x: number, y: number) { this.path.bezierCurveTo(a, b, c, d, x, y); }
    rect(x: number, y: number, w: number, h: number) { this.path.rect(x, y, w, h); }
    arc(x: number, y: number, r: number, from: number, to: number) { this.path.arc(x, y, r, from, to); }
    closePath() { this.path.closePath(); }
    clearRect() { /* a new drawing is empty */ }

    private put(element: string) {
        const { transform, clip, globalAlpha } = this.pen;
        const inner = transform || globalAlpha < 1 ? `<g${transform ? ` transform="${transform}"` : ''}${globalAlpha < 1 ? ` opacity="${n(globalAlpha)}"` : ''}>${element}</g>` : element;
        this.out.push(clip ? `<g clip-path="url(#${clip})">${inner}</g>` : inner);
    }
    clip(path?: unknown) {
        const d = path instanceof Path ? path.d : this.path.d, id = `c${++this.clips}`;
        const outer = this.pen.clip ? ` clip-path="url(#${this.pen.clip})"` : '';
        this.out.push(`<clipPath id="${id}"${outer}><path d="${d}"${this.pen.transform ? ` transform="${this.pen.transform}"` : ''}/></clipPath>`);
        this.pen.clip = id;
    }
    stroke(path?: unknown) {
        const d = path instanceof Path ? path.d : this.path.d;
        if (!d || this.pen.lineWidth <= 0) return;
        const dash = this.pen.dash.length ? ` stroke-dasharray="${this.pen.dash.map(n).join(' ')}"` : '';
        this.put(`<path d="${d}" fill="none" stroke="${escape(this.pen.strokeStyle)}" stroke-width="${n(this.pen.lineWidth)}" stroke-linecap="${this.pen.lineCap}" stroke-linejoin="${this.pen.lineJoin}"${dash}/>`);
    }
    fill(path?: unknown) {
        const d = path instanceof Path ? path.d : this.path.d;
        if (d) this.put(`<path d="${d}" fill="${escape(this.pen.fillStyle)}"/>`);
    }
    fillRect(x: number, y: number, w: number, h: number) {
        this.put(`<rect x="${n(x)}" y="${n(y)}" width="${n(w)}" height="${n(h)}" fill="${escape(this.pen.fillStyle)}"/>`);
    }
    strokeRect(x: number, y: number, w: number, h: number) {
        this.beginPath();
        this.rect(x, y, w, h);
        this.stroke();
    }
    fillText(text: string, x: number, y: number) {
        const [, weight, size, family] = /^(.*?)([\d.]+px)(?:\/\S+)?\s*(.*)$/.exec(this.pen.font) ?? ['', '', '12px', 'sans-serif'];
        this.put(`<text x="${n(x)}" y="${n(y)}" dy="${BASELINES[this.pen.textBaseline] ?? '0'}" text-anchor="${ANCHORS[this.pen.textAlign] ?? 'start'}" font-size="${size}" font-family="${escape(family)}"${/bold|[67]00/.test(weight) ? ' font-weight="600"' : ''} fill="${escape(this.pen.fillStyle)}">${escape(text)}</text>`);
    }
    measureText(text: string) {
        this.ruler.font = this.pen.font;
        return this.ruler.measureText(text);
    }

    finish(back: string, title: string): string {
        return `<?xml version="1.0" encoding="UTF-8"?>\n<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${n(this.width)} ${n(this.height)}" width="${n(this.width)}" height="${n(this.height)}" role="img"><title>${escape(title)}</title><rect width="100%" height="100%" fill="${back}"/>${this.out.join('')}</svg>\n`;
    }
}

/** For the time of `draw`, what makes a Path2D makes one that can be read. */
export function withReadablePaths<T>(draw: () => T): T {
    const real = globalThis.Path2D;
    globalThis.Path2D = Path as unknown as typeof Path2D;
    try {
        return draw();
    } finally {
        globalThis.Path2D = real;
    }
}
