/* SPDX-License-Identifier: BSD-3-Clause */
/* Transactions to rows of http and credential, and what is odd in heads. */
#include "http.h"

#include "base/text.h"
#include "credential.h"

#include <string.h>

static const char *const indexes[] = { "flow_id", NULL };

NR_TABLE_DEFINE(HTTP, http, NR_R_SESSION, indexes,
		"HTTP/1 requests and their responses (RFC 9112); SSDP over UDP",
		NR_FIELDS_HTTP);

enum {
	SECRET_MAX = 4096,
	PART_MIN = 4, /* shorter parts of a folded secret are everywhere */
};

/* A value on one line: as it stands, or unfolded in the arena. */
static struct nr_http_slice one_line(struct nr_parse *p, struct nr_http_slice v)
{
	char *copy;

	if (!v.n || !memchr(v.p, '\n', v.n))
		return v;
	copy = nr_arena_alloc(p->arena, v.n);
	v.n = nr_http_unfold(v, copy, v.n);
	nr_http_hide_folded(p, copy, v.n);
	v.p = copy;
	return v;
}

/* A line without a colon is parted behind its first word: it may be a secret's name. */
static void part_line(struct nr_http_header *f)
{
	const char *space = f->name.n ? memchr(f->name.p, ' ', f->name.n) : NULL;

	if (!(f->signs & NR_HTTP_SIGN(NO_COLON)) || !space)
		return;
	f->value = (struct nr_http_slice){ space + 1,
					   f->name.n - (size_t)(space + 1 - f->name.p) };
	f->name.n = (size_t)(space - f->name.p);
}

/*
 * What was hidden in a value that was folded on the wire stands there in parts: each is
 * told, so that who shows the wire can hide it.
 */
static void tell_parts(struct nr_parse *p, struct nr_http_slice wire, const char *masked,
		       size_t n)
{
	const char *at = wire.p, *end = wire.p + wire.n;

	if (!p->options->secret_seen || !memchr(masked, '*', n))
		return;
	while (at < end) {
		const char *part = at;

		while (at<end && * at> ' ')
			at++;
		if (at - part >= PART_MIN)
			p->options->secret_seen(p->options->secret_arg, p->flow_id,
						(const uint8_t *)part,
						(size_t)(at - part));
		while (at < end && *at <= ' ')
			at++;
	}
}

/* The value on one line, secrets masked. */
static const char *masked_value(struct nr_parse *p, const struct nr_http_header *f,
				size_t *n)
{
	struct nr_http_slice v = one_line(p, f->value);
	const char *masked = nr_http_mask_value(p, f->name, v.p ? v.p : "", v.n);

	if (v.p != f->value.p)
		tell_parts(p, f->value, masked, v.n);
	*n = v.n;
	return masked;
}

void nr_http_tell_dropped(struct nr_parse *p, const struct nr_http_header *f)
{
	size_t n;

	if (p->options->secret_seen)
		masked_value(p, f, &n);
}

char *nr_http_fields_json(struct nr_parse *p, const struct nr_http_head *head,
			  uint32_t from, uint32_t to, size_t *n)
{
	const char *at = (const char *)head->p + from, *end = (const char *)head->p + to;
	struct nr_http_header f;
	struct nr_buf b = { 0 };
	char *json;

	nr_buf_char(&b, '[');
	while (head->p && nr_http_field_next(&at, end, &f)) {
		const char *value;
		size_t value_len;

		part_line(&f);
		value = masked_value(p, &f, &value_len);
		nr_buf_str(&b, b.len > 1 ? ",[" : "[");
		nr_buf_json(&b, f.name.p, f.name.n);
		nr_buf_char(&b, ',');
		nr_buf_json(&b, value, value_len);
		nr_buf_char(&b, ']');
	}
	nr_buf_char(&b, ']');
	*n = b.len;
	json = nr_arena_copy(p->arena, b.p, b.len);
	nr_buf_fini(&b);
	return json;
}

static void set_fields(struct nr_parse *p, struct nr_record *r, unsigned fields,
		       unsigned trailers, const struct nr_http_head *head)
{
	uint32_t end = head->trailers_at ? head->trailers_at : head->len;
	size_t n;
	char *json = nr_http_fields_json(p, head, head->fields_at, end, &n);

	nr_set_text(r, fields, json, n);
	if (head->trailers_at && head->trailers_at < head->len) {
		json = nr_http_fields_json(p, head, end, head->len, &n);
		nr_set_text(r, trailers, json, n);
	}
}

/* Columns that are a field's value, by the message that has it. */
struct column {
	const char *name;
	unsigned field;
};

static const struct column request_columns[] = {
	{ "user-agent", NR_HTTP_user_agent },
	{ "referer", NR_HTTP_referer },
	{ "content-type", NR_HTTP_request_content_type },
	{ NULL, 0 },
};
static const struct column response_columns[] = {
	{ "content-type", NR_HTTP_response_content_type },
	{ "content-encoding", NR_HTTP_response_encoding },
	{ "location", NR_HTTP_location },
	{ NULL, 0 },
};

/* Fields with a meaning of their own. */
struct found {
	struct nr_http_slice host, upgrade, authorization, proxy_authorization;
};

static void set_columns(struct nr_parse *p, struct nr_record *r,
			const struct nr_http_head *head, const struct column *columns,
			struct found *found)
{
	uint32_t to = head->trailers_at ? head->trailers_at : head->len;
	const char *at = (const char *)head->p + head->fields_at;
	const char *end = (const char *)head->p + to;
	struct nr_http_header f;

	while (nr_http_field_next(&at, end, &f)) {
		struct nr_http_slice v = one_line(p, f.value);

		if (nr_http_is(f.name, "host") && !found->host.p)
			found->host = v;
		else if (nr_http_is(f.name, "upgrade") && !found->upgrade.p)
			found->upgrade = v;
		else if (nr_http_is(f.name, "authorization") && !found->authorization.p)
			found->authorization = v;
		else if (nr_http_is(f.name, "proxy-authorization"))
			found->proxy_authorization = v;
		for (const struct column *c = columns; c->name; c++) {
			if (r->v[c->field].kind == NR_V_NULL &&
			    nr_http_is(f.name, c->name))
				nr_set_text(r, c->field,
					    nr_http_mask_value(p, f.name, v.p, v.n), v.n);
		}
	}
}

static struct nr_http_start start_line(const struct nr_http_head *head)
{
	size_t n = head->fields_at;

	if (n && head->p[n - 1] == '\n')
		n--;
	if (n && head->p[n - 1] == '\r')
		n--;
	return nr_http_start_line((const char *)head->p, n);
}

/* Authentication */

static uint64_t fold_hash(uint64_t hash, const void *data, size_t n)
{
	const uint8_t *p = data;

	for (size_t i = 0; i < n; i++)
		hash = (hash ^ p[i]) * 0x100000001b3u;
	return hash;
}

/* "scheme rest"; whether it is that scheme, with the rest. */
static bool is_scheme(struct nr_http_slice v, const char *scheme,
		      struct nr_http_slice *rest)
{
	const char *space = v.n ? memchr(v.p, ' ', v.n) : NULL;

	if (!space)
		return false;
	*rest = (struct nr_http_slice){ space + 1, v.n - (size_t)(space + 1 - v.p) };
	while (rest->n && *rest->p == ' ') {
		rest->p++;
		rest->n--;
	}
	v.n = (size_t)(space - v.p);
	return nr_http_is(v, scheme);
}

/* The same secret with the same success again is not another row. */
static bool is_said(struct nr_http *h, struct nr_http_slice value, int success)
{
	uint64_t hash = fold_hash(0xcbf29ce484222325u, value.p, value.n);

	hash = (hash ^ (uint64_t)(success + 2)) * 0x100000001b3u;
	if (hash == h->said_secret)
		return true;
	h->said_secret = hash;
	return false;
}

static void basic(struct nr_parse *p, struct nr_http *h, struct nr_record *r,
		  struct nr_http_slice value, struct nr_http_slice b64, int success)
{
	uint8_t *text;
	const uint8_t *colon;
	struct nr_credential c = { .service = "http", .mechanism = "basic" };
	ptrdiff_t n;

	text = nr_arena_alloc(p->arena, SECRET_MAX);
	n = nr_base64_decode(text, SECRET_MAX, b64.p, b64.n);
	colon = n > 0 ? memchr(text, ':', (size_t)n) : NULL;
	if (!colon)
		return;
	c.user = text;
	c.user_len = (size_t)(colon - text);
	c.secret = colon + 1;
	c.secret_len = (size_t)n - c.user_len - 1;
	c.success = success;
	nr_set_text(r, NR_HTTP_user, (const char *)text, c.user_len);
	if (!is_said(h, value, success))
		nr_credential(p, &c);
}

/* username="…" of Digest (RFC 7616). */
static void digest(struct nr_parse *p, struct nr_record *r, struct nr_http_slice rest)
{
	static const char want[] = "username=\"";
	const char *at = memmem(rest.p, rest.n, want, sizeof(want) - 1), *quote;
	const char *end = rest.p + rest.n;

	if (!at)
		return;
	at += sizeof(want) - 1;
	quote = memchr(at, '"', (size_t)(end - at));
	if (quote)
		nr_parse_text(p, r, NR_HTTP_user, at, (size_t)(quote - at));
}

static void authenticate(struct nr_parse *p, struct nr_http *h, struct nr_record *r,
			 struct nr_http_slice value, const struct nr_http_message *resp,
			 int refused)
{
	struct nr_http_slice rest;
	int success = !resp->seen || resp->status < 0 ? -1 : resp->status != refused;

	if (is_scheme(value, "basic", &rest))
		basic(p, h, r, value, rest, success);
	else if (is_scheme(value, "digest", &rest))
		digest(p, r, rest);
}

/* The row */

static void set_version(struct nr_parse *p, struct nr_record *r, unsigned field,
			struct nr_http_slice version)
{
	if (version.n)
		nr_parse_text(p, r, field, version.p, version.n);
}

static void set_host(struct nr_parse *p, struct nr_record *r, struct nr_http_slice field,
		     struct nr_http_slice authority)
{
	struct nr_http_slice host = nr_http_host(field.n ? field : authority);

	if (host.n)
		nr_parse_text(p, r, NR_HTTP_host, host.p, host.n);
}

static void set_request(struct nr_parse *p, struct nr_http *h, struct nr_record *r,
			const struct nr_http_tx *tx)
{
	const struct nr_http_message *m = &tx->msg[NR_HTTP_REQ];
	struct nr_http_start s = start_line(&m->head);
	struct found found = { 0 };

	nr_parse_text(p, r, NR_HTTP_method, s.method.p, s.method.n);
	if (s.target.n)
		nr_set_text(r, NR_HTTP_uri, nr_http_mask_target(p, s.method, s.target),
			    s.target.n);
	if (m->old)
		nr_set_str(r, NR_HTTP_request_version, "0.9");
	set_version(p, r, NR_HTTP_request_version, s.version);
	set_columns(p, r, &m->head, request_columns, &found);
	set_host(p, r, found.host, nr_http_authority(s.method, s.target));
	set_fields(p, r, NR_HTTP_request_headers, NR_HTTP_request_trailers, &m->head);
	nr_set_int(r, NR_HTTP_request_body_bytes, (int64_t)m->body);
	nr_set_int(r, NR_HTTP_request_ns, m->first_ns);
	authenticate(p, h, r, found.authorization, &tx->msg[NR_HTTP_RESP], 401);
	authenticate(p, h, r, found.proxy_authorization, &tx->msg[NR_HTTP_RESP], 407);
}

static void set_response(struct nr_parse *p, struct nr_record *r,
			 const struct nr_http_tx *tx)
{
	const struct nr_http_message *m = &tx->msg[NR_HTTP_RESP];
	struct found found = { 0 };
	struct nr_http_start s;

	nr_set_int(r, NR_HTTP_response_body_bytes, (int64_t)m->body);
	nr_set_int(r, NR_HTTP_response_ns, m->first_ns);
	if (m->old)
		return;
	s = start_line(&m->head);
	if (m->status >= 0)
		nr_set_int(r, NR_HTTP_status, m->status);
	nr_parse_text(p, r, NR_HTTP_reason, s.reason.p, s.reason.n);
	set_version(p, r, NR_HTTP_response_version, s.version);
	set_columns(p, r, &m->head, response_columns, &found);
	set_fields(p, r, NR_HTTP_response_headers, NR_HTTP_response_trailers, &m->head);
	if (m->status == 101 && found.upgrade.n)
		nr_parse_text(p, r, NR_HTTP_upgrade, found.upgrade.p, found.upgrade.n);
	else if (tx->msg[NR_HTTP_REQ].is_connect && m->status >= 200 && m->status < 300)
		nr_set_str(r, NR_HTTP_upgrade, "connect");
}

static bool is_whole(const struct nr_http_message *m)
{
	return m->seen ? !m->open && !m->broken && !m->missed : !m->broken;
}

void nr_http_row(struct nr_parse *p, struct nr_http *h, const struct nr_http_tx *tx)
{
	struct nr_record *r = nr_parse_record(p, &nr_rt_http);
	const struct nr_http_message *req = &tx->msg[NR_HTTP_REQ];
	const struct nr_http_message *resp = &tx->msg[NR_HTTP_RESP];

	nr_set_int(r, NR_HTTP_complete, is_whole(req) && is_whole(resp));
	nr_set_int(r, NR_HTTP_trans_depth, (int64_t)tx->depth);
	nr_set_int(r, NR_HTTP_missed_bytes, (int64_t)(req->missed + resp->missed));
	if (tx->interim_len)
		nr_set_str(r, NR_HTTP_interim,
			   nr_arena_printf(p->arena, "[%.*s]", (int)tx->interim_len,
					   tx->interim));
	if (resp->seen)
		set_response(p, r, tx);
	if (req->seen)
		set_request(p, h, r, tx);
}

/* What is odd */

static void say(struct nr_parse *p, int side, uint64_t depth, unsigned which,
		unsigned signs, bool of_length)
{
	struct nr_buf b = { 0 };
	const char *sep = "";

	for (unsigned i = 0; i < NR_HTTP_N_SIGNS; i++) {
		if (!(signs >> i & 1) || nr_http_sign[i].of_length != of_length)
			continue;
		nr_buf_printf(&b, "%s\"%s\"", sep, nr_http_sign[i].text);
		sep = ",";
	}
	if (b.len)
		nr_parse_anomaly(
			p, of_length ? NR_ANOM_HTTP_LENGTH : NR_ANOM_HTTP_SYNTAX, side,
			nr_arena_printf(p->arena,
					"{\"trans_depth\":%llu,\"message\":\"%s\","
					"\"signs\":[%s]}",
					(unsigned long long)depth,
					which == NR_HTTP_REQ ? "request" : "response",
					b.p));
	nr_buf_fini(&b);
}

void nr_http_say_signs(struct nr_parse *p, int side, uint64_t depth, unsigned which,
		       struct nr_http_message *m)
{
	unsigned signs = m->signs & ~m->said;

	m->said |= signs;
	say(p, side, depth, which, signs, true);
	say(p, side, depth, which, signs, false);
	if (m->head.cut && !m->cut_said) {
		m->cut_said = true;
		nr_parse_anomaly(p, NR_ANOM_HTTP_LIMIT, side,
				 nr_arena_printf(p->arena,
						 "{\"what\":\"head\",\"value\":%u,"
						 "\"trans_depth\":%llu,"
						 "\"bytes_dropped\":%llu}",
						 m->head.len, (unsigned long long)depth,
						 (unsigned long long)m->head.cut));
	}
}
