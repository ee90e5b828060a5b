/* SPDX-License-Identifier: BSD-3-Clause */
#include "session/internal.h"

#include "base/mem.h"

void nr_wakes_push(struct nr_wakes *h, struct nr_wake w)
{
	size_t i;

	if (h->n == h->cap) {
		h->cap = h->cap ? h->cap * 2 : 64;
		h->w = nr_xrealloc(h->w, h->cap * sizeof(h->w[0]));
	}
	for (i = h->n++; i; i = (i - 1) / 2) {
		if (h->w[(i - 1) / 2].at_ns <= w.at_ns)
			break;
		h->w[i] = h->w[(i - 1) / 2];
	}
	h->w[i] = w;
}

bool nr_wakes_pop(struct nr_wakes *h, int64_t now_ns, struct nr_wake *out)
{
	struct nr_wake last;
	size_t i = 0;

	if (!h->n || h->w[0].at_ns > now_ns)
		return false;
	*out = h->w[0];
	last = h->w[--h->n];
	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= h->n)
			break;
		if (child + 1 < h->n && h->w[child + 1].at_ns < h->w[child].at_ns)
			child++;
		if (h->w[child].at_ns >= last.at_ns)
			break;
		h->w[i] = h->w[child];
		i = child;
	}
	h->w[i] = last;
	return true;
}
