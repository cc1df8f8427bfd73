/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files that are part of the binary (assets.S). */
#ifndef HONE_API_ASSETS_H
#define HONE_API_ASSETS_H

#include <stdint.h>

/*       symbol        file          type; each is there as it is and, SYMBOL_gz, gzipped */
#define ASSETS(X)                                                                                                                   \
    X(index_html, "index.html", "text/html; charset=utf-8")                                                                         \
    X(app_js, "app.js", "text/javascript; charset=utf-8")                                                                           \
    X(app_css, "app.css", "text/css; charset=utf-8")                                                                                \
    X(favicon_svg, "favicon.svg", "image/svg+xml")

#define X(symbol, name, type) extern const char asset_##symbol[], asset_##symbol##_gz[];                                            \
    extern const uint64_t asset_##symbol##_size, asset_##symbol##_gz_size;
ASSETS(X)
#undef X

extern const char asset_openapi_yaml[], asset_errors_md[];
extern const uint64_t asset_openapi_yaml_size, asset_errors_md_size;

#endif
