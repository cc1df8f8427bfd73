/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The files that the service answers with, as bytes of the binary; each ends with a NUL that is not part of it. Names are of assets.h;
 * those under web/ are made by api/web/build.mjs in the build directory. */
    .section .rodata

#define ASSET(symbol, file)              \
    .globl asset_##symbol               ;\
    .globl asset_##symbol##_size        ;\
asset_##symbol:                         ;\
    .incbin file                        ;\
1:  .byte 0                             ;\
    .balign 8                           ;\
asset_##symbol##_size:                  ;\
    .quad 1b - asset_##symbol

ASSET(index_html, "web/index.html")
ASSET(index_html_gz, "web/index.html.gz")
ASSET(app_js, "web/app.js")
ASSET(app_js_gz, "web/app.js.gz")
ASSET(app_css, "web/app.css")
ASSET(app_css_gz, "web/app.css.gz")
ASSET(favicon_svg, "web/favicon.svg")
ASSET(favicon_svg_gz, "web/favicon.svg.gz")
ASSET(openapi_yaml, "api/openapi.yaml")
ASSET(errors_md, "docs/reference/errors.md")

    .section .note.GNU-stack, "", %progbits
