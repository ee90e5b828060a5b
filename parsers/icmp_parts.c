/* SPDX-License-Identifier: BSD-3-Clause */
#include "icmp_parts.h"

#include "base/cursor.h"
#include "decode/decode.h"

struct meaning {
	uint8_t type;
	int16_t code; /* -1: any that is not listed before */
	const char *text;
};

/* RFC 792, 950, 1256, 1812, 6633, 8335; IANA's registry for the rest. */
static const struct meaning v4[] = {
	{ 0, -1, "echo reply" },
	{ 3, 0, "network unreachable" },
	{ 3, 1, "host unreachable" },
	{ 3, 2, "protocol unreachable" },
	{ 3, 3, "port unreachable" },
	{ 3, 4, "fragmentation needed" },
	{ 3, 5, "source route failed" },
	{ 3, 6, "network unknown" },
	{ 3, 7, "host unknown" },
	{ 3, 8, "source host isolated" },
	{ 3, 9, "network prohibited" },
	{ 3, 10, "host prohibited" },
	{ 3, 11, "network unreachable for this service" },
	{ 3, 12, "host unreachable for this service" },
	{ 3, 13, "communication prohibited" },
	{ 3, 14, "host precedence violation" },
	{ 3, 15, "precedence cutoff" },
	{ 3, -1, "destination unreachable" },
	{ 4, -1, "source quench" },
	{ 5, 0, "redirect for network" },
	{ 5, 1, "redirect for host" },
	{ 5, 2, "redirect for service and network" },
	{ 5, 3, "redirect for service and host" },
	{ 5, -1, "redirect" },
	{ 8, -1, "echo request" },
	{ 9, -1, "router advertisement" },
	{ 10, -1, "router solicitation" },
	{ 11, 0, "time exceeded in transit" },
	{ 11, 1, "time exceeded in reassembly" },
	{ 11, -1, "time exceeded" },
	{ 12, 1, "required option missing" },
	{ 12, 2, "bad length" },
	{ 12, -1, "parameter problem" },
	{ 13, -1, "timestamp request" },
	{ 14, -1, "timestamp reply" },
	{ 15, -1, "information request" },
	{ 16, -1, "information reply" },
	{ 17, -1, "address mask request" },
	{ 18, -1, "address mask reply" },
	{ 30, -1, "traceroute" },
	{ 37, -1, "domain name request" },
	{ 38, -1, "domain name reply" },
	{ 40, -1, "security failure" },
	{ 42, -1, "extended echo request" },
	{ 43, -1, "extended echo reply" },
	{ 0, 0, NULL },
};

/* RFC 4443, 2710, 3810, 4861, 4620, 6275, 3971, 5568, 4286, 6550, 8335. */
static const struct meaning v6[] = {
	{ 1, 0, "no route to destination" },
	{ 1, 1, "communication prohibited" },
	{ 1, 2, "beyond scope of source address" },
	{ 1, 3, "address unreachable" },
	{ 1, 4, "port unreachable" },
	{ 1, 5, "source address failed policy" },
	{ 1, 6, "route to destination rejected" },
	{ 1, 7, "error in source routing header" },
	{ 1, -1, "destination unreachable" },
	{ 2, -1, "packet too big" },
	{ 3, 0, "hop limit exceeded in transit" },
	{ 3, 1, "time exceeded in reassembly" },
	{ 3, -1, "time exceeded" },
	{ 4, 0, "erroneous header field" },
	{ 4, 1, "unknown next header" },
	{ 4, 2, "unknown option" },
	{ 4, -1, "parameter problem" },
	{ 128, -1, "echo request" },
	{ 129, -1, "echo reply" },
	{ 130, -1, "multicast listener query" },
	{ 131, -1, "multicast listener report" },
	{ 132, -1, "multicast listener done" },
	{ 133, -1, "router solicitation" },
	{ 134, -1, "router advertisement" },
	{ 135, -1, "neighbour solicitation" },
	{ 136, -1, "neighbour advertisement" },
	{ 137, -1, "redirect" },
	{ 138, -1, "router renumbering" },
	{ 139, -1, "node information query" },
	{ 140, -1, "node information response" },
	{ 141, -1, "inverse neighbour solicitation" },
	{ 142, -1, "inverse neighbour advertisement" },
	{ 143, -1, "multicast listener report, version 2" },
	{ 144, -1, "home agent discovery request" },
	{ 145, -1, "home agent discovery reply" },
	{ 146, -1, "mobile prefix solicitation" },
	{ 147, -1, "mobile prefix advertisement" },
	{ 148, -1, "certification path solicitation" },
	{ 149, -1, "certification path advertisement" },
	{ 151, -1, "multicast router advertisement" },
	{ 152, -1, "multicast router solicitation" },
	{ 153, -1, "multicast router termination" },
	{ 155, -1, "RPL control" },
	{ 160, -1, "extended echo request" },
	{ 161, -1, "extended echo reply" },
	{ 0, 0, NULL },
};

const char *nr_icmp_meaning(unsigned proto, unsigned type, unsigned code)
{
	for (const struct meaning *m = proto == 58 ? v6 : v4; m->text; m++) {
		if (m->type == type && (m->code < 0 || (unsigned)m->code == code))
			return m->text;
	}
	return NULL;
}

enum { TCP = 6, UDP = 17, DCCP = 33, SCTP = 132, UDPLITE = 136, ICMP = 1, ICMP6 = 58 };

/* Of a first fragment, or a packet that is none: what stands behind its headers. */
static void read_ports(struct nr_icmp_quoted *q, const uint8_t *p, size_t n)
{
	bool one_way = false;

	switch (q->tuple.proto) {
	case TCP:
	case UDP:
	case DCCP:
	case SCTP:
	case UDPLITE:
		if (n < 4)
			return;
		q->tuple.src_port = nr_be16(p);
		q->tuple.dst_port = nr_be16(p + 2);
		q->has_ports = q->is_flow = true;
		return;
	case ICMP:
	case ICMP6:
		if (n < 2)
			return;
		nr_icmp_ports(q->tuple.proto, p[0], p[1], &q->tuple.src_port,
			      &q->tuple.dst_port, &one_way);
		q->has_ports = q->is_flow = !one_way;
		return;
	default:
		q->is_flow = true;
		return;
	}
}

static bool read_v4(struct nr_icmp_quoted *q, const uint8_t *p, size_t n)
{
	size_t header;

	if (n < 20 || p[0] >> 4 != 4)
		return false;
	header = (size_t)(p[0] & 15) * 4;
	q->tuple.proto = p[9];
	memcpy(q->tuple.src_ip, p + 12, 4);
	memcpy(q->tuple.dst_ip, p + 16, 4);
	if (header >= 20 && header <= n && !(nr_be16(p + 6) & 0x1fff))
		read_ports(q, p + header, n - header);
	return true;
}

enum { HOP_BY_HOP = 0, ROUTING = 43, FRAGMENT = 44, AUTH = 51, DEST_OPTIONS = 60 };

static bool is_extension(uint8_t proto)
{
	return proto == HOP_BY_HOP || proto == ROUTING || proto == FRAGMENT ||
	       proto == AUTH || proto == DEST_OPTIONS;
}

/*
 * Behind the extension headers, as many as are quoted: each takes at least 8 bytes, so
 * that the loop ends with the quote.
 */
static bool read_v6(struct nr_icmp_quoted *q, const uint8_t *p, size_t n)
{
	struct nr_cursor c = nr_cursor(p, n);
	const uint8_t *fixed = nr_take(&c, 40), *ext;

	if (!fixed || fixed[0] >> 4 != 6)
		return false;
	q->tuple.proto = fixed[6];
	memcpy(q->tuple.src_ip, fixed + 8, 16);
	memcpy(q->tuple.dst_ip, fixed + 24, 16);
	while (is_extension(q->tuple.proto)) {
		uint8_t kind = q->tuple.proto;

		ext = nr_take(&c, 8);
		if (!ext)
			return true;
		q->tuple.proto = ext[0];
		if (kind == FRAGMENT && nr_be16(ext + 2) & 0xfff8)
			return true;
		if (kind != FRAGMENT &&
		    !nr_take(&c, (size_t)ext[1] * (kind == AUTH ? 4 : 8)))
			return true;
	}
	read_ports(q, c.p, nr_left(&c));
	return true;
}

bool nr_icmp_read_quoted(struct nr_icmp_quoted *q, unsigned version, const uint8_t *p,
			 size_t n)
{
	*q = (struct nr_icmp_quoted){ .tuple.ip_version = (uint8_t)version };
	return version == 4 ? read_v4(q, p, n) : read_v6(q, p, n);
}

enum { HEADER = 8, REDIRECT6 = 137, REDIRECT6_FIXED = 32, REDIRECTED = 4 };

static bool find_option(struct nr_icmp_quoted *q, struct nr_cursor c)
{
	bool found = false;

	nr_get(&c, REDIRECT6_FIXED);
	while (nr_left(&c)) {
		uint8_t type = nr_get_u8(&c), units = nr_get_u8(&c);
		struct nr_cursor one = nr_sub(&c, units ? (size_t)units * 8 - 2 : 0);
		struct nr_icmp_quoted last;

		if (c.bad || !units)
			break;
		if (type != REDIRECTED)
			continue;
		nr_get(&one, 6);
		if (!nr_icmp_read_quoted(&last, 6, one.p, nr_left(&one)) || !last.is_flow)
			continue;
		*q = last;
		found = true;
	}
	return found;
}

bool nr_icmp_find_quoted(struct nr_icmp_quoted *q, unsigned proto, const uint8_t *p,
			 size_t n)
{
	static const uint8_t errors4[] = { 3, 4, 5, 11, 12 }, errors6[] = { 1, 2, 3, 4 };
	bool is_v6 = proto == ICMP6;
	struct nr_cursor c = nr_cursor(p, n);

	if (!nr_take(&c, HEADER))
		return false;
	if (is_v6 && p[0] == REDIRECT6)
		return find_option(q, c);
	if (is_v6 ? !memchr(errors6, p[0], sizeof(errors6))
		  : !memchr(errors4, p[0], sizeof(errors4)))
		return false;
	return nr_icmp_read_quoted(q, is_v6 ? 6 : 4, c.p, nr_left(&c));
}
