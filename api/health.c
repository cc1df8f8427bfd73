/* SPDX-License-Identifier: GPL-3.0-or-later */
/* For probes: is it alive, can it serve, which version is it. */
#include "handlers.h"

enum err handle_livez(struct request *r, struct error *error)
{
    (void)error;
    answer_json(r, 200, json_pack("{s:s}", "status", "ok"));
    return OK;
}

enum err handle_readyz(struct request *r, struct error *error)
{
    struct db *db;
    int64_t first, last;
    enum err err = request_db(r, &db, error);
    if (!err)
        err = event_bounds(db, &first, &last, error);
    if (!err)
        answer_json(r, 200, json_pack("{s:s, s:I}", "status", "ok", "revision", (json_int_t)last));
    return err;
}

enum err handle_version(struct request *r, struct error *error)
{
    (void)error;
    answer_json(r, 200, json_pack("{s:s, s:s}", "version", HONE_VERSION, "api", "v1"));
    return OK;
}
