/* SPDX-License-Identifier: BSD-3-Clause */
#include "source/xdp_guard.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { NETLINK_ROOM = 64 << 10 };

/* Why the host needs the interface, found while answers are read. */
struct finding {
	const struct nr_xdp_link *link;
	struct nr_xdp_link *fill;
	char why[160]; /* "" = nothing so far */
};

typedef void (*answer)(struct finding *f, const struct nlmsghdr *h);

static const struct rtattr *attribute(const struct nlmsghdr *h, size_t fixed,
				      unsigned short type)
{
	const struct rtattr *a =
		(const struct rtattr *)((const char *)NLMSG_DATA(h) + NLMSG_ALIGN(fixed));
	int left = (int)h->nlmsg_len - (int)NLMSG_SPACE(fixed);

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
		if ((a->rta_type & NLA_TYPE_MASK) == type)
			return a;
	return NULL;
}

static uint32_t number(const struct rtattr *a)
{
	uint32_t n = 0;

	if (a && RTA_PAYLOAD(a) >= sizeof(n))
		memcpy(&n, RTA_DATA(a), sizeof(n));
	return n;
}

static void text(const struct rtattr *a, char *out, size_t n)
{
	if (a)
		snprintf(out, n, "%.*s", (int)RTA_PAYLOAD(a), (const char *)RTA_DATA(a));
	else
		out[0] = '\0';
}

/* The kind of a link: IFLA_INFO_KIND inside IFLA_LINKINFO. */
static void kind_of(const struct nlmsghdr *h, char *out, size_t n)
{
	const struct rtattr *info = attribute(h, sizeof(struct ifinfomsg), IFLA_LINKINFO);
	const struct rtattr *a;
	int left;

	out[0] = '\0';
	if (!info)
		return;
	a = RTA_DATA(info);
	left = (int)RTA_PAYLOAD(info);
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == IFLA_INFO_KIND)
			text(a, out, n);
}

/* Asks for all of one type and calls back for each. 0 or -errno. */
static int dump(uint16_t type, answer each, struct finding *f)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg body; /* the longest of the three; families are 0 */
	} ask = {
		.h = { .nlmsg_len = sizeof(ask),
		       .nlmsg_type = type,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
	};
	static _Thread_local _Alignas(8) char room[NETLINK_ROOM];
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), rc = 0;
	bool more = true;

	if (fd < 0)
		return -errno;
	if (send(fd, &ask, sizeof(ask), 0) != (ssize_t)sizeof(ask))
		rc = -errno;
	while (more && !rc) {
		ssize_t got = recv(fd, room, sizeof(room), 0);
		unsigned left = got > 0 ? (unsigned)got : 0;

		if (got <= 0)
			rc = got < 0 ? -errno : -EIO;
		for (const struct nlmsghdr *h = (const void *)room; NLMSG_OK(h, left);
		     h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR) {
				more = false;
				break;
			}
			each(f, h);
		}
	}
	close(fd);
	return rc;
}

static void link_fill(struct finding *f, const struct nlmsghdr *h)
{
	const struct ifinfomsg *m = NLMSG_DATA(h);
	struct nr_xdp_link *l = f->fill;

	if (h->nlmsg_type != RTM_NEWLINK || (uint32_t)m->ifi_index != l->ifindex)
		return;
	l->type = m->ifi_type;
	l->mtu = number(attribute(h, sizeof(*m), IFLA_MTU));
	l->master = number(attribute(h, sizeof(*m), IFLA_MASTER));
	l->n_queues = number(attribute(h, sizeof(*m), IFLA_NUM_RX_QUEUES));
	kind_of(h, l->kind, sizeof(l->kind));
}

/* An interface that lies on ours: a VLAN, a macvlan. A veth's "link" is its peer. */
static void upper_found(struct finding *f, const struct nlmsghdr *h)
{
	const struct ifinfomsg *m = NLMSG_DATA(h);
	char name[IF_NAMESIZE], kind[16];

	if (h->nlmsg_type != RTM_NEWLINK || f->why[0] ||
	    (uint32_t)m->ifi_index == f->link->ifindex ||
	    number(attribute(h, sizeof(*m), IFLA_LINK)) != f->link->ifindex ||
	    attribute(h, sizeof(*m), IFLA_LINK_NETNSID))
		return;
	kind_of(h, kind, sizeof(kind));
	if (!strcmp(kind, "veth"))
		return;
	text(attribute(h, sizeof(*m), IFLA_IFNAME), name, sizeof(name));
	snprintf(f->why, sizeof(f->why), "carries the interface %s", name);
}

static void address_found(struct finding *f, const struct nlmsghdr *h)
{
	const struct ifaddrmsg *m = NLMSG_DATA(h);
	const struct rtattr *a;
	char words[INET6_ADDRSTRLEN] = "";

	if (h->nlmsg_type != RTM_NEWADDR || f->why[0] ||
	    m->ifa_index != f->link->ifindex ||
	    (m->ifa_family == AF_INET6 && m->ifa_scope == RT_SCOPE_LINK))
		return;
	a = attribute(h, sizeof(*m), IFA_LOCAL);
	if (!a)
		a = attribute(h, sizeof(*m), IFA_ADDRESS);
	if (a && RTA_PAYLOAD(a) >= (m->ifa_family == AF_INET6 ? 16U : 4U))
		inet_ntop(m->ifa_family, RTA_DATA(a), words, sizeof(words));
	snprintf(f->why, sizeof(f->why), "has the address %s", words);
}

static bool hops_over(const struct rtattr *hops, uint32_t ifindex)
{
	const struct rtnexthop *n = RTA_DATA(hops);
	int left = (int)RTA_PAYLOAD(hops);

	while (RTNH_OK(n, left)) {
		if ((uint32_t)n->rtnh_ifindex == ifindex)
			return true;
		left -= RTNH_ALIGN(n->rtnh_len);
		n = RTNH_NEXT(n);
	}
	return false;
}

static void route_found(struct finding *f, const struct nlmsghdr *h)
{
	const struct rtmsg *m = NLMSG_DATA(h);
	const struct rtattr *hops;

	if (h->nlmsg_type != RTM_NEWROUTE || f->why[0] || m->rtm_dst_len ||
	    m->rtm_type != RTN_UNICAST)
		return;
	hops = attribute(h, sizeof(*m), RTA_MULTIPATH);
	if (number(attribute(h, sizeof(*m), RTA_OIF)) == f->link->ifindex ||
	    (hops && hops_over(hops, f->link->ifindex)))
		snprintf(f->why, sizeof(f->why), "is the way of a default route");
}

/* The driver's name, how many queues receive now (not: could), what it does to tags. */
static void ask_ethtool(struct nr_xdp_link *l, const char *name)
{
	struct ethtool_drvinfo driver = { .cmd = ETHTOOL_GDRVINFO };
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };
	struct ethtool_value flags = { .cmd = ETHTOOL_GFLAGS };
	struct ifreq r = { .ifr_data = (void *)&driver };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (ioctl(fd, SIOCETHTOOL, &r) == 0)
		snprintf(l->driver, sizeof(l->driver), "%s", driver.driver);
	r.ifr_data = (void *)&channels;
	if (ioctl(fd, SIOCETHTOOL, &r) == 0 &&
	    channels.rx_count + channels.combined_count > 0)
		l->n_queues = channels.rx_count + channels.combined_count;
	r.ifr_data = (void *)&flags;
	if (ioctl(fd, SIOCETHTOOL, &r) == 0)
		l->takes_tags = flags.data & ETH_FLAG_RXVLAN;
	close(fd);
}

int nr_xdp_link_read(struct nr_xdp_link *l, const char *name, struct nr_err *err)
{
	struct finding f = { .fill = l };
	int rc;

	*l = (struct nr_xdp_link){ .ifindex = if_nametoindex(name) };
	if (!l->ifindex)
		return nr_fail(err, -ENODEV, "there is no interface %s: see ip link",
			       name);
	rc = dump(RTM_GETLINK, link_fill, &f);
	if (rc)
		return nr_fail(err, rc, "the kernel does not describe %s: %s", name,
			       strerror(-rc));
	ask_ethtool(l, name);
	if (!l->n_queues)
		l->n_queues = 1;
	return 0;
}

int nr_xdp_takes(const struct nr_xdp_link *l, const char *name, char why[NR_XDP_WHY],
		 struct nr_err *err)
{
	struct finding f = { .link = l };
	char master[IF_NAMESIZE] = "a bridge";
	int rc = 0;

	if (l->master) {
		if_indextoname(l->master, master);
		snprintf(f.why, sizeof(f.why), "is a port of %s", master);
	}
	if (!f.why[0])
		rc = dump(RTM_GETADDR, address_found, &f);
	if (rc == 0 && !f.why[0])
		rc = dump(RTM_GETROUTE, route_found, &f);
	if (rc == 0 && !f.why[0])
		rc = dump(RTM_GETLINK, upper_found, &f);
	if (rc)
		return nr_fail(err, rc, "the kernel does not say who uses %s: %s", name,
			       strerror(-rc));
	if (!f.why[0])
		return 0;
	snprintf(why, NR_XDP_WHY, "%s, and xdp takes what it captures away from the host",
		 f.why);
	return 1;
}

int nr_xdp_guard(const struct nr_xdp_link *l, const char *name, struct nr_err *err)
{
	char why[NR_XDP_WHY];
	int rc = nr_xdp_takes(l, name, why, err);

	if (rc <= 0)
		return rc;
	return nr_fail(err, -EADDRINUSE,
		       "%s %s: take --backend tpacket; or mirror %s to a veth pair and "
		       "capture there (nrtool-capture(1), MIRROR); or say --take-traffic",
		       name, why, name);
}
