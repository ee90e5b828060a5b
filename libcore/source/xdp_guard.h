/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What AF_XDP captures the host does not get. Facts on an interface by rtnetlink(7), and
 * whether the host would miss its traffic.
 */
#pragma once

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct nr_xdp_link {
	uint32_t ifindex, mtu;
	uint32_t master;   /* ifindex of the bridge or bond it is a port of; 0: none */
	uint32_t n_queues; /* for receiving, that are in use */
	uint16_t type;     /* ARPHRD_… */
	char kind[16];     /* "veth", "vlan", …; "": a device */
	char driver[32];   /* "": not known */
	bool takes_tags;   /* the outer VLAN tag of what comes in is taken off */
};

/* 0; -ENODEV; -errno; with a sentence. */
int nr_xdp_link_read(struct nr_xdp_link *l, const char *name, struct nr_err *err);
enum { NR_XDP_WHY = 256 };

/*
 * Whether this host needs what comes in: 1 where the interface has an address (link-local
 * IPv6, which comes by itself, aside), is a default route, a port of something, or
 * carries another interface; why gets the rest of a sentence about the interface. 0: it
 * seems not. -errno with a sentence.
 */
int nr_xdp_takes(const struct nr_xdp_link *l, const char *name, char why[NR_XDP_WHY],
		 struct nr_err *err);
/* The same: 0, or -EADDRINUSE with a sentence that says what else to do. */
int nr_xdp_guard(const struct nr_xdp_link *l, const char *name, struct nr_err *err);
