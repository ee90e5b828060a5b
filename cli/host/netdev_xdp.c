/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/netdev_xdp.h"

#include <linux/genetlink.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { /* of include/uapi/linux/netdev.h, which older headers lack */
       CMD_DEV_GET = 1,
       ATTR_IFINDEX = 1,
       ATTR_XDP_FEATURES = 3,
       ROOM = 4096,
};

/* One attribute behind a generic header; the longest is the name of a family. */
struct question {
	struct nlmsghdr h;
	struct genlmsghdr g;
	struct nlattr a;
	char value[16];
};

/* Asks and copies the attribute `want` of the answer. */
static bool ask(int fd, uint16_t family, uint8_t cmd, uint16_t attr, const void *value,
		size_t n, uint16_t want, void *out, size_t out_len)
{
	struct question q = { .g = { .cmd = cmd, .version = 1 } };
	_Alignas(8) char buf[ROOM];
	const struct nlmsghdr *h = (const struct nlmsghdr *)(const void *)buf;
	const char *p, *end;
	ssize_t len;

	memcpy(q.value, value, n);
	q.a.nla_type = attr;
	q.a.nla_len = (uint16_t)(NLA_HDRLEN + n);
	q.h.nlmsg_len = (uint32_t)(NLMSG_LENGTH(GENL_HDRLEN) + NLA_ALIGN(q.a.nla_len));
	q.h.nlmsg_type = family;
	q.h.nlmsg_flags = NLM_F_REQUEST;
	if (send(fd, &q, q.h.nlmsg_len, 0) < 0)
		return false;
	len = recv(fd, buf, sizeof(buf), 0);
	if (len < (ssize_t)NLMSG_LENGTH(GENL_HDRLEN) || h->nlmsg_type == NLMSG_ERROR ||
	    h->nlmsg_len > (size_t)len)
		return false;
	p = (const char *)NLMSG_DATA(h) + GENL_HDRLEN;
	end = buf + h->nlmsg_len;
	while ((size_t)(end - p) >= NLA_HDRLEN) {
		struct nlattr a;

		memcpy(&a, p, sizeof(a));
		if (a.nla_len < NLA_HDRLEN || (size_t)(end - p) < a.nla_len)
			return false;
		if ((a.nla_type & NLA_TYPE_MASK) == want &&
		    a.nla_len - NLA_HDRLEN >= (int)out_len) {
			memcpy(out, p + NLA_HDRLEN, out_len);
			return true;
		}
		if (end - p < (ptrdiff_t)NLA_ALIGN(a.nla_len))
			return false;
		p += NLA_ALIGN(a.nla_len);
	}
	return false;
}

void nr_netdev_ask_xdp(struct nr_netdev *d)
{
	static const char name[] = "netdev";
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	uint32_t ifindex = (uint32_t)d->ifindex;
	uint16_t family;
	uint64_t bits;

	if (fd < 0)
		return;
	if (ask(fd, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, name,
		sizeof(name), CTRL_ATTR_FAMILY_ID, &family, sizeof(family)) &&
	    ask(fd, family, CMD_DEV_GET, ATTR_IFINDEX, &ifindex, sizeof(ifindex),
		ATTR_XDP_FEATURES, &bits, sizeof(bits))) {
		d->xdp_known = true;
		d->xdp_features = bits;
	}
	close(fd);
}
