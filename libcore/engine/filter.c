/* SPDX-License-Identifier: BSD-3-Clause */
#include "engine/filter.h"

#include "base/mem.h"

#include <errno.h>
#include <pcap/pcap.h>

struct program {
	unsigned link_type;
	bool compiled, used;
	char *reason; /* of libpcap, where it did not compile */
	struct bpf_program bpf;
};

struct nr_filter {
	char *text;
	struct program *p;
	size_t n;
	size_t last; /* the one used last */
};

/* LINKTYPE numbers of files are libpcap's DLT numbers but for a few. */
static int dlt_of(unsigned link_type)
{
	switch (link_type) {
	case 12:
	case 14:
	case 101:
		return DLT_RAW;
	case 100:
		return DLT_ATM_RFC1483;
	case 50:
		return DLT_PPP_SERIAL;
	case 51:
		return DLT_PPP_ETHER;
	default:
		return (int)link_type;
	}
}

static bool compile(struct nr_filter *f, unsigned link_type)
{
	struct program *p;
	pcap_t *pc;

	f->p = nr_xrealloc(f->p, (f->n + 1) * sizeof(f->p[0]));
	p = &f->p[f->n];
	*p = (struct program){ .link_type = link_type };
	f->last = f->n++;
	pc = pcap_open_dead(dlt_of(link_type), 262144);
	if (!pc)
		return false;
	p->compiled = pcap_compile(pc, &p->bpf, f->text, 1, PCAP_NETMASK_UNKNOWN) == 0;
	if (!p->compiled)
		p->reason = nr_xstrdup(pcap_geterr(pc));
	pcap_close(pc);
	return p->compiled;
}

/* What the decoder takes apart (decode/link.c), Ethernet and raw IP aside. */
static const uint16_t link_types[] = {
	0,   6,   7,   8,   9,   10,  11,  12,  14,  50,  51,  100,
	104, 105, 107, 108, 113, 117, 119, 123, 127, 129, 149, 163,
	166, 192, 204, 205, 206, 228, 229, 239, 242, 258, 276,
};

int nr_filter_new(struct nr_filter **out, const char *text, struct nr_err *err)
{
	struct nr_filter *f = nr_xcalloc(1, sizeof(*f));
	bool ethernet;

	f->text = nr_xstrdup(text);
	ethernet = compile(f, 1);
	if (!compile(f, 101) && !ethernet) {
		nr_fail(err, -EINVAL, "the filter '%s' does not compile: %s", text,
			f->p[0].reason ? f->p[0].reason : "libpcap gives no reason");
		nr_filter_free(f);
		return -EINVAL;
	}
	for (size_t i = 0; i < sizeof(link_types) / sizeof(*link_types); i++)
		compile(f, link_types[i]);
	f->last = 0;
	*out = f;
	return 0;
}

void nr_filter_free(struct nr_filter *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n; i++) {
		if (f->p[i].compiled)
			pcap_freecode(&f->p[i].bpf);
		nr_free(f->p[i].reason);
	}
	nr_free(f->p);
	nr_free(f->text);
	nr_free(f);
}

bool nr_filter_pass(struct nr_filter *f, const struct nr_packet *p)
{
	struct pcap_pkthdr h = { .caplen = p->cap_len, .len = p->wire_len };

	if (f->p[f->last].link_type != p->link_type) {
		size_t i = 0;

		while (i < f->n && f->p[i].link_type != p->link_type)
			i++;
		if (i < f->n)
			f->last = i;
		else
			compile(f, p->link_type);
	}
	f->p[f->last].used = true;
	return f->p[f->last].compiled &&
	       pcap_offline_filter(&f->p[f->last].bpf, &h, p->data) != 0;
}

const char *nr_filter_refused(const struct nr_filter *f, size_t *at, unsigned *link_type)
{
	while (*at < f->n) {
		const struct program *p = &f->p[(*at)++];

		if (!p->used || p->compiled)
			continue;
		*link_type = p->link_type;
		return p->reason ? p->reason : "libpcap does not know this link type";
	}
	return NULL;
}
