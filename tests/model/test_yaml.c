/* SPDX-License-Identifier: GPL-3.0-or-later */
/* model/yaml: YAML and JSON to values and back, and where a wrong text is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "model/yaml.h"

#include <stdio.h>
#include <string.h>

static json_t *load(const char *text, struct error *error)
{
    return yaml_load(text, strlen(text), error);
}

static void texts_become_values(void **state)
{
    (void)state;
    static const struct {
        const char *text, *json;
    } cases[] = {
        {"", "null"},
        {"# only a comment\n", "null"},
        {"---\n", "null"},
        {"a: 1\nb: [x, 2]\nc: {d: e}\n", "{\"a\":1,\"b\":[\"x\",2],\"c\":{\"d\":\"e\"}}"},
        {"- [null, Null, NULL, ~, ]\n- \n", "[[null,null,null,null],null]"},
        {"- [true, True, TRUE, false, False, FALSE]", "[[true,true,true,false,false,false]]"},
        {"- [yes, no, on, off, y, n, tRUE, nil]", "[[\"yes\",\"no\",\"on\",\"off\",\"y\",\"n\",\"tRUE\",\"nil\"]]"},
        {"- [0, -0, +12, 0123, 0x1F, 0o17, 9223372036854775807, -9223372036854775808]",
         "[[0,0,12,123,31,15,9223372036854775807,-9223372036854775808]]"},
        {"- [1e-3, 1., .5, -1.5E+2, 1e3, +.5e0, 1.5]", "[[0.001,1.0,0.5,-150.0,1000.0,0.5,1.5]]"},
        {"- [.inf, +.INF, -.Inf, .nan, .NaN]", "[[\"Infinity\",\"Infinity\",\"-Infinity\",\"NaN\",\"NaN\"]]"},
        {"- [0x, 0xg, 0o8, 1_000, 1:30, 1e, e3, ., -, +, 1.2.3, 0b1, nan, inf, -0x1, 1e3x]",
         "[[\"0x\",\"0xg\",\"0o8\",\"1_000\",\"1:30\",\"1e\",\"e3\",\".\",\"-\",\"+\",\"1.2.3\",\"0b1\",\"nan\",\"inf\",\"-0x1\",\"1e3x\"]]"},
        {"- ['1', \"true\", '', !!str 5, ! 6, !!str ]", "[[\"1\",\"true\",\"\",\"5\",\"6\",\"\"]]"},
        {"1: a\ntrue: b\n'x y': c\n", "{\"1\":\"a\",\"true\":\"b\",\"x y\":\"c\"}"},
        {"a: |\n  x\n  y\nb: >\n  x\n  y\nc: |-\n  x\n", "{\"a\":\"x\\ny\\n\",\"b\":\"x y\\n\",\"c\":\"x\"}"},
        {"a: \"\\x41\\u00e4\\U0001F600\\n\"", "{\"a\":\"A\xC3\xA4\xF0\x9F\x98\x80\\n\"}"},
        {"a: &x {b: [1, 2]}\nc: *x\nd: [*x, *x]\n", "{\"a\":{\"b\":[1,2]},\"c\":{\"b\":[1,2]},\"d\":[{\"b\":[1,2]},{\"b\":[1,2]}]}"},
        {"a: &x 1\nb: &x 2\nc: *x\n", "{\"a\":1,\"b\":2,\"c\":2}"},
        {"'<<': 1", "{\"<<\":1}"},
        {"--- \n{a: [b]}\n...\n", "{\"a\":[\"b\"]}"},
        {"\xEF\xBB\xBF"
         "a: 1",
         "{\"a\":1}"},
        {" \n {\"a\": [1, 2.0, null, true, \"x\"]}\n", "{\"a\":[1,2.0,null,true,\"x\"]}"},
        {"\xEF\xBB\xBF[1]", "[1]"},
        {"hello", "\"hello\""},
        {"a:\r\n- 1\r\n", "{\"a\":[1]}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error error = {0};
        json_t *value = load(cases[i].text, &error);
        if (!value)
            fail_msg("%s: %s", cases[i].text, error.detail);
        char *json CLEANUP_FREE = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        assert_string_equal(json, cases[i].json);
        json_decref(value);
    }
}

static void an_alias_is_a_copy_of_its_own(void **state)
{
    (void)state;
    json_t *value = load("a: &x {b: 1}\nc: *x\n", NULL);
    (void)json_object_set_new(json_object_get(value, "a"), "b", json_integer(2));
    assert_int_equal(json_integer_value(json_object_get(json_object_get(value, "c"), "b")), 1);
    json_decref(value);
}

static void what_is_wrong_is_told_with_line_and_column(void **state)
{
    (void)state;
    static const struct {
        const char *text, *detail;
    } cases[] = {
        {"a: 1\nb: 2\na: 3\n", "line 3, column 1: the key \"a\" stands here twice"},
        {"x:\n  - {b: 1, b: 2}\n", "line 2, column 12: the key \"b\" stands here twice"},
        {"1: a\n'1': b\n", "line 2, column 1: the key \"1\" stands here twice"},
        {"a: [1, 2\nb: 3\n", "line 2, column 2: did not find expected ',' or ']' (while parsing a flow sequence that began on line 1)"},
        {"a: 1\n b: 2\n", "line 2, column 3: mapping values are not allowed in this context"},
        {"a:\n\t- 1\n", "line 2, column 1: found character that cannot start any token (while scanning for the next token that began on line 2)"},
        {"a: 'x\n", "line 2, column 1: found unexpected end of stream (while scanning a quoted scalar that began on line 1)"},
        {"a: *x\n", "line 1, column 4: no anchor &x stands before this alias"},
        {"a: &x [1, *x]\n", "line 1, column 11: *x stands inside itself"},
        {"a: &x 1\nb: &x [*x]\n", "line 2, column 8: *x stands inside itself"},
        {"a: 1\n---\nb: 2\n", "line 2, column 1: a second document begins here; only one can be read"},
        {"? [a]\n: 1\n", "line 1, column 3: a key must be a plain text, without anchor or alias"},
        {"a: &x b\n*x : 1\n", "line 2, column 1: a key must be a plain text, without anchor or alias"},
        {"&x a: 1\n", "line 1, column 1: a key must be a plain text, without anchor or alias"},
        {"a: &x {b: 1}\nc:\n  <<: *x\n", "line 3, column 3: merge keys (<<) are not read; write the members out"},
        {"a: !!int 5\n", "line 1, column 4: the tag tag:yaml.org,2002:int is not known here; leave it out"},
        {"a: !ruby/object {b: 1}\n", "line 1, column 4: the tag !ruby/object is not known here; leave it out"},
        {"a: !!seq [1]\n", "line 1, column 4: the tag tag:yaml.org,2002:seq is not known here; leave it out"},
        {"a: \"x\\0y\"\n", "line 1, column 4: a zero byte cannot stand in a text"},
        {"a: 9223372036854775808\n", "line 1, column 4: 9223372036854775808 is too large a number; put it in quotes to make it a text"},
        {"a: -0777777777777777777777\n", "line 1, column 4: -0777777777777777777777 is too large a number; put it in quotes to make it a text"},
        {"a: 1e999\n", "line 1, column 4: 1e999 is too large a number; put it in quotes to make it a text"},
        {"a: 1\nb: \xC3\xA4 \xFF\n", "line 2, column 6: invalid leading UTF-8 octet"},
        {"a: \x01\n", "line 1, column 4: control characters are not allowed"},
        {"%YAML 1.3\n---\na: 1\n", "line 1, column 1: found incompatible YAML document"},
        {"{\"a\": 1, \"a\": 2}", "line 1, column 12: duplicate object key near '\"a\"' (what begins with { or [ is read as JSON; put --- before it for YAML)"},
        {"{\n  \"a\": nope\n}", "line 2, column 11: invalid token near 'nope' (what begins with { or [ is read as JSON; put --- before it for YAML)"},
        {"{a: 1}", "line 1, column 2: string or '}' expected near 'a' (what begins with { or [ is read as JSON; put --- before it for YAML)"},
        {"[1] x", "line 1, column 5: end of file expected near 'x' (what begins with { or [ is read as JSON; put --- before it for YAML)"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct error error = {0};
        assert_null(load(cases[i].text, &error));
        assert_string_equal(error.detail, cases[i].detail);
        assert_int_equal(error.code, ERR_SYNTAX);
        assert_null(load(cases[i].text, NULL));
    }
}

/* `head`, `n` times `unit`, `middle`, `n` times `closing`. */
static char *repeat(const char *head, const char *unit, size_t n, const char *middle, const char *closing)
{
    struct buf b = BUF_INIT;
    buf_adds(&b, head);
    for (size_t i = 0; i < n; i++)
        buf_adds(&b, unit);
    buf_adds(&b, middle);
    for (size_t i = 0; i < n; i++)
        buf_adds(&b, closing);
    return buf_take(&b);
}

static void limits_hold_and_just_below_them_all_works(void **state)
{
    (void)state;
    static const struct {
        const char *head, *unit;
        size_t most;
        const char *middle, *closing, *detail;
    } cases[] = {
        {"", "- ", YAML_MAX_DEPTH - 1, "1", "", "line 1, column 129: nested more than 64 deep"},
        {"---\n", "[", YAML_MAX_DEPTH - 1, "1", "]", "line 2, column 65: nested more than 64 deep"},
        {"", "[", YAML_MAX_DEPTH - 1, "1", "]", "more than 100000 values, or nested more than 64 deep"},
        {"", "- 1\n", YAML_MAX_NODES - 1, "", "", "line 100000, column 3: more than 100000 values, aliases counted"},
        {"[1", ",1", YAML_MAX_NODES - 2, "]", "", "more than 100000 values, or nested more than 64 deep"},
        {"- &x [1,2,3,4,5,6,7,8,9]\n", "- *x\n", YAML_MAX_NODES / 10 - 2, "", "", "line 10000, column 3: more than 100000 values, aliases counted"},
        {"a: ", "x", YAML_MAX_BYTES - 3, "", "", "has 1048577 bytes, at most 1048576 are read"},
        {"", "- &a 1\n", 256, "", "", "line 257, column 3: more than 256 anchors"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (size_t over = 0; over < 2; over++) {
            struct error error = {0};
            char *text CLEANUP_FREE = repeat(cases[i].head, cases[i].unit, cases[i].most + over, cases[i].middle, cases[i].closing);
            json_t *value = load(text, &error);
            if ((value == NULL) != over)
                fail_msg("case %zu: %s", i, value ? "taken" : error.detail);
            if (over)
                assert_string_equal(error.detail, cases[i].detail);
            json_decref(value);
        }
}

static void aliases_cannot_blow_up(void **state)
{
    (void)state;
    struct error error = {0};
    struct buf b = BUF_INIT;
    buf_adds(&b, "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for (int i = 1; i < 12; i++) {
        buf_addf(&b, "a%d: &a%d [", i, i);
        for (int j = 0; j < 10; j++)
            buf_addf(&b, "%s*a%d", j ? ", " : "", i - 1);
        buf_adds(&b, "]\n");
    }
    assert_null(load(b.data, &error));
    assert_non_null(strstr(error.detail, "more than 100000 values, aliases counted"));
    buf_clear(&b);
    buf_adds(&b, "- &a0 1\n"); /* each one level deeper than the one before */
    for (int i = 1; i < 100; i++)
        buf_addf(&b, "- &a%d [*a%d]\n", i, i - 1);
    assert_null(load(b.data, &error));
    assert_string_equal(error.detail, "line 64, column 9: nested more than 64 deep");
    buf_clear(&b);
    char *long_text CLEANUP_FREE = repeat("- &a ", "x", 200000, "\n", "");
    buf_adds(&b, long_text);
    for (int i = 0; i < 20; i++)
        buf_adds(&b, "- *a\n");
    assert_null(load(b.data, &error));
    assert_string_equal(error.detail, "line 11, column 3: more than 2097152 bytes of text, aliases counted");
    buf_release(&b);
}

static void a_value_is_written_as_block_yaml(void **state)
{
    (void)state;
    static const struct {
        const char *json, *text;
    } cases[] = {
        {"{\"name\":\"digits\",\"list\":[1,2.5,\"x\"],\"in\":{\"a\":null,\"b\":true}}",
         "name: digits\nlist:\n- 1\n- 2.5\n- x\nin:\n  a: null\n  b: true\n"},
        {"{\"e\":{},\"l\":[],\"s\":\"\"}", "e: {}\nl: []\ns: ''\n"},
        {"[[1,[2]],{\"a\":1,\"b\":2}]", "- - 1\n  - - 2\n- a: 1\n  b: 2\n"},
        {"[1.0,1e-5,1e20,0.1]", "- 1.0\n- 1.0e-05\n- 1.0e+20\n- 0.1\n"},
        {"[\"1\",\"1e3\",\"true\",\"null\",\"~\",\"no\",\"Y\",\".nan\",\"-1\",\"+5\",\"1:30\",\"2024-01-01\",\"<<\",\"=\"]",
         "- '1'\n- '1e3'\n- 'true'\n- 'null'\n- '~'\n- 'no'\n- 'Y'\n- '.nan'\n- '-1'\n- '+5'\n- '1:30'\n- '2024-01-01'\n- '<<'\n- '='\n"},
        {"[\"--lr\",\"{lr}\",\"a: b\",\"#x\",\" x\",\"x \",\"it's\",\"a\\tb\",\"-\",\"NaN\",\"x#y\",\"\xC3\xA4\"]",
         "- --lr\n- '{lr}'\n- 'a: b'\n- '#x'\n- ' x'\n- 'x '\n- it's\n- \"a\\tb\"\n- '-'\n- NaN\n- x#y\n- \xC3\xA4\n"},
        {"{\"note\":\"# T\\n\\n- text\\n\",\"tab\":\"a\\n\\tb\",\"cut\":\"a\\nb\",\"odd\":\" a\\nb\",\"cr\":\"a\\r\\nb\"}",
         "note: |\n  # T\n\n  - text\ntab: \"a\\n\\tb\"\ncut: |-\n  a\n  b\nodd: \" a\\nb\"\ncr: \"a\\r\\nb\"\n"},
        {"{\"1\":1,\"\":2,\"a b\":3,\"true\":4,\"x\\ny\":5}", "'1': 1\n'': 2\na b: 3\n'true': 4\n? \"x\\ny\"\n: 5\n"},
        {"\"x\"", "x\n"},
        {"9223372036854775807", "9223372036854775807\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_t *value = json_loads(cases[i].json, JSON_DECODE_ANY, NULL);
        assert_non_null(value);
        char *text CLEANUP_FREE = yaml_dump(value);
        assert_string_equal(text, cases[i].text);
        json_t *back = load(text, NULL);
        assert_true(json_equal(value, back));
        json_decref(back);
        json_decref(value);
    }
}

static void every_short_text_reads_back_the_same(void **state)
{
    (void)state;
    static const char *const pieces[] = {" ", "\n", "\t", "-", ":", "#", "'", "\"", "\\", "{", "[", ",", "&", "*", "!", "|", ">", "%", "@", "`", "?", "~",
                                         ".", "0", "x", "e", "\r", "\x7F", "\xC2\x85", "\xE2\x80\xA8", "\xEF\xBB\xBF", "\xF0\x9F\x98\x80", ""};
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++)
        for (size_t j = 0; j < ARRAY_LEN(pieces); j++)
            for (size_t k = 0; k < ARRAY_LEN(pieces); k++) {
                char *word CLEANUP_FREE = x_asprintf("%s%s%s", pieces[i], pieces[j], pieces[k]);
                json_t *value = json_pack("[{s:s}, [s]]", word, word, word);
                char *text CLEANUP_FREE = yaml_dump(value);
                json_t *back = load(text, NULL);
                if (!back || !json_equal(value, back))
                    fail_msg("%s", text);
                json_decref(back);
                json_decref(value);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_become_values),
        cmocka_unit_test(an_alias_is_a_copy_of_its_own),
        cmocka_unit_test(what_is_wrong_is_told_with_line_and_column),
        cmocka_unit_test(limits_hold_and_just_below_them_all_works),
        cmocka_unit_test(aliases_cannot_blow_up),
        cmocka_unit_test(a_value_is_written_as_block_yaml),
        cmocka_unit_test(every_short_text_reads_back_the_same),
    };
    return cmocka_run_group_tests_name("yaml", tests, NULL, NULL);
}
