/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the tests of store/ share: a directory of their own, and rows as the core writes them. */
#ifndef HONE_TESTS_STORE_FIXTURE_H
#define HONE_TESTS_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "store/db.h"

#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static inline char *make_dir(void)
{
    const char *tmp = getenv("TMPDIR");
    char *dir = x_asprintf("%s/hone-store-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(dir));
    return dir;
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static inline void remove_dir(char *dir)
{
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(dir);
}

/* Fails with the error's text. */
#define assert_ok(expression)                                               \
    do {                                                                    \
        struct error error_ = {0}, *e = &error_;                            \
        if ((expression) != OK)                                             \
            fail_msg("%s: %s %s", #expression, error_.name, error_.detail); \
    } while (0)

static inline struct experiment some_experiment(const char *name)
{
    return (struct experiment){.uid = "01900000-0000-7000-8000-000000000000",
                               .project = "default",
                               .name = name,
                               .spec = "{\"parameters\": {}}",
                               .state = EXPERIMENT_RUNNING,
                               .reason = "",
                               .message = "",
                               .seed = -5,
                               .best_value = (double)NAN,
                               .labels = "{}",
                               .annotations = "{}",
                               .note = "",
                               .create_ms = 1000,
                               .update_ms = 1000,
                               .start_ms = 1000};
}

static inline struct trial some_trial(int64_t experiment, int64_t number)
{
    return (struct trial){.experiment_id = experiment,
                          .number = number,
                          .state = TRIAL_QUEUED,
                          .reason = "",
                          .message = "",
                          .params = "{\"lr\": 0.5}",
                          .objective = (double)NAN,
                          .rank = (double)NAN,
                          .objective_se = (double)NAN,
                          .progress = (double)NAN,
                          .metrics = "{}",
                          .worker = "",
                          .origin = "{\"by\": \"gp\"}",
                          .labels = "{}",
                          .note = "",
                          .create_ms = 2000 + number};
}

static inline struct attempt some_attempt(int64_t trial_id, int64_t number)
{
    return (struct attempt){.trial_id = trial_id,
                            .number = number,
                            .state = TRIAL_RUNNING,
                            .reason = "",
                            .message = "",
                            .run_key = "",
                            .handle = "",
                            .cursor = "",
                            .worker = "w",
                            .exit_code = -1,
                            .signal = -1,
                            .lease_s = 60,
                            .create_ms = 3000,
                            .start_ms = 3000};
}

/* What the core writes for one trial that is asked for, reports once and completes: three transactions' worth of rows. */
static inline enum err log_change(struct db *db, struct experiment *x, int64_t trial, const char *kind, struct error *e)
{
    struct event event = {.time_ms = 4000, .experiment_id = x->id, .trial = trial, .kind = kind, .data = "{}"};
    enum err err = event_append(db, &event, e);
    x->revision = event.revision;
    return err ? err : experiment_update(db, x, e);
}

static inline enum err ask(struct db *db, struct experiment *x, struct trial *t, struct attempt *a, struct error *e)
{
    static const double point[] = {0.25, 0.5, 0.75};
    *t = some_trial(x->id, x->n_trials + 1);
    t->x = point;
    t->n_x = ARRAY_LEN(point);
    t->state = TRIAL_RUNNING;
    t->attempt = 1;
    enum err err = trial_insert(db, t, e);
    if (!err) {
        *a = some_attempt(t->id, 1);
        err = attempt_insert(db, a, e);
    }
    if (err)
        return err;
    x->n_trials++;
    x->counts[TRIAL_RUNNING]++;
    return log_change(db, x, t->number, "trial.running", e);
}

static inline enum err report(struct db *db, struct experiment *x, struct trial *t, double value, struct error *e)
{
    struct measurement m = {.metric = "loss", .step = 1, .attempt = 1, .value = value, .time_ms = 5000};
    bool is_new;
    enum err err = measurement_put(db, t->id, &m, &is_new, e);
    return err ? err : log_change(db, x, t->number, "trial.reported", e);
}

static inline enum err complete(struct db *db, struct experiment *x, struct trial *t, struct attempt *a, double value, struct error *e)
{
    t->state = a->state = TRIAL_SUCCEEDED;
    t->objective = t->rank = value;
    t->metrics = "{\"loss\": 1}";
    t->end_ms = a->end_ms = 6000;
    enum err err = attempt_update(db, a, e);
    if (!err)
        err = trial_update(db, t, e);
    if (err)
        return err;
    x->counts[TRIAL_RUNNING]--;
    x->counts[TRIAL_SUCCEEDED]++;
    if (!x->best_number || value < x->best_value) {
        x->best_number = t->number;
        x->best_value = value;
    }
    return log_change(db, x, t->number, "trial.succeeded", e);
}

static inline enum err add_experiment(struct db *db, struct experiment *x, struct error *e)
{
    enum err err = experiment_insert(db, x, e);
    return err ? err : log_change(db, x, 0, "experiment.created", e);
}

#endif
