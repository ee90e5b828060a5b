/* SPDX-License-Identifier: BSD-3-Clause */
#include "source/live_filter.h"

#include "base/mem.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <string.h>

enum {
	TYPE_AT = 12, /* where a tag stands in an Ethernet frame … */
	TCI_AT = 14,
	TAG_END = 16, /* … and what is behind it */
	TAG_LEN = 4,
	MAX_PROGRAM = 4096, /* of the kernel */
	MAX_TEXT = 16384,   /* of an expression */
	HEAD = 6,           /* instructions in front of the two programs, at most */
	ETHERNET = 1,
};

/* Ancillary loads of the kernel, linux/filter.h: SKF_AD_OFF is -0x1000. */
#define AD(n)               ((uint32_t)-0x1000 + (n))
#define AD_PKTTYPE          AD(4u)
#define AD_VLAN_TAG         AD(44u)
#define AD_VLAN_TAG_PRESENT AD(48u)
#define AD_VLAN_TPID        AD(60u)
#define PKTTYPE_OUTGOING    4u

struct nr_live_filter {
	struct bpf_program pcap; /* for frames as they were on the wire */
	bool has_text;
	bool is_inexact; /* a load of a tagged frame could not be rewritten */
	struct nr_bpf *p;
	size_t n;
};

static unsigned load_size(unsigned code)
{
	return BPF_SIZE(code) == BPF_W ? 4 : BPF_SIZE(code) == BPF_H ? 2 : 1;
}

/*
 * An absolute load, of the frame with its tag, for the frame without it. False: it
 * touches the tag in a way that metadata cannot answer.
 */
static bool rewrite_absolute(struct nr_bpf *i)
{
	unsigned size = load_size(i->code);

	if (i->k <= TYPE_AT - size)
		return true;
	if (i->k >= TAG_END) {
		i->k -= TAG_LEN;
		return true;
	}
	if (size != 2 || (i->k != TYPE_AT && i->k != TCI_AT))
		return false;
	i->k = i->k == TYPE_AT ? AD_VLAN_TPID : AD_VLAN_TAG;
	return true;
}

static bool rewrite_load(struct nr_bpf *i)
{
	switch (BPF_MODE(i->code)) {
	case BPF_ABS:
		return rewrite_absolute(i);
	case BPF_IND: /* behind a header whose length is in X: behind the tag too */
		if (i->k < TYPE_AT + 2)
			return false;
		i->k -= TAG_LEN;
		return true;
	case BPF_MSH:
		if (i->k >= TAG_END)
			i->k -= TAG_LEN;
		else if (i->k >= TYPE_AT)
			return false;
		return true;
	case BPF_LEN:
		return false;
	default:
		return true;
	}
}

static bool is_load(struct nr_bpf i)
{
	return BPF_CLASS(i.code) == BPF_LD || BPF_CLASS(i.code) == BPF_LDX;
}

/*
 * What is not rewritten accepts, and all that is accepted comes whole, so that it can be
 * judged again before it is cut.
 */
static struct nr_bpf rewritten(struct nr_bpf i)
{
	if (is_load(i) && !rewrite_load(&i))
		return (struct nr_bpf){ BPF_RET | BPF_K, 0, 0, NR_LIVE_SNAP_MAX };
	return i;
}

static void add(struct nr_live_filter *f, unsigned code, uint8_t jt, uint8_t jf,
		uint32_t k)
{
	f->p[f->n++] = (struct nr_bpf){ (uint16_t)code, jt, jf, k };
}

static struct nr_bpf instruction(const struct nr_live_filter *f, unsigned i)
{
	const struct bpf_insn *b = &f->pcap.bf_insns[i];

	return (struct nr_bpf){ b->code, b->jt, b->jf, b->k };
}

static void find_inexact(struct nr_live_filter *f)
{
	for (unsigned i = 0; i < f->pcap.bf_len; i++) {
		struct nr_bpf x = instruction(f, i);

		f->is_inexact |= is_load(x) && !rewrite_load(&x);
	}
}

static void add_program(struct nr_live_filter *f, uint32_t accept, bool is_tagged)
{
	if (is_tagged && f->is_inexact)
		accept = NR_LIVE_SNAP_MAX;
	for (unsigned i = 0; i < f->pcap.bf_len; i++) {
		struct nr_bpf x = instruction(f, i);

		if (x.code == (BPF_RET | BPF_K) && x.k)
			x.k = accept;
		f->p[f->n++] = is_tagged ? rewritten(x) : x;
	}
}

static void build(struct nr_live_filter *f, uint16_t link_type, uint32_t accept,
		  bool out_only)
{
	f->p = nr_xcalloc(HEAD + 2 * (size_t)f->pcap.bf_len, sizeof(*f->p));
	if (out_only) {
		add(f, BPF_LD | BPF_W | BPF_ABS, 0, 0, AD_PKTTYPE);
		add(f, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, PKTTYPE_OUTGOING);
		add(f, BPF_RET | BPF_K, 0, 0, 0);
	}
	if (!f->has_text) {
		add(f, BPF_RET | BPF_K, 0, 0, accept);
		return;
	}
	if (link_type == ETHERNET) {
		find_inexact(f);
		add(f, BPF_LD | BPF_W | BPF_ABS, 0, 0, AD_VLAN_TAG_PRESENT);
		add(f, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
		add(f, BPF_JMP | BPF_JA, 0, 0, f->pcap.bf_len);
		add_program(f, accept, true);
	}
	add_program(f, accept, false);
}

static int compile(struct nr_live_filter *f, const char *text, uint16_t link_type,
		   struct nr_err *err)
{
	pcap_t *p;
	int rc;

	if (strlen(text) > MAX_TEXT)
		return nr_fail(err, -EINVAL, "the filter is longer than %d characters",
			       MAX_TEXT);
	p = pcap_open_dead(link_type == 101 ? DLT_RAW : link_type, NR_LIVE_SNAP_MAX);
	if (!p)
		return nr_fail(err, -ENOMEM, "out of memory");
	rc = pcap_compile(p, &f->pcap, text, 1, PCAP_NETMASK_UNKNOWN);
	if (rc)
		rc = nr_fail(err, -EINVAL, "filter '%.200s': %s", text, pcap_geterr(p));
	pcap_close(p);
	if (!rc && f->pcap.bf_len * 2 + HEAD > MAX_PROGRAM)
		rc = nr_fail(err, -EINVAL,
			     "filter '%.60s…' is too long for the kernel: %u "
			     "instructions, twice of which must fit into %d",
			     text, f->pcap.bf_len, MAX_PROGRAM);
	return rc;
}

int nr_live_filter_new(struct nr_live_filter **out, const char *text, uint16_t link_type,
		       uint32_t snap_len, bool out_only, struct nr_err *err)
{
	struct nr_live_filter *f = nr_xcalloc(1, sizeof(*f));
	int rc = text ? compile(f, text, link_type, err) : 0;

	*out = NULL;
	if (rc) {
		nr_live_filter_free(f);
		return rc;
	}
	f->has_text = text != NULL;
	build(f, link_type, snap_len ? snap_len : NR_LIVE_SNAP_MAX, out_only);
	*out = f;
	return 0;
}

const struct nr_bpf *nr_live_filter_program(const struct nr_live_filter *f, size_t *n)
{
	*n = f->n;
	return f->p;
}

bool nr_live_filter_is_exact(const struct nr_live_filter *f)
{
	return !f->is_inexact;
}

static bool asks_direction(const struct nr_live_filter *f)
{
	for (unsigned i = 0; i < f->pcap.bf_len; i++) {
		struct nr_bpf x = instruction(f, i);

		if (is_load(x) && BPF_MODE(x.code) == BPF_ABS && x.k == AD_PKTTYPE)
			return true;
	}
	return false;
}

int nr_live_filter_refuse_direction(const struct nr_live_filter *f, const char *backend,
				    struct nr_err *err)
{
	if (!asks_direction(f))
		return 0;
	return nr_fail(err, -EINVAL,
		       "%s cannot filter by inbound and outbound here: leave them out of "
		       "-f and give -Q in or -Q out",
		       backend);
}

bool nr_live_filter_pass(const struct nr_live_filter *f, const uint8_t *data,
			 uint32_t cap_len, uint32_t wire_len)
{
	return !f->has_text || bpf_filter(f->pcap.bf_insns, data, wire_len, cap_len) != 0;
}

void nr_live_filter_free(struct nr_live_filter *f)
{
	if (!f)
		return;
	pcap_freecode(&f->pcap);
	nr_free(f->p);
	nr_free(f);
}
