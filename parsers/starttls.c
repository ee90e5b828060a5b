/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What comes before TLS in protocols that have no parser of their own: POP3, IMAP, LDAP,
 * XMPP, IRC, MySQL, PostgreSQL, RDP, adb. It says nothing of them; it waits for a
 * record of TLS at a place where one side takes its turn, and hands over to tls.
 *
 * A protocol that gets a parser loses its line here, and hands over by itself.
 */
#include "base/cursor.h"
#include "session/parser.h"

#include <string.h>

enum {
	TURNS_MAX = 64, /* later nobody turns to TLS any more */
	BYTES_MAX = 64 << 10,
	HANDSHAKE = 22,
};

struct starttls {
	uint8_t head[4]; /* of the present turn */
	uint8_t side;
	uint8_t turns;
	uint32_t at;    /* bytes of the turn passed */
	uint32_t total; /* bytes of all turns */
};

/* Whoever asks for TLS and begins with it without waiting for an answer. */
static const struct {
	const char *head;
	uint32_t len;
} requests[] = {
	{ "\x20\0\0\1", 4 + 32 }, /* MySQL: SSLRequest */
	{ "STLS", 24 },           /* adb: a message without a body */
};

static bool is_hello(const uint8_t *p, size_t n)
{
	return p[0] == HANDSHAKE && (n < 2 || p[1] == 3) && (n < 3 || p[2] <= 4) &&
	       (n < 6 || p[5] == 1);
}

/* Whether TLS begins `at` bytes into the turn, which lies in data; *skip is where. */
static bool begins(const struct starttls *t, const uint8_t *data, size_t len, uint32_t at,
		   size_t *skip)
{
	if (at < t->at || at - t->at >= len)
		return false;
	*skip = at - t->at;
	return is_hello(data + *skip, len - *skip);
}

static bool find_hello(struct starttls *t, const uint8_t *data, size_t len, size_t *skip)
{
	for (size_t i = 0; t->at + i < sizeof(t->head) && i < len; i++)
		t->head[t->at + i] = data[i];
	if (t->turns > 1 && begins(t, data, len, 0, skip))
		return true;
	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
		if (t->at + len > sizeof(t->head) &&
		    !memcmp(t->head, requests[i].head, sizeof(t->head)) &&
		    begins(t, data, len, requests[i].len, skip))
			return true;
	}
	return false;
}

static enum nr_verdict starttls_data(struct nr_parse *p, void *ctx, unsigned side,
				     const uint8_t *data, size_t len)
{
	struct starttls *t = ctx;
	size_t skip;

	if (!t->turns || t->side != side) {
		t->side = (uint8_t)side;
		t->at = 0;
		t->turns++;
	}
	if (find_hello(t, data, len, &skip))
		return nr_parse_hand_over(p, "tls", data + skip, len - skip);
	if (t->turns > TURNS_MAX || len > BYTES_MAX - t->total)
		return NR_NOT_MINE;
	t->at += (uint32_t)len;
	t->total += (uint32_t)len;
	return NR_MORE;
}

static bool starts(const uint8_t *d, size_t n, const char *with, size_t len)
{
	return n >= len && !memcmp(d, with, len);
}

#define STARTS(d, n, text) starts(d, n, text, sizeof(text) - 1)

/* LDAP: an extended request for StartTLS (RFC 4511 §4.14). */
static bool is_ldap(const uint8_t *d, size_t n)
{
	static const char oid[] = "1.3.6.1.4.1.1466.20037";

	for (size_t i = 5; d[0] == 0x30 && i < 16 && n - i >= sizeof(oid) - 1; i++) {
		if (!memcmp(d + i, oid, sizeof(oid) - 1))
			return true;
	}
	return false;
}

/* The greeting of a MySQL server: length, number 0, protocol 10, its version. */
static bool is_mysql(const uint8_t *d, size_t n)
{
	return n >= 7 && nr_le16(d) >= 40 && !d[2] && !d[3] && d[4] == 10 &&
	       d[5] >= '0' && d[5] <= '9';
}

/* TPKT with a connection request of X.224 that has RDP's negotiation (MS-RDPBCGR). */
static bool is_rdp(const uint8_t *d, size_t n)
{
	return n >= 7 && d[0] == 3 && !d[1] && nr_be16(d + 2) == n && d[5] == 0xe0 &&
	       d[4] + 5u == n;
}

static bool is_client(const uint8_t *d, size_t n)
{
	return STARTS(d, n, "<?xml") || STARTS(d, n, "<stream:stream") ||
	       STARTS(d, n, "\0\0\0\10\4\322\26\57") || /* PostgreSQL: SSLRequest */
	       STARTS(d, n, "CNXN") || STARTS(d, n, "STARTTLS") || /* adb; IRC */
	       (n > 26 && is_ldap(d, n)) || is_rdp(d, n);
}

static bool is_server(const uint8_t *d, size_t n)
{
	return STARTS(d, n, "+OK") || STARTS(d, n, "* OK") || STARTS(d, n, "* PREAUTH") ||
	       is_mysql(d, n);
}

static enum nr_probe_result starttls_probe(const struct nr_probe *in)
{
	for (unsigned side = 0; side < 2; side++) {
		const uint8_t *d = in->data[side];
		size_t n = in->len[side];

		if (!n || !in->begins[side])
			continue;
		if (is_client(d, n) || is_server(d, n))
			return NR_PROBE_YES;
	}
	return NR_PROBE_NO;
}

static const uint16_t ports[] = { 110, 143, 389, 3306, 3389, 5222, 5432, 5555, 6667, 0 };

static const struct nr_parser_cap caps[] = {
	{ "turns that the sides take before TLS", TURNS_MAX,
	  "given up: parser_close is not_mine" },
	{ "bytes before TLS", BYTES_MAX, "given up: parser_close is not_mine" },
	{ 0 },
};

const struct nr_parser nr_parser_starttls = {
	.name = "starttls",
	.about = "TLS inside POP3, IMAP, LDAP, XMPP, IRC, MySQL, PostgreSQL, RDP, adb",
	.transports = NR_ON_TCP,
	.ports = ports,
	.services = (const char *const[]){ "tls", NULL },
	.records = (const struct nr_record_type *const[]){ NULL },
	.caps = caps,
	.ctx_size = sizeof(struct starttls),
	.probe = starttls_probe,
	.data = starttls_data,
};
