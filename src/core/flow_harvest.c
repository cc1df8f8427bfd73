/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a step left behind becomes its outputs: each is there, is of its type, and is kept before the step counts as done. In a worker. */
#include "base/buf.h"
#include "core/flow.h"
#include "model/yaml.h"
#include "pipeline/kfp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The whole file; *out NULL when there is none. False: it is too long, or cannot be read. */
static bool slurp(const char *path, size_t max, char **out, size_t *len)
{
    *out = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR;
    struct stat s;
    bool fine = !fstat(fd, &s) && S_ISREG(s.st_mode) && (size_t)s.st_size <= max;
    if (fine) {
        *out = x_malloc((size_t)s.st_size + 1);
        ssize_t n = read(fd, *out, (size_t)s.st_size);
        *len = n < 0 ? 0 : (size_t)n;
        (*out)[*len] = '\0';
        fine = n >= 0;
    }
    (void)close(fd);
    return fine;
}

static void wrong(struct harvest *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void wrong(struct harvest *h, const char *fmt, ...)
{
    if (h->problem)
        return;
    va_list ap;
    va_start(ap, fmt);
    char *text = NULL;
    if (vasprintf(&text, fmt, ap) < 0)
        abort();
    va_end(ap);
    h->problem = text;
}

static json_t *read_outputs(const char *dir, struct harvest *h)
{
    char *path CLEANUP_FREE = x_asprintf("%s/outputs.json", dir);
    char *text CLEANUP_FREE = NULL;
    size_t len = 0;
    json_error_t why;
    if (!slurp(path, PIPELINE_MAX_JSON, &text, &len)) {
        wrong(h, "$HONE_OUTPUTS cannot be read, or is larger than %d bytes", PIPELINE_MAX_JSON);
        return NULL;
    }
    if (!text || !len)
        return json_object();
    json_t *outputs = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    if (json_is_object(outputs))
        return outputs;
    if (outputs)
        wrong(h, "$HONE_OUTPUTS holds no JSON object");
    else
        wrong(h, "$HONE_OUTPUTS is no JSON: line %d: %s", why.line, why.text);
    json_decref(outputs);
    return NULL;
}

static json_t *keep_artifact(struct artifacts *a, const struct port *out, const char *path, struct harvest *h)
{
    struct problems bad = {0};
    struct error error = {0};
    char id[ARTIFACT_ID_MAX], *shown CLEANUP_FREE = type_show(out->type);
    int64_t size = 0;
    struct stat s;
    char *pointer CLEANUP_FREE = x_asprintf("/%s", out->name);
    bool dir = !stat(path, &s) && S_ISDIR(s.st_mode), file = !dir && !access(path, F_OK);
    if (type_kind(out->type) == TYPE_DIR && file)
        wrong(h, "output %s: expected dir, found a file", out->name);
    else if (type_kind(out->type) != TYPE_DIR && type_kind(out->type) != TYPE_MODEL && dir)
        wrong(h, "output %s: expected %s, found a folder", out->name, shown);
    else if (type_kind(out->type) == TYPE_TABLE && !type_check_table(out->type, path, pointer, &bad))
        wrong(h, "output %s: %s", out->name, bad.n ? bad.items[0].detail : "is no such table");
    problems_release(&bad);
    if (h->problem)
        return NULL;
    enum err err = artifacts_put(a, path, id, &size, &error);
    if (err) {
        h->storage = err == ERR_STORAGE;
        wrong(h, "output %s: %s", out->name, error.detail);
        return NULL;
    }
    h->bytes += size;
    static const char *const kinds[] = {[TYPE_FILE] = "file", [TYPE_DIR] = "dir", [TYPE_TABLE] = "table", [TYPE_MODEL] = "model"};
    return json_pack("{s:s, s:s, s:I, s:s}", "artifact", id, "type", kinds[type_kind(out->type)], "size", (json_int_t)size, "name", out->name);
}

/* From the file at ${out.X}. NULL: it is not there, or a problem was told. */
static json_t *from_file(const struct port *out, const char *path, struct harvest *h)
{
    char *text CLEANUP_FREE = NULL;
    size_t len = 0;
    if (!slurp(path, PIPELINE_MAX_JSON, &text, &len)) {
        wrong(h, "output %s: its file cannot be read, or is larger than %d bytes", out->name, PIPELINE_MAX_JSON);
        return NULL;
    }
    json_t *value = text ? type_from_text(out->type, text, len) : NULL;
    if (text && !value) {
        char *shown CLEANUP_FREE = type_show(out->type);
        wrong(h, "output %s: expected %s, found the text \"%.60s\"", out->name, shown, text);
    }
    return value;
}

static json_t *keep_value(const struct port *out, const json_t *given, struct harvest *h)
{
    struct problems bad = {0};
    char *pointer CLEANUP_FREE = x_asprintf("/%s", out->name);
    json_t *value = json_incref((json_t *)(uintptr_t)given);
    bool optional_null = out->optional && json_is_null(value);
    if (!optional_null && !type_check(out->type, value, pointer, &bad))
        wrong(h, "output %s: %s", out->name, bad.items[0].detail);
    if (!bad.n && !optional_null) {
        json_decref(value);
        value = type_value(out->type, given);
    }
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    if (text && strlen(text) > PIPELINE_MAX_SCALARS && type_kind(out->type) == TYPE_STRING)
        wrong(h, "output %s: a text of %zu bytes, at most %d are allowed; declare it as file", out->name, strlen(text), PIPELINE_MAX_SCALARS);
    free(text);
    problems_release(&bad);
    return value;
}

static void take_output(struct artifacts *a, const struct port *out, const json_t *written, const char *dir, struct harvest *h)
{
    char *path CLEANUP_FREE = x_asprintf("%s/artifacts/%s", dir, out->name);
    json_t *value = NULL;
    const json_t *given = json_object_get(written, out->name);
    if (type_is_artifact(out->type)) {
        if (!access(path, F_OK))
            value = keep_artifact(a, out, path, h);
    } else if (given) {
        value = keep_value(out, given, h);
    } else {
        json_t *read = from_file(out, path, h);
        if (read)
            value = keep_value(out, read, h);
        json_decref(read);
    }
    bool later = json_object_get(json_object_get(h->written, "outputs"), out->name) != NULL; /* the steps it wrote give it */
    if (!value && !out->optional && !later)
        wrong(h, "output %s was not written: leave %s", out->name, type_is_artifact(out->type) ? "it at the path of ${out.NAME}" : "a member of that name in the JSON object at $HONE_OUTPUTS, or its text at ${out.NAME}");
    (void)json_object_set_new(h->outputs, out->name, value ? value : json_null());
}

static void read_written(const struct pipeline *p, const struct step *s, const char *dir, struct harvest *h)
{
    char *there CLEANUP_FREE = x_asprintf("%s/steps.json", dir);
    char *work CLEANUP_FREE = x_asprintf("%s/work/steps.json", dir);
    char *text CLEANUP_FREE = NULL;
    size_t len = 0;
    struct error error = {0};
    struct problems bad = {0};
    if (!slurp(access(there, F_OK) ? work : there, PIPELINE_MAX_JSON, &text, &len) || !text) {
        wrong(h, "it wrote no steps: leave them at $HONE_STEPS, at most %d bytes", PIPELINE_MAX_JSON);
        return;
    }
    h->written = yaml_load(text, len, &error);
    size_t index = (size_t)(s - p->steps);
    struct pipeline *own = h->written ? pipeline_expand(p, index, h->written, &bad) : NULL;
    if (!h->written)
        wrong(h, "steps.json: %s", error.detail);
    else if (!own)
        wrong(h, "steps.json: %s: %s", bad.items[0].pointer, bad.items[0].detail);
    pipeline_free(own);
    problems_release(&bad);
}

/* An artifact of KFP may be metadata alone; whoever takes it still gets a path. */
static void make_empty(const struct step *s, const char *dir)
{
    for (size_t i = 0; i < s->n_outputs; i++) {
        char *path CLEANUP_FREE = x_asprintf("%s/artifacts/%s", dir, s->outputs[i].name);
        int fd = type_is_artifact(s->outputs[i].type) ? open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
        if (fd >= 0)
            (void)close(fd);
    }
}

static json_t *from_kfp(const struct step *s, const char *dir, json_t *written, struct harvest *h)
{
    json_t *values;
    make_empty(s, dir);
    kfp_outputs(s, written, &values, &h->metrics);
    json_decref(written);
    return values;
}

void flow_harvest(struct artifacts *a, const struct pipeline *p, const struct step *s, const char *dir, struct harvest *h)
{
    json_t *written = read_outputs(dir, h);
    if (s->kfp && written)
        written = from_kfp(s, dir, written, h);
    h->outputs = json_object();
    if (s->expand && !h->problem)
        read_written(p, s, dir, h);
    for (size_t i = 0; i < s->n_outputs && !h->problem; i++)
        take_output(a, &s->outputs[i], written, dir, h);
    json_decref(written);
    if (h->problem) {
        json_decref(h->outputs);
        h->outputs = NULL;
    }
}

void harvest_free(struct harvest *h)
{
    if (!h)
        return;
    json_decref(h->outputs);
    json_decref(h->written);
    json_decref(h->metrics);
    free(h->problem);
    free(h);
}
