/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads /proc/PID/stat (proc(5)): the name in brackets may hold anything, so fields are counted from the last bracket. */
#include "cli/process.h"

#include <stdio.h>
#include <string.h>

long long process_started(long long pid)
{
    char path[48], text[1024] = "", state = 'Z';
    long long started = 0;
    (void)snprintf(path, sizeof path, "/proc/%lld/stat", pid);
    FILE *f = fopen(path, "re");
    if (!f)
        return 0;
    text[fread(text, 1, sizeof text - 1, f)] = '\0';
    (void)fclose(f);
    const char *end = strrchr(text, ')');
    int n = end ? sscanf(end + 1, " %c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lld", &state, &started) : 0;
    return n == 2 && !strchr("ZXx", state) ? started : 0;
}
