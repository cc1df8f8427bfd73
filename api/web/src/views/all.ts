// SPDX-License-Identifier: GPL-3.0-or-later
// Every view of an experiment, in the order of the tabs: #/PROJECT/EXPERIMENT/id.
import type { ComponentType } from 'preact';
import type { ExperimentStore } from '../data/experiment';
import type { Spec } from '../data/types';
import { Curves, ImportancesView, Parallel, Pareto, Slices, Timeline } from './charts';
import { Compare } from './compare';
import { Events } from './events';
import { File } from './file';
import { Overview } from './overview';
import { Search } from './search';
import { Trial } from './trial';
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
    { id: 'curves', title: 'Curves', component: Curves },
    { id: 'parallel', title: 'Parallel', component: Parallel },
    { id: 'slices', title: 'Slices', component: Slices },
    { id: 'importances', title: 'Importances', component: ImportancesView },
    { id: 'front', title: 'Front', component: Pareto, when: (spec) => spec.objectives.length > 1 },
    { id: 'timeline', title: 'Timeline', component: Timeline },
    { id: 'search', title: 'Search', component: Search },
    { id: 'events', title: 'Events', component: Events },
    { id: 'file', title: 'File', component: File },
    { id: 'trial', title: 'Trial', component: Trial, quiet: true },
    { id: 'compare', title: 'Compare', component: Compare, quiet: true },
];
