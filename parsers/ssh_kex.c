/* SPDX-License-Identifier: BSD-3-Clause */
/* KEXINIT's lists, what two of them agree on, HASSH, the host key (RFC 4253, 7 and 8). */
#include "ssh.h"

#include "base/cursor.h"
#include "base/text.h"

#include <openssl/evp.h>
#include <string.h>

int nr_ssh_lists_read(struct nr_ssh_lists *l, struct nr_account *a, const uint8_t *body,
		      size_t n)
{
	struct nr_cursor c = nr_cursor(body, n);

	nr_get(&c, 16); /* the cookie */
	for (unsigned i = 0; i < NR_SSH_LISTS; i++) {
		const uint8_t *list;

		l->len[i] = nr_get_be32(&c);
		list = nr_get(&c, l->len[i]);
		l->at[i] = list ? (uint32_t)(list - body) : 0;
	}
	if (c.bad)
		return NR_SSH_BAD;
	l->size = (uint32_t)(c.p - body);
	l->p = nr_account_alloc(a, l->size);
	if (!l->p)
		return NR_SSH_NO_MEM;
	memcpy(l->p, body, l->size);
	return NR_SSH_OK;
}

void nr_ssh_lists_free(struct nr_ssh_lists *l, struct nr_account *a)
{
	nr_account_free(a, l->p, l->size);
	l->p = NULL;
}

/* Takes the next name off a list. False: there is none. */
static bool next_name(struct nr_cursor *list, struct nr_cursor *name)
{
	const uint8_t *comma;
	size_t n = nr_left(list);

	if (!n)
		return false;
	comma = memchr(list->p, ',', n);
	if (comma)
		n = (size_t)(comma - list->p);
	*name = nr_cursor(list->p, n);
	list->p += comma ? n + 1 : n;
	return true;
}

static struct nr_cursor list_of(const struct nr_ssh_lists *l, unsigned i)
{
	return nr_cursor(l->p + l->at[i], l->len[i]);
}

static bool has_name(struct nr_cursor list, const struct nr_cursor *wanted)
{
	struct nr_cursor name;

	for (unsigned i = 0; i < NR_SSH_NAMES && next_name(&list, &name); i++) {
		if (nr_left(&name) == nr_left(wanted) &&
		    !memcmp(name.p, wanted->p, nr_left(wanted)))
			return true;
	}
	return false;
}

/* The client's first name that the server has too (RFC 4253, 7.1). False: there is none.
 */
static bool agreed_name(const struct nr_ssh_lists *client,
			const struct nr_ssh_lists *server, unsigned which,
			struct nr_cursor *name)
{
	struct nr_cursor list = list_of(client, which);

	for (unsigned i = 0; i < NR_SSH_NAMES && next_name(&list, name); i++) {
		if (nr_left(name) && has_name(list_of(server, which), name))
			return true;
	}
	return false;
}

static void put_agreed(struct nr_parse *p, struct nr_record *r, unsigned field,
		       const struct nr_ssh_lists *client,
		       const struct nr_ssh_lists *server, unsigned which)
{
	struct nr_cursor name;

	if (agreed_name(client, server, which, &name))
		nr_parse_text(p, r, field, name.p, nr_left(&name));
}

/* Looks no farther than one name beyond what is compared. */
static bool has_too_many(const struct nr_ssh_lists *l)
{
	for (unsigned k = 0; k < NR_SSH_LISTS; k++) {
		struct nr_cursor list = list_of(l, k), name;
		unsigned n = 0;

		while (n <= NR_SSH_NAMES && next_name(&list, &name))
			n++;
		if (n > NR_SSH_NAMES)
			return true;
	}
	return false;
}

/* MD5 over the lists, separated by ";" (github.com/salesforce/hassh). */
static void put_hassh(struct nr_parse *p, struct nr_record *r, unsigned field,
		      const struct nr_ssh_lists *l, bool is_server)
{
	const unsigned which[4] = {
		NR_SSH_L_KEX,
		is_server ? NR_SSH_L_CIPHER_SC : NR_SSH_L_CIPHER_CS,
		is_server ? NR_SSH_L_MAC_SC : NR_SSH_L_MAC_CS,
		is_server ? NR_SSH_L_COMP_SC : NR_SSH_L_COMP_CS,
	};
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	bool ok = md && EVP_DigestInit_ex(md, EVP_md5(), NULL);

	for (unsigned i = 0; ok && i < 4; i++) {
		ok = (!i || EVP_DigestUpdate(md, ";", 1)) &&
		     EVP_DigestUpdate(md, l->p + l->at[which[i]], l->len[which[i]]);
	}
	ok = ok && EVP_DigestFinal_ex(md, digest, &n) && n == 16;
	EVP_MD_CTX_free(md);
	if (!ok) /* a libcrypto without MD5 */
		return;
	nr_parse_hex(p, r, field, digest, n, '\0');
}

static void add_list(struct nr_buf *b, const char *key, struct nr_cursor list)
{
	struct nr_cursor name;
	const char *sep = "";

	nr_buf_printf(b, "%s\"%s\":[", b->len > 1 ? "," : "", key);
	while (next_name(&list, &name)) {
		nr_buf_str(b, sep);
		nr_buf_json(b, (const char *)name.p, nr_left(&name));
		sep = ",";
	}
	nr_buf_char(b, ']');
}

static void put_algorithms(struct nr_parse *p, struct nr_record *r, unsigned field,
			   const struct nr_ssh_lists *l, bool is_server)
{
	struct nr_buf b = { 0 };

	nr_buf_char(&b, '{');
	add_list(&b, "kex", list_of(l, NR_SSH_L_KEX));
	add_list(&b, "host_key", list_of(l, NR_SSH_L_HOST_KEY));
	add_list(&b, "cipher",
		 list_of(l, is_server ? NR_SSH_L_CIPHER_SC : NR_SSH_L_CIPHER_CS));
	add_list(&b, "mac", list_of(l, is_server ? NR_SSH_L_MAC_SC : NR_SSH_L_MAC_CS));
	add_list(&b, "compression",
		 list_of(l, is_server ? NR_SSH_L_COMP_SC : NR_SSH_L_COMP_CS));
	nr_buf_char(&b, '}');
	nr_parse_text(p, r, field, b.p, b.len);
	nr_buf_fini(&b);
}

bool nr_ssh_put_lists(struct nr_parse *p, struct nr_record *r,
		      const struct nr_ssh_lists *client,
		      const struct nr_ssh_lists *server)
{
	static const struct {
		unsigned field, list;
	} agreed[] = {
		{ NR_SSH_kex, NR_SSH_L_KEX },
		{ NR_SSH_host_key_algorithm, NR_SSH_L_HOST_KEY },
		{ NR_SSH_cipher, NR_SSH_L_CIPHER_CS },
		{ NR_SSH_cipher_to_client, NR_SSH_L_CIPHER_SC },
		{ NR_SSH_mac, NR_SSH_L_MAC_CS },
		{ NR_SSH_mac_to_client, NR_SSH_L_MAC_SC },
		{ NR_SSH_compression, NR_SSH_L_COMP_CS },
		{ NR_SSH_compression_to_client, NR_SSH_L_COMP_SC },
	};

	if (client->p) {
		put_hassh(p, r, NR_SSH_hassh, client, false);
		put_algorithms(p, r, NR_SSH_client_algorithms, client, false);
	}
	if (server->p) {
		put_hassh(p, r, NR_SSH_hassh_server, server, true);
		put_algorithms(p, r, NR_SSH_server_algorithms, server, true);
	}
	for (size_t i = 0; client->p && server->p && i < sizeof(agreed) / sizeof(*agreed);
	     i++)
		put_agreed(p, r, agreed[i].field, client, server, agreed[i].list);
	return (client->p && has_too_many(client)) || (server->p && has_too_many(server));
}

/* A host key names its type first: ssh-rsa, ecdsa-sha2-nistp256, … (RFC 4253, 6.6). */
static bool is_host_key(struct nr_cursor key)
{
	uint32_t n = nr_get_be32(&key);
	const uint8_t *name = nr_get(&key, n);

	if (!name || n < 4 || n > 64)
		return false;
	for (uint32_t i = 0; i < n; i++) {
		if (name[i] <= 0x20 || name[i] >= 0x7f || name[i] == ',')
			return false;
	}
	return memchr(name, '-', n) != NULL; /* all names in use have one */
}

/* The fingerprint of the host key with which body begins. False: it does not. */
static bool fingerprint_of(char out[NR_SSH_FINGERPRINT], const uint8_t *body, size_t n)
{
	struct nr_cursor c = nr_cursor(body, n);
	uint32_t len = nr_get_be32(&c);
	const uint8_t *key = nr_get(&c, len);
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned digest_len = 0;
	struct nr_buf b = { 0 };

	if (!key || !is_host_key(nr_cursor(key, len)) ||
	    !EVP_Digest(key, len, digest, &digest_len, EVP_sha256(), NULL))
		return false;
	nr_buf_str(&b, "SHA256:");
	nr_buf_base64(&b, digest, digest_len);
	b.len -= 1; /* the padding: OpenSSH leaves it out */
	memcpy(out, b.p, b.len);
	out[b.len] = '\0';
	nr_buf_fini(&b);
	return true;
}

/* Bit of a message in nr_ssh_exchange.said. */
static uint32_t bit(unsigned type)
{
	return 1u << (type - NR_SSH_KEX_FIRST);
}

enum { KEX_30 = 30, KEX_31, KEX_32, KEX_33, KEX_34, KEX_40 = 40 };

struct method {
	const char *prefix;
	uint32_t keys; /* messages that begin with the host key */
	uint32_t asks; /* messages that the client alone sends */
};

/* Message numbers mean something else with each method; the last is for all others, and
   where the method is not known. */
static struct method method_of(const struct nr_ssh_lists *client,
			       const struct nr_ssh_lists *server)
{
	const struct method methods[] = {
		{ "rsa", bit(KEX_30), bit(KEX_31) },                /* RFC 4432 */
		{ "gss-", bit(KEX_33), bit(KEX_30) | bit(KEX_40) }, /* 4462, 8732 */
		{ "diffie-hellman-group-exchange-", bit(KEX_33),
		  bit(KEX_30) | bit(KEX_32) | bit(KEX_34) }, /* 4419 */
		/* RFC 4253, 8; 5656; 8731 */
		{ "", bit(KEX_31) | bit(KEX_33), bit(KEX_30) | bit(KEX_34) },
	};
	const struct method *m = methods;
	struct nr_cursor name = nr_cursor(NULL, 0);

	if (client->p && server->p)
		agreed_name(client, server, NR_SSH_L_KEX, &name);
	while (nr_left(&name) < strlen(m->prefix) ||
	       memcmp(name.p, m->prefix, strlen(m->prefix)) != 0) {
		if (!*(++m)->prefix)
			break;
	}
	return *m;
}

void nr_ssh_exchange_said(struct nr_ssh_exchange *x, uint8_t type)
{
	x->said |= bit(type);
}

void nr_ssh_exchange_key(struct nr_ssh_exchange *x, uint8_t type, const uint8_t *body,
			 size_t n)
{
	/* which of them it is in shows when both lists are there */
	bool is_wanted = x->key ? x->key < KEX_33 && type == KEX_33
				: type == KEX_30 || type == KEX_31 || type == KEX_33;

	if (is_wanted && fingerprint_of(x->fingerprint, body, n))
		x->key = type;
}

bool nr_ssh_is_host_key(const struct nr_ssh_exchange *server,
			const struct nr_ssh_lists *server_lists,
			const struct nr_ssh_exchange *client,
			const struct nr_ssh_lists *client_lists, bool must_ask)
{
	struct method m = method_of(client_lists, server_lists);

	return server->key && (bit(server->key) & m.keys) && !(server->said & m.asks) &&
	       (!must_ask || client->said & m.asks);
}
