/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where secrets stand in fields and URIs. When in doubt more is masked, not less. Each
 * byte is looked at a bounded number of times.
 */
#include "http.h"

#include "session/secret.h"

#include <string.h>
#include <strings.h>

enum { NAME_MAX_LEN = 64 };

static bool is_letter(char c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

/* Keys that everybody may know (RFC 6455, 11.3.1, and caches). */
static bool is_open_key(const char *name, size_t n)
{
	static const char *const names[] = { "sec-websocket-key",  "sec-websocket-key1",
					     "sec-websocket-key2", "surrogate-key",
					     "cache-key",          "x-cache-key",
					     "idempotency-key" };
	struct nr_http_slice s = { name, n };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (nr_http_is(s, names[i]))
			return true;
	}
	return false;
}

/*
 * Whether the last word of a name is a short one that names a secret: X-Auth-Key,
 * user[pwd], licenseKey. Longer ones count wherever they stand.
 */
static bool ends_in_secret(const char *name, size_t n)
{
	size_t len = n;

	while (len && !is_letter(name[len - 1]))
		len--;
	for (size_t word = 3; word <= 4 && word <= len; word++) {
		const char *at = name + len - word;
		bool alone = word == len || !is_letter(at[-1]) ||
			     (at[-1] & 0x20 && !(*at & 0x20));

		if (alone && nr_secret_name(at, word))
			return !is_open_key(name, n);
	}
	return false;
}

static inline bool begins(const char *p, size_t n, const char *word)
{
	size_t len = strlen(word);

	return len <= n && (p[1] | 0x20) == word[1] && !strncasecmp(p, word, len);
}

static bool begins_secret(const char *p, size_t n)
{
	switch (*p | 0x20) {
	case 'a':
		return begins(p, n, "apikey") || begins(p, n, "api-key") ||
		       begins(p, n, "api_key") || begins(p, n, "authkey") ||
		       begins(p, n, "authorization");
	case 'c':
		return begins(p, n, "credential");
	case 'j':
		return begins(p, n, "jsessid");
	case 'p':
		return begins(p, n, "passw") || begins(p, n, "phpsessid");
	case 's':
		return begins(p, n, "secret") || begins(p, n, "session") ||
		       begins(p, n, "signature");
	case 't':
		return begins(p, n, "token");
	default:
		return false;
	}
}

/* Names that say what they hold without being one of nr_secret_name()'s. */
static bool is_secret_name(const char *name, size_t n)
{
	enum { SHORTEST = sizeof("token") - 1 };

	if (nr_secret_name(name, n) || ends_in_secret(name, n))
		return true;
	if (n > NAME_MAX_LEN)
		n = NAME_MAX_LEN;
	for (; n >= SHORTEST; name++, n--) {
		if (begins_secret(name, n))
			return true;
	}
	return false;
}

static int hex(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* The character at p, percent-encoded or not, and the bytes it takes. */
static char decoded(const char *p, const char *end, size_t *len)
{
	*len = 1;
	if (*p != '%' || end - p < 3 || hex(p[1]) < 0 || hex(p[2]) < 0)
		return *p;
	*len = 3;
	return (char)(hex(p[1]) << 4 | hex(p[2]));
}

/* "//", whichever of them is percent-encoded, and the bytes it takes. */
static bool is_two_slashes(const char *at, const char *end, size_t *len)
{
	size_t more;

	if (decoded(at, end, len) != '/' || at + *len == end ||
	    decoded(at + *len, end, &more) != '/')
		return false;
	*len += more;
	return true;
}

static bool begins_parameter(char c)
{
	return c == '?' || c == '&' || c == ';' || c == '#';
}

/*
 * Behind a delimiter: a name, '=', a value up to the next '&', or behind ';' in a path up
 * to the query. Blanks are part of both: a target may hold them. Returns where to go on:
 * behind the value if it was hidden, else behind the name, or before what may be "//".
 */
static char *parameter(struct nr_parse *p, char delimiter, char *at, char *end)
{
	char name[NAME_MAX_LEN];
	size_t n = 0, len, slashes;
	char c = 0;

	while (at < end && n < sizeof(name)) {
		c = decoded(at, end, &len);
		if (c == '=' || begins_parameter(c) ||
		    (c == '/' && is_two_slashes(at, end, &slashes)))
			break;
		if (n || c != ' ')
			name[n++] = c;
		at += len;
	}
	if (at == end || c != '=' || !is_secret_name(name, n))
		return at;
	at += len;
	char *value = at;

	while (at < end && *at != '&' && !(delimiter == ';' && *at == '?') &&
	       decoded(at, end, &len) != '&')
		at++;
	nr_secret_hide(p, value, (size_t)(at - value));
	return at;
}

/* What holds user information, and where it ends. */
struct authority {
	char *at, *end;
	bool encoded; /* so are the delimiters around it */
	bool in_query;
	bool in_text; /* other words may follow behind a blank */
};

static bool ends_authority(const struct authority *a, const char *at, char c)
{
	if (!a->encoded || c == '&')
		c = *at;
	return c == '/' || c == '?' || c == '#' || (c == '&' && a->in_query) ||
	       (c == ' ' && a->in_text);
}

/*
 * user:password@ (RFC 3986, 3.2.1). What readers take for its end is the last '@', though
 * another should have been encoded.
 */
static void userinfo(struct nr_parse *p, const struct authority *a)
{
	char *colon = NULL, *last = NULL;
	size_t len;

	for (char *at = a->at; at < a->end; at += len) {
		char c = decoded(at, a->end, &len);

		if (ends_authority(a, at, c))
			break;
		if (c == ':' && !colon)
			colon = at + len;
		else if (c == '@' && colon)
			last = at;
	}
	if (last)
		nr_secret_hide(p, colon, (size_t)(last - colon));
}

/* Whether the text up to "//" at `at` is a scheme and so the rest of it a URI. */
static bool is_behind_scheme(const char *text, const char *at)
{
	while (text < at && (is_letter(*text) || *text == '+'))
		text++;
	return text == at || (text + 1 == at && *text == ':');
}

/* in_text: it need not be a URI, but may hold some. */
static void mask_url(struct nr_parse *p, char *text, char *end, bool in_text)
{
	static const bool special[256] = {
		['%'] = true, ['/'] = true, ['?'] = true,
		['&'] = true, [';'] = true, ['#'] = true,
	};
	bool in_query = false;
	char *at = text;

	while (at < end) {
		size_t len, slashes;
		char c;

		if (!special[(uint8_t)*at]) {
			at++;
			continue;
		}
		c = decoded(at, end, &len);

		if (begins_parameter(c)) {
			in_query = true;
			at = parameter(p, c, at + len, end);
			continue;
		}
		if (c == '/' && is_two_slashes(at, end, &slashes))
			userinfo(p, &(struct authority){
					    at + slashes, end, .encoded = len > 1,
					    .in_query = in_query,
					    .in_text = in_text &&
						       !is_behind_scheme(text, at) });
		at += len;
	}
}

/* Nothing else stands there, so that only '@' ends it. */
static void mask_authority(struct nr_parse *p, char *at, char *end)
{
	char *colon = memchr(at, ':', (size_t)(end - at));
	char *last = colon ? memrchr(colon, '@', (size_t)(end - colon)) : NULL;

	if (last)
		nr_secret_hide(p, colon + 1, (size_t)(last - colon - 1));
}

char *nr_http_mask_target(struct nr_parse *p, struct nr_http_slice method,
			  struct nr_http_slice target)
{
	char *copy = nr_arena_copy(p->arena, target.p, target.n), *end = copy + target.n;

	if (nr_http_is(method, "CONNECT"))
		mask_authority(p, copy, end);
	else if (target.n && *copy != '/')
		userinfo(p, &(struct authority){ copy, end });
	mask_url(p, copy, end, false);
	return copy;
}

/* The scheme stays, what follows goes. */
static void mask_authorization(struct nr_parse *p, char *at, size_t n)
{
	char *space = memchr(at, ' ', n), *end = at + n;

	if (!space)
		space = at;
	while (space < end && *space == ' ')
		space++;
	nr_secret_hide(p, space, (size_t)(end - space));
}

/* Attributes of Set-Cookie (RFC 6265, 4.1.1) are no secrets. */
static bool is_attribute(const char *name, size_t n)
{
	static const char *const names[] = { "expires",  "max-age",    "domain",
					     "path",     "version",    "comment",
					     "samesite", "priority",   "secure",
					     "httponly", "partitioned" };
	struct nr_http_slice s = { name, n };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (nr_http_is(s, names[i]))
			return true;
	}
	return false;
}

/* Names stay, values go; what has no name goes. */
static void mask_cookies(struct nr_parse *p, char *at, char *end, bool set)
{
	bool first = true;

	while (at < end) {
		char *stop = memchr(at, ';', (size_t)(end - at)), *value;

		if (!stop)
			stop = end;
		while (at < stop && (*at == ' ' || *at == '\t'))
			at++;
		value = memchr(at, '=', (size_t)(stop - at));
		/* an attribute that holds another '=' is a second cookie in one field */
		if (!set || first ||
		    !is_attribute(at, (size_t)((value ? value : stop) - at)) ||
		    (value && memchr(value + 1, '=', (size_t)(stop - value - 1)))) {
			value = value ? value + 1 : at;
			nr_secret_hide(p, value, (size_t)(stop - value));
		}
		first = false;
		at = stop < end ? stop + 1 : end;
	}
}

void nr_http_hide_folded(struct nr_parse *p, char *value, size_t n)
{
	for (size_t i = 0, name = 0; i < n; i++) {
		if (value[i] == ' ' || value[i] == '\t')
			name = i + 1;
		if (value[i] == ':' && name && i - name <= NAME_MAX_LEN &&
		    is_secret_name(value + name, i - name)) {
			nr_secret_hide(p, value + i + 1, n - i - 1);
			return;
		}
	}
}

/* Fields that hold an authority: Host, X-Forwarded-Host. */
static bool is_of_authority(struct nr_http_slice name)
{
	static const char host[] = "host";
	const size_t n = sizeof(host) - 1;

	return name.n >= n && !strncasecmp(name.p + name.n - n, host, n);
}

char *nr_http_mask_value(struct nr_parse *p, struct nr_http_slice name, const char *value,
			 size_t n)
{
	char *copy = nr_arena_copy(p->arena, value, n);

	if (nr_http_is(name, "cookie") || nr_http_is(name, "cookie2"))
		mask_cookies(p, copy, copy + n, false);
	else if (nr_http_is(name, "set-cookie") || nr_http_is(name, "set-cookie2"))
		mask_cookies(p, copy, copy + n, true);
	else if (nr_http_is(name, "authorization") ||
		 nr_http_is(name, "proxy-authorization"))
		mask_authorization(p, copy, n);
	else if (is_secret_name(name.p, name.n))
		nr_secret_hide(p, copy, n);
	else {
		if (is_of_authority(name))
			mask_authority(p, copy, copy + n);
		mask_url(p, copy, copy + n, true);
	}
	return copy;
}
