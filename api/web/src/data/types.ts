// SPDX-License-Identifier: GPL-3.0-or-later
// The API's objects, as docs/reference/api.md tells them.
import type { Value } from '../base/format';

export type ExperimentState = 'CREATED' | 'RUNNING' | 'PAUSED' | 'STOPPING' | 'SUCCEEDED' | 'FAILED' | 'CANCELLED';
export type TrialState = 'QUEUED' | 'STARTING' | 'RUNNING' | 'PAUSED' | 'STOPPING' | 'SUCCEEDED' | 'PRUNED' | 'INFEASIBLE' | 'FAILED' | 'LOST' | 'CANCELLED';

export interface ParameterSpec {
    type: 'float' | 'int' | 'categorical' | 'bool';
    min?: number;
    max?: number;
    step?: number;
    scale?: 'linear' | 'log';
    values?: (string | number | boolean)[];
    when?: Record<string, Value[]>;
}

export interface Objective {
    metric: string;
    direction: 'minimize' | 'maximize';
    goal?: number;
    strategy?: string;
}

export interface Named {
    name: string;
    settings: Record<string, Value>;
}

export interface Spec {
    name?: string;
    objectives: Objective[];
    outcome_constraints: { metric: string; max?: number; min?: number }[];
    parameters: Record<string, ParameterSpec>;
    constraints: string[];
    algorithm: Named;
    stopping?: Named | null;
    trials: { max?: number; parallel?: number; max_failed?: number; replicates?: number };
    limits: { time?: number; trial_time?: number };
    run?: { backend: string; command?: string[] | string };
    labels: Record<string, string>;
    note?: string;
}

export interface Experiment {
    name: string;
    uid: string;
    project: string;
    state: ExperimentState;
    reason: string;
    message: string;
    seed: number;
    n_trials: number;
    counts: Partial<Record<TrialState, number>>;
    best: { number: number; value: number } | null;
    progress: number | null;
    eta_seconds: number | null;
    labels: Record<string, string>;
    annotations: Record<string, string>;
    note: string;
    revision: number;
    create_time: string;
    update_time: string;
    start_time: string | null;
    end_time: string | null;
    spec: Spec;
}

export interface Attempt {
    number: number;
    replicate: number;
    state: TrialState;
    reason: string;
    message: string;
    worker: string;
    exit_code: number | null;
    signal: number | null;
    create_time: string;
    start_time: string | null;
    end_time: string | null;
}

export interface Trial {
    number: number;
    state: TrialState;
    reason: string;
    message: string;
    params: Record<string, Value>;
    objective: number | null;
    objective_se: number | null;
    metrics: Record<string, number | string>;
    attempt: number;
    worker: string;
    origin: { by?: string; how?: string; expected?: number; deviation?: number; acquisition?: number; note?: string };
    labels: Record<string, string>;
    note: string;
    progress: number | null;
    create_time: string;
    start_time: string | null;
    end_time: string | null;
    attempts?: Attempt[];
}

export interface Event {
    revision: number;
    time: string;
    kind: string;
    project: string;
    experiment: string;
    trial: number | null;
    data: Record<string, unknown>;
}

export interface Importances {
    metric: string;
    n: number;
    method: string;
    skill: number | null;
    parameters: { name: string; importance: number | null; low: number | null; high: number | null; n: number }[];
    interactions: { names: [string, string]; importance: number }[];
    revision: number;
}

export interface Dependence {
    n: number;
    skill: number | null;
    parameters: { param: string; points: { value: number | string | boolean; mean: number; low: number; high: number }[] }[];
}

export interface Curve {
    number: number;
    steps: number[];
    values: (number | string)[];
}

export const FINAL_EXPERIMENT: readonly string[] = ['SUCCEEDED', 'FAILED', 'CANCELLED'];
export const FINAL_TRIAL: readonly string[] = ['SUCCEEDED', 'PRUNED', 'INFEASIBLE', 'FAILED', 'LOST', 'CANCELLED'];
