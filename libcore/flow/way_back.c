/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/way_back.h"

#include "flow/flow.h"

_Static_assert(NR_CHUNK_MIN << (NR_WAY_BACK_SIZES - 1) == NR_CHUNK_MAX, "list per size");

static uint16_t put_varint(uint8_t *o, uint64_t v)
{
	uint16_t n = 0;

	while (v >= 0x80) {
		o[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	o[n++] = (uint8_t)v;
	return n;
}

static unsigned size_of(const struct nr_way_back *w)
{
	return (unsigned)__builtin_ctz(w->cap / NR_CHUNK_MIN);
}

static void link_last(struct nr_way_backs *b, struct nr_way_back *w)
{
	unsigned i = size_of(w);

	w->next = NULL;
	w->prev = b->last[i];
	*(w->prev ? &w->prev->next : &b->first[i]) = w;
	b->last[i] = w;
	b->bytes += sizeof(*w) + w->cap;
}

static void unlink_one(struct nr_way_backs *b, struct nr_way_back *w)
{
	unsigned i = size_of(w);

	*(w->prev ? &w->prev->next : &b->first[i]) = w->next;
	*(w->next ? &w->next->prev : &b->last[i]) = w->prev;
	b->bytes -= sizeof(*w) + w->cap;
}

static void bring_to_front(struct nr_flow *f, struct nr_way_back *w)
{
	struct nr_way_back **at = &f->way_back;

	while (*at != w)
		at = &(*at)->also;
	*at = w->also;
	w->also = f->way_back;
	f->way_back = w;
}

void nr_way_back_turn(struct nr_way_backs *b, struct nr_flow *f, uint32_t source)
{
	struct nr_way_back *w = f->way_back, *last = w, *empty = NULL;
	unsigned n = 0;

	if (!w || w->source == source)
		return;
	for (; w; w = w->also, n++) {
		if (w->source == source && w->len)
			break;
		if (!w->len)
			empty = w;
		last = w;
	}
	if (!w)
		w = empty;
	if (!w && n == NR_WAY_BACK_SOURCES)
		w = last;
	if (!w) {
		w = nr_xmalloc(sizeof(*w) + NR_CHUNK_MIN);
		*w = (struct nr_way_back){ .flow = f,
					   .also = f->way_back,
					   .source = source,
					   .cap = NR_CHUNK_MIN };
		f->way_back = w;
		link_last(b, w);
	}
	bring_to_front(f, w);
}

static struct nr_way_back *grow(struct nr_way_backs *b, struct nr_flow *f)
{
	struct nr_way_back *w = f->way_back;
	uint16_t cap = w ? (uint16_t)(w->cap * 2) : NR_CHUNK_MIN;

	if (w)
		unlink_one(b, w);
	w = nr_xrealloc(w, sizeof(*w) + cap);
	if (!f->way_back)
		*w = (struct nr_way_back){ .flow = f };
	w->cap = cap;
	link_last(b, w);
	return f->way_back = w;
}

void nr_way_back_add(struct nr_way_backs *b, struct nr_flow *f, uint32_t source,
		     uint64_t record)
{
	struct nr_way_back *w = f->way_back;

	if (!w || w->cap - w->len < NR_VARINT_MAX)
		w = grow(b, f);
	if (w->len) {
		int64_t d = (int64_t)(record - w->last);

		w->len += put_varint(w->buf + w->len,
				     (uint64_t)d << 1 ^ (d < 0 ? UINT64_MAX : 0));
	} else {
		w->source = source;
		w->len = put_varint(w->buf, record);
	}
	w->last = record;
}

struct nr_flow *nr_way_back_over(const struct nr_way_backs *b)
{
	if (b->bytes <= b->max_bytes)
		return NULL;
	for (unsigned i = NR_WAY_BACK_SIZES; i-- > 0;) {
		if (b->first[i]) {
			bring_to_front(b->first[i]->flow, b->first[i]);
			return b->first[i]->flow;
		}
	}
	return NULL;
}

void nr_way_back_drop(struct nr_way_backs *b, struct nr_flow *f)
{
	struct nr_way_back *w = f->way_back;

	if (!w)
		return;
	unlink_one(b, w);
	f->way_back = w->also;
	nr_free(w);
}

void nr_way_back_discard(struct nr_flow *f)
{
	while (f->way_back) {
		struct nr_way_back *w = f->way_back;

		f->way_back = w->also;
		nr_free(w);
	}
}
