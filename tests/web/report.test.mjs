// SPDX-License-Identifier: GPL-3.0-or-later
// `hone report EXP -o FILE`: one file with the same views, opened from disk, that asks nobody for anything.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { accessible, rows, sees, text, world } from './fixture.mjs';
import { askSpec, until } from './service.mjs';
import { visionSpec, work } from './worlds.mjs';

const directory = mkdtempSync(join(tmpdir(), 'hone-report-'));
after(() => rmSync(directory, { recursive: true, force: true }));
let vision;
const w = world(async ({ s }) => {
    vision = await s.create(visionSpec({ trials: { max: 40, parallel: 4 } }));
    await work(vision, 40);
});

function write(name) {
    const file = join(directory, `${name}.html`), done = w.s.cli('report', name, '-o', file);
    assert.equal(done.status, 0, done.stderr);
    return file;
}

/** A page of a file in a browser that knows no service; gives what it asked for beside itself. */
async function openFile(file) {
    const page = await (await w.browser.newContext()).newPage(), asked = [], complaints = [];
    page.on('request', (r) => r.url().startsWith('file:') || r.url().startsWith('data:') || asked.push(r.url()));
    page.on('console', (m) => m.type() === 'error' && complaints.push(m.text()));
    page.on('pageerror', (e) => complaints.push(String(e)));
    await page.goto(pathToFileURL(file).href);
    return { page, asked, complaints };
}

test('a report shows every view from disk and asks for nothing', async () => {
    const file = write('vision'), { page, asked, complaints } = await openFile(file);
    await sees(page, 'vision', 'h1');
    await sees(page, 'report of');
    await until(async () => (await rows(page)) > 10, 'the leaderboard');
    const best = (await vision.get()).best;
    await sees(page, String(Number(best.value.toPrecision(5))), '.facts');
    for (const [view, words] of [['trials', 'adamw'], ['curves', 'Learning curves'], ['parallel', 'Parallel coordinates'], ['slices', 'Heat map'], ['importances', 'depends on'], ['timeline', 'Timeline'], ['search', 'Budget'], ['events', 'trial.'], ['file', 'objectives:'], [`trial/${best.number}`, 'nearest before it'], ['compare?trials=1,2', 'Compare 2']]) {
        await page.goto(`${pathToFileURL(file).href}#/default/vision/${view}`);
        await sees(page, words);
        assert.ok(!(await text(page)).includes('not part of the report'), view);
    }
    await page.goto(`${pathToFileURL(file).href}#/default/vision/curves`);
    await until(async () => /accuracy by step of [2-9]\d trials/.test((await page.locator('canvas[role=img]').first().getAttribute('aria-label')) ?? ''), 'the curves');
    await accessible(page, 'a report');
    assert.equal(await page.locator('button:text-is("Stop"), button:text-is("Delete"), button:text-is("Retry")').count(), 0);
    assert.deepEqual(asked, []);
    assert.deepEqual(complaints, []);
    await page.context().close();
});

test('what is hostile stays text in a report', async () => {
    const evil = '</script><script>window.hurt=1</script><!--<script>';
    const e = await w.s.create(askSpec({ name: 'hostile', note: evil, labels: { a: evil }, parameters: { act: { type: 'categorical', values: [evil, 'b'] } } }));
    for (const t of await e.ask(2)) await e.post(`/trials/${t.number}:fail`, { reason: 'REPORTED', message: evil });
    const { page, complaints } = await openFile(write('hostile'));
    await until(async () => (await rows(page)) > 0, 'rows');
    await sees(page, '</script>');
    assert.equal(await page.evaluate(() => window.hurt), undefined);
    assert.deepEqual(complaints, []);
    await page.context().close();
});

test('a report of nothing, and to the standard output', async () => {
    await w.s.create(askSpec({ name: 'nothing' }));
    const { page } = await openFile(write('nothing'));
    await sees(page, 'No trial has given a result yet');
    await page.context().close();
    const out = w.s.cli('report', 'nothing', '-o', '-');
    assert.match(out.stdout, /^<!doctype html>[^]*<\/html>\n$/);
    assert.equal(out.stdout, readFileSync(write('nothing'), 'utf8').replace(/"created":"[^"]*"/, /"created":"[^"]*"/.exec(out.stdout)[0]));
    assert.notEqual(w.s.cli('report', 'no-such', '-o', join(directory, 'x.html')).status, 0);
    assert.equal(w.s.cli('report', 'a=1', '-o', join(directory, 'x.html')).status, 2);
});
