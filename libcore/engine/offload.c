/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hosts whose every packet carries a wrong checksum: captured on the host itself, before
 * the card filled it in. Told once per host at the end, so that nobody takes it for
 * damage. Fed with flows that had bad checksums, as they end.
 */
#include "engine/internal.h"

#include "base/ip.h"
#include "base/mem.h"

enum { MAX_HOSTS = 256, MIN_PACKETS = 8, PERCENT = 90 };

struct host {
	uint8_t ip[16];
	uint8_t ip_version;
	uint64_t packets, bad;
};

struct nr_offload {
	struct host host[MAX_HOSTS];
	size_t n;
};

struct nr_offload *nr_offload_new(void)
{
	return nr_xcalloc(1, sizeof(struct nr_offload));
}

void nr_offload_free(struct nr_offload *o)
{
	nr_free(o);
}

void nr_offload_flow(struct nr_offload *o, const struct nr_join *j)
{
	for (unsigned s = 0; s < 2; s++) {
		size_t i = 0;

		if (!j->hosts.bad[s])
			continue;
		while (i < o->n && (o->host[i].ip_version != j->hosts.ip_version ||
				    memcmp(o->host[i].ip, j->hosts.ip[s], 16) != 0))
			i++;
		if (i == MAX_HOSTS)
			continue; /* enough to tell what the capture is like */
		if (i == o->n) {
			memcpy(o->host[i].ip, j->hosts.ip[s], 16);
			o->host[i].ip_version = j->hosts.ip_version;
			o->n++;
		}
		o->host[i].packets += j->hosts.packets[s];
		o->host[i].bad += j->hosts.bad[s];
	}
}

void nr_offload_report(struct nr_engine *e, const struct nr_offload *o)
{
	char ip[NR_IP_TEXT];

	for (size_t i = 0; i < o->n; i++) {
		const struct host *h = &o->host[i];

		if (h->bad < MIN_PACKETS || h->bad * 100 < h->packets * PERCENT)
			continue;
		nr_ip_format(ip, h->ip_version, h->ip);
		e->stats.checksum_offload_seen = true;
		nr_engine_anomaly(e, NR_ANOM_CHECKSUM_OFFLOAD,
				  nr_arena_printf(&e->out->arena,
						  "{\"host\":\"%s\",\"packets\":%llu,"
						  "\"bad\":%llu}",
						  ip, (unsigned long long)h->packets,
						  (unsigned long long)h->bad));
	}
}
