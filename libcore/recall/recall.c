/* SPDX-License-Identifier: BSD-3-Clause */
/* What is chosen: flows and packets to lists of records, one for each source. */
#include "recall/internal.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

int nr_recall_db_fail(const struct nr_recall *r, struct nr_err *err)
{
	return nr_fail(err, -EIO, "cannot read %s: %s", r->db_path,
		       sqlite3_errmsg(r->db));
}

static char *column_text(sqlite3_stmt *st, int at)
{
	const unsigned char *s = sqlite3_column_text(st, at);

	return s ? nr_xstrdup((const char *)s) : NULL;
}

static int64_t column_int(sqlite3_stmt *st, int at, int64_t otherwise)
{
	return sqlite3_column_type(st, at) == SQLITE_INTEGER
		       ? sqlite3_column_int64(st, at)
		       : otherwise;
}

static void take_source(struct nr_recall_source *s, sqlite3_stmt *st)
{
	*s = (struct nr_recall_source){
		.source_id = sqlite3_column_int64(st, 0),
		.run_id = sqlite3_column_int64(st, 1),
		.name = column_text(st, 2),
		.format = column_text(st, 3),
		.compression = column_text(st, 4),
		.bytes = column_int(st, 5, -1),
		.sha256 = column_text(st, 6),
		.hash_note = column_text(st, 7),
		.packets = (uint64_t)column_int(st, 8, 0),
		.first_ns = column_int(st, 9, INT64_MIN),
		.last_ns = column_int(st, 10, INT64_MAX),
		.argv = column_text(st, 11),
		.cwd = column_text(st, 12),
	};
	s->is_part = s->hash_note && !strcmp(s->hash_note, "partial_read");
	s->not_kept = s->hash_note && !strcmp(s->hash_note, "the packets were not kept");
	s->last_record = s->is_part ? UINT32_MAX : s->packets;
	if (!s->name)
		s->name = nr_xstrdup("");
}

static int read_sources(struct nr_recall *r, struct nr_err *err)
{
	static const char sql[] =
		"SELECT s.source_id, s.run_id, s.name, s.format, s.compression, s.bytes,"
		" s.sha256, s.hash_note, s.packets, s.first_ns, s.last_ns, r.argv, r.cwd,"
		" r.run_id IS NULL OR r.finished_ns IS NOT NULL"
		" FROM source AS s LEFT JOIN run AS r ON r.run_id = s.run_id"
		" ORDER BY s.source_id";
	sqlite3_stmt *st = NULL;
	size_t room = 0;
	int rc = sqlite3_prepare_v2(r->db, sql, -1, &st, NULL);

	while (!rc && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		if (r->n == room) {
			room = room ? 2 * room : 4;
			r->in = nr_xrealloc(r->in, room * sizeof(*r->in));
		}
		r->in[r->n] = (struct nr_recall_input){ 0 };
		take_source(&r->in[r->n].s, st);
		/* a capture that is not over writes numbers as they fill a chunk */
		r->may_lack |= r->in[r->n++].s.not_kept || !sqlite3_column_int(st, 13);
		rc = 0;
	}
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? 0 : nr_recall_db_fail(r, err);
}

int nr_recall_open(struct nr_recall **out, sqlite3 *db, const char *db_path,
		   const struct nr_recall_options *opt, struct nr_err *err)
{
	struct nr_recall *r = nr_xcalloc(1, sizeof(*r));
	int rc;

	*out = NULL;
	r->db = db;
	r->db_path = nr_xstrdup(db_path);
	if (opt)
		r->opt = *opt;
	r->clock = INT64_MIN;
	rc = read_sources(r, err);
	if (!rc && (sqlite3_prepare_v2(db, "SELECT records FROM flow WHERE flow_id = ?",
				       -1, &r->flow_row, NULL) ||
		    sqlite3_prepare_v2(db,
				       "SELECT source_id, blob FROM flow_packets"
				       " WHERE flow_id = ? ORDER BY seq",
				       -1, &r->chunks, NULL)))
		rc = nr_recall_db_fail(r, err);
	if (rc) {
		nr_recall_close(r);
		return rc;
	}
	*out = r;
	return 0;
}

void nr_recall_close(struct nr_recall *r)
{
	if (!r)
		return;
	sqlite3_finalize(r->flow_row);
	sqlite3_finalize(r->chunks);
	for (size_t i = 0; i < r->n; i++) {
		nr_recall_input_close(&r->in[i]);
		nr_recall_input_free(&r->in[i]);
	}
	nr_free(r->in);
	nr_free(r->heap);
	nr_free(r->db_path);
	nr_free(r);
}

uint64_t nr_recall_lacking(const struct nr_recall *r)
{
	return r->n_lacking;
}

static struct nr_recall_input *input_of(const struct nr_recall *r, int64_t source_id)
{
	size_t lo = 0, hi = r->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (r->in[mid].s.source_id < source_id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < r->n && r->in[lo].s.source_id == source_id ? &r->in[lo] : NULL;
}

static int check_room(const struct nr_recall *r, struct nr_err *err)
{
	if (r->n_picked < NR_RECALL_MAX)
		return 0;
	return nr_fail(err, -E2BIG,
		       "more than %d packets of %s are chosen: choose fewer flows",
		       NR_RECALL_MAX, r->db_path);
}

static void pick(struct nr_recall *r, struct nr_recall_input *in, uint64_t record,
		 int64_t flow_id)
{
	nr_picks_add(&in->picks, record, flow_id);
	in->s.n_selected++;
	r->n_picked++;
	r->sorted = false;
}

struct chunk_arg {
	struct nr_recall *r;
	struct nr_recall_input *in;
	int64_t flow_id;
	uint64_t n;
};

static void pick_record(void *arg, uint64_t record)
{
	struct chunk_arg *a = arg;

	pick(a->r, a->in, record, a->flow_id);
	a->n++;
}

static int flow_fail(const struct nr_recall *r, int64_t flow_id, struct nr_err *err)
{
	return nr_fail(err, -EBADMSG,
		       "the packets of flow %lld of %s are not what its row says; "
		       "nrtool verify tells more",
		       (long long)flow_id, r->db_path);
}

/* How many records the flow's row claims; -1: not known. */
static int claimed_records(struct nr_recall *r, int64_t flow_id, int64_t *n,
			   struct nr_err *err)
{
	int rc;

	sqlite3_bind_int64(r->flow_row, 1, flow_id);
	rc = sqlite3_step(r->flow_row);
	if (rc == SQLITE_ROW)
		*n = column_int(r->flow_row, 0, -1);
	sqlite3_reset(r->flow_row);
	if (rc == SQLITE_DONE)
		return nr_fail(err, -ENOENT, "there is no flow %lld in %s",
			       (long long)flow_id, r->db_path);
	return rc == SQLITE_ROW ? 0 : nr_recall_db_fail(r, err);
}

int nr_recall_add_flow(struct nr_recall *r, int64_t flow_id, struct nr_err *err)
{
	struct chunk_arg a = { .r = r, .flow_id = flow_id };
	int64_t claimed = -1;
	int rc = claimed_records(r, flow_id, &claimed, err), step = SQLITE_DONE;

	if (rc)
		return rc;
	sqlite3_bind_int64(r->chunks, 1, flow_id);
	while (!rc && (step = sqlite3_step(r->chunks)) == SQLITE_ROW) {
		const void *p = sqlite3_column_blob(r->chunks, 1);
		size_t n = (size_t)sqlite3_column_bytes(r->chunks, 1);

		a.in = input_of(r, sqlite3_column_int64(r->chunks, 0));
		rc = check_room(r, err);
		if (!rc &&
		    (!a.in || !nr_chunk_walk(p, n, a.in->s.last_record, pick_record, &a)))
			rc = flow_fail(r, flow_id, err);
	}
	sqlite3_reset(r->chunks);
	if (!rc && step != SQLITE_DONE)
		rc = nr_recall_db_fail(r, err);
	if (rc || claimed < 0 || (uint64_t)claimed == a.n)
		return rc;
	if (!r->may_lack || (uint64_t)claimed < a.n)
		return flow_fail(r, flow_id, err);
	r->n_lacking += (uint64_t)claimed - a.n;
	return 0;
}

int nr_recall_add_packet(struct nr_recall *r, int64_t source_id, uint64_t record,
			 int64_t flow_id, struct nr_err *err)
{
	struct nr_recall_input *in = input_of(r, source_id);

	if (!in || !record || record > in->s.last_record)
		return nr_fail(
			err, -ENOENT, "there is no packet %llu of source %lld in %s",
			(unsigned long long)record, (long long)source_id, r->db_path);
	pick(r, in, record, flow_id);
	r->wants_flows |= !flow_id;
	return check_room(r, err);
}

struct lookup {
	struct nr_recall *r;
	struct nr_recall_input *in;
	int64_t flow_id;
};

static void name_flow(void *arg, uint64_t record)
{
	struct lookup *l = arg;
	struct nr_pick *p;

	if (l->in->all) {
		nr_picks_add(&l->in->picks, record, l->flow_id);
		l->r->n_picked++;
	} else if ((p = nr_picks_find(&l->in->picks, record)) && !p->flow_id) {
		p->flow_id = l->flow_id;
	}
}

/* The flows of packets that were chosen without saying of which they are. */
static int name_flows(struct nr_recall *r, struct nr_err *err)
{
	struct lookup l = { .r = r };
	sqlite3_stmt *st = NULL;
	int step = sqlite3_prepare_v2(r->db,
				      "SELECT flow_id, source_id, blob FROM flow_packets",
				      -1, &st, NULL);
	int rc = 0;

	while (!rc && !step && (step = sqlite3_step(st)) == SQLITE_ROW) {
		const void *p = sqlite3_column_blob(st, 2);
		size_t n = (size_t)sqlite3_column_bytes(st, 2);

		step = 0;
		l.flow_id = sqlite3_column_int64(st, 0);
		l.in = input_of(r, sqlite3_column_int64(st, 1));
		rc = check_room(r, err);
		if (!rc &&
		    (!l.in || !nr_chunk_walk(p, n, l.in->s.last_record, name_flow, &l)))
			rc = flow_fail(r, l.flow_id, err);
	}
	sqlite3_finalize(st);
	if (!rc && step != SQLITE_DONE)
		rc = nr_recall_db_fail(r, err);
	return rc;
}

int nr_recall_settle(struct nr_recall *r, struct nr_err *err)
{
	int rc = 0;

	for (size_t i = 0; i < r->n; i++)
		nr_picks_sort(&r->in[i].picks);
	if (r->all || r->wants_flows)
		rc = name_flows(r, err);
	for (size_t i = 0; r->all && i < r->n; i++)
		nr_picks_sort(&r->in[i].picks);
	r->n_picked = 0;
	for (size_t i = 0; i < r->n; i++) {
		struct nr_recall_input *in = &r->in[i];

		in->s.n_selected = in->all ? in->s.last_record : in->picks.n;
		r->n_picked += in->s.n_selected;
	}
	r->wants_flows = false;
	r->sorted = true;
	return rc;
}

int nr_recall_add_all(struct nr_recall *r, struct nr_err *err)
{
	for (size_t i = 0; i < r->n; i++) {
		struct nr_recall_input *in = &r->in[i];

		in->all = !in->s.not_kept;
		in->s.n_selected = in->all ? in->s.last_record : 0;
		in->picks.n = 0;
	}
	r->all = true;
	r->n_picked = 0;
	(void)err;
	return 0;
}

size_t nr_recall_n_sources(const struct nr_recall *r)
{
	return r->n;
}

const struct nr_recall_source *nr_recall_source(const struct nr_recall *r, size_t i)
{
	return &r->in[i].s;
}

bool nr_recall_is_used(const struct nr_recall *r, size_t i)
{
	return r->in[i].s.n_selected > 0;
}

const char *nr_recall_path(const struct nr_recall *r, size_t i)
{
	return r->in[i].path;
}

int64_t nr_recall_flow(const struct nr_recall *r, const struct nr_packet *p)
{
	const struct nr_pick *k =
		p->source < r->n ? nr_picks_find(&r->in[p->source].picks, p->record)
				 : NULL;

	return k ? k->flow_id : 0;
}

const struct nr_interface *nr_recall_interface(const struct nr_recall *r,
					       const struct nr_packet *p)
{
	const struct nr_recall_input *in = &r->in[p->source];

	return p->interface_id < in->n_ifs ? &in->ifs[p->interface_id] : NULL;
}
