/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Many captures through fresh engines, many per process: what the captures suite drives.
 *
 * stdin: one `path<TAB>output` a line, output a target as nrtool's -o takes it ("null:",
 * "x.jsonl"). stdout, for each line and in the same order: path, verdict, packets,
 * seconds, peak memory of the process in KiB and words, tab-separated. Verdicts: ok,
 * damaged (read as far as it goes), nocapture, failed, ledger (does not add up), timeout,
 * memory, leak, crash.
 *
 * A child does the work and says when it begins and ends each file; the parent replaces
 * it when it dies, sits on a file for too long or grows too large, so that one bad file
 * costs one verdict. What sanitizers have to say goes to stderr.
 */
#include "engine/engine.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Present under ASan only. */
extern int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

struct job {
	char *path, *output;
};

struct limits {
	double seconds;
	long kib;
	unsigned leak_every; /* files between two leak checks; 0: at the end only */
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static long peak_kib(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return u.ru_maxrss;
}

/* Words must not break the line that carries them. */
static void flatten(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < 0x20)
			*s = ' ';
}

static const char *replay_with(const struct job *j, const struct nr_engine_config *c,
			       struct nr_merge *m, struct nr_sink *sink,
			       uint64_t *packets, struct nr_err *err)
{
	const struct nr_run_info run = {
		.argv = "sweep",
		.cwd = "",
		.host = "",
		.libraries = "",
		.sandbox = "",
		.record_options = "",
		.threads = c->threads,
	};
	struct nr_engine *e = NULL;
	const char *verdict = "failed";
	int ret = nr_engine_new(&e, c, &sink, 1, err);

	if (ret < 0)
		return verdict;
	ret = nr_engine_run(e, m, &run, NULL, NULL, NULL, err);
	if (ret == -EBADMSG)
		verdict = "ledger";
	else if (ret == 0)
		ret = nr_sink_finish(sink, err);
	if (ret == 0) {
		const struct nr_engine_stats *s = nr_engine_stats(e);

		*packets = s->packets;
		verdict = s->n_damaged ? "damaged" : "ok";
		if (s->n_damaged && nr_engine_damage(e, 0))
			snprintf(err->text, sizeof(err->text), "%s",
				 nr_engine_damage(e, 0));
	}
	nr_engine_free(e);
	return verdict;
}

static const char *replay(const struct job *j, const struct nr_engine_config *c,
			  uint64_t *packets, struct nr_err *err)
{
	const struct nr_merge_options opt = { .max_jump_ns = c->max_jump };
	const char *path = j->path, *verdict = "failed";
	struct nr_merge *m = NULL;
	struct nr_sink *sink = NULL;
	const struct nr_sink_options so = { .force = true };
	int ret = nr_merge_open(&m, &path, 1, &opt, err);

	if (ret < 0)
		return ret == -EINVAL ? "nocapture" : "failed";
	if (nr_sink_open(&sink, j->output, &so, err) == 0)
		verdict = replay_with(j, c, m, sink, packets, err);
	nr_sink_close(sink);
	nr_merge_close(m);
	return verdict;
}

static int child(const struct job *jobs, size_t first, size_t n,
		 const struct nr_engine_config *c, const struct limits *l, int fd)
{
	FILE *out = fdopen(fd, "w");

	if (!out)
		return 1;
	for (size_t i = first; i < n; i++) {
		struct nr_err err = { "" };
		uint64_t packets = 0;
		double t = now();
		const char *verdict;

		fprintf(out, "begin\n");
		fflush(out);
		verdict = replay(&jobs[i], c, &packets, &err);
		t = now() - t;
		if (l->leak_every && i % l->leak_every == 0 &&
		    __lsan_do_recoverable_leak_check &&
		    __lsan_do_recoverable_leak_check())
			verdict = "leak";
		flatten(err.text);
		fprintf(out, "%s\t%llu\t%.6f\t%ld\t%s\n", verdict,
			(unsigned long long)packets, t, peak_kib(), err.text);
		fflush(out);
	}
	fclose(out);
	return 0;
}

static long rss_kib(pid_t pid)
{
	char name[64];
	long size = 0, rss = 0;
	FILE *f;

	snprintf(name, sizeof(name), "/proc/%ld/statm", (long)pid);
	f = fopen(name, "r");
	if (!f)
		return 0;
	if (fscanf(f, "%ld %ld", &size, &rss) != 2)
		rss = 0;
	fclose(f);
	return rss * (sysconf(_SC_PAGESIZE) / 1024);
}

/*
 * Follows one child over its pipe. Returns the index of the first file without a
 * verdict; *bad names why the child was ended, NULL where it came to its end or died.
 */
static size_t follow(pid_t pid, int fd, const struct job *jobs, size_t i, size_t n,
		     const struct limits *l, const char **bad)
{
	char line[2048];
	size_t len = 0;
	double began = now();

	*bad = NULL;
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int ready = poll(&p, 1, 100);
		char ch[512];
		ssize_t got;

		if (now() - began > l->seconds)
			*bad = "timeout";
		else if (rss_kib(pid) > l->kib)
			*bad = "memory";
		if (*bad) {
			kill(pid, SIGKILL);
			return i;
		}
		if (ready <= 0)
			continue;
		got = read(fd, ch, sizeof(ch));
		if (got <= 0)
			return i;
		for (ssize_t k = 0; k < got; k++) {
			if (ch[k] != '\n') {
				if (len < sizeof(line) - 1)
					line[len++] = ch[k];
				continue;
			}
			line[len] = '\0';
			len = 0;
			began = now();
			if (strcmp(line, "begin") != 0 && i < n)
				printf("%s\t%s\n", jobs[i++].path, line);
		}
	}
}

static int sweep(const struct job *jobs, size_t n, const struct nr_engine_config *c,
		 const struct limits *l)
{
	int worst = 0;
	size_t i = 0;

	while (i < n) {
		const char *bad;
		int fd[2], status = 0;
		pid_t pid;

		fflush(stdout);
		if (pipe(fd) < 0 || (pid = fork()) < 0) {
			perror("sweep");
			return 1;
		}
		if (pid == 0) {
			int ret;

			close(fd[0]);
			ret = child(jobs, i, n, c, l, fd[1]);
			exit(ret); /* not _exit: the leak check runs here */
		}
		close(fd[1]);
		i = follow(pid, fd[0], jobs, i, n, l, &bad);
		close(fd[0]);
		waitpid(pid, &status, 0);
		if (i < n) {
			printf("%s\t%s\t0\t0\t0\tchild ended: %s %d\n", jobs[i].path,
			       bad ? bad : "crash",
			       WIFSIGNALED(status) ? "signal" : "status",
			       WIFSIGNALED(status) ? WTERMSIG(status)
						   : WEXITSTATUS(status));
			i++;
			worst = 1;
		} else if (status != 0) {
			printf("(end)\tleak\t0\t0\t0\tat the end of the process\n");
			worst = 1;
		}
	}
	return worst;
}

static struct job *read_jobs(FILE *in, size_t *n)
{
	struct job *jobs = NULL;
	char *line = NULL;
	size_t cap = 0, room = 0;

	*n = 0;
	while (getline(&line, &cap, in) > 0) {
		char *tab = strchr(line, '\t');

		line[strcspn(line, "\n")] = '\0';
		if (!*line)
			continue;
		if (*n == room) {
			struct job *more;

			room = room ? room * 2 : 256;
			more = realloc(jobs, room * sizeof(*jobs));
			if (!more)
				abort();
			jobs = more;
		}
		if (tab)
			*tab = '\0';
		jobs[*n].path = strdup(line);
		jobs[*n].output = strdup(tab ? tab + 1 : "null:");
		if (!jobs[*n].path || !jobs[*n].output)
			abort();
		(*n)++;
	}
	free(line);
	return jobs;
}

static enum nr_checksums checksums(const char *s)
{
	if (strcmp(s, "verify") == 0)
		return NR_CSUM_VERIFY;
	if (strcmp(s, "ignore") == 0)
		return NR_CSUM_IGNORE;
	return NR_CSUM_AUTO;
}

/* Caps that many captures meet. */
static void small(struct nr_engine_config *c)
{
	c->max_flows = 16 * 64;
	c->session_memory = 4 << 20;
	c->reassembly_memory = 4 << 20;
	c->stream_memory = 64 << 10;
	c->index_memory = 256 << 10;
	c->frag_memory = 64 << 10;
	c->flow_start = true;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "batch", required_argument, NULL, 'b' },
		{ "checksums", required_argument, NULL, 'c' },
		{ "timeout", required_argument, NULL, 't' },
		{ "memory", required_argument, NULL, 'm' },
		{ "leaks", required_argument, NULL, 'l' },
		{ "no-flip", no_argument, NULL, 'F' },
		{ "store-secrets", no_argument, NULL, 'S' },
		{ "threads", required_argument, NULL, 'T' },
		{ "small", no_argument, NULL, 's' },
		{ NULL, 0, NULL, 0 },
	};
	struct limits l = { .seconds = 20, .kib = 2048L * 1024, .leak_every = 0 };
	struct nr_engine_config c;
	struct job *jobs;
	size_t n;
	int o, worst;

	nr_engine_config_defaults(&c);
	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'b')
			c.batch = (uint32_t)strtoul(optarg, NULL, 10);
		else if (o == 'c')
			c.checksums = checksums(optarg);
		else if (o == 't')
			l.seconds = strtod(optarg, NULL);
		else if (o == 'm')
			l.kib = strtol(optarg, NULL, 10) * 1024;
		else if (o == 'l')
			l.leak_every = (unsigned)strtoul(optarg, NULL, 10);
		else if (o == 'F')
			c.no_flip = true;
		else if (o == 'S')
			c.parse.store_secrets = true;
		else if (o == 'T')
			c.threads = (unsigned)strtoul(optarg, NULL, 10);
		else if (o == 's')
			small(&c);
		else
			return 2;
	}
	jobs = read_jobs(stdin, &n);
	worst = sweep(jobs, n, &c, &l);
	for (size_t i = 0; i < n; i++) {
		free(jobs[i].path);
		free(jobs[i].output);
	}
	free(jobs);
	return worst;
}
