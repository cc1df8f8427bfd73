/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes, cut anywhere, saved and restored at the cut, give the same points as when they come at once. The first byte chooses the
 * collector, the second where the cut is. */
#include "fuzz.h"

#include "base/buf.h"
#include "collectors/collector.h"

#include <math.h>

static void note(void *arg, const struct point *p)
{
    must(p->metric && *p->metric && strlen(p->metric) <= 128);
    buf_addf(arg, "%s %lld %lld %a\n", p->metric, (long long)p->step, (long long)p->time_ms, isnan(p->value) ? (double)NAN : p->value);
}

static void *open_parser(const struct collector *c, int with_filters)
{
    static const char *const wanted[] = {"loss", "mAP@0.5", NULL};
    json_t *config = with_filters ? json_pack("{s:[s,s]}", "filters", "([\\w|-]+)\\s*=\\s*([+-]?\\d*(\\.\\d+)?([Ee][+-]?\\d+)?)", "(.+): (.+)") : json_object();
    struct problems problems = {0};
    void *parser = c->open(config, wanted, &problems);
    must(parser && !problems.n);
    json_decref(config);
    return parser;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const formats[] = {"text", "json", "auto", "text"};
    if (size < 2)
        return 0;
    int choice = data[0] % 4;
    const struct collector *c = collector_find(formats[choice]);
    const char *text = (const char *)data + 2;
    size_t len = size - 2, cut = len * data[1] / 255;
    struct buf whole = BUF_INIT, parts = BUF_INIT;
    void *one = open_parser(c, choice == 3), *first = open_parser(c, choice == 3), *second = open_parser(c, choice == 3);
    c->feed(one, text, len, true, note, &whole);
    c->feed(first, text, cut, false, note, &parts);
    char *saved CLEANUP_FREE = c->save(first);
    c->restore(second, saved);
    c->feed(second, text + cut, len - cut, true, note, &parts);
    must(whole.len == parts.len && (!whole.len || !memcmp(whole.data, parts.data, whole.len)));
    c->close(one);
    c->close(first);
    c->close(second);
    buf_release(&whole);
    buf_release(&parts);
    return 0;
}
