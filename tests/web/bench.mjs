// SPDX-License-Identifier: GPL-3.0-or-later
// What the dashboard costs in a real headless Chromium (part of `make bench`): 10,000 trials of 12 parameters and 100 steps; beside it
// optuna-dashboard with the same trials in memory, its best case. TRIALS=, STEPS= make it smaller. Prints a table of Markdown.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { CHROMIUM, login, open } from './browser.mjs';
import { ROOT, Service, sleep, until } from './service.mjs';
import { fill, wideSpec } from './worlds.mjs';

const TRIALS = Number(process.env.TRIALS ?? 10000), STEPS = Number(process.env.STEPS ?? 100), BUILD = process.env.BUILD ?? join(ROOT, 'build');
const PYTHON = join(process.env.HONE_CLIENTS_VENV ?? join(BUILD, 'clients-venv'), 'bin/python');
const table = [];
const row = (what, ours, beside = '', target = '', met) => {
    table.push(`| ${what} | ${ours} | ${beside} | ${target} | ${met === undefined ? '' : met ? 'yes' : '**no**'} |`);
    console.log(`  ${what}: ${ours}${beside && `  beside ${beside}`}${target && `  target ${target}`}${met === undefined ? '' : met ? '  met' : '  NOT MET'}`);
};
const PEER_PATIENCE_MS = 240_000;
const ms = (v) => (v === Infinity ? `not after ${PEER_PATIENCE_MS / 1000} s` : `${Math.round(v)} ms`);

/** In the page before anything else: the longest tasks and how long each input took until its effect was painted. */
function watch() {
    window.seen = { tasks: [], inputs: [], changed: 0 };
    new PerformanceObserver((l) => l.getEntries().forEach((e) => window.seen.tasks.push([e.startTime, e.duration]))).observe({ type: 'longtask', buffered: true });
    new PerformanceObserver((l) => l.getEntries().forEach((e) => window.seen.inputs.push([e.name, e.duration]))).observe({ type: 'event', durationThreshold: 16, buffered: true });
}
const watchChanges = () => new MutationObserver(() => (window.seen.changed = performance.now())).observe(document, { childList: true, subtree: true, attributes: true });

/** When the last long task or, with `changes`, the last change of the page ended, once there was none for `quiet` ms. */
async function settled(page, changes, quiet = 1500, patience = 600000) {
    for (const end = Date.now() + patience; Date.now() < end; await sleep(100)) {
        const got = await Promise.race([sleep(10000), page.evaluate((c) => {
            const paints = performance.getEntriesByType('resource').map((r) => r.responseEnd).concat(window.seen.tasks.map(([at, d]) => at + d), c ? window.seen.changed : performance.getEntriesByType('mark').map((m) => m.startTime));
            return [Math.max(0, ...paints), performance.now()];
        }, changes)]);
        if (!got) continue; // it is too busy to say
        const [last, now] = got;
        if (now - last > quiet && !(changes && page.asking > 0)) return last;
    }
    return NaN;
}
async function heapMb(page) {
    const cdp = await page.context().newCDPSession(page);
    await cdp.send('HeapProfiler.collectGarbage');
    const { usedSize, embedderHeapUsedSize = 0, backingStorageSize = 0 } = await cdp.send('Runtime.getHeapUsage');
    await cdp.detach();
    return (usedSize + embedderHeapUsedSize + backingStorageSize) / 1e6;
}
/** CPU seconds of the pages so far, by process: what the rest of the machine does changes wall time, not this. */
async function cpu(browser) {
    cpu.session ??= await browser.newBrowserCDPSession();
    return new Map((await cpu.session.send('SystemInfo.getProcessInfo')).processInfo.filter((p) => p.type === 'renderer').map((p) => [p.id, p.cpuTime]));
}
/** Milliseconds since `before`. */
const since = async (browser, before) => 1000 * [...(await cpu(browser))].reduce((sum, [id, time]) => sum + time - (before.get(id) ?? 0), 0);
const mark = (page, name) => page.waitForFunction((n) => performance.getEntriesByName(n).at(-1)?.startTime, name, { timeout: 120000 }).then((h) => h.jsonValue());
const median = (v) => [...v].sort((a, b) => a - b)[Math.floor(v.length / 2)];

async function ours(browser, s) {
    const page = await login(browser, s);
    await page.addInitScript(watch);
    const url = (view) => `${s.url}/#/default/wide${view && `/${view}`}`;
    const paint = [], complete = [], cost = [];
    for (let i = 0; i < 3; i++) {
        await page.goto('about:blank');
        const before = await cpu(browser);
        await page.goto(url(''));
        paint.push(await mark(page, 'hone:head'));
        complete.push(await mark(page, 'hone:view '));
        cost.push(await since(browser, before));
    }
    await settled(page, false);
    row('first useful paint (name, state, best, progress)', ms(median(paint)), '', '< 1 s', median(paint) < 1000);
    row('overview complete: history and leaderboard of all trials', `${ms(median(complete))} (CPU of the page ${ms(median(cost))})`, '', '< 2 s', median(complete) < 2000);
    const all = [];
    for (const view of ['curves', 'parallel', 'slices', 'importances', 'timeline', 'search']) {
        const before = await cpu(browser), began = await page.evaluate((u) => ((location.hash = u), performance.now()), new URL(url(view)).hash);
        await mark(page, `hone:view ${view}`);
        const took = (await settled(page, false)) - began;
        all.push(took);
        row(`then ${view}, to its last answer and long task`, `${ms(took)} (CPU ${ms(await since(browser, before))})`, '', '< 2 s', took < 2000);
    }
    row('heap with all of it loaded', `${(await heapMb(page)).toFixed(1)} MB`, '', '< 200 MB', (await heapMb(page)) < 200);
    await interactions(browser, page, url);
    return { page, complete: median(complete), cost: median(cost), all: median(complete) + all.reduce((a, b) => a + b, 0) };
}

async function interactions(browser, page, url) {
    // The slowest input or task of a round; of five rounds the fastest, because what else the machine does only adds.
    const measure = async (what, act) => {
        const rounds = [], before = await cpu(browser);
        for (let i = 0; i < 5; i++) {
            await page.evaluate(() => ((window.seen.inputs = []), (window.seen.tasks = [])));
            await act(i);
            await sleep(400);
            const { inputs, tasks } = await page.evaluate(() => window.seen);
            rounds.push(Math.max(0, ...inputs.map(([, d]) => d), ...tasks.map(([, d]) => d)));
        }
        const best = Math.min(...rounds);
        row(what, `${best ? ms(best) : '< 16 ms'} (rounds ${rounds.map(Math.round).join(', ')}; CPU of a round ${ms((await since(browser, before)) / 5)})`, '', '< 100 ms', best < 100);
    };
    await page.goto(url('trials'));
    await until(async () => (await page.locator('tr[data-at]').count()) > 10, 'the table');
    await sleep(500);
    await measure('sort the table by a parameter (input to paint, the worst of 4)', async () => {
        for (const name of ['x0', 'x1', 'layers', 'act']) {
            await page.click(`th button:has-text("${name}")`);
            await sleep(200);
        }
    });
    await measure('scroll the table (40 wheel turns)', async (round) => {
        const box = await page.locator('.table-box').last().boundingBox();
        await page.mouse.move(box.x + 300, box.y + 200);
        for (let i = 0; i < 40; i++) {
            await page.mouse.wheel(0, round % 2 ? -900 : 900);
            await sleep(20);
        }
    });
    await measure('select and pin a row', async (round) => {
        await page.locator('tr[data-at] input[type=checkbox]').nth(10 + round).click();
        await page.locator('tr[data-at] button.pin').nth(12 + round).click();
    });
    await page.goto(url('parallel'));
    await until(async () => (await page.locator('canvas[role=img]').count()) > 0, 'the chart');
    await sleep(800);
    const box = await page.locator('canvas[role=img]').first().boundingBox();
    await measure('brush parallel coordinates (30 moves)', async () => {
        await page.mouse.move(box.x + box.width - 62, box.y + 42);
        await page.mouse.down();
        for (let i = 0; i < 30; i++) {
            await page.mouse.move(box.x + box.width - 62, box.y + 42 + i * 5);
            await sleep(30);
        }
        await page.mouse.up();
    });
    await measure('hover over parallel coordinates (30 moves)', async () => {
        for (let i = 0; i < 30; i++) {
            await page.mouse.move(box.x + 150 + i * 20, box.y + 150 + i * 3);
            await sleep(30);
        }
    });
    await page.goto(url('curves'));
    await until(async () => (await page.locator('canvas[role=img]').count()) > 0, 'the curves');
    await sleep(800);
    await measure('hover over learning curves (30 moves)', async () => {
        const b = await page.locator('canvas[role=img]').first().boundingBox();
        for (let i = 0; i < 30; i++) {
            await page.mouse.move(b.x + 100 + i * 20, b.y + 100 + i * 5);
            await sleep(30);
        }
    });
}

async function live(browser, page, s, e) {
    const running = await e.ask(10, 'live');
    await page.goto(`${s.url}/#/default/wide`);
    await mark(page, 'hone:view ');
    await sleep(1500);
    await page.evaluate(() => {
        window.frames_ = [];
        let last = performance.now();
        const tick = (now) => (window.frames_.push(now - last), (last = now), requestAnimationFrame(tick));
        requestAnimationFrame(tick);
    });
    const seconds = 10, rate = 50, before = await cpu(browser);
    let step = 0;
    for (let i = 0; i < seconds * rate; i++) {
        const next = Date.now() + 1000 / rate;
        void e.post(`/trials/${running[i % 10].number}:report`, { measurements: [{ step: ++step, metrics: { loss: 1 / step } }], progress: i / (seconds * rate) });
        if (i % 50 === 49) void e.ask(1, `live-${i}`).then(([t]) => e.post(`/trials/${t.number}:complete`, { metrics: { loss: 0.5 + i / 1e4 } }));
        await sleep(Math.max(0, next - Date.now()));
    }
    const gaps = await page.evaluate(() => window.frames_), worst = Math.max(...gaps);
    row(`${rate} live updates a second for ${seconds} s: the longest time without a frame`, ms(worst), '', '< 200 ms', worst < 200);
    row('the same, 99th percentile', `${ms([...gaps].sort((a, b) => a - b)[Math.floor(gaps.length * 0.99)])} (CPU of the page ${Math.round((await since(browser, before)) / seconds / 10)} % of a core)`);
}

const PEER = `
import json, math, random, sys
import optuna, optuna_dashboard
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
optuna.logging.set_verbosity(optuna.logging.ERROR)
trials = json.load(open(sys.argv[1]))
storage = optuna.storages.InMemoryStorage()
study = optuna.create_study(storage=storage, study_name="wide", direction="minimize")
space = {f"x{i}": FloatDistribution(0, 1) for i in range(6)} | {f"rate{i}": FloatDistribution(1e-6, 1, log=True) for i in range(3)} | {"layers": IntDistribution(1, 12), "act": CategoricalDistribution(["relu", "gelu", "tanh", "silu"]), "norm": CategoricalDistribution([False, True])}
study.add_trials([optuna.trial.create_trial(params=t["p"], distributions=space, value=t["v"], intermediate_values={i + 1: t["v"] + 2 * math.exp(-(i + 1) / 15) for i in range(int(sys.argv[3]))}) for t in trials])
print("ready", flush=True)
optuna_dashboard.run_server(storage, host="127.0.0.1", port=int(sys.argv[2]))
`;

async function peer(browser, e) {
    if (!existsSync(PYTHON) || (await new Promise((done) => spawn(PYTHON, ['-c', 'import optuna_dashboard'], { stdio: 'ignore' }).on('exit', done))) !== 0) {
        console.log('skip optuna-dashboard: it is not there (make clients-venv)');
        return null;
    }
    const { columns: c } = await e.get('/columns?cols=number,state,objective,params.*'), directory = mkdtempSync(join(tmpdir(), 'hone-bench-')), file = join(directory, 'trials.json');
    const done = c.number.map((_, i) => i).filter((i) => c.state[i] === 'SUCCEEDED').slice(0, TRIALS);
    writeFileSync(file, JSON.stringify(done.map((i) => ({ v: c.objective[i], p: Object.fromEntries(Object.keys(c).filter((k) => k.startsWith('params.')).map((k) => [k.slice(7), c[k][i]])) }))));
    const port = await new Promise((ok) => { const n = createServer().listen(0, '127.0.0.1', () => { const { port } = n.address(); n.close(() => ok(port)); }); });
    const process_ = spawn(PYTHON, ['-W', 'ignore', '-c', PEER, file, String(port), String(STEPS)], { stdio: ['ignore', 'pipe', 'ignore'] });
    let said = '';
    process_.stdout.on('data', (d) => (said += d));
    try {
        await until(() => said.includes('ready') || process_.exitCode !== null, 'optuna to take the trials', 600000);
        await until(() => fetch(`http://127.0.0.1:${port}/`).then((a) => a.ok, () => false), 'optuna-dashboard', 60000);
        const page = await (await browser.newContext({ viewport: { width: 1280, height: 900 } })).newPage();
        await page.addInitScript(watch);
        await page.addInitScript(watchChanges);
        page.asking = 0;
        page.on('request', () => page.asking++);
        for (const end of ['requestfinished', 'requestfailed']) page.on(end, () => page.asking--);
        const before = await cpu(browser);
        await page.goto(`http://127.0.0.1:${port}/dashboard/studies/0`, { timeout: 120000 });
        const took = await settled(page, true, 4000, PEER_PATIENCE_MS);
        const cost = await since(browser, before);
        if (Number.isNaN(took)) return { took: Infinity, cost, heap: NaN, charts: 0 }; // still busy: it may not even answer what it has drawn
        const charts = await page.locator('.js-plotly-plot .main-svg').count(), heap = await heapMb(page);
        return { took, heap, charts, cost };
    } finally {
        process_.kill('SIGKILL');
        rmSync(directory, { recursive: true, force: true });
    }
}

if (!CHROMIUM) {
    console.log('skip the dashboard: there is no chromium (.ci/install web)');
    process.exit(0);
}
const s = await new Service().start(), e = await s.create(wideSpec());
console.log(`dashboard: load ${loadavg()[0].toFixed(1)} on ${cpus().length} cores; ${TRIALS} trials of 12 parameters and ${STEPS} steps`);
await fill(e, TRIALS, STEPS);
const raw = ['app.js', 'app.css'].map((f) => statSync(join(BUILD, 'web', f)).size).reduce((a, b) => a + b), packed = ['app.js.gz', 'app.css.gz'].map((f) => readFileSync(join(BUILD, 'web', f)).length).reduce((a, b) => a + b);
row('script and style', `${(raw / 1000).toFixed(0)} kB, ${(packed / 1000).toFixed(0)} kB gzipped`, '', '< 300, < 100 kB', raw < 300000 && packed < 100000);
const browser = await open(), mine = await ours(browser, s);
await live(browser, mine.page, s, e);
await mine.page.context().close();
const theirs = await peer(browser, e);
if (theirs) {
    row('the page with its charts complete, beside optuna-dashboard', ms(mine.complete), theirs.charts ? `${ms(theirs.took)} (${theirs.charts} charts drawn)` : ms(theirs.took), '10x', theirs.took > 10 * mine.complete);
    row('the same, CPU of the page', ms(mine.cost), ms(theirs.cost), '10x', theirs.cost > 10 * mine.cost);
    row('all seven views of ours one after the other, beside its one page', ms(mine.all), ms(theirs.took), '', undefined);
    if (theirs.charts) row('its heap', '', `${theirs.heap.toFixed(0)} MB`);
}
await browser.close();
await s.close();
console.log(`\n| what | Hone | beside it | target | met |\n|---|---|---|---|---|\n${table.join('\n')}`);
