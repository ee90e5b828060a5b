/* SPDX-License-Identifier: BSD-3-Clause */
#include "way_back/extract.h"

#include "cli.h"

#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
	BATCH = 256,
	COMMENTS_MAX = 64, /* of the captures themselves, in the section header */
	NOT_YET = UINT32_MAX,
};

struct map { /* interfaces of a source to those of the output */
	uint32_t *id;
	size_t n;
};

struct out {
	const struct nr_extract *x;
	struct nr_ngw *w;
	struct map *map; /* by source */
	char place[512]; /* comment that waits for those of the packet itself */
	size_t place_len;
	uint64_t passed; /* the record of the last packet that was written */
	bool *output_failed;
	struct nr_err *err;
};

/* A failure of the writer. */
static int out_rc(struct out *o, int rc)
{
	if (rc < 0)
		*o->output_failed = true;
	return rc;
}

static int comment(struct out *o, const char *s, size_t n)
{
	return out_rc(o, nr_ngw_comment(o->w, (struct nr_text){ s, n }, o->err));
}

static int end_packet(struct out *o)
{
	size_t n = o->place_len;

	o->place_len = 0;
	return n ? comment(o, o->place, n) : 0;
}

static void add_size(size_t *n, int more, size_t room)
{
	*n += more > 0 ? (size_t)more : 0;
	if (*n > room - 1)
		*n = room - 1;
}

/* "nrtool: flow_id 32, source_id 1 (http.pcap), packet 5" */
static void note_place(struct out *o, const struct nr_packet *p)
{
	const struct nr_recall_source *s = nr_recall_source(o->x->recall, p->source);
	int64_t flow = nr_recall_flow(o->x->recall, p);
	size_t n = 0, room = sizeof(o->place);

	if (o->x->no_comments)
		return;
	if (flow)
		add_size(&n,
			 snprintf(o->place, room, "nrtool: flow_id %lld, ",
				  (long long)flow),
			 room);
	else
		add_size(&n, snprintf(o->place, room, "nrtool: no flow, "), room);
	add_size(&n,
		 snprintf(o->place + n, room - n, "source_id %lld (%.300s), packet %llu",
			  (long long)s->source_id, s->name,
			  (unsigned long long)p->record),
		 room);
	o->place_len = nr_utf8_span(o->place, n); /* a name may be cut */
}

static int new_interface(struct out *o, const struct nr_packet *p, uint32_t *id)
{
	const struct nr_interface *i = nr_recall_interface(o->x->recall, p);
	const struct nr_recall_source *s = nr_recall_source(o->x->recall, p->source);
	struct nr_interface copy = i ? *i : (struct nr_interface){ 0 };
	struct nr_buf text = { 0 };
	int rc;

	copy.link_type = p->link_type;
	copy.tsresol = 1000000000;
	rc = out_rc(o, nr_ngw_interface(o->w, &copy, id, o->err));
	if (!rc && !o->x->no_comments) {
		nr_buf_printf(&text, "nrtool: source_id %lld (%s), interface_id %u",
			      (long long)s->source_id, s->name, p->interface_id);
		rc = comment(o, text.p, text.len);
	}
	nr_buf_fini(&text);
	return rc;
}

/* Interfaces are described when their first packet comes. */
static int interface_of(struct out *o, const struct nr_packet *p, uint32_t *id)
{
	struct map *m = &o->map[p->source];
	size_t n = m->n;
	int rc;

	if (p->interface_id >= n) {
		m->n = (size_t)p->interface_id + 1;
		m->n = m->n > 2 * n ? m->n : 2 * n;
		m->id = nr_xrealloc(m->id, m->n * sizeof(*m->id));
		for (; n < m->n; n++)
			m->id[n] = NOT_YET;
	}
	*id = m->id[p->interface_id];
	if (*id != NOT_YET)
		return 0;
	rc = new_interface(o, p, &m->id[p->interface_id]);
	*id = m->id[p->interface_id];
	return rc;
}

static int take_packet(struct out *o, const struct nr_packet *p)
{
	uint32_t id;
	int rc;

	o->passed = 0;
	if (o->x->filter && !nr_filter_pass(o->x->filter, p))
		return 0;
	rc = interface_of(o, p, &id);
	if (!rc)
		rc = out_rc(o, nr_ngw_packet(o->w, id, p, o->err));
	note_place(o, p);
	o->passed = p->record;
	return rc;
}

static int take_view(struct out *o, const struct nr_packet *p)
{
	const struct nr_event *e = p->event;
	int rc;

	if (e && e->kind == NR_EVENT_COMMENT)
		return o->passed == e->record ? comment(o, e->text.p, e->text.len) : 0;
	rc = end_packet(o);
	if (rc || !e)
		return rc ? rc : take_packet(o, p);
	if (e->kind == NR_EVENT_SECRETS && e->text.p)
		return out_rc(o, nr_ngw_secrets(o->w, e->secrets_type, e->text.p,
						e->text.len, o->err));
	return 0;
}

static int copy_packets(struct out *o)
{
	struct nr_batch *b = nr_xcalloc(1, sizeof(*b));
	int n, rc = 0;

	while (!rc && (n = nr_recall_read(o->x->recall, b, BATCH, o->err)) != 0) {
		rc = n < 0 ? n : 0;
		for (unsigned i = 0; i < b->n && !rc; i++)
			rc = take_view(o, &b->pkt[i]);
		nr_batch_release(b);
	}
	nr_free(b);
	return rc ? rc : end_packet(o);
}

static bool is_used(const struct nr_recall *r, int64_t source_id)
{
	for (size_t i = 0; i < nr_recall_n_sources(r); i++)
		if (nr_recall_source(r, i)->source_id == source_id)
			return nr_recall_path(r, i) != NULL;
	return false;
}

static int db_fail(const struct out *o)
{
	return nr_fail(o->err, -EIO, "cannot read the database: %s",
		       sqlite3_errmsg(o->x->db));
}

/* What the captures say of themselves goes into the section header. */
static int file_comments(struct out *o)
{
	sqlite3_stmt *st = NULL;
	unsigned n = 0, left = 0;
	char text[64];
	int rc = 0, step = sqlite3_prepare_v2(o->x->db,
					      "SELECT source_id, text FROM comment"
					      " WHERE packet IS NULL ORDER BY rowid",
					      -1, &st, NULL);

	while (!step && !rc && (step = sqlite3_step(st)) == SQLITE_ROW) {
		const char *s = (const char *)sqlite3_column_text(st, 1);

		step = 0;
		if (!s || !is_used(o->x->recall, sqlite3_column_int64(st, 0)))
			continue;
		if (n++ < COMMENTS_MAX)
			rc = comment(o, s, strlen(s));
		else
			left++;
	}
	sqlite3_finalize(st);
	if (!rc && step != SQLITE_DONE)
		return db_fail(o);
	snprintf(text, sizeof(text), "nrtool: %u more comments are left out", left);
	return rc || !left ? rc : comment(o, text, strlen(text));
}

static int names(struct out *o)
{
	sqlite3_stmt *st = NULL;
	int rc = 0,
	    step = sqlite3_prepare_v2(
		    o->x->db,
		    "SELECT DISTINCT source_id, address, name FROM name ORDER BY rowid",
		    -1, &st, NULL);

	while (!step && !rc && (step = sqlite3_step(st)) == SQLITE_ROW) {
		struct nr_text a = { (const char *)sqlite3_column_text(st, 1),
				     (size_t)sqlite3_column_bytes(st, 1) };
		struct nr_text t = { (const char *)sqlite3_column_text(st, 2),
				     (size_t)sqlite3_column_bytes(st, 2) };

		step = 0;
		if (a.p && t.p && is_used(o->x->recall, sqlite3_column_int64(st, 0)))
			rc = out_rc(o, nr_ngw_name(o->w, a, t, o->err));
	}
	sqlite3_finalize(st);
	return !rc && step != SQLITE_DONE ? db_fail(o) : rc;
}

static int write_head(struct out *o)
{
	struct nr_buf text = { 0 };
	int rc = file_comments(o);

	if (!rc && o->x->argv_text && !o->x->no_comments) {
		nr_buf_printf(&text, "nrtool: %s", o->x->argv_text);
		rc = comment(o, text.p, text.len);
	}
	if (!rc && o->x->names)
		rc = names(o);
	nr_buf_fini(&text);
	return rc;
}

int nr_extract_write(const struct nr_extract *x, struct nr_ngw_result *res,
		     bool *output_failed, struct nr_err *err)
{
	char application[64];
	const struct nr_ngw_options no = { .force = x->force,
					   .application = application };
	size_t n = nr_recall_n_sources(x->recall);
	struct out o = {
		.x = x,
		.map = nr_xcalloc(n ? n : 1, sizeof(*o.map)),
		.output_failed = output_failed,
		.err = err,
	};
	int rc;

	snprintf(application, sizeof(application), "nrtool %s", nr_version);
	*output_failed = false;
	rc = nr_ngw_open(&o.w, x->target, &no, err);
	if (rc == -EEXIST)
		nr_fail(err, rc, "%s exists; --force replaces it, -w names another",
			x->target);
	if (!rc)
		rc = write_head(&o);
	if (!rc)
		rc = copy_packets(&o);
	if (!rc)
		rc = out_rc(&o, nr_ngw_finish(o.w, res, err));
	nr_ngw_close(o.w);
	for (size_t i = 0; i < n; i++)
		nr_free(o.map[i].id);
	nr_free(o.map);
	return rc;
}
