/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The XDP program on an interface: loaded, attached by a link that goes with the process,
 * read. The program is bpf/xdp_prog.bpf.c.
 */
#pragma once

#include "base/err.h"
#include "source/live.h"
#include "source/xdp_shared.h"

#include <stdbool.h>
#include <stdint.h>

struct nr_xdp_prog;

struct nr_xdp_prog_options {
	const char *name; /* of the interface, for sentences */
	uint32_t ifindex;
	enum nr_xdp_mode mode;
	bool device_time; /* ask the driver for the interface's time of each frame */
	bool device_tags; /* ask it for the tag that the NIC took off each frame */
};

struct nr_xdp_prog_info {
	enum nr_xdp_mode mode;         /* NATIVE or GENERIC */
	bool device_time, device_tags; /* the driver is asked */
	int map_fd;                    /* of sockets, by queue */
	int not_native; /* -errno of the driver, where AUTO became GENERIC; else 0 */
};

/*
 * 0; -EBUSY where another program has the hook (the sentence says which); -EPERM;
 * -ENOTSUP where the kernel or (NATIVE) the driver cannot; with a sentence.
 */
int nr_xdp_prog_open(struct nr_xdp_prog **out, const struct nr_xdp_prog_options *opt,
		     struct nr_err *err);
const struct nr_xdp_prog_info *nr_xdp_prog_info(const struct nr_xdp_prog *p);
/* Frames of this queue go to socket fd from now on. 0 or -errno with a sentence. */
int nr_xdp_prog_socket(struct nr_xdp_prog *p, uint32_t queue, int fd, struct nr_err *err);
/* Is there no time in front of frames, because the driver leaves no room? */
bool nr_xdp_prog_unstamped(const struct nr_xdp_prog *p);
/* Sums over processors; no system call. */
void nr_xdp_prog_counts(const struct nr_xdp_prog *p, struct nr_xdp_count *sum);
/* Takes the program off the interface; what was counted can still be read. */
void nr_xdp_prog_detach(struct nr_xdp_prog *p);
void nr_xdp_prog_close(struct nr_xdp_prog *p);
