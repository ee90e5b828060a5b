/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The one way to write what may be a secret: masked, unless --store-secrets.
 *
 * A masked secret is as many asterisks as it had bytes. For joins its hash may be kept:
 * HMAC-SHA-256 with the key of --secret-key, never a plain hash.
 */
#pragma once

#include "session/parser.h"

/* n bytes that are a secret as a whole. */
void nr_secret_text(struct nr_parse *p, struct nr_record *r, unsigned field,
		    const void *secret, size_t n);
/* 64 hexadecimal digits, or NULL without a key. */
void nr_secret_hash(struct nr_parse *p, struct nr_record *r, unsigned field,
		    const void *secret, size_t n);
/*
 * A copy in the arena of the n bytes at text in which secret (part of text) is masked, or
 * not with --store-secrets. For values that are a secret in part: URIs, header lines.
 * To mask several parts, pass the copy on.
 */
char *nr_secret_mask(struct nr_parse *p, const char *text, size_t n, size_t from,
		     size_t len);
/* The same for n bytes in a copy that the caller owns, in place. For texts with many
   secrets, where a copy for each would be too much work. */
void nr_secret_hide(struct nr_parse *p, char *secret, size_t n);
/* Whether a parameter or header of this name holds a secret by its name: password,
   passwd, pwd, pass, token, access_token, secret, api_key, apikey, auth, session, sid, …
 */
bool nr_secret_name(const char *name, size_t n);
/*
 * A copy in the arena of the n bytes at text in which each place where the wire repeats
 * secret (len bytes, known from elsewhere) is masked, or not with --store-secrets: a
 * server's reply that quotes the password. A secret of up to three bytes counts where it
 * stands as a word of its own. Linear in n.
 */
char *nr_secret_echo(struct nr_parse *p, const char *text, size_t n, const void *secret,
		     size_t len);
