/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/flow.h"

enum err apply_schedule_create(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    (void)c, (void)command, (void)how;
    return err_set(error, ERR_UNSUPPORTED, NULL, "not yet");
}
enum err apply_schedule_pause(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    (void)c, (void)command, (void)how;
    return err_set(error, ERR_UNSUPPORTED, NULL, "not yet");
}
enum err apply_schedule_delete(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    (void)c, (void)command, (void)how;
    return err_set(error, ERR_UNSUPPORTED, NULL, "not yet");
}
