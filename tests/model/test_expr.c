/* SPDX-License-Identifier: GPL-3.0-or-later */
/* model/expr: what holds, what is refused and where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "model/expr.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    LR,
    BATCH,
    KERNEL,
    FLAG,
    LAYERS,
    OFF,
    GONE,
    MIXED,
    NOTHING,
    PLAIN,
    N,
};

static const char *const names[N] = {"lr", "batch", "kernel", "flag", "num-layers", "off", "gone", "mixed", "nothing", "num"};
static const enum expr_type types[N] = {EXPR_NUMBER, EXPR_NUMBER, EXPR_STRING, EXPR_BOOL, EXPR_NUMBER,
                                        EXPR_BOOL, EXPR_NUMBER, EXPR_UNKNOWN, EXPR_NUMBER, EXPR_NUMBER};
static const struct expr_value values[N] = {
    [LR] = {.type = EXPR_NUMBER, .number = 0.01},
    [BATCH] = {.type = EXPR_NUMBER, .number = 64},
    [KERNEL] = {.type = EXPR_STRING, .string = "rbf"},
    [FLAG] = {.type = EXPR_BOOL, .number = 1},
    [LAYERS] = {.type = EXPR_NUMBER, .number = 3},
    [OFF] = {.type = EXPR_BOOL, .number = 0},
    [GONE] = {.type = EXPR_UNKNOWN},
    [MIXED] = {.type = EXPR_STRING, .string = "auto"},
    [NOTHING] = {.type = EXPR_NUMBER, .number = (double)NAN},
    [PLAIN] = {.type = EXPR_NUMBER, .number = 10},
};

static struct expr *parse(const char *text, struct problems *p)
{
    return expr_parse(text, names, types, N, "/constraints/0", p);
}

struct holds {
    const char *text;
    bool holds;
};

static void check(const struct holds *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct problems p = {0};
        struct expr *e = parse(cases[i].text, &p);
        if (!e)
            fail_msg("%s: %s", cases[i].text, p.items[0].detail);
        if (expr_holds(e, values) != cases[i].holds)
            fail_msg("%s: is %s", cases[i].text, cases[i].holds ? "false" : "true");
        assert_int_equal(p.n, 0);
        expr_free(e);
    }
}

static void arithmetic_binds_as_in_python(void **state)
{
    (void)state;
    static const struct holds cases[] = {
        {"1 + 2 * 3 == 7", true},
        {"(1 + 2) * 3 == 9", true},
        {"2 ** 3 ** 2 == 512", true},
        {"-2 ** 2 == -4", true},
        {"(-2) ** 2 == 4", true},
        {"2 ** -1 == 0.5", true},
        {"10 - 4 - 3 == 3", true},
        {"100 / 10 / 5 == 2", true},
        {"7 % 3 == 1", true},
        {"-7 % 3 == 2", true},
        {"7 % -3 == -2", true},
        {"-6 % 3 == 0", true},
        {"5.5 % 2 == 1.5", true},
        {"- - 1 == 1", true},
        {"1e3 == 1000", true},
        {".5 == 0.5", true},
        {"5. == 5", true},
        {"1E-2 == lr", true},
        {"2*-3 == -6", true},
        {"1-1==0", true},
        {"batch * lr < 1", true},
        {"batch * lr < 0.64", false},
        {"batch*lr<=0.64", true},
        {"batch >= 64", true},
        {"batch > 64", false},
        {"batch != 64", false},
        {"num-layers == 3", true},
        {"num-layers-1 == 2", true},
        {"num - num-layers == 7", true},
        {"num -batch < 0", true},
        {"2 + 3 > 4 and 1 < 2", true},
    };
    check(cases, ARRAY_LEN(cases));
}

static void functions_give_what_their_names_say(void **state)
{
    (void)state;
    static const struct holds cases[] = {
        {"abs(-3) == 3", true},
        {"min(3, 1, 2) == 1", true},
        {"max(3, 1, 2) == 3", true},
        {"min(2, 2) == 2", true},
        {"sqrt(16) == 4", true},
        {"log(1) == 0", true},
        {"log2(8) == 3", true},
        {"log10(1000) == 3", true},
        {"exp(0) == 1", true},
        {"floor(-1.5) == -2", true},
        {"ceil(1.2) == 2", true},
        {"pow(2, 10) == 1024", true},
        {"max(1, pow(2, 3)) + 1 == 9", true},
        {"log(exp(2)) > 1.99 and log(exp(2)) < 2.01", true},
        {"abs (-1) == 1", true},
    };
    check(cases, ARRAY_LEN(cases));
}

static void truth_binds_or_and_not_comparison(void **state)
{
    (void)state;
    static const struct holds cases[] = {
        {"true", true},
        {"false", false},
        {"flag", true},
        {"off", false},
        {"not off", true},
        {"!flag", false},
        {"not not flag", true},
        {"!off && flag", true},
        {"true or true and false", true},
        {"(true or true) and false", false},
        {"not true or true", true},
        {"not (true or true)", false},
        {"not 1 > 2", true},
        {"false || off || flag", true},
        {"flag == true", true},
        {"off == flag", false},
        {"off != flag", true},
        {"(1 < 2) == (3 < 4)", true},
        {"kernel == 'rbf'", true},
        {"kernel != \"rbf\"", false},
        {"kernel == 'RBF'", false},
        {"'a\\'b' == \"a'b\"", true},
        {"'a\\\\b' == \"a\\b\"", true},
        {"'' == \"\"", true},
        {"kernel != 'rbf' or lr > 1e-3", true},
        {"kernel != 'rbf' or lr > 1e-1", false},
    };
    check(cases, ARRAY_LEN(cases));
}

static void no_value_makes_a_comparison_false(void **state)
{
    (void)state;
    static const struct holds cases[] = {
        {"1 / 0 > 0", false},
        {"1 / 0 <= 0", false},
        {"1 / 0 == 1 / 0", false},
        {"1 / 0 != 1", false},
        {"0 / 0 == 0", false},
        {"not 1 / 0 > 0", true},
        {"5 % 0 < 1", false},
        {"0 ** -1 > 0", false},
        {"pow(0, -1) > 0", false},
        {"sqrt(-1) >= 0", false},
        {"log(0) < 5", false},
        {"log(-1) < 5", false},
        {"log2(0) < 5", false},
        {"log10(-1) != 0", false},
        {"nothing < 1", false},
        {"nothing != nothing", false},
        {"min(1, nothing) < 2", false},
        {"max(nothing, 1) > 0", false},
        {"abs(nothing) + 1 > 0", false},
        {"(-8) ** 0.5 != 1", false},
        {"exp(1000) > 1e300", true},
        {"exp(1000) < 1e300", false},
        {"1 / 0 > 0 or true", true},
    };
    check(cases, ARRAY_LEN(cases));
}

static void an_inactive_parameter_decides_nothing(void **state)
{
    (void)state;
    static const struct holds cases[] = {
        {"gone < 1", true},
        {"gone > 1", true},
        {"not gone < 1", true},
        {"gone + 1 / 0 > 0", true},
        {"gone < 1 and true", true},
        {"gone < 1 and false", false},
        {"false and gone < 1", false},
        {"gone < 1 or false", true},
        {"true or gone < 1", true},
        {"(gone < 1) == true", true},
        {"kernel != 'rbf' or gone > 1e-3", true},
        {"not (gone < 1 or true)", false},
        {"not (gone < 1 and false)", true},
        {"max(gone, 1) < 0", true},
        {"-gone ** 2 == 3", true},
        {"gone < 1 and batch < 10", false},
    };
    check(cases, ARRAY_LEN(cases));
}

static void a_mixed_categorical_compares_with_anything(void **state)
{
    (void)state;
    static const struct holds cases[] = {
        {"mixed == 'auto'", true},
        {"mixed == 3", false},
        {"mixed != 3", true},
        {"mixed < 3", false},
        {"mixed > 3", false},
        {"mixed * 2 < 1", false},
        {"not mixed < 3", true},
        {"mixed == 'auto' or mixed < 3", true},
        {"mixed < lr", false},
        {"mixed == true", false},
    };
    check(cases, ARRAY_LEN(cases));
    struct problems p = {0};
    struct expr *e = parse("mixed < 3 or mixed == 'auto'", &p);
    struct expr_value other[N];
    memcpy(other, values, sizeof other);
    other[MIXED] = (struct expr_value){.type = EXPR_NUMBER, .number = 2};
    assert_true(expr_holds(e, other));
    other[MIXED].number = 4;
    assert_false(expr_holds(e, other));
    expr_free(e);
}

static void what_is_wrong_is_told_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *code, *detail, *hint;
    } cases[] = {
        {"", "SYNTAX", "column 1: a value is missing, the text ends here", NULL},
        {"  ", "SYNTAX", "column 3: a value is missing, the text ends here", NULL},
        {"lr <", "SYNTAX", "column 5: a value is missing, the text ends here", NULL},
        {"lr < )", "SYNTAX", "column 6: expected a value, found \")\"", NULL},
        {"lr < and", "SYNTAX", "column 6: expected a value, found \"and\"", NULL},
        {"(lr < 1", "SYNTAX", "column 8: \")\" is missing, the text ends here", NULL},
        {"(lr < 1 2", "SYNTAX", "column 9: expected \")\", found \"2\"", NULL},
        {"lr < 1 2", "SYNTAX", "column 8: expected an operator or the end, found \"2\"", NULL},
        {"lr < 1 'x'", "SYNTAX", "column 8: expected an operator or the end, found a text in quotes", NULL},
        {"lr < 1)", "SYNTAX", "column 7: expected an operator or the end, found \")\"", NULL},
        {"+lr < 1", "SYNTAX", "column 1: expected a value, found \"+\"", NULL},
        {"0 < lr < 1", "SYNTAX", "column 8: comparisons cannot be chained: write \"a < b and b < c\"", NULL},
        {"lr == 1 == true", "SYNTAX", "column 9: comparisons cannot be chained: write \"a < b and b < c\"", NULL},
        {"lr = 1", "SYNTAX", "column 4: \"=\" is not known here, write \"==\"", "=="},
        {"lr <> 1", "SYNTAX", "column 4: \"<>\" is not known here, write \"!=\"", "!="},
        {"lr ^ 2 < 1", "SYNTAX", "column 4: \"^\" is not known here, write \"**\"", "**"},
        {"flag & off", "SYNTAX", "column 6: \"&\" is not known here, write \"and\"", "and"},
        {"flag | off", "SYNTAX", "column 6: \"|\" is not known here, write \"or\"", "or"},
        {"lr < 1;", "SYNTAX", "column 7: \";\" means nothing here", NULL},
        {"'\xC3\xA4' == 'b' \xE2\x82\xAC", "SYNTAX", "column 12: \"\xE2\x82\xAC\" means nothing here", NULL},
        {"kernel == 'rbf", "SYNTAX", "column 11: the text that begins here has no closing '", NULL},
        {"kernel == \"rbf'", "SYNTAX", "column 11: the text that begins here has no closing \"", NULL},
        {"lr < 1x", "SYNTAX", "column 6: \"1x\" is not a number", NULL},
        {"lr < 0x10", "SYNTAX", "column 6: \"0x10\" is not a number", NULL},
        {"lr < 1e", "SYNTAX", "column 6: \"1e\" is not a number", NULL},
        {"lr < 1.2.3", "SYNTAX", "column 6: \"1.2.3\" is not a number", NULL},
        {"lr < 1e999", "SYNTAX", "column 6: \"1e999\" is not a number", NULL},
        {"bach * lr < 1", "UNKNOWN_PARAMETER", "column 1: there is no parameter \"bach\" (a text is written in quotes: 'bach')", "batch"},
        {"kernel == linear", "UNKNOWN_PARAMETER", "column 11: there is no parameter \"linear\" (a text is written in quotes: 'linear')", NULL},
        {"LR < temperature", "UNKNOWN_PARAMETER", "column 1: there is no parameter \"LR\" (a text is written in quotes: 'LR')", "lr"},
        {"sqr(lr) < 1", "UNKNOWN_FUNCTION",
         "column 1: there is no function \"sqr\" (there are abs, min, max, sqrt, log, log2, log10, exp, floor, ceil, pow)", "sqrt"},
        {"system('x')", "UNKNOWN_FUNCTION",
         "column 1: there is no function \"system\" (there are abs, min, max, sqrt, log, log2, log10, exp, floor, ceil, pow)", NULL},
        {"lr(1) < 1", "UNKNOWN_FUNCTION",
         "column 1: there is no function \"lr\" (there are abs, min, max, sqrt, log, log2, log10, exp, floor, ceil, pow)", NULL},
        {"1 < min(lr)", "SYNTAX", "column 5: min() takes 2 or more values, not 1", NULL},
        {"pow(1, 2, 3) < 1", "SYNTAX", "column 1: pow() takes 2 values, not 3", NULL},
        {"abs(1, 2) < 1", "SYNTAX", "column 1: abs() takes 1 value, not 2", NULL},
        {"abs() < 1", "SYNTAX", "column 5: expected a value, found \")\"", NULL},
        {"abs(1 < 1", "TYPE", "column 5: abs() needs a number here, not a truth value", NULL},
        {"kernel * 2 < 1", "TYPE", "column 1: * needs a number here, not a text", NULL},
        {"2 * kernel < 1", "TYPE", "column 5: * needs a number here, not a text", NULL},
        {"lr + flag < 1", "TYPE", "column 6: + needs a number here, not a truth value", NULL},
        {"-kernel < 1", "TYPE", "column 2: - needs a number here, not a text", NULL},
        {"kernel ** 2 < 1", "TYPE", "column 1: ** needs a number here, not a text", NULL},
        {"kernel < 'rbf'", "TYPE", "column 1: < needs a number here, not a text", NULL},
        {"flag >= off", "TYPE", "column 1: >= needs a number here, not a truth value", NULL},
        {"kernel == 1", "TYPE", "column 8: \"==\" cannot compare a text with a number", NULL},
        {"lr != true", "TYPE", "column 4: \"!=\" cannot compare a number with a truth value", NULL},
        {"lr and flag", "TYPE", "column 1: and needs a truth value here, not a number", NULL},
        {"flag or kernel", "TYPE", "column 9: or needs a truth value here, not a text", NULL},
        {"not lr", "TYPE", "column 5: not needs a truth value here, not a number", NULL},
        {"!kernel", "TYPE", "column 2: not needs a truth value here, not a text", NULL},
        {"lr * batch", "TYPE", "column 1: a constraint must be true or false, this is a number; compare it with something (\"... < 1\")", NULL},
        {"'x'", "TYPE", "column 1: a constraint must be true or false, this is a text; compare it with something (\"... < 1\")", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct problems p = {0};
        assert_null(parse(cases[i].text, &p));
        assert_true(p.n > 0);
        assert_string_equal(p.items[0].pointer, "/constraints/0");
        assert_string_equal(p.items[0].detail, cases[i].detail);
        assert_string_equal(p.items[0].code, cases[i].code);
        if (cases[i].hint)
            assert_string_equal(p.items[0].hint, cases[i].hint);
        else
            assert_null(p.items[0].hint);
        problems_release(&p);
    }
}

static void several_mistakes_are_told_at_once_and_each_once(void **state)
{
    (void)state;
    struct problems p = {0};
    assert_null(parse("bach * 'x' < 1 and kernel", &p));
    assert_int_equal(p.n, 3);
    assert_string_equal(p.items[0].code, "UNKNOWN_PARAMETER");
    assert_string_equal(p.items[1].detail, "column 8: * needs a number here, not a text");
    assert_string_equal(p.items[2].detail, "column 20: and needs a truth value here, not a text");
    problems_release(&p);
}

/* `head`, `n` times `unit`, `tail`. */
static char *repeat(const char *head, const char *unit, size_t n, const char *tail)
{
    char *text = x_malloc(strlen(head) + n * strlen(unit) + strlen(tail) + 1), *at = text;
    at = stpcpy(at, head);
    for (size_t i = 0; i < n; i++)
        at = stpcpy(at, unit);
    (void)strcpy(at, tail);
    return text;
}

static void limits_hold_and_just_below_them_all_works(void **state)
{
    (void)state;
    static const struct {
        const char *head, *unit;
        size_t most;
        const char *tail, *closing, *detail; /* detail of most + 1 */
    } cases[] = {
        {"", "(", EXPR_MAX_DEPTH, "1<2", ")", "column 33: nested more than 32 deep"},
        {"", "not ", EXPR_MAX_DEPTH, "flag", "", "column 129: nested more than 32 deep"},
        {"1 < ", "-", EXPR_MAX_DEPTH, "1", "", "column 37: nested more than 32 deep"},
        {"", "1**", EXPR_MAX_DEPTH, "1 == 1", "", "column 98: nested more than 32 deep"},
        {"1 > ", "abs(", EXPR_MAX_DEPTH, "0", ")", "column 136: nested more than 32 deep"},
        {"1 < 1", "+1", (EXPR_MAX_NODES - 4) / 2, "", "", "column 260: more than 256 operations and values; split it into several constraints"},
        {"1 < 1", " ", EXPR_MAX_TEXT - 5, "", "", "has 1025 bytes, at most 1024 are allowed; split it into several constraints"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (size_t over = 0; over < 2; over++) {
            struct problems p = {0};
            size_t n = cases[i].most + over;
            char *closing CLEANUP_FREE = repeat(cases[i].tail, cases[i].closing, n, "");
            char *text CLEANUP_FREE = repeat(cases[i].head, cases[i].unit, n, closing);
            struct expr *e = parse(text, &p);
            if ((e == NULL) != over)
                fail_msg("%s: %s", text, p.n ? p.items[0].detail : "taken");
            if (over) {
                assert_int_equal(p.n, 1);
                assert_string_equal(p.items[0].detail, cases[i].detail);
                assert_string_equal(p.items[0].code, "TOO_LARGE");
            } else {
                (void)expr_holds(e, values);
            }
            expr_free(e);
            problems_release(&p);
        }
}

static void it_is_known_which_parameters_are_used(void **state)
{
    (void)state;
    struct problems p = {0};
    struct expr *e = parse("num-layers * lr < 'x' == kernel", &p);
    assert_null(e);
    problems_release(&p);
    e = parse("num-layers * lr < 1 or 'batch' == kernel", &p);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(expr_uses(e, i), i == LAYERS || i == LR || i == KERNEL);
    expr_free(e);
}

static void a_parameter_may_have_the_name_of_a_function(void **state)
{
    (void)state;
    static const char *const own[] = {"max", "log"};
    static const enum expr_type own_types[] = {EXPR_NUMBER, EXPR_NUMBER};
    static const struct expr_value own_values[] = {{.type = EXPR_NUMBER, .number = 2}, {.type = EXPR_NUMBER, .number = 3}};
    struct problems p = {0};
    struct expr *e = expr_parse("max(max, log) == log", own, own_types, 2, "", &p);
    assert_non_null(e);
    assert_true(expr_holds(e, own_values));
    expr_free(e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arithmetic_binds_as_in_python),
        cmocka_unit_test(functions_give_what_their_names_say),
        cmocka_unit_test(truth_binds_or_and_not_comparison),
        cmocka_unit_test(no_value_makes_a_comparison_false),
        cmocka_unit_test(an_inactive_parameter_decides_nothing),
        cmocka_unit_test(a_mixed_categorical_compares_with_anything),
        cmocka_unit_test(what_is_wrong_is_told_with_its_place),
        cmocka_unit_test(several_mistakes_are_told_at_once_and_each_once),
        cmocka_unit_test(limits_hold_and_just_below_them_all_works),
        cmocka_unit_test(it_is_known_which_parameters_are_used),
        cmocka_unit_test(a_parameter_may_have_the_name_of_a_function),
    };
    return cmocka_run_group_tests_name("expr", tests, NULL, NULL);
}
