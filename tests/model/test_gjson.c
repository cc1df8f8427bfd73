/* SPDX-License-Identifier: GPL-3.0-or-later */
/* model/gjson: what conditions lead to, held to what GJSON itself answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "model/gjson.h"

#include <stdio.h>
#include <string.h>

static const char job[] = "{\"status\":{\"phase\":\"Succeeded\",\"n\":2,\"conditions\":["
                          "{\"type\":\"Suspended\",\"status\":\"False\"},"
                          "{\"type\":\"Complete\",\"status\":\"True\",\"reason\":\"CompletionsReached\",\"n\":3}]},\"a.b\":{\"c\":[true,false,1.5,\"x\"]}}";

/* What is found of `path` in the job, as text; NULL: nothing. */
static void found(const char *path, const char *expected, bool met)
{
    const char *why;
    size_t column;
    struct gjson *g = gjson_new(path, &why, &column);
    json_t *document = json_loads(job, 0, NULL);
    assert_non_null(g);
    json_t *v = gjson_find(g, document);
    char *text CLEANUP_FREE = v ? json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    if (expected)
        assert_string_equal(text ? text : "nothing", expected);
    else
        assert_null(text);
    assert_int_equal(gjson_met(v), met);
    json_decref(v);
    json_decref(document);
    gjson_free(g);
}

#define COMPLETE "{\"type\":\"Complete\",\"status\":\"True\",\"reason\":\"CompletionsReached\",\"n\":3}"

static void conditions_are_followed(void **state)
{
    (void)state;
    static const struct {
        const char *path, *expected;
        bool met;
    } table[] = {
        {"status.conditions.#(type==\"Complete\")#|#(status==\"True\")#", "[" COMPLETE "]", true},
        {"status.conditions.#(type==\"Complete\")#|#(status==\"False\")#", "[]", false},
        {"status.conditions.#(type==\"Failed\")#|#(status==\"True\")#", "[]", false},
        {"status.conditions.#(type==\"Complete\")#.#(status==\"True\")#", "[]", false},
        {"status.conditions.#(type==\"Complete\")", COMPLETE, true},
        {"status.conditions.#(type==\"Complete\")|#(status==\"True\")#", NULL, false},
        {"status.conditions.#(type==Complete)#.status", "[\"True\"]", true},
        {"status.conditions.#( type = \"Complete\" )#|0|n", "3", false},
        {"status.conditions.#(type!=\"Complete\")#|#", "1", false},
        {"status.conditions.#(type%\"Comp*\")#|#", "1", false},
        {"status.conditions.#(type!%\"Comp?ete\")#|#", "1", false},
        {"status.conditions.#(n>=3)#|#", "1", false},
        {"status.conditions.#(n>three)#", "[]", false},
        {"status.conditions.#(reason)#|#", "1", false},
        {"status.conditions.#.type", "[\"Suspended\",\"Complete\"]", true},
        {"status.conditions.#.reason|0", "\"CompletionsReached\"", false},
        {"status.conditions.1.type", "\"Complete\"", false},
        {"status.conditions.9", NULL, false},
        {"status.[@this].#(phase==\"Succeeded\")#|#", "1", false},
        {"gone.[@this]", "[]", false},
        {"status.phase", "\"Succeeded\"", false},
        {"a\\.b.c.#(==true)#", "[true]", true},
        {"a\\.b.c.#(>false)#", "[true,\"x\"]", true},
        {"a\\.b.c.#(<2)#", "[1.5]", true},
        {"@this.status|n", "2", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++)
        found(table[i].path, table[i].expected, table[i].met);
}

static void what_is_not_known_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        size_t column;
    } table[] = {{"", 1},           {"garbage(((", 8}, {"a..b", 3},       {"a.", 3},   {".a", 1},     {"a.#(x==\"y\"", 3}, {"a[b", 2},
                 {"a.[b", 3},       {"a.#()", 5},      {"a.#(x==~true)", 8}, {"a.-1", 3}, {"a.#(b.#(c))#", 5}, {"{a,b}", 1}, {"a.*", 3},
                 {"a.@reverse", 3}, {"!true", 1},      {"a.##", 4},       {"a.#(x)y", 7}, {"a.#(x!y)", 6}};
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        const char *why = NULL;
        size_t column = 0;
        struct gjson *g = gjson_new(table[i].path, &why, &column);
        if (g || column != table[i].column)
            print_error("%s: column %zu: %s\n", table[i].path, column, why);
        assert_null(g);
        assert_non_null(why);
        assert_int_equal(column, table[i].column);
    }
}

/* GJSON's own answers, where they are at hand. */
static void answers_are_those_of_gjson(void **state)
{
    (void)state;
    json_t *all = json_load_file("../shared/design/backends/gjson_vectors.json", 0, NULL), *vector;
    size_t i, checked = 0, refused = 0;
    if (!all) {
        print_message("skip: GJSON's own answers are not here\n");
        skip();
    }
    json_array_foreach(json_object_get(all, "vectors"), i, vector)
    {
        const char *doc = json_string_value(json_object_get(vector, "doc")), *path = json_string_value(json_object_get(vector, "path"));
        const char *raw = json_string_value(json_object_get(vector, "raw")), *why;
        size_t column;
        struct gjson *g = gjson_new(path, &why, &column);
        if (!g)
            refused++;
        if (!g || !strcmp(doc, "dupkey")) { /* a member that is there twice: jansson keeps the last, GJSON the first */
            gjson_free(g);
            continue;
        }
        json_t *document = json_loads(json_string_value(json_object_get(json_object_get(all, "docs"), doc)), JSON_DECODE_ANY, NULL);
        json_t *v = gjson_find(g, document), *expected = *raw ? json_loads(raw, JSON_DECODE_ANY, NULL) : NULL;
        if (gjson_met(v) != json_is_true(json_object_get(vector, "verdict")) || (v != expected && !json_equal(v, expected)))
            fail_msg("%s of %s: GJSON has %s", path, doc, raw);
        checked++;
        json_decref(v);
        json_decref(expected);
        json_decref(document);
        gjson_free(g);
    }
    json_decref(all);
    assert_true(checked > 1000);
    assert_true(refused < 300);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {cmocka_unit_test(conditions_are_followed), cmocka_unit_test(what_is_not_known_is_refused),
                                              cmocka_unit_test(answers_are_those_of_gjson)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
