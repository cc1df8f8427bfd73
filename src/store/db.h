/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A connection and its statements. Private to store/ and its tests.
 *
 * A statement of sql.def is compiled when it is first used and kept. Bound texts are not copied: they must live until the statement is reset,
 * which db_run and db_each do before they return. */
#ifndef HONE_STORE_DB_H
#define HONE_STORE_DB_H

#include "store/store.h"

#include <sqlite3.h>

enum sql {
#define SQL(name, text) SQL_##name,
#include "store/sql.def"
#undef SQL
    SQL_COUNT
};

struct db {
    sqlite3 *handle;
    struct db *next;  /* in the free list */
    int wal_frames;   /* in the log after the last commit, 0 for a reader */
    int checkpointed; /* frames of it when it was last copied to the database */
    sqlite3_stmt *statements[SQL_COUNT];
};

const char *sql_text(enum sql id);

/* Compiles (once) and binds. `types` has a letter a parameter: i int64_t, m int64_t with 0 stored as NULL, r double with NaN as NULL,
 * t text or NULL, b bytes (const void *, size_t) or NULL. */
enum err db_use(struct db *db, enum sql id, sqlite3_stmt **out, struct error *error, const char *types, ...);

/* A statement without rows. *changed (may be NULL): how many rows it changed. */
enum err db_run(struct db *db, enum sql id, int *changed, struct error *error, const char *types, ...);

/* Calls `row` for each row until it returns false, then resets. */
typedef bool db_row_fn(void *arg, sqlite3_stmt *row);
enum err db_each(struct db *db, sqlite3_stmt *statement, db_row_fn *row, void *arg, struct error *error);

enum err db_error(struct db *db, struct error *error); /* what the connection's last failed call means */

const char *column_text(sqlite3_stmt *row, int i); /* "" for NULL; lives as long as the row */
double column_real(sqlite3_stmt *row, int i);      /* NAN for NULL */

#endif
