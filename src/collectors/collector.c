/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "collectors/collector.h"

#include <string.h>

#define COLLECTOR(name) extern const struct collector collector_##name;
#include "collectors/collectors.def"
#undef COLLECTOR

const struct collector *const collectors[] = {
#define COLLECTOR(name) &collector_##name,
#include "collectors/collectors.def"
#undef COLLECTOR
    NULL};

const struct collector *collector_find(const char *name)
{
    for (size_t i = 0; collectors[i]; i++)
        if (!strcmp(collectors[i]->name, name))
            return collectors[i];
    return NULL;
}
