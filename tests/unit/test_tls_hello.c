/* SPDX-License-Identifier: BSD-3-Clause */
#include "tls.h"
#include "tls_hello.h"
#include "tls_samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

enum { TLS_BODY = 9, DTLS_BODY = 25 };

static struct nr_tls_client_hello client(uint8_t *room, const char *hex, size_t at,
					 bool is_dtls)
{
	struct nr_tls_client_hello c;
	size_t n = unhex(room, hex);

	assert_true(nr_tls_client_hello_read(&c, room + at, n - at, is_dtls));
	assert_false(c.h.is_bad);
	return c;
}

static void assert_ja3(const struct nr_tls_client_hello *c, const char *want)
{
	char ja3[NR_JA3_TEXT];

	assert_true(nr_tls_ja3(ja3, c));
	assert_string_equal(ja3, want);
}

static void assert_ja4(const struct nr_tls_client_hello *c, enum nr_tls_transport t,
		       const char *want)
{
	char ja4[NR_JA4_TEXT];

	assert_true(nr_tls_ja4(ja4, c, t));
	assert_string_equal(ja4, want);
}

/* Fingerprints as tshark 4.0 and nDPI say. */
static void test_tls_hello_client_of_13_has_nDPIs_fingerprints(void **state)
{
	uint8_t room[1024];
	struct nr_tls_client_hello c = client(room, tls_ech_client, TLS_BODY, false);

	assert_int_equal(c.h.version, 0x0303);
	assert_int_equal(c.max_version, 0x0304);
	assert_true(c.has_ech);
	assert_ja3(&c, "6820f114cf3b0809ffdcb30cb277848a");
	assert_ja4(&c, NR_TLS_ON_TCP, "t13d1516h2_8daaf6152771_02713d6af862");
	assert_ja4(&c, NR_TLS_ON_QUIC, "q13d1516h2_8daaf6152771_02713d6af862");
}

static void test_tls_hello_server_has_nDPIs_ja3s(void **state)
{
	struct nr_tls_server_hello s;
	uint8_t room[1024];
	char ja3s[NR_JA3_TEXT];
	size_t n = unhex(room, tls_ech_server);

	assert_true(nr_tls_server_hello_read(&s, room + TLS_BODY, n - TLS_BODY));
	assert_false(s.h.is_bad);
	assert_int_equal(s.chosen, 0x0304);
	assert_int_equal(s.cipher, 0x1301);
	assert_int_equal(s.group, 29);
	assert_true(nr_tls_ja3s(ja3s, &s));
	assert_string_equal(ja3s, "eb1d94daa7e0344597e756a1fb6e7054");
}

static void test_tls_hello_dtls_has_a_cookie(void **state)
{
	uint8_t room[1024];
	struct nr_tls_client_hello c = client(room, dtls_client, DTLS_BODY, true);
	struct nr_tls_server_hello s;
	char ja3s[NR_JA3_TEXT];
	size_t n;

	assert_int_equal(c.max_version, 0xfeff);
	assert_ja3(&c, "1b45c913a0c0fde5f263502e65999485");
	/* no extensions: zeros, no server name: i (nDPI hashes nothing, and says d) */
	assert_ja4(&c, NR_TLS_ON_UDP, "dd1i080000_f3b6e48d6e2b_000000000000");
	n = unhex(room, dtls_server);
	assert_true(nr_tls_server_hello_read(&s, room + DTLS_BODY, n - DTLS_BODY));
	assert_true(nr_tls_ja3s(ja3s, &s));
	assert_string_equal(ja3s, "749bd1edea60396ffaa65213b7971718");
}

/* A ClientHello with these ciphers and extensions, in hexadecimal. */
static struct nr_tls_client_hello made(uint8_t room[4096], const char *ciphers,
				       const char *extensions)
{
	struct nr_tls_client_hello c;
	char hex[4096];
	size_t n;

	snprintf(hex, sizeof(hex), "0303%064d00%04zx%s0100%04zx%s", 0,
		 strlen(ciphers) / 2, ciphers, strlen(extensions) / 2, extensions);
	n = unhex(room, hex);
	assert_true(nr_tls_client_hello_read(&c, room, n, false));
	return c;
}

/* The example of FoxIO's description of JA4, with GREASE in every list. */
static void test_tls_hello_ja4_of_the_description(void **state)
{
	uint8_t room[4096];
	struct nr_tls_client_hello c = made(
		room, "2a2a130113021303c02bc02fc02cc030cca9cca8c013c014009c009d002f0035",
		"1a1a0000"
		"001b0000"
		"0000000e000c0000096c6f63616c686f7374"
		"00330000"
		"0010000e000c02683208687474702f312e31"
		"44690000"
		"00170000"
		"002d0000"
		"000d00140012"
		"0403080404011a1a050308050501"
		"08060601"
		"00050000"
		"00230000"
		"00120000"
		"002b0007060a0a03040303"
		"ff010000"
		"000b00020100"
		"000a000400020017"
		"00150000");

	assert_ja4(&c, NR_TLS_ON_TCP, "t13d1516h2_8daaf6152771_e5627efa2ab1");
}

static void test_tls_hello_ja4_alpn_characters(void **state)
{
	/* the extension, what stands in JA4; the hexadecimal ones are the description's
	 */
	static const char *const cases[][2] = {
		{ "", "00" },
		{ "00100000", "00" },
		{ "001000020000", "00" },
		{ "00100003000100", "00" },
		{ "00100005000302"
		  "6832",
		  "h2" },
		{ "0010000b0009"
		  "08687474702f312e31",
		  "h1" },
		{ "00100004000201"
		  "78",
		  "xx" },
		{ "00100004000201"
		  "ab",
		  "ab" },
		{ "00100005000302"
		  "abcd",
		  "ad" },
		{ "00100005000302"
		  "30ab",
		  "3b" },
		{ "00100007000504"
		  "3031abcd",
		  "3d" },
		{ "00100007000504"
		  "30abcd31",
		  "01" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint8_t room[4096];
		char ja4[NR_JA4_TEXT];
		struct nr_tls_client_hello c = made(room, "1301", cases[i][0]);

		assert_true(nr_tls_ja4(ja4, &c, NR_TLS_ON_TCP));
		assert_memory_equal(ja4 + 8, cases[i][1], 2);
	}
}

static void test_tls_hello_ja4_counts_stop_at_99(void **state)
{
	static uint8_t room[70000];
	struct nr_tls_client_hello c;
	char ja4[NR_JA4_TEXT];
	size_t n = 35;

	room[0] = room[1] = 3;
	room[n++] = 0xff;
	room[n++] = 0xfe;
	for (unsigned i = 0; i < 0x7fff; i++) {
		room[n++] = (uint8_t)(i >> 8);
		room[n++] = (uint8_t)i;
	}
	room[n++] = 0;
	assert_true(nr_tls_client_hello_read(&c, room, n, false));
	assert_true(nr_tls_ja4(ja4, &c, NR_TLS_ON_TCP));
	assert_memory_equal(ja4, "t12i9900", 8);
}

static void test_tls_hello_each_cut_is_survived(void **state)
{
	uint8_t whole[1024], *exact;
	size_t n = unhex(whole, tls_ech_client);

	for (size_t cut = 0; cut < n - TLS_BODY; cut++) {
		struct nr_tls_client_hello c;
		struct nr_tls_server_hello s;
		char text[NR_JA4_TEXT];

		exact = malloc(cut ? cut : 1);
		memcpy(exact, whole + TLS_BODY, cut);
		if (nr_tls_client_hello_read(&c, exact, cut, false)) {
			/* old hellos end behind their compression methods */
			assert_int_equal(c.h.is_bad, cut != 103);
			nr_tls_ja3(text, &c);
			nr_tls_ja4(text, &c, NR_TLS_ON_TCP);
		}
		if (nr_tls_server_hello_read(&s, exact, cut))
			nr_tls_ja3s(text, &s);
		free(exact);
	}
}

static void test_tls_hello_retry_request_is_known(void **state)
{
	static const char hex[] =
		"0303cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c00"
		"130100000c002b00020304003300020017";
	struct nr_tls_server_hello s;
	uint8_t room[256];
	size_t n = unhex(room, hex);

	assert_true(nr_tls_server_hello_read(&s, room, n));
	assert_false(s.h.is_bad);
	assert_true(s.is_retry);
	assert_int_equal(s.group, 23);
	room[2] ^= 1;
	assert_true(nr_tls_server_hello_read(&s, room, n));
	assert_false(s.is_retry);
}

static void test_tls_hello_names(void **state)
{
	char room[NR_TLS_NUMBER * 3];

	assert_string_equal(nr_tls_cipher_name(room, 0x0000), "TLS_NULL_WITH_NULL_NULL");
	assert_string_equal(nr_tls_cipher_name(room, 0xc02f),
			    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
	assert_string_equal(nr_tls_cipher_name(room, 0xfefe), "0xfefe");
	assert_string_equal(nr_tls_version_name(room, 0x7f17), "TLSv1.3-draft23");
	assert_string_equal(nr_tls_version_name(room, 0xfefd), "DTLSv1.2");
	assert_string_equal(nr_tls_group_name(room, 0x11ec), "X25519MLKEM768");
	assert_string_equal(nr_tls_alert_name(40), "handshake_failure");
	assert_null(nr_tls_alert_name(255));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tls_hello_client_of_13_has_nDPIs_fingerprints),
		cmocka_unit_test(test_tls_hello_server_has_nDPIs_ja3s),
		cmocka_unit_test(test_tls_hello_dtls_has_a_cookie),
		cmocka_unit_test(test_tls_hello_ja4_of_the_description),
		cmocka_unit_test(test_tls_hello_ja4_alpn_characters),
		cmocka_unit_test(test_tls_hello_ja4_counts_stop_at_99),
		cmocka_unit_test(test_tls_hello_each_cut_is_survived),
		cmocka_unit_test(test_tls_hello_retry_request_is_known),
		cmocka_unit_test(test_tls_hello_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
