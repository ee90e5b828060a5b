/* SPDX-License-Identifier: BSD-3-Clause */
/* Who has the XDP hook of an interface. */
#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * In words, into out: "program xdp_pass (id 12), held by process 4711 (xdpdump)", or how
 * one that nobody holds is taken off, as far as it can be found out; "another program" at
 * least.
 */
void nr_xdp_holder(uint32_t ifindex, char *out, size_t n);
