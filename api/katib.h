/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Katib's API inside api/: katib.c has the handlers, katib_objects.c makes the objects of rows, katib_watch.c follows them, katib_discovery.c says
 * what there is. */
#ifndef HONE_API_KATIB_H
#define HONE_API_KATIB_H

#include "inside.h"

extern const struct form form_katib; /* errors are objects of kind Status, a changed experiment is shown as Katib's */

enum katib_kind { KATIB_EXPERIMENT, KATIB_TRIAL, KATIB_SUGGESTION };
extern const char *const katib_kinds[];

/* What a list or a watch is narrowed to by its path and its selectors. Strings are owned. */
struct katib_ask {
    enum katib_kind kind;
    char *project;    /* NULL = all */
    char *name;       /* fieldSelector=metadata.name=NAME; NULL = any */
    char *experiment; /* labelSelector=katib.kubeflow.org/experiment=NAME; NULL = any */
};
void katib_ask_release(struct katib_ask *ask);

/* Objects as Katib has them; new references. A trial needs its experiment's. NULL with error: the store failed. */
json_t *katib_experiment_json(struct db *db, const struct experiment *e, struct error *error);
json_t *katib_trial_json(struct db *db, const struct experiment *e, const struct trial *t, struct error *error);
json_t *katib_suggestion_json(struct db *db, const struct experiment *e, struct error *error);
json_t *katib_gone_json(enum katib_kind kind, const char *project, const char *experiment, int64_t trial, int64_t revision); /* what is left of a deleted one */

/* "digits-12" -> "digits" (malloced) and 12; false: not the name of a trial. */
bool katib_trial_name(const char *name, char **experiment, int64_t *number);

/* Calls `give` with each object that `ask` wants (it takes the reference). */
typedef void katib_give_fn(void *arg, json_t *object);
enum err katib_each(struct db *db, const struct katib_ask *ask, katib_give_fn *give, void *arg, struct error *error);

/* Begins to follow what `ask` wants (taken), from revision `after` on, -1 = all there is first. */
enum err katib_watch(struct request *r, struct katib_ask *ask, int64_t after, double seconds, bool bookmarks, struct error *error);

#endif
