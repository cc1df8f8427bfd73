/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pages of lists: ?page_size, page_token, filter, order_by, count. */
#include "inside.h"
#include "text.h"

#define PAGE_DEFAULT 50
#define PAGE_MAX 1000

static const char *or_empty(const char *s)
{
    return s ? s : "";
}

enum err page_open(const struct request *r, struct page *page, struct error *error)
{
    struct error why = {0};
    *page = (struct page){0};
    enum err err = query_int(r, "page_size", PAGE_DEFAULT, 1, PAGE_MAX, &page->query.limit, error);
    if (err)
        return err;
    page->filter = filter_parse(request_query(r, "filter"), &why);
    if (why.code) {
        *error = why;
        return why.code;
    }
    page->query.filter = page->filter;
    page->query.order_by = or_empty(request_query(r, "order_by"));
    page->query.after = or_empty(request_query(r, "page_token"));
    page->count = query_true(r, "count");
    return OK;
}

void listing_add(struct listing *l, json_t *object)
{
    if (l->n++)
        buf_add(&l->b, ",", 1);
    text_json(&l->b, object);
    json_decref(object);
}

void page_end(struct buf *b, const struct page *page, const char *next, int64_t total)
{
    buf_adds(b, "]");
    if (next) {
        buf_adds(b, ",\"next_page_token\":");
        text_string(b, next);
    }
    if (page->count) {
        buf_adds(b, ",\"total\":");
        text_int(b, total);
    }
    buf_adds(b, "}");
}

void page_close(struct page *page)
{
    filter_free(page->filter);
}
