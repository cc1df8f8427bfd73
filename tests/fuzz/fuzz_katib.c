/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes after the head of a Katib file: refused with a problem, or a spec whose normal form is read back unchanged, and which is converted both ways. */
#include "fuzz.h"

#include "model/convert.h"
#include "model/katib_part.h"
#include "model/spec.h"
#include "model/yaml.h"

static const struct setting settings[] = {{"start_step", SETTING_INT, 10, 1, 1000, NULL, "a number"}, {"min_trials_required", SETTING_INT, 1, 1, 1000, NULL, "a number"}, {0}};
static const struct catalog_entry algorithms[] = {{"auto", "", NULL, false, NULL}, {"random", "", NULL, false, NULL}, {"grid", "", NULL, true, NULL}, {"tpe", "", settings, false, NULL}, {0}};
static const struct catalog_entry stoppers[] = {{"median", "", settings, false, NULL}, {"hyperband", "", settings, false, NULL}, {0}};
static const struct catalog_entry backends[] = {{"process", "", NULL, false, NULL}, {0}};
static const struct catalog catalog = {algorithms, stoppers, backends};

static void both_ways(const json_t *document)
{
    struct problems problems = {0};
    json_t *native = convert_to_native(document, &catalog, &problems);
    must((native != NULL) == (problems.n == 0));
    json_t *katib = native ? convert_to_katib(native, "image", &catalog, &problems) : NULL;
    json_decref(katib);
    json_decref(native);
    problems_release(&problems);
}

static void read_file(const json_t *document)
{
    struct problems problems = {0};
    struct spec *s = spec_new(document, &catalog, &problems);
    must((s != NULL) == (problems.n == 0));
    if (s) {
        struct spec *again = spec_new(s->document, &catalog, &problems);
        must(again && json_equal(s->document, again->document));
        spec_free(again);
    }
    spec_free(s);
    problems_release(&problems);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text CLEANUP_FREE = fuzz_text(data, size);
    struct error error;
    (void)katib_regex_wrong(text);
    json_t *document = yaml_load(text, strlen(text), &error);
    if (json_is_object(document)) {
        if (!json_object_get(document, "apiVersion")) { /* most inputs lose it */
            (void)json_object_set_new(document, "apiVersion", json_string(KATIB_API_VERSION));
            (void)json_object_set_new(document, "kind", json_string("Experiment"));
        }
        read_file(document);
        both_ways(document);
    }
    json_decref(document);
    return 0;
}
