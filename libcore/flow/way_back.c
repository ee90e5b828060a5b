/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/way_back.h"

static uint32_t put_varint(uint8_t *o, uint64_t v)
{
	uint32_t n = 0;

	while (v >= 0x80) {
		o[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	o[n++] = (uint8_t)v;
	return n;
}

void nr_way_back_add(struct nr_way_back **wp, uint32_t source, uint64_t record)
{
	struct nr_way_back *w = *wp;

	if (!w || w->cap - w->len < NR_VARINT_MAX) {
		uint32_t cap = w ? w->cap * 2 : 24;

		if (cap > NR_CHUNK_MAX)
			cap = NR_CHUNK_MAX;
		*wp = nr_xrealloc(w, sizeof(*w) + cap);
		if (!w)
			**wp = (struct nr_way_back){ 0 };
		w = *wp;
		w->cap = cap;
	}
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
