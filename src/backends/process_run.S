/* SPDX-License-Identifier: GPL-3.0-or-later */
/* hone-run, whole, inside hone: the product stays one file. */
    .section .rodata
    .globl hone_run_program
    .globl hone_run_program_end
    .balign 16
hone_run_program:
    .incbin "hone-run"
hone_run_program_end:
    .section .note.GNU-stack, "", %progbits
