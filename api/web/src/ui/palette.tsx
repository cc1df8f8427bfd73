// SPDX-License-Identifier: GPL-3.0-or-later
// Ctrl-K: go anywhere by typing a part of its name.
import { useEffect, useState } from 'preact/hooks';
import { get, saved } from '../base/api';
import { href, route } from '../base/route';
import type { Experiment } from '../data/types';
import { views } from '../views/all';
import { Dialog } from './parts';

interface Place {
    name: string;
    href: string;
}

function here(): Place[] {
    const [project, name] = route.peek().path;
    if (!project || !name) return [];
    return views.filter((v) => !v.quiet).map((v) => ({ name: `${name}: ${v.title}`, href: href(v.id ? [project, name, v.id] : [project, name]) }));
}

export const Palette = ({ open, onClose }: { open: boolean; onClose: () => void }) => <Dialog title="Go to" open={open} onClose={onClose}><Places onClose={onClose} /></Dialog>;

/** Made anew each time it is opened. */
function Places({ onClose }: { onClose: () => void }) {
    const [text, setText] = useState(''), [at, setAt] = useState(0), [experiments, setExperiments] = useState<Place[]>([]);
    useEffect(() => {
        if (!saved)
            get<{ experiments: Experiment[] }>('projects/-/experiments?page_size=200&order_by=-revision').then(
                (got) => setExperiments(got.experiments.map((e) => ({ name: e.project === 'default' ? e.name : `${e.project}/${e.name}`, href: href([e.project, e.name]) }))),
                () => undefined, // the page says that the service is away
            );
    }, []);
    const all = [...here(), ...(saved ? [] : [{ name: 'Experiments', href: href([]) }, { name: 'New experiment', href: href(['new']) }]), ...experiments];
    const number = /^#?(\d+)$/.exec(text.trim())?.[1], [project, name] = route.peek().path;
    const trial = number && project && name ? [{ name: `Trial ${number} of ${name}`, href: href([project, name, 'trial', number]) }] : [];
    const found = [...trial, ...all.filter((p) => text.toLowerCase().split(/\s+/).every((word) => p.name.toLowerCase().includes(word)))].slice(0, 12);
    const chosen = Math.min(at, found.length - 1);
    const go = (p: Place | undefined) => {
        if (!p) return;
        onClose();
        location.hash = p.href;
    };
    const moves: Record<string, number> = { ArrowDown: 1, ArrowUp: -1 };
    return (
        <>
            <input type="text" class="palette" autofocus role="combobox" aria-label="Go to" aria-expanded="true" aria-controls="palette-list" aria-activedescendant={found.length ? `palette-${chosen}` : undefined} placeholder="an experiment, a view, the number of a trial" value={text}
                onInput={(e) => (setText(e.currentTarget.value), setAt(0))}
                onKeyDown={(e) => {
                    if (e.key === 'Enter') go(found[chosen]);
                    else if (e.key in moves) setAt((chosen + moves[e.key] + found.length) % Math.max(1, found.length));
                    else return;
                    e.preventDefault();
                }} />
            <ul id="palette-list" role="listbox" aria-label="Places" class="palette-list">
                {found.map((p, i) => <li key={p.href} id={`palette-${i}`} role="option" aria-selected={i === chosen} onClick={() => go(p)}>{p.name}</li>)}
            </ul>
        </>
    );
}
