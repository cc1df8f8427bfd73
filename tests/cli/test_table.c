/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tables, and what a terminal must not be given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "cli/table.h"

#include <locale.h>
#include <math.h>
#include <string.h>

static char *printed(struct table *t)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    table_print(t, f);
    (void)fclose(f);
    table_free(t);
    return text;
}

static void columns_are_as_wide_as_their_widest_cell(void **state)
{
    (void)state;
    static const char *const cells[] = {"NAME", "N", "STATE", "digits", "1000", "RUNNING", "a", "7", "-"};
    struct table *t = table_new(3);
    for (size_t i = 0; i < ARRAY_LEN(cells); i++)
        table_cell(t, cells[i]);
    table_align_right(t, 1);
    CLEANUP_FREE char *text = printed(t);
    assert_string_equal(text, "NAME       N  STATE\ndigits  1000  RUNNING\na          7  -\n");
}

static void width_is_what_the_screen_shows(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t width;
    } cases[] = {{"", 0}, {"abc", 3}, {"\xc3\xa9", 1}, {"\xe6\x97\xa5\xe6\x9c\xac", 4}, {"e\xcc\x81", 1}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(text_width(cases[i].text), cases[i].width);
}

static void a_terminal_gets_no_control_characters(void **state)
{
    (void)state;
    static const struct {
        const char *text, *safe;
    } cases[] = {
        {"plain", "plain"}, {"caf\xc3\xa9", "caf\xc3\xa9"}, {"\033[2Jgone", "?[2Jgone"}, {"a\nb\tc", "a b c"}, {"\xff\xfe", "??"}, {"cut \xe6\x97", "cut ??"}, {"\xc2\x9b", "?"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP_FREE char *safe = text_safe(cases[i].text);
        assert_string_equal(safe, cases[i].safe);
    }
}

static void durations_read_like_clocks(void **state)
{
    (void)state;
    static const struct {
        double seconds;
        const char *text;
    } cases[] = {{0, "0:00"}, {42, "0:42"}, {59.6, "1:00"}, {725, "12:05"}, {3723, "1:02:03"}, {183845, "2d 03:04"}, {-1, ""}, {NAN, ""}, {INFINITY, ""}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[DURATION_TEXT];
        text_duration(cases[i].seconds, text);
        assert_string_equal(text, cases[i].text);
    }
}

int main(void)
{
    (void)setlocale(LC_CTYPE, "C.UTF-8");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
        cmocka_unit_test(width_is_what_the_screen_shows),
        cmocka_unit_test(a_terminal_gets_no_control_characters),
        cmocka_unit_test(durations_read_like_clocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
