/* SPDX-License-Identifier: BSD-3-Clause */
/* nrtool export and import: a session database as an archive of events, and back. */
#include "cli.h"

#include "base/mem.h"
#include "database/database.h"
#include "outputs.h"
#include "sandbox.h"
#include "text.h"

#include "archive/lines.h"
#include "record/row_json.h"
#include "record/schema.h"
#include "record/tables.h"

#include <errno.h>
#include <sqlite3.h>
#include <string.h>

enum { BATCH = 2048, BATCH_BYTES = 4 << 20 };

struct convert {
	const char *output;
	uint64_t level, threads;
	bool force, keep_partial, no_sandbox, quiet;
};

/* Records on their way to the one output. */
struct run {
	const char *verb;
	const struct convert *c;
	struct nr_sink *sink;
	struct nr_arena arena;
	struct nr_records rs;
	uint64_t n_rows;
	struct nr_err err;
};

static int flush(struct run *r)
{
	int rc = r->rs.n ? nr_sink_write(r->sink, r->rs.r, r->rs.n, &r->err) : 0;

	r->n_rows += r->rs.n;
	r->rs = (struct nr_records){ .arena = &r->arena };
	nr_arena_reset(&r->arena);
	return rc;
}

static int breathe(struct run *r)
{
	return r->rs.n >= BATCH || r->arena.handed >= BATCH_BYTES ? flush(r) : 0;
}

static int output_failed(const struct run *r)
{
	return nr_complain(NR_EXIT_INCOMPLETE, r->verb, "%s", r->err.text);
}

static int open_output(struct run *r)
{
	const struct convert *c = r->c;
	const struct nr_sink_options o = {
		.force = c->force,
		.keep_partial = c->keep_partial,
		.level = (int)c->level,
		.threads = (unsigned)c->threads,
	};
	int rc = nr_sink_open(&r->sink, c->output, &o, &r->err);

	r->rs.arena = &r->arena;
	if (rc == 0)
		return 0;
	return nr_complain(rc == -EINVAL ? NR_EXIT_USAGE : NR_EXIT_FAILED, r->verb, "%s",
			   r->err.text);
}

static int finish(struct run *r)
{
	struct nr_outputs one = { .n = 0 };
	char a[NR_TEXT_MAX];
	int rc = flush(r);

	if (rc == 0)
		rc = nr_sink_finish(r->sink, &r->err);
	if (rc == -EPIPE && !strcmp(r->c->output, "-"))
		return NR_EXIT_OK;
	if (rc < 0)
		return output_failed(r);
	if (r->c->quiet)
		return NR_EXIT_OK;
	fprintf(stderr, "%s: %s rows\n", r->c->output, nr_text_count(a, r->n_rows));
	if (r->sink->is_archive) {
		struct nr_output o = { .sink = r->sink };

		one.o = &o;
		one.n = 1;
		nr_outputs_report_archives(&one, stderr);
	}
	return NR_EXIT_OK;
}

static void close_run(struct run *r)
{
	nr_sink_close(r->sink);
	nr_arena_fini(&r->arena);
}

static int confine(const struct run *r, const char *const *reads, size_t n)
{
	const struct nr_sandbox box = {
		.reads = reads, .n_reads = n, .targets = &r->c->output, .n_targets = 1
	};
	char applied[NR_SANDBOX_TEXT];
	struct nr_err err = { "" };

	if (r->c->no_sandbox || !nr_sandbox_enter(&box, applied, &err))
		return 0;
	return nr_complain(NR_EXIT_FAILED, r->verb, "%s", err.text);
}

/* The output must not be the input. */
static int check_target(const struct run *r, const char *input)
{
	if (nr_output_is_input(r->c->output, input))
		return nr_complain(NR_EXIT_USAGE, r->verb,
				   "%s is the input too; name another output",
				   r->c->output);
	return 0;
}

/* ---- import ------------------------------------------------------------------- */

static int import_lines(struct run *r, struct nr_lines *l, uint64_t *n_bad,
			uint64_t *n_unknown, char first_bad[256])
{
	uint64_t n_line = 0;

	for (;;) {
		struct nr_record *rec;
		const char *p, *why = "";
		size_t n;
		int rc = nr_stop ? 0 : nr_lines_next(l, &p, &n, &r->err);

		if (rc <= 0)
			return rc < 0 ? nr_complain(NR_EXIT_FAILED, r->verb, "%s",
						    r->err.text)
				      : 0;
		n_line++;
		if (!n)
			continue;
		switch (nr_row_parse(p, n, nr_record_types, nr_n_record_types, &r->rs,
				     &rec, &why)) {
		case NR_ROW_OK:
			/* the line is gone with the next one */
			for (unsigned i = 0; i < rec->type->n_fields; i++)
				if (rec->v[i].kind == NR_V_TEXT)
					rec->v[i].p = nr_arena_copy(
						&r->arena, rec->v[i].p, rec->v[i].len);
			break;
		case NR_ROW_UNKNOWN:
			++*n_unknown;
			break;
		case NR_ROW_BAD:
			if (!(*n_bad)++)
				snprintf(first_bad, 256, "line %llu: %s",
					 (unsigned long long)n_line, why);
			break;
		}
		if (breathe(r) < 0)
			return output_failed(r);
	}
}

static int report_import(struct run *r, const struct nr_lines *l, uint64_t n_bad,
			 uint64_t n_unknown, const char *first_bad)
{
	const struct nr_lines_stats *st = nr_lines_stats(l);
	char a[NR_TEXT_MAX];

	if (n_unknown)
		fprintf(stderr,
			"left out: %s lines of types that this nrtool does not "
			"know\n",
			nr_text_count(a, n_unknown));
	if (n_bad)
		fprintf(stderr, "damaged: %s lines that are no rows, the first: %s\n",
			nr_text_count(a, n_bad), first_bad);
	if (st->n_damages)
		fprintf(stderr, "damaged: %s (%llu in all)\n", st->damage,
			(unsigned long long)st->n_damages);
	if (nr_stop)
		fputs("interrupted: the output holds what was read up to there\n",
		      stderr);
	return n_bad || st->n_damages || nr_stop ? NR_EXIT_DAMAGED : NR_EXIT_OK;
}

static int import_run(const struct nr_call *call)
{
	const struct convert *c = call->config;
	const char *input = call->operands[0];
	struct run r = { .verb = "import", .c = c };
	uint64_t n_bad = 0, n_unknown = 0;
	struct nr_lines *l = NULL;
	char first_bad[256] = "";
	int status;

	if (!c->output)
		return nr_complain(NR_EXIT_USAGE, "import",
				   "-o DB is missing: where to write");
	nr_signals_init();
	status = check_target(&r, input);
	if (!status)
		status = confine(&r, &input, 1);
	if (!status && nr_lines_open(&l, input, NULL, NULL, &nr_stop, &r.err))
		status = nr_complain(NR_EXIT_FAILED, "import", "%s", r.err.text);
	if (!status)
		status = open_output(&r);
	if (!status)
		status = import_lines(&r, l, &n_bad, &n_unknown, first_bad);
	if (!status && !r.n_rows && !r.rs.n && n_bad)
		status = nr_complain(NR_EXIT_FAILED, "import",
				     "%s holds no rows of nrtool: %s", input, first_bad);
	if (!status) {
		r.sink->may_lack_rows =
			n_bad || n_unknown || nr_stop || nr_lines_stats(l)->n_damages;
		status = finish(&r);
	}
	if (!status)
		status = report_import(&r, l, n_bad, n_unknown, first_bad);
	nr_lines_close(l);
	close_run(&r);
	return status;
}

static const struct nr_option import_options[] = {
	{ "output", 'o', NR_OPT_TEXT, "DB", NR_OPT(convert, output),
	  .help = "the database to write" },
	{ "force", 0, NR_OPT_FLAG, NULL, NR_OPT(convert, force),
	  .help = "replace a file that exists" },
	{ "keep-partial", 0, NR_OPT_FLAG, NULL, NR_OPT(convert, keep_partial),
	  .help = "after a failure leave what was written as .NAME.partial" },
	{ "no-sandbox", 0, NR_OPT_FLAG, NULL, NR_OPT(convert, no_sandbox),
	  .help = "run without seccomp and Landlock" },
	{ "quiet", 'q', NR_OPT_FLAG, NULL, NR_OPT(convert, quiet), .help = "no summary" },
};

const struct nr_command nr_cmd_import = {
	.name = "import",
	.operands = "FILE",
	.operand_kind = "file",
	.summary = "makes a session database of an archive of events",
	.about = "Reads JSON lines as nrtool writes them (FILE.jsonl.zst, or plain or\n"
		 "compressed in any other way; - is standard input) and writes the\n"
		 "database they came from: the same rows.",
	.min_operands = 1,
	.max_operands = 1,
	.options = { import_options, sizeof(import_options) / sizeof(*import_options) },
	.config_size = sizeof(struct convert),
	.run = import_run,
};

/* ---- export ------------------------------------------------------------------- */

struct tables {
	sqlite3 *db;
	sqlite3_stmt *flow; /* a flow's identity by its id */
	int64_t flow_id;    /* of ident; -1: none */
	struct nr_flow_ident ident;
};

static bool has_column(sqlite3 *db, const char *table, const char *column)
{
	return sqlite3_table_column_metadata(db, NULL, table, column, NULL, NULL, NULL,
					     NULL, NULL) == SQLITE_OK;
}

/* SELECT of all columns of a type; those that an older schema lacks as NULL. */
static sqlite3_stmt *select_all(sqlite3 *db, const struct nr_record_type *t)
{
	struct nr_buf sql = { 0 };
	sqlite3_stmt *st = NULL;

	nr_buf_str(&sql, "SELECT ");
	for (unsigned i = 0; i < t->n_fields; i++)
		nr_buf_printf(&sql,
			      has_column(db, t->name, t->fields[i].name)
				      ? "%s\"%s\""
				      : "%sNULL AS \"%s\"",
			      i ? "," : "", t->fields[i].name);
	nr_buf_printf(&sql, " FROM \"%s\" ORDER BY rowid", t->name);
	sqlite3_prepare_v2(db, sql.p, -1, &st, NULL);
	nr_buf_fini(&sql);
	return st;
}

static const char *text_of(struct run *r, sqlite3_stmt *st, int i)
{
	const void *p = sqlite3_column_text(st, i);

	return p ? nr_arena_copy(&r->arena, p, (size_t)sqlite3_column_bytes(st, i))
		 : NULL;
}

/* The 5-tuple that lines of a session carry; NULL: the flow is not there. */
static const struct nr_flow_ident *ident_of(struct run *r, struct tables *t, int64_t id)
{
	struct nr_flow_ident *f;

	if (!t->flow)
		return NULL;
	sqlite3_reset(t->flow);
	sqlite3_bind_int64(t->flow, 1, id);
	if (sqlite3_step(t->flow) != SQLITE_ROW)
		return NULL;
	f = nr_arena_zalloc(&r->arena, sizeof(*f));
	f->proto = text_of(r, t->flow, 0);
	f->src_ip = text_of(r, t->flow, 1);
	f->dst_ip = text_of(r, t->flow, 3);
	f->community_id = text_of(r, t->flow, 5);
	f->src_port = f->dst_port = -1;
	if (sqlite3_column_type(t->flow, 2) == SQLITE_INTEGER)
		f->src_port = sqlite3_column_int(t->flow, 2);
	if (sqlite3_column_type(t->flow, 4) == SQLITE_INTEGER)
		f->dst_port = sqlite3_column_int(t->flow, 4);
	return f;
}

static void take_row(struct run *r, struct tables *t, const struct nr_record_type *type,
		     sqlite3_stmt *st)
{
	struct nr_record *rec = nr_records_add(&r->rs, type, (struct nr_order){ 0 });

	for (unsigned i = 0; i < type->n_fields; i++) {
		int col = (int)i;
		const void *p;

		switch (sqlite3_column_type(st, col)) {
		case SQLITE_NULL:
			break;
		case SQLITE_INTEGER:
			nr_set_int(rec, i, sqlite3_column_int64(st, col));
			break;
		default:
			p = sqlite3_column_blob(st, col);
			nr_set_text(rec, i,
				    nr_arena_copy(&r->arena, p ? p : "",
						  (size_t)sqlite3_column_bytes(st, col)),
				    (size_t)sqlite3_column_bytes(st, col));
		}
	}
	if (type->flags & NR_R_SESSION && rec->v[0].kind == NR_V_INT)
		rec->ident = ident_of(r, t, rec->v[0].i);
}

static int db_failed(const struct run *r, sqlite3 *db, const char *path)
{
	return nr_complain(NR_EXIT_FAILED, r->verb, "cannot read %s: %s", path,
			   sqlite3_errmsg(db));
}

static int export_table(struct run *r, struct tables *t,
			const struct nr_record_type *type, const char *path)
{
	sqlite3_stmt *st;
	int rc;

	if (!has_column(t->db, type->name, NULL)) /* of a later schema */
		return 0;
	st = select_all(t->db, type);
	if (!st)
		return db_failed(r, t->db, path);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		take_row(r, t, type, st);
		if (nr_stop || breathe(r) < 0)
			break;
	}
	sqlite3_finalize(st);
	if (rc == SQLITE_DONE)
		return flush(r) < 0 ? output_failed(r) : 0;
	if (rc != SQLITE_ROW)
		return db_failed(r, t->db, path);
	return nr_stop ? nr_complain(NR_EXIT_FAILED, r->verb,
				     "interrupted: nothing was written")
		       : output_failed(r);
}

static int open_database(struct run *r, struct tables *t, const char *path)
{
	static const char ident[] = "SELECT proto, src_ip, src_port, dst_ip, dst_port,"
				    " community_id FROM flow WHERE flow_id = ?1";
	int status = nr_database_open(&t->db, path, r->verb);

	if (status)
		return status;
	/* a signal is looked for between rows */
	sqlite3_progress_handler(t->db, 0, NULL, NULL);
	/* all tables as they are at one moment */
	if (sqlite3_exec(t->db, "BEGIN", NULL, NULL, NULL) ||
	    sqlite3_prepare_v2(t->db, ident, -1, &t->flow, NULL))
		return db_failed(r, t->db, path);
	return 0;
}

/* The database, and the files beside it that SQLite reads or makes. */
static int confine_export(const struct run *r, const char *path)
{
	char *wal = nr_database_beside(path, "-wal");
	char *shm = nr_database_beside(path, "-shm");
	int rc = confine(r, (const char *const[]){ path, wal, shm }, 3);

	nr_free(wal);
	nr_free(shm);
	return rc;
}

static int export_run(const struct nr_call *call)
{
	struct convert *c = call->config;
	const char *path = call->operands[0];
	struct run r = { .verb = "export", .c = c };
	struct tables t = { .flow_id = -1 };
	int status;

	c->output = call->operands[1];
	if (nr_outputs_is_database(c->output))
		return nr_complain(NR_EXIT_USAGE, "export",
				   "%s is no name for JSON lines: *.jsonl.zst, *.jsonl "
				   "or -",
				   c->output);
	nr_signals_init();
	status = check_target(&r, path);
	if (!status)
		status = confine_export(&r, path);
	if (!status)
		status = open_database(&r, &t, path);
	if (!status)
		status = open_output(&r);
	for (size_t i = 0; i < nr_n_record_types && !status; i++)
		if (!(nr_record_types[i]->flags & NR_R_JSON_ONLY))
			status = export_table(&r, &t, nr_record_types[i], path);
	if (!status)
		status = finish(&r);
	close_run(&r);
	sqlite3_finalize(t.flow);
	sqlite3_close(t.db);
	return status;
}

static const struct nr_option export_options[] = {
	{ "level", 0, NR_OPT_U64, "N", NR_OPT(convert, level), "3", .min = 1, .max = 19,
	  .help = "how hard zstd tries" },
	{ "threads", 0, NR_OPT_U64, "N", NR_OPT(convert, threads), .min = 1, .max = 64,
	  .help = "threads that compress; changes no byte [one a CPU, at most 8]" },
	{ "force", 0, NR_OPT_FLAG, NULL, NR_OPT(convert, force),
	  .help = "replace a file that exists" },
	{ "keep-partial", 0, NR_OPT_FLAG, NULL, NR_OPT(convert, keep_partial),
	  .help = "after a failure leave what was written as .NAME.partial" },
	{ "no-sandbox", 0, NR_OPT_FLAG, NULL, NR_OPT(convert, no_sandbox),
	  .help = "run without seccomp and Landlock" },
	{ "quiet", 'q', NR_OPT_FLAG, NULL, NR_OPT(convert, quiet), .help = "no summary" },
};

const struct nr_command nr_cmd_export = {
	.name = "export",
	.operands = "DB FILE",
	.operand_kind = "file",
	.summary = "writes a session database as an archive of events",
	.about =
		"Writes the rows of a session database as JSON lines: FILE.jsonl.zst an\n"
		"archive, FILE.jsonl or - (standard output) plain. nrtool import makes\n"
		"the same database of it again; nrtool query asks it as it is.",
	.min_operands = 2,
	.max_operands = 2,
	.options = { export_options, sizeof(export_options) / sizeof(*export_options) },
	.config_size = sizeof(struct convert),
	.run = export_run,
};
