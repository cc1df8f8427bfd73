/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "net/curl_lib.h"

#include "base/mem.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

struct curl_lib curl_lib;
static bool loaded;

/* A function pointer cannot be cast from dlsym's object pointer in C11; POSIX says that its bytes are one. */
static bool find(void *handle, const char *name, void *slot)
{
    void *symbol = dlsym(handle, name);
    memcpy(slot, &symbol, sizeof symbol);
    return symbol != NULL;
}

static void load(void)
{
    static const char *const names[] = {"libcurl-gnutls.so.4", "libcurl.so.4", "libcurl-nss.so.4"};
    void *handle = NULL;
    for (size_t i = 0; i < ARRAY_LEN(names) && !handle; i++)
        handle = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    loaded = handle != NULL;
#define X(name) loaded = loaded && find(handle, "curl_" #name, &curl_lib.name);
    CURL_FUNCTIONS(X)
#undef X
    if (loaded)
        loaded = curl_lib.global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

bool curl_lib_load(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, load);
    return loaded;
}
