/* SPDX-License-Identifier: BSD-3-Clause */
#include "session/pieces.h"

#include <string.h>

enum {
	MIN_PIECE = 64,
	MAX_PIECE = 65536, /* a piece grows no further by what touches it */
};

static uint32_t next_priority(struct nr_stream_store *s)
{
	s->seed ^= s->seed << 13;
	s->seed ^= s->seed >> 17;
	s->seed ^= s->seed << 5;
	return s->seed;
}

static uint64_t piece_end(const struct nr_stream_piece *p)
{
	return p->from + p->len;
}

static size_t charge_of(size_t n)
{
	return n + NR_ACCOUNT_OVERHEAD;
}

static bool is_mergeable(enum nr_overlap policy)
{
	return policy == NR_OVERLAP_FIRST || policy == NR_OVERLAP_LAST;
}

/*
 * Whether the bytes of a new segment [a, b) win over those of an old one where they
 * overlap (Novak and Sturges 2007): BSD and Windows take the new one where it begins
 * earlier; Linux also where it begins with the old one and ends later; Solaris where it
 * covers the old one.
 */
static bool new_wins(enum nr_overlap policy, uint64_t a, uint64_t b,
		     const struct nr_stream_piece *old)
{
	switch (policy) {
	case NR_OVERLAP_FIRST:
		return false;
	case NR_OVERLAP_LAST:
		return true;
	case NR_OVERLAP_BSD:
	case NR_OVERLAP_WINDOWS:
		return a < old->seg_from;
	case NR_OVERLAP_LINUX:
		return a < old->seg_from || (a == old->seg_from && b > old->seg_to);
	case NR_OVERLAP_SOLARIS:
		return a <= old->seg_from && b >= old->seg_to;
	default:
		return false;
	}
}

static void split(struct nr_stream_piece *t, uint64_t at, struct nr_stream_piece **less,
		  struct nr_stream_piece **more)
{
	if (!t) {
		*less = *more = NULL;
	} else if (t->from < at) {
		split(t->right, at, &t->right, more);
		*less = t;
	} else {
		split(t->left, at, less, &t->left);
		*more = t;
	}
}

static struct nr_stream_piece *treap_insert(struct nr_stream_piece *t,
					    struct nr_stream_piece *p)
{
	if (!t)
		return p;
	if (p->priority > t->priority) {
		split(t, p->from, &p->left, &p->right);
		return p;
	}
	if (p->from < t->from)
		t->left = treap_insert(t->left, p);
	else
		t->right = treap_insert(t->right, p);
	return t;
}

/* The last piece that begins at or before offset, or NULL. */
static struct nr_stream_piece *find(const struct nr_stream_store *s, uint64_t offset)
{
	struct nr_stream_piece *best = NULL, *t = s->root;

	if (s->last && s->last->from <= offset)
		return s->last; /* the usual place for what comes next */
	while (t) {
		if (t->from <= offset) {
			best = t;
			t = t->right;
		} else {
			t = t->left;
		}
	}
	return best;
}

static void link_piece(struct nr_stream_store *s, struct nr_stream_piece *p,
		       struct nr_stream_piece *before)
{
	p->before = before;
	p->after = before ? before->after : s->first;
	if (p->after)
		p->after->before = p;
	else
		s->last = p;
	if (before)
		before->after = p;
	else
		s->first = p;
	p->priority = next_priority(s);
	s->root = treap_insert(s->root, p);
}

void nr_pieces_take_first(struct nr_stream_store *s)
{
	struct nr_stream_piece *p = s->first, **at = &s->root;

	while (*at != p) /* the leftmost */
		at = &(*at)->left;
	*at = p->right;
	s->first = p->after;
	if (s->first)
		s->first->before = NULL;
	else
		s->last = NULL;
	s->stored -= charge_of(sizeof(*p)) + charge_of(p->cap);
}

void nr_piece_free(struct nr_stream_piece *p, struct nr_account *a)
{
	nr_account_free(a, p->buf, p->cap);
	nr_account_free(a, p, sizeof(*p));
}

void nr_pieces_drop_first(struct nr_stream_store *s, struct nr_account *a)
{
	struct nr_stream_piece *p = s->first;

	nr_pieces_take_first(s);
	nr_piece_free(p, a);
}

/* What inserting needs to know, from call to call. */
struct insert {
	struct nr_stream_store *s;
	const struct nr_stream_config *c;
	struct nr_account *a;
	const struct nr_stream_segment *g;
	const struct nr_stream_reader *r;
	uint64_t needs; /* of g; 0: the peer has been told so far already */
};

static bool has_room(const struct insert *in, size_t n)
{
	return n <= in->c->max_memory && in->s->stored <= in->c->max_memory - n;
}

static struct nr_stream_piece *piece_new(const struct insert *in, size_t n)
{
	struct nr_stream_piece *p;
	size_t need = charge_of(sizeof(*p)) + charge_of(n);

	if (!has_room(in, need))
		return NULL;
	p = nr_account_alloc(in->a, sizeof(*p));
	if (!p)
		return NULL;
	p->buf = nr_account_realloc(in->a, NULL, 0, n);
	if (!p->buf) {
		nr_account_free(in->a, p, sizeof(*p));
		return NULL;
	}
	p->cap = (uint32_t)n;
	in->s->stored += need;
	return p;
}

/* Room for n more bytes in front of or behind those of p. */
static bool piece_grow(const struct insert *in, struct nr_stream_piece *p, uint32_t n,
		       bool in_front)
{
	uint32_t cap = (p->len + n) * 2, head;
	uint8_t *buf;

	if (in_front ? p->head >= n : p->cap - p->head - p->len >= n)
		return true;
	if (p->len + n > MAX_PIECE || !has_room(in, charge_of(cap)))
		return false;
	buf = nr_account_realloc(in->a, NULL, 0, cap);
	if (!buf)
		return false;
	head = in_front ? cap - p->len : 0;
	memcpy(buf + head, p->buf + p->head, p->len);
	nr_account_free(in->a, p->buf, p->cap);
	in->s->stored += cap;
	in->s->stored -= p->cap;
	p->buf = buf;
	p->head = head;
	p->cap = cap;
	return true;
}

static const uint8_t *segment_at(const struct nr_stream_segment *g, uint64_t offset)
{
	return g->data + (offset - g->offset);
}

/* Adds [from, to) of the segment to a piece that it touches. */
static bool join(const struct insert *in, struct nr_stream_piece *before, uint64_t from,
		 uint64_t to)
{
	struct nr_stream_piece *after = before ? before->after : in->s->first;
	uint32_t n = (uint32_t)(to - from);
	const uint8_t *data = segment_at(in->g, from);

	if (before && piece_end(before) == from && before->needs == in->needs &&
	    piece_grow(in, before, n, false)) {
		memcpy(before->buf + before->head + before->len, data, n);
		before->len += n;
		before->at = in->g->at;
		return true;
	}
	if (after && after->from == to && after->needs == in->needs &&
	    piece_grow(in, after, n, true)) {
		after->head -= n;
		after->len += n;
		after->from = from; /* still behind `before`: the treap's order holds */
		memcpy(after->buf + after->head, data, n);
		after->at = in->g->at;
		return true;
	}
	return false;
}

/* Stores [from, to) of the segment, which lies in no piece, behind `before`. */
static bool add(const struct insert *in, struct nr_stream_piece *before, uint64_t from,
		uint64_t to)
{
	size_t n = to - from, cap = n;
	struct nr_stream_piece *p;

	if (is_mergeable(in->c->overlap)) {
		if (join(in, before, from, to))
			return true;
		if (cap < MIN_PIECE)
			cap = MIN_PIECE;
	}
	p = piece_new(in, cap);
	if (!p)
		return false;
	p->from = from;
	p->len = (uint32_t)n;
	p->seg_from = in->g->offset;
	p->seg_to = in->g->offset + in->g->len;
	p->needs = in->needs;
	p->at = in->g->at;
	memcpy(p->buf, segment_at(in->g, from), n);
	link_piece(in->s, p, before);
	return true;
}

static void tell_conflict(const struct nr_stream_piece *p,
			  const struct nr_stream_segment *g, uint64_t from, uint64_t to,
			  const struct nr_stream_reader *r)
{
	const uint8_t *old = nr_piece_data(p) + (from - p->from);
	const uint8_t *new = segment_at(g, from);
	size_t n = to - from;

	if (memcmp(old, new, n) != 0)
		r->conflict(r->arg, from, n, nr_stream_hash(old, n),
			    nr_stream_hash(new, n));
}

static void overwrite(struct nr_stream_piece *p, const struct nr_stream_segment *g,
		      uint64_t from, uint64_t to)
{
	memcpy(p->buf + p->head + (from - p->from), segment_at(g, from), to - from);
}

/* Cuts p so that a piece of its own begins at `at`; returns that one. */
static struct nr_stream_piece *cut(const struct insert *in, struct nr_stream_piece *p,
				   uint64_t at)
{
	uint32_t keep = (uint32_t)(at - p->from), n = p->len - keep;
	struct nr_stream_piece *q = piece_new(in, n);

	if (!q)
		return NULL;
	q->from = at;
	q->len = n;
	q->seg_from = p->seg_from;
	q->seg_to = p->seg_to;
	q->needs = p->needs;
	q->at = p->at;
	memcpy(q->buf, nr_piece_data(p) + keep, n);
	p->len = keep;
	link_piece(in->s, q, p);
	return q;
}

/* The overlap [from, to) of the segment with p; *p becomes the last piece of it. */
static bool settle(const struct insert *in, struct nr_stream_piece **p, uint64_t from,
		   uint64_t to)
{
	struct nr_stream_piece *q = *p;

	if (!new_wins(in->c->overlap, in->g->offset, in->g->offset + in->g->len, q)) {
		tell_conflict(q, in->g, from, to, in->r);
		return true;
	}
	if (is_mergeable(in->c->overlap)) {
		tell_conflict(q, in->g, from, to, in->r);
		overwrite(q, in->g, from, to);
		return true;
	}
	/* What the new segment wins is judged by its borders from now on. */
	if (to < piece_end(q) && !cut(in, q, to))
		return false;
	if (from > q->from && !(q = cut(in, q, from)))
		return false;
	tell_conflict(q, in->g, from, to, in->r);
	overwrite(q, in->g, from, to);
	q->seg_from = in->g->offset;
	q->seg_to = in->g->offset + in->g->len;
	*p = q;
	return true;
}

bool nr_pieces_insert(struct nr_stream_store *s, const struct nr_stream_config *c,
		      struct nr_account *a, const struct nr_stream_segment *g,
		      const struct nr_stream_reader *r)
{
	const bool is_told = !r->peer || g->needs <= r->peer->next;
	struct insert in = {
		.s = s, .c = c, .a = a, .g = g, .r = r, .needs = is_told ? 0 : g->needs
	};
	struct nr_stream_piece *before = find(s, g->offset), *p;
	uint64_t at = g->offset, to = g->offset + g->cap;

	p = before ? before : s->first;
	if (before && piece_end(before) <= at)
		p = before->after;
	while (at < to) {
		uint64_t stop;

		if (!p || p->from > at) {
			stop = p && p->from < to ? p->from : to;
			if (!add(&in, p ? p->before : s->last, at, stop))
				return false;
		} else {
			stop = piece_end(p) < to ? piece_end(p) : to;
			if (!settle(&in, &p, at, stop))
				return false;
			p = p->after;
		}
		at = stop;
	}
	return true;
}

void nr_pieces_settle(struct nr_stream_store *s, enum nr_overlap policy,
		      const struct nr_stream_segment *g, const struct nr_stream_reader *r)
{
	uint64_t to = g->offset + g->cap;

	for (struct nr_stream_piece *p = s->first; p && p->from < to; p = p->after) {
		uint64_t stop = piece_end(p) < to ? piece_end(p) : to;

		tell_conflict(p, g, p->from, stop, r);
		if (new_wins(policy, g->offset, g->offset + g->len, p))
			overwrite(p, g, p->from, stop);
	}
}
