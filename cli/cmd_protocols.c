/* SPDX-License-Identifier: BSD-3-Clause */
/* nrtool protocols: what it reads, from files down to tunnels. */
#include "cli.h"

#include "decode/decode.h"
#include "session/parser.h"

#include <string.h>

/* LINKTYPE_ numbers that the decoder takes apart; others are counted by name. */
static const uint16_t link_types[] = {
	0,   1,   6,   7,   8,   9,   10,  11,  12,  14,  50,  51,
	100, 101, 104, 105, 107, 108, 113, 117, 119, 123, 127, 129,
	163, 166, 192, 204, 205, 206, 228, 229, 239, 242, 258, 276,
};

static size_t put_name(const char *name, size_t column)
{
	size_t n = strlen(name);

	if (column + 1 + n > 79) {
		fputs("\n ", stdout);
		column = 1;
	}
	printf(" %s", name);
	return column + 1 + n;
}

/* Some link types have several numbers. */
static bool named_before(size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		const char *other = nr_link_type_name(link_types[i]);

		if (other && !strcmp(other, name))
			return true;
	}
	return false;
}

static void put_tunnels(bool has_carrier)
{
	size_t column = 1;

	for (int i = 0; i < NR_N_TUNNELS; i++) {
		enum nr_tunnel_kind k = (enum nr_tunnel_kind)i;

		if (nr_tunnel_has_carrier(k) == has_carrier)
			column = put_name(nr_tunnel_name(k), column);
	}
}

static int protocols_run(const struct nr_call *call)
{
	size_t column = 1;

	(void)call;
	fputs("files\n"
	      "  pcap (us and ns, both byte orders, Kuznetzov) pcapng snoop, as they are "
	      "or in\n"
	      "  gzip zstd xz lz4\n"
	      "link types\n ",
	      stdout);
	for (size_t i = 0; i < sizeof(link_types) / sizeof(*link_types); i++) {
		const char *name = nr_link_type_name(link_types[i]);

		if (name && !named_before(i, name))
			column = put_name(name, column);
	}
	fputs("\ntunnels whose carrier is a flow\n ", stdout);
	put_tunnels(true);
	fputs("\ntunnels without ports (table tunnel)\n ", stdout);
	put_tunnels(false);
	fputs("\nflows\n  tcp udp icmp icmpv6 sctp, other IP protocols by name or "
	      "number\n",
	      stdout);
	fputs("\nsessions\n", stdout);
	for (const struct nr_parser *const *p = nr_parsers; *p; p++)
		printf("  %-9s %s\n", (*p)->name, (*p)->about);
	return nr_stdout_finish("protocols");
}

const struct nr_command nr_cmd_protocols = {
	.name = "protocols",
	.operands = "",
	.summary = "says which files, link types and tunnels nrtool reads",
	.about =
		"Says which files, link types, tunnels and protocols nrtool takes apart.",
	.run = protocols_run,
};
