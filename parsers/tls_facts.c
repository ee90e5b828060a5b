/* SPDX-License-Identifier: BSD-3-Clause */
/* What hellos say of a connection, and the row of table tls made of it. */
#include "tls.h"

#include "base/text.h"

#include <string.h>

static const char *const nr_values_tls_transport[] = { "tcp", "udp", "quic", NULL };
static const char *const nr_values_tls_role[] = { "client", "server", NULL };
static const char *const indexes[] = { "flow_id", NULL };

NR_TABLE_DEFINE(TLS, tls, NR_R_SESSION, indexes,
		"TLS, DTLS and QUIC handshakes, one row a connection", NR_FIELDS_TLS);

/* Replaces t by a copy of n bytes; false where the account is full. */
static bool keep(struct nr_parse *p, struct nr_tls_text *t, const void *from, size_t n)
{
	char *copy = nr_account_alloc(p->account, n + 1);

	if (!copy)
		return false;
	memcpy(copy, from, n);
	nr_account_free(p->account, t->p, t->p ? t->n + 1 : 0);
	*t = (struct nr_tls_text){ .p = copy, .n = (uint32_t)n };
	return true;
}

static bool keep_name(struct nr_parse *p, struct nr_tls_text *t, struct nr_tls_bytes name)
{
	if (!name.p)
		return true;
	return keep(p, t, name.p, name.n < NR_TLS_NAME_MAX ? name.n : NR_TLS_NAME_MAX);
}

/* The offered protocols as a JSON list, at most NR_TLS_NAME_MAX bytes of them. */
static bool keep_alpn_list(struct nr_parse *p, struct nr_tls_text *t,
			   struct nr_tls_bytes list)
{
	struct nr_buf b = { 0 };
	const char *sep = "";
	bool ok;

	nr_buf_char(&b, '[');
	while (list.n && b.len < NR_TLS_NAME_MAX) {
		struct nr_tls_bytes name = nr_tls_alpn_next(&list);

		if (!name.p)
			break;
		nr_buf_str(&b, sep);
		nr_buf_json(&b, (const char *)name.p, name.n);
		sep = ",";
	}
	nr_buf_char(&b, ']');
	ok = keep(p, t, b.p, b.len);
	nr_buf_fini(&b);
	return ok;
}

static void note_time(const struct nr_parse *p, struct nr_tls_facts *f)
{
	if (!nr_tls_facts_any(f))
		f->first_ns = p->ts_ns;
}

static bool keep_first_client(struct nr_parse *p, struct nr_tls_facts *f,
			      const struct nr_tls_client_hello *c)
{
	f->client_version = c->max_version;
	f->version_cut = false;
	f->ech = c->has_ech;
	f->early_data = c->has_early_data;
	nr_tls_ja3(f->ja3, c);
	nr_tls_ja4(f->ja4, c, f->transport);
	return keep_name(p, &f->server_name, c->server_name) &&
	       (!c->h.has_alpn || keep_alpn_list(p, &f->client_alpn, c->h.alpn));
}

enum nr_verdict nr_tls_facts_client(struct nr_parse *p, struct nr_tls_facts *f,
				    const uint8_t *body, size_t n)
{
	struct nr_tls_client_hello c;
	bool is_first = !f->client_hellos;

	if (!nr_tls_client_hello_read(&c, body, n, f->transport == NR_TLS_ON_UDP))
		return NR_MALFORMED;
	note_time(p, f);
	f->client_hellos++;
	f->client_id_len = (uint8_t)(c.h.session_id.n <= 32 ? c.h.session_id.n : 0);
	memcpy(f->client_id, c.h.session_id.p, f->client_id_len);
	f->client_ticket = c.has_ticket && !c.ticket_is_empty;
	f->client_early = c.has_early_data;
	return is_first && !keep_first_client(p, f, &c) ? NR_OVERFLOW : NR_MORE;
}

void nr_tls_facts_partial(struct nr_parse *p, struct nr_tls_facts *f, const uint8_t *body,
			  size_t n)
{
	struct nr_tls_client_hello c;

	f->incomplete = true;
	note_time(p, f);
	if (!nr_tls_client_hello_read(&c, body, n, f->transport == NR_TLS_ON_UDP))
		return;
	keep_first_client(p, f, &c);
	f->version_cut = !c.versions.p;
	f->ja3[0] = f->ja4[0] = '\0';
}

/* TLS 1.2 and before: the server repeats the session's id. TLS 1.3: it takes the key. */
static bool is_resumed(const struct nr_tls_facts *f, const struct nr_tls_server_hello *s)
{
	if (nr_tls_is_13(s->chosen))
		return s->has_psk;
	return f->client_id_len && s->h.session_id.n == f->client_id_len &&
	       !memcmp(s->h.session_id.p, f->client_id, f->client_id_len);
}

enum nr_verdict nr_tls_facts_server(struct nr_parse *p, struct nr_tls_facts *f,
				    const uint8_t *body, size_t n)
{
	struct nr_tls_server_hello s;
	struct nr_tls_bytes alpn;

	if (!nr_tls_server_hello_read(&s, body, n))
		return NR_MALFORMED;
	note_time(p, f);
	if (!f->server_hellos)
		nr_tls_ja3s(f->ja3s, &s);
	f->server_hellos++;
	f->is_retry = s.is_retry;
	f->version = s.chosen;
	f->cipher = s.cipher;
	f->has_cipher = true;
	if (s.group)
		f->group = s.group;
	f->resumed = !s.is_retry && is_resumed(f, &s);
	alpn = nr_tls_alpn_next(&s.h.alpn);
	return s.h.has_alpn && !keep_name(p, &f->alpn, alpn) ? NR_OVERFLOW : NR_MORE;
}

static void put_certs(struct nr_parse *p, struct nr_record *r, unsigned field,
		      const struct nr_tls_facts *f, unsigned who)
{
	/* each 64 digits, quotes and a comma */
	char *json = nr_arena_alloc(p->arena, 3 + f->n_certs[who] * 67u), *to = json;

	if (!f->n_certs[who])
		return;
	*to++ = '[';
	for (unsigned i = 0; i < f->n_certs[who]; i++) {
		if (i)
			*to++ = ',';
		*to++ = '"';
		nr_hex_format(to, f->certs[who][i], NR_TLS_DIGEST);
		to += 2 * NR_TLS_DIGEST;
		*to++ = '"';
	}
	*to++ = ']';
	nr_set_text(r, field, json, (size_t)(to - json));
}

static void put_text(struct nr_parse *p, struct nr_record *r, unsigned field,
		     const struct nr_tls_text *t)
{
	nr_parse_text(p, r, field, t->p, t->n);
}

static void put_name(struct nr_parse *p, struct nr_record *r, unsigned field,
		     const char *name)
{
	nr_parse_str(p, r, field, *name ? name : NULL);
}

static void put_alert(struct nr_parse *p, struct nr_record *r,
		      const struct nr_tls_facts *f)
{
	const char *name = nr_tls_alert_name(f->alert);
	const char *level = f->alert_level == 1   ? "warning"
			    : f->alert_level == 2 ? "fatal"
						  : "unknown";

	if (!f->has_alert)
		return;
	nr_set_str(r, NR_TLS_alert,
		   name ? nr_arena_printf(p->arena, "%s %s", level, name)
			: nr_arena_printf(p->arena, "%s %u", level, f->alert));
	nr_set_str(r, NR_TLS_alert_from, nr_values_tls_role[!f->alert_is_client]);
}

static void put_client(struct nr_parse *p, struct nr_record *r,
		       const struct nr_tls_facts *f)
{
	char room[NR_TLS_NUMBER * 3];

	if (!f->version_cut)
		nr_parse_str(p, r, NR_TLS_client_version,
			     nr_tls_version_name(room, f->client_version));
	put_text(p, r, NR_TLS_server_name, &f->server_name);
	put_text(p, r, NR_TLS_client_alpn, &f->client_alpn);
	put_name(p, r, NR_TLS_ja3, f->ja3);
	put_name(p, r, NR_TLS_ja4, f->ja4);
	nr_set_int(r, NR_TLS_ech, f->ech);
	nr_set_int(r, NR_TLS_early_data, f->early_data);
}

static void put_server(struct nr_parse *p, struct nr_record *r,
		       const struct nr_tls_facts *f)
{
	char room[NR_TLS_NUMBER * 3];

	nr_parse_str(p, r, NR_TLS_version, nr_tls_version_name(room, f->version));
	nr_set_str(r, NR_TLS_cipher, f->ssl2_cipher);
	if (f->has_cipher)
		nr_parse_str(p, r, NR_TLS_cipher, nr_tls_cipher_name(room, f->cipher));
	if (f->group)
		nr_parse_str(p, r, NR_TLS_group_name, nr_tls_group_name(room, f->group));
	put_text(p, r, NR_TLS_alpn, &f->alpn);
	put_name(p, r, NR_TLS_ja3s, f->ja3s);
	nr_set_int(r, NR_TLS_resumed, f->resumed);
	if (!nr_tls_is_13(f->version))
		nr_set_int(r, NR_TLS_client_cert, f->n_certs[1] > 0);
}

void nr_tls_facts_row(struct nr_parse *p, const struct nr_tls_facts *f)
{
	struct nr_record *r = nr_parse_record(p, &nr_rt_tls);

	nr_set_str(r, NR_TLS_transport, nr_values_tls_transport[f->transport]);
	nr_set_int(r, NR_TLS_first_ns, f->first_ns);
	if (f->client_hellos || f->client_version)
		put_client(p, r, f);
	if (f->server_hellos)
		put_server(p, r, f);
	nr_set_int(r, NR_TLS_client_hellos, f->client_hellos);
	nr_set_int(r, NR_TLS_server_hellos, f->server_hellos);
	nr_set_int(r, NR_TLS_established, f->established);
	if (f->transport == NR_TLS_ON_TCP)
		nr_set_int(r, NR_TLS_starttls, f->starttls);
	put_alert(p, r, f);
	put_certs(p, r, NR_TLS_certificates, f, 0);
	put_certs(p, r, NR_TLS_client_certificates, f, 1);
	nr_set_int(r, NR_TLS_complete, !f->incomplete);
}

void nr_tls_facts_free(struct nr_parse *p, struct nr_tls_facts *f)
{
	struct nr_tls_text *texts[] = { &f->server_name, &f->client_alpn, &f->alpn };

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		nr_account_free(p->account, texts[i]->p,
				texts[i]->p ? texts[i]->n + 1 : 0);
	for (unsigned who = 0; who < 2; who++)
		nr_account_free(p->account, f->certs[who],
				f->certs[who] ? NR_TLS_CERTS_MAX * NR_TLS_DIGEST : 0);
	*f = (struct nr_tls_facts){ .transport = f->transport };
}
