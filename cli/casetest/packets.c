/* SPDX-License-Identifier: BSD-3-Clause */
#include "casetest/packets.h"

#include "casetest/child.h"
#include "casetest/findings.h"
#include "cli.h"
#include "sandbox.h"

#include "archive/pcapng_write.h"
#include "base/hash.h"
#include "base/mem.h"
#include "decode/checksum.h"
#include "source/merge.h"

#include <errno.h>
#include <string.h>

enum { BYTES_MAX = 1 << 30 }; /* of all packets with their heads */

enum { TCP = 6, UDP = 17, ICMP = 1, ICMPV6 = 58 };

/* Where p lies in the frame; cap_len where it does not (reassembled, or behind it). */
static uint32_t place_of(const struct nr_packet *v, const uint8_t *p)
{
	if (!p || p < v->data || p > v->data + v->cap_len)
		return v->cap_len;
	return (uint32_t)(p - v->data);
}

/* The same for both directions. */
static uint64_t flow_of(const struct nr_level *l)
{
	size_t n = l->ip_version == 4 ? 4 : 16;
	uint8_t a[20] = { 0 }, b[20] = { 0 };
	uint64_t x, y;

	memcpy(a, l->src, n);
	memcpy(a + 16, &l->src_port, 2);
	memcpy(b, l->dst, n);
	memcpy(b + 16, &l->dst_port, 2);
	x = nr_siphash((struct nr_siphash_key){ 1, l->proto }, a, sizeof(a));
	y = nr_siphash((struct nr_siphash_key){ 1, l->proto }, b, sizeof(b));
	return (x + y) | 1;
}

static bool ip_is_ok(const struct nr_level *l, size_t room)
{
	size_t n = room ? (size_t)(l->l3[0] & 0xf) * 4 : 0;

	return l->ip_version == 4 && n >= 20 && n <= room &&
	       nr_csum(l->l3, n, 0) == 0xffff;
}

static void take_layer(struct nr_case_packet *p, const struct nr_packet *v,
		       const struct nr_level *l)
{
	struct nr_layer y = { .l3 = place_of(v, l->l3),
			      .l4 = place_of(v, l->l4),
			      .l4_len = l->l4_len,
			      .version = l->ip_version,
			      .proto = l->proto };
	uint32_t head = y.version == 4 ? 20 : 40;

	if (p->n_layers == NR_LAYERS || y.l4 == v->cap_len || v->cap_len - y.l3 < head ||
	    l->flags & NR_L_REASSEMBLED)
		return;
	if (y.proto == UDP && v->cap_len - y.l4 >= 8)
		y.l4_len = (uint32_t)v->data[y.l4 + 4] << 8 | v->data[y.l4 + 5];
	y.ip_ok = ip_is_ok(l, v->cap_len - y.l3);
	y.l4_ok = v->cap_len - y.l4 >= y.l4_len &&
		  (y.proto == TCP || y.proto == UDP || y.proto == ICMP ||
		   y.proto == ICMPV6) &&
		  nr_level_csum(l) == NR_CSUM_OK;
	p->layer[p->n_layers++] = y;
	p->payload = place_of(v, l->payload);
	p->flow = flow_of(l);
	if (p->mac == UINT32_MAX && l->mac_dst && l->mac_src == l->mac_dst + 6 &&
	    place_of(v, l->mac_src) + 6 <= v->cap_len)
		p->mac = place_of(v, l->mac_dst);
}

static void take_packet(struct nr_buf *b, struct nr_decoder *d, struct nr_decoded *out,
			const struct nr_packet *v)
{
	struct nr_case_packet p = { .ts_ns = v->ts_ns,
				    .cap_len = v->cap_len,
				    .wire_len = v->wire_len,
				    .payload = v->cap_len,
				    .mac = UINT32_MAX,
				    .link_type = v->link_type,
				    .flags = v->flags,
				    .fcs_len = v->fcs_len,
				    .kept = true };

	nr_decode(d, v, out);
	for (unsigned i = 0; i < out->n_levels; i++)
		take_layer(&p, v, &out->level[i]);
	nr_buf_add(b, &p, sizeof(p));
	nr_buf_add(b, v->data, v->cap_len);
	while (b->len % 16)
		nr_buf_char(b, '\0');
}

static int read_all(struct nr_merge *m, struct nr_buf *b, struct nr_err *err)
{
	const struct nr_decoder_config dc = { .frag_timeout_ns = INT64_C(30000000000),
					      .frag_memory = 1 << 20,
					      .frag_datagrams = 1024,
					      .judge_ip_checksum = true };
	struct nr_decoder *d = nr_decoder_new(&dc);
	struct nr_decoded *out = nr_xcalloc(1, sizeof(*out));
	struct nr_batch *batch = nr_xcalloc(1, sizeof(*batch));
	int n;

	while ((n = nr_merge_read(m, batch, 64, err)) > 0) {
		for (unsigned i = 0; i < batch->n; i++)
			if (!batch->pkt[i].event)
				take_packet(b, d, out, &batch->pkt[i]);
		nr_decoder_release(d);
		nr_batch_release(batch);
		if (b->len > BYTES_MAX) {
			n = nr_fail(err, -EFBIG,
				    "the captures have more than %d MiB: cut them with "
				    "nrtool extract first",
				    BYTES_MAX >> 20);
			break;
		}
	}
	nr_decoder_free(d);
	nr_free(out);
	nr_free(batch);
	return n;
}

/* In the child. */
static int work(void *arg, size_t i, int out_fd)
{
	const struct nr_case *c = arg;
	const struct nr_sandbox s = { .reads = c->captures, .n_reads = c->n_captures };
	const struct nr_merge_options mo = { .max_jump_ns = INT64_C(3600000000000) };
	char applied[NR_SANDBOX_TEXT];
	struct nr_merge *m = NULL;
	struct nr_buf b = { 0 };
	struct nr_err err = { "" };
	int rc = nr_sandbox_enter(&s, applied, &err);

	(void)i;
	if (!rc)
		rc = nr_merge_open(&m, c->captures, c->n_captures, &mo, &err);
	if (!rc)
		rc = read_all(m, &b, &err);
	nr_merge_close(m);
	if (rc)
		fputs(err.text, stderr);
	else if (nr_child_write(out_fd, b.p, b.len))
		rc = -EIO;
	nr_buf_fini(&b);
	return rc ? 1 : 0;
}

/* A packet as a child wrote it, at `at`: its offsets must lie in it. */
static bool is_sound(const struct nr_case_packet *p, size_t left)
{
	if (p->cap_len > left || p->n_layers > NR_LAYERS || p->payload > p->cap_len ||
	    (p->mac != UINT32_MAX && (p->cap_len < 12 || p->mac > p->cap_len - 12)))
		return false;
	for (unsigned i = 0; i < p->n_layers; i++) {
		const struct nr_layer *y = &p->layer[i];
		uint32_t head = y->version == 4 ? 20 : 40;

		if (p->cap_len < head || y->l3 > p->cap_len - head ||
		    y->l4 > p->cap_len || (y->l4_ok && y->l4_len > p->cap_len - y->l4))
			return false;
	}
	return true;
}

static bool take_all(struct nr_packets *ps)
{
	size_t at = 0, room = 0, left = ps->n; /* n: bytes of memory, still */

	for (ps->n = 0; left - at >= sizeof(struct nr_case_packet);) {
		struct nr_case_packet *p;

		if (ps->n == room) {
			room = room ? 2 * room : 256;
			ps->p = nr_xrealloc(ps->p, room * sizeof(*ps->p));
		}
		p = &ps->p[ps->n++];
		memcpy(p, ps->memory + at, sizeof(*p));
		at += sizeof(*p);
		if (!is_sound(p, left - at))
			return false;
		p->data = (uint8_t *)ps->memory + at;
		at += (p->cap_len + sizeof(*p) + 15) / 16 * 16 - sizeof(*p);
		if (at > left)
			return false;
	}
	return at == left;
}

int nr_packets_load(struct nr_packets *ps, const struct nr_case *c, int64_t timeout_ns,
		    struct nr_err *err)
{
	struct nr_child child;
	char death[64];
	int rc = nr_child_run(&child, work, (void *)c, timeout_ns, err);

	*ps = (struct nr_packets){ 0 };
	if (!rc && child.status)
		rc = nr_fail(err, -EIO, "the captures cannot be read: %.400s",
			     child.err_len ? child.err : nr_child_death(&child, death));
	if (!rc) {
		ps->memory = child.out;
		ps->n = child.out_len;
		child.out = NULL;
		if (!take_all(ps))
			rc = nr_fail(err, -EIO, "the captures cannot be read");
	}
	nr_child_fini(&child);
	return rc;
}

void nr_packets_free(struct nr_packets *ps)
{
	nr_free(ps->p);
	nr_free(ps->memory);
	*ps = (struct nr_packets){ 0 };
}

size_t nr_packets_kept(const struct nr_packets *ps)
{
	size_t n = 0;

	for (size_t i = 0; i < ps->n; i++)
		n += ps->p[i].kept;
	return n;
}

static int write_packet(struct nr_ngw *w, int32_t *id, const struct nr_case_packet *p,
			struct nr_err *err)
{
	const struct nr_packet v = { .data = p->data,
				     .cap_len = p->cap_len,
				     .wire_len = p->wire_len,
				     .ts_ns = p->ts_ns,
				     .link_type = p->link_type,
				     .flags = p->flags,
				     .fcs_len = p->fcs_len };
	uint32_t number;

	if (id[p->link_type] < 0) {
		const struct nr_interface i = { .link_type = p->link_type };
		int rc = nr_ngw_interface(w, &i, &number, err);

		if (rc)
			return rc;
		id[p->link_type] = (int32_t)number;
	}
	return nr_ngw_packet(w, (uint32_t)id[p->link_type], &v, err);
}

int nr_packets_write(const struct nr_packets *ps, const char *path, struct nr_err *err)
{
	const struct nr_ngw_options o = { .force = true };
	int32_t *id = nr_xmalloc(65536 * sizeof(*id)); /* of each link type */
	struct nr_ngw *w = NULL;
	int rc = nr_ngw_open(&w, path, &o, err);

	memset(id, 0xff, 65536 * sizeof(*id));
	for (size_t i = 0; i < ps->n && !rc; i++)
		if (ps->p[i].kept)
			rc = write_packet(w, id, &ps->p[i], err);
	if (!rc)
		rc = nr_ngw_finish(w, NULL, err);
	nr_ngw_close(w);
	nr_free(id);
	return rc;
}

static uint32_t pseudo_sum(const struct nr_case_packet *p, const struct nr_layer *y)
{
	bool is4 = y->version == 4;
	uint32_t n = is4 ? 8 : 32;
	uint8_t tail[4] = { 0, y->proto, (uint8_t)(y->l4_len >> 8), (uint8_t)y->l4_len };

	if (y->proto == ICMP)
		return 0;
	return nr_csum(tail, 4, nr_csum(p->data + y->l3 + (is4 ? 12 : 8), n, 0));
}

/* Writes the checksum of n bytes into them, at `at`. */
static void put_sum(uint8_t *d, uint32_t n, uint32_t at, uint32_t start, bool no_zero)
{
	uint16_t sum;

	if (n < at + 2)
		return;
	memset(d + at, 0, 2);
	sum = (uint16_t)~nr_csum(d, n, start);
	if (!sum && no_zero)
		sum = 0xffff;
	memcpy(d + at, &sum, 2);
}

void nr_packet_mend(struct nr_case_packet *p)
{
	for (unsigned i = p->n_layers; i-- > 0;) {
		const struct nr_layer *y = &p->layer[i];
		uint32_t at = y->proto == TCP ? 16 : y->proto == UDP ? 6 : 2;
		uint32_t head = (uint32_t)(p->data[y->l3] & 0xf) * 4;

		if (y->l4_ok && y->l4_len <= p->cap_len - y->l4)
			put_sum(p->data + y->l4, y->l4_len, at, pseudo_sum(p, y),
				y->proto == UDP);
		if (y->ip_ok && head <= p->cap_len - y->l3)
			put_sum(p->data + y->l3, head, 10, 0, false);
	}
}
