/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is made from the table of verbs: nothing is left undescribed, and the pages in docs/ are fresh. Runs from the top folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cli/files.h"
#include "cli/help.h"

#include <stdio.h>
#include <string.h>

static char *text_of(void (*print)(FILE *out))
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    print(f);
    (void)fclose(f);
    return text;
}

static void every_verb_is_described(void **state)
{
    (void)state;
    CLEANUP_FREE char *page = text_of(help_markdown);
    CLEANUP_FREE char *man = text_of(help_man);
    CLEANUP_FREE char *list = text_of(help_verbs);
    for (const struct verb *v = verbs; v->name; v++) {
        CLEANUP_FREE char *heading = x_asprintf("\n### hone %s\n", v->name);
        CLEANUP_FREE char *section = x_asprintf(".SS hone %s ", v->name);
        CLEANUP_FREE char *line = x_asprintf("\n  %s ", v->name);
        CLEANUP_FREE char *begin = x_asprintf("hone %s", v->name);
        if (!v->help[0] || !strstr(v->example, begin) || !strstr(page, heading) || !strstr(man, section) || !strstr(list, line))
            fail_msg("hone %s lacks its help, an example of itself, or a place in the pages", v->name);
        assert_ptr_equal(verb_find(v->name), v);
    }
}

static void every_option_is_described_once(void **state)
{
    (void)state;
    for (const struct verb *v = verbs; v->name; v++) {
        struct option_row rows[OPTIONS_MAX];
        size_t n = options_of(v->options, v->uses, rows);
        for (size_t i = 0; i < n; i++) {
            if (!rows[i].help[0] || (rows[i].type == OPT_FLAG) != !rows[i].value)
                fail_msg("hone %s --%s has no help, or no name for its value", v->name, rows[i].name);
            for (size_t k = 0; k < i; k++)
                if (strcmp(rows[i].name, rows[k].name) == 0 || (rows[i].letter && rows[i].letter == rows[k].letter))
                    fail_msg("hone %s takes --%s and --%s, which are one", v->name, rows[k].name, rows[i].name);
        }
    }
}

static void an_alias_is_its_verb(void **state)
{
    (void)state;
    for (const struct verb_alias *a = verb_aliases; a->name; a++) {
        assert_non_null(verb_find(a->name));
        assert_string_equal(verb_find(a->name)->name, a->verb);
    }
    assert_null(verb_find("nonsense"));
}

static void the_pages_in_docs_are_fresh(void **state)
{
    (void)state;
    static const struct {
        const char *file, *command;
        void (*print)(FILE *out);
    } pages[] = {
        {"docs/reference/cli.md", "hone help --markdown", help_markdown},
        {"docs/reference/configuration.md", "hone help --settings", help_settings},
    };
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        size_t len;
        CLEANUP_FREE char *kept = file_read(pages[i].file, 1 << 20, &len, NULL);
        CLEANUP_FREE char *made = text_of(pages[i].print);
        if (!kept || strcmp(kept, made) != 0)
            fail_msg("%s is stale: %s > %s", pages[i].file, pages[i].command, pages[i].file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_verb_is_described),
        cmocka_unit_test(every_option_is_described_once),
        cmocka_unit_test(an_alias_is_its_verb),
        cmocka_unit_test(the_pages_in_docs_are_fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
