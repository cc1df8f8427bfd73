/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The parts of the kubernetes backend that need no cluster: credentials, objects, and the words for what a cluster says. The rest is tried on a real
 * one (tests/kubernetes). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "host.h"

#include "backends/kubernetes.h"
#include "backends/kubernetes_exec.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- kubeconfigs ---- */

#define CLUSTER "clusters: [{name: c, cluster: {server: 'https://127.0.0.1:6443', certificate-authority: pki/ca.crt, tls-server-name: api}}]\n"
#define CONTEXT "contexts: [{name: x, context: {cluster: c, user: u, namespace: team}}]\ncurrent-context: x\n"

static enum err read_config(const char *text, struct kube_access *a, struct error *error)
{
    const struct kube_file file = {"/home/me/.kube/config", text, strlen(text)};
    return kube_config_read(&file, 1, "", a, error);
}

static void a_kubeconfig_is_read(void **state)
{
    (void)state;
    struct kube_access a;
    assert_int_equal(read_config(CLUSTER CONTEXT "users: [{name: u, user: {token: 0123, client-certificate-data: aGVsbG8=, client-key: /k.pem, as: me, as-groups: [a, b]}}]\n", &a, NULL), OK);
    assert_string_equal(a.server, "https://127.0.0.1:6443");
    assert_string_equal(a.ca_file, "/home/me/.kube/pki/ca.crt");
    assert_string_equal(a.tls_name, "api");
    assert_string_equal(a.namespace, "team");
    assert_string_equal(a.cert, "hello");
    assert_string_equal(a.key_file, "/k.pem");
    assert_non_null(a.token);
    assert_int_equal(json_array_size(a.headers), 3);
    assert_string_equal(json_string_value(json_array_get(a.headers, 2)), "Impersonate-Group: b");
    kube_access_release(&a);
}

static void of_two_files_the_first_to_name_a_thing_has_it(void **state)
{
    (void)state;
    const char *first = "users: [{name: u, user: {tokenFile: mine}}]\n", *second = CLUSTER CONTEXT "users: [{name: u, user: {token: theirs}}]\n";
    const struct kube_file files[] = {{"/a/one", first, strlen(first)}, {"/b/two", second, strlen(second)}};
    struct kube_access a;
    assert_int_equal(kube_config_read(files, 2, NULL, &a, NULL), OK);
    assert_string_equal(a.token_file, "/a/mine");
    assert_null(a.token);
    assert_string_equal(a.ca_file, "/b/pki/ca.crt");
    kube_access_release(&a);
}

static void what_is_wrong_with_a_kubeconfig_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *text, *said;
    } table[] = {{"", "no kubeconfig"},
                 {"[1", "/home/me/.kube/config"},
                 {CLUSTER, "no current-context"},
                 {"current-context: y\n" CLUSTER, "no context \"y\""},
                 {CONTEXT, "no cluster that is there"},
                 {CLUSTER CONTEXT, "no user \"u\""},
                 {CONTEXT "clusters: [{name: c, cluster: {server: 'ftp://x'}}]\nusers: [{name: u, user: {}}]\n", "no https:// address"},
                 {CLUSTER CONTEXT "users: [{name: u, user: {auth-provider: {name: gcp}}}]\n", "auth-provider"},
                 {CLUSTER CONTEXT "users: [{name: u, user: {username: a, password: b}}]\n", "username"},
                 {CLUSTER CONTEXT "users: [{name: u, user: {client-key-data: '***'}}]\n", "client-key-data is not PEM in base64"},
                 {CLUSTER CONTEXT "users: [{name: u, user: {as: \"a\\r\\nb\"}}]\n", "one line"}};
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        struct kube_access a;
        struct error error = {0};
        assert_int_not_equal(read_config(table[i].text, &a, &error), OK);
        if (!strstr(error.detail, table[i].said))
            fail_msg("%s: %s", table[i].said, error.detail);
    }
}

/* ---- programs for credentials ---- */

static void write_program(const char *path, const char *script)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    (void)fputs(script, f);
    (void)fclose(f);
    assert_int_equal(chmod(path, 0700), 0);
}

static void a_program_gives_credentials_when_it_may(void **state)
{
    (void)state;
    char *dir CLEANUP_FREE = make_temp_dir(), *program CLEANUP_FREE = x_asprintf("%s/login", dir);
    write_program(program, "#!/bin/sh\ncase $KUBERNETES_EXEC_INFO in *'\"server\":\"https://127.0.0.1\"'*) ;; *) exit 9 ;; esac\n"
                           "[ -z \"$HONE_SECRET\" ] || exit 8\n"
                           "echo '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"'$1-$WHO'\",\"expirationTimestamp\":\"2099-01-01T00:00:00Z\"}}'\n");
    (void)setenv("HONE_SECRET", "x", 1);
    struct kube_access a = {.server = x_strdup("https://127.0.0.1"), .folder = x_strdup(dir)};
    a.exec = json_pack("{s:s, s:s, s:[s], s:[{s:s, s:s}], s:b}", "apiVersion", "client.authentication.k8s.io/v1", "command", "./login", "args", "hello", "env", "name", "WHO",
                       "value", "me", "provideClusterInfo", 1);
    struct kube_credential c = {0};
    struct error error = {0};
    assert_int_not_equal(kube_exec(&a, "", &c, &error), OK);
    assert_non_null(strstr(error.detail, "kube_exec"));
    assert_int_not_equal(kube_exec(&a, "login,./log", &c, &error), OK);
    assert_int_equal(kube_exec(&a, "aws,./login", &c, &error), OK);
    assert_string_equal(c.token, "hello-me");
    assert_true(c.until_mono > clock_mono_ms() && c.until_mono < INT64_MAX);
    free(c.token);
    (void)json_object_set_new(a.exec, "provideClusterInfo", json_false());
    assert_int_not_equal(kube_exec(&a, "./login", &c, &error), OK);
    assert_non_null(strstr(error.detail, "status 9"));
    (void)json_object_set_new(a.exec, "interactiveMode", json_string("Always"));
    assert_int_not_equal(kube_exec(&a, "./login", &c, &error), OK);
    kube_access_release(&a);
    (void)unsetenv("HONE_SECRET");
    (void)unlink(program);
    (void)rmdir(dir);
}

static void what_such_a_program_prints_is_checked(void **state)
{
    (void)state;
#define HEAD "{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\","
    static const char *const wrong[] = {"", "hello", HEAD "\"status\":{}}", HEAD "\"status\":{\"clientCertificateData\":\"x\"}}",
                                        "{\"apiVersion\":\"client.authentication.k8s.io/v1beta1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"x\"}}"};
    struct kube_credential c;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_int_not_equal(kube_exec_read(wrong[i], strlen(wrong[i]), "client.authentication.k8s.io/v1", &c, NULL), OK);
    static const char right[] = HEAD "\"status\":{\"clientCertificateData\":\"c\",\"clientKeyData\":\"k\"}}";
    assert_int_equal(kube_exec_read(right, strlen(right), "client.authentication.k8s.io/v1", &c, NULL), OK);
    assert_string_equal(c.key, "k");
    assert_true(c.until_mono == INT64_MAX);
    free(c.cert);
    free(c.key);
}

/* ---- answers ---- */

static void answers_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        enum err code;
        int status;
        const char *body;
        enum kube_answer meaning;
    } table[] = {{OK, 201, "{}", KUBE_OK},
                 {ERR_UNAVAILABLE, 0, NULL, KUBE_AGAIN},
                 {ERR_CONFLICT, 409, "{\"reason\":\"AlreadyExists\"}", KUBE_EXISTS},
                 {ERR_CONFLICT, 409, "{\"reason\":\"Conflict\"}", KUBE_CONFLICT},
                 {ERR_FORBIDDEN, 403, "{\"reason\":\"Forbidden\",\"message\":\"x is forbidden: exceeded quota: q, requested: pods=1\"}", KUBE_QUOTA},
                 {ERR_FORBIDDEN, 403, "{\"reason\":\"Forbidden\",\"message\":\"cannot create\"}", KUBE_FORBIDDEN},
                 {ERR_FORBIDDEN, 403, "{\"reason\":\"Forbidden\",\"message\":\"x\",\"details\":{\"causes\":[{\"reason\":\"NamespaceTerminating\"}]}}", KUBE_ENDING},
                 {ERR_INVALID, 422, "{\"reason\":\"Invalid\"}", KUBE_INVALID},
                 {ERR_INTERNAL, 500, "{\"reason\":\"InternalError\",\"message\":\"failed calling webhook\"}", KUBE_AGAIN},
                 {ERR_TOO_MANY, 429, NULL, KUBE_AGAIN},
                 {ERR_NOT_FOUND, 404, NULL, KUBE_MISSING},
                 {ERR_GONE, 410, "{\"reason\":\"Expired\"}", KUBE_MISSING},
                 {ERR_UNAUTHENTICATED, 401, NULL, KUBE_FORBIDDEN},
                 {ERR_USAGE, 418, "<html>", KUBE_INVALID}};
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        json_t *body = table[i].body ? json_loads(table[i].body, 0, NULL) : NULL;
        if (kube_meaning(table[i].code, table[i].status, body) != table[i].meaning)
            fail_msg("%d %s", table[i].status, table[i].body);
        json_decref(body);
    }
}

/* ---- objects ---- */

static json_t *object_of(const char *run_text)
{
    json_t *run = json_loads(run_text, 0, NULL), *params = json_pack("{s:f, s:s}", "lr", 0.5, "act", "a \"b\"");
    const char *const names[] = {"lr", "act", NULL};
    const struct backend_job job = {.run_key = "h-abc-1-1", .project = "p", .experiment = "e", .trial_name = "e-1", .trial = 1, .attempt = 1, .run = run, .params = params,
                                    .names = names, .seed = 7, .time_limit_s = 2.5, .url = "http://127.0.0.1:1", .token = "secret", .cursor = ""};
    assert_non_null(run);
    json_t *object = kube_object(&job, "hsvc", "team");
    json_decref(run);
    json_decref(params);
    return object;
}

static const char *env_value(const json_t *container, const char *name)
{
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(container, "env"), i, item)
    {
        if (!strcmp(kube_text(item, "name"), name))
            return kube_text(item, "value");
    }
    return NULL;
}

static void an_image_becomes_a_job(void **state)
{
    (void)state;
    json_t *object = object_of("{\"image\":\"train:{act}\",\"command\":[\"sh\",\"-c\",\"x\",\"{lr}\"],\"env\":{\"A\":\"{lr}\"},\"grace\":7.5,\"cwd\":\"/w\"}");
    const json_t *pod = kube_at(object, "spec/template/spec"), *container = json_array_get(json_object_get(pod, "containers"), 0);
    assert_string_equal(kube_text(object, "metadata/name"), "h-abc-1-1");
    assert_string_equal(kube_text(object, "metadata/namespace"), "team");
    assert_string_equal(json_string_value(json_object_get(kube_at(object, "metadata/labels"), KUBE_SERVICE)), "hsvc");
    assert_string_equal(json_string_value(json_object_get(kube_at(object, "spec/template/metadata/labels"), KUBE_RUN)), "h-abc-1-1");
    assert_int_equal(json_integer_value(kube_at(object, "spec/activeDeadlineSeconds")), 3);
    assert_int_equal(json_integer_value(json_object_get(pod, "terminationGracePeriodSeconds")), 8);
    assert_string_equal(kube_text(container, "image"), "train:a \"b\"");
    assert_string_equal(json_string_value(json_array_get(json_object_get(container, "command"), 3)), "0.5");
    assert_string_equal(env_value(container, "A"), "0.5");
    assert_string_equal(env_value(container, "HONE_SEED"), "7");
    assert_null(env_value(container, "HONE_TOKEN"));
    json_decref(object);
}

static void a_manifest_is_filled_and_marked(void **state)
{
    (void)state;
    json_t *object = object_of("{\"container\":\"main\",\"grace\":1,\"manifest\":{\"apiVersion\":\"batch/v1\",\"kind\":\"Job\",\"metadata\":{\"generateName\":\"x\",\"labels\":{\"own\":\"1\"}},"
                               "\"spec\":{\"activeDeadlineSeconds\":1,\"template\":{\"spec\":{\"terminationGracePeriodSeconds\":99,\"containers\":["
                               "{\"name\":\"side\"},{\"name\":\"main\",\"args\":[\"${trialParameters.lr}\",\"{lr} {{x}} ${trialSpec.Name}\"],"
                               "\"env\":[{\"name\":\"HONE_SEED\",\"value\":\"own\"}]}]}}}}}");
    const json_t *pod = kube_at(object, "spec/template/spec"), *side = json_array_get(json_object_get(pod, "containers"), 0),
                 *container = json_array_get(json_object_get(pod, "containers"), 1), *args = json_object_get(container, "args");
    assert_null(kube_at(object, "metadata/generateName"));
    assert_string_equal(kube_text(object, "metadata/labels/own"), "1");
    assert_string_equal(json_string_value(json_array_get(args, 0)), "0.5");
    assert_string_equal(json_string_value(json_array_get(args, 1)), "{lr} {{x}} h-abc-1-1");
    assert_string_equal(env_value(container, "HONE_SEED"), "own");
    assert_string_equal(env_value(container, "HONE_TRIAL"), "1");
    assert_null(json_object_get(side, "env"));
    assert_int_equal(json_integer_value(kube_at(object, "spec/activeDeadlineSeconds")), 1);
    assert_int_equal(json_integer_value(json_object_get(pod, "terminationGracePeriodSeconds")), 99);
    json_decref(object);
}

/* ---- words ---- */

static void pods_are_put_in_words(void **state)
{
    (void)state;
#define WAITING(reason) "{\"status\":{\"phase\":\"Pending\",\"containerStatuses\":[{\"name\":\"a\",\"state\":{\"waiting\":{\"reason\":\"" reason "\",\"message\":\"why\"}}}]}}"
#define ENDED(more) "{\"status\":{\"phase\":\"Failed\",\"containerStatuses\":[{\"name\":\"a\",\"state\":{\"terminated\":{" more "}}}]}}"
    static const struct {
        const char *pod, *reason, *words;
        bool stuck, lost;
        enum backend_cause cause;
    } table[] = {
        {WAITING("ImagePullBackOff"), "IMAGE", "its image cannot be pulled (ImagePullBackOff): why", true, false, CAUSE_USER},
        {WAITING("InvalidImageName"), "IMAGE", "InvalidImageName", true, false, CAUSE_INVALID},
        {WAITING("CreateContainerConfigError"), "CONFIG", "why", true, false, CAUSE_USER},
        {WAITING("ContainerCreating"), "FAILED", "it failed", false, false, CAUSE_USER},
        {ENDED("\"exitCode\":3,\"reason\":\"Error\""), "EXIT_CODE", "it ended with exit code 3", false, false, CAUSE_USER},
        {ENDED("\"exitCode\":137,\"reason\":\"OOMKilled\""), "OOM", "OOMKilled", false, false, CAUSE_OOM},
        {"{\"status\":{\"phase\":\"Failed\",\"reason\":\"Evicted\",\"message\":\"low on memory\"}}", "EVICTED", "(Evicted): low on memory", false, true, CAUSE_LOST},
        {"{\"status\":{\"phase\":\"Pending\",\"conditions\":[{\"type\":\"PodScheduled\",\"status\":\"False\",\"reason\":\"Unschedulable\",\"message\":\"0/1 nodes\"}]}}", "UNSCHEDULABLE",
         "no node takes its pod (Unschedulable): 0/1 nodes", false, false, CAUSE_USER},
        {"{\"status\":{\"phase\":\"Pending\",\"initContainerStatuses\":[{\"name\":\"i\",\"state\":{\"waiting\":{\"reason\":\"ErrImagePull\"}}}],"
         "\"containerStatuses\":[{\"name\":\"a\",\"state\":{\"waiting\":{\"reason\":\"PodInitializing\"}}}]}}",
         "IMAGE", "its init container i: its image cannot be pulled", true, false, CAUSE_USER},
        {"[]", "FAILED", "it failed", false, false, CAUSE_USER},
    };
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        json_t *pod = json_loads(table[i].pod, 0, NULL), *labels = json_object();
        struct kube_pod p;
        struct backend_status s = {.exit_code = -1, .signal = -1};
        const struct kube_verdict none = {0};
        assert_non_null(pod);
        kube_pod_read(pod, "a", labels, &p);
        kube_failure(&none, &p, 1, 0, &s);
        if (strcmp(s.reason, table[i].reason) != 0 || !strstr(s.message, table[i].words) || s.cause != table[i].cause || p.stuck != table[i].stuck || p.lost != table[i].lost)
            fail_msg("%s: %s: %s", table[i].pod, s.reason, s.message);
        json_decref(pod);
        json_decref(labels);
    }
}

static void a_lost_pod_explains_more_than_its_exit_code(void **state)
{
    (void)state;
    struct kube_pod pods[] = {{.words = "evicted", .reason = "EVICTED", .lost = true}, {.words = "it ended with exit code 1", .reason = "EXIT_CODE", .exit_code = 1}};
    struct kube_verdict verdict = {.reason = "BackoffLimitExceeded"};
    struct backend_status s = {0};
    kube_failure(&verdict, pods, 2, 0, &s);
    assert_int_equal(s.cause, CAUSE_LOST);
    (void)snprintf(verdict.reason, sizeof verdict.reason, "DeadlineExceeded");
    kube_failure(&verdict, pods, 2, 4, &s);
    assert_int_equal(s.cause, CAUSE_TIMEOUT);
    assert_non_null(strstr(s.message, "4 s"));
}

static void times_of_lines_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
        const char *rest;
    } table[] = {{"1970-01-01T00:00:01.5Z x", INT64_C(1500000000), " x"},
                 {"1970-01-01T00:00:01.000000001Z", INT64_C(1000000001), ""},
                 {"1970-01-01T02:00:00+02:00 y", 0, " y"},
                 {"1970-01-01T00:00:02Z", INT64_C(2000000000), ""}};
    static const char *const wrong[] = {"", "x", "1970-01-01T00:00:01", "1970-01-01T00:00:01.1234567890Z", "1970-13-01T00:00:01Z", "1970-01-01T00:00:01+2"};
    int64_t ns;
    const char *rest;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        assert_true(kube_time(table[i].text, &ns, &rest));
        assert_true(ns == table[i].ns);
        assert_string_equal(rest, table[i].rest);
    }
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_false(kube_time(wrong[i], &ns, &rest));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_kubeconfig_is_read),
        cmocka_unit_test(of_two_files_the_first_to_name_a_thing_has_it),
        cmocka_unit_test(what_is_wrong_with_a_kubeconfig_is_said),
        cmocka_unit_test(a_program_gives_credentials_when_it_may),
        cmocka_unit_test(what_such_a_program_prints_is_checked),
        cmocka_unit_test(answers_are_told_apart),
        cmocka_unit_test(an_image_becomes_a_job),
        cmocka_unit_test(a_manifest_is_filled_and_marked),
        cmocka_unit_test(pods_are_put_in_words),
        cmocka_unit_test(a_lost_pod_explains_more_than_its_exit_code),
        cmocka_unit_test(times_of_lines_are_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
