/* SPDX-License-Identifier: BSD-3-Clause */
#include "casetest/runner.h"

#include "casetest/case.h"
#include "casetest/child.h"
#include "casetest/compare.h"
#include "casetest/report.h"
#include "casetest/tempdir.h"
#include "cli.h"

#include "base/clock.h"
#include "base/mem.h"
#include "sink/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct runner {
	const struct nr_test_options *o;
	struct nr_case *c; /* all that were chosen, in order of the report */
	struct nr_outcome *out;
	bool *is_done;
	size_t n, told;
	size_t *ready, n_ready; /* those that are run: positions in c */
	int width;
	struct nr_tempdir tmp;
	struct nr_tally tally;
	bool failed; /* a file could not be written */
};

static bool is_chosen(const struct nr_test_options *o, const char *name)
{
	for (size_t i = 0; i < o->filters.n; i++) {
		const char *f = o->filters.v[i];

		if (strpbrk(f, "*?[") ? !fnmatch(f, name, 0) : strstr(name, f) != NULL)
			return true;
	}
	return !o->filters.n;
}

static int find(struct runner *r, char *const *dirs, int n_dirs)
{
	struct nr_case_list list = { 0 };
	struct nr_err err = { "" };

	for (int i = 0; i < n_dirs; i++) {
		size_t before = list.n;

		if (nr_case_find(&list, dirs[i], &err)) {
			nr_case_list_fini(&list);
			return nr_complain(NR_EXIT_USAGE, "test", "%s", err.text);
		}
		if (list.n == before) {
			nr_case_list_fini(&list);
			return nr_complain(NR_EXIT_USAGE, "test",
					   "there is no case below %s: no folder has "
					   "expect.sql or expect.jsonl",
					   dirs[i]);
		}
	}
	r->c = nr_xcalloc(list.n + 1, sizeof(*r->c));
	for (size_t i = 0; i < list.n; i++)
		if (is_chosen(r->o, list.name[i]))
			nr_case_read(&r->c[r->n++], list.path[i], list.name[i],
				     !r->o->no_skip);
	nr_case_list_fini(&list);
	if (r->n)
		return 0;
	return nr_complain(NR_EXIT_USAGE, "test", "no case is called so: %s",
			   r->o->filters.v[0]);
}

/* In the child. */
static int work(void *arg, size_t i, int out_fd)
{
	struct runner *r = arg;
	struct nr_case *c = &r->c[r->ready[i]];
	struct nr_findings f = { .max = r->o->update ? 0
						     : (unsigned)r->o->max_differences };
	struct nr_case_want want = { .records = c->jsonl.text != NULL,
				     .types = c->jsonl.types,
				     .n_types = c->jsonl.n_types };
	struct nr_case_got got;
	struct nr_err err = { "" };
	char dir[NR_TEMPDIR_MAX];
	int rc;

	if (c->sql.text) {
		nr_tempdir_sub(&r->tmp, i, dir);
		want.dir = dir;
	}
	rc = nr_case_replay(c, &want, &got, &err);
	if (!rc)
		nr_case_compare(c, &got, r->o->update, NULL, &f);
	else
		nr_found_difference(&f, "%s: %s", c->path, err.text);
	nr_found_end(&f);
	nr_case_got_fini(&got);
	rc = nr_child_write(out_fd, f.out.p, f.out.len);
	nr_findings_fini(&f);
	nr_case_fini(c);
	return rc;
}

/* The new content under a name of its own first: a full disk must not cost the old. */
static int put_new(const char *path, const char *content, size_t n)
{
	struct nr_buf b = { 0 };
	struct stat st;
	int fd, rc = 0;

	nr_buf_printf(&b, "%s.new", path);
	fd = open(b.p, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || stat(path, &st) < 0 || fchmod(fd, st.st_mode & 0777) < 0)
		rc = -errno;
	if (!rc)
		rc = nr_write_all(fd, content, n);
	if (fd >= 0 && close(fd) < 0 && !rc)
		rc = -errno;
	if (!rc && rename(b.p, path) < 0)
		rc = -errno;
	if (rc && fd >= 0)
		unlink(b.p);
	nr_buf_fini(&b);
	return rc;
}

static bool write_file(struct runner *r, const struct nr_frame *frame)
{
	const char *content = frame->text + strlen(frame->text) + 1;
	char *path = realpath(frame->text, NULL); /* a link stays one */
	int rc = path ? put_new(path, content,
				frame->len - (size_t)(content - frame->text))
		      : -errno;

	free(path);
	if (rc) {
		nr_complain(0, "test", "cannot write %s: %s", frame->text, strerror(-rc));
		r->failed = true;
	}
	return !rc;
}

static void add_line(struct nr_buf *b, const char *indent, const char *text)
{
	nr_buf_str(b, indent);
	nr_buf_str(b, text);
	nr_buf_char(b, '\n');
}

/* What a child wrote; true where it came to its end. */
static bool take_frames(struct runner *r, struct nr_outcome *o,
			const struct nr_child *child)
{
	struct nr_frame frame;
	bool ended = false;
	size_t at = 0;

	while (nr_frame_next(&frame, child->out, child->out_len, &at)) {
		switch (frame.kind) {
		case NR_FOUND_DIFFERENCE:
			if (!r->o->update)
				o->verdict = o->verdict == NR_VERDICT_BROKEN
						     ? NR_VERDICT_BROKEN
						     : NR_VERDICT_FAILED;
			add_line(&o->text, "", frame.text);
			break;
		case NR_FOUND_DETAIL:
			add_line(&o->text, "    ", frame.text);
			break;
		case NR_FOUND_BROKEN:
			o->verdict = NR_VERDICT_BROKEN;
			add_line(&o->text, "", frame.text);
			break;
		case NR_FOUND_LEFT_OUT:
			if (!r->o->update)
				nr_buf_printf(&o->text,
					      "… and %s more (--max-differences)\n",
					      frame.text);
			break;
		case NR_FOUND_FILE:
			if (write_file(r, &frame))
				o->verdict = NR_VERDICT_UPDATED;
			break;
		case NR_FOUND_KEY: /* only of --reduce */
			break;
		case NR_FOUND_END:
			ended = true;
			break;
		}
	}
	return ended;
}

/* A child that did not end by itself, or a sanitizer that had something to say. */
static void take_death(const struct runner *r, struct nr_outcome *o,
		       const struct nr_child *child)
{
	const char *p = child->err;
	char death[64];

	o->verdict = NR_VERDICT_FAILED;
	if (child->timed_out)
		nr_buf_printf(&o->text, "killed after %.0f s (--timeout)\n",
			      (double)r->o->timeout_ns / 1e9);
	else
		nr_buf_printf(&o->text, "the replay died: %s\n",
			      nr_child_death(child, death));
	while (*p) {
		size_t n = strcspn(p, "\n");

		nr_buf_printf(&o->text, "    %.*s\n", (int)n, p);
		p += n + (p[n] == '\n');
	}
}

/* Reports as many as are done without a gap. */
static void tell(struct runner *r)
{
	for (; r->told < r->n && r->is_done[r->told]; r->told++) {
		const struct nr_outcome *o = &r->out[r->told];

		r->tally.n[o->verdict]++;
		if (r->o->tap)
			nr_report_tap(stdout, o, r->told + 1);
		else
			nr_report_case(stdout, o, r->width, r->o->quiet);
		fflush(stdout);
	}
}

static void done(void *arg, size_t i, const struct nr_child *child)
{
	struct runner *r = arg;
	size_t at = r->ready[i];
	struct nr_outcome *o = &r->out[at];
	bool ended = take_frames(r, o, child);

	o->ns = child->ns;
	o->peak_bytes = child->peak_bytes;
	if (!ended || child->status)
		take_death(r, o, child);
	if (r->tmp.path)
		nr_tempdir_remove_sub(&r->tmp, i);
	r->is_done[at] = true;
	tell(r);
}

/* Cases that are not run are done at once. */
static void prepare(struct runner *r)
{
	r->out = nr_xcalloc(r->n + 1, sizeof(*r->out));
	r->is_done = nr_xcalloc(r->n + 1, sizeof(*r->is_done));
	r->ready = nr_xcalloc(r->n + 1, sizeof(*r->ready));
	for (size_t i = 0; i < r->n; i++) {
		struct nr_outcome *o = &r->out[i];
		int w = (int)strlen(r->c[i].path);

		o->path = r->c[i].path;
		if (w > r->width && w <= 60)
			r->width = w;
		if (r->c[i].state == NR_CASE_READY) {
			r->ready[r->n_ready++] = i;
			continue;
		}
		o->verdict = r->c[i].state == NR_CASE_BROKEN ? NR_VERDICT_BROKEN
							     : NR_VERDICT_SKIPPED;
		add_line(&o->text, "", r->c[i].why);
		r->is_done[i] = true;
	}
}

static unsigned n_cpus(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) ? 1 : (unsigned)CPU_COUNT(&set);
}

static int run(struct runner *r)
{
	struct nr_pool pool = { .n = r->n_ready,
				.jobs = r->o->jobs ? (unsigned)r->o->jobs : n_cpus(),
				.timeout_ns = r->o->timeout_ns,
				.work = work,
				.done = done,
				.arg = r };
	int64_t began = nr_monotonic_ns();
	struct nr_err err = { "" };
	int rc = nr_tempdir_make(&r->tmp, &err);

	if (r->o->tap)
		nr_report_tap_plan(stdout, r->n);
	tell(r);
	if (!rc)
		rc = nr_pool_run(&pool, &err);
	r->tally.ns = nr_monotonic_ns() - began;
	nr_tempdir_remove(&r->tmp);
	if (rc)
		return nr_complain(NR_EXIT_FAILED, "test", "%s", err.text);
	if (!r->o->tap)
		nr_report_sum(stdout, &r->tally);
	if (r->o->junit && nr_report_junit(r->o->junit, r->out, r->n, &r->tally, &err))
		return nr_complain(NR_EXIT_INCOMPLETE, "test", "%s", err.text);
	return 0;
}

int nr_test_run(const struct nr_test_options *o, char *const *dirs, int n)
{
	struct runner r = { .o = o };
	int status, rc;

	nr_signals_init();
	status = find(&r, dirs, n);
	if (!status) {
		prepare(&r);
		status = run(&r);
	}
	if (!status && r.tally.n[NR_VERDICT_BROKEN])
		status = NR_EXIT_USAGE;
	else if (!status && r.failed)
		status = NR_EXIT_INCOMPLETE;
	else if (!status && r.tally.n[NR_VERDICT_FAILED])
		status = NR_EXIT_DIFFERENT;
	for (size_t i = 0; i < r.n; i++) {
		nr_case_fini(&r.c[i]);
		if (r.out)
			nr_buf_fini(&r.out[i].text);
	}
	nr_free(r.c);
	nr_free(r.out);
	nr_free(r.is_done);
	nr_free(r.ready);
	rc = nr_stdout_finish("test");
	return rc ? rc : status;
}
