/* SPDX-License-Identifier: BSD-3-Clause */
/* Table certificate: X.509 certificates (RFC 5280), read with libcrypto. */
#pragma once

#include "record/define.h"
#include "session/parser.h"

/* clang-format off */
#define NR_FIELDS_CERTIFICATE(X, T) \
	X(T, sha256, TEXT, NR_PK, NULL, NULL, NULL, "SHA-256 of the certificate as sent (DER), 64 lower-case hexadecimal digits") \
	X(T, first_flow_id, INT, 0, "flow(flow_id)", NULL, NULL, "the flow that showed it first") \
	X(T, source_id, INT, 0, "source(source_id)", NULL, NULL, "source of the packet that completed it there") \
	X(T, packet, INT, 0, NULL, NULL, NULL, "that packet's number in its source, from 1") \
	X(T, ts_ns, TIME, 0, NULL, "ns", NULL, "that packet's time") \
	X(T, subject, TEXT, 0, NULL, NULL, NULL, "distinguished name of the subject as text (RFC 4514)") \
	X(T, issuer, TEXT, 0, NULL, NULL, NULL, "distinguished name of the issuer") \
	X(T, serial, TEXT, 0, NULL, NULL, NULL, "serial number, upper-case hexadecimal digits") \
	X(T, version, INT, 0, NULL, NULL, NULL, "version of X.509: 1, 2, 3") \
	X(T, not_before_ns, TIME, 0, NULL, "ns", NULL, "begin of validity; clamped to what 64 bits hold") \
	X(T, not_after_ns, TIME, 0, NULL, "ns", NULL, "end of validity; clamped") \
	X(T, san, JSON, 0, NULL, NULL, NULL, "object of the subject's alternative names: lists dns, ip, email, uri") \
	X(T, key_type, TEXT, 0, NULL, NULL, NULL, "rsa, ec, dsa, ed25519, …, else the algorithm's name or object identifier") \
	X(T, key_bits, INT, 0, NULL, "bits", NULL, "size of the public key") \
	X(T, key_curve, TEXT, 0, NULL, NULL, NULL, "named curve of an ec key") \
	X(T, signature, TEXT, 0, NULL, NULL, NULL, "signature algorithm: sha256WithRSAEncryption, …, else its object identifier") \
	X(T, self_signed, BOOL, 0, NULL, NULL, NULL, "1 if issuer and subject, and the keys as far as they are named, are the same; the signature is not verified") \
	X(T, is_ca, BOOL, 0, NULL, NULL, NULL, "1 if its basic constraints make it a certificate authority")
/* clang-format on */

NR_TABLE_DECLARE(CERTIFICATE, certificate, NR_FIELDS_CERTIFICATE);

/*
 * Writes the row of the certificate and its SHA-256 into digest. Where it is no
 * certificate an anomaly says so, and the row has the hash alone. Returns false where
 * libcrypto has no SHA-256; nothing is written then.
 */
bool nr_certificate(struct nr_parse *p, const uint8_t *der, size_t n, uint8_t digest[32]);
