/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SSH (RFC 4253): what both sides say before their traffic is encrypted. One row a
 * connection, written when both have sent NEWKEYS, or at the flow's end.
 *
 * Who is the server shows in its answer to the key exchange; without one the responder is
 * taken for it, or who has port 22.
 */
#include "ssh.h"

#include "lines.h"

#include <string.h>

static const char *const indexes[] = { "flow_id", NULL };

NR_TABLE_DEFINE(SSH, ssh, NR_R_SESSION, indexes,
		"SSH connections: what was said in the clear before the keys",
		NR_FIELDS_SSH);

enum {
	BANNER_MAX = 255,      /* RFC 4253, 4.2, with its CR LF */
	PRE_BANNER_MAX = 1024, /* lines before it, as OpenSSH allows */
	PRE_TEXT_MAX = 1024,   /* bytes of them that are kept */
	PACKET_MAX = 256 << 10,
	KEPT_MAX = 64 << 10,
};

enum message {
	DISCONNECT = 1,
	DEBUG = 4,
	KEXINIT = 20,
	NEWKEYS = 21,
};

enum phase {
	AT_BANNER,
	AT_PACKET,
	AT_BODY,   /* of a packet that is kept */
	AT_SKIP,   /* in the rest of one that is not */
	AT_CIPHER, /* NEWKEYS was said */
	AT_END,    /* SSH 1, or lost: nothing more can be read */
};

struct ssh_side {
	struct nr_gather g;
	struct nr_ssh_lists lists;
	struct nr_ssh_exchange exchange;
	enum phase phase;
	uint32_t rest;      /* bytes of the packet behind its type */
	uint32_t pre_lines; /* lines before the banner */
	struct nr_kept pre;
	uint8_t type, padding;
	bool lossy;  /* bytes of it are missing */
	bool unsure; /* since a gap: where packets begin must show */
	bool broken; /* nothing more can be read: behind a gap, or no SSH */
	uint8_t banner_len;
	char banner[BANNER_MAX];
};

struct ssh {
	struct ssh_side side[2];
	int64_t begin_ns;
	uint8_t *disconnect; /* its payload, from the account */
	uint32_t disconnect_len;
	bool is_written;
};

/* -- choice -- */

/* Whether a version string begins a line in d. */
static bool has_banner_line(const uint8_t *d, size_t n)
{
	const uint8_t *p = d, *lf;

	while ((lf = memchr(p, '\n', n - (size_t)(p - d)))) {
		p = lf + 1;
		if ((size_t)(d + n - p) >= 6 &&
		    (!memcmp(p, "SSH-2.", 6) || !memcmp(p, "SSH-1.", 6)))
			return true;
	}
	return false;
}

static bool is_text(const uint8_t *d, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if ((d[i] < 0x20 && d[i] != '\r' && d[i] != '\n' && d[i] != '\t') ||
		    d[i] == 0x7f)
			return false;
	}
	return true;
}

static enum nr_probe_result probe_side(const struct nr_probe *in, unsigned side)
{
	const uint8_t *d = in->data[side];
	size_t n = in->len[side], some = n < 4 ? n : 4;

	if (!n)
		return NR_PROBE_MORE;
	if (!memcmp(d, "SSH-", some))
		return n >= 4 ? NR_PROBE_YES : NR_PROBE_MORE;
	if (!in->port_match || !in->begins[side] || !is_text(d, n))
		return NR_PROBE_NO;
	if (has_banner_line(d, n))
		return NR_PROBE_YES;
	return n < NR_PROBE_BYTES ? NR_PROBE_MORE : NR_PROBE_MAYBE;
}

static enum nr_probe_result ssh_probe(const struct nr_probe *in)
{
	enum nr_probe_result a = probe_side(in, 0), b = probe_side(in, 1);

	if (a == NR_PROBE_YES || b == NR_PROBE_YES)
		return NR_PROBE_YES;
	if (a == NR_PROBE_NO || b == NR_PROBE_NO)
		return NR_PROBE_NO;
	return a > b ? a : b;
}

/* -- the row -- */

/*
 * A client chooses the bytes of what it sends, and could make them look like a host key:
 * the side that is likely the server counts first, the other if it was seen to be asked.
 */
static bool has_host_key(const struct ssh *s, unsigned side, bool is_likely)
{
	const struct ssh_side *x = &s->side[side], *other = &s->side[!side];
	bool was_heard = other->banner_len && !other->lossy && !other->broken;

	return nr_ssh_is_host_key(&x->exchange, &x->lists, &other->exchange,
				  &other->lists, was_heard && !is_likely);
}

/* Who is the server; *is_known where its host key says so. */
static unsigned server_side(const struct nr_parse *p, const struct ssh *s, bool *is_known)
{
	unsigned likely = p->port[0] == 22 && p->port[1] != 22 ? 0 : 1;
	bool is_likely = has_host_key(s, likely, true);
	bool is_other = !is_likely && has_host_key(s, !likely, false);

	*is_known = is_likely || is_other;
	return is_other ? !likely : likely;
}

static bool is_version1(const struct ssh_side *x)
{
	return x->banner_len >= 6 && !memcmp(x->banner, "SSH-1.", 6) &&
	       (x->banner_len < 8 || memcmp(x->banner + 6, "99", 2) != 0);
}

/* 1 where a side speaks nothing else, 2 where both speak it, 0: not known. */
static int version(const struct ssh *s)
{
	if (is_version1(&s->side[0]) || is_version1(&s->side[1]))
		return 1;
	return s->side[0].banner_len && s->side[1].banner_len ? 2 : 0;
}

/* The banner as Zeek, tshark and OpenSSH show it: without its line end. */
static void put_banner(struct nr_parse *p, struct nr_record *r, unsigned field,
		       const struct ssh_side *x)
{
	if (x->banner_len)
		nr_parse_text(p, r, field, x->banner, x->banner_len);
}

static void put_disconnect(struct nr_parse *p, struct nr_record *r, const struct ssh *s)
{
	struct nr_cursor c = nr_cursor(s->disconnect, s->disconnect_len);
	uint32_t code = nr_get_be32(&c), n = nr_get_be32(&c);
	const uint8_t *text = nr_get(&c, n);

	if (!s->disconnect)
		return;
	nr_set_int(r, NR_SSH_disconnect_code, code);
	if (text)
		nr_parse_text(p, r, NR_SSH_disconnect_text, text, n);
}

static void ssh_write(struct nr_parse *p, struct ssh *s, bool complete)
{
	bool is_known;
	unsigned server = server_side(p, s, &is_known);
	const struct ssh_side *c = &s->side[!server], *v = &s->side[server];
	bool spoke[2] = { c->banner_len > 0, v->banner_len > 0 };
	struct nr_record *r;

	if (s->is_written || (!spoke[0] && !spoke[1]))
		return;
	s->is_written = true;
	r = nr_parse_record(p, &nr_rt_ssh);
	nr_set_int(r, NR_SSH_begin_ns, s->begin_ns);
	if (spoke[0] && spoke[1])
		nr_set_int(r, NR_SSH_version, version(s));
	if (is_known)
		nr_set_int(r, NR_SSH_reversed, !server);
	put_banner(p, r, NR_SSH_client_version, c);
	put_banner(p, r, NR_SSH_server_version, v);
	if (v->pre.p)
		nr_parse_text(p, r, NR_SSH_pre_banner, v->pre.p, v->pre.len);
	if (nr_ssh_put_lists(p, r, &c->lists, &v->lists))
		nr_parse_anomaly(p, NR_ANOM_SSH_NAMES, -1, NULL);
	if (is_known)
		nr_parse_str(p, r, NR_SSH_host_key_fingerprint, v->exchange.fingerprint);
	put_disconnect(p, r, s);
	if (version(s) != 1)
		nr_set_int(r, NR_SSH_encrypted,
			   (!spoke[0] || c->phase == AT_CIPHER) &&
				   (!spoke[1] || v->phase == AT_CIPHER));
	nr_set_int(r, NR_SSH_complete, complete && !v->pre.cut && !c->lossy && !v->lossy);
}

/* -- reading -- */

static void stop(struct nr_parse *p, struct ssh_side *x, enum phase phase)
{
	x->phase = phase;
	nr_gather_free(&x->g, p->account);
}

/* The identification of a side; NUL, which must not be in it, ends it. */
static void keep_banner(struct nr_parse *p, struct ssh *s, unsigned side,
			const struct nr_piece *line)
{
	struct ssh_side *x = &s->side[side];
	const uint8_t *nul = memchr(line->p, '\0', line->len);

	x->banner_len = (uint8_t)(nul ? (size_t)(nul - line->p) : line->len);
	memcpy(x->banner, line->p, x->banner_len);
	if (nul || line->cut)
		nr_parse_anomaly(
			p, NR_ANOM_SSH_BANNER, (int)side,
			nr_arena_printf(p->arena, "{\"length\":%llu}",
					(unsigned long long)line->len + line->cut));
	if (!s->begin_ns)
		s->begin_ns = p->ts_ns;
	nr_parse_service(p, "ssh");
}

/* A line before the packets: the version string, or one before it. */
static enum nr_verdict banner_line(struct nr_parse *p, struct ssh *s, unsigned side,
				   const struct nr_piece *line)
{
	struct ssh_side *x = &s->side[side];

	if (line->len < 4 || memcmp(line->p, "SSH-", 4) != 0) {
		/* text that is none comes from something else than SSH */
		if (++x->pre_lines > PRE_BANNER_MAX || !is_text(line->p, line->len))
			return NR_NOT_MINE;
		if (x->pre_lines > 1 &&
		    !nr_kept_add(&x->pre, p->account, "\n", 1, PRE_TEXT_MAX))
			return NR_OVERFLOW;
		return nr_kept_add(&x->pre, p->account, line->p, line->len, PRE_TEXT_MAX)
			       ? NR_MORE
			       : NR_OVERFLOW;
	}
	keep_banner(p, s, side, line);
	x->phase = AT_PACKET;
	if (version(s) == 1) {
		stop(p, &s->side[side], AT_END);
		if (s->side[!side].banner_len)
			stop(p, &s->side[!side], AT_END);
	}
	return NR_MORE;
}

static bool is_kept(const struct ssh_side *x)
{
	if (x->type == KEXINIT)
		return !x->lists.p;
	return x->type == DISCONNECT ||
	       (x->type >= NR_SSH_KEX_FIRST && x->type <= NR_SSH_KEX_LAST);
}

/* Nothing more can be read from the side. */
static void lose(struct nr_parse *p, struct ssh_side *x)
{
	x->broken = true;
	stop(p, x, AT_END);
}

/* RFC 4253, 6: in the clear packets are padded to eight bytes, with four or more. */
static bool is_padded(const struct ssh_side *x, uint32_t len)
{
	return x->padding >= 4 && (len + 4) % 8 == 0;
}

static void packet_head(struct nr_parse *p, struct ssh_side *x, const uint8_t *h)
{
	uint32_t len = nr_be32(h);

	x->padding = h[4];
	x->type = h[5];
	if (len > PACKET_MAX || len < x->padding + 2u || !x->type ||
	    (x->type > DEBUG && x->type < KEXINIT) || x->type > NR_SSH_KEX_LAST ||
	    (x->unsure && !is_padded(x, len))) {
		lose(p, x);
		return;
	}
	x->unsure = false;
	x->rest = len - 2;
	if (x->type >= NR_SSH_KEX_FIRST)
		nr_ssh_exchange_said(&x->exchange, x->type);
	x->phase = is_kept(x) && x->rest <= KEPT_MAX ? AT_BODY : AT_SKIP;
}

static enum nr_verdict packet(struct nr_parse *p, struct ssh *s, unsigned side,
			      const uint8_t *body)
{
	struct ssh_side *x = &s->side[side];
	size_t n = x->rest - x->padding;

	x->phase = AT_PACKET;
	if (x->type == KEXINIT) {
		int err = nr_ssh_lists_read(&x->lists, p->account, body, n);

		if (err == NR_SSH_NO_MEM)
			return NR_OVERFLOW;
		if (err == NR_SSH_BAD)
			lose(p, x);
	} else if (x->type == DISCONNECT) {
		if (!s->disconnect && n) {
			s->disconnect = nr_account_alloc(p->account, n);
			if (!s->disconnect)
				return NR_OVERFLOW;
			memcpy(s->disconnect, body, n);
			s->disconnect_len = (uint32_t)n;
		}
	} else {
		nr_ssh_exchange_key(&x->exchange, x->type, body, n);
	}
	return NR_MORE;
}

/* Type and padding are known: n bytes of the packet's rest go by. */
static void skip(struct nr_parse *p, struct ssh_side *x, size_t n)
{
	x->rest -= (uint32_t)n;
	if (x->rest)
		return;
	x->phase = AT_PACKET;
	if (x->type == NEWKEYS)
		stop(p, x, AT_CIPHER);
}

/* One step of reading; NR_DONE: no more of these bytes can be read. */
static enum nr_verdict step(struct nr_parse *p, struct ssh *s, unsigned side,
			    struct nr_cursor *in)
{
	struct ssh_side *x = &s->side[side];
	struct nr_piece piece;
	enum nr_gathered got;
	size_t n;

	switch (x->phase) {
	case AT_BANNER:
		got = nr_gather_line(&x->g, p->account, in, BANNER_MAX, &piece);
		if (got == NR_G_WHOLE)
			return banner_line(p, s, side, &piece);
		break;
	case AT_PACKET:
		got = nr_gather_bytes(&x->g, p->account, in, 6, &piece);
		if (got == NR_G_WHOLE)
			packet_head(p, x, piece.p);
		break;
	case AT_BODY:
		got = nr_gather_bytes(&x->g, p->account, in, x->rest, &piece);
		if (got == NR_G_WHOLE)
			return packet(p, s, side, piece.p);
		break;
	case AT_SKIP:
		n = nr_left(in) < x->rest ? nr_left(in) : x->rest;
		nr_take(in, n);
		skip(p, x, n);
		return NR_MORE;
	case AT_CIPHER:
	case AT_END:
	default:
		return NR_DONE;
	}
	return got == NR_G_NO_MEM ? NR_OVERFLOW : NR_MORE;
}

/* What the two sides together have come to. */
static enum nr_verdict state(struct nr_parse *p, struct ssh *s)
{
	const struct ssh_side *a = &s->side[0], *b = &s->side[1];

	if (a->phase < AT_CIPHER || b->phase < AT_CIPHER)
		return NR_MORE;
	if (!a->broken && !b->broken) {
		ssh_write(p, s, true);
		return NR_DONE;
	}
	ssh_write(p, s, false);
	return NR_LOST;
}

static enum nr_verdict ssh_data(struct nr_parse *p, void *ctx, unsigned side,
				const uint8_t *data, size_t len)
{
	struct ssh *s = ctx;
	struct nr_cursor in = nr_cursor(data, len);

	while (nr_left(&in)) {
		enum nr_verdict v = step(p, s, side, &in);

		if (v == NR_DONE)
			break;
		if (v != NR_MORE)
			return v;
	}
	return state(p, s);
}

/* Of a packet whose length is known no more is lost than itself. */
static enum nr_verdict ssh_gap(struct nr_parse *p, void *ctx, unsigned side, uint64_t n)
{
	struct ssh *s = ctx;
	struct ssh_side *x = &s->side[side];
	size_t gathered = nr_gathered_len(&x->g);

	switch (x->phase) {
	case AT_BODY:
		x->lossy = true;
		nr_gather_clear(&x->g);
		x->rest -= (uint32_t)gathered;
		x->phase = AT_SKIP;
		break;
	case AT_SKIP:
	case AT_PACKET:
		break;
	case AT_BANNER:
		lose(p, x);
		return state(p, s);
	case AT_CIPHER:
	case AT_END:
		return NR_MORE;
	}
	if (x->phase == AT_SKIP && (n <= x->rest || x->type == NEWKEYS)) {
		skip(p, x, n < x->rest ? (size_t)n : x->rest);
		return state(p, s);
	}
	/* perhaps a packet begins right behind it */
	nr_gather_clear(&x->g);
	x->lossy = x->unsure = true;
	x->phase = AT_PACKET;
	return state(p, s);
}

/* An identification that the flow's end has cut. */
static void banner_cut(struct nr_parse *p, struct ssh *s, unsigned side)
{
	struct ssh_side *x = &s->side[side];
	size_t n = nr_gathered_len(&x->g);

	if (x->phase != AT_BANNER || n < 4 || memcmp(x->g.p, "SSH-", 4) != 0)
		return;
	if (x->g.p[n - 1] == '\r')
		n--;
	keep_banner(p, s, side,
		    &(struct nr_piece){ .p = x->g.p, .len = n, .cut = x->g.cut });
}

static void ssh_end(struct nr_parse *p, void *ctx)
{
	struct ssh *s = ctx;

	banner_cut(p, s, 0);
	banner_cut(p, s, 1);
	ssh_write(p, s, false);
	for (unsigned i = 0; i < 2; i++) {
		nr_gather_free(&s->side[i].g, p->account);
		nr_kept_free(&s->side[i].pre, p->account);
		nr_ssh_lists_free(&s->side[i].lists, p->account);
	}
	nr_account_free(p->account, s->disconnect, s->disconnect_len);
}

const struct nr_parser nr_parser_ssh = {
	.name = "ssh",
	.about = "Secure Shell, up to its keys (RFC 4253); versions 1 by name only",
	.transports = NR_ON_TCP,
	.ports = (const uint16_t[]){ 22, 2222, 830, 0 },
	.services = (const char *const[]){ "ssh", NULL },
	.records = (const struct nr_record_type *const[]){ &nr_rt_ssh, NULL },
	.caps =
		(const struct nr_parser_cap[]){
			{ "lines before the version string", PRE_BANNER_MAX,
			  "closed (not_mine)" },
			{ "bytes of them that are kept", PRE_TEXT_MAX,
			  "cut (complete = 0)" },
			{ "bytes of a version string", BANNER_MAX,
			  "cut; anomaly ssh_banner" },
			{ "bytes of a packet that is kept", KEPT_MAX,
			  "skipped: its columns are NULL" },
			{ "names of a list", NR_SSH_NAMES,
			  "further ones are not compared; anomaly ssh_names" },
			{ 0 },
		},
	.ctx_size = sizeof(struct ssh),
	.probe = ssh_probe,
	.data = ssh_data,
	.gap = ssh_gap,
	.end = ssh_end,
};
