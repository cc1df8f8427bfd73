/* SPDX-License-Identifier: GPL-3.0-or-later */
/* libhone: the search algorithms of Hone in a program of your own. No service, no files, no threads.
 *
 *     hone *h = hone_new(7);
 *     hone_add_float(h, "lr", 1e-5, 0.1, HONE_LOG);
 *     hone_add_int(h, "layers", 1, 8, HONE_LINEAR);
 *     for (int i = 0; i < 50; i++) {
 *         int64_t t = hone_ask(h);
 *         double loss = train(hone_number(h, t, "lr"), (int)hone_number(h, t, "layers"));
 *         hone_tell(h, t, &loss);
 *     }
 *     int64_t best = hone_best(h);
 *     hone_free(h);
 *
 * First the problem is described, then it is asked and told; a description after the first question is refused. Many trials may be asked for before
 * the first is told. Functions that return int give 0, or -1 with the reason in hone_error. A search belongs to one thread at a time; two may be used
 * by two threads. The same seed, description and answers give the same questions on the same build. When memory is out the process is ended.
 *
 * The first hone_new turns GSL's error handler off and sets OpenBLAS to one thread, for the whole process. */
#ifndef HONE_H
#define HONE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define HONE_API __attribute__((visibility("default")))

typedef struct hone hone;

enum hone_scale { HONE_LINEAR, HONE_LOG };

HONE_API const char *hone_version(void);
HONE_API hone *hone_new(uint64_t seed); /* never NULL */
HONE_API void hone_free(hone *h);       /* NULL is nothing */
HONE_API const char *hone_error(const hone *h); /* of the last call that failed; "" */

/* --- the problem: at least one parameter. Names are those of experiment files: letters, digits, _ - . */

HONE_API int hone_add_float(hone *h, const char *name, double min, double max, enum hone_scale scale);
HONE_API int hone_add_step(hone *h, const char *name, double min, double max, double step); /* min, min + step, ... */
HONE_API int hone_add_int(hone *h, const char *name, int64_t min, int64_t max, enum hone_scale scale);
HONE_API int hone_add_choice(hone *h, const char *name, const char *const *values, size_t n);

/* `name` exists only while the choice `parent` has this value; more calls add more values. */
HONE_API int hone_only_if(hone *h, const char *name, const char *parent, const char *value);

/* What the parameters of every question satisfy: "a * b < 1 or kind == 'plain'" (docs/reference/expressions.md). */
HONE_API int hone_constrain(hone *h, const char *expression);

/* Objectives in the order in which values are told. Without any of these calls there is one, minimised. */
HONE_API int hone_minimize(hone *h);
HONE_API int hone_maximize(hone *h);

/* A further value that is told after the objectives, and must not be above: a trial beyond it is never the best. */
HONE_API int hone_at_most(hone *h, double bound);
HONE_API int hone_at_least(hone *h, double bound);

/* The algorithm ("auto" if it is not called) and its settings, a JSON object or NULL: hone_use(h, "gp", "{\"acquisition\": \"ei\"}"). Any of `hone get
 * algorithms` but those that continue other trials. */
HONE_API int hone_use(hone *h, const char *algorithm, const char *settings);

/* --- trials. Their numbers rise from 1. */

HONE_API int64_t hone_ask(hone *h); /* a new trial; 0: every point was asked for; -1: an error */

/* A trial of your own: begin, set every parameter that exists, put. It then is as if it had been asked for. */
HONE_API void hone_begin(hone *h);
HONE_API int hone_set_number(hone *h, const char *name, double value);
HONE_API int hone_set_text(hone *h, const char *name, const char *value);
HONE_API int64_t hone_put(hone *h); /* -1: an error */

HONE_API double hone_number(const hone *h, int64_t trial, const char *name);    /* NAN: it does not exist there, or is a choice */
HONE_API const char *hone_text(const hone *h, int64_t trial, const char *name); /* of a choice; NULL: it does not exist there. Good until hone_free */
HONE_API const char *hone_why(const hone *h, int64_t trial);                    /* how it came to be asked, in words; "" */

/* The trial's values: of each objective, then of each bound. NAN among the objectives: it failed. Telling again replaces. */
HONE_API int hone_tell(hone *h, int64_t trial, const double *values);
HONE_API int hone_tell_failed(hone *h, int64_t trial);

HONE_API int64_t hone_best(const hone *h); /* by the first objective, of those within all bounds; 0: there is none */
HONE_API double hone_value(const hone *h, int64_t trial, size_t i); /* as told; NAN */

#ifdef __cplusplus
}
#endif

#endif
