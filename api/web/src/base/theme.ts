// SPDX-License-Identifier: GPL-3.0-or-later
// Light, dark, or as the system is. Charts read their colours here, because a canvas knows no style sheet.
import { computed, effect, signal } from '@preact/signals';
import { route } from './route';

export type Choice = 'system' | 'light' | 'dark';

const KEY = 'hone-theme';
const read = (): Choice => {
    try {
        const kept = localStorage.getItem(KEY);
        return kept === 'light' || kept === 'dark' ? kept : 'system';
    } catch {
        return 'system';
    }
};

const query = matchMedia('(prefers-color-scheme: dark)');
const systemDark = signal(query.matches);
query.addEventListener('change', (e) => (systemDark.value = e.matches));

export const choice = signal<Choice>(read());
export const dark = computed(() => {
    const wanted = route.value.query.theme ?? choice.value;
    return wanted === 'dark' || (wanted !== 'light' && systemDark.value);
});

effect(() => {
    document.documentElement.dataset.theme = dark.value ? 'dark' : 'light';
});

export function choose(next: Choice) {
    choice.value = next;
    try {
        localStorage.setItem(KEY, next);
    } catch {
        // a page from a file may keep nothing
    }
}

/** Okabe and Ito's colours, told apart by nearly everyone, in the order that lines take them. */
const LINES_LIGHT = ['#0072b2', '#d55e00', '#009e73', '#b5578c', '#a87000', '#3f8fc4', '#6a51a3', '#444c56'];
const LINES_DARK = ['#56b4e9', '#ff8a3d', '#2fc99a', '#e58fc0', '#f0c04a', '#8fcbf2', '#b9a3f0', '#aeb8c4'];

export interface Ink {
    text: string;
    faint: string;
    line: string;
    grid: string;
    back: string;
    accent: string;
    best: string;
    bad: string;
    lines: string[];
}

const LIGHT: Ink = { text: '#1c2330', faint: '#5a6473', line: '#c6ccd6', grid: '#e9ecf1', back: '#ffffff', accent: '#0072b2', best: '#c24e00', bad: '#b3261e', lines: LINES_LIGHT };
const DARK: Ink = { text: '#e8ecf2', faint: '#a2adbb', line: '#465061', grid: '#2a313c', back: '#181d25', accent: '#56b4e9', best: '#ff9a4d', bad: '#ff8a80', lines: LINES_DARK };

export const ink = computed<Ink>(() => (dark.value ? DARK : LIGHT));

/** Viridis (van der Walt and Smith), by a dozen of its stops. */
const VIRIDIS = ['#440154', '#482173', '#433e85', '#38598c', '#2d708e', '#25858e', '#1e9b8a', '#2ab07f', '#52c569', '#86d549', '#c2df23', '#fde725'];
const rgb = VIRIDIS.map((h) => [1, 3, 5].map((i) => parseInt(h.slice(i, i + 2), 16)));

export function viridis(part: number): string {
    const x = Math.max(0, Math.min(1, Number.isFinite(part) ? part : 0)) * (rgb.length - 1), i = Math.min(rgb.length - 2, Math.floor(x)), f = x - i;
    return `rgb(${rgb[i].map((c, k) => Math.round(c + (rgb[i + 1][k] - c) * f)).join(',')})`;
}
