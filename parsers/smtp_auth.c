/* SPDX-License-Identifier: BSD-3-Clause */
/* AUTH in SMTP (RFC 4954): PLAIN, LOGIN, CRAM-MD5, XOAUTH2, OAUTHBEARER, SCRAM, NTLM. */
#include "smtp.h"

#include "base/cursor.h"
#include "base/text.h"
#include "credential.h"
#include "session/secret.h"

#include <string.h>

enum { TEXT_MAX = NR_SMTP_AUTH_MAX };

/* Lines that a client sends; others go on for as long as the server asks. */
static const struct {
	const char *name;
	uint8_t lines;
} mechanisms[] = {
	{ "plain", 1 },         { "login", 2 },       { "cram-md5", 1 },
	{ "xoauth2", 1 },       { "oauthbearer", 1 }, { "ntlm", 2 },
	{ "digest-md5", 2 },    { "gssapi", 3 },      { "scram-sha-1", 2 },
	{ "scram-sha-256", 2 },
};

/* Base64 (RFC 4648) to the arena; what is none is given back as it is: *good false. */
static const char *decode(struct nr_parse *p, const char *text, size_t n, size_t *len,
			  bool *good)
{
	char *out = nr_arena_alloc(p->arena, n + 1);
	ptrdiff_t got = nr_base64_decode(out, n + 1, text, n);

	*good = got >= 0;
	*len = *good ? (size_t)got : n;
	return *good ? out : text;
}

/* Whether it can be what somebody is called: whole UTF-8 without control characters. */
static bool is_name(const char *t, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if ((uint8_t)t[i] < ' ' || t[i] == 0x7f)
			return false;
	}
	return nr_utf8_span(t, n) == n;
}

static bool is(const struct nr_smtp_auth *x, const char *mechanism)
{
	return !strcmp(x->mechanism, mechanism);
}

static void set_mechanism(struct nr_smtp_auth *x, const char *name, size_t n)
{
	size_t k = n < sizeof(x->mechanism) - 1 ? n : sizeof(x->mechanism) - 1;

	for (size_t i = 0; i < k; i++) {
		char c = name[i];

		x->mechanism[i] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
	}
	x->mechanism[k] = '\0';
}

/* The text behind key up to stop, or false. */
static bool between(const char *text, size_t n, const char *key, char stop,
		    const char **out, size_t *len)
{
	const char *at = memmem(text, n, key, strlen(key)), *end;

	if (!at)
		return false;
	at += strlen(key);
	end = memchr(at, stop, (size_t)(text + n - at));
	*out = at;
	*len = (size_t)((end ? end : text + n) - at);
	return true;
}

static bool set(struct nr_parse *p, struct nr_kept *t, const char *text, size_t n)
{
	return nr_kept_set(t, p->account, text, n, TEXT_MAX);
}

/* authzid NUL authcid NUL passwd (RFC 4616). */
static bool read_plain(struct nr_parse *p, struct nr_smtp_auth *x, const char *t,
		       size_t n)
{
	const char *user = memchr(t, '\0', n), *secret;

	if (!user)
		return set(p, &x->secret, t, n);
	user++;
	secret = memchr(user, '\0', (size_t)(t + n - user));
	if (!secret)
		return set(p, &x->secret, user, (size_t)(t + n - user));
	return set(p, &x->user, user, (size_t)(secret - user)) &&
	       set(p, &x->secret, secret + 1, (size_t)(t + n - secret - 1));
}

static bool read_oauth(struct nr_parse *p, struct nr_smtp_auth *x, const char *t,
		       size_t n)
{
	const char *user, *token;
	size_t user_len, token_len;
	bool xoauth = is(x, "xoauth2");

	if (between(t, n, xoauth ? "user=" : "a=", xoauth ? 1 : ',', &user, &user_len) &&
	    !set(p, &x->user, user, user_len))
		return false;
	if (!between(t, n, "auth=Bearer ", 1, &token, &token_len)) {
		token = t;
		token_len = n;
	}
	return set(p, &x->secret, token, token_len);
}

/* user, a blank, and a digest (RFC 2195). */
static bool read_cram(struct nr_parse *p, struct nr_smtp_auth *x, const char *t, size_t n)
{
	const char *blank = memrchr(t, ' ', n);

	if (!blank)
		return set(p, &x->secret, t, n);
	return set(p, &x->user, t, (size_t)(blank - t)) &&
	       set(p, &x->secret, blank + 1, (size_t)(t + n - blank - 1));
}

static uint16_t get_le16(struct nr_cursor *c)
{
	const uint8_t *p = nr_get(c, 2);

	return p ? nr_le16(p) : 0;
}

/* A character of UTF-16LE, as UTF-8; halves of pairs that stand alone are U+FFFD. */
static void add_utf16(struct nr_buf *b, struct nr_cursor *c)
{
	uint32_t v = get_le16(c);
	struct nr_cursor next = *c;
	char utf8[4];

	if (v >= 0xd800 && v < 0xdc00) {
		uint32_t low = get_le16(&next);

		if (next.bad || low < 0xdc00 || low > 0xdfff) {
			v = 0xfffd;
		} else {
			v = 0x10000 + ((v - 0xd800) << 10) + (low - 0xdc00);
			*c = next;
		}
	} else if (v >= 0xdc00 && v < 0xe000) {
		v = 0xfffd;
	}
	nr_buf_add(b, utf8, (size_t)(nr_utf8_put(utf8, v) - utf8));
}

/* The text whose length and place stand `at` bytes into an NTLM message. */
static void add_ntlm_text(struct nr_buf *b, const uint8_t *t, size_t n, size_t at,
			  bool unicode)
{
	uint32_t len = nr_le16(t + at), offset = nr_le32(t + at + 4);
	struct nr_cursor c;

	if (offset > n || n - offset < len)
		return;
	if (!unicode) {
		nr_buf_add(b, (const char *)t + offset, len);
		return;
	}
	c = nr_cursor(t + offset, len & ~1u);
	while (nr_left(&c))
		add_utf16(b, &c);
}

/* AUTHENTICATE_MESSAGE of NTLM (MS-NLMP, 2.2.1.3): DOMAIN\user, or user. */
static bool read_ntlm(struct nr_parse *p, struct nr_smtp_auth *x, const char *text,
		      size_t n)
{
	enum { TYPE = 8, DOMAIN = 28, USER = 36, FLAGS = 60, UNICODE = 1 };
	const uint8_t *t = (const uint8_t *)text;
	struct nr_buf b = { 0 };
	bool unicode, ok = true;

	if (n < FLAGS + 4 || memcmp(t, "NTLMSSP", 8) != 0 || nr_le32(t + TYPE) != 3)
		return true;
	unicode = nr_le32(t + FLAGS) & UNICODE;
	add_ntlm_text(&b, t, n, DOMAIN, unicode);
	if (b.len)
		nr_buf_char(&b, '\\');
	add_ntlm_text(&b, t, n, USER, unicode);
	if (b.len)
		ok = set(p, &x->user, b.p, b.len);
	nr_buf_fini(&b);
	return ok;
}

static bool read_other(struct nr_parse *p, struct nr_smtp_auth *x, const char *t,
		       size_t n)
{
	const char *user;
	size_t len;

	if (x->step == 1 && !strncmp(x->mechanism, "scram-", 6) &&
	    between(t, n, "n=", ',', &user, &len) && !set(p, &x->user, user, len))
		return false;
	if (is(x, "digest-md5") && between(t, n, "username=\"", '"', &user, &len) &&
	    !set(p, &x->user, user, len))
		return false;
	if (is(x, "ntlm") && !read_ntlm(p, x, t, n))
		return false;
	return set(p, &x->secret, t, n);
}

bool nr_smtp_auth_line(struct nr_parse *p, struct nr_smtp_auth *x, const char *line,
		       size_t n)
{
	const char *t;
	size_t len;
	bool good;

	if (x->left)
		x->left--;
	if (n == 1 && *line == '*') {
		x->left = 0;
		return true;
	}
	if (x->step < UINT8_MAX)
		x->step++;
	if (!n || (n == 1 && *line == '='))
		return true;
	t = decode(p, line, n, &len, &good);
	if (!set(p, &x->raw, line, n))
		return false;
	/* what is no name may be what PLAIN sends, or a password out of its turn */
	if (is(x, "login") && x->step == 1 && good && is_name(t, len))
		return set(p, &x->user, t, len);
	x->has_secret = true;
	nr_secret_mask(p, line, n, 0, n); /* follow must know it as it was sent */
	if (is(x, "plain") || (is(x, "login") && memchr(t, '\0', len)))
		return read_plain(p, x, t, len);
	if (is(x, "xoauth2") || is(x, "oauthbearer"))
		return read_oauth(p, x, t, len);
	if (is(x, "cram-md5"))
		return read_cram(p, x, t, len);
	return read_other(p, x, t, len);
}

bool nr_smtp_auth_begin(struct nr_parse *p, struct nr_smtp_auth *x, const char *arg,
			size_t n)
{
	struct nr_command c = nr_command_split(arg, n);

	nr_smtp_auth_end(p, x, 0);
	x->active = true;
	x->number++;
	set_mechanism(x, c.verb, c.verb_len);
	x->left = 0;
	for (size_t i = 0; i < sizeof(mechanisms) / sizeof(*mechanisms); i++) {
		if (is(x, mechanisms[i].name))
			x->left = mechanisms[i].lines;
	}
	return !c.arg_len || nr_smtp_auth_line(p, x, c.arg, c.arg_len);
}

/* LOGIN's prompts, in base64: what comes next, also where AUTH itself was not seen. */
void nr_smtp_auth_challenge(struct nr_smtp_auth *x, const char *text, size_t n)
{
	bool user = nr_word_begins(text, n, "VXNlc"); /* User */
	bool pass = nr_word_begins(text, n, "UGFzc"); /* Pass */

	if (!x->active && (user || pass))
		set_mechanism(x, "login", 5);
	x->active = true;
	if (is(x, "login") && (user || pass))
		x->step = pass;
	if (!x->left)
		x->left = 1;
}

void nr_smtp_auth_end(struct nr_parse *p, struct nr_smtp_auth *x, unsigned code)
{
	struct nr_credential c = {
		.service = "smtp",
		.mechanism = x->mechanism[0] ? x->mechanism : NULL,
		.user = x->user.p && x->user.len ? x->user.p : NULL,
		.user_len = x->user.len,
		.secret = x->has_secret ? x->secret.p : NULL,
		.secret_len = x->secret.len,
		.success = !code ? -1 : code < 400,
	};

	if (x->active)
		nr_credential(p, &c);
	x->active = false;
	x->has_secret = false;
	x->left = 0;
	x->step = 0;
	x->mechanism[0] = '\0';
	/* raw and secret stay: later replies may repeat them */
	x->user.len = 0;
}

void nr_smtp_auth_free(struct nr_smtp_auth *x, struct nr_account *a)
{
	nr_kept_free(&x->user, a);
	nr_kept_free(&x->secret, a);
	nr_kept_free(&x->raw, a);
}

const char *nr_smtp_auth_echo(struct nr_parse *p, const struct nr_smtp_auth *x,
			      const char *text, size_t n)
{
	text = nr_secret_echo(p, text, n, x->secret.p, x->secret.len);
	return nr_secret_echo(p, text, n, x->raw.p, x->raw.len);
}
