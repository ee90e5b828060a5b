/* SPDX-License-Identifier: BSD-3-Clause */
/* Table credential: who logged in where, from any parser that sees it. */
#pragma once

#include "record/define.h"
#include "session/secret.h"

/* clang-format off */
#define NR_FIELDS_CREDENTIAL(X, T) \
	NR_FIELDS_SESSION(X, T) \
	X(T, service, TEXT, NR_NN, NULL, NULL, NULL, "protocol that carried it: ftp, http, smtp, …") \
	X(T, user, TEXT, 0, NULL, NULL, NULL, "name of the user") \
	X(T, secret, TEXT, 0, NULL, NULL, NULL, "password or token, an asterisk for each byte unless --store-secrets") \
	X(T, secret_hash, TEXT, 0, NULL, NULL, NULL, "HMAC-SHA-256 of the secret with the key of --secret-key; NULL without one") \
	X(T, mechanism, TEXT, 0, NULL, NULL, NULL, "how it was sent: plain, login, basic, cram-md5, …") \
	X(T, success, BOOL, 0, NULL, NULL, NULL, "whether the server accepted it; NULL where that was not seen")
/* clang-format on */

NR_TABLE_DECLARE(CREDENTIAL, credential, NR_FIELDS_CREDENTIAL);

struct nr_credential {
	const char *service, *mechanism; /* NUL-terminated */
	const void *user, *secret;       /* NULL: not known */
	size_t user_len, secret_len;
	int success; /* 1, 0, -1: not known */
};

/* Writes the row; the secret is masked, and hashed where there is a key. */
void nr_credential(struct nr_parse *p, const struct nr_credential *c);
