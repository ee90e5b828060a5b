/* SPDX-License-Identifier: BSD-3-Clause */
#include "record/row_json.h"

#include "base/text.h"

#include <string.h>

struct scan {
	const char *p, *end;
	struct nr_arena *arena;
};

static void skip_space(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\r'))
		s->p++;
}

static bool take(struct scan *s, char c)
{
	skip_space(s);
	if (s->p == s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits behind \u; -1: they are none. */
static int32_t take_hex4(struct scan *s)
{
	int32_t v = 0;

	if (s->end - s->p < 4)
		return -1;
	for (unsigned i = 0; i < 4; i++) {
		int d = hex(*s->p++);

		if (d < 0)
			return -1;
		v = v << 4 | d;
	}
	return v;
}

/* What follows a backslash; NULL where it is no escape. */
static char *take_escape(struct scan *s, char *to)
{
	static const char from[] = "\"\\/bfnrt", chars[] = "\"\\/\b\f\n\r\t";
	const char *at;
	int32_t c, low;

	if (s->p == s->end)
		return NULL;
	if (*s->p != 'u') {
		at = memchr(from, *s->p++, sizeof(from) - 1);
		if (!at)
			return NULL;
		*to++ = chars[at - from];
		return to;
	}
	s->p++;
	c = take_hex4(s);
	if (c >= 0xd800 && c < 0xdc00 && s->end - s->p >= 6 && s->p[0] == '\\' &&
	    s->p[1] == 'u') {
		s->p += 2;
		low = take_hex4(s);
		if (low < 0xdc00 || low > 0xdfff)
			return NULL;
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	} else if (c < 0 || (c >= 0xd800 && c < 0xe000)) {
		return NULL;
	}
	return nr_utf8_put(to, (uint32_t)c);
}

/* A string behind its opening quote: unescaped into the arena where it has to be. */
static bool take_string(struct scan *s, struct nr_value *v)
{
	const char *begin = s->p;
	char *text, *to;

	while (s->p < s->end && *s->p != '"' && *s->p != '\\')
		s->p++;
	if (s->p < s->end && *s->p == '"') {
		*v = (struct nr_value){ .p = begin,
					.len = (uint32_t)(s->p++ - begin),
					.kind = NR_V_TEXT };
		return true;
	}
	/* what is left of the line is room enough: escapes are longer than their meaning,
	   but do not take it all for each of many strings */
	for (to = NULL; s->p < s->end && *s->p != '"'; s->p++)
		if (*s->p == '\\' && ++s->p == s->end)
			return false;
	if (s->p >= s->end)
		return false;
	text = nr_arena_alloc(s->arena, (size_t)(s->p - begin) + 1);
	to = text;
	s->p = begin;
	while (*s->p != '"') {
		if (*s->p != '\\') {
			*to++ = *s->p++;
			continue;
		}
		s->p++;
		to = take_escape(s, to);
		if (!to)
			return false;
	}
	s->p++;
	*v = (struct nr_value){ .p = text,
				.len = (uint32_t)(to - text),
				.kind = NR_V_TEXT };
	return true;
}

/* Passes over any value; its text is what lies between. */
static bool skip_value(struct scan *s, struct nr_value *v)
{
	const char *begin;
	unsigned depth = 0;

	skip_space(s);
	begin = s->p;
	while (s->p < s->end) {
		char c = *s->p;

		if (!depth && (c == ',' || c == '}'))
			break;
		s->p++;
		if (c == '"') {
			while (s->p < s->end && *s->p != '"')
				s->p += *s->p == '\\' ? 2 : 1;
			if (s->p >= s->end)
				return false;
			s->p++;
		} else if (c == '{' || c == '[') {
			depth++;
		} else if (c == '}' || c == ']') {
			depth--;
		}
	}
	*v = (struct nr_value){ .p = begin,
				.len = (uint32_t)(s->p - begin),
				.kind = NR_V_TEXT };
	return !depth && nr_json_valid(begin, v->len);
}

static bool take_int(struct scan *s, struct nr_value *v)
{
	bool minus = s->p < s->end && *s->p == '-';
	uint64_t u = 0;
	const char *begin;

	s->p += minus;
	for (begin = s->p; s->p < s->end && *s->p >= '0' && *s->p <= '9'; s->p++)
		if (__builtin_mul_overflow(u, 10, &u) ||
		    __builtin_add_overflow(u, (uint64_t)(*s->p - '0'), &u))
			return false;
	if (s->p == begin || u > (uint64_t)INT64_MAX + minus)
		return false;
	*v = (struct nr_value){ .i = minus ? (int64_t)(0 - u) : (int64_t)u,
				.kind = NR_V_INT };
	return true;
}

static bool take_blob(struct scan *s, struct nr_value *v)
{
	unsigned padding = 0;
	ptrdiff_t n;
	char *out;

	if (!take_string(s, v) || v->len % 4)
		return false;
	while (padding < v->len && v->p[v->len - padding - 1] == '=')
		padding++;
	if (padding > 2)
		return false;
	out = nr_arena_alloc(s->arena, v->len + 1);
	n = nr_base64_decode(out, v->len + 1, v->p, v->len);
	if (n < 0)
		return false;
	v->p = out;
	v->len = (uint32_t)n;
	return true;
}

static bool take_value(struct scan *s, const struct nr_field *f, struct nr_value *v)
{
	struct nr_value skipped;

	skip_space(s);
	if (!f)
		return skip_value(s, &skipped);
	if (s->end - s->p >= 4 && !memcmp(s->p, "null", 4)) {
		s->p += 4;
		*v = (struct nr_value){ .kind = NR_V_NULL };
		return true;
	}
	switch (f->type) {
	case NR_F_INT:
	case NR_F_BOOL:
	case NR_F_TIME:
		return take_int(s, v);
	case NR_F_TEXT:
		return take(s, '"') && take_string(s, v);
	case NR_F_JSON:
		return skip_value(s, v);
	case NR_F_BLOB:
		return take(s, '"') && take_blob(s, v);
	}
	return false;
}

size_t nr_row_type(const char *line, size_t n, const char **name)
{
	static const char head[] = "{\"type\":\"";
	const char *end;

	if (n < sizeof(head) || memcmp(line, head, sizeof(head) - 1) != 0)
		return 0;
	*name = line + sizeof(head) - 1;
	end = memchr(*name, '"', n - (sizeof(head) - 1));
	return end ? (size_t)(end - *name) : 0;
}

static const struct nr_field *find_field(const struct nr_record_type *t, const char *p,
					 size_t n, unsigned *hint)
{
	for (unsigned i = 0; i < t->n_fields; i++) {
		unsigned at =
			*hint + i < t->n_fields ? *hint + i : *hint + i - t->n_fields;
		const char *name = t->fields[at].name;

		if (strlen(name) == n && !memcmp(name, p, n)) {
			*hint = at;
			return &t->fields[at];
		}
	}
	return NULL;
}

static const struct nr_record_type *find_type(const struct nr_record_type *const *types,
					      size_t n_types, const char *name, size_t n)
{
	for (size_t i = 0; i < n_types; i++)
		if (strlen(types[i]->name) == n && !memcmp(types[i]->name, name, n))
			return types[i];
	return NULL;
}

static bool parse_object(struct scan *s, struct nr_record *r, const char **why)
{
	unsigned hint = 0;

	*why = "it is no JSON object as nrtool writes them";
	if (!take(s, '{'))
		return false;
	do {
		struct nr_value key, ignored;
		const struct nr_field *f;

		if (!take(s, '"') || !take_string(s, &key) || !take(s, ':'))
			return false;
		f = find_field(r->type, key.p, key.len, &hint);
		if (!take_value(s, f, f ? &r->v[hint] : &ignored)) {
			*why = f ? f->name : *why;
			return false;
		}
		hint += f && hint + 1 < r->type->n_fields;
	} while (take(s, ','));
	if (!take(s, '}'))
		return false;
	skip_space(s);
	return s->p == s->end;
}

enum nr_row_verdict nr_row_parse(const char *line, size_t n,
				 const struct nr_record_type *const *types,
				 size_t n_types, struct nr_records *rs,
				 struct nr_record **out, const char **why)
{
	struct scan s = { line, line + n, rs->arena };
	const struct nr_record_type *t;
	const char *name, *ignored;
	size_t len = nr_row_type(line, n, &name);

	if (!why)
		why = &ignored;
	*out = NULL;
	if (!len || n > UINT32_MAX) {
		*why = "it does not begin with {\"type\":";
		return NR_ROW_BAD;
	}
	t = find_type(types, n_types, name, len);
	if (!t)
		return NR_ROW_UNKNOWN;
	*out = nr_records_add(rs, t, (struct nr_order){ 0 });
	if (parse_object(&s, *out, why))
		return NR_ROW_OK;
	rs->n--;
	*out = NULL;
	return NR_ROW_BAD;
}
