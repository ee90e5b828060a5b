/* SPDX-License-Identifier: BSD-3-Clause */
/* Records of flows and anomalies. */
#include "engine/internal.h"

#include "base/ip.h"
#include "flow/proto.h"

#include <stdio.h>

int64_t nr_engine_source_id(const struct nr_engine *e, uint32_t source)
{
	return (int64_t)(e->cfg.first_source_id + source);
}

struct nr_record *nr_out_row(struct nr_out *o, const struct nr_record_type *t)
{
	struct nr_order order = o->order;

	o->order.seq++;
	return nr_records_add(&o->records, t, order);
}

static const char *ip_text(struct nr_arena *a, unsigned version, const uint8_t *b,
			   size_t *len)
{
	char *s = nr_arena_alloc(a, NR_IP_TEXT);

	*len = nr_ip_format(s, version, b);
	return s;
}

static const char *mac_text(struct nr_arena *a, const uint8_t *mac)
{
	char *s = nr_arena_alloc(a, 18);

	nr_mac_format(s, mac);
	return s;
}

static bool has_ports(unsigned proto)
{
	return proto == 1 || proto == 6 || proto == 17 || proto == 33 || proto == 58 ||
	       proto == 132 || proto == 136;
}

/* The columns that flow and flow_start share; their positions are the same. */
static void identity(struct nr_part *p, struct nr_record *r, const struct nr_flow *f)
{
	const struct nr_key key = nr_flow_key(f), *k = &key;
	const uint8_t *src = f->src_is_hi ? k->hi : k->lo;
	const uint8_t *dst = f->src_is_hi ? k->lo : k->hi;
	struct nr_arena *a = &p->out->arena;
	char *cid = nr_arena_alloc(a, NR_COMMUNITY_ID_LEN + 1);
	const char *text;
	size_t n;

	_Static_assert((int)NR_FLOW_first_ns == (int)NR_FLOW_START_first_ns,
		       "flow begins with the columns of flow_start");
	nr_community_id(p->community, k, f->src_is_hi, cid);
	nr_set_int(r, NR_FLOW_flow_id, (int64_t)f->flow_id);
	nr_set_int(r, NR_FLOW_source_id, nr_engine_source_id(p->e, f->source));
	nr_set_int(r, NR_FLOW_interface_id, f->interface_id);
	nr_set_text(r, NR_FLOW_community_id, cid, NR_COMMUNITY_ID_LEN);
	nr_set_str(r, NR_FLOW_proto, nr_proto_name(k->proto));
	text = ip_text(a, k->ip_version, src, &n);
	nr_set_text(r, NR_FLOW_src_ip, text, n);
	text = ip_text(a, k->ip_version, dst, &n);
	nr_set_text(r, NR_FLOW_dst_ip, text, n);
	if (has_ports(k->proto)) {
		nr_set_int(r, NR_FLOW_src_port, f->src_is_hi ? k->hi_port : k->lo_port);
		nr_set_int(r, NR_FLOW_dst_port, f->src_is_hi ? k->lo_port : k->hi_port);
	}
	if (f->extra) {
		/* The row may outlive the flow: the texts move into the arena. */
		if (f->extra->vlan)
			nr_set_str(
				r, NR_FLOW_vlan,
				nr_arena_copy(a, f->extra->vlan, strlen(f->extra->vlan)));
		if (f->extra->tunnel)
			nr_set_str(r, NR_FLOW_tunnel,
				   nr_arena_copy(a, f->extra->tunnel,
						 strlen(f->extra->tunnel)));
	}
	nr_set_int(r, NR_FLOW_first_ns, f->first_ns);
}

static char *put_str(char *o, const char *s)
{
	return stpcpy(o, s);
}

static char *put_num(char *o, unsigned v)
{
	char digits[10];
	unsigned n = 0;

	do
		digits[n++] = (char)('0' + v % 10);
	while (v /= 10);
	while (n)
		*o++ = digits[--n];
	return o;
}

/* One per connection: without printf, which would be a third of what a flow costs. */
static char *put_syn(char *o, const struct nr_syn_options *s)
{
	o = put_str(o, "{");
	if (s->has_mss)
		o = put_str(put_num(put_str(o, "\"mss\":"), s->mss), ",");
	if (s->has_wscale)
		o = put_str(put_num(put_str(o, "\"wscale\":"), s->wscale), ",");
	o = put_str(o, "\"order\":\"");
	memcpy(o, s->order, s->n);
	return put_str(o + s->n, "\"}");
}

/* {"src":{…},"dst":{…}}; one of them was seen. */
static const char *syn_json(struct nr_arena *a, const struct nr_side *s,
			    const struct nr_side *d)
{
	enum { ROOM = 2 * (16 + 13 + 13 + 12 + sizeof(s->syn.order)) };
	char *text = nr_arena_alloc(a, ROOM), *o = put_str(text, "{");

	if (s->syn.n)
		o = put_syn(put_str(o, "\"src\":"), &s->syn);
	if (s->syn.n && d->syn.n)
		o = put_str(o, ",");
	if (d->syn.n)
		o = put_syn(put_str(o, "\"dst\":"), &d->syn);
	put_str(o, "}");
	return text;
}

static void tcp_columns(struct nr_arena *arena, struct nr_record *r,
			const struct nr_flow *f)
{
	const struct nr_side *s = &f->side[0], *d = &f->side[1];
	int64_t rtt = nr_flow_handshake_rtt(f);

	nr_set_int(r, NR_FLOW_tcp_flags_src, s->tcp_flags);
	nr_set_int(r, NR_FLOW_tcp_flags_dst, d->tcp_flags);
	nr_set_int(r, NR_FLOW_src_retransmits, s->n_retransmits);
	nr_set_int(r, NR_FLOW_dst_retransmits, d->n_retransmits);
	nr_set_int(r, NR_FLOW_src_out_of_order, s->n_out_of_order);
	nr_set_int(r, NR_FLOW_dst_out_of_order, d->n_out_of_order);
	if (rtt >= 0)
		nr_set_int(r, NR_FLOW_handshake_rtt_ns, rtt);
	if (s->syn.n || d->syn.n)
		nr_set_str(r, NR_FLOW_syn_options, syn_json(arena, s, d));
}

static void side_columns(struct nr_record *r, const struct nr_side *s, unsigned ttl,
			 unsigned tos)
{
	if (!s->packets)
		return;
	nr_set_int(r, ttl, s->ttl);
	nr_set_int(r, tos, s->tos);
}

static int64_t sub_sat(int64_t a, int64_t b)
{
	int64_t r;

	return __builtin_sub_overflow(a, b, &r) ? INT64_MAX : r;
}

static struct nr_part *part_of(void *engine, const struct nr_flow *f)
{
	return &((struct nr_engine *)engine)->parts[f->shard];
}

/* Others may have announced the flow, or carry it: that is told by the merge. */
static void note_birth(struct nr_part *p, const struct nr_flow *f)
{
	struct nr_join *j;

	if (!p->level && !nr_part_may_be_expected(p))
		return;
	j = nr_join_note(p->out, NR_JOIN_BORN);
	j->id = f->flow_id;
	j->level = (uint8_t)p->level;
	j->born.key = nr_flow_key(f);
	j->born.src_is_hi = f->src_is_hi;
	j->born.clock_ns = nr_flow_clock_ns(f);
}

void nr_part_flow_started(void *engine, struct nr_flow *f)
{
	struct nr_part *p = part_of(engine, f);

	note_birth(p, f);
	if (p->e->cfg.flow_start)
		identity(p, nr_out_row(p->out, &nr_rt_flow_start), f);
}

void nr_part_flow_discarded(void *engine, struct nr_flow *f)
{
	struct nr_part *p = part_of(engine, f);

	if (p->sessions)
		nr_sessions_end(p->sessions, f);
}

static void session_columns(struct nr_arena *a, struct nr_record *r,
			    const struct nr_flow *f)
{
	if (f->service)
		nr_set_str(r, NR_FLOW_service, nr_tunnel_name(f->service - 1u));
	else
		nr_set_str(r, NR_FLOW_service, nr_flow_services(f, a));
	if (f->parser)
		nr_set_str(r, NR_FLOW_parser, nr_parsers[f->parser - 1]->name);
	if (f->parser_close)
		nr_set_str(r, NR_FLOW_parser_close,
			   nr_parser_close_name(
				   (enum nr_parser_close)(f->parser_close - 1)));
	if (f->n_unverified)
		nr_set_int(r, NR_FLOW_overlap_unverified, f->n_unverified);
}

void nr_part_flow_packets(struct nr_part *p, struct nr_flow *f)
{
	struct nr_way_back *w = f->way_back;
	struct nr_record *r = nr_out_row(p->out, &nr_rt_flow_packets);

	nr_set_int(r, NR_FLOW_PACKETS_flow_id, (int64_t)f->flow_id);
	nr_set_int(r, NR_FLOW_PACKETS_source_id, nr_engine_source_id(p->e, w->source));
	nr_set_int(r, NR_FLOW_PACKETS_seq, f->way_back_seq++);
	nr_set_text(r, NR_FLOW_PACKETS_blob,
		    nr_arena_copy(&p->out->arena, w->buf, w->len), w->len);
	w->len = 0;
}

/* Hosts with wrong checksums are judged over all flows. */
static void join_hosts(struct nr_part *p, struct nr_record *r, const struct nr_flow *f)
{
	struct nr_join *j;
	struct nr_key k;

	if (!nr_flow_bad_checksums(f))
		return;
	k = nr_flow_key(f);
	j = nr_join_add(p->out, r, NR_JOIN_HOSTS);
	j->hosts.ip_version = k.ip_version;
	for (unsigned s = 0; s < 2; s++) {
		memcpy(j->hosts.ip[s], (s == 0) == f->src_is_hi ? k.hi : k.lo, 16);
		j->hosts.packets[s] = f->side[s].packets;
		j->hosts.bad[s] = f->side[s].n_bad_checksums;
		if (f->extra && f->extra->before) /* told with an earlier part */
			j->hosts.bad[s] -= f->extra->before->bad_checksums[s];
	}
}

/* What was counted since the flow's row began. */
static int64_t since(uint64_t now, uint64_t before)
{
	return now > before ? (int64_t)(now - before) : 0;
}

/* What is not counted in the flow's parts, but from its beginning on. */
static void columns_since(struct nr_record *r, const struct nr_flow *f)
{
	static const struct nr_flow_before none;
	const struct nr_flow_before *b = f->extra ? f->extra->before : NULL;
	const struct nr_side *s = f->side;

	b = b ? b : &none;
	nr_set_int(r, NR_FLOW_src_payload_bytes,
		   since(nr_flow_payload_bytes(f, 0), b->payload[0]));
	nr_set_int(r, NR_FLOW_dst_payload_bytes,
		   since(nr_flow_payload_bytes(f, 1), b->payload[1]));
	nr_set_int(r, NR_FLOW_bad_checksums,
		   since(s[0].n_bad_checksums, b->bad_checksums[0]) +
			   since(s[1].n_bad_checksums, b->bad_checksums[1]));
	if (b->flow_id)
		nr_set_int(r, NR_FLOW_continues, (int64_t)b->flow_id);
	if (nr_flow_proto(f) != 6)
		return;
	nr_set_int(r, NR_FLOW_src_missed_bytes,
		   since(nr_flow_missed_bytes(f, 0), b->missed[0]));
	nr_set_int(r, NR_FLOW_dst_missed_bytes,
		   since(nr_flow_missed_bytes(f, 1), b->missed[1]));
	nr_set_int(r, NR_FLOW_src_zero_windows,
		   since(s[0].n_zero_windows, b->zero_windows[0]));
	nr_set_int(r, NR_FLOW_dst_zero_windows,
		   since(s[1].n_zero_windows, b->zero_windows[1]));
}

/* What only those want to know who look at it. */
static void flow_columns(struct nr_part *p, struct nr_record *r, const struct nr_flow *f,
			 const char *why)
{
	struct nr_arena *a = &p->out->arena;
	const struct nr_side *s = &f->side[0], *d = &f->side[1];
	const struct nr_flow_wide *w = nr_flow_wide(f);
	int64_t duration = sub_sat(w->active_ns, f->first_ns);
	const char *history = nr_flow_history(f);

	identity(p, r, f);
	/* a part of a flow in which nothing came ends where it begins */
	nr_set_int(r, NR_FLOW_last_ns,
		   w->records || !f->extra || !f->extra->before ? w->last_ns
								: f->first_ns);
	nr_set_int(r, NR_FLOW_duration_ns, duration > 0 ? duration : 0);
	nr_set_int(r, NR_FLOW_src_packets, (int64_t)s->packets);
	nr_set_int(r, NR_FLOW_dst_packets, (int64_t)d->packets);
	nr_set_int(r, NR_FLOW_src_bytes, (int64_t)s->ip_bytes);
	nr_set_int(r, NR_FLOW_dst_bytes, (int64_t)d->ip_bytes);
	nr_set_int(r, NR_FLOW_records, (int64_t)w->records);
	nr_set_int(r, NR_FLOW_wire_bytes, (int64_t)w->wire_bytes);
	columns_since(r, f);
	session_columns(a, r, f);
	nr_set_str(r, NR_FLOW_conn_state, nr_flow_conn_state(f));
	if (*history)
		nr_set_text(r, NR_FLOW_history, nr_arena_copy(a, history, f->history_len),
			    f->history_len);
	nr_set_str(r, NR_FLOW_end_reason, why);
	nr_set_int(r, NR_FLOW_flipped, f->flipped);
	if (s->has_mac)
		nr_set_text(r, NR_FLOW_src_mac, mac_text(a, s->mac), 17);
	if (d->has_mac)
		nr_set_text(r, NR_FLOW_dst_mac, mac_text(a, d->mac), 17);
	side_columns(r, s, NR_FLOW_src_ttl, NR_FLOW_src_tos);
	side_columns(r, d, NR_FLOW_dst_ttl, NR_FLOW_dst_tos);
	if (nr_flow_proto(f) == 6)
		tcp_columns(a, r, f);
}

struct nr_record *nr_part_flow_row(struct nr_part *p, struct nr_flow *f, const char *why)
{
	struct nr_record *r = nr_out_row(p->out, &nr_rt_flow);

	if (p->e->wants_values)
		flow_columns(p, r, f, why);
	else
		nr_set_int(r, NR_FLOW_flow_id, (int64_t)f->flow_id); /* for the joins */
	return r;
}

void nr_part_flow_done(struct nr_part *p, struct nr_flow *f, enum nr_end_reason why)
{
	if (!p->e->pipeline)
		nr_engine_breathe(p->e);
	while (f->way_back) {
		if (f->way_back->len)
			nr_part_flow_packets(p, f);
		nr_way_back_drop(&p->way_backs, f);
	}
	join_hosts(p, nr_part_flow_row(p, f, nr_end_reason_name(why)), f);
	p->flows++;
	p->flows_evicted += why == NR_END_EVICTED;
	p->flow_records += nr_flow_wide(f)->records;
	p->flow_bytes += nr_flow_wide(f)->wire_bytes;
}

void nr_part_flow_ended(void *engine, struct nr_flow *f, enum nr_end_reason why)
{
	struct nr_part *p = part_of(engine, f);

	nr_part_place(p, f);
	if (p->sessions)
		nr_sessions_end(p->sessions, f);
	nr_part_flow_done(p, f, why);
}

static struct nr_record *anomaly(const struct nr_engine *e, struct nr_out *o,
				 uint64_t flow_id, unsigned kind, int side,
				 const char *detail)
{
	static const char *const sides[] = { "src", "dst" };
	struct nr_record *r = nr_out_row(o, &nr_rt_anomaly);
	const struct nr_anomaly_info *info = &nr_anomaly_info[kind];

	if (flow_id)
		nr_set_int(r, NR_ANOMALY_flow_id, (int64_t)flow_id);
	if (o->now) {
		nr_set_int(r, NR_ANOMALY_source_id,
			   nr_engine_source_id(e, o->now->source));
		if (o->now->record)
			nr_set_int(r, NR_ANOMALY_packet, (int64_t)o->now->record);
		nr_set_int(r, NR_ANOMALY_ts_ns, o->now->ts_ns);
	}
	nr_set_str(r, NR_ANOMALY_kind, info->name);
	nr_set_str(r, NR_ANOMALY_severity, nr_severity_name(info->severity));
	if (side >= 0)
		nr_set_str(r, NR_ANOMALY_side, sides[side & 1]);
	nr_set_str(r, NR_ANOMALY_detail, detail);
	return r;
}

struct nr_record *nr_engine_anomaly(struct nr_engine *e, unsigned kind,
				    const char *detail)
{
	return anomaly(e, e->out, 0, kind, -1, detail);
}

/* What a and b of an anomaly mean: the keys of its detail; NULL: not used. */
struct detail_keys {
	const char *a, *b;
};

static const struct detail_keys detail_keys[NR_N_ANOMALIES] = {
	[NR_ANOM_LINK_MALFORMED] = { "value", "against" },
	[NR_ANOM_VLAN_DEPTH] = { "kept", NULL },
	[NR_ANOM_MPLS_DEPTH] = { "kept", NULL },
	[NR_ANOM_TUNNEL_DEPTH] = { "encapsulations", NULL },
	[NR_ANOM_TUNNEL_MALFORMED] = { "value", "against" },
	[NR_ANOM_IP_MALFORMED] = { "value", "against" },
	[NR_ANOM_IP_LENGTH] = { "ip_length", "wire_length" },
	[NR_ANOM_IP_BAD_CHECKSUM] = { "checksum", NULL },
	[NR_ANOM_IP6_EXT_CHAIN] = { "value", "against" },
	[NR_ANOM_TCP_MALFORMED] = { "value", "against" },
	[NR_ANOM_UDP_MALFORMED] = { "udp_length", "ip_payload" },
	[NR_ANOM_TRANSPORT_CUT] = { "needed", "captured" },
	[NR_ANOM_FRAGMENT_OVERLAP] = { "offset", "length" },
	[NR_ANOM_FRAGMENT_CONFLICT] = { "offset", "length" },
	[NR_ANOM_FRAGMENT_TINY] = { "length", "proto" },
	[NR_ANOM_FRAGMENT_EXCESS] = { "offset", "length" },
	[NR_ANOM_LAND] = { "port", "proto" },
	[NR_ANOM_FLOW_EVICTED] = { "shard", NULL },
	[NR_ANOM_TCP_RST_DATA] = { "length", NULL },
	[NR_ANOM_TCP_SYN_DATA] = { "length", NULL },
	[NR_ANOM_TCP_FLAGS] = { "flags", NULL },
	[NR_ANOM_TCP_HOLES] = { "kept", NULL },
	[NR_ANOM_TCP_ACK_UNSEEN] = { "offset", "length" },
	[NR_ANOM_TCP_SYN_SEQ] = { "before", "now" },
	[NR_ANOM_TCP_BAD_RST] = { "distance", "window" },
	[NR_ANOM_TCP_BAD_FIN] = { "offset", "expected" },
	[NR_ANOM_TCP_BAD_ACK] = { "offset", "expected" },
	[NR_ANOM_TCP_FAR_AHEAD] = { "offset", "expected" },
};

static const char *detail_json(struct nr_out *o, unsigned kind, int64_t a, int64_t b)
{
	const struct detail_keys *k = &detail_keys[kind];

	if (!k->a)
		return NULL;
	if (!k->b)
		return nr_arena_printf(&o->arena, "{\"%s\":%lld}", k->a, (long long)a);
	return nr_arena_printf(&o->arena, "{\"%s\":%lld,\"%s\":%lld}", k->a, (long long)a,
			       k->b, (long long)b);
}

void nr_engine_decode_anomaly(struct nr_engine *e, const struct nr_decode_anomaly *a)
{
	nr_engine_anomaly(e, a->kind, detail_json(e->out, a->kind, a->a, a->b));
}

void nr_part_identify(struct nr_part *p, struct nr_record *r, const struct nr_flow *f)
{
	struct nr_arena *a = &p->out->arena;
	const uint8_t *src, *dst;
	struct nr_flow_ident *id;
	struct nr_key k;
	bool ports;
	char *cid;
	size_t n;

	if (!p->e->wants_ident)
		return;
	k = nr_flow_key(f);
	src = f->src_is_hi ? k.hi : k.lo;
	dst = f->src_is_hi ? k.lo : k.hi;
	ports = has_ports(k.proto);
	id = nr_arena_zalloc(a, sizeof(*id));
	cid = nr_arena_alloc(a, NR_COMMUNITY_ID_LEN + 1);
	nr_community_id(p->community, &k, f->src_is_hi, cid);
	id->community_id = cid;
	id->proto = nr_proto_name(k.proto);
	id->src_ip = ip_text(a, k.ip_version, src, &n);
	id->dst_ip = ip_text(a, k.ip_version, dst, &n);
	id->src_port = !ports ? -1 : f->src_is_hi ? k.hi_port : k.lo_port;
	id->dst_port = !ports ? -1 : f->src_is_hi ? k.lo_port : k.hi_port;
	r->ident = id;
}

void nr_part_session_anomaly(struct nr_part *p, struct nr_flow *f, unsigned kind,
			     int side, const struct nr_stamp *at, const char *detail)
{
	struct nr_record *r = anomaly(p->e, p->out, f->flow_id, kind, side, detail);

	if (at) {
		nr_set_int(r, NR_ANOMALY_source_id,
			   nr_engine_source_id(p->e, at->source));
		if (at->packet)
			nr_set_int(r, NR_ANOMALY_packet, (int64_t)at->packet);
		nr_set_int(r, NR_ANOMALY_ts_ns, at->ts_ns);
	}
	nr_part_identify(p, r, f);
}

void nr_part_flow_anomaly(void *engine, struct nr_flow *f, unsigned kind, int side,
			  int64_t a, int64_t b)
{
	struct nr_part *p = part_of(engine, f);

	nr_part_identify(p,
			 anomaly(p->e, p->out, f->flow_id, kind, side,
				 detail_json(p->out, kind, a, b)),
			 f);
}
