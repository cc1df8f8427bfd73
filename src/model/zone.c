/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "model/zone.h"

#include "base/mem.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

/* The four calls of GLib's stable interface that are needed; its headers would be a large package for them. */
#define TIME_UNIVERSAL 2
struct zone;
static struct {
    struct zone *(*new_identifier)(const char *name); /* NULL: there is none; since 2.68 */
    void (*unref)(struct zone *z);
    int (*find_interval)(struct zone *z, int type, int64_t time);
    int32_t (*get_offset)(struct zone *z, int interval);
} glib;
static bool loaded;

static bool find(void *handle, const char *name, void *slot)
{
    void *symbol = dlsym(handle, name);
    memcpy(slot, &symbol, sizeof symbol); /* as in net/curl_lib.c */
    return symbol != NULL;
}

static void load(void)
{
    void *handle = dlopen("libglib-2.0.so.0", RTLD_NOW | RTLD_LOCAL);
    loaded = handle && find(handle, "g_time_zone_new_identifier", &glib.new_identifier) && find(handle, "g_time_zone_unref", &glib.unref) &&
             find(handle, "g_time_zone_find_interval", &glib.find_interval) && find(handle, "g_time_zone_get_offset", &glib.get_offset);
}

/* GLib takes "+02:00" and POSIX rules too, and paths; a schedule names a zone of the database. */
static bool name_ok(const char *name)
{
    return strlen(name) < 64 && strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_+-/") == strlen(name) &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") > 1;
}

enum err zone_open(const char *name, struct zone **out, struct error *error)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    *out = NULL;
    if (!strcmp(name, "UTC"))
        return OK;
    (void)pthread_once(&once, load);
    if (!loaded)
        return err_set(error, ERR_UNSUPPORTED, "NO_TIME_ZONES", "time zones need GLib 2.68 or newer: install libglib2.0-0, or write timezone: UTC");
    *out = name_ok(name) ? glib.new_identifier(name) : NULL;
    if (*out)
        return OK;
    return err_set(error, ERR_INVALID, "TIME_ZONE", "there is no time zone \"%.64s\"; write a name such as Europe/Berlin (is the package tzdata installed?)", name);
}

void zone_close(struct zone *z)
{
    if (z)
        glib.unref(z);
}

int64_t zone_offset(const struct zone *z, int64_t utc_s)
{
    struct zone *zone = (struct zone *)(uintptr_t)z; /* GLib knows no const */
    return zone ? glib.get_offset(zone, glib.find_interval(zone, TIME_UNIVERSAL, utc_s)) : 0;
}
