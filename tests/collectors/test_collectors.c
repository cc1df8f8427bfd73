/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Collectors: what a line gives, and that it does not matter how the bytes are cut nor when the place is saved and restored. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/mem.h"
#include "collectors/collector.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define KATIB "([\\\\w|-]+)\\\\s*=\\\\s*([+-]?\\\\d*(\\\\.\\\\d+)?([Ee][+-]?\\\\d+)?)" /* its default filter */

static const char *const wanted[] = {"loss", "mAP@0.5", "epoch_time", NULL};

/* "metric:step=value@time " of each point. */
static void note(void *arg, const struct point *p)
{
    buf_addf(arg, "%s:%lld=%.10g", p->metric, (long long)p->step, p->value);
    if (p->time_ms)
        buf_addf(arg, "@%lld", (long long)p->time_ms);
    buf_adds(arg, " ");
}

static void *open_parser(const struct collector *c, const char *config)
{
    json_t *json = json_loads(config, 0, NULL);
    struct problems p = {0};
    void *parser = c->open(json, wanted, &p);
    if (!parser)
        fail_msg("%s: %s", config, p.n ? p.items[0].detail : "no problem told");
    problems_release(&p);
    json_decref(json);
    return parser;
}

static char *read_with(const char *format, const char *config, const char *text, size_t len)
{
    const struct collector *c = collector_find(format);
    struct buf out = BUF_INIT;
    void *parser = open_parser(c, config);
    c->feed(parser, text, len, true, note, &out);
    c->close(parser);
    if (out.len)
        out.data[out.len - 1] = '\0';
    return buf_take(&out);
}

static const struct {
    const char *format, *config, *text, *points;
} lines[] = {
    /* numbers; the first ones as Katib's parser takes them */
    {"text", "{}", "loss=0.3", "loss:1=0.3"},
    {"text", "{}", "loss=.98", "loss:1=0.98"},
    {"text", "{}", "loss=1E0", "loss:1=1"},
    {"text", "{}", "loss=1.5.2", "loss:1=1.5"},
    {"text", "{}", "loss=+3", "loss:1=3"},
    {"text", "{}", "epoch 1 loss=0.5 accuracy=0.9", "loss:1=0.5 accuracy:1=0.9"},
    {"text", "{}", "val_loss=0.4", "val_loss:1=0.4"},
    {"text", "{}", "2024-01-02T03:04:05Z loss=0.25", "loss:1=0.25@1704164645000"},
    {"text", "{}", "2024-01-02 03:04:05 loss=0.27", "loss:1=0.27"},
    {"text", "{}", "loss=1,000", "loss:1=1"},
    {"text", "{}", "Loss=0.1", "Loss:1=0.1"},
    {"text", "{}", "loss=5%", "loss:1=5"},
    {"text", "{}", "a|loss=0.6", "a|loss:1=0.6"},
    /* where we differ from it on purpose: nothing is no value, a dotted name is one name, NaN and infinity are values */
    {"text", "{}", "loss=", ""},
    {"text", "{}", "val.loss=0.4", "val.loss:1=0.4"},
    {"text", "{}", "loss=nan loss=-inf loss=Infinity loss=NaN", "loss:1=nan loss:2=-inf loss:3=inf loss:4=nan"},
    {"text", "{}", "loss=nano loss=information loss=none loss=-", ""},
    {"text", "{}", "loss=1e-3 loss=-2.5E+2 loss=1. loss=1e loss=1e999", "loss:1=0.001 loss:2=-250 loss:3=1 loss:4=1 loss:5=inf"},
    {"text", "{}", "loss = 0.5\tloss\t=\t0.6", "loss:1=0.5 loss:2=0.6"},
    {"text", "{}", "loss=0x10", "loss:1=0"},
    /* steps and times */
    {"text", "{}", "step=7 loss=0.5\nloss=0.4 epoch=8\nloss=0.3", "loss:7=0.5 loss:8=0.4 loss:3=0.3"},
    {"text", "{}", "epoch=2 step=70 loss=1", "loss:70=1"},
    {"text", "{}", "step=1.5 loss=1", "step:1=1.5 loss:1=1"},
    {"text", "{}", "2024-01-02T03:04:05.250+01:30 loss=1\n2024-01-02T03:04:05 loss=1\n2024-01-02T03:04:05Zx loss=1", "loss:1=1@1704159245250 loss:2=1 loss:3=1"},
    /* names */
    {"text", "{}", "mAP@0.5=0.7, f1%=2, (loss=1), [acc=0.5]", "mAP@0.5:1=0.7 loss:1=1 acc:1=0.5"},
    {"text", "{}", "Namespace(lr=0.1, loss=3) --lr=0.1 x!=3 n+=1 a==2", "loss:1=3"},
    {"text", "{}", "day=2024-01-02 at=12:30 ip=10.0.0.1 id=3f2a gpu=0", "gpu:1=0"},
    {"text", "{}", "d\xc3\xa9j\xc3\xa0=1 bad\xff=2", "d\xc3\xa9j\xc3\xa0:1=1"},
    /* ends of lines, colours, a progress bar */
    {"text", "{}", "loss=1\r\nloss=2\r\rloss=3\n\nloss=4", "loss:1=1 loss:2=2 loss:3=3 loss:4=4"},
    {"text", "{}", "\x1b[1;32mloss\x1b[0m=\x1b[33m0.5\x1b[0m \x1b]0;title\x07" "acc=1\x1b", "loss:1=0.5 acc:1=1"},
    {"text", "{}", " 10%|#    | loss=3\r 20%|##   | loss=2\r", "loss:1=3 loss:2=2"},
    /* filters */
    {"text", "{\"filters\": [\"" KATIB "\"]}", "val.loss=0.4 a|b=1 x=", "loss:1=0.4 a|b:1=1"},
    {"text", "{\"filters\": [\"(\\\\w[\\\\w ]*): ([0-9.]+)\", \"\\\\{metricName: (\\\\w+), metricValue: ([^}]+)\\\\}\"]}",
     "valid_1 auc: 0.75 loss=3 step=4\n{metricName: loss, metricValue: 1e-3}", "valid_1 auc:4=0.75 metricValue:1=1 loss:1=0.001"},
    {"text", "{\"filters\": [\"(loss)()|x(y)\"]}", "loss xy loss", ""},
    {"text", "{\"filters\": [\"(a+)+$(b)\"]}", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaac", ""},
    /* JSON lines */
    {"json", "{}", "{\"loss\": 0.5, \"step\": 3, \"acc\": 1, \"name\": \"x\", \"ok\": true, \"more\": {\"a\": 1}}", "loss:3=0.5 acc:3=1"},
    {"json", "{}", "  {\"epoch\": 2, \"loss\": \"0.5\", \"acc\": \"0.9\"}\nnoise\n{\"loss\": 1", "loss:2=0.5"},
    {"json", "{}", "{\"loss\": NaN, \"acc\": -Infinity, \"s\": \"NaN \\\" Infinity\"}", "loss:1=nan acc:1=-inf"},
    {"json", "{}", "{\"loss\": \"nan\", \"acc\": \"nan\"}", "loss:1=nan"},
    {"json", "{}", "{\"loss\": 1, \"timestamp\": 1638422847.5}\n{\"loss\": 2, \"timestamp\": \"2024-01-02T03:04:05Z\"}\n{\"loss\": 3, \"timestamp\": \"1638422847.5\"}",
     "loss:1=1@1638422847500 loss:2=2@1704164645000 loss:3=3@1638422847500"},
    {"json", "{}", "{\"loss\": \"abc\"}\n[1]\nloss=5\n{\"loss\": 1} x\n{\"loss\": 2, \"step\": 1.5}\n{}", "loss:1=2"},
    {"json", "{}", "{\"epoch_time\": 3, \"epoch\": 1}", "epoch_time:1=3"},
    /* either */
    {"auto", "{}", "{\"loss\": 0.5}\nloss=0.25\n{loss=0.125}\n{'loss': 1}", "loss:1=0.5 loss:2=0.25 loss:3=0.125"},
    {"auto", "{\"filters\": [\"(loss)\\\": ([0-9.]+)\"]}", "{\"loss\": 0.5, \"acc\": 1}\nloss=2", "loss:1=0.5"},
};

static void a_line_gives_its_points(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        char *got CLEANUP_FREE = read_with(lines[i].format, lines[i].config, lines[i].text, strlen(lines[i].text));
        if (strcmp(got, lines[i].points) != 0)
            fail_msg("%s, %s: %s gave \"%s\", not \"%s\"", lines[i].format, lines[i].config, lines[i].text, got, lines[i].points);
    }
}

static void cuts_between_feeds_change_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        const struct collector *c = collector_find(lines[i].format);
        size_t len = strlen(lines[i].text);
        for (size_t cut = 0; cut <= len; cut++) {
            struct buf out = BUF_INIT;
            void *parser = open_parser(c, lines[i].config);
            c->feed(parser, lines[i].text, cut, false, note, &out);
            for (size_t at = cut; at < len; at++) /* the rest byte by byte */
                c->feed(parser, lines[i].text + at, 1, false, note, &out);
            c->feed(parser, "", 0, true, note, &out);
            c->close(parser);
            buf_adds(&out, "");
            if (out.len)
                out.data[out.len - 1] = '\0';
            assert_string_equal(out.data, lines[i].points);
            buf_release(&out);
        }
    }
}

static void a_place_is_saved_and_restored_anywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
        const struct collector *c = collector_find(lines[i].format);
        size_t len = strlen(lines[i].text);
        for (size_t cut = 0; cut <= len; cut++) {
            struct buf out = BUF_INIT;
            void *first = open_parser(c, lines[i].config), *second = open_parser(c, lines[i].config);
            c->feed(first, lines[i].text, cut, false, note, &out);
            char *saved CLEANUP_FREE = c->save(first), *again CLEANUP_FREE = NULL;
            c->restore(second, saved);
            again = c->save(second);
            assert_string_equal(saved, again);
            c->feed(second, lines[i].text + cut, len - cut, true, note, &out);
            c->close(first);
            c->close(second);
            buf_adds(&out, "");
            if (out.len)
                out.data[out.len - 1] = '\0';
            assert_string_equal(out.data, lines[i].points);
            buf_release(&out);
        }
    }
}

static void nonsense_is_no_place(void **state)
{
    (void)state;
    static const char *const saved[] = {"", "[]", "{\"counts\": 3, \"line\": \"zz0\", \"too_long\": \"x\"}", "{\"counts\": {\"loss\": \"x\", \"\": 2}, \"line\": 7}"};
    for (size_t i = 0; i < ARRAY_LEN(saved); i++) {
        const struct collector *c = collector_find("text");
        struct buf out = BUF_INIT;
        void *parser = open_parser(c, "{}");
        c->restore(parser, saved[i]);
        c->feed(parser, "\nloss=1\n", 8, true, note, &out);
        assert_string_equal(out.data, "loss:1=1 ");
        c->close(parser);
        buf_release(&out);
    }
}

static void a_line_without_end_is_passed_over(void **state)
{
    (void)state;
    for (int over = 0; over < 2; over++) {
        size_t len = COLLECTOR_LINE_MAX + (size_t)over;
        char *text CLEANUP_FREE = x_malloc(len + 8);
        memset(text, 'x', len);
        memcpy(text + len - 7, " loss=1\nloss=2\n", 15);
        for (size_t step = 1000; step < len; step += 31234) {
            const struct collector *c = collector_find("auto");
            struct buf out = BUF_INIT;
            void *parser = open_parser(c, "{}");
            for (size_t at = 0; at < len + 8; at += step) {
                c->feed(parser, text + at, at + step < len + 8 ? step : len + 8 - at, false, note, &out);
                char *saved CLEANUP_FREE = c->save(parser);
                c->close(parser);
                parser = open_parser(c, "{}");
                c->restore(parser, saved);
            }
            assert_string_equal(out.data, over ? "loss:1=2 " : "loss:1=1 loss:2=2 ");
            c->close(parser);
            buf_release(&out);
        }
    }
}

static void bytes_that_are_no_text_do_no_harm(void **state)
{
    (void)state;
    static const char bytes[] = "\0\xff=\0=1\n\0loss=1\0loss=2\n=\n==\nloss\0=3\n\x1b[\x1b]\x1b\n{\0\"loss\": 1}\n";
    static const char *const formats[] = {"text", "json", "auto"};
    static const char *const points[] = {"loss:1=1 loss:2=2", "", "loss:1=1 loss:2=2"};
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        char *got CLEANUP_FREE = read_with(formats[i], "{}", bytes, sizeof bytes - 1);
        assert_string_equal(got, points[i]);
    }
}

static void names_without_end_are_bounded(void **state)
{
    (void)state;
    struct buf text = BUF_INIT;
    for (int i = 0; i < 1000; i++)
        buf_addf(&text, "m%d=1\n", i);
    buf_adds(&text, "loss=0.5 m3=2 ");
    for (int i = 0; i < 200; i++)
        buf_adds(&text, "long");
    buf_adds(&text, "=1\n");
    char *got CLEANUP_FREE = read_with("text", "{}", text.data, text.len);
    assert_non_null(strstr(got, "m99:1=1 "));
    assert_null(strstr(got, "m100:"));
    static const char last[] = "m99:1=1 loss:1=0.5 m3:2=2";
    assert_string_equal(got + strlen(got) - strlen(last), last);
    buf_release(&text);
}

static void wrong_filters_are_problems(void **state)
{
    (void)state;
    static const struct {
        const char *format, *config, *pointer, *code;
    } cases[] = {{"text", "{\"filters\": [\"(a)(b)\", \"(a\"]}", "/run/metrics/filters/1", "SYNTAX"},
                 {"auto", "{\"filters\": [\"(a)b\"]}", "/run/metrics/filters/0", "GROUPS"},
                 {"text", "{\"filters\": [\"ab\"]}", "/run/metrics/filters/0", "GROUPS"},
                 {"text", "{\"filters\": [3]}", "/run/metrics/filters/0", "TYPE"},
                 {"json", "{\"filters\": [\"(a)(b)\"]}", "/run/metrics/filters", "CONFLICT"},
                 {"text", "{\"filters\": [1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}", "/run/metrics/filters", "RANGE"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_t *config = json_loads(cases[i].config, 0, NULL);
        struct problems p = {0};
        assert_null(collector_find(cases[i].format)->open(config, wanted, &p));
        assert_int_equal(p.n, 1);
        assert_string_equal(p.items[0].pointer, cases[i].pointer);
        assert_string_equal(p.items[0].code, cases[i].code);
        problems_release(&p);
        json_decref(config);
    }
}

static void every_collector_is_found_by_its_name(void **state)
{
    (void)state;
    for (size_t i = 0; collectors[i]; i++)
        assert_ptr_equal(collector_find(collectors[i]->name), collectors[i]);
    assert_null(collector_find("tfevents"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_gives_its_points),
        cmocka_unit_test(cuts_between_feeds_change_nothing),
        cmocka_unit_test(a_place_is_saved_and_restored_anywhere),
        cmocka_unit_test(nonsense_is_no_place),
        cmocka_unit_test(a_line_without_end_is_passed_over),
        cmocka_unit_test(bytes_that_are_no_text_do_no_harm),
        cmocka_unit_test(names_without_end_are_bounded),
        cmocka_unit_test(wrong_filters_are_problems),
        cmocka_unit_test(every_collector_is_found_by_its_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
