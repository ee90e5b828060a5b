/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libpcap as a live source: for what it can open and the other back ends cannot (`any`,
 * usbmon, Bluetooth, D-Bus, …), with its link types and its times.
 *
 * A packet of libpcap lives until the next one is asked for, so it is copied, once.
 */
#include "base/mem.h"
#include "source/live.h"
#include "source/live_filter.h"
#include "source/reader.h"

#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	WHOLE = 262144, /* snap length that libpcap takes for none */
	LINK_ETHERNET = 1,
	LINK_SLL = 113,
	LINK_SLL2 = 276,
	SLL_OUTGOING = 4,
	NS_PER_MS = 1000000,
	NS_PER_US = 1000,
	NS_PER_S = 1000000000,
};

/* SKF_AD_OFF and SKF_AD_VLAN_TPID of linux/filter.h, which pcap.h does not go with */
#define METADATA  ((uint32_t)-0x1000)
#define VLAN_TYPE 60U

/* A counter of libpcap: 32 bits that wrap. */
struct counter {
	unsigned last;
	uint64_t sum;
};

struct pcap_live {
	pcap_t *p;
	int fd;
	bool nano;
	bool has_stats;
	struct nr_live_filter *filter; /* of Ethernet; NULL: libpcap's alone */
	struct nr_pool *pool;
	struct nr_block *block; /* held: packets are put into it one behind the other */
	size_t at;
	uint64_t received;
	uint64_t filtered; /* that libpcap let through */
	struct counter dropped, dropped_interface;
};

/* What a call of pcap_dispatch() fills. */
struct take {
	struct nr_live *l;
	struct nr_batch *b;
	unsigned n;
};

static struct pcap_live *ctx_of(const struct nr_live *l)
{
	return (struct pcap_live *)l->ctx;
}

static void pcap_live_close(struct nr_live *l)
{
	struct pcap_live *c = ctx_of(l);

	if (c->p)
		pcap_close(c->p);
	nr_live_filter_free(c->filter);
	nr_block_unref(c->block);
	nr_pool_unref(c->pool);
	*c = (struct pcap_live){ 0 };
}

/* LINKTYPE numbers of files are libpcap's DLT numbers but for these. */
static uint16_t linktype_of(int dlt)
{
	static const struct {
		int dlt;
		uint16_t linktype;
	} other[] = {
		{ DLT_RAW, 101 },       { DLT_ATM_RFC1483, 100 }, { DLT_SLIP_BSDOS, 102 },
		{ DLT_PPP_BSDOS, 103 }, { DLT_ATM_CLIP, 106 },
	};

	for (size_t i = 0; i < sizeof(other) / sizeof(*other); i++)
		if (other[i].dlt == dlt)
			return other[i].linktype;
	return (uint16_t)dlt;
}

/* In front of everything that can be set only then. */
static void configure(pcap_t *p, const struct nr_live_options *o)
{
	int64_t ms = o->block_timeout / NS_PER_MS;

	/* with a filter the frame is judged again, whole, and cut behind that */
	pcap_set_snaplen(p, o->snap_len && !o->filter ? (int)o->snap_len : WHOLE);
	pcap_set_promisc(p, !o->no_promisc);
	pcap_set_timeout(p, ms < 1 ? 1 : ms > INT_MAX ? INT_MAX : (int)ms);
	pcap_set_buffer_size(p, o->ring_size > INT_MAX ? INT_MAX : (int)o->ring_size);
	pcap_set_tstamp_precision(p, PCAP_TSTAMP_PRECISION_NANO);
	if (o->hardware_time && pcap_set_tstamp_type(p, PCAP_TSTAMP_ADAPTER))
		pcap_set_tstamp_type(p, PCAP_TSTAMP_ADAPTER_UNSYNCED);
}

static int activation_failed(const struct nr_live *l, int code, const char *why,
			     struct nr_err *err)
{
	switch (code) {
	case PCAP_ERROR_NO_SUCH_DEVICE:
		return nr_fail(err, -ENODEV, "libpcap knows no interface %s%s%s", l->name,
			       why[0] ? ": " : "", why);
	case PCAP_ERROR_PERM_DENIED:
	case PCAP_ERROR_PROMISC_PERM_DENIED:
		return nr_fail(err, -EPERM,
			       "capturing on %s needs CAP_NET_RAW: run as root%s%s",
			       l->name, why[0] ? ": " : "", why);
	case PCAP_ERROR_IFACE_NOT_UP:
		return nr_fail(err, -ENETDOWN, "%s is down: ip link set %s up", l->name,
			       l->name);
	default:
		return nr_fail(err, -EIO, "libpcap cannot open %s: %s", l->name,
			       why[0] ? why : pcap_statustostr(code));
	}
}

/* libpcap drops what leaves there: each packet is seen once, when it arrives. */
static bool is_loopback(const struct nr_live *l)
{
	struct ifreq q = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool is = false;

	snprintf(q.ifr_name, sizeof(q.ifr_name), "%s", l->name);
	if (fd >= 0) {
		is = strlen(l->name) < sizeof(q.ifr_name) &&
		     !ioctl(fd, SIOCGIFFLAGS, &q) && q.ifr_flags & IFF_LOOPBACK;
		close(fd);
	}
	return is;
}

static int set_direction(const struct nr_live *l, enum nr_live_direction d,
			 struct nr_err *err)
{
	pcap_t *p = ctx_of(l)->p;

	if (d == NR_LIVE_BOTH || is_loopback(l) ||
	    pcap_setdirection(p, d == NR_LIVE_IN ? PCAP_D_IN : PCAP_D_OUT) == 0)
		return 0;
	return nr_fail(err, -EINVAL, "libpcap cannot tell directions apart on %s: %s",
		       l->name, pcap_geterr(p));
}

static int filter_failed(const struct nr_live *l, const char *text, struct nr_err *err)
{
	return nr_fail(err, -EINVAL, "filter '%.200s': %s", text,
		       pcap_geterr(ctx_of(l)->p));
}

/*
 * One instruction for libpcap. What came before the program was in the kernel is filtered
 * by libpcap with the same program: it knows loads of a tag's metadata as bytes only, and
 * none of the tag's type, where the program accepts.
 */
static struct bpf_insn for_libpcap(struct nr_bpf i)
{
	bool is_absolute = BPF_CLASS(i.code) == BPF_LD && BPF_MODE(i.code) == BPF_ABS;

	if (is_absolute && i.k >= METADATA) {
		if (i.k == METADATA + VLAN_TYPE)
			return (struct bpf_insn){ BPF_RET | BPF_K, 0, 0, WHOLE };
		i.code = BPF_LD | BPF_B | BPF_ABS;
	}
	return (struct bpf_insn){ i.code, i.jt, i.jf, i.k };
}

/*
 * Of an Ethernet device of Linux libpcap's own program would judge frames without the
 * VLAN tag that is put back later: it gets the one that knows both (live_filter.h), and
 * the frame is looked at again.
 */
static int filter_ethernet(struct nr_live *l, const char *text, struct nr_err *err)
{
	struct pcap_live *c = ctx_of(l);
	struct bpf_program b;
	const struct nr_bpf *p;
	size_t n;
	int rc = nr_live_filter_new(&c->filter, text, l->link_type, 0, false, err);

	if (rc == 0)
		rc = nr_live_filter_refuse_direction(c->filter, "pcap", err);
	if (rc)
		return rc;
	p = nr_live_filter_program(c->filter, &n);
	b.bf_len = (unsigned)n;
	b.bf_insns = nr_xcalloc(n, sizeof(*b.bf_insns));
	for (size_t i = 0; i < n; i++)
		b.bf_insns[i] = for_libpcap(p[i]);
	if (pcap_setfilter(c->p, &b))
		rc = filter_failed(l, text, err);
	nr_free(b.bf_insns);
	return rc;
}

static int set_filter(struct nr_live *l, const char *text, struct nr_err *err)
{
	struct bpf_program b;
	pcap_t *p = ctx_of(l)->p;
	int rc = 0;

	if (!text)
		return 0;
	if (l->ifindex && l->link_type == LINK_ETHERNET)
		return filter_ethernet(l, text, err);
	if (pcap_compile(p, &b, text, 1, PCAP_NETMASK_UNKNOWN))
		return filter_failed(l, text, err);
	if (pcap_setfilter(p, &b))
		rc = filter_failed(l, text, err);
	pcap_freecode(&b);
	return rc;
}

static const char *times_of(pcap_t *p, const struct nr_live_options *o)
{
	bool adapter = false;
	int *types, n;

	if (!o->hardware_time || (n = pcap_list_tstamp_types(p, &types)) <= 0)
		return "software";
	for (int i = 0; i < n; i++)
		adapter |= types[i] == PCAP_TSTAMP_ADAPTER ||
			   types[i] == PCAP_TSTAMP_ADAPTER_UNSYNCED;
	pcap_free_tstamp_types(types);
	return adapter ? "hardware" : "software";
}

static int activate(struct nr_live *l, const struct nr_live_options *o,
		    struct nr_err *err)
{
	struct pcap_live *c = ctx_of(l);
	char text[PCAP_ERRBUF_SIZE] = "";
	int rc;

	c->p = pcap_create(l->name, text);
	if (!c->p)
		return nr_fail(err, -EIO, "libpcap cannot open %s: %s", l->name, text);
	configure(c->p, o);
	rc = pcap_activate(c->p);
	if (rc < 0)
		return activation_failed(l, rc, pcap_geterr(c->p), err);
	if (!strcmp(l->name, "any")) /* has the interface of each packet, where it can */
		pcap_set_datalink(c->p, DLT_LINUX_SLL2);
	if (pcap_setnonblock(c->p, 1, text))
		return nr_fail(err, -EIO, "libpcap waits for %s: %s", l->name, text);
	return 0;
}

static int pcap_live_open(struct nr_live *l, const struct nr_live_options *o,
			  struct nr_err *err)
{
	struct pcap_live *c = ctx_of(l);
	int rc;

	if (o->rings > 1)
		return nr_fail(err, -EINVAL,
			       "libpcap has one ring: leave --rings away, or take "
			       "--backend tpacket");
	rc = activate(l, o, err);
	if (rc == 0) {
		c->nano = pcap_get_tstamp_precision(c->p) == PCAP_TSTAMP_PRECISION_NANO;
		c->fd = pcap_get_selectable_fd(c->p);
		c->pool = nr_pool_new(NR_BLOCK_SIZE);
		l->n_rings = 1;
		l->ifindex = (int)if_nametoindex(l->name);
		l->link_type = linktype_of(pcap_datalink(c->p));
		l->snap_len = o->snap_len;
		l->tsresol = c->nano ? 1000000000 : 1000000;
		snprintf(l->description, sizeof(l->description),
			 "pcap, %s, %s time stamps%s",
			 pcap_datalink_val_to_description_or_dlt(pcap_datalink(c->p)),
			 times_of(c->p, o), c->nano ? "" : " in microseconds");
		rc = set_direction(l, o->direction, err);
	}
	if (rc == 0)
		rc = set_filter(l, o->filter, err);
	if (rc)
		pcap_live_close(l);
	return rc;
}

/* Where the packet's own header says which way it went. */
static uint8_t flags_of(uint16_t link_type, const uint8_t *data, uint32_t len)
{
	bool out;

	if (link_type == LINK_SLL && len >= 2)
		out = data[0] == 0 && data[1] == SLL_OUTGOING;
	else if (link_type == LINK_SLL2 && len >= 20)
		out = data[10] == SLL_OUTGOING;
	else
		return 0;
	return out ? NR_PKT_OUTBOUND : NR_PKT_INBOUND;
}

static const uint8_t *keep(struct pcap_live *c, const uint8_t *data, size_t len)
{
	uint8_t *room;

	if (!c->block || nr_block_size(c->block) - c->at < len) {
		nr_block_unref(c->block);
		c->block = nr_pool_get(c->pool);
		c->at = 0;
	}
	room = nr_block_data(c->block) + c->at;
	memcpy(room, data, len);
	c->at += (len + 15) & ~(size_t)15;
	if (c->at > nr_block_size(c->block))
		c->at = nr_block_size(c->block);
	return room;
}

static void take_packet(u_char *user, const struct pcap_pkthdr *h, const u_char *data)
{
	struct take *t = (struct take *)user;
	struct pcap_live *c = ctx_of(t->l);
	uint32_t len = h->caplen < NR_BLOCK_SIZE ? h->caplen : NR_BLOCK_SIZE;
	struct nr_packet p = {
		.cap_len = len,
		.wire_len = h->len,
		.ts_ns = (int64_t)h->ts.tv_sec * NS_PER_S +
			 (int64_t)h->ts.tv_usec * (c->nano ? 1 : NS_PER_US),
		.link_type = t->l->link_type,
		.flags = flags_of(t->l->link_type, data, len),
	};

	if (c->filter && !nr_live_filter_pass(c->filter, data, len, h->len)) {
		c->filtered++;
		return;
	}
	if (t->l->snap_len && len > t->l->snap_len)
		p.cap_len = len = t->l->snap_len;
	p.data = keep(c, data, len);
	p.block = c->block;
	nr_batch_add(t->b, &p);
	c->received++;
	t->n++;
}

/* What it means that libpcap could not read: it has words, no numbers. */
static int read_failed(struct nr_live *l, int code, struct nr_err *err)
{
	const char *why = pcap_geterr(ctx_of(l)->p);

	if (code == PCAP_ERROR_IFACE_NOT_UP || strstr(why, "went down"))
		return nr_fail(err, -ENETDOWN, "%s is down", l->name);
	if (code == PCAP_ERROR_NO_SUCH_DEVICE || strstr(why, "disappeared"))
		/* the ring's last block is still to come; rtnetlink tells the end */
		return l->ifindex ? 0 : nr_fail(err, -ENODEV, "%s is gone", l->name);
	return nr_fail(err, -EIO, "libpcap cannot read from %s: %s", l->name, why);
}

static int pcap_live_read(struct nr_live *l, unsigned ring, struct nr_batch *b,
			  unsigned max, struct nr_err *err)
{
	struct take t = { .l = l, .b = b };
	int rc;

	do {
		rc = pcap_dispatch(ctx_of(l)->p, (int)max, take_packet, (u_char *)&t);
	} while (rc > 0 && t.n == 0); /* all of them filtered */
	if (t.n || rc == 0)
		return (int)t.n;
	return read_failed(l, rc, err);
}

static int pcap_live_fd(const struct nr_live *l, unsigned ring)
{
	return ctx_of(l)->fd;
}

static uint64_t counted(struct counter *c, unsigned now)
{
	c->sum += now - c->last;
	c->last = now;
	return c->sum;
}

static void pcap_live_stats(struct nr_live *l, unsigned ring, struct nr_live_stats *st)
{
	struct pcap_live *c = ctx_of(l);
	struct pcap_stat k = { .ps_drop = c->dropped.last,
			       .ps_ifdrop = c->dropped_interface.last };

	/* ps_recv has dropped packets in it on some devices, and on others not */
	*st = (struct nr_live_stats){
		.received = c->received,
		.dropped = UINT64_MAX,
		.dropped_interface = UINT64_MAX,
		.freezes = UINT64_MAX,
	};
	snprintf(st->detail, sizeof(st->detail), "\"filtered\":%llu",
		 (unsigned long long)c->filtered);
	c->has_stats |= pcap_stats(c->p, &k) == 0;
	if (!c->has_stats)
		return;
	/* of a device that has gone: what was known last */
	st->dropped = counted(&c->dropped, k.ps_drop);
	st->dropped_interface = counted(&c->dropped_interface, k.ps_ifdrop);
}

const struct nr_live_ops nr_live_pcap = {
	.name = "pcap",
	.doc = "libpcap: whatever else it can open (any, usbmon, Bluetooth, …)",
	.ctx_size = sizeof(struct pcap_live),
	.open = pcap_live_open,
	.read = pcap_live_read,
	.fd = pcap_live_fd,
	.stats = pcap_live_stats,
	.close = pcap_live_close,
};
