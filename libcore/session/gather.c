/* SPDX-License-Identifier: BSD-3-Clause */
#include "session/gather.h"

#include <string.h>

void nr_gather_free(struct nr_gather *g, struct nr_account *a)
{
	nr_account_free(a, g->p, g->cap);
	*g = (struct nr_gather){ 0 };
}

void nr_gather_clear(struct nr_gather *g)
{
	g->len = 0;
	g->cut = 0;
	g->handed = g->cr = false;
}

static bool add(struct nr_gather *g, struct nr_account *a, const uint8_t *p, size_t n)
{
	if (!n)
		return true;
	if (g->cap - g->len < n) {
		size_t cap = g->cap ? g->cap : 64;
		uint8_t *grown;

		while (cap - g->len < n)
			cap *= 2;
		grown = nr_account_realloc(a, g->p, g->cap, cap);
		if (!grown)
			return false;
		g->p = grown;
		g->cap = (uint32_t)cap;
	}
	memcpy(g->p + g->len, p, n);
	g->len += (uint32_t)n;
	return true;
}

static void begin(struct nr_gather *g)
{
	if (g->handed)
		nr_gather_clear(g);
}

static enum nr_gathered whole(struct nr_gather *g, struct nr_piece *out)
{
	g->handed = true;
	*out = (struct nr_piece){ .p = g->p, .len = g->len, .cut = g->cut };
	return NR_G_WHOLE;
}

enum nr_gathered nr_gather_bytes(struct nr_gather *g, struct nr_account *a,
				 struct nr_cursor *in, size_t n, struct nr_piece *out)
{
	size_t want, have = nr_left(in);

	begin(g);
	if (!g->len && have >= n) {
		*out = (struct nr_piece){ .p = nr_take(in, n), .len = n };
		return NR_G_WHOLE;
	}
	want = n > g->len ? n - g->len : 0;
	if (want > have)
		want = have;
	if (!add(g, a, in->p, want))
		return NR_G_NO_MEM;
	in->p += want;
	return g->len < n ? NR_G_MORE : whole(g, out);
}

/* Takes n bytes of a line, as far as max allows. */
static bool add_line(struct nr_gather *g, struct nr_account *a, const uint8_t *p,
		     size_t n, size_t max)
{
	size_t room = max > g->len ? max - g->len : 0, keep = n < room ? n : room;

	g->cut += n - keep;
	return !keep || add(g, a, p, keep);
}

/* The CR before the LF is no text, whether it was kept or cut off. */
static void drop_cr(struct nr_piece *line)
{
	if (line->cut)
		line->cut--;
	else
		line->len--;
}

enum nr_gathered nr_gather_line(struct nr_gather *g, struct nr_account *a,
				struct nr_cursor *in, size_t max, struct nr_piece *out)
{
	const uint8_t *lf, *p = in->p;
	size_t n = nr_left(in);

	begin(g);
	lf = n ? memchr(p, '\n', n) : NULL;
	if (lf)
		n = (size_t)(lf - p);
	if (lf && !g->len && !g->cut) {
		*out = (struct nr_piece){ .p = p, .len = n < max ? n : max };
		out->cut = n - out->len;
		in->p = lf + 1;
		if (n && p[n - 1] == '\r')
			drop_cr(out);
		return NR_G_WHOLE;
	}
	if (!add_line(g, a, p, n, max))
		return NR_G_NO_MEM;
	if (n)
		g->cr = p[n - 1] == '\r';
	in->p = lf ? lf + 1 : in->end;
	if (!lf)
		return NR_G_MORE;
	whole(g, out);
	if (g->cr)
		drop_cr(out);
	return NR_G_WHOLE;
}

bool nr_gather_early(struct nr_gather *g, struct nr_account *a, struct nr_cursor *in,
		     size_t max, uint64_t *gap)
{
	size_t n = nr_left(in), keep = max > g->len ? max - g->len : 0;

	if (*gap)
		keep = 0;
	if (keep > n)
		keep = n;
	if (!add(g, a, in->p, keep))
		return false;
	*gap += n - keep;
	in->p = in->end;
	return true;
}
