/* SPDX-License-Identifier: BSD-3-Clause */
#include "quic_stream.h"

#include <string.h>

enum { STEP = 1024 };

/* Makes room up to byte `to`; what is new is not zeroed and not read before written. */
static bool room(struct nr_quic_stream *s, struct nr_account *a, uint32_t to)
{
	uint32_t cap = (to + STEP - 1) / STEP * STEP;
	uint8_t *p;

	if (to <= s->cap)
		return true;
	if (cap < s->cap * 2)
		cap = s->cap * 2;
	if (cap > NR_QUIC_STREAM_MAX)
		cap = NR_QUIC_STREAM_MAX;
	p = nr_account_realloc(a, s->p, s->cap, cap);
	if (!p)
		return false;
	s->p = p;
	s->cap = cap;
	return true;
}

/* Writes the parts of new that no range covers, holds the others against what is there:
   false where they differ. */
static bool fill(struct nr_quic_stream *s, struct nr_quic_range new, const uint8_t *data)
{
	uint32_t at = new.from;
	bool same = true;

	for (uint32_t i = 0; i < s->n && at < new.to; i++) {
		struct nr_quic_range r = s->range[i];
		uint32_t to;

		if (r.to <= at)
			continue;
		if (r.from >= new.to)
			break;
		if (r.from > at) {
			memcpy(s->p + at, data + (at - new.from), r.from - at);
			at = r.from;
		}
		to = r.to < new.to ? r.to : new.to;
		same &= !memcmp(s->p + at, data + (at - new.from), to - at);
		at = to;
	}
	if (at < new.to)
		memcpy(s->p + at, data + (at - new.from), new.to - at);
	return same;
}

/* Where new goes: ranges from first up to (not including) last melt into it. */
static void touched(const struct nr_quic_stream *s, struct nr_quic_range new,
		    uint32_t *first, uint32_t *last)
{
	uint32_t i = 0;

	while (i < s->n && s->range[i].to < new.from)
		i++;
	*first = i;
	while (i < s->n && s->range[i].from <= new.to)
		i++;
	*last = i;
}

enum nr_quic_added nr_quic_stream_add(struct nr_quic_stream *s, struct nr_account *a,
				      uint64_t offset, const uint8_t *data, size_t n)
{
	uint32_t first, last, whole = nr_quic_stream_whole(s);
	struct nr_quic_range new;
	bool same;

	if (offset > NR_QUIC_STREAM_MAX || n > NR_QUIC_STREAM_MAX - offset ||
	    offset + n > (uint64_t)whole + NR_QUIC_AHEAD)
		return NR_QUIC_REFUSED;
	if (!n)
		return NR_QUIC_TAKEN;
	new = (struct nr_quic_range){ (uint32_t)offset, (uint32_t)(offset + n) };
	touched(s, new, &first, &last);
	if (first == last && s->n == NR_QUIC_RANGES)
		return NR_QUIC_REFUSED;
	if (!room(s, a, new.to))
		return NR_QUIC_NO_MEM;
	same = fill(s, new, data);
	if (first < last) {
		if (s->range[first].from < new.from)
			new.from = s->range[first].from;
		if (s->range[last - 1].to > new.to)
			new.to = s->range[last - 1].to;
	}
	memmove(s->range + first + 1, s->range + last, (s->n - last) * sizeof(new));
	s->range[first] = new;
	s->n += 1 + first - last;
	return same ? NR_QUIC_TAKEN : NR_QUIC_CONFLICT;
}

void nr_quic_stream_free(struct nr_quic_stream *s, struct nr_account *a)
{
	nr_account_free(a, s->p, s->cap);
	*s = (struct nr_quic_stream){ 0 };
}
