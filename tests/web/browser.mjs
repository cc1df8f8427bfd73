// SPDX-License-Identifier: GPL-3.0-or-later
// The distribution's Chromium, headless, by playwright-core.
import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';

export const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser'].find(existsSync);

export const open = () => chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--enable-precise-memory-info'] });

/** A page that is logged in; `complaints` gathers what the console says of errors: of scripts, of the content policy, of missing files. */
export async function login(browser, service, options = {}) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    const page = await context.newPage();
    page.complaints = [];
    // That some network of the machine came or went is nobody's fault here.
    page.on('console', (m) => m.type() === 'error' && !m.text().includes('ERR_NETWORK_CHANGED') && page.complaints.push(m.text()));
    page.on('pageerror', (e) => page.complaints.push(String(e)));
    await page.goto(service.link);
    return page;
}
