/* SPDX-License-Identifier: BSD-3-Clause */
#include "sink/sqlite_vfs.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct nr_sqlite_vfs {
	sqlite3_vfs vfs; /* first: SQLite hands back its address */
	sqlite3_vfs *real;
	char name[32];
	char *tmp; /* with a second NUL: SQLite looks for URI parameters behind it */
};

static int vfs_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file,
		    int flags, int *out_flags)
{
	struct nr_sqlite_vfs *v = (struct nr_sqlite_vfs *)(void *)vfs;

	if (!name) {
		/* One name is enough: DELETEONCLOSE unlinks it as soon as it is open, and
		   a connection is used by one thread. A leftover would stop O_EXCL. */
		unlink(v->tmp);
		name = v->tmp;
	}
	return v->real->xOpen(v->real, name, file, flags, out_flags);
}

struct nr_sqlite_vfs *nr_sqlite_vfs_new(const char *tmp)
{
	struct nr_sqlite_vfs *v = nr_xcalloc(1, sizeof(*v));
	size_t n = strlen(tmp);

	v->real = sqlite3_vfs_find(NULL);
	v->vfs = *v->real;
	v->vfs.pNext = NULL;
	v->vfs.xOpen = vfs_open;
	v->tmp = nr_xcalloc(1, n + 2);
	memcpy(v->tmp, tmp, n);
	snprintf(v->name, sizeof(v->name), "nrtool-%p", (void *)v);
	v->vfs.zName = v->name;
	sqlite3_vfs_register(&v->vfs, 0);
	return v;
}

const char *nr_sqlite_vfs_name(const struct nr_sqlite_vfs *v)
{
	return v->name;
}

void nr_sqlite_vfs_free(struct nr_sqlite_vfs *v)
{
	if (!v)
		return;
	sqlite3_vfs_unregister(&v->vfs);
	nr_free(v->tmp);
	nr_free(v);
}
