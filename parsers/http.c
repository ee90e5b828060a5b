/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * HTTP/1 (RFC 9110, 9112) over TCP on any port, and SSDP over UDP: one row a
 * transaction. See http.h.
 */
#include "credential.h"
#include "http.h"

/* Probing */

/* A stream whose beginning was missed: some line in it may be the start of a message. */
static enum nr_probe_result probe_middle(const struct nr_probe *in, unsigned side)
{
	bool all = in->last || in->len[side] >= NR_PROBE_BYTES;

	if (nr_http_sniff(in->data[side], in->len[side], all) == NR_HTTP_SNIFF_YES ||
	    nr_http_find_start(in->data[side], in->len[side]))
		return NR_PROBE_YES;
	if (!all)
		return NR_PROBE_MORE;
	return in->port_match && in->len[side] ? NR_PROBE_MAYBE : NR_PROBE_NO;
}

static enum nr_probe_result probe_side(const struct nr_probe *in, unsigned side)
{
	bool all = in->last || in->len[side] >= NR_PROBE_BYTES;

	if (!in->len[side])
		return all ? NR_PROBE_NO : NR_PROBE_MORE;
	switch (nr_http_sniff(in->data[side], in->len[side], all)) {
	case NR_HTTP_SNIFF_YES:
		return NR_PROBE_YES;
	case NR_HTTP_SNIFF_WEAK:
		return NR_PROBE_MAYBE;
	case NR_HTTP_SNIFF_MORE:
		return NR_PROBE_MORE;
	case NR_HTTP_SNIFF_NO:
		break;
	}
	return in->begins[side] ? NR_PROBE_NO : probe_middle(in, side);
}

static enum nr_probe_result http_probe(const struct nr_probe *in)
{
	enum nr_probe_result r[2];

	if (in->proto != 6)
		return nr_http_sniff(in->data[in->side], in->len[in->side], true) ==
				       NR_HTTP_SNIFF_YES
			       ? NR_PROBE_YES
			       : NR_PROBE_NO;
	for (unsigned side = 0; side < 2; side++)
		r[side] = probe_side(in, side);
	if (r[0] == NR_PROBE_YES || r[1] == NR_PROBE_YES)
		return NR_PROBE_YES;
	/* one side spoke, and not HTTP: an error in answer to it can be, where HTTP is
	   at home */
	if ((r[0] == NR_PROBE_NO || r[1] == NR_PROBE_NO) && !in->port_match)
		return NR_PROBE_NO;
	if (r[0] == NR_PROBE_MAYBE || r[1] == NR_PROBE_MAYBE)
		return NR_PROBE_MAYBE;
	return r[0] == NR_PROBE_MORE || r[1] == NR_PROBE_MORE ? NR_PROBE_MORE
							      : NR_PROBE_NO;
}

/* What the engine calls */

static enum nr_verdict http_data(struct nr_parse *p, void *ctx, unsigned side,
				 const uint8_t *data, size_t len)
{
	struct nr_http *h = ctx;
	enum nr_verdict v;

	if (!nr_http_wake(p, h, side))
		return NR_OVERFLOW;
	v = nr_http_bytes(p, h, side, data, len);
	if (v == NR_MORE) /* a hand-over may still point into it */
		nr_http_rest(p, h);
	return v;
}

static enum nr_verdict http_gap(struct nr_parse *p, void *ctx, unsigned side, uint64_t n)
{
	return nr_http_wake(p, ctx, side) ? nr_http_gap(p, ctx, side, n) : NR_OVERFLOW;
}

static enum nr_verdict http_fin(struct nr_parse *p, void *ctx, unsigned side)
{
	if (!nr_http_wake(p, ctx, side))
		return NR_OVERFLOW;
	nr_http_close(p, ctx, side);
	return NR_MORE;
}

static void http_end(struct nr_parse *p, void *ctx)
{
	struct nr_http *h = ctx;

	for (unsigned i = 0; i < 2; i++) {
		if (h->side[i])
			nr_http_cut_off(p, h, i);
	}
	for (unsigned i = 0; i < 2; i++) {
		nr_account_free(p->account, h->side[i], sizeof(*h->side[i]));
		h->side[i] = NULL;
	}
	nr_http_tx_flush(p, h);
}

/* SSDP (UPnP Device Architecture 2.0, 1.1): each datagram is a message. */
static enum nr_verdict http_datagram(struct nr_parse *p, void *ctx, unsigned side,
				     const uint8_t *data, size_t len, size_t wire_len)
{
	struct nr_http *h = ctx;
	uint64_t depth = h->n_req > h->n_resp ? h->n_req : h->n_resp;
	enum nr_verdict v;

	*h = (struct nr_http){ .datagram = true, .n_req = depth, .n_resp = depth };
	if (!nr_http_wake(p, h, side))
		return NR_OVERFLOW;
	v = nr_http_bytes(p, h, side, data, len);
	if (v == NR_MORE && wire_len > len)
		nr_http_cut_off(p, h, side);
	else if (v == NR_MORE)
		nr_http_close(p, h, side);
	http_end(p, h);
	return v == NR_HAND_OVER || v == NR_NOT_MINE ? NR_MORE : v;
}

static const struct nr_parser_cap caps[] = {
	{ "bytes of a head", NR_HTTP_HEAD_MAX,
	  "fields that do not fit are left out or cut; anomaly http_limit" },
	{ "bytes of a start line", NR_HTTP_START_MAX,
	  "the target is cut; anomaly http_limit" },
	{ "fields of a head", NR_HTTP_FIELDS_MAX,
	  "further ones are left out; anomaly http_limit" },
	{ "transactions open at once", NR_HTTP_OPEN_MAX,
	  "the newest is written without its response, which is a row of its own with "
	  "the same trans_depth; anomaly http_limit" },
	{ "requests beyond them of which HEAD and CONNECT are remembered",
	  NR_HTTP_WRITTEN_MAX, "their responses are read as if GET had asked for them" },
	{ "interim responses of a transaction", NR_HTTP_INTERIM_MAX,
	  "further ones are left out; anomaly http_limit" },
	{ "bytes behind CONNECT before its answer", NR_HTTP_EARLY_MAX,
	  "a gap for the protocol in the tunnel" },
	{ NULL, 0, NULL },
};

const struct nr_parser nr_parser_http = {
	.name = "http",
	.about = "HTTP/0.9 to 1.1 (RFC 9112), SSDP over UDP",
	.transports = NR_ON_TCP | NR_ON_UDP,
	.ports = (const uint16_t[]){ 80, 81, 631, 1080, 1900, 3128, 5985, 8000, 8080,
				     8888, 0 },
	.services = (const char *const[]){ "http", "ssdp", NULL },
	.records = (const struct nr_record_type *const[]){ &nr_rt_http, &nr_rt_credential,
							   NULL },
	.caps = caps,
	.ctx_size = sizeof(struct nr_http),
	.probe = http_probe,
	.data = http_data,
	.gap = http_gap,
	.fin = http_fin,
	.datagram = http_datagram,
	.end = http_end,
};
