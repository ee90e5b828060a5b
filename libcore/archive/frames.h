/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The content of consecutive frames of an archive as one stream, decompressed ahead by
 * threads of its own.
 */
#pragma once

#include "archive/archive.h"

#include <sys/types.h>

struct nr_frames;

/* Can these frames be read so? Not where one is larger than 8 MiB, or follows a gap. */
bool nr_frames_fit(const struct nr_archive *a, size_t first, size_t end);
/*
 * Frames [first, end) of a, which must outlive it. stored, if not NULL, gets the stored
 * bytes of each frame in order before its content is handed out. NULL where they do not
 * fit.
 */
struct nr_frames *nr_frames_new(const struct nr_archive *a, size_t first, size_t end,
				void (*stored)(void *arg, const uint8_t *p, size_t n),
				void *arg);
/*
 * Up to n bytes of content: > 0 how many, 0 at the end; -EBADMSG where frame
 * nr_frames_at() is damaged, whose stored bytes were not given to `stored`; other -errno
 * with a sentence.
 */
ssize_t nr_frames_read(struct nr_frames *f, uint8_t *to, size_t n, struct nr_err *err);
/* The frame that is handed out; end behind the last one. */
size_t nr_frames_at(const struct nr_frames *f);
void nr_frames_free(struct nr_frames *f); /* NULL is fine */
