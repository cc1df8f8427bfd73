/* SPDX-License-Identifier: GPL-3.0-or-later */
/* model/space: the map between values and the unit cube, by reference numbers and by properties over random spaces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "model/space.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static struct space *make(const char *parameters, const char *constraints)
{
    struct problems p = {0};
    json_t *of = json_loads(parameters, 0, NULL), *by = constraints ? json_loads(constraints, 0, NULL) : NULL;
    assert_non_null(of);
    struct space *s = space_new(of, by, &p);
    if (!s)
        fail_msg("%s: %s: %s", parameters, p.items[0].pointer, p.items[0].detail);
    json_decref(of);
    json_decref(by);
    problems_release(&p);
    return s;
}

static double u_of(const struct space *s, const char *params)
{
    double u[SPACE_MAX_PARAMS];
    struct problems p = {0};
    json_t *point = json_loads(params, 0, NULL);
    if (!space_point(s, point, u, "", &p))
        fail_msg("%s: %s", params, p.items[0].detail);
    json_decref(point);
    return u[0];
}

static double number_at(const struct space *s, double u)
{
    double point[SPACE_MAX_PARAMS];
    for (size_t i = 0; i < s->n; i++)
        point[i] = u;
    space_snap(s, point);
    json_t *params = space_params(s, point);
    double value = json_number_value(json_object_get(params, s->params[0].name));
    json_decref(params);
    return value;
}

#define X(body) "{\"x\": {" body "}}"

/* u of a value and back. The irrational ones are by Python's math and statistics.NormalDist. */
static void values_have_their_u(void **state)
{
    (void)state;
    static const struct {
        const char *space;
        double value, u;
    } cases[] = {
        {X("\"type\": \"float\", \"min\": -1, \"max\": 3"), 0, 0.25},
        {X("\"type\": \"float\", \"min\": 0.001, \"max\": 1000, \"scale\": \"log\""), 1, 0.5},
        {X("\"type\": \"float\", \"min\": 0.001, \"max\": 1000, \"scale\": \"log\""), 10, 4.0 / 6},
        {X("\"type\": \"int\", \"min\": 1, \"max\": 10"), 1, 0.05},
        {X("\"type\": \"int\", \"min\": 1, \"max\": 10"), 5, 0.45},
        {X("\"type\": \"int\", \"min\": 1, \"max\": 10"), 10, 0.95},
        {X("\"type\": \"int\", \"min\": 16, \"max\": 1024, \"scale\": \"log\""), 64, 0.33834466168114674},
        {X("\"type\": \"int\", \"min\": 8, \"max\": 32, \"step\": 8"), 24, 0.625},
        {X("\"type\": \"float\", \"min\": 0, \"max\": 1, \"step\": 0.1"), 0.3, 3.5 / 11},
        {X("\"type\": \"float\", \"distribution\": \"normal\", \"mu\": 1, \"sigma\": 2"), 3, 0.84134474606854293},
        /* mu 0, sigma 1 by default, cut at three sigma */
        {X("\"type\": \"float\", \"distribution\": \"normal\", \"min\": -3, \"max\": 3"), 1,
         (0.84134474606854293 - 0.0013498980316300945) / (1 - 2 * 0.0013498980316300945)},
        {X("\"type\": \"float\", \"distribution\": \"logNormal\", \"mu\": 0, \"sigma\": 1"), 2.718281828459045, 0.84134474606854293},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct space *s = make(cases[i].space, NULL);
        char params[64];
        (void)snprintf(params, sizeof params, "{\"x\": %.17g}", cases[i].value);
        double u = u_of(s, params), back = number_at(s, cases[i].u);
        if (fabs(back - cases[i].value) > 1e-9 * fmax(1, fabs(cases[i].value))) /* values come with ten digits */
            fail_msg("%s: u %.17g gives %.17g", cases[i].space, cases[i].u, back);
        if (fabs(u - cases[i].u) > 1e-12)
            fail_msg("%s: %s has u %.17g, must be %.17g", cases[i].space, params, u, cases[i].u);
        space_free(s);
    }
}

static void categories_have_equal_cells(void **state)
{
    (void)state;
    struct space *s = make("{\"act\": [\"relu\", \"tanh\", 3]}", NULL);
    static const struct {
        double u;
        int level;
    } cases[] = {{0, 0}, {0.33, 0}, {0.34, 1}, {0.66, 1}, {0.67, 2}, {1, 2}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        double u = cases[i].u;
        space_snap(s, &u);
        assert_true(u == (cases[i].level + 0.5) / 3 && u == space_level(s, 0, cases[i].level));
    }
    space_free(s);
}

static void ends_are_attained_and_never_passed(void **state)
{
    (void)state;
    static const char *const bodies[] = {"\"type\": \"float\", \"min\": 0.1, \"max\": 0.3", "\"type\": \"float\", \"min\": 1e-5, \"max\": 0.1, \"scale\": \"log\"",
                                         "\"type\": \"float\", \"min\": 0.1, \"max\": 0.7, \"step\": 0.1", "\"type\": \"int\", \"min\": 3, \"max\": 300, \"scale\": \"log\"",
                                         "\"type\": \"float\", \"distribution\": \"normal\", \"min\": -1, \"max\": 5",
                                         "\"type\": \"float\", \"distribution\": \"logNormal\", \"min\": 0.1, \"max\": 10"};
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++) {
        char *text CLEANUP_FREE = x_asprintf("{\"x\": {%s}}", bodies[i]);
        struct space *s = make(text, NULL);
        double ends[] = {-5, 0, 1, 7};
        for (size_t k = 0; k < 4; k++) {
            double value = number_at(s, ends[k]);
            if (value != (k < 2 ? s->params[0].min : s->params[0].max))
                fail_msg("%s: u %g gives %.17g", text, ends[k], value);
        }
        space_free(s);
    }
}

static void an_open_prior_stays_finite(void **state)
{
    (void)state;
    struct space *n = make(X("\"type\": \"float\", \"distribution\": \"normal\", \"mu\": 0, \"sigma\": 1"), NULL);
    struct space *l = make(X("\"type\": \"float\", \"distribution\": \"logNormal\", \"mu\": 0, \"sigma\": 1"), NULL);
    assert_true(number_at(n, 0) < -4.7 && number_at(n, 0) > -4.8 && fabs(number_at(n, 0) + number_at(n, 1)) < 1e-9);
    assert_true(number_at(l, 0) > 0 && isfinite(number_at(l, 1)));
    assert_true(u_of(n, "{\"x\": -50}") == 1e-6); /* further out than is ever drawn, but the user's */
    space_free(n);
    space_free(l);
}

static void steps_have_no_dust(void **state)
{
    (void)state;
    struct space *s = make(X("\"type\": \"float\", \"min\": 0, \"max\": 1, \"step\": 0.1"), NULL);
    static const double wanted[] = {0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0};
    assert_int_equal(s->params[0].n_levels, 11);
    for (int k = 0; k < 11; k++)
        assert_true(number_at(s, space_level(s, 0, k)) == wanted[k]);
    space_free(s);
}

static void values_come_out_in_their_type(void **state)
{
    (void)state;
    struct space *s = make("{\"n\": {\"type\": \"int\", \"min\": 1, \"max\": 3}, \"x\": {\"type\": \"float\", \"min\": 0, \"max\": 2}, \"b\": {\"type\": \"bool\"}, \"c\": [1, \"a\"]}", NULL);
    double u[] = {0.5, 0.5, 0.9, 0.9};
    space_snap(s, u);
    json_t *params = space_params(s, u);
    char *text CLEANUP_FREE = json_dumps(params, JSON_COMPACT);
    assert_string_equal(text, "{\"n\":2,\"x\":1.0,\"b\":true,\"c\":\"a\"}");
    json_decref(params);
    space_free(s);
}

#define TREE                                                                                                                                   \
    "{\"degree\": {\"type\": \"int\", \"min\": 2, \"max\": 5, \"when\": {\"kernel\": \"poly\"}}, \"kernel\": [\"rbf\", \"poly\", \"linear\"],"       \
    "\"gamma\": {\"type\": \"float\", \"min\": 0, \"max\": 1, \"when\": {\"kernel\": [\"rbf\", \"poly\"]}},"                                   \
    "\"deep\": {\"type\": \"bool\", \"when\": {\"degree\": [4, 5]}}}"

static void conditions_decide_what_exists(void **state)
{
    (void)state;
    struct space *s = make(TREE, NULL);
    assert_int_equal(space_find(s, "kernel"), 0);
    assert_int_equal(space_find(s, "degree"), 1);
    assert_int_equal(space_find(s, "nothing"), -1);
    static const struct {
        double u[4];
        const char *params;
    } cases[] = {{{0.1, 0.5, 0.25, 0.5}, "{\"kernel\":\"rbf\",\"gamma\":0.25}"},
                 {{0.9, 0.5, 0.25, 0.5}, "{\"kernel\":\"linear\"}"},
                 {{0.5, 0.1, 0.25, 0.9}, "{\"kernel\":\"poly\",\"degree\":2,\"gamma\":0.25}"},
                 {{0.5, 0.9, (double)NAN, 0.9}, "{\"kernel\":\"poly\",\"degree\":5,\"gamma\":0.5,\"deep\":true}"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        double u[4];
        memcpy(u, cases[i].u, sizeof u);
        space_snap(s, u);
        json_t *params = space_params(s, u);
        char *text CLEANUP_FREE = json_dumps(params, JSON_COMPACT);
        assert_string_equal(text, cases[i].params);
        json_decref(params);
    }
    space_free(s);
}

static void constraints_hold_when_their_parameters_are_absent(void **state)
{
    (void)state;
    struct space *s = make(TREE, "[\"gamma * degree < 1\", \"kernel != 'linear'\"]");
    double low[] = {0.5, 0.1, 0.25, 0.5}, high[] = {0.5, 0.9, 0.25, 0.5}, rbf[] = {0.1, 0.9, 0.9, 0.5}, linear[] = {0.9, 0.5, 0.5, 0.5};
    space_snap(s, low);
    space_snap(s, high);
    space_snap(s, rbf);
    space_snap(s, linear);
    assert_true(space_feasible(s, low));
    assert_false(space_feasible(s, high));
    assert_true(space_feasible(s, rbf));
    assert_false(space_feasible(s, linear));
    space_free(s);
}

static void points_outside_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *body, *value, *code;
    } cases[] = {{"\"type\": \"int\", \"min\": 1, \"max\": 9", "10", "RANGE"},        {"\"type\": \"int\", \"min\": 1, \"max\": 9", "1.5", "TYPE"},
                 {"\"type\": \"int\", \"min\": 1, \"max\": 9", "\"1\"", "TYPE"},      {"\"type\": \"int\", \"min\": 1, \"max\": 9, \"step\": 2", "4", "STEP"},
                 {"\"type\": \"float\", \"min\": 0, \"max\": 1", "1.0000000001", "RANGE"},
                 {"\"type\": \"float\", \"min\": 0, \"max\": 1, \"step\": 0.1", "0.35", "STEP"},
                 {"\"type\": \"float\", \"min\": 0, \"max\": 1", "\"NaN\"", "TYPE"},  {"\"type\": \"float\", \"min\": 0, \"max\": 1", "null", "TYPE"},
                 {"\"values\": [1, 2]", "3", "CHOICE"},                               {"\"type\": \"bool\"", "1", "CHOICE"},
                 {"\"type\": \"float\", \"distribution\": \"logNormal\", \"mu\": 0, \"sigma\": 1", "0", "RANGE"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *text CLEANUP_FREE = x_asprintf("{\"x\": {%s}}", cases[i].body), *given CLEANUP_FREE = x_asprintf("{\"x\": %s}", cases[i].value);
        struct space *s = make(text, NULL);
        json_t *point = json_loads(given, 0, NULL);
        struct problems p = {0};
        double u;
        assert_false(space_point(s, point, &u, "/params", &p));
        assert_int_equal(p.n, 1);
        assert_string_equal(p.items[0].pointer, "/params/x");
        if (strcmp(p.items[0].code, cases[i].code) != 0)
            fail_msg("%s in %s: %s", given, text, p.items[0].code);
        json_decref(point);
        problems_release(&p);
        space_free(s);
    }
}

static void trials_of_other_spaces_are_placed_as_far_as_they_mean_something(void **state)
{
    (void)state;
    struct space *s = make("{\"x\": {\"type\": \"float\", \"min\": 0, \"max\": 10}, \"lr\": {\"type\": \"float\", \"min\": 0.001, \"max\": 0.1, \"scale\": \"log\"},"
                           "\"n\": {\"type\": \"int\", \"min\": 1, \"max\": 4}, \"act\": [\"relu\", \"tanh\"],"
                           "\"slope\": {\"type\": \"float\", \"min\": 0, \"max\": 1, \"when\": {\"act\": \"relu\"}}}", NULL);
    static const struct {
        const char *params;
        double u[5]; /* NAN: inactive or not known; the first is INFINITY: it cannot be compared */
    } cases[] = {
        {"{\"x\": 5, \"lr\": 0.01, \"n\": 1, \"act\": \"tanh\"}", {0.5, 0.5, 0.125, 0.75, NAN}},
        {"{\"x\": 5, \"lr\": 0.01, \"n\": 1, \"act\": \"tanh\", \"slope\": 0.5, \"gone\": \"z\"}", {0.5, 0.5, 0.125, 0.75, NAN}},
        {"{\"x\": 14, \"lr\": 0.00005, \"n\": 5, \"act\": \"relu\"}", {INFINITY}}, /* lr is more than half a range below */
        {"{\"x\": 14, \"lr\": 0.0005, \"n\": 5, \"act\": \"relu\", \"slope\": 0.25}", {1.4, -0.15051499783199, 1.125, 0.25, 0.25}},
        {"{\"x\": 1, \"n\": 2, \"act\": \"relu\"}", {0.1, NAN, 0.375, 0.25, NAN}},
        {"{\"x\": 1, \"lr\": 0.01, \"n\": 2}", {0.1, 0.5, 0.375, NAN, NAN}},
        {"{\"x\": 1, \"n\": 2.5, \"act\": \"tanh\"}", {0.1, NAN, 0.5, 0.75, NAN}},
        {"{\"x\": 1}", {INFINITY}},                                              /* too little */
        {"{\"x\": 1, \"lr\": 0.01, \"n\": 2, \"act\": \"gelu\"}", {INFINITY}}, /* a value that is not here */
        {"{\"x\": \"1\", \"lr\": 0.01, \"n\": 2, \"act\": \"relu\"}", {INFINITY}},
        {"{\"x\": 1, \"lr\": -1, \"n\": 2, \"act\": \"relu\"}", {INFINITY}},
        {"{\"x\": 1e300, \"lr\": 0.01, \"n\": 2, \"act\": \"relu\"}", {INFINITY}},
        {"[]", {INFINITY}},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        double u[SPACE_MAX_PARAMS];
        json_t *params = json_loads(cases[i].params, 0, NULL);
        bool known = space_foreign(s, params, u);
        if (known == isinf(cases[i].u[0]))
            fail_msg("%s: %s", cases[i].params, known ? "taken" : "refused");
        for (size_t k = 0; known && k < s->n; k++)
            if (isnan(u[k]) != isnan(cases[i].u[k]) || fabs(u[k] - cases[i].u[k]) > 1e-12)
                fail_msg("%s: u[%zu] is %.17g", cases[i].params, k, u[k]);
        json_decref(params);
    }
    space_free(s);
}

static void whole_numbers_may_be_written_as_reals(void **state)
{
    (void)state;
    struct space *s = make("{\"n\": {\"type\": \"int\", \"min\": 1, \"max\": 1000}, \"c\": [1, 2]}", NULL);
    assert_true(u_of(s, "{\"n\": 1e3, \"c\": 2.0}") == 0.9995);
    space_free(s);
}

/* ---- properties ---- */

static uint64_t random_state = 42;

static double draw(void) /* splitmix64 */
{
    uint64_t z = (random_state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) / 9007199254740992.0;
}

static int pick(int n)
{
    return (int)(draw() * n);
}

/* A numeric parameter of any kind; ranges over many orders of magnitude. */
static json_t *random_numeric(void)
{
    static const char *const dists[] = {"uniform", "logUniform", "normal", "logNormal"};
    bool whole = pick(2);
    int dist = pick(4);
    double min = whole ? 1 + pick(1000) : pow(10, draw() * 8 - 4), span = whole ? 1 + pick(5000) : pow(10, draw() * 8 - 4);
    if (dist % 2 == 0 && pick(2))
        min = -min;
    json_t *p = json_pack("{s:s, s:f, s:f, s:s}", "type", whole ? "int" : "float", "min", min, "max", min + span, "distribution", dists[dist]);
    if (pick(3) == 0)
        (void)json_object_set_new(p, "step", whole ? json_integer(1 + pick((int)span)) : json_real(span / (1 + pick(50))));
    return p;
}

static json_t *random_categorical(void)
{
    json_t *values = json_array();
    for (int i = 0, n = 1 + pick(6); i < n; i++)
        (void)json_array_append_new(values, i % 2 ? json_integer(i) : json_sprintf("v%d", i));
    return json_pack("{s:s, s:o}", "type", "categorical", "values", values);
}

/* Parameters of which later ones may hang on an earlier categorical. */
static json_t *random_parameters(void)
{
    json_t *parameters = json_object();
    char parent[16] = "";
    for (int i = 0, n = 1 + pick(8); i < n; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "p%d", i);
        bool categorical = pick(3) == 0;
        json_t *p = categorical ? random_categorical() : random_numeric();
        if (*parent && pick(2))
            (void)json_object_set_new(p, "when", json_pack("{s:[s]}", parent, "v0"));
        if (categorical && pick(2))
            (void)snprintf(parent, sizeof parent, "%s", name);
        (void)json_object_set_new(parameters, name, p);
    }
    return parameters;
}

static void check_inside(const struct space *s, const json_t *params, const double *u)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct param *p = &s->params[i];
        const json_t *value = json_object_get(params, p->name);
        assert_int_equal(value == NULL, isnan(u[i]));
        if (value && !p->values)
            assert_true(json_number_value(value) >= p->min && json_number_value(value) <= p->max);
        if (value)
            assert_int_equal(json_is_integer(value), p->type == PARAM_INT || (p->values && json_is_integer(json_array_get(p->values, (size_t)(u[i] * (double)p->n_levels)))));
    }
}

/* What a random point of `s` gives is inside, is read back as the same point, and is the same once it has been text. */
static void check_point(const struct space *s, const char *text)
{
    double u[SPACE_MAX_PARAMS], again[SPACE_MAX_PARAMS];
    for (size_t i = 0; i < s->n; i++)
        u[i] = pick(20) == 0 ? pick(2) : draw();
    space_snap(s, u);
    memcpy(again, u, sizeof u);
    space_snap(s, again);
    json_t *params = space_params(s, u);
    check_inside(s, params, u);
    char *dumped CLEANUP_FREE = json_dumps(params, 0);
    json_t *loaded = json_loads(dumped, 0, NULL);
    struct problems p = {0};
    double back[SPACE_MAX_PARAMS];
    if (!space_point(s, loaded, back, "", &p))
        fail_msg("%s: %s: %s", text, dumped, p.items[0].detail);
    for (size_t i = 0; i < s->n; i++) {
        assert_true(again[i] == u[i] || (isnan(again[i]) && isnan(u[i])));
        double tolerance = s->params[i].n_levels ? 0 : 1e-7;
        if (isnan(u[i]) ? !isnan(back[i]) : !(fabs(back[i] - u[i]) <= tolerance))
            fail_msg("%s: %s: u[%zu] was %.17g, came back as %.17g", text, dumped, i, u[i], back[i]);
    }
    json_decref(loaded);
    json_decref(params);
    problems_release(&p);
}

static void any_point_of_any_space_is_inside_and_comes_back(void **state)
{
    (void)state;
    int accepted = 0;
    for (int i = 0; i < 1000; i++) {
        json_t *parameters = random_parameters(), *normal;
        char *text CLEANUP_FREE = json_dumps(parameters, 0);
        struct problems p = {0};
        struct space *s = space_new(parameters, NULL, &p);
        json_decref(parameters);
        for (int k = 0; s && k < 20; k++)
            check_point(s, text);
        if (s) { /* its normal form is the same space */
            normal = space_json(s);
            struct space *twin = space_new(normal, NULL, &p);
            json_t *again = twin ? space_json(twin) : NULL;
            assert_true(json_equal(normal, again));
            json_decref(again);
            json_decref(normal);
            space_free(twin);
            accepted++;
        }
        space_free(s);
        problems_release(&p);
    }
    assert_true(accepted > 500); /* some draws are no space: a parent's value "v0" in a normal prior's tail, ... */
}

static void every_level_comes_back(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++) {
        json_t *parameters = json_pack("{s:o}", "x", random_numeric());
        struct problems p = {0};
        struct space *s = space_new(parameters, NULL, &p);
        for (int64_t k = 0; s && k < s->params[0].n_levels; k++) {
            double u = space_level(s, 0, k), snapped = u;
            space_snap(s, &snapped);
            if (u != snapped || !(u >= 0 && u <= 1) || (k && u <= space_level(s, 0, k - 1)))
                fail_msg("level %lld of %s: u %.17g", (long long)k, json_dumps(parameters, 0), u);
        }
        json_decref(parameters);
        space_free(s);
        problems_release(&p);
    }
}

/* A uniform u must give each level its share. */
static void levels_get_their_share(void **state)
{
    (void)state;
    struct space *s = make(X("\"type\": \"int\", \"min\": 1, \"max\": 10"), NULL);
    int counts[10] = {0};
    for (int i = 0; i < 100000; i++)
        counts[(int)number_at(s, (i + 0.5) / 100000) - 1]++;
    for (int k = 0; k < 10; k++)
        assert_int_equal(counts[k], 10000);
    space_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(values_have_their_u),
                                       cmocka_unit_test(categories_have_equal_cells),
                                       cmocka_unit_test(ends_are_attained_and_never_passed),
                                       cmocka_unit_test(an_open_prior_stays_finite),
                                       cmocka_unit_test(steps_have_no_dust),
                                       cmocka_unit_test(values_come_out_in_their_type),
                                       cmocka_unit_test(conditions_decide_what_exists),
                                       cmocka_unit_test(constraints_hold_when_their_parameters_are_absent),
                                       cmocka_unit_test(points_outside_are_refused),
                                       cmocka_unit_test(trials_of_other_spaces_are_placed_as_far_as_they_mean_something),
        cmocka_unit_test(whole_numbers_may_be_written_as_reals),
                                       cmocka_unit_test(any_point_of_any_space_is_inside_and_comes_back),
                                       cmocka_unit_test(every_level_comes_back),
                                       cmocka_unit_test(levels_get_their_share)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
