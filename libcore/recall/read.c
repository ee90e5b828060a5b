/* SPDX-License-Identifier: BSD-3-Clause */
/* The sources in use as one, merged by the times of the packets chosen. */
#include "recall/internal.h"

#include "base/mem.h"
#include "source/reader.h"

#include <errno.h>

enum { BATCH_BYTES = 32 << 20 }; /* of blocks that a batch may hold on to */

static bool before(const struct nr_recall *r, size_t a, size_t b)
{
	const struct nr_recall_input *x = &r->in[a], *y = &r->in[b];

	return x->key < y->key || (x->key == y->key && a < b);
}

static void sift_down(struct nr_recall *r, size_t i)
{
	for (;;) {
		size_t k = 2 * i + 1, t;

		if (k >= r->n_heap)
			return;
		if (k + 1 < r->n_heap && before(r, r->heap[k + 1], r->heap[k]))
			k++;
		if (!before(r, r->heap[k], r->heap[i]))
			return;
		t = r->heap[i];
		r->heap[i] = r->heap[k];
		r->heap[k] = t;
		i = k;
	}
}

/* No source is opened before the merge reaches its first time. */
static void start(struct nr_recall *r)
{
	r->heap = nr_xcalloc(r->n ? r->n : 1, sizeof(*r->heap));
	for (size_t i = 0; i < r->n; i++) {
		if (!nr_recall_is_used(r, i))
			continue;
		r->in[i].key = r->in[i].s.first_ns;
		r->heap[r->n_heap++] = i;
	}
	r->n_used = r->n_heap;
	for (size_t i = r->n_heap / 2 + 1; i-- > 0;)
		sift_down(r, i);
	r->started = true;
}

/* Looks for the next view of the first input, which then finds its place in the heap. */
static int advance(struct nr_recall *r, struct nr_recall_input *in, struct nr_err *err)
{
	int rc = nr_recall_input_next(r, in, err);

	if (rc < 0)
		return rc;
	if (!rc) {
		nr_recall_input_close(in);
		r->heap[0] = r->heap[--r->n_heap];
	} else if (in->head->event) {
		return 0; /* belongs to the packet that went out, or before all others */
	} else {
		in->key = in->head->ts_ns;
	}
	sift_down(r, 0);
	return 0;
}

static void hand_out(struct nr_recall *r, const struct nr_recall_input *in,
		     struct nr_batch *b)
{
	struct nr_packet *p = nr_batch_add(b, in->head);

	p->source = (uint32_t)(in - r->in);
	if (!p->event && p->ts_ns > r->clock)
		r->clock = p->ts_ns;
	p->clock_ns = r->clock;
	p->ordinal = p->event ? 0 : ++r->ordinal;
}

static bool is_heavy(const struct nr_batch *b)
{
	size_t bytes = 0;

	for (unsigned i = 0; i < b->n_blocks; i++)
		bytes += nr_block_size(b->blocks[i]);
	return bytes > BATCH_BYTES;
}

int nr_recall_read(struct nr_recall *r, struct nr_batch *b, unsigned max,
		   struct nr_err *err)
{
	unsigned from = b->n, end = max < NR_BATCH_MAX - from ? from + max : NR_BATCH_MAX;
	int rc = 0;

	if (!r->started)
		start(r);
	while (r->n_heap && b->n < end && !rc) {
		struct nr_recall_input *in = &r->in[r->heap[0]];

		if (!in->src) {
			rc = in->path ? nr_recall_input_open(r, in, err)
				      : nr_fail(err, -EINVAL,
						"the sources are not located");
		} else {
			hand_out(r, in, b);
			if (in->head->event == NULL && is_heavy(b))
				end = b->n;
		}
		if (!rc)
			rc = advance(r, in, err);
	}
	return rc < 0 ? rc : (int)(b->n - from);
}
