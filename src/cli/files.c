/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files that the command line reads and leaves behind. */
#include "cli/files.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *file_read(const char *path, size_t limit, size_t *len, struct error *error)
{
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (!f) {
        (void)err_set(error, ERR_USAGE, "FILE_UNREADABLE", "%s: %s", path, strerror(errno));
        return NULL;
    }
    char *text = x_malloc(limit + 2);
    *len = fread(text, 1, limit + 1, f);
    text[*len] = '\0';
    int why = ferror(f) ? errno : 0;
    if (f != stdin)
        (void)fclose(f);
    if (!why && *len <= limit)
        return text;
    free(text);
    if (why)
        (void)err_set(error, ERR_USAGE, "FILE_UNREADABLE", "%s: %s", path, strerror(why));
    else
        (void)err_set(error, ERR_USAGE, "FILE_TOO_LARGE", "%s: larger than %zu bytes", path, limit);
    return NULL;
}

static void make_parents(const char *path)
{
    CLEANUP_FREE char *p = x_strdup(path);
    for (char *slash = strchr(p + 1, '/'); p[0] && slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(p, 0777); /* what fails shows when the file is made */
        *slash = '/';
    }
}

/* For what must not be replaced by a new file: pipes, terminals, /dev/stdout. */
static enum err write_through(const char *path, const char *text, struct error *error)
{
    FILE *f = fopen(path, "we");
    bool ok = f && fputs(text, f) >= 0;
    ok = f && fclose(f) == 0 && ok;
    return ok ? OK : err_set(error, ERR_USAGE, "FILE_UNWRITABLE", "%s: %s", path, strerror(errno));
}

enum err file_write(const char *path, const char *text, mode_t mode, struct error *error)
{
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return write_through(path, text, error);
    make_parents(path);
    CLEANUP_FREE char *temp = x_asprintf("%s.%ld", path, (long)getpid());
    int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    size_t len = strlen(text), done = 0;
    while (fd >= 0 && done < len) {
        ssize_t n = write(fd, text + done, len - done);
        if (n < 0 && errno != EINTR)
            break;
        done += n > 0 ? (size_t)n : 0;
    }
    bool kept = fd >= 0 && done == len && fsync(fd) == 0;
    int why = errno;
    if (fd >= 0)
        (void)close(fd);
    if (kept && rename(temp, path) == 0)
        return OK;
    why = kept ? errno : why;
    (void)unlink(temp);
    return err_set(error, ERR_USAGE, "FILE_UNWRITABLE", "%s: %s", path, strerror(why));
}
