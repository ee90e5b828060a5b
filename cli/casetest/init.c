/* SPDX-License-Identifier: BSD-3-Clause */
#include "casetest/init.h"

#include "casetest/child.h"
#include "casetest/compare.h"
#include "casetest/keys.h"
#include "casetest/tempdir.h"
#include "cli.h"

#include "base/mem.h"
#include "record/tables.h"
#include "sink/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { COPY_MAX = 32 << 20, MAX_RECORDS = 100 };

static const char starter[] =
	"-- Made by nrtool test --init; nrtool-test(5) says how to go on. Keep the\n"
	"-- queries that matter, add your own, and take the others out.\n"
	"\n"
	"-- name: packets\n"
	"SELECT sum(packets) AS packets, sum(damage IS NOT NULL) AS damaged FROM "
	"source;\n"
	"\n"
	"-- name: services\n"
	"SELECT proto, service, conn_state, count(*) AS flows\n"
	"  FROM flow GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;\n"
	"\n"
	"-- name: anomalies\n"
	"SELECT kind, count(*) AS n FROM anomaly GROUP BY 1 ORDER BY 1;\n";

struct init {
	struct nr_case c;
	struct nr_tempdir tmp;
};

static const struct nr_record_type *type_of(const char *name)
{
	for (size_t i = 0; i < nr_n_record_types; i++)
		if (!strcmp(nr_record_types[i]->name, name))
			return nr_record_types[i];
	return NULL;
}

/* What a protocol said; anomalies are counted by a query. */
static bool is_message(const char *type)
{
	const struct nr_record_type *t = type_of(type);

	return t && t->flags & NR_R_SESSION && t != &nr_rt_anomaly;
}

/* Numbers and times of this very capture say nothing to a reader. */
static bool is_left_out(const char *key)
{
	return nr_is_place(key) || !strcmp(key, "proto");
}

static size_t count_of(const struct nr_case_got *got, const char *type)
{
	size_t n = 0;

	for (size_t i = 0; i < got->n; i++)
		n += !strcmp(got->line[i].type, type);
	return n;
}

static void add_record(struct nr_buf *b, const struct nr_case_line *l)
{
	size_t from = b->len;

	for (size_t i = 0; i < l->json.n; i++) {
		const struct nr_json_member *m = &l->json.m[i];

		if (is_left_out(m->key))
			continue;
		nr_buf_str(b, b->len == from ? "{" : ", ");
		nr_buf_json(b, m->key, strlen(m->key));
		nr_buf_str(b, ": ");
		nr_buf_add(b, l->text + m->raw_at, m->raw_len);
	}
	nr_buf_str(b, "}\n");
}

/* The text of expect.jsonl; false where there is nothing for it. */
static bool make_records(const struct nr_case_got *got, struct nr_buf *b)
{
	const char *types[64];
	size_t n_types = 0;

	for (size_t i = 0; i < got->n && n_types < 64; i++) {
		const char *t = got->line[i].type;
		size_t k = 0;

		while (k < n_types && strcmp(types[k], t) != 0)
			k++;
		if (k == n_types && is_message(t) && count_of(got, t) <= MAX_RECORDS)
			types[n_types++] = t;
	}
	if (!n_types)
		return false;
	nr_buf_str(b, "# match: subset types=");
	for (size_t k = 0; k < n_types; k++)
		nr_buf_printf(b, "%s%s", k ? "," : "", types[k]);
	nr_buf_str(b, "\n# Made by nrtool test --init: take out the fields that do not "
		      "matter.\n");
	for (size_t i = 0; i < got->n; i++)
		for (size_t k = 0; k < n_types; k++)
			if (!strcmp(types[k], got->line[i].type))
				add_record(b, &got->line[i]);
	return true;
}

/* In the child: both files as frames. */
static int work(void *arg, size_t i, int out_fd)
{
	struct init *x = arg;
	struct nr_findings f = { .max = 0 };
	struct nr_case_want want = { .records = true };
	char dir[NR_TEMPDIR_MAX];
	struct nr_err err = { "" };
	struct nr_case_got got;
	struct nr_buf b = { 0 };
	int rc;

	nr_tempdir_sub(&x->tmp, i, dir);
	want.dir = dir;
	rc = nr_case_replay(&x->c, &want, &got, &err);
	if (rc || got.status == NR_EXIT_FAILED) {
		nr_found_broken(&f, "%s", rc ? err.text : got.why.text);
	} else {
		nr_case_compare(&x->c, &got, true, NULL, &f);
		nr_buf_printf(&b, "%s/expect.jsonl", x->c.path);
		nr_buf_add(&b, "", 1);
		if (make_records(&got, &b))
			nr_found(&f, NR_FOUND_FILE, b.p, b.len);
	}
	nr_found_end(&f);
	rc = nr_child_write(out_fd, f.out.p, f.out.len);
	nr_buf_fini(&b);
	nr_findings_fini(&f);
	nr_case_got_fini(&got);
	nr_case_fini(&x->c);
	return rc;
}

static int write_text(const char *path, int flags, const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0666), rc;

	if (fd < 0)
		return nr_complain(NR_EXIT_INCOMPLETE, "test", "cannot write %s: %s",
				   path, strerror(errno));
	rc = nr_write_all(fd, text, n);
	if (close(fd) && !rc)
		rc = -errno;
	return rc ? nr_complain(NR_EXIT_INCOMPLETE, "test", "cannot write %s: %s", path,
				strerror(-rc))
		  : 0;
}

/* The capture beside the expectations; a large one is named by its path instead. */
static int take_capture(const char *dir, const char *path, struct nr_buf *names)
{
	struct nr_arena a = { 0 };
	const char *slash = strrchr(path, '/');
	char full[PATH_MAX], *to;
	int in = open(path, O_RDONLY | O_CLOEXEC), status = 0;
	struct stat st;

	to = nr_arena_printf(&a, "%s/%s", dir, slash ? slash + 1 : path);
	if (in < 0 || fstat(in, &st) || !realpath(path, full)) {
		status = nr_complain(NR_EXIT_FAILED, "test", "cannot open %s: %s", path,
				     strerror(errno));
	} else if (!S_ISREG(st.st_mode) || st.st_size > COPY_MAX) {
		nr_buf_printf(names, "%s\n", full);
	} else {
		char *bytes = nr_arena_alloc(&a, (size_t)st.st_size + 1);
		ssize_t n = pread(in, bytes, (size_t)st.st_size, 0);

		if (n < 0)
			status = nr_complain(NR_EXIT_FAILED, "test", "cannot read %s: %s",
					     path, strerror(errno));
		else
			status = write_text(to, O_EXCL, bytes, (size_t)n);
		nr_buf_printf(names, "%s\n", slash ? slash + 1 : path);
	}
	if (in >= 0)
		close(in);
	nr_arena_fini(&a);
	return status;
}

static int make_folder(const char *dir)
{
	struct nr_arena a = { 0 };
	char *path = nr_arena_printf(&a, "%s", dir);
	int rc = 0;

	for (char *p = strchr(path + 1, '/'); p && p[1]; p = strchr(p + 1, '/')) {
		*p = '\0';
		mkdir(path, 0777);
		*p = '/';
	}
	if (mkdir(path, 0777))
		rc = nr_complain(NR_EXIT_USAGE, "test",
				 "cannot make the folder %s: %s; --init makes a new one",
				 dir, strerror(errno));
	nr_arena_fini(&a);
	return rc;
}

/* What the child made of it. */
static int take_frames(const struct nr_child *child, const char *dir)
{
	struct nr_frame frame;
	char death[64];
	size_t at = 0;
	int status = 0;

	while (!status && nr_frame_next(&frame, child->out, child->out_len, &at)) {
		const char *text = frame.text + strlen(frame.text) + 1;

		if (frame.kind == NR_FOUND_BROKEN)
			return nr_complain(NR_EXIT_FAILED, "test", "%s", frame.text);
		if (frame.kind == NR_FOUND_FILE)
			status = write_text(frame.text, O_TRUNC, text,
					    frame.len - (size_t)(text - frame.text));
		if (frame.kind == NR_FOUND_END) {
			printf("%s is a case now; next: nrtool test %s\n", dir, dir);
			return nr_stdout_finish("test");
		}
	}
	return status ? status
		      : nr_complain(NR_EXIT_FAILED, "test", "the replay died: %s",
				    nr_child_death(child, death));
}

static int run(struct init *x, const char *dir, int64_t timeout_ns)
{
	struct nr_child child = { 0 };
	struct nr_err err = { "" };
	int status;

	nr_case_read(&x->c, dir, NULL, true);
	if (x->c.state != NR_CASE_READY) {
		status = nr_complain(NR_EXIT_FAILED, "test", "%s", x->c.why);
	} else if (nr_tempdir_make(&x->tmp, &err) ||
		   nr_child_run(&child, work, x, timeout_ns, &err)) {
		status = nr_complain(NR_EXIT_FAILED, "test", "%s", err.text);
	} else {
		status = take_frames(&child, dir);
	}
	nr_child_fini(&child);
	nr_tempdir_remove(&x->tmp);
	nr_case_fini(&x->c);
	return status;
}

int nr_test_init(const char *dir, char *const *captures, int n, int64_t timeout_ns)
{
	struct init x = { 0 };
	struct nr_arena a = { 0 };
	struct nr_buf names = { 0 };
	int status = make_folder(dir);
	bool made = !status, all = true; /* lie in the folder and look like captures */

	nr_signals_init();
	for (int i = 0; i < n && !status; i++)
		status = take_capture(dir, captures[i], &names);
	for (const char *p = names.p; p && *p; p = strchr(p, '\n') + 1)
		all &= *p != '/';
	if (!status && !all)
		status = write_text(nr_arena_printf(&a, "%s/captures", dir), O_EXCL,
				    names.p, names.len);
	if (!status)
		status = write_text(nr_arena_printf(&a, "%s/expect.sql", dir), O_EXCL,
				    starter, sizeof(starter) - 1);
	if (!status)
		status = run(&x, dir, timeout_ns);
	if (status && made)
		nr_tempdir_empty(dir);
	nr_arena_fini(&a);
	nr_buf_fini(&names);
	return status;
}
