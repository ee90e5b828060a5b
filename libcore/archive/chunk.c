/* SPDX-License-Identifier: BSD-3-Clause */
#include "archive/chunk.h"

#include "base/mem.h"

#include <openssl/sha.h>
#include <string.h>
#include <zstd.h>

enum {
	ZSTD_BLOCK = 128 << 10, /* content of a block at most */
	BLOCK_HEADER = 3,
	MADE_HEADER = 6,   /* of a frame as libzstd makes it: no size */
	FRAME_HEADER = 10, /* as it is stored: with its size */
	FRAME_END = 7,     /* an empty last block, checksum */
	/* what a frame in a page leaves free, so that it can end and be filled up */
	RESERVE = 48,
	SMALL = 2048, /* not worth another block */
};

/* Content size 0, one empty raw block, the checksum of nothing. */
const uint8_t nr_ax_empty_frame[NR_AX_EMPTY_FRAME] = {
	0x28, 0xb5, 0x2f, 0xfd, 0x24, 0x00, 0x01, 0x00, 0x00, 0x99, 0xe9, 0xd8, 0x51,
};

void *nr_ax_compressor(int level, uint32_t frame_size)
{
	ZSTD_CCtx *z = ZSTD_createCCtx();
	int log = 17;

	if (!z)
		return NULL;
	/* libzstd does not know how little comes: no tables larger than that needs */
	while (log < 24 && UINT32_C(1) << log < frame_size)
		log++;
	ZSTD_CCtx_setParameter(z, ZSTD_c_compressionLevel, level);
	ZSTD_CCtx_setParameter(z, ZSTD_c_windowLog, log);
	ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1);
	ZSTD_CCtx_setParameter(z, ZSTD_c_contentSizeFlag, 0);
	return z;
}

void nr_ax_compressor_free(void *z)
{
	ZSTD_freeCCtx(z);
}

void nr_ax_chunk_add(struct nr_ax_chunk *c, const void *p, size_t n,
		     const struct nr_archive_fact *f)
{
	if (c->room - c->n < n) {
		c->room = c->n + n > 2 * c->room ? c->n + n : 2 * c->room;
		c->content = nr_xrealloc(c->content, c->room);
	}
	memcpy(c->content + c->n, p, n);
	c->n += n;
	if (c->n_rec == c->room_rec) {
		c->room_rec = c->room_rec ? 2 * c->room_rec : 1024;
		c->rec = nr_xrealloc(c->rec, c->room_rec * sizeof(*c->rec));
	}
	if (c->room_addr - c->n_addr < f->n_addr) {
		c->room_addr = 2 * c->room_addr + f->n_addr + 1024;
		c->addr = nr_xrealloc(c->addr, c->room_addr * sizeof(*c->addr));
	}
	c->rec[c->n_rec++] = (struct nr_ax_record){
		.end = (uint32_t)c->n,
		.type = f->type,
		.ts_ns = f->ts_ns,
		.addr = (uint32_t)c->n_addr,
		.n_addr = (uint16_t)f->n_addr,
		.flags = (uint16_t)f->flags,
	};
	if (f->n_addr)
		memcpy(c->addr + c->n_addr, f->addr, f->n_addr * sizeof(*f->addr));
	c->n_addr += f->n_addr;
}

void nr_ax_chunk_clear(struct nr_ax_chunk *c)
{
	c->n = c->n_rec = c->n_addr = 0;
	c->stored_len = c->n_frames = 0;
}

void nr_ax_chunk_fini(struct nr_ax_chunk *c)
{
	nr_free(c->content);
	nr_free(c->rec);
	nr_free(c->addr);
	nr_free(c->stored);
	nr_free(c->frame);
	*c = (struct nr_ax_chunk){ 0 };
}

/* A frame that is being made. */
struct cut {
	struct nr_ax_chunk *c;
	ZSTD_CCtx *z;
	size_t begin, pos;     /* its content is [begin, pos) of the chunk's */
	size_t rec;            /* the first record that ends behind pos */
	size_t out;            /* where it begins in stored */
	uint64_t at;           /* offset of `out` from the beginning of the first page */
	uint64_t page;         /* the page in which it begins */
	uint64_t seen, gained; /* content and stored bytes so far, for the ratio */
};

static void need_room(struct nr_ax_chunk *c, size_t n)
{
	if (c->stored_room - c->stored_len >= n)
		return;
	c->stored_room = c->stored_len + n > 2 * c->stored_room ? c->stored_len + n
								: 2 * c->stored_room;
	c->stored = nr_xrealloc(c->stored, c->stored_room);
}

/* Content up to `end` into the frame; false where libzstd fails. */
static bool feed(struct cut *k, size_t end, ZSTD_EndDirective how)
{
	struct nr_ax_chunk *c = k->c;
	size_t n = end - k->pos, before = c->stored_len, rc;
	ZSTD_inBuffer in = { c->content + k->pos, n, 0 };

	need_room(c, ZSTD_compressBound(n) + 1024);
	do {
		ZSTD_outBuffer out = { c->stored, c->stored_room, c->stored_len };

		rc = ZSTD_compressStream2(k->z, &out, &in, how);
		c->stored_len = out.pos;
		if (ZSTD_isError(rc)) {
			c->failed = ZSTD_getErrorName(rc);
			return false;
		}
		need_room(c, rc + 1024);
	} while (rc || in.pos < in.size);
	k->pos = end;
	k->seen += n;
	k->gained += c->stored_len - before;
	while (k->rec < c->n_rec && c->rec[k->rec].end <= k->pos)
		k->rec++;
	return true;
}

static uint64_t place(const struct cut *k)
{
	return k->at + (k->c->stored_len - k->out);
}

static size_t room_in_page(const struct cut *k)
{
	return NR_AX_PAGE - place(k) % NR_AX_PAGE;
}

/* The end of the last record that ends no later than `end`; pos where there is none. */
static size_t border_before(const struct cut *k, size_t end)
{
	const struct nr_ax_chunk *c = k->c;
	size_t lo = k->rec, hi = c->n_rec;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (c->rec[mid].end <= end)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo == k->rec ? k->pos : c->rec[lo - 1].end;
}

static bool at_border(const struct cut *k)
{
	return k->rec ? k->c->rec[k->rec - 1].end == k->pos : k->pos == 0;
}

/*
 * Is the end of this page where the frame should end? Not if the content would be much
 * less than asked for and that of one page more would not be much too much.
 */
static bool ends_here(const struct cut *k)
{
	uint64_t content = k->pos - k->begin;
	double ratio = k->gained ? (double)k->seen / (double)k->gained : 2.0;
	double here = (double)content + (double)room_in_page(k) * ratio;

	return here + NR_AX_PAGE * ratio > 1.3 * k->c->frame_size;
}

/*
 * How far to feed next: a block, or as much as surely fits into the page (content never
 * grows by more than the headers of its blocks) where the frame is to end with it. pos:
 * nothing more, the frame is to end.
 */
static size_t next_stop(const struct cut *k)
{
	const struct nr_ax_chunk *c = k->c;
	size_t left = c->n - k->pos, block = left < ZSTD_BLOCK ? left : ZSTD_BLOCK;
	size_t content = k->pos - k->begin, room, to;
	bool crossed = place(k) / NR_AX_PAGE != k->page;

	if (!c->is_paged)
		return c->n;
	if (content >= (crossed ? c->frame_size + c->frame_size / 2 : c->frame_size) &&
	    at_border(k))
		return k->pos;
	room = room_in_page(k);
	if (!ends_here(k))
		return k->pos + block;
	if (room > 2 * RESERVE && room - RESERVE > block)
		return k->pos + block;
	if (room < SMALL && at_border(k))
		return k->pos;
	to = room > RESERVE ? border_before(k, k->pos + room - RESERVE) : k->pos;
	if (to > k->pos || at_border(k))
		return to;
	/* inside a record that is larger than the room: on to the next page */
	return c->rec[k->rec].end - k->pos < block ? c->rec[k->rec].end : k->pos + block;
}

/* Empty blocks of n bytes (not 1, 2 or 5) in front of the last block at `last`. */
static void fill_up(struct nr_ax_chunk *c, size_t last, size_t n)
{
	uint8_t *p = c->stored + last;

	memmove(p + n, p, c->stored_len - last);
	c->stored_len += n;
	for (; n % 3; n -= 4, p += 4)
		memcpy(p, "\x02\0\0\0", 4); /* run-length, no times the byte 0 */
	memset(p, 0, n);                    /* raw, no bytes */
}

/* The frame's header again, with the size of its content, which is known now. */
static void put_header(struct cut *k)
{
	uint8_t *p = k->c->stored + k->out;
	uint32_t n = (uint32_t)(k->pos - k->begin);
	uint8_t window = p[FRAME_HEADER - MADE_HEADER + 5];

	memcpy(p, "\x28\xb5\x2f\xfd\x84", 5); /* size in four bytes, checksum */
	p[5] = window;
	for (unsigned i = 0; i < 4; i++)
		p[6 + i] = (uint8_t)(n >> 8 * i);
}

static void finish_frame(struct cut *k)
{
	struct nr_ax_chunk *c = k->c;
	struct nr_ax_done *f;
	bool is_end = k->pos == c->n;
	size_t last = c->stored_len, room;

	if (!feed(k, k->pos, ZSTD_e_end))
		return;
	put_header(k);
	room = room_in_page(k) % NR_AX_PAGE;
	if (c->is_paged && room &&
	    (place(k) / NR_AX_PAGE != k->page || room < RESERVE ||
	     (is_end && c->ends_page))) {
		/* 1, 2 and 5 cannot be filled; RESERVE is there that this is rare */
		if (room < 3 || room == 5)
			room += NR_AX_PAGE;
		need_room(c, room);
		fill_up(c, last, room);
	}
	if (c->n_frames == c->room_frames) {
		c->room_frames = c->room_frames ? 2 * c->room_frames : 16;
		c->frame = nr_xrealloc(c->frame, c->room_frames * sizeof(*c->frame));
	}
	f = &c->frame[c->n_frames++];
	f->content_len = (uint32_t)(k->pos - k->begin);
	f->stored_len = (uint32_t)(c->stored_len - k->out);
	SHA256(c->content + k->begin, f->content_len, f->content_sha);
	if (!c->leaves_hash)
		SHA256(c->stored + k->out, f->stored_len, f->stored_sha);
}

static void make_frame(struct cut *k)
{
	struct nr_ax_chunk *c = k->c;

	k->begin = k->pos;
	k->out = c->stored_len;
	k->at = c->page_off + k->out;
	k->page = k->at / NR_AX_PAGE;
	need_room(c, 1024);
	/* room for the header that put_header() makes of libzstd's shorter one */
	c->stored_len += FRAME_HEADER - MADE_HEADER;
	ZSTD_CCtx_reset(k->z, ZSTD_reset_session_only);
	while (!c->failed && k->pos < c->n) {
		size_t to = next_stop(k);

		if (to == k->pos && to > k->begin)
			break;
		if (to == k->pos) /* a record larger than what is left of the page */
			to = c->rec[k->rec].end;
		feed(k, to, ZSTD_e_flush);
	}
	if (!c->failed)
		finish_frame(k);
}

void nr_ax_chunk_compress(struct nr_ax_chunk *c, void *z)
{
	struct cut k = { .c = c, .z = z };

	c->failed = z ? NULL : "no memory for a compressor";
	while (!c->failed && k.pos < c->n)
		make_frame(&k);
}
