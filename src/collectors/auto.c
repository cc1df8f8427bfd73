/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Looks at each line: a JSON object, or text. With filters, text. */
#include "collectors/parser.h"

static void either(struct parser *p, const char *line, size_t len)
{
    if (p->n_filters || !json_line(p, line, len))
        text_line(p, line, len);
}

static void *open_auto(const json_t *config, const char *const *metrics, struct problems *problems)
{
    struct parser *p = parser_new(either, metrics);
    size_t before = problems->n;
    filters_new(p, config, problems);
    if (problems->n == before)
        return p;
    parser_close(p);
    return NULL;
}

const struct collector collector_auto = {.name = "auto",
                                         .title = "JSON lines and name=value pairs, line by line",
                                         .open = open_auto,
                                         .feed = parser_feed,
                                         .save = parser_save,
                                         .restore = parser_restore,
                                         .close = parser_close};
