/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Allocation, and the marks that let AddressSanitizer see inside arenas and slabs.
 *
 * The x-functions never return NULL: running out of memory for the run's own structures
 * ends the process with a sentence (what traffic can grow has caps and never gets here).
 */
#pragma once

#include <stddef.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__)
#define NR_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NR_ASAN 1
#endif
#endif

#ifdef NR_ASAN
#include <sanitizer/asan_interface.h>
#define NR_POISON(p, n)   ASAN_POISON_MEMORY_REGION((p), (n))
#define NR_UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#else
#define NR_POISON(p, n)   ((void)(p), (void)(n))
#define NR_UNPOISON(p, n) ((void)(p), (void)(n))
#endif

void *nr_xmalloc(size_t n);
void *nr_xcalloc(size_t n, size_t size);
void *nr_xrealloc(void *p, size_t n);
char *nr_xstrdup(const char *s);

static inline void nr_free(void *p)
{
	free(p);
}
