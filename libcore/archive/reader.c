/* SPDX-License-Identifier: BSD-3-Clause */
#include "archive/reader.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

enum { INDEX_MAX = 1 << 30 };

int nr_ax_pread(const struct nr_archive *a, uint64_t at, void *p, size_t n,
		struct nr_err *err)
{
	uint8_t *to = p;

	while (n) {
		ssize_t got = pread(a->fd, to, n, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return nr_fail(err, -errno, "cannot read %s: %s", a->path,
				       strerror(errno));
		if (got == 0)
			return nr_fail(err, -EIO, "%s became shorter while it was read",
				       a->path);
		to += got;
		at += (uint64_t)got;
		n -= (size_t)got;
	}
	return 0;
}

static struct nr_ax_place *add_place(struct nr_archive *a)
{
	if (a->n_places == a->room_places) {
		a->room_places = a->room_places ? 2 * a->room_places : 64;
		a->place = nr_xrealloc(a->place, a->room_places * sizeof(*a->place));
	}
	return &a->place[a->n_places++];
}

int nr_ax_add_place(struct nr_archive *a, uint64_t offset, uint64_t stored_len,
		    uint64_t content_len)
{
	struct nr_ax_place *p;

	if (a->n_places == NR_AX_FRAMES_MAX)
		return -E2BIG;
	p = add_place(a);
	*p = (struct nr_ax_place){
		.offset = offset,
		.content = a->info.content_len,
		.stored_len = (uint32_t)stored_len,
		.content_len = (uint32_t)content_len,
	};
	a->info.content_len += content_len;
	return 0;
}

/*
 * The seek table: 1 where there is one that fits the file, places filled and *index_at,
 * *index_len set where an entry has no content; 0 where there is none, or none that
 * fits (info.wrong); -errno.
 */
static int read_table(struct nr_archive *a, uint64_t *index_at, uint64_t *index_len,
		      struct nr_err *err)
{
	uint8_t foot[NR_AX_FOOTER], *t;
	uint64_t size = a->info.bytes, n, each, len, at = 0;
	int rc;

	*index_len = 0;
	if (size < NR_AX_SKIP_HEAD + NR_AX_FOOTER)
		return 0;
	rc = nr_ax_pread(a, size - NR_AX_FOOTER, foot, sizeof(foot), err);
	if (rc < 0)
		return rc;
	if (nr_le32(foot + 5) != nr_ax_seekable_magic)
		return nr_ax_wrong(a, "it does not end with a seek table");
	n = nr_le32(foot);
	each = foot[4] & 0x80 ? 12 : 8;
	len = NR_AX_SKIP_HEAD + n * each + NR_AX_FOOTER;
	if (foot[4] & 0x7c || len > size || n > NR_AX_FRAMES_MAX)
		return nr_ax_wrong(a, "its seek table is damaged");
	t = nr_xmalloc((size_t)len);
	rc = nr_ax_pread(a, size - len, t, (size_t)len, err);
	if (rc < 0) {
		nr_free(t);
		return rc;
	}
	if (nr_le32(t) != NR_AX_TABLE_MAGIC || nr_le32(t + 4) != len - NR_AX_SKIP_HEAD) {
		nr_free(t);
		return nr_ax_wrong(a, "its seek table is damaged");
	}
	rc = 1;
	for (uint64_t i = 0; i < n && rc == 1; i++) {
		const uint8_t *e = t + NR_AX_SKIP_HEAD + i * each;
		uint32_t stored = nr_le32(e), content = nr_le32(e + 4);

		if (content > NR_ARCHIVE_FRAME_MAX || stored > nr_ax_stored_max(content))
			rc = !content; /* the index; others are empty frames */
		if (rc && content)
			nr_ax_add_place(a, at, stored, content);
		else if (stored > NR_AX_SKIP_HEAD + NR_AX_HEAD) {
			*index_at = at;
			*index_len = stored;
		}
		at += stored;
	}
	nr_free(t);
	if (rc == 1 && at == size - len) {
		a->info.has_table = true;
		a->info.whole = size;
		return 1;
	}
	a->n_places = 0;
	a->info.content_len = 0;
	*index_len = 0;
	return nr_ax_wrong(a, "its seek table does not fit the file");
}

/* The frame at *at, of which `left` bytes are there: see nr_ax_walk_frame(). */
static int walk_step(struct nr_archive *a, uint64_t *at, uint64_t *index_at,
		     uint64_t *index_len, struct nr_err *err)
{
	struct nr_ax_walked f;
	int rc = nr_ax_walk_frame(a, *at, &f, err);

	if (rc <= 0)
		return rc;
	if (f.is_skippable) {
		if (f.magic == NR_AX_INDEX_MAGIC) {
			*index_at = *at;
			*index_len = f.stored_len;
		}
	} else if (f.content_len == UINT64_MAX || f.content_len > NR_ARCHIVE_FRAME_MAX ||
		   f.stored_len > nr_ax_stored_max(f.content_len)) {
		return nr_fail(err, -EINVAL,
			       "%s is compressed in one piece and no archive: it can be "
			       "read from its beginning alone",
			       a->path);
	} else if (f.content_len &&
		   nr_ax_add_place(a, *at, f.stored_len, f.content_len)) {
		return nr_fail(err, -EINVAL, "%s has more than %u frames", a->path,
			       NR_AX_FRAMES_MAX);
	}
	*at += f.stored_len;
	return 1;
}

/* Without a table: frame by frame, as far as they are whole. */
static int walk(struct nr_archive *a, uint64_t *index_at, uint64_t *index_len,
		struct nr_err *err)
{
	uint64_t at = 0;
	int rc = 1;

	*index_len = 0;
	while (rc == 1 && at < a->info.bytes)
		rc = walk_step(a, &at, index_at, index_len, err);
	a->info.whole = at;
	return rc < 0 ? rc : 0;
}

/* Reads, checks and takes the index over; without success the archive has none. */
static int read_index(struct nr_archive *a, uint64_t at, uint64_t len, struct nr_err *err)
{
	int rc;

	if (len < NR_AX_SKIP_HEAD + NR_AX_HEAD + NR_ARCHIVE_HASH || len > INDEX_MAX ||
	    at > a->info.bytes || a->info.bytes - at < len)
		return nr_ax_wrong(a, "its index is missing");
	a->index = nr_xmalloc((size_t)len);
	a->index_len = (size_t)len;
	rc = nr_ax_pread(a, at, a->index, (size_t)len, err);
	if (rc < 0)
		return rc;
	nr_ax_index_take(a);
	return 0;
}

static int open_all(struct nr_archive *a, struct nr_err *err)
{
	uint64_t at = 0, len = 0;
	uint8_t head[4];
	int rc;

	if (a->info.bytes < sizeof(head))
		return nr_fail(err, -EINVAL, "%s is no archive: it has %llu bytes",
			       a->path, (unsigned long long)a->info.bytes);
	rc = nr_ax_pread(a, 0, head, sizeof(head), err);
	if (rc < 0)
		return rc;
	if (nr_le32(head) != ZSTD_MAGICNUMBER &&
	    (nr_le32(head) & 0xfffffff0) != ZSTD_MAGIC_SKIPPABLE_START)
		return nr_fail(err, -EINVAL,
			       "%s is no archive: it does not begin with a zstd frame",
			       a->path);
	rc = read_table(a, &at, &len, err);
	if (rc == 0)
		rc = walk(a, &at, &len, err);
	if (rc < 0)
		return rc;
	return read_index(a, at, len, err);
}

int nr_archive_open(struct nr_archive **out, const char *path, struct nr_err *err)
{
	struct nr_archive *a;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc;

	*out = NULL;
	if (fd < 0)
		return nr_fail(err, -errno, "cannot open %s: %s", path, strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return nr_fail(err, -EINVAL, "%s is no regular file, so no archive",
			       path);
	}
	a = nr_xcalloc(1, sizeof(*a));
	a->fd = fd;
	a->path = nr_xstrdup(path);
	a->info.path = a->path;
	a->info.bytes = (uint64_t)st.st_size;
	rc = open_all(a, err);
	a->info.n_frames = a->n_places;
	if (rc < 0) {
		nr_archive_close(a);
		return rc;
	}
	*out = a;
	return 0;
}

const struct nr_archive_info *nr_archive_info(const struct nr_archive *a)
{
	return &a->info;
}

void nr_archive_frame(const struct nr_archive *a, size_t i, struct nr_archive_frame *f)
{
	const struct nr_ax_place *p = &a->place[i];
	const uint8_t *e = p->entry ? a->index + p->entry : NULL;

	*f = (struct nr_archive_frame){
		.offset = p->offset,
		.stored_len = p->stored_len,
		.content = p->content,
		.content_len = p->content_len,
		.lo_ns = INT64_MAX,
		.hi_ns = INT64_MIN,
	};
	if (!e)
		return;
	f->has_facts = true;
	f->record = p->record;
	f->n_records = nr_le32(e + NR_AX_AT_F_RECORDS);
	f->n_counts = nr_le32(e + NR_AX_AT_F_COUNTS);
	f->filter_len = nr_le32(e + NR_AX_AT_F_FILTER);
	f->lo_ns = (int64_t)nr_le64(e + NR_AX_AT_F_LO);
	f->hi_ns = (int64_t)nr_le64(e + NR_AX_AT_F_HI);
	f->stored_sha = e + NR_AX_AT_F_SHA;
	f->content_sha = e + NR_AX_AT_F_CONTENT_SHA;
	f->chain = e + NR_AX_AT_F_CHAIN;
	f->counts = e + NR_AX_FRAME;
	f->filter = f->counts + f->n_counts * NR_AX_COUNT;
}

struct nr_archive_count nr_archive_count(const struct nr_archive_frame *f, size_t i)
{
	const uint8_t *c = f->counts + i * NR_AX_COUNT;

	return (struct nr_archive_count){
		.type = nr_le32(c),
		.n = nr_le32(c + 4),
		.lo_ns = (int64_t)nr_le64(c + 8),
		.hi_ns = (int64_t)nr_le64(c + 16),
	};
}

size_t nr_archive_find_content(const struct nr_archive *a, uint64_t content)
{
	size_t lo = 0, hi = a->n_places;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (a->place[mid].content + a->place[mid].content_len <= content)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

size_t nr_archive_find_record(const struct nr_archive *a, uint64_t record)
{
	size_t lo = 0, hi = a->n_places;

	if (!a->info.has_index || !record || record > a->info.n_records)
		return a->n_places;
	while (lo + 1 < hi) { /* the last frame that begins before the record */
		size_t mid = lo + (hi - lo) / 2;

		if (a->place[mid].record < record)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

bool nr_archive_in_time(const struct nr_archive_frame *f, int64_t from, int64_t to)
{
	return !f->has_facts ||
	       (f->lo_ns <= f->hi_ns && f->hi_ns >= from && f->lo_ns < to);
}

bool nr_archive_may_hold(const struct nr_archive_frame *f,
			 const struct nr_archive_addr *addr)
{
	uint64_t h = nr_ax_address_hash(addr);

	if (!f->has_facts || !f->filter_len)
		return true;
	for (unsigned i = 0; i < 4; i++, h >>= 16) {
		size_t bit = (h & 0xffff) & (8 * f->filter_len - 1);

		if (!(f->filter[bit / 8] >> bit % 8 & 1))
			return false;
	}
	return true;
}

/* Stored bytes of frame i into b->stored. */
int nr_ax_read_stored(const struct nr_archive *a, size_t i, struct nr_archive_buf *b,
		      struct nr_err *err)
{
	const struct nr_ax_place *p = &a->place[i];

	if (b->stored_room < p->stored_len) {
		nr_free(b->stored);
		b->stored = nr_xmalloc(p->stored_len);
		b->stored_room = p->stored_len;
	}
	return nr_ax_pread(a, p->offset, b->stored, p->stored_len, err);
}

/* "frame 3 of 20 (packets 1001 to 2000, 2026-… to 2026-…)" */
void nr_ax_describe(const struct nr_archive *a, size_t i, char *out, size_t n)
{
	struct nr_archive_frame f;
	char lo[NR_TIME_TEXT], hi[NR_TIME_TEXT];
	int at;

	nr_archive_frame(a, i, &f);
	at = snprintf(out, n, "frame %zu of %zu at byte %llu", i + 1, a->n_places,
		      (unsigned long long)f.offset);
	if (!f.has_facts || at < 0 || (size_t)at >= n)
		return;
	nr_time_format(lo, f.lo_ns);
	nr_time_format(hi, f.hi_ns);
	at += snprintf(out + at, n - (size_t)at, " (records %llu to %llu",
		       (unsigned long long)f.record + 1,
		       (unsigned long long)f.record + f.n_records);
	if (f.lo_ns <= f.hi_ns && (size_t)at < n)
		at += snprintf(out + at, n - (size_t)at, ", %s to %s", lo, hi);
	if ((size_t)at < n)
		snprintf(out + at, n - (size_t)at, ")");
}

int nr_ax_decompress(const struct nr_archive *a, size_t i, struct nr_archive_buf *b,
		     struct nr_err *err)
{
	const struct nr_ax_place *p = &a->place[i];
	char which[200];
	size_t rc;

	if (b->room < p->content_len) {
		nr_free(b->p);
		b->p = nr_xmalloc(p->content_len);
		b->room = p->content_len;
	}
	b->n = 0;
	if (!b->zstd)
		b->zstd = ZSTD_createDCtx();
	if (!b->zstd)
		return nr_fail(err, -ENOMEM, "no memory to decompress %s", a->path);
	rc = ZSTD_decompressDCtx(b->zstd, b->p, p->content_len, b->stored, p->stored_len);
	if (!ZSTD_isError(rc) && rc == p->content_len) {
		b->n = rc;
		return 0;
	}
	nr_ax_describe(a, i, which, sizeof(which));
	return nr_fail(err, -EBADMSG, "%s is damaged: %s: %s", a->path, which,
		       ZSTD_isError(rc) ? ZSTD_getErrorName(rc)
					: "its size is not what the seek table says");
}

int nr_archive_read(const struct nr_archive *a, size_t i, struct nr_archive_buf *b,
		    struct nr_err *err)
{
	int rc = nr_ax_read_stored(a, i, b, err);

	return rc < 0 ? rc : nr_ax_decompress(a, i, b, err);
}

void nr_archive_buf_fini(struct nr_archive_buf *b)
{
	nr_free(b->p);
	nr_free(b->stored);
	ZSTD_freeDCtx(b->zstd);
	*b = (struct nr_archive_buf){ 0 };
}

void nr_archive_close(struct nr_archive *a)
{
	if (!a)
		return;
	close(a->fd);
	for (size_t i = 0; i < a->info.n_types; i++)
		nr_free((char *)a->info.type[i]);
	nr_free((char **)a->info.type);
	nr_free((struct nr_archive_head *)a->info.heads);
	nr_free((char *)a->info.meta);
	nr_free((char *)a->info.zstd);
	nr_free(a->index);
	nr_free(a->place);
	nr_free(a->path);
	nr_free(a);
}
