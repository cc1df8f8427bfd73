/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Runs the files given as arguments through one fuzz target. */
#include "fuzz.h"

#include <stdio.h>

#define MAX_BYTES (4u << 20)

int main(int argc, char **argv)
{
    char *data CLEANUP_FREE = x_malloc(MAX_BYTES);
    for (int i = 1; i < argc; i++) {
        FILE *f = fopen(argv[i], "rb");
        if (!f) {
            perror(argv[i]);
            return 1;
        }
        size_t n = fread(data, 1, MAX_BYTES, f);
        (void)fclose(f);
        uint8_t *exact CLEANUP_FREE = x_malloc(n ? n : 1); /* so that a read past the end is seen */
        memcpy(exact, data, n);
        (void)LLVMFuzzerTestOneInput(exact, n);
    }
    (void)printf("%d inputs\n", argc - 1);
    return argc < 2;
}
