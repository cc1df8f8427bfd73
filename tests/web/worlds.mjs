// SPDX-License-Identifier: GPL-3.0-or-later
// Experiments worth looking at, made through the API alone: for screenshots, tests of views, and measurements.

/** Small and fast pseudo-random numbers: the same pictures every time. */
export function random(seed) {
    let a = seed >>> 0;
    return () => {
        a = (a + 0x6d2b79f5) >>> 0;
        let t = Math.imul(a ^ (a >>> 15), 1 | a);
        t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
        return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
}

/** An image classifier: the accuracy of a configuration, and its curve. */
export function accuracyOf(p, rnd) {
    const lr = Math.log10(p.lr), wd = Math.log10(p.weight_decay);
    const opt = { sgd: 0.012, adam: 0.03, adamw: 0.045 }[p.optimizer] ?? 0;
    const best = 0.93 + opt - 0.055 * (lr + 2.6) ** 2 - 0.006 * (wd + 4) ** 2 - 0.02 * Math.abs(p.dropout - 0.25) - 0.004 * Math.abs(p.layers - 5) - (p.momentum ? 0.02 * Math.abs(p.momentum - 0.9) : 0);
    return Math.max(0.1, Math.min(0.992, best + (rnd() - 0.5) * 0.012));
}

export const visionSpec = (more = {}) => ({
    name: 'vision', objective: { metric: 'accuracy', direction: 'maximize', goal: 0.999 }, labels: { team: 'vision', data: 'cifar' },
    parameters: {
        lr: { type: 'float', min: 1e-5, max: 1, scale: 'log' }, optimizer: { type: 'categorical', values: ['sgd', 'adam', 'adamw'] },
        batch: { type: 'categorical', values: [32, 64, 128, 256] }, layers: { type: 'int', min: 2, max: 9 }, dropout: { type: 'float', min: 0, max: 0.6 },
        weight_decay: { type: 'float', min: 1e-7, max: 1e-2, scale: 'log' }, momentum: { type: 'float', min: 0.5, max: 0.99, when: { optimizer: 'sgd' } }, augment: { type: 'bool' },
    },
    algorithm: 'tpe', seed: 11, stopping: { name: 'asha', settings: { min_resource: 3, max_resource: 27 } }, trials: { max: 150, parallel: 8 }, ...more,
});

const STEPS = 27;

/** Runs trials as workers would: reports curves, heeds the stopping rule, lets a few fail. */
export async function work(experiment, count, { seed = 1, leaveRunning = 0, score = accuracyOf, metric = 'accuracy', extra } = {}) {
    const rnd = random(seed), running = [];
    for (let i = 0; i < count; i++) {
        const [t] = await experiment.ask(1, `gpu-${i % 4}`);
        if (!t) return;
        if (rnd() < 0.035) {
            await experiment.post(`/trials/${t.number}:fail`, { reason: 'EXIT_CODE', message: 'CUDA out of memory: tried to allocate 2.1 GiB' });
            continue;
        }
        const end = score(t.params, rnd), speed = 3 + rnd() * 5;
        let stopped = false;
        const last = i >= count - leaveRunning ? 4 + Math.floor(rnd() * 16) : STEPS;
        for (let step = 1; step <= last && !stopped; step += 1) {
            const value = end - (end - 0.1) * Math.exp(-step / speed) + (rnd() - 0.5) * 0.008;
            const answer = await experiment.post(`/trials/${t.number}:report`, { measurements: [{ step, metrics: { [metric]: value, loss: 2.3 * Math.exp(-step / speed) + (1 - end) * 2 } }], progress: step / STEPS });
            stopped = answer.should_stop;
        }
        if (i >= count - leaveRunning) running.push(t.number);
        else await experiment.post(`/trials/${t.number}:complete`, stopped ? {} : { metrics: extra ? extra(t.params, end, rnd) : {} });
    }
}

/** A language model: quality against latency. */
export const frontSpec = (more = {}) => ({
    name: 'latency', objectives: [{ metric: 'quality', direction: 'maximize' }, { metric: 'latency_ms', direction: 'minimize' }], labels: { team: 'serving' },
    parameters: {
        quantisation: { type: 'categorical', values: ['int4', 'int8', 'fp16'] }, batch: { type: 'int', min: 1, max: 64, scale: 'log' }, draft_tokens: { type: 'int', min: 0, max: 8 }, cache_gb: { type: 'float', min: 1, max: 24 },
    },
    algorithm: 'nsga2', seed: 5, trials: { max: 120, parallel: 4 }, ...more,
});

export async function workFront(experiment, count) {
    const rnd = random(9);
    for (let i = 0; i < count; i++) {
        const [t] = await experiment.ask(1, `node-${i % 4}`), p = t.params;
        const size = { int4: 0.35, int8: 0.6, fp16: 1 }[p.quantisation], latency = 18 + 90 * size + 1.6 * p.batch - 5 * Math.min(p.draft_tokens, 5) + 30 / p.cache_gb + rnd() * 6;
        const quality = 0.62 + 0.22 * Math.sqrt(size) + 0.02 * Math.log2(p.batch + 1) - 0.006 * Math.max(0, p.draft_tokens - 4) + rnd() * 0.02;
        await experiment.post(`/trials/${t.number}:complete`, { metrics: { quality, latency_ms: latency } });
    }
}

/** Trials that the service runs itself, with logs in colour; the last ones are long enough to be looked at. */
export const shellSpec = (more = {}) => ({
    name: 'sgd-momentum', objective: { metric: 'loss', direction: 'minimize' }, parameters: { lr: { type: 'float', min: 1e-4, max: 0.2, scale: 'log' }, momentum: { type: 'float', min: 0, max: 0.99 } },
    algorithm: 'gp', seed: 3, stopping: 'median', trials: { max: 40, parallel: 4 },
    run: { command: ['python3', '-c', `
import sys, time
lr, m = float(sys.argv[1]), float(sys.argv[2])
x, y, vx, vy = 5.0, 3.0, 0.0, 0.0
print("\\033[1mtraining\\033[0m with lr=%g momentum=%g" % (lr, m))
for step in range(1, 31):
    vx, vy = m * vx - lr * 2 * x, m * vy - lr * 40 * y
    x, y = x + vx, y + vy
    loss = min(x * x + 20 * y * y, 1e6)
    print("\\033[%dm%s\\033[0m step=%d loss=%.6f" % (33 if loss > 10 else 32, "warn" if loss > 10 else "info", step, loss), flush=True)
    time.sleep(0.01)
`, '{lr}', '{momentum}'] }, ...more,
});

/** Twelve parameters, as many trials as are wanted. */
export const wideSpec = (more = {}) => ({
    name: 'wide', objective: { metric: 'loss', direction: 'minimize' }, algorithm: 'random', seed: 1,
    parameters: Object.fromEntries([
        ...Array.from({ length: 6 }, (_, i) => [`x${i}`, { type: 'float', min: 0, max: 1 }]), ...Array.from({ length: 3 }, (_, i) => [`rate${i}`, { type: 'float', min: 1e-6, max: 1, scale: 'log' }]),
        ['layers', { type: 'int', min: 1, max: 12 }], ['act', { type: 'categorical', values: ['relu', 'gelu', 'tanh', 'silu'] }], ['norm', { type: 'bool' }],
    ]), ...more,
});

const lossOf = (p) => (p.x0 - 0.3) ** 2 + 0.5 * (p.x1 - 0.6) ** 2 + 0.1 * p.x2 + 0.05 * (Math.log10(p.rate0) + 3) ** 2 + (p.act === 'gelu' ? 0 : 0.1) + 0.01 * p.layers;

/** `count` finished trials of `steps` reports each. */
export async function fill(experiment, count, steps, at = 12) {
    const rnd = random(4);
    let left = count;
    async function worker(name) {
        while (left > 0) {
            const n = Math.min(50, left);
            left -= n;
            for (const t of await experiment.ask(n, name)) {
                const end = lossOf(t.params) + rnd() * 0.05, speed = 5 + rnd() * 25;
                if (steps) await experiment.post(`/trials/${t.number}:report`, { measurements: Array.from({ length: steps }, (_, i) => ({ step: i + 1, metrics: { loss: end + 2 * Math.exp(-(i + 1) / speed) + rnd() * 0.02 } })) });
                await experiment.post(`/trials/${t.number}:complete`, { metrics: { loss: end } });
            }
        }
    }
    await Promise.all(Array.from({ length: at }, (_, i) => worker(`w${i}`)));
}
