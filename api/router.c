/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "router.h"

#include "handlers.h"
#include "katib.h"
#include "members.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

const struct route routes[] = {
#define READ(path, handler, access, flags) {"GET", path, handle_##handler, NO_COMMAND, ACCESS_##access, flags, members_nothing, NULL},
#define CHANGE(method, path, handler, command, access, flags, members)                                                              \
    {#method, path, handle_##handler, CMD_##command, ACCESS_##access, flags, members_##members, NULL},
#include "routes.def"
#undef READ
#undef CHANGE
#define KATIB(method, path, handler, command, flags) {#method, path, handle_##handler, command, ACCESS_OWNER, flags, NULL, &form_katib},
#include "routes_katib.def"
#undef KATIB
    {0}};

#define ROUTES (sizeof routes / sizeof routes[0] - 1)

/* A path cut at its slashes, with the verb behind the last colon of the last segment. */
struct cut {
    size_t n;
    char *segment[ROUTE_SEGMENTS];
    char *verb; /* NULL = none */
};

static struct cut patterns[ROUTES];
static char pattern_text[ROUTES][160];

static bool cut_path(char *path, struct cut *out)
{
    *out = (struct cut){0};
    if (*path++ != '/')
        return false;
    if (!*path)
        return true;
    for (;;) {
        if (out->n == ROUTE_SEGMENTS)
            return false;
        out->segment[out->n++] = path;
        path = strchr(path, '/');
        if (!path)
            break;
        *path++ = '\0';
    }
    char *colon = strrchr(out->segment[out->n - 1], ':');
    if (colon) {
        *colon = '\0';
        out->verb = colon + 1;
    }
    return true;
}

void router_setup(void)
{
    for (size_t i = 0; i < ROUTES; i++) {
        assert(strlen(routes[i].path) < sizeof pattern_text[i]);
        (void)snprintf(pattern_text[i], sizeof pattern_text[i], "%s", routes[i].path);
        (void)cut_path(pattern_text[i], &patterns[i]);
    }
}

static bool matches(const struct cut *pattern, const struct cut *path, char *arg[ROUTE_ARGS])
{
    if (pattern->n != path->n || !pattern->verb != !path->verb || (path->verb && strcmp(pattern->verb, path->verb) != 0))
        return false;
    size_t n = 0;
    for (size_t i = 0; i < path->n; i++) {
        if (*pattern->segment[i] == '{') {
            if (!*path->segment[i])
                return false;
            arg[n++] = path->segment[i];
        } else if (strcmp(pattern->segment[i], path->segment[i]) != 0) {
            return false;
        }
    }
    return true;
}

static void add_method(char allow[ROUTE_ALLOW], const char *method)
{
    size_t used = strlen(allow);
    (void)snprintf(allow + used, ROUTE_ALLOW - used, "%s%s%s", used ? ", " : "", method, !strcmp(method, "GET") ? ", HEAD" : "");
}

const struct route *router_find(const char *method, char *path, char *arg[ROUTE_ARGS], char allow[ROUTE_ALLOW])
{
    struct cut cut;
    *allow = '\0';
    if (!strcmp(method, "HEAD"))
        method = "GET";
    if (!cut_path(path, &cut))
        return NULL;
    for (size_t i = 0; i < ROUTES; i++) {
        if (!matches(&patterns[i], &cut, arg))
            continue;
        if (!strcmp(routes[i].method, method))
            return &routes[i];
        add_method(allow, routes[i].method);
    }
    return NULL;
}
