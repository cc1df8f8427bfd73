/* SPDX-License-Identifier: GPL-3.0-or-later */
/* pipeline/type: declarations, which type may stand for which, values, tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "pipelines.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct type *type_of(const char *declaration)
{
    struct problems p = {0};
    json_t *json = json_of(declaration);
    struct type *t = type_read(json, "", NULL, &p);
    char *lines CLEANUP_FREE = lines_of(p.items, p.n);
    if (!t)
        fail_msg("%s: %s", declaration, lines);
    json_decref(json);
    return t;
}

static void a_declaration_is_read_shown_and_written_again(void **state)
{
    static const struct {
        const char *given, *shown, *written;
    } cases[] = {
        {"\"int\"", "int", "\"int\""},
        {"{\"type\":\"int\",\"min\":1,\"max\":9}", "int", "{\"type\":\"int\",\"min\":1,\"max\":9}"},
        {"{\"type\":\"double\"}", "double", "\"double\""},
        {"{\"type\":\"duration\",\"max\":\"90m\"}", "duration", "{\"type\":\"duration\",\"max\":5400.0}"},
        {"{\"type\":\"enum\",\"values\":[\"adam\",\"sgd\"]}", "enum adam|sgd", "{\"type\":\"enum\",\"values\":[\"adam\",\"sgd\"]}"},
        {"{\"type\":\"list\",\"items\":{\"type\":\"list\",\"items\":\"int\"}}", "list of list of int",
         "{\"type\":\"list\",\"items\":{\"type\":\"list\",\"items\":\"int\"}}"},
        {"\"list\"", "list of json", "\"list\""},
        {"{\"type\":\"map\",\"values\":\"double\"}", "map of double", "{\"type\":\"map\",\"values\":\"double\"}"},
        {"{\"type\":\"struct\",\"schema\":{\"required\":[\"a\"]}}", "struct", "{\"type\":\"struct\",\"schema\":{\"required\":[\"a\"]}}"},
        {"{\"type\":\"table\",\"columns\":{\"x\":\"double\"}}", "table", "{\"type\":\"table\",\"columns\":{\"x\":\"double\"}}"},
        {"{\"type\":\"table\",\"format\":\"parquet\"}", "table (parquet)", "{\"type\":\"table\",\"format\":\"parquet\"}"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct type *t = type_of(cases[i].given), *copy = type_copy(t);
        char *shown CLEANUP_FREE = type_show(copy);
        json_t *written = type_json(copy);
        char *text CLEANUP_FREE = json_dumps(written, JSON_COMPACT | JSON_ENCODE_ANY);
        assert_string_equal(shown, cases[i].shown);
        assert_string_equal(text, cases[i].written);
        json_decref(written);
        type_free(copy);
        type_free(t);
    }
}

static void a_wrong_declaration_is_told(void **state)
{
    static const struct {
        const char *given, *told;
    } cases[] = {
        {"\"flaot\"", "(file): is \"flaot\", must be a type: int, double, string, bool, datetime, duration, enum, list, map, struct, json, file, dir, table, "
                      "model\n"},
        {"\"float\"", "(file): is \"float\", must be a type: int, double, string, bool, datetime, duration, enum, list, map, struct, json, file, dir, table, "
                      "model (double?)\n"},
        {"\"enum\"", "(file): needs its words: {type: enum, values: [adam, sgd]}\n"},
        {"{\"type\":\"int\",\"min\":0.5}", "min: is 0.5, must be a whole number: the type is int\n"},
        {"{\"type\":\"int\",\"min\":2,\"max\":1}", "max: is 1, less than min 2\n"},
        {"{\"type\":\"string\",\"min\":1}", "min: is not known here; known are type\n"},
        {"{\"type\":\"enum\",\"values\":[\"a\",\"a\"]}", "values[1]: is \"a\", which stands here twice\n"},
        {"{\"type\":\"table\",\"columns\":{\"x\":\"file\"}}",
         "columns.x: is file; a column is one of int, double, string, bool, datetime, duration, enum\n"},
        {"{\"type\":\"struct\",\"schema\":{\"type\":\"objekt\"}}",
         "schema.type: is \"objekt\", must be object, array, string, integer, number, boolean, null, or a list of them\n"},
        {"{\"type\":\"struct\",\"schema\":{\"properties\":{\"a\":{\"patern\":\"x\"}}}}",
         "schema.properties.a.patern: is a keyword of JSON Schema that is not supported here; the reference page of pipeline files lists those that are "
         "(pattern?)\n"},
        {"{\"type\":\"struct\",\"schema\":{\"pattern\":\"(\"}}", "schema.pattern: is no regular expression: missing closing parenthesis (at character 2)\n"},
        {"{\"type\":\"struct\",\"schema\":{\"$ref\":\"#/$defs/x\"}}", "schema.$ref: names \"x\", which is not in $defs\n"},
        {"3", "(file): is 3, must be a type: int, double, string, bool, datetime, duration, enum, list, map, struct, json, file, dir, table, model\n"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct problems p = {0};
        json_t *json = json_of(cases[i].given);
        assert_null(type_read(json, "", NULL, &p));
        char *lines CLEANUP_FREE = lines_of(p.items, p.n);
        assert_string_equal(lines, cases[i].told);
        json_decref(json);
        problems_release(&p);
    }
    struct problems p = {0};
    json_t *deep = json_string("int");
    for (int i = 0; i < TYPE_MAX_DEPTH; i++)
        deep = json_pack("{s:s,s:o}", "type", "list", "items", deep);
    assert_null(type_read(deep, "", NULL, &p));
    json_decref(deep);
    problems_release(&p);
}

#define LIST(t) "{\"type\":\"list\",\"items\":\"" t "\"}"
#define MAP(t) "{\"type\":\"map\",\"values\":\"" t "\"}"
#define ENUM(v) "{\"type\":\"enum\",\"values\":[" v "]}"
#define TABLE(c) "{\"type\":\"table\",\"columns\":{" c "}}"

static void types_accept_what_always_fits(void **state)
{
    static const struct {
        const char *to, *from;
        bool ok;
    } cases[] = {
        {"\"double\"", "\"int\"", true},
        {"\"int\"", "\"double\"", false},
        {"\"string\"", ENUM("\"a\""), true},
        {ENUM("\"a\",\"b\""), ENUM("\"b\""), true},
        {ENUM("\"a\""), ENUM("\"a\",\"b\""), false},
        {ENUM("\"a\""), "\"string\"", false},
        {"\"string\"", "\"datetime\"", true},
        {"\"datetime\"", "\"string\"", false},
        {"\"string\"", "\"int\"", false},
        {"\"bool\"", "\"int\"", false},
        {"\"duration\"", "\"int\"", true},
        {"\"json\"", LIST("int"), true},
        {"\"int\"", "\"json\"", false},
        {LIST("double"), LIST("int"), true},
        {LIST("int"), LIST("double"), false},
        {LIST("int"), "\"int\"", false},
        {MAP("double"), MAP("int"), true},
        {"\"struct\"", MAP("int"), true},
        {"\"map\"", "\"struct\"", true},
        {"\"struct\"", "{\"type\":\"struct\",\"schema\":{\"required\":[\"a\"]}}", true},
        {"{\"type\":\"struct\",\"schema\":{\"required\":[\"a\"]}}", "\"struct\"", false},
        {"\"file\"", "\"table\"", true},
        {"\"table\"", "\"file\"", false},
        {"\"file\"", "\"dir\"", false},
        {"\"model\"", "\"dir\"", true},
        {"\"model\"", "\"file\"", true},
        {"\"file\"", "\"model\"", false},
        {TABLE("\"x\":\"double\""), TABLE("\"y\":\"int\",\"x\":\"int\""), true},
        {TABLE("\"x\":\"double\""), TABLE("\"y\":\"int\""), false},
        {TABLE("\"x\":\"double\""), "{\"type\":\"table\",\"columns\":{\"x\":\"double\"},\"format\":\"parquet\"}", false},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct type *to = type_of(cases[i].to), *from = type_of(cases[i].from);
        if (type_accepts(to, from) != cases[i].ok)
            fail_msg("%s from %s: should be %d", cases[i].to, cases[i].from, cases[i].ok);
        assert_true(type_accepts(to, to));
        type_free(to);
        type_free(from);
    }
}

#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ARTIFACT(kind) "{\"artifact\":\"sha256:" SHA "\",\"type\":\"" kind "\",\"size\":1,\"name\":\"x\"}"
#define SCHEMA(s) "{\"type\":\"struct\",\"schema\":" s "}"

static void values_are_checked_each_wrong_place_told(void **state)
{
    static const struct {
        const char *type, *value, *told; /* "": it fits */
    } cases[] = {
        {"\"int\"", "3", ""},
        {"\"int\"", "3.0", ""},
        {"\"int\"", "9007199254740993", ""},
        {"\"int\"", "3.5", "v: expected int, found 3.5 (double)\n"},
        {"\"int\"", "\"3\"", "v: expected int, found \"3\" (string)\n"},
        {"\"int\"", "true", "v: expected int, found true (bool)\n"},
        {"{\"type\":\"int\",\"min\":1}", "0", "v: is 0, must be at least 1\n"},
        {"\"double\"", "3", ""},
        {"\"double\"", "\"NaN\"", "v: expected double, found \"NaN\" (string)\n"},
        {"{\"type\":\"double\",\"max\":1}", "1.5", "v: is 1.5, must be at most 1\n"},
        {"\"string\"", "1", "v: expected string, found 1 (int)\n"},
        {"\"bool\"", "0", "v: expected bool, found 0 (int)\n"},
        {"\"datetime\"", "\"2026-02-28T23:59:60+01:00\"", ""},
        {"\"datetime\"", "\"2026-02-29T00:00:00Z\"", "v: expected datetime, found \"2026-02-29T00:00:00Z\" (string)\n"},
        {"\"datetime\"", "\"2026-02-28\"", "v: expected datetime, found \"2026-02-28\" (string)\n"},
        {"\"duration\"", "\"1h30m\"", ""},
        {"\"duration\"", "-1", "v: expected duration, found -1 (int)\n"},
        {"{\"type\":\"duration\",\"max\":60}", "\"2m\"", "v: is 120, must be at most 60\n"},
        {ENUM("\"adam\",\"sgd\""), "\"adm\"", "v: expected enum adam|sgd, found \"adm\" (adam?)\n"},
        {LIST("int"), "[1,2]", ""},
        {LIST("int"), "[1,\"x\",null]", "v[1]: expected int, found \"x\" (string)\nv[2]: expected int, found null\n"},
        {LIST("int"), "{}", "v: expected list of int, found a mapping\n"},
        {MAP("int"), "{\"a\":1,\"b\":[]}", "v.b: expected int, found a list\n"},
        {"\"json\"", "[1,{\"a\":null}]", ""},
        {"\"file\"", ARTIFACT("file"), ""},
        {"\"file\"", ARTIFACT("table"), ""},
        {"\"file\"", ARTIFACT("dir"), "v: expected file, found a mapping\n"},
        {"\"model\"", ARTIFACT("dir"), ""},
        {"\"file\"", "{\"artifact\":\"sha256:../../etc\",\"type\":\"file\"}", "v: expected file, found a mapping\n"},
        {"\"file\"", "\"/etc/passwd\"", "v: expected file, found \"/etc/passwd\" (string)\n"},
        {"\"struct\"", "{\"a\":1}", ""},
        {"\"struct\"", "[]", "v: expected struct, found a list\n"},
        {SCHEMA("{\"required\":[\"a\",\"b\"]}"), "{\"a\":1}", "v.b: is missing\n"},
        {SCHEMA("{\"properties\":{\"a\":{\"type\":\"integer\",\"minimum\":1}},\"additionalProperties\":false}"), "{\"a\":0,\"c\":1}",
         "v.a: is 0, must be at least 1\nv.c: is not known here\n"},
        {SCHEMA("{\"properties\":{\"a\":{\"type\":[\"string\",\"null\"],\"pattern\":\"^x\",\"maxLength\":3}}}"), "{\"a\":\"yyyy\"}",
         "v.a: has a length of 4, must be at most 3\nv.a: is \"yyyy\", must match ^x\n"},
        {SCHEMA("{\"properties\":{\"a\":{\"anyOf\":[{\"type\":\"string\"},{\"const\":5}]}}}"), "{\"a\":5.0}", ""},
        {SCHEMA("{\"properties\":{\"a\":{\"oneOf\":[{\"minimum\":1},{\"minimum\":2}]}}}"), "{\"a\":3}",
         "v.a: fits 2 of the 2 schemas of oneOf, must fit one\n"},
        {SCHEMA("{\"properties\":{\"a\":{\"not\":{\"enum\":[1,2]}}}}"), "{\"a\":2}", "v.a: fits what \"not\" excludes\n"},
        {SCHEMA("{\"properties\":{\"a\":{\"items\":{\"multipleOf\":0.1},\"uniqueItems\":true}}}"), "{\"a\":[0.3,1,1.0]}",
         "v.a: has the same item twice, at 1 and at 2\n"},
        {SCHEMA("{\"$defs\":{\"n\":{\"properties\":{\"next\":{\"$ref\":\"#/$defs/n\"}},\"required\":[\"v\"]}},\"$ref\":\"#/$defs/n\"}"),
         "{\"v\":1,\"next\":{\"next\":{\"v\":2}}}", "v.next.v: is missing\n"},
        {SCHEMA("{\"$defs\":{\"n\":{\"$ref\":\"#/$defs/n\"}},\"$ref\":\"#/$defs/n\"}"), "{}",
         "v: takes more than 100000 steps to check against its schema, or goes too deep\n"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct problems p = {0};
        struct type *t = type_of(cases[i].type);
        json_t *value = json_of(cases[i].value);
        bool ok = type_check(t, value, "/v", &p);
        char *lines CLEANUP_FREE = lines_of(p.items, p.n);
        if (strcmp(lines, cases[i].told) != 0)
            fail_msg("%s for %s: %s", cases[i].value, cases[i].type, lines);
        assert_int_equal(ok, !*cases[i].told);
        json_decref(value);
        type_free(t);
        problems_release(&p);
    }
}

static void a_map_step_gives_lists_with_nulls(void **state)
{
    (void)state;
    struct problems p = {0};
    struct type *item = type_of("\"int\""), *list = type_list_of(item), *plain = type_of(LIST("int"));
    json_t *value = json_of("[1,null]");
    assert_true(type_check(list, value, "", &p));
    assert_false(type_check(plain, value, "", &p));
    assert_true(type_accepts(plain, list));
    json_decref(value);
    problems_release(&p);
    type_free(item);
    type_free(list);
    type_free(plain);
}

static void text_of_a_step_is_read_by_its_type(void **state)
{
    static const struct {
        const char *type, *text, *json;
    } cases[] = {
        {"\"double\"", "0.93\n", "0.93000000000000005"}, {"\"int\"", " 4 ", "4"},     {"\"string\"", "4\n\n", "\"4\\n\""}, {"\"bool\"", "True\n", "true"},
        {"\"duration\"", "90s\n", "\"90s\""},            {"\"list\"", "[1]\n", "[1]"}, {"\"int\"", "four", "\"four\""},   {"\"json\"", "null", "null"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct type *t = type_of(cases[i].type);
        json_t *value = type_from_text(t, cases[i].text, strlen(cases[i].text));
        char *text CLEANUP_FREE = json_dumps(value, JSON_ENCODE_ANY);
        assert_string_equal(text, cases[i].json);
        json_decref(value);
        type_free(t);
    }
}

static void tables_are_checked_line_by_line(void **state)
{
    static const char columns[] = TABLE("\"n\":{\"type\":\"int\",\"min\":0},\"x\":\"double\",\"ok\":\"bool\",\"day\":\"datetime\",\"kind\":" ENUM("\"a\",\"b\""));
    static const struct {
        const char *text, *told;
    } cases[] = {
        {"n,x,ok,day,kind,more\n1,0.5,true,2026-01-31,a,\"q,\"\"q\"\n2,nan,False,2026-01-31 10:00:00,b,\n3,,1,,a,z\n", ""},
        {"\xEF\xBB\xBFkind,n,x,ok,day\r\na,1,1e3,0,2026-01-31T10:00:00Z\r\n", ""},
        {"n,x,day,kind\n", "t: has no column \"ok\"\n"},
        {"", "t: is empty, must begin with a line of column names\n"},
        {"n,x,ok,day,kind\n-1,a,maybe,2026-02-30,c\n1,2\n",
         "t: line 2, column \"n\": expected int, found \"-1\"\nt: line 2, column \"x\": expected double, found \"a\"\n"
         "t: line 2, column \"ok\": expected bool, found \"maybe\"\nt: line 2, column \"day\": expected datetime, found \"2026-02-30\"\n"
         "t: line 2, column \"kind\": expected enum a|b, found \"c\"\nt: line 3: has 2 fields, the header has 5\n"},
        {"n,x,ok,day,kind\n1,2\"3,1,,a\n", "t: line 2: is no CSV: error parsing data while strict checking enabled\n"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char path[] = "/tmp/hone-table-XXXXXX";
        struct problems p = {0};
        struct type *t = type_of(columns);
        int fd = mkstemp(path);
        assert_int_equal(write(fd, cases[i].text, strlen(cases[i].text)), strlen(cases[i].text));
        (void)close(fd);
        bool ok = type_check_table(t, path, "/t", &p);
        char *lines CLEANUP_FREE = lines_of(p.items, p.n);
        assert_string_equal(lines, cases[i].told);
        assert_int_equal(ok, !*cases[i].told);
        (void)unlink(path);
        type_free(t);
        problems_release(&p);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_declaration_is_read_shown_and_written_again),
        cmocka_unit_test(a_wrong_declaration_is_told),
        cmocka_unit_test(types_accept_what_always_fits),
        cmocka_unit_test(values_are_checked_each_wrong_place_told),
        cmocka_unit_test(a_map_step_gives_lists_with_nulls),
        cmocka_unit_test(text_of_a_step_is_read_by_its_type),
        cmocka_unit_test(tables_are_checked_line_by_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
