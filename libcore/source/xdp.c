/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * AF_XDP as a live source: a program on the interface, a socket (a ring) on each of its
 * queues. Frames come before the kernel's network stack sees them, tags in their place,
 * and do not reach it.
 */
#include "base/mem.h"
#include "source/live.h"
#include "source/live_filter.h"
#include "source/xdp_guard.h"
#include "source/xdp_prog.h"
#include "source/xdp_ring.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	LINK_ETHERNET = 1,
	LINK_RAW = 101,
	NS_PER_S = 1000000000,
	TAG_LEN = 4,
	MACS = 12,
};

struct ring {
	struct nr_xdp_ring *xsk;
	uint64_t received; /* that passed the filter */
	uint64_t filtered;
	int64_t last_ns; /* of a frame of this ring */
};

struct xdp {
	struct nr_xdp_prog *prog;
	struct ring *rings;
	unsigned n;
	uint32_t snap_len;
	int promisc_fd;
	uint64_t early; /* frames that came before their queue had a socket */
	struct nr_live_filter *filter;
};

static struct xdp *ctx_of(const struct nr_live *l)
{
	return (struct xdp *)l->ctx;
}

static void xdp_close(struct nr_live *l)
{
	struct xdp *x = ctx_of(l);

	if (x->prog)
		nr_xdp_prog_detach(x->prog);
	for (unsigned i = 0; i < x->n; i++)
		nr_xdp_ring_close(x->rings[i].xsk);
	nr_free(x->rings);
	nr_xdp_prog_close(x->prog);
	if (x->promisc_fd > 0)
		close(x->promisc_fd);
	nr_live_filter_free(x->filter);
	*x = (struct xdp){ 0 };
}

/* A packet socket that receives nothing keeps the interface promiscuous, and lets go of
   it with this process. */
static void promisc_open(struct nr_live *l)
{
	struct packet_mreq m = { .mr_ifindex = l->ifindex, .mr_type = PACKET_MR_PROMISC };
	struct xdp *x = ctx_of(l);

	x->promisc_fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (x->promisc_fd >= 0)
		setsockopt(x->promisc_fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &m,
			   sizeof(m));
}

static int rings_open(struct nr_live *l, const struct nr_live_options *o,
		      const struct nr_xdp_link *link, struct nr_err *err)
{
	struct xdp *x = ctx_of(l);
	struct nr_xdp_count c;
	int rc = 0;

	x->rings = nr_xcalloc(link->n_queues, sizeof(*x->rings));
	for (uint32_t q = 0; q < link->n_queues && rc == 0; q++) {
		const struct nr_xdp_ring_options opt = {
			.name = l->name,
			.queue = q,
			.bytes = o->ring_size / link->n_queues,
			.mtu = link->mtu,
			.native = nr_xdp_prog_info(x->prog)->mode == NR_XDP_NATIVE,
		};

		rc = nr_xdp_ring_open(&x->rings[q].xsk, &opt, err);
		if (rc == 0) {
			x->n++;
			rc = nr_xdp_prog_socket(
				x->prog, q, nr_xdp_ring_info(x->rings[q].xsk)->fd, err);
		}
	}
	nr_xdp_prog_counts(x->prog, &c);
	x->early = c.no_socket;
	return rc;
}

static void describe(struct nr_live *l, const struct nr_xdp_link *link)
{
	const struct xdp *x = ctx_of(l);
	const struct nr_xdp_prog_info *p = nr_xdp_prog_info(x->prog);
	const struct nr_xdp_ring_info *r = nr_xdp_ring_info(x->rings[0].xsk);

	snprintf(l->description, sizeof(l->description),
		 "xdp, %s%s%s%s, %s, %u queue%s, received frames%s, %s time stamps",
		 p->mode == NR_XDP_NATIVE ? "native" : "generic",
		 p->not_native ? " (in the driver: " : "",
		 p->not_native ? strerror(-p->not_native) : "", p->not_native ? ")" : "",
		 r->zero_copy ? "zero-copy" : "copied", x->n, x->n == 1 ? "" : "s",
		 link->takes_tags && !p->device_tags ? " without tags that rxvlan takes"
						     : "",
		 p->device_time ? "hardware or software" : "software");
	snprintf(l->hardware, sizeof(l->hardware), "%s", link->driver);
}

static int check(struct nr_live *l, const struct nr_live_options *o,
		 const struct nr_xdp_link *link, struct nr_err *err)
{
	if (link->type != ARPHRD_ETHER && link->type != ARPHRD_LOOPBACK &&
	    link->type != ARPHRD_NONE)
		return nr_fail(err, -EINVAL,
			       "%s is no Ethernet interface: xdp cannot capture there; "
			       "take --backend tpacket or pcap",
			       l->name);
	if (o->direction == NR_LIVE_OUT)
		return nr_fail(err, -EINVAL,
			       "xdp sees only what %s receives: take --backend tpacket "
			       "for what it sends",
			       l->name);
	if (o->rings && o->rings != link->n_queues)
		return nr_fail(err, -EINVAL,
			       "xdp has one ring for each queue, and %s has %u: leave "
			       "--rings away, or change them with ethtool -L",
			       l->name, link->n_queues);
	if (link->n_queues > NR_XDP_QUEUES)
		return nr_fail(err, -EINVAL,
			       "%s has %u queues, xdp takes %d at most: ethtool -L %s "
			       "makes them fewer",
			       l->name, link->n_queues, NR_XDP_QUEUES, l->name);
	return o->take_traffic ? 0 : nr_xdp_guard(link, l->name, err);
}

static int xdp_open(struct nr_live *l, const struct nr_live_options *o,
		    struct nr_err *err)
{
	struct xdp *x = ctx_of(l);
	struct nr_xdp_link link;
	int rc = nr_xdp_link_read(&link, l->name, err);

	if (rc == 0)
		rc = check(l, o, &link, err);
	if (rc)
		return rc;
	l->ifindex = (int)link.ifindex;
	l->link_type = link.type == ARPHRD_NONE ? LINK_RAW : LINK_ETHERNET;
	l->snap_len = x->snap_len = o->snap_len;
	/* Run here: a program in XDP cannot look at all of a frame that is in pieces. */
	rc = nr_live_filter_new(&x->filter, o->filter, l->link_type, 0, false, err);
	if (rc == 0)
		rc = nr_live_filter_refuse_direction(x->filter, "xdp", err);
	if (rc == 0)
		rc = nr_xdp_prog_open(&x->prog,
				      &(struct nr_xdp_prog_options){
					      .name = l->name,
					      .ifindex = link.ifindex,
					      .mode = (enum nr_xdp_mode)o->xdp_mode,
					      .device_time = o->hardware_time,
					      .device_tags = link.takes_tags },
				      err);
	if (rc == 0)
		rc = rings_open(l, o, &link, err);
	if (rc) {
		xdp_close(l);
		return rc;
	}
	if (!o->no_promisc)
		promisc_open(l);
	l->n_rings = x->n;
	describe(l, &link);
	return 0;
}

/* Whole seconds by which TAI, the clock of the program, is ahead of UTC. */
static int64_t tai_ahead(void)
{
	struct timespec tai, utc;
	int64_t ns;

	clock_gettime(CLOCK_TAI, &tai);
	clock_gettime(CLOCK_REALTIME, &utc);
	ns = (int64_t)(tai.tv_sec - utc.tv_sec) * NS_PER_S + tai.tv_nsec - utc.tv_nsec;
	return (ns + NS_PER_S / 2) / NS_PER_S * NS_PER_S;
}

static int64_t time_of(const struct nr_xdp_meta *m, int64_t ahead)
{
	return (int64_t)m->stamp - (m->flags & NR_XDP_HARDWARE ? 0 : ahead);
}

/* Puts the outer tag back where it was on the wire. */
static void put_tag_back(struct nr_packet *v, const struct nr_xdp_meta *m)
{
	uint8_t *p = (uint8_t *)(uintptr_t)v->data - TAG_LEN;

	if (v->cap_len < MACS)
		return;
	memmove(p, v->data, MACS);
	memcpy(p + MACS, &m->tpid_be, sizeof(m->tpid_be));
	p[MACS + 2] = (uint8_t)(m->tci >> 8);
	p[MACS + 3] = (uint8_t)m->tci;
	v->data = p;
	v->cap_len += TAG_LEN;
	v->wire_len += TAG_LEN;
}

static unsigned add(struct nr_live *l, unsigned ring, struct nr_batch *b,
		    const struct nr_xdp_frame *f, unsigned n)
{
	const struct xdp *x = ctx_of(l);
	struct ring *r = &x->rings[ring];
	bool unstamped = n && nr_xdp_prog_unstamped(x->prog);
	int64_t ahead = tai_ahead(), now = unstamped ? nr_live_now() : 0;
	unsigned added = 0;

	for (unsigned i = 0; i < n; i++) {
		struct nr_packet p = {
			.data = f[i].data,
			.cap_len = f[i].cap_len,
			.wire_len = f[i].wire_len,
			.ts_ns = unstamped ? now : time_of(&f[i].meta, ahead),
			.link_type = l->link_type,
			.flags = NR_PKT_INBOUND,
			.block = f[i].block,
		};

		if (!unstamped && (f[i].meta.flags & NR_XDP_TAG))
			put_tag_back(&p, &f[i].meta);
		if (!nr_live_filter_pass(x->filter, p.data, p.cap_len, p.wire_len)) {
			r->filtered++;
			continue;
		}
		if (x->snap_len && p.cap_len > x->snap_len)
			p.cap_len = x->snap_len;
		nr_batch_add(b, &p);
		r->received++;
		added++;
	}
	return added;
}

static int xdp_read(struct nr_live *l, unsigned ring, struct nr_batch *b, unsigned max,
		    struct nr_err *err)
{
	struct nr_xdp_frame f[NR_XDP_READ_MAX];
	struct ring *r = &ctx_of(l)->rings[ring];
	uint32_t end = nr_xdp_ring_end(r->xsk);
	unsigned n, added = 0;

	/* what the filter takes out is read on, but not what comes meanwhile */
	do {
		n = nr_xdp_ring_read(r->xsk, f, max);
		added = add(l, ring, b, f, n);
	} while (!added && !nr_xdp_ring_reached(r->xsk, end));
	return (int)added;
}

static int xdp_fd(const struct nr_live *l, unsigned ring)
{
	return nr_xdp_ring_info(ctx_of(l)->rings[ring].xsk)->fd;
}

static void xdp_stats(struct nr_live *l, unsigned ring, struct nr_live_stats *st)
{
	const struct xdp *x = ctx_of(l);
	const struct ring *r = &x->rings[ring];
	struct nr_xdp_ring_stats k;
	struct nr_xdp_count c;
	int n;

	nr_xdp_ring_stats(r->xsk, &k);
	*st = (struct nr_live_stats){
		.received = r->received,
		.dropped = k.dropped,
		.dropped_interface = UINT64_MAX,
		.freezes = UINT64_MAX,
	};
	n = snprintf(st->detail, sizeof(st->detail),
		     "\"filtered\":%llu,\"no_chunk\":%llu,\"ring_full\":%llu,"
		     "\"fill_ring_empty\":%llu,\"joined\":%llu",
		     (unsigned long long)r->filtered, (unsigned long long)k.no_chunk,
		     (unsigned long long)k.ring_full, (unsigned long long)k.fill_empty,
		     (unsigned long long)k.joined);
	if (ring)
		return;
	/* of the whole interface: told with its first queue */
	nr_xdp_prog_counts(x->prog, &c);
	c.no_socket -= x->early;
	st->dropped += c.no_socket; /* a queue that was not there at the beginning */
	snprintf(st->detail + n, sizeof(st->detail) - (size_t)n,
		 ",\"seen\":%llu,\"no_socket\":%llu,\"no_stamp\":%llu,\"tags\":%llu",
		 (unsigned long long)c.seen, (unsigned long long)c.no_socket,
		 (unsigned long long)c.no_room, (unsigned long long)c.tags);
}

const struct nr_live_ops nr_live_xdp = {
	.name = "xdp",
	.doc = "AF_XDP: frames before the host's network stack, which does not get them",
	.ctx_size = sizeof(struct xdp),
	.open = xdp_open,
	.read = xdp_read,
	.fd = xdp_fd,
	.stats = xdp_stats,
	.close = xdp_close,
};
