// SPDX-License-Identifier: GPL-3.0-or-later
// A trial's log as it grows: follows its end until one scrolls up, searches, shows colours as a terminal would, and all of it as text.
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { Problem, get, withQuery } from '../base/api';
import { type Pen, spans } from '../base/ansi';
import { plural } from '../base/format';
import { Toggle, download } from './parts';

const CHUNK = 262144, KEPT_LINES = 20000, SHOWN_LINES = 1000, FIRST_TAIL = 5000, TOUCH_MS = 400;

interface Page {
    text: string;
    next_offset: number;
    end: boolean;
}

/** Lines so far; the last one may be unfinished. */
function useLog(path: string, stream: string, attempt: number | undefined): { lines: string[]; end: boolean; cut: boolean; problem: Problem | null } {
    const [state, set] = useState<{ lines: string[]; end: boolean; cut: boolean; problem: Problem | null }>({ lines: [], end: false, cut: false, problem: null });
    useEffect(() => {
        const stop = new AbortController();
        let lines = [''], cut = false;
        set({ lines: [], end: false, cut: false, problem: null });
        (async () => {
            let offset: number | undefined, pause = 500;
            while (!stop.signal.aborted) {
                try {
                    const page: Page = await get<Page>(withQuery(path, { stream, attempt, limit: CHUNK, ...(offset === undefined ? { tail: FIRST_TAIL } : { offset, wait: 20 }) }), stop.signal);
                    if (offset === undefined && page.next_offset > new TextEncoder().encode(page.text).length) cut = true;
                    offset = page.next_offset;
                    pause = 500;
                    if (page.text) {
                        const more = page.text.split('\n');
                        lines = [...lines.slice(0, -1), lines[lines.length - 1] + more[0], ...more.slice(1)];
                        if (lines.length > KEPT_LINES) {
                            lines = lines.slice(-KEPT_LINES);
                            cut = true;
                        }
                    }
                    set({ lines, end: page.end, cut, problem: null });
                    if (page.end && !page.text) return;
                    if (page.text) await new Promise((done) => setTimeout(done, 150));
                } catch (error) {
                    if (stop.signal.aborted) return;
                    const problem = error instanceof Problem ? error : new Problem(-1, String(error));
                    set({ lines, end: false, cut, problem });
                    if (problem.status > 0 && problem.status < 500) return;
                    await new Promise((done) => setTimeout(done, (pause = Math.min(5000, pause * 1.6))));
                }
            }
        })();
        return () => stop.abort();
    }, [path, stream, attempt]);
    return state;
}

export function Log({ path, attempts, name }: { path: string; attempts: number; name: string }) {
    const [stream, setStream] = useState('stdout'), [attempt, setAttempt] = useState<number | undefined>(undefined), [search, setSearch] = useState(''), [follow, setFollow] = useState(true), [wrap, setWrap] = useState(true), [most, setMost] = useState(SHOWN_LINES);
    const { lines, end, cut, problem } = useLog(path, stream, attempt), box = useRef<HTMLDivElement>(null), touched = useRef(0);
    const touch = () => (touched.current = Date.now());
    const text = lines.length && lines[lines.length - 1] === '' ? lines.slice(0, -1) : lines;
    const found = useMemo(() => {
        const needle = search.toLowerCase(), pen: Pen = { colour: '', bold: false };
        return text.map((line, i) => ({ i, spans: spans(line, pen) })).filter((l) => !needle || l.spans.map((s) => s.text).join('').toLowerCase().includes(needle));
    }, [lines, search]);
    const shown = found.slice(-most);
    useEffect(() => {
        if (follow && box.current) box.current.scrollTop = box.current.scrollHeight;
    }, [found, follow]);
    return (
        <div class="log">
            <div class="controls">
                <input type="search" aria-label="Search the log" placeholder="search" value={search} onInput={(e) => setSearch(e.currentTarget.value)} />
                <label class="field-inline"><span>stream</span><select value={stream} onChange={(e) => setStream(e.currentTarget.value)}><option value="stdout">stdout</option><option value="stderr">stderr</option></select></label>
                {attempts > 1 && <label class="field-inline"><span>attempt</span><select value={attempt ?? ''} onChange={(e) => setAttempt(e.currentTarget.value ? Number(e.currentTarget.value) : undefined)}><option value="">newest</option>{Array.from({ length: attempts }, (_, i) => <option value={i + 1}>{i + 1}</option>)}</select></label>}
                <Toggle label="follow" on={follow} onChange={setFollow} />
                <Toggle label="wrap" on={wrap} onChange={setWrap} />
                <button type="button" onClick={() => download(`${name}.log`, 'text/plain', text.join('\n'))}>Save</button>
                <span class="faint" role="status">{search ? plural(found.length, 'match', 'matches') : plural(text.length, 'line')}{end ? '' : ', growing'}</span>
            </div>
            {problem && problem.status !== 404 && <p class="failure" role="alert">{problem.message}</p>}
            {cut && <p class="faint">Only the newest lines are here; <code>hone logs</code> gives all.</p>}
            <div class={`log-text${wrap ? ' wrap' : ''}`} ref={box} tabIndex={0} role="log" aria-label="Log" aria-live="off"
                onWheel={touch} onTouchMove={touch} onKeyDown={touch} onPointerDown={touch}
                onScroll={(e) => {
                    const b = e.currentTarget; // who scrolls up wants to read
                    if (follow && Date.now() - touched.current < TOUCH_MS && b.scrollHeight - b.scrollTop - b.clientHeight > 24) setFollow(false);
                }}>
                {found.length > most && <p><button type="button" onClick={() => (setFollow(false), setMost(most * 10))}>{plural(found.length - most, 'earlier line')}</button></p>}
                {shown.map((l) => <div class="log-line" key={l.i}><span class="log-number" aria-hidden="true">{l.i + 1}</span><span>{l.spans.map((s) => (s.class ? <span class={s.class}>{s.text}</span> : s.text))}{'\n'}</span></div>)}
                {!text.length && <p class="faint">{problem?.status === 404 ? problem.message : end ? 'It wrote nothing here.' : 'Nothing yet.'}</p>}
            </div>
        </div>
    );
}
