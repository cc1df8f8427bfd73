/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "stop/stopper.h"

#include <string.h>

#define STOPPER(name) extern const struct stopper stopper_##name;
#include "stop/stoppers.def"
#undef STOPPER

const struct stopper *const stoppers[] = {
#define STOPPER(name) &stopper_##name,
#include "stop/stoppers.def"
#undef STOPPER
    NULL,
};

const struct stopper *stopper_find(const char *name)
{
    for (const struct stopper *const *s = stoppers; *s; s++)
        if (!strcmp((*s)->name, name))
            return *s;
    return NULL;
}
