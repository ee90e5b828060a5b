/* SPDX-License-Identifier: BSD-3-Clause */
/* Inputs as given -> files to read: directories stand for what is below them. */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct nr_path {
	char *path;
	bool from_dir; /* found below a directory: being no capture is no failure */
};

struct nr_paths {
	struct nr_path *path;
	size_t n, room;
	char **skipped; /* sentences */
	size_t n_skipped, room_skipped;
};

/* 0, or -ENOENT and the like with a sentence. p is zeroed; fini it in any case. */
int nr_paths_collect(struct nr_paths *p, const char *const *paths, size_t n,
		     struct nr_err *err);
void nr_paths_skip(struct nr_paths *p, const char *why);
/* "-" is none. */
bool nr_paths_is_regular(const char *path);
void nr_paths_fini(struct nr_paths *p);
