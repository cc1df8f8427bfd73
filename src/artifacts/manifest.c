/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Manifests of trees, and which paths may stand in them. */
#include "artifacts/artifacts_part.h"
#include "base/mem.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* No file that a step gives may begin so (artifacts_put refuses it): what does is a manifest of ours. */
#define MAGIC "{\"!hone-tree\":1,"

void manifest_release(struct manifest *m)
{
    for (size_t i = 0; i < m->n; i++) {
        free(m->entries[i].path);
        free(m->entries[i].target);
    }
    free(m->entries);
    *m = (struct manifest){0};
}

void manifest_add(struct manifest *m, struct entry entry)
{
    if (m->n == m->cap) {
        m->cap = m->cap ? 2 * m->cap : 16;
        m->entries = x_realloc(m->entries, m->cap * sizeof *m->entries);
    }
    m->entries[m->n++] = entry;
}

static json_t *entry_json(const struct entry *e)
{
    if (e->kind == ENTRY_LINK)
        return json_pack("{s:s}", "link", e->target);
    if (e->kind == ENTRY_DIR)
        return json_pack("{s:b}", "dir", 1);
    return json_pack("{s:s,s:I,s:s}", "sha256", e->hash, "size", (json_int_t)e->size, "mode", e->executable ? "755" : "644");
}

char *manifest_text(const struct manifest *m)
{
    json_t *files = json_object(), *whole;
    for (size_t i = 0; i < m->n; i++)
        (void)json_object_set_new(files, m->entries[i].path, entry_json(&m->entries[i]));
    whole = json_pack("{s:i,s:o}", "!hone-tree", 1, "files", files);
    char *text = json_dumps(whole, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(whole);
    return text;
}

bool manifest_is(const char *data, size_t len)
{
    return len >= strlen(MAGIC) && !memcmp(data, MAGIC, strlen(MAGIC));
}

bool path_clean(const char *path)
{
    if (!*path || strlen(path) > MAX_PATH_TEXT)
        return false;
    for (const char *part = path;; part++) {
        size_t len = strcspn(part, "/");
        if (!len || (len == 1 && part[0] == '.') || (len == 2 && part[0] == '.' && part[1] == '.'))
            return false;
        part += len;
        if (!*part)
            return true;
    }
}

/* Only "../" at its beginning, and no more of them than folders above the link: these are folders, never links, so the count is true. What comes
 * behind may pass other links, which lead inside by the same rule. */
bool link_inside(const char *path, const char *target)
{
    size_t depth = 0, len = strlen(target);
    for (const char *s = path; *s; s++)
        depth += *s == '/';
    if (!len || len > MAX_PATH_TEXT)
        return false;
    for (; !strncmp(target, "../", 3); target += 3)
        if (depth-- == 0)
            return false;
    if (!strcmp(target, ".."))
        return depth > 0;
    return !*target || !strcmp(target, ".") || path_clean(target);
}

static bool hex_ok(const char *text)
{
    return text && strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64;
}

static bool read_entry(const char *path, const json_t *value, struct entry *e)
{
    const char *hash = json_string_value(json_object_get(value, "sha256")), *mode = json_string_value(json_object_get(value, "mode"));
    const char *target = json_string_value(json_object_get(value, "link"));
    const json_t *size = json_object_get(value, "size");
    *e = (struct entry){0};
    if (!path_clean(path))
        return false;
    if (target) {
        e->kind = ENTRY_LINK;
        if (!link_inside(path, target))
            return false;
        e->target = x_strdup(target);
    } else if (json_is_true(json_object_get(value, "dir"))) {
        e->kind = ENTRY_DIR;
    } else {
        if (!hex_ok(hash) || !mode || !json_is_integer(size) || json_integer_value(size) < 0)
            return false;
        memcpy(e->hash, hash, SHA256_TEXT);
        e->size = json_integer_value(size);
        e->executable = !strcmp(mode, "755");
    }
    e->path = x_strdup(path);
    return true;
}

/* A file or a link cannot have something below it. */
static bool no_entry_in_another(const struct manifest *m)
{
    for (size_t i = 0; i < m->n; i++) {
        char *path CLEANUP_FREE = x_strdup(m->entries[i].path);
        for (char *slash = strrchr(path, '/'); slash; slash = strrchr(path, '/')) {
            *slash = '\0';
            if (manifest_find(m, path))
                return false;
        }
    }
    return true;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->path, ((const struct entry *)b)->path);
}

bool manifest_parse(const char *data, size_t len, struct manifest *out)
{
    json_t *whole = manifest_is(data, len) ? json_loadb(data, len, JSON_REJECT_DUPLICATES, NULL) : NULL;
    json_t *files = json_object_get(whole, "files"), *value;
    const char *path;
    bool ok = json_is_object(files) && json_object_size(files) <= ARTIFACT_MAX_FILES;
    *out = (struct manifest){0};
    json_object_foreach(files, path, value)
    {
        struct entry e;
        if (!ok || !read_entry(path, value, &e)) {
            ok = false;
            break;
        }
        manifest_add(out, e);
    }
    json_decref(whole);
    if (out->n)
        qsort(out->entries, out->n, sizeof *out->entries, by_path);
    if (ok && no_entry_in_another(out))
        return true;
    manifest_release(out);
    return false;
}

/* Of a parsed one: it is sorted. */
const struct entry *manifest_find(const struct manifest *m, const char *path)
{
    struct entry key = {.path = (char *)(uintptr_t)path};
    return m->n ? bsearch(&key, m->entries, m->n, sizeof *m->entries, by_path) : NULL;
}
