/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "pipelines.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

char *read_file(const char *path, size_t *len)
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

char *lines_of(const struct problem_item *items, size_t n)
{
    struct buf b = BUF_INIT;
    buf_adds(&b, "");
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

int each_file(const char *dir, void (*check)(const char *path))
{
    struct dirent **names;
    int n = scandir(dir, &names, NULL, alphasort), done = 0;
    assert_true(n > 0);
    for (int i = 0; i < n; i++) {
        const char *dot = strrchr(names[i]->d_name, '.');
        char *path CLEANUP_FREE = x_asprintf("%s/%s", dir, names[i]->d_name);
        if (dot && !strcmp(dot, ".yaml")) {
            check(path);
            done++;
        }
        free(names[i]);
    }
    free(names);
    return done;
}

struct pipeline *right(const char *text)
{
    struct problems p = {0};
    char *yaml CLEANUP_FREE = x_asprintf("---\n%s", text); /* what begins with { would be JSON */
    struct pipeline *pipeline = pipeline_parse(yaml, strlen(yaml), &p);
    char *lines CLEANUP_FREE = lines_of(p.items, p.n);
    if (!pipeline)
        fail_msg("%s", lines);
    problems_release(&p);
    return pipeline;
}

char *wrong(const char *text)
{
    struct problems p = {0};
    struct pipeline *pipeline = pipeline_parse(text, strlen(text), &p);
    char *lines = lines_of(p.items, p.n);
    assert_null(pipeline);
    problems_release(&p);
    return lines;
}

json_t *json_of(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY, NULL);
    if (!value)
        fail_msg("no JSON: %s", text);
    return value;
}
