/* SPDX-License-Identifier: BSD-3-Clause */
#include "session/stream.h"

#include "base/clock.h"
#include "base/hash.h"
#include "session/pieces.h"

#include <string.h>

#define NS_PER_S INT64_C(1000000000)

enum {
	FIRST_MORE = 4,
	LONE_HOLE_S = 4, /* a hole with little beyond it */
};

const char *nr_gap_reason_name(enum nr_gap_reason r)
{
	static const char *const names[] = {
		[NR_GAP_ACKED] = "acked", [NR_GAP_TIMEOUT] = "timeout",
		[NR_GAP_FULL] = "full",   [NR_GAP_END] = "end",
		[NR_GAP_CUT] = "cut",
	};

	return names[r];
}

uint64_t nr_stream_hash(const void *data, size_t n)
{
	const uint64_t k0 = 0x9e3779b97f4a7c15, k1 = 0xd6e8feb86659fd93;
	const uint8_t *p = data;
	uint64_t h = n ^ k1, a, b;

	for (; n >= 16; n -= 16, p += 16) {
		memcpy(&a, p, 8);
		memcpy(&b, p + 8, 8);
		h = nr_mix(a ^ k0 ^ h, b ^ k1);
	}
	a = b = 0;
	memcpy(&a, p, n < 8 ? n : 8);
	if (n > 8)
		memcpy(&b, p + 8, n - 8);
	return nr_mix(h ^ a ^ k1, b ^ k0 ^ nr_rotl(h, 29));
}

void nr_stream_init(struct nr_stream *s)
{
	*s = (struct nr_stream){ .end = UINT64_MAX, .covered_ns = INT64_MIN };
}

static struct nr_stream_piece *first_piece(const struct nr_stream *s)
{
	return s->store ? s->store->first : NULL;
}

static bool need_store(struct nr_stream *s, const struct nr_stream_config *c,
		       struct nr_account *a, uint64_t offset)
{
	if (s->store)
		return true;
	s->store = nr_account_alloc(a, sizeof(*s->store));
	if (!s->store)
		return false;
	s->store->hole_ns = INT64_MIN;
	s->store->seed = (c->seed ^ (uint32_t)nr_mix(offset, c->seed)) | 1;
	return true;
}

static void drop_empty_store(struct nr_stream *s, struct nr_account *a)
{
	if (!s->store || s->store->first)
		return;
	nr_account_free(a, s->store, sizeof(*s->store));
	s->store = NULL;
}

void nr_stream_fini(struct nr_stream *s, struct nr_account *a)
{
	while (first_piece(s))
		nr_pieces_drop_first(s->store, a);
	drop_empty_store(s, a);
	nr_account_free(a, s->more, s->cap_more * sizeof(*s->more));
	s->more = NULL;
	s->n_remembered = s->cap_more = s->first_remembered = 0;
}

static unsigned cap_remembered(const struct nr_stream *s)
{
	return s->more ? s->cap_more : 1;
}

static struct nr_remembered *remembered(struct nr_stream *s, unsigned i)
{
	/* cap_more is a power of two */
	return s->more ? &s->more[(s->first_remembered + i) & (s->cap_more - 1u)]
		       : &s->one;
}

/* Of what is remembered no offset is 4 GiB or more below `next`: see moves_on(). */
static uint64_t offset_of(const struct nr_stream *s, const struct nr_remembered *m)
{
	return s->next - (uint32_t)((uint32_t)s->next - m->offset);
}

static void forget_oldest(struct nr_stream *s)
{
	s->first_remembered =
		(uint8_t)((s->first_remembered + 1u) & (cap_remembered(s) - 1));
	s->n_remembered--;
}

static void grow_remembered(struct nr_stream *s, struct nr_account *a)
{
	unsigned cap = s->more ? s->cap_more * 2u : FIRST_MORE;
	struct nr_remembered *grown;

	if (s->cap_more == NR_REMEMBERED)
		return;
	grown = nr_account_alloc(a, cap * sizeof(*grown));
	if (!grown)
		return;
	for (unsigned i = 0; i < s->n_remembered; i++)
		grown[i] = *remembered(s, i);
	nr_account_free(a, s->more, s->cap_more * sizeof(*grown));
	s->more = grown;
	s->cap_more = (uint8_t)cap;
	s->first_remembered = 0;
}

static void moves_on(struct nr_stream *s, uint64_t next)
{
	while (s->n_remembered && next - offset_of(s, remembered(s, 0)) > UINT32_MAX)
		forget_oldest(s);
	s->next = next;
}

static void remember(struct nr_stream *s, struct nr_account *a, uint64_t offset,
		     const uint8_t *p, size_t n)
{
	if (s->n_remembered == cap_remembered(s))
		grow_remembered(s, a);
	if (s->n_remembered == cap_remembered(s))
		forget_oldest(s);
	*remembered(s, s->n_remembered++) =
		(struct nr_remembered){ .offset = (uint32_t)offset,
					.len = (uint32_t)n,
					.hash = nr_stream_hash(p, n) };
}

/* A segment, or its beginning, was delivered before: is it the same? */
static void compare_delivered(struct nr_stream *s, const struct nr_stream_segment *g,
			      const struct nr_stream_reader *r)
{
	uint64_t hash;

	if (g->len <= 1 && g->offset + 1 == s->next)
		return; /* a keep-alive (RFC 9293 3.8.4): its byte means nothing */
	for (unsigned i = 0; i < s->n_remembered; i++) {
		const struct nr_remembered *m = remembered(s, i);

		if (offset_of(s, m) != g->offset || m->len != g->cap)
			continue;
		hash = nr_stream_hash(g->data, g->cap);
		if (hash != m->hash)
			r->conflict(r->arg, g->offset, g->cap, m->hash, hash);
		return;
	}
	s->n_unverified++;
}

static bool tell_fin(struct nr_stream *s, const struct nr_stamp *at,
		     const struct nr_stream_reader *r)
{
	if (s->fin_told || s->next < s->end)
		return true;
	s->fin_told = true;
	return r->fin(r->arg, at);
}

/* The hole at next is filled or given up: the next one begins to count. */
static void hole_moves(struct nr_stream *s, struct nr_account *a, int64_t clock_ns)
{
	struct nr_stream_store *st;

	s->covered_ns = s->acked > s->next ? clock_ns : INT64_MIN;
	drop_empty_store(s, a);
	st = s->store;
	if (!st)
		return;
	st->hole_ns = clock_ns;
	st->n_beyond = 0;
	for (const struct nr_stream_piece *p = st->first; p && st->n_beyond < 2;
	     p = p->after)
		st->n_beyond++;
}

static bool deliver(struct nr_stream *s, struct nr_account *a, const uint8_t *p, size_t n,
		    const struct nr_stamp *at, const struct nr_stream_reader *r)
{
	uint64_t offset = s->next;

	if (!n)
		return true;
	remember(s, a, offset, p, n);
	moves_on(s, offset + n);
	return r->data(r->arg, offset, p, n, at);
}

static bool tell_gap(struct nr_stream *s, uint64_t to, enum nr_gap_reason why,
		     const struct nr_stamp *at, const struct nr_stream_reader *r)
{
	uint64_t offset = s->next;

	if (to <= offset)
		return true;
	moves_on(s, to);
	return r->gap(r->arg, offset, to - offset, why, at);
}

/* Whether the peer's bytes, which the sender had when it said this, have been told. */
static inline bool is_ready(uint64_t needs, const struct nr_stream_reader *r)
{
	return !r->peer || needs <= r->peer->next || r->peer->next >= r->peer->end;
}

/* Does something at `next` wait for the peer? */
static bool waits(const struct nr_stream *s)
{
	const struct nr_stream_piece *p = first_piece(s);

	return p && p->from <= s->next;
}

/* Delivers what is stored without a hole before it; also what waits for the peer if it
   begins below `force`. now: the packet that is being worked on, which completed it;
   NULL: none, the stored packet's own stamp serves. */
static bool drain(struct nr_stream *s, struct nr_account *a, uint64_t force,
		  const struct nr_stamp *now, const struct nr_stream_reader *r)
{
	struct nr_stream_piece *p;

	while ((p = first_piece(s)) && p->from <= s->next &&
	       (p->from < force || is_ready(p->needs, r))) {
		uint64_t skip = s->next - p->from;
		bool more = true;

		nr_pieces_take_first(s->store);
		if (skip < p->len)
			more = deliver(s, a, nr_piece_data(p) + skip, p->len - skip,
				       now ? now : &p->at, r);
		nr_piece_free(p, a);
		if (!more)
			return false;
	}
	return true;
}

/* Gives up the hole at next, up to `to` or the first stored byte; or, where there is
   none, the waiting for the peer. */
static bool give_up(struct nr_stream *s, struct nr_account *a, uint64_t to,
		    enum nr_gap_reason why, int64_t clock_ns, const struct nr_stamp *at,
		    const struct nr_stream_reader *r)
{
	const struct nr_stream_piece *first = first_piece(s);
	uint64_t force = waits(s) ? to : 0;

	if (first && first->from < to)
		to = first->from;
	if (first && first->from == to)
		at = &first->at;
	if (!tell_gap(s, to, why, at, r) || !drain(s, a, force, NULL, r))
		return false;
	hole_moves(s, a, clock_ns);
	return true;
}

/* In order: pieces that lie within the segment are settled by the policy, and told with
   it. */
static bool take_in_order(struct nr_stream *s, const struct nr_stream_config *c,
			  struct nr_account *a, const struct nr_stream_segment *g,
			  const struct nr_stream_reader *r)
{
	const struct nr_stream_piece *first = first_piece(s);
	uint64_t to = g->offset + g->cap;

	if (first && first->from < to)
		nr_pieces_settle(s->store, c->overlap, g, r);
	while (s->next < to) {
		uint64_t stop;

		first = first_piece(s);
		stop = first && first->from < to ? first->from : to;
		if (stop > s->next && !deliver(s, a, g->data + (s->next - g->offset),
					       stop - s->next, &g->at, r))
			return false;
		if (!drain(s, a, to, &g->at, r))
			return false;
	}
	if (g->len > g->cap) { /* nothing else will ever bring it */
		uint64_t end = g->offset + g->len;

		first = first_piece(s);
		if (first && first->from < end)
			end = first->from;
		if (!tell_gap(s, end, NR_GAP_CUT, &g->at, r) ||
		    !drain(s, a, 0, &g->at, r))
			return false;
	}
	hole_moves(s, a, g->clock_ns);
	return tell_fin(s, &g->at, r);
}

static bool take_early(struct nr_stream *s, const struct nr_stream_config *c,
		       struct nr_account *a, const struct nr_stream_segment *g,
		       const struct nr_stream_reader *r)
{
	struct nr_stream_store *st;

	if (!need_store(s, c, a, g->offset))
		return false;
	st = s->store;
	if (!nr_pieces_insert(st, c, a, g, r)) {
		drop_empty_store(s, a);
		return false;
	}
	if (st->hole_ns == INT64_MIN)
		st->hole_ns = g->clock_ns;
	st->n_beyond += st->n_beyond < UINT32_MAX;
	return true;
}

/* In order, but said after bytes of the peer that are not told yet. What the snap length
   has cut is not stored: only now is it known that the rest will never come. */
static bool must_wait(const struct nr_stream_segment *g, const struct nr_stream_reader *r)
{
	return g->cap == g->len && !is_ready(g->needs, r);
}

bool nr_stream_segment(struct nr_stream *s, const struct nr_stream_config *c,
		       struct nr_account *a, const struct nr_stream_segment *g,
		       const struct nr_stream_reader *r)
{
	if (!g->len)
		return true;
	if (g->offset < s->next) {
		compare_delivered(s, g, r);
		if (g->offset + g->len <= s->next)
			return true;
	}
	while (g->offset > s->next) {
		if (take_early(s, c, a, g, r))
			return true;
		/* No room: the oldest hole goes, if need be up to this segment. */
		if (!give_up(s, a, g->offset, NR_GAP_FULL, g->clock_ns, &g->at, r))
			return false;
	}
	return (must_wait(g, r) && take_early(s, c, a, g, r)) ||
	       take_in_order(s, c, a, g, r);
}

bool nr_stream_fin(struct nr_stream *s, uint64_t end, const struct nr_stamp *at,
		   const struct nr_stream_reader *r)
{
	s->end = end;
	return tell_fin(s, at, r);
}

void nr_stream_ack(struct nr_stream *s, uint64_t acked, int64_t clock_ns)
{
	if (acked <= s->acked)
		return;
	s->acked = acked;
	while (s->n_remembered &&
	       offset_of(s, remembered(s, 0)) + remembered(s, 0)->len <= acked)
		forget_oldest(s);
	if (acked > s->next && s->covered_ns == INT64_MIN)
		s->covered_ns = clock_ns;
}

static int64_t hole_wake(const struct nr_stream *s)
{
	const struct nr_stream_store *st = s->store;
	bool much;

	if (!st || !st->first || st->hole_ns == INT64_MIN)
		return INT64_MAX;
	much = st->n_beyond >= 2 || (s->end != UINT64_MAX && s->end > s->next);
	return nr_time_after(st->hole_ns, (much ? 1 : LONE_HOLE_S) * NS_PER_S);
}

static int64_t ack_wake(const struct nr_stream *s, const struct nr_stream_config *c)
{
	if (s->covered_ns == INT64_MIN || s->acked <= s->next || s->next >= s->end)
		return INT64_MAX;
	return nr_time_after(s->covered_ns, c->ack_grace);
}

int64_t nr_stream_wake(const struct nr_stream *s, const struct nr_stream_config *c)
{
	int64_t by_ack = ack_wake(s, c), by_time = hole_wake(s);

	return by_ack < by_time ? by_ack : by_time;
}

/* INT64_MAX is never, also where the clock stands there. */
static bool is_due(int64_t wake_ns, int64_t clock_ns)
{
	return wake_ns != INT64_MAX && clock_ns >= wake_ns;
}

bool nr_stream_tick(struct nr_stream *s, const struct nr_stream_config *c,
		    struct nr_account *a, int64_t clock_ns, const struct nr_stamp *at,
		    const struct nr_stream_reader *r)
{
	if (is_due(ack_wake(s, c), clock_ns)) {
		uint64_t to = s->acked < s->end ? s->acked : s->end;

		/* What is then seen to wait for the peer may do so for a grace of its
		 * own. */
		do {
			if (!give_up(s, a, to, NR_GAP_ACKED, clock_ns, at, r))
				return false;
		} while (s->next < to && !waits(s));
	}
	if (is_due(hole_wake(s), clock_ns) &&
	    !give_up(s, a, UINT64_MAX, NR_GAP_TIMEOUT, clock_ns, at, r))
		return false;
	return tell_fin(s, at, r);
}

static bool release(struct nr_stream *s, struct nr_account *a, int64_t clock_ns,
		    const struct nr_stream_reader *r)
{
	const struct nr_stamp last = s->store->last->at;

	if (!drain(s, a, 0, NULL, r))
		return false;
	hole_moves(s, a, clock_ns);
	return tell_fin(s, &last, r);
}

bool nr_streams_release(struct nr_stream s[2], struct nr_account *a, int64_t clock_ns,
			const struct nr_stream_reader r[2])
{
	unsigned idle = 0;

	for (unsigned i = 0; idle < 2; i = !i) {
		if (!waits(&s[i]) || !is_ready(first_piece(&s[i])->needs, &r[i])) {
			idle++;
			continue;
		}
		idle = 0;
		if (!release(&s[i], a, clock_ns, &r[i]))
			return false;
	}
	return true;
}

/* Up to where bytes are known to have been sent, as far as nothing stored tells. */
static uint64_t known_end(const struct nr_stream *s)
{
	return s->end != UINT64_MAX ? s->end : s->acked;
}

/* Bytes are missing at `next`: before stored ones, or at the end. */
static bool lacks(const struct nr_stream *s)
{
	return !waits(s) && (first_piece(s) || known_end(s) > s->next);
}

/* One step: what waits, or a hole and what lies behind it; when nothing is stored, what
   is missing at the end, and the FIN. */
static bool flush(struct nr_stream *s, struct nr_account *a, const struct nr_stamp *at,
		  const struct nr_stream_reader *r)
{
	if (first_piece(s))
		return give_up(s, a, UINT64_MAX, NR_GAP_END, 0, at, r);
	return tell_gap(s, known_end(s), NR_GAP_END, at, r) && tell_fin(s, at, r);
}

bool nr_streams_flush(struct nr_stream s[2], struct nr_account *a,
		      const struct nr_stamp *at, const struct nr_stream_reader r[2])
{
	while (nr_stream_has_more(&s[0]) || nr_stream_has_more(&s[1])) {
		unsigned i = !nr_stream_has_more(&s[0]);

		if (waits(&s[i]) && lacks(&s[!i]))
			i = !i; /* what it waits for */
		if (!flush(&s[i], a, at, &r[i]) || !nr_streams_release(s, a, 0, r))
			return false;
	}
	return flush(&s[0], a, at, &r[0]) && flush(&s[1], a, at, &r[1]);
}
