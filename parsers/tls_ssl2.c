/* SPDX-License-Identifier: BSD-3-Clause */
#include "tls_ssl2.h"

enum { CLIENT_HELLO = 1, CLIENT_MASTER_KEY = 2, SERVER_HELLO = 4 };

/* Length, type, version, three lengths that must add up: no other protocol does that. */
int nr_ssl2_is_client_hello(const uint8_t *p, size_t n)
{
	unsigned len, ciphers, id, challenge;

	if ((n > 0 && !(p[0] & 0x80)) || (n > 2 && p[2] != CLIENT_HELLO))
		return 0;
	if (n > 4 && nr_be16(p + 3) != 2 && p[3] != 3)
		return 0;
	if (n < 11)
		return -1;
	len = nr_be16(p) & 0x7fffu;
	ciphers = nr_be16(p + 5);
	id = nr_be16(p + 7);
	challenge = nr_be16(p + 9);
	return ciphers && ciphers % 3 == 0 && (id == 0 || id == 16 || id == 32) &&
	       challenge >= 8 && challenge <= 32 && len == 9 + ciphers + id + challenge;
}

int nr_ssl2_is_server_hello(const uint8_t *p, size_t n)
{
	if ((n > 0 && !(p[0] & 0x80)) || (n > 2 && p[2] != SERVER_HELLO) ||
	    (n > 3 && p[3] > 1))
		return 0;
	if (n < 13)
		return -1;
	return nr_be16(p + 5) == 2 && nr_be16(p + 9) % 3 == 0 &&
	       (nr_be16(p) & 0x7fffu) ==
		       11u + nr_be16(p + 7) + nr_be16(p + 9) + nr_be16(p + 11);
}

/* The cipher kind of three bytes (SSL 2.0 §C.4): its names are not IANA's. */
static const char *cipher_name(const uint8_t *kind)
{
	static const struct {
		uint8_t kind;
		const char *name;
	} names[] = {
		{ 1, "SSL_CK_RC4_128_WITH_MD5" },
		{ 2, "SSL_CK_RC4_128_EXPORT40_WITH_MD5" },
		{ 3, "SSL_CK_RC2_128_CBC_WITH_MD5" },
		{ 4, "SSL_CK_RC2_128_CBC_EXPORT40_WITH_MD5" },
		{ 5, "SSL_CK_IDEA_128_CBC_WITH_MD5" },
		{ 6, "SSL_CK_DES_64_CBC_WITH_MD5" },
		{ 7, "SSL_CK_DES_192_EDE3_CBC_WITH_MD5" },
		{ 8, "SSL_CK_RC4_64_WITH_MD5" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (names[i].kind == kind[0])
			return names[i].name;
	}
	return NULL;
}

static enum nr_verdict client_hello(struct nr_parse *p, struct nr_tls_handshake *h,
				    unsigned side, struct nr_cursor c, bool *is_tls)
{
	uint16_t version = nr_get_be16(&c);

	if (c.bad)
		return NR_MALFORMED;
	if (!nr_tls_facts_any(&h->facts))
		h->facts.first_ns = p->ts_ns;
	if (!h->facts.client_hellos)
		h->facts.client_version = version;
	h->facts.client_hellos++;
	h->client = (uint8_t)(1 + side);
	*is_tls = version != 2;
	return NR_MORE;
}

static enum nr_verdict server_hello(struct nr_parse *p, struct nr_tls_handshake *h,
				    unsigned side, struct nr_cursor c)
{
	uint8_t is_hit = nr_get_u8(&c);
	uint8_t type = nr_get_u8(&c);
	uint16_t version = nr_get_be16(&c);
	uint16_t cert_len = nr_get_be16(&c);
	struct nr_cursor cert;

	nr_get(&c, 4); /* lengths of the cipher specs and the connection id */
	cert = nr_sub(&c, cert_len);
	if (c.bad)
		return NR_MALFORMED;
	if (!nr_tls_facts_any(&h->facts))
		h->facts.first_ns = p->ts_ns;
	h->facts.server_hellos++;
	h->facts.version = version;
	h->facts.resumed = is_hit;
	if (!h->client)
		h->client = (uint8_t)(2 - side);
	return type == 1 && cert_len ? nr_tls_certificate(p, h, 0, cert.p, cert_len)
				     : NR_MORE;
}

static enum nr_verdict message(struct nr_parse *p, struct nr_tls_handshake *h,
			       struct nr_ssl2 *s, unsigned side, const struct nr_piece *m,
			       bool *is_tls)
{
	struct nr_cursor c = nr_cursor(m->p, m->len);
	const uint8_t *kind;

	switch (nr_get_u8(&c)) {
	case CLIENT_HELLO:
		return client_hello(p, h, side, c, is_tls);
	case SERVER_HELLO:
		return server_hello(p, h, side, c);
	case CLIENT_MASTER_KEY:
		/* the last message in the clear, of both sides */
		s->is_encrypted = true;
		kind = nr_get(&c, 3);
		if (kind)
			h->facts.ssl2_cipher = cipher_name(kind);
		h->ccs[0] = h->ccs[1] = true;
		return NR_MORE;
	default:
		return NR_MORE;
	}
}

/* Two bytes, or three where the first bit is 0 and padding is announced. */
static bool header(struct nr_ssl2 *s, struct nr_cursor *in)
{
	while (nr_left(in) && s->head_len < 3) {
		s->head[s->head_len++] = nr_get_u8(in);
		if (s->head_len == 2 && s->head[0] & 0x80) {
			s->want = (uint16_t)(nr_be16(s->head) & 0x7fff);
			return true;
		}
	}
	if (s->head_len < 3)
		return false;
	s->want = (uint16_t)(nr_be16(s->head) & 0x3fff);
	return true;
}

enum nr_verdict nr_ssl2_data(struct nr_parse *p, struct nr_tls_handshake *h,
			     struct nr_ssl2 *s, unsigned side, struct nr_cursor *in,
			     bool *is_tls)
{
	enum nr_verdict v = NR_MORE;

	*is_tls = false;
	while (nr_left(in) && v == NR_MORE && !*is_tls) {
		struct nr_piece m;

		if (h->ccs[0]) {
			/* all that follows is encrypted */
			nr_get(in, nr_left(in));
			h->finished[side] = true;
			h->facts.established = h->finished[0] && h->finished[1];
			return nr_tls_state(h);
		}
		if (!s->want && !header(s, in))
			return NR_MORE;
		if (!s->want)
			return NR_MALFORMED;
		switch (nr_gather_bytes(&s->message, p->account, in, s->want, &m)) {
		case NR_G_MORE:
			return NR_MORE;
		case NR_G_NO_MEM:
			return NR_OVERFLOW;
		case NR_G_WHOLE:
			s->want = 0;
			s->head_len = 0;
			v = message(p, h, s, side, &m, is_tls);
			break;
		}
	}
	return v;
}

bool nr_ssl2_is_within(const struct nr_ssl2 *s)
{
	return s->head_len || s->want;
}

void nr_ssl2_free(struct nr_ssl2 *s, struct nr_account *a)
{
	nr_gather_free(&s->message, a);
}
