/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any text is refused with an error or becomes a tree within the limits, whose leaves have a field and a value. */
#include "fuzz.h"

#include "model/filter.h"

static size_t count(const struct filter *f)
{
    if (f->op >= FILTER_EQ) {
        must(f->field && *f->field && f->text && !f->left && !f->right);
        return 1;
    }
    must(f->left && !f->field && !f->text && (f->right != NULL) == (f->op != FILTER_NOT));
    return 1 + count(f->left) + (f->right ? count(f->right) : 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text CLEANUP_FREE = fuzz_text(data, size);
    struct error error = {0};
    struct filter *f = filter_parse(text, &error);
    must(!f || !error.code);
    must(f || error.code || !text[strspn(text, " \t\r\n")]);
    must(!f || count(f) <= FILTER_MAX_NODES);
    filter_free(f);
    return 0;
}
