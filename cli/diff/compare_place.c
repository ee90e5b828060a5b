/* SPDX-License-Identifier: BSD-3-Clause */
/* What a row is, for a person: its flow, and the first of what it says. */
#include "diff/compare_internal.h"

#include <string.h>

enum { N_SAID = 3, SAID_MAX = 60 }; /* values of a row; bytes of each */

static void add_end(struct nr_buf *b, const char *ip, const char *port)
{
	bool is_6 = ip && strchr(ip, ':') && port;

	nr_buf_printf(b, "%s%s%s%s%s", is_6 ? "[" : "", ip ? ip : "?", is_6 ? "]" : "",
		      port ? ":" : "", port ? port : "");
}

static void add_flow(struct nr_cmp *c, int side, int64_t flow_id, struct nr_buf *b)
{
	static const char sql[] =
		"SELECT proto, src_ip, src_port, dst_ip, dst_port, vlan, tunnel"
		" FROM main.flow WHERE flow_id = ?1";
	sqlite3_stmt **st = &c->flow_text[side];
	const char *s[7];

	if (!*st && sqlite3_prepare_v2(c->db[side], sql, -1, st, NULL))
		return;
	sqlite3_bind_int64(*st, 1, flow_id);
	if (sqlite3_step(*st) == SQLITE_ROW) {
		for (int i = 0; i < 7; i++)
			s[i] = (const char *)sqlite3_column_text(*st, i);
		nr_buf_printf(b, "%s ", s[0] ? s[0] : "?");
		add_end(b, s[1], s[2]);
		nr_buf_str(b, " → ");
		add_end(b, s[3], s[4]);
		if (s[5])
			nr_buf_printf(b, " vlan %s", s[5]);
		if (s[6])
			nr_buf_printf(b, " in %s", s[6]);
	}
	sqlite3_reset(*st);
}

/* Texts say more than numbers; what is long, or true or false, says little here. */
static bool is_said(const struct nr_cmp_column *k, const struct nr_value *v)
{
	if (!strcmp(k->field->name, "packet") || k->is_ns || k->id != NR_DBSET_NO_ID ||
	    v->kind == NR_V_NULL)
		return false;
	if (v->kind == NR_V_INT)
		return k->field->type == NR_F_INT;
	return k->field->type == NR_F_TEXT && v->len;
}

static void add_row(const struct nr_cmp_table *t, const struct nr_cmp_row *r,
		    struct nr_buf *b)
{
	int n = 0;

	for (unsigned i = 0; i < t->n && n < N_SAID; i++) {
		const struct nr_value *v = &r->raw[i];
		uint32_t len = v->len;

		if (!is_said(&t->column[i], v))
			continue;
		nr_buf_printf(b, "%s%s ", n++ ? ", " : "", t->column[i].field->name);
		if (v->kind == NR_V_INT) {
			nr_buf_int(b, v->i);
			continue;
		}
		if (len > SAID_MAX)
			for (len = SAID_MAX; len && (v->p[len] & 0xc0) == 0x80; len--)
				;
		nr_buf_add(b, v->p, len);
		nr_buf_str(b, len < v->len ? "…" : "");
	}
}

static const struct nr_value *raw(const struct nr_cmp_table *t,
				  const struct nr_cmp_row *r, const char *name)
{
	for (unsigned i = 0; i < t->n; i++)
		if (!strcmp(t->column[i].field->name, name))
			return &r->raw[i];
	return NULL;
}

static void describe(void *arg, struct nr_buf *flow, struct nr_buf *row)
{
	const struct nr_cmp_side *s = arg;
	const struct nr_cmp_table *t = s->c->t;
	const struct nr_cmp_row *r = &t->row[s->side];
	const struct nr_value *id = raw(t, r, "flow_id");

	if (!id)
		id = raw(t, r, "first_flow_id");
	if (id && id->kind == NR_V_INT)
		add_flow(s->c, s->side, id->i, flow);
	if (t->map != &s->c->flows)
		add_row(t, r, row);
}

struct nr_diff_place nr_cmp_place(struct nr_cmp *c, int side, struct nr_cmp_side *arg)
{
	const struct nr_cmp_table *t = c->t;
	const struct nr_cmp_row *r = &t->row[side];
	const struct nr_value *source = raw(t, r, "source_id"), *packet;
	struct nr_diff_place p = {
		.at = { .i = r->rowid, .kind = NR_V_INT },
		.describe = describe,
		.arg = arg,
	};

	packet = raw(t, r, "packet");
	if (source)
		p.source_id = *source;
	if (packet)
		p.packet = *packet;
	if (t->time >= 0 && r->raw)
		p.ts_ns = r->raw[t->time];
	return p;
}
