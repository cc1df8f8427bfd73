/* SPDX-License-Identifier: GPL-3.0-or-later */
/* model/spec: experiment files. The cases are files: tests/spec/valid is accepted, and what is wrong with each X.yaml of tests/spec/invalid is
 * in X.txt, a line a problem. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "model/spec.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct setting gp_settings[] = {{"start", SETTING_INT, 10, 1, 1000, NULL, "points before the model"}, {0}};
static const struct setting median_settings[] = {{"grace", SETTING_INT, 4, 0, 1000, NULL, "steps before it may stop"}, {0}};
static const struct catalog_entry algorithms[] = {{"auto", "Automatic", NULL, false, NULL}, {"random", "Random", NULL, false, NULL}, {"grid", "Grid", NULL, true, NULL}, {"gp", "GP", gp_settings, false, NULL}, {0}};
static const struct catalog_entry stoppers[] = {{"median", "Median", median_settings, false, NULL}, {0}};
static const struct catalog_entry backends[] = {{"process", "Processes", NULL, false, NULL}, {0}};
static const struct catalog catalog = {algorithms, stoppers, backends};

static char *read_file(const char *path, size_t *len)
{
    struct buf b = BUF_INIT;
    char part[4096];
    size_t n;
    FILE *f = fopen(path, "r");
    if (!f)
        fail_msg("%s: cannot be opened", path);
    while ((n = fread(part, 1, sizeof part, f)) > 0)
        buf_add(&b, part, n);
    (void)fclose(f);
    *len = b.len;
    return buf_take(&b);
}

static struct spec *parse(const char *text, struct problems *p)
{
    return spec_parse(text, strlen(text), &catalog, p);
}

static char *lines_of(const struct problem_item *items, size_t n)
{
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < n; i++) {
        char dotted[200];
        problems_dotted(items[i].pointer, dotted, sizeof dotted);
        buf_addf(&b, "%s: %s", dotted, items[i].detail);
        if (items[i].hint)
            buf_addf(&b, " (%s?)", items[i].hint);
        buf_adds(&b, "\n");
    }
    return buf_take(&b);
}

/* Calls `check` for each file of `dir` whose name ends with .yaml or .json; gives how many. */
static int each_file(const char *dir, void (*check)(const char *path))
{
    struct dirent **names;
    int n = scandir(dir, &names, NULL, alphasort), done = 0;
    assert_true(n > 0);
    for (int i = 0; i < n; i++) {
        const char *dot = strrchr(names[i]->d_name, '.');
        char *path CLEANUP_FREE = x_asprintf("%s/%s", dir, names[i]->d_name);
        if (dot && (!strcmp(dot, ".yaml") || !strcmp(dot, ".json"))) {
            check(path);
            done++;
        }
        free(names[i]);
    }
    free(names);
    return done;
}

static void check_valid(const char *path)
{
    size_t len;
    char *text CLEANUP_FREE = read_file(path, &len);
    struct problems p = {0};
    struct spec *s = spec_parse(text, len, &catalog, &p);
    char *lines CLEANUP_FREE = lines_of(p.items, p.n);
    if (!s)
        fail_msg("%s: %s", path, lines);
    /* what is stored is read back, and nothing changes */
    char *stored CLEANUP_FREE = json_dumps(s->document, JSON_COMPACT);
    problems_release(&p);
    struct spec *again = spec_parse(stored, strlen(stored), &catalog, &p);
    assert_int_equal(p.n_warnings, 0);
    assert_non_null(again);
    char *twice CLEANUP_FREE = json_dumps(again->document, JSON_COMPACT);
    assert_string_equal(stored, twice);
    assert_int_equal(s->space->n, again->space->n);
    spec_free(again);
    spec_free(s);
    problems_release(&p);
}

static void valid_files_are_accepted_and_their_normal_form_is_stable(void **state)
{
    (void)state;
    assert_true(each_file("tests/spec/valid", check_valid) >= 5);
}

static void check_invalid(const char *path)
{
    size_t len, len_expected;
    char *text CLEANUP_FREE = read_file(path, &len);
    char *beside CLEANUP_FREE = x_asprintf("%.*s.txt", (int)(strrchr(path, '.') - path), path);
    struct problems p = {0};
    struct spec *s = spec_parse(text, len, &catalog, &p);
    char *lines CLEANUP_FREE = lines_of(p.items, p.n);
    char *expected CLEANUP_FREE = read_file(beside, &len_expected);
    assert_null(s);
    if (strcmp(lines, expected) != 0)
        fail_msg("%s:\n%s--- but expected:\n%s", path, lines, expected);
    problems_release(&p);
}

static void every_problem_of_an_invalid_file_is_told(void **state)
{
    (void)state;
    assert_true(each_file("tests/spec/invalid", check_invalid) >= 12);
}

static void examples_of_the_reference_are_valid(void **state)
{
    (void)state;
    size_t len;
    int n = 0;
    char *page CLEANUP_FREE = read_file("docs/reference/experiment-file.md", &len);
    for (char *from = page; (from = strstr(from, "```yaml\n")); n++) {
        from += strlen("```yaml\n");
        char *end = strstr(from, "```");
        assert_non_null(end);
        struct problems p = {0};
        struct spec *s = spec_parse(from, (size_t)(end - from), &catalog, &p);
        char *lines CLEANUP_FREE = lines_of(p.items, p.n);
        assert_string_equal(lines, "");
        spec_free(s);
        problems_release(&p);
        from = end;
    }
    assert_int_equal(n, 3);
}

#define SMALL "objective: {metric: loss, direction: minimize}\nparameters: {x: {type: float, min: 0, max: 1}}\n"

static void defaults_are_filled_in(void **state)
{
    (void)state;
    struct problems p = {0};
    struct spec *s = parse(SMALL, &p);
    assert_non_null(s);
    assert_string_equal(s->name, "");
    assert_string_equal(s->algorithm, "auto");
    assert_int_equal(s->n_stopping, 0);
    assert_true(isnan(s->objectives[0].goal) && s->objectives[0].strategy == STRATEGY_LAST && !s->objectives[0].maximize);
    assert_true(s->max_trials == 0 && s->parallel == 0 && s->max_failed == -1 && s->retries == 3 && s->replicates == 1);
    assert_true(s->lease_s == 3600 && s->time_limit_s == 0 && s->trial_time_limit_s == 0 && !s->has_seed);
    assert_null(s->run);
    assert_null(s->backend);
    assert_int_equal(json_array_size(s->initial_points), 0);
    assert_int_equal(json_object_size(s->labels) + json_object_size(s->annotations), 0);
    assert_true(json_is_object(json_object_get(s->document, "trials")) && json_is_object(json_object_get(s->document, "limits")));
    spec_free(s);
    problems_release(&p);
}

static void a_run_gets_its_defaults(void **state)
{
    (void)state;
    struct problems p = {0};
    struct spec *s = parse(SMALL "trials: {max: 40}\nrun: {command: [./train, \"{x}\", 5, 0.1], env: {A: 1}, retries: 5, grace: 1m}\n", &p);
    assert_non_null(s);
    assert_true(s->parallel == 1 && s->max_failed == 10 && s->retries == 5);
    assert_string_equal(s->backend, "process");
    char *run CLEANUP_FREE = json_dumps(s->run, JSON_COMPACT);
    assert_string_equal(run, "{\"backend\":\"process\",\"command\":[\"./train\",\"{x}\",\"5\",\"0.1\"],\"shell\":false,\"env\":{\"A\":\"1\"},"
                             "\"metrics\":{\"from\":\"stdout\",\"format\":\"auto\"},\"retries\":5,\"retry_delay\":1.0,\"retry_on\":[],\"grace\":60.0,"
                             "\"success_codes\":[0],\"log_limit\":67108864,\"limits\":{}}");
    spec_free(s);
    problems_release(&p);
}

static void everything_is_read(void **state)
{
    (void)state;
    size_t len;
    char *text CLEANUP_FREE = read_file("tests/spec/valid/everything.yaml", &len);
    struct problems p = {0};
    struct spec *s = spec_parse(text, len, &catalog, &p);
    assert_non_null(s);
    assert_int_equal(s->n_objectives, 2);
    assert_true(s->objectives[1].goal == 5 && s->objectives[1].strategy == STRATEGY_MEAN && s->objectives[0].strategy == STRATEGY_MIN);
    assert_true(s->max_trials == 200 && s->parallel == 4 && s->max_failed == -1 && s->retries == 2 && s->replicates == 3 && s->lease_s == 900);
    assert_true(s->time_limit_s == 129600 && s->trial_time_limit_s == 90 && s->has_seed && s->seed == 42);
    assert_true(settings_get(&s->algorithm_settings, "start") == 12 && settings_get(&s->stopping[0].settings, "grace") == 3);
    assert_string_equal(json_string_value(json_object_get(s->labels, "year")), "2026");
    assert_string_equal(s->note, "**Why**: to see.\n");
    json_t *limits = json_object_get(s->run, "limits");
    assert_true(json_integer_value(json_object_get(limits, "memory")) == INT64_C(2147483648));
    assert_true(json_integer_value(json_object_get(limits, "file_size")) == 1000000000);
    assert_true(json_real_value(json_object_get(limits, "cpu_time")) == 3600);
    assert_true(json_real_value(json_object_get(s->run, "retry_delay")) == 0.5);
    assert_true(space_find(s->space, "deep") < space_find(s->space, "width")); /* parents first */
    spec_free(s);
    problems_release(&p);
}

static void what_the_user_should_know_is_a_warning(void **state)
{
    (void)state;
    struct problems p = {0};
    struct spec *s = parse("objective: {metric: loss, direction: minimize}\n"
                           "parameters: {lr: {type: float, min: 1e-5, max: 1}, LR: {type: float, min: 0, max: 1, step: 0.3}}\n"
                           "trials: {max: 1}\n"
                           "initial_points: [{lr: 0.1, LR: 0.3}, {lr: 0.2, LR: 0.6}]\n",
                           &p);
    assert_non_null(s);
    char *lines CLEANUP_FREE = lines_of(p.warnings, p.n_warnings);
    assert_string_equal(lines, "parameters.lr.scale: max is 1e+05 times min: on a linear scale, 90 % of the trials lie above 0.1 (scale: log?)\n"
                               "parameters.LR.max: is 1, which no step of 0.3 from 0 reaches; the last value is 0.9\n"
                               "parameters.LR: and lr are both HONE_PARAM_LR in a trial's environment; rename one\n"
                               "initial_points: has 2 points, and trials.max is 1: the last ones will not run\n");
    spec_free(s);
    problems_release(&p);
}

static void a_patched_document_is_read_again(void **state)
{
    (void)state;
    struct problems p = {0};
    struct spec *s = parse(SMALL "trials: {max: 8, parallel: 2}\nlimits: {time: 1h}\n", &p);
    json_t *trials = json_object_get(s->document, "trials"), *limits = json_object_get(s->document, "limits");
    (void)json_object_set_new(trials, "max", json_integer(80));
    (void)json_object_set_new(trials, "parallel", json_null());
    (void)json_object_set_new(limits, "time", json_string("2h30m"));
    struct spec *patched = spec_new(s->document, &catalog, &p);
    assert_non_null(patched);
    assert_true(patched->max_trials == 80 && patched->parallel == 0 && patched->time_limit_s == 9000 && patched->max_failed == 3);
    spec_free(patched);
    spec_free(s);
    problems_release(&p);
}

static void names_follow_the_rule(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool ok;
    } cases[] = {{"a", true},   {"digits-svm.2", true}, {"0", true},   {"", false},  {"A", false},
                 {"-a", false}, {"a-", false},          {".a", false}, {"a_b", false}, {"\xc3\xa9", false}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(spec_name_ok(cases[i].name), cases[i].ok);
    char longest[SPEC_NAME_MAX + 2];
    memset(longest, 'a', sizeof longest);
    longest[SPEC_NAME_MAX + 1] = '\0';
    assert_false(spec_name_ok(longest));
    longest[SPEC_NAME_MAX] = '\0';
    assert_true(spec_name_ok(longest));
}

static void durations_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double seconds; /* -1: refused */
    } cases[] = {{"90", 90},   {"90s", 90},  {"30m", 1800}, {"2h", 7200}, {"1d", 86400}, {"1h30m", 5400}, {"1.5h", 5400}, {"250ms", 0.25}, {"0", 0},
                 {"", -1},     {"s", -1},    {"1x", -1},    {"-1s", -1},  {"30m1h", -1}, {"1h 30m", -1},  {"1h30", -1},   {"1..5h", -1},   {"0x10", -1},
                 {"inf", -1},  {"1e3", -1}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_t *value = json_string(cases[i].text);
        double seconds = -1;
        bool ok = spec_duration(value, &seconds);
        if (ok != (cases[i].seconds >= 0) || fabs(seconds - cases[i].seconds) > 1e-12)
            fail_msg("\"%s\" gave %d, %g", cases[i].text, ok, seconds);
        json_decref(value);
    }
    json_t *number = json_real(2.5), *negative = json_integer(-1);
    double seconds;
    assert_true(spec_duration(number, &seconds) && seconds == 2.5);
    assert_false(spec_duration(negative, &seconds));
    assert_false(spec_duration(NULL, &seconds));
    json_decref(number);
    json_decref(negative);
}

static void a_flood_of_problems_is_cut_and_nothing_leaks(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    struct problems p = {0};
    buf_adds(&b, "objective: {metric: loss, direction: minimize}\nparameters:\n");
    for (int i = 0; i < 250; i++)
        buf_addf(&b, "  p%d: {type: float, min: 1, max: 0, wrong: 1}\n", i);
    assert_null(spec_parse(b.data, b.len, &catalog, &p));
    assert_int_equal(p.n, PROBLEMS_MAX);
    assert_int_equal(p.n_dropped, 400);
    buf_release(&b);
    problems_release(&p);
}

static void what_could_not_be_read_back_is_refused(void **state)
{
    (void)state;
    json_t *document = json_pack("{s:{s:s, s:s}, s:{}, s:[]}", "objective", "metric", "loss", "direction", "minimize", "parameters", "initial_points");
    json_t *point = json_object();
    for (int i = 0; i < 200; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "p%d", i);
        (void)json_object_set_new(json_object_get(document, "parameters"), name, json_pack("[i]", 1));
        (void)json_object_set_new(point, name, json_integer(1));
    }
    for (int i = 0; i < 1000; i++) /* 200,000 values */
        (void)json_array_append(json_object_get(document, "initial_points"), point);
    struct problems p = {0};
    assert_null(spec_new(document, &catalog, &p));
    assert_int_equal(p.n, 1);
    assert_string_equal(p.items[0].pointer, "");
    json_decref(point);
    json_decref(document);
    problems_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(valid_files_are_accepted_and_their_normal_form_is_stable),
                                       cmocka_unit_test(every_problem_of_an_invalid_file_is_told),
                                       cmocka_unit_test(examples_of_the_reference_are_valid),
                                       cmocka_unit_test(defaults_are_filled_in),
                                       cmocka_unit_test(a_run_gets_its_defaults),
                                       cmocka_unit_test(everything_is_read),
                                       cmocka_unit_test(what_the_user_should_know_is_a_warning),
                                       cmocka_unit_test(a_patched_document_is_read_again),
                                       cmocka_unit_test(names_follow_the_rule),
                                       cmocka_unit_test(durations_are_read),
                                       cmocka_unit_test(a_flood_of_problems_is_cut_and_nothing_leaks),
                                       cmocka_unit_test(what_could_not_be_read_back_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
