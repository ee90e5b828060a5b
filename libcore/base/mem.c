/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

static void *or_die(void *p, size_t n)
{
	if (p)
		return p;
	fprintf(stderr,
		"nrtool: out of memory while asking for %zu bytes; "
		"lower --max-flows or give the process more memory\n",
		n);
	abort();
}

void *nr_xmalloc(size_t n)
{
	return or_die(malloc(n ? n : 1), n);
}

void *nr_xcalloc(size_t n, size_t size)
{
	return or_die(calloc(n ? n : 1, size ? size : 1), n * size);
}

void *nr_xrealloc(void *p, size_t n)
{
	return or_die(realloc(p, n ? n : 1), n);
}

char *nr_xstrdup(const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(nr_xmalloc(n), s, n);
}
