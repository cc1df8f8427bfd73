// SPDX-License-Identifier: GPL-3.0-or-later
// The one live connection of the page: it asks for events after the last one it has (a long poll, which every proxy lets through), and hands
// them on at most a few times a second. It rests while nobody sees the page, and goes on where it was after the service was away.
import { signal } from '@preact/signals';
import { Problem, get, saved, withQuery } from '../base/api';
import type { Event } from './types';

export type LinkState = 'connecting' | 'live' | 'away' | 'login' | 'saved';
export interface Link {
    state: LinkState;
    since: number; // ms: when it was first away
    detail: string;
}

export const link = signal<Link>({ state: saved ? 'saved' : 'connecting', since: 0, detail: '' });

const PACE_MS = 250, SHARE = 4, // a slow machine is kept busy a quarter of the time at most
     WAIT_S = 25, FIRST_RETRY_MS = 500, LONGEST_RETRY_MS = 5000;

const sleep = (ms: number, signal: AbortSignal) =>
    new Promise<void>((done) => {
        const timer = setTimeout(done, ms);
        signal.addEventListener('abort', () => (clearTimeout(timer), done()), { once: true });
    });

const painted = () => new Promise<void>((done) => (document.hidden ? done() : requestAnimationFrame(() => setTimeout(done))));

const visible = () =>
    new Promise<void>((done) => {
        if (!document.hidden) return done();
        const look = () => {
            if (document.hidden) return;
            document.removeEventListener('visibilitychange', look);
            done();
        };
        document.addEventListener('visibilitychange', look);
        return undefined;
    });

export interface Follower {
    path: string; // of the events
    load: () => Promise<number>; // reads everything; gives the revision it is of
    apply: (events: Event[]) => Promise<void>;
    failed: (problem: Problem) => void; // what no waiting mends
}

const told = (error: unknown): Problem => (error instanceof Problem ? error : new Problem(-1, (error as Error).message));

/** Ends with `stop`, or when the page goes out of sight: a browser has few connections to a service, and tabs that wait would use them up. */
function whileSeen(stop: AbortSignal): { signal: AbortSignal; over: () => void } {
    const poll = new AbortController(), end = () => poll.abort(), look = () => document.hidden && end();
    stop.addEventListener('abort', end);
    document.addEventListener('visibilitychange', look);
    return {
        signal: poll.signal,
        over: () => {
            stop.removeEventListener('abort', end);
            document.removeEventListener('visibilitychange', look);
        },
    };
}

/** Loads, then follows; gives what ends it. */
export function follow(f: Follower): () => void {
    const stop = new AbortController(), { signal } = stop;
    const away = (problem: Problem) => {
        if (link.value.state !== 'away') link.value = { state: 'away', since: Date.now(), detail: problem.message };
    };
    async function run() {
        let after = -1, retry = FIRST_RETRY_MS;
        while (!signal.aborted) {
            const seen = whileSeen(signal);
            try {
                if (after < 0) after = await f.load();
                if (saved || signal.aborted) return;
                link.value = { state: 'live', since: 0, detail: '' };
                await visible();
                const got = await get<{ events: Event[]; next_revision: number }>(withQuery(f.path, { after, wait: retry > FIRST_RETRY_MS ? 0 : WAIT_S, limit: 2000 }), seen.signal);
                if (signal.aborted) return;
                retry = FIRST_RETRY_MS;
                after = got.next_revision;
                const began = performance.now();
                if (got.events.length) await f.apply(got.events);
                await painted();
                await sleep(Math.max(PACE_MS, SHARE * (performance.now() - began)), signal);
            } catch (error) {
                if (signal.aborted) return;
                if ((error as Error).name === 'AbortError') continue; // out of sight
                const problem = told(error);
                if (problem.status === 410) {
                    after = -1;
                } else if (problem.status === 401 || problem.status === 403) {
                    link.value = { state: 'login', since: Date.now(), detail: problem.message };
                    return f.failed(problem);
                } else if (problem.status === 0 || problem.status >= 500 || problem.status === 429) {
                    away(problem);
                    if (after < 0) f.failed(problem);
                    await sleep(retry, signal);
                    retry = Math.min(retry * 1.6, LONGEST_RETRY_MS);
                } else {
                    return f.failed(problem);
                }
            } finally {
                seen.over();
            }
        }
        return undefined;
    }
    void run();
    return () => stop.abort();
}
