/* SPDX-License-Identifier: GPL-3.0-or-later */
/* api/openapi.yaml against api/routes.def and the other tables: the contract and the service say the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "assets.h"
#include "base/mem.h"
#include "model/runs.h"
#include "model/states.h"
#include "model/yaml.h"
#include "router.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

static json_t *document;

static int setup(void **state)
{
    (void)state;
    struct error error;
    document = yaml_load(asset_openapi_yaml, asset_openapi_yaml_size, &error);
    if (!document)
        print_error("%s\n", error.detail);
    return document ? 0 : 1;
}

static int teardown(void **state)
{
    (void)state;
    json_decref(document);
    return 0;
}

static const struct route *find(const char *method, const char *path)
{
    for (const struct route *r = routes; r->method; r++)
        if (!strcasecmp(r->method, method) && !strcmp(r->path, path))
            return r;
    return NULL;
}

static json_t *operation(const struct route *r)
{
    char method[16] = "";
    for (size_t i = 0; r->method[i]; i++)
        method[i] = (char)tolower((unsigned char)r->method[i]);
    return json_object_get(json_object_get(json_object_get(document, "paths"), r->path), method);
}

static void every_route_is_described(void **state)
{
    (void)state;
    for (const struct route *r = routes; r->method; r++)
        if (!r->form && !operation(r)) /* another system's API is described by that system */
            fail_msg("%s %s is not in openapi.yaml", r->method, r->path);
}

static void every_description_has_a_route(void **state)
{
    (void)state;
    const char *path, *method;
    json_t *item, *op;
    json_object_foreach(json_object_get(document, "paths"), path, item)
        json_object_foreach(item, method, op)
            if (strcmp(method, "parameters") != 0 && !find(method, path))
                fail_msg("%s %s is not in routes.def", method, path);
}

/* "#/components/schemas/Name" -> the schema */
static json_t *resolve(const char *ref)
{
    json_t *at = document;
    assert_int_equal(strncmp(ref, "#/", 2), 0);
    for (const char *p = ref + 2; *p;) {
        char name[80];
        size_t len = strcspn(p, "/");
        assert_true(len < sizeof name);
        memcpy(name, p, len);
        name[len] = '\0';
        at = json_object_get(at, name);
        p += len;
        p += *p == '/';
    }
    return at;
}

static void check_refs(const json_t *value)
{
    const char *name;
    json_t *item;
    size_t i;
    json_object_foreach((json_t *)(uintptr_t)value, name, item)
    {
        if (!strcmp(name, "$ref") && !resolve(json_string_value(item)))
            fail_msg("%s leads nowhere", json_string_value(item));
        check_refs(item);
    }
    if (json_is_array(value))
        json_array_foreach((json_t *)(uintptr_t)value, i, item)
            check_refs(item);
}

static void every_reference_leads_somewhere(void **state)
{
    (void)state;
    check_refs(document);
}

static void access_is_as_described(void **state)
{
    (void)state;
    for (const struct route *r = routes; r->method; r++) {
        json_t *security = json_object_get(operation(r), "security");
        size_t n = json_array_size(security);
        bool open = security && n == 0, trial = n == 3;
        print_message("%s %s\n", r->method, r->path);
        assert_int_equal(open, r->access == ACCESS_PUBLIC);
        assert_int_equal(trial, r->access == ACCESS_TRIAL);
    }
}

/* The members that body.c lets pass are those of the schema. */
static void bodies_hold_what_is_described(void **state)
{
    (void)state;
    for (const struct route *r = routes; r->method; r++) {
        json_t *content = json_object_get(json_object_get(operation(r), "requestBody"), "content");
        const char *ref = json_string_value(json_object_get(json_object_get(json_object_get(content, "application/json"), "schema"), "$ref"));
        if (!r->members || r->command == NO_COMMAND || !strcmp(r->method, "DELETE"))
            continue;
        print_message("%s %s\n", r->method, r->path);
        assert_non_null(ref);
        json_t *properties = json_object_get(resolve(ref), "properties");
        size_t n = 0;
        for (const struct member *m = r->members; m->name; m++, n++)
            assert_non_null(json_object_get(properties, m->name));
        assert_int_equal(n, json_object_size(properties));
    }
}

static void names_of(const char *schema, const char *(*name)(int), int n)
{
    json_t *list = json_object_get(json_object_get(json_object_get(json_object_get(document, "components"), "schemas"), schema), "enum");
    assert_int_equal(json_array_size(list), n);
    for (int i = 0; i < n; i++)
        assert_string_equal(json_string_value(json_array_get(list, (size_t)i)), name(i));
}

static const char *experiment_state(int i)
{
    return experiment_state_name((enum experiment_state)i);
}

static const char *trial_state(int i)
{
    return trial_state_name((enum trial_state)i);
}

static const char *run_state(int i)
{
    return run_state_name((enum run_state)i);
}

static const char *step_state(int i)
{
    return step_state_name((enum step_state)i);
}

static void states_are_those_of_the_model(void **state)
{
    (void)state;
    names_of("ExperimentState", experiment_state, EXPERIMENT_STATE_COUNT);
    names_of("TrialState", trial_state, TRIAL_STATE_COUNT);
    names_of("RunState", run_state, RUN_STATE_COUNT);
    names_of("StepState", step_state, STEP_STATE_COUNT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_is_described),     cmocka_unit_test(every_description_has_a_route), cmocka_unit_test(every_reference_leads_somewhere),
        cmocka_unit_test(access_is_as_described),       cmocka_unit_test(bodies_hold_what_is_described), cmocka_unit_test(states_are_those_of_the_model),
    };
    return cmocka_run_group_tests_name("openapi", tests, setup, teardown);
}
