/* SPDX-License-Identifier: GPL-3.0-or-later */
/* libcurl, loaded when the first request goes out: a service that calls nobody pays nothing for it (docs/decisions/0003). Included by
 * rest.c and transfers.c in place of curl.h; its calls look as they always do. */
#ifndef HONE_NET_CURL_LIB_H
#define HONE_NET_CURL_LIB_H

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <stdbool.h>

#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

#define CURL_FUNCTIONS(X)                                                                                                  \
    X(global_init) X(easy_init) X(easy_cleanup) X(easy_reset) X(easy_setopt) X(easy_getinfo) X(easy_perform) X(easy_strerror) \
    X(slist_append) X(slist_free_all) X(multi_init) X(multi_cleanup) X(multi_add_handle) X(multi_remove_handle) X(multi_perform)  \
    X(multi_info_read) X(multi_poll) X(multi_wakeup)

struct curl_lib {
#define X(name) __typeof__(curl_##name) *name;
    CURL_FUNCTIONS(X)
#undef X
};

/* Loads and sets it up, once and for good; any thread. False: no libcurl is installed. Before anything else here. */
bool curl_lib_load(void);
extern struct curl_lib curl_lib;

#define curl_easy_init curl_lib.easy_init
#define curl_easy_cleanup curl_lib.easy_cleanup
#define curl_easy_reset curl_lib.easy_reset
#define curl_easy_setopt curl_lib.easy_setopt
#define curl_easy_getinfo curl_lib.easy_getinfo
#define curl_easy_perform curl_lib.easy_perform
#define curl_easy_strerror curl_lib.easy_strerror
#define curl_multi_init curl_lib.multi_init
#define curl_multi_cleanup curl_lib.multi_cleanup
#define curl_multi_add_handle curl_lib.multi_add_handle
#define curl_multi_remove_handle curl_lib.multi_remove_handle
#define curl_multi_perform curl_lib.multi_perform
#define curl_multi_info_read curl_lib.multi_info_read
#define curl_multi_poll curl_lib.multi_poll
#define curl_multi_wakeup curl_lib.multi_wakeup
#define curl_slist_append curl_lib.slist_append
#define curl_slist_free_all curl_lib.slist_free_all

#endif
