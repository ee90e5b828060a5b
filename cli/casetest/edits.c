/* SPDX-License-Identifier: BSD-3-Clause */
#include "casetest/edits.h"

#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

struct edit {
	size_t at, len, order;
	char *with;
};

static struct edit *list_of(const struct nr_edits *e, size_t *n)
{
	*n = e->list.len / sizeof(struct edit);
	return (struct edit *)(void *)e->list.p;
}

void nr_edits_add(struct nr_edits *e, size_t at, size_t len, const char *with)
{
	size_t n;
	struct edit x = { .at = at, .len = len, .with = nr_xstrdup(with) };

	list_of(e, &n);
	x.order = n;
	nr_buf_add(&e->list, &x, sizeof(x));
}

bool nr_edits_empty(const struct nr_edits *e)
{
	return !e->list.len;
}

static int by_place(const void *a, const void *b)
{
	const struct edit *x = a, *y = b;

	if (x->at != y->at)
		return x->at < y->at ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

void nr_edits_apply(const struct nr_edits *e, const char *text, size_t len,
		    struct nr_buf *out)
{
	size_t n, at = 0;
	struct edit *list = list_of(e, &n);

	if (n)
		qsort(list, n, sizeof(*list), by_place);
	for (size_t i = 0; i < n; i++) {
		if (list[i].at > at)
			nr_buf_add(out, text + at, list[i].at - at);
		if (list[i].at > at)
			at = list[i].at;
		/* an insertion at the end of a text that lacks its last line feed */
		if (at == len && out->len && out->p[out->len - 1] != '\n' &&
		    *list[i].with)
			nr_buf_char(out, '\n');
		nr_buf_str(out, list[i].with);
		at += list[i].len;
		if (at > len)
			at = len;
	}
	nr_buf_add(out, text + at, len - at);
}

void nr_edits_tell(const struct nr_edits *e, const char *text,
		   void (*tell)(void *arg, unsigned line, const char *old, size_t n,
				const char *with),
		   void *arg)
{
	unsigned line = 1;
	size_t n, at = 0;
	const struct edit *list = list_of(e, &n);

	for (size_t i = 0; i < n; i++) {
		for (; at < list[i].at; at++)
			line += text[at] == '\n';
		tell(arg, line, text + list[i].at, list[i].len, list[i].with);
	}
}

void nr_edits_fini(struct nr_edits *e)
{
	size_t n;
	struct edit *list = list_of(e, &n);

	for (size_t i = 0; i < n; i++)
		nr_free(list[i].with);
	nr_buf_fini(&e->list);
}
