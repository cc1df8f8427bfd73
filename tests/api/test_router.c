/* SPDX-License-Identifier: GPL-3.0-or-later */
/* api/router.c: paths, verbs, arguments, and what is allowed on a path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "router.h"

#include <string.h>

#define P "/api/v1/projects/default"

static const struct {
    const char *method, *path;
    const char *route; /* NULL: none */
    const char *allow; /* then */
    const char *args[3];
} cases[] = {
    {"GET", "/", "/", NULL, {0}},
    {"HEAD", "/livez", "/livez", NULL, {0}},
    {"POST", "/livez", NULL, "GET, HEAD", {0}},
    {"GET", P "/experiments/e", "/api/v1/projects/{project}/experiments/{experiment}", NULL, {"default", "e"}},
    {"PUT", P "/experiments/e", NULL, "GET, HEAD, PATCH, DELETE", {0}},
    {"POST", P "/experiments/e:pause", "/api/v1/projects/{project}/experiments/{experiment}:pause", NULL, {"default", "e"}},
    {"GET", P "/experiments/e:pause", NULL, "POST", {0}},
    {"POST", P "/experiments/e:paws", NULL, "", {0}},
    {"POST", P "/experiments/a.b-c/trials:suggest", "/api/v1/projects/{project}/experiments/{experiment}/trials:suggest", NULL, {"default", "a.b-c"}},
    {"POST", P "/experiments/e/trials/12:report", "/api/v1/projects/{project}/experiments/{experiment}/trials/{number}:report", NULL, {"default", "e", "12"}},
    {"GET", P "/experiments/e/trials/12/logs", "/api/v1/projects/{project}/experiments/{experiment}/trials/{number}/logs", NULL, {"default", "e", "12"}},
    {"GET", P "/experiments/", NULL, "", {0}},
    {"GET", P "/experiments//trials", NULL, "", {0}},
    {"GET", "//", NULL, "", {0}},
    {"GET", "", NULL, "", {0}},
    {"GET", "livez", NULL, "", {0}},
    {"GET", "/a/b/c/d/e/f/g/h/i/j/k/l/m/n", NULL, "", {0}},
    {"GET", "/:", NULL, "", {0}},
};

static void a_path_finds_its_route_or_says_what_is_allowed(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *path = x_strdup(cases[i].path), *arg[ROUTE_ARGS] = {0}, allow[ROUTE_ALLOW];
        const struct route *route = router_find(cases[i].method, path, arg, allow);
        print_message("%s %s\n", cases[i].method, cases[i].path);
        if (cases[i].route) {
            assert_non_null(route);
            assert_string_equal(route->path, cases[i].route);
            for (size_t k = 0; k < 3 && cases[i].args[k]; k++)
                assert_string_equal(arg[k], cases[i].args[k]);
        } else {
            assert_null(route);
            assert_string_equal(allow, cases[i].allow);
        }
        free(path);
    }
}

static void every_route_is_found_by_its_own_path(void **state)
{
    (void)state;
    for (const struct route *r = routes; r->method; r++) {
        char *path = x_strdup(r->path), *arg[ROUTE_ARGS] = {0}, allow[ROUTE_ALLOW];
        assert_ptr_equal(router_find(r->method, path, arg, allow), r);
        free(path);
    }
}

static int setup(void **state)
{
    (void)state;
    router_setup();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_path_finds_its_route_or_says_what_is_allowed), cmocka_unit_test(every_route_is_found_by_its_own_path)};
    return cmocka_run_group_tests_name("router", tests, setup, NULL);
}
