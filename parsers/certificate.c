/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A certificate is read by libcrypto's ASN.1 with a template of its own (RFC 5280, 4.1):
 * d2i_X509() would decode the public key with it, for which OpenSSL 3 tries one decoder
 * after the other, ten times the cost of all the rest. Keys of RSA and on well-known
 * curves are read here, others by libcrypto.
 */
#include "certificate.h"

#include "session/memo.h"

#include "base/ip.h"
#include "base/text.h"

#include <limits.h>
#include <openssl/asn1t.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

NR_TABLE_DEFINE(CERTIFICATE, certificate, NR_R_FIRST, NULL,
		"certificates, each once, where it was first seen",
		NR_FIELDS_CERTIFICATE);

struct certificate_body {
	ASN1_INTEGER *version; /* NULL: 1 */
	ASN1_INTEGER *serial;
	X509_ALGOR *signature;
	X509_NAME *issuer;
	X509_VAL *validity;
	X509_NAME *subject;
	ASN1_STRING *key; /* SubjectPublicKeyInfo as it is encoded */
	ASN1_BIT_STRING *issuer_id, *subject_id;
	STACK_OF(X509_EXTENSION) * extensions; /* NULL: none */
};

struct certificate {
	struct certificate_body *body;
	X509_ALGOR *signature;
	ASN1_BIT_STRING *signed_with;
};

struct public_key {
	X509_ALGOR *algorithm;
	ASN1_BIT_STRING *bits;
};

struct rsa_key { /* RFC 8017, A.1.1 */
	ASN1_INTEGER *modulus, *exponent;
};

typedef struct certificate_body BODY;
typedef struct certificate CERTIFICATE;
typedef struct public_key PUBLIC_KEY;
typedef struct rsa_key RSA_KEY;

/* clang-format off */
ASN1_SEQUENCE(BODY) = {
	ASN1_EXP_OPT(BODY, version, ASN1_INTEGER, 0),
	ASN1_SIMPLE(BODY, serial, ASN1_INTEGER),
	ASN1_SIMPLE(BODY, signature, X509_ALGOR),
	ASN1_SIMPLE(BODY, issuer, X509_NAME),
	ASN1_SIMPLE(BODY, validity, X509_VAL),
	ASN1_SIMPLE(BODY, subject, X509_NAME),
	ASN1_SIMPLE(BODY, key, ASN1_SEQUENCE),
	ASN1_IMP_OPT(BODY, issuer_id, ASN1_BIT_STRING, 1),
	ASN1_IMP_OPT(BODY, subject_id, ASN1_BIT_STRING, 2),
	ASN1_EXP_SEQUENCE_OF_OPT(BODY, extensions, X509_EXTENSION, 3),
} static_ASN1_SEQUENCE_END(BODY)

ASN1_SEQUENCE(CERTIFICATE) = {
	ASN1_SIMPLE(CERTIFICATE, body, BODY),
	ASN1_SIMPLE(CERTIFICATE, signature, X509_ALGOR),
	ASN1_SIMPLE(CERTIFICATE, signed_with, ASN1_BIT_STRING),
} static_ASN1_SEQUENCE_END(CERTIFICATE)

ASN1_SEQUENCE(PUBLIC_KEY) = {
	ASN1_SIMPLE(PUBLIC_KEY, algorithm, X509_ALGOR),
	ASN1_SIMPLE(PUBLIC_KEY, bits, ASN1_BIT_STRING),
} static_ASN1_SEQUENCE_END(PUBLIC_KEY)

ASN1_SEQUENCE(RSA_KEY) = {
	ASN1_SIMPLE(RSA_KEY, modulus, ASN1_INTEGER),
	ASN1_SIMPLE(RSA_KEY, exponent, ASN1_INTEGER),
} static_ASN1_SEQUENCE_END(RSA_KEY)
/* clang-format on */

static void *decode(const uint8_t *der, size_t n, const ASN1_ITEM *as)
{
	return n <= LONG_MAX ? ASN1_item_d2i(NULL, &der, (long)n, as) : NULL;
}

static void *decode_string(const ASN1_STRING *s, const ASN1_ITEM *as)
{
	int n = ASN1_STRING_length(s);

	return n > 0 ? decode(ASN1_STRING_get0_data(s), (size_t)n, as) : NULL;
}

/* As RFC 4514 writes it, but letters beyond ASCII stay UTF-8. */
static void put_name(struct nr_parse *p, struct nr_record *r, unsigned field,
		     X509_NAME *name)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *text;
	long n;

	if (b && X509_NAME_print_ex(b, name, 0,
				    XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB) >= 0) {
		n = BIO_get_mem_data(b, &text);
		if (n >= 0)
			nr_parse_text(p, r, field, n ? text : "", (size_t)n);
	}
	BIO_free(b);
}

static void put_serial(struct nr_parse *p, struct nr_record *r,
		       const ASN1_INTEGER *serial)
{
	BIGNUM *n = ASN1_INTEGER_to_BN(serial, NULL);
	char *hex = n ? BN_bn2hex(n) : NULL;

	/* always whole bytes; of zero libcrypto makes one digit */
	nr_parse_str(p, r, NR_CERTIFICATE_serial, hex && !strcmp(hex, "0") ? "00" : hex);
	OPENSSL_free(hex);
	BN_free(n);
}

/* Years reach from 0000 to 9999, 64 bits of ns from 1677 to 2262. */
static void put_time(struct nr_record *r, unsigned field, const ASN1_TIME *t)
{
	int64_t s, ns;
	struct tm tm;

	if (!t || ASN1_TIME_to_tm(t, &tm) != 1)
		return;
	s = timegm(&tm);
	if (__builtin_mul_overflow(s, 1000000000, &ns))
		ns = s < 0 ? INT64_MIN : INT64_MAX;
	nr_set_int(r, field, ns);
}

static void put_object(struct nr_parse *p, struct nr_record *r, unsigned field,
		       const ASN1_OBJECT *o)
{
	char oid[128];
	int nid = o ? OBJ_obj2nid(o) : NID_undef;

	if (nid != NID_undef)
		nr_parse_str(p, r, field, OBJ_nid2ln(nid));
	else if (o && OBJ_obj2txt(oid, sizeof(oid), o, 1) > 0)
		nr_parse_str(p, r, field, oid);
}

static const char *key_name(int id)
{
	switch (id) {
	case EVP_PKEY_RSA:
		return "rsa";
	case EVP_PKEY_RSA_PSS:
		return "rsa-pss";
	case EVP_PKEY_EC:
		return "ec";
	case EVP_PKEY_SM2:
		return "sm2";
	case EVP_PKEY_DSA:
		return "dsa";
	case EVP_PKEY_DH:
	case EVP_PKEY_DHX:
		return "dh";
	case EVP_PKEY_ED25519:
		return "ed25519";
	case EVP_PKEY_ED448:
		return "ed448";
	default:
		return NULL;
	}
}

/* What libcrypto makes of it: it knows more kinds than this file. */
static void put_other_key(struct nr_parse *p, struct nr_record *r,
			  const ASN1_STRING *encoded, const X509_ALGOR *algorithm)
{
	const uint8_t *at = ASN1_STRING_get0_data(encoded);
	EVP_PKEY *key = d2i_PUBKEY(NULL, &at, ASN1_STRING_length(encoded));
	const char *name = key ? key_name(EVP_PKEY_get_base_id(key)) : NULL;
	char curve[80];
	size_t n;

	if (name)
		nr_set_str(r, NR_CERTIFICATE_key_type, name);
	else
		put_object(p, r, NR_CERTIFICATE_key_type, algorithm->algorithm);
	if (key && EVP_PKEY_get_bits(key) > 0)
		nr_set_int(r, NR_CERTIFICATE_key_bits, EVP_PKEY_get_bits(key));
	if (key && EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
	    EVP_PKEY_get_group_name(key, curve, sizeof(curve), &n) == 1)
		nr_parse_text(p, r, NR_CERTIFICATE_key_curve, curve, n);
	EVP_PKEY_free(key);
}

/* Bits of the modulus; 0: it is no key of RSA. */
static int rsa_bits(const ASN1_BIT_STRING *key)
{
	RSA_KEY *rsa = decode_string(key, ASN1_ITEM_rptr(RSA_KEY));
	int bits = 0;

	if (rsa && ASN1_STRING_type(rsa->modulus) == V_ASN1_INTEGER) {
		const uint8_t *top = ASN1_STRING_get0_data(rsa->modulus);

		for (uint8_t b = *top; b; b >>= 1)
			bits++;
		bits += (ASN1_STRING_length(rsa->modulus) - 1) * 8;
	}
	ASN1_item_free((ASN1_VALUE *)rsa, ASN1_ITEM_rptr(RSA_KEY));
	return bits;
}

/* Bits of a well-known curve's order; 0: it is none. */
static int curve_bits(const X509_ALGOR *algorithm, int *curve)
{
	static const struct {
		int nid, bits;
	} curves[] = {
		{ NID_X9_62_prime256v1, 256 }, { NID_secp384r1, 384 },
		{ NID_secp521r1, 521 },        { NID_secp224r1, 224 },
		{ NID_secp256k1, 256 },        { NID_brainpoolP256r1, 256 },
		{ NID_brainpoolP384r1, 384 },  { NID_brainpoolP512r1, 512 },
	};
	const void *named;
	int kind;

	X509_ALGOR_get0(NULL, &kind, &named, algorithm);
	*curve = kind == V_ASN1_OBJECT ? OBJ_obj2nid(named) : NID_undef;
	for (size_t i = 0; i < sizeof(curves) / sizeof(*curves); i++)
		if (curves[i].nid == *curve)
			return curves[i].bits;
	return 0;
}

static void put_key(struct nr_parse *p, struct nr_record *r, const ASN1_STRING *encoded,
		    const PUBLIC_KEY *key)
{
	int nid = OBJ_obj2nid(key->algorithm->algorithm), curve = NID_undef, bits = 0;

	if (nid == NID_rsaEncryption)
		bits = rsa_bits(key->bits);
	else if (nid == NID_X9_62_id_ecPublicKey)
		bits = curve_bits(key->algorithm, &curve);
	if (!bits) {
		put_other_key(p, r, encoded, key->algorithm);
		return;
	}
	nr_set_str(r, NR_CERTIFICATE_key_type, curve == NID_undef ? "rsa" : "ec");
	nr_set_int(r, NR_CERTIFICATE_key_bits, bits);
	if (curve != NID_undef)
		nr_parse_str(p, r, NR_CERTIFICATE_key_curve, OBJ_nid2sn(curve));
}

static void add_ip(struct nr_buf *b, const ASN1_OCTET_STRING *a)
{
	const uint8_t *p = ASN1_STRING_get0_data(a);
	int n = ASN1_STRING_length(a);
	char text[NR_IP_TEXT];

	if (n == 4 || n == 16)
		nr_buf_json(b, text, nr_ip_format(text, n == 4 ? 4 : 6, p));
	else
		nr_buf_json(b, (const char *)p, n > 0 ? (size_t)n : 0);
}

/* ,"dns":["a","b"] */
static void add_names(struct nr_buf *b, const GENERAL_NAMES *names, int type,
		      const char *key)
{
	bool any = false;

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
		const ASN1_STRING *s = g->d.ia5;

		if (g->type != type)
			continue;
		if (!any)
			nr_buf_printf(b, "%s\"%s\":[", b->len > 1 ? "," : "", key);
		else
			nr_buf_char(b, ',');
		any = true;
		if (type == GEN_IPADD)
			add_ip(b, g->d.iPAddress);
		else
			nr_buf_json(b, (const char *)ASN1_STRING_get0_data(s),
				    (size_t)ASN1_STRING_length(s));
	}
	if (any)
		nr_buf_char(b, ']');
}

static void put_san(struct nr_parse *p, struct nr_record *r, const BODY *x)
{
	GENERAL_NAMES *names =
		X509V3_get_d2i(x->extensions, NID_subject_alt_name, NULL, NULL);
	struct nr_buf b = { 0 };

	if (!names)
		return;
	nr_buf_char(&b, '{');
	add_names(&b, names, GEN_DNS, "dns");
	add_names(&b, names, GEN_IPADD, "ip");
	add_names(&b, names, GEN_EMAIL, "email");
	add_names(&b, names, GEN_URI, "uri");
	nr_buf_char(&b, '}');
	nr_parse_text(p, r, NR_CERTIFICATE_san, b.p, b.len);
	nr_buf_fini(&b);
	GENERAL_NAMES_free(names);
}

/* Does the authority's key identifier, where there is one, name this certificate? */
static bool names_itself(const BODY *x)
{
	AUTHORITY_KEYID *a =
		X509V3_get_d2i(x->extensions, NID_authority_key_identifier, NULL, NULL);
	ASN1_OCTET_STRING *own =
		X509V3_get_d2i(x->extensions, NID_subject_key_identifier, NULL, NULL);
	bool is = true;

	if (a && a->keyid && own)
		is = ASN1_OCTET_STRING_cmp(a->keyid, own) == 0;
	if (a && a->serial)
		is &= ASN1_INTEGER_cmp(a->serial, x->serial) == 0;
	for (int i = 0; a && i < sk_GENERAL_NAME_num(a->issuer); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(a->issuer, i);

		if (g->type == GEN_DIRNAME) {
			is &= X509_NAME_cmp(g->d.dirn, x->issuer) == 0;
			break;
		}
	}
	AUTHORITY_KEYID_free(a);
	ASN1_OCTET_STRING_free(own);
	return is;
}

/* Can a key of this kind have made the signature? What libcrypto does not know may. */
static bool may_have_signed(const X509_ALGOR *key, const X509_ALGOR *signature)
{
	int with = OBJ_obj2nid(key->algorithm), needs;

	if (!OBJ_find_sigid_algs(OBJ_obj2nid(signature->algorithm), NULL, &needs))
		return true;
	if (with == NID_rsaEncryption && (needs == NID_rsassaPss || needs == NID_rsa))
		return true;
	return needs == with;
}

static void put_flags(struct nr_record *r, const BODY *x, const X509_ALGOR *signature,
		      const PUBLIC_KEY *key)
{
	BASIC_CONSTRAINTS *b =
		X509V3_get_d2i(x->extensions, NID_basic_constraints, NULL, NULL);

	nr_set_int(r, NR_CERTIFICATE_self_signed,
		   X509_NAME_cmp(x->subject, x->issuer) == 0 && names_itself(x) &&
			   (!key || may_have_signed(key->algorithm, signature)));
	nr_set_int(r, NR_CERTIFICATE_is_ca, b && b->ca);
	BASIC_CONSTRAINTS_free(b);
}

static void put_certificate(struct nr_parse *p, struct nr_record *r, const CERTIFICATE *c)
{
	const BODY *x = c->body;
	PUBLIC_KEY *key = decode_string(x->key, ASN1_ITEM_rptr(PUBLIC_KEY));

	put_name(p, r, NR_CERTIFICATE_subject, x->subject);
	put_name(p, r, NR_CERTIFICATE_issuer, x->issuer);
	put_serial(p, r, x->serial);
	nr_set_int(r, NR_CERTIFICATE_version,
		   x->version ? ASN1_INTEGER_get(x->version) + 1 : 1);
	put_time(r, NR_CERTIFICATE_not_before_ns, x->validity->notBefore);
	put_time(r, NR_CERTIFICATE_not_after_ns, x->validity->notAfter);
	put_san(p, r, x);
	if (key)
		put_key(p, r, x->key, key);
	put_object(p, r, NR_CERTIFICATE_signature, c->signature->algorithm);
	put_flags(r, x, c->signature, key);
	ASN1_item_free((ASN1_VALUE *)key, ASN1_ITEM_rptr(PUBLIC_KEY));
}

static char *hex_of(struct nr_arena *a, const uint8_t digest[32])
{
	char *hex = nr_arena_alloc(a, 65);

	nr_hex_format(hex, digest, 32);
	return hex;
}

bool nr_certificate(struct nr_parse *p, const uint8_t *der, size_t n, uint8_t digest[32])
{
	enum { UNREADABLE, READABLE };
	struct nr_record *r;
	CERTIFICATE *x;
	int known;

	if (EVP_Digest(der, n, digest, NULL, EVP_sha256(), NULL) != 1)
		return false;
	known = nr_memo_get(p->memo, digest);
	if (known == READABLE)
		return true; /* its row was written; only the first is kept */
	x = known < 0 ? decode(der, n, ASN1_ITEM_rptr(CERTIFICATE)) : NULL;
	nr_memo_set(p->memo, digest, x ? READABLE : UNREADABLE);
	if (!x)
		nr_parse_anomaly(p, NR_ANOM_TLS_CERTIFICATE, -1,
				 nr_arena_printf(p->arena,
						 "{\"sha256\":\"%.64s\",\"length\":%zu}",
						 hex_of(p->arena, digest), n));
	r = nr_parse_record(p, &nr_rt_certificate);
	/* no session record: its first columns are its own */
	nr_set_text(r, NR_CERTIFICATE_sha256, hex_of(p->arena, digest), 64);
	nr_set_int(r, NR_CERTIFICATE_first_flow_id, (int64_t)p->flow_id);
	nr_set_int(r, NR_CERTIFICATE_source_id, p->source_id);
	nr_set_int(r, NR_CERTIFICATE_packet, (int64_t)p->packet);
	nr_set_int(r, NR_CERTIFICATE_ts_ns, p->ts_ns);
	if (x)
		put_certificate(p, r, x);
	ASN1_item_free((ASN1_VALUE *)x, ASN1_ITEM_rptr(CERTIFICATE));
	ERR_clear_error();
	return true;
}
