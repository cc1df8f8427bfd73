// SPDX-License-Identifier: GPL-3.0-or-later
// `hone serve` on a free port with a directory of its own, and what tests ask it for.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
export const BIN = resolve(process.env.HONE_BIN ?? join(ROOT, 'build/hone'));
const PATIENCE_MS = Number(process.env.HONE_TEST_PATIENCE ?? 120) * 1000;

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

export async function until(condition, what = 'a condition', patience = PATIENCE_MS) {
    for (const end = Date.now() + patience; ; await sleep(30)) {
        const value = await condition();
        if (value) return value;
        if (Date.now() > end) throw new Error(`gave up waiting for ${what}`);
    }
}

const alive = new Set(); // so that nothing is left when a test dies
process.on('exit', () => alive.forEach((s) => {
    s.process.kill('SIGKILL');
    rmSync(s.data, { recursive: true, force: true });
}));

function cleanEnvironment() {
    const env = Object.fromEntries(Object.entries(process.env).filter(([k]) => !k.startsWith('HONE_')));
    return { ...env, XDG_CONFIG_HOME: '/nonexistent' };
}

export class Service {
    constructor(...args) {
        this.args = args;
        this.data = mkdtempSync(join(tmpdir(), 'hone-web-'));
        this.listen = '127.0.0.1:0';
    }

    async start() {
        this.said = '';
        this.process = spawn(BIN, ['serve', '--data', this.data, '--listen', this.listen, ...this.args], { stdio: ['ignore', 'pipe', 'pipe'], env: cleanEnvironment() });
        for (const stream of [this.process.stdout, this.process.stderr]) stream.on('data', (chunk) => (this.said += chunk));
        this.ended = new Promise((done) => this.process.on('exit', done));
        alive.add(this);
        await until(() => /^dashboard: (\S+)/m.test(this.said) || this.process.exitCode !== null, 'the service to start');
        if (this.process.exitCode !== null) throw new Error(`the service ended: ${this.said}`);
        this.link = /^dashboard: (\S+)/m.exec(this.said)[1];
        this.url = JSON.parse(readFileSync(join(this.data, 'server.json'), 'utf8')).url;
        this.token = readFileSync(join(this.data, 'token'), 'utf8').trim();
        return this;
    }

    async kill() {
        this.process.kill('SIGKILL');
        await this.ended;
        this.listen = new URL(this.url).host; // where it comes back
    }

    async close() {
        if (this.process.exitCode === null) this.process.kill('SIGTERM');
        const code = await this.ended;
        alive.delete(this);
        rmSync(this.data, { recursive: true, force: true });
        if (code !== 0) throw new Error(`the service ended with ${code}: ${this.said.slice(-4000)}`);
    }

    async call(method, path, body, more = {}) {
        const text = typeof body === 'string';
        const answer = await fetch(`${this.url}/api/v1/${path}`, {
            method, headers: { Authorization: `Bearer ${this.token}`, ...(body === undefined ? {} : { 'Content-Type': text ? 'application/yaml' : 'application/json' }), ...more },
            body: body === undefined ? undefined : text ? body : JSON.stringify(body),
        });
        const got = await answer.text();
        if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${got}`);
        return got && answer.headers.get('content-type').includes('json') ? JSON.parse(got) : got;
    }
    get(path) { return this.call('GET', path); }
    post(path, body = {}) { return this.call('POST', path, body); }

    async create(spec) {
        return new Experiment(this, (await this.post('projects/default/experiments', spec)).name);
    }

    cli(...args) {
        return spawnSync(BIN, args, { env: { ...cleanEnvironment(), HONE_DATA: this.data }, encoding: 'utf8', timeout: PATIENCE_MS });
    }
}

export class Experiment {
    constructor(service, name) {
        Object.assign(this, { service, name, path: `projects/default/experiments/${name}` });
    }
    get(rest = '') { return this.service.get(this.path + rest); }
    post(rest, body) { return this.service.post(this.path + rest, body); }
    wait(...states) {
        const wanted = states.length ? states : ['SUCCEEDED', 'FAILED', 'CANCELLED'];
        return until(async () => wanted.includes((await this.get()).state), `${this.name} to be ${wanted}`);
    }
    async ask(count = 1, worker = 'w') {
        return (await this.post('/trials:suggest', { count, worker })).trials;
    }
}

let names = 0;
/** An experiment of one parameter x in [0, 1] whose trials are the shell script; $1 is x. */
export function runSpec(script, more = {}) {
    return {
        name: `e-${++names}`, objective: { metric: 'loss', direction: 'minimize' }, algorithm: 'random', seed: 7, parameters: { x: { type: 'float', min: 0, max: 1 } },
        trials: { max: 1, parallel: 1 }, run: { command: ['sh', '-c', script, 'trial', '{x}'] }, ...more,
    };
}
/** One whose trials the test runs itself. */
export function askSpec(more = {}) {
    return {
        name: `a-${++names}`, objective: { metric: 'loss', direction: 'minimize' }, algorithm: 'random', seed: 7,
        parameters: { lr: { type: 'float', min: 1e-5, max: 0.1, scale: 'log' }, act: { type: 'categorical', values: ['relu', 'tanh'] } }, ...more,
    };
}
