/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "backends/event_files.h"

#include "base/json_text.h"
#include "base/mem.h"
#include "base/tfevent.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES_MAX = 256, DEPTH_MAX = 8, ENTRIES_MAX = 20000, NAME_MAX_BYTES = 120, BLOCK = (1 << 20) + 16 };

struct event_files {
    char *dir;
    json_t *offsets; /* by path under `dir`; -1: the file is damaged, nothing more of it is read */
    int entries;     /* looked at in this walk */
};

struct event_files *event_files_new(const char *dir, const char *cursor)
{
    struct event_files *f = X_NEW(struct event_files);
    f->dir = x_strdup(dir);
    f->offsets = json_loads(cursor, 0, NULL);
    if (!json_is_object(f->offsets)) {
        json_decref(f->offsets);
        f->offsets = json_object();
    }
    return f;
}

void event_files_free(struct event_files *f)
{
    if (!f)
        return;
    json_decref(f->offsets);
    free(f->dir);
    free(f);
}

char *event_files_cursor(const struct event_files *f)
{
    return json_text(f->offsets);
}

/* --- which files there are */

static void find(struct event_files *f, const char *under, int depth)
{
    char *path CLEANUP_FREE = x_asprintf("%s/%s", f->dir, under);
    DIR *d = opendir(path);
    for (struct dirent *e; d && f->entries < ENTRIES_MAX && (e = readdir(d)) != NULL;) {
        char *name CLEANUP_FREE = x_asprintf("%s%s%s", under, *under ? "/" : "", e->d_name);
        f->entries++;
        if (*e->d_name == '.')
            continue;
        if (e->d_type == DT_DIR && depth < DEPTH_MAX)
            find(f, name, depth + 1);
        else if (e->d_type == DT_REG && strstr(e->d_name, "tfevents") && !json_object_get(f->offsets, name) && json_object_size(f->offsets) < FILES_MAX)
            (void)json_object_set_new(f->offsets, name, json_integer(0));
    }
    if (d)
        (void)closedir(d);
}

/* --- a scalar as a line */

struct writing {
    struct buf *out;
    const char *folder; /* of the file, under the directory; "" = there itself */
};

/* Where the folder says the tag and more, as add_scalars("loss", {"a": ...}) has it: loss_a (of a tag loss/x: loss_x_a), or loss/a. NULL: nowhere. */
static const char *tag_in_folder(const char *folder, const struct tfevent_scalar *s)
{
    for (const char *at = folder; at; at = strchr(at, '/') ? strchr(at, '/') + 1 : NULL) {
        size_t n = 0;
        while (n < s->tag_len && at[n] && (at[n] == s->tag[n] || (s->tag[n] == '/' && at[n] == '_')))
            n++;
        if (n == s->tag_len && (at[n] == '_' || at[n] == '/'))
            return at;
    }
    return NULL;
}

/* The tag; with the folder where frameworks put equal tags into several: train/ and validation/ of Keras, and those of add_scalars. */
static void add_name(struct buf *name, const struct writing *w, const struct tfevent_scalar *s)
{
    static const char *const parts[] = {"train", "validation", "val", "test", "eval"};
    const char *whole = tag_in_folder(w->folder, s), *last = strrchr(w->folder, '/');
    last = last ? last + 1 : w->folder;
    for (size_t i = 0; i < ARRAY_LEN(parts) && !whole; i++)
        if (!strcmp(last, parts[i]))
            buf_addf(name, "%s/", last);
    if (whole)
        buf_adds(name, whole);
    else
        buf_add(name, s->tag, s->tag_len < NAME_MAX_BYTES ? s->tag_len : NAME_MAX_BYTES);
    for (size_t i = 0; i < name->len; i++) /* a name of ours has no blanks */
        if (name->data[i] == ' ' || name->data[i] == '\t' || name->data[i] == '=')
            name->data[i] = '_';
}

static void write_scalar(void *arg, const struct tfevent_scalar *s)
{
    const struct writing *w = arg;
    struct buf name = BUF_INIT;
    add_name(&name, w, s);
    json_t *key = json_stringn(name.data, name.len);
    char *text CLEANUP_FREE = key ? json_dumps(key, JSON_ENCODE_ANY) : NULL;
    json_decref(key);
    buf_release(&name);
    if (!text) /* no UTF-8 */
        return;
    buf_addf(w->out, "{\"step\":%lld,", (long long)s->step);
    if (s->time > 0 && s->time < 1e11)
        buf_addf(w->out, "\"timestamp\":%.3f,", s->time);
    if (isfinite(s->value))
        buf_addf(w->out, "%s:%.9g}\n", text, s->value);
    else
        buf_addf(w->out, "%s:%s}\n", text, isnan(s->value) ? "NaN" : s->value > 0 ? "Infinity" : "-Infinity");
}

/* --- reading */

/* The whole records among the `n` bytes at `at`; gives how far it came, -1 when what follows is damaged. */
static int64_t read_records(const char *data, size_t n, int64_t left, struct writing *w)
{
    int64_t at = 0;
    while ((size_t)at < n) {
        int64_t len = tfevent_read(data + at, n - (size_t)at, write_scalar, w);
        bool is_long = len > (int64_t)TFEVENT_RECORD_MAX; /* passed over once it is all there */
        if (len < 0)
            return at ? at : -1;
        if (!len || len > (is_long ? left - at : (int64_t)n - at))
            break;
        at += len;
    }
    return at;
}

static bool read_file(const struct event_files *f, const char *name, json_t *offset, struct buf *out)
{
    int64_t at = json_integer_value(offset);
    char *path CLEANUP_FREE = x_asprintf("%s/%s", f->dir, name);
    struct stat s;
    int fd = at < 0 ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (fd < 0)
        return false;
    const char *end = strrchr(name, '/');
    char *folder CLEANUP_FREE = x_strndup(name, end ? (size_t)(end - name) : 0);
    struct writing w = {.out = out, .folder = folder};
    int64_t moved = 0;
    if (!fstat(fd, &s) && S_ISREG(s.st_mode) && s.st_size > at) {
        char *data CLEANUP_FREE = x_malloc(BLOCK);
        ssize_t n = pread(fd, data, BLOCK, at);
        moved = n > 0 ? read_records(data, (size_t)n, s.st_size - at, &w) : 0;
        (void)json_integer_set(offset, moved < 0 ? -1 : at + moved);
    }
    (void)close(fd);
    return moved > 0;
}

bool event_files_read(struct event_files *f, struct buf *out)
{
    const char *name;
    json_t *offset;
    f->entries = 0;
    find(f, "", 0);
    json_object_foreach(f->offsets, name, offset)
    {
        if (read_file(f, name, offset, out))
            return true;
    }
    return false;
}
