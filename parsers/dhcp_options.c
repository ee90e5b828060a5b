/* SPDX-License-Identifier: BSD-3-Clause */
#include "dhcp_options.h"

#include "base/cursor.h"

enum { PAD = 0, END = 255, FILE_BYTES = 128, SNAME_BYTES = 64 };

/* Calls take for each option of an area; false where one is cut. */
static bool walk(struct nr_dhcp_options *o, struct nr_cursor c,
		 void (*take)(struct nr_dhcp_options *o, uint8_t code, const uint8_t *p,
			      size_t n))
{
	const uint8_t *head, *p;

	while ((head = nr_take(&c, 1)) && *head != END) {
		const uint8_t *len;

		if (*head == PAD)
			continue;
		len = nr_take(&c, 1);
		p = len ? nr_take(&c, *len) : NULL;
		if (!p) {
			o->bad_code = *head;
			return false;
		}
		take(o, *head, p, *len);
	}
	return true;
}

/* First pass: where the first part of each is, and how long all are. */
static void measure(struct nr_dhcp_options *o, uint8_t code, const uint8_t *p, size_t n)
{
	struct nr_dhcp_value *v = &o->value[code];

	if (!v->p)
		v->p = p;
	v->len += n;
}

/* Second pass, for those in several parts: p then points into the arena, len counts. */
static void gather(struct nr_dhcp_options *o, uint8_t code, const uint8_t *p, size_t n)
{
	struct nr_dhcp_value *v = &o->value[code];

	memcpy((uint8_t *)(uintptr_t)v->p + v->len, p, n);
	v->len += n;
}

struct areas {
	struct nr_cursor c[3];
	unsigned n;
};

static bool walk_all(struct nr_dhcp_options *o, const struct areas *a,
		     void (*take)(struct nr_dhcp_options *, uint8_t, const uint8_t *,
				  size_t))
{
	bool whole = true;

	for (unsigned i = 0; i < a->n; i++)
		whole &= walk(o, a->c[i], take);
	return whole;
}

/* Bytes for all values, where any came in parts: at most as many as the message has. */
static void join(struct nr_dhcp_options *o, const struct areas *a, struct nr_arena *arena)
{
	size_t total = 0;
	uint8_t *to;

	for (unsigned i = 0; i < 256; i++)
		total += o->value[i].len;
	to = nr_arena_alloc(arena, total + 1);
	for (unsigned i = 0; i < 256; i++) {
		struct nr_dhcp_value *v = &o->value[i];

		if (!v->p)
			continue;
		v->p = to;
		to += v->len;
		v->len = 0;
	}
	walk_all(o, a, gather);
}

static bool in_parts(const struct nr_dhcp_options *o)
{
	/* The length before the first part is then not that of all. */
	for (unsigned i = 0; i < 256; i++) {
		const struct nr_dhcp_value *v = &o->value[i];

		if (v->p && v->len != v->p[-1])
			return true;
	}
	return false;
}

enum nr_dhcp_read nr_dhcp_read_options(struct nr_dhcp_options *o, struct nr_arena *a,
				       const uint8_t *p, size_t n, const uint8_t *file,
				       const uint8_t *sname)
{
	struct areas all = { .c = { nr_cursor(p, n) }, .n = 1 };
	const struct nr_dhcp_value *v = &o->value[NR_DHCP_OVERLOAD];
	bool whole;

	*o = (struct nr_dhcp_options){ 0 };
	whole = walk(o, all.c[0], measure);
	o->overload = v->p && v->len == 1 ? v->p[0] & 3 : 0;
	if (o->overload & 1 && file) {
		all.c[all.n] = nr_cursor(file, FILE_BYTES);
		whole &= walk(o, all.c[all.n++], measure);
	}
	if (o->overload & 2 && sname) {
		all.c[all.n] = nr_cursor(sname, SNAME_BYTES);
		whole &= walk(o, all.c[all.n++], measure);
	}
	if (in_parts(o))
		join(o, &all, a);
	return whole ? NR_DHCP_WHOLE : NR_DHCP_CUT;
}
