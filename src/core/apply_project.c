/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Projects: rooms for experiments, each with its own names. */
#include "core/state.h"

#include <string.h>

enum err project_make(struct core *c, const char *name, struct error *error)
{
    if (!spec_name_ok(name))
        return err_set(error, ERR_INVALID, "PROJECT_NAME", "a project's name is lower-case letters, digits, - and ., at most %d, not \"%.70s\"", SPEC_NAME_MAX, name);
    return project_insert(c->db, name, c->now, error);
}

enum err apply_project_create(struct core *c, struct command *command, enum applied *how, struct error *error)
{
    (void)how;
    const char *name = json_string_value(json_object_get(command->body, "name"));
    if (!name)
        return err_set(error, ERR_INVALID, "PROJECT_NAME", "name is missing: send {\"name\": \"vision\"}");
    enum err err = project_make(c, name, error);
    if (err)
        return err;
    command->http_status = 201;
    json_decref(command->reply);
    command->reply = json_pack("{s:s, s:o}", "name", name, "create_time", time_json(c->now));
    return OK;
}
