// SPDX-License-Identifier: GPL-3.0-or-later
// One service and one logged-in page for the tests of a file, and what they look at.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before } from 'node:test';
import { login, open } from './browser.mjs';
import { Service, until } from './service.mjs';

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Filled before the first test: {s, browser, page}; then `prepare` runs. */
export function world(prepare = async () => undefined, ...args) {
    const w = {};
    before(async () => {
        w.s = await new Service(...args).start();
        w.browser = await open();
        w.page = await login(w.browser, w.s);
        w.page.setDefaultTimeout(30000);
        await prepare(w);
    });
    after(async () => {
        await w.browser?.close();
        await w.s?.close();
    });
    w.show = async (hash) => {
        await w.page.goto(`${w.s.url}/#/${hash}`);
    };
    return w;
}

export const text = (page, selector = 'body') => page.evaluate((s) => document.querySelector(s)?.innerText ?? '', selector);
export const sees = (page, words, selector = 'body') => until(async () => (await text(page, selector)).includes(words), `"${words}" in ${selector}`, 30000);
export const rows = (page) => page.locator('table.rows tbody tr[data-at]').count();

/** WCAG 2.2 AA as far as axe can see it. The library is run by the debugger, which no content policy binds. */
export async function accessible(page, what) {
    const session = await page.context().newCDPSession(page);
    await session.send('Runtime.evaluate', { expression: axe });
    const { result } = await session.send('Runtime.evaluate', {
        expression: `axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }).then((r) => JSON.stringify(r.violations.map((v) => v.id + ': ' + v.help + ' ' + v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160) + ' ' + n.failureSummary).join(' | '))))`,
        awaitPromise: true, returnByValue: true,
    });
    assert.deepEqual(JSON.parse(result.value), [], what);
    await session.detach();
}
