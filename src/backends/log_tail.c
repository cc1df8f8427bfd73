/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "backends/backend.h"

enum { TAIL = 600 };

char *backend_log_tail(const struct backend *b, struct backend_conn *conn, const char *run_key)
{
    struct buf out = BUF_INIT;
    int64_t next;
    bool end;
    enum err err = b->logs(conn, run_key, STREAM_STDERR, -TAIL, TAIL, &out, &next, &end, NULL);
    if (!err && !out.len)
        err = b->logs(conn, run_key, STREAM_STDOUT, -TAIL, TAIL, &out, &next, &end, NULL);
    for (size_t i = 0; i < out.len; i++) /* what a trial prints may be anything; a message is text */
        if ((unsigned char)out.data[i] >= 0x7f || ((unsigned char)out.data[i] < 0x20 && out.data[i] != '\n'))
            out.data[i] = '?';
    char *text = buf_take(&out);
    if (err)
        *text = '\0';
    return text;
}
