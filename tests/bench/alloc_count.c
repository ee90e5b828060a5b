/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * For LD_PRELOAD: counts what a program asks malloc and its kin for, and says so on
 * standard error when it exits: "allocations N". The allocator stays the C library's.
 */
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t align, size_t n);

static atomic_ulong n_calls;

void *malloc(size_t n)
{
	n_calls++;
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	n_calls++;
	return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
	n_calls++;
	return __libc_realloc(p, n);
}

void *aligned_alloc(size_t align, size_t n)
{
	n_calls++;
	return __libc_memalign(align, n);
}

int posix_memalign(void **p, size_t align, size_t n)
{
	n_calls++;
	*p = __libc_memalign(align, n);
	return *p ? 0 : ENOMEM;
}

__attribute__((destructor)) static void say(void)
{
	char line[48];
	int n = snprintf(line, sizeof(line), "allocations %lu\n", n_calls);

	if (write(STDERR_FILENO, line, (size_t)n) != n)
		_exit(1);
}
