/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The network interfaces of this network namespace, as the kernel tells them: rtnetlink
 * (links, addresses), generic netlink "netdev" (what a driver's XDP can
 * do; kernels from 6.3), ethtool ioctls (driver, offloads, rings, time stamps). No rights
 * are needed. What the kernel does not say is left at 0 or "".
 */
#pragma once

#include "base/err.h"
#include "source/xdp_guard.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum nr_netdev_offload {
	NR_OFF_RX_CSUM = 1 << 0,
	NR_OFF_TX_CSUM = 1 << 1,
	NR_OFF_SG = 1 << 2,
	NR_OFF_TSO = 1 << 3,
	NR_OFF_GSO = 1 << 4,
	NR_OFF_GRO = 1 << 5,
	NR_OFF_LRO = 1 << 6,
	NR_OFF_RX_VLAN = 1 << 7,
	NR_OFF_TX_VLAN = 1 << 8,
	NR_N_OFFLOADS = 9,
};

extern const char *const nr_netdev_offloads[NR_N_OFFLOADS]; /* as ethtool -K has them */

struct nr_netdev {
	int ifindex;
	char name[16], kind[32], driver[32], bus[32], master[16];
	char state[16]; /* "up", "down", "no-carrier", … */
	char mac[18];
	unsigned arphrd; /* ARPHRD_ of linux/if_arp.h */
	int link_type;   /* LINKTYPE_ of what is captured there; -1: cooked */
	uint32_t mtu, rx_queues, tx_queues, flags;
	int speed; /* Mbit/s; 0: not known */
	unsigned offloads;
	uint32_t rx_ring, rx_ring_max; /* descriptors of the NIC's ring */
	bool hardware_time;            /* it stamps every packet it receives */
	char addresses[256];           /* separated by spaces, as far as they fit */
	bool xdp_known;                /* xdp_features is what the driver says */
	uint64_t xdp_features;         /* enum nr_netdev_xdp */
	char xdp_attached[16]; /* "": no program; "native", "generic", "offloaded" */
};

enum nr_netdev_xdp { /* include/uapi/linux/netdev.h */
		     NR_XDP_BASIC = 1 << 0,
		     NR_XDP_REDIRECT = 1 << 1,
		     NR_XDP_ZEROCOPY = 1 << 3,
		     NR_XDP_RX_SG = 1 << 5,
};

/* All of them, in order of ifindex: *list of *n, to be freed. 0 or -errno. */
int nr_netdevs(struct nr_netdev **list, size_t *n, struct nr_err *err);
/* Of a list, by name; NULL: none has it. */
const struct nr_netdev *nr_netdev_find(const struct nr_netdev *list, size_t n,
				       const char *name);
/* "native, zero-copy", "native", "generic", or "no: why". */
const char *nr_netdev_xdp_mode(const struct nr_netdev *d);
/*
 * Whether capturing there with xdp would take packets that this host needs, as the back
 * end itself decides (source/xdp_guard.h): why gets the rest of a sentence about the
 * interface, "has the address 192.0.2.1, and …".
 */
bool nr_netdev_xdp_takes(const struct nr_netdev *d, char why[NR_XDP_WHY]);
