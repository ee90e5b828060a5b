/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Who a capture is once its sockets are open: the owner of the directory that it writes
 * into, or who -Z names, without a capability.
 */
#pragma once

#include "base/err.h"

#include <stddef.h>
#include <sys/types.h>

struct nr_user {
	uid_t uid;
	gid_t gid;
	char name[64]; /* for a person; the number where it has none */
};

/*
 * Whom to become: `name` (a user's name or number) where it is not NULL, else the owner
 * of the directory that `path` lies in. A number without a user is one, and its group has
 * it too. 0, or -EINVAL with a sentence, also where `name` is another and we are not
 * root.
 */
int nr_privileges_user(struct nr_user *u, const char *name, const char *path,
		       struct nr_err *err);
/*
 * Becomes u (root alone can; others stay who they are), with the groups of u, and drops
 * every capability for good. Before the first thread. 0 or -errno with a sentence.
 */
int nr_privileges_drop(const struct nr_user *u, struct nr_err *err);
/*
 * Can this process make files in the directories of these targets (-o and -w; "-",
 * "null:" and devices aside)? 0, or -EACCES and the like with a sentence.
 */
int nr_privileges_can_write(const char *const *targets, size_t n, struct nr_err *err);
