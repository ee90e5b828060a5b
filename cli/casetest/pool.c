/* SPDX-License-Identifier: BSD-3-Clause */
#include "casetest/pool.h"

#include "cli.h"

#include "base/clock.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* One that runs: its life is known by a pipe that nobody writes to. */
struct slot {
	pid_t pid; /* 0: free */
	size_t i;
	int alive, out, err; /* descriptors */
	int64_t started;
	bool timed_out;
};

static void run_child(const struct nr_pool *p, size_t i, int out, int err, pid_t parent)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	signal(SIGINT, SIG_IGN); /* the parent ends its children */
	signal(SIGTERM, SIG_DFL);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    dup2(err, STDERR_FILENO) < 0)
		_exit(1);
	close(null);
	/* exit(), not _exit(): sanitizers look for leaks there */
	exit(p->work(p->arg, i, out));
}

static int start(const struct nr_pool *p, struct slot *s, size_t i, struct nr_err *err)
{
	int alive[2] = { -1, -1 };
	pid_t parent = getpid();

	*s = (struct slot){ .i = i, .started = nr_monotonic_ns() };
	s->out = memfd_create("result", MFD_CLOEXEC);
	s->err = memfd_create("messages", MFD_CLOEXEC);
	if (s->out < 0 || s->err < 0 || pipe2(alive, O_CLOEXEC) < 0)
		return nr_fail(err, -errno, "cannot start a child: %s", strerror(errno));
	fflush(NULL);
	s->pid = fork();
	if (!s->pid)
		run_child(p, i, s->out, s->err, parent);
	close(alive[1]);
	s->alive = alive[0];
	if (s->pid > 0)
		return 0;
	s->pid = 0;
	close(s->alive);
	close(s->out);
	close(s->err);
	return nr_fail(err, -errno, "cannot start a child: %s", strerror(errno));
}

/* At most max bytes from the end of a file; NUL behind. */
static char *read_end(int fd, size_t max, size_t *n)
{
	off_t size = lseek(fd, 0, SEEK_END), from = 0;
	char *text;

	*n = 0;
	if (size < 0)
		size = 0;
	if ((size_t)size > max)
		from = size - (off_t)max;
	text = nr_xmalloc((size_t)(size - from) + 1);
	while (from + (off_t)*n < size) {
		ssize_t got = pread(fd, text + *n, (size_t)(size - from) - *n,
				    from + (off_t)*n);

		if (got <= 0)
			break;
		*n += (size_t)got;
	}
	text[*n] = '\0';
	return text;
}

static void close_slot(struct slot *s)
{
	close(s->alive);
	close(s->out);
	close(s->err);
	s->pid = 0;
}

static void reap(const struct nr_pool *p, struct slot *s)
{
	struct nr_child c = { .timed_out = s->timed_out };
	struct rusage use = { 0 };

	while (wait4(s->pid, &c.status, 0, &use) < 0 && errno == EINTR)
		;
	c.ns = nr_monotonic_ns() - s->started;
	c.peak_bytes = (uint64_t)use.ru_maxrss * 1024;
	c.out = read_end(s->out, SIZE_MAX, &c.out_len);
	c.err = read_end(s->err, NR_CHILD_ERR, &c.err_len);
	close_slot(s);
	p->done(p->arg, s->i, &c);
	nr_free(c.out);
	nr_free(c.err);
}

static void kill_all(const struct nr_pool *p, struct slot *slot)
{
	int status;

	for (unsigned k = 0; k < p->jobs; k++) {
		if (!slot[k].pid)
			continue;
		kill(slot[k].pid, SIGKILL);
		while (waitpid(slot[k].pid, &status, 0) < 0 && errno == EINTR)
			;
		close_slot(&slot[k]);
	}
}

/* Milliseconds until the first runs out of time; kills those that have. */
static int check_times(const struct nr_pool *p, struct slot *slot)
{
	int64_t now = nr_monotonic_ns(), least = INT64_C(1000000000);

	for (unsigned k = 0; k < p->jobs; k++) {
		int64_t left = slot[k].started + p->timeout_ns - now;

		if (!slot[k].pid)
			continue;
		if (left <= 0 && !slot[k].timed_out) {
			slot[k].timed_out = true;
			kill(slot[k].pid, SIGKILL);
		} else if (left > 0 && left < least) {
			least = left;
		}
	}
	return (int)(least / 1000000) + 1;
}

/* Waits for one or more to end, and takes what they leave. */
static int wait_some(const struct nr_pool *p, struct slot *slot, struct pollfd *fds)
{
	nfds_t n = 0;
	int rc;

	for (unsigned k = 0; k < p->jobs; k++)
		if (slot[k].pid)
			fds[n++] =
				(struct pollfd){ .fd = slot[k].alive, .events = POLLIN };
	if (!n)
		return 0;
	rc = poll(fds, n, check_times(p, slot));
	if (rc < 0 && errno != EINTR)
		return -errno;
	for (nfds_t i = 0; rc > 0 && i < n; i++) {
		if (!fds[i].revents)
			continue;
		for (unsigned k = 0; k < p->jobs; k++)
			if (slot[k].pid && slot[k].alive == fds[i].fd)
				reap(p, &slot[k]);
	}
	return 0;
}

static bool is_running(const struct nr_pool *p, const struct slot *slot)
{
	for (unsigned k = 0; k < p->jobs; k++)
		if (slot[k].pid)
			return true;
	return false;
}

int nr_pool_run(const struct nr_pool *p, struct nr_err *err)
{
	struct slot *slot = nr_xcalloc(p->jobs, sizeof(*slot));
	struct pollfd *fds = nr_xcalloc(p->jobs, sizeof(*fds));
	size_t next = 0;
	int rc = 0;

	while (!rc && (next < p->n || is_running(p, slot))) {
		for (unsigned k = 0; k < p->jobs && next < p->n && !rc; k++)
			if (!slot[k].pid)
				rc = start(p, &slot[k], next++, err);
		if (!rc)
			rc = wait_some(p, slot, fds);
		if (!rc && nr_stop)
			rc = nr_fail(err, -EINTR, "interrupted");
	}
	kill_all(p, slot);
	nr_free(slot);
	nr_free(fds);
	return rc;
}
