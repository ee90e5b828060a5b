/* SPDX-License-Identifier: BSD-3-Clause */
/* What the XDP program (bpf/xdp_prog.bpf.c) and its user (xdp*.c) both know. */
#pragma once

#include <linux/types.h>

enum {
	NR_XDP_CPUS = 64,    /* places for counters; a power of two */
	NR_XDP_QUEUES = 256, /* places in the map of sockets */
	NR_XDP_HARDWARE = 1, /* the time is of the interface's clock */
	NR_XDP_TAG = 2,      /* the NIC took the outer VLAN tag off: it is here */
};

/* Stands in front of each frame. */
struct nr_xdp_meta {
	__u64 stamp;   /* nanoseconds; of the host's TAI clock, if not of the interface */
	__u16 tpid_be; /* of the tag, as on the wire */
	__u16 tci;     /* of the tag, a number */
	__u32 flags;
};

/* One processor's counters, a cache line of their own; sums over all are what counts. */
struct nr_xdp_count {
	__u64 seen;      /* frames that came to the program */
	__u64 bytes;     /* of them, all fragments */
	__u64 no_socket; /* a queue without a socket: left to the host, not captured */
	__u64 no_room;   /* no room for the time in front of the frame: none there */
	__u64 hardware;  /* frames with the interface's own time */
	__u64 tags;      /* frames with a tag in front */
	__u64 reserved[2];
};
