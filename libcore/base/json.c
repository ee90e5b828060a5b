/* SPDX-License-Identifier: BSD-3-Clause */
/* Is it one JSON value? Keeps a broken producer from breaking a line of output. */
#include "base/text.h"

#include <string.h>

enum { MAX_DEPTH = 64 };

struct scan {
	const char *p, *end;
};

static void skip_space(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t'))
		s->p++;
}

static bool word(struct scan *s, const char *w)
{
	size_t n = strlen(w);

	if ((size_t)(s->end - s->p) < n || memcmp(s->p, w, n) != 0)
		return false;
	s->p += n;
	return true;
}

static bool digits(struct scan *s)
{
	const char *from = s->p;

	while (s->p < s->end && *s->p >= '0' && *s->p <= '9')
		s->p++;
	return s->p > from;
}

static bool number(struct scan *s)
{
	if (s->p < s->end && *s->p == '-')
		s->p++;
	if (s->p < s->end && *s->p == '0')
		s->p++;
	else if (!digits(s))
		return false;
	if (s->p < s->end && *s->p == '.') {
		s->p++;
		if (!digits(s))
			return false;
	}
	if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
		s->p++;
		if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
			s->p++;
		return digits(s);
	}
	return true;
}

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Whether one of 8 bytes is a quote, a backslash or below 0x20. */
static bool is_special8(const char *p)
{
	const uint64_t ones = 0x0101010101010101, tops = ones << 7;
	uint64_t v, quote, slash;

	memcpy(&v, p, 8);
	quote = v ^ '"' * ones;
	slash = v ^ '\\' * ones;
	return (((quote - ones) & ~quote) | ((slash - ones) & ~slash) |
		((v - 0x20 * ones) & ~v)) &
	       tops;
}

/* Behind the opening quote, to behind the closing one. */
static bool string(struct scan *s)
{
	while (s->p < s->end) {
		unsigned char c;

		while (s->end - s->p >= 8 && !is_special8(s->p))
			s->p += 8;
		if (s->p == s->end)
			return false;
		c = (unsigned char)*s->p++;
		if (c == '"')
			return true;
		if (c < 0x20)
			return false;
		if (c != '\\')
			continue;
		if (s->p == s->end)
			return false;
		c = (unsigned char)*s->p++;
		if (c == 'u') {
			for (int i = 0; i < 4; i++, s->p++) {
				if (s->p == s->end || !is_hex(*s->p))
					return false;
			}
		} else if (!c || !strchr("\"\\/bfnrt", c)) {
			return false;
		}
	}
	return false;
}

static bool scalar(struct scan *s)
{
	switch (*s->p) {
	case '"':
		s->p++;
		return string(s);
	case 't':
		return word(s, "true");
	case 'f':
		return word(s, "false");
	case 'n':
		return word(s, "null");
	default:
		return number(s);
	}
}

/* A key and its colon. */
static bool key(struct scan *s)
{
	skip_space(s);
	if (s->p == s->end || *s->p++ != '"' || !string(s))
		return false;
	skip_space(s);
	return s->p < s->end && *s->p++ == ':';
}

bool nr_json_valid(const char *p, size_t n)
{
	struct scan s = { p, p + n };
	char open[MAX_DEPTH]; /* the brackets around s.p */
	unsigned depth = 0;

	if (nr_utf8_span(p, n) != n)
		return false;
	for (;;) { /* a value begins at s.p */
		char c;

		skip_space(&s);
		if (s.p == s.end)
			return false;
		c = *s.p;
		if (c == '{' || c == '[') {
			if (depth == MAX_DEPTH)
				return false;
			s.p++;
			skip_space(&s);
			open[depth++] = c;
			if (s.p == s.end || *s.p != (c == '{' ? '}' : ']')) {
				if (c == '{' && !key(&s))
					return false;
				continue;
			}
		} else if (!scalar(&s)) {
			return false;
		}
		for (;;) { /* behind a value, or at the bracket of an empty list */
			skip_space(&s);
			if (!depth)
				return s.p == s.end;
			if (s.p == s.end)
				return false;
			c = *s.p++;
			if (c == ',')
				break;
			if (c != (open[depth - 1] == '{' ? '}' : ']'))
				return false;
			depth--;
		}
		if (open[depth - 1] == '{' && !key(&s))
			return false;
	}
}
