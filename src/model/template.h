/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Placeholders in commands, environments and manifests: {name}, {trial}, {seed}, {budget}, ${trialParameters.name},
 * ${trialSpec.Name} (Katib's). {{word}} is the literal {word}. Anything else in braces stays as it is (JSON, shell and
 * Python code in a command is not ours to touch); an unknown bare {word} is a problem found at creation. A word begins with a letter or _,
 * goes on with letters, digits, _ . -, and a brace after $ (${HOME}) is the shell's. A parameter of such a name hides ours. */
#ifndef HONE_MODEL_TEMPLATE_H
#define HONE_MODEL_TEMPLATE_H

#include "base/problems.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct template_values {
    const json_t *params;    /* {"lr": 0.1}; inactive ones are not in it and render as "" */
    const char *const *names; /* all parameter names of the space, NULL-ended */
    long long trial;
    unsigned long long seed;
    long long budget; /* 0 = none: nothing stands for it */
    const char *trial_name;  /* "digits-12" for ${trialSpec.Name} */
    bool dollar_only;        /* words in braces are no placeholders (model/manifest.h) */
};

/* `text` with its placeholders replaced, malloced. Numbers as %.17g shortened to what reads back the same, booleans as
 * true/false, strings as they are: the result is one argument. `shell_quote`: each value is put in single quotes for sh. */
char *template_render(const char *text, const struct template_values *values, bool shell_quote);

/* The value of one parameter as text (malloced): how it stands in argv and in HONE_PARAM_NAME. */
char *template_value(const json_t *value);

/* The text as it must be written to come out of template_render as it is: braces around words are doubled. Katib's placeholders stay. Malloced. */
char *template_escape(const char *text);

/* Checks at creation that each placeholder of `text` is known. */
void template_check(const char *text, const char *const *names, const char *pointer, struct problems *problems);
void template_check_dollar(const char *text, const char *const *names, const char *pointer, struct problems *problems); /* with dollar_only */

#endif
