/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Live packet sources. A back end is a const row of struct nr_live_ops: tpacket.c, xdp.c,
 * pcap_live.c. What stands above (merge_live.h, the capture command) does not know which.
 *
 * An open struct nr_live is one interface. It has one or more rings, each a stream of
 * packets of its own order: a member of a fanout group, a queue of the NIC. Rings are
 * merged by packet time; each is a row of table `interface`.
 *
 * Views point into the ring's memory and hold a lent block (nr_block_lent_new() of
 * packet.h): the memory goes back to the kernel when its last user lets go, in whatever
 * thread and order that is. So the context must outlive close() until every block is
 * back: count its users.
 *
 * All functions but `release` of a block are called by one thread.
 */
#pragma once

#include "base/err.h"
#include "source/packet.h"

/* How the xdp back end attaches its program. */
enum nr_xdp_mode {
	NR_XDP_AUTO,    /* native where the driver can, else generic */
	NR_XDP_NATIVE,  /* in the driver */
	NR_XDP_GENERIC, /* in the kernel's receive path, with any driver */
};

enum nr_live_direction { NR_LIVE_BOTH, NR_LIVE_IN, NR_LIVE_OUT };

struct nr_live_options {
	uint64_t ring_size;    /* bytes of each ring */
	int64_t block_timeout; /* ns: a packet is handed out this late at most */
	uint32_t snap_len;     /* 0: whole frames */
	unsigned rings;        /* wanted; 0: what the back end takes for right */
	enum nr_live_direction direction;
	bool no_promisc;
	bool hardware_time; /* ask for raw time stamps of the NIC */
	bool take_traffic;  /* xdp: the host may lose the packets that are captured */
	enum nr_xdp_mode xdp_mode;
	const char *filter; /* BPF as libpcap takes it; of the frame as it was on the
			       wire, tags in their place; NULL: none */
};

/* What a ring saw since it was opened. UINT64_MAX: the back end cannot know. */
struct nr_live_stats {
	uint64_t received; /* reached the ring: read or waiting there; drops not in it */
	uint64_t dropped;  /* lost because the ring was full */
	uint64_t dropped_interface; /* lost by the NIC or its driver, before the ring */
	uint64_t freezes;           /* times the ring stopped for want of room */
	/* Further counters of the back end as JSON members without braces:
	   "\"fill_ring_empty\":3"; "": none. */
	char detail[256];
};

struct nr_live;

struct nr_live_ops {
	const char *name; /* as --backend takes it */
	const char *doc;  /* one line for a person */
	size_t ctx_size;  /* private bytes behind struct nr_live; arrive zeroed */
	/*
	 * Opens interface l->name. Fills n_rings, ifindex, link_type, snap_len,
	 * description, hardware. 0; -ENODEV, -EPERM, -EINVAL (a filter that is none, an
	 * option that cannot be had) … with a sentence. What it opened is closed again.
	 */
	int (*open)(struct nr_live *l, const struct nr_live_options *o,
		    struct nr_err *err);
	/*
	 * Appends up to max views (frames only) of a ring, without waiting. A view has
	 * data, cap_len, wire_len, ts_ns, link_type, flags, fcs_len, block; the rest is
	 * set above. Returns how many; 0: nothing now; -ENETDOWN: the interface is down,
	 * read on later; other -errno: the ring is done for good.
	 * A ring that is not empty must not answer 0.
	 */
	int (*read)(struct nr_live *l, unsigned ring, struct nr_batch *b, unsigned max,
		    struct nr_err *err);
	/* To be polled for POLLIN: read when it says anything at all. */
	int (*fd)(const struct nr_live *l, unsigned ring);
	void (*stats)(struct nr_live *l, unsigned ring, struct nr_live_stats *st);
	/* Blocks may still be out; after the last of them everything is gone. */
	void (*close)(struct nr_live *l);
};

struct nr_live {
	const struct nr_live_ops *ops;
	const char *name; /* of the interface, as given */
	unsigned n_rings;
	int ifindex; /* for rtnetlink; 0: it cannot be watched */
	uint16_t link_type;
	uint32_t snap_len;     /* for table interface; 0: no limit */
	uint64_t tsresol;      /* units per second; 0: 10^9 */
	char description[192]; /* "tpacket, software time stamps" */
	char hardware[128];    /* driver; "": not known */
	const char *filter;    /* as given; NULL: none */
	_Alignas(16) uint8_t ctx[];
};

extern const struct nr_live_ops nr_live_tpacket, nr_live_xdp, nr_live_pcap;

/* All back ends that this build has, the default first; ends with NULL. */
extern const struct nr_live_ops *const nr_live_backends[];
const struct nr_live_ops *nr_live_backend(const char *name); /* NULL: none */

/* 0 and an open interface; or what ops->open() says. Both texts are copied. */
int nr_live_open(struct nr_live **out, const struct nr_live_ops *ops,
		 const char *interface, const struct nr_live_options *o,
		 struct nr_err *err);
void nr_live_close(struct nr_live *l); /* NULL is fine */

/*
 * The host's clock, CLOCK_REALTIME in ns: what packet times of a live capture are
 * measured by. Only live sources ask it.
 */
int64_t nr_live_now(void);
