/* SPDX-License-Identifier: BSD-3-Clause */
/* A folder for what a run needs for a moment, with a folder in it for each child. */
#pragma once

#include "base/err.h"

#include <stddef.h>

enum { NR_TEMPDIR_MAX = 4096 };

struct nr_tempdir {
	char *path; /* NULL: there is none */
};

/* In $TMPDIR, else /tmp; only its owner can enter. 0 or -errno with a sentence. */
int nr_tempdir_make(struct nr_tempdir *t, struct nr_err *err);
/* The folder number i, made if need be. */
void nr_tempdir_sub(const struct nr_tempdir *t, size_t i, char out[NR_TEMPDIR_MAX]);
void nr_tempdir_remove_sub(const struct nr_tempdir *t, size_t i);
/* Removes it with all that is in it. */
void nr_tempdir_remove(struct nr_tempdir *t);
/* Removes a folder with the files in it, but no folders. Links are not followed. */
void nr_tempdir_empty(const char *path);
