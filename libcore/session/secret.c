/* SPDX-License-Identifier: BSD-3-Clause */
#include "session/secret.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <strings.h>

static void tell(struct nr_parse *p, const void *secret, size_t n)
{
	const struct nr_parse_options *o = p->options;

	if (o->secret_seen && n)
		o->secret_seen(o->secret_arg, p->flow_id, secret, n);
}

void nr_secret_hide(struct nr_parse *p, char *secret, size_t n)
{
	tell(p, secret, n);
	if (!p->options->store_secrets)
		memset(secret, '*', n);
}

char *nr_secret_mask(struct nr_parse *p, const char *text, size_t n, size_t from,
		     size_t len)
{
	char *copy = nr_arena_copy(p->arena, text, n);

	if (from > n)
		from = n;
	if (len > n - from)
		len = n - from;
	tell(p, text + from, len);
	if (!p->options->store_secrets)
		memset(copy + from, '*', len);
	return copy;
}

void nr_secret_text(struct nr_parse *p, struct nr_record *r, unsigned field,
		    const void *secret, size_t n)
{
	nr_set_text(r, field, nr_secret_mask(p, secret, n, 0, n), n);
}

void nr_secret_hash(struct nr_parse *p, struct nr_record *r, unsigned field,
		    const void *secret, size_t n)
{
	const struct nr_parse_options *o = p->options;
	uint8_t mac[32];
	unsigned len = 0;

	if (!o->secret_key || !HMAC(EVP_sha256(), o->secret_key, (int)o->secret_key_len,
				    secret, n, mac, &len))
		return;
	nr_parse_hex(p, r, field, mac, len, '\0');
}

static bool is_word(unsigned char c)
{
	return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
	       c == '_' || c >= 0x80;
}

/* Whether the len bytes at hit stand alone in text. */
static bool stands_alone(const char *text, size_t n, const char *hit, size_t len)
{
	const char *end = hit + len;

	return (hit == text || !is_word((unsigned char)hit[-1])) &&
	       (end == text + n || !is_word((unsigned char)*end));
}

char *nr_secret_echo(struct nr_parse *p, const char *text, size_t n, const void *secret,
		     size_t len)
{
	char *copy = nr_arena_copy(p->arena, text, n), *at = copy, *end = copy + n;

	if (!len || p->options->store_secrets)
		return copy;
	while ((at = memmem(at, (size_t)(end - at), secret, len))) {
		/* text is whole, copy is masked already on the left */
		if (len > 3 || stands_alone(text, n, text + (at - copy), len))
			memset(at, '*', len);
		at += len;
	}
	return copy;
}

bool nr_secret_name(const char *name, size_t n)
{
	/* by their length, each with a space behind it */
	static const char *const names[] = {
		[3] = "jwt key pin pwd sid sig ",
		[4] = "auth pass ",
		[5] = "token ",
		[6] = "apikey cookie passwd secret ",
		[7] = "api-key api_key session ",
		[8] = "id_token password ",
		[9] = "sessionid signature x-api-key ",
		[10] = "auth_token credential passphrase session_id set-cookie ",
		[11] = "credentials ",
		[12] = "access_token x-auth-token ",
		[13] = "authorization client_secret refresh_token ",
		[19] = "proxy-authorization ",
	};
	const char *at = n < sizeof(names) / sizeof(*names) ? names[n] : NULL;

	for (; at && *at; at += n + 1) {
		if (!strncasecmp(at, name, n))
			return true;
	}
	return false;
}
