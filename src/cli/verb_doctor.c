/* SPDX-License-Identifier: GPL-3.0-or-later */
/* doctor: what commonly stands in the way, looked at one by one. */
#include "base/mem.h"
#include "cli/client.h"
#include "cli/output.h"
#include "cli/table.h"
#include "cli/verbs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

const struct option_row options_doctor[] = {
    {"data", 0, OPT_TEXT, "DIR", "data directory of the service (HONE_DATA)"},
    {"listen", 0, OPT_TEXT, "HOST:PORT", "address that must be free (HONE_LISTEN)"},
    {0},
};

enum { DISK_LOW_MB = 200, FILES_SPARE = 256 };
#define BUILT_YEAR 2025 /* no clock that is right shows an earlier one */

enum status { FINE, SKIPPED, WARNING, BROKEN };
static const char *const status_names[] = {"ok", "skipped", "warning", "failed"};

struct doctor {
    struct cli *cli;
    struct config config;
    bool served; /* a service answers */
    json_t *checks;
    bool broken;
};

static void found(struct doctor *d, const char *name, enum status status, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static void found(struct doctor *d, const char *name, enum status status, const char *fmt, ...)
{
    char detail[600];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(detail, sizeof detail, fmt, ap);
    va_end(ap);
    (void)json_array_append_new(d->checks, json_pack("{s:s, s:s, s:s}", "check", name, "status", status_names[status], "detail", detail));
    d->broken |= status == BROKEN;
}

static void check_version(struct doctor *d)
{
    found(d, "version", FINE, "hone %s", HONE_VERSION);
}

static void check_clock(struct doctor *d)
{
    time_t now = time(NULL);
    struct tm tm;
    (void)gmtime_r(&now, &tm);
    bool fine = tm.tm_year + 1900 >= BUILT_YEAR;
    found(d, "clock", fine ? FINE : BROKEN, "%04d-%02d-%02d %02d:%02d UTC%s", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
          tm.tm_min, fine ? "" : " is in the past; set the clock");
}

static void check_settings(struct doctor *d)
{
    found(d, "settings", FINE, "%s", d->config.file ? d->config.file : "no file; defaults, environment and flags");
}

static void check_data(struct doctor *d)
{
    const char *dir = d->config.data;
    struct stat st;
    struct statvfs fs;
    if (stat(dir, &st) != 0 && errno == ENOENT)
        found(d, "data directory", FINE, "%s will be made", dir);
    else if (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode))
        found(d, "data directory", BROKEN, "%s: %s; choose another with --data", dir, errno ? strerror(errno) : "is no directory");
    else if (access(dir, W_OK | X_OK) != 0)
        found(d, "data directory", BROKEN, "%s: %s; make it writable or choose another with --data", dir, strerror(errno));
    else if (statvfs(dir, &fs) == 0 && (double)fs.f_bavail * (double)fs.f_frsize < DISK_LOW_MB * 1e6)
        found(d, "data directory", WARNING, "%s: less than %d MB are free", dir, DISK_LOW_MB);
    else
        found(d, "data directory", FINE, "%s", dir);
}

static void check_token(struct doctor *d)
{
    CLEANUP_FREE char *path = x_asprintf("%s/token", d->config.data);
    struct stat st;
    if (stat(path, &st) != 0)
        found(d, "token", errno == ENOENT ? SKIPPED : BROKEN, "%s: %s", path,
              errno == ENOENT ? "made by the first start" : strerror(errno));
    else if (st.st_mode & 077)
        found(d, "token", BROKEN, "%s can be read by others (mode %03o); chmod 600 it, or remove it and start anew", path,
              (unsigned)st.st_mode & 0777);
    else
        found(d, "token", FINE, "%s is yours alone", path);
}

static void check_files(struct doctor *d)
{
    struct rlimit limit;
    rlim_t wanted = (rlim_t)d->config.max_connections + FILES_SPARE;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_max < wanted)
        found(d, "open files", WARNING, "%lu are allowed, max_connections %d needs %lu; raise `ulimit -n` or lower it",
              (unsigned long)limit.rlim_max, d->config.max_connections, (unsigned long)wanted);
    else
        found(d, "open files", FINE, "enough for %d connections", d->config.max_connections);
}

/* ---- the service ---- */

static void check_service(struct doctor *d)
{
    struct error why = {0};
    json_t *version = NULL, *projects = NULL;
    enum err rc = client_open(d->cli, &why);
    if (rc && strcmp(why.name, "NO_SERVER") == 0) {
        found(d, "service", SKIPPED, "none runs here");
        return;
    }
    if (!rc)
        rc = client_get(d->cli, "/version", &version, &why);
    if (rc) {
        found(d, "service", BROKEN, "%s", why.detail);
        return;
    }
    d->served = true;
    CLEANUP_FREE char *text = value_text(json_object_get(version, "version"));
    bool same = strcmp(text, HONE_VERSION) == 0;
    found(d, "service", same ? FINE : WARNING, "%s runs version %s%s", d->cli->url, text, same ? "" : ", not that of this program");
    json_decref(version);
    rc = client_get(d->cli, "/api/v1/projects", &projects, &why);
    found(d, "access", rc ? BROKEN : FINE, "%s", rc ? why.detail : "the token is accepted");
    json_decref(projects);
}

static void check_ready(struct doctor *d)
{
    struct error why = {0};
    json_t *ready = NULL;
    CLEANUP_FREE char *database = x_asprintf("%s/hone.db", d->config.data);
    enum err rc = OK;
    if (d->served)
        rc = client_call(d->cli, "GET", "/readyz", NULL, &ready, &why);
    else if (access(database, F_OK) != 0) {
        found(d, "database", SKIPPED, "%s: made by the first start", database);
        return;
    } else
        rc = d->cli->embed->check(&d->config, &why);
    found(d, "database", rc ? BROKEN : FINE, "%s", rc ? why.detail : d->served ? "the service is ready" : database);
    json_decref(ready);
}

static void check_port(struct doctor *d)
{
    const char *listen = d->config.listen, *colon = strrchr(listen, ':');
    if (d->served) {
        found(d, "address", SKIPPED, "the service has it");
        return;
    }
    bool brackets = listen[0] == '[';
    CLEANUP_FREE char *host = colon ? x_strndup(listen + brackets, (size_t)(colon - listen) - 2 * brackets) : NULL;
    const struct addrinfo want = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    int rc = colon ? getaddrinfo(host, colon + 1, &want, &list) : EAI_NONAME;
    if (rc) {
        found(d, "address", BROKEN, "%s: %s; write HOST:PORT", listen, gai_strerror(rc));
        return;
    }
    int fd = socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    bool bound = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                 bind(fd, list->ai_addr, list->ai_addrlen) == 0;
    int why = errno;
    found(d, "address", bound ? FINE : BROKEN, "%s%s%s%s", listen, bound ? " is free" : ": ", bound ? "" : strerror(why),
          bound ? "" : "; choose another with --listen");
    if (fd >= 0)
        (void)close(fd);
    freeaddrinfo(list);
}

static void check_python(struct doctor *d)
{
    const char *path = getenv("PATH");
    for (const char *p = path ? path : ""; *p; p += strcspn(p, ":"), p += *p == ':') {
        CLEANUP_FREE char *file = x_asprintf("%.*s/python3", (int)strcspn(p, ":"), p);
        if (access(file, X_OK) == 0) {
            found(d, "python", FINE, "%s", file);
            return;
        }
    }
    found(d, "python", WARNING, "no python3 in PATH; only trials that use it need it");
}

static void (*const checks[])(struct doctor *) = {check_version, check_clock,  check_settings, check_data,   check_token,
                                                  check_files,   check_python, check_service,  check_port, check_ready};

static const struct column columns[] = {
    {"CHECK", "check", false},
    {"STATUS", "status", false},
    {"DETAIL", "detail", false},
    {NULL, NULL, false},
};

enum err verb_doctor(struct cli *cli, struct error *error)
{
    const char *flags[CONFIG_COUNT] = {NULL};
    flags[CONFIG_data] = args_text(&cli->args, "data");
    flags[CONFIG_listen] = args_text(&cli->args, "listen");
    struct doctor d = {.cli = cli};
    enum output_format format;
    enum err rc = output_format(cli, OUT_TABLE, false, &format, error);
    if (!rc)
        rc = config_load(&d.config, NULL, flags, error);
    if (rc)
        return rc;
    d.checks = json_array();
    for (size_t i = 0; i < ARRAY_LEN(checks); i++)
        checks[i](&d);
    json_decref(cli->problem);
    cli->problem = NULL; /* it is told as a check */
    if (format == OUT_JSON || format == OUT_YAML) {
        json_t *all = json_pack("{s:b, s:O}", "ok", !d.broken, "checks", d.checks);
        output_object(format, columns, "check", all);
        json_decref(all);
    } else {
        output_rows(cli, format, columns, "check", d.checks);
    }
    json_decref(d.checks);
    config_release(&d.config);
    cli->exit_code = d.broken;
    return OK;
}
