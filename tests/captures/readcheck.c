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
 * (equal up to where libpcap gave up). Files of one link type only: the others are
 * libpcap's limit.
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

/* libpcap 1.10 reads the seconds of a pcap file as signed; nrtool and tshark do not. */
static int64_t pcap_time(const struct pcap_pkthdr *h, bool is_pcap)
{
	int64_t s = is_pcap ? (int64_t)(uint32_t)h->ts.tv_sec : h->ts.tv_sec;

	return (int64_t)((uint64_t)s * 1000000000 + (uint64_t)h->ts.tv_usec);
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
		snprintf(v->difference, sizeof(v->difference), "at %llu: %s",
			 (unsigned long long)p->record,
			 rc == PCAP_ERROR_BREAK ? "end of file" : pcap_geterr(pc));
		return;
	}
	if (h->caplen == p->cap_len && h->len == p->wire_len &&
	    pcap_time(h, is_pcap) == p->ts_ns && !memcmp(data, p->data, p->cap_len))
		return;
	v->pcap_status = "differ";
	snprintf(v->difference, sizeof(v->difference),
		 "record %llu: caplen %u %u, len %u %u, time %lld %lld",
		 (unsigned long long)p->record, p->cap_len, h->caplen, p->wire_len,
		 h->len, (long long)p->ts_ns, (long long)pcap_time(h, is_pcap));
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
