/* SPDX-License-Identifier: BSD-3-Clause */
/* The Internet checksum (RFC 1071) of headers and transport payloads. */
#pragma once

#include "decode/decode.h"

/* Ones' complement sum of n bytes, folded to 16 bits, in memory order; not inverted. */
uint16_t nr_csum(const void *p, size_t n, uint32_t start);

enum nr_csum_verdict {
	NR_CSUM_OK,
	NR_CSUM_BAD,
	NR_CSUM_UNKNOWN, /* cut, offloaded, none carried, or a protocol without one */
};

/* Judges the transport checksum of a level: TCP, UDP, ICMP, ICMPv6 (RFC 793, 768, 792,
   4443, pseudo-header of RFC 8200), SCTP's CRC32c (RFC 9260). Reads all l4_len bytes. */
enum nr_csum_verdict nr_level_csum(const struct nr_level *l);
