// SPDX-License-Identifier: GPL-3.0-or-later
// Ten thousand trials: everything is there, and the table has only the rows that are seen.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rows, sees, text, world } from './fixture.mjs';
import { until } from './service.mjs';
import { fill, wideSpec } from './worlds.mjs';

const TRIALS = 10000;
let wide;
const w = world(async ({ s }) => {
    wide = await s.create(wideSpec());
    await fill(wide, TRIALS, 0);
});
const label = (n = 0) => w.page.locator('canvas[role=img]').nth(n).getAttribute('aria-label');

test('ten thousand trials are drawn, sorted, filtered and scrolled', async () => {
    const { page } = w;
    await w.show('default/wide');
    await until(async () => /loss of 10,000 finished trials/.test((await label().catch(() => '')) ?? ''), 'the history');
    const made = await rows(page);
    assert.ok(made > 10 && made < 80, `${made} rows exist`);
    assert.equal(await page.locator('table.rows').getAttribute('aria-rowcount'), String(TRIALS + 1));
    const best = (await wide.get('/leaderboard?limit=1')).trials[0];
    assert.equal(await page.locator('tr[data-at="0"] a').first().innerText(), `#${best.number}`);
    await page.locator('.table-box').last().evaluate((box) => (box.scrollTop = box.scrollHeight));
    await until(async () => (await page.locator(`tr[data-at="${TRIALS - 1}"]`).count()) === 1, 'the last row');
    const worst = (await wide.get('/trials?order_by=-objective&page_size=1')).trials[0];
    assert.equal(await page.locator(`tr[data-at="${TRIALS - 1}"] a`).first().innerText(), `#${worst.number}`);
    await page.fill('input[type=search]', 'params.act="gelu" AND params.x0<0.1');
    await page.press('input[type=search]', 'Enter');
    const matching = (await wide.get(`/trials?page_size=1&count=true&filter=${encodeURIComponent('params.act="gelu" AND params.x0<0.1')}`)).total;
    await sees(page, `${matching} trials of 10000`);
});

test('every view of ten thousand trials draws', async () => {
    for (const [view, says] of [['parallel', /10,000 trials/], ['slices', /loss over x0/], ['timeline', /10000 trials/], ['search', /explor|exploit/]]) {
        await w.show(`default/wide/${view}`);
        await until(async () => says.test((await label().catch(() => '')) ?? ''), `${view}: ${says}`);
    }
    await w.show('default/wide/importances');
    await sees(w.page, 'rate0');
    assert.deepEqual(w.page.complaints, []);
    assert.ok(!(await text(w.page)).includes('NaN'));
});
