/* SPDX-License-Identifier: BSD-3-Clause */
#include "casetest/tempdir.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int nr_tempdir_make(struct nr_tempdir *t, struct nr_err *err)
{
	const char *base = getenv("TMPDIR");
	char path[NR_TEMPDIR_MAX];

	if (!base || *base != '/' || strlen(base) > NR_TEMPDIR_MAX / 2)
		base = "/tmp";
	snprintf(path, sizeof(path), "%s/nrtool-test.XXXXXX", base);
	if (!mkdtemp(path))
		return nr_fail(err, -errno, "cannot make a folder in %s: %s", base,
			       strerror(errno));
	t->path = nr_xstrdup(path);
	return 0;
}

void nr_tempdir_sub(const struct nr_tempdir *t, size_t i, char out[NR_TEMPDIR_MAX])
{
	snprintf(out, NR_TEMPDIR_MAX, "%s/%zu", t->path, i);
	mkdir(out, 0700); /* who writes into it says what went wrong */
}

void nr_tempdir_empty(const char *path)
{
	DIR *d = opendir(path);
	struct dirent *e;

	while (d && (e = readdir(d)))
		unlinkat(dirfd(d), e->d_name, 0);
	if (d)
		closedir(d);
	rmdir(path);
}

void nr_tempdir_remove_sub(const struct nr_tempdir *t, size_t i)
{
	char path[NR_TEMPDIR_MAX];

	snprintf(path, sizeof(path), "%s/%zu", t->path, i);
	nr_tempdir_empty(path);
}

void nr_tempdir_remove(struct nr_tempdir *t)
{
	char path[NR_TEMPDIR_MAX];
	struct dirent *e;
	DIR *d;

	if (!t->path)
		return;
	d = opendir(t->path);
	while (d && (e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if ((size_t)snprintf(path, sizeof(path), "%s/%s", t->path, e->d_name) <
		    sizeof(path))
			nr_tempdir_empty(path);
	}
	if (d)
		closedir(d);
	nr_tempdir_empty(t->path);
	nr_free(t->path);
	t->path = NULL;
}
