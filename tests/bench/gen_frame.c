/* SPDX-License-Identifier: BSD-3-Clause */
/* The capture file and the frames in it. */

#include "gen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define OUT_BLOCK ((size_t)1 << 18) /* small enough to stay in L2 */

static void out_flush(struct out *o)
{
	size_t done = 0;

	while (done < o->len) {
		ssize_t n = write(o->fd, o->buf + done, o->len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			die("cannot write packets to %s: %s", o->name, strerror(errno));
		done += (size_t)n;
	}
	o->len = 0;
}

void out_open(struct out *o, const char *name, uint64_t limit, bool nanos)
{
	memset(o, 0, sizeof(*o));
	o->limit = limit;
	o->nanos = nanos;
	o->name = name;
	o->last_ns = T_START;
	o->cap = OUT_BLOCK;
	o->buf = alloc(1, OUT_BLOCK);
	if (!strcmp(name, "-")) {
		o->fd = STDOUT_FILENO;
		o->name = "standard output";
	} else {
		o->fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
		if (o->fd < 0)
			die("cannot create %s: %s", name, strerror(errno));
	}
	put_le32(o->buf, nanos ? 0xa1b23c4d : 0xa1b2c3d4);
	put_le32(o->buf + 4, 2 | 4 << 16);
	put_le32(o->buf + 8, 0);
	put_le32(o->buf + 12, 0);
	put_le32(o->buf + 16, 262144);
	put_le32(o->buf + 20, 1); /* Ethernet */
	o->len = 24;
	o->total = 24;
}

uint8_t *out_frame(struct out *o)
{
	if (o->cap - o->len < 16 + FRAME_MAX)
		out_flush(o);
	return o->buf + o->len + 16;
}

bool out_commit(struct out *o, size_t len, int64_t time_ns)
{
	uint8_t *h = o->buf + o->len;
	int64_t frac = time_ns % NS_S;

	if (o->full || (o->limit && o->total + 16 + len > o->limit)) {
		o->full = true;
		return false;
	}
	put_le32(h, (uint32_t)(time_ns / NS_S));
	put_le32(h + 4, (uint32_t)(o->nanos ? frac : frac / NS_US));
	put_le32(h + 8, (uint32_t)len);
	put_le32(h + 12, (uint32_t)len);
	o->len += 16 + len;
	o->total += 16 + len;
	o->frame_bytes += len;
	o->n_packets++;
	o->last_ns = time_ns;
	return true;
}

void out_close(struct out *o)
{
	out_flush(o);
	if (close(o->fd))
		die("cannot write packets to %s: %s", o->name, strerror(errno));
	free(o->buf);
	o->buf = NULL;
}

/* The Internet checksum (RFC 1071) in the machine's own byte order. */
static uint64_t sum_add(uint64_t sum, const uint8_t *p, size_t n)
{
	uint32_t w;
	uint16_t h;

	for (; n >= 4; p += 4, n -= 4) {
		memcpy(&w, p, 4);
		sum += w;
	}
	if (n >= 2) {
		memcpy(&h, p, 2);
		sum += h;
		p += 2;
		n -= 2;
	}
	if (n) {
		uint8_t tail[2] = { *p, 0 };

		memcpy(&h, tail, 2);
		sum += h;
	}
	return sum;
}

static void sum_put(uint8_t *at, uint64_t sum)
{
	uint16_t h;

	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	h = (uint16_t)~sum;
	memcpy(at, &h, 2);
}

void conv_resum(struct conv *c)
{
	size_t n = c->is_v6 ? 16 : 4;

	c->addr_sum = sum_add(sum_add(0, c->addr[0], n), c->addr[1], n);
}

void conv_set(struct conv *c, bool is_v6, int vid, uint32_t client, uint32_t server,
	      uint16_t cport, uint16_t sport)
{
	memset(c, 0, sizeof(*c));
	c->is_v6 = is_v6;
	c->is_vlan = vid != 0;
	c->vid = (uint16_t)vid;
	c->port[0] = cport;
	c->port[1] = sport;
	if (is_v6) {
		put_be32(c->addr[0], 0x20010db8);
		put_be32(c->addr[0] + 4, 0x00010000 | client >> 8);
		put_be32(c->addr[0] + 12, 0x100 + client);
		put_be32(c->addr[1], 0x20010db8);
		put_be32(c->addr[1] + 4, 0x80000000 | server >> 4);
		put_be32(c->addr[1] + 12, 1 + server);
	} else {
		put_be32(c->addr[0], 0x0a140000 + client + 1); /* 10.20/16 */
		put_be32(c->addr[1], 0xc6120000 + server + 1); /* 198.18/15, RFC 2544 */
	}
	conv_resum(c);
	c->ip_id[0] = (uint16_t)mix64(client ^ (uint64_t)cport << 32);
	c->ip_id[1] = (uint16_t)mix64(server ^ (uint64_t)cport << 32);
}

static size_t l4_at(const struct conv *c)
{
	return (c->is_vlan ? 18u : 14u) + (c->is_v6 ? 40u : 20u);
}

size_t tcp_payload_at(const struct conv *c, const struct tcp_hdr *h)
{
	if (h->flags & TCP_SYN)
		return l4_at(c) + (h->is_plain_syn ? 24 : 40);
	return l4_at(c) + (h->has_ts ? 32 : 20);
}

size_t udp_payload_at(const struct conv *c)
{
	return l4_at(c) + 8;
}

/* Ethernet and IP; the MAC of a side is local and follows its address. */
static void head_put(uint8_t *f, struct conv *c, int side, uint8_t proto, size_t l4_len)
{
	size_t n = c->is_v6 ? 16 : 4;

	f[0] = f[6] = 2;
	f[1] = (uint8_t)(side ? 0xc1 : 0x5e);
	f[7] = (uint8_t)(side ? 0x5e : 0xc1);
	memcpy(f + 2, c->addr[!side] + n - 4, 4);
	memcpy(f + 8, c->addr[side] + n - 4, 4);
	f += 12;
	if (c->is_vlan) {
		put_be16(f, 0x8100);
		put_be16(f + 2, c->vid);
		f += 4;
	}
	put_be16(f, c->is_v6 ? 0x86dd : 0x0800);
	f += 2;
	if (c->is_v6) {
		put_be32(f, 0x60000000);
		put_be16(f + 4, (uint32_t)l4_len);
		f[6] = proto;
		f[7] = side ? 57 : 64;
		f += 8;
	} else {
		f[0] = 0x45;
		f[1] = 0;
		put_be16(f + 2, (uint32_t)l4_len + 20);
		put_be16(f + 4, c->ip_id[side]++);
		put_be16(f + 6, 0x4000);
		f[8] = side ? 57 : 64;
		f[9] = proto;
		put_be16(f + 10, 0);
		f += 12;
	}
	memcpy(f, c->addr[side], n);
	memcpy(f + n, c->addr[!side], n);
	if (!c->is_v6)
		sum_put(f - 2, sum_add(0, f - 12, 20));
}

static size_t l4_finish(uint8_t *f, const struct conv *c, uint8_t proto, size_t csum_at,
			size_t l4_len)
{
	uint8_t pseudo[4] = { 0, proto, (uint8_t)(l4_len >> 8), (uint8_t)l4_len };
	size_t at = l4_at(c), len = at + l4_len;

	sum_put(f + at + csum_at,
		sum_add(sum_add(c->addr_sum, pseudo, 4), f + at, l4_len));
	if (proto == 17 && !f[at + csum_at] && !f[at + csum_at + 1])
		f[at + csum_at] = f[at + csum_at + 1] = 0xff; /* RFC 768: 0 means none */
	if (len < 60) {
		memset(f + len, 0, 60 - len);
		len = 60;
	}
	return len;
}

size_t tcp_frame(uint8_t *f, struct conv *c, int side, const struct tcp_hdr *h, size_t n)
{
	size_t at = l4_at(c), hlen = tcp_payload_at(c, h) - at;
	uint8_t *t = f + at, *opt = t + 20;

	head_put(f, c, side, 6, hlen + n);
	put_be16(t, c->port[side]);
	put_be16(t + 2, c->port[!side]);
	put_be32(t + 4, h->seq);
	put_be32(t + 8, h->ack);
	t[12] = (uint8_t)(hlen / 4 << 4);
	t[13] = h->flags;
	put_be16(t + 14, h->window);
	put_be32(t + 16, 0);
	if (h->flags & TCP_SYN) { /* MSS; SACK permitted, timestamps, window scale 7 */
		put_be32(opt, 0x02040000 | (c->is_v6 ? 1440 : 1460));
	}
	if (h->flags & TCP_SYN && !h->is_plain_syn) {
		put_be32(opt + 4, 0x0402080a);
		put_be32(opt + 8, h->tsval);
		put_be32(opt + 12, h->tsecr);
		put_be32(opt + 16, 0x01030307);
	} else if (!(h->flags & TCP_SYN) && h->has_ts) {
		put_be32(opt, 0x0101080a);
		put_be32(opt + 4, h->tsval);
		put_be32(opt + 8, h->tsecr);
	}
	return l4_finish(f, c, 6, 16, hlen + n);
}

size_t udp_frame(uint8_t *f, struct conv *c, int side, size_t n)
{
	uint8_t *u = f + l4_at(c);

	head_put(f, c, side, 17, 8 + n);
	put_be16(u, c->port[side]);
	put_be16(u + 2, c->port[!side]);
	put_be16(u + 4, (uint32_t)n + 8);
	put_be16(u + 6, 0);
	return l4_finish(f, c, 17, 6, 8 + n);
}

void frame_resend(uint8_t *f, struct conv *c, int side)
{
	uint8_t *ip = f + (c->is_vlan ? 18 : 14);

	if (c->is_v6)
		return;
	put_be16(ip + 4, c->ip_id[side]++);
	put_be16(ip + 10, 0);
	sum_put(ip + 10, sum_add(0, ip, 20));
}
