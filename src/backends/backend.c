/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "backends/backend.h"

#include <string.h>

#define BACKEND(name) extern const struct backend backend_##name;
#include "backends/backends.def"
#undef BACKEND

const struct backend *const backends[] = {
#define BACKEND(name) &backend_##name,
#include "backends/backends.def"
#undef BACKEND
    NULL};

const struct backend *backend_find(const char *name)
{
    for (size_t i = 0; backends[i]; i++)
        if (!strcmp(backends[i]->name, name))
            return backends[i];
    return NULL;
}
