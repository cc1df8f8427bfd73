// SPDX-License-Identifier: GPL-3.0-or-later
// The dashboard in a frame of another page of this machine, as a notebook shows it (hone_client's Experiment.show).
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { open } from './browser.mjs';
import { ROOT, Service, sleep, until } from './service.mjs';

const SHOW = `
import sys, hone_client
e = hone_client.Client(sys.argv[1], sys.argv[2]).create("framed", space={"x": hone_client.uniform(0, 1)}, objective=hone_client.minimize("loss"), max_trials=2)
for t in e.work():
    with t:
        t.tell(loss=t["x"])
print("<h1>notebook</h1>" + e.show(600)._repr_html_())
`;
let pages, browser, html;

before(async () => {
    pages = createServer((_, answer) => answer.setHeader('Content-Type', 'text/html').end(html)).listen(0, '127.0.0.1');
    await until(() => pages.address(), 'the port');
    browser = await open();
});
after(async () => {
    await browser.close();
    pages.close();
    pages.closeAllConnections();
});

/** What the frame of a page shows. */
async function framed(flags, look) {
    const s = await new Service(...flags).start(), page = await browser.newPage();
    const made = spawnSync('python3', ['-B', '-c', SHOW, s.url, s.token], { encoding: 'utf8', env: { ...process.env, PYTHONPATH: join(ROOT, 'api/python') } });
    assert.equal(made.status, 0, made.stderr);
    html = made.stdout;
    await page.goto(`http://localhost:${pages.address().port}/`);
    const frame = page.frames()[1];
    await look(() => frame.evaluate(() => document.body?.innerText ?? '').catch(() => ''));
    await page.close();
    await s.close();
}

test('a page that is named shows it logged in', async () => {
    await framed(['--frames', `http://localhost:${pages.address().port}`], (text) => until(async () => /framed[^]*succeeded/.test(await text()), 'the dashboard', 20000));
});

test('another page shows nothing', async () => {
    await framed([], async (text) => {
        await sleep(300);
        assert.ok(!(await text()).includes('framed'));
    });
});
