/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Inside an archive: the index as it is stored, and how it is made (nrtool-archive(5)).
 * All numbers are little endian.
 */
#pragma once

#include "archive/archive.h"
#include "base/text.h"

enum {
	NR_AX_INDEX_MAGIC = 0x184d2a50, /* skippable frames */
	NR_AX_TABLE_MAGIC = 0x184d2a5e,
	NR_AX_FOOTER = 9, /* of the seek table: frames, descriptor, magic */
	NR_AX_SKIP_HEAD = 8,
	NR_AX_VERSION = 1,
	NR_AX_HEAD = 64,   /* bytes of the index before meta */
	NR_AX_FRAME = 132, /* of a frame's entry before its counts */
	NR_AX_COUNT = 24,
	NR_AX_FILTER_MAX = 1024,    /* bytes */
	NR_AX_HEADS_MAX = 16 << 20, /* bytes of head blocks that are copied */
	NR_AX_TYPES_MAX = 65536,
	NR_AX_FRAMES_MAX = 4 << 20, /* that are read */
	NR_AX_NOT_ALL_HEADS = 1,    /* flag: more than NR_AX_HEADS_MAX of them */
};

static const uint32_t nr_ax_seekable_magic = 0x8f92eab1;
static const char nr_ax_magic[8] = { 'n', 'r', '-', 'i', 'n', 'd', 'e', 'x' };

/* Where the numbers stand in the index's head. */
enum {
	NR_AX_AT_VERSION = 8, /* 16 bits */
	NR_AX_AT_KIND = 10,   /* 16 */
	NR_AX_AT_FLAGS = 12,  /* 16 */
	NR_AX_AT_LEVEL = 14,  /* 16 */
	NR_AX_AT_ZSTD = 16,   /* 32: version of libzstd, 10504 is 1.5.4 */
	NR_AX_AT_FRAMES = 20, /* 32 */
	NR_AX_AT_TYPES = 24,  /* 32 */
	NR_AX_AT_HEADS = 28,  /* 32 */
	NR_AX_AT_META = 32,   /* 32: its length */
	NR_AX_AT_SIZE = 36,   /* 32: frame size asked for */
	NR_AX_AT_STORED = 40, /* 64: of all frames */
	NR_AX_AT_CONTENT = 48,
	NR_AX_AT_RECORDS = 56,
};

/* And in a frame's entry. */
enum {
	NR_AX_AT_F_STORED = 0,  /* 32 */
	NR_AX_AT_F_CONTENT = 4, /* 32 */
	NR_AX_AT_F_RECORDS = 8, /* 32 */
	NR_AX_AT_F_COUNTS = 12, /* 32 */
	NR_AX_AT_F_FILTER = 16, /* 32: bytes, 0 or a power of 2 */
	NR_AX_AT_F_LO = 20,     /* 64 */
	NR_AX_AT_F_HI = 28,     /* 64 */
	NR_AX_AT_F_SHA = 36,    /* of the stored bytes */
	NR_AX_AT_F_CONTENT_SHA = 68,
	NR_AX_AT_F_CHAIN = 100,
};

/* chain = SHA-256(chain before, 32 zeroes at first; stored hash; content hash) */
void nr_ax_chain(uint8_t chain[NR_ARCHIVE_HASH], const uint8_t *stored_sha,
		 const uint8_t *content_sha);
/* The hash whose 16-bit pieces are an address's four places in a filter. */
uint64_t nr_ax_address_hash(const struct nr_archive_addr *a);

/* ---- making one --------------------------------------------------------------- */

struct nr_ax_build {
	enum nr_archive_kind kind;
	int level;
	uint32_t frame_size;
	struct nr_buf frames; /* entries of ended frames, as stored */
	size_t n_frames;
	struct nr_buf sizes; /* of the seek table */
	struct nr_buf heads, meta;
	size_t n_heads;
	bool not_all_heads;
	char **types;
	size_t n_types, room_types;
	uint64_t stored_len, content_len, n_records;
	uint8_t chain[NR_ARCHIVE_HASH];
	/* the frame in work */
	struct nr_archive_count *counts;
	size_t n_counts, room_counts;
	struct {
		uint64_t frame;
		size_t at;
	} * seen; /* by type: the position in counts, if frame is this one's number */
	size_t room_seen;
	uint64_t frame; /* number of the frame in work, from 1 */
	uint64_t cur_content;
	uint32_t cur_records;
	int64_t lo_ns, hi_ns;
	uint8_t filter[NR_AX_FILTER_MAX];
	unsigned n_addresses; /* about: those that set a bit */
};

/* What a frame's facts become while its bytes are still being compressed; owned. */
struct nr_ax_entry {
	char *p;
	size_t len;
};

void nr_ax_build_init(struct nr_ax_build *b, enum nr_archive_kind kind, int level,
		      uint32_t frame_size, const char *meta);
uint32_t nr_ax_build_type(struct nr_ax_build *b, const char *name, size_t n);
/* A piece of content for the frame in work. */
void nr_ax_build_fact(struct nr_ax_build *b, const void *p, size_t n,
		      const struct nr_archive_fact *f);
/* Ends the frame in work: its entry without sizes and hashes. */
struct nr_ax_entry nr_ax_build_end(struct nr_ax_build *b);
/* Completes an entry, in the order of frames, and frees it. */
void nr_ax_build_add(struct nr_ax_build *b, struct nr_ax_entry *e, uint32_t stored_len,
		     uint32_t content_len, const uint8_t *stored_sha,
		     const uint8_t *content_sha);
/* Index and seek table, as they are appended to the frames. 0, or -EFBIG. */
int nr_ax_build_encode(struct nr_ax_build *b, struct nr_buf *out, struct nr_err *err);
void nr_ax_build_fini(struct nr_ax_build *b);
