/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes as an event file, and as an event behind checksums that are right: every scalar lies within them, and reading goes forward. */
#include "fuzz.h"

#include "base/tfevent.h"

#include <stdlib.h>

struct given {
    const char *data;
    size_t len;
};

static void note(void *arg, const struct tfevent_scalar *s)
{
    const struct given *g = arg;
    must(s->tag_len && s->tag >= g->data && s->tag + s->tag_len <= g->data + g->len);
}

static void read_all(const char *data, size_t len)
{
    struct given g = {data, len};
    for (size_t at = 0; at < len;) {
        int64_t n = tfevent_read(data + at, len - at, note, &g);
        if (n <= 0 || n > (int64_t)(len - at))
            return;
        must(n >= 16);
        at += (size_t)n;
    }
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_all((const char *)data, size);
    char *record = x_malloc(size + 16);
    uint64_t len = size;
    memcpy(record, &len, sizeof len); /* the machines that this runs on are little endian */
    uint32_t crc = masked_crc(record, 8);
    memcpy(record + 8, &crc, sizeof crc);
    if (size)
        memcpy(record + 12, data, size);
    crc = masked_crc(record + 12, size);
    memcpy(record + 12 + size, &crc, sizeof crc);
    struct given g = {record, size + 16};
    must(tfevent_read(record, size + 16, note, &g) == (int64_t)size + 16 || size > TFEVENT_RECORD_MAX);
    free(record);
    return 0;
}
