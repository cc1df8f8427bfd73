/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What Kubeflow Trainer is told by the jobs it runs (Hugging Face's Trainer does it by itself), as a trial's report:
 * {"trainerStatus": {"progressPercentage": 40, "estimatedRemainingSeconds": 60, "metrics": [{"name": "loss", "value": "0.3"}]}}. */
#include "handlers.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

/* Values come as text, and some are no numbers (a path, a word): those are passed over. */
static void add_metric(json_t *metrics, const json_t *metric)
{
    const char *name = json_string_value(json_object_get(metric, "name")), *text = json_string_value(json_object_get(metric, "value"));
    char *end;
    double value = text ? strtod(text, &end) : NAN;
    if (!name || !*name || !text || !*text || *end)
        return;
    char *word CLEANUP_FREE = x_strdup(name);
    for (char *c = word; *c; c++)
        if (isspace((unsigned char)*c) || *c == '=')
            *c = '_';
    (void)json_object_set_new(metrics, word, number_json(value));
}

enum err handle_trainer_status(struct request *r, struct error *error)
{
    const json_t *status = json_object_get(r->json, "trainerStatus"), *progress = json_object_get(status, "progressPercentage");
    struct command *c;
    size_t i;
    json_t *metric, *metrics = json_object(), *body = json_object();
    json_array_foreach(json_object_get(status, "metrics"), i, metric)
    add_metric(metrics, metric);
    if (json_object_size(metrics))
        (void)json_object_set_new(body, "measurements", json_pack("[{s:O}]", "metrics", metrics));
    if (json_is_number(progress))
        (void)json_object_set_new(body, "progress", json_real(fmin(fmax(json_number_value(progress) / 100, 0), 1)));
    json_decref(metrics);
    json_decref(r->json);
    r->json = body;
    return request_command(r, &c, error);
}
