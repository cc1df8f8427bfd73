/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pipeline/pipeline: pipeline files. tests/pipeline/valid is accepted, and what is wrong with each X.yaml of tests/pipeline/invalid is in X.txt, a line a
 * problem. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "pipelines.h"

#include <stdio.h>
#include <string.h>

static void check_valid(const char *path)
{
    size_t len;
    char *text CLEANUP_FREE = read_file(path, &len);
    char version[65], again_version[65];
    struct problems p = {0};
    struct pipeline *pipeline = pipeline_parse(text, len, &p);
    char *lines CLEANUP_FREE = lines_of(p.items, p.n);
    if (!pipeline)
        fail_msg("%s: %s", path, lines);
    /* what is stored is read back, and nothing changes */
    char *stored CLEANUP_FREE = json_dumps(pipeline->document, JSON_COMPACT);
    problems_release(&p);
    struct pipeline *again = pipeline_parse(stored, strlen(stored), &p);
    assert_non_null(again);
    char *twice CLEANUP_FREE = json_dumps(again->document, JSON_COMPACT);
    assert_string_equal(stored, twice);
    pipeline_version(pipeline, "", version);
    pipeline_version(again, "", again_version);
    assert_string_equal(version, again_version);
    pipeline_free(again);
    pipeline_free(pipeline);
    problems_release(&p);
}

static void valid_files_are_accepted_and_their_normal_form_is_stable(void **state)
{
    (void)state;
    assert_true(each_file("tests/pipeline/valid", check_valid) >= 2);
}

static void check_invalid(const char *path)
{
    size_t len, len_expected;
    char *text CLEANUP_FREE = read_file(path, &len);
    char *beside CLEANUP_FREE = x_asprintf("%.*s.txt", (int)(strrchr(path, '.') - path), path);
    char *expected CLEANUP_FREE = read_file(beside, &len_expected), *lines CLEANUP_FREE = wrong(text);
    if (strcmp(lines, expected) != 0)
        fail_msg("%s:\n%s--- but expected:\n%s", path, lines, expected);
}

static void every_problem_of_an_invalid_file_is_told(void **state)
{
    (void)state;
    assert_true(each_file("tests/pipeline/invalid", check_invalid) >= 5);
}

static size_t find_step(const struct pipeline *p, const char *id)
{
    for (size_t i = 0; i < p->n_steps; i++)
        if (!strcmp(p->steps[i].id, id))
            return i;
    fail_msg("no step %s", id);
    return 0;
}

static void what_a_step_says_is_in_its_struct(void **state)
{
    (void)state;
    size_t len;
    char *text CLEANUP_FREE = read_file("tests/pipeline/valid/train_eval.yaml", &len);
    struct pipeline *p = right(text);
    const struct step *train = &p->steps[find_step(p, "train")], *prep = &p->steps[find_step(p, "prep")];
    assert_true(p->timeout_s == 4 * 3600.0);
    assert_int_equal(p->n_params, 3);
    assert_int_equal(p->n_finally, 1);
    assert_int_equal(train->n_needs, 1);
    assert_int_equal(train->needs[0], find_step(p, "prep"));
    assert_int_equal(train->retry.max, 3);
    assert_int_equal(train->retry.on, RETRY_INFRA | RETRY_OOM);
    assert_int_equal(train->retry.n_exit_codes, 1);
    assert_int_equal(train->retry.exit_codes[0], 75);
    assert_true(train->attempt_timeout_s == 7200 && train->idle_timeout_s == 900);
    assert_int_equal(train->n_inputs_declared, 1);
    assert_string_equal(json_string_value(json_object_get(train->env, "A")), "1"); /* of the defaults */
    assert_int_equal(train->cache, CACHE_EXPERIMENT);
    assert_int_equal(prep->cache, CACHE_PROJECT);
    assert_true(prep->attempt_timeout_s == 3600 && prep->cache_max_age_s == 30 * 86400.0);
    assert_int_equal(prep->retry.on, RETRY_INFRA);
    assert_int_equal(p->finally[0].cache, CACHE_NONE);
    pipeline_free(p);
}

static void the_identity_is_of_what_is_run(void **state)
{
    static const char base[] = "{params: {a: int, b: {type: double, default: 1}}, steps: {s: {run: [x, \"${params.a}\"]}}}";
    static const struct {
        const char *text, *code;
        bool same;
    } cases[] = {
        {"{name: x, version: v2, description: d, steps: {s: {run: [x, \"${params.a}\"]}}, params: {b: {default: 1.0, type: double}, a: {type: int}}}", "", true},
        {"{params: {a: int, b: {type: double, default: 1}}, steps: {s: {run: [x, \"${params.a}\"]}}, schedules: [{every: 1h, params: {a: 1}}]}", "", true},
        {"{params: {a: int, b: {type: double, default: 2}}, steps: {s: {run: [x, \"${params.a}\"]}}}", "", false},
        {"{params: {a: int, b: {type: double, default: 1}}, steps: {s: {run: [y, \"${params.a}\"]}}}", "", false},
        {base, "sha256:1", false},
    };
    (void)state;
    char mine[65], other[65];
    struct pipeline *p = right(base);
    pipeline_version(p, "", mine);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct pipeline *q = right(cases[i].text);
        pipeline_version(q, cases[i].code, other);
        if (!strcmp(mine, other) != cases[i].same)
            fail_msg("%s", cases[i].text);
        pipeline_free(q);
    }
    pipeline_free(p);
}

static void canonical_json_is_one_text_for_one_value(void **state)
{
    (void)state;
    json_t *value = json_of("{\"b\": [1.0, 0.1, 1e300, -0.0, 12345678901234567], \"a\": {\"\\u00e9\": null, \"Z\": \"\\\"\"}}");
    char *text CLEANUP_FREE = json_canonical(value), hash[65];
    assert_string_equal(text, "{\"a\":{\"Z\":\"\\\"\",\"\xC3\xA9\":null},\"b\":[1,0.1,1e+300,0,12345678901234567]}");
    json_sha256(json_object_get(value, "a"), hash);
    assert_int_equal(strlen(hash), 64);
    json_decref(value);
    value = json_of("\"abc\"");
    json_sha256(value, hash);
    assert_string_equal(hash, "6cc43f858fbb763301637b5af970e2a46b46f461f27e5a0f41e009c59b827b25");
    json_decref(value);
}

static void the_key_of_the_cache_is_what_the_result_depends_on(void **state)
{
    (void)state;
    struct pipeline *p = right("{steps: {a: {run: [x], outputs: {o: int}}, b: {run: [x], outputs: {o: int}, retry: 3, timeout: 5m, resources: {cpu: 2}},"
                               " c: {run: [x], outputs: {o: double}}, d: {run: [x], outputs: {o: int}, cache: {version: \"2\"}},"
                               " e: {run: [x], outputs: {o: int}, environment: {venv: v}}}}");
    json_t *run = json_of("[\"x\"]"), *env = json_object(), *inputs = json_object(), *other = json_of("{\"i\": 1}");
    char keys[7][65];
    for (size_t i = 0; i < 5; i++)
        step_cache_key(&p->steps[i], run, env, inputs, "", keys[i]);
    step_cache_key(&p->steps[0], run, env, other, "", keys[5]);
    step_cache_key(&p->steps[0], run, env, inputs, "sha256:1", keys[6]);
    assert_string_equal(keys[0], keys[1]);
    for (size_t i = 2; i < 7; i++)
        assert_string_not_equal(keys[0], keys[i]);
    json_decref(run);
    json_decref(env);
    json_decref(inputs);
    json_decref(other);
    pipeline_free(p);
}

static void parameters_are_bound_and_checked(void **state)
{
    static const struct {
        const char *given, *bound, *told;
    } cases[] = {
        {"{\"lr\": 0.5}", "{\"lr\":0.5,\"n\":4,\"opt\":null}", ""},
        {"{\"lr\": 1, \"n\": 5.0, \"opt\": \"x\"}", "{\"lr\":1,\"n\":5,\"opt\":\"x\"}", ""},
        {"{}", NULL, "params.lr: is missing; the parameter has no default\n"},
        {"{\"lr\": \"x\", \"m\": 1}", NULL, "params.m: is no parameter of the pipeline (n?)\nparams.lr: expected double, found \"x\" (string)\n"},
        {"[]", NULL, "params: is a list, must be a mapping\nparams.lr: is missing; the parameter has no default\n"},
    };
    (void)state;
    struct pipeline *p = right("{params: {lr: double, n: {type: int, default: 4}, opt: {type: string, optional: true}}, steps: {s: {run: [x]}}}");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct problems problems = {0};
        json_t *given = json_of(cases[i].given), *bound = pipeline_bind(p, given, "/params", &problems);
        char *text CLEANUP_FREE = bound ? json_dumps(bound, JSON_COMPACT) : NULL, *lines CLEANUP_FREE = lines_of(problems.items, problems.n);
        assert_string_equal(lines, cases[i].told);
        if (cases[i].bound)
            assert_string_equal(text, cases[i].bound);
        else
            assert_null(bound);
        json_decref(given);
        json_decref(bound);
        problems_release(&problems);
    }
    pipeline_free(p);
}

static void inputs_are_bound_by_their_types(void **state)
{
    (void)state;
    struct pipeline *p = right("{params: {a: json}, steps: {s: {run: [x], inputs: {n: {type: int, from: \"${params.a}\"}, l: {type: list, items: int, from: [1]}, free: 2.5}}}}");
    json_t *good = json_of("{\"n\": 4.0, \"l\": [2.0], \"free\": 2.5}"), *bad = json_of("{\"n\": \"x\", \"l\": [], \"free\": 1}");
    struct problems problems = {0};
    json_t *bound = step_bind(&p->steps[0], good, "/steps/s/inputs", &problems);
    char *text CLEANUP_FREE = json_dumps(bound, JSON_COMPACT);
    assert_string_equal(text, "{\"n\":4,\"l\":[2],\"free\":2.5}");
    assert_null(step_bind(&p->steps[0], bad, "/steps/s/inputs", &problems));
    char *lines CLEANUP_FREE = lines_of(problems.items, problems.n);
    assert_string_equal(lines, "steps.s.inputs.n: expected int, found \"x\" (string)\n");
    json_decref(good);
    json_decref(bad);
    json_decref(bound);
    problems_release(&problems);
    pipeline_free(p);
}

static json_t *known_value(void *arg, const struct ref *r)
{
    char shown[REF_SHOW];
    return json_incref(json_object_get(arg, ref_show(r, shown)));
}

static void an_output_is_the_first_that_is_defined(void **state)
{
    (void)state;
    struct pipeline *p = right("{steps: {a: {run: [x], outputs: {o: int}}, b: {run: [x], outputs: {o: int}}},"
                               " outputs: {y: {first: [\"${steps.a.outputs.o}\", \"${steps.b.outputs.o}\"]}, z: {from: \"${steps.a.outputs.o}\", optional: true},"
                               " w: \"${steps.a.outputs.o}\"}}");
    json_t *known = json_of("{\"steps.b.outputs.o\": 5}"), *bad = json_of("{\"steps.a.outputs.o\": \"x\"}");
    struct problems problems = {0};
    json_t *y = pipeline_output(&p->outputs[0], "/outputs/y", known_value, known, &problems);
    json_t *z = pipeline_output(&p->outputs[1], "/outputs/z", known_value, known, &problems);
    assert_int_equal(json_integer_value(y), 5);
    assert_true(json_is_null(z));
    assert_int_equal(problems.n, 0);
    assert_null(pipeline_output(&p->outputs[2], "/outputs/w", known_value, known, &problems));
    assert_null(pipeline_output(&p->outputs[2], "/outputs/w", known_value, bad, &problems));
    char *lines CLEANUP_FREE = lines_of(problems.items, problems.n);
    assert_string_equal(lines, "outputs.w: steps.a.outputs.o is undefined: the step was skipped or gave no such output\n"
                               "outputs.w: expected int, found \"x\" (string)\n");
    json_decref(y);
    json_decref(z);
    json_decref(known);
    json_decref(bad);
    problems_release(&problems);
    pipeline_free(p);
}

/* ---- steps that a step writes ---- */

static const char planner[] = "{params: {n: int}, steps: {prep: {run: [x], outputs: {d: dir}}, late: {run: [x], needs: [plan], outputs: {o: int}},"
                              " plan: {needs: [prep], run: [x], code: [lib], expand: {max_steps: 3}, outputs: {best: double, m: int}}}}";

static void written_steps_refer_to_one_another_and_to_what_came_before(void **state)
{
    (void)state;
    struct pipeline *p = right(planner);
    struct problems problems = {0};
    json_t *written = json_of("{\"steps\": {\"a\": {\"run\": [\"x\", \"${steps.b.outputs.y}\", \"${steps.prep.outputs.d}\", \"${params.n}\"], \"when\": \"steps.b.outputs.y > 1\"},"
                              " \"b\": {\"run\": [\"x\", \"${steps.plan.outputs.m}\"], \"needs\": [\"c\"], \"outputs\": {\"y\": \"double\"}}, \"c\": {\"run\": [\"x\"], \"code\": [\"own\"]}},"
                              " \"outputs\": {\"best\": \"${steps.b.outputs.y}\"}}");
    struct pipeline *e = pipeline_expand(p, find_step(p, "plan"), written, &problems);
    char *lines CLEANUP_FREE = lines_of(problems.items, problems.n);
    assert_string_equal(lines, "");
    assert_int_equal(e->n_steps, 3);
    assert_string_equal(e->steps[0].id, "plan.c");
    assert_string_equal(e->steps[1].id, "plan.b");
    assert_string_equal(e->steps[2].id, "plan.a");
    assert_int_equal(e->steps[2].n_needs, 1);
    char *run CLEANUP_FREE = json_dumps(e->steps[2].run, JSON_COMPACT);
    assert_string_equal(run, "[\"x\",\"${steps.plan.b.outputs.y}\",\"${steps.prep.outputs.d}\",\"${params.n}\"]");
    assert_string_equal(e->steps[1].code[0], "lib"); /* of the step that wrote it */
    assert_string_equal(e->steps[0].code[0], "own");
    json_t *known = json_of("{\"steps.plan.b.outputs.y\": 2}");
    bool holds = false;
    assert_true(condition_holds(e->steps[2].when, known_value, known, &holds, NULL));
    assert_true(holds);
    assert_int_equal(e->n_outputs, 1);
    json_decref(known);
    json_decref(written);
    pipeline_free(e);
    pipeline_free(p);
}

static void wrong_written_steps_are_told(void **state)
{
    static const struct {
        const char *written, *told;
    } cases[] = {
        {"{}", "steps: must have a step at least: {train: {run: [python3, train.py]}}\n"},
        {"{\"steps\": {\"a\": {\"run\": [\"x\", \"${steps.late.outputs.o}\"]}}}",
         "steps.a.run[1]: there is no step \"late\" among those written, nor before the step that wrote them\n"},
        {"{\"steps\": {\"a\": {\"run\": [\"x\"], \"expand\": true}}}", "steps.a.expand: cannot stand here: a step that another made may not make more\n"},
        {"{\"steps\": {\"a\": {\"run\": [\"x\"]}, \"b\": {\"run\": [\"x\"]}, \"c\": {\"run\": [\"x\"]}, \"d\": {\"run\": [\"x\"]}}}",
         "steps: has 4 steps, at most 3 are allowed\n"},
        {"{\"steps\": {\"a\": {\"run\": [\"x\"], \"outputs\": {\"o\": \"string\"}}}, \"outputs\": {\"best\": \"${steps.a.outputs.o}\", \"bst\": \"1\"}}",
         "outputs.best: step \"plan\" declares double, found string\noutputs.bst: step \"plan\" declares no such output (best?)\n"},
        {"{\"steps\": {\"a\": {\"run\": [\"x\"], \"needs\": [\"b\"]}, \"b\": {\"run\": [\"x\"], \"needs\": [\"a\"]}}}",
         "steps.a: the steps need one another in a circle: plan.a -> plan.b -> plan.a\n"},
    };
    (void)state;
    struct pipeline *p = right(planner);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct problems problems = {0};
        json_t *written = json_of(cases[i].written);
        assert_null(pipeline_expand(p, find_step(p, "plan"), written, &problems));
        char *lines CLEANUP_FREE = lines_of(problems.items, problems.n);
        assert_string_equal(lines, cases[i].told);
        json_decref(written);
        problems_release(&problems);
    }
    pipeline_free(p);
}

static void pipelines_stand_in_one_another_only_so_deep(void **state)
{
    (void)state;
    json_t *document = json_of("{\"steps\": {\"s\": {\"run\": [\"x\"]}}}");
    for (int i = 0; i <= PIPELINE_MAX_NESTING; i++) {
        struct problems problems = {0};
        struct pipeline *p = pipeline_new(document, &problems);
        assert_non_null(p);
        pipeline_free(p);
        document = json_pack("{s:{s:{s:o}}}", "steps", "s", "pipeline", document);
    }
    struct problems problems = {0};
    assert_null(pipeline_new(document, &problems));
    problems_release(&problems);
    json_decref(document);
}

/* ---- for people ---- */

static void a_diff_names_what_changed(void **state)
{
    (void)state;
    struct pipeline *a = right("{params: {n: int}, steps: {s: {run: [x, \"1\"]}, t: {run: [y]}}}");
    struct pipeline *b = right("{params: {n: double}, steps: {s: {run: [x, \"2\"]}, u: {run: [y, z]}}}");
    json_t *diff = pipeline_diff(a, b), *none = pipeline_diff(a, a);
    char *text CLEANUP_FREE = json_dumps(diff, JSON_COMPACT);
    assert_string_equal(text, "[{\"pointer\":\"/params/n/type\",\"from\":\"int\",\"to\":\"double\"},{\"pointer\":\"/steps/s/run/1\",\"from\":\"1\",\"to\":\"2\"},"
                              "{\"pointer\":\"/steps/t\",\"from\":{\"run\":[\"y\"]},\"to\":null},{\"pointer\":\"/steps/u\",\"from\":null,\"to\":{\"run\":[\"y\",\"z\"]}}]");
    assert_int_equal(json_array_size(none), 0);
    json_decref(diff);
    json_decref(none);
    pipeline_free(a);
    pipeline_free(b);
}

static void the_graph_is_drawn(void **state)
{
    (void)state;
    struct pipeline *p = right("{name: g, steps: {a: {run: [x]}, b: {needs: [a], pipeline: {steps: {i: {run: [x]}}}}}, finally: {f: {run: [x]}}}");
    char *dot CLEANUP_FREE = pipeline_dot(p);
    assert_non_null(strstr(dot, "\"a\" -> \"b\";"));
    assert_non_null(strstr(dot, "\"b\" -> \"b/i\" [style=dotted];"));
    assert_non_null(strstr(dot, "\"f\" [label=\"f\", shape=octagon];"));
    pipeline_free(p);
}

/* ---- any graph ---- */

static unsigned next_random(unsigned *seed)
{
    *seed = *seed * 1664525U + 1013904223U;
    return *seed >> 16;
}

/* A graph without circles in a random order of its members; the same graph for the same `seed` whatever `order`. */
static json_t *random_document(unsigned seed, unsigned order, size_t n)
{
    char ids[40][24];
    json_t *steps = json_object(), *made[40];
    for (size_t i = 0; i < n; i++) {
        json_t *needs = json_array(), *run = json_pack("[s]", "x");
        (void)snprintf(ids[i], sizeof ids[i], "s%zu", i);
        for (size_t k = 0; k < i; k++) {
            unsigned way = next_random(&seed) % 6;
            if (way == 0)
                (void)json_array_append_new(needs, json_string(ids[k]));
            if (way == 1)
                (void)json_array_append_new(run, json_sprintf("${steps.%s.outputs.o}", ids[k]));
        }
        made[i] = json_pack("{s:o,s:o,s:{s:s}}", "needs", needs, "run", run, "outputs", "o", "int");
    }
    for (size_t left = n; left > 0; left--) {
        size_t at = order ? next_random(&order) % left : 0;
        (void)json_object_set_new(steps, ids[at], made[at]);
        for (size_t k = at; k + 1 < left; k++) {
            made[k] = made[k + 1];
            memcpy(ids[k], ids[k + 1], sizeof ids[k]);
        }
    }
    return json_pack("{s:o}", "steps", steps);
}

static void any_graph_has_an_order_and_one_identity(void **state)
{
    (void)state;
    for (unsigned seed = 1; seed <= 200; seed++) {
        struct problems problems = {0};
        size_t n = 1 + seed % 40;
        json_t *plain = random_document(seed, 0, n), *mixed = random_document(seed, seed, n);
        struct pipeline *a = pipeline_new(plain, &problems), *b = pipeline_new(mixed, &problems);
        char one[65], two[65], three[65];
        assert_non_null(a);
        assert_non_null(b);
        struct pipeline *again = pipeline_new(b->document, &problems);
        for (size_t i = 0; i < b->n_steps; i++)
            for (size_t k = 0; k < b->steps[i].n_needs; k++)
                assert_true(b->steps[i].needs[k] < i && (k == 0 || b->steps[i].needs[k - 1] < b->steps[i].needs[k]));
        pipeline_version(a, "", one);
        pipeline_version(b, "", two);
        pipeline_version(again, "", three);
        assert_string_equal(one, two);
        assert_string_equal(one, three);
        assert_true(json_equal(b->document, again->document));
        for (size_t i = 0; i < b->n_steps; i++) /* ties stay in the order of the file, so it is read again in the same order */
            assert_string_equal(b->steps[i].id, again->steps[i].id);
        pipeline_free(a);
        pipeline_free(b);
        pipeline_free(again);
        json_decref(plain);
        json_decref(mixed);
    }
}

static void examples_of_the_reference_are_valid(void **state)
{
    (void)state;
    size_t len;
    int n = 0;
    char *page CLEANUP_FREE = read_file("docs/reference/pipeline-file.md", &len);
    for (char *from = page; (from = strstr(from, "```yaml\n")); n++) {
        from += strlen("```yaml\n");
        char *end = strstr(from, "```");
        assert_non_null(end);
        char *text CLEANUP_FREE = x_strndup(from, (size_t)(end - from));
        pipeline_free(right(text));
        from = end;
    }
    assert_int_equal(n, 5);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_files_are_accepted_and_their_normal_form_is_stable),
        cmocka_unit_test(every_problem_of_an_invalid_file_is_told),
        cmocka_unit_test(what_a_step_says_is_in_its_struct),
        cmocka_unit_test(the_identity_is_of_what_is_run),
        cmocka_unit_test(canonical_json_is_one_text_for_one_value),
        cmocka_unit_test(the_key_of_the_cache_is_what_the_result_depends_on),
        cmocka_unit_test(parameters_are_bound_and_checked),
        cmocka_unit_test(inputs_are_bound_by_their_types),
        cmocka_unit_test(an_output_is_the_first_that_is_defined),
        cmocka_unit_test(written_steps_refer_to_one_another_and_to_what_came_before),
        cmocka_unit_test(wrong_written_steps_are_told),
        cmocka_unit_test(pipelines_stand_in_one_another_only_so_deep),
        cmocka_unit_test(a_diff_names_what_changed),
        cmocka_unit_test(the_graph_is_drawn),
        cmocka_unit_test(any_graph_has_an_order_and_one_identity),
        cmocka_unit_test(examples_of_the_reference_are_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
