/* SPDX-License-Identifier: BSD-3-Clause */
#include "dns_stream.h"

#include "dns_wire.h"

/* Of random bytes one place in 2^40 looks so. */
bool nr_dns_looks_framed(const uint8_t *p)
{
	unsigned flags = nr_be16(p + 4);

	return nr_be16(p) >= NR_DNS_HEADER &&
	       nr_dns_opcode_name(flags >> 11 & 15, false) && !(flags & NR_DNS_Z) &&
	       nr_be16(p + 6) <= 1 && !p[8] && !p[10] && !p[12];
}

static void found(struct nr_dns_stream *s)
{
	s->want = nr_be16(s->window);
	s->has_length = true;
	s->lost = false;
	s->n_window = 0;
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

static enum nr_gathered gather_message(struct nr_dns_stream *s, struct nr_account *a,
				       struct nr_cursor *in, struct nr_piece *out)
{
	enum nr_gathered got;

	if (!s->want)
		*out = (struct nr_piece){ .p = in->p };
	else if (!nr_left(in))
		return NR_G_MORE;
	got = s->want ? nr_gather_bytes(&s->g, a, in, s->want, out) : NR_G_WHOLE;
	if (got == NR_G_WHOLE)
		s->has_length = false;
	return got;
}

enum nr_gathered nr_dns_stream_next(struct nr_dns_stream *s, struct nr_account *a,
				    struct nr_cursor *in, struct nr_piece *out)
{
	enum nr_gathered got;

	skip(s, in);
	if (s->lost) {
		struct nr_cursor header = nr_cursor(s->window + 2, NR_DNS_HEADER);

		if (!search(s, in))
			return NR_G_MORE;
		found(s);
		got = gather_message(s, a, &header, out);
		if (got != NR_G_MORE)
			return got;
	}
	if (!s->has_length) {
		if (!nr_left(in))
			return NR_G_MORE;
		got = nr_gather_bytes(&s->g, a, in, 2, out);
		if (got != NR_G_WHOLE)
			return got;
		s->want = nr_be16(out->p);
		s->has_length = true;
	}
	return gather_message(s, a, in, out);
}

static bool partial(struct nr_dns_stream *s, struct nr_piece *out, size_t *wire_len)
{
	if (!s->has_length)
		return false;
	*out = (struct nr_piece){ .p = s->g.p, .len = nr_gathered_len(&s->g) };
	*wire_len = s->want;
	return true;
}

bool nr_dns_stream_gap(struct nr_dns_stream *s, uint64_t n, struct nr_piece *out,
		       size_t *wire_len)
{
	bool cut = partial(s, out, wire_len);
	uint64_t owed = cut ? s->want - out->len : s->skip;

	/* Behind the gap the message goes on, or its end was in it. */
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
