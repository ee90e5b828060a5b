/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Is an archive what was written? Every byte of the file is proven by something: frames
 * by the hashes in the index, the index by its own hash, all behind the last frame by
 * being made anew and compared.
 */
#include "archive/chunk.h"
#include "archive/reader.h"

#include "base/mem.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct verify {
	const struct nr_archive *a;
	struct nr_archive_check *c;
	void (*say)(void *arg, const char *finding);
	void *arg;
	struct nr_archive_buf buf;
};

static void found(struct verify *v, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void found(struct verify *v, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (v->c->verdict == NR_ARCHIVE_WHOLE)
		v->c->verdict = NR_ARCHIVE_CHANGED;
	if (!v->c->n_findings++)
		snprintf(v->c->finding, sizeof(v->c->finding), "%s", text);
	if (v->say)
		v->say(v->arg, text);
}

/* 0 where the frame is what was written, 1 where not, which is said; -errno. */
static int check_frame(struct verify *v, size_t i, struct nr_err *err)
{
	struct nr_archive_frame f;
	uint8_t stored[NR_ARCHIVE_HASH], content[NR_ARCHIVE_HASH];
	char which[200];
	int rc = nr_ax_read_stored(v->a, i, &v->buf, err);

	if (rc < 0)
		return rc;
	nr_archive_frame(v->a, i, &f);
	nr_ax_describe(v->a, i, which, sizeof(which));
	SHA256(v->buf.stored, f.stored_len, stored);
	if (f.has_facts && memcmp(stored, f.stored_sha, sizeof(stored)) != 0) {
		found(v, "%s differs from what was written: its SHA-256 is another one",
		      which);
		return 1;
	}
	rc = nr_ax_decompress(v->a, i, &v->buf, err);
	if (rc == -EBADMSG) {
		found(v, "%s cannot be decompressed", which);
		return 1;
	}
	if (rc < 0 || !f.has_facts)
		return rc;
	SHA256(v->buf.p, v->buf.n, content);
	nr_ax_chain(v->c->head, stored, content);
	if (memcmp(content, f.content_sha, sizeof(content)) != 0) {
		found(v, "the content of %s differs from what the index says", which);
		return 1;
	}
	if (memcmp(v->c->head, f.chain, sizeof(content)) != 0) {
		found(v, "the chain is broken at %s", which);
		memcpy(v->c->head, f.chain, sizeof(content));
		return 1;
	}
	return 0;
}

static int check_frames(struct verify *v, struct nr_err *err)
{
	const struct nr_archive_info *info = &v->a->info;

	for (size_t i = 0; i < info->n_frames; i++) {
		int rc = check_frame(v, i, err);

		if (rc < 0)
			return rc;
		v->c->n_good += rc == 0;
		v->c->n_bad += rc == 1;
	}
	return 0;
}

static void add32(struct nr_buf *b, uint32_t x)
{
	const uint8_t p[4] = { (uint8_t)x, (uint8_t)(x >> 8), (uint8_t)(x >> 16),
			       (uint8_t)(x >> 24) };

	nr_buf_add(b, p, sizeof(p));
}

static void add_entry(struct nr_buf *t, size_t stored, size_t content)
{
	add32(t, (uint32_t)stored);
	add32(t, (uint32_t)content);
}

/* What has to stand behind the last frame: the index as it is, the table made anew. */
static void make_tail(const struct nr_archive *a, uint64_t end, struct nr_buf *out)
{
	bool paged = a->info.kind == NR_ARCHIVE_PACKETS;
	struct nr_buf t = { 0 };

	for (size_t i = 0; i < a->n_places; i++)
		add_entry(&t, a->place[i].stored_len, a->place[i].content_len);
	for (unsigned i = 0; i < 2; i++) {
		if (paged && (end + out->len) % NR_AX_PAGE == 0) {
			nr_buf_add(out, nr_ax_empty_frame, NR_AX_EMPTY_FRAME);
			add_entry(&t, NR_AX_EMPTY_FRAME, 0);
		}
		if (i)
			break;
		nr_buf_add(out, a->index, a->index_len);
		add_entry(&t, a->index_len, 0);
	}
	add32(out, NR_AX_TABLE_MAGIC);
	add32(out, (uint32_t)t.len + NR_AX_FOOTER);
	nr_buf_add(out, t.p, t.len);
	add32(out, (uint32_t)(t.len / 8));
	nr_buf_char(out, 0);
	add32(out, nr_ax_seekable_magic);
	nr_buf_fini(&t);
}

static int check_tail(struct verify *v, struct nr_err *err)
{
	const struct nr_archive *a = v->a;
	struct nr_buf tail = { 0 };
	uint64_t end = 0, len;
	uint8_t *is;
	size_t at = 0;
	int rc;

	for (size_t i = 0; i < a->n_places; i++) {
		at += a->place[i].stored_len;
		end = a->place[i].offset + a->place[i].stored_len;
	}
	len = a->info.bytes - end;
	if (at != end)
		found(v, "something that is no frame stands between the frames");
	make_tail(a, end, &tail);
	if (tail.len != len) {
		found(v,
		      "%llu bytes stand behind the last frame where index and seek "
		      "table have %zu",
		      (unsigned long long)len, tail.len);
		nr_buf_fini(&tail);
		return 0;
	}
	is = nr_xmalloc(tail.len);
	rc = nr_ax_pread(a, end, is, tail.len, err);
	for (at = 0; rc == 0 && at < tail.len && is[at] == (uint8_t)tail.p[at]; at++)
		;
	if (rc == 0 && at < tail.len)
		found(v, "the seek table differs from the frames, first at byte %llu",
		      (unsigned long long)end + at);
	nr_free(is);
	nr_buf_fini(&tail);
	return rc;
}

int nr_archive_verify(const char *path, struct nr_archive_check *c,
		      void (*say)(void *arg, const char *finding), void *arg,
		      struct nr_err *err)
{
	struct verify v = { .c = c, .say = say, .arg = arg };
	struct nr_err local = { "" };
	struct nr_archive *a;
	const struct nr_archive_info *info;
	int rc;

	*c = (struct nr_archive_check){ 0 };
	err = err ? err : &local;
	rc = nr_archive_open(&a, path, err);
	if (rc < 0)
		return rc;
	info = nr_archive_info(a);
	v.a = a;
	c->n_frames = info->n_frames;
	c->n_records = info->n_records;
	c->content_len = info->content_len;
	c->bytes = info->bytes;
	c->has_index = info->has_index;
	c->has_table = info->has_table;
	if (info->wrong[0])
		found(&v, "%s", info->wrong);
	else if (!info->has_index)
		found(&v, "it has no index: it is no archive of nrtool");
	if (!info->has_table && !info->has_index)
		c->verdict = NR_ARCHIVE_CUT;
	rc = check_frames(&v, err);
	if (rc == 0 && info->has_index && info->has_table)
		rc = check_tail(&v, err);
	nr_archive_buf_fini(&v.buf);
	nr_archive_close(a);
	return rc;
}
