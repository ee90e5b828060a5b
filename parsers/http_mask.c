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

/* Names that say what they hold without being one of nr_secret_name()'s. */
static bool is_secret_name(const char *name, size_t n)
{
	static const char *const parts[] = { "token",   "secret",     "passw",
					     "apikey",  "api-key",    "api_key",
					     "session", "credential", "authorization",
					     "jsessid", "phpsessid" };
	uint32_t first_letters = 0;

	if (nr_secret_name(name, n))
		return true;
	if (n > NAME_MAX_LEN)
		n = NAME_MAX_LEN;
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		first_letters |= 1u << (*parts[i] - 'a');
	for (size_t at = 0; at < n; at++) {
		unsigned letter = (unsigned)(name[at] | 0x20) - 'a';

		if (letter >= 26 || !(first_letters >> letter & 1))
			continue;
		for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
			size_t len = strlen(parts[i]);

			if ((name[at] | 0x20) == *parts[i] && len <= n - at &&
			    !strncasecmp(name + at, parts[i], len))
				return true;
		}
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

static bool begins_parameter(char c)
{
	return c == '?' || c == '&' || c == ';' || c == '#';
}

/*
 * Behind a delimiter: a name, '=', a value up to the next '&', or behind ';' in a path up
 * to the query. Returns where to go on: behind the value if it was hidden, else behind
 * the name.
 */
static char *parameter(struct nr_parse *p, char delimiter, char *at, char *end)
{
	char name[NAME_MAX_LEN];
	size_t n = 0, len;
	char c = 0;

	while (at < end && n < sizeof(name)) {
		c = decoded(at, end, &len);
		if (c == '=' || begins_parameter(c) || c == ' ')
			break;
		name[n++] = c;
		at += len;
	}
	if (at == end || c != '=' || !is_secret_name(name, n))
		return at;
	at += len;
	char *value = at;

	while (at < end && *at != '&' && *at != ' ' &&
	       !(delimiter == ';' && *at == '?') && decoded(at, end, &len) != '&')
		at++;
	nr_secret_hide(p, value, (size_t)(at - value));
	return at;
}

/* Behind "//": user:password@ */
static void userinfo(struct nr_parse *p, char *at, char *end)
{
	char *colon = NULL;

	for (; at < end && !strchr("/?#& ", *at); at++) {
		if (*at == ':' && !colon)
			colon = at + 1;
		if (*at == '@' && colon) {
			nr_secret_hide(p, colon, (size_t)(at - colon));
			return;
		}
	}
}

static void mask_url(struct nr_parse *p, char *at, char *end)
{
	while (at < end) {
		size_t len;
		char c = decoded(at, end, &len);

		if (begins_parameter(c)) {
			at = parameter(p, c, at + len, end);
			continue;
		}
		if (c == '/' && end - at > 1 && at[1] == '/')
			userinfo(p, at + 2, end);
		at += len;
	}
}

char *nr_http_mask_url(struct nr_parse *p, const char *url, size_t n)
{
	char *copy = nr_arena_copy(p->arena, url, n);

	mask_url(p, copy, copy + n);
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
	else
		mask_url(p, copy, copy + n);
	return copy;
}
