/* SPDX-License-Identifier: BSD-3-Clause */
/* A session database against its captures, each read once from end to end. */
#include "verify/verify.h"

#include "cli.h"
#include "text.h"

#include "base/mem.h"
#include "source/source.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { BLOCK_SPAN = 256 * 1024 }; /* one source_block row per so many bytes */

/* What the reading of one source adds up to. */
struct reading {
	struct nr_verify *v;
	const struct nr_recall_source *s;
	char subject[320];
	uint32_t *owner; /* NULL: not known */
	sqlite3_stmt *blocks;
	uint64_t next_block;
	bool said_block;
	uint64_t packets, wire_bytes, captured_bytes;
	int64_t first_ns, last_ns;
	char damage[512];
	bool ended;
};

static void changed(const struct reading *r, const char *what, int64_t row, int64_t file)
{
	nr_report_add(r->v->report, NR_CHANGED, r->subject,
		      "%s is %" PRId64 " in its row, and %" PRId64 " in the capture",
		      what, row, file);
}

/* The row of source_block that the engine made of this packet, if it made one. */
static void check_block(struct reading *r, const struct nr_packet *p)
{
	int64_t record, offset, ts;

	if (p->offset < r->next_block || !r->blocks || r->said_block)
		return;
	r->next_block = p->offset - p->offset % BLOCK_SPAN + BLOCK_SPAN;
	if (sqlite3_step(r->blocks) == SQLITE_ROW) {
		record = sqlite3_column_int64(r->blocks, 0);
		offset = sqlite3_column_int64(r->blocks, 1);
		ts = sqlite3_column_int64(r->blocks, 2);
		if ((uint64_t)record == p->record && (uint64_t)offset == p->offset &&
		    ts == p->ts_ns)
			return;
	}
	r->said_block = true; /* one says enough */
	nr_report_add(r->v->report, NR_CHANGED, r->subject,
		      "source_block does not lead to packet %" PRIu64 " at byte %" PRIu64,
		      p->record, p->offset);
}

static void take_packet(struct reading *r, const struct nr_packet *p)
{
	r->first_ns = !r->packets || p->ts_ns < r->first_ns ? p->ts_ns : r->first_ns;
	r->last_ns = !r->packets || p->ts_ns > r->last_ns ? p->ts_ns : r->last_ns;
	r->packets++;
	r->wire_bytes += p->wire_len;
	r->captured_bytes += p->cap_len;
	check_block(r, p);
	if (r->owner && p->record <= r->s->packets && r->owner[p->record])
		r->v->flow[r->owner[p->record] - 1].bytes += p->wire_len;
}

static void take_view(struct reading *r, const struct nr_packet *p)
{
	const struct nr_event *e = p->event;
	size_t n;

	if (!e) {
		take_packet(r, p);
		return;
	}
	r->ended |= e->kind == NR_EVENT_SOURCE_END;
	if (e->kind != NR_EVENT_DAMAGE || r->damage[0])
		return;
	n = e->text.len < sizeof(r->damage) ? e->text.len : sizeof(r->damage) - 1;
	memcpy(r->damage, e->text.p, n);
	r->damage[n] = '\0';
}

/* Not more packets than the database knows, where it may know only some. */
static unsigned some(const struct reading *r)
{
	uint64_t left = r->s->packets - r->packets;

	return r->s->sha256 || left > 512 ? 512 : (unsigned)left;
}

/*
 * Reads the capture, a part of it where the database knows no more. 1: the source has
 * ended; 0: stopped there; -errno.
 */
static int read_all(struct reading *r, struct nr_source *src, struct nr_err *err)
{
	struct nr_batch *b = nr_xcalloc(1, sizeof(*b));
	int n = 0;

	while (!r->ended && (r->s->sha256 || r->packets < r->s->packets) &&
	       (n = nr_source_read(src, b, some(r), err)) > 0) {
		for (unsigned i = 0; i < b->n; i++)
			take_view(r, &b->pkt[i]);
		nr_batch_release(b);
		if (nr_stop)
			n = nr_fail(err, -EINTR, "interrupted");
		if (n < 0)
			break;
	}
	nr_free(b);
	return n < 0 ? n : r->ended;
}

static void check_sums(const struct reading *r)
{
	sqlite3_stmt *st = NULL;
	const char *damage;
	int rc = sqlite3_prepare_v2(
		r->v->db,
		"SELECT packets, wire_bytes, captured_bytes, first_ns, last_ns, damage"
		" FROM source WHERE source_id = ?",
		-1, &st, NULL);

	sqlite3_bind_int64(st, 1, r->s->source_id);
	if (rc || sqlite3_step(st) != SQLITE_ROW) {
		nr_verify_db_fail(r->v, r->subject);
		sqlite3_finalize(st);
		return;
	}
	const int64_t is[5] = { (int64_t)r->packets, (int64_t)r->wire_bytes,
				(int64_t)r->captured_bytes, r->first_ns, r->last_ns };
	static const char *const names[5] = { "packets", "wire_bytes", "captured_bytes",
					      "first_ns", "last_ns" };

	for (int i = 0; i < (r->packets ? 5 : 3); i++)
		if (sqlite3_column_int64(st, i) != is[i])
			changed(r, names[i], sqlite3_column_int64(st, i), is[i]);
	damage = (const char *)sqlite3_column_text(st, 5);
	if (r->s->sha256 && !damage != !r->damage[0])
		nr_report_add(r->v->report, NR_CHANGED, r->subject,
			      "damage is %s in its row, and the capture has %s",
			      damage ? "said" : "NULL", damage ? "none" : "some");
	sqlite3_finalize(st);
}

static void judge(struct reading *r, const struct nr_source_info *info)
{
	struct nr_report *report = r->v->report;
	uint64_t before = report->n_of[NR_CHANGED];
	char bytes[NR_TEXT_MAX], packets[NR_TEXT_MAX];

	if (r->s->sha256 && strcmp(info->sha256, r->s->sha256) != 0) {
		nr_report_add(report, NR_CHANGED, r->subject,
			      "its SHA-256 is %.16s…, and was %.16s… when it was read",
			      info->sha256[0] ? info->sha256 : "not known", r->s->sha256);
		return;
	}
	check_sums(r);
	if (r->blocks && !r->said_block && sqlite3_step(r->blocks) != SQLITE_DONE)
		nr_report_add(report, NR_CHANGED, r->subject,
			      "source_block has more rows than the capture has places");
	if (report->n_of[NR_CHANGED] != before || r->said_block)
		return;
	nr_text_bytes(bytes, (uint64_t)info->bytes);
	nr_text_count(packets, r->packets);
	if (r->s->sha256)
		nr_report_add(report, NR_PROVEN, r->subject,
			      "%s packets in %s, whose SHA-256 %.16s… is the one of when "
			      "it was read",
			      packets, bytes, r->s->sha256);
	else
		nr_report_add(report, NR_CONSISTENT, r->subject,
			      "%s packets in %s; no hash was kept: %s", packets, bytes,
			      r->s->hash_note ? r->s->hash_note : "reason not known");
}

static void check_source(struct nr_verify *v, size_t i)
{
	struct reading r = { .v = v,
			     .s = nr_recall_source(v->recall, i),
			     .owner = v->owner ? v->owner[i] : NULL };
	struct nr_source_options o = { .hash = r.s->sha256 != NULL, .stop = &nr_stop };
	uint64_t before = v->report->n_of[NR_CHANGED];
	struct nr_source *src = NULL;
	struct nr_err err = { "" };
	int rc;

	snprintf(r.subject, sizeof(r.subject), "source %" PRId64 " (%.280s)",
		 r.s->source_id, r.s->name);
	if (sqlite3_prepare_v2(v->db,
			       "SELECT record, offset, ts_ns FROM source_block"
			       " WHERE source_id = ? ORDER BY record",
			       -1, &r.blocks, NULL))
		nr_verify_db_fail(v, "source_block");
	sqlite3_bind_int64(r.blocks, 1, r.s->source_id);
	rc = nr_source_open(&src, nr_recall_path(v->recall, i), &o, &err);
	if (!rc)
		rc = read_all(&r, src, &err);
	if (rc >= 0)
		judge(&r, nr_source_info(src));
	else if (rc == -EINVAL) /* no capture any more */
		nr_report_add(v->report, NR_CHANGED, r.subject, "%s", err.text);
	else
		nr_report_add(v->report, NR_UNCHECKED, r.subject, "%s", err.text);
	if (rc < 0 || v->report->n_of[NR_CHANGED] != before || !r.s->sha256)
		v->sources_whole = false;
	sqlite3_finalize(r.blocks);
	nr_source_close(src);
}

static void find_source(struct nr_verify *v, size_t i)
{
	const struct nr_recall_source *s = nr_recall_source(v->recall, i);
	char subject[320];

	if (!v->found[i] && !s->is_part && !s->not_kept) {
		check_source(v, i);
		return;
	}
	v->sources_whole = false;
	snprintf(subject, sizeof(subject), "source %" PRId64 " (%.280s)", s->source_id,
		 s->name);
	if (s->not_kept) {
		nr_report_add(v->report, NR_UNCHECKED, subject,
			      "its packets were not kept by the capture");
		return;
	}
	if (s->is_part) {
		nr_report_add(v->report, NR_UNCHECKED, subject,
			      "it was read in part, by --from or --to: what the rest "
			      "holds is not known");
		return;
	}
	nr_report_add(v->report, v->found[i] == -ESTALE ? NR_CHANGED : NR_UNCHECKED,
		      subject, "%s", v->lost[i]);
}

/* The packets that each flow names, by their lengths on the wire. */
static void check_flows(struct nr_verify *v)
{
	uint64_t bad = 0;

	for (size_t i = 0; i < v->n_flows; i++) {
		const struct nr_flow_sum *f = &v->flow[i];

		if (f->bytes == f->wire_bytes)
			continue;
		bad++;
		nr_report_add(v->report, NR_CHANGED, "flow_packets",
			      "flow %" PRId64 " has %" PRIu64
			      " bytes on the wire, and its packets in the captures have "
			      "%" PRIu64,
			      f->flow_id, f->wire_bytes, f->bytes);
	}
	if (!bad)
		nr_report_add(
			v->report, NR_PROVEN, "flow_packets",
			"the packets of all %zu flows are in the captures, with the "
			"bytes that their rows say",
			v->n_flows);
}

void nr_verify_sources(struct nr_verify *v)
{
	v->sources_whole = true;
	for (size_t i = 0; i < nr_recall_n_sources(v->recall) && !nr_stop; i++)
		find_source(v, i);
	if (nr_stop) {
		v->sources_whole = false;
		nr_report_add(v->report, NR_UNCHECKED, "sources", "interrupted");
	} else if (v->owner && v->sources_whole) {
		check_flows(v);
	}
}
