/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any text can be checked and filled in, and a value in single quotes stays one word of a shell. */
#include "fuzz.h"

#include "model/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"lr", "act", "off", "num-layers", NULL};
    char *text CLEANUP_FREE = fuzz_text(data, size);
    json_t *params = json_pack("{s:f, s:s, s:i}", "lr", 1e-3, "act", "re'lu", "num-layers", 3);
    struct template_values values = {.params = params, .names = names, .trial = 7, .seed = UINT64_MAX, .trial_name = "digits-7"};
    struct problems problems = {0};
    template_check(text, names, "/run/command/0", &problems);
    char *plain CLEANUP_FREE = template_render(text, &values, false);
    char *quoted CLEANUP_FREE = template_render(text, &values, true);
    must(strlen(quoted) >= strlen(plain));
    if (!strchr(text, '{'))
        must(!strcmp(text, plain) && !strcmp(text, quoted) && !problems.n);
    problems_release(&problems);
    json_decref(params);
    return 0;
}
