/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "collectors/collector.h"

#include <string.h>

#define COLLECTOR(name) extern const struct collector collector_##name;
#include "collectors/collectors.def"
#undef COLLECTOR

const struct collector *const collectors[] = {
#define COLLECTOR(name) &collector_##name,
#include "collectors/collectors.def"
#undef COLLECTOR
    NULL};

const struct collector *collector_find(const char *name)
{
    for (size_t i = 0; collectors[i]; i++)
        if (!strcmp(collectors[i]->name, name))
            return collectors[i];
    return NULL;
}

const struct collector *collector_open(const struct spec *spec, void **parser)
{
    const json_t *config = json_object_get(spec->run, "metrics");
    const char *format = json_string_value(json_object_get(config, "format")), *from = json_string_value(json_object_get(config, "from"));
    const char *metrics[SPEC_MAX_WANTED + SPEC_MAX_STOPPING + 1] = {0};
    memcpy(metrics, spec->wanted, spec->n_wanted * sizeof *metrics);
    for (size_t i = 0; i < spec->n_stopping; i++)
        metrics[spec->n_wanted + i] = spec->stopping[i].metric;
    bool by_http = from && (!strcmp(from, "mlflow") || !strcmp(from, "kubeflow")); /* the trial sends them: there is nothing to read */
    bool is_json = from && !strcmp(from, "tensorboard"); /* as backends hand its scalars on */
    const struct collector *c = by_http ? NULL : collector_find(is_json ? "json" : format ? format : "auto");
    struct problems problems = {0};
    *parser = c ? c->open(config, metrics, &problems) : NULL;
    problems_release(&problems);
    return *parser ? c : NULL;
}
