/* SPDX-License-Identifier: BSD-3-Clause */
/* What the driver of an interface says of its XDP: generic netlink, family "netdev". */
#pragma once

#include "host/netdev.h"

/* Fills xdp_known and xdp_features; leaves both where the kernel has no such family. */
void nr_netdev_ask_xdp(struct nr_netdev *d);
