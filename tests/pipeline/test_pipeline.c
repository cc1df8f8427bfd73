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

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_files_are_accepted_and_their_normal_form_is_stable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
