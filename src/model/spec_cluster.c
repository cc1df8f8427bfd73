/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/spec_cluster.h"

#include "base/mem.h"
#include "model/gjson.h"
#include "model/manifest.h"

#include <string.h>

#define MAX_TEXT 4096
#define MAX_CONDITIONS 8
#define MAX_PAIRS 64
#define MAX_WAIT (7 * 86400.0)
#define DEFAULT_START_TIMEOUT 180

static const char *const own_members[] = {SPEC_CLUSTER_MEMBERS, NULL};

static void set(json_t *object, const char *member, json_t *value)
{
    (void)json_object_set_new(object, member, value);
}

static void copy_text(const struct reader *r, const char *member, const char *const *names, json_t *out)
{
    const char *text = reader_text(r, member, MAX_TEXT, NULL);
    char *pointer CLEANUP_FREE = pointer_join(r->pointer, member);
    if (text && names)
        template_check(text, names, pointer, r->problems);
    if (text)
        set(out, member, json_string(text));
}

/* A name as namespaces and service accounts have it. */
static void copy_name(const struct reader *r, const char *member, json_t *out)
{
    const char *text = reader_text(r, member, 63, NULL);
    if (text && (strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(text) || *text == '-' || text[strlen(text) - 1] == '-'))
        reader_bad(r, member, "NAME", NULL, "is \"%.63s\", must be lower case letters, digits and - between them", text);
    else if (text)
        set(out, member, json_string(text));
}

/* Names and their values, which may be numbers in YAML: {cpu: 2, memory: 4Gi}. NULL: there are none. */
static json_t *read_pairs(const struct reader *r, const char *member)
{
    struct reader pairs = reader_enter(r, member, NULL);
    const char *name;
    json_t *value, *out = json_object();
    char found[SHOW_TEXT];
    if (json_object_size(pairs.object) > MAX_PAIRS)
        reader_bad(r, member, "RANGE", NULL, "has %zu members, at most %d are allowed", json_object_size(pairs.object), MAX_PAIRS);
    json_object_foreach((json_t *)(uintptr_t)pairs.object, name, value)
    {
        char *text CLEANUP_FREE = json_is_string(value) || json_is_number(value) ? template_value(value) : NULL;
        if (!text || !*text || strlen(text) > 256)
            reader_bad(&pairs, name, "TYPE", NULL, "is %s, must be a short text or a number", json_show(value, found));
        else
            set(out, name, json_string(text));
    }
    bool any = pairs.object != NULL;
    reader_close(&pairs);
    if (any)
        return out;
    json_decref(out);
    return NULL;
}

static void read_resources(const struct reader *r, json_t *out)
{
    static const char *const parts[] = {"requests", "limits"};
    const json_t *given = reader_find(r, "resources");
    bool parted = json_object_get(given, parts[0]) || json_object_get(given, parts[1]);
    if (!parted) {
        json_t *limits = read_pairs(r, "resources"); /* what is asked for is what is allowed, unless both are given */
        if (limits)
            set(out, "resources", json_pack("{s:o}", "limits", limits));
        return;
    }
    static const char *const members[] = {"requests", "limits", NULL};
    struct reader both = reader_enter(r, "resources", members);
    json_t *resources = json_object();
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        json_t *pairs = read_pairs(&both, parts[i]);
        if (pairs)
            set(resources, parts[i], pairs);
    }
    set(out, "resources", resources);
    reader_close(&both);
}

/* ---- the manifest ---- */

static void check_condition(const struct reader *r, const char *pointer, const json_t *item, json_t *list)
{
    const char *text = json_string_value(item), *why = "must be a text of at most 4096 bytes";
    size_t column = 1;
    struct gjson *g = text && strlen(text) <= MAX_TEXT ? gjson_new(text, &why, &column) : NULL;
    if (g)
        (void)json_array_append_new(list, json_string(text));
    else
        problems_add(r->problems, pointer, "SYNTAX", NULL, "column %zu: %s", column, why);
    gjson_free(g);
}

/* One condition, or a list of which any will do. */
static void read_conditions(const struct reader *r, const char *member, const char *def, json_t *out)
{
    const json_t *given = reader_find(r, member), *item;
    char *pointer CLEANUP_FREE = pointer_join(r->pointer, member);
    json_t *list = json_array();
    size_t i;
    if (!given && def)
        (void)json_array_append_new(list, json_string(def));
    else if (!given)
        reader_bad(r, member, "REQUIRED", NULL, "is missing; for this kind nobody knows it. Write one such as status.conditions.#(type==\"Complete\")#|#(status==\"True\")#");
    else if (!json_is_array(given))
        check_condition(r, pointer, given, list);
    else if (!json_array_size(given) || json_array_size(given) > MAX_CONDITIONS)
        reader_bad(r, member, "RANGE", NULL, "has %zu conditions, must have 1 to %d", json_array_size(given), MAX_CONDITIONS);
    else
        json_array_foreach((json_t *)(uintptr_t)given, i, item)
        {
            char *place CLEANUP_FREE = pointer_index(pointer, i);
            check_condition(r, place, item, list);
        }
    set(out, member, list);
}

static void check_identity(const struct reader *m)
{
    static const char *const needed[] = {"apiVersion", "kind"}, *const ours[] = {"name", "namespace", "generateName"};
    struct reader meta = reader_enter(m, "metadata", NULL);
    for (size_t i = 0; i < ARRAY_LEN(needed); i++)
        if (!reader_text(m, needed[i], 253, NULL) && !reader_find(m, needed[i]))
            reader_bad(m, needed[i], "REQUIRED", NULL, "is missing");
    for (size_t i = 0; i < ARRAY_LEN(ours); i++)
        if (reader_find(&meta, ours[i]))
            reader_bad(&meta, ours[i], "UNUSED", NULL, "must be left out: every trial gets its own%s", i == 1 ? "; write run.namespace" : "");
    reader_close(&meta);
}

static void read_manifest(const struct reader *r, const char *const *names, json_t *out)
{
    struct reader m = reader_enter(r, "manifest", NULL);
    char *text CLEANUP_FREE = m.object ? json_dumps(m.object, JSON_COMPACT) : NULL;
    if (text && strlen(text) > MANIFEST_MAX_BYTES) {
        reader_bad(r, "manifest", "RANGE", NULL, "has %zu bytes, at most %zu are allowed", strlen(text), MANIFEST_MAX_BYTES);
    } else if (m.object) {
        check_identity(&m);
        manifest_check(m.object, names, m.pointer, r->problems);
        set(out, "manifest", json_incref((json_t *)(uintptr_t)m.object));
    }
    const struct manifest_kind *kind = manifest_kind(m.object);
    read_conditions(r, "success_condition", kind ? kind->success : NULL, out);
    read_conditions(r, "failure_condition", kind ? kind->failure : NULL, out);
    copy_text(r, "container", NULL, out);
    json_t *labels = read_pairs(r, "pod_labels");
    if (labels)
        set(out, "pod_labels", labels);
    reader_close(&m);
}

static void unused_with(const struct reader *r, const char *other, const char *const *members)
{
    for (; *members; members++)
        if (reader_find(r, *members))
            reader_bad(r, *members, "CONFLICT", NULL, "has no place beside %s", other);
}

/* ---- the whole ---- */

bool spec_cluster(const struct reader *r, const char *const *names, json_t *out)
{
    static const char *const of_image[] = {"image", "resources", "service_account", "command", "shell", "cwd", NULL};
    static const char *const of_manifest[] = {"container", "pod_labels", "success_condition", "failure_condition", NULL};
    bool manifest = reader_find(r, "manifest") != NULL;
    copy_name(r, "namespace", out);
    set(out, "retain", json_boolean(reader_bool(r, "retain", false)));
    set(out, "token", json_boolean(reader_bool(r, "token", false)));
    set(out, "start_timeout", json_real(reader_duration(r, "start_timeout", 1, MAX_WAIT, DEFAULT_START_TIMEOUT)));
    if (manifest) {
        unused_with(r, "manifest, which holds it itself", of_image);
        read_manifest(r, names, out);
        return false;
    }
    unused_with(r, "image; it belongs to manifest", of_manifest);
    if (!reader_find(r, "image"))
        reader_bad(r, "image", "REQUIRED", NULL, "is missing; backend kubernetes needs image (and command), or manifest with a whole object");
    copy_text(r, "image", names, out);
    copy_name(r, "service_account", out);
    read_resources(r, out);
    return true;
}

void spec_cluster_none(const struct reader *r, const char *backend)
{
    for (size_t i = 0; own_members[i]; i++)
        if (reader_find(r, own_members[i]))
            reader_bad(r, own_members[i], "UNUSED", "backend: kubernetes", "belongs to backend kubernetes, here it is %s", backend);
}
