/* SPDX-License-Identifier: BSD-3-Clause */
#include "source/xdp_ring.h"

#include "base/mem.h"
#include "source/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_xdp.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <xdp/xsk.h>

#ifndef XDP_USE_SG /* Linux 6.6 */
#define XDP_USE_SG (1 << 4)
#endif
#ifndef XDP_PKT_CONTD
#define XDP_PKT_CONTD (1 << 0)
#endif

#define RELEASE_NS 2000000000L /* in all */

enum {
	HEADROOM = 256, /* XDP_PACKET_HEADROOM: what the kernel keeps free in a chunk */
	SLACK = 32,     /* beside the MTU: Ethernet header, four VLAN tags */
	RELEASE_TRIES = 20,
	MIN_CHUNKS = 64,
	MAX_CHUNKS = 1 << 20,
	JOIN_BLOCK = 256 << 10,
	JOIN_MAX = 128 << 10, /* a longer frame is cut, its length kept */
	JOIN_ROOM = NR_XDP_FRONT + JOIN_MAX,
};

_Static_assert(sizeof(struct nr_xdp_meta) == 16, "bpf_xdp_adjust_meta() takes 4 to 32");

/* The chunks of one read, given back together. */
struct lease {
	struct nr_xdp_ring *ring;
	struct nr_block *block;
	struct lease *next; /* free */
	unsigned n;
	uint64_t addr[NR_XDP_READ_MAX];
};

struct nr_xdp_ring {
	struct nr_xdp_ring_info info;
	struct nr_xdp_ring_stats own; /* what is counted here: frames, joined */
	uint8_t *memory;
	size_t memory_len;
	struct xsk_umem *umem;
	struct xsk_socket *xsk;
	struct xsk_ring_cons rx;
	struct xsk_ring_prod fill;       /* under lock: leases come back on any thread */
	struct xsk_ring_cons completion; /* libxdp wants one */
	pthread_mutex_t lock;
	struct lease *free;  /* under lock */
	unsigned refs;       /* the owner and every lease that is out; under lock */
	bool closed;         /* under lock */
	struct lease *lease; /* of the read before, held */
	/* a frame in pieces */
	struct nr_pool *pool;
	struct nr_block *join; /* held; frames are put into it one behind the other */
	size_t join_at;        /* where the next one goes, or where this one begins */
	uint32_t join_len;     /* bytes of it that are there */
	uint32_t join_wire;    /* bytes of it that came; 0: none is being joined */
	struct nr_xdp_meta join_meta;
	struct nr_block *full[NR_XDP_READ_MAX]; /* held: frames of this read lie there */
	unsigned n_full;
};

static void ring_free(struct nr_xdp_ring *r)
{
	struct lease *l;

	while ((l = r->free) != NULL) {
		r->free = l->next;
		nr_block_lent_free(l->block);
		nr_free(l);
	}
	if (r->memory)
		munmap(r->memory, r->memory_len);
	pthread_mutex_destroy(&r->lock);
	nr_free(r);
}

/* Has the kernel look at the fill ring, where it sleeps because that was empty. */
static void wake(struct nr_xdp_ring *r)
{
	char none;

	if (xsk_ring_prod__needs_wakeup(&r->fill))
		recv(r->info.fd, &none, 0, MSG_DONTWAIT);
}

/* The ring has a place for every chunk there is, so reserving cannot fail. */
static void fill(struct nr_xdp_ring *r, const uint64_t *addr, unsigned n)
{
	uint32_t at;

	if (!n || xsk_ring_prod__reserve(&r->fill, n, &at) != n)
		return;
	for (unsigned i = 0; i < n; i++)
		*xsk_ring_prod__fill_addr(&r->fill, at + i) = addr[i];
	xsk_ring_prod__submit(&r->fill, n);
	wake(r);
}

/* To be called with the lock, which it gives back. */
static void drop_ref(struct nr_xdp_ring *r)
{
	bool last = --r->refs == 0;

	pthread_mutex_unlock(&r->lock);
	if (last)
		ring_free(r);
}

/* The last user of a lease has let go. */
static void lease_release(void *arg, struct nr_block *b)
{
	struct lease *l = arg;
	struct nr_xdp_ring *r = l->ring;

	pthread_mutex_lock(&r->lock);
	if (!r->closed)
		fill(r, l->addr, l->n);
	l->next = r->free;
	r->free = l;
	drop_ref(r);
}

static struct lease *lease_get(struct nr_xdp_ring *r)
{
	struct lease *l;

	pthread_mutex_lock(&r->lock);
	l = r->free;
	if (l)
		r->free = l->next;
	r->refs++;
	pthread_mutex_unlock(&r->lock);
	if (!l) {
		l = nr_xcalloc(1, sizeof(*l));
		l->ring = r;
		l->block = nr_block_lent_new(r->memory, r->memory_len, lease_release, l);
	}
	nr_block_lend(l->block);
	l->n = 0;
	return l;
}

/* There are HEADROOM bytes in front of a frame, so this may be read in any case. */
static struct nr_xdp_meta meta_of(const uint8_t *data)
{
	struct nr_xdp_meta m;

	memcpy(&m, data - sizeof(m), sizeof(m));
	return m;
}

static void join_begin(struct nr_xdp_ring *r, struct nr_xdp_meta meta)
{
	if (r->join && JOIN_BLOCK - r->join_at < JOIN_ROOM) {
		r->full[r->n_full++] = r->join;
		r->join = NULL;
	}
	if (!r->join) {
		r->join = nr_pool_get(r->pool);
		r->join_at = 0;
	}
	r->join_at += NR_XDP_FRONT;
	r->join_len = 0;
	r->join_meta = meta;
}

static void join_piece(struct nr_xdp_ring *r, const uint8_t *data, uint32_t len)
{
	uint32_t room = JOIN_MAX - r->join_len, n = len < room ? len : room;

	memcpy(nr_block_data(r->join) + r->join_at + r->join_len, data, n);
	r->join_len += n;
	r->join_wire += len;
}

static void join_end(struct nr_xdp_ring *r, struct nr_xdp_frame *f)
{
	*f = (struct nr_xdp_frame){
		.data = nr_block_data(r->join) + r->join_at,
		.cap_len = r->join_len,
		.wire_len = r->join_wire,
		.meta = r->join_meta,
		.block = r->join,
	};
	r->join_at += (r->join_len + 63U) & ~63U;
	r->join_wire = 0;
	r->own.joined++;
}

/* One entry of the receive ring: true where it completes a frame. */
static bool take(struct nr_xdp_ring *r, const struct xdp_desc *d, struct nr_xdp_frame *f)
{
	const uint8_t *data = r->memory + d->addr;
	bool more = d->options & XDP_PKT_CONTD;

	if (!more && !r->join_wire) {
		*f = (struct nr_xdp_frame){
			.data = data,
			.cap_len = d->len,
			.wire_len = d->len,
			.meta = meta_of(data),
			.block = r->lease->block,
		};
		return true;
	}
	if (!r->join_wire)
		join_begin(r, meta_of(data));
	join_piece(r, data, d->len);
	if (!more)
		join_end(r, f);
	return !more;
}

/* Gives back what the views of the read before had to pin. */
static void give_back(struct nr_xdp_ring *r)
{
	if (r->lease)
		nr_block_unref(r->lease->block);
	r->lease = NULL;
	while (r->n_full)
		nr_block_unref(r->full[--r->n_full]);
}

unsigned nr_xdp_ring_read(struct nr_xdp_ring *r, struct nr_xdp_frame *f, unsigned max)
{
	uint32_t at = 0;
	unsigned n, got = 0;

	give_back(r);
	n = xsk_ring_cons__peek(&r->rx, max < NR_XDP_READ_MAX ? max : NR_XDP_READ_MAX,
				&at);
	if (!n) {
		pthread_mutex_lock(&r->lock);
		wake(r);
		pthread_mutex_unlock(&r->lock);
		return 0;
	}
	r->lease = lease_get(r);
	for (unsigned i = 0; i < n; i++) {
		const struct xdp_desc *d = xsk_ring_cons__rx_desc(&r->rx, at + i);

		r->lease->addr[r->lease->n++] = d->addr & ~((uint64_t)r->info.chunk - 1);
		if (take(r, d, &f[got]))
			got++;
	}
	xsk_ring_cons__release(&r->rx, n);
	r->own.frames += got;
	return got;
}

uint32_t nr_xdp_ring_end(const struct nr_xdp_ring *r)
{
	return __atomic_load_n(r->rx.producer, __ATOMIC_ACQUIRE);
}

bool nr_xdp_ring_reached(const struct nr_xdp_ring *r, uint32_t end)
{
	return (int32_t)(end - r->rx.cached_cons) <= 0;
}

void nr_xdp_ring_stats(const struct nr_xdp_ring *r, struct nr_xdp_ring_stats *s)
{
	struct xdp_statistics k = { 0 };
	socklen_t len = sizeof(k);

	*s = r->own;
	if (getsockopt(r->info.fd, SOL_XDP, XDP_STATISTICS, &k, &len))
		return;
	/* rx_dropped has each frame that found no chunk; rx_fill_ring_empty_descs has the
	   attempts, some of them for the same frame: it is no number of frames */
	s->no_chunk = k.rx_dropped;
	s->ring_full = k.rx_ring_full;
	s->dropped = s->no_chunk + s->ring_full;
	s->fill_empty = k.rx_fill_ring_empty_descs;
	s->invalid = k.rx_invalid_descs;
}

const struct nr_xdp_ring_info *nr_xdp_ring_info(const struct nr_xdp_ring *r)
{
	return &r->info;
}

static uint32_t power_of_two_below(uint64_t n)
{
	uint32_t p = MIN_CHUNKS;

	while (p < MAX_CHUNKS && 2ULL * p <= n)
		p *= 2;
	return p;
}

static int memory_open(struct nr_xdp_ring *r, const struct nr_xdp_ring_options *opt,
		       struct nr_err *err)
{
	struct xsk_umem_config cfg = { .comp_size = 64 };
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	int rc;

	r->info.chunk = opt->mtu + SLACK + HEADROOM <= 2048 ? 2048 : 4096;
	r->info.room = r->info.chunk - HEADROOM;
	r->info.chunks = power_of_two_below(opt->bytes / r->info.chunk);
	r->memory_len = (size_t)r->info.chunks * r->info.chunk;
	/* cppcheck-suppress invalidFunctionArg */
	r->memory = mmap(NULL, r->memory_len, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (r->memory == MAP_FAILED) {
		r->memory = NULL;
		return nr_fail(err, -ENOMEM, "no memory for a ring of %zu MiB for %s",
			       r->memory_len >> 20, opt->name);
	}
	cfg.fill_size = r->info.chunks;
	cfg.frame_size = r->info.chunk;
	rc = xsk_umem__create(&r->umem, r->memory, r->memory_len, &r->fill,
			      &r->completion, &cfg);
	switch (rc) {
	case 0:
		return 0;
	case -ENOBUFS:
	case -ENOMEM:
		return nr_fail(
			err, rc,
			"queue %u of %s: the kernel does not let this process lock "
			"%zu MiB of memory: raise the limit (ulimit -l unlimited, "
			"LimitMEMLOCK=infinity), give CAP_IPC_LOCK, or take a "
			"smaller --ring-size",
			opt->queue, opt->name, r->memory_len >> 20);
	case -EPERM:
		return nr_fail(err, rc,
			       "AF_XDP sockets need CAP_NET_RAW, CAP_NET_ADMIN and "
			       "CAP_BPF: run as root");
	case -EAFNOSUPPORT:
		return nr_fail(err, -ENOTSUP,
			       "this kernel has no AF_XDP sockets (CONFIG_XDP_SOCKETS)");
	default:
		return nr_fail(err, rc, "queue %u of %s: no memory for AF_XDP: %s",
			       opt->queue, opt->name, strerror(-rc));
	}
}

/* Binds with flags; what cannot be is told by the kernel with errors of many kinds. */
static int socket_try(struct nr_xdp_ring *r, const struct nr_xdp_ring_options *opt,
		      uint16_t flags)
{
	struct xsk_socket_config cfg = {
		.rx_size = r->info.chunks,
		.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD,
		.bind_flags = (uint16_t)(flags | XDP_USE_NEED_WAKEUP),
	};

	return xsk_socket__create(&r->xsk, opt->name, opt->queue, r->umem, &r->rx, NULL,
				  &cfg);
}

/*
 * The kernel lets go of a queue some time after its socket was closed (in a work queue):
 * a capture that is restarted would meet itself.
 */
static int socket_wait(struct nr_xdp_ring *r, const struct nr_xdp_ring_options *opt,
		       uint16_t flags)
{
	const struct timespec pause = { .tv_nsec = RELEASE_NS / RELEASE_TRIES };
	int rc;

	for (unsigned i = 0; (rc = socket_try(r, opt, flags)) == -EBUSY; i++) {
		if (i == RELEASE_TRIES)
			break;
		nanosleep(&pause, NULL);
	}
	return rc;
}

static int socket_open(struct nr_xdp_ring *r, const struct nr_xdp_ring_options *opt,
		       struct nr_err *err)
{
	bool large = opt->mtu + SLACK > r->info.room;
	const struct {
		uint16_t flags;
		bool use;
	} ways[] = {
		{ XDP_ZEROCOPY, opt->native && !large },
		{ XDP_ZEROCOPY | XDP_USE_SG, opt->native && large },
		{ XDP_COPY | XDP_USE_SG, true },
		{ XDP_COPY, true },
	};
	int rc = -ENOTSUP;

	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		if (!ways[i].use)
			continue;
		rc = socket_wait(r, opt, ways[i].flags);
		if (rc == 0) {
			r->info.zero_copy = ways[i].flags & XDP_ZEROCOPY;
			r->info.fragments = ways[i].flags & XDP_USE_SG;
			r->info.fd = xsk_socket__fd(r->xsk);
			return 0;
		}
		if (rc == -EBUSY || rc == -EPERM || rc == -ENODEV)
			break;
	}
	if (rc == -EBUSY)
		return nr_fail(err, rc,
			       "queue %u of %s has an AF_XDP socket of another program: "
			       "end it, or capture with --backend tpacket",
			       opt->queue, opt->name);
	return nr_fail(err, rc, "no AF_XDP socket on queue %u of %s: %s", opt->queue,
		       opt->name, strerror(-rc));
}

int nr_xdp_ring_open(struct nr_xdp_ring **out, const struct nr_xdp_ring_options *opt,
		     struct nr_err *err)
{
	struct nr_xdp_ring *r = nr_xcalloc(1, sizeof(*r));
	uint32_t at;
	int rc;

	pthread_mutex_init(&r->lock, NULL);
	r->refs = 1;
	rc = memory_open(r, opt, err);
	if (rc == 0)
		rc = socket_open(r, opt, err);
	if (rc) {
		if (r->umem)
			xsk_umem__delete(r->umem);
		ring_free(r);
		return rc;
	}
	fcntl(r->info.fd, F_SETFD, FD_CLOEXEC);
	r->pool = nr_pool_new(JOIN_BLOCK);
	if (xsk_ring_prod__reserve(&r->fill, r->info.chunks, &at) == r->info.chunks) {
		for (uint32_t i = 0; i < r->info.chunks; i++)
			*xsk_ring_prod__fill_addr(&r->fill, at + i) =
				(uint64_t)i * r->info.chunk;
		xsk_ring_prod__submit(&r->fill, r->info.chunks);
	}
	wake(r);
	*out = r;
	return 0;
}

void nr_xdp_ring_close(struct nr_xdp_ring *r)
{
	if (!r)
		return;
	give_back(r);
	nr_block_unref(r->join);
	nr_pool_unref(r->pool);
	pthread_mutex_lock(&r->lock);
	r->closed = true;
	pthread_mutex_unlock(&r->lock);
	/* The kernel's side goes; the chunks stay mapped while views are out. */
	xsk_socket__delete(r->xsk);
	xsk_umem__delete(r->umem);
	pthread_mutex_lock(&r->lock);
	drop_ref(r);
}
