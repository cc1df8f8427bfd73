/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/spec_stopping.h"

#include "base/mem.h"
#include "model/spec_search.h"

#include <stdio.h>
#include <string.h>

#define MAX_ENTRIES 64

static const char *const rule_members[] = {"name", "settings", "metric", "direction", NULL};
static const char *const directions[] = {"minimize", "maximize", NULL};

static const struct catalog_entry *find(const struct catalog_entry *entries, const char *name)
{
    while (entries->name && strcmp(entries->name, name) != 0)
        entries++;
    return entries;
}

static const struct objective *objective_of(const struct spec *s, const char *metric)
{
    for (size_t i = 0; i < s->n_objectives; i++)
        if (!strcmp(s->objectives[i].metric, metric))
            return &s->objectives[i];
    return NULL;
}

/* The metric that a rule watches, and in which direction it is better: an objective's is known. */
static void read_watched(const struct reader *r, const struct spec *s, struct stopping *rule, json_t *out)
{
    const char *metric = reader_text(r, "metric", SPEC_MAX_METRIC, NULL);
    const struct objective *first = s->n_objectives ? s->objectives : NULL, *known = metric ? objective_of(s, metric) : first;
    const bool told = reader_find(r, "direction") != NULL;
    const int direction = told ? reader_choice(r, "direction", directions, 0) : 0;
    if (metric && !known && !told)
        reader_bad(r, "direction", "REQUIRED", NULL, "is missing; %.60s is no objective, so say minimize or maximize", metric);
    if (known && told && known->maximize != (direction == 1))
        reader_bad(r, "direction", "CONFLICT", directions[known->maximize], "is not that of the objective %.60s", known->metric);
    rule->metric = x_strdup(metric ? metric : first ? first->metric : "");
    rule->maximize = known ? known->maximize : direction == 1;
    rule->on_first = known && known == first;
    if (!rule->on_first) {
        (void)json_object_set_new(out, "metric", json_string(rule->metric));
        (void)json_object_set_new(out, "direction", json_string(directions[rule->maximize]));
    }
}

/* The rule at `key` of the mapping or list at `parent`; its normal form. */
static json_t *read_rule(const json_t *given, const char *parent, const char *key, const struct catalog *catalog, struct spec *s, struct problems *problems)
{
    const bool word = json_is_string(given);
    const char *names[MAX_ENTRIES + 2] = {"none"};
    for (size_t i = 0; i < MAX_ENTRIES && catalog->stoppers[i].name; i++)
        names[i + 1] = catalog->stoppers[i].name;
    json_t *around = given ? json_pack("{s:O}", key, given) : json_object();
    char *pointer CLEANUP_FREE = pointer_join(parent, key), *settings_pointer CLEANUP_FREE = pointer_join(pointer, "settings");
    struct reader outer = reader_open(around, parent, NULL, problems), inner = reader_open(word ? NULL : given, pointer, rule_members, problems);
    const struct reader *r = word ? &outer : &inner;
    const char *at = word ? key : "name";
    const int i = reader_find(r, at) ? reader_choice(r, at, names, -1) : 0;
    const struct catalog_entry *entry = i > 0 ? find(catalog->stoppers, names[i]) : NULL;
    struct stopping rule = {.name = x_strdup(entry ? entry->name : "none")};
    if (i >= 0) /* settings of a name that is wrong cannot be judged */
        settings_read(&rule.settings, entry ? entry->settings : NULL, reader_find(&inner, "settings"), settings_pointer, problems);
    json_t *out = json_pack("{s:s, s:o}", "name", rule.name, "settings", settings_json(&rule.settings));
    if (entry)
        read_watched(&inner, s, &rule, out);
    if (entry) {
        s->stopping[s->n_stopping++] = rule;
    } else {
        free(rule.name);
    }
    reader_close(&inner);
    reader_close(&outer);
    json_decref(around);
    return out;
}

/* The rule that the algorithm goes with, with those of its settings that have the same names. */
static json_t *bring_rule(const struct catalog_entry *entry, const struct catalog *catalog, struct spec *s, struct problems *problems)
{
    json_t *all = settings_json(&s->algorithm_settings), *taken = json_object();
    for (const struct setting *t = entry->settings; t && t->name; t++)
        if (json_object_get(all, t->name))
            (void)json_object_set(taken, t->name, json_object_get(all, t->name));
    json_t *given = json_pack("{s:s, s:o}", "name", entry->name, "settings", taken);
    json_t *out = read_rule(given, "", "stopping", catalog, s, problems);
    json_decref(given);
    json_decref(all);
    return out;
}

json_t *spec_stopping(const struct reader *top, const struct catalog *catalog, const struct catalog_entry *algorithm, struct spec *s)
{
    const json_t *given = reader_find(top, "stopping");
    const struct catalog_entry *brought = !given && algorithm && algorithm->stopping ? find(catalog->stoppers, algorithm->stopping) : NULL;
    if (brought && brought->name)
        return bring_rule(brought, catalog, s, top->problems);
    if (!json_is_array(given))
        return read_rule(given, "", "stopping", catalog, s, top->problems);
    const json_t *list = reader_list(top, "stopping", SPEC_MAX_STOPPING);
    json_t *out = json_array();
    for (size_t i = 0; i < json_array_size(list); i++) {
        char key[24];
        (void)snprintf(key, sizeof key, "%zu", i);
        (void)json_array_append_new(out, read_rule(json_array_get(list, i), "/stopping", key, catalog, s, top->problems));
    }
    return out;
}
