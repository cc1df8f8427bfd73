/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The short grammar of `hone tune -p` and of METRIC=VALUE. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cli/param_flag.h"

#include <string.h>

static void a_parameter_is_one_word(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name, *json;
    } cases[] = {
        {"lr=1e-5..1e-1:log", "lr", "{\"type\":\"float\",\"min\":1e-05,\"max\":0.1,\"scale\":\"log\"}"},
        {"x=-1..1", "x", "{\"type\":\"float\",\"min\":-1.0,\"max\":1.0}"},
        {"x=0..1:step=0.25", "x", "{\"type\":\"float\",\"min\":0.0,\"max\":1.0,\"step\":0.25}"},
        {"bs=16..256:int:step=16", "bs", "{\"type\":\"int\",\"min\":16,\"max\":256,\"step\":16}"},
        {"n=1..64:int:log", "n", "{\"type\":\"int\",\"min\":1,\"max\":64,\"scale\":\"log\"}"},
        {"n=1..64:log:int", "n", "{\"type\":\"int\",\"min\":1,\"max\":64,\"scale\":\"log\"}"},
        {"x=.5...75", "x", "{\"type\":\"float\",\"min\":0.5,\"max\":0.75}"},
        {"act=relu,tanh", "act", "{\"type\":\"categorical\",\"values\":[\"relu\",\"tanh\"]}"},
        {"k=3,5,7", "k", "{\"type\":\"categorical\",\"values\":[3,5,7]}"},
        {"m=007,1.5,true,a..b", "m", "{\"type\":\"categorical\",\"values\":[\"007\",1.5,true,\"a..b\"]}"},
        {"flag=bool", "flag", "{\"type\":\"bool\"}"},
        {"expr=a=b,c", "expr", "{\"type\":\"categorical\",\"values\":[\"a=b\",\"c\"]}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP_FREE char *name = NULL;
        json_t *out = NULL;
        struct error e = {0};
        if (param_flag(cases[i].text, &name, &out, &e))
            fail_msg("%s: %s", cases[i].text, e.detail);
        assert_string_equal(name, cases[i].name);
        json_t *expected = json_loads(cases[i].json, 0, NULL);
        CLEANUP_FREE char *text = json_dumps(out, JSON_COMPACT);
        if (!json_equal(out, expected))
            fail_msg("%s gave %s", cases[i].text, text);
        json_decref(expected);
        json_decref(out);
    }
}

static void a_wrong_parameter_is_told_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"lr", "NAME=MIN..MAX"},         {"=1..2", "NAME=MIN..MAX"},          {"lr=", "NAME=MIN..MAX"},
        {"lr=0.1", "NAME=MIN..MAX"},     {"lr=2..1", "MIN must be below MAX"}, {"lr=1..1", "MIN must be below MAX"},
        {"lr=0..1:log", "above 0"},      {"lr=1..x", "no number"},            {"lr=1..2:lgo", "\":lgo\""},
        {"lr=1..2:step=0", ":step=S"},   {"lr=1..2:step=-1", ":step=S"},      {"lr=1..2:step=5", "larger than the range"},
        {"n=1..2.5:int", "whole"},       {"n=1..9:int:step=0.5", "whole"},    {"a=x,x", "twice"},
        {"a=x,,y", "empty"},             {"a=x,", "empty"},                   {"lr=1..1e999", "no number"},
        {"x=0x10..20", "NAME=MIN..MAX"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *name = NULL;
        json_t *out = NULL;
        struct error e = {0};
        if (param_flag(cases[i].text, &name, &out, &e) != ERR_USAGE)
            fail_msg("%s was taken", cases[i].text);
        if (!strstr(e.detail, cases[i].says) || !strstr(e.detail, cases[i].text))
            fail_msg("%s: %s", cases[i].text, e.detail);
        assert_null(name);
    }
}

static void a_metric_is_a_name_and_a_number(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name, *value; /* value NULL: refused */
    } cases[] = {
        {"loss=0.5", "loss", "0.5"},       {"loss=-1e-3", "loss", "-0.001"}, {"val/acc=1", "val/acc", "1.0"},
        {"loss=nan", "loss", "\"NaN\""},   {"loss=inf", "loss", "\"Infinity\""}, {"loss=-inf", "loss", "\"-Infinity\""},
        {"loss", NULL, NULL},              {"=1", NULL, NULL},               {"loss=", NULL, NULL},
        {"loss=abc", NULL, NULL},          {"loss=1x", NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP_FREE char *name = NULL;
        json_t *out = NULL;
        enum err rc = metric_flag(cases[i].text, &name, &out, NULL);
        assert_int_equal(rc, cases[i].value ? OK : ERR_USAGE);
        if (!cases[i].value)
            continue;
        assert_string_equal(name, cases[i].name);
        json_t *expected = json_loads(cases[i].value, JSON_DECODE_ANY, NULL);
        assert_true(json_equal(out, expected));
        json_decref(expected);
        json_decref(out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_parameter_is_one_word),
        cmocka_unit_test(a_wrong_parameter_is_told_what_is_wrong),
        cmocka_unit_test(a_metric_is_a_name_and_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
