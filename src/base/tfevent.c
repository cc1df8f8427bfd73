/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "base/tfevent.h"

#include <string.h>

enum { HEADER = 12, FOOTER = 4 };

/* --- the record */

/* CRC-32C (Castagnoli), masked as TFRecords have it. Records are short: no table. */
static uint32_t masked_crc(const char *data, size_t len)
{
    uint32_t crc = ~0u;
    for (size_t i = 0; i < len; i++) {
        crc ^= (unsigned char)data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    crc = ~crc;
    return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

static uint64_t little_endian(const char *data, int bytes)
{
    uint64_t value = 0;
    for (int i = bytes; i-- > 0;)
        value = value << 8 | (unsigned char)data[i];
    return value;
}

/* --- protocol buffers: fields are walked, what is not known is passed over */

enum wire { WIRE_VARINT, WIRE_64, WIRE_BYTES, WIRE_32 = 5 };

struct message {
    const char *at, *end;
};

struct field {
    uint64_t number;
    enum wire wire;
    uint64_t value;        /* of VARINT, 64, 32 */
    struct message inside; /* of BYTES */
};

static int varint(struct message *m, uint64_t *value)
{
    *value = 0;
    for (int shift = 0; m->at < m->end && shift < 64; shift += 7) {
        unsigned char byte = (unsigned char)*m->at++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return 1;
    }
    return 0;
}

static int fixed(struct message *m, int bytes, uint64_t *value)
{
    if (m->end - m->at < bytes)
        return 0;
    *value = little_endian(m->at, bytes);
    m->at += bytes;
    return 1;
}

/* 0 at the end, and at what cannot be read. */
static int next_field(struct message *m, struct field *f)
{
    uint64_t key, len;
    if (!varint(m, &key))
        return 0;
    f->number = key >> 3;
    f->wire = (enum wire)(key & 7);
    switch (f->wire) {
    case WIRE_VARINT:
        return varint(m, &f->value);
    case WIRE_64:
        return fixed(m, 8, &f->value);
    case WIRE_32:
        return fixed(m, 4, &f->value);
    case WIRE_BYTES:
        if (!varint(m, &len) || len > (uint64_t)(m->end - m->at))
            return 0;
        f->inside = (struct message){m->at, m->at + len};
        m->at += len;
        return 1;
    }
    return 0;
}

static double float_of(uint64_t bits)
{
    uint32_t half = (uint32_t)bits;
    float value;
    memcpy(&value, &half, sizeof value);
    return (double)value;
}

static double double_of(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* --- Event, Summary.Value, TensorProto */

enum { EVENT_TIME = 1, EVENT_STEP = 2, EVENT_SUMMARY = 5 };
enum { SUMMARY_VALUE = 1 };
enum { VALUE_TAG = 1, VALUE_SIMPLE = 2, VALUE_TENSOR = 8 };
enum { TENSOR_TYPE = 1, TENSOR_CONTENT = 4, TENSOR_FLOATS = 5, TENSOR_DOUBLES = 6 };
enum { TYPE_FLOAT = 1, TYPE_DOUBLE = 2 };

/* A tensor of one number: its bytes, or a list of one, packed or not. */
static int tensor_number(struct message tensor, double *value)
{
    struct field f;
    uint64_t type = 0;
    struct message content = {0};
    while (next_field(&tensor, &f)) {
        if (f.number == TENSOR_TYPE && f.wire == WIRE_VARINT)
            type = f.value;
        else if (f.wire == WIRE_BYTES && (f.number == TENSOR_CONTENT || f.number == TENSOR_FLOATS || f.number == TENSOR_DOUBLES) && f.inside.at < f.inside.end)
            content = f.inside;
        else if ((f.number == TENSOR_FLOATS && f.wire == WIRE_32) || (f.number == TENSOR_DOUBLES && f.wire == WIRE_64))
            content = (struct message){tensor.at - (f.wire == WIRE_32 ? 4 : 8), tensor.at};
    }
    uint64_t bits;
    int bytes = type == TYPE_FLOAT ? 4 : 8;
    if ((type != TYPE_FLOAT && type != TYPE_DOUBLE) || content.end - content.at != bytes || !fixed(&content, bytes, &bits))
        return 0;
    *value = type == TYPE_FLOAT ? float_of(bits) : double_of(bits);
    return 1;
}

static void read_value(struct message value, struct tfevent_scalar *s, tfevent_fn *fn, void *arg)
{
    struct field f;
    int has_number = 0;
    s->tag_len = 0;
    while (next_field(&value, &f)) {
        if (f.number == VALUE_TAG && f.wire == WIRE_BYTES) {
            s->tag = f.inside.at;
            s->tag_len = (size_t)(f.inside.end - f.inside.at);
        } else if (f.number == VALUE_SIMPLE && f.wire == WIRE_32) {
            s->value = float_of(f.value);
            has_number = 1;
        } else if (f.number == VALUE_TENSOR && f.wire == WIRE_BYTES) {
            has_number = tensor_number(f.inside, &s->value);
        }
    }
    if (has_number && s->tag_len)
        fn(arg, s);
}

static void read_summary(struct message summary, struct tfevent_scalar *s, tfevent_fn *fn, void *arg)
{
    struct field f;
    while (next_field(&summary, &f))
        if (f.number == SUMMARY_VALUE && f.wire == WIRE_BYTES)
            read_value(f.inside, s, fn, arg);
}

static void read_event(struct message event, tfevent_fn *fn, void *arg)
{
    struct tfevent_scalar s = {0};
    struct message summary = {0};
    struct field f;
    while (next_field(&event, &f)) {
        if (f.number == EVENT_TIME && f.wire == WIRE_64)
            s.time = double_of(f.value);
        else if (f.number == EVENT_STEP && f.wire == WIRE_VARINT)
            s.step = (int64_t)f.value;
        else if (f.number == EVENT_SUMMARY && f.wire == WIRE_BYTES)
            summary = f.inside;
    }
    read_summary(summary, &s, fn, arg); /* last: its step may stand behind it */
}

int64_t tfevent_read(const char *data, size_t len, tfevent_fn *fn, void *arg)
{
    if (len < HEADER)
        return 0;
    uint64_t size = little_endian(data, 8);
    if (little_endian(data + 8, 4) != masked_crc(data, 8) || size > INT64_MAX - HEADER - FOOTER)
        return -1;
    int64_t whole = (int64_t)size + HEADER + FOOTER;
    if (size > TFEVENT_RECORD_MAX || (uint64_t)whole > len)
        return whole;
    if (little_endian(data + HEADER + size, 4) != masked_crc(data + HEADER, size))
        return -1;
    read_event((struct message){data + HEADER, data + HEADER + size}, fn, arg);
    return whole;
}
