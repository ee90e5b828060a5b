/* SPDX-License-Identifier: BSD-3-Clause */
#include "dns_stream.h"

#include "dns_wire.h"

enum { EMPTY_MAX = 3 };

/* Of random bytes one place in 2^40 looks so. */
bool nr_dns_looks_framed(const uint8_t *p)
{
	unsigned flags = nr_be16(p + 4);

	return nr_be16(p) >= NR_DNS_HEADER &&
	       nr_dns_opcode_name(flags >> 11 & 15, false) && !(flags & NR_DNS_Z) &&
	       nr_be16(p + 6) <= 1 && !p[8] && !p[10] && !p[12];
}

const uint8_t *nr_dns_find_framed(const uint8_t *p, size_t n)
{
	for (; n >= NR_DNS_WINDOW; p++, n--) {
		if (nr_dns_looks_framed(p))
			return p;
	}
	return NULL;
}

/* Slides the window over the input until it holds the beginning of a message. */
static bool search(struct nr_dns_stream *s, struct nr_cursor *in)
{
	const uint8_t *p;

	while ((p = nr_take(in, 1))) {
		if (s->n_window == NR_DNS_WINDOW)
			memmove(s->window, s->window + 1, --s->n_window);
		s->window[s->n_window++] = *p;
		if (s->n_window == NR_DNS_WINDOW && nr_dns_looks_framed(s->window))
			return true;
	}
	return false;
}

static void skip(struct nr_dns_stream *s, struct nr_cursor *in)
{
	size_t n = nr_left(in) < s->skip ? nr_left(in) : s->skip;

	s->skip -= (uint32_t)n;
	nr_take(in, n);
}

/* Length and header of a message, or all of one that has none. */
static size_t beginning(const struct nr_dns_stream *s)
{
	unsigned len = s->n_window < 2 ? NR_DNS_HEADER : nr_be16(s->window);

	return 2 + (len < NR_DNS_HEADER ? len : NR_DNS_HEADER);
}

static bool fill(struct nr_dns_stream *s, struct nr_cursor *in)
{
	const uint8_t *p;

	if (s->lost)
		return search(s, in);
	while (s->n_window < beginning(s)) {
		p = nr_take(in, 1);
		if (!p)
			return false;
		s->window[s->n_window++] = *p;
	}
	return true;
}

static enum nr_gathered hand_out_empty(struct nr_dns_stream *s, struct nr_piece *out)
{
	*out = (struct nr_piece){ .p = s->window + 2, .len = s->n_window - 2u };
	s->n_window = 0;
	if (s->n_empty++ == EMPTY_MAX)
		s->lost = true;
	return NR_G_WHOLE;
}

static enum nr_gathered gather(struct nr_dns_stream *s, struct nr_account *a,
			       struct nr_cursor *in, struct nr_piece *out)
{
	enum nr_gathered got = nr_gather_bytes(&s->g, a, in, s->want, out);

	if (got == NR_G_WHOLE) {
		s->has_length = false;
		s->n_window = 0;
	}
	return got;
}

/* A message begins with what the window holds. */
static enum nr_gathered begin(struct nr_dns_stream *s, struct nr_account *a,
			      struct nr_piece *out)
{
	struct nr_cursor header = nr_cursor(s->window + 2, NR_DNS_HEADER);

	if (s->n_window < NR_DNS_WINDOW)
		return hand_out_empty(s, out);
	s->want = nr_be16(s->window);
	s->has_length = true;
	s->in_doubt = !s->lost && !s->trusted && !nr_dns_looks_framed(s->window);
	s->lost = false;
	s->n_empty = 0;
	return gather(s, a, &header, out);
}

/* The same where it is all there: nothing is copied. */
static bool begins_here(struct nr_dns_stream *s, struct nr_cursor *in)
{
	const uint8_t *p = nr_peek(in, NR_DNS_WINDOW);

	if (!p || s->lost || s->n_window || nr_be16(p) < NR_DNS_HEADER ||
	    !(s->trusted || nr_dns_looks_framed(p)))
		return false;
	s->want = nr_be16(p);
	s->has_length = true;
	s->in_doubt = false;
	s->n_empty = 0;
	nr_take(in, 2);
	return true;
}

/* Looks for another message in the bytes of the present one; what is found begins. */
static bool is_none(struct nr_dns_stream *s, const struct nr_cursor *in, size_t *taken)
{
	size_t had = nr_gathered_len(&s->g), n = s->want - had;
	struct nr_cursor part = nr_cursor(in->p, nr_left(in) < n ? nr_left(in) : n);

	if (!search(s, &part))
		return false;
	*taken = (size_t)(part.p - in->p);
	s->no_dns += (uint32_t)(2 + had + *taken - NR_DNS_WINDOW);
	nr_gather_clear(&s->g);
	s->lost = true;
	return true;
}

enum nr_gathered nr_dns_stream_next(struct nr_dns_stream *s, struct nr_account *a,
				    struct nr_cursor *in, struct nr_piece *out)
{
	enum nr_gathered got;
	size_t taken;

	skip(s, in);
	if (!s->has_length && !begins_here(s, in)) {
		if (!fill(s, in))
			return NR_G_MORE;
		got = begin(s, a, out);
		if (got != NR_G_MORE)
			return got;
	}
	if (s->in_doubt && is_none(s, in, &taken)) {
		nr_take(in, taken);
		got = begin(s, a, out);
		if (got != NR_G_MORE)
			return got;
	}
	return nr_left(in) ? gather(s, a, in, out) : NR_G_MORE;
}

static bool partial(struct nr_dns_stream *s, struct nr_piece *out, size_t *wire_len)
{
	if (s->has_length) {
		*out = (struct nr_piece){ .p = s->g.p, .len = nr_gathered_len(&s->g) };
		*wire_len = s->want;
		return true;
	}
	if (s->lost || s->n_window < 2)
		return false;
	*out = (struct nr_piece){ .p = s->window + 2, .len = s->n_window - 2u };
	*wire_len = nr_be16(s->window);
	return true;
}

bool nr_dns_stream_gap(struct nr_dns_stream *s, uint64_t n, struct nr_piece *out,
		       size_t *wire_len)
{
	bool cut = partial(s, out, wire_len);
	uint64_t owed = cut ? *wire_len - out->len : s->skip;

	/* Behind the gap the message goes on, or its end was in it; where that is can not
	   be said of one in doubt. */
	if (s->has_length && s->in_doubt)
		owed = 0;
	s->skip = n <= owed ? (uint32_t)(owed - n) : 0;
	s->lost = s->lost || n > owed;
	s->n_window = 0;
	s->has_length = false;
	nr_gather_clear(&s->g);
	return cut;
}

bool nr_dns_stream_rest(struct nr_dns_stream *s, struct nr_piece *out, size_t *wire_len)
{
	return partial(s, out, wire_len);
}
