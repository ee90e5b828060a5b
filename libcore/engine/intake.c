/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The intake: what is done for a packet before its flows are known. It owns everything
 * that looks at more than one shard: filter, duplicates, fragments, ARP, tunnels, ledger,
 * and the clock marks, which stand where packet time crosses a multiple of 100 ms.
 */
#include "engine/internal.h"

#include "decode/checksum.h"

static int64_t mark_before(int64_t t)
{
	int64_t r = t % NR_MARK_NS;

	if (r < 0)
		r += NR_MARK_NS;
	return t < INT64_MIN + NR_MARK_NS ? INT64_MIN : t - r;
}

static uint64_t next_ordinal(const struct nr_engine *e)
{
	return e->cfg.first_ordinal + e->stats.packets + 1;
}

static inline bool is_out_of_range(const struct nr_engine *e, const struct nr_packet *p)
{
	return p->ts_ns < e->cfg.from ||
	       (e->cfg.to != INT64_MAX && p->ts_ns >= e->cfg.to);
}

/* What lies outside of --from and --to ends no flow: of an archive it may not be read. */
bool nr_intake_clock(struct nr_engine *e, const struct nr_packet *p,
		     struct nr_step_mark *m)
{
	int64_t mark;

	if (nr_intake_no_mark(e->mark_ns, p->clock_ns) ||
	    (p->event ? p->event->kind != NR_EVENT_TICK : is_out_of_range(e, p)))
		return false;
	mark = mark_before(p->clock_ns);
	if (mark <= e->mark_ns)
		return false;
	e->mark_ns = mark;
	*m = (struct nr_step_mark){ .ordinal = next_ordinal(e),
				    .mark_ns = mark,
				    .turn = e->turn++ };
	return true;
}

static void fragment_lost(void *arg, const struct nr_frag_record *r, const char *why,
			  unsigned ip_version)
{
	struct nr_engine *e = arg;

	(void)why;
	(void)ip_version;
	nr_ledger_add(e->ledger, r->source, NR_BUCKET_FRAGMENT_INCOMPLETE, 0,
		      r->wire_len);
}

void nr_intake_lost(struct nr_engine *e)
{
	nr_decoder_expire(e->decoder, e->decoder_mark_ns, fragment_lost, e);
}

static inline void expire_fragments(struct nr_engine *e, int64_t clock_ns)
{
	int64_t mark;

	if (nr_intake_no_mark(e->decoder_mark_ns, clock_ns))
		return;
	mark = mark_before(clock_ns);
	if (mark <= e->decoder_mark_ns)
		return;
	e->decoder_mark_ns = mark;
	nr_intake_lost(e);
}

void nr_intake_end(struct nr_engine *e)
{
	nr_decoder_flush(e->decoder, fragment_lost, e);
}

/* --checksums=verify: a bad level is the last that is looked at. */
static bool is_dropped(const struct nr_engine *e, const struct nr_level *l)
{
	return e->cfg.checksums == NR_CSUM_VERIFY &&
	       ((l->flags & NR_L_IP_CSUM_BAD) || nr_level_csum(l) == NR_CSUM_BAD);
}

static struct nr_item *add_item(struct nr_work *w, unsigned level, unsigned flags)
{
	struct nr_item *it = &w->items[w->n_items++];

	it->pkt = w->pkt;
	it->dec = w->dec;
	it->guess = 0;
	it->level = (uint8_t)level;
	it->flags = (uint8_t)flags;
	return it;
}

/* The flow that an ICMP message speaks of belongs to another shard, which is asked. */
static __attribute__((noinline)) void add_question(struct nr_engine *e, struct nr_work *w,
						   unsigned level)
{
	const struct nr_level *l = &w->dec->level[level];
	struct nr_tuple t;
	struct nr_key k;
	bool hi;

	for (const struct nr_parser *const *p = nr_parsers; *p; p++) {
		struct nr_item *it;

		if (!(*p)->quotes || !(*p)->quotes(l->proto, l->l4, l->l4_cap, &t))
			continue;
		nr_key_make(&k, &hi, &e->key, w->dec, level);
		it = add_item(w, level, NR_ITEM_ASK);
		it->key = nr_quoted_key(&k, &t);
		it->hash = nr_key_hash(&it->key, e->key.secret);
		return;
	}
}

/* An item for each level, and what it asks for in front of it. */
static void add_items(struct nr_engine *e, struct nr_work *w)
{
	struct nr_decoded *d = w->dec;
	struct nr_item *it = NULL;

	for (unsigned i = 0; i < d->n_levels; i++) {
		const struct nr_level *l = &d->level[i];
		bool hi;

		if (it)
			it->flags |= NR_ITEM_TELL;
		if ((l->proto == 1 || l->proto == 58) && !e->cfg.no_sessions &&
		    !(l->flags & (NR_L_NO_PORTS | NR_L_BAD_HDR)))
			add_question(e, w, i);
		it = add_item(w, i, 0);
		it->hash = nr_key_make_hash(&it->key, &hi, &e->key, d, i);
		it->flags |= hi ? NR_ITEM_HI : 0;
		if (!e->pipeline) /* else the shard may be another's now */
			nr_flow_prefetch(e->flows, it->hash);
		if (is_dropped(e, l)) {
			it->flags |= NR_ITEM_BAD | NR_ITEM_DROP;
			if (w->bucket != NR_BUCKET_HELD) /* the decoder counts it */
				w->bucket = NR_BUCKET_CHECKSUM_DROPPED;
			break;
		}
	}
	if (!it)
		return;
	if (d->has_arp)
		it->flags |= NR_ITEM_TELL;
	if (w->bucket == NR_BUCKET_FLOW)
		it->flags |= NR_ITEM_OWNS;
}

/* --dedup; without it samples are looked at, and nothing is left out. */
static inline bool is_copy(struct nr_engine *e, const struct nr_packet *p)
{
	if (e->cfg.dedup_window)
		return nr_dedup_seen(e->dedup, p);
	if (nr_dedup_is_sample(e->n_watched++))
		nr_dedup_seen(e->dedup, p);
	return false;
}

void nr_intake_prepare(struct nr_engine *e, struct nr_work *w, const struct nr_packet *p,
		       struct nr_arena *frags)
{
	struct nr_decoded *d = w->dec;

	w->pkt = p;
	w->detail = 0;
	w->n_items = 0;
	d->n_levels = d->n_tunnels = d->n_anomalies = 0;
	d->n_frags = 0;
	d->has_arp = false;
	if (p->event) {
		if (p->event->kind == NR_EVENT_TICK)
			expire_fragments(e, p->clock_ns);
		return;
	}
	if (is_out_of_range(e, p)) {
		w->bucket = NR_BUCKET_OUT_OF_RANGE;
		return;
	}
	if (e->filter && !nr_filter_pass(e->filter, p)) {
		w->bucket = NR_BUCKET_FILTERED;
		return;
	}
	if (is_copy(e, p)) {
		w->bucket = NR_BUCKET_DUPLICATE;
		return;
	}
	expire_fragments(e, p->clock_ns);
	nr_decode(e->decoder, p, d);
	w->bucket = d->bucket;
	w->detail = d->detail;
	if (d->n_frags) {
		size_t n = d->n_frags * sizeof(d->frags[0]);
		void *copy = nr_arena_alloc(frags, n);

		d->frags = memcpy(copy, d->frags, n);
	}
	add_items(e, w);
}

/* What the decoder noticed of no level. */
static void homeless_anomalies(struct nr_engine *e, const struct nr_decoded *d)
{
	for (unsigned i = 0; i < d->n_anomalies; i++) {
		if (d->anomaly[i].level >= d->n_levels)
			nr_engine_decode_anomaly(e, &d->anomaly[i]);
	}
}

static void count(struct nr_engine *e, const struct nr_work *w)
{
	const struct nr_decoded *d = w->dec;
	const struct nr_packet *p = w->pkt;

	if (w->bucket == NR_BUCKET_HELD)
		return;
	for (uint32_t i = 0; i < d->n_frags; i++) {
		const struct nr_frag_record *r = &d->frags[i];

		nr_ledger_add(e->ledger, r->source, w->bucket, w->detail, r->wire_len);
	}
	nr_ledger_add(e->ledger, p->source, w->bucket, w->detail, p->wire_len);
}

static void place(struct nr_out *o, const struct nr_packet *p, enum nr_place place)
{
	o->order = (struct nr_order){ .ordinal = p->ordinal,
				      .turn = NR_TURN_PACKET,
				      .place = place,
				      .phase = NR_PHASE_PACKET };
}

/* What is told of every packet of a source; true: there is more to say of this one. */
static inline bool count_packet(struct nr_engine *e, const struct nr_packet *p)
{
	struct nr_source_state *s = &e->sources[p->source];

	if (!s->packets || p->ts_ns < s->first_ns)
		s->first_ns = p->ts_ns;
	if (!s->packets || p->ts_ns > s->last_ns)
		s->last_ns = p->ts_ns;
	s->packets++;
	s->wire_bytes += p->wire_len;
	s->captured_bytes += p->cap_len;
	e->turn = 0;
	e->stats.packets++;
	e->stats.wire_bytes += p->wire_len;
	e->stats.captured_bytes += p->cap_len;
	return (p->offset >= s->next_block && !e->cfg.no_index) ||
	       p->flags & (NR_PKT_INBOUND | NR_PKT_OUTBOUND) ||
	       p->time_backwards | p->time_jump | p->time_bogus | p->time_clamped;
}

static __attribute__((noinline)) void tell_event(struct nr_engine *e,
						 const struct nr_packet *p)
{
	struct nr_out *o = e->out;

	o->now = NULL;
	o->order = (struct nr_order){ .ordinal = next_ordinal(e),
				      .turn = e->turn,
				      .phase = NR_PHASE_CONTAINER };
	nr_engine_event(e, p);
}

void nr_intake_tell(struct nr_engine *e, const struct nr_work *w)
{
	const struct nr_packet *p = w->pkt;
	struct nr_out *o = e->out;
	bool more;

	if (p->event) {
		tell_event(e, p);
		return;
	}
	more = count_packet(e, p);
	if (!more && w->bucket == NR_BUCKET_FLOW && !w->dec->n_frags &&
	    !w->dec->n_anomalies && !w->dec->n_tunnels) {
		nr_ledger_add_flow(e->ledger, p->source, p->wire_len);
		return;
	}
	o->now = p;
	place(o, p, NR_PLACE_FIRST);
	if (more)
		nr_engine_source_packet(e, p);
	homeless_anomalies(e, w->dec);
	if (w->dec->n_tunnels)
		nr_tunnels_packet(e, w);
	count(e, w);
}

void nr_intake_tell_last(struct nr_engine *e, const struct nr_work *w)
{
	if (!w->dec->has_arp)
		return;
	e->out->now = w->pkt;
	place(e->out, w->pkt, NR_PLACE_LAST);
	nr_arp_packet(e, w);
}
