/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tunnels over IP (IPIP, GRE and what it carries) and over UDP.
 *
 * Ports prove nothing: a UDP payload is a tunnel's header only where every fixed bit and
 * every length fits; what is inside must then decode too, or the carrier is a plain flow
 * again (decode.c, settle).
 */
#include "decode/priv.h"

/* Enters a tunnel. False: too deep, what is inside stays unread. */
static bool enter(struct nr_dec *x, const struct nr_level *l, enum nr_tunnel_kind kind,
		  bool has_id, uint32_t id)
{
	struct nr_decoded *out = x->out;

	if (out->n_tunnels >= NR_MAX_TUNNELS - 1) {
		nr_dec_note(x, NR_ANOM_TUNNEL_DEPTH, out->n_tunnels, kind);
		return false;
	}
	out->tunnel[out->n_tunnels++] = (struct nr_tunnel){
		.kind = (uint8_t)kind,
		.has_id = has_id,
		.ip_version = l->ip_version,
		.id = id,
		.src = l->src,
		.dst = l->dst,
	};
	x->first_vlan = out->n_vlans;
	return true;
}

/* What is inside l's payload, behind its first skip bytes. */
static void inside(struct nr_dec *x, const struct nr_level *l, uint32_t skip)
{
	x->p = l->payload + skip;
	x->end = l->payload + l->payload_cap;
	x->wire = l->payload_len - skip;
	x->fcs_len = 0;
	x->atm = false;
	x->wlan_pad = false;
	x->wlan_swap = false;
}

/* Enters a tunnel whose carrier l is counted already. */
static bool carry(struct nr_dec *x, struct nr_level *l, uint32_t skip,
		  enum nr_tunnel_kind kind, bool has_id, uint32_t id)
{
	if (!enter(x, l, kind, has_id, id))
		return false;
	inside(x, l, skip);
	l->carries = (uint8_t)(kind + 1);
	return true;
}

/*
 * Enters what GRE and its kin carry. Where l is IP's packet it is kept in case its inside
 * has no flow; where it is a UDP carrier (RFC 8086) all of them are one kind.
 */
static bool enter_portless(struct nr_dec *x, struct nr_level *l, uint32_t skip,
			   enum nr_tunnel_kind kind, bool has_id, uint32_t id)
{
	if (l->proto == 17)
		return carry(x, l, skip, NR_TUN_GRE_UDP, has_id, id);
	if (!enter(x, l, kind, has_id, id))
		return false;
	inside(x, l, skip);
	x->pending = *l;
	x->has_pending = true;
	return true;
}

/* Version 1 (RFC 2637): PPP; acknowledgements alone carry nothing. */
static bool pptp(struct nr_dec *x, struct nr_level *l, unsigned flags, enum nr_step *next)
{
	const uint8_t *h = l->payload;
	uint32_t len = 8;

	if (nr_be16(h + 2) != 0x880b || (flags & 0xef78) != 0x2000 || l->payload_cap < 8)
		return false;
	if (flags & 0x1000)
		len += 4;
	if (flags & 0x0080)
		len += 4;
	if (!(flags & 0x1000) || nr_be16(h + 4) == 0 || l->payload_cap < len)
		return false;
	if (nr_be16(h + 4) > l->payload_len - len)
		return false;
	if (!enter_portless(x, l, len, NR_TUN_PPTP, true, nr_be16(h + 6)))
		return false;
	nr_dec_trim(x, nr_be16(h + 4));
	*next = NR_STEP_PPP;
	return true;
}

static bool erspan(struct nr_dec *x, struct nr_level *l, unsigned type, uint32_t len,
		   bool has_seq, enum nr_step *next)
{
	const uint8_t *e = l->payload + len;
	uint32_t cap = l->payload_cap - len;
	uint32_t skip, id;

	*next = NR_STEP_ETHERNET;
	if (type == 0x88be && !has_seq) /* type I: no header of its own */
		return enter_portless(x, l, len, NR_TUN_ERSPAN, false, 0);
	if (cap < 12)
		return false;
	id = nr_be16(e + 2) & 0x3ff;
	if (type == 0x88be && e[0] >> 4 == 1) { /* type II */
		skip = 8;
	} else if (type == 0x22eb && e[0] >> 4 == 2) { /* type III */
		skip = 12;
		if (e[11] & 1)
			skip += 8; /* platform specific */
		if (cap < skip)
			return false;
	} else {
		return false;
	}
	return enter_portless(x, l, len + skip, NR_TUN_ERSPAN, true, id);
}

/*
 * RFC 7637, section 3.2: a key and neither checksum nor sequence number. The first 4096
 * VSIDs are reserved: a small key is that of plain GRE with Ethernet in it.
 */
static bool is_nvgre(unsigned flags, uint32_t key)
{
	return (flags & 0xf000) == 0x2000 && key >> 8 >= 0x1000;
}

/* RFC 1701, 2784, 2890; in UDP RFC 8086: no version 1 there (section 3.2). */
static bool gre(struct nr_dec *x, struct nr_level *l, enum nr_step *next)
{
	const uint8_t *h = l->payload;
	uint32_t cap = l->payload_cap, len = 4, key = 0;
	unsigned flags, type;
	bool has_key;

	if (cap < 4)
		return false;
	flags = nr_be16(h);
	type = nr_be16(h + 2);
	if ((flags & 7) == 1 && l->proto == 47)
		return pptp(x, l, flags, next);
	if (flags & 0x00ff) /* reserved bits, or a version nobody has defined */
		return false;
	has_key = flags & 0x2000;
	if (flags & 0xc000)
		len += 4;
	if (has_key) {
		if (cap < len + 4)
			return false;
		key = nr_be32(h + len);
		len += 4;
	}
	if (flags & 0x1000)
		len += 4;
	if (flags & 0x4000) /* source routes: until one of length 0 */
		for (;;) {
			unsigned n;

			if (cap < len || cap - len < 4)
				return false;
			n = h[len + 3];
			if (nr_be16(h + len) == 0 && n == 0) {
				len += 4;
				break;
			}
			len += 4 + n;
		}
	if (cap <= len)
		return false;
	x->type = (uint16_t)type;
	*next = NR_STEP_ETHERTYPE;
	switch (type) {
	case 0x883e: /* WCCP: IPv4, in version 2 behind a redirect header */
		if (h[len] >> 4 != 4) {
			len += 4;
			if (cap <= len)
				return false;
		}
		*next = NR_STEP_IP4;
		break;
	case 0x6558:
		*next = NR_STEP_ETHERNET;
		if (l->proto == 47 && is_nvgre(flags, key))
			return enter_portless(x, l, len, NR_TUN_NVGRE, true, key >> 8);
		break;
	case 0x88be:
	case 0x22eb:
		return erspan(x, l, type, len, flags & 0x1000, next);
	case 0x0800:
	case 0x86dd:
	case 0x8847:
	case 0x8848:
	case 0x880b:
	case 0x894f:
	case 0x8100:
		break;
	default:
		if (type >> 8 != 0x82) /* Aruba access points: 802.11 without FCS */
			return false;
		*next = NR_STEP_WLAN;
		break;
	}
	return enter_portless(x, l, len, NR_TUN_GRE, has_key, key);
}

bool nr_dec_ip_tunnel(struct nr_dec *x, struct nr_level *l, enum nr_step *next)
{
	bool v4 = l->ip_version == 4;

	switch (l->proto) {
	case 4:
		if (l->payload_cap < 1 || l->payload[0] >> 4 != 4)
			return false;
		*next = NR_STEP_IP4;
		return enter_portless(x, l, 0, v4 ? NR_TUN_IPIP : NR_TUN_4IN6, false, 0);
	case 41:
		if (l->payload_cap < 1 || l->payload[0] >> 4 != 6)
			return false;
		*next = NR_STEP_IP6;
		return enter_portless(x, l, 0, v4 ? NR_TUN_6IN4 : NR_TUN_6IN6, false, 0);
	case 47:
		return gre(x, l, next);
	default:
		return false;
	}
}

/*
 * Tunnels of Ethernet frames go to the port; where one comes from it, as those of
 * endpoints that answer to the port they were asked from do, the frame must prove it.
 *
 * RFC 7348, and the group policy extension (flag G). Receivers ignore the reserved bits,
 * and there are senders that set them: then the frame itself must prove the tunnel.
 */
static bool vxlan(struct nr_dec *x, struct nr_level *l, bool to_port, enum nr_step *next)
{
	const uint8_t *h = l->payload;
	bool strict;

	if (l->payload_cap < 8 || l->payload_len < 8 + 14 || !(h[0] & 0x08))
		return false;
	strict = to_port && !(h[0] & 0x77) && !h[7] &&
		 !(h[0] & 0x80 ? h[1] & ~0x48 : h[1] | h[2] | h[3]);
	if (!strict &&
	    !nr_dec_surely_ethernet(h + 8, l->payload_cap - 8, l->payload_len - 8))
		return false;
	*next = NR_STEP_ETHERNET;
	return carry(x, l, 8, NR_TUN_VXLAN, true, nr_be24(h + 4));
}

/* draft-ietf-nvo3-vxlan-gpe: flags, next protocol, VNI. */
static bool vxlan_gpe(struct nr_dec *x, struct nr_level *l, enum nr_step *next)
{
	static const uint8_t steps[] = {
		0, NR_STEP_IP4, NR_STEP_IP6, NR_STEP_ETHERNET, NR_STEP_NSH, NR_STEP_MPLS,
	};
	const uint8_t *h = l->payload;

	if (l->payload_cap < 8 || l->payload_len < 8 + 8)
		return false;
	if (h[0] & 0xf0 || !(h[0] & 0x08) || h[1] || h[2] || h[7])
		return false;
	if (!(h[0] & 0x04))
		*next = NR_STEP_ETHERNET;
	else if (h[3] >= 1 && h[3] <= 5)
		*next = steps[h[3]];
	else
		return false;
	return carry(x, l, 8, NR_TUN_VXLAN_GPE, true, nr_be24(h + 4));
}

/* RFC 8926. */
static bool geneve(struct nr_dec *x, struct nr_level *l, bool to_port, enum nr_step *next)
{
	const uint8_t *h = l->payload;
	uint32_t len, at;

	if (l->payload_cap < 8 || h[0] >> 6 || h[1] & 0x3f || h[7])
		return false;
	len = 8 + (h[0] & 0x3f) * 4u;
	if (l->payload_cap < len)
		return false;
	for (at = 8; at < len;) { /* len and options are multiples of 4 */
		uint32_t n = 4 + (h[at + 3] & 0x1f) * 4u;

		if (n > len - at)
			return false;
		at += n;
	}
	x->type = nr_be16(h + 2);
	if (!to_port &&
	    (x->type != 0x6558 || !nr_dec_surely_ethernet(h + len, l->payload_cap - len,
							  l->payload_len - len)))
		return false;
	switch (x->type) {
	case 0x6558:
		*next = NR_STEP_ETHERNET;
		break;
	case 0x0800:
		*next = NR_STEP_IP4;
		break;
	case 0x86dd:
		*next = NR_STEP_IP6;
		break;
	case 0x8847:
	case 0x894f:
		*next = NR_STEP_ETHERTYPE;
		break;
	default:
		return false;
	}
	return carry(x, l, len, NR_TUN_GENEVE, true, nr_be24(h + 4));
}

/* 3GPP TS 29.281: version 1, protocol type GTP, message type 255 (G-PDU). */
static bool gtpu(struct nr_dec *x, struct nr_level *l, enum nr_step *next)
{
	const uint8_t *h = l->payload;
	uint32_t cap = l->payload_cap, len = 8;

	if (cap < 8 || (h[0] & 0xf8) != 0x30 || h[1] != 255)
		return false;
	if (nr_be16(h + 2) > l->payload_len - 8)
		return false;
	if (h[0] & 7) {
		unsigned ext;

		len = 12;
		if (cap < 12)
			return false;
		ext = h[0] & 4 ? h[11] : 0;
		while (ext) {
			uint32_t n;

			if (cap - len < 1)
				return false;
			n = h[len] * 4u;
			if (n == 0 || cap - len < n)
				return false;
			ext = h[len + n - 1];
			len += n;
		}
	}
	if (cap <= len || nr_be16(h + 2) + 8u <= len)
		return false;
	if (h[len] >> 4 != 4 && h[len] >> 4 != 6) /* not IP: Ethernet, PPP or nothing */
		return false;
	*next = h[len] >> 4 == 4 ? NR_STEP_IP4 : NR_STEP_IP6;
	if (!carry(x, l, len, NR_TUN_GTPU, true, nr_be32(h + 4)))
		return false;
	nr_dec_trim(x, nr_be16(h + 2) + 8u - len);
	return true;
}

/* RFC 4380: authentication and origin indications, then IPv6. */
static bool teredo(struct nr_dec *x, struct nr_level *l, enum nr_step *next)
{
	const uint8_t *h = l->payload;
	uint32_t cap = l->payload_cap, at = 0;

	if (cap >= 4 && h[0] == 0 && h[1] == 1)
		at = 13u + h[2] + h[3];
	if (cap > at && cap - at >= 8 && h[at] == 0 && h[at + 1] == 0)
		at += 8;
	if (cap < at || cap - at < 40 || h[at] >> 4 != 6)
		return false;
	if (nr_be16(h + at + 4) + 40u > l->payload_len - at)
		return false;
	*next = NR_STEP_IP6;
	return carry(x, l, at, NR_TUN_TEREDO, false, 0);
}

/* RFC 2661, data messages of version 2. */
static bool l2tp(struct nr_dec *x, struct nr_level *l, enum nr_step *next)
{
	const uint8_t *h = l->payload;
	uint32_t cap = l->payload_cap, at = 2, len = l->payload_len, id;
	unsigned flags, proto;

	if (cap < 6)
		return false;
	flags = nr_be16(h);
	if ((flags & 0xb4ff) != 2) /* T, reserved bits, version */
		return false;
	if (flags & 0x4000) {
		len = nr_be16(h + 2);
		at += 2;
		if (len > l->payload_len)
			return false;
	}
	if (cap - at < 4)
		return false;
	id = nr_be32(h + at);
	at += 4;
	if (flags & 0x0800)
		at += 4;
	if (flags & 0x0200) {
		if (cap < at + 2)
			return false;
		at += 2u + nr_be16(h + at);
	}
	if (cap < at || cap - at < 4 || len < at + 4)
		return false;
	proto = nr_be16(h + at) == 0xff03 ? nr_be16(h + at + 2) : nr_be16(h + at);
	/* RFC 1661: the low bit of the first byte is 0, of the last 1; or one byte */
	if ((proto & 0x0101) != 0x0001 && !(proto & 0x0100))
		return false;
	*next = NR_STEP_PPP;
	if (!carry(x, l, at, NR_TUN_L2TP, true, id))
		return false;
	nr_dec_trim(x, len - at);
	return true;
}

/*
 * RFC 5415, 4.3: data in one piece. What is inside is 802.3, or 802.11 without FCS, whose
 * frame control many access points send with its two bytes swapped.
 */
static bool capwap(struct nr_dec *x, struct nr_level *l, enum nr_step *next)
{
	const uint8_t *h = l->payload;
	uint32_t len;

	if (l->payload_cap < 8 || h[0] != 0 || h[3] & 0x8f) /* fragment, keep-alive */
		return false;
	len = (h[1] >> 3) * 4u;
	if (len < 8 || l->payload_cap <= len)
		return false;
	if (!(h[2] & 1))
		*next = NR_STEP_ETHERNET;
	else if ((h[2] >> 1 & 31) == 1)
		*next = NR_STEP_WLAN;
	else
		return false;
	if (!carry(x, l, len, NR_TUN_CAPWAP, false, 0))
		return false;
	x->wlan_swap = h[len] & 3;
	return true;
}

static bool by_port(struct nr_dec *x, struct nr_level *l, uint16_t port, bool to_port,
		    enum nr_step *next)
{
	switch (port) {
	case 4789:
	case 8472:
		return vxlan(x, l, to_port, next);
	case 4790:
		return to_port && vxlan_gpe(x, l, next);
	case 6081:
		return geneve(x, l, to_port, next);
	case 2152:
		return gtpu(x, l, next);
	case 3544:
		return teredo(x, l, next);
	case 1701:
		return l2tp(x, l, next);
	case 4754:
		return to_port && gre(x, l, next);
	case 5247:
		return capwap(x, l, next);
	default:
		return false;
	}
}

bool nr_dec_udp_tunnel(struct nr_dec *x, struct nr_level *l, enum nr_step *next)
{
	return by_port(x, l, l->dst_port, true, next) ||
	       by_port(x, l, l->src_port, false, next);
}

/* Between two Teredo clients no port is 3544; but an address is of 2001::/32. */
bool nr_dec_teredo_peer(struct nr_dec *x, struct nr_level *l, enum nr_step *next)
{
	const uint8_t *h = l->payload;

	if (l->payload_cap < 40 || nr_be16(h + 4) + 40u != l->payload_len)
		return false;
	if (nr_be32(h + 8) != 0x20010000 && nr_be32(h + 24) != 0x20010000)
		return false;
	*next = NR_STEP_IP6;
	return carry(x, l, 0, NR_TUN_TEREDO, false, 0);
}
