/* SPDX-License-Identifier: BSD-3-Clause */
/* Names of IP protocols as in column `proto`. */
#pragma once

/* "tcp", "udp", "icmp", "icmpv6", "sctp", else IANA's keyword in lower case, else the
   number as text. Static storage. */
const char *nr_proto_name(unsigned proto);
