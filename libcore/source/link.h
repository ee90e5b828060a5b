/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What becomes of interfaces while they are captured, as rtnetlink tells it: a socket
 * that lost its interface looks like one whose interface is down.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>

struct nr_link {
	int ifindex;
	char name[32]; /* as it is called now */
	bool is_up, is_gone;
};

struct nr_link_watch;

/*
 * Begins to watch in the network namespace that the process is in. `links` (n of them)
 * is the caller's and must outlive the watch: ifindex is filled, the rest is written
 * here. 0 or -errno with a sentence.
 */
int nr_link_watch_open(struct nr_link_watch **out, struct nr_link *links, unsigned n,
		       struct nr_err *err);
int nr_link_watch_fd(const struct nr_link_watch *w); /* POLLIN: read */
/* Reads what there is and writes it into the links. True where one of them changed. */
bool nr_link_watch_read(struct nr_link_watch *w);
void nr_link_watch_close(struct nr_link_watch *w); /* NULL is fine */
