/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A simulated world for the core: a clock that only the test moves, a backend whose runs outlive the service, and a service that can be
 * killed between any two of its steps. Everything runs in the test's thread, so a seed gives one history. */
#ifndef HONE_TESTS_WORLD_H
#define HONE_TESTS_WORLD_H

#include "core/state.h"

struct call { /* one request and what came of it */
    struct command *command; /* the answered one; NULL = no answer came */
    bool waiting;
};

void world_begin(uint64_t seed, const char *dir); /* an empty data directory, the service started */
void world_end(void);
uint64_t world_draw(uint64_t n);                  /* 0 .. n-1 */

struct command *world_command(enum command_kind kind, const char *experiment, int64_t trial, json_t *body); /* takes body */
void world_send(struct call *call, struct command *command);

json_t *world_do(enum command_kind kind, const char *experiment, int64_t trial, json_t *body); /* sent, turned until answered OK; its reply */

void world_create(const char *yaml);              /* an experiment */
void world_turn(void);                            /* the core works off what waits; the runs go on */
void world_pass(int64_t ms);                      /* time goes by */
void world_kill(bool effects_lost);               /* kill -9 and a new start; effects_lost: right after a commit */

struct db *world_db(void);                        /* to look into the store */
size_t world_starts(void);                        /* runs started by the backend */
size_t world_runs_alive(void);

/* What a simulated run prints and how it ends: the test says so. */
extern double (*world_objective)(const json_t *params);
/* Runs that train, when it is set: each takes steps from its trial's checkpoint on, keeps a checkpoint of each and prints `step=k loss=...`, until it
 * has come to its budget or to world_steps; with world_stretch it takes so many from where its trial began, which is where its parent ended. */
extern double (*world_curve)(const json_t *params, int64_t step);
extern int64_t world_steps, world_stretch;
int64_t world_steps_taken(void);
extern int world_fail_percent;                    /* runs that exit with 1 */
extern int world_lost_percent;                    /* runs that are lost with their machine */

#endif
