/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any text: as a condition it is refused or decided, as a text with references refused or resolved to a text without a broken one left. */
#include "fuzz.h"

#include "pipeline/ref.h"

static json_t *some_value(void *arg, const struct ref *r)
{
    size_t n = strlen(r->name);
    (void)arg;
    return n % 5 == 0 ? NULL : n % 5 == 1 ? json_integer((json_int_t)n) : n % 5 == 2 ? json_pack("[s,i]", r->name, 1) : n % 5 == 3 ? json_true() : json_string(r->name);
}

static void count(void *arg, const struct ref *r, const char *pointer)
{
    (void)r;
    (void)pointer;
    ++*(size_t *)arg;
}

static void check_condition(const char *text, struct problems *problems)
{
    bool holds;
    size_t n = 0, before = problems->n;
    struct condition *c = condition_parse(text, "", problems);
    must((c != NULL) == (problems->n == before));
    if (c) {
        condition_refs(c, "", count, &n);
        (void)condition_holds(c, some_value, NULL, &holds, NULL);
    }
    condition_free(c);
}

static void check_text(const char *text, struct problems *problems)
{
    size_t n = 0, before = problems->n;
    json_t *given = json_string(text);
    if (!given) /* not UTF-8 */
        return;
    refs_find(given, "", count, &n, problems);
    if (problems->n == before) {
        json_t *resolved = refs_resolve(given, "", some_value, NULL, problems);
        json_t *shell = json_pack("{s:O}", "shell", given), *words = refs_command(shell, "", some_value, NULL, problems);
        must((resolved != NULL) == (words != NULL));
        json_decref(resolved);
        json_decref(shell);
        json_decref(words);
    }
    json_decref(given);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text CLEANUP_FREE = fuzz_text(data, size);
    struct problems problems = {0};
    check_condition(text, &problems);
    check_text(text, &problems);
    problems_release(&problems);
    return 0;
}
