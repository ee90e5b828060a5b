/* SPDX-License-Identifier: BSD-3-Clause */
#include "casetest/case.h"

#include "base/mem.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_DEPTH = 64, MAX_CASES = 1 << 16 };

static bool exists(const char *dir, const char *name)
{
	struct nr_buf b = { 0 };
	struct stat st;
	bool is;

	nr_buf_printf(&b, "%s/%s", dir, name);
	is = stat(b.p, &st) == 0;
	nr_buf_fini(&b);
	return is;
}

static void add(struct nr_case_list *list, const char *path, size_t below)
{
	const char *slash = strrchr(path, '/');
	const char *name = strlen(path) > below ? path + below
			   : slash && slash[1]  ? slash + 1
						: path;

	list->path = nr_xrealloc(list->path, (list->n + 1) * sizeof(*list->path));
	list->name = nr_xrealloc(list->name, (list->n + 1) * sizeof(*list->name));
	list->path[list->n] = nr_xstrdup(path);
	list->name[list->n++] = nr_xstrdup(name);
}

static int is_visible(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static int bytewise(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* below: where the name of a case begins in its path. */
static int walk(struct nr_case_list *list, const char *dir, size_t below, unsigned depth,
		struct nr_err *err)
{
	struct dirent **entries = NULL;
	int n = scandir(dir, &entries, is_visible, bytewise), rc = 0;

	if (n < 0)
		return nr_fail(err, -errno, "cannot read the folder %s: %s", dir,
			       strerror(errno));
	if (exists(dir, "expect.sql") || exists(dir, "expect.jsonl"))
		add(list, dir, below);
	if (list->n > MAX_CASES)
		rc = nr_fail(err, -EFBIG, "more than %d cases below %s", MAX_CASES, dir);
	for (int i = 0; i < n; i++) {
		struct nr_buf b = { 0 };
		struct stat st;

		if (strcmp(dir, ".") != 0)
			nr_buf_printf(&b, "%s/", dir);
		nr_buf_str(&b, entries[i]->d_name);
		if (!rc && lstat(b.p, &st) == 0 && S_ISDIR(st.st_mode))
			rc = depth == MAX_DEPTH ? nr_fail(err, -ELOOP,
							  "%s: folders more than %d deep",
							  b.p, MAX_DEPTH)
						: walk(list, b.p, below, depth + 1, err);
		nr_buf_fini(&b);
		free(entries[i]);
	}
	free(entries);
	return rc;
}

int nr_case_find(struct nr_case_list *list, const char *dir, struct nr_err *err)
{
	char *path = nr_xstrdup(dir);
	size_t n = strlen(path);
	int rc;

	while (n > 1 && path[n - 1] == '/')
		path[--n] = '\0';
	/* what lies in "." is named without it */
	n = strcmp(path, ".") != 0 ? n + (path[n - 1] != '/') : 0;
	rc = walk(list, path, n, 0, err);
	nr_free(path);
	return rc;
}

void nr_case_list_fini(struct nr_case_list *list)
{
	for (size_t i = 0; i < list->n; i++) {
		nr_free(list->path[i]);
		nr_free(list->name[i]);
	}
	nr_free(list->path);
	nr_free(list->name);
	*list = (struct nr_case_list){ 0 };
}
