/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/flow.h"

#include "base/clock.h"
#include "base/mem.h"
#include "flow/begin.h"
#include "flow/fast.h"
#include "flow/holes.h"
#include "flow/pack.h"
#include "flow/proto.h"
#include "record/anomaly.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

struct due {
	uint64_t flow_id;
	uint32_t index;
	uint8_t shard;
	bool is_wake;
};

enum { DUES_KEPT = 1024 }; /* room of a shard that outlives a mark */

/* What has come due, in order of flow_id once all is known. */
struct dues {
	struct due *d;
	size_t n, cap, at; /* at: the next one; its flows may be worked off in parts */
};

struct nr_flow_table {
	struct nr_flow_config cfg;
	struct nr_flow_events ev;
	struct nr_slabs slabs;
	struct nr_shard shard[NR_N_SHARDS];
	struct dues due[NR_N_SHARDS];
	struct dues all; /* where one thread drives all shards */
};

/* Zeroed, where cache lines begin. */
static struct nr_flow_table *table_memory(void)
{
	void *p = mmap(NULL, sizeof(struct nr_flow_table), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? nr_xmalloc(SIZE_MAX) /* says so and ends */ : p;
}

struct nr_flow_table *nr_flow_table_new(const struct nr_flow_config *c,
					const struct nr_flow_events *ev)
{
	struct nr_flow_table *t = table_memory();

	t->cfg = *c;
	t->ev = *ev;
	nr_slabs_init(&t->slabs, c);
	for (unsigned i = 0; i < NR_N_SHARDS; i++)
		nr_shard_init(&t->shard[i], i, &t->slabs, c);
	return t;
}

void nr_flow_table_free(struct nr_flow_table *t)
{
	if (!t)
		return;
	for (unsigned i = 0; t->ev.discarded && i < NR_N_SHARDS; i++)
		nr_shard_each(&t->shard[i], t->ev.discarded, t->ev.arg);
	for (unsigned i = 0; i < NR_N_SHARDS; i++)
		nr_shard_fini(&t->shard[i], nr_flow_fini);
	nr_slabs_fini(&t->slabs);
	for (unsigned i = 0; i < NR_N_SHARDS; i++)
		nr_free(t->due[i].d);
	nr_free(t->all.d);
	munmap(t, sizeof(*t));
}

static bool any_reset(const struct nr_flow *f)
{
	return f->side[0].state == NR_TCP_RESET || f->side[1].state == NR_TCP_RESET;
}

/* Why a flow ended whose time had come; it is open. */
static enum nr_end_reason timer_reason(const struct nr_flow *f)
{
	if (!f->closing)
		return NR_END_IDLE;
	return any_reset(f) ? NR_END_RST : NR_END_FIN;
}

static void end_flow(struct nr_flow_table *t, struct nr_flow *f, enum nr_end_reason why)
{
	struct nr_shard *s = &t->shard[f->shard];

	nr_flow_open(s, f);
	/* What closed before stays closed, whatever took the flow out of the table. */
	if (f->closing && why != NR_END_ROTATED)
		why = timer_reason(f);
	t->ev.ended(t->ev.arg, f, why);
	nr_shard_unlink(s, f);
	nr_flow_fini(s, f);
	nr_shard_release(s, f);
}

/* The flow nearest to its own timeout goes: half-open and closed ones first. */
static void evict(struct nr_flow_table *t, struct nr_shard *s)
{
	struct nr_flow *f = nr_shard_nearest(s);

	t->ev.anomaly(t->ev.arg, f, NR_ANOM_FLOW_EVICTED, -1, f->shard, 0);
	end_flow(t, f, NR_END_EVICTED);
}

static void set_mac(struct nr_side *s, const uint8_t *mac)
{
	if (!mac)
		return;
	memcpy(s->mac, mac, 6);
	s->has_mac = true;
}

/* A new flow, laid out. */
static struct nr_flow *create(struct nr_flow_table *t, struct nr_shard *s,
			      const struct nr_flow_packet *p, unsigned i,
			      const struct nr_key *k, uint64_t hash, bool src_is_hi)
{
	const struct nr_level *l = &p->dec->level[i];
	struct nr_flow *f;

	if (s->n_flows >= s->max_flows)
		evict(t, s);
	f = nr_shard_add(s, k, hash);
	f->flow_id = p->pkt->ordinal * 16 + l->nesting;
	f->first_ns = p->pkt->ts_ns;
	f->limit_ns = INT64_MIN;
	f->source = p->pkt->source;
	f->interface_id = p->pkt->interface_id;
	f->src_is_hi = src_is_hi;
	nr_flow_open(s, f);
	if (l->n_vlans || l->n_tunnels || p->parent_flow_id)
		nr_flow_note_carriers(f, p, l);
	if (l->proto == NR_PROTO_TCP)
		nr_tcp_init(f);
	set_mac(&f->side[0], l->mac_src);
	set_mac(&f->side[1], l->mac_dst);
	if (!t->cfg.no_flip && nr_flow_wants_flip(l))
		nr_flow_flip(f);
	nr_flow_open_wide(f)->last_ns = nr_flow_open_wide(f)->active_ns = p->pkt->ts_ns;
	f->hot->clock_ns = f->limit_ns = p->pkt->clock_ns;
	f->hot->timer = NR_TIMER_ATTEMPT; /* the shortest there is, until it is packed */
	nr_shard_arm(s, f);
	f->limit_ns = INT64_MIN;
	if (t->ev.started)
		t->ev.started(t->ev.arg, f);
	return f;
}

static void count_packet(struct nr_flow *f, struct nr_side *me, const struct nr_level *l)
{
	if (!me->packets) {
		me->ttl = l->ttl;
		me->tos = l->tos;
	}
	me->packets++;
	me->ip_bytes += l->ip_len;
	f->service = l->carries ? l->carries : f->service;
}

static void swap_u64(uint64_t v[2])
{
	uint64_t a = v[0];

	v[0] = v[1];
	v[1] = a;
}

static void swap_before(struct nr_flow_before *b)
{
	swap_u64(b->payload);
	swap_u64(b->missed);
	swap_u64(b->zero_windows);
	swap_u64(b->bad_checksums);
}

void nr_flow_flip(struct nr_flow *f)
{
	struct nr_side side = f->side[0];

	f->side[0] = f->side[1];
	f->side[1] = side;
	f->src_is_hi = !f->src_is_hi;
	f->flipped = true;
	f->first_seen = (f->first_seen >> 1 & 1u) | (f->first_seen << 1 & 2u);
	if (f->extra && f->extra->before)
		swap_before(f->extra->before);
	nr_history_add(f, 0, '^');
}

static void process(struct nr_flow_table *t, struct nr_flow *f,
		    const struct nr_flow_packet *p, const struct nr_level *l, unsigned s)
{
	struct nr_flow_wide *w = nr_flow_open_wide(f);
	struct nr_side *me;

	if (l->proto == NR_PROTO_TCP && !t->cfg.no_flip &&
	    nr_tcp_began_with_answer(f, l)) {
		f->history_len = 0; /* "H" becomes "^h" */
		nr_flow_flip(f);
		nr_history_add(f, 1, 'H');
		s = !s;
	}
	me = &f->side[s];
	w->last_ns = p->pkt->ts_ns;
	f->hot->clock_ns = p->pkt->clock_ns;
	count_packet(f, me, l);
	if (p->bad_checksum) {
		nr_history_scaled(f, s, 'C', &me->n_bad_checksums);
	}
	switch (l->proto) {
	case NR_PROTO_TCP:
		if (l->flags & NR_L_NO_SEGMENT) {
			w->active_ns = p->pkt->ts_ns;
			return; /* its payload has no place in the stream */
		}
		if ((l->tcp_flags & NR_TCP_SYN) && s == 0 && !f->closing)
			f->limit_ns = p->pkt->clock_ns;
		if (nr_tcp_segment(f, s, l, p->pkt->ts_ns, &t->ev, p->seen) ==
		    NR_TCP_CLOSE_NOW) {
			int64_t delay = any_reset(f) ? t->cfg.reset_timeout
						     : t->cfg.closed_timeout;

			f->limit_ns = nr_time_after(p->pkt->clock_ns, delay);
			f->closing = true;
		}
		return;
	case NR_PROTO_UDP:
		if (!(me->hist_seen & NR_HIST_UDP)) {
			me->hist_seen |= NR_HIST_UDP;
			nr_history_add(f, s, 'D');
		}
		break;
	default:
		break;
	}
	me->payload += l->payload_len;
	w->active_ns = p->pkt->ts_ns;
}

void nr_flow_prefetch(const struct nr_flow_table *t, uint64_t hash)
{
	nr_shard_prefetch(&t->shard[nr_key_shard(hash)], hash);
}

uint32_t nr_flow_prefetch_hit(const struct nr_flow_table *t, uint64_t hash)
{
	return nr_shard_prefetch_hit(&t->shard[nr_key_shard(hash)], hash);
}

/* Both sides have been heard of: few packets will have anything to note. */
static bool hot_is_enough(const struct nr_flow_hot *h)
{
	const unsigned heard = NR_HOT_DATA | NR_HOT_ACK;

	return h->flags & NR_HOT_FAST && h->flags & heard && h->flags & heard << 1;
}

void nr_flow_prefetch_cold(const struct nr_flow_table *t, uint32_t guess, bool anyway)
{
	const char *f;

	if (!guess || (!anyway && hot_is_enough(&t->slabs.hot[guess - 1])))
		return;
	f = (const char *)&t->slabs.cold[guess - 1];
	for (size_t at = 0; at < sizeof(struct nr_flow); at += 64)
		__builtin_prefetch(f + at, 1);
}

/* The general way: f, if it is there, is due to end, or is laid out and packed again. */
static __attribute__((noinline)) struct nr_flow *update(
	struct nr_flow_table *t, struct nr_shard *s, struct nr_flow *f,
	const struct nr_flow_packet *p, unsigned i, const struct nr_key *k, uint64_t hash,
	bool src_is_hi)
{
	const struct nr_level *l = &p->dec->level[i];
	struct nr_flow_wide *w;
	unsigned side;

	if (f && p->pkt->clock_ns >= nr_flow_deadline(s, f)) {
		end_flow(t, f, NR_END_IDLE);
		f = NULL;
	}
	if (f)
		nr_flow_open(s, f);
	if (f && l->proto == NR_PROTO_TCP && (l->tcp_flags & NR_TCP_SYN) &&
	    !p->drop_bad && !(l->flags & NR_L_NO_SEGMENT) &&
	    nr_tcp_is_reuse(f, src_is_hi != f->src_is_hi, l)) {
		t->ev.anomaly(t->ev.arg, f, NR_ANOM_TCP_REUSE, -1, 0, 0);
		nr_flow_pack(s, f);
		end_flow(t, f, NR_END_REPLACED);
		f = NULL;
	}
	if (!f)
		f = create(t, s, p, i, k, hash, src_is_hi);
	side = src_is_hi != f->src_is_hi;
	if (p->drop_bad)
		nr_history_scaled(f, side, 'C', &f->side[side].n_bad_checksums);
	else
		process(t, f, p, l, side);
	w = nr_flow_open_wide(f);
	if (p->is_credited) {
		w->records++;
		w->wire_bytes += p->pkt->wire_len;
	}
	nr_flow_pack(s, f);
	nr_shard_rearm(s, f);
	return f;
}

/* What nr_tcp_segment() would have said of a segment that went the fast way. */
static struct nr_tcp_seen seen_fast(const struct nr_flow *f, unsigned side,
				    const struct nr_level *l)
{
	const struct nr_side_packed *me = &f->packed[side];
	int64_t near = f->side ? f->side[side].last : 0;
	int64_t ack = nr_flow_tcp_facts(f, !side).ack;
	int32_t behind = (int32_t)(l->tcp_ack - f->hot->acked[!side]);
	uint32_t end = f->hot->next[side] - (me->start_seq + (uint32_t)near);

	ack = ack + behind > 0 ? ack + behind : 0;
	return (struct nr_tcp_seen){ .is_valid = true,
				     .has_ack = true,
				     .offset = near + end - l->payload_len - 1,
				     .ack = ack - 1 };
}

struct nr_flow *nr_flow_update(struct nr_flow_table *t, struct nr_flow_packet *p,
			       unsigned i, const struct nr_key *k, uint64_t hash,
			       bool src_is_hi)
{
	const struct nr_level *l = &p->dec->level[i];
	struct nr_shard *s = &t->shard[nr_key_shard(hash)];
	struct nr_flow_hot *h = nr_shard_find_guess(s, k, hash, p->guess);
	struct nr_flow *f = h ? &s->cold[nr_shard_index(s, h)] : NULL;
	unsigned side = h ? src_is_hi != (h->flags & NR_HOT_SRC_IS_HI) : 0;
	enum nr_fast fast;

	if (p->seen)
		p->seen->is_valid = false;
	fast = h ? nr_fast_packet(&t->slabs, h, side, p, l) : NR_FAST_NOT;
	if (fast == NR_FAST_NOTE)
		nr_fast_note(f, side, l, p->pkt->ts_ns);
	if (fast == NR_FAST_NOT) {
		f = update(t, s, f, p, i, k, hash, src_is_hi);
		p->is_quiet = nr_flow_is_quiet(f);
		return f;
	}
	p->is_quiet = h->flags & NR_HOT_QUIET;
	if (p->seen && !p->is_quiet && l->proto == NR_PROTO_TCP)
		*p->seen = seen_fast(f, side, l);
	return f;
}

void nr_flow_credit(struct nr_flow_table *t, struct nr_flow *f, uint32_t wire_len)
{
	struct nr_shard *s = &t->shard[f->shard];

	nr_flow_open(s, f);
	nr_flow_open_wide(f)->records++;
	nr_flow_open_wide(f)->wire_bytes += wire_len;
	nr_flow_pack(s, f);
}

static void dues_room(struct dues *q, size_t n)
{
	if (q->cap - q->n >= n)
		return;
	while (q->cap - q->n < n)
		q->cap = q->cap ? q->cap * 2 : 64;
	q->d = nr_xrealloc(q->d, q->cap * sizeof(q->d[0]));
}

static void add_due(struct nr_flow_table *t, const struct nr_flow *f, bool is_wake)
{
	struct dues *q = &t->due[f->shard];

	dues_room(q, 1);
	q->d[q->n++] =
		(struct due){ f->flow_id, nr_shard_index(&t->shard[f->shard], f->hot),
			      f->shard, is_wake };
}

static void collect_due(void *arg, struct nr_flow *f)
{
	add_due(arg, f, false);
}

void nr_flow_add_wake(struct nr_flow_table *t, const struct nr_flow *f)
{
	add_due(t, f, true);
}

static int due_cmp(const void *a, const void *b)
{
	const struct due *x = a, *y = b;

	if (x->flow_id != y->flow_id)
		return x->flow_id < y->flow_id ? -1 : 1;
	return y->is_wake - x->is_wake;
}

static void dues_sort(struct dues *q)
{
	if (q->n > 1)
		qsort(q->d, q->n, sizeof(q->d[0]), due_cmp);
}

/* The flow that ends soon, and the one after it: what is behind its key. */
static void prefetch_due(const struct nr_flow_table *t, const struct dues *q)
{
	enum { FAR = 12, NEAR = 5 };
	struct nr_key k;
	uint32_t i;

	if (q->at + FAR < q->n) {
		uint32_t at = q->d[q->at + FAR].index;

		__builtin_prefetch(&t->slabs.hot[at], 1);
		nr_flow_prefetch_cold(t, at + 1, true);
	}
	if (q->at + NEAR >= q->n || q->d[q->at + NEAR].is_wake)
		return;
	i = q->d[q->at + NEAR].index;
	k = nr_hot_to_key(&t->slabs.hot[i], &t->slabs.cold[i]);
	nr_flow_prefetch(t, nr_key_hash(&k, t->cfg.key.secret));
}

/* False: paused. */
static bool end_due(struct nr_flow_table *t, struct dues *q, enum nr_end_reason why,
		    int64_t mark_ns, nr_flow_pause_fn *pause, void *arg)
{
	for (; q->at < q->n; q->at++) {
		const struct due *d = &q->d[q->at];
		struct nr_flow *f;

		if (pause && pause(arg, d->flow_id))
			return false;
		f = nr_shard_flow(&t->shard[d->shard], d->index);
		prefetch_due(t, q);
		if (d->is_wake)
			t->ev.woken(t->ev.arg, f, mark_ns);
		else
			end_flow(t, f, why);
	}
	q->n = q->at = 0;
	return true;
}

/* What is due in all shards, in one order. */
static void end_all(struct nr_flow_table *t, enum nr_end_reason why, int64_t mark_ns)
{
	struct dues *all = &t->all;
	size_t n = 0;

	for (unsigned i = 0; i < NR_N_SHARDS; i++)
		n += t->due[i].n;
	if (n > all->cap) { /* all at once: a million flows may end here */
		all->cap = n;
		all->d = nr_xrealloc(all->d, n * sizeof(all->d[0]));
	}
	for (unsigned i = 0; i < NR_N_SHARDS; i++) {
		struct dues *q = &t->due[i];

		if (!q->n)
			continue;
		memcpy(all->d + all->n, q->d, q->n * sizeof(q->d[0]));
		all->n += q->n;
		q->n = 0;
		if (q->cap > DUES_KEPT) {
			nr_free(q->d);
			*q = (struct dues){ 0 };
		}
	}
	dues_sort(all);
	end_due(t, all, why, mark_ns, NULL, NULL);
}

static void collect_mark(struct nr_flow_table *t, unsigned shard, int64_t mark_ns)
{
	if (t->ev.mark)
		t->ev.mark(t->ev.arg, shard, mark_ns);
	nr_shard_due(&t->shard[shard], mark_ns, collect_due, t);
}

void nr_flow_mark(struct nr_flow_table *t, int64_t mark_ns)
{
	for (unsigned i = 0; i < NR_N_SHARDS; i++)
		collect_mark(t, i, mark_ns);
	end_all(t, NR_END_IDLE, mark_ns);
}

bool nr_flow_shard_mark(struct nr_flow_table *t, unsigned shard, int64_t mark_ns,
			nr_flow_pause_fn *pause, void *arg)
{
	struct dues *q = &t->due[shard];

	if (!q->n) {
		collect_mark(t, shard, mark_ns);
		dues_sort(q);
	}
	return end_due(t, q, NR_END_IDLE, mark_ns, pause, arg);
}

uint64_t nr_flow_shard_ahead(const struct nr_flow_table *t, unsigned shard, size_t n)
{
	const struct dues *q = &t->due[shard];

	return n < q->n - q->at ? q->d[q->at + n].flow_id : UINT64_MAX;
}

void nr_flow_flush(struct nr_flow_table *t, enum nr_end_reason why)
{
	for (unsigned i = 0; i < NR_N_SHARDS; i++)
		nr_shard_each(&t->shard[i], collect_due, t);
	end_all(t, why, 0);
}

bool nr_flow_shard_flush(struct nr_flow_table *t, unsigned shard, enum nr_end_reason why,
			 nr_flow_pause_fn *pause, void *arg)
{
	struct dues *q = &t->due[shard];

	if (!q->n) {
		nr_shard_each(&t->shard[shard], collect_due, t);
		dues_sort(q);
	}
	return end_due(t, q, why, 0, pause, arg);
}

void nr_flow_each(struct nr_flow_table *t, void (*fn)(void *arg, struct nr_flow *f),
		  void *arg)
{
	for (unsigned i = 0; i < NR_N_SHARDS; i++)
		nr_flow_each_of(t, i, fn, arg);
}

void nr_flow_each_of(struct nr_flow_table *t, unsigned shard,
		     void (*fn)(void *arg, struct nr_flow *f), void *arg)
{
	nr_shard_each(&t->shard[shard], fn, arg);
}

void nr_flow_lay_out(struct nr_flow_table *t, struct nr_flow *f)
{
	nr_flow_open(&t->shard[f->shard], f);
}

void nr_flow_put_back(struct nr_flow_table *t, struct nr_flow *f)
{
	nr_flow_pack(&t->shard[f->shard], f);
}

struct nr_flow *nr_flow_find(struct nr_flow_table *t, const struct nr_key *k,
			     uint64_t hash)
{
	struct nr_shard *s = &t->shard[nr_key_shard(hash)];
	struct nr_flow_hot *h = nr_shard_find(s, k, hash);

	return h ? nr_shard_flow(s, nr_shard_index(s, h)) : NULL;
}

uint64_t nr_flow_count(const struct nr_flow_table *t)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < NR_N_SHARDS; i++)
		n += t->shard[i].n_flows;
	return n;
}

void nr_flow_table_size(const struct nr_flow_table *t, uint64_t *most, uint64_t *bytes,
			uint64_t *slots)
{
	*most = *bytes = *slots = 0;
	for (unsigned i = 0; i < NR_N_SHARDS; i++) {
		const struct nr_shard *s = &t->shard[i];
		uint64_t lines = (uint64_t)s->mask + 1;
		uint64_t used = (uint64_t)s->n_chunks * NR_CHUNK_FLOWS -
				(s->fresh_end - s->fresh);

		*most += used;
		*bytes += used * (sizeof(s->hot[0]) + sizeof(s->cold[0])) +
			  lines * sizeof(s->buckets[0]);
		*slots += lines * NR_BUCKET_WAYS;
	}
}
