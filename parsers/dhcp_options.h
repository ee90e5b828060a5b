/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The options of a DHCP message (RFC 2132), whole: parts with the same code are put
 * together (RFC 3396), and the fields file and sname are read as well where option 52
 * says that they hold options (RFC 2131, 4.1).
 */
#pragma once

#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum nr_dhcp_option {
	NR_DHCP_SUBNET_MASK = 1,
	NR_DHCP_ROUTERS = 3,
	NR_DHCP_DNS_SERVERS = 6,
	NR_DHCP_HOST_NAME = 12,
	NR_DHCP_DOMAIN_NAME = 15,
	NR_DHCP_REQUESTED_IP = 50,
	NR_DHCP_LEASE = 51,
	NR_DHCP_OVERLOAD = 52,
	NR_DHCP_TYPE = 53,
	NR_DHCP_SERVER_ID = 54,
	NR_DHCP_PARAMETERS = 55,
	NR_DHCP_MESSAGE = 56,
	NR_DHCP_RENEWAL = 58,
	NR_DHCP_REBINDING = 59,
	NR_DHCP_VENDOR_CLASS = 60,
	NR_DHCP_CLIENT_ID = 61,
	NR_DHCP_BOOT_SERVER = 66,
	NR_DHCP_BOOT_FILE = 67,
	NR_DHCP_USER_CLASS = 77, /* RFC 3004 */
	NR_DHCP_FQDN = 81,       /* RFC 4702 */
	NR_DHCP_RELAY = 82,      /* RFC 3046 */
};

/* p NULL: not in the message. In the message's bytes or the arena. */
struct nr_dhcp_value {
	const uint8_t *p;
	size_t len;
};

enum nr_dhcp_read {
	NR_DHCP_WHOLE, /* up to the end option, or the end of the area where it lacks */
	NR_DHCP_CUT,   /* an option goes on beyond the area's end */
};

struct nr_dhcp_options {
	struct nr_dhcp_value value[256]; /* by code */
	uint8_t bad_code;                /* of the option that is cut */
	unsigned overload;               /* option 52: 1 file, 2 sname, 3 both */
};

/*
 * Reads n bytes of options behind the cookie. file and sname (128 and 64 bytes; NULL: not
 * captured) are read where option 52 says so; then their bytes are no names.
 */
enum nr_dhcp_read nr_dhcp_read_options(struct nr_dhcp_options *o, struct nr_arena *a,
				       const uint8_t *p, size_t n, const uint8_t *file,
				       const uint8_t *sname);
