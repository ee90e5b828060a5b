/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The truncation sweep: truncate FILE…
 *
 * Each capture is cut at its lengths, all of them up to 2500 bytes, beyond that a spread
 * that meets every offset modulo 64, and replayed. A cut must end with a verdict: read
 * (whole or damaged), or refused as no capture; the ledger must add up and no more
 * packets may come out of a shorter file. The files are shared out to a process per
 * core; one that crashes is a failure, and the others go on.
 */
#include "engine/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ALL_BELOW = 2500, STEP = 193 };

struct tally { /* shared by all processes */
	atomic_ulong passed, failed, skipped;
	atomic_int next; /* file to be taken */
};

/* Packets read, or -errno; -EINVAL where the cut is no capture. */
static int64_t replay(const char *path, struct nr_err *err)
{
	struct nr_engine_config c;
	struct nr_merge_options mo = { 0 };
	struct nr_run_info run = { .argv = "truncate" };
	struct nr_merge *m = NULL;
	struct nr_engine *e = NULL;
	struct nr_sink *null = NULL;
	atomic_int stop = 0;
	int64_t packets = 0;
	int rc;

	nr_engine_config_defaults(&c);
	c.max_flows = 64 * 16;
	mo.max_jump_ns = c.max_jump;
	rc = nr_merge_open(&m, &path, 1, &mo, err);
	if (!rc)
		rc = nr_sink_open(&null, "null:", NULL, err);
	if (!rc)
		rc = nr_engine_new(&e, &c, &null, 1, err);
	if (!rc)
		rc = nr_engine_run(e, m, &run, &stop, NULL, NULL, err);
	if (!rc)
		packets = (int64_t)nr_engine_stats(e)->packets;
	nr_engine_free(e);
	nr_sink_close(null);
	nr_merge_close(m);
	return rc ? rc : packets;
}

static void check(struct tally *t, const char *file, size_t len, int64_t got,
		  int64_t *most, const struct nr_err *err)
{
	/* lengths fall, so the packets do */
	if ((got < 0 && got != -EINVAL) || got > *most) {
		t->failed++;
		printf("FAIL %s cut at %zu: %s\n", file, len,
		       got > *most ? "more packets than in a longer cut" : err->text);
		return;
	}
	if (got >= 0)
		*most = got;
	t->passed++;
}

static void sweep(struct tally *t, const char *file)
{
	int64_t most = INT64_MAX;
	struct stat st;
	size_t n = 0;
	int from = open(file, O_RDONLY | O_CLOEXEC);
	int to = memfd_create("cut", MFD_CLOEXEC); /* no disk: it is cut so often */
	char buf[4096], cut[40];
	ssize_t k;

	snprintf(cut, sizeof(cut), "/proc/self/fd/%d", to);
	while (from >= 0 && to >= 0 && (k = read(from, buf, sizeof(buf))) > 0)
		n += write(to, buf, (size_t)k) == k ? (size_t)k : 0;
	if (from >= 0)
		close(from);
	if (to < 0 || !n || fstat(to, &st) || (size_t)st.st_size != n) {
		printf("skip %s: cannot copy it\n", file);
		t->skipped++;
	} else {
		for (size_t len = n;; len -= len > ALL_BELOW + STEP ? STEP : 1) {
			struct nr_err err = { "" };

			if (ftruncate(to, (off_t)len))
				break;
			check(t, file, len, replay(cut, &err), &most, &err);
			if (!len)
				break;
		}
	}
	if (to >= 0)
		close(to);
}

/* One process: takes files until none is left. */
static int sweep_files(struct tally *t, int argc, char **argv)
{
	int i;

	while ((i = atomic_fetch_add(&t->next, 1)) < argc)
		if (!strchr(argv[i], '*')) /* else a pattern that found nothing */
			sweep(t, argv[i]);
	fflush(stdout);
	return 0;
}

int main(int argc, char **argv)
{
	struct tally *t = mmap(NULL, sizeof(*t), PROT_READ | PROT_WRITE,
			       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	int status;

	if (t == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	t->next = 1;
	for (long k = 0; k < n; k++) {
		pid_t pid = fork();

		/* exit, not _exit: leaks are looked for there */
		if (pid == 0)
			exit(sweep_files(t, argc, argv));
		t->failed += pid < 0;
	}
	while (wait(&status) > 0)
		t->failed += status != 0;
	printf("%lu passed, %lu failed, %lu skipped\n", t->passed, t->failed, t->skipped);
	return t->failed || !t->passed;
}
