/* SPDX-License-Identifier: BSD-3-Clause */
#include "rig.h"

extern const struct nr_parser nr_parser_ssh;

/* Binary packets, put together by hand (RFC 4253, 6). */
struct wire {
	char b[1400];
	size_t n;
};

static void put(struct wire *w, const void *p, size_t n)
{
	assert_true(sizeof(w->b) - w->n >= n);
	memcpy(w->b + w->n, p, n);
	w->n += n;
}

static void put32(struct wire *w, uint32_t v)
{
	uint8_t b[4] = { (uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8),
			 (uint8_t)v };

	put(w, b, 4);
}

static void put_string(struct wire *w, const char *s)
{
	put32(w, (uint32_t)strlen(s));
	put(w, s, strlen(s));
}

/* A packet of this type with four bytes of padding. */
static void put_packet(struct wire *w, uint8_t type, const void *body, size_t n)
{
	uint8_t padding = 4;

	put32(w, (uint32_t)n + 6);
	put(w, &padding, 1);
	put(w, &type, 1);
	put(w, body, n);
	put(w, "\0\0\0\0", 4);
}

static const char *const client_lists[10] = {
	"curve25519-sha256,ext-info-c",
	"ssh-ed25519,ssh-rsa",
	"chacha20-poly1305@openssh.com,aes128-ctr",
	"aes256-ctr,aes128-ctr",
	"hmac-sha2-256",
	"hmac-sha2-256",
	"none",
	"none",
	"",
	"",
};
static const char *const server_lists[10] = {
	"diffie-hellman-group14-sha256,curve25519-sha256",
	"rsa-sha2-256,ssh-ed25519",
	"aes128-ctr",
	"aes128-ctr",
	"hmac-sha1,hmac-sha2-256",
	"hmac-sha1,hmac-sha2-256",
	"none,zlib@openssh.com",
	"none,zlib@openssh.com",
	"",
	"",
};

static void put_kexinit(struct wire *w, const char *const lists[10])
{
	struct wire body = { .n = 0 };

	put(&body, "0123456789abcdef", 16);
	for (unsigned i = 0; i < 10; i++)
		put_string(&body, lists[i]);
	put(&body, "\0\0\0\0\0", 5);
	put_packet(w, 20, body.b, body.n);
}

static void put_key(struct wire *w, uint8_t type, uint8_t first)
{
	struct wire key = { .n = 0 }, body = { .n = 0 };

	put_string(&key, "ssh-ed25519");
	put32(&key, 32);
	for (unsigned i = 0; i < 32; i++)
		put(&key, &(uint8_t){ (uint8_t)(first + i) }, 1);
	put32(&body, (uint32_t)key.n);
	put(&body, key.b, key.n);
	put32(&body, 32);
	put(&body, "ffffffffffffffffffffffffffffffff", 32);
	put_packet(w, type, body.b, body.n);
}

static void put_reply(struct wire *w)
{
	put_key(w, 31, 0);
}

struct talk {
	struct wire client, server;
};

static void say_all(struct talk *t)
{
	*t = (struct talk){ { .n = 0 }, { .n = 0 } };
	put(&t->client, "SSH-2.0-OpenSSH_9.9\r\n", 21);
	put_kexinit(&t->client, client_lists);
	put_packet(&t->client, 30, "\0\0\0\4abcd", 8);
	put_packet(&t->client, 21, "", 0);
	put(&t->client, "encrypted, and no packet", 24);
	put(&t->server, "Welcome\r\nto this host\r\nSSH-2.0-dropbear one\n", 44);
	put_kexinit(&t->server, server_lists);
	put_reply(&t->server);
	put_packet(&t->server, 21, "", 0);
	put(&t->server, "encrypted too", 13);
}

#define HOST_KEY                                                                         \
	"\"host_key_fingerprint\":\"SHA256:ZkAslGjFiUHdGf/"                              \
	"WUL8rQvkib4PTvQatUV0OUQSncCA\""

/* Both sides, server or client first; the row stays in r. */
static void converse(struct rig *r, const struct talk *t, bool server_first)
{
	rig_init(r, &nr_parser_ssh, NR_TCP_PROTO, 40000, 22);
	if (server_first)
		rig_data(r, 1, t->server.b, t->server.n);
	rig_data(r, 0, t->client.b, t->client.n);
	if (!server_first)
		rig_data(r, 1, t->server.b, t->server.n);
	rig_end(r);
}

/* Digests are from hashlib of Python. */
static const char whole_row[] =
	"ssh {\"version\":2,\"reversed\":0,\"client_version\":\"SSH-2.0-OpenSSH_9.9\","
	"\"server_version\":\"SSH-2.0-dropbear one\",\"pre_banner\":\"Welcome\\nto this "
	"host\",\"hassh\":\"f3536a829bbbe7404730f4e8ceced46b\",\"hassh_server\":"
	"\"885f4837dcc170e7bf6375630ad9a5f0\",\"kex\":\"curve25519-sha256\","
	"\"host_key_algorithm\":\"ssh-ed25519\",\"host_key_fingerprint\":\"SHA256:"
	"ZkAslGjFiUHdGf/WUL8rQvkib4PTvQatUV0OUQSncCA\","
	"\"cipher\":\"aes128-ctr\",\"cipher_to_client\":\"aes128-ctr\","
	"\"mac\":\"hmac-sha2-256\",\"mac_to_client\":\"hmac-sha2-256\","
	"\"compression\":\"none\",\"compression_to_client\":\"none\",\"encrypted\":1,";

static const char *without_begin(char *rows)
{
	char *at = strstr(rows, "\"begin_ns\":"), *comma;

	if (at && (comma = strchr(at, ',')))
		memmove(at, comma + 1, strlen(comma + 1) + 1);
	return rows;
}

static void test_ssh_names_algorithms_and_host_key_of_a_connection(void **state)
{
	struct talk t;
	struct rig r;
	char *rows;

	say_all(&t);
	rig_init(&r, &nr_parser_ssh, NR_TCP_PROTO, 40000, 22);
	rig_data(&r, 1, t.server.b, t.server.n);
	rig_data(&r, 0, t.client.b, t.client.n);
	assert_int_equal(r.verdict, NR_DONE);
	assert_string_equal(r.service, "ssh");
	rig_end(&r);
	rows = nr_xstrdup(rig_rows(&r));
	without_begin(rows);
	assert_memory_equal(rows, whole_row, sizeof(whole_row) - 1);
	assert_non_null(strstr(rows,
			       "\"client_algorithms\":{\"kex\":[\"curve25519-sha256\","
			       "\"ext-info-c\"],\"host_key\":[\"ssh-ed25519\",\"ssh-rsa"
			       "\"],\"cipher\":[\"chacha20-poly1305@openssh.com\","));
	assert_non_null(strstr(rows, "\"complete\":1}\n"));
	assert_string_equal(rig_anomalies(&r), "");
	nr_free(rows);
	rig_free(&r);
}

static void test_ssh_rows_do_not_depend_on_segments(void **state)
{
	struct talk t;

	say_all(&t);
	rig_invariant(&nr_parser_ssh, 22,
		      (struct rig_line[]){ { 1, t.server.b, 40 },
					   { 0, t.client.b, t.client.n },
					   { 1, t.server.b + 40, t.server.n - 40 },
					   { 0, NULL, 0 } });
}

static void test_ssh_a_server_that_connects_is_the_server(void **state)
{
	struct talk t;
	struct rig r;

	say_all(&t);
	rig_init(&r, &nr_parser_ssh, NR_TCP_PROTO, 40000, 22);
	rig_data(&r, 0, t.server.b, t.server.n);
	rig_data(&r, 1, t.client.b, t.client.n);
	rig_end(&r);
	assert_non_null(strstr(rig_rows(&r), "\"reversed\":1,\"client_version\":"
					     "\"SSH-2.0-OpenSSH_9.9\""));
	rig_free(&r);
}

/* What a client sends to ask for a key exchange is a string of its choice. */
static void test_ssh_a_client_cannot_pass_for_the_server(void **state)
{
	for (unsigned i = 0; i < 8; i++) {
		struct talk t;
		struct rig r;

		say_all(&t);
		t.client.n = 0;
		put(&t.client, "SSH-2.0-x\r\n", 11);
		put_kexinit(&t.client, client_lists);
		if (i & 2)
			put_key(&t.client, 31, 99);
		if (i & 4)
			put_key(&t.client, 33, 99);
		put_key(&t.client, 30, 99);
		put_packet(&t.client, 21, "", 0);
		converse(&r, &t, i & 1);
		assert_has(rig_rows(&r),
			   "\"reversed\":0,\"client_version\":\"SSH-2.0-x\"");
		assert_has(rig_rows(&r), HOST_KEY);
		rig_free(&r);
	}
}

/* A key that nobody asked for is no host key. */
static void test_ssh_host_key_is_an_answer(void **state)
{
	for (unsigned server_too = 0; server_too < 2; server_too++) {
		struct talk t = { { .n = 0 }, { .n = 0 } };
		struct rig r;

		put(&t.client, "SSH-2.0-x\r\n", 11);
		put_kexinit(&t.client, client_lists);
		put_key(&t.client, 31, 99);
		put(&t.server, "SSH-2.0-y\r\n", 11);
		put_kexinit(&t.server, server_lists);
		if (server_too) /* a capture made by hand leaves the question out */
			put_reply(&t.server);
		converse(&r, &t, false);
		assert_has(rig_rows(&r), "\"client_version\":\"SSH-2.0-x\"");
		if (server_too)
			assert_has(rig_rows(&r), HOST_KEY);
		else
			assert_has_not(rig_rows(&r), "\"host_key_fingerprint\"");
		rig_free(&r);
	}
}

/* RFC 4432: the server begins, with message 30. RFC 4419, 4462: with 33. */
static void test_ssh_each_method_has_its_message_of_the_key(void **state)
{
	static const struct {
		const char *kex;
		uint8_t asks, key;
	} methods[] = {
		{ "rsa2048-sha256", 31, 30 },
		{ "diffie-hellman-group-exchange-sha256", 34, 33 },
		{ "gss-group14-sha256-toWM5Slw5Ew8Mqkay+al2g==", 30, 33 },
		{ "curve25519-sha256", 30, 31 },
	};

	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
		struct talk t = { { .n = 0 }, { .n = 0 } };
		const char *lists[10];
		struct rig r;

		memcpy(lists, client_lists, sizeof(lists));
		lists[0] = methods[i].kex;
		put(&t.client, "SSH-2.0-x\r\n", 11);
		put_kexinit(&t.client, lists);
		put_key(&t.client, methods[i].asks, 99);
		put(&t.server, "SSH-2.0-y\r\n", 11);
		put_kexinit(&t.server, lists);
		put_key(&t.server, methods[i].key, 0);
		if (methods[i].asks != 34) /* which has 32 for the client */
			put_packet(&t.server, 32, "\0\0\0\1a", 5);
		converse(&r, &t, false);
		assert_has(rig_rows(&r), HOST_KEY);
		rig_free(&r);
	}
}

static void test_ssh_one_side_alone_is_a_row(void **state)
{
	struct talk t;
	struct rig r;

	say_all(&t);
	rig_init(&r, &nr_parser_ssh, NR_TCP_PROTO, 40000, 22);
	rig_data(&r, 0, t.client.b, t.client.n);
	assert_int_equal(r.verdict, NR_MORE);
	rig_end(&r);
	assert_non_null(strstr(rig_rows(&r), "\"client_version\":\"SSH-2.0-OpenSSH_9.9\","
					     "\"hassh\":"));
	assert_non_null(strstr(rig_rows(&r), "\"encrypted\":1"));
	assert_non_null(strstr(rig_rows(&r), "\"complete\":0}"));
	assert_null(strstr(rig_rows(&r), "\"kex\":\""));
	rig_free(&r);
}

static void test_ssh_version_1_is_known_by_name_only(void **state)
{
	static const struct rig_line script[] = {
		{ 1, "SSH-1.99-OpenSSH_3.9p1\n", 0 },
		{ 0, "SSH-1.5-PuTTY\n", 0 },
		{ 1, "\0\0\0\5anything else", 17 },
		{ 0, NULL, 0 },
	};
	char *rows = rig_run(&nr_parser_ssh, 22, script, 0, false);

	assert_string_equal(
		without_begin(rows),
		"ssh {\"version\":1,\"client_version\":\"SSH-1.5-PuTTY\","
		"\"server_version\":\"SSH-1.99-OpenSSH_3.9p1\",\"complete\":1}\n");
	nr_free(rows);
	rig_invariant(&nr_parser_ssh, 22, script);
}

static void test_ssh_gap_in_what_is_skipped_is_no_loss(void **state)
{
	struct talk t;
	struct rig r;
	char ignored[200] = "";

	say_all(&t);
	t.client.n = 0;
	put(&t.client, "SSH-2.0-x\r\n", 11);
	put_packet(&t.client, 2, ignored, 200); /* SSH_MSG_IGNORE */
	put_kexinit(&t.client, client_lists);
	put_packet(&t.client, 21, "", 0);
	rig_init(&r, &nr_parser_ssh, NR_TCP_PROTO, 40000, 22);
	rig_data(&r, 1, t.server.b, t.server.n);
	rig_data(&r, 0, t.client.b, 50);
	rig_gap(&r, 0, 100);
	rig_data(&r, 0, t.client.b + 150, t.client.n - 150);
	assert_int_equal(r.verdict, NR_DONE);
	rig_end(&r);
	assert_non_null(strstr(rig_rows(&r), "\"kex\":\"curve25519-sha256\""));
	assert_non_null(strstr(rig_rows(&r), "\"complete\":1}"));
	rig_free(&r);
}

static void test_ssh_gap_in_a_list_leaves_the_other_side(void **state)
{
	struct talk t;
	struct rig r;

	say_all(&t);
	rig_init(&r, &nr_parser_ssh, NR_TCP_PROTO, 40000, 22);
	rig_data(&r, 0, t.client.b, 40);
	rig_gap(&r, 0, 10);
	assert_int_equal(r.verdict, NR_MORE);
	rig_data(&r, 0, t.client.b + 50, t.client.n - 50);
	rig_data(&r, 1, t.server.b, t.server.n);
	assert_int_equal(r.verdict, NR_DONE);
	rig_end(&r);
	assert_non_null(strstr(rig_rows(&r), "\"hassh_server\":"));
	assert_null(strstr(rig_rows(&r), "\"hassh\":"));
	assert_has(rig_rows(&r), "\"encrypted\":1");
	assert_has(rig_rows(&r), HOST_KEY);
	assert_non_null(strstr(rig_rows(&r), "\"complete\":0}"));
	rig_free(&r);
}

/* A segment that held whole packets is missing: the next begins right behind it. */
static void test_ssh_gap_of_whole_packets_costs_no_more(void **state)
{
	struct wire w = { .n = 0 }, lists = { .n = 0 };
	struct talk t;
	struct rig r;

	say_all(&t);
	put_kexinit(&lists, server_lists);
	put(&w, "SSH-2.0-y\r\n", 11);
	rig_init(&r, &nr_parser_ssh, NR_TCP_PROTO, 40000, 22);
	rig_data(&r, 0, t.client.b, t.client.n);
	rig_data(&r, 1, w.b, w.n);
	rig_gap(&r, 1, lists.n);
	w.n = 0;
	put_reply(&w);
	/* padded as RFC 4253, 6 wants it */
	w.b[3] = (char)(w.b[3] + 8 - w.n % 8);
	w.b[4] = (char)(w.b[4] + 8 - w.n % 8);
	put(&w, "\0\0\0\0\0\0\0", 8 - w.n % 8);
	put(&w, "\0\0\0\14\12\25\0\0\0\0\0\0\0\0\0\0", 16);
	rig_data(&r, 1, w.b, w.n);
	assert_int_equal(r.verdict, NR_DONE);
	rig_end(&r);
	assert_has(rig_rows(&r), "\"reversed\":0");
	assert_has(rig_rows(&r), HOST_KEY);
	assert_has(rig_rows(&r), "\"encrypted\":1");
	assert_has(rig_rows(&r), "\"complete\":0}");
	rig_free(&r);
}

static void test_ssh_gap_before_what_is_no_packet_loses_the_side(void **state)
{
	struct talk t;
	struct rig r;

	say_all(&t);
	rig_init(&r, &nr_parser_ssh, NR_TCP_PROTO, 40000, 22);
	rig_data(&r, 0, t.client.b, t.client.n);
	rig_say(&r, 1, "SSH-2.0-y\r\n");
	rig_gap(&r, 1, 1000);
	/* as AES-GCM has them: the length in the clear, of whole blocks without it */
	rig_data(&r, 1, "\0\0\0\40\10\25abcdefghijklmnopqrstuvwxyz", 32);
	assert_int_equal(r.verdict, NR_LOST);
	rig_end(&r);
	assert_has(rig_rows(&r), "\"encrypted\":0");
	rig_free(&r);
}

static void test_ssh_identification_without_its_end_is_kept(void **state)
{
	struct rig r;

	for (unsigned cr = 0; cr < 2; cr++) {
		rig_init(&r, &nr_parser_ssh, NR_TCP_PROTO, 40000, 22);
		rig_say(&r, 0, cr ? "SSH-2.0-scanner\r" : "SSH-2.0-scanner");
		rig_end(&r);
		assert_string_equal(r.service, "ssh");
		assert_has(rig_rows(&r), "\"client_version\":\"SSH-2.0-scanner\"");
		assert_has(rig_rows(&r), "\"complete\":0}");
		assert_string_equal(rig_anomalies(&r), "");
		rig_free(&r);
	}
	rig_init(&r, &nr_parser_ssh, NR_TCP_PROTO, 40000, 22);
	rig_say(&r, 1, "no identification");
	rig_end(&r);
	assert_string_equal(rig_rows(&r), "");
	rig_free(&r);
}

static void test_ssh_disconnect_in_the_clear_is_told(void **state)
{
	struct wire w = { .n = 0 }, body = { .n = 0 };
	struct rig r;

	put32(&body, 3);
	put_string(&body, "no matching cipher");
	put_string(&body, "en");
	put(&w, "SSH-2.0-x\r\n", 11);
	put_packet(&w, 1, body.b, body.n);
	rig_init(&r, &nr_parser_ssh, NR_TCP_PROTO, 40000, 22);
	rig_data(&r, 1, w.b, w.n);
	rig_end(&r);
	assert_non_null(strstr(rig_rows(&r), "\"disconnect_code\":3,\"disconnect_text\":"
					     "\"no matching cipher\""));
	rig_free(&r);
}

static void test_ssh_long_and_broken_identifications_are_said(void **state)
{
	char text[400];
	struct rig r;

	memset(text, 'a', sizeof(text));
	memcpy(text, "SSH-2.0-", 8);
	text[399] = '\n';
	rig_init(&r, &nr_parser_ssh, NR_TCP_PROTO, 40000, 22);
	rig_data(&r, 1, text, sizeof(text));
	rig_data(&r, 0, "SSH-2.0-x \0\0\n", 13);
	assert_string_equal(rig_anomalies(&r), "ssh_banner 1 {\"length\":399}\n"
					       "ssh_banner 0 {\"length\":12}\n");
	rig_end(&r);
	assert_non_null(strstr(rig_rows(&r), "\"client_version\":\"SSH-2.0-x \""));
	rig_free(&r);
}

static void test_ssh_what_is_no_ssh_is_given_back(void **state)
{
	struct rig r;

	rig_init(&r, &nr_parser_ssh, NR_TCP_PROTO, 40000, 22);
	assert_int_equal(rig_say(&r, 1, "\1\2\3 binary\n"), NR_NOT_MINE);
	rig_end(&r);
	assert_string_equal(rig_rows(&r), "");
	rig_free(&r);
	rig_init(&r, &nr_parser_ssh, NR_TCP_PROTO, 40000, 22);
	for (unsigned i = 0; i < 2000 && rig_is_open(&r); i++)
		rig_say(&r, 1, "text and no end\n");
	assert_int_equal(r.verdict, NR_NOT_MINE);
	rig_free(&r);
}

/* Lists of the largest size there is: the work stays small, and is said to be cut. */
static void test_ssh_many_names_are_not_all_compared(void **state)
{
	static char big[60000];
	struct rig r;
	char head[6] = { 0 }, body[16 + 4] = { 0 };
	uint32_t n = 16 + 4 + sizeof(big) + 9 * 4 + 5, len = n + 6;

	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = i % 2 ? ',' : (char)('a' + i / 2 % 26);
	for (unsigned side = 0; side < 2; side++) {
		if (!side)
			rig_init(&r, &nr_parser_ssh, NR_TCP_PROTO, 40000, 22);
		rig_say(&r, side, "SSH-2.0-x\r\n");
		memcpy(head,
		       (uint8_t[]){ (uint8_t)(len >> 24), (uint8_t)(len >> 16),
				    (uint8_t)(len >> 8), (uint8_t)len, 4, 20 },
		       6);
		rig_data(&r, side, head, 6);
		memcpy(body + 16,
		       (uint8_t[]){ 0, 0, (uint8_t)(sizeof(big) >> 8),
				    (uint8_t)(sizeof(big) & 255) },
		       4);
		rig_data(&r, side, body, 20);
		rig_data(&r, side, big, sizeof(big));
		rig_data(&r, side,
			 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
			 "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
			 9 * 4 + 5 + 4);
		rig_data(&r, side, "\0\0\0\6\4\25\0\0\0\0", 10);
	}
	assert_int_equal(r.verdict, NR_DONE);
	assert_string_equal(rig_anomalies(&r), "ssh_names -1 -\n");
	rig_free(&r);
}

static void test_ssh_hostile_lengths_end_the_side(void **state)
{
	static const char *const heads[] = {
		"\377\377\377\377\4\24", /* four gigabytes */
		"\0\0\0\1\4\24",         /* shorter than its padding */
		"\0\0\0\14\377\24",      /* padding beyond the packet */
		"\0\0\0\14\4\0",         /* no message has type 0 */
		"\0\0\0\14\4\144",       /* nor comes 100 in the clear */
	};

	for (size_t i = 0; i < sizeof(heads) / sizeof(*heads); i++) {
		struct rig r;

		rig_init(&r, &nr_parser_ssh, NR_TCP_PROTO, 40000, 22);
		rig_say(&r, 0, "SSH-2.0-x\r\n");
		rig_data(&r, 0, heads[i], 6);
		rig_data(&r, 0, "\0\0\0\14\4\25\0\0\0\0\0\0\0\0\0\0", 16);
		rig_end(&r);
		assert_non_null(strstr(rig_rows(&r), "\"encrypted\":0"));
		assert_non_null(strstr(rig_rows(&r), "\"complete\":0}"));
		rig_free(&r);
	}
}

static enum nr_probe_result probe(const char *a, const char *b, bool port)
{
	return rig_probe(&nr_parser_ssh, a, b, port);
}

static void test_ssh_is_known_by_its_first_bytes(void **state)
{
	assert_int_equal(probe("SSH-2.0-x", "", false), NR_PROBE_YES);
	assert_int_equal(probe("", "SSH-1.5-x\n", false), NR_PROBE_YES);
	assert_int_equal(probe("SS", "", false), NR_PROBE_MORE);
	assert_int_equal(probe("GET / HTTP/1.1\r\n", "", false), NR_PROBE_NO);
	assert_int_equal(probe("", "Welcome\r\n", true), NR_PROBE_MORE);
	assert_int_equal(probe("", "Welcome\r\nSSH-2.0-x", true), NR_PROBE_YES);
	assert_int_equal(probe("", "Welcome\r\nSSH-2.0-x", false), NR_PROBE_NO);
	assert_int_equal(probe("\26\3\1", "", true), NR_PROBE_NO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ssh_names_algorithms_and_host_key_of_a_connection),
		cmocka_unit_test(test_ssh_rows_do_not_depend_on_segments),
		cmocka_unit_test(test_ssh_a_server_that_connects_is_the_server),
		cmocka_unit_test(test_ssh_a_client_cannot_pass_for_the_server),
		cmocka_unit_test(test_ssh_host_key_is_an_answer),
		cmocka_unit_test(test_ssh_each_method_has_its_message_of_the_key),
		cmocka_unit_test(test_ssh_one_side_alone_is_a_row),
		cmocka_unit_test(test_ssh_version_1_is_known_by_name_only),
		cmocka_unit_test(test_ssh_gap_in_what_is_skipped_is_no_loss),
		cmocka_unit_test(test_ssh_gap_in_a_list_leaves_the_other_side),
		cmocka_unit_test(test_ssh_gap_of_whole_packets_costs_no_more),
		cmocka_unit_test(test_ssh_gap_before_what_is_no_packet_loses_the_side),
		cmocka_unit_test(test_ssh_identification_without_its_end_is_kept),
		cmocka_unit_test(test_ssh_disconnect_in_the_clear_is_told),
		cmocka_unit_test(test_ssh_long_and_broken_identifications_are_said),
		cmocka_unit_test(test_ssh_what_is_no_ssh_is_given_back),
		cmocka_unit_test(test_ssh_many_names_are_not_all_compared),
		cmocka_unit_test(test_ssh_hostile_lengths_end_the_side),
		cmocka_unit_test(test_ssh_is_known_by_its_first_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
