/* SPDX-License-Identifier: BSD-3-Clause */
/* The packets chosen of one source, read in order of records. */
#include "recall/internal.h"

#include "base/mem.h"

#include <errno.h>
#include <string.h>

enum {
	SPARSE_BLOCK = 128 << 10, /* read at once where a seek is near */
	SPARSE_VIEWS = 128,
	DENSE_VIEWS = 512,
};

static int is_other(const struct nr_recall *r, const struct nr_recall_input *in,
		    const char *what, uint64_t record, struct nr_err *err)
{
	return nr_fail(err, -ESTALE,
		       "%s is not the file that %s was made from: %s at packet %llu; "
		       "nrtool verify tells more",
		       in->path, r->db_path, what, (unsigned long long)record);
}

static int read_blocks(struct nr_recall *r, struct nr_recall_input *in,
		       struct nr_err *err)
{
	sqlite3_stmt *st = NULL;
	size_t room = 0;
	int rc = sqlite3_prepare_v2(r->db,
				    "SELECT record, offset, ts_ns FROM source_block"
				    " WHERE source_id = ? ORDER BY record",
				    -1, &st, NULL);

	if (!rc)
		sqlite3_bind_int64(st, 1, in->s.source_id);
	while (!rc && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		if (in->n_blocks == room) {
			room = room ? 2 * room : 64;
			in->blocks = nr_xrealloc(in->blocks, room * sizeof(*in->blocks));
		}
		in->blocks[in->n_blocks++] = (struct nr_recall_block){
			(uint64_t)sqlite3_column_int64(st, 0),
			(uint64_t)sqlite3_column_int64(st, 1),
			sqlite3_column_int64(st, 2),
		};
		rc = 0;
	}
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? 0 : nr_recall_db_fail(r, err);
}

static int count_interfaces(struct nr_recall *r, struct nr_recall_input *in,
			    struct nr_err *err)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(r->db,
				    "SELECT count(*), max(section) FROM interface"
				    " WHERE source_id = ?",
				    -1, &st, NULL);

	if (!rc)
		sqlite3_bind_int64(st, 1, in->s.source_id);
	if (!rc && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		in->n_interfaces = (uint64_t)sqlite3_column_int64(st, 0);
		in->has_sections = sqlite3_column_int64(st, 1) != 0;
		rc = SQLITE_DONE;
	}
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? 0 : nr_recall_db_fail(r, err);
}

/* The block that a record lies in; n_blocks where the database knows none. */
static size_t block_of(const struct nr_recall_input *in, uint64_t record)
{
	size_t lo = 0, hi = in->n_blocks;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (in->blocks[mid].record <= record)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo ? lo - 1 : in->n_blocks;
}

/* Do the packets chosen lie so far apart that seeking saves reading? */
static bool is_sparse(const struct nr_recall_input *in)
{
	size_t blocks = 0, last = SIZE_MAX;

	if (in->all)
		return false;
	for (size_t i = 0; i < in->picks.n; i++) {
		size_t k = block_of(in, in->picks.v[i].record);

		blocks += k != last;
		last = k;
	}
	return blocks < in->n_blocks / 2;
}

static void keep_interface(struct nr_recall_input *in, const struct nr_interface *i)
{
	if (!(in->n_ifs & (in->n_ifs - 1)))
		in->ifs = nr_xrealloc(in->ifs,
				      (in->n_ifs ? 2 * in->n_ifs : 1) * sizeof(*in->ifs));
	nr_interface_copy(&in->ifs[in->n_ifs++], i);
}

/* Behind the views of `in`: the next ones. 1, 0 at the end, -errno. */
static int more(struct nr_recall *r, struct nr_recall_input *in, struct nr_err *err)
{
	int rc;

	if (r->opt.stop && atomic_load(r->opt.stop))
		return nr_fail(err, -EINTR, "interrupted");
	nr_batch_release(in->in);
	in->at = 0;
	rc = nr_source_read(in->src, in->in, in->max, err);
	return rc > 0 ? 1 : rc;
}

/*
 * pcapng can be entered anywhere only where every interface stands before the first
 * packet: reads up to there and counts.
 */
static int read_head(struct nr_recall *r, struct nr_recall_input *in, struct nr_err *err)
{
	int rc;

	while ((rc = more(r, in, err)) > 0) {
		for (; in->at < in->in->n; in->at++) {
			const struct nr_packet *p = &in->in->pkt[in->at];

			if (!p->event)
				return 0;
			if (p->event->kind == NR_EVENT_SECRETS && r->opt.secrets)
				return 0;
			if (p->event->kind == NR_EVENT_INTERFACE)
				keep_interface(in, &p->event->interface);
		}
	}
	return rc;
}

int nr_recall_input_open(struct nr_recall *r, struct nr_recall_input *in,
			 struct nr_err *err)
{
	bool is_plain = !in->s.compression, sparse, ng;
	struct nr_err ignored;
	struct nr_source_options o = {
		.index = (uint32_t)(in - r->in),
		.park = r->n_used > NR_RECALL_MANY,
		.secrets = r->opt.secrets,
		.stop = r->opt.stop,
	};
	int rc = read_blocks(r, in, err);

	if (!rc)
		rc = count_interfaces(r, in, err);
	if (rc)
		return rc;
	sparse = in->n_blocks && is_sparse(in);
	if (sparse && !is_plain) /* a zstd file of several frames, else streamed */
		sparse = !strcmp(in->s.compression, "zstd") &&
			 !nr_archive_open(&in->archive, in->path, &ignored) &&
			 nr_archive_info(in->archive)->n_frames > 1;
	in->hash_at_end = in->s.sha256 && !in->is_hashed && !is_plain && !sparse;
	in->max = sparse ? SPARSE_VIEWS : DENSE_VIEWS;
	o.hash = in->hash_at_end;
	o.block_size = sparse ? SPARSE_BLOCK : 0;
	rc = nr_source_open(&in->src, in->path, &o, err);
	if (rc == -EINVAL) /* it was a capture when it was read */
		return -ESTALE;
	if (rc)
		return rc;
	if (!nr_source_info(in->src)->compression != is_plain ||
	    (in->s.format && strcmp(in->s.format, nr_source_info(in->src)->format) != 0))
		return is_other(r, in, "its format is another", 1, err);
	in->in = nr_xcalloc(1, sizeof(*in->in));
	rc = read_head(r, in, err);
	ng = !strcmp(nr_source_info(in->src)->format, "pcapng");
	in->can_seek = sparse && (!ng || (!in->has_sections && !r->opt.secrets &&
					  in->n_ifs == in->n_interfaces));
	return rc;
}

/* What a row of source_block says of this packet must be so. */
static int check_block(const struct nr_recall *r, struct nr_recall_input *in,
		       const struct nr_packet *p, struct nr_err *err)
{
	const struct nr_recall_block *b;

	if (in->next_block == in->n_blocks)
		return 0;
	b = &in->blocks[in->next_block];
	if (p->record < b->record)
		return 0;
	in->next_block++;
	if (p->record == b->record && p->offset == b->offset && p->ts_ns == b->ts_ns)
		return 0;
	return is_other(r, in, "offset or time differ", p->record, err);
}

static int go_to(struct nr_recall_input *in, const struct nr_recall_block *b,
		 struct nr_err *err)
{
	struct nr_archive_frame f;
	size_t i;

	if (!in->archive)
		return nr_source_seek(in->src, b->offset, b->record, err);
	i = nr_archive_find_content(in->archive, b->offset);
	if (i == nr_archive_info(in->archive)->n_frames)
		return nr_fail(err, -ESTALE, "%s has no byte %llu", in->path,
			       (unsigned long long)b->offset);
	nr_archive_frame(in->archive, i, &f);
	return nr_source_seek_frame(in->src, f.offset, f.content, b->offset, b->record,
				    err);
}

/* 1: seeks to the block of the next packet wanted; 0: that is near, or behind. */
static int seek_on(struct nr_recall *r, struct nr_recall_input *in,
		   const struct nr_packet *p, struct nr_err *err)
{
	size_t k = block_of(in, in->picks.v[in->next_pick].record);
	int rc;

	if (!in->can_seek || k == in->n_blocks || k < in->next_block ||
	    in->blocks[k].record <= p->record || in->blocks[k].offset < p->offset ||
	    in->blocks[k].offset - p->offset < SPARSE_BLOCK)
		return 0;
	nr_batch_release(in->in);
	in->at = 0;
	rc = go_to(in, &in->blocks[k], err);
	in->next_block = k;
	return rc < 0 ? rc : 1;
}

/* All that was wanted is out, or the source has no more. */
static int finish(struct nr_recall *r, struct nr_recall_input *in, struct nr_err *err)
{
	char sha256[65] = "";
	int rc;

	if (in->n_out < in->s.n_selected && !(in->all && in->s.is_part))
		return is_other(r, in, "it has no more", in->last + 1, err);
	if (!in->hash_at_end)
		return 0;
	rc = nr_source_finish(in->src, sha256, err);
	if (rc)
		return rc;
	if (strcmp(sha256, in->s.sha256) != 0)
		return nr_fail(err, -ESTALE,
			       "%s is not the file that %s was made from: its SHA-256 "
			       "begins with %.12s, and was %.12s when it was read",
			       in->path, r->db_path, sha256, in->s.sha256);
	return 0;
}

/* A view of the source: 1 to hand out, 0 to pass over, -errno. */
static int take_view(struct nr_recall *r, struct nr_recall_input *in,
		     const struct nr_packet *p, struct nr_err *err)
{
	int rc;

	if (p->event) {
		if (p->event->kind == NR_EVENT_INTERFACE)
			keep_interface(in, &p->event->interface);
		return (p->event->kind == NR_EVENT_COMMENT && p->event->record &&
			p->event->record == in->last) ||
		       (p->event->kind == NR_EVENT_SECRETS && r->opt.secrets);
	}
	rc = check_block(r, in, p, err);
	if (rc)
		return rc;
	if (!in->all && in->picks.v[in->next_pick].record != p->record)
		return 0;
	in->next_pick++;
	in->n_out++;
	in->last = p->record;
	return 1;
}

int nr_recall_input_next(struct nr_recall *r, struct nr_recall_input *in,
			 struct nr_err *err)
{
	in->head = NULL;
	for (;;) {
		const struct nr_packet *p;
		int rc;

		if (in->at == in->in->n) {
			rc = more(r, in, err);
			if (rc <= 0)
				return rc < 0 ? rc : finish(r, in, err);
		}
		p = &in->in->pkt[in->at];
		if (!p->event && in->n_out == in->s.n_selected)
			return finish(r, in, err);
		if (!p->event && !in->all) {
			rc = seek_on(r, in, p, err);
			if (rc < 0)
				return rc;
			if (rc)
				continue;
		}
		in->at++;
		rc = take_view(r, in, p, err);
		if (rc < 0)
			return rc;
		if (rc) {
			in->head = p;
			return 1;
		}
	}
}

void nr_recall_input_close(struct nr_recall_input *in)
{
	nr_source_close(in->src);
	in->src = NULL;
	nr_archive_close(in->archive);
	in->archive = NULL;
	if (in->in)
		nr_batch_release(in->in);
	nr_free(in->in);
	in->in = NULL;
	in->head = NULL;
	nr_free(in->blocks);
	in->blocks = NULL;
	in->n_blocks = 0;
}

void nr_recall_input_free(struct nr_recall_input *in)
{
	for (size_t i = 0; i < in->n_ifs; i++)
		nr_interface_fini(&in->ifs[i]);
	nr_free(in->ifs);
	nr_free(in->picks.v);
	nr_free(in->path);
	nr_free((void *)(uintptr_t)in->s.name);
	nr_free((void *)(uintptr_t)in->s.format);
	nr_free((void *)(uintptr_t)in->s.compression);
	nr_free((void *)(uintptr_t)in->s.sha256);
	nr_free((void *)(uintptr_t)in->s.hash_note);
	nr_free((void *)(uintptr_t)in->s.argv);
	nr_free((void *)(uintptr_t)in->s.cwd);
}
