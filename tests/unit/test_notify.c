/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A manager's socket, in the file system or the abstract namespace; -1: none. */
static int manager(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t n = strlen(path);
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	memcpy(a.sun_path, path, n);
	if (path[0] == '@')
		a.sun_path[0] = '\0';
	assert_int_equal(bind(fd, (struct sockaddr *)&a,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)),
			 0);
	return fd;
}

static void hears(const char *path)
{
	int m = manager(path), fd;
	char got[64] = "";

	setenv("NOTIFY_SOCKET", path, 1);
	fd = nr_notify_open();
	assert_true(fd >= 0);
	assert_null(getenv("NOTIFY_SOCKET")); /* no child is to speak for us */
	nr_notify(fd, "READY=1\nSTATUS=eth0");
	assert_int_equal(recv(m, got, sizeof(got) - 1, MSG_DONTWAIT), 19);
	assert_string_equal(got, "READY=1\nSTATUS=eth0");
	close(m);
	nr_notify(fd, "STOPPING=1"); /* nobody listens any more: no harm */
	close(fd);
}

static void the_manager_is_told(void **state)
{
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "/tmp/nrtool-notify-%d", (int)getpid());
	hears(path);
	unlink(path);
	snprintf(path, sizeof(path), "@nrtool-notify-%d", (int)getpid());
	hears(path);
}

static void without_a_manager_nothing_happens(void **state)
{
	(void)state;
	unsetenv("NOTIFY_SOCKET");
	assert_int_equal(nr_notify_open(), -1);
	nr_notify(-1, "READY=1");
	setenv("NOTIFY_SOCKET", "vsock:2:1", 1);
	assert_int_equal(nr_notify_open(), -1);
	setenv("NOTIFY_SOCKET", "/nowhere/to/be/found", 1);
	assert_int_equal(nr_notify_open(), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_manager_is_told),
		cmocka_unit_test(without_a_manager_nothing_happens),
	};

	return cmocka_run_group_tests_name("notify", tests, NULL, NULL);
}
