/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/pack.h"

#include "base/mem.h"
#include "flow/fast.h"
#include "flow/holes.h"
#include "flow/proto.h"
#include "flow/tcp.h"
#include "flow/way_back.h"

/* Whether the hot line is what holds: nothing wide stands behind it, or it ran ahead. */
static bool hot_holds(const struct nr_flow *f)
{
	return !f->side || f->hot->flags & NR_HOT_FAST;
}

static uint8_t proto_of(const struct nr_flow *f)
{
	return (uint8_t)f->hot->rest;
}

/* An offset from the 32 bits of its sequence number; at most 2^32 were added to `near`.
 */
static int64_t ahead(int64_t near, uint32_t start_seq, uint32_t seq)
{
	return near + (int64_t)(uint32_t)(seq - (start_seq + (uint32_t)near));
}

static uint32_t window_of(const struct nr_flow_hot *h, unsigned s, unsigned scale)
{
	return (uint32_t)h->window[s] << (h->flags & NR_HOT_SCALED << s ? scale : 0);
}

/* What the packed form keeps of a side, hot line apart. */
static void open_side(struct nr_side *o, const struct nr_shard *sh,
		      const struct nr_flow *f, unsigned s)
{
	const struct nr_side_packed *p = &f->packed[s];

	o->start_seq = p->start_seq;
	memcpy(o->mac, p->mac, 6);
	o->has_mac = p->scale & 0x80;
	o->ttl = p->ttl;
	o->tos = p->tos;
	o->state = p->states & 15;
	o->prev_state = p->states >> 4;
	o->hist_seen = p->hist_seen;
	o->tcp_flags = p->tcp_flags;
	o->window_scale = p->scale & 15;
	o->syn_id = f->syn_id[s];
	if (o->syn_id)
		o->syn = sh->syn[o->syn_id];
}

static void take_hot_tcp(struct nr_side *o, const struct nr_flow_hot *h, unsigned s)
{
	o->last = ahead(o->last, o->start_seq, h->next[s]);
	o->ack = ahead(o->ack, o->start_seq, h->acked[s]);
	o->top = o->last > 1 ? (uint64_t)o->last : 1;
	o->trim = o->ack > 1 ? (uint64_t)o->ack : 1;
	o->window = window_of(h, s, o->window_scale);
}

void nr_flow_open(struct nr_shard *sh, struct nr_flow *f)
{
	const struct nr_flow_hot *h = f->hot;
	bool is_tcp = proto_of(f) == NR_PROTO_TCP, holds = hot_holds(f);
	struct nr_flow_wide *w;

	if (!f->side) {
		sh->scratch = (struct nr_flow_wide){ 0 };
		f->side = sh->scratch.side;
		open_side(&f->side[0], sh, f, 0);
		open_side(&f->side[1], sh, f, 1);
	}
	w = nr_flow_open_wide(f);
	for (unsigned s = 0; s < 2; s++) {
		struct nr_side *o = &f->side[s];

		o->packets += h->packets[s];
		o->ip_bytes += h->ip_bytes[s];
		w->records += h->packets[s];
		if (!is_tcp)
			o->payload += h->next[s];
		else if (holds)
			take_hot_tcp(o, h, s);
	}
	w->wire_bytes += h->wire_bytes;
	if (holds)
		w->last_ns = w->active_ns = h->clock_ns;
}

/* Finds or makes the shard's entry for the options of a SYN; 0: it has no room. */
static uint8_t syn_id(struct nr_shard *sh, const struct nr_syn_options *o)
{
	for (unsigned i = 1; i <= sh->n_syns; i++) {
		const struct nr_syn_options *x = &sh->syn[i];

		if (x->n == o->n && x->mss == o->mss && x->wscale == o->wscale &&
		    x->has_mss == o->has_mss && x->has_wscale == o->has_wscale &&
		    !memcmp(x->order, o->order, o->n))
			return (uint8_t)i;
	}
	if (sh->n_syns == NR_SYN_IDS - 1)
		return 0;
	sh->syn[++sh->n_syns] = *o;
	return (uint8_t)sh->n_syns;
}

static bool window_packs(const struct nr_side *o)
{
	return o->window >> o->window_scale <= UINT16_MAX &&
	       (o->window >> o->window_scale << o->window_scale == o->window ||
		o->window <= UINT16_MAX);
}

/* Without a wide form: nothing of it would be lost. */
static bool side_packs(const struct nr_side *o, bool is_tcp)
{
	if (o->packets > UINT16_MAX || o->ip_bytes > UINT32_MAX || o->n_bad_checksums)
		return false;
	if (!is_tcp)
		return o->payload <= UINT32_MAX;
	return !o->holes && !o->fin && !o->hist_syn && !o->hist_fin && !o->hist_rst &&
	       !o->n_retransmits && !o->n_out_of_order && !o->n_zero_windows &&
	       !o->hist_t && !o->hist_g && !o->did_close && !o->did_eof && !o->skip &&
	       !o->n_far[0] && !o->n_far[1] && (!o->syn.n || o->syn_id) && o->last >= 0 &&
	       o->last <= INT32_MAX && o->ack >= 0 && o->ack <= INT32_MAX &&
	       o->top == (o->last > 1 ? (uint64_t)o->last : 1) &&
	       o->trim == (o->ack > 1 ? (uint64_t)o->ack : 1) && window_packs(o);
}

static bool flow_packs(const struct nr_flow *f, const struct nr_flow_wide *w, bool is_tcp)
{
	return w->last_ns == f->hot->clock_ns && w->active_ns == w->last_ns &&
	       w->records == w->side[0].packets + w->side[1].packets &&
	       w->wire_bytes <= UINT32_MAX && side_packs(&w->side[0], is_tcp) &&
	       side_packs(&w->side[1], is_tcp);
}

/* A side of a connection that runs, with nothing missing: flow/fast.h has what for. */
static bool side_runs(const struct nr_side *o)
{
	return (o->state == NR_TCP_ESTABLISHED || o->state == NR_TCP_PARTIAL) &&
	       !o->holes && !o->fin && !o->did_close && !o->did_eof && !o->skip &&
	       !o->n_far[0] && !o->n_far[1] && o->last >= 1 && o->ack >= 0 &&
	       o->ack <= o->last && o->top == (uint64_t)o->last &&
	       o->trim == (o->ack > 1 ? (uint64_t)o->ack : 1) && window_packs(o);
}

static bool is_fast(const struct nr_flow *f, const struct nr_flow_wide *w, bool is_tcp)
{
	if (w->last_ns != f->hot->clock_ns || w->active_ns != w->last_ns || f->closing)
		return false;
	if (!is_tcp)
		return true;
	return f->first_seen == 3 && !f->close_deferred && f->history_len > 1 &&
	       side_runs(&w->side[0]) && side_runs(&w->side[1]);
}

static enum nr_timer timer_of(const struct nr_flow *f)
{
	if (f->closing)
		return NR_TIMER_CLOSING;
	switch (proto_of(f)) {
	case NR_PROTO_TCP:
		if (f->limit_ns != INT64_MIN && f->side[1].state == NR_TCP_INACTIVE)
			return NR_TIMER_ATTEMPT;
		if (!f->established)
			return NR_TIMER_UDP;
		return f->side[0].did_close != f->side[1].did_close ? NR_TIMER_HALF_CLOSED
								    : NR_TIMER_TCP;
	case NR_PROTO_UDP:
		return NR_TIMER_UDP;
	case NR_PROTO_ICMP:
	case NR_PROTO_ICMP6:
		return NR_TIMER_ICMP;
	default:
		return NR_TIMER_OTHER;
	}
}

/* The third step of the handshake, which tells how long it took, is still to come. */
static bool awaits_ack(const struct nr_flow *f, unsigned s)
{
	return s == 0 && f->syn_timed && !f->rtt_known;
}

/* Letters and flags that need not be looked up any more. */
static unsigned side_flags(const struct nr_flow *f, unsigned s, unsigned proto)
{
	const struct nr_side *o = &f->side[s];
	unsigned x = 0;

	if (proto != NR_PROTO_TCP) {
		if (o->packets && (proto != NR_PROTO_UDP || o->hist_seen & NR_HIST_UDP))
			x |= NR_HOT_DATA;
		return x;
	}
	if (o->tcp_flags & NR_TCP_ACK && !awaits_ack(f, s)) {
		x |= o->hist_seen & NR_HIST_DATA ? NR_HOT_DATA : 0;
		x |= o->hist_seen & NR_HIST_ACK ? NR_HOT_ACK : 0;
	}
	x |= o->tcp_flags & NR_TCP_PSH ? NR_HOT_PSH : 0;
	x |= o->ack > 1 ? NR_HOT_ACKED : o->ack < 1 ? NR_HOT_UNHEARD : 0;
	return x;
}

static void pack_side(struct nr_flow *f, unsigned s, bool is_tcp)
{
	const struct nr_side *o = &f->side[s];
	struct nr_side_packed *p = &f->packed[s];
	struct nr_flow_hot *h = f->hot;

	*p = (struct nr_side_packed){
		.start_seq = o->start_seq,
		.ttl = o->ttl,
		.tos = o->tos,
		.states = (uint8_t)(o->state | o->prev_state << 4),
		.hist_seen = o->hist_seen,
		.tcp_flags = o->tcp_flags,
		.scale = (uint8_t)(o->window_scale | (o->has_mac ? 0x80 : 0)),
	};
	memcpy(p->mac, o->mac, 6);
	f->syn_id[s] = o->syn_id;
	h->flags |= (uint16_t)(side_flags(f, s, proto_of(f)) << s);
	if (!is_tcp)
		return;
	h->next[s] = o->start_seq + (uint32_t)o->last;
	h->acked[s] = o->start_seq + (uint32_t)o->ack;
	if (o->window >> o->window_scale << o->window_scale == o->window) {
		h->window[s] = (uint16_t)(o->window >> o->window_scale);
		h->flags |= (uint16_t)(NR_HOT_SCALED << s);
	} else {
		h->window[s] = (uint16_t)o->window;
	}
}

static void pack_counters(struct nr_flow_hot *h, const struct nr_flow_wide *w,
			  bool is_packed, bool is_tcp)
{
	for (unsigned s = 0; s < 2; s++) {
		const struct nr_side *o = &w->side[s];

		h->packets[s] = is_packed ? (uint16_t)o->packets : 0;
		h->ip_bytes[s] = is_packed ? (uint32_t)o->ip_bytes : 0;
		if (!is_tcp)
			h->next[s] = is_packed ? (uint32_t)o->payload : 0;
	}
	h->wire_bytes = is_packed ? (uint32_t)w->wire_bytes : 0;
}

static void drop_empty_holes(struct nr_side *o)
{
	if (o->holes && !o->holes->n && !o->holes->forgotten)
		nr_holes_free(o);
}

void nr_flow_pack(struct nr_shard *sh, struct nr_flow *f)
{
	struct nr_flow_wide *w = nr_flow_open_wide(f);
	struct nr_flow_hot *h = f->hot;
	bool is_tcp = proto_of(f) == NR_PROTO_TCP, is_packed;

	for (unsigned s = 0; s < 2; s++) {
		struct nr_side *o = &f->side[s];

		drop_empty_holes(o);
		if (o->syn.n && !o->syn_id)
			o->syn_id = syn_id(sh, &o->syn);
	}
	is_packed = flow_packs(f, w, is_tcp);
	h->flags &= NR_HOT_QUIET;
	h->flags |= (uint16_t)((f->src_is_hi ? NR_HOT_SRC_IS_HI : 0) |
			       (is_packed ? 0 : NR_HOT_WIDE) |
			       (!sh->general_only && is_fast(f, w, is_tcp) ? NR_HOT_FAST
									   : 0));
	pack_side(f, 0, is_tcp);
	pack_side(f, 1, is_tcp);
	pack_counters(h, w, is_packed, is_tcp);
	h->timer = (uint8_t)timer_of(f);
	if (is_packed) {
		if (w != &sh->scratch)
			nr_free(w);
		f->side = NULL;
	} else if (w == &sh->scratch) {
		w = nr_xmalloc(sizeof(*w));
		*w = sh->scratch;
		f->side = w->side;
	}
}

/* The handshake, as note_handshake() of tcp.c has it. */
static void note_third_step(struct nr_flow *f, int64_t ts_ns)
{
	int64_t rtt;

	if ((f->packed[1].states & 15) != NR_TCP_ESTABLISHED || ts_ns < f->handshake_ns ||
	    __builtin_sub_overflow(ts_ns, f->handshake_ns, &rtt))
		return;
	f->handshake_ns = rtt;
	f->rtt_known = true;
}

static void note_letter(struct nr_flow *f, unsigned s, uint8_t bit, char c)
{
	if (f->packed[s].hist_seen & bit)
		return;
	f->packed[s].hist_seen |= bit;
	nr_history_add(f, s, c);
}

void nr_fast_note(struct nr_flow *f, unsigned s, const struct nr_level *l, int64_t ts_ns)
{
	struct nr_side_packed *p = &f->packed[s];
	unsigned flags = NR_HOT_DATA;

	if (f->hot->packets[s] == 1) {
		p->ttl = l->ttl;
		p->tos = l->tos;
	}
	if (l->proto == NR_PROTO_UDP) {
		note_letter(f, s, NR_HIST_UDP, 'D');
	} else if (l->proto == NR_PROTO_TCP) {
		p->tcp_flags |= l->tcp_flags;
		if (l->payload_len)
			note_letter(f, s, NR_HIST_DATA, 'D');
		else
			note_letter(f, s, NR_HIST_ACK, 'A');
		if (awaits_ack(f, s))
			note_third_step(f, ts_ns);
		flags = l->tcp_flags & NR_TCP_PSH ? NR_HOT_PSH : 0;
		if (!awaits_ack(f, s))
			flags |= (p->hist_seen & NR_HIST_DATA ? NR_HOT_DATA : 0) |
				 (p->hist_seen & NR_HIST_ACK ? NR_HOT_ACK : 0);
	}
	f->hot->flags |= (uint16_t)(flags << s);
}

void nr_flow_fini(struct nr_shard *sh, struct nr_flow *f)
{
	if (f->side) {
		nr_holes_free(&f->side[0]);
		nr_holes_free(&f->side[1]);
		if (nr_flow_open_wide(f) != &sh->scratch)
			nr_free(nr_flow_open_wide(f));
	}
	if (f->extra) {
		nr_free(f->extra->before);
		nr_free(f->extra->tunnel);
		nr_free(f->extra->vlan);
		nr_free(f->extra);
	}
	if (f->hot->rest & NR_REST_IPV6)
		nr_free(f->hot->ip6);
	if (nr_flow_history_is_heap(f))
		nr_free(f->history_heap);
	nr_way_back_discard(f);
}

struct nr_key nr_flow_key(const struct nr_flow *f)
{
	return nr_hot_to_key(f->hot, f);
}

int64_t nr_flow_clock_ns(const struct nr_flow *f)
{
	return f->hot->clock_ns;
}

uint8_t nr_flow_proto(const struct nr_flow *f)
{
	return proto_of(f);
}

bool nr_flow_is_quiet(const struct nr_flow *f)
{
	return f->hot->flags & NR_HOT_QUIET;
}

void nr_flow_set_quiet(struct nr_flow *f)
{
	f->hot->flags |= NR_HOT_QUIET;
}

struct nr_tcp_facts nr_flow_tcp_facts(const struct nr_flow *f, unsigned side)
{
	const struct nr_side_packed *p = &f->packed[side];
	const struct nr_flow_hot *h = f->hot;
	struct nr_tcp_facts o = { .start_seq = p->start_seq,
				  .saw_syn = p->hist_seen & NR_HIST_SYN };

	if (f->side) {
		o.fin = f->side[side].fin;
		o.ack = f->side[side].ack;
		o.window = f->side[side].window;
	}
	if (hot_holds(f)) {
		o.ack = ahead(o.ack, o.start_seq, h->acked[side]);
		o.window = window_of(h, side, p->scale & 15);
	}
	return o;
}
