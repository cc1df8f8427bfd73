/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Pipelines for people: what differs between two, and the graph as text for dot. */
#include "base/buf.h"
#include "base/mem.h"
#include "pipeline/pipeline_part.h"

#include <string.h>

/* ---- diff ---- */

static void diff(json_t *out, const char *pointer, json_t *from, json_t *to);

static void add_difference(json_t *out, const char *pointer, json_t *from, json_t *to)
{
    (void)json_array_append_new(out, json_pack("{s:s,s:O?,s:O?}", "pointer", pointer, "from", from, "to", to));
}

static void diff_members(json_t *out, const char *pointer, json_t *from, json_t *to)
{
    const char *name;
    json_t *value;
    json_object_foreach(from, name, value)
    {
        char *place CLEANUP_FREE = pointer_join(pointer, name);
        diff(out, place, value, json_object_get(to, name));
    }
    json_object_foreach(to, name, value)
    {
        char *place CLEANUP_FREE = pointer_join(pointer, name);
        if (!json_object_get(from, name))
            add_difference(out, place, NULL, value);
    }
}

static void diff(json_t *out, const char *pointer, json_t *from, json_t *to)
{
    if (json_is_object(from) && json_is_object(to)) {
        diff_members(out, pointer, from, to);
    } else if (json_is_array(from) && json_array_size(from) == json_array_size(to)) {
        for (size_t i = 0; i < json_array_size(from); i++) {
            char *place CLEANUP_FREE = pointer_index(pointer, i);
            diff(out, place, json_array_get(from, i), json_array_get(to, i));
        }
    } else if (!json_equal(from, to)) {
        add_difference(out, pointer, from, to);
    }
}

json_t *pipeline_diff(const struct pipeline *from, const struct pipeline *to)
{
    json_t *out = json_array();
    diff(out, "", from->document, to->document);
    return out;
}

/* ---- dot ---- */

static void add_node(struct buf *b, const char *prefix, const struct step *s, const char *shape)
{
    buf_addf(b, "  \"%s%s\" [label=\"%s%s%s\", shape=%s%s];\n", prefix, s->id, s->id, s->map_over ? "\\n(map)" : "", s->expand ? "\\n(expand)" : "", shape,
             s->when ? ", style=dashed" : "");
}

static void add_steps(struct buf *b, const struct pipeline *p, const char *prefix)
{
    for (size_t i = 0; i < p->n_steps; i++) {
        const struct step *s = &p->steps[i];
        add_node(b, prefix, s, s->pipeline ? "component" : "box");
        if (s->pipeline) { /* its steps stand in a frame; the step itself is the way in */
            char *inner CLEANUP_FREE = x_asprintf("%s%s/", prefix, s->id);
            buf_addf(b, "  subgraph \"cluster_%s\" {\n  label=\"%s\";\n", inner, s->id);
            add_steps(b, s->pipeline, inner);
            buf_adds(b, "  }\n");
            for (size_t k = 0; k < s->pipeline->n_steps; k++)
                if (!s->pipeline->steps[k].n_needs)
                    buf_addf(b, "  \"%s%s\" -> \"%s%s\" [style=dotted];\n", prefix, s->id, inner, s->pipeline->steps[k].id);
        }
        for (size_t k = 0; k < s->n_needs; k++)
            buf_addf(b, "  \"%s%s\" -> \"%s%s\"%s;\n", prefix, p->steps[s->needs[k]].id, prefix, s->id, s->any ? " [style=dashed]" : "");
    }
}

char *pipeline_dot(const struct pipeline *p)
{
    struct buf b = BUF_INIT;
    buf_addf(&b, "digraph \"%s\" {\n  rankdir=LR;\n", p->name);
    add_steps(&b, p, "");
    for (size_t i = 0; i < p->n_finally; i++)
        add_node(&b, "", &p->finally[i], "octagon");
    buf_adds(&b, "}\n");
    return buf_take(&b);
}
