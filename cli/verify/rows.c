/* SPDX-License-Identifier: BSD-3-Clause */
/* A session database by itself: do its tables fit each other? */
#include "verify/verify.h"

#include "base/mem.h"
#include "recall/internal.h"
#include "sink/sqlite_db.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

void nr_verify_db_fail(struct nr_verify *v, const char *subject)
{
	int rc = sqlite3_errcode(v->db) & 0xff;

	if (rc == SQLITE_INTERRUPT)
		nr_report_add(v->report, NR_UNCHECKED, subject, "interrupted");
	else if (rc == SQLITE_IOERR || rc == SQLITE_NOMEM || rc == SQLITE_BUSY ||
		 rc == SQLITE_CANTOPEN || rc == SQLITE_LOCKED)
		nr_report_add(v->report, NR_UNCHECKED, subject,
			      "cannot read the database: %s", sqlite3_errmsg(v->db));
	else
		nr_report_add(v->report, NR_CHANGED, subject,
			      "the database is damaged: %s", sqlite3_errmsg(v->db));
}

/* Steps through sql and calls fn with each row; false where SQLite failed. */
static bool each(struct nr_verify *v, const char *subject, const char *sql,
		 void (*fn)(struct nr_verify *v, sqlite3_stmt *st))
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(v->db, sql, -1, &st, NULL);

	while (!rc && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		fn(v, st);
		rc = 0;
	}
	if (rc != SQLITE_DONE)
		nr_verify_db_fail(v, subject);
	sqlite3_finalize(st);
	return rc == SQLITE_DONE;
}

static const char *text(sqlite3_stmt *st, int i)
{
	const char *s = (const char *)sqlite3_column_text(st, i);

	return s ? s : "";
}

static void integrity_row(struct nr_verify *v, sqlite3_stmt *st)
{
	if (strcmp(text(st, 0), "ok") != 0)
		nr_report_add(v->report, NR_CHANGED, "SQLite", "%s", text(st, 0));
}

static void key_row(struct nr_verify *v, sqlite3_stmt *st)
{
	if (nr_db_refers_back(v->db, st))
		return;
	/* of a flow that is open the row may be a second behind */
	if (v->is_unfinished && !strcmp(text(st, 2), "flow"))
		return;
	nr_report_add(v->report, NR_CHANGED, "keys",
		      "row %s of table %s refers to a row of %s that is not there",
		      text(st, 1), text(st, 0), text(st, 2));
}

static void pages_row(struct nr_verify *v, sqlite3_stmt *st)
{
	char wal[PATH_MAX];
	struct stat file;

	/* the log may hold pages that the file does not have yet */
	if (snprintf(wal, sizeof(wal), "%s-wal", v->path) >= (int)sizeof(wal) ||
	    stat(wal, &file) == 0 || stat(v->path, &file))
		return;
	if (file.st_size != sqlite3_column_int64(st, 0))
		nr_report_add(v->report, NR_CHANGED, "SQLite",
			      "the file has %" PRId64 " bytes, its pages are %s",
			      (int64_t)file.st_size, text(st, 0));
}

static void structure(struct nr_verify *v)
{
	uint64_t before = v->report->n_of[NR_CHANGED];

	if (each(v, "SQLite",
		 "SELECT c.page_count * s.page_size FROM pragma_page_count AS c,"
		 " pragma_page_size AS s",
		 pages_row) &&
	    each(v, "SQLite", "PRAGMA integrity_check(20)", integrity_row) &&
	    each(v, "keys", "PRAGMA foreign_key_check", key_row) &&
	    v->report->n_of[NR_CHANGED] == before)
		nr_report_add(v->report, NR_CONSISTENT, "SQLite",
			      "pages, indexes and foreign keys");
}

static int64_t count(struct nr_verify *v, const char *sql)
{
	sqlite3_stmt *st = NULL;
	int64_t n = 0;

	/* tables of older databases may be missing: then there is none */
	if (!sqlite3_prepare_v2(v->db, sql, -1, &st, NULL) &&
	    sqlite3_step(st) == SQLITE_ROW)
		n = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return n;
}

/* What a capture leaves that a replay does not. */
static void look_at_capture(struct nr_verify *v)
{
	v->is_unfinished = count(v, "SELECT count(*) FROM run WHERE finished_ns IS NULL");
	v->was_overloaded =
		count(v, "SELECT count(*) FROM anomaly WHERE kind = 'sink_overload'");
	v->lacks_packets = count(v, "SELECT count(*) FROM source WHERE hash_note = "
				    "'the packets were not kept'");
	if (v->is_unfinished)
		nr_report_add(v->report, NR_UNCHECKED, "ledger",
			      "the capture that writes it has not ended, or was killed: "
			      "the ledger comes at the end");
	else if (v->was_overloaded)
		nr_report_add(v->report, NR_UNCHECKED, "ledger",
			      "the database was too slow for the capture, and records "
			      "were dropped");
}

static void ledger_row(struct nr_verify *v, sqlite3_stmt *st)
{
	nr_report_add(v->report, NR_CHANGED, "ledger",
		      "source %s has %s packets of %s bytes, its ledger %s of %s",
		      text(st, 0), text(st, 1), text(st, 2), text(st, 3), text(st, 4));
}

static void bucket_row(struct nr_verify *v, sqlite3_stmt *st)
{
	nr_report_add(v->report, NR_CHANGED, "ledger",
		      "bucket %s has %s packets of %s bytes, the rows have %s of %s",
		      text(st, 0), text(st, 1), text(st, 2), text(st, 3), text(st, 4));
}

static const char ledger_sql[] =
	"SELECT s.source_id, s.packets, s.wire_bytes, coalesce(sum(l.packets), 0) AS n,"
	" coalesce(sum(l.wire_bytes), 0) AS b"
	" FROM source AS s LEFT JOIN ledger AS l ON l.source_id = s.source_id"
	" GROUP BY s.source_id HAVING n IS NOT s.packets OR b IS NOT s.wire_bytes";

static const char bucket_sql[] =
	"WITH f(n, b) AS (SELECT coalesce(sum(records), 0),"
	" coalesce(sum(wire_bytes), 0) FROM flow),"
	" l(n, b) AS (SELECT coalesce(sum(packets), 0), coalesce(sum(wire_bytes), 0)"
	" FROM ledger WHERE bucket = 'flow'),"
	" a(n) AS (SELECT count(*) FROM arp WHERE flow_id IS NULL),"
	" k(n) AS (SELECT coalesce(sum(packets), 0) FROM ledger WHERE bucket = 'arp')"
	" SELECT 'flow', l.n, l.b, f.n, f.b FROM f, l WHERE f.n <> l.n OR f.b <> l.b"
	" UNION ALL SELECT 'arp', k.n, '?', a.n, '?' FROM a, k WHERE a.n <> k.n";

static void ledger(struct nr_verify *v)
{
	uint64_t before = v->report->n_of[NR_CHANGED];

	if (v->is_unfinished || v->was_overloaded)
		return;
	if (each(v, "ledger", ledger_sql, ledger_row) &&
	    each(v, "ledger", bucket_sql, bucket_row) &&
	    v->report->n_of[NR_CHANGED] == before)
		nr_report_add(v->report, NR_CONSISTENT, "ledger",
			      "every packet in one bucket, the buckets as the rows add "
			      "up");
}

static void flow_row(struct nr_verify *v, sqlite3_stmt *st)
{
	if (!(v->n_flows & (v->n_flows - 1)))
		v->flow = nr_xrealloc(v->flow, (v->n_flows ? 2 * v->n_flows : 1) *
						       sizeof(*v->flow));
	v->flow[v->n_flows++] = (struct nr_flow_sum){
		.flow_id = sqlite3_column_int64(st, 0),
		.records = (uint64_t)sqlite3_column_int64(st, 1),
		.wire_bytes = (uint64_t)sqlite3_column_int64(st, 2),
	};
}

static struct nr_flow_sum *flow_of(const struct nr_verify *v, int64_t flow_id)
{
	size_t lo = 0, hi = v->n_flows;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (v->flow[mid].flow_id < flow_id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < v->n_flows && v->flow[lo].flow_id == flow_id ? &v->flow[lo] : NULL;
}

/* Room for the flow of each packet, four bytes a packet. */
static void make_owners(struct nr_verify *v)
{
	size_t n = nr_recall_n_sources(v->recall);
	uint64_t total = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t packets = nr_recall_source(v->recall, i)->last_record;

		total = packets > NR_RECALL_MAX ? UINT64_MAX / 2 : total + packets;
		if (nr_recall_source(v->recall, i)->is_part)
			return; /* which is said where the sources are read */
		if (total > NR_RECALL_MAX) {
			nr_report_add(v->report, NR_UNCHECKED, "flow_packets",
				      "more than %d packets are too many to be held "
				      "against it",
				      NR_RECALL_MAX);
			return;
		}
	}
	v->owner = nr_xcalloc(n ? n : 1, sizeof(*v->owner));
	for (size_t i = 0; i < n; i++)
		v->owner[i] = nr_xcalloc(nr_recall_source(v->recall, i)->last_record + 1,
					 sizeof(**v->owner));
}

struct chunk {
	struct nr_verify *v;
	struct nr_flow_sum *flow;
	uint32_t *owner;
	int64_t source_id;
	uint64_t twice;
};

static void own(void *arg, uint64_t record)
{
	struct chunk *c = arg;

	c->flow->named++;
	if (c->owner[record])
		c->twice = record;
	c->owner[record] = (uint32_t)(c->flow - c->v->flow) + 1;
}

static size_t source_index(const struct nr_verify *v, int64_t source_id)
{
	size_t n = nr_recall_n_sources(v->recall);

	for (size_t i = 0; i < n; i++)
		if (nr_recall_source(v->recall, i)->source_id == source_id)
			return i;
	return n;
}

static void chunk_row(struct nr_verify *v, sqlite3_stmt *st)
{
	int64_t flow_id = sqlite3_column_int64(st, 0), seq = sqlite3_column_int64(st, 2);
	struct chunk c = { .v = v, .source_id = sqlite3_column_int64(st, 1) };
	const void *p = sqlite3_column_blob(st, 3);
	size_t n = (size_t)sqlite3_column_bytes(st, 3), i = source_index(v, c.source_id);

	c.flow = flow_of(v, flow_id);
	if (!c.flow || i == nr_recall_n_sources(v->recall)) {
		nr_report_add(v->report, NR_CHANGED, "flow_packets",
			      "a chunk belongs to flow %" PRId64 " and source %" PRId64
			      ", which are not there",
			      flow_id, c.source_id);
		return;
	}
	c.owner = v->owner[i];
	if (seq != c.flow->next_seq)
		nr_report_add(v->report, NR_CHANGED, "flow_packets",
			      "chunk %" PRId64 " of flow %" PRId64 " comes where %" PRId64
			      " should",
			      seq, flow_id, c.flow->next_seq);
	c.flow->next_seq = seq + 1;
	if (!nr_chunk_walk(p, n, nr_recall_source(v->recall, i)->last_record, own, &c))
		nr_report_add(v->report, NR_CHANGED, "flow_packets",
			      "chunk %" PRId64 " of flow %" PRId64 " cannot be read", seq,
			      flow_id);
	if (c.twice)
		nr_report_add(v->report, NR_CHANGED, "flow_packets",
			      "packet %" PRIu64 " of source %" PRId64 " is named twice",
			      c.twice, c.source_id);
}

static void way_back(struct nr_verify *v)
{
	bool may_lack = v->lacks_packets || v->is_unfinished || v->was_overloaded;
	uint64_t before = v->report->n_of[NR_CHANGED], named = 0;

	make_owners(v);
	if (!v->owner || !each(v, "flow_packets",
			       "SELECT flow_id, source_id, seq, blob FROM flow_packets"
			       " ORDER BY flow_id, seq",
			       chunk_row))
		return;
	for (size_t i = 0; i < v->n_flows; i++) {
		const struct nr_flow_sum *f = &v->flow[i];

		named += f->named;
		if (f->named > f->records || (f->named < f->records && !may_lack))
			nr_report_add(v->report, NR_CHANGED, "flow_packets",
				      "flow %" PRId64 " has %" PRIu64
				      " packets, and %" PRIu64 " are named",
				      f->flow_id, f->records, f->named);
	}
	if (v->lacks_packets)
		nr_report_add(v->report, NR_UNCHECKED, "flow_packets",
			      "packets of the capture were not kept: only %" PRIu64
			      " are named",
			      named);
	else if (v->report->n_of[NR_CHANGED] == before && !may_lack)
		nr_report_add(v->report, NR_CONSISTENT, "flow_packets",
			      "each of %" PRIu64 " packets of %zu flows is named once",
			      named, v->n_flows);
}

void nr_verify_rows(struct nr_verify *v)
{
	look_at_capture(v);
	structure(v);
	ledger(v);
	if (each(v, "flow",
		 "SELECT flow_id, records, wire_bytes FROM flow ORDER BY flow_id",
		 flow_row))
		way_back(v);
}
