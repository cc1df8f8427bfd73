/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A growing byte buffer. `data` is always NUL-ended once something was added (NULL before).
 * A buffer may be born with a limit: what would pass it is not added and `overflow` is set for good. */
#ifndef HONE_BASE_BUF_H
#define HONE_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *data;
    size_t len, cap;
    size_t limit; /* bytes; 0 = none */
    bool overflow;
};

#define BUF_INIT {0}

void buf_add(struct buf *b, const void *data, size_t len);
void buf_adds(struct buf *b, const char *s);
void buf_addf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_remove_front(struct buf *b, size_t len); /* drops the first `len` bytes */
char *buf_take(struct buf *b);                    /* hands over the bytes (malloced, never NULL); b is empty */
void buf_clear(struct buf *b);                    /* len 0, keeps memory */
void buf_release(struct buf *b);                  /* frees; b is empty again */

#endif
