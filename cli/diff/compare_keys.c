/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What rows of a table are recognised by.
 *
 * A key is words: names of columns; @flow, protocol, addresses and ports without regard
 * to the side, VLANs and tunnel; @level, the flow's nesting in tunnels; @content, all
 * that is compared but flow, source, packet and time; @steady, all that equal rows share
 * but times; @time, which is no part of the key: rows meet only within the tolerance.
 * !column: rows in which it is NULL do not take part.
 */
#include "diff/compare_internal.h"

#include "record/tables.h"

#include <string.h>

/* Flows of one key that begin so near are the same one, whatever else has changed. */
#define NEAR_NS (60 * INT64_C(1000000000))

struct keys {
	const char *type;
	const char *keys[NR_CMP_KEYS];
};

static const struct keys keys[] = {
	{ "flow", { "@flow @time", "@flow", "first_ns @level" } },
	{ "source", { "!sha256 name", "!sha256", "name", "run_id" } },
	{ "ledger",
	  { "source_id bucket detail", "source_id bucket", "bucket detail packets",
	    "source_id packets wire_bytes" } },
	{ "flow_packets",
	  { "flow_id source_id seq", "flow_id seq", "flow_id blob",
	    "source_id seq blob" } },
	{ "tunnel",
	  { "source_id kind src_ip dst_ip id @time", "kind src_ip dst_ip id",
	    "source_id first_ns last_ns packets" } },
	{ "certificate",
	  { "!sha256", "first_flow_id source_id packet serial",
	    "issuer serial not_after_ns" } },
	{ "source_block", { "source_id record", "source_id offset", "record offset" } },
	{ "interface", { "source_id interface_id", "source_id name", "interface_id" } },
	{ "comment", { "source_id packet", "source_id text", "packet text" } },
	{ "name",
	  { "source_id address origin", "source_id address", "source_id name",
	    "address name" } },
	{ "capture_stats",
	  { "source_id interface_id from_ns", "source_id interface_id",
	    "source_id from_ns", "interface_id from_ns" } },
	{ "run", { "run_id" } },
};

static const char *const session_keys[NR_CMP_KEYS] = {
	"flow_id source_id packet @time", /* what it says has changed */
	"flow_id @content @time",         /* its packet has another number */
	"flow_id @content",
	"flow_id source_id packet",
	"flow_id @time",
	"source_id packet @content", /* it belongs to another flow */
};

/* A table that this file does not know: what its first columns name. */
static const char *const other_keys[NR_CMP_KEYS] = { "@content" };

const char *const *nr_cmp_keys_of(const struct nr_record_type *t)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (!strcmp(keys[i].type, t->name))
			return keys[i].keys;
	return t->flags & NR_R_SESSION ? session_keys : other_keys;
}

static void add_value(struct nr_buf *b, const struct nr_value *v)
{
	nr_buf_char(b, (char)v->kind);
	if (v->kind == NR_V_INT) {
		nr_buf_add(b, &v->i, sizeof(v->i));
	} else if (v->kind == NR_V_TEXT) {
		nr_buf_add(b, &v->len, sizeof(v->len));
		nr_buf_add(b, v->p, v->len);
	}
}

static int64_t hash(const struct nr_cmp *c, const struct nr_buf *b)
{
	return (int64_t)nr_siphash(c->key[0], b->p ? b->p : "", b->len);
}

static const struct nr_value *value(const struct nr_cmp_table *t,
				    const struct nr_cmp_row *r, const char *name,
				    size_t n)
{
	static const struct nr_value null;

	for (unsigned i = 0; i < t->n; i++)
		if (!strncmp(t->column[i].field->name, name, n) &&
		    !t->column[i].field->name[n])
			return &r->v[i];
	return &null; /* an older database does not have it */
}

/* Either side first: the lower hash of an address and its port. */
static void add_flow(struct nr_cmp *c, const struct nr_cmp_row *r)
{
	static const char *const common[] = { "proto", "vlan", "tunnel" };
	static const char *const ends[2][2] = { { "src_ip", "src_port" },
						{ "dst_ip", "dst_port" } };
	struct nr_buf *b = &c->scratch;
	size_t before = b->len;
	int64_t h[2], low, high;

	for (int i = 0; i < 2; i++) {
		for (int k = 0; k < 2; k++)
			add_value(b, value(c->t, r, ends[i][k], strlen(ends[i][k])));
		h[i] = (int64_t)nr_siphash(c->key[1], b->p + before, b->len - before);
		b->len = before;
	}
	low = h[0] < h[1] ? h[0] : h[1];
	high = h[0] < h[1] ? h[1] : h[0];
	nr_buf_add(b, &low, sizeof(low));
	nr_buf_add(b, &high, sizeof(high));
	for (size_t i = 0; i < sizeof(common) / sizeof(*common); i++)
		add_value(b, value(c->t, r, common[i], strlen(common[i])));
}

static bool is_word(const char *word, size_t n, const char *name)
{
	return strlen(name) == n && !memcmp(word, name, n);
}

/* One word's part of the key; false where the row has none. */
static bool add_word(struct nr_cmp *c, const char *word, size_t n,
		     const struct nr_cmp_row *r)
{
	const struct nr_cmp_table *t = c->t;
	const struct nr_value *v;
	bool content = is_word(word, n, "@content"), steady = is_word(word, n, "@steady");

	if (is_word(word, n, "@time"))
		return true;
	if (is_word(word, n, "@flow")) {
		add_flow(c, r);
	} else if (is_word(word, n, "@level")) {
		nr_buf_char(&c->scratch, (char)(r->rowid & 15));
	} else if (content || steady) {
		for (unsigned i = 0; i < t->n; i++) {
			const struct nr_cmp_column *k = &t->column[i];

			if (content ? k->is_equal_key && !k->is_place
				    : k->is_equal_key && !k->is_ns)
				add_value(&c->scratch, &r->v[i]);
		}
	} else {
		bool needed = *word == '!';

		v = value(t, r, word + needed, n - needed);
		add_value(&c->scratch, v);
		return !needed || v->kind != NR_V_NULL;
	}
	return true;
}

bool nr_cmp_key(struct nr_cmp *c, const char *words, const struct nr_cmp_row *r,
		int64_t *key)
{
	nr_buf_clear(&c->scratch);
	for (const char *p = words; *p; p += strspn(p, " ")) {
		size_t n = strcspn(p, " ");

		if (!add_word(c, p, n, r))
			return false;
		p += n;
	}
	*key = hash(c, &c->scratch);
	return true;
}

bool nr_cmp_key_is_timed(const char *words)
{
	return strstr(words, "@time") != NULL;
}

static bool is_equal(const struct nr_value *a, const struct nr_value *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == NR_V_TEXT)
		return a->len == b->len && (!a->len || !memcmp(a->p, b->p, a->len));
	return a->kind == NR_V_NULL || a->i == b->i;
}

/* Is at most half of what is known of the rows different? */
static bool is_mostly_equal(const struct nr_cmp_table *t, size_t n_different)
{
	size_t n = 0;

	for (unsigned i = 0; i < t->n; i++)
		n += t->column[i].is_compared && (t->row[0].v[i].kind != NR_V_NULL ||
						  t->row[1].v[i].kind != NR_V_NULL);
	return n_different <= 1 || 2 * n_different <= n;
}

/* Of seven parts of a flow's key two may have changed. */
static bool is_almost_one_key(const struct nr_cmp_table *t)
{
	static const char *const parts[] = { "proto",    "src_ip", "src_port", "dst_ip",
					     "dst_port", "vlan",   "tunnel" };
	size_t n = 0;

	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		n += !is_equal(value(t, &t->row[0], parts[i], strlen(parts[i])),
			       value(t, &t->row[1], parts[i], strlen(parts[i])));
	return n <= 2;
}

static bool is_near(const struct nr_cmp_table *t)
{
	const struct nr_value *a = &t->row[0].v[t->time], *b = &t->row[1].v[t->time];

	return a->kind == NR_V_INT && b->kind == NR_V_INT &&
	       (a->i < b->i ? (uint64_t)b->i - (uint64_t)a->i
			    : (uint64_t)a->i - (uint64_t)b->i) <= NEAR_NS;
}

/*
 * Rows without a flow that only happen to share a packet's number, flows that only begin
 * at the same time, and flows that use a key again later are not one thing that changed.
 */
bool nr_cmp_is_likely(const struct nr_cmp *c, const char *words, size_t n_different)
{
	const struct nr_cmp_table *t = c->t;

	if (!strcmp(words, "first_ns @level"))
		return is_almost_one_key(t);
	if (!strcmp(words, "@flow"))
		return is_near(t) || is_mostly_equal(t, n_different);
	if (t->type->flags & NR_R_SESSION &&
	    value(t, &t->row[0], "flow_id", 7)->kind == NR_V_NULL)
		return is_mostly_equal(t, n_different);
	return true;
}

static struct nr_value value_of(sqlite3_value *v)
{
	struct nr_value out = { .kind = NR_V_NULL };

	switch (sqlite3_value_type(v)) {
	case SQLITE_NULL:
		return out;
	case SQLITE_INTEGER:
		out.i = sqlite3_value_int64(v);
		out.kind = NR_V_INT;
		return out;
	default:
		out.p = sqlite3_value_blob(v);
		out.len = (uint32_t)sqlite3_value_bytes(v);
		out.kind = NR_V_TEXT;
		return out;
	}
}

int64_t nr_cmp_mapped(struct nr_cmp *c, enum nr_dbset_id id, int64_t v)
{
	struct nr_cmp_map *m = id == NR_DBSET_FLOW     ? &c->flows
			       : id == NR_DBSET_SOURCE ? &c->sources
						       : NULL;
	int rc;

	if (!m || !m->is_filled)
		return v;
	if (m->has_last && m->last_b == v)
		return m->last_a;
	sqlite3_bind_int64(m->find, 1, v);
	rc = sqlite3_step(m->find);
	m->last_b = v;
	m->last_a = rc == SQLITE_ROW ? sqlite3_column_int64(m->find, 0) : v;
	m->has_last = true;
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		c->failed = rc;
	sqlite3_reset(m->find);
	return m->last_a;
}

static void fn_row(sqlite3_context *ctx, int n, sqlite3_value **argv)
{
	struct nr_cmp_side *s = sqlite3_user_data(ctx);
	struct nr_cmp *c = s->c;
	const struct nr_cmp_table *t = c->t;
	struct nr_buf *b = &c->scratch;
	uint64_t h[2];

	nr_buf_clear(b);
	for (int i = 0; i < n; i++) {
		const struct nr_cmp_column *k = &t->column[i];
		struct nr_value v;

		if (!k->is_equal_key)
			continue;
		v = value_of(argv[i]);
		if (s->side && v.kind == NR_V_INT && k->id != NR_DBSET_NO_ID)
			v.i = nr_cmp_mapped(c, k->id, v.i);
		add_value(b, &v);
	}
	for (int i = 0; i < 2; i++)
		h[i] = nr_siphash(c->key[i], b->p ? b->p : "", b->len);
	sqlite3_result_blob(ctx, h, sizeof(h), SQLITE_TRANSIENT);
}

int nr_cmp_register(struct nr_cmp_side *s)
{
	return sqlite3_create_function_v2(s->c->db[s->side], "nr_row", -1,
					  SQLITE_UTF8 | SQLITE_DIRECTONLY, s, fn_row,
					  NULL, NULL, NULL);
}
