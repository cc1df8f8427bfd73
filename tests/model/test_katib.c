/* SPDX-License-Identifier: GPL-3.0-or-later */
/* model/katib, model/wandb and model/convert: files of other systems. The cases are files: beside each X.yaml of tests/katib and tests/wandb is X.txt with all that
 * is said about it and, where it is valid, what it becomes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "model/convert.h"
#include "model/katib_part.h"
#include "model/spec.h"
#include "model/template.h"
#include "model/yaml.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SHARED "../shared/design/katib"

/* As the real ones, but for the help. */
static const char *const restarts[] = {"none", "ipop", "bipop", NULL}, *const acquisitions[] = {"mixed", "ei", "bound", NULL};
static const struct setting tpe[] = {{"n_startup_trials", SETTING_INT, 10, 1, 10000, NULL, ""}, {"n_candidates", SETTING_INT, 0, 0, 1000, NULL, ""}, {0}};
static const struct setting gp[] = {{"n_initial_points", SETTING_INT, 0, 0, 10000, NULL, ""}, {"acquisition", SETTING_CHOICE, 0, 0, 0, acquisitions, ""}, {0}};
static const struct setting cmaes[] = {{"sigma", SETTING_FLOAT, 0.25, 1e-6, 1, NULL, ""}, {"restart_strategy", SETTING_CHOICE, 2, 0, 0, restarts, ""}, {0}};
static const struct setting pbt[] = {{"n_population", SETTING_INT, 10, 5, 1000, NULL, ""}, {"truncation_threshold", SETTING_FLOAT, 0.2, 0, 0.5, NULL, ""}, {"resample_probability", SETTING_FLOAT, 0.25, 0, 1, NULL, ""}, {0}};
static const struct setting median[] = {{"min_trials_required", SETTING_INT, 3, 1, 1000, NULL, ""}, {"start_step", SETTING_INT, 4, 1, 1e9, NULL, ""}, {0}};
static const struct setting rungs[] = {{"reduction_factor", SETTING_INT, 3, 2, 100, NULL, ""}, {"min_resource", SETTING_INT, 1, 1, 1e12, NULL, ""}, {"max_resource", SETTING_INT, 81, 1, 1e12, NULL, ""}, {0}};
static const struct catalog_entry algorithms[] = {{"auto", "", NULL, false, NULL}, {"random", "", NULL, false, NULL}, {"grid", "", NULL, true, NULL},   {"sobol", "", NULL, false, NULL},
                                                  {"gp", "", gp, false, NULL},     {"tpe", "", tpe, false, NULL},     {"cmaes", "", cmaes, false, NULL}, {"pbt", "", pbt, false, NULL}, {0}};
static const struct catalog_entry stoppers[] = {{"median", "", median, false, NULL}, {"asha", "", rungs, false, NULL}, {"hyperband", "", rungs, false, NULL}, {0}};
static const struct catalog_entry backends[] = {{"process", "", NULL, false, NULL}, {0}};
static const struct catalog catalog = {algorithms, stoppers, backends};

static char *read_file(const char *path)
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
    return buf_take(&b);
}

static json_t *load(const char *path)
{
    struct error error;
    char *text CLEANUP_FREE = read_file(path);
    json_t *document = yaml_load(text, strlen(text), &error);
    if (!document)
        fail_msg("%s: %s", path, error.detail);
    return document;
}

static void add_lines(struct buf *out, const char *kind, const struct problem_item *items, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char dotted[200];
        problems_dotted(items[i].pointer, dotted, sizeof dotted);
        buf_addf(out, "%s%s: %s", kind, dotted, items[i].detail);
        if (items[i].hint)
            buf_addf(out, " (%s?)", items[i].hint);
        buf_adds(out, "\n");
    }
}

/* All that is said about a file, and our own file that it becomes. */
static char *outcome(const char *path)
{
    struct buf out = BUF_INIT;
    struct problems p = {0};
    json_t *document = load(path), *native = convert_to_native(document, &catalog, &p);
    assert_true((native != NULL) == (p.n == 0));
    add_lines(&out, "", p.items, p.n);
    add_lines(&out, "warning: ", p.warnings, p.n_warnings);
    char *yaml CLEANUP_FREE = native ? yaml_dump(native) : NULL;
    if (yaml)
        buf_addf(&out, "---\n%s", yaml);
    json_decref(native);
    json_decref(document);
    problems_release(&p);
    return buf_take(&out);
}

/* Calls `check` for each .yaml of `dir`; gives how many. */
static int each_file(const char *dir, void (*check)(const char *path))
{
    struct dirent **names;
    int n = scandir(dir, &names, NULL, alphasort), done = 0;
    for (int i = 0; i < n; i++) {
        const char *dot = strrchr(names[i]->d_name, '.');
        char *path CLEANUP_FREE = x_asprintf("%s/%s", dir, names[i]->d_name);
        if (dot && !strcmp(dot, ".yaml")) {
            check(path);
            done++;
        }
        free(names[i]);
    }
    if (n >= 0)
        free(names);
    return done;
}

static void check_outcome(const char *path)
{
    char *beside CLEANUP_FREE = x_asprintf("%.*s.txt", (int)(strrchr(path, '.') - path), path);
    char *expected CLEANUP_FREE = read_file(beside), *got CLEANUP_FREE = outcome(path);
    if (strcmp(got, expected) != 0)
        fail_msg("%s:\n%s--- but expected:\n%s", path, got, expected);
}

static void valid_files_become_our_own(void **state)
{
    (void)state;
    assert_true(each_file("tests/katib/valid", check_outcome) >= 20);
    assert_true(each_file("tests/wandb/valid", check_outcome) >= 4);
}

static void every_problem_of_an_invalid_file_is_told_at_its_place(void **state)
{
    (void)state;
    assert_true(each_file("tests/katib/invalid", check_outcome) >= 14);
    assert_true(each_file("tests/wandb/invalid", check_outcome) >= 2);
}

/* ---- what is stored ---- */

static void check_stored(const char *path)
{
    struct problems p = {0};
    json_t *document = load(path);
    struct spec *s = spec_new(document, &catalog, &p);
    assert_non_null(s);
    assert_true(json_equal(json_object_get(s->document, "source"), document)); /* the file is kept as it was */
    char *stored CLEANUP_FREE = json_dumps(s->document, JSON_COMPACT);
    struct spec *again = spec_parse(stored, strlen(stored), &catalog, &p);
    assert_non_null(again);
    assert_true(json_equal(s->document, again->document));
    json_t *back = convert_to_katib(s->document, NULL, &catalog, &p);
    assert_non_null(back);
    if (!strcmp(json_string_value(json_object_get(back, "kind")), "Experiment")) {
        struct spec *third = spec_new(back, &catalog, &p);
        assert_non_null(third);
        assert_true(json_equal(json_object_get(s->document, "trials"), json_object_get(third->document, "trials")));
        spec_free(third);
    }
    json_decref(back);
    spec_free(again);
    spec_free(s);
    json_decref(document);
    problems_release(&p);
}

static void what_is_stored_keeps_the_file_and_gives_it_back(void **state)
{
    (void)state;
    assert_true(each_file("tests/katib/valid", check_stored) >= 20);
}

/* Our own file of it, as a Katib file, as our own once more: the same search. */
static void check_both_ways(const char *path)
{
    static const char *const same[] = {"parameters", "objectives", "trials", "stopping"};
    struct problems p = {0};
    json_t *document = load(path), *native = convert_to_native(document, &catalog, &p), *katib = convert_to_katib(native, "img", &catalog, &p);
    if (p.n == 0) {
        struct spec *a = spec_new(native, &catalog, &p), *b = spec_new(katib, &catalog, &p);
        if (!a || !b)
            fail_msg("%s: %s: %s", path, p.items[0].pointer, p.items[0].detail);
        for (size_t i = 0; i < ARRAY_LEN(same); i++)
            if (!json_equal(json_object_get(a->document, same[i]), json_object_get(b->document, same[i])))
                fail_msg("%s: %s is not the same after both ways", path, same[i]);
        spec_free(a);
        spec_free(b);
    } else {
        for (size_t i = 0; i < p.n; i++)
            assert_true(!strcmp(p.items[i].code, "NOT_IN_KATIB"));
    }
    json_decref(katib);
    json_decref(native);
    json_decref(document);
    problems_release(&p);
}

static void converting_there_and_back_keeps_the_search(void **state)
{
    (void)state;
    assert_true(each_file("tests/katib/valid", check_both_ways) >= 20);
}

static void what_katib_has_no_word_for_is_told(void **state)
{
    (void)state;
    static const char file[] = "name: x.y\n"
                               "objectives: [{metric: a, direction: minimize, strategy: mean}, {metric: b, direction: maximize}]\n"
                               "parameters: {lr: {type: float, min: 0.1, max: 1, distribution: normal, mu: 0.2}, k: [a, b], g: {type: int, min: 1, max: 3, when: {k: a}}}\n"
                               "constraints: [\"lr < 0.9\"]\nalgorithm: auto\nstopping: asha\ninitial_points: [{lr: 0.5, k: b}]\n"
                               "trials: {max: 5, replicates: 2}\nlimits: {time: 1h}\nrun: {command: [a, \"{lr}\", \"{trial}\"]}\n";
    struct problems p = {0};
    struct error error;
    json_t *document = yaml_load(file, strlen(file), &error), *katib = convert_to_katib(document, NULL, &catalog, &p);
    struct buf lines = BUF_INIT;
    for (size_t i = 0; i < p.n; i++)
        buf_addf(&lines, "%s ", p.items[i].pointer);
    assert_string_equal(lines.data, "/name /objectives/0/strategy /objectives /stopping /parameters/lr /parameters/g /constraints /initial_points "
                                    "/run/command/2 /run /parameters/k /parameters/g /limits/time /trials/replicates ");
    buf_release(&lines);
    json_decref(katib);
    json_decref(document);
    problems_release(&p);
}

/* ---- words ---- */

static void words_keep_their_text(void **state)
{
    (void)state;
    static const struct {
        const char *text, *plain, *shell; /* as a word of ours, as a word of a line */
    } cases[] = {
        {"--lr=0.1", "--lr=0.1", "--lr=0.1"},
        {"", "", "''"},
        {"--lr=${trialParameters.rate}", "--lr=${trialParameters.lr}", "--lr=${trialParameters.lr}"},
        {"a b${trialParameters.rate}c d", "a b${trialParameters.lr}c d", "'a b'${trialParameters.lr}'c d'"},
        {"it's", "it's", "'it'\\''s'"},
        {"{x} {{y}} ${HOME}", "{{x}} {{{{y}}}} ${HOME}", "'{{x}} {{{{y}}}} ${HOME}'"},
        {"{${trialParameters.kind}}", "{{Job}}", "'{{Job}}'"},
        {"$(A)-$$(A)-$(B)", "1-$(A)-$(B)", "'1-$(A)-$(B)'"},
        {"--log=/katib/m.log", "--log=/katib/m.log", "--log=\"$HONE_METRICS_FILE\""},
        {"${trialParameters.none}", "${trialParameters.none}", "${trialParameters.none}"},
        {"$", "$", "'$'"},
        {"$(", "$(", "'$('"},
    };
    json_t *stands_for = json_pack("{s:s, s:s}", "rate", "${trialParameters.lr}", "kind", "Job"), *variables = json_pack("{s:s}", "A", "1");
    const struct katib_words words = {.stands_for = stands_for, .variables = variables, .path = "/katib/m.log"};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *plain CLEANUP_FREE = katib_word(&words, cases[i].text), *shell CLEANUP_FREE = katib_shell_word(&words, cases[i].text);
        assert_string_equal(plain, cases[i].plain);
        assert_string_equal(shell, cases[i].shell);
    }
    json_decref(stands_for);
    json_decref(variables);
}

static void a_value_is_never_read_by_a_shell(void **state)
{
    (void)state;
    json_t *stands_for = json_pack("{s:s}", "x", "${trialParameters.x}"), *params = json_pack("{s:s}", "x", "'; rm -rf $HOME `id` \"");
    const char *const names[] = {"x", NULL};
    const struct katib_words words = {.stands_for = stands_for};
    const struct template_values values = {.params = params, .names = names};
    char *word CLEANUP_FREE = katib_shell_word(&words, "--x=${trialParameters.x} {x}");
    char *line CLEANUP_FREE = template_render(word, &values, true);
    assert_string_equal(line, "--x=''\\''; rm -rf $HOME `id` \"'' {x}'");
    json_decref(stands_for);
    json_decref(params);
}

static void escaped_text_comes_out_as_it_was(void **state)
{
    (void)state;
    static const char *const texts[] = {"{x}", "{{x}}", "{{{x}}}", "{x}}", "{{x}", "{ x }", "f\"{a}{b}\"", "${x}", "$${{x}}", "{}", "{x", "{{{{x}}", ""};
    const char *const names[] = {"x", NULL};
    json_t *params = json_pack("{s:s}", "x", "VALUE");
    const struct template_values values = {.params = params, .names = names};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        char *escaped CLEANUP_FREE = template_escape(texts[i]), *back CLEANUP_FREE = template_render(escaped, &values, false);
        assert_string_equal(back, texts[i]);
    }
    json_decref(params);
}

static void expressions_are_read(void **state)
{
    (void)state;
    static const char *const right[] = {"([\\w|-]+)\\s*=\\s*([+-]?\\d*(\\.\\d+)?([Ee][+-]?\\d+)?)", "{metricName: ([\\w|-]+), metricValue: ((-?\\d+)(\\.\\d+)?)}",
                                        "(?P<a>x)(b)", "([]a])(\\()", "([^]]+)=(.*?)", "(?:a)?(b)(c)"};
    static const char *const wrong[] = {"", "(a)", "(a)(b", "(a)b)", "[a(b)(c)", "*(a)(b)", "(a)(b)\\", "(?=a)(b)(c)", "(a)(b)\\1", "(?:a)(b)", "(|*a)(b)(c)"};
    for (size_t i = 0; i < ARRAY_LEN(right); i++)
        assert_null(katib_regex_wrong(right[i]));
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_non_null(katib_regex_wrong(wrong[i]));
}

/* ---- Katib's own verdicts ---- */

/* What Katib lets through and we do not; docs/reference/katib.md says why. */
static bool stricter(const char *probe)
{
    static const char *const probes[] = {"mc-file-defaults",           "metricstrategy-unknown-metric", "name-trailing-dash",  "param-empty-fs-categorical",
                                         "param-int-float-bounds",     "param-loguniform-min0",         "param-no-fs-categorical", "param-unused-in-trialparameters",
                                         "spec-unknown-field",         "tmpl-meta-label-missing"};
    for (size_t i = 0; i < ARRAY_LEN(probes); i++)
        if (!strcmp(probes[i], probe))
            return true;
    return false;
}

static void check_probe(const char *probe, bool accepted, const char *place)
{
    char *path CLEANUP_FREE = x_asprintf(SHARED "/probes/%s.yaml", probe), dotted[200] = "";
    json_t *document = load(path);
    struct problems p = {0};
    struct spec *s = spec_new(document, &catalog, &p);
    if (p.n)
        problems_dotted(p.items[0].pointer, dotted, sizeof dotted);
    if (accepted && (s != NULL) == stricter(probe))
        fail_msg("%s: Katib takes it; here %s", probe, s ? "it is taken too, but noted as refused" : dotted);
    if (!accepted && (s || strcmp(dotted, place) != 0))
        fail_msg("%s: Katib refuses it at %s; here %s", probe, place, s ? "it is taken" : dotted);
    spec_free(s);
    json_decref(document);
    problems_release(&p);
}

static void probes_are_judged_as_katib_judges_them(void **state)
{
    (void)state;
    if (access(SHARED "/validator_verdicts.csv", R_OK)) {
        print_message("skip: Katib's verdicts are not on this machine\n");
        skip();
    }
    char *csv CLEANUP_FREE = read_file(SHARED "/validator_verdicts.csv"), *rest = NULL, *line = strtok_r(csv, "\n", &rest);
    int n = 0;
    for (; (line = strtok_r(NULL, "\n", &rest)); n++) {
        char probe[80], verdict[16], place[120] = "";
        assert_true(sscanf(line, "%79[^,],%15[^,],%119[^\r\n]", probe, verdict, place) >= 2);
        check_probe(probe, !strcmp(verdict, "OK"), place);
    }
    assert_true(n >= 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(valid_files_become_our_own),
                                       cmocka_unit_test(every_problem_of_an_invalid_file_is_told_at_its_place),
                                       cmocka_unit_test(what_is_stored_keeps_the_file_and_gives_it_back),
                                       cmocka_unit_test(converting_there_and_back_keeps_the_search),
                                       cmocka_unit_test(what_katib_has_no_word_for_is_told),
                                       cmocka_unit_test(words_keep_their_text),
                                       cmocka_unit_test(a_value_is_never_read_by_a_shell),
                                       cmocka_unit_test(escaped_text_comes_out_as_it_was),
                                       cmocka_unit_test(expressions_are_read),
                                       cmocka_unit_test(probes_are_judged_as_katib_judges_them)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
