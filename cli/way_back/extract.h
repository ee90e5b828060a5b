/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets recalled from their captures into a pcapng file. */
#pragma once

#include "archive/pcapng_write.h"
#include "base/err.h"
#include "engine/filter.h"
#include "recall/recall.h"

#include <sqlite3.h>

struct nr_extract {
	sqlite3 *db;
	struct nr_recall *recall; /* located */
	struct nr_filter *filter; /* NULL: none */
	const char *target;       /* as nr_ngw_open() takes it */
	const char *argv_text;    /* a comment of the section; NULL: none */
	bool force, names, no_comments;
};

/*
 * Writes all. 0, or -errno with a sentence: *output_failed tells whether the target
 * could not be written, or what goes into it not be read. On failure a file does not
 * appear under its name.
 */
int nr_extract_write(const struct nr_extract *x, struct nr_ngw_result *res,
		     bool *output_failed, struct nr_err *err);
