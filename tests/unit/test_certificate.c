/* SPDX-License-Identifier: BSD-3-Clause */
/* Certificates made by libcrypto, whose own reading of them is the oracle. */
#include "certificate.h"
#include "rig.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

extern const struct nr_parser nr_parser_tls;

static void add_name(X509_NAME *n, const char *cn)
{
	assert_int_equal(X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_UTF8,
						    (const uint8_t *)cn, -1, -1, 0),
			 1);
}

static void add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *e;

	X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
	e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(e);
	X509_add_ext(x, e, -1);
	X509_EXTENSION_free(e);
}

/* Of `issuer`, or by itself; is_ca < 0: no extensions at all. */
static X509 *make(EVP_PKEY *key, const EVP_MD *md, const char *cn, X509 *issuer,
		  EVP_PKEY *issuer_key, int is_ca)
{
	X509 *x = X509_new();

	ASN1_INTEGER_set(X509_get_serialNumber(x), issuer ? 0x80 : 7);
	X509_set_version(x, is_ca < 0 ? 0 : 2);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	add_name(X509_get_subject_name(x), cn);
	X509_set_issuer_name(x, X509_get_subject_name(issuer ? issuer : x));
	X509_set_pubkey(x, key);
	if (is_ca >= 0) {
		add_extension(x, issuer ? issuer : x, NID_subject_key_identifier, "hash");
		add_extension(x, issuer ? issuer : x, NID_authority_key_identifier,
			      "keyid,issuer");
		add_extension(x, issuer ? issuer : x, NID_basic_constraints,
			      is_ca ? "CA:TRUE,pathlen:1" : "CA:FALSE");
		add_extension(
			x, issuer ? issuer : x, NID_subject_alt_name,
			"DNS:a.example,IP:192.0.2.1,IP:2001:db8::1,email:x@example");
	}
	assert_true(X509_sign(x, issuer ? issuer_key : key, md) > 0);
	return x;
}

static void expect_like_libcrypto(X509 *made, const char *type, bool self_signed)
{
	char want[200], curve[80];
	uint8_t *der = NULL, digest[32];
	const uint8_t *at;
	int n = i2d_X509(made, &der);
	const char *rows;
	EVP_PKEY *key;
	struct rig r;
	size_t len;
	X509 *x;

	assert_true(n > 0);
	at = der;
	x = d2i_X509(NULL, &at, n);
	key = X509_get0_pubkey(x);
	rig_init(&r, &nr_parser_tls, NR_TCP_PROTO, 40000, 443);
	assert_true(nr_certificate(&r.p, der, (size_t)n, digest));
	rows = rig_rows(&r);
	snprintf(want, sizeof(want), "\"key_type\":\"%s\",\"key_bits\":%d,", type,
		 EVP_PKEY_get_bits(key));
	assert_non_null(strstr(rows, want));
	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC) {
		assert_int_equal(EVP_PKEY_get_group_name(key, curve, sizeof(curve), &len),
				 1);
		snprintf(want, sizeof(want), "\"key_curve\":\"%s\"", curve);
		assert_non_null(strstr(rows, want));
	}
	assert_int_equal(X509_self_signed(x, 0), self_signed);
	snprintf(want, sizeof(want),
		 "\"signature\":\"%s\",\"self_signed\":%d,\"is_ca\":%d",
		 OBJ_nid2ln(X509_get_signature_nid(x)), X509_self_signed(x, 0),
		 (X509_get_extension_flags(x) & EXFLAG_CA) != 0 &&
			 X509_get_version(x) == 2);
	assert_non_null(strstr(rows, want));
	snprintf(want, sizeof(want), "\"version\":%ld,", X509_get_version(x) + 1);
	assert_non_null(strstr(rows, want));
	if (X509_get_version(x) == 2)
		assert_non_null(strstr(rows, "\"san\":{\"dns\":[\"a.example\"],"
					     "\"ip\":[\"192.0.2.1\",\"2001:db8::1\"],"
					     "\"email\":[\"x@example\"]}"));
	/* no prefix is a certificate, and none breaks anything */
	for (int cut = 0; cut < n; cut++) {
		uint8_t *part = malloc((size_t)cut + 1);

		memcpy(part, der, (size_t)cut);
		nr_certificate(&r.p, part, (size_t)cut, digest);
		free(part);
	}
	rig_free(&r);
	X509_free(x);
	OPENSSL_free(der);
}

static void with_key(EVP_PKEY *key, const EVP_MD *md, const char *type)
{
	EVP_PKEY *other = EVP_EC_gen("P-256");
	X509 *ca = make(key, md, "one", NULL, NULL, 1);
	X509 *old = make(key, md, "old", NULL, NULL, -1);
	X509 *leaf = make(other, md, "two", ca, key, 0);
	/* the name is the issuer's, the key is not */
	X509 *same = make(other, md, "one", ca, key, 0);

	assert_non_null(key);
	expect_like_libcrypto(ca, type, true);
	expect_like_libcrypto(old, type, true);
	expect_like_libcrypto(leaf, "ec", false);
	expect_like_libcrypto(same, "ec", false);
	X509_free(same);
	X509_free(leaf);
	X509_free(old);
	X509_free(ca);
	EVP_PKEY_free(other);
	EVP_PKEY_free(key);
}

static void test_certificate_keys_are_as_libcrypto_reads_them(void **state)
{
	static const char *const curves[] = { "P-256",      "P-384",          "P-521",
					      "secp224r1",  "secp256k1",      "sect283k1",
					      "prime239v1", "brainpoolP384r1" };

	(void)state;
	with_key(EVP_RSA_gen(1024), EVP_sha256(), "rsa");
	with_key(EVP_RSA_gen(1031), EVP_sha1(), "rsa");
	for (size_t i = 0; i < sizeof(curves) / sizeof(*curves); i++)
		with_key(EVP_EC_gen(curves[i]), EVP_sha384(), "ec");
	with_key(EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), NULL, "ed25519");
	with_key(EVP_PKEY_Q_keygen(NULL, NULL, "ED448"), NULL, "ed448");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_certificate_keys_are_as_libcrypto_reads_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
