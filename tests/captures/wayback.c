/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The way back from flows to packets, proved: each capture is replayed with the rows of
 * flow, flow_packets and source_block kept in memory, then read a second time.
 *
 * stdin: a path a line. stdout, for each: path, verdict, flows, packets named, bytes of
 * chunks, the same two over flows of at least 8 packets, the worst of these in bytes per
 * packet, records found at a source_block's offset, words; tab-separated. Verdicts: ok,
 * nocapture, failed, wrong.
 *
 * Wrong is: a chunk that does not decode or is out of sequence; a record named twice or
 * not in the file; a flow with other than flow.records of them; a record none of whose
 * levels has addresses, ports, protocol, VLANs and tunnels of its flow, in one direction
 * or the other (a fragment: none of the levels of the datagram it became part of); an
 * offset at which the record's bytes are not (files that are not compressed).
 */
#include "base/ip.h"
#include "base/mem.h"
#include "engine/engine.h"
#include "flow/key.h"
#include "flow/proto.h"
#include "record/tables.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MIN_FLOW = 8, IDENT = 640 };

struct flow {
	uint64_t id, records, named, bytes;
	uint32_t chunks;
	bool ended;
	char ident[IDENT]; /* what a packet of it must say, one direction */
};

struct block {
	uint64_t record, offset;
};

struct kept {
	struct flow *flow;
	size_t n_flows, room_flows;
	uint32_t *slot; /* flow_id to index + 1 */
	size_t n_slots;
	struct block *block;
	size_t n_blocks, room_blocks;
	uint32_t *owner; /* by record: flow + 1 */
	size_t n_owners;
	uint64_t at_offset;
	char wrong[256];
};

struct ctx {
	struct kept *k;
};

static void wrong(struct kept *k, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void wrong(struct kept *k, const char *fmt, ...)
{
	va_list ap;

	if (k->wrong[0])
		return;
	va_start(ap, fmt);
	vsnprintf(k->wrong, sizeof(k->wrong), fmt, ap);
	va_end(ap);
}

static uint32_t *slot_of(struct kept *k, uint64_t id)
{
	size_t i = (id * 0x9e3779b97f4a7c15u) >> 20 & (k->n_slots - 1);

	while (k->slot[i] && k->flow[k->slot[i] - 1].id != id)
		i = (i + 1) & (k->n_slots - 1);
	return &k->slot[i];
}

/* Chunks come before the row of their flow: either makes it known. */
static struct flow *flow_of(struct kept *k, uint64_t id)
{
	uint32_t *s;

	if (k->n_flows * 2 >= k->n_slots) {
		k->n_slots = k->n_slots ? k->n_slots * 2 : 1024;
		k->slot = nr_xrealloc(k->slot, k->n_slots * sizeof(k->slot[0]));
		memset(k->slot, 0, k->n_slots * sizeof(k->slot[0]));
		for (size_t i = 0; i < k->n_flows; i++)
			*slot_of(k, k->flow[i].id) = (uint32_t)i + 1;
	}
	s = slot_of(k, id);
	if (!*s) {
		if (k->n_flows == k->room_flows) {
			k->room_flows = k->room_flows ? k->room_flows * 2 : 512;
			k->flow =
				nr_xrealloc(k->flow, k->room_flows * sizeof(k->flow[0]));
		}
		k->flow[k->n_flows] = (struct flow){ .id = id };
		*s = (uint32_t)++k->n_flows;
	}
	return &k->flow[*s - 1];
}

static void own(struct kept *k, struct flow *f, uint64_t record)
{
	if (record == 0 || record > UINT32_MAX) {
		wrong(k, "flow %llu names record %llu", (unsigned long long)f->id,
		      (unsigned long long)record);
		return;
	}
	while (record >= k->n_owners) {
		size_t n = k->n_owners ? k->n_owners * 2 : 4096;

		k->owner = nr_xrealloc(k->owner, n * sizeof(k->owner[0]));
		memset(k->owner + k->n_owners, 0,
		       (n - k->n_owners) * sizeof(k->owner[0]));
		k->n_owners = n;
	}
	if (k->owner[record])
		wrong(k, "record %llu is named twice", (unsigned long long)record);
	k->owner[record] = (uint32_t)(f - k->flow) + 1;
	f->named++;
}

/* A reading of the format of its own: see flow_packets in nrtool-schema(5). */
static void take_chunk(struct kept *k, const struct nr_record *r)
{
	const struct nr_value *v = &r->v[NR_FLOW_PACKETS_blob];
	struct flow *f = flow_of(k, (uint64_t)r->v[NR_FLOW_PACKETS_flow_id].i);
	uint64_t at = 0, x = 0;
	unsigned shift = 0;

	if ((uint64_t)r->v[NR_FLOW_PACKETS_seq].i != f->chunks++ || f->ended)
		wrong(k, "chunk %lld of flow %llu is out of sequence",
		      (long long)r->v[NR_FLOW_PACKETS_seq].i, (unsigned long long)f->id);
	if (!v->len || v->len > 4096 || (uint8_t)v->p[v->len - 1] & 0x80)
		wrong(k, "a chunk of flow %llu has %u bytes or is cut",
		      (unsigned long long)f->id, v->len);
	f->bytes += v->len;
	for (uint32_t i = 0; i < v->len; i++) {
		uint8_t b = (uint8_t)v->p[i];

		x |= (uint64_t)(b & 0x7f) << shift;
		shift += 7;
		if (b & 0x80 && shift < 64)
			continue;
		at = !at ? x : x & 1 ? at - (x + 1) / 2 : at + x / 2;
		own(k, f, at);
		x = shift = 0;
	}
}

static const char *text(const struct nr_value *v)
{
	static const char none[] = "-";

	return v->kind == NR_V_TEXT ? v->p : none;
}

/*
 * Ids that both directions share stay in the text of tunnels, the others leave it, and so
 * does Teredo, which is no part of what identifies a flow.
 */
static void tunnel_text(char *out, size_t room, const char *t)
{
	size_t n = 0;

	while (*t && n < room - 1) {
		size_t len = strcspn(t, "/"), name = strcspn(t, "/:");
		bool keep_id = strncmp(t, "vxlan", 5) == 0 ||
			       strncmp(t, "geneve", 6) == 0 ||
			       strncmp(t, "nvgre", 5) == 0;

		if (strncmp(t, "teredo", 6) != 0)
			n += (size_t)snprintf(out + n, room - n, "/%.*s",
					      (int)(keep_id ? len : name), t);
		t += len;
		t += *t == '/';
	}
	out[n < room ? n : room - 1] = '\0';
}

static void ident_text(char *out, const char *proto, const char *a, long aport,
		       const char *b, long bport, const char *vlan, const char *tunnel)
{
	char tun[320] = "";
	int order = strcmp(a, b);

	if (*tunnel != '-')
		tunnel_text(tun, sizeof(tun), tunnel);
	if (order > 0 || (order == 0 && aport > bport)) {
		const char *s = a;
		long port = aport;

		a = b;
		aport = bport;
		b = s;
		bport = port;
	}
	snprintf(out, IDENT, "%s %s %ld %s %ld vlan %s tunnel %s", proto, a, aport, b,
		 bport, vlan, tun);
}

static long port_of(const struct nr_value *v)
{
	return v->kind == NR_V_INT ? (long)v->i : 0;
}

static void take_flow(struct kept *k, const struct nr_record *r)
{
	struct flow *f = flow_of(k, (uint64_t)r->v[NR_FLOW_flow_id].i);

	if (f->ended)
		wrong(k, "two rows of flow %llu", (unsigned long long)f->id);
	f->ended = true;
	f->records = (uint64_t)r->v[NR_FLOW_records].i;
	ident_text(f->ident, text(&r->v[NR_FLOW_proto]), text(&r->v[NR_FLOW_src_ip]),
		   port_of(&r->v[NR_FLOW_src_port]), text(&r->v[NR_FLOW_dst_ip]),
		   port_of(&r->v[NR_FLOW_dst_port]), text(&r->v[NR_FLOW_vlan]),
		   text(&r->v[NR_FLOW_tunnel]));
}

static int keep(struct nr_sink *s, struct nr_record *const *r, size_t n,
		struct nr_err *err)
{
	struct kept *k = ((struct ctx *)(void *)s->ctx)->k;

	(void)err;
	for (size_t i = 0; i < n; i++) {
		if (r[i]->type == &nr_rt_flow_packets) {
			take_chunk(k, r[i]);
		} else if (r[i]->type == &nr_rt_flow) {
			take_flow(k, r[i]);
		} else if (r[i]->type == &nr_rt_source_block) {
			if (k->n_blocks == k->room_blocks) {
				k->room_blocks = k->room_blocks ? k->room_blocks * 2 : 64;
				k->block = nr_xrealloc(
					k->block, k->room_blocks * sizeof(k->block[0]));
			}
			k->block[k->n_blocks++] = (struct block){
				(uint64_t)r[i]->v[NR_SOURCE_BLOCK_record].i,
				(uint64_t)r[i]->v[NR_SOURCE_BLOCK_offset].i,
			};
		}
	}
	return 0;
}

static void level_ident(char *out, const struct nr_decoded *d, unsigned i)
{
	const struct nr_level *l = &d->level[i];
	const struct nr_key_config none = { .no_vlan = false };
	char lo[NR_IP_TEXT], hi[NR_IP_TEXT], vlan[64] = "-", tunnel[320] = "-";
	size_t n = 0;
	struct nr_key k;
	bool src_is_hi, ports;

	nr_key_make(&k, &src_is_hi, &none, d, i); /* maps ICMP's type and code */
	nr_ip_format(lo, k.ip_version, k.lo);
	nr_ip_format(hi, k.ip_version, k.hi);
	for (unsigned v = 0; v < l->n_vlans; v++)
		n += (size_t)snprintf(vlan + n, sizeof(vlan) - n, v ? ",%u" : "%u",
				      d->vlan[l->first_vlan + v]);
	n = 0;
	for (unsigned t = 0; t < l->n_tunnels; t++) {
		const struct nr_tunnel *u = &d->tunnel[t];

		n += (size_t)snprintf(tunnel + n, sizeof(tunnel) - n, "%s%s",
				      t ? "/" : "", nr_tunnel_name(u->kind));
		if (u->has_id)
			n += (size_t)snprintf(tunnel + n, sizeof(tunnel) - n, ":%u",
					      u->id);
	}
	ports = k.proto == 1 || k.proto == 6 || k.proto == 17 || k.proto == 33 ||
		k.proto == 58 || k.proto == 132 || k.proto == 136;
	ident_text(out, nr_proto_name(k.proto), lo, ports ? k.lo_port : 0, hi,
		   ports ? k.hi_port : 0, vlan, tunnel);
}

/* The flow that a record was given to must be one of the levels'. */
static void judge(struct kept *k, const struct nr_decoded *d, uint64_t record)
{
	const struct flow *f;
	char is[IDENT] = "no flow";

	if (record >= k->n_owners || !k->owner[record])
		return;
	f = &k->flow[k->owner[record] - 1];
	for (unsigned i = 0; i < d->n_levels; i++) {
		level_ident(is, d, i);
		if (strcmp(is, f->ident) == 0) {
			k->owner[record] = UINT32_MAX; /* found */
			return;
		}
	}
	wrong(k, "record %llu is \"%s\", its flow \"%s\"", (unsigned long long)record, is,
	      f->ident);
}

/* The record's own bytes follow its header at the offset, as stored in the file. */
static bool bytes_at(int fd, const struct nr_packet *p)
{
	uint8_t buf[64 + 256];
	size_t n = p->cap_len < 256 ? p->cap_len : 256;
	ssize_t got = pread(fd, buf, sizeof(buf), (off_t)p->offset);

	return got >= 0 && memmem(buf, (size_t)got, p->data, n);
}

static void judge_block(struct kept *k, const struct nr_packet *p, const char *path,
			int fd, size_t *next, bool packed)
{
	if (*next == k->n_blocks || k->block[*next].record != p->record)
		return;
	if (k->block[*next].offset != p->offset || (!packed && !bytes_at(fd, p)))
		wrong(k, "source_block says record %llu is at %llu of %s",
		      (unsigned long long)p->record,
		      (unsigned long long)k->block[*next].offset, path);
	k->at_offset++;
	++*next;
}

static void read_again(struct kept *k, const char *path, struct nr_merge *m, int fd)
{
	const struct nr_decoder_config dc = {
		.frag_timeout_ns = 30000000000,
		.frag_memory = 32 << 20,
		.frag_datagrams = 65536,
		.judge_ip_checksum = true,
	};
	struct nr_decoder *d = nr_decoder_new(&dc);
	struct nr_batch *b = nr_xcalloc(1, sizeof(*b));
	struct nr_decoded *dec = nr_xcalloc(1, sizeof(*dec));
	const char *compression = nr_merge_info(m, 0)->compression;
	bool packed = compression && strcmp(compression, "none") != 0;
	struct nr_err err;
	size_t next = 0;

	while (nr_merge_read(m, b, 256, &err) > 0) {
		for (unsigned i = 0; i < b->n; i++) {
			const struct nr_packet *p = &b->pkt[i];

			if (p->event)
				continue;
			judge_block(k, p, path, fd, &next, packed);
			nr_decode(d, p, dec);
			for (uint32_t j = 0; j < dec->n_frags; j++)
				judge(k, dec, dec->frags[j].record);
			if (dec->bucket != NR_BUCKET_HELD) /* told by its datagram */
				judge(k, dec, p->record);
		}
		nr_decoder_release(d);
		nr_batch_release(b);
	}
	if (next != k->n_blocks)
		wrong(k, "%zu of %zu rows of source_block lead to no record",
		      k->n_blocks - next, k->n_blocks);
	for (size_t i = 0; i < k->n_owners; i++) {
		if (k->owner[i] && k->owner[i] != UINT32_MAX)
			wrong(k, "record %zu decodes to no flow", i);
	}
	nr_free(dec);
	nr_free(b);
	nr_decoder_free(d);
}

static int replay(struct kept *k, const struct nr_engine_config *c, struct nr_merge *m,
		  struct nr_err *err)
{
	static const struct nr_sink_ops ops = { .name = "keep",
						.ctx_size = sizeof(struct ctx),
						.write = keep };
	const struct nr_run_info run = { .argv = "wayback",
					 .cwd = "",
					 .host = "",
					 .libraries = "",
					 .sandbox = "",
					 .record_options = "",
					 .threads = 1 };
	struct nr_sink *sink = nr_xcalloc(1, sizeof(*sink) + sizeof(struct ctx));
	struct nr_engine *e = NULL;
	int ret;

	sink->ops = &ops;
	((struct ctx *)(void *)sink->ctx)->k = k;
	ret = nr_engine_new(&e, c, &sink, 1, err);
	if (ret == 0)
		ret = nr_engine_run(e, m, &run, NULL, NULL, NULL, err);
	nr_engine_free(e);
	nr_free(sink);
	return ret;
}

static const char *prove(struct kept *k, const char *path,
			 const struct nr_engine_config *c, struct nr_err *err)
{
	const struct nr_merge_options opt = { .max_jump_ns = c->max_jump };
	struct nr_merge *m = NULL;
	int ret = nr_merge_open(&m, &path, 1, &opt, err), fd;

	if (ret < 0)
		return ret == -EINVAL ? "nocapture" : "failed";
	ret = replay(k, c, m, err);
	nr_merge_close(m);
	m = NULL;
	if (ret < 0 || nr_merge_open(&m, &path, 1, &opt, err) < 0)
		return "failed";
	fd = open(path, O_RDONLY | O_CLOEXEC);
	for (size_t i = 0; i < k->n_flows; i++) {
		const struct flow *f = &k->flow[i];

		if (!f->ended || f->records != f->named)
			wrong(k, "flow %llu has %llu records and names %llu",
			      (unsigned long long)f->id, (unsigned long long)f->records,
			      (unsigned long long)f->named);
	}
	read_again(k, path, m, fd);
	close(fd);
	nr_merge_close(m);
	snprintf(err->text, sizeof(err->text), "%s", k->wrong);
	return k->wrong[0] ? "wrong" : "ok";
}

static void report(const struct kept *k, const char *path, const char *verdict,
		   const char *words)
{
	uint64_t packets = 0, bytes = 0, packets8 = 0, bytes8 = 0;
	double worst = 0;

	for (size_t i = 0; i < k->n_flows; i++) {
		const struct flow *f = &k->flow[i];

		packets += f->named;
		bytes += f->bytes;
		if (f->named < MIN_FLOW)
			continue;
		packets8 += f->named;
		bytes8 += f->bytes;
		if ((double)f->bytes / (double)f->named > worst)
			worst = (double)f->bytes / (double)f->named;
	}
	printf("%s\t%s\t%zu\t%llu\t%llu\t%llu\t%llu\t%.3f\t%llu\t", path, verdict,
	       k->n_flows, (unsigned long long)packets, (unsigned long long)bytes,
	       (unsigned long long)packets8, (unsigned long long)bytes8, worst,
	       (unsigned long long)k->at_offset);
	for (; *words; words++)
		putchar((unsigned char)*words < 0x20 ? ' ' : *words);
	putchar('\n');
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "index-memory", required_argument, NULL, 'i' },
		{ NULL, 0, NULL, 0 },
	};
	struct nr_engine_config c;
	char *line = NULL;
	size_t room = 0;
	int o;

	nr_engine_config_defaults(&c);
	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o != 'i')
			return 2;
		c.index_memory = strtoull(optarg, NULL, 10);
	}
	while (getline(&line, &room, stdin) > 0) {
		struct kept k = { 0 };
		struct nr_err err = { "" };
		const char *verdict;

		line[strcspn(line, "\n")] = '\0';
		verdict = prove(&k, line, &c, &err);
		report(&k, line, verdict, err.text);
		nr_free(k.flow);
		nr_free(k.slot);
		nr_free(k.block);
		nr_free(k.owner);
	}
	free(line);
	return 0;
}
