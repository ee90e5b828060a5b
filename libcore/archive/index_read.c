/* SPDX-License-Identifier: BSD-3-Clause */
/* The index as it is read, and the walk over frames where there is none. */
#include "archive/reader.h"

#include "base/mem.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>
#include <zstd.h>

int nr_ax_wrong(struct nr_archive *a, const char *what)
{
	if (!a->info.wrong[0])
		snprintf(a->info.wrong, sizeof(a->info.wrong), "%s", what);
	return 0;
}

static uint16_t get16(struct nr_cursor *c)
{
	const uint8_t *p = nr_get(c, 2);

	return p ? nr_le16(p) : 0;
}

static uint32_t get32(struct nr_cursor *c)
{
	const uint8_t *p = nr_get(c, 4);

	return p ? nr_le32(p) : 0;
}

static uint64_t get64(struct nr_cursor *c)
{
	const uint8_t *p = nr_get(c, 8);

	return p ? nr_le64(p) : 0;
}

static char *copy_text(const uint8_t *p, size_t n)
{
	char *s = nr_xmalloc(n + 1);

	memcpy(s, p, n);
	s[n] = '\0';
	return s;
}

static bool take_types(struct nr_archive *a, struct nr_cursor *c, uint32_t n)
{
	const char **names;

	if (n > NR_AX_TYPES_MAX)
		return false;
	names = nr_xcalloc(n, sizeof(*names));
	a->info.type = names;
	for (uint32_t i = 0; i < n; i++) {
		uint16_t len = get16(c);
		const uint8_t *p = nr_get(c, len);

		if (!p)
			return false;
		names[i] = copy_text(p, len);
		a->info.n_types = i + 1;
	}
	return true;
}

static bool take_heads(struct nr_archive *a, struct nr_cursor *c, uint32_t n)
{
	struct nr_archive_head *heads;
	uint64_t before = 0;

	if (n > NR_AX_HEADS_MAX / 12)
		return false;
	heads = nr_xcalloc(n, sizeof(*heads));
	a->info.heads = heads;
	for (uint32_t i = 0; i < n; i++) {
		heads[i].content = get64(c);
		heads[i].n = get32(c);
		heads[i].p = nr_get(c, heads[i].n);
		if (!heads[i].p || heads[i].content < before ||
		    heads[i].content >= a->info.content_len)
			return false;
		before = heads[i].content;
		a->info.n_heads = i + 1;
	}
	return true;
}

static bool take_entry(struct nr_archive *a, struct nr_cursor *c, struct nr_ax_place *p)
{
	const uint8_t *e = nr_take(c, NR_AX_FRAME);
	uint64_t n_counts, filter;

	if (!e || nr_le32(e + NR_AX_AT_F_STORED) != p->stored_len ||
	    nr_le32(e + NR_AX_AT_F_CONTENT) != p->content_len)
		return false;
	n_counts = nr_le32(e + NR_AX_AT_F_COUNTS);
	filter = nr_le32(e + NR_AX_AT_F_FILTER);
	if (filter > NR_AX_FILTER_MAX || filter & (filter - 1) ||
	    n_counts > nr_left(c) / NR_AX_COUNT || !nr_take(c, n_counts * NR_AX_COUNT) ||
	    !nr_take(c, filter))
		return false;
	p->entry = (size_t)(e - a->index);
	p->record = a->info.n_records;
	a->info.n_records += nr_le32(e + NR_AX_AT_F_RECORDS);
	return true;
}

static bool take_body(struct nr_archive *a, const uint8_t *h, struct nr_cursor *c)
{
	size_t n_meta = nr_le32(h + NR_AX_AT_META);
	uint32_t zstd = nr_le32(h + NR_AX_AT_ZSTD);
	const uint8_t *meta = nr_take(c, n_meta);
	char version[32];

	if (!meta || !nr_json_valid((const char *)meta, n_meta) || meta[0] != '{')
		return false;
	a->info.meta = copy_text(meta, n_meta);
	snprintf(version, sizeof(version), "%u.%u.%u", zstd / 10000, zstd / 100 % 100,
		 zstd % 100);
	a->info.zstd = copy_text((const uint8_t *)version, strlen(version));
	a->info.level = nr_le16(h + NR_AX_AT_LEVEL);
	if (!take_types(a, c, nr_le32(h + NR_AX_AT_TYPES)) ||
	    !take_heads(a, c, nr_le32(h + NR_AX_AT_HEADS)))
		return false;
	for (size_t i = 0; i < a->n_places; i++)
		if (!take_entry(a, c, &a->place[i]))
			return false;
	while (c->p < c->end && !*c->p) /* up to the end of a page, see chunk.h */
		c->p++;
	return !nr_left(c);
}

void nr_ax_index_take(struct nr_archive *a)
{
	const uint8_t *h = a->index + NR_AX_SKIP_HEAD;
	size_t n = a->index_len - NR_AX_SKIP_HEAD;
	uint8_t sha[NR_ARCHIVE_HASH];
	struct nr_cursor c;
	struct nr_archive_info *info = &a->info;

	if (nr_le32(a->index) != NR_AX_INDEX_MAGIC || nr_le32(a->index + 4) != n ||
	    memcmp(h, nr_ax_magic, sizeof(nr_ax_magic)) != 0) {
		nr_ax_wrong(a, "its index is missing or damaged");
		return;
	}
	SHA256(h, n - sizeof(sha), sha);
	if (memcmp(sha, h + n - sizeof(sha), sizeof(sha)) != 0) {
		nr_ax_wrong(a, "its index is damaged: the hash over it differs");
		return;
	}
	if (nr_le16(h + NR_AX_AT_VERSION) != NR_AX_VERSION) {
		nr_ax_wrong(a,
			    "its index is of a version that this nrtool does not know");
		return;
	}
	c = nr_cursor(h + NR_AX_HEAD, n - NR_AX_HEAD - sizeof(sha));
	if (nr_le32(h + NR_AX_AT_FRAMES) != a->n_places ||
	    nr_le64(h + NR_AX_AT_CONTENT) != info->content_len || !take_body(a, h, &c) ||
	    info->n_records != nr_le64(h + NR_AX_AT_RECORDS)) {
		for (size_t i = 0; i < a->n_places; i++)
			a->place[i].entry = 0;
		info->n_records = 0;
		info->n_heads = 0;
		nr_ax_wrong(a, "its index does not fit its frames");
		return;
	}
	info->has_index = true;
	info->kind = nr_le16(h + NR_AX_AT_KIND) == NR_ARCHIVE_PACKETS ? NR_ARCHIVE_PACKETS
		     : nr_le16(h + NR_AX_AT_KIND) == NR_ARCHIVE_EVENTS
			     ? NR_ARCHIVE_EVENTS
			     : NR_ARCHIVE_UNKNOWN;
	info->seeks = !(nr_le16(h + NR_AX_AT_FLAGS) & NR_AX_NOT_ALL_HEADS);
	if (a->n_places)
		info->head =
			a->index + a->place[a->n_places - 1].entry + NR_AX_AT_F_CHAIN;
}

/* Whole if this many bytes from `at` are in the file. */
static bool there(const struct nr_archive *a, uint64_t at, uint64_t n)
{
	return at <= a->info.bytes && a->info.bytes - at >= n;
}

/* Says more than what was wrong with the table. */
static int broken(struct nr_archive *a, const char *what)
{
	a->info.wrong[0] = '\0';
	return nr_ax_wrong(a, what);
}

static int cut(struct nr_archive *a)
{
	return broken(a, "its end is missing: it is cut inside a frame");
}

/* The frame header behind the magic: *len bytes, *content, *checksum. */
static bool frame_header(struct nr_cursor c, size_t *len, uint64_t *content,
			 bool *checksum)
{
	static const uint8_t dict_len[] = { 0, 1, 2, 4 }, size_len[] = { 0, 2, 4, 8 };
	const uint8_t *begin = c.p;
	uint8_t d = nr_get_u8(&c);
	bool single = d >> 5 & 1;
	unsigned n = size_len[d >> 6];
	const uint8_t *p;

	if (!n && single)
		n = 1;
	*checksum = d >> 2 & 1;
	nr_get(&c, single ? 0 : 1);
	nr_get(&c, dict_len[d & 3]);
	p = nr_get(&c, n);
	if (c.bad || !p || d & 8)
		return false;
	*content = n == 0   ? UINT64_MAX
		   : n == 1 ? p[0]
		   : n == 2 ? (uint64_t)nr_le16(p) + 256
		   : n == 4 ? nr_le32(p)
			    : nr_le64(p);
	*len = (size_t)(c.p - begin);
	return true;
}

/* From the first block's header to the frame's end: 1 with *end, 0, -errno. */
static int walk_blocks(struct nr_archive *a, uint64_t at, uint64_t *end,
		       struct nr_err *err)
{
	uint8_t buf[4096]; /* frames may be filled up with thousands of empty blocks */
	uint64_t base = 0;
	size_t n = 0;
	uint32_t h;

	do {
		const uint8_t *b;

		if (!there(a, at, 3))
			return cut(a);
		if (at < base || at + 3 > base + n) {
			uint64_t left = a->info.bytes - at;
			int rc;

			base = at;
			n = left < sizeof(buf) ? (size_t)left : sizeof(buf);
			rc = nr_ax_pread(a, at, buf, n, err);
			if (rc < 0)
				return rc;
		}
		b = buf + (at - base);
		h = (uint32_t)(b[0] | b[1] << 8 | b[2] << 16);
		if ((h >> 1 & 3) == 3)
			return broken(a, "the headers of a frame are damaged");
		at += 3 + ((h >> 1 & 3) == 1 ? 1 : h >> 3);
	} while (!(h & 1));
	*end = at;
	return 1;
}

int nr_ax_walk_frame(struct nr_archive *a, uint64_t at, struct nr_ax_walked *f,
		     struct nr_err *err)
{
	uint8_t h[18] = { 0 };
	uint64_t left = a->info.bytes - at, end;
	size_t n = left < sizeof(h) ? (size_t)left : sizeof(h), head;
	bool checksum;
	int rc;

	if (n < 8)
		return cut(a);
	rc = nr_ax_pread(a, at, h, n, err);
	if (rc < 0)
		return rc;
	*f = (struct nr_ax_walked){ .magic = nr_le32(h) };
	if ((f->magic & 0xfffffff0) == ZSTD_MAGIC_SKIPPABLE_START) {
		f->is_skippable = true;
		f->stored_len = NR_AX_SKIP_HEAD + (uint64_t)nr_le32(h + 4);
		return there(a, at, f->stored_len) ? 1 : cut(a);
	}
	if (f->magic != ZSTD_MAGICNUMBER)
		return broken(a, "what follows its frames is no frame");
	if (!frame_header(nr_cursor(h + 4, n - 4), &head, &f->content_len, &checksum))
		return broken(a, "the header of a frame is damaged");
	rc = walk_blocks(a, at + 4 + head, &end, err);
	if (rc <= 0)
		return rc;
	end += checksum ? 4 : 0;
	if (end > a->info.bytes)
		return cut(a);
	f->stored_len = end - at;
	return 1;
}
