/* SPDX-License-Identifier: BSD-3-Clause */
#include "casetest/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What nr_json_valid() has accepted is read without further checks of its form. */
struct in {
	const char *p, *end;
	struct nr_arena *arena;
};

static void skip_space(struct in *in)
{
	while (in->p < in->end && strchr(" \t\r", *in->p))
		in->p++;
}

static unsigned hex4(const char *p)
{
	char text[5] = { p[0], p[1], p[2], p[3], 0 };

	return (unsigned)strtoul(text, NULL, 16);
}

static void add_utf8(struct nr_buf *b, unsigned c)
{
	char utf8[4];

	nr_buf_add(b, utf8, (size_t)(nr_utf8_put(utf8, c) - utf8));
}

/* Behind "\u"; a surrogate alone becomes three bytes that are no UTF-8, as \xNN later. */
static void take_unicode(struct in *in, struct nr_buf *b)
{
	unsigned c = hex4(in->p), low;

	in->p += 4;
	if (c >= 0xd800 && c < 0xdc00 && in->end - in->p >= 6 && in->p[0] == '\\' &&
	    in->p[1] == 'u') {
		low = hex4(in->p + 2);
		if (low >= 0xdc00 && low < 0xe000) {
			in->p += 6;
			c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
		}
	}
	add_utf8(b, c);
}

/* A string with its quotes, decoded into b. */
static void take_string(struct in *in, struct nr_buf *b)
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";

	for (in->p++; *in->p != '"';) {
		char c = *in->p++;
		const char *at;

		if (c != '\\') {
			nr_buf_char(b, c);
			continue;
		}
		c = *in->p++;
		at = strchr(from, c);
		if (c == 'u')
			take_unicode(in, b);
		else
			nr_buf_char(b, at ? to[at - from] : c);
	}
	in->p++;
}

static void put_canonical(struct in *in, struct nr_buf *out);

struct pair {
	char *key, *value;
};

static int by_key(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;
	int c = strcmp(x->key, y->key);

	return c ? c : strcmp(x->value, y->value);
}

static char *arena_text(struct in *in, struct nr_buf *b)
{
	char *s = nr_arena_copy(in->arena, b->p ? b->p : "", b->len);

	nr_buf_fini(b);
	*b = (struct nr_buf){ 0 };
	return s;
}

static void put_object(struct in *in, struct nr_buf *out)
{
	struct nr_buf list = { 0 };
	struct pair *pairs;
	size_t n;

	for (in->p++, skip_space(in); *in->p != '}'; skip_space(in)) {
		struct pair x;
		struct nr_buf b = { 0 }, key = { 0 };

		if (*in->p == ',') {
			in->p++;
			continue;
		}
		take_string(in, &key);
		nr_buf_json(&b, key.p ? key.p : "", key.len);
		nr_buf_fini(&key);
		x.key = arena_text(in, &b);
		skip_space(in);
		in->p++; /* the colon */
		put_canonical(in, &b);
		x.value = arena_text(in, &b);
		nr_buf_add(&list, &x, sizeof(x));
	}
	in->p++;
	pairs = (struct pair *)(void *)list.p;
	n = list.len / sizeof(*pairs);
	if (n)
		qsort(pairs, n, sizeof(*pairs), by_key);
	nr_buf_char(out, '{');
	for (size_t i = 0; i < n; i++) {
		nr_buf_str(out, i ? "," : "");
		nr_buf_str(out, pairs[i].key);
		nr_buf_char(out, ':');
		nr_buf_str(out, pairs[i].value);
	}
	nr_buf_char(out, '}');
	nr_buf_fini(&list);
}

static void put_array(struct in *in, struct nr_buf *out)
{
	nr_buf_char(out, '[');
	for (in->p++, skip_space(in); *in->p != ']'; skip_space(in)) {
		if (*in->p == ',') {
			nr_buf_char(out, *in->p++);
			continue;
		}
		put_canonical(in, out);
	}
	in->p++;
	nr_buf_char(out, ']');
}

static void put_scalar(struct in *in, struct nr_buf *out)
{
	const char *from = in->p;
	char number[64], text[64];
	size_t n;

	while (in->p < in->end && !strchr(" \t\r,]}", *in->p))
		in->p++;
	n = (size_t)(in->p - from);
	if (n >= sizeof(number) || !memchr("-0123456789", *from, 11)) {
		nr_buf_add(out, from, n);
		return;
	}
	memcpy(number, from, n);
	number[n] = '\0';
	if (strpbrk(number, ".eE"))
		snprintf(text, sizeof(text), "%.17g", strtod(number, NULL));
	nr_buf_str(out, strpbrk(number, ".eE") ? text : number);
}

/* One value. The depth is bounded: nr_json_valid() has refused more than 64. */
static void put_canonical(struct in *in, struct nr_buf *out)
{
	struct nr_buf b = { 0 };

	skip_space(in);
	switch (*in->p) {
	case '{':
		put_object(in, out);
		break;
	case '[':
		put_array(in, out);
		break;
	case '"':
		take_string(in, &b);
		nr_buf_json(out, b.p ? b.p : "", b.len);
		nr_buf_fini(&b);
		break;
	default:
		put_scalar(in, out);
	}
}

static bool has_twice(const struct nr_json_member *m, size_t n, const char **which)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < i; k++)
			if (!strcmp(m[i].key, m[k].key)) {
				*which = m[i].key;
				return true;
			}
	return false;
}

enum { MAX_MEMBERS = 512 };

/* At least as many as members of the first level, one more than the commas, capped. */
static size_t room_for(const char *p, size_t n)
{
	size_t room = 1;

	for (size_t i = 0; i < n && room < MAX_MEMBERS; i++)
		room += p[i] == ',';
	return room;
}

int nr_json_line_parse(struct nr_json_line *out, struct nr_arena *a, const char *p,
		       size_t n, struct nr_err *err)
{
	struct in in = { p, p + n, a };
	size_t room = room_for(p, n);
	struct nr_json_member *m = nr_arena_alloc(a, room * sizeof(*m));
	const char *which;

	*out = (struct nr_json_line){ .m = m };
	while (in.end > in.p && strchr(" \t\r", in.end[-1]))
		in.end--;
	skip_space(&in);
	if (in.p == in.end || *in.p != '{' ||
	    !nr_json_valid(in.p, (size_t)(in.end - in.p)))
		return nr_fail(err, -EINVAL, "this is no JSON object");
	for (in.p++, skip_space(&in); *in.p != '}'; skip_space(&in)) {
		struct nr_buf b = { 0 };
		struct nr_json_member *x = &m[out->n];

		if (*in.p == ',') {
			in.p++;
			continue;
		}
		if (out->n == room)
			return nr_fail(err, -EINVAL,
				       "the object has more than %d members",
				       MAX_MEMBERS);
		take_string(&in, &b);
		x->key = arena_text(&in, &b);
		skip_space(&in);
		in.p++; /* the colon */
		skip_space(&in);
		x->raw_at = (size_t)(in.p - p);
		put_canonical(&in, &b);
		x->raw_len = (size_t)(in.p - p) - x->raw_at;
		x->value = arena_text(&in, &b);
		out->n++;
	}
	if (has_twice(m, out->n, &which))
		return nr_fail(err, -EINVAL, "the key \"%.60s\" stands there twice",
			       which);
	return 0;
}

const char *nr_json_get(const struct nr_json_line *l, const char *key)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->m[i].key, key))
			return nr_json_is_null(l->m[i].value) ? NULL : l->m[i].value;
	return NULL;
}

const char *nr_json_text(const struct nr_json_line *l, const char *key,
			 struct nr_arena *a)
{
	const char *v = nr_json_get(l, key);
	struct in in = { v, v ? v + strlen(v) : NULL, a };
	struct nr_buf b = { 0 };

	if (!v || *v != '"')
		return v;
	take_string(&in, &b);
	return arena_text(&in, &b);
}
