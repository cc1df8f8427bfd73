/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What this service can do: algorithms, stopping rules, backends, collectors with their settings, and limits. */
#include "algorithm.h"
#include "collectors/collector.h"
#include "handlers.h"
#include "stop/stopper.h"

static json_t *algorithms_json(void)
{
    json_t *list = json_array();
    for (int i = 0; algorithms[i]; i++) {
        const struct algorithm *a = algorithms[i];
        (void)json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:o, s:b, s:b, s:i, s:i}", "name", a->name, "title", a->title, "about",
                                                    a->about ? a->about : "", "settings", settings_schema(a->settings), "needs_history",
                                                    a->needs_history, "finite_only", a->finite_only, "max_dims", a->max_dims,
                                                    "max_objectives", a->max_objectives));
    }
    return list;
}

static json_t *stoppers_json(void)
{
    json_t *list = json_array();
    for (int i = 0; stoppers[i]; i++)
        (void)json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:o}", "name", stoppers[i]->name, "title", stoppers[i]->title, "about",
                                                    stoppers[i]->about ? stoppers[i]->about : "", "settings", settings_schema(stoppers[i]->settings)));
    return list;
}

static json_t *backends_json(void)
{
    json_t *list = json_array();
    for (const struct catalog_entry *b = core_catalog()->backends; b->name; b++)
        (void)json_array_append_new(list, json_pack("{s:s, s:s, s:o}", "name", b->name, "title", b->title, "settings", settings_schema(b->settings)));
    return list;
}

static json_t *collectors_json(void)
{
    json_t *list = json_array();
    for (int i = 0; collectors[i]; i++)
        (void)json_array_append_new(list, json_pack("{s:s, s:s}", "name", collectors[i]->name, "title", collectors[i]->title));
    return list;
}

enum err handle_capabilities(struct request *r, struct error *error)
{
    (void)error;
    answer_json(r, 200, json_pack("{s:s, s:o, s:o, s:o, s:o, s:{s:i, s:i, s:i, s:i, s:i, s:i, s:i}}", "version", HONE_VERSION, "algorithms",
                                  algorithms_json(), "stoppers", stoppers_json(), "backends", backends_json(), "collectors", collectors_json(),
                                  "limits", "body_bytes", (int)BODY_MAX, "parameters", SPACE_MAX_PARAMS, "constraints", SPACE_MAX_CONSTRAINTS,
                                  "objectives", SPEC_MAX_OBJECTIVES, "parallel", SPEC_MAX_PARALLEL, "trials", SPEC_MAX_TRIALS, "wait_seconds",
                                  WATCH_MAX_S));
    return OK;
}
