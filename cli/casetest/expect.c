/* SPDX-License-Identifier: BSD-3-Clause */
#include "casetest/expect.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

bool nr_expect_next_line(struct nr_expect_span *s, const char *text, size_t len)
{
	const char *lf;

	if (s->line)
		s->at += s->len + 1;
	if (s->at >= len)
		return false;
	lf = memchr(text + s->at, '\n', len - s->at);
	s->len = lf ? (size_t)(lf - (text + s->at)) : len - s->at;
	s->line++;
	return true;
}

/* One letter more, less, or another; or two exchanged. */
static bool is_slip(const char *a, const char *b)
{
	size_t na = strlen(a), nb = strlen(b);

	while (na && nb && *a == *b) {
		a++;
		b++;
		na--;
		nb--;
	}
	while (na && nb && a[na - 1] == b[nb - 1]) {
		na--;
		nb--;
	}
	return (na < 2 && nb < 2) || (na == 2 && nb == 2 && a[0] == b[1] && a[1] == b[0]);
}

static char *trimmed(const char *p, size_t n, struct nr_arena *a)
{
	while (n && isspace((unsigned char)*p)) {
		p++;
		n--;
	}
	while (n && isspace((unsigned char)p[n - 1]))
		n--;
	return nr_arena_copy(a, p, n);
}

int nr_expect_directive(const char *p, size_t n, const char *const *words,
			const char **value, struct nr_arena *a, struct nr_err *err)
{
	const char *colon;
	char *word;

	while (n && isspace((unsigned char)*p)) {
		p++;
		n--;
	}
	colon = memchr(p, ':', n < 16 ? n : 16);
	if (!colon)
		return -1;
	word = nr_arena_copy(a, p, (size_t)(colon - p));
	for (int i = 0; words[i]; i++) {
		if (!strcmp(word, words[i])) {
			*value = trimmed(colon + 1, n - (size_t)(colon + 1 - p), a);
			return i;
		}
		/* a slip of the pen must not become a comment */
		if (is_slip(word, words[i])) {
			nr_fail(err, -EINVAL,
				"there is no '%s:' here; did you mean '%s:'?", word,
				words[i]);
			return -2;
		}
	}
	return -1;
}

int nr_expect_exit_parse(struct nr_expect_exit *e, const char *value,
			 struct nr_expect_span where, struct nr_err *err)
{
	if (e->status >= 0)
		return nr_fail(err, -EINVAL, "the exit status is given twice");
	if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0 && strcmp(value, "3") != 0)
		return nr_fail(err, -EINVAL,
			       "replay ends with 0, 1 (no capture) or 3 (damaged), never "
			       "'%.40s'",
			       value);
	e->status = *value - '0';
	e->where = where;
	return 0;
}
