/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Builds and runs the statements of lists. A comparison is true or false, never NULL: what a row does not have is not equal to anything, so that
 * `params.x!=1` and `NOT params.x=1` both find the rows without x. What is not known is last in either order. */
#include "store/query.h"

#include "base/mem.h"
#include "base/token.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define TOKEN_MAX 8192

/* --- parameters */

static size_t add_arg(struct query *q, struct query_arg arg)
{
    if (q->n_args == q->cap_args) {
        q->cap_args = q->cap_args ? q->cap_args * 2 : 8;
        q->args = x_realloc(q->args, q->cap_args * sizeof *q->args);
    }
    q->args[q->n_args++] = arg;
    return q->n_args;
}

static size_t add_number(struct query *q, int64_t number)
{
    return add_arg(q, (struct query_arg){.type = 'i', .number = number});
}

static size_t add_real(struct query *q, double real)
{
    return add_arg(q, (struct query_arg){.type = 'r', .real = real});
}

static size_t add_text(struct query *q, const char *text)
{
    return add_arg(q, (struct query_arg){.type = 't', .text = x_strdup(text)});
}

/* --- fields */

static const char *const ops[] = {[FILTER_EQ] = "=", [FILTER_NE] = "<>", [FILTER_LT] = "<", [FILTER_LE] = "<=", [FILTER_GT] = ">", [FILTER_GE] = ">="};

static enum err unknown_field(const struct query_noun *noun, const char *name, const char *verb, struct error *error)
{
    struct buf known = {.limit = 360};
    for (const struct query_field *f = noun->fields; f->name; f++)
        buf_addf(&known, "%s%s%s", known.len ? ", " : "", f->name, f->kind == QUERY_JSON ? ".NAME" : "");
    enum err err = err_set(error, ERR_INVALID, "UNKNOWN_FIELD", "%s cannot be %s by \"%.60s\": use %s", noun->plural, verb, name, known.data);
    buf_release(&known);
    return err;
}

/* `*key` is set to what follows the dot of a JSON field, NULL when nothing does. */
static const struct query_field *find_field(const struct query_noun *noun, const char *name, const char **key)
{
    for (const struct query_field *f = noun->fields; f->name; f++) {
        size_t len = strlen(f->name);
        bool json = f->kind == QUERY_JSON;
        if (strncmp(f->name, name, len) != 0 || (name[len] && !(json && name[len] == '.' && name[len + 1])))
            continue;
        *key = json && name[len] ? name + len + 1 : NULL;
        return f;
    }
    return NULL;
}

static enum err add_path(struct query *q, const char *key, size_t *path, struct error *error)
{
    if (strchr(key, '"')) /* SQLite's paths have no way to write it */
        return err_set(error, ERR_INVALID, "UNKNOWN_FIELD", "a name with a \" in it cannot be looked for: %.60s", key);
    *path = add_arg(q, (struct query_arg){.type = 't', .text = x_asprintf("$.\"%s\"", key)});
    return OK;
}

/* --- filter */

static enum err bad_value(const struct filter *f, const char *want, struct error *error)
{
    return err_set(error, ERR_INVALID, "FILTER_VALUE", "filter: %.60s is compared with \"%.60s\": %s", f->field, f->text, want);
}

/* "2026-11-23", with "T16:37", with ":05", with ".123", with "Z" */
static bool parse_time(const char *text, double *ms)
{
    struct tm t = {.tm_mday = 1};
    static const char *const formats[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d"};
    const char *end = NULL;
    for (size_t i = 0; i < ARRAY_LEN(formats) && !end; i++)
        end = strptime(text, formats[i], &t);
    if (!end)
        return false;
    char *rest = (char *)(uintptr_t)end;
    double fraction = *end == '.' ? strtod(end, &rest) : 0;
    *ms = (double)timegm(&t) * 1000 + round(fraction * 1000);
    return !*rest || !strcmp(rest, "Z");
}

static enum err compare_state(struct query *q, const struct query_field *field, const struct filter *f, struct error *error)
{
    if (f->op != FILTER_EQ && f->op != FILTER_NE && f->op != FILTER_HAS)
        return bad_value(f, "a state can only be compared with = and !=", error);
    if (field->parse_state(f->text) < 0) {
        struct buf names = {.limit = 200};
        for (int i = 0; field->state_name(i); i++)
            buf_addf(&names, "%s%s", i ? ", " : "it must be one of ", field->state_name(i));
        enum err err = bad_value(f, names.data, error);
        buf_release(&names);
        return err;
    }
    buf_addf(&q->sql, "%s %s ?%zu", field->sql, f->op == FILTER_NE ? "<>" : "=", add_text(q, f->text));
    return OK;
}

static enum err compare_text(struct query *q, const struct query_field *field, const struct filter *f, struct error *error)
{
    (void)error;
    if (f->op == FILTER_HAS && !strcmp(f->text, "*"))
        buf_addf(&q->sql, "%s <> ''", field->sql);
    else if (f->op == FILTER_HAS)
        buf_addf(&q->sql, "instr(%s, ?%zu) > 0", field->sql, add_text(q, f->text));
    else
        buf_addf(&q->sql, "%s %s ?%zu", field->sql, ops[f->op], add_text(q, f->text));
    return OK;
}

static enum err compare_number(struct query *q, const struct query_field *field, const struct filter *f, struct error *error)
{
    double value = f->number;
    if (f->op == FILTER_HAS && !strcmp(f->text, "*")) {
        buf_addf(&q->sql, "%s IS NOT NULL", field->sql);
        return OK;
    }
    if (isnan(value) && (field->kind != QUERY_TIME || !parse_time(f->text, &value)))
        return bad_value(f, field->kind == QUERY_TIME ? "it must be a time like 2026-11-23T16:37:00Z" : "it must be a number", error);
    size_t arg = add_real(q, value);
    if (f->op == FILTER_NE)
        buf_addf(&q->sql, "%s IS NOT ?%zu", field->sql, arg);
    else
        buf_addf(&q->sql, "ifnull(%s %s ?%zu, 0)", field->sql, f->op == FILTER_HAS ? "=" : ops[f->op], arg);
    return OK;
}

/* A member may hold a number, a text or true and false, and the filter's value may be meant as any of them: numbers are compared with numbers,
 * texts with texts. */
static void compare_member(struct query *q, const char *json, size_t path, const struct filter *f)
{
    char member[80];
    (void)snprintf(member, sizeof member, "json_extract(%s, ?%zu)", json, path);
    if (f->op == FILTER_EQ || f->op == FILTER_NE || f->op == FILTER_HAS) {
        buf_adds(&q->sql, f->op == FILTER_NE ? "NOT (" : "(");
        buf_addf(&q->sql, "ifnull(%s = ?%zu, 0)", member, add_text(q, f->text));
        if (!isnan(f->number))
            buf_addf(&q->sql, " OR ifnull(%s = ?%zu, 0)", member, add_real(q, f->number));
        else if (!strcmp(f->text, "true") || !strcmp(f->text, "false"))
            buf_addf(&q->sql, " OR ifnull(json_type(%s, ?%zu) = ?%zu, 0)", json, path, add_text(q, f->text));
        buf_adds(&q->sql, ")");
    } else if (!isnan(f->number)) {
        buf_addf(&q->sql, "(json_type(%s, ?%zu) IN ('integer', 'real') AND %s %s ?%zu)", json, path, member, ops[f->op], add_real(q, f->number));
    } else {
        buf_addf(&q->sql, "(json_type(%s, ?%zu) IS 'text' AND %s %s ?%zu)", json, path, member, ops[f->op], add_text(q, f->text));
    }
}

static enum err compare_json(struct query *q, const struct query_field *field, const char *key, const struct filter *f, struct error *error)
{
    size_t path = 0;
    bool any = key && f->op == FILTER_HAS && !strcmp(f->text, "*");
    if (!key && f->op != FILTER_HAS)
        return err_set(error, ERR_INVALID, "UNKNOWN_FIELD", "filter: %s is an object: name a member (%s.NAME), or ask whether it has one (%s:NAME)",
                       field->name, field->name, field->name);
    enum err err = add_path(q, key ? key : f->text, &path, error);
    if (err)
        return err;
    if (!key || any)
        buf_addf(&q->sql, "ifnull(json_type(%s, ?%zu) <> 'null', 0)", field->sql, path);
    else
        compare_member(q, field->sql, path, f);
    return OK;
}

typedef enum err compare_fn(struct query *q, const struct query_field *field, const struct filter *f, struct error *error);
static compare_fn *const compare[] = {
    [QUERY_TEXT] = compare_text, [QUERY_NUMBER] = compare_number, [QUERY_TIME] = compare_number, [QUERY_STATE] = compare_state};

static enum err add_filter(struct query *q, const struct query_noun *noun, const struct filter *f, struct error *error)
{
    enum err err;
    if (f->op == FILTER_NOT) {
        buf_adds(&q->sql, "NOT (");
        err = add_filter(q, noun, f->left, error);
    } else if (f->op == FILTER_AND || f->op == FILTER_OR) {
        buf_adds(&q->sql, "(");
        err = add_filter(q, noun, f->left, error);
        buf_adds(&q->sql, f->op == FILTER_AND ? " AND " : " OR ");
        if (!err)
            err = add_filter(q, noun, f->right, error);
    } else {
        const char *key = NULL;
        const struct query_field *field = find_field(noun, f->field, &key);
        if (!field)
            return unknown_field(noun, f->field, "filtered", error);
        return field->kind == QUERY_JSON ? compare_json(q, field, key, f, error) : compare[field->kind](q, field, f, error);
    }
    buf_adds(&q->sql, ")");
    return err;
}

/* --- order */

static enum err add_key(struct query *q, const struct query_noun *noun, const char *name, bool descending, struct error *error)
{
    const char *key = NULL;
    const struct query_field *field = find_field(noun, name, &key);
    if (!field || (field->kind == QUERY_JSON && !key))
        return unknown_field(noun, name, "ordered", error);
    if (q->n_keys == QUERY_MAX_KEYS - 1)
        return err_set(error, ERR_INVALID, "ORDER_BY", "order_by: at most %d fields", QUERY_MAX_KEYS - 1);
    struct query_key made = {.descending = descending, .nullable = field->nullable || key};
    if (key) {
        size_t path = 0;
        enum err err = add_path(q, key, &path, error);
        if (err)
            return err;
        made.sql = x_asprintf("json_extract(%s, ?%zu)", field->sql, path);
    } else {
        made.sql = x_strdup(field->order_sql ? field->order_sql : field->sql);
    }
    q->keys[q->n_keys++] = made;
    return OK;
}

/* "objective,-number"; what orders all rows is always last, so that a page has a definite end. */
static enum err add_order(struct query *q, const struct query_noun *noun, const char *order_by, struct error *error)
{
    char *text CLEANUP_FREE = x_strdup(order_by ? order_by : "");
    bool newest_first = noun->newest_first, total = false;
    char *rest = NULL;
    for (char *term = strtok_r(text, ",", &rest); term && !total; term = strtok_r(NULL, ",", &rest)) {
        term += strspn(term, " ");
        term[strcspn(term, " ")] = '\0';
        bool descending = *term == '-';
        enum err err = add_key(q, noun, term + descending, descending, error);
        if (err)
            return err;
        newest_first = false;
        total = !strcmp(q->keys[q->n_keys - 1].sql, noun->id);
    }
    if (!total)
        q->keys[q->n_keys++] = (struct query_key){.sql = x_strdup(noun->id), .descending = newest_first};
    return OK;
}

static void add_order_by(struct query *q)
{
    buf_adds(&q->sql, " ORDER BY ");
    for (size_t i = 0; i < q->n_keys; i++) {
        const struct query_key *k = &q->keys[i];
        if (k->nullable)
            buf_addf(&q->sql, "%s%s IS NULL", i ? ", " : "", k->sql);
        buf_addf(&q->sql, "%s%s%s", i || k->nullable ? ", " : "", k->sql, k->descending ? " DESC" : "");
    }
}

/* --- page tokens: the hash of the query and the keys of the last row given */

static void hash_query(struct query *q)
{
    struct buf all = BUF_INIT;
    buf_add(&all, q->sql.data, q->sql.len);
    for (size_t i = 0; i < q->n_keys; i++)
        buf_addf(&all, "|%s %d", q->keys[i].sql, q->keys[i].descending);
    for (size_t i = 0; i < q->n_args; i++)
        buf_addf(&all, "|%c%" PRId64 " %a %s", q->args[i].type, q->args[i].number, q->args[i].real, q->args[i].text ? q->args[i].text : "");
    char hash[HASH_TEXT];
    token_hash(all.data, all.len, hash);
    (void)snprintf(q->hash, sizeof q->hash, "%.16s", hash);
    buf_release(&all);
}

static uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static char *make_token(const struct query *q, sqlite3_stmt *row)
{
    struct buf token = BUF_INIT;
    int first = sqlite3_column_count(row) - (int)q->n_keys;
    buf_adds(&token, q->hash);
    for (int i = 0; i < (int)q->n_keys; i++) {
        switch (sqlite3_column_type(row, first + i)) {
        case SQLITE_INTEGER:
            buf_addf(&token, "_i%" PRIx64, (uint64_t)sqlite3_column_int64(row, first + i));
            break;
        case SQLITE_FLOAT:
            buf_addf(&token, "_r%" PRIx64, bits_of(sqlite3_column_double(row, first + i)));
            break;
        case SQLITE_NULL:
            buf_adds(&token, "_n");
            break;
        default:
            buf_adds(&token, "_t");
            for (const char *c = column_text(row, first + i); *c; c++)
                buf_addf(&token, "%02x", (unsigned char)*c);
        }
    }
    return buf_take(&token);
}

static const char hex_digits[] = "0123456789abcdef";

static uint64_t read_hex(const char *text, size_t n)
{
    uint64_t value = 0;
    for (size_t i = 0; i < n; i++)
        value = value << 4 | (uint64_t)(strchr(hex_digits, text[i]) - hex_digits);
    return value;
}

static bool read_value(const char **at, struct query_arg *out)
{
    const char *p = *at;
    if (p[0] != '_' || !p[1])
        return false;
    p += 2;
    size_t n = strspn(p, hex_digits);
    bool fits = n > 0 && n <= 16;
    *at = p + n;
    *out = (struct query_arg){.type = p[-1]};
    if (out->type == 't') {
        out->text = x_calloc(n / 2 + 1, 1);
        for (size_t i = 0; i + 1 < n; i += 2)
            out->text[i / 2] = (char)read_hex(p + i, 2);
        return n % 2 == 0;
    }
    uint64_t bits = read_hex(p, fits ? n : 0);
    if (out->type == 'i')
        out->number = (int64_t)bits;
    else
        memcpy(&out->real, &bits, sizeof bits);
    return out->type == 'n' ? n == 0 : (out->type == 'i' || (out->type == 'r' && !isnan(out->real))) && fits;
}

/* The rows after the token's: (k0 > v0) OR (k0 = v0 AND ((k1 > v1) OR ...)), where NULL is after all values. */
static void add_after(struct query *q, size_t i, const struct query_arg *values)
{
    const struct query_key *k = &q->keys[i];
    bool null = values[i].type == 'n', last = i + 1 == q->n_keys;
    size_t arg = null ? 0 : add_arg(q, values[i]);
    buf_adds(&q->sql, "(");
    if (!null)
        buf_addf(&q->sql, "%s %s ?%zu", k->sql, k->descending ? "<" : ">", arg);
    if (!null && k->nullable)
        buf_addf(&q->sql, " OR %s IS NULL", k->sql);
    if (!last) {
        if (null)
            buf_addf(&q->sql, "%s IS NULL AND ", k->sql);
        else
            buf_addf(&q->sql, " OR %s = ?%zu AND ", k->sql, arg);
        add_after(q, i + 1, values);
    }
    buf_adds(&q->sql, ")");
}

static enum err add_token(struct query *q, const char *token, struct error *error)
{
    struct query_arg values[QUERY_MAX_KEYS] = {0};
    size_t hash = strlen(q->hash), n = 0;
    bool good = strlen(token) < TOKEN_MAX && !strncmp(token, q->hash, hash);
    const char *at = token + hash;
    while (good && n < q->n_keys)
        good = read_value(&at, &values[n++]);
    good = good && !*at && values[q->n_keys - 1].type == 'i';
    if (!good) {
        for (size_t i = 0; i < n; i++)
            free(values[i].text);
        return err_set(error, ERR_INVALID, "PAGE_TOKEN",
                       "page_token is not one of this list: take it from the page before, with the same filter and order_by, or leave it out");
    }
    buf_adds(&q->sql, " AND ");
    add_after(q, 0, values);
    return OK;
}

/* --- a whole statement */

static void add_scope(struct query *q, const struct query_noun *noun, const struct list_query *list)
{
    if (noun == &query_trials)
        buf_addf(&q->sql, "id > ?1 << 32 AND id < (?%zu + 1) << 32", add_number(q, list->experiment_id));
    else if (list->project && strcmp(list->project, "-") != 0)
        buf_addf(&q->sql, "project = ?%zu", add_text(q, list->project));
    else
        buf_adds(&q->sql, "1");
}

enum err query_build(struct query *q, const struct query_noun *noun, const struct list_query *list, bool page, struct error *error)
{
    *q = (struct query){0};
    enum err err = OK;
    buf_addf(&q->sql, " FROM %s WHERE ", noun->from);
    add_scope(q, noun, list);
    if (list->filter) {
        buf_adds(&q->sql, " AND ");
        err = add_filter(q, noun, list->filter, error);
    }
    if (!err && page)
        err = add_order(q, noun, list->order_by, error);
    if (err)
        return err;
    hash_query(q);
    struct buf select = BUF_INIT;
    buf_addf(&select, "SELECT %s", page ? noun->columns : "count(*)");
    for (size_t i = 0; i < q->n_keys; i++)
        buf_addf(&select, ", %s", q->keys[i].sql);
    buf_add(&select, q->sql.data, q->sql.len);
    buf_release(&q->sql);
    q->sql = select;
    if (page && list->after && *list->after)
        err = add_token(q, list->after, error);
    if (!err && page) {
        add_order_by(q);
        buf_addf(&q->sql, " LIMIT ?%zu", add_number(q, list->limit + 1)); /* one more tells whether there is a next page */
    }
    return err;
}

void query_release(struct query *q)
{
    for (size_t i = 0; i < q->n_args; i++)
        free(q->args[i].text);
    for (size_t i = 0; i < q->n_keys; i++)
        free(q->keys[i].sql);
    free(q->args);
    buf_release(&q->sql);
}

static enum err prepare(struct db *db, const struct query *q, sqlite3_stmt **out, struct error *error)
{
    if (sqlite3_prepare_v3(db->handle, q->sql.data, (int)q->sql.len + 1, 0, out, NULL))
        return db_error(db, error);
    for (size_t i = 0; i < q->n_args; i++) {
        const struct query_arg *a = &q->args[i];
        int at = (int)i + 1;
        if (a->type == 'i')
            (void)sqlite3_bind_int64(*out, at, a->number);
        else if (a->type == 'r')
            (void)sqlite3_bind_double(*out, at, a->real);
        else if (a->type == 't')
            (void)sqlite3_bind_text(*out, at, a->text, -1, SQLITE_STATIC);
    }
    return OK;
}

struct paging {
    const struct query *query;
    db_row_fn *row;
    void *arg;
    int64_t n, limit;
    char *token; /* of the last row that may be given */
    bool more;
};

static bool give(void *arg, sqlite3_stmt *row)
{
    struct paging *p = arg;
    p->more = p->n == p->limit;
    if (p->more)
        return false;
    p->n++;
    if (p->n == p->limit)
        p->token = make_token(p->query, row);
    if (p->row(p->arg, row))
        return true;
    if (!p->token) /* the caller has enough: the next page begins here */
        p->token = make_token(p->query, row);
    p->more = true;
    return false;
}

enum err query_list(struct db *db, const struct query_noun *noun, const struct list_query *list, db_row_fn *row, void *arg, char **next,
                    struct error *error)
{
    struct query q;
    sqlite3_stmt *st = NULL;
    enum err err = query_build(&q, noun, list, true, error);
    struct paging paging = {.query = &q, .row = row, .arg = arg, .limit = list->limit};
    if (!err)
        err = prepare(db, &q, &st, error);
    if (!err)
        err = db_each(db, st, give, &paging, error);
    (void)sqlite3_finalize(st);
    query_release(&q);
    *next = err || !paging.more ? NULL : paging.token;
    if (!*next)
        free(paging.token);
    return err;
}

static bool take_count(void *arg, sqlite3_stmt *row)
{
    *(int64_t *)arg = sqlite3_column_int64(row, 0);
    return false;
}

enum err query_count(struct db *db, const struct query_noun *noun, const struct list_query *list, int64_t *n, struct error *error)
{
    struct query q;
    sqlite3_stmt *st = NULL;
    *n = 0;
    enum err err = query_build(&q, noun, list, false, error);
    if (!err)
        err = prepare(db, &q, &st, error);
    if (!err)
        err = db_each(db, st, take_count, n, error);
    (void)sqlite3_finalize(st);
    query_release(&q);
    return err;
}
