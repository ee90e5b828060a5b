/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * SOCKS 5 (RFC 1928, 1929), 4 and 4a up to where the proxied stream begins: that goes to
 * whoever knows it. No row but the credential; flow.service names both protocols.
 */
#include "credential.h"
#include "session/gather.h"

#include <string.h>

enum {
	MESSAGE_MAX = 600, /* of version 4: user and host name; 5 stays below */
	EARLY_MAX = 16384, /* kept of a side that does not wait for its turn */
};

enum state {
	GREETING,    /* client */
	METHOD,      /* server */
	LOGIN,       /* client, RFC 1929 */
	LOGIN_REPLY, /* server */
	REQUEST,     /* client */
	REPLY,       /* server */
	BOUND,       /* server: the second reply to BIND */
};

enum { CONNECT = 1, BIND = 2 };

enum { CLIENT = 0, SERVER = 1 }; /* the probe takes no other */

struct socks {
	enum state state;
	uint8_t version; /* 0: the client has said nothing yet */
	uint8_t command;
	struct nr_gather heard[2]; /* what was not taken yet */
	uint64_t gap[2];           /* bytes behind it that are not there */
	uint8_t *login;            /* until its answer comes, or NULL */
	uint32_t login_len;
};

static bool clients_turn(const struct socks *s)
{
	return s->state == GREETING || s->state == LOGIN || s->state == REQUEST;
}

/* The bytes of an address of SOCKS 5 with its port; 0: more are needed to know. */
static size_t address_len(const uint8_t *p, size_t n)
{
	switch (n ? p[0] : 1) {
	case 1:
		return 1 + 4 + 2;
	case 4:
		return 1 + 16 + 2;
	case 3:
		return n > 1 ? 1 + 1 + p[1] + 2u : 0;
	default:
		return 0;
	}
}

static size_t socks4_request_len(const uint8_t *p, size_t n)
{
	const uint8_t *end = n > 8 ? memchr(p + 8, 0, n - 8) : NULL;

	if (!end)
		return 0;
	/* 4a: an address that cannot be, 0.0.0.x, and the name behind the user */
	if (!p[4] && !p[5] && !p[6] && p[7])
		end = memchr(end + 1, 0, n - (size_t)(end + 1 - p));
	return end ? (size_t)(end + 1 - p) : 0;
}

/* Length of the message that is due, as far as its first n bytes tell; 0: not yet. */
static size_t message_len(const struct socks *s, const uint8_t *p, size_t n)
{
	size_t len;

	switch (s->state) {
	case GREETING:
		return n < 2 ? 0 : 2u + p[1];
	case METHOD:
	case LOGIN_REPLY:
		return 2;
	case LOGIN:
		if (n < 2 || n < 3u + p[1])
			return 0;
		return 3u + p[1] + p[2 + p[1]];
	case REQUEST:
	case REPLY:
	case BOUND:
		break;
	}
	if (s->version == 4)
		return s->state == REQUEST ? socks4_request_len(p, n) : 8;
	len = n > 3 ? address_len(p + 3, n - 3) : 0;
	return len ? 3 + len : 0;
}

static void drop_login(struct nr_parse *p, struct socks *s)
{
	nr_account_free(p->account, s->login, s->login_len);
	s->login = NULL;
}

static void say_login(struct nr_parse *p, struct socks *s, int success)
{
	const uint8_t *l = s->login;

	if (!l)
		return;
	nr_credential(p, &(struct nr_credential){ .service = "socks",
						  .mechanism = "plain",
						  .user = l + 2,
						  .user_len = l[1],
						  .secret = l + 3 + l[1],
						  .secret_len = l[2 + l[1]],
						  .success = success });
	drop_login(p, s);
}

static enum nr_verdict take_login(struct nr_parse *p, struct socks *s, const uint8_t *m,
				  size_t n)
{
	drop_login(p, s);
	if (m[0] != 1)
		return NR_MALFORMED;
	s->login = nr_account_alloc(p->account, n);
	if (!s->login)
		return NR_OVERFLOW;
	s->login_len = (uint32_t)n;
	memcpy(s->login, m, n);
	s->state = LOGIN_REPLY;
	return NR_MORE;
}

static enum nr_verdict take_method(struct socks *s, uint8_t method)
{
	if (method == 0)
		s->state = REQUEST;
	else if (method == 2)
		s->state = LOGIN;
	else
		return NR_DONE; /* refused, or what is wrapped in GSSAPI */
	return NR_MORE;
}

/* The reply: the stream that follows is another protocol's, if there is one. */
static enum nr_verdict take_reply(struct socks *s, const uint8_t *m)
{
	if (m[1] != (s->version == 4 ? 90 : 0))
		return NR_DONE;
	if (s->state == REPLY && s->command == BIND) {
		s->state = BOUND;
		return NR_MORE;
	}
	if (s->command != CONNECT && s->command != BIND)
		return NR_DONE; /* UDP goes elsewhere */
	return NR_HAND_OVER;
}

static enum nr_verdict take(struct nr_parse *p, struct socks *s, const uint8_t *m,
			    size_t n)
{
	switch (s->state) {
	case GREETING:
		s->state = METHOD;
		return NR_MORE;
	case METHOD:
		if (m[0] != 5)
			return NR_NOT_MINE;
		nr_parse_service(p, "socks");
		return take_method(s, m[1]);
	case LOGIN:
		return take_login(p, s, m, n);
	case LOGIN_REPLY:
		say_login(p, s, !m[1]);
		s->state = REQUEST;
		return m[1] ? NR_DONE : NR_MORE;
	case REQUEST:
		s->command = m[1];
		s->state = REPLY;
		return m[0] == s->version ? NR_MORE : NR_MALFORMED;
	case REPLY:
	case BOUND:
		if (m[0] != (s->version == 4 ? 0 : 5))
			return s->version == 4 ? NR_NOT_MINE : NR_MALFORMED;
		nr_parse_service(p, "socks");
		return take_reply(s, m);
	}
	return NR_MORE;
}

/* Takes the message that is due; false: it is not whole yet. */
static bool step(struct nr_parse *p, struct socks *s, enum nr_verdict *v)
{
	struct nr_gather *g = &s->heard[clients_turn(s) ? CLIENT : SERVER];
	size_t n;

	if (!s->version && g->len) {
		if (g->p[0] != 4 && g->p[0] != 5) {
			*v = NR_NOT_MINE;
			return false;
		}
		s->version = g->p[0];
		s->state = s->version == 4 ? REQUEST : GREETING;
	}
	n = g->len ? message_len(s, g->p, g->len) : 0;
	if (!n || n > g->len) {
		if (n > MESSAGE_MAX || g->len > MESSAGE_MAX)
			*v = NR_MALFORMED;
		return false;
	}
	*v = take(p, s, g->p, n);
	g->len -= (uint32_t)n;
	memmove(g->p, g->p + n, g->len);
	return true;
}

/*
 * Both sides are kept until it is their turn: a client may say the next thing without
 * waiting for the answer. What is left of both at the end belongs to the next protocol;
 * of this side it all came with the present bytes, which brought the last message.
 */
static enum nr_verdict socks_data(struct nr_parse *p, void *ctx, unsigned side,
				  const uint8_t *data, size_t len)
{
	struct socks *s = ctx;
	struct nr_cursor in = nr_cursor(data, len);
	const struct nr_gather *other = &s->heard[!side];
	enum nr_verdict v = NR_MORE;
	uint64_t rest;

	if (!nr_gather_early(&s->heard[side], p->account, &in, EARLY_MAX, &s->gap[side]))
		return NR_OVERFLOW;
	while (v == NR_MORE && step(p, s, &v))
		;
	if (v != NR_HAND_OVER)
		return v;
	nr_parse_early(p, other->p, other->len, s->gap[!side]);
	rest = s->heard[side].len + s->gap[side];
	if (rest > len)
		rest = len;
	return nr_parse_hand_over(p, NULL, data + (len - rest), (size_t)rest);
}

/* Only what the client says early may be missed. */
static enum nr_verdict socks_gap(struct nr_parse *p, void *ctx, unsigned side, uint64_t n)
{
	struct socks *s = ctx;

	(void)p;
	if (side != CLIENT || (s->state != REPLY && s->state != BOUND))
		return NR_LOST;
	s->gap[side] += n;
	return NR_MORE;
}

static void socks_end(struct nr_parse *p, void *ctx)
{
	struct socks *s = ctx;

	say_login(p, s, -1);
	nr_gather_free(&s->heard[0], p->account);
	nr_gather_free(&s->heard[1], p->account);
}

/* A greeting of version 5 with the methods there are (IANA: 0 to 9, private ones). */
static bool is_greeting(const uint8_t *d, size_t n)
{
	if (n < 3 || d[0] != 5 || !d[1] || n < 2u + d[1])
		return false;
	for (unsigned i = 0; i < d[1]; i++) {
		if (d[2 + i] > 9 && d[2 + i] < 0x80)
			return false;
	}
	/* what follows at once is a login or the request */
	return n == 2u + d[1] || d[2 + d[1]] == 1 || d[2 + d[1]] == 5;
}

static bool is_request4(const uint8_t *d, size_t n)
{
	struct socks s = { .state = REQUEST, .version = 4 };

	return n >= 9 && d[0] == 4 && (d[1] == CONNECT || d[1] == BIND) &&
	       message_len(&s, d, n);
}

/* What the server says behind the method it chose: the next answer that is due. */
static enum nr_probe_result probe_behind(uint8_t method, const uint8_t *s, size_t m,
					 bool client_went_on)
{
	if (m && method == 0 && (s[0] != 5 || (m > 1 && s[1] > 8)))
		return NR_PROBE_NO;
	if (m && (method == 1 || method == 2) && s[0] != 1) /* RFC 1961, 1929 */
		return NR_PROBE_NO;
	return !m || client_went_on ? NR_PROBE_YES : NR_PROBE_MORE;
}

static enum nr_probe_result probe_reply5(const uint8_t *c, size_t n, const uint8_t *s,
					 size_t m)
{
	if (s[0] != 5 || !memchr(c + 2, s[1], c[1]))
		return NR_PROBE_NO;
	return probe_behind(s[1], s + 2, m - 2, n > 2u + c[1]);
}

/* Only behind a request that was granted there is more. */
static bool is_reply4(const uint8_t *s, size_t m)
{
	return !s[0] && s[1] >= 90 && s[1] <= 93 && (m == 8 || s[1] == 90);
}

/* Not on its port both sides must have spoken, each in its way. */
static enum nr_probe_result socks_probe(const struct nr_probe *in)
{
	const uint8_t *c = in->data[0], *s = in->data[1];
	size_t n = in->len[0], m = in->len[1];
	bool five = is_greeting(c, n);

	if (!in->begins[0] || (!five && !is_request4(c, n)))
		return NR_PROBE_NO;
	if (in->port_match)
		return NR_PROBE_YES;
	if (!in->begins[1] || in->last)
		return NR_PROBE_NO;
	if (m < (five ? 2 : 8))
		return NR_PROBE_MORE;
	if (five)
		return probe_reply5(c, n, s, m);
	return is_reply4(s, m) ? NR_PROBE_YES : NR_PROBE_NO;
}

static const struct nr_parser_cap caps[] = {
	{ "bytes of a message", MESSAGE_MAX, "given up: parser_close is error" },
	{ "bytes of a side that does not wait", EARLY_MAX,
	  "a gap for the protocol that is proxied" },
	{ 0 },
};

const struct nr_parser nr_parser_socks = {
	.name = "socks",
	.about = "SOCKS 4, 4a and 5 (RFC 1928, 1929), and what it carries",
	.transports = NR_ON_TCP,
	.ports = (const uint16_t[]){ 1080, 9050, 9150, 0 },
	.services = (const char *const[]){ "socks", NULL },
	.records = (const struct nr_record_type *const[]){ &nr_rt_credential, NULL },
	.caps = caps,
	.ctx_size = sizeof(struct socks),
	.probe = socks_probe,
	.data = socks_data,
	.gap = socks_gap,
	.end = socks_end,
};
