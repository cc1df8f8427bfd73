/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The migrations, each as a C string. */
    .section .rodata

    .macro text name, file
    .global \name
\name:
    .incbin "\file"
    .byte 0
    .endm

    text schema_0001, "src/store/schema/0001_init.sql"
    text schema_0002, "src/store/schema/0002_pipelines.sql"

    .section .note.GNU-stack, "", %progbits
