// SPDX-License-Identifier: GPL-3.0-or-later
// The page: its frame, and which view the address names.
import 'uplot/dist/uPlot.min.css';
import './style.css';
import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { saved } from './base/api';
import { duration } from './base/format';
import { go, href, route } from './base/route';
import { type Choice, choice, choose, dark } from './base/theme';
import { link } from './data/live';
import { Palette } from './ui/palette';
import { Dialog, Notices } from './ui/parts';
import { useNow } from './ui/now';
import { Create } from './views/create';
import { Experiment } from './views/experiment';
import { List } from './views/list';

function Connection() {
    const now = useNow(1000), { state, since, detail } = link.value;
    const words: Record<string, string> = { connecting: 'connecting', live: 'live', away: `reconnecting; what is shown is ${duration(Math.round((now - since) / 1000))} old`, login: 'not logged in', saved: 'a report' };
    return <span id="live" class={`link ${state}`} role="status" title={detail}>{words[state]}</span>;
}

function Theme() {
    const next: Record<Choice, Choice> = { system: dark.value ? 'light' : 'dark', light: 'dark', dark: 'light' };
    const to = next[choice.value];
    return <button type="button" class="bare theme" onClick={() => choose(to)} aria-label={`Use the ${to} theme`} title={`Use the ${to} theme`}>{dark.value ? '☀' : '☾'}</button>;
}

const KEYS: [string, string][] = [
    ['Ctrl-K', 'go anywhere'], ['/', 'to the filter'], ['g e', 'experiments'], ['g o', 'overview'], ['g t', 'trials'], ['j k', 'next and last row of a table'], ['x', 'select the row'], ['c', 'compare what is selected'], ['Enter', 'open the row'], ['?', 'this help'],
];

/** Keys that work anywhere but in fields. */
function useKeys(help: () => void, palette: () => void) {
    useEffect(() => {
        let first = '';
        const onKey = (e: KeyboardEvent) => {
            const target = e.target as HTMLElement;
            if ((e.ctrlKey || e.metaKey) && e.key === 'k' && !document.querySelector('dialog[open]')) {
                e.preventDefault();
                palette();
                return;
            }
            if (e.ctrlKey || e.metaKey || e.altKey || target.closest('input, textarea, select, dialog')) return;
            const [project, name] = route.peek().path, inside = project && name;
            const chord = first + e.key;
            first = '';
            if (e.key === '/') document.querySelector<HTMLInputElement>('input[type=search]')?.focus();
            else if (e.key === '?') help();
            else if (chord === 'ge' && !saved) go([]);
            else if (chord === 'gt' && inside) go([project, name, 'trials']);
            else if (chord === 'go' && inside) go([project, name]);
            else if (e.key === 'g') first = 'g';
            else return;
            if (e.key !== 'g') e.preventDefault();
        };
        addEventListener('keydown', onKey);
        return () => removeEventListener('keydown', onKey);
    }, []);
}

function Body() {
    const [a, b, ...rest] = route.value.path;
    if (saved) return <Experiment project={saved.project} name={saved.experiment} rest={rest} />;
    if (a === 'new' && !b) return <Create key={route.value.query.clone ?? ''} />;
    if (a && b) return <Experiment project={a} name={b} rest={rest} />;
    return <List />;
}

function App() {
    const [help, setHelp] = useState(false), [palette, setPalette] = useState(false);
    useKeys(() => setHelp(true), () => setPalette(true));
    const [a, b, c] = route.value.path, embed = Boolean(route.value.query.embed);
    useEffect(() => {
        document.title = [c, b, a === 'new' ? 'New experiment' : '', 'Hone'].filter(Boolean).join(' – ');
    }, [a, b, c]);
    return (
        <>
            {!embed && (
                <header class="site">
                    <a class="skip" href="#main" onClick={(e) => (e.preventDefault(), document.getElementById('main')!.focus())}>Skip to content</a>
                    <a class="brand" href={saved ? href([saved.project, saved.experiment]) : href([])}>
                        <svg viewBox="0 0 32 32" width="24" height="24" aria-hidden="true"><rect width="32" height="32" rx="7" fill="#0b5cad" /><path d="M6 9c5 0 6 13 11 13s5-4 9-4" fill="none" stroke="#fff" stroke-width="3" stroke-linecap="round" /><circle cx="26" cy="18" r="3" fill="#ffb000" /></svg>
                        Hone
                    </a>
                    {a === 'new' && !b ? null : <Connection />}
                    <button type="button" class="bare" aria-label="Keys" title="Keys (?)" onClick={() => setHelp(true)}>?</button>
                    <Theme />
                </header>
            )}
            <main id="main" tabIndex={-1} class={embed ? 'embed' : ''}><Body /></main>
            <Notices />
            <Palette open={palette} onClose={() => setPalette(false)} />
            <Dialog title="Keys" open={help} onClose={() => setHelp(false)}>
                <dl class="keys">{KEYS.map(([k, what]) => <div key={k}><dt>{k.split(' ').map((x) => <kbd key={x}>{x}</kbd>)}</dt><dd>{what}</dd></div>)}</dl>
            </Dialog>
        </>
    );
}

render(<App />, document.getElementById('app')!);
