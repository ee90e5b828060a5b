/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The packets of a case in memory, for --reduce: read and decoded in a child, which
 * confines itself; here they are bytes with offsets that were checked.
 */
#pragma once

#include "casetest/case.h"

#include <stdint.h>

enum { NR_LAYERS = 4 };

/* An IP header and what it carries; offsets in the packet. */
struct nr_layer {
	uint32_t l3, l4, l4_len;
	uint8_t version, proto;
	bool ip_ok, l4_ok; /* its checksums were right, and are to stay so */
};

struct nr_case_packet {
	uint8_t *data; /* cap_len bytes, which may be changed */
	int64_t ts_ns;
	uint64_t flow;    /* the same in all packets of one, either way; 0: none */
	uint32_t cap_len; /* may be lowered */
	uint32_t wire_len;
	uint32_t payload; /* of the innermost layer; cap_len where there is none */
	uint32_t mac;     /* two addresses of 6 bytes; UINT32_MAX: none */
	uint32_t n_layers;
	uint16_t link_type;
	uint8_t flags, fcs_len;
	struct nr_layer layer[NR_LAYERS]; /* outermost first */
	bool kept;
};

struct nr_packets {
	struct nr_case_packet *p; /* in order of time */
	size_t n;
	char *memory; /* what data points into */
};

/* All of them, every one kept. 0, or -errno with a sentence. */
int nr_packets_load(struct nr_packets *ps, const struct nr_case *c, int64_t timeout_ns,
		    struct nr_err *err);
void nr_packets_free(struct nr_packets *ps);
size_t nr_packets_kept(const struct nr_packets *ps);
/* The kept ones as pcapng. 0, or -errno with a sentence. */
int nr_packets_write(const struct nr_packets *ps, const char *path, struct nr_err *err);
/* After bytes were changed: the checksums that were right are right again. */
void nr_packet_mend(struct nr_case_packet *p);
