// SPDX-License-Identifier: GPL-3.0-or-later
// A picture of each view in light and dark: node screenshots.mjs DIRECTORY [NAME...] (make screenshots).
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { login, open } from './browser.mjs';
import { sees } from './fixture.mjs';
import { Service } from './service.mjs';
import { frontSpec, shellSpec, visionSpec, work, workFront } from './worlds.mjs';

const [directory, ...wanted] = process.argv.slice(2);
if (!directory) throw new Error('usage: node screenshots.mjs DIRECTORY [NAME...]');
mkdirSync(directory, { recursive: true });

const s = await new Service().start();
const vision = await s.create(visionSpec()), front = await s.create(frontSpec()), shell = await s.create(shellSpec({ labels: { team: 'research' } }));
await Promise.all([work(vision, 120, { leaveRunning: 5 }), workFront(front, 120), shell.wait()]);
const failed = await s.create({ ...shellSpec({ name: 'broken-import', trials: { max: 5, parallel: 2, max_failed: 1 } }), run: { command: ['python3', '-c', 'import nothing_of_that_name'] } });
await failed.wait();
const gp = await s.create(visionSpec({ name: 'vision-gp', algorithm: 'gp', stopping: 'none', trials: { max: 60, parallel: 4 } }));
await work(gp, 45);
await gp.post(':pause');
const best = (await vision.get()).best.number, pruned = (await vision.get('/trials?filter=state%3DPRUNED&page_size=1&order_by=-number')).trials[0].number;
const shellPruned = (await shell.get('/trials?page_size=1&order_by=-number')).trials[0].number;
const top = (await vision.get('/leaderboard?limit=4')).trials.map((t) => t.number).join(',');

/** name, address, what must be seen first */
const views = [
    ['experiments', '', 'vision-gp'],
    ['overview', 'default/vision', 'Leaderboard'],
    ['trials', 'default/vision/trials', 'adamw'],
    ['curves', 'default/vision/curves', 'Learning curves'],
    ['parallel', 'default/vision/parallel', 'Parallel coordinates'],
    ['parallel-brushed', 'default/vision/parallel?brush=objective:0.8:1', 'Within the brushes'],
    ['slices', 'default/vision-gp/slices', 'Heat map'],
    ['importances', 'default/vision-gp/importances', 'depends on'],
    ['front', 'default/latency/front', 'On the front'],
    ['timeline', 'default/sgd-momentum/timeline', 'Timeline'],
    ['search', 'default/vision-gp/search', 'Expected and found'],
    ['events', 'default/sgd-momentum/events', 'trial.succeeded'],
    ['file', 'default/vision/file', 'objectives:'],
    ['trial', `default/vision/trial/${best}`, 'Why'],
    ['trial-pruned', `default/vision/trial/${pruned}`, 'Stopped'],
    ['trial-log', `default/sgd-momentum/trial/${shellPruned}`, 'lines'],
    ['compare', `default/vision/compare?trials=${top}`, 'Compare 4 trials'],
    ['failed', 'default/broken-import', 'failed'],
    ['new', 'new', 'Preview'],
    ['new-clone', 'new?clone=default/vision', 'Preview'],
];
const browser = await open(), page = await login(browser, s, { viewport: { width: 1280, height: 860 }, deviceScaleFactor: 1 });
for (const [name, hash, words] of views) {
    if (wanted.length && !wanted.includes(name)) continue;
    for (const theme of ['light', 'dark']) {
        await page.goto('about:blank');
        await page.goto(`${s.url}/#/${hash}${hash.includes('?') ? '&' : '?'}theme=${theme}`);
        await sees(page, words);
        await page.waitForLoadState('networkidle', { timeout: 1500 }).catch(() => undefined); // the live connection never rests
        await page.screenshot({ path: join(directory, `${name}-${theme}.png`), fullPage: true });
    }
    console.log(name);
}
if (!wanted.length) {
    const phone = await browser.newContext({ viewport: { width: 360, height: 740 }, isMobile: true, deviceScaleFactor: 2, storageState: await page.context().storageState() }), small = await phone.newPage();
    await small.goto(`${s.url}/#/default/vision`);
    await sees(small, 'Leaderboard');
    await small.screenshot({ path: join(directory, 'phone.png') });
}
if (page.complaints.length) console.log(page.complaints);
await browser.close();
await s.close();
