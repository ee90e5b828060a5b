/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A packet in order costs no allocation: the linker puts counters before malloc and its
 * kin, a conversation is brought to its body, and then nothing may be asked for or given
 * back. The frames of the warm part differ from those before in sequence numbers alone.
 */
#include "frames.h"

#include "engine/engine.h"
#include "tls_conversations.h"

#include <stdio.h>

enum {
	WARM = 24000, /* packets before anything is counted */
	MEASURED = 8192,
	BATCH = 256,
	ROOM = 1536, /* of a frame */
	MSS = 1200,
};

/* The wrapped functions; see link_args in meson.build. */
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);

static unsigned n_calls;

void *__wrap_malloc(size_t n)
{
	n_calls++;
	return __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	n_calls++;
	return __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	n_calls++;
	return __real_realloc(p, n);
}

void __wrap_free(void *p)
{
	n_calls += p != NULL;
	__real_free(p);
}

/* Notes of the rows what shows that the bytes were read. */
struct notes {
	struct nr_sink sink; /* first: the sink is the notes */
	char service[16];
	uint64_t payload, body;
};

static void note(struct notes *n, const struct nr_record *r, const char *name,
		 const struct nr_value *v)
{
	if (v->kind == NR_V_TEXT && !strcmp(name, "service"))
		snprintf(n->service, sizeof(n->service), "%.*s", (int)v->len, v->p);
	if (v->kind != NR_V_INT)
		return;
	if (strstr(name, "_payload_bytes"))
		n->payload += (uint64_t)v->i;
	else if (strstr(name, "_body_bytes") ||
		 (!strcmp(r->type->name, "smtp") && !strcmp(name, "bytes")))
		n->body += (uint64_t)v->i;
}

static int notes_write(struct nr_sink *sink, struct nr_record *const *r, size_t n,
		       struct nr_err *err)
{
	(void)err;
	for (size_t i = 0; i < n; i++)
		for (unsigned k = 0; k < r[i]->type->n_fields; k++)
			note((struct notes *)sink, r[i], r[i]->type->fields[k].name,
			     &r[i]->v[k]);
	return 0;
}

static const struct nr_sink_ops notes_ops = { .name = "notes", .write = notes_write };

struct link {
	struct nr_engine *e;
	struct notes notes;
	struct nr_sink *sink;
	struct nr_err err;
	struct nr_batch batch;
	uint8_t frame[BATCH][ROOM];
	int64_t now;
	uint64_t n_packets;
	unsigned calls;
	bool counting;
};

struct conversation {
	uint16_t sport, dport;
	bool is_udp;
	uint32_t seq[2]; /* the next one of each side */
	uint64_t sent;   /* by side 1, for content that depends on the place */
};

static void link_open(struct link *l)
{
	struct nr_engine_config c;

	memset(l, 0, sizeof(*l));
	l->now = 1700000000ll * 1000000000;
	nr_engine_config_defaults(&c);
	l->notes.sink.ops = &notes_ops;
	l->sink = &l->notes.sink;
	assert_int_equal(nr_engine_new(&l->e, &c, &l->sink, 1, &l->err), 0);
	nr_engine_begin(l->e, 1, &l->err);
}

static void feed(struct link *l)
{
	unsigned before = n_calls;

	assert_int_equal(nr_engine_feed(l->e, &l->batch), 0);
	if (l->counting)
		l->calls += n_calls - before;
	l->batch.n = 0;
}

/* The service of the flows, and whether a parser counted what it was fed (framing
   is not). */
static void link_close(struct link *l, const char *service, bool counts)
{
	feed(l);
	assert_int_equal(nr_engine_end(l->e), 0);
	assert_int_equal(nr_engine_stats(l->e)->anomalies, 0);
	nr_engine_free(l->e);
	assert_string_equal(l->notes.service, service);
	assert_true(l->notes.payload > (uint64_t)(WARM + MEASURED) / 2 * MSS);
	assert_int_equal(l->notes.body > (uint64_t)(WARM + MEASURED) / 2 * MSS, counts);
}

static void sum_at(uint8_t *p, unsigned sum)
{
	p[0] = (uint8_t)(sum >> 8);
	p[1] = (uint8_t)sum;
}

/* One packet of n bytes from a side; flags of TCP. */
static void say(struct link *l, struct conversation *c, unsigned side, unsigned flags,
		const void *data, size_t n)
{
	uint32_t addr[2] = { 0x0a000001, 0x0a000002 };
	uint16_t port[2] = { c->sport, c->dport };
	uint8_t *to = l->frame[l->batch.n];
	unsigned proto = c->is_udp ? 17 : 6, start;
	struct frame f = { .n = 0 };
	size_t head = c->is_udp ? 8 : 20;
	uint32_t at;

	put_hex(&f, side ? "020000000001 020000000002 0800"
			 : "020000000002 020000000001 0800");
	put_ip4(&f, addr[side], addr[!side], proto, head + n);
	at = f.n;
	if (c->is_udp) {
		put_udp(&f, port[side], port[!side], n);
	} else {
		put_be16(&f, port[side]);
		put_be16(&f, port[!side]);
		put_be32(&f, c->seq[side]);
		put_be32(&f, flags & 0x10 ? c->seq[!side] : 0);
		put_be16(&f, 0x5000 | flags);
		put_be16(&f, 0xffff);
		put_be32(&f, 0);
		c->seq[side] += (uint32_t)n + (flags & 2 ? 1 : 0);
	}
	assert_true(f.n + n <= ROOM);
	memcpy(to, f.b, f.n);
	memcpy(to + f.n, data, n);
	start = slow_sum(to + 26, 8, proto + (unsigned)(head + n));
	sum_at(to + at + (c->is_udp ? 6 : 16), ~slow_sum(to + at, head + n, start));
	l->now += 20000; /* 20 µs */
	l->batch.pkt[l->batch.n++] = (struct nr_packet){
		.data = to,
		.cap_len = f.n + (uint32_t)n,
		.wire_len = f.n + (uint32_t)n,
		.ts_ns = l->now,
		.clock_ns = l->now,
		.record = ++l->n_packets,
		.ordinal = l->n_packets,
		.link_type = 1,
	};
	if (l->batch.n == BATCH)
		feed(l);
}

static void text(struct link *l, struct conversation *c, unsigned side, const char *s)
{
	say(l, c, side, 0x18, s, strlen(s));
}

static void open_tcp(struct link *l, struct conversation *c)
{
	c->seq[0] = 1000;
	c->seq[1] = 0xffff0000; /* wraps on its way */
	say(l, c, 0, 0x02, "", 0);
	say(l, c, 1, 0x12, "", 0);
	say(l, c, 0, 0x10, "", 0);
}

/* What side 1 says from then on: at most MSS bytes into p. */
typedef size_t fill_fn(struct conversation *c, uint8_t *p);

static size_t fill_bytes(struct conversation *c, uint8_t *p)
{
	for (size_t i = 0; i < MSS; i++)
		p[i] = (uint8_t)('a' + (c->sent + i) % 23);
	c->sent += MSS;
	return MSS;
}

/* Datagrams that differ. */
static size_t fill_numbers(struct conversation *c, uint8_t *p)
{
	for (size_t i = 0; i < MSS; i++)
		p[i] = (uint8_t)(c->sent >> i % 8 * 8);
	c->sent += MSS;
	return MSS;
}

/* Chunks of 1 000 bytes, cut by the segments at every place there is. */
static size_t fill_chunks(struct conversation *c, uint8_t *p)
{
	static const char head[] = "3e8\r\n";

	for (size_t i = 0; i < MSS; i++) {
		unsigned at = (unsigned)((c->sent + i) % 1007);

		p[i] = (uint8_t)(at < 5       ? head[at]
				 : at < 1005  ? 'x'
				 : at == 1005 ? '\r'
					      : '\n');
	}
	c->sent += MSS;
	return MSS;
}

/* Records of TLS, 1 000 bytes of application data each. */
static size_t fill_records(struct conversation *c, uint8_t *p)
{
	static const uint8_t head[] = { 23, 3, 3, 3, 232 };

	for (size_t i = 0; i < MSS; i++) {
		unsigned at = (unsigned)((c->sent + i) % 1005);

		p[i] = at < 5 ? head[at] : (uint8_t)(at * 31);
	}
	c->sent += MSS;
	return MSS;
}

/* Lines of a mail. */
static size_t fill_lines(struct conversation *c, uint8_t *p)
{
	static const char line[] = "a line of a mail that goes on for a while\r\n";

	for (size_t i = 0; i < MSS; i++)
		p[i] = (uint8_t)line[(c->sent + i) % (sizeof(line) - 1)];
	c->sent += MSS;
	return MSS;
}

/* Two segments of side `from`, then an ACK, and so on; datagrams of that side alone. */
static void run(struct link *l, struct conversation *c, size_t n_conversations,
		unsigned from, fill_fn *fill, unsigned n)
{
	uint8_t data[MSS];

	for (unsigned i = 0; i < n; i++) {
		struct conversation *one = &c[i / 3 % n_conversations];

		if (i % 3 == 2 && !one->is_udp)
			say(l, one, !from, 0x10, "", 0);
		else
			say(l, one, from, 0x10, data, fill(one, data));
	}
}

static void expect_none(struct link *l, struct conversation *c, size_t n, unsigned from,
			fill_fn *fill)
{
	unsigned before = n_calls;

	run(l, c, n, from, fill, WARM);
	feed(l);
	assert_int_not_equal(n_calls, before); /* they are counted at all */
	l->counting = true;
	run(l, c, n, from, fill, MEASURED);
	feed(l);
	l->counting = false;
	assert_int_equal(l->calls, 0);
}

static struct link the_link;

static void test_a_body_with_a_length(void **state)
{
	struct conversation c = { .sport = 40000, .dport = 80 };

	(void)state;
	link_open(&the_link);
	open_tcp(&the_link, &c);
	text(&the_link, &c, 0, "GET /big HTTP/1.1\r\nHost: a.example\r\n\r\n");
	text(&the_link, &c, 1, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n");
	expect_none(&the_link, &c, 1, 1, fill_bytes);
	link_close(&the_link, "http", true);
}

static void test_a_body_in_chunks(void **state)
{
	struct conversation c = { .sport = 40000, .dport = 80 };

	(void)state;
	link_open(&the_link);
	open_tcp(&the_link, &c);
	text(&the_link, &c, 0, "GET /big HTTP/1.1\r\nHost: a.example\r\n\r\n");
	text(&the_link, &c, 1, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	expect_none(&the_link, &c, 1, 1, fill_chunks);
	link_close(&the_link, "http", true);
}

static void test_an_upload(void **state)
{
	struct conversation c = { .sport = 40000, .dport = 80 };

	(void)state;
	link_open(&the_link);
	open_tcp(&the_link, &c);
	text(&the_link, &c, 0,
	     "PUT /big HTTP/1.1\r\nHost: a.example\r\nContent-Length: "
	     "99999999999\r\n\r\n");
	expect_none(&the_link, &c, 1, 0, fill_bytes);
	link_close(&the_link, "http", true);
}

static void test_records_of_tls(void **state)
{
	struct conversation c = { .sport = 40000, .dport = 443 };

	(void)state;
	link_open(&the_link);
	open_tcp(&the_link, &c);
	for (const struct said *s = tls12; s->hex; s++) {
		struct frame f = { .n = 0 };

		put_hex(&f, s->hex);
		say(&the_link, &c, s->side, 0x18, f.b, f.n);
	}
	expect_none(&the_link, &c, 1, 1, fill_records);
	link_close(&the_link, "tls", false);
}

static void test_a_mail(void **state)
{
	struct conversation c = { .sport = 40000, .dport = 25 };

	(void)state;
	link_open(&the_link);
	open_tcp(&the_link, &c);
	text(&the_link, &c, 1, "220 mail ESMTP\r\n");
	text(&the_link, &c, 0, "EHLO me\r\n");
	text(&the_link, &c, 1, "250 mail\r\n");
	text(&the_link, &c, 0, "MAIL FROM:<a@example>\r\n");
	text(&the_link, &c, 1, "250 ok\r\n");
	text(&the_link, &c, 0, "RCPT TO:<b@example>\r\n");
	text(&the_link, &c, 1, "250 ok\r\n");
	text(&the_link, &c, 0, "DATA\r\n");
	text(&the_link, &c, 1, "354 go on\r\n");
	text(&the_link, &c, 0, "Subject: long\r\n\r\n");
	expect_none(&the_link, &c, 1, 0, fill_lines);
	link_close(&the_link, "smtp", true);
}

static void test_what_nobody_parses(void **state)
{
	struct conversation c = { .sport = 40000, .dport = 31000 };

	(void)state;
	link_open(&the_link);
	open_tcp(&the_link, &c);
	expect_none(&the_link, &c, 1, 1, fill_bytes);
	link_close(&the_link, "", false);
}

static void test_datagrams_nobody_parses(void **state)
{
	struct conversation c = { .sport = 40000, .dport = 31000, .is_udp = true };

	(void)state;
	link_open(&the_link);
	expect_none(&the_link, &c, 1, 1, fill_numbers);
	link_close(&the_link, "", false);
}

static void test_many_flows_in_turn(void **state)
{
	static struct conversation c[64];

	(void)state;
	link_open(&the_link);
	for (unsigned i = 0; i < 64; i++) {
		c[i] = (struct conversation){ .sport = (uint16_t)(40000 + i),
					      .dport = 80 };
		open_tcp(&the_link, &c[i]);
		text(&the_link, &c[i], 0, "GET /big HTTP/1.1\r\nHost: a.example\r\n\r\n");
		text(&the_link, &c[i], 1,
		     "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n");
	}
	expect_none(&the_link, c, 64, 1, fill_bytes);
	link_close(&the_link, "http", true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_body_with_a_length),
		cmocka_unit_test(test_a_body_in_chunks),
		cmocka_unit_test(test_an_upload),
		cmocka_unit_test(test_records_of_tls),
		cmocka_unit_test(test_a_mail),
		cmocka_unit_test(test_what_nobody_parses),
		cmocka_unit_test(test_datagrams_nobody_parses),
		cmocka_unit_test(test_many_flows_in_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
