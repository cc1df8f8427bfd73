/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes are either refused with a problem, or a pipeline (of ours or of KFP) whose steps come after what they need, whose normal form is read back
 * unchanged, and which can be drawn, compared and named. */
#include "fuzz.h"

#include "pipeline/pipeline.h"

static void check_order(const struct pipeline *p)
{
    for (size_t i = 0; i < p->n_steps; i++) {
        for (size_t k = 0; k < p->steps[i].n_needs; k++)
            must(p->steps[i].needs[k] < i);
        if (p->steps[i].pipeline)
            check_order(p->steps[i].pipeline);
    }
}

static void check_again(const struct pipeline *p, struct problems *problems)
{
    char one[65], two[65];
    struct pipeline *again = pipeline_new(p->document, problems);
    must(again && json_equal(p->document, again->document));
    pipeline_version(p, "", one);
    pipeline_version(again, "", two);
    must(!strcmp(one, two));
    json_t *diff = pipeline_diff(p, again);
    must(json_array_size(diff) == 0);
    json_decref(diff);
    pipeline_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text CLEANUP_FREE = fuzz_text(data, size);
    struct problems problems = {0};
    struct pipeline *p = pipeline_parse(text, strlen(text), &problems);
    must((p != NULL) == (problems.n == 0));
    if (p) {
        check_order(p);
        check_again(p, &problems);
        free(pipeline_dot(p));
        json_t *bound = pipeline_bind(p, NULL, "", &problems);
        json_decref(bound);
    }
    pipeline_free(p);
    problems_release(&problems);
    return 0;
}
