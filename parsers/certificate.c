/* SPDX-License-Identifier: BSD-3-Clause */
#include "certificate.h"

#include "session/memo.h"

#include "base/ip.h"
#include "base/text.h"

#include <limits.h>
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

/* As RFC 4514 writes it, but letters beyond ASCII stay UTF-8. */
static void put_name(struct nr_parse *p, struct nr_record *r, unsigned field,
		     const X509_NAME *name)
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

static void put_serial(struct nr_parse *p, struct nr_record *r, const X509 *x)
{
	BIGNUM *n = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x), NULL);
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

static void put_key(struct nr_parse *p, struct nr_record *r, X509 *x)
{
	EVP_PKEY *key = X509_get0_pubkey(x);
	const char *name = key ? key_name(EVP_PKEY_get_base_id(key)) : NULL;
	ASN1_OBJECT *algorithm = NULL;
	char curve[80];
	size_t n;

	if (name) {
		nr_set_str(r, NR_CERTIFICATE_key_type, name);
	} else {
		X509_PUBKEY_get0_param(&algorithm, NULL, NULL, NULL,
				       X509_get_X509_PUBKEY(x));
		put_object(p, r, NR_CERTIFICATE_key_type, algorithm);
	}
	if (!key)
		return;
	if (EVP_PKEY_get_bits(key) > 0)
		nr_set_int(r, NR_CERTIFICATE_key_bits, EVP_PKEY_get_bits(key));
	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
	    EVP_PKEY_get_group_name(key, curve, sizeof(curve), &n) == 1)
		nr_parse_text(p, r, NR_CERTIFICATE_key_curve, curve, n);
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

static void put_san(struct nr_parse *p, struct nr_record *r, const X509 *x)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
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

static void put_flags(struct nr_record *r, X509 *x)
{
	int self = X509_self_signed(x, 0);

	if (self < 0) /* extensions that cannot be read: the names alone */
		self = !X509_NAME_cmp(X509_get_subject_name(x), X509_get_issuer_name(x));
	nr_set_int(r, NR_CERTIFICATE_self_signed, self > 0);
	nr_set_int(r, NR_CERTIFICATE_is_ca,
		   (X509_get_extension_flags(x) & EXFLAG_CA) != 0);
}

static void put_certificate(struct nr_parse *p, struct nr_record *r, X509 *x)
{
	const X509_ALGOR *signature;

	put_name(p, r, NR_CERTIFICATE_subject, X509_get_subject_name(x));
	put_name(p, r, NR_CERTIFICATE_issuer, X509_get_issuer_name(x));
	put_serial(p, r, x);
	nr_set_int(r, NR_CERTIFICATE_version, X509_get_version(x) + 1);
	put_time(r, NR_CERTIFICATE_not_before_ns, X509_get0_notBefore(x));
	put_time(r, NR_CERTIFICATE_not_after_ns, X509_get0_notAfter(x));
	put_san(p, r, x);
	put_key(p, r, x);
	X509_get0_signature(NULL, &signature, x);
	put_object(p, r, NR_CERTIFICATE_signature, signature->algorithm);
	put_flags(r, x);
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
	const uint8_t *at = der;
	struct nr_record *r;
	int known;
	X509 *x;

	if (EVP_Digest(der, n, digest, NULL, EVP_sha256(), NULL) != 1)
		return false;
	known = nr_memo_get(p->memo, digest);
	if (known == READABLE)
		return true; /* its row was written; only the first is kept */
	x = known < 0 && n <= LONG_MAX ? d2i_X509(NULL, &at, (long)n) : NULL;
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
	X509_free(x);
	ERR_clear_error();
	return true;
}
