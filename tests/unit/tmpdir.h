/* SPDX-License-Identifier: BSD-3-Clause */
/* A folder for the files of a test, in $TMPDIR or /tmp. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* With their NUL: the folder's path, and one of a file in it. */
enum { TMPDIR_LEN = 128, TMPFILE_LEN = TMPDIR_LEN + 64 };

static inline void tmpdir_make(char dir[TMPDIR_LEN])
{
	const char *tmp = getenv("TMPDIR");
	int n = snprintf(dir, TMPDIR_LEN, "%s/nrtool-test-XXXXXX", tmp ? tmp : "/tmp");

	assert_true(n > 0 && n < TMPDIR_LEN);
	assert_non_null(mkdtemp(dir));
}

/* How many names are in it, those with a dot in front too. */
static inline unsigned tmpdir_count(const char *dir)
{
	DIR *d = opendir(dir);
	unsigned n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

/* With all that is in it. */
static inline void tmpdir_remove(const char *dir)
{
	char cmd[TMPDIR_LEN + 16];

	snprintf(cmd, sizeof(cmd), "rm -r '%s'", dir);
	assert_int_equal(system(cmd), 0);
}
