// SPDX-License-Identifier: GPL-3.0-or-later
// How states look: each has a shape and a word besides its colour. Shapes are paths in a box of 16.
export interface Look {
    word: string;
    tone: 'good' | 'live' | 'wait' | 'cut' | 'bad' | 'off';
    shape: string;
}

const CHECK = 'M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1Zm3.6 4.3-4.5 5-2.6-2.5-1 1.1 3.7 3.5 5.5-6.1z';
const CROSS = 'M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1ZM5.3 4.2 4.2 5.3 6.9 8l-2.7 2.7 1.1 1.1L8 9.1l2.7 2.7 1.1-1.1L9.1 8l2.7-2.7-1.1-1.1L8 6.9z';
const PLAY = 'M4 2.3v11.4c0 .6.6 1 1.1.6l8.4-5.7a.7.7 0 0 0 0-1.2L5.1 1.7C4.6 1.3 4 1.7 4 2.3Z';
const PAUSE = 'M4 2h3v12H4zM9 2h3v12H9z';
const RING = 'M8 1.5a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13Zm0 2a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9Z';
const DIAMOND = 'M8 .8 15.2 8 8 15.2.8 8z';
const SQUARE = 'M2.5 2.5h11v11h-11z';
const SLASH = 'M8 1.5a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13Zm-4.5 6.500a4.500 4.500 0 0 0 .9 2.700L10.700 4.400A4.500 4.500 0 0 0 3.500 8Zm1.800 3.600A4.500 4.500 0 0 0 11.600 5.300Z';
const HALF = 'M8 1.5a6.5 6.5 0 1 1 0 13zM8 3.500a4.500 4.500 0 0 0 0 9';
const TRIANGLE = 'M8 1.500 15.500 14.500H.500z';

const LOOKS: Record<string, Look> = {
    CREATED: { word: 'created', tone: 'wait', shape: RING },
    QUEUED: { word: 'queued', tone: 'wait', shape: RING },
    STARTING: { word: 'starting', tone: 'live', shape: HALF },
    RUNNING: { word: 'running', tone: 'live', shape: PLAY },
    PAUSED: { word: 'paused', tone: 'wait', shape: PAUSE },
    STOPPING: { word: 'stopping', tone: 'wait', shape: SQUARE },
    SUCCEEDED: { word: 'succeeded', tone: 'good', shape: CHECK },
    PRUNED: { word: 'pruned', tone: 'cut', shape: DIAMOND },
    INFEASIBLE: { word: 'infeasible', tone: 'cut', shape: SLASH },
    FAILED: { word: 'failed', tone: 'bad', shape: CROSS },
    LOST: { word: 'lost', tone: 'bad', shape: TRIANGLE },
    CANCELLED: { word: 'cancelled', tone: 'off', shape: SQUARE },
};

export const look = (state: string): Look => LOOKS[state] ?? { word: state.toLowerCase(), tone: 'off', shape: RING };

/** What an experiment's or a trial's reason means, for people. */
const REASONS: Record<string, string> = {
    MAX_TRIALS: 'all trials are done',
    GOAL_REACHED: 'the goal is reached',
    MAX_TIME: 'the time is over',
    SPACE_EXHAUSTED: 'every point was tried',
    TOO_MANY_FAILURES: 'too many trials failed',
    USER: 'by a user',
    EXIT_CODE: 'bad exit code',
    SIGNAL: 'ended by a signal',
    TIMEOUT: 'took too long',
    OOM: 'out of memory',
    METRICS_MISSING: 'reported no metric',
    LEASE_EXPIRED: 'its worker fell silent',
    EXPERIMENT_STOPPED: 'the experiment was stopped',
    OUTCOME_CONSTRAINT: 'misses an outcome constraint',
    PRUNED: 'by the stopping rule',
};
export const reason = (code: string) => REASONS[code] ?? code.toLowerCase().replaceAll('_', ' ');
