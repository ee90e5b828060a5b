/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * TPACKET_V3: the kernel fills blocks of a mapped ring and hands them over whole, when
 * they are full or the block timeout has passed. Nothing is copied: views point into the
 * ring, and a block goes back when the last of them is done with.
 *
 * A socket starts with a filter that passes nothing. When all rings of the interface are
 * bound and in their fanout group the real one takes its place and is locked, so that no
 * packet is seen twice or unfiltered in between.
 */
#include "source/live.h"

/* before those of linux/, which know what it has declared */
#include <net/if.h>

#include "base/mem.h"
#include "source/live_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/filter.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Of newer kernels than the headers may be. */
#ifndef TP_STATUS_GSO_TCP
#define TP_STATUS_GSO_TCP (1 << 8)
#endif

enum {
	BLOCK = 1 << 20,
	MIN_BLOCK = 4096,
	MIN_BLOCKS = 4, /* of a ring */
	FRAME = 2048,   /* of no meaning in version 3, but it must divide the block */
	MAX_RINGS = 64,
	TAG_LEN = 4,
	MACS = 2 * ETH_ALEN,
	AHEAD = 4096, /* bytes of a block asked for before they are read */
	CACHE_LINE = 64,
};

/* One socket and its ring. Blocks that are out hold it. */
struct ring {
	int fd;
	uint8_t *map;
	size_t map_len;
	uint32_t block_size, n_blocks;
	struct nr_block **block;  /* n_blocks of them */
	atomic_bool *is_out;      /* a block that has not come back */
	atomic_uint refs;         /* the owner and every block that is out */
	uint32_t next;            /* the block to look at */
	struct nr_block *current; /* being read; a reference held */
	const uint8_t *at;        /* header of its next packet */
	uint32_t left;            /* packets in it from there on */
	struct nr_live_stats stats;
	uint64_t stamps[3]; /* packets by kind of time stamp */
	uint64_t accepted;  /* read, and not refused by the exact filter */
};

static const char *const stamp_names[] = { "hardware", "software", "ring" };

struct tpacket {
	struct ring **ring;
	struct nr_live_filter *filter;
	uint32_t snap_len;
	uint16_t link_type;
	bool in_only;
	int missed_fd; /* /sys/class/net/NAME/statistics/rx_missed_errors, or -1 */
	uint64_t missed_before;
};

static struct tpacket *ctx_of(const struct nr_live *l)
{
	return (struct tpacket *)(uintptr_t)l->ctx;
}

static struct tpacket_block_desc *desc_of(const struct ring *r, uint32_t i)
{
	return (struct tpacket_block_desc *)(void *)(r->map + (size_t)i * r->block_size);
}

static void ring_unref(struct ring *r)
{
	if (atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (uint32_t i = 0; r->block && i < r->n_blocks; i++)
		nr_block_lent_free(r->block[i]);
	nr_free(r->block);
	nr_free(r->is_out);
	if (r->map)
		munmap(r->map, r->map_len);
	if (r->fd >= 0)
		close(r->fd);
	nr_free(r);
}

/* The last user of a block has let go: it is the kernel's again. */
static void block_back(void *arg, struct nr_block *b)
{
	struct ring *r = arg;
	uint32_t i = (uint32_t)((size_t)(nr_block_data(b) - r->map) / r->block_size);

	__atomic_store_n(&desc_of(r, i)->hdr.bh1.block_status, TP_STATUS_KERNEL,
			 __ATOMIC_RELEASE);
	/* Last: who sees that it is back must not see that it is still the user's. */
	atomic_store_explicit(&r->is_out[i], false, memory_order_release);
	ring_unref(r);
}

/* ---- opening ------------------------------------------------------------------- */

static int refused(const struct nr_live *l, const char *what, struct nr_err *err)
{
	int e = errno;

	if (e == EPERM)
		return nr_fail(err, -EPERM,
			       "cannot capture on %s: %s needs the capability "
			       "CAP_NET_RAW; run as root, or: setcap cap_net_raw=ep "
			       "nrtool",
			       l->name, what);
	return nr_fail(err, -e, "cannot capture on %s: %s: %s", l->name, what,
		       strerror(e));
}

static int set(int fd, int option, const void *p, socklen_t n)
{
	return setsockopt(fd, SOL_PACKET, option, p, n);
}

static int set_int(int fd, int option, int value)
{
	return set(fd, option, &value, sizeof(value));
}

static int attach(int fd, const struct nr_bpf *p, size_t n)
{
	struct sock_filter *f = nr_xcalloc(n, sizeof(*f));
	struct sock_fprog prog = { (unsigned short)n, f };
	int rc;

	for (size_t i = 0; i < n; i++)
		f[i] = (struct sock_filter){ p[i].code, p[i].jt, p[i].jf, p[i].k };
	rc = setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog));
	nr_free(f);
	return rc;
}

/*
 * Times of the moment of receipt need SO_TIMESTAMPING: without it a packet's time is that
 * of its copy into the ring. Hardware times come where the NIC was told to make them.
 */
static int set_times(int fd, bool hardware)
{
	int want = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
	int ring = SOF_TIMESTAMPING_SOFTWARE;

	if (hardware) {
		want |= SOF_TIMESTAMPING_RX_HARDWARE | SOF_TIMESTAMPING_RAW_HARDWARE;
		ring |= SOF_TIMESTAMPING_RAW_HARDWARE;
	}
	if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &want, sizeof(want)))
		return -1;
	return set_int(fd, PACKET_TIMESTAMP, ring);
}

static uint32_t block_size_for(uint64_t ring_size)
{
	uint32_t b = BLOCK;

	while (b > MIN_BLOCK && b * (uint64_t)MIN_BLOCKS > ring_size)
		b /= 2;
	return b;
}

static int map_ring(struct nr_live *l, struct ring *r, const struct nr_live_options *o,
		    struct nr_err *err)
{
	struct tpacket_req3 q = { .tp_frame_size = FRAME };

	q.tp_block_size = block_size_for(o->ring_size);
	q.tp_block_nr = (unsigned)(o->ring_size / q.tp_block_size);
	q.tp_frame_nr = q.tp_block_nr * (q.tp_block_size / FRAME);
	q.tp_retire_blk_tov = (unsigned)(o->block_timeout / 1000000);
	if (o->ring_size > UINT32_MAX || q.tp_block_nr < MIN_BLOCKS)
		return nr_fail(err, -EINVAL,
			       "--ring-size must lie between %dK and 4095M, and is %llu "
			       "bytes",
			       MIN_BLOCK * MIN_BLOCKS / 1024,
			       (unsigned long long)o->ring_size);
	if (set(r->fd, PACKET_RX_RING, &q, sizeof(q)))
		return nr_fail(err, -errno,
			       "cannot make a ring of %llu bytes for %s: %s; try a "
			       "smaller --ring-size",
			       (unsigned long long)o->ring_size, l->name,
			       strerror(errno));
	r->block_size = q.tp_block_size;
	r->n_blocks = q.tp_block_nr;
	r->map_len = (size_t)q.tp_block_size * q.tp_block_nr;
	r->map = mmap(NULL, r->map_len, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	if (r->map == MAP_FAILED) {
		r->map = NULL;
		return refused(l, "mapping the ring", err);
	}
	r->block = nr_xcalloc(r->n_blocks, sizeof(*r->block));
	r->is_out = nr_xcalloc(r->n_blocks, sizeof(*r->is_out));
	for (uint32_t i = 0; i < r->n_blocks; i++)
		r->block[i] =
			nr_block_lent_new(desc_of(r, i), r->block_size, block_back, r);
	return 0;
}

static int bind_ring(struct nr_live *l, struct ring *r, const struct nr_live_options *o,
		     struct nr_err *err)
{
	struct sockaddr_ll a = { .sll_family = AF_PACKET,
				 .sll_protocol = __builtin_bswap16(ETH_P_ALL),
				 .sll_ifindex = l->ifindex };
	struct packet_mreq m = { .mr_ifindex = l->ifindex, .mr_type = PACKET_MR_PROMISC };

	if (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)
		a.sll_protocol = ETH_P_ALL;
	if (bind(r->fd, (const struct sockaddr *)&a, sizeof(a)) && errno != ENETDOWN)
		return refused(l, "binding a packet socket", err);
	if (!o->no_promisc && set(r->fd, PACKET_ADD_MEMBERSHIP, &m, sizeof(m)))
		return refused(l, "promiscuous mode", err);
	return 0;
}

static int open_ring(struct nr_live *l, struct ring *r, const struct nr_live_options *o,
		     bool ignore_outgoing, struct nr_err *err)
{
	static const struct nr_bpf nothing = { BPF_RET | BPF_K, 0, 0, 0 };
	int rc;

	r->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (r->fd < 0)
		return refused(l, "a packet socket", err);
	if (set_int(r->fd, PACKET_VERSION, TPACKET_V3))
		return refused(l, "TPACKET_V3", err);
	if (set_int(r->fd, PACKET_RESERVE, TAG_LEN))
		return refused(l, "room for VLAN tags", err);
	if (ignore_outgoing && set_int(r->fd, PACKET_IGNORE_OUTGOING, 1))
		return refused(l, "PACKET_IGNORE_OUTGOING", err);
	if (attach(r->fd, &nothing, 1))
		return refused(l, "attaching a filter", err);
	if (set_times(r->fd, o->hardware_time))
		return refused(l, "time stamps of the kernel", err);
	rc = map_ring(l, r, o, err);
	return rc ? rc : bind_ring(l, r, o, err);
}

/*
 * The rings of one interface share its packets by a symmetric hash of the flow. Without
 * the DEFRAG flag, which would hand over reassembled datagrams in place of the frames.
 */
static int join(struct nr_live *l, int *group, int fd, struct nr_err *err)
{
	socklen_t n = sizeof(*group);
	int arg = PACKET_FANOUT_HASH << 16;

	if (*group < 0)
		arg |= PACKET_FANOUT_FLAG_UNIQUEID << 16;
	else
		arg |= *group & 0xffff;
	if (set_int(fd, PACKET_FANOUT, arg))
		return nr_fail(err, -errno,
			       "the rings of %s cannot share its packets: %s%s", l->name,
			       strerror(errno),
			       errno == EINVAL ? " (the interface must be up)" : "");
	if (*group < 0 && getsockopt(fd, SOL_PACKET, PACKET_FANOUT, group, &n))
		return refused(l, "the number of the fanout group", err);
	return 0;
}

/* Everything is in place: packets may come. */
static int start(struct nr_live *l, struct ring *r, struct nr_err *err)
{
	struct tpacket *t = ctx_of(l);
	int one = 1;
	size_t n;
	const struct nr_bpf *p = nr_live_filter_program(t->filter, &n);

	if (attach(r->fd, p, n))
		return refused(l, "attaching the filter", err);
	if (setsockopt(r->fd, SOL_SOCKET, SO_LOCK_FILTER, &one, sizeof(one)))
		return refused(l, "locking the filter", err);
	return 0;
}

static int link_type_of(struct nr_live *l, int fd, bool *is_loopback, struct nr_err *err)
{
	struct ifreq q = { 0 };

	snprintf(q.ifr_name, sizeof(q.ifr_name), "%s", l->name);
	if (ioctl(fd, SIOCGIFHWADDR, &q))
		return refused(l, "asking for its type", err);
	*is_loopback = q.ifr_hwaddr.sa_family == ARPHRD_LOOPBACK;
	switch (q.ifr_hwaddr.sa_family) {
	case ARPHRD_ETHER:
	case ARPHRD_LOOPBACK:
		l->link_type = 1;
		return 0;
	case ARPHRD_NONE:
	case ARPHRD_RAWIP:
	case ARPHRD_PPP:
	case ARPHRD_TUNNEL:
	case ARPHRD_TUNNEL6:
	case ARPHRD_SIT:
		l->link_type = 101;
		return 0;
	case ARPHRD_IEEE80211:
		l->link_type = 105;
		return 0;
	case ARPHRD_IEEE80211_RADIOTAP:
		l->link_type = 127;
		return 0;
	default:
		return nr_fail(err, -EOPNOTSUPP,
			       "interface %s is of a type (ARPHRD %u) that is not known "
			       "here",
			       l->name, q.ifr_hwaddr.sa_family);
	}
}

static void learn_driver(struct nr_live *l, int fd)
{
	struct ethtool_drvinfo d = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq q = { .ifr_data = (void *)&d };

	snprintf(q.ifr_name, sizeof(q.ifr_name), "%s", l->name);
	if (!ioctl(fd, SIOCETHTOOL, &q))
		snprintf(l->hardware, sizeof(l->hardware), "%.32s", d.driver);
}

/* What kind of interface it is: link type, index, driver. */
static int look_at(struct nr_live *l, bool *is_loopback, struct nr_err *err)
{
	int rc, fd;

	if (strlen(l->name) >= IFNAMSIZ)
		return nr_fail(err, -ENODEV, "there is no interface '%s'", l->name);
	l->ifindex = (int)if_nametoindex(l->name);
	if (!l->ifindex)
		return nr_fail(err, -ENODEV,
			       "there is no interface '%s'; ip link lists them", l->name);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return refused(l, "a socket", err);
	rc = link_type_of(l, fd, is_loopback, err);
	learn_driver(l, fd);
	close(fd);
	return rc;
}

static uint64_t missed(const struct tpacket *t)
{
	char text[32];
	ssize_t n =
		t->missed_fd < 0 ? -1 : pread(t->missed_fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return UINT64_MAX;
	text[n] = 0;
	return strtoull(text, NULL, 10);
}

static void open_missed(struct nr_live *l)
{
	struct tpacket *t = ctx_of(l);
	char path[96];

	snprintf(path, sizeof(path), "/sys/class/net/%.20s/statistics/rx_missed_errors",
		 l->name);
	t->missed_fd = open(path, O_RDONLY | O_CLOEXEC);
	t->missed_before = missed(t);
}

static void tpacket_close(struct nr_live *l);

static int open_all(struct nr_live *l, const struct nr_live_options *o,
		    struct nr_err *err)
{
	struct tpacket *t = ctx_of(l);
	unsigned rings = o->rings ? o->rings : 1;
	bool is_loopback = false;
	int group = -1, rc = look_at(l, &is_loopback, err);

	if (!rc && rings > MAX_RINGS)
		rc = nr_fail(err, -EINVAL, "at most %d rings", MAX_RINGS);
	if (rc)
		return rc;
	rc = nr_live_filter_new(&t->filter, o->filter, l->link_type, o->snap_len,
				o->direction == NR_LIVE_OUT && !is_loopback, err);
	/* tagged frames are judged here then */
	if (!rc && !nr_live_filter_is_exact(t->filter))
		rc = nr_live_filter_refuse_direction(t->filter, "tpacket", err);
	t->snap_len = o->snap_len;
	t->link_type = l->link_type;
	t->ring = nr_xcalloc(rings, sizeof(*t->ring));
	/* the loopback interface sees each packet leave and arrive */
	for (unsigned i = 0; !rc && i < rings; i++) {
		struct ring *r = nr_xcalloc(1, sizeof(*r));

		r->fd = -1;
		atomic_init(&r->refs, 1);
		t->ring[l->n_rings++] = r;
		rc = open_ring(l, r, o, is_loopback || o->direction == NR_LIVE_IN, err);
		if (!rc && rings > 1)
			rc = join(l, &group, r->fd, err);
	}
	for (unsigned i = 0; !rc && i < rings; i++)
		rc = start(l, t->ring[i], err);
	return rc;
}

static int tpacket_open(struct nr_live *l, const struct nr_live_options *o,
			struct nr_err *err)
{
	struct tpacket *t = ctx_of(l);
	int rc;

	t->missed_fd = -1;
	rc = open_all(l, o, err);
	if (rc) {
		tpacket_close(l);
		return rc;
	}
	open_missed(l);
	l->snap_len = o->snap_len;
	snprintf(l->description, sizeof(l->description), "tpacket, %s time stamps",
		 o->hardware_time ? "hardware" : "software");
	return 0;
}

static void tpacket_close(struct nr_live *l)
{
	struct tpacket *t = ctx_of(l);

	for (unsigned i = 0; i < l->n_rings; i++) {
		nr_block_unref(t->ring[i]->current);
		ring_unref(t->ring[i]);
	}
	nr_free(t->ring);
	nr_live_filter_free(t->filter);
	if (t->missed_fd >= 0)
		close(t->missed_fd);
}

/* ---- reading ------------------------------------------------------------------- */

/* Makes the next block current: false where the kernel has not handed it over. */
static bool next_block(struct ring *r)
{
	struct tpacket_block_desc *d = desc_of(r, r->next);
	struct nr_block *b = r->block[r->next];

	/* one that is still out is not handed over again: the ring is full */
	if (atomic_load_explicit(&r->is_out[r->next], memory_order_acquire))
		return false;
	if (!(__atomic_load_n(&d->hdr.bh1.block_status, __ATOMIC_ACQUIRE) &
	      TP_STATUS_USER))
		return false;
	atomic_store_explicit(&r->is_out[r->next], true, memory_order_relaxed);
	atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
	nr_block_lend(b);
	r->current = b;
	r->at = (const uint8_t *)d + d->hdr.bh1.offset_to_first_pkt;
	r->left = d->hdr.bh1.num_pkts;
	r->next = r->next + 1 == r->n_blocks ? 0 : r->next + 1;
	return true;
}

static uint8_t flags_of(const struct tpacket3_hdr *h)
{
	const struct sockaddr_ll *a =
		(const void *)((const uint8_t *)h + TPACKET_ALIGN(sizeof(*h)));
	uint8_t f = a->sll_pkttype == PACKET_OUTGOING ? NR_PKT_OUTBOUND : NR_PKT_INBOUND;

	if (h->tp_status & TP_STATUS_CSUMNOTREADY)
		f |= NR_PKT_CSUM_NOT_READY;
	if (h->tp_status & TP_STATUS_CSUM_VALID)
		f |= NR_PKT_CSUM_VALID;
	if (h->tp_status & TP_STATUS_GSO_TCP)
		f |= NR_PKT_TSO;
	return f;
}

/*
 * Puts the outer tag back where it was on the wire: the addresses move into the room that
 * PACKET_RESERVE left in front of the frame.
 */
static void put_tag_back(struct nr_packet *v, const struct tpacket3_hdr *h)
{
	uint16_t tpid = h->tp_status & TP_STATUS_VLAN_TPID_VALID ? h->hv1.tp_vlan_tpid
								 : ETH_P_8021Q;
	uint16_t tci = (uint16_t)h->hv1.tp_vlan_tci;
	uint8_t *p = (uint8_t *)(uintptr_t)v->data - TAG_LEN;

	if (v->cap_len < MACS)
		return;
	memmove(p, v->data, MACS);
	p[MACS] = (uint8_t)(tpid >> 8);
	p[MACS + 1] = (uint8_t)tpid;
	p[MACS + 2] = (uint8_t)(tci >> 8);
	p[MACS + 3] = (uint8_t)tci;
	v->data = p;
	v->cap_len += TAG_LEN;
	v->wire_len += TAG_LEN;
}

/* The packet at r->at as a view; false: the exact filter does not want it. */
static bool view_of(const struct tpacket *t, struct ring *r, struct nr_packet *v)
{
	const struct tpacket3_hdr *h = (const void *)r->at;
	bool wanted = true;

	*v = (struct nr_packet){
		.data = r->at + h->tp_mac,
		.cap_len = h->tp_snaplen,
		.wire_len = h->tp_len,
		.ts_ns = h->tp_sec * INT64_C(1000000000) + h->tp_nsec,
		.link_type = t->link_type,
		.flags = flags_of(h),
		.block = r->current,
	};
	if ((h->tp_status & TP_STATUS_VLAN_VALID) && t->link_type == 1) {
		put_tag_back(v, h);
		wanted = nr_live_filter_is_exact(t->filter) ||
			 nr_live_filter_pass(t->filter, v->data, v->cap_len, v->wire_len);
		if (t->snap_len && v->cap_len > t->snap_len)
			v->cap_len = t->snap_len;
	}
	r->stamps[h->tp_status & TP_STATUS_TS_RAW_HARDWARE ? 0
		  : h->tp_status & TP_STATUS_TS_SOFTWARE   ? 1
							   : 2]++;
	return wanted;
}

/*
 * The kernel has written the block on another CPU: every line of it is in that one's
 * cache. All of it will be read, so it is asked for some packets ahead of the reading.
 */
static void ask_ahead(const struct ring *r, uint32_t n)
{
	const uint8_t *end = nr_block_data(r->current) + r->block_size;
	const uint8_t *p = r->at + AHEAD;

	if (end - r->at <= AHEAD)
		return;
	if ((size_t)(end - p) < n)
		n = (uint32_t)(end - p);
	for (uint32_t i = 0; i < n; i += CACHE_LINE)
		__builtin_prefetch(p + i);
}

static void pass(struct ring *r)
{
	const struct tpacket3_hdr *h = (const void *)r->at;

	ask_ahead(r, h->tp_next_offset);
	r->at += h->tp_next_offset;
	if (!r->left || !--r->left) {
		nr_block_unref(r->current);
		r->current = NULL;
	}
}

/*
 * Down and up again is one error on the socket, after which the same ring goes on. That
 * an interface is gone shows in the same way: rtnetlink tells them apart, above.
 */
static int nothing_now(struct ring *r)
{
	int e = 0;
	socklen_t n = sizeof(e);

	if (!getsockopt(r->fd, SOL_SOCKET, SO_ERROR, &e, &n) && e)
		return -ENETDOWN;
	return 0;
}

static int tpacket_read(struct nr_live *l, unsigned ring, struct nr_batch *b,
			unsigned max, struct nr_err *err)
{
	const struct tpacket *t = ctx_of(l);
	struct ring *r = t->ring[ring];
	unsigned n = 0;

	(void)err;
	while (n < max && b->n < NR_BATCH_MAX) {
		struct nr_packet v;

		if (!r->current && !next_block(r))
			break;
		if (!r->left) { /* a block may be handed over empty */
			pass(r);
			continue;
		}
		if (view_of(t, r, &v)) {
			nr_batch_add(b, &v);
			n++;
		}
		pass(r);
	}
	r->accepted += n;
	return n ? (int)n : nothing_now(r);
}

static int tpacket_fd(const struct nr_live *l, unsigned ring)
{
	return ctx_of(l)->ring[ring]->fd;
}

static void tpacket_stats(struct nr_live *l, unsigned ring, struct nr_live_stats *st)
{
	struct tpacket *t = ctx_of(l);
	struct ring *r = t->ring[ring];
	struct tpacket_stats_v3 s = { 0 };
	socklen_t n = sizeof(s);
	uint64_t now = missed(t);
	int at = 0;

	/* 32 bits, set to 0 by each question; tp_packets counts the drops too */
	if (!getsockopt(r->fd, SOL_PACKET, PACKET_STATISTICS, &s, &n)) {
		r->stats.received += s.tp_packets - s.tp_drops;
		r->stats.dropped += s.tp_drops;
		r->stats.freezes += s.tp_freeze_q_cnt;
	}
	*st = r->stats;
	/* the kernel lets more pass, and what waits in the ring is not looked at yet */
	if (!nr_live_filter_is_exact(t->filter))
		st->received = r->accepted;
	/* the NIC knows of the interface, not of its rings: it is told with the first */
	st->dropped_interface = now == UINT64_MAX || t->missed_before == UINT64_MAX
					? UINT64_MAX
				: ring ? 0
				       : now - t->missed_before;
	for (unsigned i = 0; i < 3; i++)
		if (r->stamps[i])
			at += snprintf(st->detail + at, sizeof(st->detail) - (size_t)at,
				       "%s\"%s_times\":%llu", at ? "," : "",
				       stamp_names[i], (unsigned long long)r->stamps[i]);
}

const struct nr_live_ops nr_live_tpacket = {
	.name = "tpacket",
	.doc = "TPACKET_V3 of Linux: a ring shared with the kernel, nothing is copied",
	.ctx_size = sizeof(struct tpacket),
	.open = tpacket_open,
	.read = tpacket_read,
	.fd = tpacket_fd,
	.stats = tpacket_stats,
	.close = tpacket_close,
};
