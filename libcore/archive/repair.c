/* SPDX-License-Identifier: BSD-3-Clause */
#include "archive/facts.h"
#include "archive/reader.h"

#include "base/mem.h"
#include "sink/outfile.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

struct repair {
	struct nr_archive *a;
	struct nr_archive_buf buf;
	struct nr_outfile out;
	struct nr_ax_build build;
	struct nr_facts *facts;
	bool drop;
	uint64_t n_dropped;
	char dropped[200]; /* the first one */
};

static int copy_out(struct repair *r, const void *p, size_t n, struct nr_err *err)
{
	int rc = nr_write_all(r->out.fd, p, n);

	return rc == 0 ? 0
		       : nr_fail(err, rc, "cannot write beside %s: %s", r->a->path,
				 strerror(-rc));
}

/* Frame i, read and decompressed: 0; 1 where it is left out; -errno. */
static int read_frame(struct repair *r, size_t i, struct nr_err *err)
{
	struct nr_archive_frame f;
	uint8_t sha[NR_ARCHIVE_HASH];
	int rc = nr_archive_read(r->a, i, &r->buf, err);

	nr_archive_frame(r->a, i, &f);
	if (rc == 0 && f.has_facts) {
		SHA256(r->buf.stored, f.stored_len, sha);
		if (memcmp(sha, f.stored_sha, sizeof(sha)) != 0)
			rc = -EBADMSG;
	}
	if (rc != -EBADMSG)
		return rc;
	if (!r->n_dropped++)
		nr_ax_describe(r->a, i, r->dropped, sizeof(r->dropped));
	if (i == 0)
		return nr_fail(err, -EINVAL,
			       "%s cannot be repaired: its first frame is damaged",
			       r->a->path);
	if (r->drop)
		return 1;
	return nr_fail(err, -EBADMSG, "%s of %s is damaged and would have to be left out",
		       r->dropped, r->a->path);
}

static int take_frame(struct repair *r, size_t i, struct nr_err *err)
{
	uint8_t stored[NR_ARCHIVE_HASH], content[NR_ARCHIVE_HASH];
	uint32_t len = r->a->place[i].stored_len;
	struct nr_ax_entry e;
	int rc = read_frame(r, i, err);

	if (rc)
		return rc < 0 ? rc : 0;
	if (!r->facts) {
		enum nr_archive_kind kind = nr_facts_kind(r->buf.p, r->buf.n);

		if (kind == NR_ARCHIVE_UNKNOWN)
			return nr_fail(err, -EINVAL,
				       "%s holds neither pcapng nor JSON lines: it is no "
				       "archive of nrtool",
				       r->a->path);
		r->facts = nr_facts_new(kind);
		r->build.kind = kind;
	}
	if (!nr_facts_feed(r->facts, &r->build, r->buf.p, r->buf.n))
		return nr_fail(err, -EINVAL,
			       "%s is no archive of nrtool: frame %zu does not begin and "
			       "end between records",
			       r->a->path, i + 1);
	SHA256(r->buf.stored, len, stored);
	SHA256(r->buf.p, r->buf.n, content);
	e = nr_ax_build_end(&r->build);
	nr_ax_build_add(&r->build, &e, len, (uint32_t)r->buf.n, stored, content);
	return copy_out(r, r->buf.stored, len, err);
}

static int write_tail(struct repair *r, struct nr_err *err)
{
	struct nr_buf tail = { 0 };
	int rc = nr_ax_build_encode(&r->build, &tail, err);

	if (rc == 0)
		rc = copy_out(r, tail.p, tail.len, err);
	nr_buf_fini(&tail);
	return rc < 0 ? rc : nr_outfile_commit(&r->out, err);
}

static void say(const struct repair *r, char *said, size_t n)
{
	const struct nr_archive_info *info = &r->a->info;
	const struct nr_ax_place *last = &r->a->place[r->a->n_places - 1];
	uint64_t end = last->offset + last->stored_len;
	int at = snprintf(said, n, "%zu frames with %llu records are kept",
			  r->build.n_frames, (unsigned long long)r->build.n_records);

	if (!info->has_table && !info->has_index && info->bytes > end && at > 0 &&
	    (size_t)at < n)
		at += snprintf(
			said + at, n - (size_t)at,
			"; %llu bytes behind them were no whole frame and are lost",
			(unsigned long long)(info->bytes - end));
	if (r->n_dropped && at > 0 && (size_t)at < n)
		snprintf(said + at, n - (size_t)at, "; %llu frames are lost, first %s",
			 (unsigned long long)r->n_dropped, r->dropped);
}

static int repair(struct repair *r, struct nr_err *err)
{
	const struct nr_archive_info *info = &r->a->info;
	int rc;

	if (!info->n_frames)
		return nr_fail(err, -EINVAL, "%s cannot be repaired: no frame is whole",
			       r->a->path);
	rc = nr_outfile_open(&r->out, r->a->path, true, true, err);
	if (rc < 0)
		return rc;
	nr_ax_build_init(&r->build, NR_ARCHIVE_UNKNOWN, info->level, 0,
			 "\"repaired\":true");
	for (size_t i = 0; i < info->n_frames && rc == 0; i++)
		rc = take_frame(r, i, err);
	return rc < 0 ? rc : write_tail(r, err);
}

int nr_archive_repair(const char *path, bool drop, char *said, size_t n_said,
		      struct nr_err *err)
{
	struct repair r = { .drop = drop, .out = { .fd = -1 } };
	struct nr_archive_check c;
	int rc = nr_archive_verify(path, &c, NULL, NULL, err);

	if (rc < 0)
		return rc;
	if (c.verdict == NR_ARCHIVE_WHOLE) {
		snprintf(said, n_said, "nothing is missing");
		return 0;
	}
	rc = nr_archive_open(&r.a, path, err);
	if (rc < 0)
		return rc;
	rc = repair(&r, err);
	if (rc == 0)
		say(&r, said, n_said);
	nr_outfile_close(&r.out);
	nr_ax_build_fini(&r.build);
	nr_facts_free(r.facts);
	nr_archive_buf_fini(&r.buf);
	nr_archive_close(r.a);
	return rc;
}
