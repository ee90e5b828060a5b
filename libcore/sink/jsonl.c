/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON lines: one object a record, "type" first, then `ts`, then the columns in the order
 * of the table; NULL is left out. Records of a flow also name its 5-tuple.
 */
#include "base/mem.h"
#include "base/text.h"
#include "sink/outfile.h"
#include "sink/sink.h"

#include "record/tables.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER = 256 * 1024, SESSION_HEAD = 4 /* flow_id, source_id, packet, ts_ns */ };

struct key {
	const char *text; /* ,"name": */
	uint32_t len;
};

/* What is the same in all lines of a type. */
struct line_type {
	const struct nr_record_type *type;
	char *head; /* {"type":"name" */
	struct key *keys;
	uint32_t head_len;
	int ts;          /* field that gives ts; -1: none */
	int addr[2];     /* fields that go into the filters of an archive; -1: none */
	uint32_t number; /* of the type in the archive */
	bool has_ident;  /* the flow's identity is added: no column has its names */
};

struct jsonl {
	struct nr_outfile file;
	struct nr_archive_writer *archive; /* instead of file; each line is a piece */
	struct nr_buf buf;
	struct line_type *types;
	size_t n_types, last;
	bool is_stdout;
	int failed; /* -errno of an earlier write */
};

static struct jsonl *ctx_of(struct nr_sink *s)
{
	return (struct jsonl *)(void *)s->ctx;
}

static int find_field(const struct nr_record_type *t, const char *name)
{
	for (unsigned i = 0; i < t->n_fields; i++) {
		if (strcmp(t->fields[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

static void line_type_init(struct line_type *lt, const struct nr_record_type *t)
{
	static const char *const times[] = { "ts_ns", "first_ns", "from_ns",
					     "started_ns" };
	static const char *const ident[] = { "proto",  "src_ip",   "src_port",
					     "dst_ip", "dst_port", "community_id" };
	struct nr_buf b = { 0 };

	nr_buf_str(&b, "{\"type\":");
	nr_buf_json(&b, t->name, strlen(t->name));
	*lt = (struct line_type){ .type = t, .ts = -1, .head = b.p };
	lt->head_len = (uint32_t)b.len;
	lt->keys = nr_xcalloc(t->n_fields, sizeof(*lt->keys));
	for (unsigned i = 0; i < t->n_fields; i++) {
		b = (struct nr_buf){ 0 };
		nr_buf_char(&b, ',');
		nr_buf_json(&b, t->fields[i].name, strlen(t->fields[i].name));
		nr_buf_char(&b, ':');
		lt->keys[i] = (struct key){ b.p, (uint32_t)b.len };
	}
	for (size_t i = 0; lt->ts < 0 && i < sizeof(times) / sizeof(*times); i++)
		lt->ts = find_field(t, times[i]);
	for (unsigned i = 0; i < 2; i++) {
		lt->addr[i] = find_field(t, i ? "dst_ip" : "src_ip");
		if (lt->addr[i] < 0)
			lt->addr[i] = find_field(t, i ? "target_ip" : "sender_ip");
	}
	lt->has_ident = t->flags & NR_R_SESSION;
	for (size_t i = 0; i < sizeof(ident) / sizeof(*ident); i++)
		lt->has_ident &= find_field(t, ident[i]) < 0;
}

static const struct line_type *line_type(struct jsonl *j, const struct nr_record_type *t)
{
	if (j->last < j->n_types && j->types[j->last].type == t)
		return &j->types[j->last];
	for (j->last = 0; j->last < j->n_types; j->last++) {
		if (j->types[j->last].type == t)
			return &j->types[j->last];
	}
	j->types = nr_xrealloc(j->types, (j->n_types + 1) * sizeof(*j->types));
	line_type_init(&j->types[j->n_types++], t);
	if (j->archive)
		j->types[j->last].number = nr_archive_type(j->archive, t->name);
	return &j->types[j->last];
}

static void put_value(struct nr_buf *b, enum nr_field_type type, const struct nr_value *v)
{
	if (v->kind == NR_V_INT)
		nr_buf_int(b, v->i);
	else if (type == NR_F_BLOB) {
		nr_buf_char(b, '"');
		nr_buf_base64(b, v->p, v->len);
		nr_buf_char(b, '"');
	} else if (type == NR_F_JSON && nr_json_valid(v->p, v->len))
		nr_buf_add(b, v->p, v->len);
	else
		nr_buf_json(b, v->p, v->len);
}

static void put_ident_text(struct nr_buf *b, const char *key, const char *text)
{
	if (!text)
		return;
	nr_buf_str(b, key);
	nr_buf_json(b, text, strlen(text));
}

static void put_ident(struct nr_buf *b, const struct nr_flow_ident *f)
{
	put_ident_text(b, ",\"proto\":", f->proto);
	put_ident_text(b, ",\"src_ip\":", f->src_ip);
	if (f->src_port >= 0) {
		nr_buf_str(b, ",\"src_port\":");
		nr_buf_int(b, f->src_port);
	}
	put_ident_text(b, ",\"dst_ip\":", f->dst_ip);
	if (f->dst_port >= 0) {
		nr_buf_str(b, ",\"dst_port\":");
		nr_buf_int(b, f->dst_port);
	}
	put_ident_text(b, ",\"community_id\":", f->community_id);
}

static void put_line(struct nr_buf *b, const struct line_type *lt,
		     const struct nr_record *r)
{
	const struct nr_record_type *t = r->type;

	nr_buf_add(b, lt->head, lt->head_len);
	if (lt->ts >= 0 && r->v[lt->ts].kind == NR_V_INT) {
		nr_buf_str(b, ",\"ts\":\"");
		nr_buf_time(b, r->v[lt->ts].i);
		nr_buf_char(b, '"');
	}
	for (unsigned i = 0; i < t->n_fields; i++) {
		if (i == SESSION_HEAD && lt->has_ident && r->ident)
			put_ident(b, r->ident);
		if (r->v[i].kind == NR_V_NULL)
			continue;
		nr_buf_add(b, lt->keys[i].text, lt->keys[i].len);
		put_value(b, t->fields[i].type, &r->v[i]);
	}
	nr_buf_add(b, "}\n", 2);
}

static int flush(struct nr_sink *s, struct nr_err *err)
{
	struct jsonl *j = ctx_of(s);
	int rc;

	if (j->failed)
		return nr_fail(err, j->failed, "cannot write %s: an earlier write failed",
			       s->target);
	rc = nr_write_all(j->file.fd, j->buf.p, j->buf.len);
	nr_buf_clear(&j->buf);
	if (rc == 0)
		return 0;
	j->failed = rc;
	return nr_fail(err, rc, "cannot write %s: %s",
		       j->is_stdout ? "standard output" : s->target, strerror(-rc));
}

static bool take_address(const char *text, size_t n, struct nr_archive_addr *a)
{
	char s[INET6_ADDRSTRLEN];

	if (!text || !n || n >= sizeof(s))
		return false;
	memcpy(s, text, n);
	s[n] = '\0';
	a->len = memchr(s, ':', n) ? 16 : 4;
	return inet_pton(a->len == 16 ? AF_INET6 : AF_INET, s, a->b) == 1;
}

/* Addresses that one could ask for: the record's own, else its flow's. */
static size_t addresses(const struct line_type *lt, const struct nr_record *r,
			struct nr_archive_addr out[2])
{
	size_t n = 0;

	for (unsigned i = 0; i < 2; i++) {
		const char *text = NULL;
		size_t len = 0;

		if (lt->addr[i] >= 0 && r->v[lt->addr[i]].kind == NR_V_TEXT) {
			text = r->v[lt->addr[i]].p;
			len = r->v[lt->addr[i]].len;
		} else if (lt->has_ident && r->ident) {
			text = i ? r->ident->dst_ip : r->ident->src_ip;
			len = text ? strlen(text) : 0;
		}
		n += take_address(text, len, &out[n]);
	}
	return n;
}

/* The line in buf becomes a piece of the archive. */
static int append_line(struct nr_sink *s, const struct line_type *lt,
		       const struct nr_record *r, struct nr_err *err)
{
	struct jsonl *j = ctx_of(s);
	struct nr_archive_addr addr[2];
	struct nr_archive_fact f = {
		.flags = NR_FACT_RECORD,
		.type = lt->number,
		.addr = addr,
		.n_addr = addresses(lt, r, addr),
	};

	if (lt->ts >= 0 && r->v[lt->ts].kind == NR_V_INT) {
		f.flags |= NR_FACT_TIME;
		f.ts_ns = r->v[lt->ts].i;
	}
	j->failed = nr_archive_append(j->archive, j->buf.p, j->buf.len, &f, err);
	nr_buf_clear(&j->buf);
	return j->failed;
}

static int open_archive(struct nr_sink *s, const char *target,
			const struct nr_sink_options *o, struct nr_err *err)
{
	const struct nr_archive_options ao = {
		.kind = NR_ARCHIVE_EVENTS,
		.level = o->level,
		.threads = o->threads,
		.force = o->force,
		.keep_partial = o->keep_partial,
	};
	char meta[32];
	int rc = nr_archive_create(&ctx_of(s)->archive, target, &ao, err);

	if (rc < 0)
		return rc;
	snprintf(meta, sizeof(meta), "\"schema\":%d", NR_SCHEMA_VERSION);
	nr_archive_add_meta(ctx_of(s)->archive, meta);
	s->is_archive = true;
	return 0;
}

/* A FIFO, a device: written into as it is. */
static bool is_special(const char *target)
{
	struct stat st;

	return stat(target, &st) == 0 && !S_ISREG(st.st_mode);
}

static int jsonl_open(struct nr_sink *s, const char *target,
		      const struct nr_sink_options *o, struct nr_err *err)
{
	struct jsonl *j = ctx_of(s);
	int rc;

	j->is_stdout = strcmp(target, "-") == 0;
	if (j->is_stdout) {
		j->file = (struct nr_outfile){ .fd = STDOUT_FILENO };
	} else if (o->append) {
		return nr_fail(err, -EINVAL,
			       "cannot append to %s: only a database takes more runs",
			       target);
	} else if (nr_ends_with(target, ".zst")) {
		rc = open_archive(s, target, o, err);
		if (rc < 0)
			return rc;
	} else {
		rc = o->live && !is_special(target)
			     ? nr_outfile_open_live(&j->file, target, o->force, err)
			     : nr_outfile_open(&j->file, target, o->force, false, err);
		if (rc < 0)
			return rc;
		j->file.keep_partial = o->keep_partial;
	}
	nr_buf_room(&j->buf, BUFFER + BUFFER / 4);
	return 0;
}

static int jsonl_write(struct nr_sink *s, struct nr_record *const *r, size_t n,
		       struct nr_err *err)
{
	struct jsonl *j = ctx_of(s);

	for (size_t i = 0; i < n && !j->failed; i++) {
		const struct line_type *lt = line_type(j, r[i]->type);

		put_line(&j->buf, lt, r[i]);
		if (j->archive) {
			int rc = append_line(s, lt, r[i], err);

			if (rc < 0)
				return rc;
		} else if (j->buf.len >= BUFFER) {
			int rc = flush(s, err);

			if (rc < 0)
				return rc;
		}
	}
	return j->failed;
}

/* An archive's frames are whole ones: it is read when it is finished. */
static int jsonl_flush(struct nr_sink *s, struct nr_err *err)
{
	return ctx_of(s)->archive ? 0 : flush(s, err);
}

static int jsonl_finish(struct nr_sink *s, struct nr_err *err)
{
	struct jsonl *j = ctx_of(s);
	int rc;

	if (j->archive)
		return nr_archive_finish(j->archive, &s->archive, err);
	rc = flush(s, err);
	if (rc < 0 || j->is_stdout)
		return rc;
	return nr_outfile_commit(&j->file, err);
}

static void jsonl_close(struct nr_sink *s)
{
	struct jsonl *j = ctx_of(s);

	for (size_t i = 0; i < j->n_types; i++) {
		for (unsigned k = 0; k < j->types[i].type->n_fields; k++)
			nr_free((char *)j->types[i].keys[k].text);
		nr_free(j->types[i].keys);
		nr_free(j->types[i].head);
	}
	nr_free(j->types);
	nr_buf_fini(&j->buf);
	nr_archive_abandon(j->archive);
	if (!j->is_stdout && !j->archive)
		nr_outfile_close(&j->file);
}

const struct nr_sink_ops nr_sink_jsonl = {
	.name = "jsonl",
	.ctx_size = sizeof(struct jsonl),
	.open = jsonl_open,
	.write = jsonl_write,
	.finish = jsonl_finish,
	.close = jsonl_close,
	.flush = jsonl_flush,
};
