/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/foreign.h"

#include "model/katib.h"
#include "model/wandb.h"

static bool is_katib(const json_t *document)
{
    return json_object_get(document, "apiVersion") != NULL;
}

bool foreign_is(const json_t *document)
{
    return is_katib(document) || wandb_is(document);
}

json_t *foreign_read(const json_t *document, const struct catalog *catalog, json_t *places, struct problems *problems)
{
    if (is_katib(document))
        return katib_read(document, catalog, places, problems);
    return wandb_is(document) ? wandb_read(document, places, problems) : NULL;
}
