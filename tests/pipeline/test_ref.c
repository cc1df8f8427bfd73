/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pipeline/ref: references in texts, and conditions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "pipelines.h"

#include <stdio.h>
#include <string.h>

/* What references name in these tests; anything else is undefined. */
static json_t *value_of(void *arg, const struct ref *r)
{
    char shown[REF_SHOW];
    struct ref whole = *r;
    whole.path = NULL;
    return json_incref(json_object_get(arg, ref_show(&whole, shown)));
}

static json_t *values(void)
{
    return json_of("{\"params.lr\": 0.1, \"params.n\": 3, \"params.name\": \"it's\", \"params.on\": true, \"params.list\": [1, 2.0, \"x\"],"
                   " \"steps.a.outputs.loss\": 2.5, \"steps.p.a.outputs.loss\": 7, \"params.json\": {\"json\": 1}, \"params.none\": null, \"steps.a.state\": \"FAILED\"}");
}

static void references_are_replaced_and_keep_their_type(void **state)
{
    static const struct {
        const char *given, *resolved;
    } cases[] = {
        {"\"${params.n}\"", "3"},
        {"\"n=${params.n}\"", "\"n=3\""},
        {"\"${params.lr}${params.on}\"", "\"0.1true\""},
        {"[\"${params.list}\", {\"a\": \"${params.list}!\"}]", "[[1,2.0,\"x\"],{\"a\":\"[1,2.0,\\\"x\\\"]!\"}]"},
        {"\"$${params.n} $$ $ {x} $HOME\"", "\"${params.n} $$ $ {x} $HOME\""},
        {"\"${steps.p.a.outputs.loss}\"", "7"},
        {"\"${params.none}\"", "null"},
        {"\"${params.list.2} ${params.json.json}\"", "\"x 1\""},
        {"\"${steps.a.state}\"", "\"FAILED\""},
        {"5", "5"},
        {"\"\"", "\"\""},
    };
    json_t *known = values();
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct problems p = {0};
        json_t *given = json_of(cases[i].given), *resolved = refs_resolve(given, "", value_of, known, &p);
        assert_int_equal(p.n, 0);
        char *text CLEANUP_FREE = json_dumps(resolved, JSON_ENCODE_ANY | JSON_COMPACT);
        assert_string_equal(text, cases[i].resolved);
        json_decref(given);
        json_decref(resolved);
    }
    json_decref(known);
}

static void what_is_undefined_is_named(void **state)
{
    (void)state;
    struct problems p = {0};
    json_t *known = values(), *given = json_of("{\"a\": [\"${steps.b.outputs.x}\", \"and ${params.lr} ${params.zz}\"]}");
    assert_null(refs_resolve(given, "/run", value_of, known, &p));
    char *lines CLEANUP_FREE = lines_of(p.items, p.n);
    assert_string_equal(lines, "run.a[0]: steps.b.outputs.x is undefined: the step was skipped or gave no such output\n"
                               "run.a[1]: params.zz is undefined: there is no such value here\n");
    json_decref(given);
    json_decref(known);
    problems_release(&p);
}

static void count(void *arg, const struct ref *r, const char *pointer)
{
    char shown[REF_SHOW];
    buf_addf(arg, "%s %s\n", pointer, ref_show(r, shown));
}

static void references_are_found_and_what_is_none_is_told(void **state)
{
    static const struct {
        const char *given, *found, *told;
    } cases[] = {
        {"[\"${params.a} ${out.b}\", \"${map.index}${secrets.c}\"]", "/0 params.a\n/0 out.b\n/1 map.index\n/1 secrets.c\n", ""},
        {"\"${steps.a.b.outputs.c}\"", " steps.a.b.outputs.c\n", ""},
        {"\"${run.id}${run.outputs}${trial.number}${inputs.x-y}\"", " run.id\n run.outputs\n trial.number\n inputs.x-y\n", ""},
        {"\"${HOME}\"", "", "SYNTAX"},
        {"\"${params.a\"", "", "SYNTAX"},
        {"\"${params.}\"", "", "SYNTAX"},
        {"\"${steps.a.output.b}\"", "", "SYNTAX"},
        {"\"${steps.a.state}${map.x.y.0}\"", " steps.a.state\n map.x.y.0\n", ""},
        {"\"${out.a.b}\"", "", "SYNTAX"},
        {"\"${params.a..b}\"", "", "SYNTAX"},
        {"\"${steps..outputs.b}\"", "", "SYNTAX"},
        {"\"${run.uid}\"", "", "SYNTAX"},
        {"\"${params.a b}\"", "", "SYNTAX"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct problems p = {0};
        struct buf found = BUF_INIT;
        json_t *given = json_of(cases[i].given);
        buf_adds(&found, "");
        refs_find(given, "", count, &found, &p);
        assert_string_equal(found.data, cases[i].found);
        assert_int_equal(p.n, *cases[i].told ? 1 : 0);
        if (p.n)
            assert_string_equal(p.items[0].code, cases[i].told);
        buf_release(&found);
        json_decref(given);
        problems_release(&p);
    }
}

static void a_command_becomes_words(void **state)
{
    static const struct {
        const char *run, *words;
    } cases[] = {
        {"[\"a\", \"${params.n}\", \"--x=${params.lr}\", \"${params.on}\", \"${params.list}\"]", "[\"a\",\"3\",\"--x=0.1\",\"true\",\"[1,2.0,\\\"x\\\"]\"]"},
        {"[\"a\", {\"json\": {\"z\": \"${params.list}\", \"s\": \"${params.name}\"}}]", "[\"a\",\"{\\\"s\\\":\\\"it's\\\",\\\"z\\\":[1,2.0,\\\"x\\\"]}\"]"},
        {"[\"a\", \"${params.json}\"]", "[\"a\",\"{\\\"json\\\":1}\"]"},
        {"{\"shell\": \"echo $HOME ${params.name} $${x}\"}", "[\"/bin/sh\",\"-c\",\"echo $HOME 'it'\\\\''s' ${x}\"]"},
    };
    json_t *known = values();
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct problems p = {0};
        json_t *run = json_of(cases[i].run), *words = refs_command(run, "", value_of, known, &p);
        char *text CLEANUP_FREE = json_dumps(words, JSON_COMPACT);
        assert_string_equal(text, cases[i].words);
        json_decref(run);
        json_decref(words);
    }
    json_decref(known);
}

static void conditions_hold_or_not(void **state)
{
    static const struct {
        const char *text;
        bool holds;
    } cases[] = {
        {"${steps.a.outputs.loss} < 5.0", true},
        {"steps.a.outputs.loss < 2.5", false},
        {"steps.a.outputs.loss <= 2.5 and params.n == 3.0", true},
        {"params.n == 3 or params.zz == 1", true}, /* no further than needed */
        {"not (params.n > 3) and not false", true},
        {"params.name == \"it's\"", true},
        {"params.name == 'it\\'s'", true},
        {"params.name in ['a', \"it's\", 3]", true},
        {"params.n not in [1, 2, 3]", false},
        {"2 in params.list", true},
        {"defined(params.zz) and params.zz < 3", false},
        {"defined(steps.a.outputs.loss)", true},
        {"defined(params.none)", false},
        {"params.none == null", true},
        {"params.list.0 == 1 and steps.a.state == 'FAILED'", true},
        {"defined(params.list.7) or defined(params.json.x)", false},
        {"params.n != 'three'", true},
        {"params.on", true},
        {"params.on == true && 0 == 1 || true", true},
        {"-1.5e0 < -1", true},
        {"'a' < 'b'", true},
        {"params.list == [1, 2, 'x']", false}, /* JSON tells 2 from 2.0 in a list */
        {"true", true},
    };
    json_t *known = values();
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct problems p = {0};
        struct error e;
        bool holds = false;
        struct condition *c = condition_parse(cases[i].text, "/when", &p);
        if (!c)
            fail_msg("%s: %s", cases[i].text, p.items[0].detail);
        if (!condition_holds(c, value_of, known, &holds, &e))
            fail_msg("%s: %s", cases[i].text, e.detail);
        if (holds != cases[i].holds)
            fail_msg("%s: %d", cases[i].text, holds);
        condition_free(c);
    }
    json_decref(known);
}

static void a_condition_that_cannot_be_told_is_an_error(void **state)
{
    static const struct {
        const char *text, *told;
    } cases[] = {
        {"params.zz == 1", "params.zz is undefined: its step was skipped or gave no such output; ask defined(...) first"},
        {"params.n < 'x'", "3 and \"x\" have no order: both must be numbers, or both texts"},
        {"params.n", "3 is no truth value: compare it with something"},
        {"params.n in params.name", "\"in\" wants a list behind it, not \"it's\""},
    };
    json_t *known = values();
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct problems p = {0};
        struct error e;
        bool holds;
        struct condition *c = condition_parse(cases[i].text, "", &p);
        assert_non_null(c);
        assert_false(condition_holds(c, value_of, known, &holds, &e));
        assert_string_equal(e.detail, cases[i].told);
        condition_free(c);
    }
    json_decref(known);
}

static void what_is_no_condition_is_told_with_its_column(void **state)
{
    static const struct {
        const char *text, *told;
    } cases[] = {
        {"", "column 1: a value is missing, the text ends here"},
        {"params.n <", "column 11: a value is missing, the text ends here"},
        {"params.n = 3", "column 10: \"=\" is not known here, write \"==\""},
        {"(params.n < 3", "column 14: \")\" is missing, the text ends here"},
        {"params.n < 3 params.m", "column 14: expected and, or, or the end, found \"params.m\""},
        {"params.n < 3 < 4", "column 14: expected and, or, or the end, found \"<\""},
        {"loss < 3", "column 1: \"loss\" is no reference: a reference is one of params.P, inputs.I, steps.S.outputs.O, steps.S.state, out.O, map.NAME, run.id, run.state, "
                     "run.dir, run.outputs, trial.number, secrets.N; a text is written in quotes"},
        {"params.n + 1 < 3", "column 10: expected and, or, or the end, found \"+\""},
        {"params.s == 'x", "column 13: the text that begins here has no closing '"},
        {"${params.n < 3", "column 1: the ${ that begins here has no }"},
        {"params.n in [1 2]", "column 16: expected \",\" and a value, or \"]\", found \"2\""},
        {"params.n == 1.2.3", "column 13: \"1.2\" is not a number"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct problems p = {0};
        struct condition *c = condition_parse(cases[i].text, "", &p);
        if (c)
            fail_msg("%s is read", cases[i].text);
        assert_string_equal(p.items[0].detail, cases[i].told);
        assert_int_equal(p.n, 1);
        problems_release(&p);
    }
    static const char *const too_much[] = {"(", "not ", "true and ", "[1] == "};
    for (size_t i = 0; i < ARRAY_LEN(too_much); i++) {
        struct buf b = BUF_INIT;
        struct problems p = {0};
        for (int k = 0; k < 110; k++)
            buf_adds(&b, too_much[i]);
        buf_adds(&b, "true");
        condition_free(condition_parse(b.data, "", &p));
        buf_release(&b);
        problems_release(&p);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(references_are_replaced_and_keep_their_type),
        cmocka_unit_test(what_is_undefined_is_named),
        cmocka_unit_test(references_are_found_and_what_is_none_is_told),
        cmocka_unit_test(a_command_becomes_words),
        cmocka_unit_test(conditions_hold_or_not),
        cmocka_unit_test(a_condition_that_cannot_be_told_is_an_error),
        cmocka_unit_test(what_is_no_condition_is_told_with_its_column),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
