// SPDX-License-Identifier: GPL-3.0-or-later
// Text as a terminal was meant to show it: colours and weight become names of classes, everything else that moves a cursor is dropped. What comes out
// is text and class names of ours alone.

export interface Span {
    text: string;
    class: string;
}

export interface Pen {
    colour: string;
    bold: boolean;
}

const NAMES = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'];
// CSI, OSC (ended by BEL or ST), other escapes, and control characters that mean nothing here
const ESCAPES = /\u001b\[([0-9;:]*)([@-~])|\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|\u001b[@-Z\\-_]?|[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g;

function apply(pen: Pen, codes: string) {
    const list = codes.split(/[;:]/).map((c) => Number(c || 0));
    for (let i = 0; i < list.length; i++) {
        const c = list[i];
        if (c === 0) Object.assign(pen, { colour: '', bold: false });
        else if (c === 1) pen.bold = true;
        else if (c === 22) pen.bold = false;
        else if (c === 39) pen.colour = '';
        else if (c >= 30 && c <= 37) pen.colour = NAMES[c - 30];
        else if (c >= 90 && c <= 97) pen.colour = NAMES[c - 90];
        else if (c === 38 || c === 48) {
            const small = list[i + 1] === 5 ? list[i + 2] : -1; // of 256: the first sixteen are the plain ones
            if (c === 38 && small >= 0) pen.colour = small < 16 ? NAMES[small % 8] : '';
            i += list[i + 1] === 5 ? 2 : list[i + 1] === 2 ? 4 : 0;
        }
    }
}

/** The spans of a line; `pen` goes on from line to line. */
export function spans(line: string, pen: Pen): Span[] {
    const out: Span[] = [], last = line.lastIndexOf('\r', line.length - 2); // a progress bar writes its line again and again
    const text = last >= 0 ? line.slice(last + 1) : line;
    const put = (part: string) => {
        if (part) out.push({ text: part, class: [pen.colour && `ansi-${pen.colour}`, pen.bold && 'ansi-bold'].filter(Boolean).join(' ') });
    };
    let from = 0;
    for (const m of text.matchAll(ESCAPES)) {
        put(text.slice(from, m.index));
        from = m.index + m[0].length;
        if (m[2] === 'm') apply(pen, m[1]);
    }
    put(text.slice(from).replace(/\r$/, ''));
    return out;
}
