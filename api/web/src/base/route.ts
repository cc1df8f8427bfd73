// SPDX-License-Identifier: GPL-3.0-or-later
// The address of a view is all of its state: #/PROJECT/EXPERIMENT/VIEW?query. Behind the #, so that it works under any path and from a file.
import { signal } from '@preact/signals';

export interface Route {
    path: string[];
    query: Record<string, string>;
}

function parse(hash: string): Route {
    const [path, query] = hash.replace(/^#\/?/, '').split('?', 2) as [string, string | undefined];
    const decode = (part: string) => {
        try {
            return decodeURIComponent(part);
        } catch {
            return part;
        }
    };
    return { path: path.split('/').filter(Boolean).map(decode), query: Object.fromEntries(new URLSearchParams(query ?? '')) };
}

export const route = signal<Route>(parse(location.hash));
addEventListener('hashchange', () => (route.value = parse(location.hash)));

export function href(path: (string | number)[], query: Record<string, string | undefined> = {}): string {
    const given = new URLSearchParams(Object.entries(query).filter((e): e is [string, string] => Boolean(e[1])));
    for (const kept of ['embed', 'theme']) if (route.peek().query[kept] && !given.has(kept)) given.set(kept, route.peek().query[kept]);
    const text = given.toString();
    return `#/${path.map((p) => encodeURIComponent(p)).join('/')}${text ? `?${text}` : ''}`;
}

export function go(path: (string | number)[], query?: Record<string, string | undefined>) {
    location.hash = href(path, query);
}

/** Changes some of the query; undefined takes one away. In place: Back leads to another view, not to another slider position. */
export function setQuery(changes: Record<string, string | undefined>) {
    const { path, query } = route.peek();
    history.replaceState(null, '', href(path, { ...query, ...changes }));
    route.value = parse(location.hash);
}
