/* SPDX-License-Identifier: BSD-3-Clause */
/* nrbench-gen: writes the workloads of the benchmarks; README.md describes each. */

#include "gen.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const struct workload {
	const char *name, *about;
	void (*run)(struct out *o, const struct params *p);
	uint64_t size, count; /* defaults; 0: not limited */
	uint32_t flows, active;
} workloads[] = {
	{ "mix", "HTTP, TLS, DNS and opaque traffic as on a link", gen_mix, 1000000000, 0,
	  0, 0 },
	{ "p64", "60-byte frames over many flows", gen_p64, 1000000000, 0, 100000, 0 },
	{ "dns", "queries and answers", gen_dns, 0, 1000000, 0, 0 },
	{ "syn", "half-open connections", gen_syn, 0, 1000000, 0, 0 },
	{ "half", "open connections with half a request each", gen_half, 0, 1000000, 0,
	  0 },
	{ "idle", "connections that stay open after an HTTP exchange", gen_idle, 0,
	  1000000, 0, 0 },
	{ "hole", "one-byte segments over a hole", gen_hole, 0, 300000, 0, 0 },
	{ "many", "flows of 10 HTTP exchanges", gen_mix, 0, 0, 2000, 2000 },
	{ "long", "one TCP stream", gen_mix, 5500000000, 0, 1, 1 },
};

_Noreturn void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("nrbench-gen: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

void *alloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		die("out of memory: %zu times %zu bytes", n, size);
	return p;
}

static void usage(FILE *to)
{
	fputs("usage: nrbench-gen WORKLOAD [OPTION…] FILE|-\n\n", to);
	for (size_t i = 0; i < sizeof(workloads) / sizeof(*workloads); i++)
		fprintf(to, "  %-5s %s\n", workloads[i].name, workloads[i].about);
	fputs("\n"
	      "  --size BYTES       end before the file is larger (k, M, G: powers of "
	      "1000)\n"
	      "  --seed N           another file of the same shape (default 1)\n"
	      "  --count N          p64: packets, dns: queries, syn, half, idle:\n"
	      "                     connections, hole: segments of each order\n"
	      "  --flows N          p64: flows (default 100000), mix, many: open no "
	      "more\n"
	      "  --active N         mix, many: flows open at once (default 2000)\n"
	      "  --exchanges N      many: requests per flow (default 10)\n"
	      "  --dist uniform|zipf   p64: how packets fall on flows\n"
	      "  --order up|down|both  hole: order of arrival (default both, two flows)\n"
	      "  --stride N         hole: distance of the bytes (default 1; 2: none "
	      "touch)\n"
	      "  --loss PPM, --reorder PPM, --retransmit PPM\n"
	      "                     mix, many, long: per million data segments\n"
	      "                     (default 5000 each for mix, 0 otherwise)\n"
	      "  --nanos            nanosecond timestamps\n"
	      "  --stats            what was written, as JSON on stderr\n",
	      to);
}

static uint64_t number(const char *opt, const char *s, uint64_t max)
{
	char *end;
	uint64_t v, k = 1;

	errno = 0;
	v = strtoull(s, &end, 10);
	if (*end == 'k')
		k = 1000;
	else if (*end == 'M')
		k = 1000000;
	else if (*end == 'G')
		k = 1000000000;
	if (k > 1)
		end++;
	if (errno || *s < '0' || *s > '9' || *end || v > max / k)
		die("--%s %s: not a number of at most %llu", opt, s,
		    (unsigned long long)max);
	return v * k;
}

static void stats_print(const struct out *o, const struct params *p)
{
	const struct stats *s = &o->st;
	const struct {
		const char *key;
		uint64_t value;
	} row[] = {
		{ "seed", p->seed },
		{ "bytes", o->total },
		{ "packets", o->n_packets },
		{ "frame_bytes", o->frame_bytes },
		{ "span_ms", (uint64_t)((o->last_ns - T_START) / NS_MS) },
		{ "flows", s->n_flows },
		{ "flows_closed", s->n_closed },
		{ "flows_tcp", s->n_tcp },
		{ "flows_udp", s->n_udp },
		{ "flows_ipv6", s->n_ipv6 },
		{ "flows_vlan", s->n_vlan },
		{ "data_segments", s->n_data },
		{ "lost", s->n_lost },
		{ "reordered", s->n_reordered },
		{ "retransmitted", s->n_retransmitted },
		{ "http_requests", s->n_http },
		{ "tls_hellos", s->n_tls },
		{ "dns_queries", s->n_dns_query },
		{ "dns_answers", s->n_dns_answer },
	};

	fprintf(stderr, "{\"workload\":\"%s\"", p->workload);
	for (size_t i = 0; i < sizeof(row) / sizeof(*row); i++)
		fprintf(stderr, ",\"%s\":%llu", row[i].key,
			(unsigned long long)row[i].value);
	fputs("}\n", stderr);
}

enum {
	O_SIZE = 256,
	O_SEED,
	O_COUNT,
	O_FLOWS,
	O_ACTIVE,
	O_EXCHANGES,
	O_DIST,
	O_ORDER,
	O_STRIDE,
	O_LOSS,
	O_REORDER,
	O_RETRANSMIT,
	O_NANOS,
	O_STATS,
};

static const struct option options[] = {
	{ "size", 1, NULL, O_SIZE },       { "seed", 1, NULL, O_SEED },
	{ "count", 1, NULL, O_COUNT },     { "flows", 1, NULL, O_FLOWS },
	{ "active", 1, NULL, O_ACTIVE },   { "exchanges", 1, NULL, O_EXCHANGES },
	{ "dist", 1, NULL, O_DIST },       { "order", 1, NULL, O_ORDER },
	{ "stride", 1, NULL, O_STRIDE },   { "loss", 1, NULL, O_LOSS },
	{ "reorder", 1, NULL, O_REORDER }, { "retransmit", 1, NULL, O_RETRANSMIT },
	{ "nanos", 0, NULL, O_NANOS },     { "stats", 0, NULL, O_STATS },
	{ "help", 0, NULL, 'h' },          { 0 },
};

static void choice_parse(struct params *p, int opt, const char *arg)
{
	if (opt == O_DIST) {
		p->is_zipf = !strcmp(arg, "zipf");
		if (!p->is_zipf && strcmp(arg, "uniform"))
			die("--dist %s: uniform or zipf", arg);
	} else if (opt == O_ORDER) {
		p->is_up = strcmp(arg, "down") != 0;
		p->is_down = strcmp(arg, "up") != 0;
		if (p->is_up && p->is_down && strcmp(arg, "both"))
			die("--order %s: up, down or both", arg);
	}
}

static const struct workload *workload_find(const char *name)
{
	for (size_t i = 0; i < sizeof(workloads) / sizeof(*workloads); i++)
		if (!strcmp(name, workloads[i].name))
			return &workloads[i];
	die("no workload %s; nrbench-gen --help lists them", name);
}

int main(int argc, char **argv)
{
	struct params p = {
		.seed = 1, .exchanges = 10, .stride = 1, .is_up = true, .is_down = true
	};
	const struct workload *w = NULL;
	bool nanos = false, stats = false;
	struct out o;
	int opt;

	signal(SIGPIPE, SIG_IGN);
	if (argc > 1 && argv[1][0] != '-') {
		w = workload_find(argv[1]);
		p.workload = w->name;
		p.size = w->size;
		p.count = w->count;
		p.flows = w->flows;
		p.active = w->active;
		if (w->run == gen_mix && !w->flows)
			p.loss_ppm = p.reorder_ppm = p.retransmit_ppm = 5000;
		argv++;
		argc--;
	}
	while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		uint32_t *u32 = opt == O_FLOWS        ? &p.flows
				: opt == O_ACTIVE     ? &p.active
				: opt == O_EXCHANGES  ? &p.exchanges
				: opt == O_STRIDE     ? &p.stride
				: opt == O_LOSS       ? &p.loss_ppm
				: opt == O_REORDER    ? &p.reorder_ppm
				: opt == O_RETRANSMIT ? &p.retransmit_ppm
						      : NULL;
		uint64_t *u64 = opt == O_SIZE    ? &p.size
				: opt == O_SEED  ? &p.seed
				: opt == O_COUNT ? &p.count
						 : NULL;

		if (opt == 'h') {
			usage(stdout);
			return 0;
		}
		if (opt == '?') {
			usage(stderr);
			return 2;
		}
		nanos |= opt == O_NANOS;
		stats |= opt == O_STATS;
		if (u32)
			*u32 = (uint32_t)number(options[opt - O_SIZE].name, optarg,
						1 << 24);
		else if (u64)
			*u64 = number(options[opt - O_SIZE].name, optarg, UINT64_MAX);
		else
			choice_parse(&p, opt, optarg);
	}
	if (!w || argc - optind != 1) {
		usage(stderr);
		return 2;
	}
	if (p.size && p.size < 24)
		die("--size %llu: a capture has at least 24 bytes",
		    (unsigned long long)p.size);
	if (w->run == gen_p64 && !p.flows)
		die("--flows 0: p64 needs at least one");
	if ((w->run == gen_syn || w->run == gen_half || w->run == gen_idle) &&
	    p.count > 1 << 24)
		die("--count: %s has addresses for %d connections", w->name, 1 << 24);
	if (!strcmp(w->name, "long"))
		p.flows = p.active = 1;
	if (!p.active) /* a small file has fewer, so that some of them end */
		p.active = p.size && p.size < 50000000 ? (uint32_t)(p.size / 25000) + 1
						       : 2000;
	body_init();
	out_open(&o, argv[optind], p.size, nanos);
	w->run(&o, &p);
	out_close(&o);
	if (stats)
		stats_print(&o, &p);
	return 0;
}
