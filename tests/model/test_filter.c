/* SPDX-License-Identifier: GPL-3.0-or-later */
/* model/filter: the tree of a filter, and where a wrong one is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "model/filter.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void show(const struct filter *f, struct buf *out)
{
    static const char *const names[] = {"and", "or", "not", "=", "!=", "<", "<=", ">", ">=", ":"};
    if (f->op >= FILTER_EQ) {
        buf_addf(out, "[%s|%s|%s]", f->field, names[f->op], f->text);
        return;
    }
    buf_addf(out, "(%s ", names[f->op]);
    show(f->left, out);
    if (f->right) {
        buf_adds(out, " ");
        show(f->right, out);
    }
    buf_adds(out, ")");
}

static void a_filter_becomes_its_tree(void **state)
{
    (void)state;
    static const struct {
        const char *text, *tree;
    } cases[] = {
        {"state=RUNNING", "[state|=|RUNNING]"},
        {" state  !=  RUNNING ", "[state|!=|RUNNING]"},
        {"number==10", "[number|=|10]"},
        {"a<1", "[a|<|1]"},
        {"a<=1", "[a|<=|1]"},
        {"a>1", "[a|>|1]"},
        {"a>=-1.5e-3", "[a|>=|-1.5e-3]"},
        {"labels:team", "[labels|:|team]"},
        {"labels.team:*", "[labels.team|:|*]"},
        {"params.num-layers>2", "[params.num-layers|>|2]"},
        {"params.a.b=1", "[params.a.b|=|1]"},
        {"labels.example.com/team=x", "[labels.example.com/team|=|x]"},
        {"labels.\"a b\".c=1", "[labels.a b.c|=|1]"},
        {"name=\"a b\"", "[name|=|a b]"},
        {"name='a \"b\"'", "[name|=|a \"b\"]"},
        {"name=\"a\\\"b\\\\c\\d\"", "[name|=|a\"b\\c\\d]"},
        {"name=\"\"", "[name|=|]"},
        {"name=\"AND\"", "[name|=|AND]"},
        {"create_time>2024-01-01T00:00:00Z", "[create_time|>|2024-01-01T00:00:00Z]"},
        {"note=\xC3\xA4,b", "[note|=|\xC3\xA4,b]"},
        {"and=1 AND or=2", "(and [and|=|1] [or|=|2])"},
        {"a=1 AND b=2 AND c=3", "(and (and [a|=|1] [b|=|2]) [c|=|3])"},
        {"a=1 or b=2 Or c=3", "(or (or [a|=|1] [b|=|2]) [c|=|3])"},
        {"(a=1)", "[a|=|1]"},
        {"((a=1))AND(b=2)", "(and [a|=|1] [b|=|2])"},
        {"NOT a=1 AND b=2", "(and (not [a|=|1]) [b|=|2])"},
        {"NOT(a=1 AND b=2)", "(not (and [a|=|1] [b|=|2]))"},
        {"NOT NOT a=1", "(not (not [a|=|1]))"},
        {"a=1 AND (b=2 OR c=3)", "(and [a|=|1] (or [b|=|2] [c|=|3]))"},
        {"state=RUNNING AND (params.lr<1e-3 OR number>10) AND NOT labels.team=\"a\"",
         "(and (and [state|=|RUNNING] (or [params.lr|<|1e-3] [number|>|10])) (not [labels.team|=|a]))"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error error = {.code = ERR_INTERNAL};
        struct filter *f = filter_parse(cases[i].text, &error);
        if (!f)
            fail_msg("%s: %s", cases[i].text, error.detail);
        assert_int_equal(error.code, OK);
        struct buf out = BUF_INIT;
        show(f, &out);
        assert_string_equal(out.data, cases[i].tree);
        buf_release(&out);
        filter_free(f);
    }
}

static void a_value_that_is_a_number_is_known_as_one(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double number;
    } cases[] = {
        {"a=10", 10},
        {"a=-1.5e-3", -1.5e-3},
        {"a=\"7\"", 7},
        {"a=.5", 0.5},
        {"a=x", (double)NAN},
        {"a=10x", (double)NAN},
        {"a=\"\"", (double)NAN},
        {"a=\" 1\"", (double)NAN},
        {"a=RUNNING", (double)NAN},
        {"a=Infinity", (double)INFINITY},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct filter *f = filter_parse(cases[i].text, NULL);
        assert_non_null(f);
        if (isnan(cases[i].number))
            assert_true(isnan(f->number));
        else
            assert_true(f->number == cases[i].number);
        filter_free(f);
    }
}

static void no_filter_is_no_error(void **state)
{
    (void)state;
    static const char *const texts[] = {NULL, "", " \t\n"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct error error = {.code = ERR_INTERNAL};
        assert_null(filter_parse(texts[i], &error));
        assert_int_equal(error.code, OK);
        assert_null(filter_parse(texts[i], NULL));
    }
    filter_free(NULL);
}

static void what_is_wrong_is_told_with_its_column(void **state)
{
    (void)state;
    static const struct {
        const char *text, *detail;
    } cases[] = {
        {"RUNNING", "filter, column 8: one of = != < <= > >= : is missing, the text ends here"},
        {"state RUNNING", "filter, column 7: expected one of = != < <= > >= :, found \"R\""},
        {"state=", "filter, column 7: a value is missing, the text ends here"},
        {"state=(a)", "filter, column 7: expected a value, found \"(\""},
        {"state=a=b", "filter, column 8: \"=\" cannot stand in a value without quotes around it"},
        {"state=a\"b\"", "filter, column 8: \"\"\" cannot stand in a value without quotes around it"},
        {"state=\"a\"b", "filter, column 10: \"b\" cannot stand in a value without quotes around it"},
        {"state=\"a", "filter, column 7: the text that begins here has no closing \""},
        {"labels.'a=1", "filter, column 8: the text that begins here has no closing '"},
        {"params.=1", "filter, column 8: expected a name after the dot, found \"=\""},
        {"=1", "filter, column 1: expected a field (like state or params.lr), found \"=\""},
        {"'a'=1", "filter, column 1: expected a field (like state or params.lr), found \"'\""},
        {"a=1 b=2", "filter, column 5: expected AND, OR or the end, found \"b\""},
        {"a=1)", "filter, column 4: expected AND, OR or the end, found \")\""},
        {"a=1 AND", "filter, column 8: a field (like state or params.lr) is missing, the text ends here"},
        {"NOT", "filter, column 4: a field (like state or params.lr) is missing, the text ends here"},
        {"(a=1", "filter, column 5: \")\", AND or OR is missing, the text ends here"},
        {"(a=1 b=2)", "filter, column 6: expected \")\", AND or OR, found \"b\""},
        {"()", "filter, column 2: expected a field (like state or params.lr), found \")\""},
        {"a=1 AND b=2 OR c=3", "filter, column 13: AND and OR are mixed: put parentheses around what belongs together"},
        {"a=1 OR b=2 AND c=3", "filter, column 12: AND and OR are mixed: put parentheses around what belongs together"},
        {"\xC3\xA4=1", "filter, column 1: expected a field (like state or params.lr), found \"\xC3\xA4\""},
        {"a=\xC3\xA4 \xE2\x82\xAC", "filter, column 5: expected AND, OR or the end, found \"\xE2\x82\xAC\""},
        {"a<>1", "filter, column 3: expected a value, found \">\""},
        {"a!1", "filter, column 2: expected one of = != < <= > >= :, found \"!\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error error = {0};
        assert_null(filter_parse(cases[i].text, &error));
        assert_string_equal(error.detail, cases[i].detail);
        assert_int_equal(error.code, ERR_SYNTAX);
        assert_string_equal(error.name, "FILTER_SYNTAX");
        assert_null(filter_parse(cases[i].text, NULL));
    }
}

/* `n` times `unit`, then `tail`. */
static char *repeat(const char *unit, size_t n, const char *tail)
{
    char *text = x_malloc(n * strlen(unit) + strlen(tail) + 1), *at = text;
    for (size_t i = 0; i < n; i++)
        at = stpcpy(at, unit);
    (void)strcpy(at, tail);
    return text;
}

static void limits_hold_and_just_below_them_all_works(void **state)
{
    (void)state;
    static const struct {
        const char *unit;
        size_t most;
        const char *tail, *closing, *detail;
    } cases[] = {
        {"(", FILTER_MAX_DEPTH, "a=1", ")", "filter, column 33: nested more than 32 deep"},
        {"NOT ", FILTER_MAX_DEPTH, "a=1", "", "filter, column 129: nested more than 32 deep"},
        {"a=1 AND ", (FILTER_MAX_NODES - 1) / 2, "a=1", "", "filter, column 404: more than 100 conditions and connectives"},
        {" ", FILTER_MAX_TEXT - 3, "a=1", "", "the filter has 2001 bytes, at most 2000 are allowed"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (size_t over = 0; over < 2; over++) {
            struct error error = {0};
            size_t n = cases[i].most + over;
            char *closing CLEANUP_FREE = repeat(cases[i].closing, n, "");
            char *tail CLEANUP_FREE = x_asprintf("%s%s", cases[i].tail, closing);
            char *text CLEANUP_FREE = repeat(cases[i].unit, n, tail);
            struct filter *f = filter_parse(text, &error);
            assert_int_equal(f == NULL, over);
            if (over)
                assert_string_equal(error.detail, cases[i].detail);
            filter_free(f);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_filter_becomes_its_tree),
        cmocka_unit_test(a_value_that_is_a_number_is_known_as_one),
        cmocka_unit_test(no_filter_is_no_error),
        cmocka_unit_test(what_is_wrong_is_told_with_its_column),
        cmocka_unit_test(limits_hold_and_just_below_them_all_works),
    };
    return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
