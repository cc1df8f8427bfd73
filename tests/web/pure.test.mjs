// SPDX-License-Identifier: GPL-3.0-or-later
// What views compute, without a browser.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { before, test } from 'node:test';
import { ROOT } from './service.mjs';

let m;
before(async () => {
    const web = join(ROOT, 'api/web'), { build } = createRequire(join(web, 'package.json'))('esbuild');
    const all = ['base/format', 'base/ansi', 'data/derive', 'data/trials', 'charts/axis'].map((f) => `export * from './src/${f}';`).join('\n');
    const { outputFiles } = await build({ stdin: { contents: all, resolveDir: web, loader: 'ts' }, bundle: true, format: 'esm', write: false });
    m = await import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].text).toString('base64')}`);
});

test('numbers, durations and CSV read well', () => {
    for (const [value, text] of [[null, '–'], [0, '0'], [0.1, '0.1'], [1e-5, '1e-5'], [0.00012345678, '1.235e-4'], [1234567, '1234567'], [12345678, '1.235e7'], [0.123456789, '0.12346'], [NaN, 'NaN'], [-Infinity, '−∞'], ['a<b', 'a<b'], [true, 'true']])
        assert.equal(m.number(value), text);
    for (const [seconds, text] of [[0.25, '250 ms'], [59.6, '1 min 0 s'], [61, '1 min 1 s'], [7322, '2 h 2 min'], [200000, '2 d 7 h'], [null, '–']]) assert.equal(m.duration(seconds), text);
    assert.equal(m.csv(['a', 'b'], [[1, '=cmd()'], ['x,"y"', null], [-5, 'line\nline']]), `a,b\r\n1,'=cmd()\r\n"x,""y""",\r\n-5,"line\nline"\r\n`);
});

test('rows are sorted by what they hold, what is missing last, equals by number', () => {
    const values = [3, NaN, 1, 3, null, 2], key = (r) => values[r], rows = () => [0, 1, 2, 3, 4, 5];
    assert.deepEqual(m.sorted(rows(), key, false), [2, 5, 0, 3, 1, 4]);
    assert.deepEqual(m.sorted(rows(), key, true), [0, 3, 5, 2, 1, 4]);
    const words = ['b', 'a', undefined, 'b'];
    assert.deepEqual(m.sorted([0, 1, 2, 3], (r) => words[r], false), [1, 0, 3, 2]);
});

test('a front has who is beaten by nobody', () => {
    const x = [1, 2, 3, 2, 1], y = [1, 5, 4, 5, 9], up = (a, b) => a > b, down = (a, b) => a < b;
    assert.deepEqual(m.front([0, 1, 2, 3, 4], x, y, up, down).map((r) => [x[r], y[r]]), [[3, 4], [1, 1]]);
    assert.deepEqual(m.front([], x, y, up, down), []);
});

test('rungs are those of the rule', () => {
    const spec = (name, settings) => ({ stopping: { name, settings }, algorithm: { name: 'random', settings: {} } });
    assert.deepEqual(m.rungs(spec('asha', { reduction_factor: 3, min_resource: 1, max_resource: 0, bracket: 0 }), 30), [1, 3, 9, 27]);
    assert.deepEqual(m.rungs(spec('asha', { reduction_factor: 3, min_resource: 3, max_resource: 27, bracket: 1 }), 100), [9]);
    assert.deepEqual(m.rungs(spec('median', {}), 30), []);
    assert.deepEqual(m.rungs({ stopping: null, algorithm: { name: 'tpe', settings: {} } }, 30), []);
    assert.deepEqual(m.rungs({ stopping: null, algorithm: { name: 'bohb', settings: { reduction_factor: 3, min_resource: 1, max_resource: 9 } } }, 30), [1, 3]);
});

test('axes lead from values to places and back', () => {
    for (const [axis, value] of [[m.numberAxis('x', 2, 10), 5], [m.numberAxis('x', 1e-6, 1, true), 1e-3], [m.choiceAxis('c', ['a', 'b', true]), true], [m.numberAxis('same', 4, 4), 4]]) {
        const part = axis.part(value), back = axis.at(part);
        assert.ok(part >= 0 && part <= 1);
        assert.ok(typeof value === 'number' ? Math.abs(back - value) < 1e-9 * Math.abs(value) + 1e-12 : back === value, `${back} for ${value}`);
    }
    const axis = m.numberAxis('x', 1, 100, true);
    assert.ok(Number.isNaN(axis.part(0)) && Number.isNaN(axis.part('a')) && Number.isNaN(axis.part(null)));
    for (const most of [2, 3, 8]) for (const a of [axis, m.numberAxis('x', 0, 1), m.choiceAxis('c', Array.from({ length: 50 }, (_, i) => i))]) assert.ok(a.ticks(most).length <= most + 1, `${a.ticks(most).length} ticks of ${most}`);
});

test('colours of terminals become class names, all else that is no text goes', () => {
    const read = (line) => m.spans(line, { colour: '', bold: false });
    assert.deepEqual(read('\u001b[1;31mred\u001b[0m plain'), [{ text: 'red', class: 'ansi-red ansi-bold' }, { text: ' plain', class: '' }]);
    assert.deepEqual(read('\u001b[38;5;2mgreen\u001b[38;2;1;2;3m any'), [{ text: 'green', class: 'ansi-green' }, { text: ' any', class: 'ansi-green' }]);
    assert.deepEqual(read('\u001b]0;title\u0007a\u001b[2Kb\u001b[10;5Hc\u0000d<b>'), [{ text: 'a', class: '' }, { text: 'b', class: '' }, { text: 'c', class: '' }, { text: 'd<b>', class: '' }]);
    assert.deepEqual(read(' 10 %\r 50 %\r100 %\r'), [{ text: '100 %', class: '' }]);
    const pen = { colour: '', bold: false };
    m.spans('\u001b[32mon', pen);
    assert.deepEqual(m.spans('still', pen), [{ text: 'still', class: 'ansi-green' }]);
});

test('trials are merged by number, and tell whether a result came', () => {
    const t = new m.Trials();
    assert.equal(t.merge({ number: [1, 2], state: ['RUNNING', 'RUNNING'], objective: [null, null], 'params.x': [0.1, 0.2], start_time: ['2026-01-01T00:00:00.000Z', null] }), true);
    assert.equal(t.merge({ number: [2], state: ['RUNNING'], objective: [null], 'params.x': [0.2] }), false);
    assert.equal(t.merge({ number: [2, 3], state: ['SUCCEEDED', 'QUEUED'], objective: [0.5, 'NaN'], 'params.y': ['a', 'b'] }), true);
    assert.deepEqual([t.n, t.row(3), t.objective[1], t.column('params.x')[0], t.column('params.y')[2], t.params(0).x], [3, 2, 0.5, 0.1, 'b', 0.1]);
    assert.ok(Number.isNaN(t.objective[0]) && Number.isNaN(t.objective[2]));
    assert.equal(t.column('start_time')[0], Date.parse('2026-01-01'));
});
