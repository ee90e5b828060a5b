/* SPDX-License-Identifier: BSD-3-Clause */
/* nrtool interfaces: what can be captured from, and how. */
#include "cli.h"

#include "base/mem.h"
#include "base/text.h"
#include "decode/decode.h"
#include "host/netdev.h"
#include "host/rowtable.h"

#include <net/if_arp.h>
#include <net/if.h>
#include <string.h>

struct interfaces {
	int format;
	bool full;
};

static const struct nr_option interfaces_options[] = {
	{ "format", 0, NR_OPT_ENUM, "FORMAT", NR_OPT(interfaces, format), "table",
	  .values = nr_row_formats, .help = "how to write the rows" },
	{ "full", 0, NR_OPT_FLAG, NULL, NR_OPT(interfaces, full),
	  .help = "all columns in a table, and none of them shortened" },
};

enum column {
	C_NAME,
	C_STATE,
	C_MTU,
	C_LINK_TYPE,
	C_KIND,
	C_DRIVER,
	C_RX_QUEUES,
	C_TX_QUEUES,
	C_RX_RING,
	C_SPEED,
	C_OFFLOADS,
	C_HARDWARE_TIME,
	C_MAC,
	C_ADDRESSES,
	C_MASTER,
	C_TPACKET,
	C_XDP,
	C_PCAP,
	C_NOTE,
};

static const char all_columns[] =
	"name, state, mtu, link_type, kind, driver, rx_queues, tx_queues, rx_ring, "
	"speed_mbit, offloads, hardware_time, mac, addresses, master, tpacket, xdp, "
	"pcap, "
	"note";
static const char table_columns[] =
	"name, state, mtu, link_type, driver, rx_queues, offloads, tpacket, xdp, pcap";

static void offloads(const struct nr_netdev *d, struct nr_buf *b)
{
	nr_buf_clear(b);
	for (unsigned i = 0; i < NR_N_OFFLOADS; i++)
		if (d->offloads & 1u << i)
			nr_buf_printf(b, "%s%s", b->len ? " " : "",
				      nr_netdev_offloads[i]);
}

static void note(const struct nr_netdev *d, struct nr_buf *b)
{
	char why[NR_XDP_WHY];

	nr_buf_clear(b);
	if (!(d->flags & IFF_UP))
		nr_buf_str(b, "it is down");
	if (d->xdp_attached[0])
		nr_buf_printf(b, "%san XDP program is attached (%s)", b->len ? "; " : "",
			      d->xdp_attached);
	if (nr_netdev_xdp_takes(d, why))
		nr_buf_printf(b, "%sit %s: --take-traffic", b->len ? "; " : "", why);
	if (d->offloads & (NR_OFF_GRO | NR_OFF_LRO))
		nr_buf_printf(b, "%s%s merges packets that come in", b->len ? "; " : "",
			      d->offloads & NR_OFF_LRO ? "LRO" : "GRO");
}

static void put_text(struct nr_rowtable *t, int column, const char *s)
{
	if (s[0])
		nr_rowtable_text(t, column, s);
}

static void put(struct nr_rowtable *t, const struct nr_netdev *d)
{
	const char *type =
		d->link_type >= 0 ? nr_link_type_name((unsigned)d->link_type) : NULL;
	bool is_can = d->arphrd == 280; /* ARPHRD_CAN */
	struct nr_buf b = { 0 };

	nr_rowtable_text(t, C_NAME, d->name);
	put_text(t, C_STATE, d->state);
	nr_rowtable_int(t, C_MTU, d->mtu);
	if (type)
		nr_rowtable_text(t, C_LINK_TYPE, type);
	put_text(t, C_KIND, d->arphrd == ARPHRD_LOOPBACK ? "loopback" : d->kind);
	put_text(t, C_DRIVER, d->driver);
	nr_rowtable_int(t, C_RX_QUEUES, d->rx_queues);
	nr_rowtable_int(t, C_TX_QUEUES, d->tx_queues);
	if (d->rx_ring)
		nr_rowtable_int(t, C_RX_RING, d->rx_ring);
	if (d->speed)
		nr_rowtable_int(t, C_SPEED, d->speed);
	offloads(d, &b);
	nr_rowtable_text(t, C_OFFLOADS, b.len ? b.p : "");
	nr_rowtable_int(t, C_HARDWARE_TIME, d->hardware_time);
	put_text(t, C_MAC, d->mac);
	put_text(t, C_ADDRESSES, d->addresses);
	put_text(t, C_MASTER, d->master);
	nr_rowtable_text(t, C_TPACKET, type ? "yes" : "no: unknown link type");
	nr_rowtable_text(t, C_XDP, nr_netdev_xdp_mode(d));
	nr_rowtable_text(t, C_PCAP, is_can ? "no: not a network of packets" : "yes");
	note(d, &b);
	if (b.len)
		nr_rowtable_text(t, C_NOTE, b.p);
	nr_buf_fini(&b);
	nr_rowtable_add(t);
}

static int put_all(struct nr_rowtable *t, const struct nr_call *call,
		   const struct nr_netdev *d, size_t n)
{
	for (int i = 0; i < call->n; i++) {
		const struct nr_netdev *one = nr_netdev_find(d, n, call->operands[i]);

		if (!one)
			return nr_complain(NR_EXIT_FAILED, "interfaces",
					   "there is no interface %s in this network "
					   "namespace",
					   call->operands[i]);
		put(t, one);
	}
	for (size_t i = 0; i < n && !call->n; i++)
		put(t, &d[i]);
	return 0;
}

static int interfaces_run(const struct nr_call *call)
{
	const struct interfaces *c = call->config;
	bool brief = c->format == NR_ROWS_TABLE && !c->full;
	struct nr_netdev *d = NULL;
	struct nr_rowtable *t = NULL;
	struct nr_err err;
	size_t n;
	int rc;

	if (nr_netdevs(&d, &n, &err) || nr_rowtable_new(&t, all_columns, &err)) {
		nr_free(d);
		return nr_complain(NR_EXIT_FAILED, "interfaces", "%s", err.text);
	}
	rc = put_all(t, call, d, n);
	if (!rc &&
	    nr_rowtable_write(t, brief ? table_columns : all_columns,
			      (enum nr_row_format)c->format, c->full, stdout, &err))
		rc = nr_complain(NR_EXIT_FAILED, "interfaces", "%s", err.text);
	nr_rowtable_free(t);
	nr_free(d);
	return rc ? rc : nr_stdout_finish("interfaces");
}

const struct nr_command nr_cmd_interfaces = {
	.name = "interfaces",
	.operands = "[INTERFACE…]",
	.summary = "says what can be captured from, and how",
	.about = "Says of each interface its state, link type, driver, queues and "
		 "offloads,\n"
		 "and what each back end of capture can do there.",
	.max_operands = NR_ANY,
	.options = { interfaces_options,
		     sizeof(interfaces_options) / sizeof(*interfaces_options) },
	.config_size = sizeof(struct interfaces),
	.run = interfaces_run,
};
