/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The files that the service answers with, as bytes of the binary; each ends with a NUL that is not part of it. Names are of assets.h. */
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

ASSET(index_html, "api/web/index.html")
ASSET(app_js, "api/web/app.js")
ASSET(style_css, "api/web/style.css")
ASSET(favicon_svg, "api/web/favicon.svg")
ASSET(openapi_yaml, "api/openapi.yaml")
ASSET(errors_md, "docs/reference/errors.md")

    .section .note.GNU-stack, "", %progbits
