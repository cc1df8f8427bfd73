/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Small files, read and written whole. */
#ifndef HONE_CLI_FILES_H
#define HONE_CLI_FILES_H

#include "base/err.h"

#include <stddef.h>
#include <sys/types.h>

/* The file's bytes and a NUL, malloced; "-" is stdin. NULL (error: usage) when it cannot be read or is larger than `limit`. */
char *file_read(const char *path, size_t limit, size_t *len, struct error *error);

/* Replaces the file (by rename, so nobody sees half of it); missing directories are made. */
enum err file_write(const char *path, const char *text, mode_t mode, struct error *error);

#endif
