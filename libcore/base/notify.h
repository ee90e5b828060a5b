/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Tells the service manager how a service does: sd_notify(3), the datagrams themselves.
 *
 * The socket is opened apart, so that it can be done before the sandbox is entered.
 */
#pragma once

/* A socket to $NOTIFY_SOCKET, which is taken out of the environment; -1: there is none.
 */
int nr_notify_open(void);
/* "READY=1", "STATUS=…", "STOPPING=1", lines of them. fd -1 is fine; failures are not
   told: nothing depends on it. */
void nr_notify(int fd, const char *state);
