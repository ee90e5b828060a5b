/* SPDX-License-Identifier: BSD-3-Clause */
#include "archive/chunk.h"

#include "base/mem.h"

#include <errno.h>
#include <openssl/sha.h>
#include <string.h>
#include <zstd.h>

static void put(uint8_t *p, uint64_t v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static void add(struct nr_buf *b, uint64_t v, unsigned n)
{
	uint8_t p[8];

	put(p, v, n);
	nr_buf_add(b, p, n);
}

void nr_ax_chain(uint8_t chain[NR_ARCHIVE_HASH], const uint8_t *stored_sha,
		 const uint8_t *content_sha)
{
	uint8_t all[3 * NR_ARCHIVE_HASH];

	memcpy(all, chain, NR_ARCHIVE_HASH);
	memcpy(all + NR_ARCHIVE_HASH, stored_sha, NR_ARCHIVE_HASH);
	memcpy(all + 2 * NR_ARCHIVE_HASH, content_sha, NR_ARCHIVE_HASH);
	SHA256(all, sizeof(all), chain);
}

/* FNV-1a, then mixed so that all its 16-bit pieces are good. */
uint64_t nr_ax_address_hash(const struct nr_archive_addr *a)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (unsigned i = 0; i < a->len && i < sizeof(a->b); i++)
		h = (h ^ a->b[i]) * UINT64_C(0x100000001b3);
	h = (h ^ h >> 32) * UINT64_C(0xd6e8feb86659fd93);
	return h ^ h >> 32;
}

void nr_ax_build_init(struct nr_ax_build *b, enum nr_archive_kind kind, int level,
		      uint32_t frame_size, const char *meta)
{
	*b = (struct nr_ax_build){
		.kind = kind,
		.level = level,
		.frame_size = frame_size,
		.frame = 1,
		.lo_ns = INT64_MAX,
		.hi_ns = INT64_MIN,
	};
	nr_buf_str(&b->meta, meta ? meta : "");
}

uint32_t nr_ax_build_type(struct nr_ax_build *b, const char *name, size_t n)
{
	char *s;

	for (size_t i = 0; i < b->n_types; i++)
		if (strlen(b->types[i]) == n && !memcmp(b->types[i], name, n))
			return (uint32_t)i;
	if (b->n_types == NR_AX_TYPES_MAX || n > UINT16_MAX)
		return NR_ARCHIVE_NO_TYPE;
	if (b->n_types == b->room_types) {
		b->room_types = b->room_types ? 2 * b->room_types : 16;
		b->types = nr_xrealloc(b->types, b->room_types * sizeof(*b->types));
	}
	s = nr_xmalloc(n + 1);
	memcpy(s, name, n);
	s[n] = '\0';
	b->types[b->n_types] = s;
	return (uint32_t)b->n_types++;
}

static struct nr_archive_count *count_of(struct nr_ax_build *b, uint32_t type)
{
	if (type >= b->room_seen) {
		size_t room = (size_t)type + 16 + type / 2;

		b->seen = nr_xrealloc(b->seen, room * sizeof(*b->seen));
		memset(b->seen + b->room_seen, 0,
		       (room - b->room_seen) * sizeof(*b->seen));
		b->room_seen = room;
	}
	if (b->seen[type].frame == b->frame)
		return &b->counts[b->seen[type].at];
	if (b->n_counts == b->room_counts) {
		b->room_counts = b->room_counts ? 2 * b->room_counts : 16;
		b->counts = nr_xrealloc(b->counts, b->room_counts * sizeof(*b->counts));
	}
	b->seen[type].frame = b->frame;
	b->seen[type].at = b->n_counts;
	b->counts[b->n_counts] = (struct nr_archive_count){
		.type = type,
		.lo_ns = INT64_MAX,
		.hi_ns = INT64_MIN,
	};
	return &b->counts[b->n_counts++];
}

static void take_address(struct nr_ax_build *b, const struct nr_archive_addr *a)
{
	uint64_t h = nr_ax_address_hash(a);
	unsigned fresh = 0;

	for (unsigned i = 0; i < 4; i++, h >>= 16) {
		unsigned bit = h & (8 * NR_AX_FILTER_MAX - 1);

		fresh |= !(b->filter[bit / 8] >> bit % 8 & 1);
		b->filter[bit / 8] |= (uint8_t)(1 << bit % 8);
	}
	b->n_addresses += fresh;
}

static void take_head(struct nr_ax_build *b, const void *p, size_t n)
{
	if (b->not_all_heads || b->heads.len + n + 12 > NR_AX_HEADS_MAX) {
		b->not_all_heads = true;
		return;
	}
	add(&b->heads, b->cur_content, 8);
	add(&b->heads, n, 4);
	nr_buf_add(&b->heads, p, n);
	b->n_heads++;
}

void nr_ax_build_fact(struct nr_ax_build *b, const void *p, size_t n,
		      const struct nr_archive_fact *f)
{
	if (f->flags & NR_FACT_HEAD)
		take_head(b, p, n);
	b->cur_content += n;
	if (!(f->flags & NR_FACT_RECORD))
		return;
	b->cur_records++;
	if (f->type != NR_ARCHIVE_NO_TYPE) {
		struct nr_archive_count *c = count_of(b, f->type);

		c->n++;
		if (f->flags & NR_FACT_TIME) {
			c->lo_ns = f->ts_ns < c->lo_ns ? f->ts_ns : c->lo_ns;
			c->hi_ns = f->ts_ns > c->hi_ns ? f->ts_ns : c->hi_ns;
		}
	}
	if (f->flags & NR_FACT_TIME) {
		b->lo_ns = f->ts_ns < b->lo_ns ? f->ts_ns : b->lo_ns;
		b->hi_ns = f->ts_ns > b->hi_ns ? f->ts_ns : b->hi_ns;
	}
	for (size_t i = 0; i < f->n_addr; i++)
		take_address(b, &f->addr[i]);
}

/*
 * The filter folded to about ten bits an address (places are taken modulo its size, so
 * that both halves laid over each other are the filter of half the size). 0: one that
 * would say yes to everything.
 */
static size_t fold_filter(struct nr_ax_build *b)
{
	size_t n = NR_AX_FILTER_MAX;

	if (b->n_addresses > 8 * NR_AX_FILTER_MAX / 3)
		return 0;
	while (n > 8 && 8 * (n / 2) >= 10 * (size_t)b->n_addresses) {
		n /= 2;
		for (size_t i = 0; i < n; i++)
			b->filter[i] |= b->filter[n + i];
	}
	return n;
}

struct nr_ax_entry nr_ax_build_end(struct nr_ax_build *b)
{
	struct nr_buf e = { 0 };
	uint8_t head[NR_AX_FRAME] = { 0 };
	size_t filter = fold_filter(b);

	put(head + NR_AX_AT_F_RECORDS, b->cur_records, 4);
	put(head + NR_AX_AT_F_COUNTS, b->n_counts, 4);
	put(head + NR_AX_AT_F_FILTER, filter, 4);
	put(head + NR_AX_AT_F_LO, (uint64_t)b->lo_ns, 8);
	put(head + NR_AX_AT_F_HI, (uint64_t)b->hi_ns, 8);
	nr_buf_add(&e, head, sizeof(head));
	for (size_t i = 0; i < b->n_counts; i++) {
		add(&e, b->counts[i].type, 4);
		add(&e, b->counts[i].n, 4);
		add(&e, (uint64_t)b->counts[i].lo_ns, 8);
		add(&e, (uint64_t)b->counts[i].hi_ns, 8);
	}
	nr_buf_add(&e, b->filter, filter);
	b->n_records += b->cur_records;
	b->cur_records = 0;
	b->n_counts = 0;
	b->lo_ns = INT64_MAX;
	b->hi_ns = INT64_MIN;
	b->n_addresses = 0;
	memset(b->filter, 0, sizeof(b->filter));
	b->frame++;
	return (struct nr_ax_entry){ e.p, e.len };
}

void nr_ax_build_add(struct nr_ax_build *b, struct nr_ax_entry *e, uint32_t stored_len,
		     uint32_t content_len, const uint8_t *stored_sha,
		     const uint8_t *content_sha)
{
	uint8_t *p = (uint8_t *)e->p;

	nr_ax_chain(b->chain, stored_sha, content_sha);
	put(p + NR_AX_AT_F_STORED, stored_len, 4);
	put(p + NR_AX_AT_F_CONTENT, content_len, 4);
	memcpy(p + NR_AX_AT_F_SHA, stored_sha, NR_ARCHIVE_HASH);
	memcpy(p + NR_AX_AT_F_CONTENT_SHA, content_sha, NR_ARCHIVE_HASH);
	memcpy(p + NR_AX_AT_F_CHAIN, b->chain, NR_ARCHIVE_HASH);
	nr_buf_add(&b->frames, e->p, e->len);
	nr_free(e->p);
	*e = (struct nr_ax_entry){ 0 };
	add(&b->sizes, stored_len, 4);
	add(&b->sizes, content_len, 4);
	b->stored_len += stored_len;
	b->content_len += content_len;
	b->n_frames++;
}

static void put_head(const struct nr_ax_build *b, size_t meta_len, struct nr_buf *out)
{
	uint8_t h[NR_AX_HEAD] = { 0 };

	memcpy(h, nr_ax_magic, sizeof(nr_ax_magic));
	put(h + NR_AX_AT_VERSION, NR_AX_VERSION, 2);
	put(h + NR_AX_AT_KIND, (uint64_t)b->kind, 2);
	put(h + NR_AX_AT_FLAGS, b->not_all_heads ? NR_AX_NOT_ALL_HEADS : 0, 2);
	put(h + NR_AX_AT_LEVEL, (uint64_t)b->level, 2);
	put(h + NR_AX_AT_ZSTD, ZSTD_versionNumber(), 4);
	put(h + NR_AX_AT_FRAMES, b->n_frames, 4);
	put(h + NR_AX_AT_TYPES, b->n_types, 4);
	put(h + NR_AX_AT_HEADS, b->n_heads, 4);
	put(h + NR_AX_AT_META, meta_len, 4);
	put(h + NR_AX_AT_SIZE, b->frame_size, 4);
	put(h + NR_AX_AT_STORED, b->stored_len, 8);
	put(h + NR_AX_AT_CONTENT, b->content_len, 8);
	put(h + NR_AX_AT_RECORDS, b->n_records, 8);
	nr_buf_add(out, h, sizeof(h));
}

/* Zeroes behind the index, hashed like it, so that it ends with its page (chunk.h). */
static void pad_index(const struct nr_ax_build *b, struct nr_buf *out)
{
	uint64_t end = b->stored_len + out->len + NR_ARCHIVE_HASH;
	size_t room = (size_t)(NR_AX_PAGE - end % NR_AX_PAGE) % NR_AX_PAGE;

	if (b->kind != NR_ARCHIVE_PACKETS ||
	    (end / NR_AX_PAGE == b->stored_len / NR_AX_PAGE && room >= NR_AX_SKIP_HEAD))
		return;
	memset(nr_buf_room(out, room), 0, room);
	out->len += room;
}

/* A page's beginning must be a frame's, for Wireshark. */
static void begin_page(struct nr_ax_build *b, struct nr_buf *out)
{
	if (b->kind != NR_ARCHIVE_PACKETS || (b->stored_len + out->len) % NR_AX_PAGE)
		return;
	nr_buf_add(out, nr_ax_empty_frame, NR_AX_EMPTY_FRAME);
	add(&b->sizes, NR_AX_EMPTY_FRAME, 4);
	add(&b->sizes, 0, 4);
}

int nr_ax_build_encode(struct nr_ax_build *b, struct nr_buf *out, struct nr_err *err)
{
	size_t body;
	uint8_t sha[NR_ARCHIVE_HASH];
	struct nr_buf meta = { 0 };

	nr_buf_printf(&meta, "{\"tool\":\"nrtool %s\"%s%s}", NR_VERSION,
		      b->meta.len ? "," : "", b->meta.len ? b->meta.p : "");
	begin_page(b, out);
	add(out, NR_AX_INDEX_MAGIC, 4);
	add(out, 0, 4);
	body = out->len;
	put_head(b, meta.len, out);
	nr_buf_add(out, meta.p, meta.len);
	nr_buf_fini(&meta);
	for (size_t i = 0; i < b->n_types; i++) {
		add(out, strlen(b->types[i]), 2);
		nr_buf_str(out, b->types[i]);
	}
	if (b->heads.len)
		nr_buf_add(out, b->heads.p, b->heads.len);
	if (b->frames.len)
		nr_buf_add(out, b->frames.p, b->frames.len);
	pad_index(b, out);
	if (out->len - body > UINT32_MAX - NR_ARCHIVE_HASH - NR_AX_SKIP_HEAD ||
	    b->sizes.len + 64 > UINT32_MAX)
		return nr_fail(err, -EFBIG, "the archive's index grows beyond 4 GiB");
	SHA256((const uint8_t *)out->p + body, out->len - body, sha);
	nr_buf_add(out, sha, sizeof(sha));
	put((uint8_t *)out->p + body - 4, out->len - body, 4);
	/* the index is a frame without content to the seek table */
	add(&b->sizes, out->len - body + NR_AX_SKIP_HEAD, 4);
	add(&b->sizes, 0, 4);
	begin_page(b, out);
	add(out, NR_AX_TABLE_MAGIC, 4);
	add(out, b->sizes.len + NR_AX_FOOTER, 4);
	nr_buf_add(out, b->sizes.p, b->sizes.len);
	add(out, b->sizes.len / 8, 4);
	add(out, 0, 1); /* no checksums: each frame has its own */
	add(out, nr_ax_seekable_magic, 4);
	return 0;
}

void nr_ax_build_fini(struct nr_ax_build *b)
{
	for (size_t i = 0; i < b->n_types; i++)
		nr_free(b->types[i]);
	nr_free(b->types);
	nr_free(b->counts);
	nr_free(b->seen);
	nr_buf_fini(&b->frames);
	nr_buf_fini(&b->sizes);
	nr_buf_fini(&b->heads);
	nr_buf_fini(&b->meta);
}
