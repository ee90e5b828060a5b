/* SPDX-License-Identifier: BSD-3-Clause */
#include "http_line.h"

#include <string.h>
#include <strings.h>

const struct nr_http_sign nr_http_sign[NR_HTTP_N_SIGNS] = {
#define NR_X(id, len, t) [NR_HTTP_SIGN_##id] = { t, len },
	NR_HTTP_SIGNS(NR_X)
#undef NR_X
};

enum {
	METHOD_MAX = 32,
	VERSION_LEN = 8, /* HTTP/1.1 */
	VERSION_MAX = 16,
	VALUE_MAX = 1024, /* bytes looked at of a folded length field */
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

/* RFC 9110, 5.6.2 */
static bool is_token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(struct nr_http_slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (!is_token_char(s.p[i]))
			return false;
	}
	return s.n > 0;
}

static bool is_blank(char c)
{
	return is_space(c) || c == '\r' || c == '\n';
}

static struct nr_http_slice trim_n(const char *p, size_t n)
{
	size_t from = 0;

	while (from < n && is_blank(p[from]))
		from++;
	while (n > from && is_blank(p[n - 1]))
		n--;
	return (struct nr_http_slice){ p + from, n - from };
}

static struct nr_http_slice trim(const char *p, const char *end)
{
	return trim_n(p, (size_t)(end - p));
}

/*
 * The length of HTTP/d.d at p, more digits included that nobody should send; 0: none.
 * Lower case is read too, but is not strict.
 */
static size_t version_len(const char *p, size_t n)
{
	size_t i = 5, dot;

	if (n < VERSION_LEN || strncasecmp(p, "HTTP/", 5) != 0)
		return 0;
	while (i < n && i < VERSION_MAX && is_digit(p[i]))
		i++;
	dot = i;
	if (dot == 5 || dot == n || p[dot] != '.')
		return 0;
	for (i++; i < n && i < VERSION_MAX && is_digit(p[i]);)
		i++;
	return i > dot + 1 ? i : 0;
}

/* What is wrong with the len bytes of a version. */
static unsigned version_signs(const char *p, size_t len)
{
	unsigned signs = 0;

	if (memcmp(p, "HTTP", 4) != 0) /* RFC 9112, 2.3 */
		signs |= NR_HTTP_SIGN(CASE);
	if (len != VERSION_LEN || (p[5] != '0' && p[5] != '1'))
		signs |= NR_HTTP_SIGN(VERSION);
	return signs;
}

static bool may_end_status(char c)
{
	return is_space(c) || c == '\r' || !c;
}

/* v: bytes of the version at the line's beginning. */
static struct nr_http_start status_line(const char *line, size_t n, size_t v)
{
	struct nr_http_start s = { .kind = NR_HTTP_RESPONSE, .status = -1 };
	const char *p = line + v, *end = line + n, *digits;

	s.version = (struct nr_http_slice){ line + 5, v - 5 };
	s.signs = version_signs(line, v);
	s.strict = !s.signs && p < end && *p == ' ';
	while (p < end && is_space(*p))
		p++;
	if (p - (line + v) > 1)
		s.signs |= NR_HTTP_SIGN(SPACES);
	digits = p;
	while (p < end && is_digit(*p) && p - digits < 5)
		p++;
	if (p > digits && (p == end || may_end_status(*p))) {
		s.status = 0;
		for (const char *d = digits; d < p; d++)
			s.status = s.status * 10 + (*d - '0');
	} else {
		p = digits;
	}
	if (s.status < 100 || s.status > 999 || p - digits != 3) {
		s.signs |= NR_HTTP_SIGN(STATUS);
		s.strict = false;
	}
	if (memchr(line, '\r', n))
		s.signs |= NR_HTTP_SIGN(BARE_CR);
	if (memchr(line, '\0', n))
		s.signs |= NR_HTTP_SIGN(NUL);
	s.reason = trim(p, end);
	return s;
}

static bool is_known_method(struct nr_http_slice m)
{
	/* RFC 9110, PATCH, WebDAV (RFC 4918), versioning (RFC 3253), UPnP, QUERY */
	static const char *const known[] = {
		"GET",        "HEAD",      "POST",   "PUT",         "DELETE", "CONNECT",
		"OPTIONS",    "TRACE",     "PATCH",  "PROPFIND",    "MKCOL",  "PROPPATCH",
		"COPY",       "MOVE",      "LOCK",   "UNLOCK",      "REPORT", "M-SEARCH",
		"NOTIFY",     "SUBSCRIBE", "SEARCH", "UNSUBSCRIBE", "MERGE",  "CHECKOUT",
		"MKACTIVITY", "QUERY",     "PURGE",
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (m.n == strlen(known[i]) && !memcmp(m.p, known[i], m.n))
			return true;
	}
	return false;
}

static bool looks_like_target(struct nr_http_slice t)
{
	return t.n && (*t.p == '/' || *t.p == '*' || memmem(t.p, t.n, "://", 3));
}

/* What a request without version may be: that of HTTP/0.9, other methods too. */
static bool is_old_request(const struct nr_http_start *s)
{
	return is_known_method(s->method) && looks_like_target(s->target) &&
	       !memmem(s->target.p, s->target.n, "HTTP/", 5) &&
	       !memchr(s->target.p, ' ', s->target.n) &&
	       !memmem(s->target.p, s->target.n, "SIP/", 4) &&
	       !memmem(s->target.p, s->target.n, "RTSP/", 5);
}

/* Version at the end of the line, as many words in between as there are. */
static struct nr_http_start request_line(const char *line, size_t n)
{
	struct nr_http_start s = { .status = -1 };
	struct nr_http_slice all = trim_n(line, n);
	const char *end = all.p + all.n, *p = all.p, *v;
	size_t v_len;

	while (p < end && !is_space(*p))
		p++;
	s.method = (struct nr_http_slice){ all.p, (size_t)(p - all.p) };
	if (p == end || s.method.n > METHOD_MAX || !is_token(s.method))
		return s;
	s.is_known = is_known_method(s.method);
	for (v = end; v > p && !is_space(v[-1]);)
		v--;
	v_len = version_len(v, (size_t)(end - v));
	if (v_len && v_len == (size_t)(end - v)) {
		s.version = (struct nr_http_slice){ v + 5, v_len - 5 };
		s.target = trim(p, v);
		s.signs |= version_signs(v, v_len);
		if (all.n != n || (size_t)(v - p) != s.target.n + 2 ||
		    (s.target.n && memchr(s.target.p, ' ', s.target.n)))
			s.signs |= NR_HTTP_SIGN(SPACES);
		if (!s.target.n)
			s.signs |= NR_HTTP_SIGN(NO_TARGET);
		/* the preface of HTTP/2 (RFC 9113, 3.4) */
		if (nr_http_is(s.method, "PRI") && v[5] > '1')
			return s;
		s.strict = !s.signs;
	} else {
		s.target = trim(p, end);
		if (!is_old_request(&s))
			return s;
	}
	s.kind = NR_HTTP_REQUEST;
	return s;
}

struct nr_http_start nr_http_start_line(const char *line, size_t n)
{
	struct nr_http_slice all;
	struct nr_http_start s;
	size_t v;

	/* the byte of a keep-alive, where the stream's beginning was missed */
	if (n > 1 && !line[0] && line[1]) {
		s = nr_http_start_line(line + 1, n - 1);
		s.strict = false;
		s.signs |= NR_HTTP_SIGN(NUL_FIRST);
		return s;
	}
	all = trim_n(line, n);
	v = version_len(all.p, all.n);

	if (!v)
		return request_line(line, n);
	s = status_line(all.p, all.n, v);
	if (all.p > line) {
		s.strict = false;
		s.signs |= NR_HTTP_SIGN(SPACE_FIRST);
	}
	return s;
}

/* The first line is not whole yet: can it still become a request? */
static enum nr_http_sniffed sniff_part(const char *p, size_t n, bool all)
{
	struct nr_http_slice method = { p, 0 }, target;

	while (method.n < n && is_token_char(p[method.n]))
		method.n++;
	if (!method.n || method.n > METHOD_MAX)
		return NR_HTTP_SNIFF_NO;
	if (method.n == n)
		return all ? NR_HTTP_SNIFF_NO : NR_HTTP_SNIFF_MORE;
	if (p[method.n] != ' ')
		return NR_HTTP_SNIFF_NO;
	target = (struct nr_http_slice){ p + method.n + 1, n - method.n - 1 };
	for (size_t i = 0; i < target.n; i++) {
		if ((uint8_t)target.p[i] < ' ' && target.p[i] != '\t' &&
		    target.p[i] != '\r')
			return NR_HTTP_SNIFF_NO;
	}
	if (!all)
		return NR_HTTP_SNIFF_MORE;
	if (!is_known_method(method) || !target.n)
		return NR_HTTP_SNIFF_NO;
	if (*target.p != '/' && !(target.n >= 7 && !strncasecmp(target.p, "http://", 7)))
		return NR_HTTP_SNIFF_NO;
	return target.n > 64 ? NR_HTTP_SNIFF_YES : NR_HTTP_SNIFF_WEAK;
}

static enum nr_http_sniffed sniff_status(const char *p, size_t n, bool all)
{
	static const char want[] = "HTTP/1.";
	const size_t len = sizeof(want) - 1;

	if (n <= len + 1)
		return memcmp(p, want, n < len ? n : len) ? NR_HTTP_SNIFF_NO
		       : all                              ? NR_HTTP_SNIFF_NO
							  : NR_HTTP_SNIFF_MORE;
	return !memcmp(p, want, len) && is_digit(p[len]) &&
			       (is_space(p[len + 1]) || p[len + 1] == '\r' ||
				p[len + 1] == '\n')
		       ? NR_HTTP_SNIFF_YES
		       : NR_HTTP_SNIFF_NO;
}

enum nr_http_sniffed nr_http_sniff(const uint8_t *data, size_t n, bool all)
{
	const char *p = (const char *)data, *lf;
	struct nr_http_start s;
	enum nr_http_sniffed status;

	while (n && (*p == '\r' || *p == '\n')) {
		p++;
		n--;
	}
	if (!n)
		return all ? NR_HTTP_SNIFF_NO : NR_HTTP_SNIFF_MORE;
	status = sniff_status(p, n, all);
	if (status != NR_HTTP_SNIFF_NO)
		return status;
	lf = memchr(p, '\n', n);
	if (!lf)
		return sniff_part(p, n, all);
	n = (size_t)(lf - p);
	if (n && p[n - 1] == '\r')
		n--;
	s = nr_http_start_line(p, n);
	if (s.kind == NR_HTTP_NEITHER)
		return NR_HTTP_SNIFF_NO;
	if (s.kind == NR_HTTP_RESPONSE || !s.version.n ||
	    s.signs & (NR_HTTP_SIGN(VERSION) | NR_HTTP_SIGN(CASE)))
		return NR_HTTP_SNIFF_WEAK;
	return NR_HTTP_SNIFF_YES;
}

const uint8_t *nr_http_find_start(const uint8_t *p, size_t n)
{
	const uint8_t *end = p + n, *lf = p ? memchr(p, '\n', n) : NULL;

	while (lf) {
		const uint8_t *line = lf + 1;
		size_t len;

		lf = memchr(line, '\n', (size_t)(end - line));
		if (!lf)
			return NULL;
		len = (size_t)(lf - line);
		if (len && line[len - 1] == '\r')
			len--;
		if (nr_http_start_line((const char *)line, len).strict)
			return line;
	}
	return NULL;
}

/* The end of the field that begins at p: behind the LF that no continuation follows. */
static const char *field_end(const char *p, const char *end, unsigned *signs)
{
	for (;;) {
		const char *lf = memchr(p, '\n', (size_t)(end - p));

		if (!lf)
			return end;
		if (lf == p || lf[-1] != '\r')
			*signs |= NR_HTTP_SIGN(BARE_LF);
		p = lf + 1;
		if (p == end || !is_space(*p))
			return p;
		*signs |= NR_HTTP_SIGN(FOLD);
	}
}

static unsigned content_signs(const char *p, size_t n)
{
	unsigned signs = 0;
	const char *end = p + n, *cr = p;

	if (memchr(p, '\0', n))
		signs |= NR_HTTP_SIGN(NUL);
	while (cr < end && (cr = memchr(cr, '\r', (size_t)(end - cr)))) {
		cr++;
		/* at the very end it belongs to a line that was cut there */
		if (cr < end && *cr != '\n')
			signs |= NR_HTTP_SIGN(BARE_CR);
	}
	return signs;
}

bool nr_http_field_next(const char **at, const char *end, struct nr_http_header *f)
{
	const char *p = *at, *colon, *stop, *name_end;

	*f = (struct nr_http_header){ 0 };
	if (p == end || *p == '\n' || (*p == '\r' && end - p > 1 && p[1] == '\n'))
		return false;
	stop = *at = field_end(p, end, &f->signs);
	f->signs |= content_signs(p, (size_t)(stop - p));
	colon = memchr(p, ':', (size_t)(stop - p));
	if (!colon) {
		f->signs |= NR_HTTP_SIGN(NO_COLON);
		f->name = trim(p, stop);
		return true;
	}
	name_end = colon;
	while (name_end > p && is_space(name_end[-1]))
		name_end--;
	if (name_end < colon)
		f->signs |= NR_HTTP_SIGN(COLON_SPACE);
	f->name = (struct nr_http_slice){ p, (size_t)(name_end - p) };
	if (!is_token(f->name)) {
		f->signs |= NR_HTTP_SIGN(NAME);
		f->name = trim(p, name_end);
	}
	f->value = trim(colon + 1, stop);
	return true;
}

size_t nr_http_unfold(struct nr_http_slice value, char *out, size_t cap)
{
	size_t n = 0;

	for (size_t i = 0; i < value.n && n < cap; i++) {
		char c = value.p[i];

		if (c == '\r' && i + 1 < value.n && value.p[i + 1] == '\n')
			continue;
		if (c == '\n') {
			while (i + 1 < value.n && is_space(value.p[i + 1]))
				i++;
			while (n && is_space(out[n - 1]))
				n--;
			c = ' ';
		}
		out[n++] = c;
	}
	return n;
}

/* Digits at the beginning of p; false: none, or too many. Sets *p behind them. */
static bool read_digits(const char **p, const char *end, uint64_t *v)
{
	const char *first = *p;

	for (*v = 0; *p < end && is_digit(**p); (*p)++) {
		if (*p - first == 18)
			return false;
		*v = *v * 10 + (uint64_t)(**p - '0');
	}
	return *p > first;
}

/* Bytes of p before its first comma; n: there is none. */
static size_t until_comma(const char *p, size_t n)
{
	size_t i = 0;

	while (i < n && p[i] != ',')
		i++;
	return i;
}

/*
 * One number, or a list of equal ones (RFC 9110, 8.6). A number with something else
 * behind it is a breach, but what most servers read is the number: that is taken, and
 * said.
 */
static bool read_length(const char *p, size_t n, uint64_t *length, unsigned *signs)
{
	bool first = true;

	for (;;) {
		size_t comma = until_comma(p, n);
		struct nr_http_slice word = trim_n(p, comma);
		const char *at = word.p;
		uint64_t v;

		if (!read_digits(&at, word.p + word.n, &v)) {
			*signs |= NR_HTTP_SIGN(CL_BAD);
			return !first;
		}
		if (at < word.p + word.n)
			*signs |= NR_HTTP_SIGN(CL_BAD);
		if (first)
			*length = v;
		else if (v != *length)
			*signs |= NR_HTTP_SIGN(CL_DIFFERS);
		first = false;
		if (comma == n)
			return true;
		p += comma + 1;
		n -= comma + 1;
	}
}

static void content_length(struct nr_http_framing *f, const char *p, size_t n)
{
	uint64_t length = 0;
	unsigned signs = 0;

	if (!read_length(p, n, &length, &signs)) {
		f->signs |= signs;
		return;
	}
	if (f->has_length && f->length != length)
		signs |= NR_HTTP_SIGN(CL_DIFFERS);
	else if (!signs && (f->has_length || memchr(p, ',', n)))
		signs |= NR_HTTP_SIGN(CL_TWICE);
	f->signs |= signs;
	if (!f->has_length)
		f->length = length;
	f->has_length = true;
}

/* "chunked" with what is no token before or behind it, as some servers take it. */
static bool is_almost_chunked(struct nr_http_slice s)
{
	static const char chunked[] = "chunked";
	const size_t n = sizeof(chunked) - 1;

	if (s.n <= n)
		return false;
	return (!strncasecmp(s.p, chunked, n) && !is_token_char(s.p[n])) ||
	       (!strncasecmp(s.p + s.n - n, chunked, n) &&
		!is_token_char(s.p[s.n - n - 1]));
}

static void transfer_coding(struct nr_http_framing *f, struct nr_http_slice word)
{
	static const char *const plain[] = { "gzip", "x-gzip", "deflate", "compress",
					     "x-compress" };
	bool known = false;

	if (nr_http_is(word, "identity"))
		return;
	if (!word.n) { /* counts for nothing in a list (RFC 9110, 5.6.1.2) */
		f->signs |= NR_HTTP_SIGN(TE_ODD);
		return;
	}
	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++)
		known |= nr_http_is(word, plain[i]);
	if (f->chunked)
		f->signs |= NR_HTTP_SIGN(TE_NOT_LAST);
	f->has_te = true;
	f->chunked = nr_http_is(word, "chunked");
	if (!known && !f->chunked) {
		f->signs |= NR_HTTP_SIGN(TE_ODD);
		f->chunked = is_almost_chunked(word);
	}
}

static void transfer_encoding(struct nr_http_framing *f, const char *p, size_t n)
{
	for (;;) {
		size_t comma = until_comma(p, n);

		transfer_coding(f, trim_n(p, comma));
		if (comma == n)
			return;
		p += comma + 1;
		n -= comma + 1;
	}
}

static bool lists(struct nr_http_slice value, const char *word)
{
	while (value.n) {
		size_t comma = until_comma(value.p, value.n);
		size_t taken = comma < value.n ? comma + 1 : comma;

		if (nr_http_is(trim_n(value.p, comma), word))
			return true;
		value.p += taken;
		value.n -= taken;
	}
	return false;
}

void nr_http_framing_field(struct nr_http_framing *f, const struct nr_http_header *field)
{
	const unsigned form = NR_HTTP_SIGN(FOLD) | NR_HTTP_SIGN(COLON_SPACE) |
			      NR_HTTP_SIGN(BARE_CR) | NR_HTTP_SIGN(NUL);
	bool is_length = nr_http_is(field->name, "content-length");
	char value[VALUE_MAX] = { 0 };
	size_t n;

	if (nr_http_is(field->name, "connection"))
		f->closes |= lists(field->value, "close");
	if (!is_length && !nr_http_is(field->name, "transfer-encoding"))
		return;
	n = nr_http_unfold(field->value, value, sizeof(value));
	if (field->signs & form)
		f->signs |= NR_HTTP_SIGN(FRAMING_FORM);
	if (field->signs & NR_HTTP_SIGN(NAME))
		return; /* who looks for the name does not find it */
	if (is_length)
		content_length(f, value, n);
	else
		transfer_encoding(f, value, n);
	if (f->has_te && (f->has_length || f->signs & NR_HTTP_SIGN(CL_BAD)))
		f->signs |= NR_HTTP_SIGN(CL_AND_TE);
}

static unsigned hex(char c)
{
	return is_digit(c)            ? (unsigned)(c - '0')
	       : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
	       : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
				      : 16;
}

bool nr_http_may_begin_size(char c)
{
	return is_space(c) || hex(c) < 16;
}

bool nr_http_chunk_size(const char *line, size_t n, enum nr_http_around around,
			uint64_t *size, bool *odd)
{
	bool behind_zeros = around & NR_HTTP_BEHIND_ZEROS;
	size_t i = 0, digits;

	*size = 0;
	while (i < n && !behind_zeros && is_space(line[i]))
		i++;
	*odd = i > 0;
	for (digits = i; i < n; i++) {
		unsigned v = hex(line[i]);

		if (v == 16)
			break;
		if (*size >> 58)
			return false;
		*size = *size << 4 | v;
	}
	if ((i == digits && !behind_zeros) || (i == n && around & NR_HTTP_GOES_ON))
		return false;
	while (i < n && is_space(line[i]))
		i++;
	*odd |= i < n && line[i] != ';';
	return true;
}

struct nr_http_slice nr_http_authority(struct nr_http_slice method,
				       struct nr_http_slice target)
{
	const char *end = target.p + target.n, *p;

	if (!target.p || !target.n)
		return (struct nr_http_slice){ 0 };
	if (nr_http_is(method, "CONNECT")) {
		/* user information may hold blanks: see nr_http_host() */
		p = memrchr(target.p, '@', target.n);
		p = p ? p : target.p;
		p = memchr(p, ' ', (size_t)(end - p));
		if (p)
			target.n = (size_t)(p - target.p);
		return target;
	}
	p = memmem(target.p, target.n, "://", 3);
	if (!p || *target.p == '/' || memchr(target.p, '?', (size_t)(p - target.p)))
		return (struct nr_http_slice){ 0 };
	p += 3;
	target.p = p;
	while (p < end && *p != '/' && *p != '?' && *p != '#')
		p++;
	target.n = (size_t)(p - target.p);
	return target;
}

struct nr_http_slice nr_http_host(struct nr_http_slice a)
{
	const char *at = a.n ? memrchr(a.p, '@', a.n) : NULL;

	if (at) {
		a.n -= (size_t)(at + 1 - a.p);
		a.p = at + 1;
	}
	return a;
}
