/* SPDX-License-Identifier: BSD-3-Clause */
#include "sink/outfile.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

int nr_write_all(int fd, const void *p, size_t n)
{
	const uint8_t *from = p;

	while (n) {
		ssize_t w = write(fd, from, n);

		if (w < 0 && errno == EAGAIN) { /* somebody made the pipe non-blocking */
			struct pollfd pfd = { .fd = fd, .events = POLLOUT };

			poll(&pfd, 1, -1);
			continue;
		}
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -errno;
		if (w == 0)
			return -EIO;
		from += w;
		n -= (size_t)w;
	}
	return 0;
}

/* The path's links resolved; a name that does not exist yet is fine, a dangling link is
   not. */
static int resolve(struct nr_outfile *f, const char *target, struct stat *st,
		   struct nr_err *err)
{
	struct stat link;
	const char *slash;

	if (stat(target, st) == 0) {
		f->path = realpath(target, NULL);
		if (!f->path)
			return nr_fail(err, -errno, "cannot resolve %s: %s", target,
				       strerror(errno));
	} else if (errno != ENOENT) {
		return nr_fail(err, -errno, "cannot write %s: %s", target,
			       strerror(errno));
	} else if (lstat(target, &link) == 0) {
		return nr_fail(
			err, -EINVAL,
			"cannot write %s: it is a symbolic link to nothing; remove it "
			"or name its target",
			target);
	} else {
		st->st_mode = 0;
		f->path = nr_xstrdup(target);
	}
	slash = strrchr(f->path, '/');
	if (slash && !slash[1])
		return nr_fail(err, -EISDIR, "cannot write %s: it names a directory",
			       target);
	f->dir = nr_xstrdup(slash ? f->path : ".");
	if (slash)
		f->dir[slash == f->path ? 1 : slash - f->path] = '\0';
	return 0;
}

/* Creates the partial file and locks it, so that two runs cannot write one target. */
static int create_partial(struct nr_outfile *f, struct nr_err *err)
{
	const char *slash = strrchr(f->path, '/');
	const char *name = slash ? slash + 1 : f->path;
	size_t n = strlen(f->dir) + strlen(name) + 16;
	struct stat st, now;

	f->partial = nr_xmalloc(n);
	snprintf(f->partial, n, "%s%s.%s.partial", slash ? f->dir : "",
		 slash && slash != f->path ? "/" : "", name);
	f->fd = open(f->partial, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK,
		     0600);
	if (f->fd < 0)
		return nr_fail(err, -errno, "cannot create %s: %s", f->partial,
			       strerror(errno));
	if (fstat(f->fd, &st) < 0 || !S_ISREG(st.st_mode))
		return nr_fail(err, -EINVAL,
			       "cannot create %s: something else has the name",
			       f->partial);
	if (flock(f->fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return nr_fail(err, -EBUSY,
			       "cannot write %s: another nrtool is writing it", f->path);
	/* Its owner may have renamed it between our open and our lock. */
	if (lstat(f->partial, &now) < 0 || now.st_ino != st.st_ino ||
	    now.st_dev != st.st_dev)
		return nr_fail(err, -EBUSY,
			       "cannot write %s: another nrtool has just written it",
			       f->path);
	f->is_mine = true;
	/* What an interrupted run left behind. */
	if (fchmod(f->fd, 0600) < 0 || ftruncate(f->fd, 0) < 0)
		return nr_fail(err, -errno, "cannot write %s: %s", f->partial,
			       strerror(errno));
	return 0;
}

int nr_outfile_open(struct nr_outfile *f, const char *target, bool force,
		    bool must_be_regular, struct nr_err *err)
{
	struct stat st;
	int rc;

	*f = (struct nr_outfile){ .fd = -1, .force = force };
	rc = resolve(f, target, &st, err);
	if (rc < 0)
		goto fail;
	if (S_ISDIR(st.st_mode)) {
		rc = nr_fail(err, -EISDIR, "cannot write %s: it is a directory", target);
	} else if (st.st_mode && !S_ISREG(st.st_mode)) {
		if (must_be_regular) {
			rc = nr_fail(err, -EINVAL,
				     "cannot write %s: it is no regular file and cannot "
				     "hold a database; null: discards the records",
				     target);
			goto fail;
		}
		f->fd = open(target, O_WRONLY | O_CLOEXEC | O_NOCTTY);
		if (f->fd < 0)
			rc = nr_fail(err, -errno, "cannot write %s: %s", target,
				     strerror(errno));
	} else if (st.st_mode && !force) {
		rc = nr_fail(err, -EEXIST,
			     "%s exists; --force replaces it, -o names another", target);
	} else {
		rc = create_partial(f, err);
	}
	if (rc == 0)
		return 0;
fail:
	nr_outfile_close(f);
	return rc;
}

int nr_outfile_open_live(struct nr_outfile *f, const char *target, bool force,
			 struct nr_err *err)
{
	struct stat st;
	int rc;

	*f = (struct nr_outfile){ .fd = -1, .force = force, .is_live = true };
	rc = resolve(f, target, &st, err);
	if (rc == 0 && st.st_mode && !S_ISREG(st.st_mode))
		rc = nr_fail(err, -EINVAL, "cannot write %s: it is no regular file",
			     target);
	if (rc == 0) {
		f->fd = open(f->path,
			     O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW |
				     (force ? 0 : O_EXCL),
			     0600);
		if (f->fd < 0 && errno == EEXIST)
			rc = nr_fail(err, -EEXIST, "%s exists; --force replaces it",
				     target);
		else if (f->fd < 0)
			rc = nr_fail(err, -errno, "cannot create %s: %s", target,
				     strerror(errno));
	}
	if (rc == 0 && flock(f->fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		rc = nr_fail(err, -EBUSY, "cannot write %s: another nrtool is writing it",
			     target);
	if (rc == 0 && (fchmod(f->fd, 0600) < 0 || ftruncate(f->fd, 0) < 0))
		rc = nr_fail(err, -errno, "cannot write %s: %s", target, strerror(errno));
	if (rc < 0)
		nr_outfile_close(f);
	return rc;
}

static int sync_dir(const struct nr_outfile *f, struct nr_err *err)
{
	int fd = open(f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = 0;

	if (fd < 0)
		return nr_fail(
			err, -errno,
			"%s is written, but its directory cannot be opened to sync "
			"it: %s",
			f->path, strerror(errno));
	if (fsync(fd) < 0 && errno != EINVAL && errno != EROFS)
		rc = nr_fail(err, -errno,
			     "%s is written, but its directory cannot be synced: %s",
			     f->path, strerror(errno));
	close(fd);
	return rc;
}

static int rename_partial(const struct nr_outfile *f, struct nr_err *err)
{
	int rc;

	rc = renameat2(AT_FDCWD, f->partial, AT_FDCWD, f->path,
		       f->force ? 0 : RENAME_NOREPLACE);
	if (rc < 0 && !f->force && errno == EINVAL) { /* not on this file system */
		rc = link(f->partial, f->path);
		if (rc == 0)
			unlink(f->partial);
		else if (errno == EPERM)
			rc = rename(f->partial, f->path);
	}
	if (rc == 0)
		return 0;
	if (errno == EEXIST)
		return nr_fail(err, -EEXIST,
			       "%s has appeared meanwhile; --force replaces it", f->path);
	return nr_fail(err, -errno, "cannot rename %s to %s: %s", f->partial, f->path,
		       strerror(errno));
}

int nr_outfile_commit(struct nr_outfile *f, struct nr_err *err)
{
	int rc;

	if (f->is_live) {
		if (fsync(f->fd) < 0)
			return nr_fail(err, -errno, "cannot sync %s: %s", f->path,
				       strerror(errno));
		rc = sync_dir(f, err);
		close(f->fd);
		f->fd = -1;
		f->is_done = true;
		return rc;
	}
	if (!f->partial) {
		rc = close(f->fd);
		f->fd = -1;
		f->is_done = true;
		return rc == 0 ? 0
			       : nr_fail(err, -errno, "cannot write %s: %s", f->path,
					 strerror(errno));
	}
	if (fsync(f->fd) < 0)
		return nr_fail(err, -errno, "cannot sync %s: %s", f->partial,
			       strerror(errno));
	rc = rename_partial(f, err);
	if (rc < 0)
		return rc;
	f->is_done = true;
	rc = sync_dir(f, err);
	close(f->fd);
	f->fd = -1;
	return rc;
}

void nr_outfile_close(struct nr_outfile *f)
{
	if (f->is_mine && !f->is_done && !f->keep_partial)
		unlink(f->partial);
	if (f->fd >= 0)
		close(f->fd);
	nr_free(f->path);
	nr_free(f->partial);
	nr_free(f->dir);
	*f = (struct nr_outfile){ .fd = -1 };
}
