/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of versions, groups and alerts (IANA's registries of TLS). */
#include "tls.h"

#include <stdio.h>

struct name {
	uint16_t v;
	const char *name;
};

static const struct name versions[] = {
	{ 0x0304, "TLSv1.3" },  { 0x0303, "TLSv1.2" },  { 0x0302, "TLSv1.1" },
	{ 0x0301, "TLSv1.0" },  { 0x0300, "SSLv3" },    { 0x0002, "SSLv2" },
	{ 0xfefc, "DTLSv1.3" }, { 0xfefd, "DTLSv1.2" }, { 0xfeff, "DTLSv1.0" },
	{ 0x0100, "DTLSv0.9" }, /* OpenSSL's before the standard */
	{ 0x0101, "TLCPv1.1" }, /* GB/T 38636 */
};

static const struct name groups[] = {
	{ 1, "sect163k1" },
	{ 2, "sect163r1" },
	{ 3, "sect163r2" },
	{ 4, "sect193r1" },
	{ 5, "sect193r2" },
	{ 6, "sect233k1" },
	{ 7, "sect233r1" },
	{ 8, "sect239k1" },
	{ 9, "sect283k1" },
	{ 10, "sect283r1" },
	{ 11, "sect409k1" },
	{ 12, "sect409r1" },
	{ 13, "sect571k1" },
	{ 14, "sect571r1" },
	{ 15, "secp160k1" },
	{ 16, "secp160r1" },
	{ 17, "secp160r2" },
	{ 18, "secp192k1" },
	{ 19, "secp192r1" },
	{ 20, "secp224k1" },
	{ 21, "secp224r1" },
	{ 22, "secp256k1" },
	{ 23, "secp256r1" },
	{ 24, "secp384r1" },
	{ 25, "secp521r1" },
	{ 26, "brainpoolP256r1" },
	{ 27, "brainpoolP384r1" },
	{ 28, "brainpoolP512r1" },
	{ 29, "x25519" },
	{ 30, "x448" },
	{ 31, "brainpoolP256r1tls13" },
	{ 32, "brainpoolP384r1tls13" },
	{ 33, "brainpoolP512r1tls13" },
	{ 34, "GC256A" },
	{ 35, "GC256B" },
	{ 36, "GC256C" },
	{ 37, "GC256D" },
	{ 38, "GC512A" },
	{ 39, "GC512B" },
	{ 40, "GC512C" },
	{ 41, "curveSM2" },
	{ 0x0100, "ffdhe2048" },
	{ 0x0101, "ffdhe3072" },
	{ 0x0102, "ffdhe4096" },
	{ 0x0103, "ffdhe6144" },
	{ 0x0104, "ffdhe8192" },
	{ 0x0200, "MLKEM512" },
	{ 0x0201, "MLKEM768" },
	{ 0x0202, "MLKEM1024" },
	{ 0x11eb, "SecP256r1MLKEM768" },
	{ 0x11ec, "X25519MLKEM768" },
	{ 0x11ed, "SecP384r1MLKEM1024" },
	{ 0x11ee, "curveSM2MLKEM768" },
	{ 0x4138, "CECPQ2" }, /* Google's experiments */
	{ 0x6399, "X25519Kyber768Draft00" },
	{ 0x639a, "SecP256r1Kyber768Draft00" },
	{ 0xff01, "arbitrary_explicit_prime_curves" },
	{ 0xff02, "arbitrary_explicit_char2_curves" },
};

static const struct name alerts[] = {
	{ 0, "close_notify" },
	{ 1, "end_of_early_data" },
	{ 10, "unexpected_message" },
	{ 20, "bad_record_mac" },
	{ 21, "decryption_failed" },
	{ 22, "record_overflow" },
	{ 30, "decompression_failure" },
	{ 40, "handshake_failure" },
	{ 41, "no_certificate" },
	{ 42, "bad_certificate" },
	{ 43, "unsupported_certificate" },
	{ 44, "certificate_revoked" },
	{ 45, "certificate_expired" },
	{ 46, "certificate_unknown" },
	{ 47, "illegal_parameter" },
	{ 48, "unknown_ca" },
	{ 49, "access_denied" },
	{ 50, "decode_error" },
	{ 51, "decrypt_error" },
	{ 52, "too_many_cids_requested" },
	{ 60, "export_restriction" },
	{ 70, "protocol_version" },
	{ 71, "insufficient_security" },
	{ 80, "internal_error" },
	{ 86, "inappropriate_fallback" },
	{ 90, "user_canceled" },
	{ 100, "no_renegotiation" },
	{ 109, "missing_extension" },
	{ 110, "unsupported_extension" },
	{ 111, "certificate_unobtainable" },
	{ 112, "unrecognized_name" },
	{ 113, "bad_certificate_status_response" },
	{ 114, "bad_certificate_hash_value" },
	{ 115, "unknown_psk_identity" },
	{ 116, "certificate_required" },
	{ 117, "general_error" },
	{ 120, "no_application_protocol" },
	{ 121, "ech_required" },
};

static const char *find(const struct name *names, size_t n, unsigned v)
{
	for (size_t i = 0; i < n; i++) {
		if (names[i].v == v)
			return names[i].name;
	}
	return NULL;
}

#define FIND(names, v) find(names, sizeof(names) / sizeof(*(names)), v)

const char *nr_tls_version_name(char room[NR_TLS_NUMBER * 3], uint16_t version)
{
	const char *name = FIND(versions, version);

	if (name)
		return name;
	if (version >> 8 == 0x7f)
		snprintf(room, NR_TLS_NUMBER * 3, "TLSv1.3-draft%u", version & 0xffu);
	else
		snprintf(room, NR_TLS_NUMBER * 3, "0x%04x", version);
	return room;
}

const char *nr_tls_group_name(char room[NR_TLS_NUMBER], uint16_t group)
{
	const char *name = FIND(groups, group);

	if (name)
		return name;
	snprintf(room, NR_TLS_NUMBER, "0x%04x", group);
	return room;
}

const char *nr_tls_alert_name(uint8_t alert)
{
	return FIND(alerts, alert);
}
