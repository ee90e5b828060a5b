/* SPDX-License-Identifier: BSD-3-Clause */
/* What link layers share: ethertypes, VLANs, LLC and SNAP, PPP, MPLS, NSH, ARP. */
#include "decode/priv.h"

static enum nr_step arp(struct nr_dec *x)
{
	const uint8_t *h = nr_dec_take(x, 28);
	unsigned hw;

	if (!h) {
		if (x->wire < 8)
			return nr_dec_end_malformed(x, NR_ANOM_LINK_MALFORMED, 28,
						    x->wire);
		return nr_dec_end_other(x, 0x0806);
	}
	hw = nr_be16(h);
	if ((hw != 1 && hw != 6) || nr_be16(h + 2) != 0x0800 || h[4] != 6 || h[5] != 4)
		return nr_dec_end_other(x, 0x0806);
	x->out->arp = (struct nr_arp){
		.operation = nr_be16(h + 6),
		.sender_mac = h + 8,
		.sender_ip = h + 14,
		.target_mac = h + 18,
		.target_ip = h + 24,
	};
	x->out->has_arp = true;
	x->outcome = NR_OUT_ARP;
	return NR_STEP_DONE;
}

static bool is_vlan(unsigned type)
{
	return type == 0x8100 || type == 0x88a8 || type == 0x9100 || type == 0x9200;
}

/* Id 0 is no VLAN but a priority alone: the same flow may carry it one way only. */
static enum nr_step vlan(struct nr_dec *x)
{
	struct nr_decoded *out = x->out;
	bool deep = false;

	do {
		const uint8_t *h = nr_dec_take(x, 4);
		unsigned id;

		if (!h)
			return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 4);
		id = nr_be16(h) & 0xfff;
		if (id && out->n_vlans < NR_MAX_VLANS)
			out->vlan[out->n_vlans++] = (uint16_t)id;
		else if (id)
			deep = true;
		x->type = nr_be16(h + 2);
	} while (is_vlan(x->type));
	if (deep)
		nr_dec_note(x, NR_ANOM_VLAN_DEPTH, NR_MAX_VLANS, 0);
	return NR_STEP_ETHERTYPE;
}

/* Cisco's metadata, the group tags of TrustSec: version 1, options of four bytes. */
static enum nr_step metadata(struct nr_dec *x)
{
	const uint8_t *h = nr_dec_take(x, 2), *rest;
	uint32_t len;

	if (!h)
		return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 2);
	if (h[0] != 1)
		return nr_dec_end_other(x, 0x8909);
	len = 4u * h[1] + 2;
	rest = nr_dec_take(x, len);
	if (!rest)
		return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, len);
	x->type = nr_be16(rest + len - 2);
	return NR_STEP_ETHERTYPE;
}

enum nr_step nr_dec_ethertype(struct nr_dec *x)
{
	if (x->type <= 1500) { /* IEEE 802.3: a length; what follows it is padding */
		nr_dec_trim(x, x->type);
		return NR_STEP_LLC;
	}
	switch (x->type) {
	case 0x0800:
		return NR_STEP_IP4;
	case 0x86dd:
		return NR_STEP_IP6;
	case 0x8100:
	case 0x88a8:
	case 0x9100:
	case 0x9200:
		return vlan(x);
	case 0x0806:
		return arp(x);
	case 0x8847:
	case 0x8848:
		return NR_STEP_MPLS;
	case 0x8864:
		return nr_dec_pppoe(x);
	case 0x880b:
		return NR_STEP_PPP;
	case 0x8870: /* jumbo frames with LLC */
		return NR_STEP_LLC;
	case 0x88e7: /* IEEE 802.1ah: I-TAG, then the customer's frame */
	case 0x6558:
		if (x->type == 0x88e7 && !nr_dec_take(x, 4))
			return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 4);
		return NR_STEP_ETHERNET;
	case 0x8926: { /* VN-Tag */
		const uint8_t *h = nr_dec_take(x, 6);

		if (!h)
			return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 6);
		x->type = nr_be16(h + 4);
		return NR_STEP_ETHERTYPE;
	}
	case 0x8909:
		return metadata(x);
	case 0x894f:
		return NR_STEP_NSH;
	case 0x8903: /* Cisco FabricPath: tree and time to live, then the frame */
		if (!nr_dec_take(x, 2))
			return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 2);
		return NR_STEP_ETHERNET;
	default:
		return nr_dec_end_other(x, x->type);
	}
}

enum nr_step nr_dec_snap(struct nr_dec *x)
{
	const uint8_t *h = nr_dec_take(x, 5);
	uint32_t oui;

	if (!h)
		return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 5);
	oui = nr_be24(h);
	x->type = nr_be16(h + 3);
	if (oui == 0 || oui == 0x0000f8) {
		if (x->type <= 1500) /* no ethertype, and no length either */
			return nr_dec_end_other(x, x->type);
		return NR_STEP_ETHERTYPE;
	}
	/* RFC 2684, RFC 2427: bridged Ethernet, with and without FCS */
	if (oui == 0x0080c2 && (x->type == 1 || x->type == 7)) {
		if (x->atm && !nr_dec_take(x, 2))
			return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 2);
		if (x->type == 1)
			nr_dec_drop_tail(x, 4);
		return NR_STEP_ETHERNET;
	}
	return nr_dec_end_other(x, NR_L2_LLC | 0xaa);
}

enum nr_step nr_dec_nlpid(struct nr_dec *x, unsigned nlpid)
{
	switch (nlpid) {
	case 0xcc:
		return NR_STEP_IP4;
	case 0x8e:
		return NR_STEP_IP6;
	case 0xcf:
		return NR_STEP_PPP;
	case 0x80:
		return nr_dec_snap(x);
	default:
		return nr_dec_end_other(x, NR_L2_NLPID | nlpid);
	}
}

enum nr_step nr_dec_llc(struct nr_dec *x)
{
	const uint8_t *h = nr_dec_take(x, 3);

	if (!h)
		return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 3);
	if (h[2] == 3 && h[0] == h[1]) {
		const uint8_t *n;

		switch (h[0]) {
		case 0xaa:
			return nr_dec_snap(x);
		case 0x06:
			return NR_STEP_IP4;
		case 0xfe:
			n = nr_dec_take(x, 1);
			if (n && (*n == 0xcc || *n == 0x8e || *n == 0xcf))
				return nr_dec_nlpid(x, *n);
			break;
		default:
			break;
		}
	}
	return nr_dec_end_other(x, NR_L2_LLC | h[0]);
}

enum nr_step nr_dec_ppp(struct nr_dec *x)
{
	const uint8_t *h;
	unsigned proto;

	if (nr_dec_cap(x) >= 2 && x->p[0] == 0xff && x->p[1] == 0x03)
		nr_dec_take(x, 2);
again:
	h = nr_dec_take(x, 1);
	if (!h)
		return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 1);
	proto = *h;
	if (!(proto & 1)) { /* not compressed to one byte (RFC 1661, 6.5) */
		h = nr_dec_take(x, 1);
		if (!h)
			return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 1);
		proto = proto << 8 | *h;
	}
	switch (proto) {
	case 0x21:
		return NR_STEP_IP4;
	case 0x57:
		return NR_STEP_IP6;
	case 0x281:
	case 0x283:
		return NR_STEP_MPLS;
	case 0x3d: /* multilink (RFC 1990): a packet in one fragment only */
		if (nr_dec_cap(x) >= 4 && (*x->p & 0xc0) == 0xc0) {
			nr_dec_take(x, 4);
			goto again;
		}
		break;
	default:
		break;
	}
	return nr_dec_end_other(x, NR_L2_PPP | proto);
}

/* RFC 2516, session stage. */
enum nr_step nr_dec_pppoe(struct nr_dec *x)
{
	const uint8_t *h = nr_dec_take(x, 6);

	if (!h)
		return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 6);
	if (h[0] != 0x11)
		return nr_dec_end_malformed(x, NR_ANOM_LINK_MALFORMED, h[0], h[1]);
	if (h[1] != 0) /* discovery, on LINKTYPE_PPP_ETHER */
		return nr_dec_end_other(x, 0x8863);
	nr_dec_trim(x, nr_be16(h + 4));
	return NR_STEP_PPP;
}

/* Whether p looks like the ethertype or length of a frame whose header is captured. */
static bool plausible_ethernet(const uint8_t *p, size_t cap, uint32_t wire)
{
	unsigned type;

	if (cap < 14)
		return false;
	type = nr_be16(p + 12);
	return type >= 0x600 || type + 14 <= wire;
}

bool nr_dec_surely_ethernet(const uint8_t *p, size_t cap, uint32_t wire)
{
	for (unsigned n = 0; n < 2 && cap >= 18 && is_vlan(nr_be16(p + 12)); n++) {
		p += 4;
		cap -= 4;
		wire = wire > 4 ? wire - 4 : 0;
	}
	if (cap < 14 + 20)
		return false;
	switch (nr_be16(p + 12)) {
	case 0x0800:
		return p[14] >> 4 == 4 && (p[14] & 15) >= 5 &&
		       nr_be16(p + 16) >= (p[14] & 15) * 4 &&
		       nr_be16(p + 16) + 14u <= wire;
	case 0x86dd:
		return p[14] >> 4 == 6 && nr_be16(p + 18) + 54u <= wire;
	case 0x0806:
		return nr_be32(p + 14) == 0x00010800 && nr_be16(p + 18) == 0x0604;
	default:
		return false;
	}
}

/*
 * Whether a pseudo-wire's frame whose first nibble is 0 has a control word in front
 * (RFC 4448 4.6), or a MAC that begins so. What lies behind decides; where that says
 * nothing, the bits that are reserved.
 */
static bool has_control_word(const uint8_t *h, size_t cap, uint32_t wire)
{
	bool bare = nr_dec_surely_ethernet(h, cap, wire);
	bool behind = nr_dec_surely_ethernet(h + 4, cap - 4, wire - 4);

	if (bare != behind)
		return behind;
	return plausible_ethernet(h + 4, cap - 4, wire - 4) &&
	       (nr_be16(h) == 0 || !plausible_ethernet(h, cap, wire));
}

/*
 * RFC 3032. What is under the stack is not said: IP by its version and length; else a
 * pseudo-wire with Ethernet, with or without control word (RFC 4385, 4448).
 */
enum nr_step nr_dec_mpls(struct nr_dec *x)
{
	const uint8_t *h;
	unsigned n = 0;

	do {
		if (n++ == 16) {
			nr_dec_note(x, NR_ANOM_MPLS_DEPTH, 16, 0);
			return nr_dec_end_other(x, 0x8847);
		}
		h = nr_dec_take(x, 4);
		if (!h)
			return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 4);
	} while (!(h[2] & 1));
	h = x->p;
	if (nr_dec_cap(x) < 1)
		return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 1);
	switch (h[0] >> 4) {
	case 4:
		if ((h[0] & 15) >= 5 &&
		    (nr_dec_cap(x) < 20 || nr_be16(h + 2) <= x->wire ||
		     !plausible_ethernet(h, nr_dec_cap(x), x->wire)))
			return NR_STEP_IP4;
		break;
	case 6:
		if (nr_dec_cap(x) < 40 || nr_be16(h + 4) + 40u <= x->wire ||
		    !plausible_ethernet(h, nr_dec_cap(x), x->wire))
			return NR_STEP_IP6;
		break;
	case 0:
		if (nr_dec_cap(x) < 18) {
			if (x->wire >= 18)
				return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 18);
		} else if (has_control_word(h, nr_dec_cap(x), x->wire)) {
			nr_dec_take(x, 4);
			return NR_STEP_ETHERNET;
		}
		break;
	case 1: /* associated channel (RFC 5586): no user data */
		return nr_dec_end_other(x, 0x8847);
	default:
		break;
	}
	if (plausible_ethernet(h, nr_dec_cap(x), x->wire))
		return NR_STEP_ETHERNET;
	return nr_dec_end_other(x, 0x8847);
}

/* RFC 8300. */
enum nr_step nr_dec_nsh(struct nr_dec *x)
{
	const uint8_t *h = nr_dec_take(x, 8);
	uint32_t len;

	if (!h)
		return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 8);
	len = (h[1] & 0x3f) * 4u;
	if (h[0] & 0xc0 || len < 8)
		return nr_dec_end_malformed(x, NR_ANOM_TUNNEL_MALFORMED, h[0], len);
	if (!nr_dec_take(x, len - 8))
		return nr_dec_end_short(x, NR_ANOM_TUNNEL_MALFORMED, len - 8);
	switch (h[3]) {
	case 1:
		return NR_STEP_IP4;
	case 2:
		return NR_STEP_IP6;
	case 3:
		return NR_STEP_ETHERNET;
	case 4:
		return NR_STEP_NSH;
	case 5:
		return NR_STEP_MPLS;
	default:
		return nr_dec_end_other(x, 0x894f);
	}
}
