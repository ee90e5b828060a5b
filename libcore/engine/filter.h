/* SPDX-License-Identifier: BSD-3-Clause */
/* BPF filters in libpcap's language, compiled by libpcap for each link type met. */
#pragma once

#include "base/err.h"
#include "source/packet.h"

struct nr_filter;

/*
 * Compiles the text for every link type that nrtool decodes, so that nothing is looked up
 * (names of hosts and ports) later.
 * -EINVAL with libpcap's reason where the text is no filter for Ethernet or raw IP.
 */
int nr_filter_new(struct nr_filter **out, const char *text, struct nr_err *err);
void nr_filter_free(struct nr_filter *f);
/* Whether the packet passes. A link type for which libpcap cannot compile the text lets
   nothing pass; nr_filter_refused() names it. */
bool nr_filter_pass(struct nr_filter *f, const struct nr_packet *p);
/* The next link type met that could not be filtered, and why; *at begins at 0. NULL: no
   more. */
const char *nr_filter_refused(const struct nr_filter *f, size_t *at, unsigned *link_type);
