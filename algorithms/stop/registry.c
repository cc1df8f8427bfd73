/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "stop/stopper.h"

#include "stop/curves.h"

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

void stopper_ask(const struct stopper *s, const struct stop_question *question, struct stop_answer *answer)
{
    *answer = (struct stop_answer){0};
    if (question->trial->n)
        s->ask(question, answer);
    else
        stop_say(answer, false, "it has made 0 reports");
}

int64_t stopper_budget(const struct stopper *s, const struct settings *settings, int64_t number, int64_t asked)
{
    return s->budget ? s->budget(settings, number, asked) : 0;
}
