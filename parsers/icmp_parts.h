/* SPDX-License-Identifier: BSD-3-Clause */
/* What parsers/icmp.c reads of a message: its meaning, and the packet that errors quote.
 */
#pragma once

#include "session/parser.h"

/* "port unreachable", or NULL where the pair is not known (static). proto is 1 or 58. */
const char *nr_icmp_meaning(unsigned proto, unsigned type, unsigned code);

struct nr_icmp_quoted {
	struct nr_tuple tuple; /* ports 0 where has_ports is false */
	bool has_ports;        /* ICMP: type and the answer's type, as flows have them */
	bool is_flow; /* the tuple is a flow's: ports are known, or its protocol has none
		       */
};

/*
 * The packet of IP version `version` that begins at p, of which n bytes are quoted. False
 * where its addresses and protocol cannot be told.
 */
bool nr_icmp_read_quoted(struct nr_icmp_quoted *q, unsigned version, const uint8_t *p,
			 size_t n);
/*
 * The packet that a message quotes (n bytes from its type on; proto 1 or 58): of errors
 * what stands behind their header, of a redirect of IPv6 its last such option that tells
 * a flow.
 */
bool nr_icmp_find_quoted(struct nr_icmp_quoted *q, unsigned proto, const uint8_t *p,
			 size_t n);
