/* SPDX-License-Identifier: BSD-3-Clause */
/* What was gathered, as sentences, JSON lines, Markdown. */
#include "diff/differences_internal.h"

#include "base/mem.h"
#include "record/tables.h"
#include "text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

const char *const nr_diff_formats[] = { "table", "jsonl", "markdown", NULL };

enum {
	WIDE = 48,
	BEFORE = 8
}; /* columns of a value; of what is equal before it differs */

enum verb { MISSING, NEW, CHANGED };
static const char *const verbs[] = { "missing", "new", "changed" };

/* One sentence about a table, whatever it is written as. */
struct sentence {
	const struct nr_record_type *type;
	enum verb verb;
	const struct nr_field *field; /* CHANGED: the column */
	const struct nr_diff_tally *tally;
	const struct nr_value *from, *to; /* CHANGED */
	bool others;                      /* from and to are only the first ones */
};

/* The most frequent first, then as their first rows stand. */
static void order_ways(const struct nr_diff_column *c, size_t order[NR_DIFF_WAYS])
{
	for (size_t n = 0; n < c->n_ways; n++) {
		const struct nr_diff_tally *t = &c->way[n].tally;
		size_t i = n;

		for (; i; i--) {
			const struct nr_diff_tally *o = &c->way[order[i - 1]].tally;

			if (o->n > t->n ||
			    (o->n == t->n && nr_diff_place_compare(&o->example->at,
								   &t->example->at) <= 0))
				break;
			order[i] = order[i - 1];
		}
		order[i] = n;
	}
}

/* Calls fn with each sentence of a table, in order. */
static void each_sentence(const struct nr_diff_table *t,
			  void (*fn)(void *arg, const struct sentence *s), void *arg)
{
	struct sentence s = { .type = t->type, .verb = MISSING, .tally = &t->missing };

	if (t->missing.n)
		fn(arg, &s);
	s.verb = NEW;
	s.tally = &t->new;
	if (t->new.n)
		fn(arg, &s);
	s.verb = CHANGED;
	for (unsigned i = 0; i < t->type->n_fields; i++) {
		const struct nr_diff_column *c = t->column[i];
		size_t order[NR_DIFF_WAYS] = { 0 };

		if (!c)
			continue;
		s.field = &t->type->fields[i];
		s.tally = &c->all;
		s.others = c->n_ways > NR_DIFF_WAYS;
		if (s.others) {
			s.from = &c->all.example[0].from;
			s.to = &c->all.example[0].to;
			fn(arg, &s);
			continue;
		}
		order_ways(c, order);
		for (size_t k = 0; k < c->n_ways; k++) {
			const struct nr_diff_way *w = &c->way[order[k]];

			s.tally = &w->tally;
			s.from = &w->from;
			s.to = &w->to;
			fn(arg, &s);
		}
	}
}

/* ---- words ---- */

struct noun {
	const char *type, *one, *many;
};

/* Rows that have a name of their own; others are "rows in TABLE". */
static const struct noun nouns[] = {
	{ "flow", "flow", "flows" },
	{ "anomaly", "anomaly", "anomalies" },
	{ "tunnel", "tunnel", "tunnels" },
	{ "certificate", "certificate", "certificates" },
	{ "credential", "credential", "credentials" },
	{ "source", "source", "sources" },
	{ "interface", "interface", "interfaces" },
	{ "comment", "comment", "comments" },
	{ "run", "run", "runs" },
};

/* "1 flow", "3 messages"; *in is what "in" is to name, or NULL. */
static void put_subject(struct nr_buf *b, const struct sentence *s, const char **in)
{
	char n[NR_TEXT_MAX];
	bool one = s->tally->n == 1;
	const char *word = one ? "row" : "rows";

	*in = s->type->name;
	if (s->type->flags & NR_R_SESSION)
		word = one ? "message" : "messages";
	for (size_t i = 0; i < sizeof(nouns) / sizeof(*nouns); i++)
		if (!strcmp(nouns[i].type, s->type->name)) {
			word = one ? nouns[i].one : nouns[i].many;
			*in = NULL;
		}
	nr_buf_printf(b, "%s %s", nr_text_count(n, s->tally->n), word);
}

/* A value as text that harms no terminal. */
static void put_value(struct nr_buf *b, const struct nr_field *f,
		      const struct nr_value *v)
{
	char t[NR_TEXT_MAX];

	if (v->kind == NR_V_NULL)
		nr_buf_char(b, '-');
	else if (v->kind == NR_V_INT && f->type == NR_F_TIME)
		nr_buf_str(b, nr_text_time(t, v->i, 9));
	else if (v->kind == NR_V_INT)
		nr_buf_int(b, v->i);
	else if (f->type == NR_F_BLOB)
		nr_buf_hex(b, v->p, v->len);
	else if (!v->len || (v->len == 1 && *v->p == '-'))
		nr_buf_printf(b, "\"%.*s\"", (int)v->len, v->p);
	else
		nr_text_safe_add(b, v->p, v->len);
	nr_buf_str(b, "");
}

static bool is_inside(const char *p)
{
	return (*p & 0xc0) == 0x80;
}

/* Columns of valid UTF-8, a code point as one. */
static size_t columns_of(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += !is_inside(s);
	return n;
}

/* At most WIDE columns from `at` on, "…" where something is left out. */
static void put_window(struct nr_buf *b, const char *s, size_t at)
{
	size_t n = 0;

	if (at)
		nr_buf_str(b, "…");
	s += at;
	if (columns_of(s) <= WIDE) {
		nr_buf_str(b, s);
		return;
	}
	for (; n < WIDE - 1 || is_inside(s); s++) {
		nr_buf_char(b, *s);
		n += !is_inside(s + 1);
	}
	nr_buf_str(b, "…");
}

/* "from → to", both from a little before where they begin to differ. */
static void put_values(struct nr_buf *b, const struct nr_field *f,
		       const struct nr_value *from, const struct nr_value *to)
{
	struct nr_buf x = { 0 }, y = { 0 };
	size_t at = 0, back = 0;

	put_value(&x, f, from);
	put_value(&y, f, to);
	if (columns_of(x.p) > WIDE || columns_of(y.p) > WIDE) {
		while (x.p[at] && x.p[at] == y.p[at])
			at++;
		while (at && (back < BEFORE || is_inside(x.p + at))) {
			at--;
			back += !is_inside(x.p + at);
		}
		if (at <= BEFORE)
			at = 0;
	}
	put_window(b, x.p, at);
	nr_buf_str(b, " → ");
	put_window(b, y.p, at);
	nr_buf_fini(&x);
	nr_buf_fini(&y);
}

/* "packet 118 of source 2 of udp 10.0.0.1:53 → 10.0.0.2:53: method GET" */
static void put_place(struct nr_buf *b, const struct nr_diff_example *e)
{
	const struct nr_diff_place *at = &e->at;
	size_t before = b->len;
	char t[NR_TEXT_MAX];

	if (at->packet.kind == NR_V_INT)
		nr_buf_printf(b, "packet %" PRId64, at->packet.i);
	if (at->source_id.kind == NR_V_INT && at->source_id.i != 1)
		nr_buf_printf(b, "%ssource %" PRId64, b->len > before ? " of " : "",
			      at->source_id.i);
	if (e->flow.len) {
		nr_buf_str(b, b->len > before ? " of " : "");
		nr_text_safe_add(b, e->flow.p, e->flow.len);
	}
	if (at->packet.kind != NR_V_INT && at->ts_ns.kind == NR_V_INT)
		nr_buf_printf(b, "%s%s", b->len > before ? ", " : "",
			      nr_text_time(t, at->ts_ns.i, 9));
	if (e->row.len) {
		nr_buf_str(b, b->len > before ? ": " : "");
		nr_text_safe_add(b, e->row.p, e->row.len);
	}
}

/* "changed service: - → dns", "missing in http" */
static void put_predicate(struct nr_buf *b, const struct sentence *s, const char *colour,
			  const char *reset)
{
	const char *in;

	put_subject(b, s, &in);
	if (in && s->verb == CHANGED)
		nr_buf_printf(b, " in %s", in);
	nr_buf_printf(b, " %s%s%s", colour, verbs[s->verb], reset);
	if (in && s->verb != CHANGED)
		nr_buf_printf(b, " in %s", in);
	if (s->verb != CHANGED)
		return;
	nr_buf_printf(b, " %s: ", s->field->name);
	put_values(b, s->field, s->from, s->to);
	if (s->others)
		nr_buf_str(b, " and others");
}

/* ---- table ---- */

struct out {
	struct nr_buf *b;
	struct nr_colours colour;
	const char *indent;
	size_t limit;
};

static void table_sentence(void *arg, const struct sentence *s)
{
	const struct out *o = arg;
	const struct nr_diff_tally *t = s->tally;
	const char *colour = s->verb == MISSING ? o->colour.red
			     : s->verb == NEW   ? o->colour.green
						: o->colour.yellow;
	struct nr_buf place = { 0 };

	nr_buf_str(o->b, o->indent);
	put_predicate(o->b, s, colour, o->colour.reset);
	put_place(&place, &t->example[0]);
	if (place.len && (o->limit == 1 || t->n == 1))
		nr_buf_printf(o->b, " %s(%s%s)%s", o->colour.dim,
			      t->n > 1 ? "first: " : "", place.p, o->colour.reset);
	nr_buf_char(o->b, '\n');
	for (size_t i = 0; o->limit > 1 && t->n > 1 && i < t->n_examples; i++) {
		const struct nr_diff_example *e = &t->example[i];

		nr_buf_clear(&place);
		put_place(&place, e);
		if (s->others) {
			nr_buf_str(&place, place.len ? ": " : "");
			put_values(&place, s->field, &e->from, &e->to);
		}
		if (place.len)
			nr_buf_printf(o->b, "%s    %s\n", o->indent, place.p);
	}
	nr_buf_fini(&place);
}

static void put_count(struct nr_buf *b, const char *sep, const char *what, uint64_t n)
{
	char t[NR_TEXT_MAX];

	nr_buf_printf(b, "%s%s %s", sep, what, nr_text_count(t, n));
}

/* "flow: missing 1, service 12, history 3" */
static void table_counts(const struct out *o, const struct nr_diff_table *t)
{
	const char *sep = " ";

	nr_buf_printf(o->b, "%s%s%s:", o->indent, o->colour.bold, t->type->name);
	nr_buf_str(o->b, o->colour.reset);
	if (t->missing.n) {
		put_count(o->b, sep, "missing", t->missing.n);
		sep = ", ";
	}
	if (t->new.n) {
		put_count(o->b, sep, "new", t->new.n);
		sep = ", ";
	}
	for (unsigned i = 0; i < t->type->n_fields; i++)
		if (t->column[i]) {
			put_count(o->b, sep, t->type->fields[i].name,
				  t->column[i]->all.n);
			sep = ", ";
		}
	nr_buf_char(o->b, '\n');
}

/* ---- JSON lines ---- */

static void json_text(struct nr_buf *b, const char *key, const char *p, size_t n)
{
	nr_buf_printf(b, ",\"%s\":", key);
	nr_buf_json(b, p, n);
}

static void json_value(struct nr_buf *b, const char *key, const struct nr_field *f,
		       const struct nr_value *v)
{
	nr_buf_printf(b, ",\"%s\":", key);
	if (v->kind == NR_V_NULL) {
		nr_buf_str(b, "null");
	} else if (v->kind == NR_V_INT) {
		nr_buf_int(b, v->i);
	} else if (f->type == NR_F_BLOB) {
		nr_buf_char(b, '"');
		nr_buf_base64(b, v->p, v->len);
		nr_buf_char(b, '"');
	} else {
		nr_buf_json(b, v->p, v->len);
	}
}

static void json_number(struct nr_buf *b, const char *key, const struct nr_value *v)
{
	if (v->kind == NR_V_INT)
		nr_buf_printf(b, "\"%s\":%" PRId64 ",", key, v->i);
}

static void json_example(struct nr_buf *b, const struct sentence *s,
			 const struct nr_diff_example *e)
{
	size_t at = b->len;

	nr_buf_char(b, '{');
	json_number(b, "source_id", &e->at.source_id);
	json_number(b, "packet", &e->at.packet);
	json_number(b, "ts_ns", &e->at.ts_ns);
	if (b->p[b->len - 1] == ',')
		b->len--;
	if (e->flow.len)
		json_text(b, "flow", e->flow.p, e->flow.len);
	if (e->row.len)
		json_text(b, "row", e->row.p, e->row.len);
	if (s->others) {
		json_value(b, "from", s->field, &e->from);
		json_value(b, "to", s->field, &e->to);
	}
	if (b->p[at + 1] == ',') { /* the first member came without the numbers */
		memmove(b->p + at + 1, b->p + at + 2, b->len - at - 2);
		b->len--;
	}
	nr_buf_char(b, '}');
}

static void json_sentence(void *arg, const struct sentence *s)
{
	const struct out *o = arg;
	const struct nr_diff_tally *t = s->tally;

	nr_buf_printf(o->b, "{\"type\":\"difference\",\"table\":\"%s\",\"change\":\"%s\"",
		      s->type->name, verbs[s->verb]);
	if (s->verb == CHANGED)
		nr_buf_printf(o->b, ",\"column\":\"%s\"", s->field->name);
	if (s->verb == CHANGED && !s->others) {
		json_value(o->b, "from", s->field, s->from);
		json_value(o->b, "to", s->field, s->to);
	}
	nr_buf_printf(o->b, ",\"count\":%" PRIu64 ",\"examples\":[", t->n);
	for (size_t i = 0; i < t->n_examples; i++) {
		nr_buf_str(o->b, i ? "," : "");
		json_example(o->b, s, &t->example[i]);
	}
	nr_buf_str(o->b, "]}\n");
}

static void json_counts(const struct out *o, const struct nr_diff_table *t)
{
	const char *sep = "";

	nr_buf_printf(o->b,
		      "{\"type\":\"table\",\"table\":\"%s\",\"missing\":%" PRIu64
		      ",\"new\":%" PRIu64 ",\"changed\":{",
		      t->type->name, t->missing.n, t->new.n);
	for (unsigned i = 0; i < t->type->n_fields; i++)
		if (t->column[i]) {
			nr_buf_printf(o->b, "%s\"%s\":%" PRIu64, sep,
				      t->type->fields[i].name, t->column[i]->all.n);
			sep = ",";
		}
	nr_buf_str(o->b, "}}\n");
}

/* ---- Markdown ---- */

static void markdown_cell(struct nr_buf *b, const char *s)
{
	nr_buf_char(b, ' ');
	for (; s && *s; s++) {
		if (strchr("|\\`*_<>[]&", *s))
			nr_buf_char(b, '\\');
		nr_buf_char(b, *s);
	}
	nr_buf_str(b, " |");
}

static void markdown_sentence(void *arg, const struct sentence *s)
{
	const struct out *o = arg;
	struct nr_buf cell = { 0 };

	nr_buf_printf(o->b, "| %" PRIu64 " |", s->tally->n);
	nr_buf_printf(&cell, "%s%s%s", s->type->name, s->field ? "." : "",
		      s->field ? s->field->name : "");
	markdown_cell(o->b, cell.p);
	nr_buf_clear(&cell);
	if (s->verb == CHANGED)
		put_values(&cell, s->field, s->from, s->to);
	else
		nr_buf_str(&cell, verbs[s->verb]);
	nr_buf_str(&cell, s->others ? " and others" : "");
	markdown_cell(o->b, cell.p);
	nr_buf_clear(&cell);
	for (size_t i = 0; i < s->tally->n_examples; i++) {
		nr_buf_str(&cell, i ? "; " : "");
		put_place(&cell, &s->tally->example[i]);
	}
	nr_buf_str(&cell, "");
	markdown_cell(o->b, cell.p);
	nr_buf_char(o->b, '\n');
	nr_buf_fini(&cell);
}

/* ---- all tables ---- */

static int by_schema(const void *a, const void *b)
{
	const struct nr_diff_table *x = *(const struct nr_diff_table *const *)a;
	const struct nr_diff_table *y = *(const struct nr_diff_table *const *)b;
	size_t i = 0, k = 0;

	while (i < nr_n_record_types && nr_record_types[i] != x->type)
		i++;
	while (k < nr_n_record_types && nr_record_types[k] != y->type)
		k++;
	if (i == k)
		return strcmp(x->type->name, y->type->name);
	return i < k ? -1 : 1;
}

static const struct nr_diff_table **sorted(const struct nr_differences *d)
{
	const struct nr_diff_table **t = nr_xcalloc(d->n + 1, sizeof(*t));

	for (size_t i = 0; i < d->n; i++)
		t[i] = &d->table[i];
	qsort(t, d->n, sizeof(*t), by_schema);
	return t;
}

static void put_all(const struct nr_differences *d, enum nr_diff_format format,
		    struct out *o)
{
	static void (*const sentence[])(void *, const struct sentence *) = {
		table_sentence, json_sentence, markdown_sentence
	};
	static void (*const counts[])(
		const struct out *, const struct nr_diff_table *) = { table_counts,
								      json_counts, NULL };
	const struct nr_diff_table **t = sorted(d);

	if (format == NR_DIFF_MARKDOWN)
		nr_buf_str(o->b, "| count | column | change | where |\n"
				 "| ---: | --- | --- | --- |\n");
	for (size_t i = 0; i < d->n; i++)
		each_sentence(t[i], sentence[format], o);
	if (format == NR_DIFF_TABLE)
		nr_buf_printf(o->b, "%s\n", o->indent);
	for (size_t i = 0; counts[format] && i < d->n; i++)
		counts[format](o, t[i]);
	nr_free(t);
}

void nr_differences_print(const struct nr_differences *d, enum nr_diff_format format,
			  FILE *f)
{
	struct nr_buf b = { 0 };
	struct out o = { &b, nr_colours_for(f), "", d->limit };

	if (!nr_differences_any(d))
		return;
	put_all(d, format, &o);
	fwrite(b.p, 1, b.len, f);
	nr_buf_fini(&b);
}

void nr_differences_text(const struct nr_differences *d, const char *indent,
			 struct nr_buf *out)
{
	struct out o = { out, { "", "", "", "", "", "" }, indent, d->limit };

	if (nr_differences_any(d))
		put_all(d, NR_DIFF_TABLE, &o);
}
