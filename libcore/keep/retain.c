/* SPDX-License-Identifier: BSD-3-Clause */
#include "keep/retain.h"

#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct kept {
	char *path;
	dev_t dev;
	ino_t ino;
	uint64_t bytes; /* when it was looked at last */
};

struct nr_retain {
	struct nr_retain_limits limits;
	struct kept *f; /* from first, oldest first */
	size_t first, n, room;
	uint64_t bytes; /* of all but the newest */
	uint64_t removed, removed_bytes, refused;
};

struct nr_retain *nr_retain_new(const struct nr_retain_limits *l)
{
	struct nr_retain *r = nr_xcalloc(1, sizeof(*r));

	r->limits = *l;
	return r;
}

static struct kept *newest(struct nr_retain *r)
{
	return r->n ? &r->f[r->first + r->n - 1] : NULL;
}

static void look(struct kept *k)
{
	struct stat st;

	if (k->path && lstat(k->path, &st) == 0 && st.st_ino == k->ino &&
	    st.st_dev == k->dev)
		k->bytes = (uint64_t)st.st_size;
}

void nr_retain_add(struct nr_retain *r, const char *path, int fd)
{
	struct stat st = { 0 };

	if (r->n) { /* it grows no more, but for what nr_retain_closed() will see */
		struct kept *last = &r->f[r->first + r->n - 1];

		look(last);
		r->bytes += last->bytes;
	}
	if (r->first + r->n == r->room && r->first > r->room / 2) {
		memmove(r->f, r->f + r->first, r->n * sizeof(*r->f));
		r->first = 0;
	}
	if (r->first + r->n == r->room) {
		r->room = r->room ? 2 * r->room : 16;
		r->f = nr_xrealloc(r->f, r->room * sizeof(*r->f));
	}
	fstat(fd, &st);
	r->f[r->first + r->n++] = (struct kept){ .path = nr_xstrdup(path),
						 .dev = st.st_dev,
						 .ino = st.st_ino };
}

void nr_retain_forget(struct nr_retain *r, const char *path)
{
	struct kept *k = newest(r);

	if (!k || strcmp(k->path, path) != 0)
		return;
	nr_free(k->path);
	r->n--;
	k = newest(r);
	if (k)
		r->bytes -= k->bytes;
}

void nr_retain_closed(struct nr_retain *r, const char *path)
{
	for (size_t i = r->n; i-- > 0;) {
		struct kept *k = &r->f[r->first + i];
		uint64_t before = k->bytes;

		if (strcmp(k->path, path) != 0)
			continue;
		look(k);
		if (k != newest(r))
			r->bytes += k->bytes - before;
		return;
	}
}

static void remove_beside(const char *path, const char *ending)
{
	size_t n = strlen(path) + strlen(ending) + 1;
	char *s = nr_xmalloc(n);

	snprintf(s, n, "%s%s", path, ending);
	unlink(s);
	nr_free(s);
}

/* The oldest file goes; it is not the newest. */
static unsigned remove_oldest(struct nr_retain *r)
{
	struct kept *k = &r->f[r->first];
	struct stat st;
	unsigned removed = 0;

	if (lstat(k->path, &st) == 0 && S_ISREG(st.st_mode) && st.st_ino == k->ino &&
	    st.st_dev == k->dev) {
		if (unlink(k->path) == 0) {
			if (nr_ends_with(k->path, ".db")) {
				remove_beside(k->path, "-wal");
				remove_beside(k->path, "-shm");
			}
			r->removed++;
			r->removed_bytes += (uint64_t)st.st_size;
			removed = 1;
		} else {
			r->refused++;
		}
	}
	r->bytes -= k->bytes;
	nr_free(k->path);
	r->first++;
	r->n--;
	return removed;
}

static bool lacks_space(const struct nr_retain *r, const char *path)
{
	struct statvfs fs;

	if (!r->limits.free || statvfs(path, &fs) < 0)
		return false;
	return (uint64_t)fs.f_bavail * fs.f_frsize < r->limits.free;
}

static bool is_beyond(struct nr_retain *r)
{
	struct kept *last = newest(r);

	if (r->limits.files && r->n > r->limits.files)
		return true;
	if (r->limits.bytes && r->bytes + last->bytes > r->limits.bytes)
		return true;
	return lacks_space(r, last->path);
}

unsigned nr_retain_enforce(struct nr_retain *r)
{
	unsigned removed = 0;

	if (r->n < 2)
		return 0;
	look(newest(r));
	while (r->n > 1 && is_beyond(r))
		removed += remove_oldest(r);
	return removed;
}

uint64_t nr_retain_removed(const struct nr_retain *r)
{
	return r->removed;
}

uint64_t nr_retain_removed_bytes(const struct nr_retain *r)
{
	return r->removed_bytes;
}

uint64_t nr_retain_refused(const struct nr_retain *r)
{
	return r->refused;
}

void nr_retain_free(struct nr_retain *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++)
		nr_free(r->f[r->first + i].path);
	nr_free(r->f);
	nr_free(r);
}
