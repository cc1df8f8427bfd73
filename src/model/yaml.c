/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/yaml.h"

#include "base/buf.h"
#include "base/mem.h"
#include "model/column.h"
#include "model/template.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#define MAX_ANCHORS 256
#define MAX_EXPANDED (2 * (size_t)YAML_MAX_BYTES) /* text of all scalars, those behind aliases as often as they are named */
#define DIGITS "0123456789"

/* What a node costs: counted once where it is written, and again for each alias of it. */
struct cost {
    size_t nodes, bytes, height;
};

struct anchor {
    char *name;
    json_t *value; /* borrowed from the tree; NULL while the node is being read */
    struct cost cost;
};

struct loader {
    yaml_parser_t parser;
    const char *text;
    struct error *error;
    struct cost total;
    struct anchor anchors[MAX_ANCHORS];
    size_t n_anchors;
    bool *more; /* a second document is not read: true, if there is one; NULL: it is an error */
};

static json_t *fail(struct loader *l, const yaml_mark_t *mark, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

static json_t *fail(struct loader *l, const yaml_mark_t *mark, const char *fmt, ...)
{
    char detail[300];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    (void)err_set(l->error, ERR_SYNTAX, NULL, "line %zu, column %zu: %s", mark->line + 1, mark->column + 1, detail);
    return NULL;
}

/* ---- plain scalars, core schema ---- */

static bool one_of(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (!strcmp(text, *words))
            return true;
    return false;
}

static const char *const null_words[] = {"", "~", "null", "Null", "NULL", NULL};
static const char *const true_words[] = {"true", "True", "TRUE", NULL};
static const char *const false_words[] = {"false", "False", "FALSE", NULL};
static const char *const nan_words[] = {".nan", ".NaN", ".NAN", NULL};
static const char *const inf_words[] = {".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", NULL};
static const char *const minus_inf_words[] = {"-.inf", "-.Inf", "-.INF", NULL};

/* The base of an integer, 0 if it is none. */
static int integer_base(const char *text)
{
    if (!strncmp(text, "0x", 2) || !strncmp(text, "0o", 2)) {
        size_t len = strspn(text + 2, text[1] == 'x' ? DIGITS "abcdefABCDEF" : "01234567");
        return len && !text[2 + len] ? (text[1] == 'x' ? 16 : 8) : 0;
    }
    text += *text == '+' || *text == '-';
    return *text && !text[strspn(text, DIGITS)] ? 10 : 0;
}

static bool is_float(const char *text)
{
    text += *text == '+' || *text == '-';
    size_t whole = strspn(text, DIGITS), fraction = 0;
    text += whole;
    if (*text == '.') {
        fraction = strspn(text + 1, DIGITS);
        text += 1 + fraction;
    }
    if (whole + fraction == 0)
        return false;
    if (*text == 'e' || *text == 'E') {
        text += 1 + (text[1] == '+' || text[1] == '-');
        return *text && !text[strspn(text, DIGITS)];
    }
    return !*text;
}

static json_t *read_integer(const char *text, int base)
{
    errno = 0;
    long long value = strtoll(text + (base == 10 ? 0 : 2), NULL, base);
    return errno ? NULL : json_integer(value);
}

/* False: a text. True with a NULL *out: a number that does not fit. */
static bool resolve(const char *text, json_t **out)
{
    int base = integer_base(text);
    if (one_of(text, null_words))
        *out = json_null();
    else if (one_of(text, true_words) || one_of(text, false_words))
        *out = json_boolean(one_of(text, true_words));
    else if (one_of(text, nan_words))
        *out = json_string("NaN");
    else if (one_of(text, inf_words) || one_of(text, minus_inf_words))
        *out = json_string(*text == '-' ? "-Infinity" : "Infinity");
    else if (base)
        *out = read_integer(text, base);
    else if (is_float(text))
        *out = json_real(strtod(text, NULL)); /* NULL for an infinity */
    else
        return false;
    return true;
}

/* ---- events to values ---- */

/* libyaml's reader, which comes before there are lines, tells a byte. */
static yaml_mark_t mark_of(const char *text, size_t offset)
{
    yaml_mark_t mark = {.index = offset};
    const char *line = text;
    for (size_t i = 0; i < offset; i++)
        if (text[i] == '\n') {
            mark.line++;
            line = text + i + 1;
        }
    mark.column = column_of(line, text + offset) - 1;
    return mark;
}

static bool next_event(struct loader *l, yaml_event_t *event)
{
    if (yaml_parser_parse(&l->parser, event))
        return true;
    const yaml_parser_t *p = &l->parser;
    const char *what = p->problem ? p->problem : "cannot be read";
    yaml_mark_t where = p->error == YAML_READER_ERROR ? mark_of(l->text, p->problem_offset) : p->problem_mark;
    if (p->context)
        (void)fail(l, &where, "%s (%s that began on line %zu)", what, p->context, p->context_mark.line + 1);
    else
        (void)fail(l, &where, "%s", what);
    return false;
}

static bool charge(struct loader *l, const yaml_event_t *event, const struct cost *cost, size_t depth)
{
    l->total.nodes += cost->nodes;
    l->total.bytes += cost->bytes;
    if (l->total.nodes > YAML_MAX_NODES)
        (void)fail(l, &event->start_mark, "more than %d values, aliases counted", YAML_MAX_NODES);
    else if (l->total.bytes > MAX_EXPANDED)
        (void)fail(l, &event->start_mark, "more than %zu bytes of text, aliases counted", MAX_EXPANDED);
    else if (depth + cost->height > YAML_MAX_DEPTH)
        (void)fail(l, &event->start_mark, "nested more than %d deep", YAML_MAX_DEPTH);
    else
        return true;
    return false;
}

static json_t *read_alias(struct loader *l, const yaml_event_t *event, size_t depth, size_t *height)
{
    const char *name = (const char *)event->data.alias.anchor;
    size_t i = l->n_anchors;
    while (i > 0 && strcmp(l->anchors[i - 1].name, name) != 0)
        i--;
    if (i == 0)
        return fail(l, &event->start_mark, "no anchor &%.60s stands before this alias", name);
    const struct anchor *a = &l->anchors[i - 1];
    if (!a->value)
        return fail(l, &event->start_mark, "*%.60s stands inside itself", name);
    if (!charge(l, event, &a->cost, depth))
        return NULL;
    *height = a->cost.height;
    return json_deep_copy(a->value); /* callers change what they get */
}

static bool text_only(struct loader *l, const yaml_event_t *event)
{
    const char *tag = (const char *)event->data.scalar.tag;
    if (tag && strcmp(tag, "!") != 0 && strcmp(tag, YAML_STR_TAG) != 0)
        (void)fail(l, &event->start_mark, "the tag %.*s is not known here; leave it out", shown_length(tag, 60), tag);
    else if (memchr(event->data.scalar.value, '\0', event->data.scalar.length))
        (void)fail(l, &event->start_mark, "a zero byte cannot stand in a text");
    else
        return true;
    return false;
}

static json_t *read_scalar(struct loader *l, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    struct cost cost = {.nodes = 0, .bytes = event->data.scalar.length};
    if (!text_only(l, event) || !charge(l, event, &cost, 0))
        return NULL;
    json_t *value = NULL;
    if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE || event->data.scalar.tag || !resolve(text, &value))
        value = json_stringn(text, event->data.scalar.length);
    return value ? value : fail(l, &event->start_mark, "%.60s is too large a number; put it in quotes to make it a text", text);
}

static json_t *read_node(struct loader *l, const yaml_event_t *event, size_t depth, size_t *height);

static json_t *read_sequence(struct loader *l, size_t depth, size_t *height)
{
    json_t *list = json_array();
    for (;;) {
        yaml_event_t event;
        if (!next_event(l, &event))
            break;
        bool end = event.type == YAML_SEQUENCE_END_EVENT;
        json_t *item = end ? NULL : read_node(l, &event, depth + 1, height);
        yaml_event_delete(&event);
        if (end)
            return list;
        if (!item)
            break;
        (void)json_array_append_new(list, item);
    }
    json_decref(list);
    return NULL;
}

/* NULL when the event cannot be a key of `map`. */
static const char *key_of(struct loader *l, const yaml_event_t *event, const json_t *map)
{
    const char *key = (const char *)event->data.scalar.value;
    struct cost cost = {.bytes = event->type == YAML_SCALAR_EVENT ? event->data.scalar.length : 0};
    if (event->type != YAML_SCALAR_EVENT || event->data.scalar.anchor)
        (void)fail(l, &event->start_mark, "a key must be a plain text, without anchor or alias");
    else if (event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE && !strcmp(key, "<<"))
        (void)fail(l, &event->start_mark, "merge keys (<<) are not read; write the members out");
    else if (text_only(l, event) && json_object_get(map, key))
        (void)fail(l, &event->start_mark, "the key \"%.*s\" stands here twice", shown_length(key, 60), key);
    else if (text_only(l, event) && charge(l, event, &cost, 0))
        return key;
    return NULL;
}

static bool read_member(struct loader *l, const yaml_event_t *key_event, json_t *map, size_t depth, size_t *height)
{
    yaml_event_t event;
    const char *key = key_of(l, key_event, map);
    if (!key || !next_event(l, &event))
        return false;
    json_t *value = read_node(l, &event, depth + 1, height);
    yaml_event_delete(&event);
    return value && !json_object_set_new(map, key, value);
}

static json_t *read_mapping(struct loader *l, size_t depth, size_t *height)
{
    json_t *map = json_object();
    for (;;) {
        yaml_event_t event;
        if (!next_event(l, &event))
            break;
        bool end = event.type == YAML_MAPPING_END_EVENT;
        bool ok = end || read_member(l, &event, map, depth, height);
        yaml_event_delete(&event);
        if (end)
            return map;
        if (!ok)
            break;
    }
    json_decref(map);
    return NULL;
}

static const char *anchor_name(const yaml_event_t *event)
{
    const yaml_char_t *name = event->type == YAML_SCALAR_EVENT           ? event->data.scalar.anchor
                              : event->type == YAML_SEQUENCE_START_EVENT ? event->data.sequence_start.anchor
                                                                         : event->data.mapping_start.anchor;
    return (const char *)name;
}

static const char *collection_tag(const yaml_event_t *event)
{
    const yaml_char_t *tag = event->type == YAML_SEQUENCE_START_EVENT  ? event->data.sequence_start.tag
                             : event->type == YAML_MAPPING_START_EVENT ? event->data.mapping_start.tag
                                                                       : NULL;
    return (const char *)tag;
}

static json_t *read_content(struct loader *l, const yaml_event_t *event, size_t depth, size_t *height)
{
    const char *tag = collection_tag(event);
    size_t inner = 0;
    json_t *value = NULL;
    if (tag)
        return fail(l, &event->start_mark, "the tag %.*s is not known here; leave it out", shown_length(tag, 60), tag);
    if (event->type == YAML_SCALAR_EVENT)
        value = read_scalar(l, event);
    else if (event->type == YAML_SEQUENCE_START_EVENT)
        value = read_sequence(l, depth, &inner);
    else
        value = read_mapping(l, depth, &inner);
    if (*height < inner + 1)
        *height = inner + 1;
    return value;
}

/* `*height` grows to the height of this node, where it is less. */
static json_t *read_node(struct loader *l, const yaml_event_t *event, size_t depth, size_t *height)
{
    struct cost before = l->total, own = {.nodes = 1, .height = 1};
    size_t mine = 0;
    json_t *value;
    if (event->type == YAML_ALIAS_EVENT) {
        value = read_alias(l, event, depth, &mine);
    } else {
        const char *name = anchor_name(event);
        size_t slot = l->n_anchors;
        if (!charge(l, event, &own, depth))
            return NULL;
        if (name && slot == MAX_ANCHORS)
            return fail(l, &event->start_mark, "more than %d anchors", MAX_ANCHORS);
        if (name)
            l->anchors[l->n_anchors++] = (struct anchor){.name = x_strdup(name)};
        value = read_content(l, event, depth, &mine);
        if (name)
            l->anchors[slot] = (struct anchor){.name = l->anchors[slot].name,
                                               .value = value,
                                               .cost = {l->total.nodes - before.nodes, l->total.bytes - before.bytes, mine}};
    }
    if (*height < mine)
        *height = mine;
    return value;
}

/* Reads the events around the one document: stream start, document start, node, document end, stream end. */
static json_t *read_stream(struct loader *l)
{
    json_t *value = NULL;
    bool ok = true, seen = false;
    yaml_event_type_t type = YAML_NO_EVENT;
    while (ok && type != YAML_STREAM_END_EVENT) {
        yaml_event_t event;
        size_t height = 0;
        if (!next_event(l, &event)) {
            ok = false;
            break;
        }
        type = event.type;
        if (type == YAML_DOCUMENT_START_EVENT && seen && l->more) {
            *l->more = true;
            type = YAML_STREAM_END_EVENT;
        } else if (type == YAML_DOCUMENT_START_EVENT && seen) {
            (void)fail(l, &event.start_mark, "a second document begins here; only one can be read");
            ok = false;
        } else if (type == YAML_ALIAS_EVENT || type == YAML_SCALAR_EVENT || type == YAML_SEQUENCE_START_EVENT || type == YAML_MAPPING_START_EVENT) {
            value = read_node(l, &event, 0, &height);
            ok = value != NULL;
        }
        seen |= type == YAML_DOCUMENT_START_EVENT;
        yaml_event_delete(&event);
    }
    if (ok)
        return value ? value : json_null();
    json_decref(value);
    return NULL;
}

static json_t *load_yaml(const char *text, size_t len, bool *more, struct error *error)
{
    struct loader *l CLEANUP_FREE = X_NEW(struct loader);
    l->error = error;
    l->more = more;
    l->text = text;
    if (!yaml_parser_initialize(&l->parser))
        abort(); /* no memory */
    yaml_parser_set_encoding(&l->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&l->parser, (const unsigned char *)text, len);
    json_t *value = read_stream(l);
    for (size_t i = 0; i < l->n_anchors; i++)
        free(l->anchors[i].name);
    yaml_parser_delete(&l->parser);
    return value;
}

/* ---- JSON ---- */

static bool within_limits(json_t *value, size_t depth, size_t *nodes)
{
    if (depth >= YAML_MAX_DEPTH || ++*nodes > YAML_MAX_NODES)
        return false;
    const char *key;
    json_t *inner;
    size_t i;
    json_object_foreach(value, key, inner)
    {
        if (!within_limits(inner, depth + 1, nodes))
            return false;
    }
    json_array_foreach(value, i, inner)
    {
        if (!within_limits(inner, depth + 1, nodes))
            return false;
    }
    return true;
}

static json_t *load_json(const char *text, size_t len, struct error *error)
{
    json_error_t why;
    size_t nodes = 0;
    json_t *value = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    if (!value) {
        (void)err_set(error, ERR_SYNTAX, NULL, "line %d, column %d: %s (what begins with { or [ is read as JSON; put --- before it for YAML)",
                      why.line, why.column, why.text);
        return NULL;
    }
    if (within_limits(value, 0, &nodes))
        return value;
    json_decref(value);
    (void)err_set(error, ERR_TOO_LARGE, NULL, "more than %d values, or nested more than %d deep", YAML_MAX_NODES, YAML_MAX_DEPTH);
    return NULL;
}

json_t *yaml_load(const char *text, size_t len, struct error *error)
{
    return yaml_load_first(text, len, NULL, error);
}

json_t *yaml_load_first(const char *text, size_t len, bool *more, struct error *error)
{
    if (len > YAML_MAX_BYTES) {
        (void)err_set(error, ERR_TOO_LARGE, NULL, "has %zu bytes, at most %u are read", len, YAML_MAX_BYTES);
        return NULL;
    }
    size_t start = len >= 3 && !memcmp(text, "\xEF\xBB\xBF", 3) ? 3 : 0; /* the byte order mark of some editors */
    text += start;
    len -= start;
    size_t i = 0;
    while (i < len && memchr(" \t\r\n", text[i], 4))
        i++;
    return i < len && (text[i] == '{' || text[i] == '[') ? load_json(text, len, error) : load_yaml(text, len, more, error);
}

/* ---- writing ---- */

static int write_bytes(void *ctx, unsigned char *data, size_t len)
{
    buf_add(ctx, data, len);
    return 1;
}

/* Also what YAML 1.1 readers take for something else: they read our files too. */
static bool reads_as_other(const char *text)
{
    static const char *const words[] = {"y", "n", "yes", "no", "on", "off", NULL};
    json_t *value = NULL;
    bool other = resolve(text, &value);
    json_decref(value);
    for (size_t i = 0; words[i]; i++)
        other |= !strcasecmp(text, words[i]);
    const char *digits = text + strspn(text, "+-.");
    return other || strspn(digits, DIGITS) || !strcmp(text, "<<") || !strcmp(text, "=");
}

/* Only what reads back the same in any style: no control characters but newlines, no line ends of Unicode, no byte order mark. */
static bool is_tame(const char *text)
{
    for (const unsigned char *s = (const unsigned char *)text; *s; s++)
        if ((*s < 0x20 && *s != '\n') || *s == 0x7F || (*s == 0xC2 && s[1] < 0xA0) ||
            (*s == 0xE2 && s[1] == 0x80 && (s[2] == 0xA8 || s[2] == 0xA9)) || (*s == 0xEF && s[1] == 0xBB && s[2] == 0xBF))
            return false;
    return true;
}

static yaml_scalar_style_t style_of(const char *text, bool key)
{
    bool lines = strchr(text, '\n') != NULL;
    if (!is_tame(text) || (lines && (key || strspn(text, " \n"))))
        return YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    if (lines)
        return YAML_LITERAL_SCALAR_STYLE;
    return reads_as_other(text) ? YAML_SINGLE_QUOTED_SCALAR_STYLE : YAML_PLAIN_SCALAR_STYLE;
}

static bool emit_scalar(yaml_emitter_t *emitter, const char *text, size_t len, yaml_scalar_style_t style)
{
    yaml_event_t event;
    return yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text, (int)len, 1, 1, style) && yaml_emitter_emit(emitter, &event);
}

/* A real stays a real when it is read again, by YAML 1.1 readers too: a point always, "1.0e-05". */
static bool emit_real(yaml_emitter_t *emitter, const json_t *value)
{
    char *text CLEANUP_FREE = template_value(value);
    size_t mantissa = strcspn(text, "e");
    const char *point = memchr(text, '.', mantissa) ? "" : ".0";
    char *full CLEANUP_FREE = x_asprintf("%.*s%s%s", (int)mantissa, text, point, text + mantissa);
    return emit_scalar(emitter, full, strlen(full), YAML_PLAIN_SCALAR_STYLE);
}

static bool emit_value(yaml_emitter_t *emitter, json_t *value);

static bool emit_object(yaml_emitter_t *emitter, json_t *object)
{
    yaml_event_t event;
    const char *key;
    json_t *inner;
    bool ok = yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE) && yaml_emitter_emit(emitter, &event);
    json_object_foreach(object, key, inner)
    {
        ok = ok && emit_scalar(emitter, key, strlen(key), style_of(key, true)) && emit_value(emitter, inner);
    }
    return ok && yaml_mapping_end_event_initialize(&event) && yaml_emitter_emit(emitter, &event);
}

static bool emit_array(yaml_emitter_t *emitter, json_t *array)
{
    yaml_event_t event;
    json_t *inner;
    size_t i;
    bool ok = yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_SEQUENCE_STYLE) && yaml_emitter_emit(emitter, &event);
    json_array_foreach(array, i, inner)
    {
        ok = ok && emit_value(emitter, inner);
    }
    return ok && yaml_sequence_end_event_initialize(&event) && yaml_emitter_emit(emitter, &event);
}

static bool emit_value(yaml_emitter_t *emitter, json_t *value)
{
    if (json_is_object(value))
        return emit_object(emitter, value);
    if (json_is_array(value))
        return emit_array(emitter, value);
    if (json_is_real(value))
        return emit_real(emitter, value);
    if (json_is_string(value))
        return emit_scalar(emitter, json_string_value(value), json_string_length(value), style_of(json_string_value(value), false));
    char *text CLEANUP_FREE = template_value(value); /* integers, true, false, null */
    return emit_scalar(emitter, text, strlen(text), YAML_PLAIN_SCALAR_STYLE);
}

char *yaml_dump(const json_t *value)
{
    struct buf out = BUF_INIT;
    yaml_emitter_t emitter;
    yaml_event_t event;
    json_t *root = (json_t *)(uintptr_t)value; /* jansson walks through pointers to non-const only */
    bool ok = yaml_emitter_initialize(&emitter);
    yaml_emitter_set_output(&emitter, write_bytes, &out);
    yaml_emitter_set_unicode(&emitter, 1);
    yaml_emitter_set_width(&emitter, -1);
    ok = ok && yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING) && yaml_emitter_emit(&emitter, &event) &&
         yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1) && yaml_emitter_emit(&emitter, &event) && emit_value(&emitter, root) &&
         yaml_document_end_event_initialize(&event, 1) && yaml_emitter_emit(&emitter, &event) && yaml_stream_end_event_initialize(&event) &&
         yaml_emitter_emit(&emitter, &event);
    if (!ok)
        abort(); /* no memory: strings of jansson are always UTF-8 */
    yaml_emitter_delete(&emitter);
    return buf_take(&out);
}
