/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Measurements: one value of a metric at a step. */
#include "base/mem.h"
#include "store/db.h"

#include <math.h>
#include <string.h>

enum err measurement_put(struct db *db, int64_t trial_id, const struct measurement *m, bool *is_new, struct error *error)
{
    int changed = 0;
    enum err err = db_run(db, SQL_MEASUREMENT_PUT, &changed, error, "itiiiri", trial_id, m->metric, m->step, m->attempt, m->replicate, m->value, m->time_ms);
    *is_new = changed > 0;
    return err;
}

static struct measurement read(sqlite3_stmt *row)
{
    return (struct measurement){.metric = column_text(row, 0),
                                .step = sqlite3_column_int64(row, 1),
                                .attempt = sqlite3_column_int64(row, 2),
                                .replicate = sqlite3_column_int64(row, 3),
                                .value = column_real(row, 4),
                                .time_ms = sqlite3_column_int64(row, 5)};
}

/* --- listing. A curve that is to be thinned is cut into buckets of equal length; of each its lowest and highest point are given, in their order,
 * so that no peak is lost; before and after them the curve's first and last point. */

struct thinning {
    struct db *db;
    const struct measurement_query *q;
    measurement_row_fn *row;
    void *arg;
    struct error *error;
    enum err err;
    char *metric;      /* of the curve that is being read */
    int64_t n, i;      /* its length, and where we are */
    int64_t n_buckets; /* 0: it is given whole */
    int64_t bucket;    /* of low and high; -1 = none */
    struct measurement low, high;
    int64_t low_at, high_at;
    bool stopped;
};

static bool hand(struct thinning *t, struct measurement *m)
{
    m->metric = t->metric;
    t->stopped = t->stopped || !t->row(t->arg, m);
    return !t->stopped;
}

static void flush_bucket(struct thinning *t)
{
    if (t->bucket < 0)
        return;
    t->bucket = -1;
    bool low_first = t->low_at <= t->high_at;
    if (hand(t, low_first ? &t->low : &t->high) && t->low_at != t->high_at)
        (void)hand(t, low_first ? &t->high : &t->low);
}

static bool take_count(void *arg, sqlite3_stmt *row)
{
    *(int64_t *)arg = sqlite3_column_int64(row, 0);
    return false;
}

static enum err begin_curve(struct thinning *t, const char *metric)
{
    flush_bucket(t);
    free(t->metric);
    t->metric = x_strdup(metric);
    t->i = 0;
    t->n_buckets = 0;
    if (!t->q->max_points)
        return OK;
    sqlite3_stmt *st;
    enum err err = db_use(t->db, SQL_MEASUREMENT_COUNT, &st, t->error, "iti", t->q->trial_id, t->metric, t->q->from_step);
    if (!err)
        err = db_each(t->db, st, take_count, &t->n, t->error);
    if (t->n > t->q->max_points)
        t->n_buckets = t->q->max_points > 3 ? (t->q->max_points - 2) / 2 : 1;
    return err;
}

static void put_in_bucket(struct thinning *t, const struct measurement *m, int64_t at)
{
    int64_t bucket = (at - 1) * t->n_buckets / (t->n - 2);
    if (bucket != t->bucket) {
        flush_bucket(t);
        t->bucket = bucket;
        t->low = t->high = *m;
        t->low_at = t->high_at = at;
    }
    if (m->value < t->low.value || isnan(t->low.value)) {
        t->low = *m;
        t->low_at = at;
    }
    if (m->value > t->high.value || isnan(t->high.value)) {
        t->high = *m;
        t->high_at = at;
    }
}

static bool give(void *arg, sqlite3_stmt *row)
{
    struct thinning *t = arg;
    struct measurement m = read(row);
    if (!t->metric || strcmp(t->metric, m.metric) != 0)
        t->err = begin_curve(t, m.metric);
    if (t->err || t->stopped)
        return false;
    int64_t at = t->i++;
    if (t->n_buckets && at > 0 && at < t->n - 1) {
        put_in_bucket(t, &m, at);
        return !t->stopped;
    }
    flush_bucket(t);
    return !t->stopped && hand(t, &m);
}

enum err measurement_list(struct db *db, const struct measurement_query *q, measurement_row_fn *row, void *arg, struct error *error)
{
    struct thinning t = {.db = db, .q = q, .row = row, .arg = arg, .error = error, .bucket = -1};
    sqlite3_stmt *st;
    enum err err = db_use(db, q->metric ? SQL_MEASUREMENT_LIST_METRIC : SQL_MEASUREMENT_LIST, &st, error, q->metric ? "iit" : "ii", q->trial_id, q->from_step,
                          q->metric);
    if (!err)
        err = db_each(db, st, give, &t, error);
    free(t.metric);
    return err ? err : t.err;
}

/* --- summaries */

struct summing {
    bool (*row)(void *arg, const char *metric, const struct measurement_summary *s);
    void *arg;
    char *metric;
    struct measurement_summary s;
    int64_t n_numbers; /* that are not NAN */
    double sum;
    bool stopped;
};

static bool end_metric(struct summing *m)
{
    if (!m->metric)
        return true;
    m->s.mean = m->n_numbers ? m->sum / (double)m->n_numbers : (double)NAN;
    m->stopped = !m->row(m->arg, m->metric, &m->s);
    return !m->stopped;
}

static bool add_value(void *arg, sqlite3_stmt *row)
{
    struct summing *m = arg;
    const char *metric = column_text(row, 0);
    double value = column_real(row, 1);
    if (!m->metric || strcmp(m->metric, metric) != 0) {
        if (!end_metric(m))
            return false;
        free(m->metric);
        m->metric = x_strdup(metric);
        m->s = (struct measurement_summary){.min = (double)NAN, .max = (double)NAN};
        m->n_numbers = 0;
        m->sum = 0;
    }
    m->s.n++;
    m->s.last = value;
    m->s.last_step = sqlite3_column_int64(row, 2);
    m->s.min = fmin(m->s.min, value); /* fmin and fmax pass a NAN over */
    m->s.max = fmax(m->s.max, value);
    if (!isnan(value)) {
        m->n_numbers++;
        m->sum += value;
    }
    return true;
}

static enum err summarise(struct db *db, sqlite3_stmt *st, struct summing *m, struct error *error)
{
    enum err err = db_each(db, st, add_value, m, error);
    if (!err && !m->stopped)
        (void)end_metric(m);
    free(m->metric);
    return err;
}

static bool take_summary(void *arg, const char *metric, const struct measurement_summary *s)
{
    (void)metric;
    *(struct measurement_summary *)arg = *s;
    return true;
}

enum err measurement_summarise(struct db *db, int64_t trial_id, int64_t attempt, const char *metric, struct measurement_summary *out, struct error *error)
{
    struct summing summing = {.row = take_summary, .arg = out};
    sqlite3_stmt *st;
    *out = (struct measurement_summary){.last = (double)NAN, .min = (double)NAN, .max = (double)NAN, .mean = (double)NAN};
    enum err err = db_use(db, SQL_MEASUREMENT_VALUES_METRIC, &st, error, "iit", trial_id, attempt, metric);
    return err ? err : summarise(db, st, &summing, error);
}

enum err measurement_metrics(struct db *db, int64_t trial_id, int64_t attempt, bool (*row)(void *arg, const char *metric, const struct measurement_summary *s),
                             void *arg, struct error *error)
{
    struct summing summing = {.row = row, .arg = arg};
    sqlite3_stmt *st;
    enum err err = db_use(db, SQL_MEASUREMENT_VALUES, &st, error, "ii", trial_id, attempt);
    return err ? err : summarise(db, st, &summing, error);
}

struct value_at {
    double *value;
    bool *found;
};

static bool take_at(void *arg, sqlite3_stmt *row)
{
    struct value_at *at = arg;
    *at->value = column_real(row, 0);
    *at->found = true;
    return false;
}

enum err measurement_at(struct db *db, int64_t trial_id, const char *metric, int64_t step, double *value, bool *found, struct error *error)
{
    struct value_at at = {value, found};
    sqlite3_stmt *st;
    *found = false;
    enum err err = db_use(db, SQL_MEASUREMENT_AT, &st, error, "iti", trial_id, metric, step);
    return err ? err : db_each(db, st, take_at, &at, error);
}
