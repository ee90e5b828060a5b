/* SPDX-License-Identifier: BSD-3-Clause */
#include "casetest/reduce.h"

#include "casetest/child.h"
#include "casetest/keys.h"
#include "casetest/shrink.h"
#include "cli.h"

#include "base/mem.h"
#include "sink/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What one child is to do. */
struct trial {
	struct nr_reduce *r;
	enum nr_keys_mode mode;
	bool whole; /* the case's own captures, not what is kept */
	bool trim;  /* the expectations that the new case gets */
};

static int fail_in_child(const char *why)
{
	fputs(why, stderr);
	return 1;
}

/* In the child. */
static int work(void *arg, size_t i, int out_fd)
{
	const struct trial *t = arg;
	struct nr_reduce *r = t->r;
	struct nr_case *c = &r->c;
	struct nr_findings f = { .max = 0 };
	struct nr_case_want want = { .records = t->whole || t->trim || r->by_records };
	char dir[NR_TEMPDIR_MAX];
	struct nr_case_got got;
	struct nr_err err = { "" };
	const char *path;
	int rc;

	nr_tempdir_sub(&r->tmp, i, dir);
	path = nr_arena_printf(&c->arena, "%s/packets.pcapng", dir);
	if (!t->whole) {
		if (nr_packets_write(&r->ps, path, &err))
			return fail_in_child(err.text);
		c->captures = &path;
		c->n_captures = 1;
	}
	if (!t->whole && !t->trim && !r->by_rows)
		c->sql.n = 0;
	if (!t->whole && !t->trim && !r->by_records)
		c->jsonl.text = NULL;
	want.dir = c->sql.n ? dir : NULL;
	if (nr_case_replay(c, &want, &got, &err))
		return fail_in_child(err.text);
	if (t->trim) {
		const struct nr_spare spare = { (const char *const *)r->key, r->n_keys };

		nr_case_compare(c, &got, true, &spare, &f);
	} else {
		nr_keys(c, &got, t->mode, &f);
	}
	nr_found_end(&f);
	rc = nr_child_write(out_fd, f.out.p, f.out.len);
	nr_findings_fini(&f);
	nr_case_got_fini(&got);
	return rc;
}

/* The key of a replay that died: by what, and where a sanitizer says so. */
static char *death_key(const struct nr_child *child)
{
	const char *summary = strstr(child->err, "SUMMARY: ");
	struct nr_buf b = { 0 };
	char death[64];

	nr_buf_printf(&b, "died %s", nr_child_death(child, death));
	if (summary)
		nr_buf_printf(&b, " %.*s", (int)strcspn(summary, "\n"), summary);
	return b.p;
}

static bool has_ended(const struct nr_child *child)
{
	struct nr_frame f;
	size_t at = 0;
	bool ended = false;

	while (nr_frame_next(&f, child->out, child->out_len, &at))
		ended |= f.kind == NR_FOUND_END;
	return ended && !child->status;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void nr_reduce_sort(struct nr_reduce *r)
{
	if (r->n_keys)
		qsort(r->key, r->n_keys, sizeof(*r->key), by_text);
}

static bool add_key(struct nr_reduce *r, const char *text)
{
	for (size_t i = 0; i < r->n_keys; i++)
		if (!strcmp(r->key[i], text))
			return false;
	r->key = nr_xrealloc(r->key, (r->n_keys + 1) * sizeof(*r->key));
	r->key[r->n_keys++] = nr_xstrdup(text);
	return true;
}

/* Of the whole capture: what the failure is. 0 or a status, complaint said. */
static int find_failure(struct nr_reduce *r)
{
	struct trial t = { .r = r,
			   .mode = r->o->loose ? NR_KEYS_LOOSE : NR_KEYS_FIRST,
			   .whole = true };
	struct nr_child child;
	struct nr_frame f;
	size_t at = 0;
	int rc = nr_child_run(&child, work, &t, r->o->timeout_ns, &r->err), status = 0;
	bool says_something = false; /* that can only be where packets are */

	if (rc) {
		nr_child_fini(&child);
		return nr_complain(NR_EXIT_FAILED, "test", "%s", r->err.text);
	}
	r->by_death = !has_ended(&child);
	if (r->by_death) {
		char *key = death_key(&child);

		add_key(r, key);
		nr_free(key);
		says_something = true;
	}
	while (!r->by_death && nr_frame_next(&f, child.out, child.out_len, &at)) {
		if (f.kind == NR_FOUND_BROKEN)
			status = nr_complain(NR_EXIT_USAGE, "test", "%s", f.text);
		if (f.kind != NR_FOUND_KEY)
			continue;
		add_key(r, f.text);
		r->by_rows |= !strncmp(f.text, "query ", 6);
		r->by_records |= strncmp(f.text, "query ", 6) != 0;
		says_something |=
			r->o->loose || !strncmp(f.text, "flow ", 5) ||
			!strncmp(f.text, "exit ", 5) ||
			(!strncmp(f.text, "query ", 6) && strstr(f.text, " + |")) ||
			(strncmp(f.text, "query ", 6) != 0 &&
			 !strstr(f.text, " is missing"));
	}
	nr_child_fini(&child);
	if (!status && !r->n_keys)
		status = nr_complain(NR_EXIT_USAGE, "test",
				     "%s does not fail in what packets give: there is "
				     "nothing to reduce",
				     r->c.path);
	else if (!status && !says_something)
		status = nr_complain(
			NR_EXIT_USAGE, "test",
			"%s: all that differs is missing, and names no flow: an empty "
			"capture would do. Name src_ip, src_port or the like in it, or "
			"give --loose",
			r->c.path);
	nr_reduce_sort(r);
	return status;
}

/* Are all keys among those that the child found? */
static bool same_keys(const struct nr_reduce *r, const struct nr_child *child)
{
	bool *seen = nr_xcalloc(r->n_keys, sizeof(*seen)), all = true;
	struct nr_frame f;
	size_t at = 0;

	while (nr_frame_next(&f, child->out, child->out_len, &at)) {
		const char *text = f.text;
		char **hit = f.kind != NR_FOUND_KEY ? NULL
						    : bsearch(&text, r->key, r->n_keys,
							      sizeof(*r->key), by_text);

		if (hit)
			seen[hit - r->key] = true;
	}
	for (size_t i = 0; i < r->n_keys; i++)
		all &= seen[i];
	nr_free(seen);
	return all;
}

bool nr_reduce_holds(struct nr_reduce *r)
{
	struct trial t = { .r = r, .mode = r->o->loose ? NR_KEYS_LOOSE : NR_KEYS_AGAIN };
	struct nr_child child;
	bool holds = false;

	if (r->err.text[0] || !nr_packets_kept(&r->ps))
		return false;
	r->replays++;
	if (!nr_child_run(&child, work, &t, r->o->timeout_ns, &r->err)) {
		if (r->by_death) {
			char *key = has_ended(&child) ? NULL : death_key(&child);

			holds = key && !strcmp(key, r->key[0]);
			nr_free(key);
		} else {
			holds = has_ended(&child) && same_keys(r, &child);
		}
	}
	nr_child_fini(&child);
	return holds;
}

static void say(const struct nr_reduce *r, const char *what)
{
	size_t bytes = 0;

	for (size_t i = 0; i < r->ps.n; i++)
		bytes += r->ps.p[i].kept ? r->ps.p[i].cap_len : 0;
	if (!r->o->quiet)
		fprintf(stderr, "%s: %zu packets, %zu bytes (%u replays)\n", what,
			nr_packets_kept(&r->ps), bytes, r->replays);
}

static void search(struct nr_reduce *r)
{
	nr_shrink_packets(r, 8);
	say(r, "packets, coarse");
	nr_shrink_flows(r);
	say(r, "flows");
	nr_shrink_packets(r, SIZE_MAX);
	say(r, "packets");
	nr_shrink_bytes(r);
	say(r, "trailing bytes");
	if (r->o->scrub) {
		nr_reduce_scrub(r);
		say(r, "scrubbed");
	}
}

static int write_text(const char *path, const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666), rc;

	if (fd < 0)
		return -errno;
	rc = nr_write_all(fd, text, n);
	if (close(fd) && !rc)
		rc = -errno;
	return rc;
}

/* A file of the case below the new folder, changed or as it is. */
static int put_file(const char *to, const char *name, const char *text, size_t n)
{
	struct nr_buf b = { 0 };
	int rc;

	if (!text)
		return 0;
	nr_buf_printf(&b, "%s/%s", to, name);
	rc = write_text(b.p, text, n);
	nr_buf_fini(&b);
	return rc;
}

/* Words, a line each, in quotes. */
static int put_words(const struct nr_reduce *r, const char *to)
{
	struct nr_buf b = { 0 };
	int rc;

	for (int i = 0; i < r->c.n_words; i++) {
		nr_buf_char(&b, '\'');
		for (const char *p = r->c.words[i]; *p; p++)
			nr_buf_printf(&b, *p == '\'' ? "'\\''" : "%c", *p);
		nr_buf_str(&b, "'\n");
	}
	rc = put_file(to, "options", b.p, b.len);
	nr_buf_fini(&b);
	return rc;
}

static int put_options(const struct nr_reduce *r, const char *to)
{
	struct nr_arena a = { 0 };
	struct nr_err err;
	char *text;
	size_t n;
	int rc = nr_case_slurp(nr_arena_printf(&a, "%s/options", r->c.path), 1 << 20, &a,
			       &text, &n, &err);

	rc = rc == -ENOENT ? 0 : rc ? rc : put_file(to, "options", text, n);
	nr_arena_fini(&a);
	return rc;
}

/* The text that the trimming child gives for a file, else the case's own. */
static const char *trimmed(const struct nr_child *child, const char *path,
			   const char *text, size_t *n)
{
	struct nr_frame f;
	size_t at = 0;

	while (nr_frame_next(&f, child->out, child->out_len, &at)) {
		if (f.kind != NR_FOUND_FILE || !path || strcmp(f.text, path) != 0)
			continue;
		*n = f.len - strlen(path) - 1;
		return f.text + strlen(path) + 1;
	}
	return text;
}

static int write_case(struct nr_reduce *r, const char *to)
{
	struct trial t = { .r = r, .trim = true };
	struct nr_child child = { 0 };
	struct nr_arena a = { 0 };
	size_t n_sql = r->c.sql.len, n_jsonl = r->c.jsonl.len;
	const char *sql = r->c.sql.text, *jsonl = r->c.jsonl.text;
	struct nr_err err = { "" };
	char death[64];
	int rc = 0;

	if (mkdir(to, 0777))
		rc = nr_fail(&err, -errno, "cannot make the folder %s: %s", to,
			     strerror(errno));
	if (!rc)
		rc = nr_packets_write(&r->ps,
				      nr_arena_printf(&a, "%s/reduced.pcapng", to), &err);
	r->err.text[0] = '\0';
	if (!rc && !r->by_death)
		rc = nr_child_run(&child, work, &t, r->o->timeout_ns, &err);
	if (!rc && child.out && !has_ended(&child))
		rc = nr_fail(&err, -EIO, "the replay of %s died: %s", to,
			     nr_child_death(&child, death));
	if (!rc && child.out) {
		sql = trimmed(&child, r->c.sql.path, sql, &n_sql);
		jsonl = trimmed(&child, r->c.jsonl.path, jsonl, &n_jsonl);
	}
	if (!rc) {
		rc = r->renamed ? put_words(r, to) : put_options(r, to);
		if (!rc)
			rc = put_file(to, "expect.sql", sql, n_sql);
		if (!rc)
			rc = put_file(to, "expect.jsonl", jsonl, n_jsonl);
		if (rc)
			nr_fail(&err, rc, "cannot write the files of %s: %s", to,
				strerror(-rc));
	}
	nr_child_fini(&child);
	nr_arena_fini(&a);
	return rc ? nr_complain(NR_EXIT_INCOMPLETE, "test", "%s", err.text) : 0;
}

static int reduce(struct nr_reduce *r, const char *to)
{
	int status = find_failure(r);

	if (status)
		return status;
	if (nr_packets_load(&r->ps, &r->c, r->o->timeout_ns, &r->err))
		return nr_complain(NR_EXIT_FAILED, "test", "%s", r->err.text);
	say(r, "before");
	if (!nr_reduce_holds(r)) {
		if (r->err.text[0])
			return nr_complain(NR_EXIT_FAILED, "test", "%s", r->err.text);
		return nr_complain(NR_EXIT_FAILED, "test",
				   "%s: the failure is gone when the packets are written "
				   "anew: it lies in the file, not in its packets",
				   r->c.path);
	}
	search(r);
	if (nr_stop)
		fprintf(stderr, "interrupted: what was reached is written\n");
	nr_stop = 0;
	status = write_case(r, to);
	if (!status)
		printf("%s: %zu of %zu packets\n", to, nr_packets_kept(&r->ps), r->ps.n);
	return status;
}

int nr_test_reduce(const struct nr_reduce_options *o, const char *dir)
{
	struct nr_reduce r = { .o = o };
	const char *to;
	int status, rc;

	nr_signals_init();
	nr_case_read(&r.c, dir, NULL, false);
	to = o->to ? o->to : nr_arena_printf(&r.c.arena, "%s-reduced", r.c.path);
	if (r.c.state != NR_CASE_READY)
		status = nr_complain(NR_EXIT_USAGE, "test", "%s", r.c.why);
	else if (!access(to, F_OK))
		status = nr_complain(NR_EXIT_USAGE, "test",
				     "%s exists; name another folder with --to", to);
	else if (nr_tempdir_make(&r.tmp, &r.err))
		status = nr_complain(NR_EXIT_FAILED, "test", "%s", r.err.text);
	else
		status = reduce(&r, to);
	nr_tempdir_remove(&r.tmp);
	nr_packets_free(&r.ps);
	for (size_t i = 0; i < r.n_keys; i++)
		nr_free(r.key[i]);
	nr_free(r.key);
	nr_case_fini(&r.c);
	rc = nr_stdout_finish("test");
	return rc ? rc : status;
}
