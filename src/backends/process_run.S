/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hone-run, whole, inside hone: the product stays one file. */
    .section .rodata
    .globl hone_run_program
    .globl hone_run_program_size
    .balign 8
hone_run_program_size:
    .quad 1f - hone_run_program
hone_run_program:
    .incbin "hone-run"
1:
    .section .note.GNU-stack, "", %progbits
