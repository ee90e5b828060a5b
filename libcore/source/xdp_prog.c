/* SPDX-License-Identifier: BSD-3-Clause */
#include "source/xdp_prog.h"

#include "base/mem.h"
#include "source/xdp_holder.h"
#include "source/xdp_log.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Made by bpftool: one string longer than ISO C has to take. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverlength-strings"
#pragma GCC diagnostic ignored "-Wconversion"
#include "xdp_prog.skel.h"
#pragma GCC diagnostic pop

#ifndef BPF_F_XDP_DEV_BOUND_ONLY /* Linux 6.3 */
#define BPF_F_XDP_DEV_BOUND_ONLY (1U << 6)
#endif

struct nr_xdp_prog {
	struct nr_xdp_prog_info info;
	struct nr_xdp_skel *skel;
	int link_fd; /* -1: not attached */
};

enum which { HOST, DEVICE, TAGS }; /* of the three programs */

/* Loads one of them; 0 or -errno, *prog where it is. */
static int load(struct nr_xdp_prog *p, const struct nr_xdp_prog_options *opt,
		enum which which, struct bpf_program **prog)
{
	p->skel = nr_xdp_skel__open();
	if (!p->skel)
		return -errno;
	*prog = which == TAGS     ? p->skel->progs.nr_xdp_tags
		: which == DEVICE ? p->skel->progs.nr_xdp_device
				  : p->skel->progs.nr_xdp_host;
	p->skel->rodata->nr_device_time = opt->device_time;
	bpf_program__set_autoload(*prog, true);
	if (which != HOST) {
		bpf_program__set_ifindex(*prog, opt->ifindex);
		bpf_program__set_flags(*prog, bpf_program__flags(*prog) |
						      BPF_F_XDP_DEV_BOUND_ONLY);
	}
	return nr_xdp_skel__load(p->skel);
}

static int attach(struct nr_xdp_prog *p, const struct nr_xdp_prog_options *opt,
		  bool native, enum which which)
{
	const struct bpf_link_create_opts o = {
		.sz = sizeof(o),
		.flags = native ? XDP_FLAGS_DRV_MODE : XDP_FLAGS_SKB_MODE,
	};
	struct bpf_program *prog = NULL;
	int rc = load(p, opt, which, &prog);

	if (rc == 0) {
		rc = bpf_link_create(bpf_program__fd(prog), (int)opt->ifindex, BPF_XDP,
				     &o);
		if (rc >= 0) {
			p->link_fd = rc;
			p->info.mode = native ? NR_XDP_NATIVE : NR_XDP_GENERIC;
			p->info.device_time = opt->device_time && which != HOST;
			p->info.device_tags = which == TAGS;
			p->info.map_fd = bpf_map__fd(p->skel->maps.nr_sockets);
			return 0;
		}
	}
	nr_xdp_skel__destroy(p->skel);
	p->skel = NULL;
	return rc;
}

static int failed(const struct nr_xdp_prog_options *opt, int rc, struct nr_err *err)
{
	const char *log = nr_xdp_log_last();
	char who[256];

	switch (rc) {
	case -EBUSY:
	case -EEXIST:
		nr_xdp_holder(opt->ifindex, who, sizeof(who));
		return nr_fail(err, -EBUSY,
			       "the XDP hook of %s is taken by %s: end that, or capture "
			       "with --backend tpacket",
			       opt->name, who);
	case -EPERM:
	case -EACCES:
		return nr_fail(err, -EPERM,
			       "XDP on %s needs CAP_NET_ADMIN and CAP_BPF (before Linux "
			       "5.8 CAP_SYS_ADMIN): run as root",
			       opt->name);
	case -EOPNOTSUPP:
		return nr_fail(err, -ENOTSUP,
			       "%s cannot run an XDP program in its driver with this MTU "
			       "and these offloads%s%s: take --xdp-mode generic",
			       opt->name, log[0] ? ": " : "", log);
	default:
		return nr_fail(err, rc, "no XDP program on %s: %s%s%s", opt->name,
			       strerror(-rc), log[0] ? ": " : "", log);
	}
}

/* Another way of attaching cannot help. Programs bound to a device need CAP_PERFMON. */
static bool is_final(int rc, enum which which)
{
	if (rc == -EPERM || rc == -EACCES)
		return which == HOST;
	return rc == 0 || rc == -EBUSY || rc == -EEXIST || rc == -ENODEV;
}

/* From what asks the driver most to what runs everywhere. */
static int attach_best(struct nr_xdp_prog *p, const struct nr_xdp_prog_options *opt)
{
	const struct {
		bool use, native;
		enum which which;
	} ways[] = {
		{ opt->device_tags && opt->mode != NR_XDP_GENERIC, true, TAGS },
		{ opt->device_time && opt->mode != NR_XDP_GENERIC, true, DEVICE },
		{ opt->mode != NR_XDP_GENERIC, true, HOST },
		{ opt->mode != NR_XDP_NATIVE, false, HOST },
	};
	int rc = -EOPNOTSUPP;

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		if (!ways[i].use)
			continue;
		if (!ways[i].native && opt->mode == NR_XDP_AUTO)
			p->info.not_native = rc;
		rc = attach(p, opt, ways[i].native, ways[i].which);
		if (is_final(rc, ways[i].which))
			break;
	}
	return rc;
}

int nr_xdp_prog_open(struct nr_xdp_prog **out, const struct nr_xdp_prog_options *opt,
		     struct nr_err *err)
{
	struct nr_xdp_prog *p = nr_xcalloc(1, sizeof(*p));
	int rc;

	p->link_fd = -1;
	nr_xdp_log_keep();
	rc = attach_best(p, opt);
	if (rc) {
		nr_free(p);
		return failed(opt, rc, err);
	}
	*out = p;
	return 0;
}

const struct nr_xdp_prog_info *nr_xdp_prog_info(const struct nr_xdp_prog *p)
{
	return &p->info;
}

int nr_xdp_prog_socket(struct nr_xdp_prog *p, uint32_t queue, int fd, struct nr_err *err)
{
	if (bpf_map_update_elem(p->info.map_fd, &queue, &fd, BPF_ANY) == 0)
		return 0;
	return nr_fail(err, -errno, "queue %u is not in the map of sockets: %s", queue,
		       strerror(errno));
}

bool nr_xdp_prog_unstamped(const struct nr_xdp_prog *p)
{
	return *(const volatile __u32 *)&p->skel->bss->nr_unstamped != 0;
}

void nr_xdp_prog_counts(const struct nr_xdp_prog *p, struct nr_xdp_count *sum)
{
	*sum = (struct nr_xdp_count){ 0 };
	for (unsigned i = 0; i < NR_XDP_CPUS; i++) {
		const volatile struct nr_xdp_count *c = &p->skel->bss->nr_counts[i];

		sum->seen += c->seen;
		sum->bytes += c->bytes;
		sum->no_socket += c->no_socket;
		sum->no_room += c->no_room;
		sum->hardware += c->hardware;
		sum->tags += c->tags;
	}
}

void nr_xdp_prog_detach(struct nr_xdp_prog *p)
{
	if (p->link_fd >= 0)
		close(p->link_fd);
	p->link_fd = -1;
}

void nr_xdp_prog_close(struct nr_xdp_prog *p)
{
	if (!p)
		return;
	nr_xdp_prog_detach(p);
	nr_xdp_skel__destroy(p->skel);
	nr_free(p);
}
