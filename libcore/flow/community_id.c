/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/community_id.h"

#include "base/mem.h"

#include <openssl/evp.h>

struct nr_community_hasher {
	EVP_MD *sha1;
	EVP_MD_CTX *ctx;
};

struct nr_community_hasher *nr_community_new(void)
{
	struct nr_community_hasher *h = nr_xcalloc(1, sizeof(*h));

	h->sha1 = EVP_MD_fetch(NULL, "SHA1", NULL);
	h->ctx = EVP_MD_CTX_new();
	return h;
}

void nr_community_free(struct nr_community_hasher *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->ctx);
	EVP_MD_free(h->sha1);
	nr_free(h);
}

static void put_be16(uint8_t *o, unsigned v)
{
	o[0] = (uint8_t)(v >> 8);
	o[1] = (uint8_t)v;
}

void nr_community_id(struct nr_community_hasher *h, const struct nr_key *k,
		     bool src_is_hi, char out[NR_COMMUNITY_ID_LEN + 1])
{
	static const uint8_t with_ports[] = { 1, 6, 17, 58, 132 };
	bool hi_first = k->one_way && src_is_hi;
	size_t n = k->ip_version == 6 ? 16 : 4, o = 2;
	uint8_t buf[2 + 32 + 2 + 4] = { 0 }, digest[EVP_MAX_MD_SIZE] = { 0 };
	unsigned len = 0;

	memcpy(buf + o, hi_first ? k->hi : k->lo, n);
	o += n;
	memcpy(buf + o, hi_first ? k->lo : k->hi, n);
	o += n;
	buf[o++] = k->proto;
	buf[o++] = 0;
	if (memchr(with_ports, k->proto, sizeof(with_ports))) {
		put_be16(buf + o, hi_first ? k->hi_port : k->lo_port);
		put_be16(buf + o + 2, hi_first ? k->lo_port : k->hi_port);
		o += 4;
	}
	memcpy(out, "1:", 3);
	if (EVP_DigestInit_ex2(h->ctx, h->sha1, NULL) == 1 &&
	    EVP_DigestUpdate(h->ctx, buf, o) == 1 &&
	    EVP_DigestFinal_ex(h->ctx, digest, &len) == 1 && len == 20)
		EVP_EncodeBlock((unsigned char *)out + 2, digest, 20);
}
