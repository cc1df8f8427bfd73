/* SPDX-License-Identifier: GPL-3.0-or-later */
/* TensorBoard's records: kept inputs of the fuzz target, some of the real writer, some written by the format's definition. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/tfevent.h"

#include <stdio.h>
#include <string.h>

#define CORPUS "tests/fuzz/corpus/tfevent/"

struct told {
    int n;
    char tag[40];
    struct tfevent_scalar last;
};

static void note(void *arg, const struct tfevent_scalar *s)
{
    struct told *t = arg;
    t->n++;
    t->last = *s;
    (void)snprintf(t->tag, sizeof t->tag, "%.*s", (int)s->tag_len, s->tag);
}

static size_t load(const char *name, char *data, size_t size)
{
    char path[200];
    (void)snprintf(path, sizeof path, CORPUS "%s", name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(data, 1, size, f);
    (void)fclose(f);
    return n;
}

/* Reads on to the end; gives what the last call said. */
static int64_t read_all(const char *data, size_t len, struct told *t)
{
    int64_t n = 0;
    for (size_t at = 0; at < len; at += (size_t)n) {
        n = tfevent_read(data + at, len - at, note, t);
        if (n <= 0 || (size_t)n > len - at)
            return n;
    }
    return n;
}

static void a_file_of_the_real_writer_is_read(void **state)
{
    (void)state;
    char data[4096];
    struct told t = {0};
    assert_true(read_all(data, load("tensorboardx", data, sizeof data), &t) > 0);
    assert_int_equal(t.n, 1);
    assert_string_equal(t.tag, "loss");
    assert_int_equal(t.last.step, 3);
    assert_true(t.last.value == 0.5 && t.last.time > 1.7e9);
}

static void damage_is_noticed(void **state)
{
    (void)state;
    char data[4096];
    size_t len = load("tensorboardx", data, sizeof data);
    for (size_t i = 0; i < len; i++) { /* whichever byte it is */
        struct told t = {0};
        data[i] ^= 0x10;
        assert_int_equal(read_all(data, len, &t), -1);
        data[i] ^= 0x10;
    }
}

static void a_part_of_a_record_waits_for_the_rest(void **state)
{
    (void)state;
    char data[4096];
    struct told t = {0};
    (void)load("tensorboardx", data, sizeof data);
    int64_t whole = tfevent_read(data, sizeof data, note, &t);
    for (int64_t i = 0; i < whole; i++)
        assert_int_equal(tfevent_read(data, (size_t)i, note, &t), i < 12 ? 0 : whole);
    assert_int_equal(t.n, 0); /* the first record has only the version */
}

static uint32_t masked_crc(const char *data, size_t len)
{
    uint32_t crc = ~0u;
    for (size_t i = 0; i < len * 8; i++) {
        if (i % 8 == 0)
            crc ^= (unsigned char)data[i / 8];
        crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    crc = ~crc;
    return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

static void tensors_of_one_number_are_scalars(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double value;
    } cases[] = {{"tensor-float", 2.5}, {"tensor-packed", 2.5}, {"tensor-double", 1e300}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char data[4096] = {0};
        struct told t = {0};
        uint64_t len = load(cases[i].name, data + 12, sizeof data - 16);
        memcpy(data, &len, 8);
        uint32_t crc = masked_crc(data, 8);
        memcpy(data + 8, &crc, 4);
        crc = masked_crc(data + 12, len);
        memcpy(data + 12 + len, &crc, 4);
        print_message("%s\n", cases[i].name);
        assert_int_equal(tfevent_read(data, len + 16, note, &t), len + 16);
        assert_int_equal(t.n, 1);
        assert_true(t.last.value == cases[i].value && t.last.step == 5); /* the step stands behind the summary */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_of_the_real_writer_is_read),
        cmocka_unit_test(damage_is_noticed),
        cmocka_unit_test(a_part_of_a_record_waits_for_the_rest),
        cmocka_unit_test(tensors_of_one_number_are_scalars),
    };
    return cmocka_run_group_tests_name("tfevent", tests, NULL, NULL);
}
