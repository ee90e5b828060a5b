/* SPDX-License-Identifier: BSD-3-Clause */
#include "casetest/case.h"

#include "casetest/words.h"

#include "base/mem.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LIST_MAX = 1 << 20, MAX_CAPTURES = 4096 };

int nr_case_slurp(const char *path, size_t max, struct nr_arena *a, char **text,
		  size_t *len, struct nr_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc = 0;
	struct stat st = { 0 };
	size_t n = 0;

	if (fd < 0 && errno == ENOENT)
		return -ENOENT;
	if (fd < 0 || fstat(fd, &st) < 0)
		rc = nr_fail(err, -errno, "%s: cannot read it: %s", path,
			     strerror(errno));
	else if (!S_ISREG(st.st_mode))
		rc = nr_fail(err, -EINVAL, "%s: this is no regular file", path);
	else if ((size_t)st.st_size > max)
		rc = nr_fail(err, -EFBIG, "%s: more than %zu bytes", path, max);
	*text = NULL;
	if (!rc)
		*text = nr_arena_alloc(a, (size_t)st.st_size + 1);
	while (!rc && n < (size_t)st.st_size) {
		ssize_t got = read(fd, *text + n, (size_t)st.st_size - n);

		if (got < 0 && errno != EINTR)
			rc = nr_fail(err, -errno, "%s: cannot read it: %s", path,
				     strerror(errno));
		if (!got)
			break;
		n += got > 0 ? (size_t)got : 0;
	}
	if (fd >= 0)
		close(fd);
	if (rc)
		return rc;
	(*text)[n] = '\0';
	*len = n;
	if (memchr(*text, '\0', n))
		return nr_fail(err, -EINVAL, "%s: there is a NUL byte in it", path);
	return 0;
}

char *nr_case_file(struct nr_case *c, const char *name)
{
	return nr_arena_printf(&c->arena, "%s/%s", c->path, name);
}

static void broken(struct nr_case *c, const char *why)
{
	if (c->state == NR_CASE_BROKEN)
		return;
	c->state = NR_CASE_BROKEN;
	c->why = nr_arena_copy(&c->arena, why, strlen(why));
}

static void broken_at(struct nr_case *c, const char *path, unsigned line, const char *why)
{
	broken(c, nr_arena_printf(&c->arena, "%s:%u: %s", path, line, why));
}

static void read_options(struct nr_case *c)
{
	char *path = nr_case_file(c, "options"), *text;
	struct nr_words w = { .v = NULL };
	struct nr_err err = { "" };
	unsigned line = 1;
	size_t len;
	int rc = nr_case_slurp(path, LIST_MAX, &c->arena, &text, &len, &err);

	if (rc == -ENOENT)
		return;
	if (rc) {
		broken(c, err.text);
		return;
	}
	rc = nr_words_split(&w, text, len, &c->arena, &line, &err);
	if (!rc)
		rc = nr_words_check(&w, &line, &err);
	if (rc)
		broken_at(c, path, line, err.text);
	c->words = w.v;
	c->n_words = w.n;
}

static void add_capture(struct nr_case *c, const char *path)
{
	if (!c->captures)
		c->captures =
			nr_arena_alloc(&c->arena, MAX_CAPTURES * sizeof(*c->captures));
	if (c->n_captures == MAX_CAPTURES) {
		broken(c, nr_arena_printf(&c->arena, "%s: more than %d captures", c->path,
					  MAX_CAPTURES));
		return;
	}
	c->captures[c->n_captures++] = nr_arena_copy(&c->arena, path, strlen(path));
}

/* "$NAME/rest" with the value of NAME; NULL where it is not set. */
static char *with_variable(struct nr_case *c, const char *word)
{
	size_t n = strspn(word + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
	char *name = nr_arena_copy(&c->arena, word + 1, n);
	const char *value = getenv(name);

	return value && *value ? nr_arena_printf(&c->arena, "%s%s", value, word + 1 + n)
			       : NULL;
}

/* What is not part of the case: its absence need not be the case's fault. */
static bool is_elsewhere(const char *word)
{
	return *word == '/' || *word == '$' || !strncmp(word, "../", 3) ||
	       strstr(word, "/../");
}

static void missing(struct nr_case *c, const char *path, unsigned line, const char *word,
		    bool skip)
{
	char *why = nr_arena_printf(&c->arena, "%s is not here", word);

	if (!skip || !is_elsewhere(word)) {
		broken_at(c, path, line, why);
	} else if (c->state == NR_CASE_READY) {
		c->state = NR_CASE_SKIPPED;
		c->why = why;
	}
}

/* A line of the file captures: a path or a pattern. */
static void take_name(struct nr_case *c, const char *path, unsigned line,
		      const char *word, bool skip)
{
	char *full = *word == '$' ? with_variable(c, word) : nr_case_file(c, word);
	glob_t g = { 0 };
	struct stat st;

	if (*word == '/')
		full = nr_arena_copy(&c->arena, word, strlen(word));
	if (full && !stat(full, &st)) {
		add_capture(c, full);
		return;
	}
	if (!full || !strpbrk(word, "*?[") || glob(full, 0, NULL, &g) || !g.gl_pathc) {
		missing(c, path, line, word, skip);
	} else {
		/* sorted: of the locale only the encoding is ever set */
		for (size_t i = 0; i < g.gl_pathc; i++)
			add_capture(c, g.gl_pathv[i]);
	}
	globfree(&g);
}

static void read_names(struct nr_case *c, const char *path, const char *text, size_t len,
		       bool skip)
{
	struct nr_expect_span at = { 0 };

	while (nr_expect_next_line(&at, text, len)) {
		const char *p = text + at.at;
		size_t n = at.len;

		while (n && isspace((unsigned char)p[n - 1]))
			n--;
		while (n && isspace((unsigned char)*p)) {
			p++;
			n--;
		}
		if (n && *p != '#')
			take_name(c, path, at.line, nr_arena_copy(&c->arena, p, n), skip);
	}
	if (!c->n_captures && c->state == NR_CASE_READY)
		broken_at(c, path, 1, "it names no capture");
}

static int is_visible(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static int bytewise(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* What replay may be able to read: captures, and what may be a compressed one. */
static bool has_magic(const uint8_t *p, size_t n)
{
	static const uint8_t magic[][4] = {
		{ 0xa1, 0xb2, 0xc3, 0xd4 }, { 0xd4, 0xc3, 0xb2, 0xa1 },
		{ 0xa1, 0xb2, 0x3c, 0x4d }, { 0x4d, 0x3c, 0xb2, 0xa1 },
		{ 0xa1, 0xb2, 0xcd, 0x34 }, { 0x34, 0xcd, 0xb2, 0xa1 },
		{ 0x0a, 0x0d, 0x0d, 0x0a }, { 's', 'n', 'o', 'o' },
		{ 0x28, 0xb5, 0x2f, 0xfd }, { 0xfd, '7', 'z', 'X' },
		{ 0x04, 0x22, 0x4d, 0x18 },
	};

	for (size_t i = 0; n >= 4 && i < sizeof(magic) / sizeof(*magic); i++)
		if (!memcmp(p, magic[i], 4))
			return true;
	return n >= 2 && p[0] == 0x1f && p[1] == 0x8b;
}

static bool is_capture(const char *path)
{
	uint8_t head[4];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	ssize_t n;

	if (fd < 0)
		return false;
	n = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? read(fd, head, sizeof(head)) : 0;
	close(fd);
	return n > 0 && has_magic(head, (size_t)n);
}

/* Without a file of names: the captures that lie in the folder. */
static void find_captures(struct nr_case *c)
{
	struct dirent **list = NULL;
	int n = scandir(c->path, &list, is_visible, bytewise);

	for (int i = 0; i < n; i++) {
		char *path = nr_case_file(c, list[i]->d_name);

		if (is_capture(path))
			add_capture(c, path);
		free(list[i]);
	}
	free(list);
	if (!c->n_captures)
		broken(c, nr_arena_printf(&c->arena,
					  "%s: there is no capture in it; name those "
					  "that lie elsewhere in a file captures",
					  c->path));
}

static void read_captures(struct nr_case *c, bool skip)
{
	char *path = nr_case_file(c, "captures"), *text;
	struct nr_err err = { "" };
	size_t len;
	struct stat st;
	int rc;

	if (!stat(path, &st) && S_ISDIR(st.st_mode)) {
		add_capture(c, path);
		return;
	}
	rc = nr_case_slurp(path, LIST_MAX, &c->arena, &text, &len, &err);
	if (rc == -ENOENT)
		find_captures(c);
	else if (rc)
		broken(c, err.text);
	else
		read_names(c, path, text, len, skip);
}

static void read_expectations(struct nr_case *c)
{
	char *path = nr_case_file(c, "expect.sql"), *text;
	struct nr_err err = { "" };
	size_t len;
	int rc = nr_case_slurp(path, NR_EXPECT_MAX, &c->arena, &text, &len, &err), rc2;

	if (!rc)
		rc = nr_expect_sql_parse(&c->sql, path, text, len, &c->arena, &err);
	if (rc && rc != -ENOENT)
		broken(c, err.text);
	path = nr_case_file(c, "expect.jsonl");
	rc2 = nr_case_slurp(path, NR_EXPECT_MAX, &c->arena, &text, &len, &err);
	if (rc == -ENOENT && rc2 == -ENOENT)
		broken(c,
		       nr_arena_printf(&c->arena,
				       "%s: it has neither expect.sql nor expect.jsonl",
				       c->path));
	if (!rc2)
		rc2 = nr_expect_jsonl_parse(&c->jsonl, path, text, len, &c->arena, &err);
	if (rc2 && rc2 != -ENOENT)
		broken(c, err.text);
}

static void settle_exit(struct nr_case *c)
{
	const struct nr_expect_exit *a = c->sql.text ? &c->sql.exit : NULL;
	const struct nr_expect_exit *b = c->jsonl.text ? &c->jsonl.exit : NULL;

	if (a && b && a->status >= 0 && b->status >= 0 && a->status != b->status)
		broken_at(c, c->jsonl.path, b->where.line,
			  "expect.sql has another exit status");
	if (a && a->status >= 0)
		c->exit = a->status;
	if (b && b->status >= 0)
		c->exit = b->status;
}

void nr_case_read(struct nr_case *c, const char *path, const char *name, bool skip)
{
	size_t n = strlen(path);
	const char *slash;

	*c = (struct nr_case){ .state = NR_CASE_READY };
	while (n > 1 && path[n - 1] == '/')
		n--;
	c->path = nr_arena_copy(&c->arena, path, n);
	slash = strrchr(c->path, '/');
	c->name = name                ? nr_arena_copy(&c->arena, name, strlen(name))
		  : slash && slash[1] ? slash + 1
				      : c->path;
	read_expectations(c);
	settle_exit(c);
	read_options(c);
	if (c->state != NR_CASE_BROKEN)
		read_captures(c, skip);
}

void nr_case_fini(struct nr_case *c)
{
	nr_arena_fini(&c->arena);
}
