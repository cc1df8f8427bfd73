/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as a table's file, and as the text of a value: told or taken; a text that is a time is told in the same way everywhere. */
#include "fuzz.h"

#include "base/clock.h"
#include "pipeline/type.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static const char columns[] = "{\"type\":\"table\",\"columns\":{\"a\":\"int\",\"b\":{\"type\":\"double\",\"min\":0},\"c\":\"bool\",\"d\":\"datetime\","
                              "\"e\":\"duration\",\"f\":{\"type\":\"enum\",\"values\":[\"x\",\"y\"]}}}";
static const char *const kinds[] = {"int", "double", "string", "bool", "datetime", "duration", "json", "list", "map", "struct"};

static struct type *type_of(const char *declaration)
{
    struct problems problems = {0};
    json_t *json = json_loads(declaration, JSON_DECODE_ANY, NULL);
    struct type *t = type_read(json, "", NULL, &problems);
    must(t != NULL);
    json_decref(json);
    return t;
}

static void check_table(const uint8_t *data, size_t size)
{
    struct problems problems = {0};
    char path[40];
    struct type *t = type_of(columns);
    int fd = memfd_create("table", MFD_CLOEXEC);
    must(write(fd, data, size) == (ssize_t)size);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    bool ok = type_check_table(t, path, "", &problems);
    must(ok == (problems.n == 0));
    (void)close(fd);
    type_free(t);
    problems_release(&problems);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text CLEANUP_FREE = fuzz_text(data, size);
    char *word CLEANUP_FREE = x_asprintf("\"%s\"", kinds[size % ARRAY_LEN(kinds)]);
    struct problems problems = {0};
    int64_t ms;
    check_table(data, size);
    struct type *t = type_of(word);
    json_t *value = type_from_text(t, text, strlen(text));
    bool ok = value && type_check(t, value, "", &problems);
    if (ok && type_kind(t) == TYPE_DATETIME)
        must(clock_parse(json_string_value(value), &ms));
    if (ok) { /* as its type has it, it is still of its type */
        json_t *same = type_value(t, value);
        must(type_check(t, same, "", &problems));
        json_decref(same);
    }
    json_decref(value);
    type_free(t);
    problems_release(&problems);
    return 0;
}
