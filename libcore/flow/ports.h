/* SPDX-License-Identifier: BSD-3-Clause */
/* Ports that are likely a server's: a hint for who began a flow seen midstream. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* proto: IANA number; ports in host order. */
bool nr_port_is_server(unsigned proto, unsigned port);
