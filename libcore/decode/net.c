/* SPDX-License-Identifier: BSD-3-Clause */
/* IPv4, IPv6 with its extension headers, fragments, and the transport headers. */
#include "decode/priv.h"
#include "decode/checksum.h"

/* Completes l from its transport header and counts it. */
static inline __attribute__((always_inline)) void count_level(struct nr_dec *x)
{
	x->has_pending = false;
	x->out->n_levels++;
}

static inline bool same_address(const struct nr_level *l)
{
	return !memcmp(l->src, l->dst, l->ip_version == 4 ? 4 : 16);
}

/* The first four bytes are ports; fewer were captured, or IP has no more. */
static __attribute__((noinline, cold)) enum nr_step no_ports(struct nr_dec *x,
							     struct nr_level *l,
							     enum nr_anomaly_kind kind,
							     uint32_t need)
{
	l->src_port = l->dst_port = 0;
	l->payload = l->l4 + l->l4_cap;
	l->payload_len = l->payload_cap = 0;
	l->flags |= NR_L_NO_PORTS | NR_L_CSUM_SKIP;
	if (l->l4_len < need)
		return nr_dec_end_malformed(x, kind, need, l->l4_len);
	nr_dec_note(x, NR_ANOM_TRANSPORT_CUT, need, l->l4_cap);
	l->flags |= NR_L_CUT;
	count_level(x);
	return NR_STEP_DONE;
}

/* Ports are there, the rest of the header is not: still a flow. */
static __attribute__((noinline, cold)) enum nr_step part_header(struct nr_dec *x,
								struct nr_level *l,
								enum nr_anomaly_kind kind,
								uint32_t need)
{
	l->payload = l->l4 + l->l4_cap;
	l->payload_len = l->l4_len > need ? l->l4_len - need : 0;
	l->payload_cap = 0;
	l->flags |= NR_L_CSUM_SKIP;
	if (l->l4_len < need) {
		l->flags |= NR_L_BAD_HDR;
		nr_dec_note(x, kind, need, l->l4_len);
	} else {
		nr_dec_note(x, NR_ANOM_TRANSPORT_CUT, need, l->l4_cap);
	}
	count_level(x);
	return NR_STEP_DONE;
}

static inline __attribute__((always_inline)) void set_payload(struct nr_level *l,
							      uint32_t hdr)
{
	l->payload = l->l4 + hdr;
	l->payload_len = l->l4_len - hdr;
	l->payload_cap = l->l4_cap - hdr;
}

static __attribute__((noinline, cold)) void bad_header(struct nr_dec *x,
						       struct nr_level *l,
						       enum nr_anomaly_kind kind,
						       int64_t a)
{
	l->flags |= NR_L_BAD_HDR;
	l->payload = l->l4 + l->l4_cap;
	l->payload_len = l->payload_cap = 0;
	nr_dec_note(x, kind, a, l->l4_len);
}

/* The header is not whole; up to its flags it says where the segment lies. */
static __attribute__((noinline, cold)) enum nr_step part_tcp(struct nr_dec *x,
							     struct nr_level *l)
{
	const uint8_t *h = l->l4;
	uint32_t cap = l->l4_cap, hdr;

	l->tcp_flags = 0;
	l->tcp_window = l->tcp_urgent = l->tcp_opt_len = 0;
	l->tcp_seq = l->tcp_ack = 0;
	if (cap < 4)
		return no_ports(x, l, NR_ANOM_TCP_MALFORMED, 4);
	l->src_port = nr_be16(h);
	l->dst_port = nr_be16(h + 2);
	if (cap < 14) {
		l->flags |= NR_L_NO_SEQ;
		return part_header(x, l, NR_ANOM_TCP_MALFORMED, 20);
	}
	l->tcp_seq = nr_be32(h + 4);
	l->tcp_ack = nr_be32(h + 8);
	l->tcp_flags = h[13];
	if (cap < 16)
		l->flags |= NR_L_NO_WINDOW;
	else
		l->tcp_window = nr_be16(h + 14);
	hdr = (h[12] >> 4) * 4u;
	if (hdr >= 20)
		return part_header(x, l, NR_ANOM_TCP_MALFORMED, hdr);
	l->flags |= NR_L_CSUM_SKIP;
	bad_header(x, l, NR_ANOM_TCP_MALFORMED, hdr);
	count_level(x);
	return NR_STEP_DONE;
}

static inline __attribute__((always_inline)) enum nr_step tcp(struct nr_dec *x,
							      struct nr_level *l)
{
	const uint8_t *h = l->l4;
	uint32_t cap = l->l4_cap;
	uint32_t hdr;

	if (NR_UNLIKELY(cap < 20))
		return part_tcp(x, l);
	l->src_port = nr_be16(h);
	l->dst_port = nr_be16(h + 2);
	l->tcp_seq = nr_be32(h + 4);
	l->tcp_ack = nr_be32(h + 8);
	l->tcp_flags = h[13];
	l->tcp_window = nr_be16(h + 14);
	l->tcp_urgent = nr_be16(h + 18);
	hdr = (h[12] >> 4) * 4u;
	if (NR_UNLIKELY(hdr < 20 || hdr > l->l4_len)) {
		l->tcp_opt_len = 0;
		bad_header(x, l, NR_ANOM_TCP_MALFORMED, hdr);
	} else if (NR_LIKELY(hdr <= cap)) {
		l->tcp_opt_len = (uint16_t)(hdr - 20);
		set_payload(l, hdr);
	} else { /* options cut by the snap length */
		l->tcp_opt_len = (uint16_t)(cap - 20);
		l->payload = h + cap;
		l->payload_len = l->l4_len - hdr;
		l->payload_cap = 0;
	}
	if (NR_UNLIKELY(l->src_port == l->dst_port) && same_address(l))
		nr_dec_note(x, NR_ANOM_LAND, l->src_port, l->proto);
	count_level(x);
	return NR_STEP_DONE;
}

static bool is_tunnel_port(uint16_t port)
{
	switch (port) {
	case 1701:
	case 2152:
	case 3544:
	case 4754:
	case 4789:
	case 4790:
	case 5247:
	case 6081:
	case 8472:
		return true;
	default:
		return false;
	}
}

static inline enum nr_step udp(struct nr_dec *x, struct nr_level *l)
{
	const uint8_t *h = l->l4;
	uint32_t len;
	enum nr_step next;

	if (NR_UNLIKELY(l->l4_cap < 8)) {
		if (l->l4_cap < 4)
			return no_ports(x, l, NR_ANOM_UDP_MALFORMED, 4);
		l->src_port = nr_be16(h);
		l->dst_port = nr_be16(h + 2);
		return part_header(x, l, NR_ANOM_UDP_MALFORMED, 8);
	}
	l->src_port = nr_be16(h);
	l->dst_port = nr_be16(h + 2);
	set_payload(l, 8);
	len = nr_be16(h + 4);
	if (l->proto != 17) {
		/* UDP-Lite (RFC 3828): the field is the checksum's coverage */
	} else if (NR_UNLIKELY(len != l->l4_len)) {
		if (len >= 8 && len < l->l4_len) {
			l->payload_len = len - 8;
			if (l->payload_cap > l->payload_len)
				l->payload_cap = l->payload_len;
			/* the checksum covers UDP's length, judged all the same */
		} else if (len == 0) {
			/* jumbogram or offload: IP's length */
		} else if (len < 8) {
			bad_header(x, l, NR_ANOM_UDP_MALFORMED, len);
		} else { /* more than IP has: what IP has */
			nr_dec_note(x, NR_ANOM_UDP_MALFORMED, len, l->l4_len);
		}
	}
	if (l->proto == 17 && l->ip_version == 4 && h[6] == 0 && h[7] == 0)
		l->flags |= NR_L_CSUM_SKIP;
	if (NR_UNLIKELY(l->src_port == l->dst_port) && same_address(l))
		nr_dec_note(x, NR_ANOM_LAND, l->src_port, l->proto);
	count_level(x);
	if (NR_UNLIKELY(l->proto != 17))
		return NR_STEP_DONE;
	if (NR_UNLIKELY(is_tunnel_port(l->dst_port) || is_tunnel_port(l->src_port))) {
		if (nr_dec_udp_tunnel(x, l, &next))
			return next;
	} else if (NR_UNLIKELY(l->payload_cap >= 40 && *l->payload >> 4 == 6)) {
		if (nr_dec_teredo_peer(x, l, &next))
			return next;
	}
	return NR_STEP_DONE;
}

static __attribute__((noinline)) enum nr_step icmp(struct nr_dec *x, struct nr_level *l)
{
	bool one_way;

	if (l->l4_cap < 2)
		return no_ports(x, l, NR_ANOM_TRANSPORT_CUT, 2);
	nr_icmp_ports(l->proto, l->l4[0], l->l4[1], &l->src_port, &l->dst_port, &one_way);
	if (NR_UNLIKELY(l->l4_cap < 8))
		return part_header(x, l, NR_ANOM_TRANSPORT_CUT, 8);
	set_payload(l, 8);
	count_level(x);
	return NR_STEP_DONE;
}

/* SCTP (RFC 9260), DCCP (RFC 4340): ports in front, as TCP and UDP. */
static enum nr_step other_ports(struct nr_dec *x, struct nr_level *l, uint32_t hdr)
{
	if (l->l4_cap < 4)
		return no_ports(x, l, NR_ANOM_TRANSPORT_CUT, 4);
	l->src_port = nr_be16(l->l4);
	l->dst_port = nr_be16(l->l4 + 2);
	if (l->l4_cap < hdr)
		return part_header(x, l, NR_ANOM_TRANSPORT_CUT, hdr);
	if (l->proto == 33) {
		hdr = l->l4[4] * 4u;
		if (hdr < 12 || hdr > l->l4_cap) {
			l->payload = l->l4 + l->l4_cap;
			l->payload_cap = 0;
			l->payload_len = 0;
			if (hdr < 12 || hdr > l->l4_len)
				l->flags |= NR_L_BAD_HDR;
			else
				l->payload_len = l->l4_len - hdr;
			count_level(x);
			return NR_STEP_DONE;
		}
	}
	set_payload(l, hdr);
	count_level(x);
	return NR_STEP_DONE;
}

static __attribute__((noinline)) enum nr_step rare_transport(struct nr_dec *x,
							     struct nr_level *l)
{
	enum nr_step next;

	switch (l->proto) {
	case 1:
	case 58:
		return icmp(x, l);
	case 132:
		return other_ports(x, l, 12);
	case 33:
		return other_ports(x, l, 12);
	case 136:
		return udp(x, l);
	case 59: /* no next header, as in Teredo's bubbles: the carrier's business */
		if (x->out->n_levels || x->has_pending)
			return nr_dec_end_other(x, 0x86dd);
		break;
	default:
		break;
	}
	l->src_port = l->dst_port = 0;
	set_payload(l, 0);
	if (nr_dec_ip_tunnel(x, l, &next))
		return next;
	count_level(x);
	return NR_STEP_DONE;
}

static inline __attribute__((always_inline)) enum nr_step transport(struct nr_dec *x,
								    struct nr_level *l)
{
	struct nr_decoded *out = x->out;

	l->carries = 0;
	l->nesting = out->n_tunnels;
	l->n_tunnels = out->n_tunnels;
	l->first_vlan = x->first_vlan;
	l->n_vlans = (uint8_t)(out->n_vlans - x->first_vlan);
	l->mac_src = x->mac_src;
	l->mac_dst = x->mac_dst;
	if (NR_UNLIKELY(l->l4_cap < l->l4_len))
		l->flags |= NR_L_CUT | NR_L_CSUM_SKIP;
	if (NR_LIKELY(l->proto == 6))
		return tcp(x, l);
	if (NR_LIKELY(l->proto == 17))
		return udp(x, l);
	return rare_transport(x, l);
}

static inline bool ip4_sum_bad(const uint8_t *h, uint32_t len)
{
	uint64_t a, b;
	uint32_t c;

	if (NR_UNLIKELY(len != 20))
		return nr_csum(h, len, 0) != 0xffff;
	memcpy(&a, h, 8);
	memcpy(&b, h + 8, 8);
	memcpy(&c, h + 16, 4);
	a = (a >> 32) + (a & 0xffffffff) + (b >> 32) + (b & 0xffffffff) + c;
	a = (a >> 32) + (a & 0xffffffff);
	a = (a >> 16) + (a & 0xffff);
	a = (a >> 16) + (a & 0xffff);
	a = (a >> 16) + (a & 0xffff);
	return a != 0xffff;
}

enum nr_step nr_dec_ip4(struct nr_dec *x)
{
	struct nr_level *l = &x->out->level[x->out->n_levels];
	const uint8_t *h = x->p;
	size_t cap = nr_dec_cap(x);
	uint32_t hdr, total, frag;
	enum nr_step step;

	if (NR_UNLIKELY(cap < 20))
		return nr_dec_end_short(x, NR_ANOM_IP_MALFORMED, 20);
	total = nr_be16(h + 2);
	hdr = (h[0] & 15) * 4u;
	l->flags = x->level_flags;
	if (NR_UNLIKELY(h[0] != 0x45)) {
		if (h[0] >> 4 != 4 || hdr < 20)
			return nr_dec_end_malformed(x, NR_ANOM_IP_MALFORMED, h[0], total);
	}
	if (NR_UNLIKELY(total == 0)) /* the NIC was to cut it: the frame's length */
		total = x->wire;
	if (NR_UNLIKELY(total < hdr))
		return nr_dec_end_malformed(x, NR_ANOM_IP_MALFORMED, hdr, total);
	if (NR_UNLIKELY(total > x->wire))
		nr_dec_note(x, NR_ANOM_IP_LENGTH, total, x->wire);
	if (cap > total)
		cap = total;
	frag = nr_be16(h + 6);
	if (NR_UNLIKELY(cap < hdr)) { /* options cut */
		if (frag & 0x3fff)
			return nr_dec_end_short(x, NR_ANOM_IP_MALFORMED, hdr);
		l->l4 = h + cap;
		l->l4_cap = 0;
	} else {
		l->l4 = h + hdr;
		l->l4_cap = (uint32_t)cap - hdr;
		if (x->d->config.judge_ip_checksum && NR_UNLIKELY(ip4_sum_bad(h, hdr)) &&
		    !(x->pkt->flags & (NR_PKT_CSUM_NOT_READY | NR_PKT_TSO))) {
			l->flags |= NR_L_IP_CSUM_BAD;
			nr_dec_note(x, NR_ANOM_IP_BAD_CHECKSUM, nr_be16(h + 10), 0);
		}
	}
	l->l4_len = total - hdr;
	l->ip_len = total;
	l->l3 = h;
	l->src = h + 12;
	l->dst = h + 16;
	l->ip_version = 4;
	l->proto = h[9];
	l->ttl = h[8];
	l->tos = h[1];
	if (NR_UNLIKELY(frag & 0x3fff) &&
	    !nr_dec_fragment(x, l, hdr, nr_be16(h + 4), (frag & 0x1fff) * 8u,
			     frag & 0x2000, &step))
		return step;
	if (NR_UNLIKELY(l->proto == 51)) {
		struct nr_frag_hdr f = { 0 };

		if (!nr_dec_walk_ext(x, l, &f, &step))
			return step;
	}
	return transport(x, l);
}

static bool plain_udp(const uint8_t *h, uint32_t len)
{
	return nr_be16(h + 4) == len && (h[6] | h[7]) && !is_tunnel_port(nr_be16(h)) &&
	       !is_tunnel_port(nr_be16(h + 2)) && (len < 48 || h[8] >> 4 != 6);
}

bool nr_dec_plain(const struct nr_decoder *d, const struct nr_packet *p,
		  struct nr_decoded *out)
{
	const uint8_t *f = p->data, *ip = f + 14, *h = f + 34;
	uint32_t total, len, hdr;
	struct nr_level *l = &out->level[0];

	if (p->link_type != 1 || p->cap_len < 42 || p->fcs_len ||
	    p->wire_len < p->cap_len || p->flags & (NR_PKT_CSUM_NOT_READY | NR_PKT_TSO) ||
	    nr_be16(f + 12) != 0x0800 || ip[0] != 0x45 || nr_be16(ip + 6) & 0x3fff)
		return false;
	total = nr_be16(ip + 2);
	if (total > p->cap_len - 14 || total < 28 || nr_be16(h) == nr_be16(h + 2))
		return false;
	len = total - 20;
	if (NR_LIKELY(ip[9] == 6)) {
		if (len < 20)
			return false;
		hdr = (h[12] >> 4) * 4u;
		if (hdr < 20 || hdr > len)
			return false;
	} else if (ip[9] == 17 && plain_udp(h, len)) {
		hdr = 8;
	} else {
		return false;
	}
	if (d->config.judge_ip_checksum && ip4_sum_bad(ip, 20))
		return false;
	out->bucket = NR_BUCKET_FLOW;
	out->n_levels = 1;
	out->n_tunnels = out->n_vlans = out->n_anomalies = 0;
	out->has_arp = false;
	out->detail = 0;
	out->frags = NULL;
	out->n_frags = 0;
	l->src = ip + 12;
	l->dst = ip + 16;
	l->l3 = ip;
	l->l4 = h;
	l->payload = h + hdr;
	l->mac_src = f + 6;
	l->mac_dst = f;
	l->l4_len = l->l4_cap = len;
	l->payload_len = l->payload_cap = len - hdr;
	l->ip_len = total;
	l->src_port = nr_be16(h);
	l->dst_port = nr_be16(h + 2);
	l->ip_version = 4;
	l->proto = ip[9];
	l->ttl = ip[8];
	l->tos = ip[1];
	l->flags = l->nesting = l->n_tunnels = 0;
	l->n_vlans = l->first_vlan = l->carries = 0;
	if (NR_UNLIKELY(l->proto != 6))
		return true;
	l->tcp_flags = h[13];
	l->tcp_window = nr_be16(h + 14);
	l->tcp_urgent = nr_be16(h + 18);
	l->tcp_seq = nr_be32(h + 4);
	l->tcp_ack = nr_be32(h + 8);
	l->tcp_opt_len = (uint16_t)(hdr - 20);
	return true;
}

static __attribute__((noinline)) enum nr_step ip6_ext(struct nr_dec *x,
						      struct nr_level *l)
{
	struct nr_frag_hdr f = { 0 };
	enum nr_step step;

	if (!nr_dec_walk_ext(x, l, &f, &step))
		return step;
	if (f.is_fragment) {
		uint32_t hdr_len = (uint32_t)(f.hdr - l->l3);

		l->l4 = f.hdr + 8;
		l->l4_len -= 8;
		l->l4_cap -= 8;
		if (!nr_dec_fragment(x, l, hdr_len, f.id, f.off, f.more, &step))
			return step;
		if (hdr_len > 40) {
			/* the headers in front of the first fragment's header, for what
			   they say of addresses; then those inside */
			struct nr_level outer = *l;
			struct nr_frag_hdr end = { .stop = true };

			outer.proto = l->l3[6];
			outer.l4 = l->l3 + 40;
			outer.l4_cap = outer.l4_len = (uint32_t)(l->l4 - outer.l4);
			if (!nr_dec_walk_ext(x, &outer, &end, &step))
				return step;
			l->src = outer.src;
			l->dst = outer.dst;
		}
		if (!nr_dec_walk_ext(x, l, &f, &step))
			return step;
		if (f.is_fragment) /* a fragment of a reassembled datagram: refused */
			return nr_dec_end_malformed(x, NR_ANOM_IP6_EXT_CHAIN, 44, f.off);
	}
	return transport(x, l);
}

enum nr_step nr_dec_ip6(struct nr_dec *x)
{
	struct nr_level *l = &x->out->level[x->out->n_levels];
	const uint8_t *h = x->p;
	size_t cap = nr_dec_cap(x);
	uint32_t len;

	if (NR_UNLIKELY(cap < 40))
		return nr_dec_end_short(x, NR_ANOM_IP_MALFORMED, 40);
	if (NR_UNLIKELY(h[0] >> 4 != 6))
		return nr_dec_end_malformed(x, NR_ANOM_IP_MALFORMED, h[0], x->wire);
	len = nr_be16(h + 4);
	cap -= 40;
	if (NR_UNLIKELY(len == 0 && x->wire > 40)) {
		if (h[6] == 0)
			len = nr_dec_jumbo_length(h + 40, cap);
		else if (h[6] == 6 || h[6] == 17 || x->wire - 40 > 65535 ||
			 x->pkt->flags & NR_PKT_TSO) /* filled in by the card later */
			len = x->wire - 40;
	}
	l->flags = x->level_flags;
	if (NR_UNLIKELY(len > x->wire - 40))
		nr_dec_note(x, NR_ANOM_IP_LENGTH, len + 40ll, x->wire);
	if (cap > len)
		cap = len;
	l->l3 = h;
	l->l4 = h + 40;
	l->l4_len = len;
	l->l4_cap = (uint32_t)cap;
	l->ip_len = len > UINT32_MAX - 40 ? UINT32_MAX : len + 40;
	l->src = h + 8;
	l->dst = h + 24;
	l->ip_version = 6;
	l->proto = h[6];
	l->ttl = h[7];
	l->tos = (uint8_t)(nr_be16(h) >> 4);
	if (NR_LIKELY(l->proto == 6 || l->proto == 17))
		return transport(x, l);
	return ip6_ext(x, l);
}
