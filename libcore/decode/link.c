/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Link types, as https://www.tcpdump.org/linktypes.html describes them. 802.11 and what
 * comes in front of it is in wlan.c, what link layers share (VLANs, LLC, PPP) in l2.c.
 */
#include "decode/priv.h"

/* Address families as the systems that write NULL, LOOP, PFLOG and NFLOG number them. */
static enum nr_step family(struct nr_dec *x, uint32_t af)
{
	switch (af) {
	case 2:
		return NR_STEP_IP4;
	case 10: /* Linux */
	case 23: /* Windows */
	case 24: /* NetBSD, OpenBSD */
	case 28: /* FreeBSD */
	case 30: /* Darwin */
		return NR_STEP_IP6;
	default:
		return nr_dec_end_other(x, NR_L2_FAMILY | (af & 0xffff));
	}
}

static enum nr_step link_null(struct nr_dec *x)
{
	const uint8_t *h = nr_dec_take(x, 4);
	uint32_t af;

	if (!h)
		return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 4);
	/* the writer's byte order is not known: families are small numbers */
	af = nr_be32(h);
	if (af > 0xffff)
		af = nr_le32(h);
	/* there are writers that leave an ethertype in the last two bytes */
	if (af > 0xffff && (nr_be16(h + 2) == 0x0800 || nr_be16(h + 2) == 0x86dd)) {
		x->type = nr_be16(h + 2);
		return NR_STEP_ETHERTYPE;
	}
	return family(x, af);
}

/* An ethertype; or one of Linux' own small numbers, of which 4 is LLC. */
static enum nr_step sll_protocol(struct nr_dec *x)
{
	if (x->type == 4)
		return NR_STEP_LLC;
	if (x->type < 0x600)
		return nr_dec_end_other(x, x->type);
	return NR_STEP_ETHERTYPE;
}

static enum nr_step link_sll(struct nr_dec *x)
{
	const uint8_t *h = nr_dec_take(x, 16);

	if (!h)
		return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 16);
	if (nr_be16(h + 4) == 6)
		x->mac_src = h + 6;
	x->type = nr_be16(h + 14);
	if (nr_be16(h + 2) == 824) /* netlink: the protocol is no ethertype */
		return nr_dec_end_other(x, x->type);
	return sll_protocol(x);
}

static enum nr_step link_sll2(struct nr_dec *x)
{
	const uint8_t *h = nr_dec_take(x, 20);

	if (!h)
		return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 20);
	if (h[11] == 6)
		x->mac_src = h + 12;
	x->type = nr_be16(h);
	if (nr_be16(h + 8) == 824)
		return nr_dec_end_other(x, x->type);
	return sll_protocol(x);
}

/* Cisco HDLC: address, control, ethertype. */
static enum nr_step link_chdlc(struct nr_dec *x)
{
	const uint8_t *h = nr_dec_take(x, 4);

	if (!h)
		return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 4);
	x->type = nr_be16(h + 2);
	if (x->type < 0x600) /* LLC under Cisco's header */
		return nr_dec_end_other(x, x->type);
	return NR_STEP_ETHERTYPE;
}

/* RFC 1662 with address and control, without them, or Cisco HDLC on the same line. */
static enum nr_step link_ppp_hdlc(struct nr_dec *x)
{
	if (nr_dec_cap(x) >= 2 && (x->p[0] == 0x0f || x->p[0] == 0x8f) && x->p[1] == 0)
		return link_chdlc(x);
	return NR_STEP_PPP;
}

/* Q.922 address, then RFC 2427 (control 3, NLPID) or Cisco's ethertype. */
static enum nr_step link_frelay(struct nr_dec *x)
{
	uint32_t n = 0;
	const uint8_t *h;

	do {
		h = nr_dec_take(x, 1);
		if (!h)
			return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 1);
		n++;
	} while (!(*h & 1) && n < 4);
	if (!(*h & 1) || n < 2)
		return nr_dec_end_malformed(x, NR_ANOM_LINK_MALFORMED, n, x->wire);
	h = nr_dec_take(x, 2);
	if (!h)
		return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 2);
	if (h[0] != 3) {
		x->type = nr_be16(h);
		if (x->type < 0x600)
			return nr_dec_end_other(x, NR_L2_NLPID | h[1]);
		return NR_STEP_ETHERTYPE;
	}
	if (h[1] == 0) { /* padding to an even boundary */
		h = nr_dec_take(x, 1);
		if (!h)
			return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 1);
		return nr_dec_nlpid(x, *h);
	}
	return nr_dec_nlpid(x, h[1]);
}

/* FC, destination, source, LLC; MACs as in Ethernet. */
static enum nr_step link_fddi(struct nr_dec *x)
{
	const uint8_t *h = nr_dec_take(x, 13);

	if (!h)
		return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 13);
	x->mac_dst = h + 1;
	x->mac_src = h + 7;
	if ((h[0] & 0xf0) != 0x50) /* SMT, MAC and void frames */
		return nr_dec_end_other(x, NR_L2_MAC | h[0]);
	return NR_STEP_LLC;
}

/* IEEE 802.5: AC, FC, destination, source, a routing field where the source says so. */
static enum nr_step link_token_ring(struct nr_dec *x)
{
	const uint8_t *h = nr_dec_take(x, 14);

	if (!h)
		return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 14);
	x->mac_dst = h + 2;
	x->mac_src = h + 8;
	if (h[8] & 0x80) {
		uint32_t rif = nr_dec_cap(x) ? *x->p & 0x1f : 2;

		if (rif < 2)
			return nr_dec_end_malformed(x, NR_ANOM_LINK_MALFORMED, rif,
						    x->wire);
		if (!nr_dec_take(x, rif))
			return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, rif);
	}
	if ((h[1] & 0xc0) != 0x40) /* MAC frames */
		return nr_dec_end_other(x, NR_L2_MAC | h[1]);
	return NR_STEP_LLC;
}

/* RFC 1201 (a split flag and a sequence number behind the type) and RFC 1051. */
static enum nr_step link_arcnet(struct nr_dec *x, bool linux_style)
{
	uint32_t n = linux_style ? 5 : 3;
	const uint8_t *h = nr_dec_take(x, n);
	const uint8_t *s;
	unsigned proto;

	if (!h)
		return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, n);
	proto = h[n - 1];
	if (proto == 240)
		return NR_STEP_IP4;
	if (proto != 212 && proto != 196)
		return nr_dec_end_other(x, NR_L2_ARCNET | proto);
	s = nr_dec_take(x, 3);
	if (s && !linux_style && s[0] == 0xff) { /* exception frame: flag again */
		if (!nr_dec_take(x, 1))
			return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 1);
		s = nr_dec_take(x, 3);
	}
	if (!s)
		return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 3);
	if (s[0]) /* part of a packet in several frames */
		return nr_dec_end_other(x, NR_L2_ARCNET | proto);
	return proto == 212 ? NR_STEP_IP4 : NR_STEP_IP6;
}

static enum nr_step link_sunatm(struct nr_dec *x)
{
	const uint8_t *h = nr_dec_take(x, 4);

	if (!h)
		return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 4);
	switch (h[0] & 0x0f) {
	case 1: /* LAN emulation: two bytes of LE client id, then the frame */
		if (nr_be16(h + 2) == 5) /* signalling */
			break;
		if (!nr_dec_take(x, 2))
			return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 2);
		return NR_STEP_ETHERNET;
	case 2:
		x->atm = true;
		return NR_STEP_LLC;
	default:
		break;
	}
	return nr_dec_end_other(x, NR_L2_ATM | (h[0] & 0x0f));
}

/* Direction and compression state (15 bytes), then the packet as it was before VJ. */
static enum nr_step link_slip(struct nr_dec *x)
{
	if (!nr_dec_take(x, 16))
		return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 16);
	return NR_STEP_IP;
}

/* TLVs in the writer's byte order, padded to 4; type 9 is the packet. */
static enum nr_step link_nflog(struct nr_dec *x)
{
	const uint8_t *h = nr_dec_take(x, 4);
	bool be = false;

	if (!h)
		return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 4);
	if (h[1] != 0)
		return nr_dec_end_other(x, NR_L2_FAMILY | h[0]);
	if (nr_dec_cap(x) >= 4) /* a first TLV of less than 256 bytes tells the order */
		be = nr_le16(x->p) > nr_be16(x->p);
	for (;;) {
		const uint8_t *t = x->p;
		uint32_t len, type;

		if (nr_dec_cap(x) < 4)
			return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 4);
		len = be ? nr_be16(t) : nr_le16(t);
		type = be ? nr_be16(t + 2) : nr_le16(t + 2);
		if (len < 4)
			return nr_dec_end_malformed(x, NR_ANOM_LINK_MALFORMED, len,
						    x->wire);
		if (type == 9) {
			nr_dec_take(x, 4);
			nr_dec_trim(x, len - 4);
			return family(x, h[0]);
		}
		len = (len + 3) & ~3u;
		if (!nr_dec_take(x, len))
			return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, len);
	}
}

/* The header says its length, without the padding to a multiple of 4. */
static enum nr_step link_pflog(struct nr_dec *x)
{
	uint32_t len;
	const uint8_t *h;

	if (nr_dec_cap(x) < 2)
		return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 2);
	len = (x->p[0] + 3u) & ~3u;
	if (len < 48)
		return nr_dec_end_malformed(x, NR_ANOM_LINK_MALFORMED, x->p[0], x->wire);
	h = nr_dec_take(x, len);
	if (!h)
		return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, len);
	return family(x, h[1]);
}

/* RFC 2684: LLC, or the bare packet where the virtual circuit says what it carries. */
static enum nr_step link_atm(struct nr_dec *x)
{
	x->atm = true;
	if (nr_dec_cap(x) >= 2 && x->p[0] == x->p[1])
		return NR_STEP_LLC;
	return NR_STEP_IP;
}

/*
 * Apple's header: its length, the type of what follows (1: a packet; 0: nothing), the
 * link type; then more that is not of the packet.
 */
static enum nr_step link_pktap(struct nr_dec *x)
{
	const uint8_t *h = x->p;
	uint32_t len, dlt;

	if (nr_dec_cap(x) < 12)
		return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 12);
	len = nr_le32(h);
	dlt = nr_le32(h + 8);
	if (len < 108 || len > 4096)
		return nr_dec_end_malformed(x, NR_ANOM_LINK_MALFORMED, len, x->wire);
	if (!nr_dec_take(x, len))
		return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, len);
	if (nr_le32(h + 4) != 1 || dlt > 0xffff || dlt == 258 || dlt == 149) {
		x->outcome = NR_OUT_LINKTYPE;
		x->out->detail = nr_le32(h + 4) == 1 ? dlt : 258;
		return NR_STEP_DONE;
	}
	x->type = (uint16_t)dlt;
	return NR_STEP_LINK;
}

/* USER2 is anybody's; Apple's tools used it for PKTAP before that had a number. */
static bool is_pktap(const struct nr_dec *x)
{
	const uint8_t *h = x->p;

	return nr_dec_cap(x) >= 108 && nr_le32(h) == 108 && nr_le32(h + 4) == 1 &&
	       nr_le32(h + 8) <= 0xffff && h[12] >= 'a' && h[12] <= 'z' && !h[35];
}

/* Global routing header (40 bytes; all but the GID may be 0), then RFC 4391's four. */
static enum nr_step link_ipoib(struct nr_dec *x)
{
	const uint8_t *h = nr_dec_take(x, 44);

	if (!h)
		return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 44);
	x->type = nr_be16(h + 40);
	if (x->type < 0x600)
		return nr_dec_end_other(x, x->type);
	return NR_STEP_ETHERTYPE;
}

static enum nr_step link_unsupported(struct nr_dec *x)
{
	x->outcome = NR_OUT_LINKTYPE;
	x->out->detail = x->type;
	return NR_STEP_DONE;
}

enum nr_step nr_dec_link(struct nr_dec *x)
{
	uint8_t fcs = x->fcs_len;

	if (fcs && x->type != 127 && x->type != 192) { /* those say it in their header */
		nr_dec_drop_tail(x, fcs);
		x->fcs_len = 0;
	}
	switch (x->type) {
	case 1:
		return NR_STEP_ETHERNET;
	case 12:
	case 14:
	case 101:
	case 228: /* IPV4 and IPV6: files with the other version in them exist */
	case 229:
		return NR_STEP_IP;
	case 0:
	case 108:
		return link_null(x);
	case 113:
		return link_sll(x);
	case 276:
		return link_sll2(x);
	case 9:
		return NR_STEP_PPP;
	case 166: /* the same with a direction byte in front */
	case 204:
	case 205:
	case 206:
		if (!nr_dec_take(x, 1))
			return nr_dec_end_short(x, NR_ANOM_LINK_MALFORMED, 1);
		return x->type == 205   ? link_chdlc(x)
		       : x->type == 206 ? link_frelay(x)
					: NR_STEP_PPP;
	case 50:
		return link_ppp_hdlc(x);
	case 51:
		return nr_dec_pppoe(x);
	case 104:
		return link_chdlc(x);
	case 107:
		return link_frelay(x);
	case 105:
		return NR_STEP_WLAN;
	case 127:
		return nr_dec_radiotap(x);
	case 119:
		return nr_dec_prism(x);
	case 163:
		return nr_dec_avs(x);
	case 192:
		return nr_dec_ppi(x);
	case 239:
		return link_nflog(x);
	case 117:
		return link_pflog(x);
	case 10:
		return link_fddi(x);
	case 6:
		return link_token_ring(x);
	case 7:
		return link_arcnet(x, false);
	case 129:
		return link_arcnet(x, true);
	case 11: /* the number of most systems' own files */
	case 100:
		return link_atm(x);
	case 242:
		return link_ipoib(x);
	case 258:
		return link_pktap(x);
	case 149:
		return is_pktap(x) ? link_pktap(x) : link_unsupported(x);
	case 123:
		return link_sunatm(x);
	case 8:
		return link_slip(x);
	default:
		return link_unsupported(x);
	}
}
