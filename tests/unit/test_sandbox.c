/* SPDX-License-Identifier: BSD-3-Clause */
/* The sandbox from inside: each forbidden act is tried in a child that has entered it. */
#include "sandbox.h"

#include "tmpdir.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZER true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define IS_SANITIZER true
#endif
#endif
#ifndef IS_SANITIZER
#define IS_SANITIZER false
#endif

static char dir[TMPDIR_LEN], in[TMPFILE_LEN], out[TMPFILE_LEN], beside[TMPFILE_LEN],
	outside[TMPFILE_LEN];
static bool has_seccomp, has_landlock;

static int act_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static int act_unix_socket(void)
{
	int s[2];

	return socketpair(AF_UNIX, SOCK_STREAM, 0, s);
}

static int act_exec(void)
{
	return execl("/bin/true", "true", (char *)NULL);
}

static int act_fork(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid < 0 ? -1 : 0;
}

static int act_clone3(void)
{
	return (int)syscall(SYS_clone3, NULL, 0);
}

static int act_namespace(void)
{
	return unshare(CLONE_NEWUSER);
}

static int act_ptrace(void)
{
	return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static int act_kill(void)
{
	return kill(getppid(), 0);
}

static int act_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0);

	return p == MAP_FAILED ? -1 : 0;
}

static int act_io_uring(void)
{
	return (int)syscall(SYS_io_uring_setup, 1, NULL);
}

static int act_read_input(void)
{
	return open(in, O_RDONLY);
}

static int act_write_input(void)
{
	return open(in, O_WRONLY);
}

static int act_read_outside(void)
{
	return open("/etc/passwd", O_RDONLY);
}

static int act_create_outside(void)
{
	return open(outside, O_WRONLY | O_CREAT, 0600);
}

static int act_output(void)
{
	int fd = open(beside, O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, "x", 1) != 1 || rename(beside, out) ||
	    open(out, O_RDONLY) < 0)
		return -1;
	return unlink(out);
}

static void *nothing(void *arg)
{
	return arg;
}

static int act_thread(void)
{
	pthread_t t;

	errno = pthread_create(&t, NULL, nothing, NULL);
	return errno ? -1 : pthread_join(t, NULL);
}

struct act {
	int (*run)(void);
	int expected; /* errno; 0: it is allowed */
	bool of_landlock;
};

static const struct act acts[] = {
	{ act_socket, EPERM, false },
	{ act_unix_socket, EPERM, false },
	{ act_exec, EPERM, false },
	{ act_fork, EPERM, false },
	{ act_clone3, ENOSYS, false },
	{ act_namespace, EPERM, false },
	{ act_ptrace, EPERM, false },
	{ act_kill, EPERM, false },
	{ act_code, EPERM, false },
	{ act_io_uring, EPERM, false },
	{ act_write_input, EACCES, true },
	{ act_read_outside, EACCES, true },
	{ act_create_outside, EACCES, true },
	{ act_read_input, 0, false },
	{ act_output, 0, false },
	{ act_thread, 0, false },
};

/* In a child: 255 where it could not enter, else the errno of the act. */
static int try(const struct act *a)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		const char *reads[] = { "-", in, "/no/such/file" },
			   *targets[] = { "-", out };
		struct nr_sandbox s = { reads, 3, targets, 2 };
		char applied[NR_SANDBOX_TEXT];
		struct nr_err err;

		if (nr_sandbox_enter(&s, applied, &err))
			_exit(255);
		if (!a)
			_exit((strstr(applied, "seccomp") != NULL) |
			      (strstr(applied, "landlock") != NULL) << 1);
		errno = 0;
		_exit(a->run() < 0 ? errno : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void test_acts(void **state)
{
	if (IS_SANITIZER) {
		print_message("skipped: sanitizer builds run without the sandbox\n");
		skip();
	}
	/* what the kernel has must have been applied */
	assert_true(has_seccomp || prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0);
	assert_true(has_landlock || syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < 1);
	for (size_t i = 0; i < sizeof(acts) / sizeof(*acts); i++) {
		int got;

		if (acts[i].expected &&
		    !(acts[i].of_landlock ? has_landlock : has_seccomp))
			continue;
		got = try(&acts[i]);
		if (got != acts[i].expected)
			fail_msg("act %zu: errno %d (%s), not %d", i, got, strerror(got),
				 acts[i].expected);
	}
}

static int setup(void **state)
{
	int how, fd;

	tmpdir_make(dir);
	snprintf(in, sizeof(in), "%s/in", dir);
	fd = open(in, O_WRONLY | O_CREAT, 0600);
	if (fd < 0)
		return -1;
	close(fd);
	snprintf(out, sizeof(out), "%s/out", dir);
	if (mkdir(out, 0700))
		return -1;
	snprintf(outside, sizeof(outside), "%s/outside", dir);
	strcat(out, "/x.db");
	snprintf(beside, sizeof(beside), "%s/out/.x.db.partial", dir);
	how = try(NULL);
	has_seccomp = how & 1;
	has_landlock = how & 2;
	return how == 255 ? -1 : 0;
}

static int teardown(void **state)
{
	char path[TMPFILE_LEN];

	snprintf(path, sizeof(path), "%s/out", dir);
	unlink(in);
	unlink(outside);
	rmdir(path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_acts) };

	return cmocka_run_group_tests_name("sandbox", tests, setup, teardown);
}
