/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which keys open an Initial. They are made of a version and of the destination id of the
 * client's first packet; a Retry or another version makes new ones. Nothing is guessed:
 * the packet opens or it does not.
 */
#include "quic.h"

static bool opens(struct nr_quic_opening *o, const struct nr_quic_keys *keys,
		  uint64_t expected)
{
	struct nr_quic_sealed s = { o->p, o->k->pn_offset, o->k->len, expected };

	return nr_quic_open(keys, &s, o->plain, &o->len, &o->number);
}

/* Makes keys of an id and tries them; role: whose packet it is. */
static bool opens_with_cid(struct nr_quic *c, struct nr_quic_opening *o, int role,
			   const uint8_t *cid, size_t n, uint64_t expected)
{
	static const uint32_t likely[] = { 1, 0xff00001d, 0xff00001b };
	const struct nr_quic_version *v = o->k->v;

	for (size_t i = 0; i < (v ? 1 : sizeof(likely) / sizeof(*likely)); i++) {
		o->v = v ? v : nr_quic_version(likely[i]);
		if (c->derived == NR_QUIC_DERIVED_MAX)
			return false;
		c->derived++;
		if (nr_quic_derive(o->v, cid, n, o->keys) &&
		    opens(o, &o->keys[role], expected))
			return true;
	}
	return false;
}

void nr_quic_adopt(struct nr_quic *c, const struct nr_quic_opening *o)
{
	memcpy(c->keys, o->keys, sizeof(c->keys));
	c->v = o->v;
	c->number = c->version = o->k->number;
}

/* A token where there was none, from the same client, and no word of the server in
   between: its Retry was missed. */
static bool missed_retry(const struct nr_quic *c, const struct nr_quic_packet *k)
{
	return k->token_len && !c->token && !c->side[NR_QUIC_SERVER].stream.n &&
	       nr_quic_cid_is(&c->client_scid, k->scid, k->scid_len);
}

bool nr_quic_open_as_before(const struct nr_quic *c, struct nr_quic_opening *o)
{
	int role = !c->v || o->side == c->client ? NR_QUIC_CLIENT : NR_QUIC_SERVER;

	return c->v && c->number == o->k->number &&
	       opens(o, &c->keys[role], c->side[role].next_number);
}

enum nr_quic_opened nr_quic_open_initial(struct nr_quic *c, struct nr_quic_opening *o)
{
	const struct nr_quic_packet *k = o->k;
	bool by_client = !c->v || o->side == c->client;
	int role = by_client ? NR_QUIC_CLIENT : NR_QUIC_SERVER;
	uint64_t expected = c->side[role].next_number;

	if (nr_quic_open_as_before(c, o))
		return NR_QUIC_AS_BEFORE;
	/* The other version of a compatible negotiation (RFC 9368): same id. */
	if (c->v && c->number != k->number &&
	    opens_with_cid(c, o, role, c->key_cid.b, c->key_cid.n, expected)) {
		if (by_client && c->restart)
			return NR_QUIC_RESTARTED;
		if (!by_client)
			nr_quic_adopt(c, o);
		return NR_QUIC_AS_BEFORE;
	}
	if (!by_client || (c->v && nr_quic_cid_is(&c->key_cid, k->dcid, k->dcid_len)) ||
	    !opens_with_cid(c, o, NR_QUIC_CLIENT, k->dcid, k->dcid_len, 0))
		return NR_QUIC_SHUT;
	return !c->v || c->restart || missed_retry(c, k) ? NR_QUIC_RESTARTED
							 : NR_QUIC_ANOTHER;
}
