/* SPDX-License-Identifier: BSD-3-Clause */
#include "source/link.h"

/* before those of linux/, which know what it has declared */
#include <net/if.h>

#include "base/mem.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ROOM = 32768 };

struct nr_link_watch {
	int fd, ask_fd; /* ask_fd: for ioctl */
	struct nr_link *link;
	unsigned n;
	_Alignas(8) char buf[ROOM];
};

/* What the interface is now; where it has gone between, that is said too. */
static void look_at(struct nr_link_watch *w, struct nr_link *l)
{
	struct ifreq q = { 0 };
	char name[IF_NAMESIZE];

	l->is_up = true; /* as far as anybody can tell */
	if (!l->ifindex)
		return;
	q.ifr_ifindex = l->ifindex;
	l->is_gone = ioctl(w->ask_fd, SIOCGIFNAME, &q) < 0;
	if (l->is_gone)
		return;
	memcpy(name, q.ifr_name, sizeof(name));
	snprintf(l->name, sizeof(l->name), "%s", name);
	q = (struct ifreq){ 0 };
	memcpy(q.ifr_name, name, sizeof(name));
	if (!ioctl(w->ask_fd, SIOCGIFFLAGS, &q))
		l->is_up = q.ifr_flags & IFF_UP;
}

int nr_link_watch_open(struct nr_link_watch **out, struct nr_link *links, unsigned n,
		       struct nr_err *err)
{
	struct nr_link_watch *w = nr_xcalloc(1, sizeof(*w));
	struct sockaddr_nl a = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };

	w->link = links;
	w->n = n;
	w->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
		       NETLINK_ROUTE);
	w->ask_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (w->fd < 0 || w->ask_fd < 0 ||
	    bind(w->fd, (const struct sockaddr *)&a, sizeof(a))) {
		int rc = nr_fail(err, -errno, "cannot watch the interfaces: %s",
				 strerror(errno));

		nr_link_watch_close(w);
		return rc;
	}
	for (unsigned i = 0; i < n; i++)
		look_at(w, &links[i]);
	*out = w;
	return 0;
}

int nr_link_watch_fd(const struct nr_link_watch *w)
{
	return w->fd;
}

static struct nr_link *link_of(struct nr_link_watch *w, int ifindex)
{
	for (unsigned i = 0; i < w->n; i++)
		if (w->link[i].ifindex == ifindex)
			return &w->link[i];
	return NULL;
}

static bool take(struct nr_link_watch *w, struct nlmsghdr *h)
{
	struct ifinfomsg *m = NLMSG_DATA(h);
	struct nr_link *l = link_of(w, m->ifi_index), before;
	struct rtattr *a;
	int left = (int)IFLA_PAYLOAD(h);

	if (!l || l->is_gone || m->ifi_family != AF_UNSPEC)
		return false;
	before = *l;
	l->is_gone = h->nlmsg_type == RTM_DELLINK;
	l->is_up = !l->is_gone && (m->ifi_flags & IFF_UP);
	for (a = IFLA_RTA(m); RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (a->rta_type == IFLA_IFNAME)
			snprintf(l->name, sizeof(l->name), "%.*s", (int)RTA_PAYLOAD(a),
				 (const char *)RTA_DATA(a));
	return before.is_gone != l->is_gone || before.is_up != l->is_up ||
	       strcmp(before.name, l->name) != 0;
}

bool nr_link_watch_read(struct nr_link_watch *w)
{
	bool changed = false;

	for (;;) {
		ssize_t n = recv(w->fd, w->buf, sizeof(w->buf), 0);
		struct nlmsghdr *h = (struct nlmsghdr *)(void *)w->buf;
		size_t left = n > 0 ? (size_t)n : 0;

		if (n < 0 && errno == ENOBUFS) { /* some were lost: look anew */
			for (unsigned i = 0; i < w->n; i++)
				look_at(w, &w->link[i]);
			changed = true;
			continue;
		}
		if (n <= 0)
			return changed;
		for (; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left))
			if (h->nlmsg_type == RTM_NEWLINK || h->nlmsg_type == RTM_DELLINK)
				changed |= take(w, h);
	}
}

void nr_link_watch_close(struct nr_link_watch *w)
{
	if (!w)
		return;
	if (w->fd >= 0)
		close(w->fd);
	if (w->ask_fd >= 0)
		close(w->ask_fd);
	nr_free(w);
}
