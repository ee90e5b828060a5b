/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Data of records as text. The presentation format of most types is a row of tokens, so a
 * type is a name and a shape, a letter for each token:
 *
 *	1 2 4 6	integer of so many bytes		n	name
 *	a A	IPv4, IPv6 address			T	mnemonic of a type
 *	t	time, seconds since 1970		m	bit map of types (RFC
 *4034, 4.1.2) s	string in quotes			S	strings to the end
 *	q	rest as one string in quotes		k	string without quotes
 *	h	rest in hexadecimal			b	rest in base64
 *	x	length byte and hexadecimal		o	length byte and base32hex
 *	H B	two length bytes and hexadecimal, base64
 *	P	parameters of SVCB (RFC 9460)
 */
#include "dns_wire.h"

#include "base/ip.h"
#include "base/text.h"

static const struct {
	uint16_t number;
	const char *name, *shape; /* shape NULL: as RFC 3597 */
} types[] = {
	{ 1, "A", "a" },
	{ 2, "NS", "n" },
	{ 3, "MD", "n" },
	{ 4, "MF", "n" },
	{ 5, "CNAME", "n" },
	{ 6, "SOA", "nn44444" },
	{ 7, "MB", "n" },
	{ 8, "MG", "n" },
	{ 9, "MR", "n" },
	{ 10, "NULL", NULL },
	{ 11, "WKS", NULL },
	{ 12, "PTR", "n" },
	{ 13, "HINFO", "ss" },
	{ 14, "MINFO", "nn" },
	{ 15, "MX", "2n" },
	{ 16, "TXT", "S" },
	{ 17, "RP", "nn" },
	{ 18, "AFSDB", "2n" },
	{ 19, "X25", "s" },
	{ 20, "ISDN", "S" },
	{ 21, "RT", "2n" },
	{ 22, "NSAP", NULL },
	{ 23, "NSAP-PTR", NULL },
	{ 24, "SIG", "T114tt2nb" },
	{ 25, "KEY", "211b" },
	{ 26, "PX", "2nn" },
	{ 27, "GPOS", "sss" },
	{ 28, "AAAA", "A" },
	{ 29, "LOC", NULL },
	{ 30, "NXT", NULL },
	{ 31, "EID", NULL },
	{ 32, "NIMLOC", NULL },
	{ 33, "SRV", "222n" },
	{ 34, "ATMA", NULL },
	{ 35, "NAPTR", "22sssn" },
	{ 36, "KX", "2n" },
	{ 37, "CERT", "221b" },
	{ 38, "A6", NULL },
	{ 39, "DNAME", "n" },
	{ 40, "SINK", NULL },
	{ 41, "OPT", NULL },
	{ 42, "APL", NULL },
	{ 43, "DS", "211h" },
	{ 44, "SSHFP", "11h" },
	{ 45, "IPSECKEY", NULL },
	{ 46, "RRSIG", "T114tt2nb" },
	{ 47, "NSEC", "nm" },
	{ 48, "DNSKEY", "211b" },
	{ 49, "DHCID", "b" },
	{ 50, "NSEC3", "112xom" },
	{ 51, "NSEC3PARAM", "112x" },
	{ 52, "TLSA", "111h" },
	{ 53, "SMIMEA", "111h" },
	{ 55, "HIP", NULL },
	{ 56, "NINFO", "S" },
	{ 57, "RKEY", NULL },
	{ 58, "TALINK", "nn" },
	{ 59, "CDS", "211h" },
	{ 60, "CDNSKEY", "211b" },
	{ 61, "OPENPGPKEY", "b" },
	{ 62, "CSYNC", "42m" },
	{ 63, "ZONEMD", "411h" },
	{ 64, "SVCB", "2nP" },
	{ 65, "HTTPS", "2nP" },
	{ 99, "SPF", "S" },
	{ 100, "UINFO", NULL },
	{ 101, "UID", NULL },
	{ 102, "GID", NULL },
	{ 103, "UNSPEC", NULL },
	{ 104, "NID", NULL },
	{ 105, "L32", NULL },
	{ 106, "L64", NULL },
	{ 107, "LP", "2n" },
	{ 108, "EUI48", NULL },
	{ 109, "EUI64", NULL },
	{ 249, "TKEY", "n4422BH" },
	{ 250, "TSIG", "n62B22H" },
	{ 251, "IXFR", NULL },
	{ 252, "AXFR", NULL },
	{ 253, "MAILB", NULL },
	{ 254, "MAILA", NULL },
	{ 255, "ANY", NULL },
	{ 256, "URI", "22q" },
	{ 257, "CAA", "1kq" },
	{ 258, "AVC", "S" },
	{ 259, "DOA", NULL },
	{ 260, "AMTRELAY", NULL },
	{ 32768, "TA", "211h" },
	{ 32769, "DLV", "211h" },
};

enum { N_TYPES = sizeof(types) / sizeof(*types), TYPE_NB = 32, TYPE_NBSTAT = 33 };

/* The place of a type in the list, N_TYPES where it is not there. */
static size_t find_type(unsigned type)
{
	size_t lo = 0, hi = N_TYPES;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (types[mid].number < type)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < N_TYPES && types[lo].number == type ? lo : N_TYPES;
}

const char *nr_dns_type_name(unsigned type, bool nbns)
{
	size_t i;

	if (nbns && type == TYPE_NB)
		return "NB";
	if (nbns && type == TYPE_NBSTAT)
		return "NBSTAT";
	i = find_type(type);
	return i < N_TYPES ? types[i].name : NULL;
}

void nr_dns_out_type(struct nr_dns_out *o, unsigned type, bool nbns)
{
	const char *name = nr_dns_type_name(type, nbns);

	nr_dns_out_str(o, name ? name : "TYPE");
	if (!name)
		nr_dns_out_uint(o, type);
}

static void out_time(struct nr_dns_out *o, uint32_t seconds)
{
	char text[NR_TIME_TEXT]; /* 1970-01-01T00:00:00… */

	nr_time_format(text, (int64_t)seconds * 1000000000);
	nr_dns_out_raw(o, text, 4);
	nr_dns_out_raw(o, text + 5, 2);
	nr_dns_out_raw(o, text + 8, 2);
	nr_dns_out_raw(o, text + 11, 2);
	nr_dns_out_raw(o, text + 14, 2);
	nr_dns_out_raw(o, text + 17, 2);
}

static void out_bitmap(struct nr_dns_out *o, struct nr_cursor *c)
{
	const char *sep = "";

	while (nr_left(c) && !c->bad) {
		unsigned window = nr_get_u8(c), len = nr_get_u8(c);
		const uint8_t *bits = nr_get(c, len);

		for (unsigned i = 0; bits && i < 8 * len; i++) {
			if (!(bits[i / 8] >> (7 - i % 8) & 1))
				continue;
			nr_dns_out_str(o, sep);
			nr_dns_out_type(o, window << 8 | i, false);
			sep = " ";
		}
	}
}

static void out_strings(struct nr_dns_out *o, struct nr_cursor *c)
{
	const char *sep = "";

	while (nr_left(c) && !c->bad) {
		unsigned len = nr_get_u8(c);
		const uint8_t *s = nr_get(c, len);

		nr_dns_out_str(o, sep);
		if (s)
			nr_dns_out_quoted(o, s, len);
		sep = " ";
	}
}

static void out_addresses(struct nr_dns_out *o, struct nr_cursor *c, unsigned version)
{
	const char *sep = "";

	while (nr_left(c) && !c->bad) {
		const uint8_t *a = nr_get(c, version == 4 ? 4 : 16);

		nr_dns_out_str(o, sep);
		if (a)
			nr_dns_out_ip(o, version, a);
		sep = ",";
	}
}

static const char *const svc_keys[] = { "mandatory", "alpn",     "no-default-alpn",
					"port",      "ipv4hint", "ech",
					"ipv6hint",  "dohpath",  "ohttp" };

static void out_svc_key(struct nr_dns_out *o, unsigned key)
{
	if (key < sizeof(svc_keys) / sizeof(*svc_keys)) {
		nr_dns_out_str(o, svc_keys[key]);
		return;
	}
	nr_dns_out_str(o, "key");
	nr_dns_out_uint(o, key);
}

static void out_svc_value(struct nr_dns_out *o, unsigned key, struct nr_cursor *c)
{
	const char *sep = "";
	struct nr_cursor s;

	switch (key) {
	case 0:
		for (; nr_left(c) && !c->bad; sep = ",") {
			nr_dns_out_str(o, sep);
			out_svc_key(o, nr_get_be16(c));
		}
		break;
	case 1:
		for (; nr_left(c) && !c->bad; sep = ",") {
			s = nr_sub(c, nr_get_u8(c));
			nr_dns_out_str(o, sep);
			nr_dns_out_text(o, s.p, nr_left(&s), ',');
		}
		break;
	case 3:
		nr_dns_out_uint(o, nr_get_be16(c));
		break;
	case 4:
		out_addresses(o, c, 4);
		break;
	case 5:
		nr_dns_out_base64(o, c->p, nr_left(c));
		c->p = c->end;
		break;
	case 6:
		out_addresses(o, c, 6);
		break;
	default:
		nr_dns_out_quoted(o, c->p, nr_left(c));
		c->p = c->end;
	}
}

static void out_svc_params(struct nr_dns_out *o, struct nr_cursor *c)
{
	const char *sep = "";

	while (nr_left(c) && !c->bad) {
		unsigned key = nr_get_be16(c), len = nr_get_be16(c);
		struct nr_cursor value = nr_sub(c, len);

		nr_dns_out_str(o, sep);
		out_svc_key(o, key);
		if (nr_left(&value)) {
			nr_dns_out_str(o, "=");
			out_svc_value(o, key, &value);
		}
		if (value.bad || nr_left(&value))
			c->bad = true;
		sep = " ";
	}
}

static uint64_t get_uint(struct nr_cursor *c, unsigned n)
{
	const uint8_t *p = nr_get(c, n);
	uint64_t v = 0;

	for (unsigned i = 0; p && i < n; i++)
		v = v << 8 | p[i];
	return v;
}

static void out_rdata_name(struct nr_dns_out *o, const struct nr_cursor *msg,
			   struct nr_cursor *c)
{
	size_t at = (size_t)(c->p - msg->p), end = (size_t)(c->end - msg->p);
	struct nr_dns_name name;

	if (nr_dns_name_get(msg->p, nr_left(msg), &at, &name) != NR_DNS_GOOD ||
	    at > end) {
		c->bad = true;
		return;
	}
	c->p = msg->p + at;
	nr_dns_out_name(o, &name, false);
}

static void out_hex_or_dash(struct nr_dns_out *o, const uint8_t *p, size_t n)
{
	if (p && n)
		nr_dns_out_hex(o, p, n);
	else
		nr_dns_out_str(o, "-");
}

static void out_ip_token(struct nr_dns_out *o, struct nr_cursor *c, unsigned version)
{
	const uint8_t *a = nr_get(c, version == 4 ? 4 : 16);

	if (a)
		nr_dns_out_ip(o, version, a);
}

static void out_rest(struct nr_dns_out *o, struct nr_cursor *c, char token)
{
	size_t n = nr_left(c);
	const uint8_t *p = nr_get(c, n);

	if (token == 'q')
		nr_dns_out_quoted(o, p, n);
	else if (token == 'h')
		nr_dns_out_hex(o, p, n);
	else
		nr_dns_out_base64(o, p, n);
}

/* Tokens that say their length. */
static void out_counted(struct nr_dns_out *o, struct nr_cursor *c, char token)
{
	size_t n = token == 'H' || token == 'B' ? nr_get_be16(c) : nr_get_u8(c);
	const uint8_t *p = nr_get(c, n);

	if (!p)
		return;
	if (token == 's')
		nr_dns_out_quoted(o, p, n);
	else if (token == 'k')
		nr_dns_out_text(o, p, n, '"');
	else if (token == 'o')
		nr_dns_out_base32hex(o, p, n);
	else if (token == 'B' && n)
		nr_dns_out_base64(o, p, n);
	else
		out_hex_or_dash(o, p, n);
}

static void out_token(struct nr_dns_out *o, const struct nr_cursor *msg,
		      struct nr_cursor *c, char token)
{
	switch (token) {
	case 'a':
		out_ip_token(o, c, 4);
		break;
	case 'A':
		out_ip_token(o, c, 6);
		break;
	case 'n':
		out_rdata_name(o, msg, c);
		break;
	case 'T':
		nr_dns_out_type(o, nr_get_be16(c), false);
		break;
	case 't':
		out_time(o, nr_get_be32(c));
		break;
	case 'm':
		out_bitmap(o, c);
		break;
	case 'S':
		out_strings(o, c);
		break;
	case 'P':
		out_svc_params(o, c);
		break;
	case 'q':
	case 'h':
	case 'b':
		out_rest(o, c, token);
		break;
	case 's':
	case 'k':
	case 'x':
	case 'o':
	case 'H':
	case 'B':
		out_counted(o, c, token);
		break;
	default: /* 1 2 4 6 */
		nr_dns_out_uint(o, get_uint(c, (unsigned)(token - '0')));
	}
}

/* RFC 1002 section 4.2.13: flags and address of each owner. */
static void out_nb(struct nr_dns_out *o, struct nr_cursor *c)
{
	static const char *const kinds[4] = { "B ", "P ", "M ", "H " };
	const char *sep = "";

	while (nr_left(c) && !c->bad) {
		unsigned flags = nr_get_be16(c);
		const uint8_t *a = nr_get(c, 4);

		if (!a)
			break;
		nr_dns_out_str(o, sep);
		nr_dns_out_str(o, flags & 0x8000 ? "group " : "");
		nr_dns_out_str(o, kinds[flags >> 13 & 3]);
		nr_dns_out_ip(o, 4, a);
		sep = ", ";
	}
}

/* RFC 1002 section 4.2.18: names, then the unit's address and counters. */
static void out_nbstat(struct nr_dns_out *o, struct nr_cursor *c)
{
	unsigned n = nr_get_u8(c);
	const uint8_t *mac;
	char text[18];

	for (unsigned i = 0; i < n; i++) {
		const uint8_t *name = nr_get(c, 18);
		size_t len = 15;

		if (!name)
			return;
		while (len && (name[len - 1] == ' ' || !name[len - 1]))
			len--;
		nr_dns_out_text(o, name, len, '\\');
		nr_dns_out_str(o, "<");
		nr_dns_out_hex(o, name + 15, 1);
		nr_dns_out_str(o, name[16] & 0x80 ? "> group, " : ">, ");
	}
	mac = nr_get(c, 6);
	if (mac) {
		nr_mac_format(text, mac);
		nr_dns_out_str(o, text);
	}
	c->p = c->end; /* counters, which some leave out */
}

static void out_generic(struct nr_dns_out *o, const uint8_t *p, size_t n)
{
	nr_dns_out_str(o, o->json ? "\\\\# " : "\\# ");
	nr_dns_out_uint(o, n);
	nr_dns_out_str(o, " ");
	nr_dns_out_hex(o, p, n);
}

static bool out_shape(struct nr_dns_out *o, const struct nr_cursor *msg,
		      struct nr_cursor *c, const char *shape)
{
	for (const char *t = shape; *t; t++) {
		if (t != shape && (nr_left(c) || !strchr("mPShbq", *t)))
			nr_dns_out_str(o, " ");
		out_token(o, msg, c, *t);
		if (c->bad)
			return false;
	}
	return !nr_left(c);
}

bool nr_dns_out_rdata(struct nr_dns_out *o, const uint8_t *msg, size_t len,
		      const struct nr_dns_rr *rr, bool nbns)
{
	struct nr_cursor c = nr_cursor(msg + rr->at, rr->len);
	const struct nr_cursor whole = nr_cursor(msg, len);
	size_t before = o->len, i = find_type(rr->type);
	bool good = true;

	if (nbns && rr->type == TYPE_NB) {
		out_nb(o, &c);
		good = !c.bad;
	} else if (nbns && rr->type == TYPE_NBSTAT) {
		out_nbstat(o, &c);
		good = !c.bad;
	} else if (i < N_TYPES && types[i].shape) {
		good = out_shape(o, &whole, &c, types[i].shape);
	} else {
		out_generic(o, msg + rr->at, rr->len);
	}
	if (!good) {
		o->len = before;
		out_generic(o, msg + rr->at, rr->len);
	}
	return good;
}
