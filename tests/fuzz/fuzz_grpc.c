/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes are no message, or a request whose experiment becomes a document that is refused with a problem or made a spec, and whose trials are read. */
#include "fuzz.h"

#include "grpc/message.h"

static const struct catalog_entry algorithms[] = {{.name = "auto", .title = ""}, {.name = "random", .title = ""}, {.name = "grid", .title = "", .finite = true}, {0}};
static const struct catalog_entry none[] = {{0}};
static const struct catalog_entry backends[] = {{.name = "process", .title = ""}, {0}};
static const struct catalog catalog = {algorithms, none, backends};

static void read_values(const struct spec *s, const Katib__Trial *t)
{
    const Katib__TrialSpec__ParameterAssignments *a = t->spec ? t->spec->parameter_assignments : NULL;
    for (size_t i = 0; a && i < a->n_assignments; i++)
        for (size_t k = 0; k < s->space->n; k++)
            json_decref(message_value(&s->space->params[k], a->assignments[i]->value));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Katib__GetSuggestionsRequest *q = katib__get_suggestions_request__unpack(NULL, size, data);
    if (!q)
        return 0;
    if (q->experiment) {
        struct problems problems = {0};
        json_t *document = message_document(q->experiment);
        struct spec *s = spec_new(document, &catalog, &problems);
        must((s != NULL) == (problems.n == 0));
        for (size_t i = 0; s && i < q->n_trials; i++)
            read_values(s, q->trials[i]);
        spec_free(s);
        json_decref(document);
        problems_release(&problems);
    }
    katib__get_suggestions_request__free_unpacked(q, NULL);
    return 0;
}
