/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a command is answered with. Rows are copied, not made JSON: whoever answers writes them out, outside the core thread. */
#include "core/state.h"

struct answered_trial *answer_trial(struct command *command, const struct trial *row)
{
    if (command->n_trials == command->cap_trials) {
        command->cap_trials = command->cap_trials ? command->cap_trials * 2 : 1;
        command->trials = x_realloc(command->trials, command->cap_trials * sizeof *command->trials);
    }
    struct answered_trial *t = &command->trials[command->n_trials++];
    *t = (struct answered_trial){.row = trial_copy(row)};
    return t;
}

void answer_clear(struct command *command)
{
    for (size_t i = 0; i < command->n_trials; i++) {
        trial_free(command->trials[i].row);
        free(command->trials[i].lease_token);
    }
    command->n_trials = 0;
    json_decref(command->reply);
    json_decref(command->errors);
    command->reply = command->errors = NULL;
}

static json_t *with_lease(const struct answered_trial *t)
{
    json_t *trial = trial_json(t->row);
    if (!t->lease_attempt)
        return trial;
    json_t *lease = json_pack("{s:I, s:o, s:s*}", "attempt", (json_int_t)t->lease_attempt, "expires_at", time_json(t->lease_until_ms), "token", t->lease_token);
    if (t->budget)
        (void)json_object_set_new(lease, "budget", json_integer(t->budget));
    (void)json_object_set_new(trial, "lease", lease);
    return trial;
}

json_t *command_reply(const struct command *c)
{
    if (c->kind != CMD_TRIAL_SUGGEST)
        return c->n_trials ? with_lease(&c->trials[0]) : json_incref(c->reply);
    json_t *reply = json_copy(c->reply), *trials = json_array();
    for (size_t i = 0; i < c->n_trials; i++)
        (void)json_array_append_new(trials, with_lease(&c->trials[i]));
    if (!c->replayed)
        (void)json_object_set_new(reply, "trials", trials);
    else
        json_decref(trials); /* the stored body is whole */
    return reply;
}
