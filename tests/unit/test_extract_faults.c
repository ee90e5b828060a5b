/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Every call by which extract, manifest and keygen change the disk fails once, for each
 * of them in turn, alone and with all behind it. Nothing wrong may stand under a final
 * name, nothing be left beside it, and the exit status must say it.
 */
#include "cli.h"

#include "tmpdir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static int countdown; /* the call that fails; 0: none */
static int fault_errno;
static bool stays, is_short; /* and all behind it; writes half before it fails */
static atomic_int file_calls;

static bool is_faulty(int fd)
{
	struct stat st;
	int n;

	if (fd >= 0 &&
	    (fstat(fd, &st) < 0 || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))))
		return false;
	n = atomic_fetch_add(&file_calls, 1) + 1;
	if (!countdown || (stays ? n < countdown : n != countdown))
		return false;
	errno = fault_errno;
	return true;
}

#define STAND_IN __attribute__((visibility("default")))

STAND_IN ssize_t write(int fd, const void *p, size_t n)
{
	if (!is_faulty(fd))
		return syscall(SYS_write, fd, p, n);
	return is_short && n > 1 ? syscall(SYS_write, fd, p, n / 2) : -1;
}

STAND_IN int fsync(int fd)
{
	return is_faulty(fd) ? -1 : 0; /* nobody pulls the plug here */
}

STAND_IN int renameat2(int a, const char *from, int b, const char *to, unsigned flags)
{
	return is_faulty(-1) ? -1 : (int)syscall(SYS_renameat2, a, from, b, to, flags);
}

STAND_IN int fchmod(int fd, mode_t mode)
{
	return is_faulty(fd) ? -1 : (int)syscall(SYS_fchmod, fd, mode);
}

struct env {
	char dir[TMPDIR_LEN], db[TMPFILE_LEN], out[TMPFILE_LEN], key[TMPFILE_LEN],
		pub[TMPFILE_LEN];
};

/* nr_main() moves the words about: what is to be freed is kept apart. */
static int run(const char *const *words)
{
	char *argv[16], *own[16];
	int n = 0, rc;

	argv[n++] = strdup("nrtool");
	while (*words)
		argv[n++] = strdup(*words++);
	argv[n] = NULL;
	memcpy(own, argv, sizeof(own));
	rc = nr_main(n, argv);
	while (n)
		free(own[--n]);
	return rc;
}

static const char *capture(void)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/testdata/http-tls.pcap", getenv("NRTOOL_ROOT"));
	return path;
}

static int setup(void **state)
{
	struct env *e = calloc(1, sizeof(*e));

	tmpdir_make(e->dir);
	snprintf(e->db, sizeof(e->db), "%s/a.db", e->dir);
	snprintf(e->out, sizeof(e->out), "%s/out", e->dir);
	snprintf(e->key, sizeof(e->key), "%s/k.key", e->dir);
	snprintf(e->pub, sizeof(e->pub), "%s/k.pub", e->dir);
	assert_non_null(freopen("/dev/null", "w", stderr));
	*state = e;
	return 0;
}

static int teardown(void **state)
{
	struct env *e = *state;

	countdown = 0;
	unlink(e->db);
	unlink(e->out);
	unlink(e->key);
	unlink(e->pub);
	assert_int_equal(rmdir(e->dir), 0);
	free(e);
	return 0;
}

static size_t slurp(const char *path, char *buf, size_t room)
{
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(buf, 1, room, f) : 0;

	if (f)
		fclose(f);
	return n;
}

static void replay(const struct env *e)
{
	const char *const words[] = { "replay", "-q",           capture(), "-o",
				      e->db,    "--no-sandbox", NULL };

	assert_int_equal(run(words), 0);
}

/*
 * The command fails at each of its calls; what it then leaves is nothing, or the same
 * bytes as without a fault (the sync of the directory came too late), and it says so.
 */
static void fail_each(const struct env *e, const char *const *words, unsigned files)
{
	static char good[1 << 16], now[1 << 16];
	size_t n_good, n_now;
	int calls;

	countdown = 0;
	file_calls = 0;
	assert_int_equal(run(words), 0);
	calls = file_calls;
	assert_true(calls >= 3); /* a write, a sync, a name */
	n_good = slurp(e->out, good, sizeof(good));
	assert_true(n_good > 0);
	for (int at = 1; at <= calls; at++) {
		for (int how = 0; how < 3; how++) {
			int rc;

			unlink(e->out);
			countdown = at;
			file_calls = 0;
			stays = how > 0;
			is_short = how == 2;
			fault_errno = how ? ENOSPC : EIO;
			rc = run(words);
			countdown = 0;
			assert_true(rc == NR_EXIT_INCOMPLETE || rc == NR_EXIT_FAILED ||
				    (rc == 0 && is_short));
			n_now = slurp(e->out, now, sizeof(now));
			if (n_now || rc == 0) {
				assert_int_equal(n_now, n_good);
				assert_memory_equal(now, good, n_good);
			}
			assert_int_equal(tmpdir_count(e->dir), files + (n_now > 0));
		}
	}
	unlink(e->out);
	is_short = stays = false;
}

static void test_extract_leaves_nothing_half_written(void **state)
{
	struct env *e = *state;
	const char *const words[] = { "extract", e->db,  "--flow",       "16", "-q",
				      "-w",      e->out, "--no-sandbox", NULL };

	replay(e);
	fail_each(e, words, 1);
}

static void test_extract_of_much_fails_at_each_write(void **state)
{
	struct env *e = *state;
	const char *const words[] = { "extract", e->db,  "--filter",     "ip", "-q",
				      "-w",      e->out, "--no-sandbox", NULL };

	replay(e);
	fail_each(e, words, 1);
}

static void test_keygen_leaves_a_pair_or_nothing(void **state)
{
	struct env *e = *state;
	char prefix[TMPFILE_LEN];
	const char *const words[] = { "keygen", prefix, NULL };
	int calls;

	snprintf(prefix, sizeof(prefix), "%s/k", e->dir);
	file_calls = 0;
	assert_int_equal(run(words), 0);
	calls = file_calls;
	for (int at = 1; at <= calls; at++) {
		unlink(e->key);
		unlink(e->pub);
		countdown = at;
		file_calls = 0;
		fault_errno = EIO;
		assert_int_equal(run(words), NR_EXIT_FAILED);
		countdown = 0;
		assert_true(access(e->pub, F_OK) < 0 && access(e->key, F_OK) < 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_extract_leaves_nothing_half_written,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_extract_of_much_fails_at_each_write,
						setup, teardown),
		cmocka_unit_test_setup_teardown(test_keygen_leaves_a_pair_or_nothing,
						setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
