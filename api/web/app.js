// SPDX-License-Identifier: GPL-3.0-or-later
// The plain first dashboard: experiments, one experiment's live leaderboard, its history. Only the public API, no library, no build step.
'use strict';

const REFRESH_MS = 400; // events come in bursts; a page is read again at most this often
const KINDS = ['created', 'changed', 'paused', 'resumed', 'stopping', 'succeeded', 'failed', 'cancelled', 'deleted', 'suggestion_failed'].map((k) => 'experiment.' + k)
    .concat(['created', 'starting', 'running', 'reported', 'stopping', 'retrying', 'replicate', 'succeeded', 'pruned', 'infeasible', 'failed', 'lost',
        'cancelled', 'changed', 'deleted'].map((k) => 'trial.' + k));
const main = document.getElementById('main');
const live = document.getElementById('live');

// ---- small helpers

function el(tag, attributes, ...children) {
    const svg = ['svg', 'path', 'text', 'title'].includes(tag);
    const node = svg ? document.createElementNS('http://www.w3.org/2000/svg', tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {}))
        if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
        else if (value !== null && value !== undefined) node.setAttribute(name, value);
    node.append(...children);
    return node;
}

async function api(path, options) {
    const answer = await fetch('api/v1/' + path, { headers: { Accept: 'application/json', 'X-Hone': '1' }, credentials: 'same-origin', ...options });
    const body = answer.status === 204 ? null : await answer.json().catch(() => null);
    if (answer.ok) return body;
    const error = new Error((body && body.detail) || `The service answered ${answer.status}.`);
    error.status = answer.status;
    throw error;
}

const name = (p, e) => `projects/${encodeURIComponent(p)}/experiments/${encodeURIComponent(e)}`;
const number = (v) => (v === null || v === undefined ? '-' : typeof v === 'number' ? String(Number(v.toPrecision(6))) : String(v));
const params = (p) => Object.entries(p || {}).map(([k, v]) => `${k}=${number(v)}`).join(', ');
const counts = (c) => Object.entries(c || {}).map(([state, n]) => `${n} ${state.toLowerCase()}`).join(', ') || 'none yet';
const best = (e) => (e.best ? `${number(e.best.value)} (#${e.best.number})` : '-');

function duration(seconds) {
    if (seconds === null || seconds === undefined) return '-';
    const s = Math.round(seconds), pad = (n) => String(n).padStart(2, '0');
    return s >= 3600 ? `${Math.floor(s / 3600)}:${pad(Math.floor(s / 60) % 60)}:${pad(s % 60)}` : `${Math.floor(s / 60)}:${pad(s % 60)}`;
}

function table(headings) {
    const body = el('tbody');
    const node = el('div', { class: 'wide' }, el('table', null, el('thead', null, el('tr', null, ...headings.map((h) => el('th', { scope: 'col' }, h)))), body));
    return { node, body };
}

// Rows are changed in place, so that focus and selection stay where they are. A cell is a text, or {text, href, long}.
function fill(body, rows) {
    while (body.rows.length > rows.length) body.deleteRow(-1);
    rows.forEach((cells, i) => {
        const row = body.rows[i] || body.insertRow();
        cells.forEach((cell, j) => {
            const td = row.cells[j] || row.insertCell();
            const { text, href, long } = typeof cell === 'object' ? cell : { text: cell };
            td.className = long ? 'long' : '';
            if (!href) {
                if (td.textContent !== text || td.firstElementChild) td.textContent = text;
                return;
            }
            if (!td.firstElementChild) td.replaceChildren(el('a'));
            const a = td.firstElementChild;
            if (a.getAttribute('href') !== href) a.setAttribute('href', href);
            if (a.textContent !== text) a.textContent = text;
            if (!href.startsWith('#')) a.target = '_blank', a.rel = 'noopener';
        });
    });
}

// ---- the history chart: each trial's objective, and the best so far

function history(trials, direction) {
    const W = 640, H = 220, left = 70, right = 12, top = 12, bottom = 26;
    const done = trials.filter((t) => t.state === 'SUCCEEDED' && Number.isFinite(t.objective));
    const chart = el('svg', { class: 'chart', viewBox: `0 0 ${W} ${H}`, role: 'img' });
    if (!done.length) {
        chart.append(el('title', null, 'No trial has finished yet'), el('text', { x: W / 2, y: H / 2, 'text-anchor': 'middle' }, 'no trial has finished yet'));
        return chart;
    }
    const up = direction === 'maximize', sorted = done.map((t) => t.objective).sort((a, b) => (up ? b - a : a - b));
    const most = sorted[Math.ceil(sorted.length * 0.9) - 1], cut = most !== sorted[sorted.length - 1]; // the worst tenth lies on the border, else it would flatten the rest
    const low = Math.min(sorted[0], most), high = Math.max(sorted[0], most);
    const last = done[done.length - 1].number, span = high - low || 1;
    const x = (n) => left + ((n - 0.5) / last) * (W - left - right), y = (v) => top + ((high - Math.max(low, Math.min(high, v))) / span) * (H - top - bottom);
    let points = '', line = '', so_far = null;
    for (const t of done) {
        points += `M${x(t.number).toFixed(1)} ${y(t.objective).toFixed(1)}h0`;
        const better = so_far === null || (up ? t.objective > so_far : t.objective < so_far);
        if (better) line += so_far === null ? `M${x(t.number).toFixed(1)} ${y(t.objective).toFixed(1)}` : `H${x(t.number).toFixed(1)}V${y(t.objective).toFixed(1)}`;
        if (better) so_far = t.objective;
    }
    line += `H${x(last).toFixed(1)}`;
    chart.append(
        el('title', null, `${done.length} finished trials, worst ${number(sorted[sorted.length - 1])}, best ${number(so_far)}`),
        el('path', { class: 'axis', d: `M${left} ${top}V${H - bottom}H${W - right}` }),
        el('path', { class: 'points', d: points }), el('path', { class: 'best', d: line }),
        el('text', { x: left - 8, y: top + 8, 'text-anchor': 'end' }, (cut && !up ? '≥ ' : '') + number(high)),
        el('text', { x: left - 8, y: H - bottom, 'text-anchor': 'end' }, high > low ? (cut && up ? '≤ ' : '') + number(low) : ''),
        el('text', { x: left, y: H - 8 }, 'trial 1'), el('text', { x: W - right, y: H - 8, 'text-anchor': 'end' }, `trial ${last}`));
    return chart;
}

// ---- the two views: each builds its elements once and gives {title, events, nodes, refresh}; refresh gives the revision it has read up to

function listView() {
    const board = table(['Experiment', 'State', 'Progress', 'Trials', 'Best']);
    const empty = el('p', { hidden: '' }, 'There are no experiments yet. Start one: ', el('code', null, 'hone run FILE.yaml'));
    return {
        title: 'Hone', events: 'events', nodes: [el('h1', null, 'Experiments'), empty, board.node],
        async refresh() {
            const { experiments } = await api('projects/-/experiments?page_size=100');
            empty.hidden = experiments.length > 0;
            board.node.hidden = !experiments.length;
            fill(board.body, experiments.map((e) => [{ text: e.project === 'default' ? e.name : `${e.project}/${e.name}`, href: `#/${encodeURIComponent(e.project)}/${encodeURIComponent(e.name)}` },
                e.state, e.progress === null ? '-' : `${Math.round(e.progress * 100)} %`, counts(e.counts), best(e)]));
            return Math.max(0, ...experiments.map((e) => e.revision));
        },
    };
}

function experimentView(project, experiment) {
    const path = name(project, experiment);
    const facts = el('ul', { class: 'facts' }), bar = el('progress', { 'aria-label': 'progress' }), message = el('p', { role: 'alert', class: 'error' });
    const board = table(['Trial', 'Objective', 'Parameters', 'Log']), latest = table(['Trial', 'State', 'Objective', 'Message', 'Log']);
    const chart = el('div'), heading = el('h2', null, 'Leaderboard');
    const send = (verb) => async () => {
        if (verb === 'stop' && !confirm(`Stop ${experiment}? Trials that run are ended.`)) return;
        message.textContent = '';
        await api(`${path}:${verb}`, { method: 'POST', body: '{}', headers: { 'Content-Type': 'application/json', 'X-Hone': '1' } }).catch((e) => { message.textContent = e.message; });
        again();
    };
    const buttons = { pause: ['RUNNING'], resume: ['PAUSED'], stop: ['CREATED', 'RUNNING', 'PAUSED'] };
    const row = Object.keys(buttons).map((verb) => el('button', { type: 'button', disabled: '', onclick: send(verb) }, verb[0].toUpperCase() + verb.slice(1)));
    const log = (n) => ({ text: 'log', href: `api/v1/${path}/trials/${n}/logs?tail=1000` });
    return {
        title: `${experiment} - Hone`, events: `${path}/events`,
        nodes: [el('h1', null, experiment), facts, bar, el('div', { class: 'buttons' }, ...row), message, el('h2', null, 'History'), chart,
            heading, board.node, el('h2', null, 'Latest trials'), latest.node],
        async refresh() {
            const e = await api(path);
            const [top, columns, recent] = await Promise.all([api(`${path}/leaderboard?limit=20`), api(`${path}/columns?cols=number,state,objective`),
                api(`${path}/trials?order_by=-number&page_size=10`)]);
            const reason = e.reason ? `${e.state}: ${e.reason}` : e.state;
            facts.replaceChildren(...[['', reason], ['best ', best(e)], ['trials ', counts(e.counts)], e.eta_seconds === null ? null : ['ETA ', duration(e.eta_seconds)]].filter(Boolean).map(([label, text]) => el('li', null, label, el('b', null, text))));
            if (e.progress === null) bar.removeAttribute('value');
            else bar.value = e.progress;
            bar.hidden = e.progress === null;
            Object.values(buttons).forEach((states, i) => { row[i].disabled = !states.includes(e.state); });
            heading.textContent = `Leaderboard: ${top.direction} ${top.metric}`;
            const c = columns.columns;
            chart.replaceChildren(history(c.number.map((n, i) => ({ number: n, state: c.state[i], objective: c.objective[i] })).sort((a, b) => a.number - b.number), top.direction));
            const own = e.spec && e.spec.run; // only trials that the service runs have logs here
            fill(board.body, top.trials.map((t) => ['#' + t.number, t.state === 'INFEASIBLE' ? `${number(t.objective)} (infeasible)` : number(t.objective), { text: params(t.params), long: true }, own ? log(t.number) : '']));
            fill(latest.body, recent.trials.map((t) => ['#' + t.number, t.reason ? `${t.state}: ${t.reason}` : t.state, number(t.objective),
                { text: (t.message || '').split('\n')[0], long: true }, own && t.attempt ? log(t.number) : '']));
            return e.revision;
        },
    };
}

// ---- staying up to date

let view = null, source = null, timer = null, reading = false, stale = false;

function explain(error) {
    const hint = error.status === 401
        ? [el('h1', null, 'Please log in'), el('p', null, 'Open the link that ', el('code', null, 'hone serve'), ' printed when it started (it works once; start the service again for a new one).')]
        : [el('h1', null, error.status === 404 ? 'Not found' : 'Something went wrong'), el('p', { class: 'error' }, error.message), el('p', null, el('a', { href: '#/' }, 'All experiments'))];
    main.replaceChildren(...hint);
    if (error.status !== 401) timer = setTimeout(show, 2000); // it may come to be, or come back
}

async function read() {
    const mine = view;
    timer = null;
    if (reading || document.hidden) {
        stale = true;
        return null;
    }
    reading = true;
    stale = false;
    try {
        return await mine.refresh();
    } finally {
        reading = false;
        if (stale && !document.hidden) again();
    }
}

function again() {
    if (timer === null) timer = setTimeout(() => read().catch((e) => { if (e.status) explain(e); else live.textContent = 'the service is away'; }), REFRESH_MS);
}

function listen(after) {
    source = new EventSource(`api/v1/${view.events}${after ? `?after=${after}` : ''}`); // without: from now on
    source.onopen = () => { live.textContent = 'live'; again(); };
    source.onerror = () => {
        live.textContent = 'reconnecting';
        if (source.readyState === EventSource.CLOSED) setTimeout(show, 2000); // refused: the log no longer reaches back so far, or no login
    };
    for (const kind of KINDS) source.addEventListener(kind, again);
}

async function show() {
    if (source) source.close();
    clearTimeout(timer);
    timer = source = null;
    const [, project, experiment] = location.hash.split('/').map(decodeURIComponent);
    view = project && experiment ? experimentView(project, experiment) : listView();
    const mine = view;
    document.title = view.title;
    live.textContent = '';
    try {
        const revision = await mine.refresh();
        if (mine !== view) return;
        main.replaceChildren(...mine.nodes);
        listen(revision);
    } catch (error) {
        if (mine === view) explain(error);
    }
}

addEventListener('hashchange', () => { show(); main.focus(); });
document.addEventListener('visibilitychange', () => { if (stale && !document.hidden) again(); });
show();
