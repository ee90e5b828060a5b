/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/netdev.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <net/if_arp.h>
#include <linux/if_link.h>
#include <linux/net_tstamp.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "host/netdev_xdp.h"

const char *const nr_netdev_offloads[NR_N_OFFLOADS] = {
	"rx", "tx", "sg", "tso", "gso", "gro", "lro", "rxvlan", "txvlan",
};

struct devs {
	struct nr_netdev *d;
	size_t n, room;
	int ethtool; /* a socket for its ioctls */
};

static struct nr_netdev *by_index(struct devs *l, int ifindex)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->d[i].ifindex == ifindex)
			return &l->d[i];
	return NULL;
}

/* ---- rtnetlink ---------------------------------------------------------------- */

typedef void message_fn(struct devs *l, const struct nlmsghdr *h);

/* Asks for everything of a kind and hands each answer to fn. */
static int dump(struct devs *l, unsigned type, message_fn *fn)
{
	struct {
		struct nlmsghdr h;
		struct rtgenmsg g;
		char pad[3];
	} ask = { .h = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct rtgenmsg)),
			 .nlmsg_type = (uint16_t)type,
			 .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP } };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), rc = 0;
	char *buf = nr_xmalloc(64 << 10);
	bool more = true;

	if (fd < 0 || send(fd, &ask, ask.h.nlmsg_len, 0) < 0)
		rc = -errno;
	while (rc == 0 && more) {
		ssize_t n = recv(fd, buf, 64 << 10, 0);
		const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)buf;

		if (n <= 0) {
			rc = n < 0 ? -errno : -EIO;
			break;
		}
		for (unsigned left = (unsigned)n; NLMSG_OK(h, left);
		     h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR) {
				more = false;
				break;
			}
			fn(l, h);
		}
	}
	if (fd >= 0)
		close(fd);
	nr_free(buf);
	return rc;
}

static void copy_text(char *to, size_t room, const struct rtattr *a)
{
	size_t n = RTA_PAYLOAD(a);

	n = strnlen(RTA_DATA(a), n);
	snprintf(to, room, "%.*s", (int)n, (const char *)RTA_DATA(a));
}

static uint32_t u32_of(const struct rtattr *a)
{
	uint32_t v = 0;

	if (RTA_PAYLOAD(a) >= sizeof(v))
		memcpy(&v, RTA_DATA(a), sizeof(v));
	return v;
}

static const char *state_name(unsigned operstate)
{
	static const char *const names[] = { "unknown", "absent",  "down", "no-carrier",
					     "testing", "dormant", "up" };

	return operstate < sizeof(names) / sizeof(*names) ? names[operstate] : "unknown";
}

static void kind_of(struct nr_netdev *d, const struct rtattr *info)
{
	const struct rtattr *a = RTA_DATA(info);

	for (size_t left = RTA_PAYLOAD(info); RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == IFLA_INFO_KIND)
			copy_text(d->kind, sizeof(d->kind), a);
}

static void xdp_of(struct nr_netdev *d, const struct rtattr *info)
{
	static const char *const modes[] = { "", "native", "generic", "offloaded",
					     "several" };
	const struct rtattr *a = RTA_DATA(info);

	for (size_t left = RTA_PAYLOAD(info); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		uint8_t mode = 0;

		if (a->rta_type != IFLA_XDP_ATTACHED || RTA_PAYLOAD(a) < 1)
			continue;
		memcpy(&mode, RTA_DATA(a), 1);
		snprintf(d->xdp_attached, sizeof(d->xdp_attached), "%s",
			 modes[mode < 5 ? mode : 4]);
	}
}

static void link_attribute(struct nr_netdev *d, const struct rtattr *a)
{
	uint8_t mac[6] = { 0 };
	char master[IF_NAMESIZE];

	switch (a->rta_type & NLA_TYPE_MASK) {
	case IFLA_IFNAME:
		copy_text(d->name, sizeof(d->name), a);
		break;
	case IFLA_MTU:
		d->mtu = u32_of(a);
		break;
	case IFLA_NUM_RX_QUEUES:
		d->rx_queues = u32_of(a);
		break;
	case IFLA_NUM_TX_QUEUES:
		d->tx_queues = u32_of(a);
		break;
	case IFLA_OPERSTATE:
		memcpy(mac, RTA_DATA(a), 1);
		snprintf(d->state, sizeof(d->state), "%s", state_name(mac[0]));
		break;
	case IFLA_ADDRESS:
		if (RTA_PAYLOAD(a) != 6)
			break;
		memcpy(mac, RTA_DATA(a), 6);
		snprintf(d->mac, sizeof(d->mac), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0],
			 mac[1], mac[2], mac[3], mac[4], mac[5]);
		break;
	case IFLA_MASTER:
		if (if_indextoname(u32_of(a), master))
			snprintf(d->master, sizeof(d->master), "%s", master);
		break;
	case IFLA_LINKINFO:
		kind_of(d, a);
		break;
	case IFLA_XDP:
		xdp_of(d, a);
		break;
	default:
		break;
	}
}

/* What libpcap and the rings hand out on such a link. */
static int link_type_of(unsigned arphrd)
{
	static const struct {
		unsigned arphrd;
		int link_type;
	} types[] = {
		{ ARPHRD_ETHER, 1 },       { ARPHRD_LOOPBACK, 1 },
		{ ARPHRD_NONE, 101 },      { 519 /* RAWIP */, 101 },
		{ ARPHRD_TUNNEL, 101 },    { ARPHRD_TUNNEL6, 101 },
		{ ARPHRD_SIT, 101 },       { ARPHRD_IPGRE, 101 },
		{ ARPHRD_IEEE80211, 105 }, { ARPHRD_IEEE80211_RADIOTAP, 127 },
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
		if (types[i].arphrd == arphrd)
			return types[i].link_type;
	return -1;
}

static void take_link(struct devs *l, const struct nlmsghdr *h)
{
	const struct ifinfomsg *i = NLMSG_DATA(h);
	const struct rtattr *a = IFLA_RTA(i);
	struct nr_netdev *d;

	if (h->nlmsg_type != RTM_NEWLINK)
		return;
	if (l->n == l->room) {
		l->room = l->room ? 2 * l->room : 16;
		l->d = nr_xrealloc(l->d, l->room * sizeof(*l->d));
	}
	d = &l->d[l->n++];
	*d = (struct nr_netdev){ .ifindex = i->ifi_index,
				 .arphrd = i->ifi_type,
				 .flags = i->ifi_flags,
				 .link_type = link_type_of(i->ifi_type) };
	for (size_t left = IFLA_PAYLOAD(h); RTA_OK(a, left); a = RTA_NEXT(a, left))
		link_attribute(d, a);
	/* loopback and tunnels have no state of their own */
	if (!strcmp(d->state, "unknown"))
		snprintf(d->state, sizeof(d->state), "%s",
			 i->ifi_flags & IFF_UP ? "up" : "down");
}

static void take_address(struct devs *l, const struct nlmsghdr *h)
{
	const struct ifaddrmsg *i = NLMSG_DATA(h);
	const struct rtattr *a = IFA_RTA(i), *local = NULL;
	struct nr_netdev *d = by_index(l, (int)i->ifa_index);
	char text[INET6_ADDRSTRLEN];
	size_t used, need;

	if (h->nlmsg_type != RTM_NEWADDR || !d)
		return;
	for (size_t left = IFA_PAYLOAD(h); RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == IFA_LOCAL || (a->rta_type == IFA_ADDRESS && !local))
			local = a;
	need = i->ifa_family == AF_INET6 ? 16 : 4;
	if (!local || RTA_PAYLOAD(local) < need ||
	    !inet_ntop(i->ifa_family, RTA_DATA(local), text, sizeof(text)))
		return;
	used = strlen(d->addresses);
	if (used + strlen(text) + 6 < sizeof(d->addresses))
		snprintf(d->addresses + used, sizeof(d->addresses) - used, "%s%s/%u",
			 used ? " " : "", text, i->ifa_prefixlen);
}

/* ---- ethtool ------------------------------------------------------------------ */

static bool ask(const struct devs *l, const struct nr_netdev *d, void *cmd)
{
	struct ifreq r = { 0 };

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", d->name);
	r.ifr_data = cmd;
	return ioctl(l->ethtool, SIOCETHTOOL, &r) == 0;
}

static uint32_t ask_value(const struct devs *l, const struct nr_netdev *d, uint32_t cmd)
{
	struct ethtool_value v = { .cmd = cmd };

	return ask(l, d, &v) ? v.data : 0;
}

static void offloads_of(const struct devs *l, struct nr_netdev *d)
{
	static const struct {
		uint32_t cmd;
		unsigned offload;
	} plain[] = {
		{ ETHTOOL_GRXCSUM, NR_OFF_RX_CSUM }, { ETHTOOL_GTXCSUM, NR_OFF_TX_CSUM },
		{ ETHTOOL_GSG, NR_OFF_SG },          { ETHTOOL_GTSO, NR_OFF_TSO },
		{ ETHTOOL_GGSO, NR_OFF_GSO },        { ETHTOOL_GGRO, NR_OFF_GRO },
	};
	uint32_t flags = ask_value(l, d, ETHTOOL_GFLAGS);

	for (size_t i = 0; i < sizeof(plain) / sizeof(*plain); i++)
		if (ask_value(l, d, plain[i].cmd))
			d->offloads |= plain[i].offload;
	d->offloads |= flags & ETH_FLAG_LRO ? NR_OFF_LRO : 0;
	d->offloads |= flags & ETH_FLAG_RXVLAN ? NR_OFF_RX_VLAN : 0;
	d->offloads |= flags & ETH_FLAG_TXVLAN ? NR_OFF_TX_VLAN : 0;
}

static int speed_of(const char *name)
{
	char path[64];
	int speed = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/net/%s/speed", name);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%d", &speed) != 1 || speed < 0)
		speed = 0;
	fclose(f);
	return speed;
}

static void ask_ethtool(const struct devs *l, struct nr_netdev *d)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ethtool_ringparam ring = { .cmd = ETHTOOL_GRINGPARAM };
	struct ethtool_ts_info ts = { .cmd = ETHTOOL_GET_TS_INFO };

	if (ask(l, d, &info)) {
		snprintf(d->driver, sizeof(d->driver), "%.31s", info.driver);
		snprintf(d->bus, sizeof(d->bus), "%.31s", info.bus_info);
	}
	if (ask(l, d, &ring)) {
		d->rx_ring = ring.rx_pending;
		d->rx_ring_max = ring.rx_max_pending;
	}
	if (ask(l, d, &ts))
		d->hardware_time = ts.so_timestamping & SOF_TIMESTAMPING_RAW_HARDWARE &&
				   ts.rx_filters & (1u << HWTSTAMP_FILTER_ALL);
	offloads_of(l, d);
	d->speed = speed_of(d->name);
}

static int by_ifindex(const void *a, const void *b)
{
	const struct nr_netdev *x = a, *y = b;

	return x->ifindex < y->ifindex ? -1 : x->ifindex > y->ifindex;
}

int nr_netdevs(struct nr_netdev **list, size_t *n, struct nr_err *err)
{
	struct devs l = { .ethtool = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) };
	int rc = dump(&l, RTM_GETLINK, take_link);

	if (rc == 0)
		rc = dump(&l, RTM_GETADDR, take_address);
	for (size_t i = 0; i < l.n && rc == 0; i++) {
		if (l.ethtool >= 0)
			ask_ethtool(&l, &l.d[i]);
		nr_netdev_ask_xdp(&l.d[i]);
	}
	if (l.ethtool >= 0)
		close(l.ethtool);
	if (rc < 0) {
		nr_free(l.d);
		return nr_fail(err, rc, "cannot ask the kernel for its interfaces: %s",
			       strerror(-rc));
	}
	if (l.n)
		qsort(l.d, l.n, sizeof(*l.d), by_ifindex);
	*list = l.d;
	*n = l.n;
	return 0;
}

const struct nr_netdev *nr_netdev_find(const struct nr_netdev *list, size_t n,
				       const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i].name, name))
			return &list[i];
	return NULL;
}

const char *nr_netdev_xdp_mode(const struct nr_netdev *d)
{
	const unsigned need = NR_XDP_BASIC | NR_XDP_REDIRECT;

	if (d->link_type != 1)
		return "no: not Ethernet";
	if (d->xdp_known && (d->xdp_features & need) == need)
		return d->xdp_features & NR_XDP_ZEROCOPY ? "native, zero-copy" : "native";
	return d->xdp_known ? "generic" : "generic; native unless the driver refuses";
}

bool nr_netdev_xdp_takes(const struct nr_netdev *d, char why[NR_XDP_WHY])
{
	struct nr_xdp_link link;
	struct nr_err err = { "" };

	return d->link_type == 1 && !nr_xdp_link_read(&link, d->name, &err) &&
	       nr_xdp_takes(&link, d->name, why, &err) == 1;
}
