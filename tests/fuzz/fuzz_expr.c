/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any text is either refused with a problem or evaluates, with active and inactive parameters. */
#include "fuzz.h"

#include "model/expr.h"

#include <math.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"lr", "batch", "kernel", "flag", "num-layers", "mixed"};
    static const enum expr_type types[] = {EXPR_NUMBER, EXPR_NUMBER, EXPR_STRING, EXPR_BOOL, EXPR_NUMBER, EXPR_UNKNOWN};
    static const struct expr_value active[] = {
        {.type = EXPR_NUMBER, .number = 0.1},
        {.type = EXPR_NUMBER, .number = 0},
        {.type = EXPR_STRING, .string = "rbf"},
        {.type = EXPR_BOOL, .number = 1},
        {.type = EXPR_NUMBER, .number = (double)NAN},
        {.type = EXPR_STRING, .string = "auto"},
    };
    static const struct expr_value inactive[ARRAY_LEN(names)];
    char *text CLEANUP_FREE = fuzz_text(data, size);
    struct problems problems = {0};
    struct expr *e = expr_parse(text, names, types, ARRAY_LEN(names), "/constraints/0", &problems);
    must((e != NULL) == (problems.n == 0));
    if (e) {
        (void)expr_holds(e, active);
        (void)expr_holds(e, inactive);
        (void)expr_uses(e, 5);
    }
    expr_free(e);
    problems_release(&problems);
    return 0;
}
