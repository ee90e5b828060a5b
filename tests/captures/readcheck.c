/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * readcheck: reads the captures named on stdin, one a line, with nrtool's reader and with
 * libpcap's, and writes one tab-separated line for each:
 *
 *   path  status  packets  wire_bytes  damage  pcap_status  first difference
 *
 * status: "ok" or the sentence of the failed open. packets and wire_bytes are nrtool's;
 * damage is the first damage sentence or "-". pcap_status: "equal" (all packets of both:
 * time, lengths and bytes), "differ", "refused" (libpcap cannot open it), "stopped"
 * (equal up to where libpcap gave up).
 */
#include "source/merge.h"

#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct verdict {
	char status[512];
	char damage[512];
	uint64_t packets, wire_bytes;
	const char *pcap_status;
	char difference[256];
};

/*
 * Are the times the same? libpcap 1.10 reads seconds and microseconds of a pcap file as
 * signed numbers; nrtool and tshark do not.
 */
static bool same_time(pcap_t *pc, const struct pcap_pkthdr *h, const struct nr_packet *p,
		      bool is_pcap)
{
	uint64_t sec = (uint64_t)h->ts.tv_sec, frac = (uint64_t)h->ts.tv_usec;

	if (is_pcap) {
		sec = (uint32_t)sec;
		if (h->ts.tv_usec < 0)
			frac += (UINT64_C(1) << 32) * (h->ts.tv_usec % 1000 ? 1 : 1000);
	}
	return (uint64_t)p->ts_ns == sec * 1000000000 + frac;
}

static void compare(struct verdict *v, pcap_t *pc, const struct nr_packet *p,
		    bool is_pcap)
{
	struct pcap_pkthdr *h;
	const u_char *data;
	int rc;

	if (strcmp(v->pcap_status, "equal"))
		return;
	rc = pcap_next_ex(pc, &h, &data);
	if (rc != 1) {
		v->pcap_status = "stopped";
		snprintf(v->difference, sizeof(v->difference), "%s",
			 rc == PCAP_ERROR_BREAK ? "end of file" : pcap_geterr(pc));
		return;
	}
	/* libpcap cuts a frame to the file's snap length; nrtool keeps what is stored */
	if ((h->caplen == p->cap_len ||
	     (h->caplen < p->cap_len && h->caplen == (bpf_u_int32)pcap_snapshot(pc))) &&
	    h->len == p->wire_len && same_time(pc, h, p, is_pcap) &&
	    !memcmp(data, p->data, h->caplen))
		return;
	v->pcap_status = "differ";
	snprintf(v->difference, sizeof(v->difference),
		 "record %llu: caplen %u %u, len %u %u, time %lld %lld.%lld",
		 (unsigned long long)p->record, p->cap_len, h->caplen, p->wire_len,
		 h->len, (long long)p->ts_ns, (long long)h->ts.tv_sec,
		 (long long)h->ts.tv_usec);
}

static void take(struct verdict *v, pcap_t *pc, const struct nr_batch *b, bool is_pcap)
{
	for (unsigned i = 0; i < b->n; i++) {
		const struct nr_packet *p = &b->pkt[i];

		if (!p->event) {
			v->packets++;
			v->wire_bytes += p->wire_len;
			if (pc)
				compare(v, pc, p, is_pcap);
		} else if (p->event->kind == NR_EVENT_DAMAGE && !v->damage[0]) {
			snprintf(v->damage, sizeof(v->damage), "%.*s",
				 (int)p->event->text.len, p->event->text.p);
		}
	}
}

static void check(const char *path, struct verdict *v)
{
	static struct nr_batch b;
	char why[PCAP_ERRBUF_SIZE];
	struct nr_err err;
	struct nr_source *s;
	struct pcap_pkthdr *h;
	const u_char *data;
	pcap_t *pc;
	int rc;

	rc = nr_source_open(&s, path, NULL, &err);
	if (rc < 0) {
		snprintf(v->status, sizeof(v->status), "%s", err.text);
		return;
	}
	snprintf(v->status, sizeof(v->status), "ok");
	pc = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO,
						     why);
	v->pcap_status = pc ? "equal" : "refused";
	if (!pc)
		snprintf(v->difference, sizeof(v->difference), "%.200s", why);
	b.n = b.n_blocks = 0;
	while ((rc = nr_source_read(s, &b, NR_BATCH_MAX, &err)) > 0) {
		take(v, pc, &b, !strcmp(nr_source_info(s)->format, "pcap"));
		nr_batch_release(&b);
	}
	if (rc < 0)
		snprintf(v->status, sizeof(v->status), "%s", err.text);
	if (pc && !strcmp(v->pcap_status, "equal")) {
		rc = pcap_next_ex(pc, &h, &data);
		if (rc == 1) {
			v->pcap_status = "differ";
			snprintf(v->difference, sizeof(v->difference),
				 "libpcap has more packets");
		}
	}
	if (pc)
		pcap_close(pc);
	nr_source_close(s);
}

int main(void)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t n;

	while ((n = getline(&line, &room, stdin)) > 0) {
		struct verdict v = { .pcap_status = "-" };

		line[strcspn(line, "\n")] = '\0';
		check(line, &v);
		printf("%s\t%s\t%llu\t%llu\t%s\t%s\t%s\n", line, v.status,
		       (unsigned long long)v.packets, (unsigned long long)v.wire_bytes,
		       v.damage[0] ? v.damage : "-", v.pcap_status,
		       v.difference[0] ? v.difference : "-");
	}
	free(line);
	return 0;
}
