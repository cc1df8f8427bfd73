/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pipeline/kfp: files that the real compiler of kfp wrote (tests/pipeline/kfp/compile.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "pipeline/kfp.h"
#include "pipelines.h"

#include <stdio.h>
#include <string.h>

#define DIR "tests/pipeline/kfp/"

static struct pipeline *compiled(const char *name)
{
    size_t len;
    char *path CLEANUP_FREE = x_asprintf(DIR "%s.yaml", name);
    char *text CLEANUP_FREE = read_file(path, &len);
    return right(text);
}

static const struct step *step_of(const struct pipeline *p, const char *id)
{
    for (size_t i = 0; i < p->n_steps; i++)
        if (!strcmp(p->steps[i].id, id))
            return &p->steps[i];
    fail_msg("no step %s", id);
    return NULL;
}

static json_t *doc_of(const struct pipeline *p, const char *id)
{
    return json_object_get(json_object_get(p->document, "steps"), id);
}

static const char *text_of(const json_t *object, const char *member)
{
    return json_string_value(json_object_get(object, member));
}

static void check_compiled(const char *path)
{
    size_t len;
    if (strstr(path, "importers"))
        return;
    char *text CLEANUP_FREE = read_file(path, &len);
    struct pipeline *p = right(text);
    struct problems problems = {0};
    struct pipeline *again = pipeline_new(p->document, &problems);
    assert_non_null(again);
    assert_true(json_equal(p->document, again->document));
    assert_true(p->go_on);
    pipeline_free(again);
    pipeline_free(p);
}

static void what_the_compiler_writes_is_read(void **state)
{
    (void)state;
    assert_int_equal(each_file(DIR, check_compiled), 12);
}

static json_t *known_value(void *arg, const struct ref *r)
{
    char shown[REF_SHOW];
    json_t *value = json_object_get(arg, ref_show(r, shown));
    return value ? json_incref(value) : json_sprintf("<%s>", ref_show(r, shown));
}

static void a_lightweight_component_is_told_as_its_executor_wants(void **state)
{
    (void)state;
    struct pipeline *p = compiled("train-pipeline");
    const struct step *train = step_of(p, "train");
    struct problems problems = {0};
    json_t *known = json_pack("{s:f,s:{s:i}}", "inputs.lr", 0.25, "inputs.data--metadata", "rows", 10);
    json_t *words = refs_command(train->run, "", known_value, known, &problems);
    assert_int_equal(json_array_size(words), 8);
    assert_string_equal(json_string_value(json_array_get(words, 1)), "-ec"); /* the pip install before it is gone */
    assert_non_null(strstr(json_string_value(json_array_get(words, 2)), "kfp.dsl.executor_main"));
    assert_non_null(strstr(json_string_value(json_array_get(words, 3)), "f\"lr=${lr}\"")); /* code is code */
    assert_string_equal(json_string_value(json_array_get(words, 7)), "train");
    json_t *input = json_of(json_string_value(json_array_get(words, 5)));
    json_t *expected = json_of(
        "{\"inputs\": {\"parameterValues\": {\"lr\": 0.25}, \"artifacts\": {\"data\": {\"artifacts\": [{\"name\": \"data\", \"type\": {\"schemaTitle\":"
        " \"system.Dataset\", \"schemaVersion\": \"0.0.1\"}, \"uri\": \"<inputs.data>\", \"metadata\": {\"rows\": 10}}]}}},"
        " \"outputs\": {\"parameters\": {\"Output\": {\"outputFile\": \"<out.Output>\"}}, \"artifacts\": {"
        "\"metrics\": {\"artifacts\": [{\"name\": \"metrics\", \"type\": {\"schemaTitle\": \"system.Metrics\", \"schemaVersion\": \"0.0.1\"}, \"uri\":"
        " \"<out.metrics>\", \"metadata\": {}}]}, \"model\": {\"artifacts\": [{\"name\": \"model\", \"type\": {\"schemaTitle\": \"system.Model\","
        " \"schemaVersion\": \"0.0.1\"}, \"uri\": \"<out.model>\", \"metadata\": {}}]}}, \"outputFile\": \"<run.outputs>\"}}");
    assert_true(json_equal(input, expected));
    assert_true(train->kfp);
    assert_int_equal(train->cache, CACHE_PROJECT);
    assert_int_equal(json_integer_value(json_object_get(train->resources, "memory")), 1000000000);
    assert_int_equal(p->n_outputs, 1);
    assert_string_equal(p->name, "train-pipeline");
    assert_true(json_is_integer(p->params[1].def)); /* rows: 10, which their YAML has as 10.0 */
    json_decref(input);
    json_decref(expected);
    json_decref(known);
    json_decref(words);
    pipeline_free(p);
}

static void conditions_and_one_of_them(void **state)
{
    (void)state;
    struct pipeline *p = compiled("conditions");
    const struct step *branches = step_of(p, "condition-branches-1");
    const struct pipeline *sub = branches->pipeline;
    assert_string_equal(text_of(doc_of(sub, "condition-3"), "when"),
                        "not (${params.pipelinechannel--flip-Output} == 'heads') && ${params.pipelinechannel--limit} > 0.7");
    assert_string_equal(json_string_value(json_object_get(branches->inputs, "pipelinechannel--flip-Output")), "${steps.flip.outputs.Output}");
    assert_int_equal(json_array_size(sub->outputs[0].def), 3); /* the first that ran */
    static const struct {
        const char *coin;
        double limit;
        const char *runs;
    } cases[] = {{"heads", 0.9, "condition-2"}, {"tails", 0.9, "condition-3"}, {"tails", 0.5, "condition-4"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_t *known = json_pack("{s:s,s:f}", "params.pipelinechannel--flip-Output", cases[i].coin, "params.pipelinechannel--limit", cases[i].limit);
        for (size_t k = 0; k < sub->n_steps; k++) {
            bool holds = false;
            assert_true(condition_holds(sub->steps[k].when, known_value, known, &holds, NULL));
            assert_int_equal(holds, !strcmp(sub->steps[k].id, cases[i].runs));
        }
        json_decref(known);
    }
    pipeline_free(p);
}

static void loops_are_map_steps(void **state)
{
    (void)state;
    struct pipeline *p = compiled("loops"), *structs = compiled("loop-of-structs");
    const struct step *first = step_of(p, "for-loop-1"), *second = step_of(p, "for-loop-3"), *item = step_of(structs, "for-loop-2");
    assert_string_equal(json_string_value(first->map_over), "${steps.numbers.outputs.Output}");
    assert_int_equal(first->map_parallel, 2);
    assert_string_equal(json_string_value(json_object_get(first->inputs, "pipelinechannel--numbers-Output-loop-item")), "${map.item}");
    assert_int_equal(json_array_size(second->map_over), 3);
    assert_string_equal(json_string_value(json_object_get(step_of(p, "total")->inputs, "xs")), "${steps.for-loop-1.outputs.pipelinechannel--square-Output}");
    assert_string_equal(json_string_value(json_object_get(step_of(item->pipeline, "square")->inputs, "x")), "${params.pipelinechannel--loop-item-param-1.a}");
    pipeline_free(p);
    pipeline_free(structs);
}

static void exit_handlers_run_whatever_happened_and_are_told(void **state)
{
    (void)state;
    struct pipeline *p = compiled("exit-handler");
    const struct step *tell = step_of(p, "tell");
    assert_int_equal(tell->trigger, TRIGGER_ALL_DONE);
    assert_int_equal(tell->n_needs, 1);
    assert_string_equal(text_of(json_object_get(tell->inputs, "status"), "state"), "${steps.exit-handler-1.state}");
    pipeline_free(p);
}

static void policies_are_kept(void **state)
{
    (void)state;
    struct pipeline *p = compiled("retries");
    const struct step *s = step_of(p, "fail-once");
    assert_int_equal(s->retry.max, 2);
    assert_true(s->retry.backoff_s == 1 && s->retry.factor == 2 && s->retry.max_backoff_s == 10);
    assert_int_equal(s->cache, CACHE_NONE);
    assert_string_equal(text_of(s->env, "A"), "b $${HOME}"); /* their text means nothing to us */
    pipeline_free(p);
}

static void placeholders_of_containers_are_replaced(void **state)
{
    (void)state;
    struct pipeline *p = compiled("containers"), *texts = compiled("if-only");
    struct problems problems = {0};
    json_t *known = json_pack("{s:s,s:i}", "inputs.text", "it's", "inputs.times", 2);
    json_t *words = refs_command(step_of(p, "shout")->run, "", known_value, known, &problems);
    static const char *const expected[] = {"it's!", "<out.out>", "<out.copy>", "--times", "2"};
    assert_int_equal(json_array_size(words), 8);
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        assert_string_equal(json_string_value(json_array_get(words, i + 3)), expected[i]);
    const struct pipeline *inner = step_of(step_of(texts, "condition-1")->pipeline, "condition-2")->pipeline;
    assert_string_equal(json_string_value(json_object_get(step_of(inner, "say")->inputs, "text")),
                        "seed ${params.pipelinechannel--seed} gave ${params.pipelinechannel--flip-Output}");
    json_decref(known);
    json_decref(words);
    pipeline_free(p);
    pipeline_free(texts);
}

/* A compiled file of one task, with `executor` and `task` members put in. */
static char *small(const char *executor, const char *task)
{
    return x_asprintf("pipelineInfo: {name: x}\nschemaVersion: 2.1.0\nroot: {dag: {tasks: {t: {componentRef: {name: c}%s}}}}\n"
                      "components: {c: {executorLabel: e, inputDefinitions: {artifacts: {l: {isArtifactList: true}}, parameters: {p: {parameterType: STRING, isOptional: true}}}, outputDefinitions: {artifacts: {artifact: {}}}}}\n"
                      "deploymentSpec: {executors: {e: %s}}\n",
                      task, executor);
}

static void what_cannot_be_mapped_is_told(void **state)
{
    static const char container[] = "{container: {command: [a], image: i}}";
    static const struct {
        const char *executor, *task, *told;
    } cases[] = {
        {"{importer: {artifactUri: {constant: 's3://b/x'}}}", "", "imports s3://b/x: only files of this host can be imported, nothing is fetched"},
        {"{container: {image: i}}", "", "its component has no command, so it runs what its image says, and images are not used here"},
        {"{resolver: {}}", "", "its executor \"e\" is neither a container nor an importer, which is not mapped"},
        {container, ", inputs: {artifacts: {l: {taskOutputArtifact: {producerTask: t, outputArtifactKey: o}}}}",
         "input \"l\" is a list of artifacts, which a step here cannot take; pass parameters, or one artifact"},
        {container, ", inputs: {parameters: {p: {somethingNew: 1}}}", "input \"p\" is bound in a way that is not mapped"},
        {container, ", inputs: {parameters: {p: {runtimeValue: {constant: \"{{$.inputs.parameters['q']}}\"}}}}",
         "has a placeholder that is not mapped: {{$.inputs.parameters['q']}}"},
        {container, ", inputs: {parameters: {p: {componentInputParameter: q, parameterExpressionSelector: 'size(x)'}}}", "has a selector that is not mapped: size(x)"},
        {container, ", triggerPolicy: {condition: \"inputs.parameter_values['nope'] == 1\"}",
         "has a condition that is not mapped: inputs.parameter_values['nope'] == 1"},
        {container, ", parameterIterator: {itemInput: p, items: {inputParameter: q}}", "loops over something that is not mapped"},
        {"{container: {command: ['{{$.outputs.artifacts[''x''].metadata[''k'']}}']}}", "",
         "the command has a placeholder that is not mapped: {{$.outputs.artifacts['x'].metadata['k']}}"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *text CLEANUP_FREE = small(cases[i].executor, cases[i].task), *told CLEANUP_FREE = wrong(text);
        char *expected CLEANUP_FREE = x_asprintf("root.dag.tasks.t: %s\n", cases[i].told);
        assert_string_equal(told, expected);
    }
    char *old CLEANUP_FREE = wrong("pipelineInfo: {name: x}\nschemaVersion: 1.0\n");
    assert_string_equal(old, "schemaVersion: is \"\", this service reads 2.x: what the compiler of kfp 2 writes\n"
                             "root.dag: is missing; a compiled pipeline has its tasks there\n");
}

static void other_documents_of_the_file_and_packages_are_warned_of(void **state)
{
    (void)state;
    char *text CLEANUP_FREE = small("{container: {image: i, command: [sh, -c, \"python3 -m pip install 'kfp==2.1' '--no-deps' && python3 -m pip install 'numpy<2' 'pandas'"
                                    " && \\\"$0\\\" \\\"$@\\\"\", sh, -ec, x]}}", "");
    char *two CLEANUP_FREE = x_asprintf("%s---\nplatforms: {kubernetes: {}}\n", text);
    struct problems p = {0};
    struct pipeline *pipeline = pipeline_parse(two, strlen(two), &p);
    assert_non_null(pipeline);
    char *lines CLEANUP_FREE = lines_of(p.warnings, p.n_warnings);
    assert_string_equal(lines, "(file): the second document of the file is for a platform of KFP and is not used\n"
                               "root.dag.tasks.t: images are not used: components run as processes of this host, Python ones with the python3 and the kfp package that"
                               " the service finds\n"
                               "root.dag.tasks.t: needs these packages, which are not installed for it: numpy<2, pandas\n");
    problems_release(&p);
    pipeline_free(pipeline);
    char *ours CLEANUP_FREE = wrong("steps: {a: {run: [x]}}\n---\nsteps: {}\n");
    assert_string_equal(ours, "(file): has more than one document; a pipeline file has one\n");
}

/* Each dag is ten of the next: seven levels would be ten million tasks. */
static void a_small_file_that_means_very_much_is_refused(void **state)
{
    (void)state;
    struct buf b = BUF_INIT;
    buf_adds(&b, "pipelineInfo: {name: x}\nschemaVersion: 2.1.0\nroot: {dag: {tasks: {t: {componentRef: {name: c0}}}}}\ncomponents:\n");
    for (int i = 0; i < 7; i++) {
        buf_addf(&b, "  c%d: {dag: {tasks: {", i);
        for (int k = 0; k < 10; k++)
            buf_addf(&b, "%st%d: {componentRef: {name: c%d}}", k ? ", " : "", k, i + 1);
        buf_adds(&b, "}}}\n");
    }
    buf_adds(&b, "  c7: {executorLabel: e}\ndeploymentSpec: {executors: {e: {container: {command: [a]}}}}\n");
    char *told CLEANUP_FREE = wrong(b.data);
    assert_string_equal(told, "root.dag: comes to more than 2000 tasks, or more than 4194304 bytes of commands, with each dag where it is named\n");
    buf_release(&b);
}

static void a_local_file_is_imported(void **state)
{
    (void)state;
    char *text CLEANUP_FREE = small("{importer: {artifactUri: {constant: 'file:///data/x.csv'}, metadata: {rows: 3}}}", "");
    struct pipeline *p = right(text);
    const struct step *s = step_of(p, "t");
    assert_string_equal(json_string_value(json_array_get(s->run, 3)), "/data/x.csv");
    assert_int_equal(s->cache, CACHE_NONE);
    pipeline_free(p);
}

static void what_a_component_leaves_becomes_outputs_and_metrics(void **state)
{
    (void)state;
    struct pipeline *p = compiled("train-pipeline");
    json_t *left = json_of("{\"parameterValues\": {\"Output\": 0.5}, \"artifacts\": {\"metrics\": {\"artifacts\": [{\"name\": \"metrics\", \"uri\": \"/x\","
                           " \"metadata\": {\"loss\": 0.5, \"note\": \"x\"}}]}}}");
    json_t *values, *metrics;
    kfp_outputs(step_of(p, "train"), left, &values, &metrics);
    char *values_text CLEANUP_FREE = json_dumps(values, JSON_COMPACT), *metrics_text CLEANUP_FREE = json_dumps(metrics, JSON_COMPACT);
    assert_string_equal(values_text, "{\"Output\":0.5,\"metrics--metadata\":{\"loss\":0.5,\"note\":\"x\"},\"model--metadata\":{}}");
    assert_string_equal(metrics_text, "{\"loss\":0.5}");
    json_decref(values);
    json_decref(metrics);
    json_decref(left);
    left = json_object();
    kfp_outputs(step_of(p, "prepare"), left, &values, &metrics);
    assert_int_equal(json_object_size(values), 1);
    json_decref(values);
    json_decref(metrics);
    json_decref(left);
    pipeline_free(p);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_compiler_writes_is_read),
        cmocka_unit_test(a_lightweight_component_is_told_as_its_executor_wants),
        cmocka_unit_test(conditions_and_one_of_them),
        cmocka_unit_test(loops_are_map_steps),
        cmocka_unit_test(exit_handlers_run_whatever_happened_and_are_told),
        cmocka_unit_test(policies_are_kept),
        cmocka_unit_test(placeholders_of_containers_are_replaced),
        cmocka_unit_test(what_cannot_be_mapped_is_told),
        cmocka_unit_test(other_documents_of_the_file_and_packages_are_warned_of),
        cmocka_unit_test(a_small_file_that_means_very_much_is_refused),
        cmocka_unit_test(a_local_file_is_imported),
        cmocka_unit_test(what_a_component_leaves_becomes_outputs_and_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
