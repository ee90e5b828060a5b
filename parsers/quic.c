/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * QUIC: versions 1 (RFC 9000, 9001) and 2 (RFC 9369), drafts 22 to 34, and Google's and
 * Facebook's numbers for such drafts. One row a connection; its hellos also give a row
 * of table tls.
 *
 * Only Initial packets can be read by others, and only by who saw the client's first one,
 * whose destination connection id is all that the keys are made of. A Retry makes new
 * ones (of the id it gives), and so does a change of version. Which keys hold is never
 * guessed: the packet opens or it does not.
 */
#include "quic.h"

#include "base/text.h"

/* clang-format off */
#define FIELDS(X, T) \
	NR_FIELDS_SESSION(X, T) \
	X(T, first_ns, TIME, NR_NN, NULL, "ns", NULL, "time of the first packet") \
	X(T, version, TEXT, 0, NULL, NULL, NULL, "version in use as far as was seen: 1, 2, draft-29, T051, mvfst-2, …; 0x and eight digits for one that is not known") \
	X(T, client_version, TEXT, 0, NULL, NULL, NULL, "version of the client's first packet") \
	X(T, server_name, TEXT, 0, NULL, NULL, NULL, "server name indication (SNI) of the first ClientHello") \
	X(T, client_alpn, JSON, 0, NULL, NULL, NULL, "list of the application protocols that the first ClientHello offers") \
	X(T, ja4, TEXT, 0, NULL, NULL, NULL, "JA4 of the first ClientHello") \
	X(T, client_dcid, TEXT, 0, NULL, NULL, NULL, "destination connection id of the client's first packet, hexadecimal; empty for one of no bytes") \
	X(T, client_scid, TEXT, 0, NULL, NULL, NULL, "the client's own connection id, hexadecimal") \
	X(T, server_scid, TEXT, 0, NULL, NULL, NULL, "the server's own connection id, hexadecimal; behind a Retry the final one") \
	X(T, client_hellos, INT, NR_NN, NULL, NULL, NULL, "ClientHello messages; one sent again unchanged, behind a Retry too, is the same") \
	X(T, server_hellos, INT, NR_NN, NULL, NULL, NULL, "ServerHello messages, HelloRetryRequest included") \
	X(T, retry, BOOL, NR_NN, NULL, NULL, NULL, "1 if the server sent a Retry") \
	X(T, version_negotiation, BOOL, NR_NN, NULL, NULL, NULL, "1 if the server sent a Version Negotiation") \
	X(T, early_data, BOOL, NR_NN, NULL, NULL, NULL, "1 if the client sent 0-RTT packets") \
	X(T, close_code, INT, 0, NULL, NULL, NULL, "error of a CONNECTION_CLOSE within the Initial packets; 256 and more is 256 + a TLS alert") \
	X(T, close_reason, TEXT, 0, NULL, NULL, NULL, "the reason it gives") \
	X(T, initials, INT, NR_NN, NULL, "packets", NULL, "Initial packets until the hellos were whole") \
	X(T, unopened, INT, NR_NN, NULL, "packets", NULL, "of these, packets that could not be opened: cut, damaged, or of keys whose origin was not seen") \
	X(T, complete, BOOL, NR_NN, NULL, NULL, NULL, "0 if no ClientHello was read, or a hello was begun and not seen whole")
/* clang-format on */

NR_TABLE_DECLARE(QUIC, quic, FIELDS);
NR_TABLE_DEFINE(QUIC, quic, NR_R_SESSION, ((const char *const[]){ "flow_id", NULL }),
		"QUIC connections", FIELDS);

enum {
	INITIALS_MAX = 256, /* a flow */
	SHORT_MAX = 32,     /* datagrams of 1-RTT packets while a hello is missing */
	STRANGE_MAX = 8,    /* datagrams at the beginning that are no QUIC */
	CLIENT_MIN = 1200,  /* RFC 9000 section 14.1 */
};

static const struct nr_parser_cap caps[] = {
	{ "QUIC: bytes of one side's hellos", NR_QUIC_STREAM_MAX,
	  "the row ends with complete 0; anomaly quic_crypto_refused" },
	{ "QUIC: pieces of them that wait for others", NR_QUIC_RANGES,
	  "the same; or one that lies over 16 KiB ahead" },
	{ "QUIC: Initial packets of a flow", INITIALS_MAX, "flow.parser_close overflow" },
	{ "QUIC: established connections of a flow", 1,
	  "what begins behind one on the same ports is not read: flow.parser_close "
	  "done" },
	{ "QUIC: keys made for a flow", NR_QUIC_DERIVED_MAX,
	  "further packets of other keys count as quic.unopened" },
	{ NULL },
};

/* Rows */

static void put_cid(struct nr_parse *p, struct nr_record *r, unsigned field,
		    const struct nr_quic_cid *c)
{
	if (c->seen)
		nr_parse_hex(p, r, field, c->b, c->n, '\0');
}

static void put_version(struct nr_parse *p, struct nr_record *r, unsigned field,
			uint32_t number)
{
	const struct nr_quic_version *v = nr_quic_version(number);

	if (v)
		nr_set_str(r, field, v->name);
	else if (number)
		nr_set_str(r, field, nr_arena_printf(p->arena, "0x%08x", number));
}

/* A message of this side was begun and is not whole. */
static bool is_partial(const struct nr_quic_side *s)
{
	return s->stream.n > 1 || nr_quic_stream_whole(&s->stream) > s->parsed ||
	       (s->stream.n && s->stream.range[0].from);
}

static void quic_row(struct nr_parse *p, const struct nr_quic *c)
{
	struct nr_record *r = nr_parse_record(p, &nr_rt_quic);
	const struct nr_tls_facts *f = &c->facts;

	nr_set_int(r, NR_QUIC_first_ns, c->first_ns);
	put_version(p, r, NR_QUIC_version, c->version);
	put_version(p, r, NR_QUIC_client_version, c->first_version);
	nr_parse_text(p, r, NR_QUIC_server_name, f->server_name.p, f->server_name.n);
	nr_parse_text(p, r, NR_QUIC_client_alpn, f->client_alpn.p, f->client_alpn.n);
	if (*f->ja4)
		nr_parse_str(p, r, NR_QUIC_ja4, f->ja4);
	put_cid(p, r, NR_QUIC_client_dcid, &c->client_dcid);
	put_cid(p, r, NR_QUIC_client_scid, &c->client_scid);
	put_cid(p, r, NR_QUIC_server_scid, &c->server_scid);
	nr_set_int(r, NR_QUIC_client_hellos, f->client_hellos);
	nr_set_int(r, NR_QUIC_server_hellos, f->server_hellos);
	nr_set_int(r, NR_QUIC_retry, c->retry);
	nr_set_int(r, NR_QUIC_version_negotiation, c->negotiation);
	nr_set_int(r, NR_QUIC_early_data, c->early_data);
	if (c->has_close) {
		nr_set_int(r, NR_QUIC_close_code, (int64_t)c->close_code);
		nr_parse_text(p, r, NR_QUIC_close_reason, c->reason, c->reason_len);
	}
	nr_set_int(r, NR_QUIC_initials, c->initials);
	nr_set_int(r, NR_QUIC_unopened, c->unopened);
	nr_set_int(r, NR_QUIC_complete, f->client_hellos && !f->incomplete);
}

/* What the beginning of a ClientHello says whose end was never seen. */
static void half_hello(struct nr_parse *p, struct nr_quic *c)
{
	const struct nr_quic_stream *s = &c->side[NR_QUIC_CLIENT].stream;
	uint32_t whole = nr_quic_stream_whole(s);

	if (whole > 4 && s->p[0] == NR_QUIC_CLIENT_HELLO)
		nr_tls_facts_partial(p, &c->facts, s->p + 4, whole - 4);
}

/* The rows of what was gathered, at the packet that last added to it. */
static void write_rows(struct nr_parse *p, struct nr_quic *c)
{
	struct nr_parse now = *p;

	if (!c->begun)
		return;
	if (c->refused || is_partial(&c->side[0]) || is_partial(&c->side[1]))
		c->facts.incomplete = true;
	if (!c->facts.client_hellos)
		half_hello(p, c);
	p->source_id = c->source_id;
	p->packet = c->packet;
	p->ts_ns = c->ts_ns;
	quic_row(p, c);
	if (nr_tls_facts_any(&c->facts))
		nr_tls_facts_row(p, &c->facts);
	p->source_id = now.source_id;
	p->packet = now.packet;
	p->ts_ns = now.ts_ns;
}

void nr_quic_drop_streams(struct nr_parse *p, struct nr_quic *c)
{
	for (int i = 0; i < 2; i++) {
		nr_quic_stream_free(&c->side[i].stream, p->account);
		c->side[i].parsed = 0;
	}
}

static void free_all(struct nr_parse *p, struct nr_quic *c)
{
	nr_quic_drop_streams(p, c);
	nr_tls_facts_free(p, &c->facts);
	nr_account_free(p->account, c->reason, c->reason_len);
}

/* Another connection begins on the same ports: the one before has its rows. */
static void begin_anew(struct nr_parse *p, struct nr_quic *c)
{
	write_rows(p, c);
	free_all(p, c);
	*c = (struct nr_quic){ .all_initials = c->all_initials,
			       .derived = c->derived,
			       .shorts = c->shorts };
}

/* Packets */

static void note_packet(struct nr_parse *p, struct nr_quic *c)
{
	c->source_id = p->source_id;
	c->packet = p->packet;
	c->ts_ns = p->ts_ns;
}

static void begin(struct nr_parse *p, struct nr_quic *c, unsigned client)
{
	if (c->begun)
		return;
	c->begun = true;
	c->client = (uint8_t)client;
	c->first_ns = p->ts_ns;
	c->facts.transport = NR_TLS_ON_QUIC;
	note_packet(p, c);
}

/* What the header says; who speaks first is taken for the client until keys tell. */
static void note_header(struct nr_parse *p, struct nr_quic *c, unsigned side,
			const struct nr_quic_packet *k)
{
	begin(p, c, side);
	if (side == c->client && !c->client_dcid.seen) {
		c->first_version = c->version = k->number;
		nr_quic_cid_set(&c->client_dcid, k->dcid, k->dcid_len);
		nr_quic_cid_set(&c->client_scid, k->scid, k->scid_len);
	} else if (side == c->client && !c->v) {
		c->version = k->number;
	} else if (side != c->client && !c->server_scid.seen && k->v) {
		nr_quic_cid_set(&c->server_scid, k->scid, k->scid_len);
	}
}

static bool has_hellos(const struct nr_quic *c)
{
	return c->final && c->facts.client_hellos;
}

/* The client goes on with other keys. */
static void new_keys(struct nr_parse *p, struct nr_quic *c,
		     const struct nr_quic_opening *o, enum nr_quic_opened how)
{
	const struct nr_quic_packet *k = o->k;

	if (how == NR_QUIC_ANOTHER) {
		begin_anew(p, c);
	} else if (!c->v && !c->negotiation &&
		   (o->side != c->client ||
		    !nr_quic_cid_is(&c->client_scid, k->scid, k->scid_len))) {
		/* What came before could not be opened: it tells nothing of who is who.
		 */
		c->client_dcid.seen = c->client_scid.seen = false;
	}
	nr_quic_drop_streams(p, c);
	c->restart = false;
	c->final = false;
	c->server_scid = (struct nr_quic_cid){ 0 };
	c->client = (uint8_t)o->side;
	nr_quic_cid_set(&c->key_cid, k->dcid, k->dcid_len);
	nr_quic_adopt(c, o);
}

/*
 * Behind the hellos an Initial may still say why the connection ends: who sends it need
 * not know which keys the other has (RFC 9000 section 10.2.3).
 */
static enum nr_verdict take_late(struct nr_parse *p, struct nr_quic *c, unsigned side,
				 const uint8_t *data, const struct nr_quic_packet *k)
{
	struct nr_quic_opening o = { .side = side, .p = data, .k = k };

	if (c->has_close || k->cut || c->all_initials == INITIALS_MAX)
		return NR_MORE;
	c->all_initials++;
	o.plain = nr_account_alloc(p->account, k->len);
	if (!o.plain)
		return NR_OVERFLOW;
	if (nr_quic_open_as_before(c, &o))
		nr_quic_read_close(p, c, side, o.plain, o.len);
	if (c->has_close)
		note_packet(p, c);
	nr_account_free(p->account, o.plain, k->len);
	return NR_MORE;
}

static enum nr_verdict take_initial(struct nr_parse *p, struct nr_quic *c, unsigned side,
				    const uint8_t *data, const struct nr_quic_packet *k)
{
	struct nr_quic_opening o = { .side = side, .p = data, .k = k };
	enum nr_verdict v = NR_MORE;
	enum nr_quic_opened how;

	if (has_hellos(c))
		return take_late(p, c, side, data, k);
	if (c->all_initials == INITIALS_MAX)
		return NR_OVERFLOW;
	c->all_initials++;
	nr_parse_service(p, "quic");
	o.plain = nr_account_alloc(p->account, k->len);
	if (!o.plain)
		return NR_OVERFLOW;
	how = k->cut ? NR_QUIC_SHUT : nr_quic_open_initial(c, &o);
	if (how != NR_QUIC_SHUT) {
		struct nr_quic_side *s;

		if (how != NR_QUIC_AS_BEFORE)
			new_keys(p, c, &o, how);
		note_header(p, c, side, k);
		s = &c->side[side == c->client ? NR_QUIC_CLIENT : NR_QUIC_SERVER];
		if (o.number >= s->next_number)
			s->next_number = o.number + 1;
		c->initials++;
		c->token |= k->token_len > 0;
		note_packet(p, c);
		v = nr_quic_read(p, c, side, o.plain, o.len);
	} else {
		note_header(p, c, side, k);
		c->initials++;
		c->unopened++;
	}
	nr_account_free(p->account, o.plain, k->len);
	return v;
}

/* A Retry or Version Negotiation: the client, whose ids they repeat, is to try anew. */
static void take_answer(struct nr_parse *p, struct nr_quic *c, unsigned side,
			const struct nr_quic_packet *k)
{
	if (!c->begun) {
		begin(p, c, !side);
		nr_quic_cid_set(&c->client_scid, k->dcid, k->dcid_len);
	}
	if (side == c->client || c->side[NR_QUIC_SERVER].stream.n ||
	    !nr_quic_cid_is(&c->client_scid, k->dcid, k->dcid_len))
		return;
	nr_parse_service(p, "quic");
	note_packet(p, c);
	c->restart = true;
	if (k->type == NR_QUIC_RETRY)
		c->retry = true;
	else
		c->negotiation = true;
}

static enum nr_verdict take_packet(struct nr_parse *p, struct nr_quic *c, unsigned side,
				   const uint8_t *data, const struct nr_quic_packet *k)
{
	switch (k->type) {
	case NR_QUIC_INITIAL:
		return take_initial(p, c, side, data, k);
	case NR_QUIC_RETRY:
	case NR_QUIC_NEGOTIATION:
		take_answer(p, c, side, k);
		break;
	case NR_QUIC_ZERO_RTT:
		note_header(p, c, side, k);
		c->early_data |= side == c->client;
		break;
	case NR_QUIC_HANDSHAKE:
		nr_parse_service(p, "quic");
		if (c->begun)
			note_header(p, c, side, k);
		break;
	case NR_QUIC_UNKNOWN:
		if (!c->v)
			note_header(p, c, side, k);
		break;
	case NR_QUIC_SHORT:
		/* The client sends these when its handshake is complete (RFC 9001
		   section 5.7). */
		if (has_hellos(c) && side == c->client) {
			c->facts.established = true;
			return NR_DONE;
		}
		return c->begun && ++c->shorts >= SHORT_MAX ? NR_DONE : NR_MORE;
	}
	return NR_MORE;
}

static enum nr_verdict quic_datagram(struct nr_parse *p, void *ctx, unsigned side,
				     const uint8_t *data, size_t len, size_t wire_len)
{
	struct nr_quic *c = ctx;
	enum nr_verdict v = NR_MORE;
	struct nr_quic_packet k;

	for (size_t at = 0; at < len && v == NR_MORE; at += k.len) {
		bool is = nr_quic_packet(data + at, len - at, wire_len - at, &k);

		/* A datagram is no padding: a short header without the fixed bit. */
		if (!is && (at || data[0] & 0x80 || !c->begun))
			break;
		v = take_packet(p, c, side, data + at, &k);
	}
	if (v == NR_MORE && !c->begun && ++c->strange == STRANGE_MAX)
		return NR_NOT_MINE;
	return v;
}

static void quic_end(struct nr_parse *p, void *ctx)
{
	write_rows(p, ctx);
	free_all(p, ctx);
}

static bool lists_known(const struct nr_quic_packet *k)
{
	for (size_t i = 0; i + 4 <= k->list_len; i += 4) {
		uint32_t number = nr_be32(k->list + i);

		if (nr_quic_version(number) || nr_quic_is_grease(number))
			return true;
	}
	return false;
}

static enum nr_probe_result quic_probe(const struct nr_probe *in)
{
	size_t len = in->len[in->side];
	struct nr_quic_packet k;

	/* How much was on the wire is not known here: the packet may be cut. */
	if (!nr_quic_packet(in->data[in->side], len, 65535, &k) ||
	    (!k.is_fixed && k.type != NR_QUIC_NEGOTIATION))
		return NR_PROBE_NO;
	switch (k.type) {
	case NR_QUIC_INITIAL:
		return !k.cut || len >= CLIENT_MIN ? NR_PROBE_YES : NR_PROBE_MAYBE;
	case NR_QUIC_ZERO_RTT:
	case NR_QUIC_HANDSHAKE:
		return k.cut ? NR_PROBE_MAYBE : NR_PROBE_YES;
	case NR_QUIC_RETRY:
		return NR_PROBE_MAYBE;
	case NR_QUIC_NEGOTIATION:
		return lists_known(&k) ? NR_PROBE_YES : NR_PROBE_NO;
	case NR_QUIC_UNKNOWN:
	case NR_QUIC_SHORT:
		break;
	}
	return NR_PROBE_NO;
}

const struct nr_parser nr_parser_quic = {
	.name = "quic",
	.about = "QUIC 1 and 2, hellos of the handshake (RFC 9000, 9001, 9369)",
	.transports = NR_ON_UDP,
	.ports = (const uint16_t[]){ 443, 853, 0 },
	.services = (const char *const[]){ "quic", NULL },
	.records = (const struct nr_record_type *const[]){ &nr_rt_quic, NULL },
	.caps = caps,
	.ctx_size = sizeof(struct nr_quic),
	.probe = quic_probe,
	.datagram = quic_datagram,
	.end = quic_end,
};
