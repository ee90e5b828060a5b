/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/privileges.h"

#include "base/mem.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The directory that a file lies in; caller frees. */
static char *directory_of(const char *path)
{
	char *d = nr_xstrdup(path), *slash = strrchr(d, '/');

	if (!slash) {
		nr_free(d);
		return nr_xstrdup(".");
	}
	slash[slash == d ? 1 : 0] = '\0';
	return d;
}

static void fill(struct nr_user *u, const struct passwd *p, uid_t uid, gid_t gid)
{
	u->uid = uid;
	u->gid = gid;
	if (p)
		snprintf(u->name, sizeof(u->name), "%s", p->pw_name);
	else
		snprintf(u->name, sizeof(u->name), "%u", uid);
}

int nr_privileges_user(struct nr_user *u, const char *name, const char *path,
		       struct nr_err *err)
{
	const struct passwd *p;
	char *dir, *end;
	struct stat st;

	if (name) {
		unsigned long n = strtoul(name, &end, 10);

		bool is_number = *name >= '0' && *name <= '9' && !*end && n < UINT32_MAX;

		p = getpwnam(name);
		if (!p && is_number)
			p = getpwuid((uid_t)n);
		if (p)
			fill(u, p, p->pw_uid, p->pw_gid);
		else if (is_number) /* of a container, say: its group has that number */
			fill(u, NULL, (uid_t)n, (gid_t)n);
		else
			return nr_fail(err, -EINVAL, "-Z %s: there is no such user",
				       name);
		if (geteuid() && u->uid != geteuid())
			return nr_fail(err, -EINVAL,
				       "-Z %s: only root can become another user: run it "
				       "as root, or leave -Z away",
				       name);
		return 0;
	}
	dir = directory_of(path);
	if (stat(dir, &st)) {
		int rc = nr_fail(err, -EINVAL, "cannot write into %s: %s", dir,
				 strerror(errno));

		nr_free(dir);
		return rc;
	}
	nr_free(dir);
	p = getpwuid(st.st_uid);
	fill(u, p, st.st_uid, p ? p->pw_gid : st.st_gid);
	return 0;
}

static int change_plainly(const struct nr_user *u)
{
	int rc = setgroups(0, NULL);

	if (!rc)
		rc = setresgid(u->gid, u->gid, u->gid);
	if (!rc)
		rc = setresuid(u->uid, u->uid, u->uid);
	/* what an attempt before has kept across the change goes too */
	capng_clear(CAPNG_SELECT_CAPS);
	return rc ? rc : capng_apply(CAPNG_SELECT_CAPS);
}

int nr_privileges_drop(const struct nr_user *u, struct nr_err *err)
{
	int rc;

	/* the bounding set takes CAP_SETPCAP, which a container may not have: without a
	   capability and with no_new_privs it gives nothing away */
	capng_clear(CAPNG_SELECT_BOTH);
	if (geteuid() || !u->uid) {
		rc = geteuid() ? -1 : capng_apply(CAPNG_SELECT_BOTH);
		if (rc)
			rc = capng_apply(CAPNG_SELECT_CAPS);
	} else {
		rc = capng_change_id((int)u->uid, (int)u->gid,
				     CAPNG_INIT_SUPP_GRP | CAPNG_CLEAR_BOUNDING);
		if (rc)
			rc = change_plainly(u);
	}
	if (rc)
		return nr_fail(err, -EPERM,
			       "cannot give up the rights of a capture (become %s "
			       "without capabilities): step %d failed",
			       u->name, rc);
	return 0;
}

static int can_write(const char *target, struct nr_err *err)
{
	struct stat st;
	char *dir;
	int rc = 0;

	if (!strcmp(target, "-") || !strncmp(target, "null:", 5) ||
	    (!stat(target, &st) && !S_ISREG(st.st_mode)))
		return 0;
	dir = directory_of(target);
	if (faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS)) {
		char who[64];
		struct nr_user me = { 0 };

		rc = -errno;
		fill(&me, getpwuid(geteuid()), geteuid(), getegid());
		snprintf(who, sizeof(who), "%s", me.name);
		nr_fail(err, rc,
			"user %s cannot write into %s: %s; give another directory, or "
			"another user with -Z",
			who, dir, strerror(-rc));
	}
	nr_free(dir);
	return rc;
}

int nr_privileges_can_write(const char *const *targets, size_t n, struct nr_err *err)
{
	for (size_t i = 0; i < n; i++) {
		int rc = can_write(targets[i], err);

		if (rc)
			return rc;
	}
	return 0;
}
