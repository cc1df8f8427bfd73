// SPDX-License-Identifier: GPL-3.0-or-later
// The views of an experiment and of its trials, and what they do.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { accessible, rows, sees, text, world } from './fixture.mjs';
import { askSpec, runSpec, until } from './service.mjs';
import { frontSpec, visionSpec, work, workFront } from './worlds.mjs';

let vision, front;
const w = world(async ({ s }) => {
    vision = await s.create(visionSpec({ trials: { max: 60, parallel: 8 } }));
    front = await s.create(frontSpec({ trials: { max: 40, parallel: 4 } }));
    await work(vision, 45, { leaveRunning: 2 });
    await workFront(front, 40);
});

const label = (n = 0) => w.page.locator('canvas[role=img]').nth(n).getAttribute('aria-label');
/** Where a part of the chart's canvas is. */
async function canvas(n = 0) {
    await w.page.locator('canvas[role=img]').nth(n).scrollIntoViewIfNeeded();
    return w.page.locator('canvas[role=img]').nth(n).boundingBox();
}

const VIEWS = [
    ['', /finished trial/], ['curves', /accuracy by step of \d+ trials; rungs at 3, 9/], ['parallel', /trials over lr, optimizer/], ['slices', /accuracy over lr, \d+ trials/],
    ['importances', null], ['timeline', /trials on \d+ workers/], ['search', /explor|exploit/], ['events', null], ['file', null],
];

test('every view draws, says what it shows, is clean for axe in light and dark, and complains of nothing', async () => {
    for (const [view, says] of VIEWS)
        for (const theme of ['light', 'dark']) {
            await w.show(`default/vision/${view}?theme=${theme}`);
            await until(async () => (await w.page.locator('nav.tabs a[aria-current=page]').count()) === 1, 'the tab');
            await until(async () => !(await text(w.page)).includes('Loading'), 'the view');
            if (says) await until(async () => says.test((await label()) ?? ''), `${view} to say ${says}, not ${await label()}`, 20000);
            await accessible(w.page, `${view} ${theme}`);
        }
    assert.deepEqual(w.page.complaints, []);
});

test('every view fits a phone', async () => {
    const context = await w.browser.newContext({ viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, storageState: await w.page.context().storageState() }), page = await context.newPage();
    for (const hash of [...VIEWS.map(([view]) => `default/vision/${view}`), 'default/latency/front', 'default/vision/trial/1', 'default/vision/compare?trials=1,2', 'default/vision/parallel?brush=objective:0.2:1', 'new']) {
        await page.goto('about:blank');
        await page.goto(`${w.s.url}/#/${hash}`);
        await until(async () => (await page.locator('h1').count()) > 0 && !(await text(page)).includes('Loading'), hash);
        const width = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(width <= 360, `${hash} is ${width} wide`);
    }
    await context.close();
});

test('parallel coordinates are brushed by dragging, and the address keeps it', async () => {
    const { page } = w;
    await w.show('default/vision/parallel');
    const whole = Number(/^(\d+) trials/.exec(await until(label, 'the chart'))[1]);
    const box = await canvas();
    await page.mouse.move(box.x + box.width - 62, box.y + 41); // the upper part of the last axis
    await page.mouse.down();
    await page.mouse.move(box.x + box.width - 62, box.y + 150, { steps: 4 });
    await page.mouse.up();
    await sees(page, 'Within the brushes');
    const inside = Number(/(\d+) trials? within the brushes/.exec(await label())[1]);
    assert.ok(inside > 0 && inside < whole, `${inside} of ${whole}`);
    const values = await page.locator('table[aria-label="Trials within the brushes"] tbody tr[data-at] td:last-child').allInnerTexts();
    const others = (await vision.get('/trials?page_size=100&filter=state%3DSUCCEEDED')).trials.map((t) => t.objective).sort((a, b) => b - a);
    assert.equal(values.length, inside);
    assert.ok(Math.abs(Number(values[0]) - others[0]) < 1e-4);
    const there = page.url();
    await page.goto('about:blank');
    await page.goto(there);
    await until(async () => (await label())?.includes(`${inside} trials within`) || (await label())?.includes(`${inside} trial within`), 'the same brush');
    await page.click('a:text-is("As a filter")');
    await until(async () => (await rows(page)) >= inside, 'the trials of the filter');
    assert.match(decodeURIComponent(page.url()), /filter=objective>=/);
});

test('axes are moved, made log, brushed and hidden by keyboard too', async () => {
    const { page } = w;
    await w.show('default/vision/parallel');
    await until(label, 'the chart');
    await page.click('button:text-is("Axes")');
    await page.focus('button[aria-label="move lr right"]');
    await page.keyboard.press('Enter');
    await until(async () => / over optimizer, lr,/.test(await label()), 'the order');
    await page.fill('.axes-list li:has-text("layers") input >> nth=1', '5');
    await page.keyboard.press('Tab');
    await sees(page, 'Within the brushes');
    await page.focus('button[aria-label="hide lr"]');
    await page.keyboard.press('Enter');
    await until(async () => !(await label()).includes('lr,'), 'lr to go');
});

test('the front of two objectives is what the service says it is', async () => {
    await w.show('default/latency/front');
    const optimal = (await front.get('/optimal')).trials.map((t) => t.number).sort((a, b) => a - b);
    await until(async () => new RegExp(`^${optimal.length} trials of 40`).test((await label()) ?? ''), `${optimal.length} trials on the front`);
    const shown = (await w.page.locator('table[aria-label="Trials on the front"] tbody tr[data-at] td:first-child').allInnerTexts()).map((t) => Number(t.slice(1))).sort((a, b) => a - b);
    assert.deepEqual(shown, optimal);
    await accessible(w.page, 'the front');
});

test('of three objectives the front is the service\'s, on any two axes', async () => {
    const { objectives, ...spec } = frontSpec({ name: 'three', trials: { max: 30, parallel: 1 } });
    const e = await w.s.create({ ...spec, objectives: [...objectives, { metric: 'cost', direction: 'minimize' }] });
    for (let i = 0; i < 30; i++) {
        const [t] = await e.ask();
        await e.post(`/trials/${t.number}:complete`, { metrics: { quality: t.params.batch, latency_ms: t.params.batch * t.params.cache_gb, cost: t.params.draft_tokens + t.params.cache_gb } });
    }
    const optimal = (await e.get('/optimal')).trials.length;
    await w.show('default/three/front?a=latency_ms&b=cost');
    await until(async () => new RegExp(`^${optimal} trials? of 30 on the front of 3`).test((await label()) ?? ''), `${optimal} on the front`);
    await w.show('default/three/parallel');
    await until(async () => /quality, latency_ms, cost/.test((await label()) ?? ''), 'all objectives as axes');
});

test('a chart is saved as CSV, SVG and PNG, and read as a table', async () => {
    const { page } = w;
    await w.show('default/vision/slices');
    await until(label, 'a chart');
    const save = async (what, view = 'lr') => {
        await page.click(`summary[aria-label="Save or read ${view}"]`);
        const [download] = await Promise.all([page.waitForEvent('download'), page.click(`details[open] button:text-is("Save ${what}")`)]);
        return readFileSync(await download.path());
    };
    const csv = (await save('CSV')).toString().trim().split('\r\n');
    assert.equal(csv[0], 'trial,lr,accuracy');
    assert.equal(csv.length - 1, Number(/, (\d+) trials/.exec(await label())[1]));
    const svg = (await save('SVG')).toString();
    assert.match(svg, /^<\?xml[^]*<svg [^]*<\/svg>\s*$/);
    assert.ok((svg.match(/<text /g) ?? []).length > 4);
    assert.equal((await save('PNG')).subarray(1, 4).toString(), 'PNG');
    await w.show('default/vision');
    await until(async () => /finished/.test((await label()) ?? ''), 'the history');
    const history = (await save('SVG', 'History')).toString();
    assert.ok((history.match(/<path /g) ?? []).length > 4 && history.includes('accuracy'), 'uPlot draws SVG too');
    await page.click('summary[aria-label="Save or read History"]');
    await page.click('details[open] button:text-is("View as table")');
    await until(async () => (await page.locator('dialog[open] tbody tr[data-at]').count()) > 5, 'the table');
    await page.keyboard.press('Escape');
});

test('trials are compared: what differs, and their curves', async () => {
    const { page } = w;
    await w.show('default/vision/trials?sort=number');
    await until(async () => (await rows(page)) > 5, 'rows');
    const names = [];
    for (const i of [0, 2]) {
        names.push((await page.locator(`tr[data-at="${i}"] a`).first().innerText()).replace('#', ''));
        await page.check(`tr[data-at="${i}"] input[type=checkbox]`);
    }
    await page.click('.bulk button:text-is("Compare")');
    await sees(page, 'Compare 2 trials');
    assert.match(decodeURIComponent(page.url()), new RegExp(`trials=${names.join(',')}`));
    const lr = await page.locator('table.compare tr:has(th:text-is("lr")) td').allInnerTexts();
    const wanted = await Promise.all(names.map(async (n) => (await vision.get(`/trials/${n}`)).params.lr));
    lr.forEach((v, i) => assert.ok(Math.abs(Number(v) / wanted[i] - 1) < 1e-3, `${v} is not ${wanted[i]}`));
    await until(async () => /accuracy by step of 2 trials/.test((await label()) ?? ''), 'the curves');
    await accessible(page, 'compare');
});

test('a trial shows its parameters, results and why; a neighbour of it is enqueued', async () => {
    const { page } = w;
    const pruned = (await vision.get('/trials?filter=state%3DPRUNED&page_size=1')).trials[0];
    await w.show(`default/vision/trial/${pruned.number}`);
    await sees(page, 'Stopped');
    await sees(page, 'the stopping rule');
    for (const name of Object.keys(pruned.params)) await sees(page, name, '.pairs');
    await until(async () => (await page.locator('canvas[role=img]').count()) >= 1, 'a curve');
    await accessible(page, 'a trial');
    await page.click('button:text-is("Try a neighbour")');
    await page.click('button:text-is("Move a little")');
    await page.click('button:text-is("Enqueue")');
    await sees(page, 'user');
    const made = Number(/trial\/(\d+)/.exec(page.url())[1]), got = await vision.get(`/trials/${made}`);
    assert.equal(got.origin.by, 'user');
    assert.notEqual(got.params.lr, pruned.params.lr);
});

test('a trial is stopped and retried, also several at once', async () => {
    const { page, s } = w, e = await s.create(runSpec('echo loss=$1; sleep 60', { trials: { max: 3, parallel: 2 } }));
    await until(async () => (await e.get()).counts.RUNNING === 2, 'two to run');
    await w.show(`default/${e.name}/trial/1`);
    await page.click('.sub-head button:text-is("Stop")');
    await until(async () => (await e.get('/trials/1')).state === 'CANCELLED', 'the trial to end');
    await sees(page, 'cancelled', '.trial-title');
    await until(async () => (await e.get()).counts.RUNNING === 2, 'the third to run');
    await w.show(`default/${e.name}/trials?sort=number`);
    await until(async () => (await rows(page)) === 3, 'rows');
    for (const i of [0, 1, 2]) await page.check(`tr[data-at="${i}"] input[type=checkbox]`);
    await page.click('.bulk button:text-is("Stop")');
    await until(async () => (await e.get()).counts.CANCELLED === 3, 'all to end');
    await page.click('.bulk button:text-is("Retry")');
    await until(async () => ((await e.get()).counts.CANCELLED ?? 0) < 3, 'some to run again');
    await e.post(':stop', { mode: 'now' }).catch(() => undefined);
});

test('a log is followed as it grows, searched, and its colours and markup are text', async () => {
    const { page, s } = w;
    const script = String.raw`printf '\033[31mred\033[0m and <b onclick=alert(1)>bold</b>\n'; for i in $(seq 1 400); do echo "line $i"; if [ $((i % 40)) = 0 ]; then sleep 0.2; fi; done; echo loss=$1`;
    const e = await s.create(runSpec(script));
    await until(async () => (await e.get()).n_trials === 1, 'the trial');
    await w.show(`default/${e.name}/trial/1`);
    const lines = () => page.locator('.log-line').count(), seen = new Set();
    await until(async () => seen.add(await lines()) && (await lines()) >= 402, 'the whole log');
    assert.ok(seen.size > 3, `it did not grow: ${[...seen]}`);
    assert.ok(await page.evaluate(() => { const b = document.querySelector('.log-text'); return b.scrollHeight - b.scrollTop - b.clientHeight < 30; }), 'it follows the end');
    assert.equal(await page.locator('.log-text .ansi-red').first().innerText(), 'red');
    assert.match(await page.locator('.log-line').first().innerText(), /<b onclick=alert\(1\)>bold<\/b>/);
    assert.equal(await page.locator('.log-text b').count(), 0);
    await page.fill('.log input[type=search]', 'line 40');
    await until(async () => (await lines()) === 2, 'line 40 and line 400');
    await accessible(page, 'a log');
});

test('an experiment is made by the form, watched to its end', async () => {
    const { page, s } = w;
    await w.show('new');
    await sees(page, 'The service takes this file');
    await page.getByLabel('name (empty').fill('by-form');
    await page.locator('.param >> nth=0').getByLabel('from').fill('1');
    await page.locator('.param >> nth=0').getByLabel('to', { exact: true }).fill('0.5');
    await until(async () => /below|less|max|min/.test(await text(page, '.param .field-problem')), 'the problem at the field');
    assert.equal(await page.locator('button:text-is("Create")').isDisabled(), true);
    await accessible(page, 'a form with a problem');
    await page.locator('.param >> nth=0').getByLabel('from').fill('1e-4');
    await page.getByLabel('trials at most').fill('4');
    await page.locator('textarea').nth(1).fill('sh\n-c\necho loss=$1; sleep 0.2\nx\n{lr}');
    await sees(page, 'The service takes this file');
    await until(async () => (await page.locator('.samples tbody tr').count()) === 10, 'the preview');
    await page.click('button:text-is("YAML")');
    assert.match(await page.inputValue('textarea.yaml'), /name: by-form/);
    await page.fill('textarea.yaml', (await page.inputValue('textarea.yaml')).replace(/max: 4\b/, 'max: 5'));
    await page.click('button:text-is("Form")');
    await until(async () => (await page.getByLabel('trials at most').inputValue()) === '5', 'the change of the text in the form');
    await page.fill('input[type=text] >> nth=0', 'by-form');
    await until(async () => !(await page.locator('button:text-is("Create")').isDisabled()), 'it to be right');
    await page.click('button:text-is("Create")');
    await sees(page, 'by-form', 'h1');
    await sees(page, 'succeeded', 'h1');
    assert.equal((await s.get('projects/default/experiments/by-form')).counts.SUCCEEDED, 5);
    await page.click('.buttons button:text-is("Clone")');
    await sees(page, 'Clone of by-form');
    await until(async () => !(await page.locator('button:text-is("Create")').isDisabled()), 'the clone to be right');
});

test('a file that cannot be read says where', async () => {
    const { page } = w;
    await w.show('new');
    await sees(page, 'The service takes this file');
    await page.click('button:text-is("YAML")');
    await page.fill('textarea.yaml', 'name: x\nparameters: [\n');
    await sees(page, 'line');
    await page.fill('textarea.yaml', 'objective: {metric: loss}\nparameters: {x: {type: flot, min: 0, max: 1}}\n');
    await sees(page, 'parameters.x.type');
});

test('a categorical with markup is text in every chart and list', async () => {
    const evil = '<img src=x onerror="window.hurt=1">';
    w.page.complaints.length = 0; // wrong files before this were answered 422
    const e = await w.s.create(askSpec({ name: 'hostile', parameters: { act: { type: 'categorical', values: [evil, 'b', 'c'] }, x: { type: 'float', min: 0, max: 1 } } }));
    for (let i = 0; i < 12; i++) {
        const [t] = await e.ask(1);
        await e.post(`/trials/${t.number}:report`, { measurements: [{ step: 1, metrics: { loss: 1, '<u>m</u>': 2 } }, { step: 2, metrics: { loss: 0.5, '<u>m</u>': 2 } }] });
        await e.post(`/trials/${t.number}:complete`, { metrics: { loss: t.params.x + (t.params.act === 'b' ? 1 : 0) } });
    }
    for (const view of ['', 'trials', 'curves', 'parallel', 'slices', 'importances', 'timeline', 'search', 'events', 'file', 'trial/1', 'compare?trials=1,2']) {
        await w.show(`default/hostile/${view}`);
        await until(async () => !(await text(w.page)).includes('Loading'), view);
        assert.equal(await w.page.evaluate(() => window.hurt), undefined, view);
        assert.equal(await w.page.locator('main img, main u').count(), 0, view);
    }
    assert.deepEqual(w.page.complaints, []);
});
