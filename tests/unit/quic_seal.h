/* SPDX-License-Identifier: BSD-3-Clause */
/* The other direction: Initial packets as clients and servers make them. */
#pragma once

#include "base/arena.h"
#include "quic_crypto.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum { SEAL_MAX = 4096 };

/* Of all bytes below; the test frees it at its end. */
static struct nr_arena seal_arena;

/* Bytes that are added to, with room for SEAL_MAX. */
struct bytes {
	uint8_t *p;
	size_t n;
};

static inline struct bytes no_bytes(void)
{
	return (struct bytes){ .p = nr_arena_zalloc(&seal_arena, SEAL_MAX) };
}

static inline void add(struct bytes *b, const void *p, size_t n)
{
	if (n > SEAL_MAX - b->n)
		abort();
	memcpy(b->p + b->n, p, n);
	b->n += n;
}

static inline struct bytes copy_bytes(const struct bytes *b)
{
	struct bytes copy = no_bytes();

	add(&copy, b->p, b->n);
	return copy;
}

static inline void add_u8(struct bytes *b, unsigned v)
{
	add(b, &(uint8_t){ (uint8_t)v }, 1);
}

static inline void add_be32(struct bytes *b, uint32_t v)
{
	for (int i = 24; i >= 0; i -= 8)
		add_u8(b, v >> i);
}

/* Always of four bytes. */
static inline void add_varint(struct bytes *b, uint32_t v)
{
	add_be32(b, v | 0x80000000);
}

static inline void add_hex(struct bytes *b, const char *hex)
{
	for (const char *h = hex; *h;) {
		unsigned v = 0;

		if (*h == ' ' || *h == '\n') {
			h++;
			continue;
		}
		for (int i = 0; i < 2; i++, h++)
			v = v << 4 | (unsigned)(*h <= '9' ? *h - '0' : *h - 'a' + 10);
		add_u8(b, v);
	}
}

static inline struct bytes from_hex(const char *hex)
{
	struct bytes b = no_bytes();

	add_hex(&b, hex);
	return b;
}

static inline void add_crypto(struct bytes *b, uint32_t offset, const void *p, size_t n)
{
	add_u8(b, 0x06);
	add_varint(b, offset);
	add_varint(b, (uint32_t)n);
	add(b, p, n);
}

/*
 * Seals body (frames) behind head, which ends with a packet number of pn_len bytes of
 * number, none of them protected yet. The first byte of head says pn_len.
 */
static inline void seal(struct bytes *out, const struct nr_quic_keys *k,
			const struct bytes *head, uint64_t number,
			const struct bytes *body)
{
	EVP_CIPHER_CTX *c = EVP_CIPHER_CTX_new();
	size_t at = out->n, pn_len = (head->p[0] & 3) + 1u, pn = at + head->n - pn_len;
	uint8_t nonce[12], mask[16], tag[16], *sealed = no_bytes().p;
	int n = 0;

	memcpy(nonce, k->iv, 12);
	for (int i = 0; i < 8; i++)
		nonce[11 - i] ^= (uint8_t)(number >> 8 * i);
	if (EVP_EncryptInit_ex(c, EVP_aes_128_gcm(), NULL, k->key, nonce) != 1)
		abort();
	EVP_EncryptUpdate(c, NULL, &n, head->p, (int)head->n);
	EVP_EncryptUpdate(c, sealed, &n, body->p, (int)body->n);
	EVP_EncryptFinal_ex(c, tag, &n);
	EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, 16, tag);
	add(out, head->p, head->n);
	add(out, sealed, body->n);
	add(out, tag, 16);
	EVP_CIPHER_CTX_reset(c);
	EVP_EncryptInit_ex(c, EVP_aes_128_ecb(), NULL, k->hp, NULL);
	EVP_EncryptUpdate(c, mask, &n, out->p + pn + 4, 16);
	out->p[at] ^= mask[0] & 0x0f;
	for (size_t i = 0; i < pn_len; i++)
		out->p[pn + i] ^= mask[1 + i];
	EVP_CIPHER_CTX_free(c);
}

/* One side of a connection. */
struct speaker {
	uint32_t version;
	const struct nr_quic_keys *keys; /* its own */
	struct bytes dcid, scid, token;
	uint32_t number; /* of the next packet */
};

/* type: the two bits of the version. */
static inline void add_long_head(struct bytes *b, const struct speaker *s, unsigned type)
{
	add_u8(b, 0xc0 | type << 4 | 3);
	add_be32(b, s->version);
	add_u8(b, (unsigned)s->dcid.n);
	add(b, s->dcid.p, s->dcid.n);
	add_u8(b, (unsigned)s->scid.n);
	add(b, s->scid.p, s->scid.n);
}

static inline bool seal_is_v2(uint32_t version)
{
	return version == 0x6b3343cf;
}

/* Adds an Initial with these frames, padded to at least `pad` bytes of frames. */
static inline void say_initial(struct bytes *out, struct speaker *s,
			       const struct bytes *frames, size_t pad)
{
	struct bytes head = no_bytes(), body = copy_bytes(frames);

	while (body.n < pad)
		add_u8(&body, 0);
	add_long_head(&head, s, seal_is_v2(s->version) ? 1 : 0);
	add_varint(&head, (uint32_t)s->token.n);
	add(&head, s->token.p, s->token.n);
	add_varint(&head, (uint32_t)(4 + body.n + NR_QUIC_TAG));
	add_be32(&head, s->number);
	seal(out, s->keys, &head, s->number++, &body);
}
