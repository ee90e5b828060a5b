/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * JSON lines from an archive, frame by frame, as far as it is whole; or from any plain or
 * compressed file or pipe ("-" is standard input), from its beginning alone.
 */
#pragma once

#include "archive/archive.h"

#include <stdatomic.h>

struct nr_lines;

struct nr_lines_stats {
	uint64_t frames, frames_read; /* of an archive */
	uint64_t n_damages;
	char damage[512]; /* the first one; "": none */
};

/*
 * 0, or -errno with a sentence. want, if not NULL, is asked for each frame of an archive
 * whether it is to be read; stop as struct nr_source_options has it.
 */
int nr_lines_open(struct nr_lines **out, const char *path,
		  bool (*want)(void *arg, const struct nr_archive *a,
			       const struct nr_archive_frame *f),
		  void *arg, const atomic_int *stop, struct nr_err *err);
/* The next line without its line feed, valid until the next call: 1; 0 at the end. A
   frame that is damaged is passed over, any other damage ends it. -errno. */
int nr_lines_next(struct nr_lines *l, const char **p, size_t *n, struct nr_err *err);
const struct nr_lines_stats *nr_lines_stats(const struct nr_lines *l);
void nr_lines_close(struct nr_lines *l); /* NULL is fine */
