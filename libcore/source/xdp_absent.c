/* SPDX-License-Identifier: BSD-3-Clause */
/* In the place of xdp.c where meson found no libxdp, libbpf, clang or bpftool. */
#include "source/live.h"

#include <errno.h>

static int absent_open(struct nr_live *l, const struct nr_live_options *o,
		       struct nr_err *err)
{
	return nr_fail(err, -ENOTSUP,
		       "this nrtool is built without AF_XDP (meson setup -Dxdp=enabled "
		       "says what it needs): capture %s with --backend tpacket",
		       l->name);
}

const struct nr_live_ops nr_live_xdp = {
	.name = "xdp",
	.doc = "AF_XDP: not in this build",
	.open = absent_open,
};
