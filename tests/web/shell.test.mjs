// SPDX-License-Identifier: GPL-3.0-or-later
// The page around the views: login, the list, an experiment live to its end, restarts, keys, small screens, paths, what hostile names do.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { login, open } from './browser.mjs';
import { accessible, rows, sees, text, world } from './fixture.mjs';
import { Service, askSpec, runSpec, sleep, until } from './service.mjs';

const w = world();

test('without a login it says how', async () => {
    const context = await w.browser.newContext(), page = await context.newPage();
    await page.goto(`${w.s.url}/`);
    await sees(page, 'hone link');
    await accessible(page, 'without a login');
    await context.close();
});

test('an empty list says what to run', async () => {
    await sees(w.page, 'hone run');
    await accessible(w.page, 'the empty list');
});

test('the list and the leaderboard fill live', async () => {
    const { page, s } = w;
    await page.evaluate(() => (window.mark = 'the same page'));
    const e = await s.create(runSpec('for i in 1 2 3; do echo step=$i loss=$1; sleep 0.1; done', { trials: { max: 12, parallel: 2 } }));
    await sees(page, e.name, 'table');
    await page.click(`a:text-is("${e.name}")`);
    await sees(page, e.name, 'h1');
    const seen = new Set();
    await until(async () => seen.add(await rows(page)) && (await rows(page)) === 12, 'all rows');
    assert.ok(seen.size > 2, `it did not fill bit by bit: ${[...seen]}`);
    await sees(page, 'succeeded', 'h1');
    assert.equal(await page.evaluate(() => window.mark), 'the same page');
    const values = (await page.locator('table.rows tbody tr[data-at] td:nth-child(4)').allInnerTexts()).map(Number);
    assert.deepEqual(values, [...values].sort((a, b) => a - b));
    assert.equal(values.length, 12);
    assert.match(await page.locator('canvas[role=img]').first().getAttribute('aria-label'), /12 finished trials/);
    assert.deepEqual(page.complaints, []);
});

test('buttons pause, resume and stop', async () => {
    const e = await w.s.create(runSpec('sleep 0.3; echo loss=$1', { trials: { max: 1000, parallel: 1 } }));
    await w.show(`default/${e.name}`);
    for (const [button, state, word] of [['Pause', 'PAUSED', 'paused'], ['Resume', 'RUNNING', 'running'], ['Stop', 'CANCELLED', 'cancelled']]) {
        await w.page.click(`.buttons button:text-is("${button}")`);
        await e.wait(state);
        await sees(w.page, word, 'h1');
    }
});

test('a deletion can be undone for a while, and is carried out when the page is left', async () => {
    const { page, s } = w, kept = await s.create(askSpec()), gone = await s.create(askSpec());
    await w.show('');
    for (const [e, undo] of [[kept, true], [gone, false]]) {
        await sees(page, e.name, 'table');
        await page.check(`input[aria-label="select ${e.name}"]`);
        await page.click('.bulk button:text-is("Delete")');
        await until(async () => !(await text(page, 'table')).includes(e.name), 'it to leave the list');
        if (undo) {
            await page.click('.notice button:text-is("Undo")');
            await sees(page, e.name, 'table');
        }
    }
    await page.goto('about:blank');
    await until(async () => !JSON.stringify(await s.get('projects/-/experiments?page_size=1000')).includes(`"${gone.name}"`), 'the deletion');
    await kept.get();
    await w.show('');
});

test('the filter is the address, and a wrong one says where', async () => {
    const { page, s } = w, e = await s.create(askSpec({ labels: { team: 'odd' } }));
    await w.show('?filter=labels.team%3D%22odd%22');
    await sees(page, e.name, 'table');
    assert.equal(await page.locator('.list tbody tr').count(), 1);
    await page.fill('input[type=search]', 'state=');
    await page.press('input[type=search]', 'Enter');
    await sees(page, 'column', '[role=alert]');
    assert.match(page.url(), /filter=state/);
});

test('everything is reached by keyboard alone', async () => {
    const { page, s } = w, e = await s.create(runSpec('echo loss=$1', { trials: { max: 3, parallel: 1 } }));
    await e.wait();
    await w.show('');
    await sees(page, e.name, 'table');
    await page.evaluate(() => document.activeElement.blur());
    await page.keyboard.press('/');
    assert.equal(await page.evaluate(() => document.activeElement.type), 'search');
    await page.keyboard.type(`name="${e.name}"`);
    await page.keyboard.press('Enter');
    await until(async () => (await page.locator('.list tbody tr').count()) === 1, 'the filtered list');
    for (let i = 0; i < 20 && (await page.evaluate(() => document.activeElement.textContent)) !== e.name; i++) await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await sees(page, e.name, 'h1');
    await page.keyboard.press('g');
    await page.keyboard.press('t');
    await until(() => page.url().endsWith('/trials'), 'the trials');
    await until(async () => (await rows(page)) === 3, 'rows');
    for (let i = 0; i < 40 && (await page.evaluate(() => document.activeElement.tagName)) !== 'TR'; i++) await page.keyboard.press('Tab');
    const at = () => page.evaluate(() => document.activeElement.dataset.at);
    assert.equal(await at(), '0');
    await page.keyboard.press('j');
    await until(async () => (await at()) === '1', 'the next row');
    await page.keyboard.press('x');
    await sees(page, '1 trial selected', '.bulk');
    await page.keyboard.press('?');
    await until(() => page.evaluate(() => document.querySelector('dialog[open]') !== null), 'the help');
    await page.keyboard.press('Escape');
    await until(() => page.evaluate(() => document.querySelector('dialog[open]') === null), 'the help to close');
});

test('Ctrl-K goes anywhere', async () => {
    const { page, s } = w, e = await s.create(runSpec('echo loss=$1', { name: 'far-away', trials: { max: 2, parallel: 1 } }));
    await e.wait();
    await w.show('');
    await sees(page, 'far-away', 'table');
    await page.keyboard.press('Control+k');
    await sees(page, 'far-away', '.palette-list');
    await accessible(page, 'the palette');
    await page.keyboard.type('far');
    await page.keyboard.press('Enter');
    await sees(page, 'far-away', 'h1');
    const palette = async () => {
        await page.locator('dialog[open]').waitFor({ state: 'detached' });
        await page.keyboard.press('Control+k');
        await page.locator('.palette').waitFor();
    };
    await palette();
    await page.keyboard.type('timel');
    await page.keyboard.press('Enter');
    await until(() => page.url().endsWith('/far-away/timeline'), 'the timeline');
    await palette();
    await page.keyboard.type('2');
    await page.keyboard.press('Enter');
    await until(() => page.url().endsWith('/far-away/trial/2'), 'trial 2');
});

test('columns are chosen and kept, and a trial can be kept on top', async () => {
    const { page, s } = w, e = await s.create(runSpec('echo loss=$1', { trials: { max: 5, parallel: 1 } }));
    await e.wait();
    await w.show(`default/${e.name}/trials`);
    await until(async () => (await rows(page)) === 5, 'rows');
    await page.click('button:text-is("Columns")');
    await page.check('dialog label:has-text("Started") input');
    await page.keyboard.press('Escape');
    await sees(page, 'Started', 'table.rows thead');
    await page.reload();
    await sees(page, 'Started', 'table.rows thead');
    const last = page.locator('tr[data-at="4"]');
    const name = await last.locator('a').first().innerText();
    await last.locator('button.pin').click();
    await until(async () => (await page.locator('tr[data-at="0"] a').first().innerText()) === name, 'it on top');
    await page.evaluate(() => localStorage.clear());
});

test('views fit a phone', async () => {
    const { s } = w, e = await s.create(runSpec('echo loss=$1', { trials: { max: 3, parallel: 1 } }));
    await e.wait();
    const context = await w.browser.newContext({ viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true, storageState: await w.page.context().storageState() });
    const page = await context.newPage();
    for (const hash of ['', `default/${e.name}`, `default/${e.name}/trials`]) {
        await page.goto(`${s.url}/#/${hash}`);
        await sees(page, e.name);
        await until(async () => (await page.locator('tbody tr').count()) > 0, 'rows');
        const width = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(width <= 360, `${hash} is ${width} wide`);
    }
    await context.close();
});

test('names, labels and messages with markup are text', async () => {
    const { page, s } = w, evil = '<img src=x onerror="window.hurt=1"><script>window.hurt=1</script>';
    const e = await s.create(askSpec({ labels: { team: evil }, note: evil, parameters: { act: { type: 'categorical', values: [evil, 'b'] } } }));
    for (const t of await e.ask(2, evil)) await e.post(`/trials/${t.number}:fail`, { reason: 'REPORTED', message: evil });
    for (const hash of ['', `default/${e.name}`, `default/${e.name}/trials?cols=state,worker,params.act`]) {
        await w.show(hash);
        await sees(page, '<img src=x');
        assert.equal(await page.evaluate(() => window.hurt), undefined, hash);
        assert.equal(await page.locator('main img').count(), 0, hash);
    }
});

test('light and dark are clean for axe', async () => {
    const { page, s } = w, e = await s.create(runSpec('echo loss=$1', { trials: { max: 4, parallel: 1 } }));
    await e.wait();
    for (const theme of ['light', 'dark'])
        for (const hash of ['', `default/${e.name}`, `default/${e.name}/trials`]) {
            await w.show(`${hash}?theme=${theme}`);
            await sees(page, e.name);
            await until(async () => (await page.locator('tbody tr').count()) > 0, 'rows');
            await accessible(page, `${hash} ${theme}`);
        }
});

test('it goes on after the service was away', async () => {
    const { page, s } = w, e = await s.create(runSpec('echo loss=$1'));
    await e.wait();
    await w.show(`default/${e.name}`);
    await until(async () => (await rows(page)) === 1, 'the row');
    await s.kill();
    await sees(page, 'reconnecting', '#live');
    await s.start();
    await s.post(`${e.path}/trials`, { params: { x: 0.5 }, state: 'SUCCEEDED', metrics: { loss: 0.5 } });
    await until(async () => (await rows(page)) === 2, 'the new row');
    await sees(page, 'live', '#live');
});

test('a page that nobody sees asks for nothing, and catches up when it is seen', async () => {
    const { page, s } = w, e = await s.create(askSpec());
    await w.show(`default/${e.name}`);
    await sees(page, 'live', '#live');
    await sees(page, 'No trial has given a result');
    const hide = (hidden) => page.evaluate((h) => {
        Object.defineProperty(document, 'hidden', { configurable: true, get: () => h });
        document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
    await hide(true);
    const asked = [];
    page.on('request', (r) => asked.push(r.url()));
    for (const t of await e.ask(3)) await e.post(`/trials/${t.number}:complete`, { metrics: { loss: t.number } });
    await sleep(1200);
    assert.deepEqual(asked.filter((url) => url.includes('/api/')), []);
    await hide(false);
    await until(async () => (await rows(page)) === 3, 'the trials');
});

test('it works under a path', async () => {
    const s = await new Service('--base-path', '/hone').start(), browser = await open();
    const page = await login(browser, s), e = await s.create(runSpec('echo loss=$1'));
    await sees(page, e.name, 'table');
    assert.deepEqual(page.complaints, []);
    await browser.close();
    await s.close();
});
