/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The functions and options that verbs.def names. */
#ifndef HONE_CLI_VERBS_H
#define HONE_CLI_VERBS_H

#include "cli/verb.h"

#define VERB(name, group, uses, min, max, options, args, help, example)                              \
    enum err verb_##name(struct cli *cli, struct error *error);                                      \
    extern const struct option_row options_##options[];
#define ALIAS(other, name)
#include "cli/verbs.def"
#undef VERB
#undef ALIAS

#endif
