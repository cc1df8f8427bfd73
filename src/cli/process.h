/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Is a process that was written down still the same one? Numbers of processes are used again, and killed ones may linger. */
#ifndef HONE_CLI_PROCESS_H
#define HONE_CLI_PROCESS_H

/* When it was started, in clock ticks since the machine was; 0 = it is gone. */
long long process_started(long long pid);

#endif
