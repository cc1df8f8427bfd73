/* SPDX-License-Identifier: GPL-3.0-or-later */
/* TensorBoard's event files: TFRecords (length, CRC-32C of it, data, CRC-32C of that), each an Event in protocol buffers, of which only scalars are
 * read (simple values, and tensors of one float or double, as TensorFlow 2 writes them). Any bytes may come. */
#ifndef HONE_BASE_TFEVENT_H
#define HONE_BASE_TFEVENT_H

#include <stddef.h>
#include <stdint.h>

#define TFEVENT_RECORD_MAX ((size_t)1 << 20) /* a longer one holds no scalars (an image, a graph) and is passed over unread */

struct tfevent_scalar {
    const char *tag; /* not ended by a NUL */
    size_t tag_len;
    double value;
    int64_t step;
    double time; /* seconds since 1970 */
};

typedef void tfevent_fn(void *arg, const struct tfevent_scalar *scalar);

/* Reads the record that `data` begins with and tells its scalars. Gives how long the record is: longer than `len` when not all of it is there (none
 * is told then, unless it is beyond TFEVENT_RECORD_MAX and need not be). 0: its length is not there yet. -1: this is no record, or it is damaged,
 * and nothing after it can be found. */
int64_t tfevent_read(const char *data, size_t len, tfevent_fn *fn, void *arg);

#endif
