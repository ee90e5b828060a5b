/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers of IP protocols, and their names as in column `proto`. */
#pragma once

enum { NR_PROTO_ICMP = 1, NR_PROTO_TCP = 6, NR_PROTO_UDP = 17, NR_PROTO_ICMP6 = 58 };

/* "tcp", "udp", "icmp", "icmpv6", "sctp", else IANA's keyword in lower case, else the
   number as text. Static storage. */
const char *nr_proto_name(unsigned proto);
