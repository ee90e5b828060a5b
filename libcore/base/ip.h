/* SPDX-License-Identifier: BSD-3-Clause */
/* IP addresses as bytes and as canonical text (RFC 5952). */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { NR_IP_TEXT = 46 }; /* room for any address and its NUL */

/*
 * Writes the address at b (4 bytes for version 4, 16 for version 6) as text and returns
 * its length. IPv6 follows RFC 5952: lower case, the longest run of two or more zero
 * groups (the first of equals) as "::", IPv4-mapped addresses (::ffff:0:0/96) in mixed
 * notation.
 */
size_t nr_ip_format(char out[NR_IP_TEXT], unsigned version, const uint8_t *b);

/* "02:00:5e:10:00:01"; out holds at least 18 bytes. Returns 17. */
size_t nr_mac_format(char out[18], const uint8_t *mac);
