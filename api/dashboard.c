/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The dashboard's files and its one-time link. They hold no data: that is asked from the API, with the session that the link sets. */
#include "assets.h"
#include "base/clock.h"
#include "handlers.h"

#include <stdio.h>
#include <string.h>

#define FILE_MAX ((size_t)8 << 20)

struct bytes {
    const char *data;
    const uint64_t *size;
};

static const struct file {
    const char *name, *type;
    struct bytes plain, gzip;
} files[] = {
#define X(symbol, name, type) {name, type, {asset_##symbol, &asset_##symbol##_size}, {asset_##symbol##_gz, &asset_##symbol##_gz_size}},
    ASSETS(X)
#undef X
};

#define POLICY                                                                                                                      \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; font-src 'self'; "          \
    "base-uri 'none'; form-action 'self'; frame-ancestors 'self'"

char *page_policy(const char *const *frames)
{
    struct buf b = BUF_INIT;
    buf_adds(&b, POLICY);
    for (; frames && *frames; frames++)
        buf_addf(&b, " %s", *frames);
    return buf_take(&b);
}

/* The file of ?assets_dir, for work on the dashboard; only names that are built in, so no path leads out of it. */
static bool read_from_disk(const char *dir, const struct file *file, struct buf *out)
{
    char *path CLEANUP_FREE = x_asprintf("%s/%s", dir, file->name);
    FILE *f = fopen(path, "re");
    char chunk[8192];
    size_t n;
    if (!f)
        return false;
    out->limit = FILE_MAX;
    while ((n = fread(chunk, 1, sizeof chunk, f)) > 0)
        buf_add(out, chunk, n);
    (void)fclose(f);
    return !out->overflow;
}

static void hash_of(const char *data, size_t len, char hash[HASH_TEXT])
{
    token_hash(data, len, hash);
    hash[16] = '\0';
}

static enum err answer_from_disk(struct request *r, const struct file *file, char hash[HASH_TEXT], struct error *error)
{
    struct buf disk = BUF_INIT;
    if (!read_from_disk(r->api->config.assets_dir, file, &disk)) {
        buf_release(&disk);
        return err_set(error, ERR_NOT_FOUND, "NO_SUCH_FILE", "%s cannot be read from the directory of --assets", file->name);
    }
    hash_of(disk.data, disk.len, hash);
    answer_text(r, 200, file->type, &disk);
    return OK;
}

static void answer_built_in(struct request *r, const struct file *file, char hash[HASH_TEXT])
{
    bool gzip = r->header[HEADER_ACCEPT_ENCODING] && strstr(r->header[HEADER_ACCEPT_ENCODING], "gzip");
    const struct bytes *bytes = gzip ? &file->gzip : &file->plain;
    hash_of(bytes->data, *bytes->size, hash);
    answer_constant(r, 200, file->type, bytes->data, *bytes->size);
    answer_header(r, "Vary", "Accept-Encoding");
    if (gzip)
        answer_header(r, "Content-Encoding", "gzip");
}

/* The page asks for its files with ?v=HASH (build.mjs), so what is under that address never changes. */
static enum err answer_file(struct request *r, const struct file *file, struct error *error)
{
    char hash[HASH_TEXT];
    bool built_in = !r->api->config.assets_dir;
    if (built_in)
        answer_built_in(r, file, hash);
    else if (answer_from_disk(r, file, hash, error))
        return error->code;
    const char *known = r->header[HEADER_IF_NONE_MATCH];
    if (known && strstr(known, hash))
        answer_empty(r, 304);
    answer_header(r, "ETag", "\"%s\"", hash);
    r->answer.policy = r->api->page_policy;
    r->answer.cache = built_in && request_query(r, "v") ? "private, max-age=31536000, immutable" : "no-cache";
    return OK;
}

enum err handle_dashboard(struct request *r, struct error *error)
{
    if (!*r->path) { /* "/hone": the page's relative links need the slash */
        answer_empty(r, 303);
        answer_header(r, "Location", "%s/", r->api->config.base_path);
        return OK;
    }
    return answer_file(r, &files[0], error);
}

enum err handle_asset(struct request *r, struct error *error)
{
    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        if (!strcmp(files[i].name, r->arg[0]))
            return answer_file(r, &files[i], error);
    return err_set(error, ERR_NOT_FOUND, "NO_SUCH_FILE", "the dashboard has no file %.60s", r->arg[0]);
}

enum err handle_link(struct request *r, struct error *error)
{
    struct auth *a = &r->api->auth;
    char session[SESSION_TEXT];
    if (!auth_link_take(a, r->arg[0]))
        return err_set(error, ERR_FORBIDDEN, "LINK_USED", "this link is not known, or was used: a link works once; `hone link` makes a new one");
    auth_session_new(a, clock_wall_ms(), session);
    answer_empty(r, 303);
    answer_header(r, "Location", "%s/", r->api->config.base_path);
    answer_header(r, "Set-Cookie", "%s=%s; Path=%s/; Max-Age=%d; HttpOnly; SameSite=Strict%s", a->cookie, session, r->api->config.base_path,
                  SESSION_SECONDS, r->api->config.tls_cert ? "; Secure" : "");
    return OK;
}

enum err handle_link_new(struct request *r, struct error *error)
{
    char token[TOKEN_TEXT];
    (void)error;
    auth_link_new(&r->api->auth, token);
    char *url CLEANUP_FREE = x_asprintf("%s/link/%s", r->api->url, token);
    answer_json(r, 200, json_pack("{s:s}", "url", r->api->auth.on ? url : r->api->url));
    explicit_bzero(token, sizeof token);
    return OK;
}
