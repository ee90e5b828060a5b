/* SPDX-License-Identifier: BSD-3-Clause */
/* Inside the reader of archives: what open, index, walk and verify share. */
#pragma once

#include "archive/index.h"
#include "base/cursor.h"

struct nr_ax_place {
	uint64_t offset, content, record;
	uint32_t stored_len, content_len;
	size_t entry; /* where the frame's entry begins in the index; 0: none */
};

struct nr_archive {
	int fd;
	char *path;
	struct nr_archive_info info;
	struct nr_ax_place *place;
	size_t n_places, room_places;
	uint8_t *index; /* as stored, its skippable head included */
	size_t index_len;
};

/* Notes the first thing that is wrong with index or table; returns 0. */
int nr_ax_wrong(struct nr_archive *a, const char *what);
int nr_ax_pread(const struct nr_archive *a, uint64_t at, void *p, size_t n,
		struct nr_err *err);
/* 0, or -E2BIG: too many. */
int nr_ax_add_place(struct nr_archive *a, uint64_t offset, uint64_t stored_len,
		    uint64_t content_len);
int nr_ax_read_stored(const struct nr_archive *a, size_t i, struct nr_archive_buf *b,
		      struct nr_err *err);
int nr_ax_decompress(const struct nr_archive *a, size_t i, struct nr_archive_buf *b,
		     struct nr_err *err);
void nr_ax_describe(const struct nr_archive *a, size_t i, char *out, size_t n);
/*
 * Checks a->index and takes it over: has_index, the facts, places' entries. What does not
 * fit is noted in info.wrong.
 */
void nr_ax_index_take(struct nr_archive *a);

struct nr_ax_walked {
	uint32_t magic;
	bool is_skippable;
	uint64_t stored_len;
	uint64_t content_len; /* UINT64_MAX: not stated */
};

/*
 * The frame at byte `at` of the file, by the headers of its blocks alone (RFC 8878,
 * section 3.1): 1; 0 where it is not whole or no frame begins there (info.wrong says
 * what); -errno.
 */
int nr_ax_walk_frame(struct nr_archive *a, uint64_t at, struct nr_ax_walked *f,
		     struct nr_err *err);

/* Nobody stores so little content in more bytes than this. */
static inline uint64_t nr_ax_stored_max(uint64_t content)
{
	return content + content / 64 + 3 * 131075; /* filled up to pages, see chunk.h */
}
