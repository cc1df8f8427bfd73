/* SPDX-License-Identifier: GPL-3.0-or-later */
/* System calls without a C library. Starting glibc, even linked statically, takes 0.4 ms of CPU, and there is one of these for each
 * trial. Another machine needs its three instructions here; the rest is the same. */
#ifndef HONE_RUN_SYS_H
#define HONE_RUN_SYS_H

#include <asm/unistd.h>

#if defined __x86_64__

static inline long sys6(long n, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "0"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
    return result;
}

__asm__(".text\n.globl _start\n_start:\n\txor %ebp, %ebp\n\tmov %rsp, %rdi\n\tand $-16, %rsp\n\tcall begin\n");

#elif defined __aarch64__

static inline long sys6(long n, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = n;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
}

__asm__(".text\n.globl _start\n_start:\n\tmov x29, #0\n\tmov x30, #0\n\tmov x0, sp\n\tand sp, x0, #-16\n\tbl begin\n");

#else
#error "hone-run: add the system call and the entry of this machine here"
#endif

#define SYS(n, a, b, c, d, e) sys6(__NR_##n, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), 0)
#define SYS4(n, a, b, c, d) SYS(n, a, b, c, d, 0)
#define SYS3(n, a, b, c) SYS(n, a, b, c, 0, 0)
#define SYS2(n, a, b) SYS(n, a, b, 0, 0, 0)
#define SYS1(n, a) SYS(n, a, 0, 0, 0, 0)
#define SYS0(n) SYS(n, 0, 0, 0, 0, 0)

#endif
