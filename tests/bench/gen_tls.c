/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TLS handshakes with the shape of real ones: names, lists and certificates parse; keys,
 * signatures and everything encrypted are random. RFC 5246, RFC 8446, RFC 5280.
 */

#include "gen.h"

/* Written forwards; a length is reserved, then filled in when its content is complete. */
struct w {
	uint8_t *p;
	struct rng *r;
};

static void w8(struct w *w, uint32_t v)
{
	*w->p++ = (uint8_t)v;
}

static void w16(struct w *w, uint32_t v)
{
	put_be16(w->p, v);
	w->p += 2;
}

static void wmem(struct w *w, const void *src, size_t n)
{
	memcpy(w->p, src, n);
	w->p += n;
}

static void wrandom(struct w *w, size_t n)
{
	while (n--)
		w8(w, (uint32_t)(rng_u64(w->r) >> 40));
}

static uint8_t *open_n(struct w *w, size_t n)
{
	w->p += n;
	return w->p;
}

static void close_n(struct w *w, uint8_t *start, size_t n)
{
	size_t len = (size_t)(w->p - start);

	for (size_t i = 0; i < n; i++)
		start[-1 - (ptrdiff_t)i] = (uint8_t)(len >> 8 * i);
}

static uint8_t *record_open(struct w *w, uint32_t type, uint32_t version)
{
	w8(w, type);
	w16(w, version);
	return open_n(w, 2);
}

static uint8_t *message_open(struct w *w, uint32_t type)
{
	w8(w, type);
	return open_n(w, 3);
}

static uint8_t *ext_open(struct w *w, uint32_t type)
{
	w16(w, type);
	return open_n(w, 2);
}

static void ext_put(struct w *w, uint32_t type, const void *data, size_t n)
{
	w16(w, type);
	w16(w, (uint32_t)n);
	wmem(w, data, n);
}

static void opaque_record(struct w *w, uint32_t type, size_t n)
{
	uint8_t *rec = record_open(w, type, 0x0303);

	wrandom(w, n);
	close_n(w, rec, 2);
}

static void ccs_put(struct w *w)
{
	static const uint8_t ccs[] = { 20, 3, 3, 0, 1, 1 };

	wmem(w, ccs, sizeof(ccs));
}

size_t tls_client_hello(uint8_t *dst, struct rng *r, uint32_t server)
{
	static const uint8_t suites[] = { 0x13, 0x01, 0x13, 0x02, 0x13, 0x03, 0xc0,
					  0x2b, 0xc0, 0x2f, 0xc0, 0x2c, 0xc0, 0x30,
					  0xcc, 0xa9, 0xcc, 0xa8, 0xc0, 0x13, 0xc0,
					  0x14, 0x00, 0x9c, 0x00, 0x2f };
	static const uint8_t groups[] = { 0, 8, 0, 0x1d, 0, 0x17, 0, 0x18, 0, 0x19 };
	static const uint8_t points[] = { 1, 0 };
	static const uint8_t sigs[] = { 0, 16, 4, 3, 8, 4, 4, 1, 5,
					3, 8,  5, 5, 1, 8, 6, 6, 1 };
	static const uint8_t alpn[] = { 0,   12,  2,   'h', '2', 8,   'h',
					't', 't', 'p', '/', '1', '.', '1' };
	static const uint8_t versions[] = { 4, 3, 4, 3, 3 };
	static const uint8_t psk_modes[] = { 1, 1 };
	struct w w = { dst, r };
	uint8_t *rec, *msg, *exts, *ext, *list, *name;
	char host[40];
	size_t host_len = host_name(host, server);

	rec = record_open(&w, 22, 0x0301);
	msg = message_open(&w, 1);
	w16(&w, 0x0303);
	wrandom(&w, 32);
	w8(&w, 32);
	wrandom(&w, 32);
	w16(&w, sizeof(suites));
	wmem(&w, suites, sizeof(suites));
	w16(&w, 0x0100);
	exts = open_n(&w, 2);
	ext = ext_open(&w, 0); /* server_name */
	list = open_n(&w, 2);
	w8(&w, 0);
	name = open_n(&w, 2);
	wmem(&w, host, host_len);
	close_n(&w, name, 2);
	close_n(&w, list, 2);
	close_n(&w, ext, 2);
	ext_put(&w, 23, "", 0);
	ext_put(&w, 10, groups, sizeof(groups));
	ext_put(&w, 11, points, sizeof(points));
	ext_put(&w, 35, "", 0);
	ext_put(&w, 16, alpn, sizeof(alpn));
	ext_put(&w, 13, sigs, sizeof(sigs));
	ext_put(&w, 43, versions, sizeof(versions));
	ext_put(&w, 45, psk_modes, sizeof(psk_modes));
	ext = ext_open(&w, 51); /* key_share: one x25519 key */
	list = open_n(&w, 2);
	w16(&w, 0x1d);
	w16(&w, 32);
	wrandom(&w, 32);
	close_n(&w, list, 2);
	close_n(&w, ext, 2);
	ext = ext_open(&w, 21); /* padding to the usual 512 bytes */
	while (w.p - msg < 508)
		w8(&w, 0);
	close_n(&w, ext, 2);
	close_n(&w, exts, 2);
	close_n(&w, msg, 3);
	close_n(&w, rec, 2);
	return (size_t)(w.p - dst);
}

/* DER, every length in the three-byte or the one-byte form it needs. */
static uint8_t *der_open(struct w *w, uint32_t tag)
{
	w8(w, tag);
	return open_n(w, 3);
}

static void der_close(struct w *w, uint8_t *start)
{
	size_t len = (size_t)(w->p - start);
	size_t n = len < 128 ? 1 : len < 256 ? 2 : 3;

	if (n < 3) {
		memmove(start - 3 + n, start, len);
		w->p -= 3 - n;
	}
	start -= 3;
	if (n == 3) {
		start[0] = 0x82;
		put_be16(start + 1, (uint32_t)len);
	} else if (n == 2) {
		start[0] = 0x81;
		start[1] = (uint8_t)len;
	} else {
		start[0] = (uint8_t)len;
	}
}

static void der_put(struct w *w, uint32_t tag, const void *data, size_t n)
{
	uint8_t *d = der_open(w, tag);

	wmem(w, data, n);
	der_close(w, d);
}

/* A positive INTEGER of n random bytes. */
static void der_number(struct w *w, size_t n)
{
	uint8_t *d = der_open(w, 2);

	w8(w, 0x40 | rng_below(w->r, 64));
	wrandom(w, n - 1);
	der_close(w, d);
}

static void der_name(struct w *w, const char *cn, size_t n)
{
	static const uint8_t oid_cn[] = { 0x55, 4, 3 };
	uint8_t *seq = der_open(w, 0x30), *set = der_open(w, 0x31),
		*atv = der_open(w, 0x30);

	der_put(w, 6, oid_cn, sizeof(oid_cn));
	der_put(w, 12, cn, n);
	der_close(w, atv);
	der_close(w, set);
	der_close(w, seq);
}

static const uint8_t alg_ecdsa[] = { 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2 };

static void der_key(struct w *w, bool is_rsa)
{
	static const uint8_t alg_ec[] = { 6, 7,    0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6,
					  8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3,    1, 7 };
	static const uint8_t alg_rsa[] = { 6,  9, 0x2a, 0x86, 0x48, 0x86, 0xf7,
					   13, 1, 1,    1,    5,    0 };
	static const uint8_t exponent[] = { 1, 0, 1 };
	uint8_t *spki = der_open(w, 0x30), *bits, *seq;

	if (is_rsa)
		der_put(w, 0x30, alg_rsa, sizeof(alg_rsa));
	else
		der_put(w, 0x30, alg_ec, sizeof(alg_ec));
	bits = der_open(w, 3);
	w8(w, 0);
	if (is_rsa) {
		seq = der_open(w, 0x30);
		der_number(w, 256);
		der_put(w, 2, exponent, sizeof(exponent));
		der_close(w, seq);
	} else {
		w8(w, 4);
		wrandom(w, 64);
	}
	der_close(w, bits);
	der_close(w, spki);
}

static void der_certificate(struct w *w, const char *subject, size_t n, bool is_ca)
{
	static const char ca[] = "nrtool bench CA";
	static const uint8_t v3[] = { 2, 1, 2 };
	static const uint8_t san[] = { 0x55, 0x1d, 0x11 }, basic[] = { 0x55, 0x1d, 0x13 };
	static const uint8_t yes[] = { 1, 1, 0xff };
	uint8_t *cert = der_open(w, 0x30), *tbs = der_open(w, 0x30), *d, *exts, *seq,
		*oct, *in;

	der_put(w, 0xa0, v3, sizeof(v3));
	der_number(w, 16);
	der_put(w, 0x30, alg_ecdsa, sizeof(alg_ecdsa));
	der_name(w, ca, sizeof(ca) - 1);
	d = der_open(w, 0x30);
	der_put(w, 0x17, "230901000000Z", 13);
	der_put(w, 0x17, "241001000000Z", 13);
	der_close(w, d);
	der_name(w, subject, n);
	der_key(w, is_ca);
	d = der_open(w, 0xa3);
	exts = der_open(w, 0x30);
	seq = der_open(w, 0x30);
	if (is_ca) {
		der_put(w, 6, basic, sizeof(basic));
		wmem(w, yes, sizeof(yes));
		oct = der_open(w, 4);
		der_put(w, 0x30, yes, sizeof(yes));
	} else {
		der_put(w, 6, san, sizeof(san));
		oct = der_open(w, 4);
		in = der_open(w, 0x30);
		der_put(w, 0x82, subject, n);
		der_close(w, in);
	}
	der_close(w, oct);
	der_close(w, seq);
	der_close(w, exts);
	der_close(w, d);
	der_close(w, tbs);
	der_put(w, 0x30, alg_ecdsa, sizeof(alg_ecdsa));
	d = der_open(w, 3);
	w8(w, 0);
	seq = der_open(w, 0x30);
	der_number(w, 32);
	der_number(w, 32);
	der_close(w, seq);
	der_close(w, d);
	der_close(w, cert);
}

static void server_hello(struct w *w, bool is_13)
{
	static const uint8_t version[] = { 3, 4 };
	uint8_t *msg = message_open(w, 2), *exts, *ext;

	w16(w, 0x0303);
	wrandom(w, 32);
	w8(w, 32);
	wrandom(w, 32);
	w16(w, is_13 ? 0x1301 : 0xc02b);
	w8(w, 0);
	exts = open_n(w, 2);
	if (is_13) {
		ext_put(w, 43, version, sizeof(version));
		ext = ext_open(w, 51);
		w16(w, 0x1d);
		w16(w, 32);
		wrandom(w, 32);
		close_n(w, ext, 2);
	} else {
		ext_put(w, 23, "", 0);
		ext_put(w, 11, "\1\0", 2);
		ext_put(w, 16, "\0\3\2h2", 5);
	}
	close_n(w, exts, 2);
	close_n(w, msg, 3);
}

size_t tls_server_flight(uint8_t *dst, struct rng *r, uint32_t server, bool is_13)
{
	static const char ca[] = "nrtool bench CA";
	struct w w = { dst, r };
	uint8_t *rec = record_open(&w, 22, 0x0303), *msg, *list, *cert;
	char host[40];
	size_t n = host_name(host, server);

	server_hello(&w, is_13);
	close_n(&w, rec, 2);
	if (is_13) {
		ccs_put(&w);
		opaque_record(&w, 23, 2200 + rng_below(r, 900));
		return (size_t)(w.p - dst);
	}
	rec = record_open(&w, 22, 0x0303);
	msg = message_open(&w, 11);
	list = open_n(&w, 3);
	cert = open_n(&w, 3);
	der_certificate(&w, host, n, false);
	close_n(&w, cert, 3);
	cert = open_n(&w, 3);
	der_certificate(&w, ca, sizeof(ca) - 1, true);
	close_n(&w, cert, 3);
	close_n(&w, list, 3);
	close_n(&w, msg, 3);
	close_n(&w, rec, 2);
	rec = record_open(&w, 22, 0x0303);
	msg = message_open(&w, 12); /* ECDHE on x25519, signed ecdsa_secp256r1_sha256 */
	w8(&w, 3);
	w16(&w, 0x1d);
	w8(&w, 32);
	wrandom(&w, 32);
	w16(&w, 0x0403);
	cert = open_n(&w, 2);
	list = der_open(&w, 0x30);
	der_number(&w, 32);
	der_number(&w, 32);
	der_close(&w, list);
	close_n(&w, cert, 2);
	close_n(&w, msg, 3);
	close_n(&w, rec, 2);
	rec = record_open(&w, 22, 0x0303);
	msg = message_open(&w, 14);
	close_n(&w, msg, 3);
	close_n(&w, rec, 2);
	return (size_t)(w.p - dst);
}

size_t tls_client_finish(uint8_t *dst, struct rng *r, bool is_13)
{
	struct w w = { dst, r };

	if (!is_13) {
		uint8_t *rec = record_open(&w, 22, 0x0303), *msg = message_open(&w, 16);

		w8(&w, 32);
		wrandom(&w, 32);
		close_n(&w, msg, 3);
		close_n(&w, rec, 2);
	}
	ccs_put(&w);
	opaque_record(&w, is_13 ? 23 : 22, is_13 ? 53 : 40);
	return (size_t)(w.p - dst);
}

size_t tls_server_finish(uint8_t *dst, struct rng *r)
{
	struct w w = { dst, r };

	ccs_put(&w);
	opaque_record(&w, 22, 40);
	return (size_t)(w.p - dst);
}
