/* SPDX-License-Identifier: BSD-3-Clause */
#include "tls_handshake.h"

#include "certificate.h"

#include <string.h>

enum {
	ENCRYPTED_MAX = 64, /* records of a conversation whose other side is missing */
	EARLY_MAX = 4096,   /* of those that may be early data */
};

enum nr_tls_want nr_tls_message_want(uint8_t type)
{
	switch (type) {
	case NR_TLS_CLIENT_HELLO:
	case NR_TLS_SERVER_HELLO:
	case NR_TLS_HELLO_RETRY:
	case NR_TLS_CERTIFICATE:
	case NR_TLS_SERVER_KEY:
		return NR_TLS_WANT_BODY;
	case NR_TLS_HELLO_REQUEST:
	case NR_TLS_HELLO_VERIFY:
	case 4:  /* new_session_ticket */
	case 5:  /* end_of_early_data */
	case 8:  /* encrypted_extensions */
	case 9:  /* request_connection_id */
	case 10: /* new_connection_id */
	case 13: /* certificate_request */
	case NR_TLS_SERVER_DONE:
	case 15: /* certificate_verify */
	case NR_TLS_CLIENT_KEY:
	case 20:  /* finished */
	case 21:  /* certificate_url */
	case 22:  /* certificate_status */
	case 23:  /* supplemental_data */
	case 24:  /* key_update */
	case 25:  /* compressed_certificate */
	case 26:  /* ekt_key */
	case 67:  /* next_protocol */
	case 203: /* encrypted_extensions of Channel ID */
	case 254: /* message_hash */
		return NR_TLS_WANT_NOTHING;
	default:
		return NR_TLS_WANT_NO_SUCH;
	}
}

static unsigned client_side(const struct nr_tls_handshake *h)
{
	return h->client ? h->client - 1u : 0;
}

static enum nr_verdict bad_message(struct nr_parse *p, unsigned side, uint8_t type,
				   size_t n)
{
	nr_parse_anomaly(
		p, NR_ANOM_TLS_MESSAGE, (int)side,
		nr_arena_printf(p->arena, "{\"message\":%u,\"length\":%zu}", type, n));
	return NR_MALFORMED;
}

enum nr_verdict nr_tls_certificate(struct nr_parse *p, struct nr_tls_handshake *h,
				   unsigned who, const uint8_t *der, size_t n)
{
	struct nr_tls_facts *f = &h->facts;
	uint8_t digest[NR_TLS_DIGEST];

	if (f->n_certs[who] == NR_TLS_CERTS_MAX) {
		f->incomplete = true;
		return NR_MORE;
	}
	if (!f->certs[who])
		f->certs[who] =
			nr_account_alloc(p->account, NR_TLS_CERTS_MAX * NR_TLS_DIGEST);
	if (!f->certs[who])
		return NR_OVERFLOW;
	if (nr_certificate(p, der, n, digest))
		memcpy(f->certs[who][f->n_certs[who]++], digest, sizeof(digest));
	return NR_MORE;
}

/* RFC 5246 §7.4.2: a list of certificates, each behind a length of three bytes. */
static enum nr_verdict certificates(struct nr_parse *p, struct nr_tls_handshake *h,
				    unsigned side, const uint8_t *body, size_t n)
{
	struct nr_cursor c = nr_cursor(body, n), list;
	unsigned who = side == client_side(h);
	const uint8_t *len = nr_get(&c, 3);
	enum nr_verdict v = NR_MORE;
	unsigned count = 0;

	list = nr_sub(&c, len ? nr_be24(len) : 0);
	if (c.bad)
		return bad_message(p, side, NR_TLS_CERTIFICATE, n);
	h->facts.n_certs[who] = 0;
	while (nr_left(&list) && v == NR_MORE) {
		struct nr_cursor der;

		len = nr_get(&list, 3);
		der = nr_sub(&list, len ? nr_be24(len) : 0);
		if (list.bad)
			return bad_message(p, side, NR_TLS_CERTIFICATE, n);
		v = nr_tls_certificate(p, h, who, der.p, nr_left(&der));
		count++;
	}
	if (count > NR_TLS_CERTS_MAX)
		nr_parse_anomaly(
			p, NR_ANOM_TLS_EXCESS, (int)side,
			nr_arena_printf(p->arena, "{\"certificates\":%u}", count));
	return v;
}

/*
 * ServerKeyExchange of the ECDHE suites begins with the named curve (RFC 8422 §5.4).
 * Datagrams may bring it before the ServerHello that says whether it is one of those.
 */
static void settle_group(struct nr_tls_handshake *h)
{
	char room[NR_TLS_NUMBER];
	const char *cipher = nr_tls_cipher_name(room, h->facts.cipher);

	if (h->facts.has_cipher && h->key_group && !strncmp(cipher, "TLS_ECDH", 8) &&
	    !strstr(cipher, "_PSK_"))
		h->facts.group = h->key_group;
}

static void server_key(struct nr_tls_handshake *h, const uint8_t *body, size_t n)
{
	if (n >= 3 && body[0] == 3)
		h->key_group = nr_be16(body + 1);
	settle_group(h);
}

/* Draft 21 of TLS 1.3 and before: version, cipher suite since draft 19, extensions. */
static void hello_retry(struct nr_tls_handshake *h)
{
	h->facts.server_hellos++;
	h->facts.is_retry = true;
	h->facts.version = 0x7f00; /* until the ServerHello says which */
}

enum nr_verdict nr_tls_message(struct nr_parse *p, struct nr_tls_handshake *h,
			       unsigned side, uint8_t type, const uint8_t *body, size_t n)
{
	enum nr_verdict v = NR_MORE;

	switch (type) {
	case NR_TLS_CLIENT_HELLO:
		v = nr_tls_facts_client(p, &h->facts, body, n);
		if (v != NR_MALFORMED)
			h->client = (uint8_t)(1 + side);
		break;
	case NR_TLS_SERVER_HELLO:
		v = nr_tls_facts_server(p, &h->facts, body, n);
		if (v != NR_MALFORMED && !h->client)
			h->client = (uint8_t)(2 - side);
		settle_group(h);
		break;
	case NR_TLS_HELLO_RETRY:
		hello_retry(h);
		break;
	case NR_TLS_CERTIFICATE:
		if (side != client_side(h)) {
			h->server_is_full = true;
			h->facts.resumed = false;
		}
		return certificates(p, h, side, body, n);
	case NR_TLS_SERVER_KEY:
		h->server_is_full = true;
		server_key(h, body, n);
		break;
	case NR_TLS_SERVER_DONE:
		h->server_is_full = true;
		break;
	case NR_TLS_CLIENT_KEY:
		h->client_key = true;
		break;
	default:
		break;
	}
	return v == NR_MALFORMED ? bad_message(p, side, type, n) : v;
}

void nr_tls_ccs(struct nr_tls_handshake *h, unsigned side)
{
	struct nr_tls_facts *f = &h->facts;

	/* A ticket taken without a session id that the server could repeat (RFC 5077
	   §3.4): the server is at its end without having shown a certificate. */
	if (f->server_hellos && side != client_side(h) && f->client_ticket &&
	    !f->client_id_len && !h->server_is_full && !h->client_key &&
	    !nr_tls_is_13(f->version) && !h->lost[side])
		f->resumed = true;
	h->ccs[side] = true;
}

void nr_tls_alert(struct nr_tls_handshake *h, unsigned side, const uint8_t *alert)
{
	h->facts.has_alert = true;
	h->facts.alert_is_client = side == client_side(h);
	h->facts.alert_level = alert[0];
	h->facts.alert = alert[1];
}

/* In TLS 1.3 an alert looks like data; none but an alert (two bytes, the real type, a tag
   of 16 or 8 bytes) is as short. */
static bool is_13_alert(size_t n)
{
	return n == 2 + 1 + 16 || n == 2 + 1 + 8;
}

static bool has_server_hello(const struct nr_tls_facts *f)
{
	return f->server_hellos && !f->is_retry;
}

/*
 * Whether a record may be of the data that a client sends with its first flight, which a
 * server may have to skip (RFC 8446 §4.2.10). Some of them are still on their way when
 * the ServerHello is. In datagrams it may come from anybody (RFC 6347 §4.1.2.7).
 */
static bool may_be_early(const struct nr_tls_handshake *h, unsigned side, uint8_t type)
{
	const struct nr_tls_facts *f = &h->facts;

	if (!has_server_hello(f))
		return f->transport == NR_TLS_ON_UDP ||
		       (type == NR_TLS_R_DATA && side == client_side(h));
	return f->transport == NR_TLS_ON_TCP && f->client_early &&
	       nr_tls_is_13(f->version) && side == client_side(h) && !h->finished[side];
}

/* A record as long as the client's Finished (RFC 8446 §4.4.4) in one of its own: header,
   hash, type, tag. */
static bool is_13_finished(const struct nr_tls_facts *f, size_t n)
{
	size_t hash = f->cipher == 0x1302 ? 48 : 32, tag = f->cipher == 0x1305 ? 8 : 16;

	return n == 4 + hash + 1 + tag;
}

static void settle(struct nr_tls_handshake *h)
{
	for (unsigned side = 0; side < 2; side++) {
		/* A server that sends data has heard the client's end, which we missed.
		   Not so the other way: a client may be early (RFC 7918). */
		if (h->lost[side] && h->data[!side] && side == client_side(h))
			h->finished[side] = true;
	}
	if (h->facts.server_hellos || h->lost[!client_side(h)])
		h->facts.established |= h->finished[0] && h->finished[1];
}

void nr_tls_encrypted(struct nr_tls_handshake *h, unsigned side, uint8_t type, size_t n)
{
	struct nr_tls_facts *f = &h->facts;
	bool is_13 = nr_tls_is_13(f->version);

	if (type == NR_TLS_R_DATA)
		h->data[side] = true;
	/* Early data are no end of the handshake. */
	if (!has_server_hello(f) && !h->lost[0] && !h->lost[1])
		return;
	if (has_server_hello(f) && may_be_early(h, side, type) && !is_13_finished(f, n))
		return;
	if (is_13 ? !is_13_alert(n) : type != NR_TLS_R_ALERT)
		h->finished[side] = true;
	settle(h);
}

bool nr_tls_count(struct nr_tls_handshake *h, unsigned side, uint8_t type)
{
	bool is_enough;

	if (may_be_early(h, side, type))
		is_enough = ++h->n_early > EARLY_MAX;
	else
		is_enough = ++h->n_encrypted > ENCRYPTED_MAX;
	if (is_enough && !has_server_hello(&h->facts))
		h->facts.incomplete = true;
	return is_enough;
}

void nr_tls_lose(struct nr_tls_handshake *h, unsigned side)
{
	bool is_13 = nr_tls_is_13(h->facts.version);

	if (h->lost[side])
		return;
	h->lost[side] = true;
	/* Behind the point where all is encrypted there is Finished, and nothing that
	   could be missed. */
	if (h->ccs[side] && !is_13)
		h->finished[side] = true;
	else if (is_13 && side != client_side(h))
		h->finished[side] = true;
	else if (!h->finished[side])
		h->facts.incomplete = true;
	settle(h);
}

enum nr_verdict nr_tls_state(const struct nr_tls_handshake *h)
{
	if (h->facts.established)
		return NR_DONE;
	return h->lost[0] && h->lost[1] ? NR_LOST : NR_MORE;
}

void nr_tls_write(struct nr_parse *p, struct nr_tls_handshake *h)
{
	if (!h->written && nr_tls_facts_any(&h->facts))
		nr_tls_facts_row(p, &h->facts);
	h->written = true;
}

void nr_tls_end(struct nr_parse *p, struct nr_tls_handshake *h)
{
	nr_tls_write(p, h);
	nr_tls_facts_free(p, &h->facts);
}
