/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The body of a request: its type, its JSON, and that it holds nothing unknown, so that a typing mistake is never silent. */
#include "base/problems.h"
#include "inside.h"
#include "members.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define MEMBERS_MAX 16

static const struct member point[] = {{"step", NULL}, {"metrics", NULL}, {"replicate", NULL}, {0}};

const struct member members_nothing[] = {{0}};
const struct member members_project[] = {{"name", NULL}, {0}};
const struct member members_stop[] = {{"mode", NULL}, {0}};
const struct member members_force[] = {{"force", NULL}, {0}};
const struct member members_rerun[] = {{"params", NULL}, {"from", NULL}, {"version", NULL}, {"labels", NULL}, {0}};
const struct member members_alias[] = {{"alias", NULL}, {"version", NULL}, {0}};
const struct member members_clone[] = {{"name", NULL}, {0}};
const struct member members_suggest[] = {{"count", NULL}, {"worker", NULL}, {"lease_seconds", NULL}, {"wait_seconds", NULL}, {0}};
const struct member members_trial[] = {{"params", NULL}, {"state", NULL}, {"metrics", NULL}, {0}};
const struct member members_report[] = {{"measurements", point}, {"progress", NULL}, {"attempt", NULL}, {0}};
const struct member members_heartbeat[] = {{"attempt", NULL}, {0}};
const struct member members_complete[] = {{"metrics", NULL}, {"attempt", NULL}, {0}};
const struct member members_trainer_status[] = {{"trainerStatus", NULL}, {0}};
const struct member members_fail[] = {{"reason", NULL}, {"message", NULL}, {"attempt", NULL}, {0}};

/* What is being looked at, as a chain on the stack: a pointer is written only when something is wrong. */
struct place {
    const struct place *above;
    const char *name; /* NULL: `index` */
    size_t index;
};

static void write_place(struct buf *b, const struct place *p)
{
    if (!p)
        return;
    write_place(b, p->above);
    if (p->name) {
        buf_add(b, "/", 1);
        for (const char *c = p->name; *c; c++)
            buf_add(b, *c == '~' ? "~0" : *c == '/' ? "~1" : c, *c == '~' || *c == '/' ? 2 : 1);
    } else {
        buf_addf(b, "/%zu", p->index);
    }
}

static void unknown(const struct place *p, const struct member *members, struct problems *problems)
{
    const char *names[MEMBERS_MAX + 1] = {0};
    struct buf b = {.limit = 300}, list = BUF_INIT;
    for (size_t i = 0; i < MEMBERS_MAX && members[i].name; i++) {
        names[i] = members[i].name;
        buf_addf(&list, "%s%s", i ? ", " : "", members[i].name);
    }
    write_place(&b, p);
    problems_add(problems, b.data ? b.data : "", "UNKNOWN_FIELD", did_you_mean(p->name, names), "\"%.60s\" is not known here; %s%s", p->name,
                 list.len ? "known: " : "nothing is", list.len ? list.data : "");
    buf_release(&b);
    buf_release(&list);
}

static void check(const json_t *value, const struct member *members, const struct place *above, struct problems *problems)
{
    const char *name;
    json_t *item;
    if (json_is_array(value)) {
        size_t n = json_array_size(value);
        for (size_t i = 0; i < n; i++)
            check(json_array_get(value, i), members, &(struct place){above, NULL, i}, problems);
        return;
    }
    json_object_foreach((json_t *)(uintptr_t)value, name, item)
    {
        const struct member *m = members;
        while (m->name && strcmp(m->name, name) != 0)
            m++;
        struct place here = {above, name, 0};
        if (!m->name)
            unknown(&here, members, problems);
        else if (m->inside)
            check(item, m->inside, &here, problems);
    }
}

static bool is_json(const char *type)
{
    static const char *const known[] = {"application/json", "application/merge-patch+json"};
    size_t n = strcspn(type, "; ");
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (strlen(known[i]) == n && !strncasecmp(type, known[i], n))
            return true;
    return false;
}

enum err body_json(struct request *r, json_t **errors, struct error *error)
{
    const char *type = r->header[HEADER_CONTENT_TYPE];
    if (!r->body.len)
        return OK;
    if (type && !is_json(type))
        return err_set(error, ERR_MEDIA_TYPE, NULL, "the body is %.80s; send JSON with Content-Type: application/json", type);
    json_error_t at;
    r->json = json_loadb(r->body.data, r->body.len, JSON_REJECT_DUPLICATES, &at);
    if (!r->json)
        return err_set(error, ERR_SYNTAX, "JSON_SYNTAX", "the body is not JSON: line %d, column %d: %s", at.line, at.column, at.text);
    if (!json_is_object(r->json))
        return err_set(error, ERR_INVALID, "BODY_TYPE", "the body must be a JSON object, {...}");
    if (!r->route->members || request_unknown_ok(r))
        return OK;
    struct problems problems = {0};
    check(r->json, r->route->members, NULL, &problems);
    if (!problems.n)
        return OK;
    *errors = problems_json(problems.items, problems.n);
    enum err err = err_set(error, ERR_INVALID, "UNKNOWN_FIELD", "%s: %s%s%s%s", problems.items[0].pointer, problems.items[0].detail,
                           problems.items[0].hint ? " (did you mean \"" : "", problems.items[0].hint ? problems.items[0].hint : "",
                           problems.items[0].hint ? "\"?)" : "");
    problems_release(&problems);
    return err;
}
