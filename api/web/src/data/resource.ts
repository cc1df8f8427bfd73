// SPDX-License-Identifier: GPL-3.0-or-later
// An answer of the API that a view shows, read again when `version` has changed, but not more often than every so many ms.
import { useEffect, useRef, useState } from 'preact/hooks';
import { Problem, get } from '../base/api';

export interface Resource<T> {
    data: T | null;
    problem: Problem | null;
}

export function useResource<T>(path: string | null, version = 0, every = 1000): Resource<T> {
    const [state, set] = useState<Resource<T> & { path: string | null }>({ data: null, problem: null, path: null });
    const last = useRef({ path: '', at: 0 });
    useEffect(() => {
        if (path === null) return undefined;
        const stop = new AbortController();
        const wait = last.current.path === path ? Math.max(0, last.current.at + every - Date.now()) : 0;
        const timer = setTimeout(() => {
            last.current = { path, at: Date.now() };
            get<T>(path, stop.signal).then(
                (data) => !stop.signal.aborted && set({ data, problem: null, path }),
                (error) => !stop.signal.aborted && set((old) => ({ data: old.path === path ? old.data : null, problem: error instanceof Problem ? error : new Problem(-1, (error as Error).message), path })),
            );
        }, wait);
        return () => (clearTimeout(timer), stop.abort());
    }, [path, version]);
    return state.path === path ? state : { data: null, problem: null };
}
