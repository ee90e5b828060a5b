/* SPDX-License-Identifier: BSD-3-Clause */
#include "source/live.h"

#include "base/mem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const struct nr_live_ops *const nr_live_backends[] = {
	&nr_live_tpacket,
	&nr_live_xdp,
	&nr_live_pcap,
	NULL,
};

const struct nr_live_ops *nr_live_backend(const char *name)
{
	for (size_t i = 0; nr_live_backends[i]; i++)
		if (!strcmp(nr_live_backends[i]->name, name))
			return nr_live_backends[i];
	return NULL;
}

static void free_live(struct nr_live *l)
{
	nr_free((char *)(uintptr_t)l->name);
	nr_free((char *)(uintptr_t)l->filter);
	nr_free(l);
}

int nr_live_open(struct nr_live **out, const struct nr_live_ops *ops,
		 const char *interface, const struct nr_live_options *o,
		 struct nr_err *err)
{
	struct nr_live *l;
	int rc;

	*out = NULL;
	if (posix_memalign((void **)&l, 16, sizeof(*l) + ops->ctx_size) != 0)
		return nr_fail(err, -ENOMEM, "out of memory");
	memset(l, 0, sizeof(*l) + ops->ctx_size);
	l->ops = ops;
	l->name = nr_xstrdup(interface);
	l->filter = o->filter ? nr_xstrdup(o->filter) : NULL;
	rc = ops->open(l, o, err);
	if (rc < 0) {
		free_live(l);
		return rc;
	}
	*out = l;
	return 0;
}

void nr_live_close(struct nr_live *l)
{
	if (!l)
		return;
	l->ops->close(l);
	free_live(l);
}

int64_t nr_live_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}
