/* SPDX-License-Identifier: BSD-3-Clause */
/* The engine's half of a shard: what is to be done for its items and clock marks. */
#include "engine/internal.h"

#include "decode/checksum.h"

enum {
	AHEAD_ITEM = 12,  /* items before their turn that memory is asked for them, */
	AHEAD_BUCKET = 8, /* for their bucket, */
	AHEAD_FLOW = 5,   /* for their flow, */
	AHEAD_COLD = 2,   /* for all of it */
	ROOM = 512 << 10, /* bytes of records of a part before it pauses */
	AHEAD_DUE = 64,   /* flows that are due, worked off before others are */
};

void nr_parts_init(struct nr_engine *e)
{
	for (unsigned i = 0; i < NR_N_SHARDS; i++) {
		struct nr_part *p = &e->parts[i];

		p->e = e;
		p->shard = i;
		p->way_backs.max_bytes = e->cfg.index_memory / NR_N_SHARDS;
		p->community = nr_community_new();
		if (!e->cfg.no_sessions)
			p->sessions = nr_part_sessions_new(p);
		nr_part_into(p, &e->single);
	}
}

void nr_parts_fini(struct nr_engine *e)
{
	for (unsigned i = 0; i < NR_N_SHARDS; i++) {
		nr_sessions_free(e->parts[i].sessions);
		nr_community_free(e->parts[i].community);
	}
}

void nr_part_into(struct nr_part *p, struct nr_out *o)
{
	p->out = o;
	if (p->sessions)
		nr_sessions_into(p->sessions, &o->arena);
}

void nr_part_place(struct nr_part *p, const struct nr_flow *f)
{
	if (p->out->order.phase != NR_PHASE_PACKET)
		p->out->order.place = f->flow_id;
}

/* The way back to a record that is the flow's. */
static void credit(struct nr_part *p, struct nr_flow *f, uint32_t source, uint64_t record)
{
	struct nr_way_backs *b = &p->way_backs;

	if (!record) /* a capture could not keep it */
		return;
	nr_way_back_turn(b, f, source);
	if (nr_way_back_full(f->way_back, source))
		nr_part_flow_packets(p, f);
	nr_way_back_add(b, f, source, record);
	while ((f = nr_way_back_over(b))) {
		if (f->way_back->len)
			nr_part_flow_packets(p, f);
		nr_way_back_drop(b, f);
	}
}

/* What the decoder noticed of the level, told with its flow. */
static void decode_anomalies(struct nr_part *p, const struct nr_item *it,
			     struct nr_flow *f)
{
	for (unsigned i = 0; i < it->dec->n_anomalies; i++) {
		const struct nr_decode_anomaly *a = &it->dec->anomaly[i];

		if (a->level == it->level)
			nr_part_flow_anomaly(p->e, f, a->kind, -1, a->a, a->b);
	}
}

static __attribute__((noinline)) void answer(struct nr_part *p, const struct nr_item *it)
{
	const struct nr_flow *f = nr_flow_find(p->e->flows, &it->key, it->hash);
	struct nr_join *j;

	p->out->order.place = nr_place_asked(it->level);
	j = nr_join_note(p->out, NR_JOIN_ANSWER);
	j->level = it->level;
	j->hash = it->hash;
	j->id = f ? f->flow_id : 0;
}

static bool is_bad(const struct nr_engine *e, const struct nr_item *it)
{
	const struct nr_level *l = &it->dec->level[it->level];

	if (e->cfg.checksums != NR_CSUM_AUTO)
		return it->flags & NR_ITEM_BAD; /* the intake had to know */
	return (l->flags & NR_L_IP_CSUM_BAD) || nr_level_csum(l) == NR_CSUM_BAD;
}

void nr_part_item(struct nr_part *p, const struct nr_item *it)
{
	const struct nr_packet *pkt = it->pkt;
	bool hi = it->flags & NR_ITEM_HI;
	struct nr_tcp_seen seen;
	struct nr_flow_packet fp = { .pkt = pkt,
				     .dec = it->dec,
				     .seen = p->sessions ? &seen : NULL };
	struct nr_out *o = p->out;
	struct nr_flow *f;

	p->level = it->level;
	o->now = pkt;
	o->order = (struct nr_order){ .ordinal = pkt->ordinal,
				      .turn = NR_TURN_PACKET,
				      .phase = NR_PHASE_PACKET,
				      .place = nr_place_level(it->level) };
	if (it->flags & NR_ITEM_ASK) {
		answer(p, it);
		return;
	}
	fp.bad_checksum = is_bad(p->e, it);
	fp.drop_bad = it->flags & NR_ITEM_DROP;
	fp.guess = it->guess;
	fp.is_credited = it->flags & NR_ITEM_OWNS;
	f = nr_flow_update(p->e->flows, &fp, it->level, &it->key, it->hash, hi);
	if (it->dec->n_anomalies)
		decode_anomalies(p, it, f);
	if (it->flags & NR_ITEM_TELL) {
		struct nr_join *j = nr_join_note(o, NR_JOIN_FLOW);

		j->level = it->level;
		j->id = f->flow_id;
	}
	if (p->sessions && !fp.drop_bad && (!fp.is_quiet || p->e->cfg.tap))
		nr_sessions_packet(p->sessions, f, hi != f->src_is_hi, pkt,
				   &it->dec->level[it->level], &seen);
	if (!(it->flags & NR_ITEM_OWNS) || (p->e->cfg.no_index && !it->dec->n_frags))
		return;
	/* Fragments that came before the packet share its fate. */
	for (uint32_t i = 0; i < it->dec->n_frags; i++) {
		const struct nr_frag_record *r = &it->dec->frags[i];

		nr_flow_credit(p->e->flows, f, r->wire_len);
		if (!p->e->cfg.no_index)
			credit(p, f, r->source, r->record);
	}
	if (!p->e->cfg.no_index)
		credit(p, f, pkt->source, pkt->record);
}

/* The walk through a step. */

void nr_part_begin(struct nr_part *p, const struct nr_step *s, struct nr_out *o)
{
	nr_part_into(p, o);
	p->step = s;
	p->at_item = p->at_mark = 0;
	p->done = false;
}

static struct nr_item *item_at(const struct nr_part *p, size_t i)
{
	const struct nr_step_list *l = &p->step->list[p->shard];

	return i < l->n ? &p->step->items[l->item[i]] : NULL;
}

/* The mark that comes before item it (NULL: behind all); NULL: none. */
static const struct nr_step_mark *mark_before(const struct nr_part *p,
					      const struct nr_item *it)
{
	const struct nr_step_mark *m = &p->step->marks[p->at_mark];

	if (p->at_mark == p->step->n_marks || (it && m->ordinal > it->pkt->ordinal))
		return NULL;
	return m;
}

static struct nr_order mark_order(const struct nr_step_mark *m, uint64_t place)
{
	return (struct nr_order){ .ordinal = m->ordinal,
				  .turn = m->turn,
				  .place = place,
				  .phase = m->is_end ? NR_PHASE_END : NR_PHASE_MARK };
}

static struct nr_order item_order(const struct nr_item *it)
{
	return (struct nr_order){ .ordinal = it->pkt->ordinal,
				  .turn = NR_TURN_PACKET,
				  .phase = NR_PHASE_PACKET };
}

/*
 * What the part writes next comes behind all that it has written. Of one flow at a mark,
 * or of one packet, that may be more than there is room for: it is to be merged before
 * the same flow or packet goes on.
 */
static struct nr_order behind_written(const struct nr_part *p, struct nr_order next)
{
	const struct nr_records *rs = &p->out->records;
	struct nr_order last;

	if (!rs->n)
		return next;
	last = rs->r[rs->n - 1]->order;
	last.seq++;
	return nr_order_cmp(&next, &last) < 0 ? last : next;
}

struct nr_order nr_part_next(const struct nr_part *p)
{
	const struct nr_item *it = item_at(p, p->at_item);
	const struct nr_step_mark *m = mark_before(p, it);

	if (m)
		return behind_written(
			p, mark_order(m, nr_flow_shard_ahead(p->e->flows, p->shard, 0)));
	if (it)
		return behind_written(p, item_order(it));
	return (struct nr_order){ .ordinal = UINT64_MAX };
}

struct nr_order nr_part_ahead(const struct nr_part *p)
{
	const struct nr_step_mark *m = mark_before(p, item_at(p, p->at_item));
	uint64_t id =
		m ? nr_flow_shard_ahead(p->e->flows, p->shard, AHEAD_DUE) : UINT64_MAX;

	if (id == UINT64_MAX)
		return (struct nr_order){ .ordinal = UINT64_MAX };
	return mark_order(m, id);
}

static bool is_full(const struct nr_part *p)
{
	return p->out->arena.handed >= ROOM;
}

static bool pause_due(void *arg, uint64_t next_flow_id)
{
	const struct nr_part *p = arg;
	struct nr_order next = p->out->order;

	next.place = next_flow_id;
	next.seq = 0;
	return is_full(p) || nr_order_cmp(&next, &p->until) >= 0;
}

/* False: paused. */
static bool take_mark(struct nr_part *p, const struct nr_step_mark *m)
{
	struct nr_flow_table *t = p->e->flows;

	p->out->now = NULL;
	p->out->order = mark_order(m, 0);
	if (m->is_end)
		return nr_flow_shard_flush(t, p->shard, NR_END_OF_INPUT, pause_due, p);
	return nr_flow_shard_mark(t, p->shard, m->mark_ns, pause_due, p);
}

/* Memory was written by another processor, or long ago: it is asked for in time. */
static void prefetch(const struct nr_part *p)
{
	struct nr_item *it = item_at(p, p->at_item + AHEAD_ITEM);

	if (it) {
		__builtin_prefetch(it);
		__builtin_prefetch((const char *)it + 64);
	}
	it = item_at(p, p->at_item + AHEAD_BUCKET);
	if (it) {
		nr_flow_prefetch(p->e->flows, it->hash);
		__builtin_prefetch(it->pkt);
		__builtin_prefetch(&it->pkt->event);
		__builtin_prefetch(&it->dec->level[it->level]);
		__builtin_prefetch((const char *)&it->dec->level[it->level] + 64);
	}
	it = item_at(p, p->at_item + AHEAD_FLOW);
	if (it)
		it->guess = nr_flow_prefetch_hit(p->e->flows, it->hash);
	it = item_at(p, p->at_item + AHEAD_COLD);
	if (it)
		nr_flow_prefetch_cold(p->e->flows, it->guess,
				      !p->e->cfg.no_index || p->sessions);
}

void nr_part_walk(struct nr_part *p)
{
	for (;;) {
		const struct nr_item *it = item_at(p, p->at_item);
		const struct nr_step_mark *m = mark_before(p, it);
		struct nr_order next;

		if (m) {
			if (!take_mark(p, m))
				return;
			p->at_mark++;
			continue;
		}
		if (!it) {
			p->done = true;
			return;
		}
		next = item_order(it);
		if (is_full(p) || nr_order_cmp(&next, &p->until) >= 0)
			return;
		prefetch(p);
		nr_part_item(p, it);
		p->at_item++;
	}
}
