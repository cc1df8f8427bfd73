// SPDX-License-Identifier: GPL-3.0-or-later
// Every view of an experiment, in the order of the tabs: #/PROJECT/EXPERIMENT/id.
import type { ComponentType } from 'preact';
import type { ExperimentStore } from '../data/experiment';
import type { Spec } from '../data/types';
import { Overview } from './overview';
import { AllTrials } from './trial_table';

export interface ViewProps {
    store: ExperimentStore;
    spec: Spec;
    rest: string[]; // of the path, after the view's id
}

export interface View {
    id: string;
    title: string;
    component: ComponentType<ViewProps>;
    when?: (spec: Spec) => boolean;
    quiet?: boolean; // no tab of its own
}

export const views: View[] = [
    { id: '', title: 'Overview', component: Overview },
    { id: 'trials', title: 'Trials', component: AllTrials },
];
