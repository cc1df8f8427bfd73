/* SPDX-License-Identifier: GPL-3.0-or-later */
/* model/template: what is replaced, what is left alone, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "model/template.h"

#include <float.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {"lr", "act", "gone", "num-layers", "bn", "odd", NULL};

static json_t *params(void)
{
    return json_pack("{s:f, s:s, s:i, s:b, s:s}", "lr", 1e-3, "act", "relu", "num-layers", 3, "bn", 1, "odd", "a'b \"$HOME\" `x` \\ {lr}");
}

static char *render(const char *text, bool shell_quote)
{
    json_t *p = params();
    struct template_values values = {.params = p, .names = names, .trial = 12, .seed = UINT64_MAX, .trial_name = "digits-12"};
    char *out = template_render(text, &values, shell_quote);
    json_decref(p);
    return out;
}

static void placeholders_become_values_and_the_rest_stays(void **state)
{
    (void)state;
    static const struct {
        const char *text, *out;
    } cases[] = {
        {"", ""},
        {"--lr={lr}", "--lr=0.001"},
        {"{lr}{act}", "0.001relu"},
        {"{num-layers} {bn} [{gone}]", "3 true []"},
        {"{trial} {seed}", "12 18446744073709551615"},
        {"${trialParameters.lr} ${trialSpec.Name}", "0.001 digits-12"},
        {"$${trialParameters.act}", "$relu"},
        {"{odd}", "a'b \"$HOME\" `x` \\ {lr}"}, /* a value is not looked into */
        /* literal braces, as in Python */
        {"{{lr}}", "{lr}"},
        {"{{print}}", "{print}"},
        {"{{{lr}}}", "{0.001}"},
        {"{{{{lr}}}}", "{{lr}}"},
        {"{{{{{lr}}}}}", "{{0.001}}"},
        /* JSON */
        {"{\"lr\": {lr}}", "{\"lr\": 0.001}"},
        {"{\"a\":{\"b\":{lr}}}", "{\"a\":{\"b\":0.001}}"},
        {"{\"a\": {\"b\": 1}}", "{\"a\": {\"b\": 1}}"},
        {"{\"lr\":\"{lr}\",\"e\":{}}", "{\"lr\":\"0.001\",\"e\":{}}"},
        {"{{lr}, 1}", "{0.001, 1}"},
        /* shell */
        {"${HOME} ${lr} $${lr} ${{lr}} ${lr:-1}", "${HOME} ${lr} $${lr} ${{lr}} ${lr:-1}"},
        {"awk '{print $1}' {a,b} {1..3} { ls; }", "awk '{print $1}' {a,b} {1..3} { ls; }"},
        {"$ {lr} $", "$ 0.001 $"},
        /* Python and others */
        {"{} {0} {x!r} {x:.3f} { lr } {lr }", "{} {0} {x!r} {x:.3f} { lr } {lr }"},
        {"{{ lr }} {% if lr %}", "{{ lr }} {% if lr %}"},
        {"{lr", "{lr"},
        {"lr}", "lr}"},
        {"{{lr", "{{lr"},
        {"${trialParameters.lr", "${trialParameters.lr"},
        {"${trialParameters.l r}", "${trialParameters.l r}"},
        /* unknown ones were refused before */
        {"{nope} ${trialParameters.nope} ${trialSpec.Kind}", "{nope} ${trialParameters.nope} ${trialSpec.Kind}"},
        {"\xC3\xA4{lr}\xE2\x82\xAC", "\xC3\xA4"
                                     "0.001\xE2\x82\xAC"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *out CLEANUP_FREE = render(cases[i].text, false);
        assert_string_equal(out, cases[i].out);
    }
}

static void a_value_is_quoted_for_the_shell(void **state)
{
    (void)state;
    static const struct {
        const char *text, *out;
    } cases[] = {
        {"train --lr {lr} --act {act}", "train --lr '0.001' --act 'relu'"},
        {"x{gone}y {trial} ${trialSpec.Name}", "x''y '12' 'digits-12'"},
        {"{odd}", "'a'\\''b \"$HOME\" `x` \\ {lr}'"},
        {"echo ${HOME} {{lr}}", "echo ${HOME} {lr}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *out CLEANUP_FREE = render(cases[i].text, true);
        assert_string_equal(out, cases[i].out);
    }
}

static void a_real_shell_reads_a_quoted_value_as_one_word(void **state)
{
    (void)state;
    char *line CLEANUP_FREE = render("set -- {odd} {act}; echo \"$#:$1\"", true);
    FILE *shell = popen(line, "re");
    char out[100] = "";
    assert_non_null(shell);
    assert_non_null(fgets(out, sizeof out, shell));
    assert_int_equal(pclose(shell), 0);
    assert_string_equal(out, "2:a'b \"$HOME\" `x` \\ {lr}\n");
}

static void a_parameter_hides_our_own_word(void **state)
{
    (void)state;
    static const char *const own[] = {"seed", NULL};
    json_t *p = json_pack("{s:i}", "seed", 5);
    struct template_values values = {.params = p, .names = own, .trial = 1, .seed = 99, .trial_name = "a-1"};
    char *out CLEANUP_FREE = template_render("{seed} {trial}", &values, false);
    assert_string_equal(out, "5 1");
    json_decref(p);
}

static void a_number_is_the_shortest_text_that_reads_back_the_same(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0.1, "0.1"},
        {1, "1"},
        {1e-5, "1e-05"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.0 / 3, "0.3333333333333333"},
        {-0.0, "-0"},
        {1e300, "1e+300"},
        {100000, "100000"},
        {123456789012, "123456789012"},
        {DBL_MAX, "1.7976931348623157e+308"},
        {-2.5, "-2.5"},
        {5e-324, NULL},
        {DBL_MIN, NULL},
        {2.0 / 3, NULL},
        {9007199254740993.0, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_t *real = json_real(cases[i].value);
        char *text CLEANUP_FREE = template_value(real);
        double back = strtod(text, NULL);
        assert_memory_equal(&back, &cases[i].value, sizeof back);
        if (cases[i].text)
            assert_string_equal(text, cases[i].text);
        json_decref(real);
    }
}

static void other_values_stand_as_they_are(void **state)
{
    (void)state;
    static const struct {
        const char *json, *text;
    } cases[] = {
        {"9223372036854775807", "9223372036854775807"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"0", "0"},
        {"true", "true"},
        {"false", "false"},
        {"\"a b\"", "a b"},
        {"\"\"", ""},
        {"null", "null"},
        {"[1, \"x\"]", "[1,\"x\"]"},
        {"{\"b\": 1, \"a\": 2}", "{\"a\":2,\"b\":1}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_t *value = json_loads(cases[i].json, JSON_DECODE_ANY, NULL);
        char *text CLEANUP_FREE = template_value(value);
        assert_string_equal(text, cases[i].text);
        json_decref(value);
    }
}

static void an_unknown_placeholder_is_a_problem_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *detail, *hint;
    } cases[] = {
        {"--act {acd}", "column 7: {acd} is neither a parameter nor {trial}, {seed} or {budget}; write {{acd}} for the text itself", "act"},
        {"{tral}", "column 1: {tral} is neither a parameter nor {trial}, {seed} or {budget}; write {{tral}} for the text itself", "trial"},
        {"\xC3\xA4 {temperature}", "column 3: {temperature} is neither a parameter nor {trial}, {seed} or {budget}; write {{temperature}} for the text itself", NULL},
        {"{{{unheard}}}", "column 1: {unheard} is neither a parameter nor {trial}, {seed} or {budget}; write {{unheard}} for the text itself", NULL},
        {"a ${trialParameters.num-layer}", "column 3: ${trialParameters.num-layer} does not name a parameter", "num-layers"},
        {"${trialParameters.}", "column 1: ${trialParameters.} does not name a parameter", NULL},
        {"${trialParameters.trial}", "column 1: ${trialParameters.trial} does not name a parameter", NULL},
        {"${trialSpec.Kind}", "column 1: of the trial's own fields only ${trialSpec.Name} can be used", "Name"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct problems p = {0};
        template_check(cases[i].text, names, "/run/command/3", &p);
        assert_int_equal(p.n, 1);
        assert_string_equal(p.items[0].pointer, "/run/command/3");
        assert_string_equal(p.items[0].code, "UNKNOWN_PLACEHOLDER");
        assert_string_equal(p.items[0].detail, cases[i].detail);
        if (cases[i].hint)
            assert_string_equal(p.items[0].hint, cases[i].hint);
        else
            assert_null(p.items[0].hint);
        problems_release(&p);
    }
}

static void what_is_known_or_not_ours_is_no_problem(void **state)
{
    (void)state;
    static const char *const texts[] = {"{lr} {gone} {trial} {seed} {num-layers}", "${trialParameters.lr} ${trialSpec.Name}", "{{nope}} {{{{nope}}}}",
                                        "${HOME} {print $1} {} {0} {a,b} {\"nope\": 1} { nope }", "{nope", "${trialParameters.nope"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct problems p = {0};
        template_check(texts[i], names, "", &p);
        if (p.n)
            fail_msg("%s: %s", texts[i], p.items[0].detail);
    }
    struct problems p = {0};
    template_check("{a} {lr} {b} ${trialSpec.X}", names, "", &p);
    assert_int_equal(p.n, 3);
    problems_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(placeholders_become_values_and_the_rest_stays),
        cmocka_unit_test(a_value_is_quoted_for_the_shell),
        cmocka_unit_test(a_real_shell_reads_a_quoted_value_as_one_word),
        cmocka_unit_test(a_parameter_hides_our_own_word),
        cmocka_unit_test(a_number_is_the_shortest_text_that_reads_back_the_same),
        cmocka_unit_test(other_values_stand_as_they_are),
        cmocka_unit_test(an_unknown_placeholder_is_a_problem_with_its_place),
        cmocka_unit_test(what_is_known_or_not_ours_is_no_problem),
    };
    return cmocka_run_group_tests_name("template", tests, NULL, NULL);
}
