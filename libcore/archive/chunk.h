/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A chunk of content on its way to the file: cut into frames at the borders of its
 * records, compressed and hashed, all by one thread.
 *
 * Wireshark up to 4.0 finds the next frame only where the piece of the file that it has
 * just read (131 075 bytes, a "page" here) begins with the magic of a frame. So in an
 * archive of packets a frame either ends in the page in which it begins, or exactly at
 * the end of one: such a frame is cut where a page has little room left, and filled up
 * with empty blocks (RFC 8878, section 3.1.1.2). The others can read any layout.
 */
#pragma once

#include "archive/index.h"

enum {
	NR_AX_PAGE = 131075,
	NR_AX_EMPTY_FRAME = 13,
};

extern const uint8_t nr_ax_empty_frame[NR_AX_EMPTY_FRAME];

struct nr_ax_record { /* one piece that was appended */
	uint32_t end; /* offset behind it in the chunk */
	uint32_t type;
	int64_t ts_ns;
	uint32_t addr; /* position of its addresses */
	uint16_t n_addr;
	uint16_t flags;
};

struct nr_ax_done { /* one frame */
	uint32_t content_len, stored_len;
	uint8_t content_sha[NR_ARCHIVE_HASH], stored_sha[NR_ARCHIVE_HASH];
};

struct nr_ax_chunk {
	uint8_t *content;
	size_t n, room;
	struct nr_ax_record *rec;
	size_t n_rec, room_rec;
	struct nr_archive_addr *addr;
	size_t n_addr, room_addr;
	/* how it is to be cut */
	uint32_t frame_size;
	bool is_paged;
	bool leaves_hash;  /* of the stored bytes: whoever writes them hashes them */
	bool ends_page;    /* what comes behind it begins with a page */
	uint32_t page_off; /* where in its page the chunk begins */
	/* what came of it */
	uint8_t *stored;
	size_t stored_len, stored_room;
	struct nr_ax_done *frame;
	size_t n_frames, room_frames;
	const char *failed; /* a sentence of libzstd; NULL: all is well */
};

/* ZSTD_CCtx for a level and frame size; NULL: no memory. */
void *nr_ax_compressor(int level, uint32_t frame_size);
void nr_ax_compressor_free(void *z);
void nr_ax_chunk_add(struct nr_ax_chunk *c, const void *p, size_t n,
		     const struct nr_archive_fact *f);
void nr_ax_chunk_compress(struct nr_ax_chunk *c, void *z);
/* Empties it, keeps the memory. */
void nr_ax_chunk_clear(struct nr_ax_chunk *c);
void nr_ax_chunk_fini(struct nr_ax_chunk *c);
