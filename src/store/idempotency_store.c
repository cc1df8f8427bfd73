/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Answers of requests that may be sent again. */
#include "base/mem.h"
#include "store/db.h"

#define PRUNE_MAX 10000

struct kept {
    char *request_hash, *reply;
    int status;
};

static bool take(void *arg, sqlite3_stmt *row)
{
    struct kept *k = arg;
    k->request_hash = x_strdup(column_text(row, 0));
    k->status = sqlite3_column_int(row, 1);
    k->reply = x_strdup(column_text(row, 2));
    return false;
}

enum err idempotency_get(struct db *db, const char *key, char **request_hash, int *status, char **reply, struct error *error)
{
    struct kept kept = {0};
    sqlite3_stmt *st;
    enum err err = db_use(db, SQL_IDEMPOTENCY_GET, &st, error, "t", key);
    if (!err)
        err = db_each(db, st, take, &kept, error);
    if (err)
        return err;
    if (!kept.reply)
        return err_set(error, ERR_NOT_FOUND, NULL, "no answer is kept under the Idempotency-Key %s", key);
    *request_hash = kept.request_hash;
    *status = kept.status;
    *reply = kept.reply;
    return OK;
}

enum err idempotency_put(struct db *db, const char *key, const char *request_hash, int status, const char *reply, int64_t now_ms, struct error *error)
{
    return db_run(db, SQL_IDEMPOTENCY_PUT, NULL, error, "ttiti", key, request_hash, (int64_t)status, reply, now_ms);
}

enum err idempotency_prune(struct db *db, int64_t before_ms, struct error *error)
{
    return db_run(db, SQL_IDEMPOTENCY_PRUNE, NULL, error, "ii", before_ms, (int64_t)PRUNE_MAX);
}
