/* SPDX-License-Identifier: BSD-3-Clause */
#include "flow/ports.h"

#include <stddef.h>

/*
 * Well-known ports (IANA service names) of the protocols that are met in captures;
 * Zeek's `likely_server_ports` with its default scripts is the model.
 */
static const uint16_t tcp_ports[] = {
	21,   22,   25,   43,   53,   79,   80,   81,   88,   110,  135,  137,   139,
	143,  389,  443,  445,  502,  563,  585,  587,  614,  631,  636,  989,   990,
	992,  993,  995,  1080, 1434, 1883, 2811, 3128, 3268, 3306, 3389, 5060,  5222,
	5223, 5269, 5432, 6379, 6666, 6667, 6668, 6669, 8000, 8080, 8888, 20000,
};

static const uint16_t udp_ports[] = {
	53,   67,   88,   123,  137,  161,  162,  389,  443,  514,  1812,
	2123, 2152, 3268, 3544, 4789, 5060, 5072, 5353, 5355, 6081, 20000,
};

/* The lists are sorted. */
static bool listed(const uint16_t *list, size_t n, unsigned port)
{
	while (n) {
		size_t half = n / 2;

		if (list[half] == port)
			return true;
		if (list[half] < port) {
			list += half + 1;
			n -= half + 1;
		} else {
			n = half;
		}
	}
	return false;
}

bool nr_port_is_server(unsigned proto, unsigned port)
{
	if (proto == 6)
		return listed(tcp_ports, sizeof(tcp_ports) / sizeof(tcp_ports[0]), port);
	if (proto == 17)
		return listed(udp_ports, sizeof(udp_ports) / sizeof(udp_ports[0]), port);
	return false;
}
