/* SPDX-License-Identifier: BSD-3-Clause */
/* Ed25519 (RFC 8032) keys and signatures, as PEM files that openssl(1) reads too. */
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum { NR_SIGNATURE = 64, NR_PUBLIC_KEY = 32, NR_KEY_ID = 17 };

struct nr_signing_key;

/* All: 0 or -errno with a sentence. */
int nr_signing_generate(struct nr_signing_key **out, struct nr_err *err);
/* A private key (PKCS #8, not encrypted), or a public one where is_public. */
int nr_signing_load(struct nr_signing_key **out, const char *path, int is_public,
		    struct nr_err *err);
int nr_signing_from_raw(struct nr_signing_key **out, const uint8_t raw[NR_PUBLIC_KEY],
			struct nr_err *err);
/* Writes PREFIX.key (0600) and PREFIX.pub; neither may exist. */
int nr_signing_save(const struct nr_signing_key *k, const char *prefix,
		    struct nr_err *err);
int nr_signing_public(const struct nr_signing_key *k, uint8_t raw[NR_PUBLIC_KEY],
		      struct nr_err *err);
/* 16 hexadecimal digits: the beginning of the public key's SHA-256. */
int nr_signing_id(const struct nr_signing_key *k, char id[NR_KEY_ID], struct nr_err *err);
int nr_signing_sign(const struct nr_signing_key *k, const void *p, size_t n,
		    uint8_t signature[NR_SIGNATURE], struct nr_err *err);
/* 1: the signature is this key's of these bytes; 0: it is not. */
int nr_signing_verify(const struct nr_signing_key *k, const void *p, size_t n,
		      const uint8_t signature[NR_SIGNATURE]);
void nr_signing_free(struct nr_signing_key *k);
