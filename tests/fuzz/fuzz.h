/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A fuzz target is one file fuzz_x.c with this function. With clang -fsanitize=fuzzer it is searched; with replay.c (any compiler)
 * the files of corpus/x are run through it. It aborts, or lets a sanitizer abort, on what must never be. */
#ifndef HONE_FUZZ_H
#define HONE_FUZZ_H

#include "base/mem.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input as a C string, malloced. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
    return x_strndup(size ? (const char *)data : "", size);
}

static inline void must(int holds)
{
    if (!holds)
        abort();
}

#endif
