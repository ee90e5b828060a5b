/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Failures of the world around nrtool (disk, memory, SQLite, a file that is no capture).
 *
 * Functions that can fail so return 0 or a negative errno and fill the caller's
 * struct nr_err where the failure happened; cli/ prints it once. Hostile input is no
 * failure: parsers return verdicts and rows.
 */
#pragma once

struct nr_err {
	char text[512]; /* one sentence: what failed, on what, what to do; "" = none */
};

/*
 * Fills err (may be NULL) with a formatted sentence and returns code, so that a leaf can
 * write `return nr_fail(err, -EIO, "cannot read %s: %s", path, strerror(errno));`
 */
int nr_fail(struct nr_err *err, int code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
