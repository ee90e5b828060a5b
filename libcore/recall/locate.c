/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the captures of a database lie now: files named by the caller, the words of the
 * command line that read them, and the database's own directory. A database says the
 * base name of a source; size and hash tell whether a file of that name is the one.
 */
#include "recall/internal.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	ENTRIES_MAX = 1 << 18, /* looked at below one directory */
	HASH_BLOCK = 256 << 10,
};

/* The search for one source. */
struct search {
	struct nr_recall *r;
	struct nr_recall_input *in;
	bool any_name; /* a file given by name may be called otherwise */
	bool is_pipe;  /* something of that name is no regular file */
	bool found;
	bool taken_too;    /* second round: a file that stands for another source */
	unsigned n_named;  /* files of that name */
	char odd[256];     /* why the last of them is not the one */
	char tried[65];    /* hash of the file below */
	struct stat known; /* whose hash `tried` is */
};

static int hash_fd(int fd, const atomic_int *stop, EVP_MD_CTX *md, uint8_t *buf)
{
	for (;;) {
		ssize_t n = read(fd, buf, HASH_BLOCK);

		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return -errno;
		if (stop && atomic_load(stop))
			return -EINTR;
		if (n > 0 && EVP_DigestUpdate(md, buf, (size_t)n) != 1)
			return -EIO;
	}
}

int nr_recall_hash(const char *path, const atomic_int *stop, char out[65],
		   struct nr_err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc;
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	uint8_t digest[EVP_MAX_MD_SIZE], *buf = nr_xmalloc(HASH_BLOCK);
	unsigned n = 0;

	rc = fd < 0 ? -errno : 0;
	if (!rc && (!md || EVP_DigestInit_ex(md, EVP_sha256(), NULL) != 1))
		rc = -ENOMEM;
	if (!rc)
		rc = hash_fd(fd, stop, md, buf);
	if (!rc && (EVP_DigestFinal_ex(md, digest, &n) != 1 || n != 32))
		rc = -EIO;
	if (!rc)
		nr_hex_format(out, digest, n);
	if (fd >= 0)
		close(fd);
	EVP_MD_CTX_free(md);
	nr_free(buf);
	if (rc == -EINTR)
		return nr_fail(err, rc, "interrupted while %s was read", path);
	return rc ? nr_fail(err, rc, "cannot read %s: %s", path, strerror(-rc)) : 0;
}

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Names are kept as valid UTF-8 (base/text.h). */
static bool is_named(const struct nr_recall_source *s, const char *path)
{
	const char *base = base_of(path);
	struct nr_buf b = { 0 };
	bool same;

	nr_buf_utf8(&b, base, strlen(base));
	same = b.p && !strcmp(b.p, s->name);
	nr_buf_fini(&b);
	return same;
}

bool nr_recall_may_be_source(const struct nr_recall *r, const char *path)
{
	struct stat st;

	if (stat(path, &st) || !S_ISREG(st.st_mode))
		return false;
	for (size_t i = 0; i < r->n; i++) {
		const struct nr_recall_source *s = &r->in[i].s;

		if (is_named(s, path) && (s->bytes < 0 || s->bytes == st.st_size))
			return true;
	}
	return false;
}

static bool is_taken(const struct search *s, const struct stat *st)
{
	for (size_t i = 0; i < s->r->n; i++) {
		const struct nr_recall_input *in = &s->r->in[i];

		if (in->path && in != s->in && in->dev == st->st_dev &&
		    in->ino == st->st_ino)
			return true;
	}
	return false;
}

static void take(struct search *s, const char *path, const struct stat *st, bool hashed)
{
	s->in->path = nr_xstrdup(path);
	s->in->dev = st->st_dev;
	s->in->ino = st->st_ino;
	s->in->is_hashed = hashed;
	s->found = true;
}

/* Is this regular file the one? 0, or -errno that ends the search. */
static int judge(struct search *s, const char *path, const struct stat *st, bool named,
		 bool must_hash, struct nr_err *err)
{
	const struct nr_recall_source *src = &s->in->s;
	struct nr_err e;
	int rc;

	if (src->bytes >= 0 && st->st_size != src->bytes) {
		if (named)
			snprintf(s->odd, sizeof(s->odd),
				 "it has %lld bytes, and had %lld when it was read",
				 (long long)st->st_size, (long long)src->bytes);
		return 0;
	}
	if (!src->sha256 || !must_hash) {
		if (named || s->r->n == 1)
			take(s, path, st, false);
		return 0;
	}
	if (s->known.st_ino != st->st_ino || s->known.st_dev != st->st_dev ||
	    !s->tried[0]) {
		rc = nr_recall_hash(path, s->r->opt.stop, s->tried, &e);
		if (rc == -EINTR)
			return nr_fail(err, rc, "%s", e.text);
		if (rc < 0) {
			snprintf(s->odd, sizeof(s->odd), "%.200s", e.text);
			s->tried[0] = '\0';
			return 0;
		}
		s->known = *st;
	}
	if (!strcmp(s->tried, src->sha256))
		take(s, path, st, true);
	else if (named)
		snprintf(s->odd, sizeof(s->odd),
			 "its SHA-256 begins with %.12s, and was %.12s when it was read",
			 s->tried, src->sha256);
	return 0;
}

/*
 * One path that may be the source. Small files are hashed, and all where asked for; so
 * is one under another name. The hash decides, too, where a second file of the name and
 * size could be meant: that is left to --check, as it costs a reading of both.
 */
static int consider(struct search *s, const char *path, struct nr_err *err)
{
	bool named = is_named(&s->in->s, path);
	struct stat st;

	if (s->found || (!named && !s->any_name) || stat(path, &st))
		return 0;
	if (!S_ISREG(st.st_mode)) {
		s->is_pipe |= named && !S_ISDIR(st.st_mode);
		return 0;
	}
	s->n_named += named;
	if (is_taken(s, &st) != s->taken_too)
		return 0;
	return judge(s, path, &st, named,
		     !named || s->r->opt.check || st.st_size <= NR_RECALL_HASH_SMALL,
		     err);
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* Everything below a directory; links to directories are not followed. */
static int consider_tree(struct search *s, const char *dir, struct nr_err *err)
{
	char *tops[] = { (char *)(uintptr_t)dir, NULL };
	FTS *f = fts_open(tops, FTS_PHYSICAL | FTS_NOCHDIR | FTS_COMFOLLOW, by_name);
	unsigned n = 0;
	FTSENT *e;
	int rc = 0;

	while (f && !rc && !s->found && (e = fts_read(f)) != NULL) {
		if (++n > ENTRIES_MAX) {
			snprintf(s->odd, sizeof(s->odd),
				 "%.100s holds more than %d entries, which were not all "
				 "looked at",
				 dir, ENTRIES_MAX);
			break;
		}
		if (e->fts_info == FTS_F || e->fts_info == FTS_SL ||
		    e->fts_info == FTS_DEFAULT)
			rc = consider(s, e->fts_path, err);
	}
	if (f)
		fts_close(f);
	return rc;
}

static char *join(const char *dir, const char *name)
{
	size_t n = strlen(dir) + strlen(name) + 2;
	char *s = nr_xmalloc(n);

	snprintf(s, n, "%s%s%s", dir, *dir && dir[strlen(dir) - 1] != '/' ? "/" : "",
		 name);
	return s;
}

/* A file, a directory to look through, or a name in the directory of a file. */
static int consider_place(struct search *s, const char *path, bool given,
			  struct nr_err *err)
{
	const char *slash = strrchr(path, '/');
	struct stat st;
	char *dir, *beside;
	int rc;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return consider_tree(s, path, err);
	s->any_name = given;
	rc = consider(s, path, err);
	s->any_name = false;
	if (rc || s->found || given)
		return rc;
	/* rotated outputs lie beside the one that was named */
	dir = nr_xstrdup(slash ? path : ".");
	if (slash)
		dir[slash == path ? 1 : slash - path] = '\0';
	beside = join(dir, s->in->s.name);
	rc = consider(s, beside, err);
	nr_free(beside);
	nr_free(dir);
	return rc;
}

/* The next word of a command line that is quoted as for a shell; NULL at its end. */
static char *next_word(const char **at)
{
	const char *p = *at + strspn(*at, " ");
	char *word = nr_xmalloc(strlen(p) + 1);
	size_t n = 0;
	bool quoted = false;

	if (!*p) {
		nr_free(word);
		return NULL;
	}
	for (; *p && (quoted || *p != ' '); p++) {
		if (*p == '\'')
			quoted = !quoted;
		else if (*p == '\\' && !quoted && p[1])
			word[n++] = *++p;
		else
			word[n++] = *p;
	}
	word[n] = '\0';
	*at = p;
	return word;
}

static int consider_word(struct search *s, const char *word, struct nr_err *err)
{
	char *path;
	int rc;

	if (!*word || !strcmp(word, "-"))
		return 0;
	path = *word == '/' || !s->in->s.cwd ? nr_xstrdup(word)
					     : join(s->in->s.cwd, word);
	rc = consider_place(s, path, false, err);
	nr_free(path);
	return rc;
}

static int consider_run(struct search *s, struct nr_err *err)
{
	const char *at = s->in->s.argv ? s->in->s.argv : "";
	char *word;
	int rc = 0;

	while (!rc && !s->found && (word = next_word(&at)) != NULL) {
		const char *eq = *word == '-' ? strchr(word, '=') : NULL;

		if (*word != '-' || eq)
			rc = consider_word(s, eq ? eq + 1 : word, err);
		nr_free(word);
	}
	return rc;
}

static int consider_all(struct search *s, struct nr_err *err)
{
	const struct nr_recall_options *o = &s->r->opt;
	const char *slash = strrchr(s->r->db_path, '/');
	char *beside;
	int rc = 0;

	for (size_t i = 0; i < o->n_sources && !rc && !s->found; i++)
		rc = consider_place(s, o->sources[i], true, err);
	if (!rc && !s->found)
		rc = consider_run(s, err);
	if (rc || s->found)
		return rc;
	beside = join(slash ? s->r->db_path : ".", "");
	if (slash)
		beside[slash - s->r->db_path + 1] = '\0';
	if (strchr(s->in->s.name, '/') == NULL) {
		char *path = join(beside, s->in->s.name);

		rc = consider(s, path, err);
		nr_free(path);
	}
	nr_free(beside);
	return rc;
}

int nr_recall_find(struct nr_recall *r, size_t i, struct nr_err *err)
{
	struct search s = { .r = r, .in = &r->in[i] };
	const struct nr_recall_source *src = &r->in[i].s;
	int rc;

	if (s.in->path)
		return 0;
	rc = consider_all(&s, err);
	if (!rc && !s.found) { /* the same file may have been given twice */
		s.taken_too = true;
		rc = consider_all(&s, err);
	}
	if (rc || s.found)
		return rc;
	if (s.odd[0])
		return nr_fail(err, -ESTALE,
			       "%s is not the file that %s was made from: %s; --source "
			       "PATH says where that one lies",
			       src->name, r->db_path, s.odd);
	if (!strcmp(src->name, "stdin") || s.is_pipe || src->bytes < 0)
		return nr_fail(err, -ESPIPE,
			       "%s was a pipe, whose packets cannot be read again; "
			       "--source FILE names a file that holds the same bytes",
			       src->name);
	return nr_fail(err, -ENOENT,
		       "cannot find %s, which %s was made from: it is not where its run "
		       "read it, nor beside the database; --source PATH says where it "
		       "lies",
		       src->name, r->db_path);
}

int nr_recall_locate(struct nr_recall *r, struct nr_err *err)
{
	int rc = r->sorted ? 0 : nr_recall_settle(r, err);

	for (size_t i = 0; i < r->n && !rc; i++)
		if (nr_recall_is_used(r, i))
			rc = nr_recall_find(r, i, err);
	return rc;
}

void nr_recall_adopt(struct nr_recall *r, const struct nr_recall *from)
{
	for (size_t i = 0; i < r->n && i < from->n; i++) {
		const struct nr_recall_input *f = &from->in[i];

		if (r->in[i].path || !f->path)
			continue;
		r->in[i].path = nr_xstrdup(f->path);
		r->in[i].dev = f->dev;
		r->in[i].ino = f->ino;
		r->in[i].is_hashed = f->is_hashed;
	}
}
