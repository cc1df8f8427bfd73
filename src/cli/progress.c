/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The one line that tells how an experiment goes. */
#include "cli/progress.h"

#include "base/buf.h"
#include "cli/output.h"
#include "cli/table.h"
#include "model/states.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PLAIN_INTERVAL_MS = 5000 };

void progress_init(struct progress *p, bool quiet)
{
    *p = (struct progress){.quiet = quiet, .terminal = isatty(STDERR_FILENO) == 1};
}

static json_int_t count(json_t *experiment, const char *state)
{
    return json_integer_value(json_object_get(json_object_get(experiment, "counts"), state));
}

static void add_some(struct buf *b, json_int_t n, const char *what)
{
    if (n > 0)
        buf_addf(b, " · %lld %s", (long long)n, what);
}

void progress_text(json_t *e, char out[PROGRESS_TEXT])
{
    json_int_t ended = 0;
    for (int s = 0; s < TRIAL_STATE_COUNT; s++)
        if (trial_state_final((enum trial_state)s))
            ended += count(e, trial_state_name((enum trial_state)s));
    struct buf b = {.limit = PROGRESS_TEXT - 1};
    json_int_t max = json_integer_value(json_at(e, "spec.trials.max"));
    buf_addf(&b, "%lld", (long long)ended);
    if (max)
        buf_addf(&b, "/%lld", (long long)max);
    buf_adds(&b, " done");
    add_some(&b, count(e, "RUNNING") + count(e, "STARTING") + count(e, "STOPPING"), "running");
    add_some(&b, count(e, "PAUSED"), "paused");
    add_some(&b, count(e, "PRUNED"), "pruned");
    add_some(&b, count(e, "FAILED") + count(e, "LOST"), "failed");
    json_t *best = json_object_get(e, "best"), *value = json_object_get(best, "value");
    if (json_is_number(value))
        buf_addf(&b, " · best %.6g (#%lld)", json_number_value(value),
                 (long long)json_integer_value(json_object_get(best, "number")));
    char eta[DURATION_TEXT];
    json_t *seconds = json_object_get(e, "eta_seconds");
    text_duration(json_is_number(seconds) ? json_number_value(seconds) : -1, eta);
    if (eta[0])
        buf_addf(&b, " · ETA %s", eta);
    const char *state = json_string_value(json_object_get(e, "state"));
    if (state && strcmp(state, "RUNNING") != 0)
        buf_addf(&b, " · %s", state);
    (void)snprintf(out, PROGRESS_TEXT, "%s", b.data);
    buf_release(&b);
}

void progress_show(struct progress *p, json_t *experiment, int64_t mono_ms, bool last)
{
    char text[PROGRESS_TEXT];
    progress_text(experiment, text);
    if (p->quiet || strcmp(text, p->last) == 0)
        return;
    if (!p->terminal && !last && p->last_ms && mono_ms - p->last_ms < PLAIN_INTERVAL_MS)
        return;
    (void)fprintf(stderr, p->terminal ? "\r\033[K%s" : "%s\n", text);
    (void)fflush(stderr);
    p->last_ms = mono_ms;
    (void)snprintf(p->last, sizeof p->last, "%s", text);
}

void progress_end(struct progress *p)
{
    if (p->terminal && p->last_ms && !p->quiet)
        (void)fputc('\n', stderr);
}
