/* SPDX-License-Identifier: BSD-3-Clause */
#include "quic_crypto.h"

#include "base/cursor.h"

#include <limits.h>
#include <openssl/evp.h>
#include <string.h>

/* clang-format off */
#define SALT_22 { 0x7f, 0xbc, 0xdb, 0x0e, 0x7c, 0x66, 0xbb, 0xe9, 0x19, 0x3a, \
		  0x96, 0xcd, 0x21, 0x51, 0x9e, 0xbd, 0x7a, 0x02, 0x64, 0x4a }
#define SALT_23 { 0xc3, 0xee, 0xf7, 0x12, 0xc7, 0x2e, 0xbb, 0x5a, 0x11, 0xa7, \
		  0xd2, 0x43, 0x2b, 0xb4, 0x63, 0x65, 0xbe, 0xf9, 0xf5, 0x02 }
#define SALT_29 { 0xaf, 0xbf, 0xec, 0x28, 0x99, 0x93, 0xd2, 0x4c, 0x9e, 0x97, \
		  0x86, 0xf1, 0x9c, 0x61, 0x11, 0xe0, 0x43, 0x90, 0xa8, 0x99 }
#define SALT_V1 { 0x38, 0x76, 0x2c, 0xf7, 0xf5, 0x59, 0x34, 0xb3, 0x4d, 0x17, \
		  0x9a, 0xe6, 0xa4, 0xc8, 0x0c, 0xad, 0xcc, 0xbb, 0x7f, 0x0a }
#define SALT_V2 { 0x0d, 0xed, 0xe3, 0xde, 0xf7, 0x00, 0xa6, 0xdb, 0x81, 0x93, \
		  0x81, 0xbe, 0x6e, 0x26, 0x9d, 0xcb, 0xf9, 0xbd, 0x2e, 0xd9 }
#define SALT_T50 { 0x7f, 0xf5, 0x79, 0xe5, 0xac, 0xd0, 0x72, 0x91, 0x55, 0x80, \
		   0x30, 0x4c, 0x43, 0xa2, 0x36, 0x7c, 0x60, 0x48, 0x83, 0x10 }
#define SALT_T51 { 0x7a, 0x4e, 0xde, 0xf4, 0xe7, 0xcc, 0xee, 0x5f, 0xa4, 0x50, \
		   0x6c, 0x19, 0x12, 0x4f, 0xc8, 0xcc, 0xda, 0x6e, 0x03, 0x3d }

/* RFC 9000 and 9369; drafts since the header is what it is now; Google's and Facebook's
   own numbers for such drafts. */
static const struct nr_quic_version versions[] = {
	{ 0x00000001, "1", SALT_V1 },
	{ 0x6b3343cf, "2", SALT_V2, .is_v2 = true },
	{ 0xff000016, "draft-22", SALT_22 },
	{ 0xff000017, "draft-23", SALT_23 },
	{ 0xff000018, "draft-24", SALT_23 },
	{ 0xff000019, "draft-25", SALT_23 },
	{ 0xff00001a, "draft-26", SALT_23 },
	{ 0xff00001b, "draft-27", SALT_23 },
	{ 0xff00001c, "draft-28", SALT_23 },
	{ 0xff00001d, "draft-29", SALT_29 },
	{ 0xff00001e, "draft-30", SALT_29 },
	{ 0xff00001f, "draft-31", SALT_29 },
	{ 0xff000020, "draft-32", SALT_29 },
	{ 0xff000021, "draft-33", SALT_V1 },
	{ 0xff000022, "draft-34", SALT_V1 },
	{ 0x54303530, "T050", SALT_T50, .is_google = true },
	{ 0x54303531, "T051", SALT_T51, .is_google = true },
	{ 0xfaceb001, "mvfst-1", SALT_22 },
	{ 0xfaceb002, "mvfst-2", SALT_23 },
	{ 0xfaceb00e, "mvfst-e", SALT_23 },
};
/* clang-format on */

const struct nr_quic_version *nr_quic_version(uint32_t number)
{
	for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++) {
		if (versions[i].number == number)
			return &versions[i];
	}
	return NULL;
}

/*
 * HMAC-SHA-256 (RFC 2104) with a key of at most a block. libcrypto's own looks its
 * algorithms up anew for each call, which costs more than the hashing: here c, which was
 * initialised once, is used again.
 */
static bool hmac(EVP_MD_CTX *c, const uint8_t *key, size_t key_len, const uint8_t *data,
		 size_t n, uint8_t out[32])
{
	uint8_t pad[64] = { 0 };

	memcpy(pad, key, key_len);
	for (size_t i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36;
	if (EVP_DigestInit_ex(c, NULL, NULL) != 1 ||
	    EVP_DigestUpdate(c, pad, sizeof(pad)) != 1 ||
	    EVP_DigestUpdate(c, data, n) != 1 || EVP_DigestFinal_ex(c, out, NULL) != 1)
		return false;
	for (size_t i = 0; i < sizeof(pad); i++)
		pad[i] ^= 0x36 ^ 0x5c;
	return EVP_DigestInit_ex(c, NULL, NULL) == 1 &&
	       EVP_DigestUpdate(c, pad, sizeof(pad)) == 1 &&
	       EVP_DigestUpdate(c, out, 32) == 1 && EVP_DigestFinal_ex(c, out, NULL) == 1;
}

/* HKDF-Expand-Label (RFC 8446 section 7.1) without context, for at most 32 bytes. */
static bool expand(EVP_MD_CTX *c, const uint8_t secret[32], const char *label,
		   uint8_t *out, size_t n)
{
	uint8_t info[2 + 1 + 32 + 1 + 1] = { 0, (uint8_t)n }, block[32];
	size_t len = strlen(label), o = 2;

	info[o++] = (uint8_t)(6 + len);
	memcpy(info + o, "tls13 ", 6);
	memcpy(info + o + 6, label, len);
	o += 6 + len;
	info[o++] = 0; /* no context */
	info[o++] = 1; /* the first block */
	if (!hmac(c, secret, 32, info, o, block))
		return false;
	memcpy(out, block, n);
	return true;
}

static bool derive(EVP_MD_CTX *c, const struct nr_quic_version *v, const uint8_t *cid,
		   size_t n, struct nr_quic_keys out[2])
{
	static const char *const labels[2][3] = {
		{ "quic key", "quic iv", "quic hp" },
		{ "quicv2 key", "quicv2 iv", "quicv2 hp" },
	};
	static const char *const sides[2] = { "client in", "server in" };
	const char *const *label = labels[v->is_v2];
	uint8_t initial[32], secret[32];

	if (!hmac(c, v->salt, sizeof(v->salt), cid, n, initial))
		return false;
	for (int i = 0; i < 2; i++) {
		if (!expand(c, initial, sides[i], secret, 32) ||
		    !expand(c, secret, label[0], out[i].key, sizeof(out[i].key)) ||
		    !expand(c, secret, label[1], out[i].iv, sizeof(out[i].iv)) ||
		    !expand(c, secret, label[2], out[i].hp, sizeof(out[i].hp)))
			return false;
	}
	return true;
}

bool nr_quic_derive(const struct nr_quic_version *v, const uint8_t *cid, size_t n,
		    struct nr_quic_keys out[2])
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool ok = c && EVP_DigestInit_ex(c, EVP_sha256(), NULL) == 1 &&
		  derive(c, v, cid, n, out);

	EVP_MD_CTX_free(c);
	return ok;
}

/* RFC 9001 section 5.4.3: one block of AES is the mask. */
static bool header_mask(EVP_CIPHER_CTX *c, const uint8_t hp[16], const uint8_t *sample,
			uint8_t mask[16])
{
	int n = 0;

	return EVP_EncryptInit_ex(c, EVP_aes_128_ecb(), NULL, hp, NULL) == 1 &&
	       EVP_EncryptUpdate(c, mask, &n, sample, NR_QUIC_SAMPLE) == 1 && n == 16;
}

/* RFC 9000 section A.3: the number nearest to the expected one that ends like this. */
static uint64_t full_number(uint64_t expected, uint32_t cut, unsigned n_bytes)
{
	uint64_t win = (uint64_t)1 << 8 * n_bytes, half = win / 2;
	uint64_t near = (expected & ~(win - 1)) | cut;

	if (near + half <= expected && near < ((uint64_t)1 << 62) - win)
		return near + win;
	if (near > expected + half && near >= win)
		return near - win;
	return near;
}

struct header {
	uint8_t first, pn[4];
	unsigned pn_len;
};

static bool open_body(EVP_CIPHER_CTX *c, const struct nr_quic_keys *k,
		      const struct nr_quic_sealed *s, const struct header *h,
		      uint64_t number, uint8_t *out, size_t *out_len)
{
	const uint8_t *body = s->p + s->pn_offset + h->pn_len;
	size_t n = s->len - s->pn_offset - h->pn_len - NR_QUIC_TAG;
	uint8_t nonce[12], tag[NR_QUIC_TAG];
	int len = 0, ignored = 0;

	memcpy(nonce, k->iv, sizeof(nonce));
	for (int i = 0; i < 8; i++)
		nonce[11 - i] ^= (uint8_t)(number >> 8 * i);
	memcpy(tag, body + n, NR_QUIC_TAG);
	if (EVP_DecryptInit_ex(c, EVP_aes_128_gcm(), NULL, k->key, nonce) != 1 ||
	    EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, NR_QUIC_TAG, tag) != 1 ||
	    EVP_DecryptUpdate(c, NULL, &ignored, &h->first, 1) != 1 ||
	    EVP_DecryptUpdate(c, NULL, &ignored, s->p + 1, (int)s->pn_offset - 1) != 1 ||
	    EVP_DecryptUpdate(c, NULL, &ignored, h->pn, (int)h->pn_len) != 1 ||
	    EVP_DecryptUpdate(c, out, &len, body, (int)n) != 1 ||
	    EVP_DecryptFinal_ex(c, out + len, &ignored) != 1)
		return false;
	*out_len = (size_t)len;
	return true;
}

bool nr_quic_open(const struct nr_quic_keys *k, const struct nr_quic_sealed *s,
		  uint8_t *out, size_t *out_len, uint64_t *number)
{
	const uint8_t *pn = s->p + s->pn_offset;
	struct header h = { 0 };
	uint8_t mask[16];
	uint32_t cut = 0;
	EVP_CIPHER_CTX *c;
	bool ok;

	/* RFC 9001 section 5.4.2: the sample begins as if the number had 4 bytes, so
	   that a packet has at least 4 - its length bytes before the tag. */
	if (!s->pn_offset || s->len > INT_MAX || s->len < s->pn_offset ||
	    s->len - s->pn_offset < 4 + NR_QUIC_SAMPLE)
		return false;
	c = EVP_CIPHER_CTX_new();
	if (!c)
		return false;
	ok = header_mask(c, k->hp, pn + 4, mask);
	if (ok) {
		h.first = s->p[0] ^ (mask[0] & (s->p[0] & 0x80 ? 0x0f : 0x1f));
		h.pn_len = (h.first & 3) + 1u;
		for (unsigned i = 0; i < h.pn_len; i++) {
			h.pn[i] = pn[i] ^ mask[1 + i];
			cut = cut << 8 | h.pn[i];
		}
		*number = full_number(s->expected, cut, h.pn_len);
		EVP_CIPHER_CTX_reset(c);
		ok = open_body(c, k, s, &h, *number, out, out_len);
	}
	EVP_CIPHER_CTX_free(c);
	return ok;
}
