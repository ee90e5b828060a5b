/* SPDX-License-Identifier: BSD-3-Clause */
/* EDNS options (RFC 6891), and the names of what is not a type. */
#include "dns_wire.h"

#define ARRAY(a) (sizeof(a) / sizeof(*(a)))

const char *nr_dns_class_name(unsigned class)
{
	switch (class) {
	case 1:
		return "IN";
	case 3:
		return "CH";
	case 4:
		return "HS";
	case 254:
		return "NONE";
	case 255:
		return "ANY";
	default:
		return NULL;
	}
}

void nr_dns_out_class(struct nr_dns_out *o, unsigned class)
{
	const char *name = nr_dns_class_name(class);

	nr_dns_out_str(o, name ? name : "CLASS");
	if (!name)
		nr_dns_out_uint(o, class);
}

const char *nr_dns_rcode_name(unsigned rcode)
{
	static const char *const names[] = {
		"NOERROR",  "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP",   "REFUSED",
		"YXDOMAIN", "YXRRSET", "NXRRSET",  "NOTAUTH",  "NOTZONE",  "DSOTYPENI",
		NULL,       NULL,      NULL,       NULL,       "BADVERS",  "BADKEY",
		"BADTIME",  "BADMODE", "BADNAME",  "BADALG",   "BADTRUNC", "BADCOOKIE",
	};

	return rcode < ARRAY(names) ? names[rcode] : NULL;
}

const char *nr_dns_opcode_name(unsigned opcode, bool nbns)
{
	static const char *const dns[] = { "QUERY",  "IQUERY", "STATUS", NULL,
					   "NOTIFY", "UPDATE", "DSO" };
	static const char *const nb[16] = {
		[0] = "QUERY",   [5] = "REGISTRATION", [6] = "RELEASE",    [7] = "WACK",
		[8] = "REFRESH", [9] = "REFRESH",      [15] = "MULTIHOMED"
	};

	if (nbns)
		return nb[opcode & 15];
	return opcode < ARRAY(dns) ? dns[opcode] : NULL;
}

static const char *option_name(unsigned code)
{
	static const char *const names[] = {
		[1] = "LLQ",          [2] = "UL",       [3] = "NSID",
		[5] = "DAU",          [6] = "DHU",      [7] = "N3U",
		[8] = "ECS",          [9] = "EXPIRE",   [10] = "COOKIE",
		[11] = "KEEPALIVE",   [12] = "PADDING", [13] = "CHAIN",
		[14] = "KEY-TAG",     [15] = "EDE",     [18] = "REPORT-CHANNEL",
		[19] = "ZONEVERSION",
	};

	return code < ARRAY(names) ? names[code] : NULL;
}

/* RFC 7871 section 6: family, prefix lengths, the address without trailing zeros. */
static bool out_ecs(struct nr_dns_out *o, const uint8_t *p, size_t n)
{
	unsigned family;
	uint8_t addr[16] = { 0 };

	if (n < 4)
		return false;
	family = nr_be16(p);
	if ((family != 1 && family != 2) || n - 4 > (family == 1 ? 4u : 16u))
		return false;
	memcpy(addr, p + 4, n - 4);
	nr_dns_out_ip(o, family == 1 ? 4 : 6, addr);
	nr_dns_out_str(o, "/");
	nr_dns_out_uint(o, p[2]);
	nr_dns_out_str(o, "/");
	nr_dns_out_uint(o, p[3]);
	return true;
}

/* RFC 8914: a number and text. */
static bool out_ede(struct nr_dns_out *o, const uint8_t *p, size_t n)
{
	if (n < 2)
		return false;
	nr_dns_out_uint(o, nr_be16(p));
	if (n > 2) {
		nr_dns_out_str(o, " ");
		nr_dns_out_text(o, p + 2, n - 2, '\\');
	}
	return true;
}

enum { OPTION_ECS = 8, OPTION_PADDING = 12, OPTION_EDE = 15 };

static void out_option(struct nr_dns_out *o, unsigned code, const uint8_t *p, size_t n)
{
	const char *name = option_name(code);
	bool done = false;

	nr_dns_out_str(o, "{\"code\":");
	nr_dns_out_uint(o, code);
	if (name) {
		nr_dns_out_str(o, ",\"name\":\"");
		nr_dns_out_str(o, name);
		nr_dns_out_str(o, "\"");
	}
	nr_dns_out_str(o, ",\"length\":");
	nr_dns_out_uint(o, n);
	if (n && code != OPTION_PADDING) {
		nr_dns_out_str(o, ",\"data\":\"");
		if (code == OPTION_ECS)
			done = out_ecs(o, p, n);
		else if (code == OPTION_EDE)
			done = out_ede(o, p, n);
		if (!done)
			nr_dns_out_hex(o, p, n);
		nr_dns_out_str(o, "\"");
	}
	nr_dns_out_str(o, "}");
}

bool nr_dns_out_opt(struct nr_dns_out *o, const uint8_t *msg, const struct nr_dns_rr *rr)
{
	struct nr_cursor c = nr_cursor(msg + rr->at, rr->len);
	const char *sep = ",\"options\":[";

	nr_dns_out_str(o, "{\"udp_size\":");
	nr_dns_out_uint(o, rr->class);
	nr_dns_out_str(o, ",\"version\":");
	nr_dns_out_uint(o, rr->ttl >> 16 & 0xff);
	nr_dns_out_str(o, rr->ttl & 0x8000 ? ",\"do\":true" : ",\"do\":false");
	while (nr_left(&c)) {
		unsigned code = nr_get_be16(&c), len = nr_get_be16(&c);
		const uint8_t *p = nr_get(&c, len);

		if (c.bad)
			break;
		nr_dns_out_str(o, sep);
		sep = ",";
		out_option(o, code, p, len);
	}
	nr_dns_out_str(o, sep[1] ? "}" : "]}");
	return !c.bad;
}
