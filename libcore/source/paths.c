/* SPDX-License-Identifier: BSD-3-Clause */
#include "source/paths.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void add(struct nr_paths *p, char *path, bool from_dir)
{
	if (p->n == p->room) {
		p->room = p->room ? 2 * p->room : 16;
		p->path = nr_xrealloc(p->path, p->room * sizeof(*p->path));
	}
	p->path[p->n++] = (struct nr_path){ path, from_dir };
}

void nr_paths_skip(struct nr_paths *p, const char *why)
{
	if (p->n_skipped == p->room_skipped) {
		p->room_skipped = p->room_skipped ? 2 * p->room_skipped : 16;
		p->skipped =
			nr_xrealloc(p->skipped, p->room_skipped * sizeof(*p->skipped));
	}
	p->skipped[p->n_skipped++] = nr_xstrdup(why);
}

static char *join(const char *dir, const char *name)
{
	size_t n = strlen(dir), m = strlen(name) + 1;
	bool slash = n && dir[n - 1] == '/';
	char *s = nr_xmalloc(n + 1 + m);

	memcpy(s, dir, n);
	s[n] = '/';
	memcpy(s + n + !slash, name, m);
	return s;
}

static void skip(struct nr_paths *p, const char *path, const char *why)
{
	struct nr_err e;

	nr_fail(&e, 0, "%s: %s", path, why);
	nr_paths_skip(p, e.text);
}

/* One entry of a directory. Links to files count; links to directories may be loops. */
static void take_entry(struct nr_paths *p, struct nr_paths *dirs, char *path)
{
	struct stat sb;
	bool link = false;

	if (lstat(path, &sb) == 0) {
		link = S_ISLNK(sb.st_mode);
		if (S_ISDIR(sb.st_mode)) {
			add(dirs, path, true);
			return;
		}
	}
	if (stat(path, &sb) < 0) {
		skip(p, path, strerror(errno));
	} else if (S_ISREG(sb.st_mode)) {
		add(p, path, true);
		return;
	} else {
		skip(p, path,
		     link && S_ISDIR(sb.st_mode)
			     ? "a link to a directory, which is not followed"
			     : "no regular file");
	}
	nr_free(path);
}

static int walk(struct nr_paths *p, const char *top, struct nr_err *err)
{
	struct nr_paths dirs = { 0 };
	int rc = 0;

	add(&dirs, nr_xstrdup(top), false);
	while (dirs.n && rc == 0) {
		struct nr_path d = dirs.path[--dirs.n];
		DIR *dir = opendir(d.path);
		struct dirent *e;

		if (!dir && d.from_dir)
			skip(p, d.path, strerror(errno));
		else if (!dir)
			rc = nr_fail(err, -errno, "cannot open %s: %s", d.path,
				     strerror(errno));
		while (dir && (e = readdir(dir)) != NULL)
			if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
				take_entry(p, &dirs, join(d.path, e->d_name));
		if (dir)
			closedir(dir);
		nr_free(d.path);
	}
	nr_paths_fini(&dirs);
	return rc;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(((const struct nr_path *)a)->path,
		      ((const struct nr_path *)b)->path);
}

/* Standard input, pipes and the like: what one reader takes another does not get. */
struct streams {
	struct stat *s;
	size_t n;
};

static bool is_taken(struct streams *all, const struct stat *sb, bool is_stdin)
{
	if (!is_stdin && (S_ISREG(sb->st_mode) || S_ISDIR(sb->st_mode)))
		return false;
	for (size_t i = 0; i < all->n; i++)
		if (all->s[i].st_dev == sb->st_dev && all->s[i].st_ino == sb->st_ino)
			return true;
	all->s = nr_xrealloc(all->s, (all->n + 1) * sizeof(*all->s));
	all->s[all->n++] = *sb;
	return false;
}

static int collect_one(struct nr_paths *p, struct streams *streams, const char *path,
		       struct nr_err *err)
{
	bool is_stdin = !strcmp(path, "-");
	size_t first = p->n;
	struct stat sb;
	int rc;

	rc = is_stdin ? fstat(STDIN_FILENO, &sb) : stat(path, &sb);
	if (rc == 0 && is_taken(streams, &sb, is_stdin))
		return nr_fail(err, -EINVAL,
			       "%s is given twice: what was read of it cannot be read "
			       "again",
			       is_stdin ? "stdin (-)" : path);
	if (rc < 0 || is_stdin || !S_ISDIR(sb.st_mode)) {
		add(p, nr_xstrdup(path), false);
		return 0;
	}
	rc = walk(p, path, err);
	if (rc == 0 && p->n > first)
		qsort(p->path + first, p->n - first, sizeof(*p->path), by_bytes);
	return rc;
}

int nr_paths_collect(struct nr_paths *p, const char *const *paths, size_t n,
		     struct nr_err *err)
{
	struct streams streams = { 0 };
	int rc = 0;

	for (size_t i = 0; i < n && rc == 0; i++)
		rc = collect_one(p, &streams, paths[i], err);
	nr_free(streams.s);
	return rc;
}

bool nr_paths_is_regular(const char *path)
{
	struct stat sb;

	return strcmp(path, "-") != 0 && stat(path, &sb) == 0 && S_ISREG(sb.st_mode);
}

void nr_paths_fini(struct nr_paths *p)
{
	for (size_t i = 0; i < p->n; i++)
		nr_free(p->path[i].path);
	for (size_t i = 0; i < p->n_skipped; i++)
		nr_free(p->skipped[i]);
	nr_free(p->path);
	nr_free(p->skipped);
	*p = (struct nr_paths){ 0 };
}
