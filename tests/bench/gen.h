/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * nrbench-gen: synthetic captures of known shape for the benchmarks. Everything a
 * workload writes follows from its parameters and the seed, by integer arithmetic alone,
 * so that the same command gives the same bytes on every machine.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define FRAME_MAX 1518 /* Ethernet with one VLAN tag, without FCS */
#define N_HOSTS   5000 /* servers, and so host names */
#define N_CLIENTS 4096
#define NS_S      INT64_C(1000000000)
#define NS_MS     INT64_C(1000000)
#define NS_US     INT64_C(1000)
#define T_START   (INT64_C(1700000000) * NS_S) /* 2023-11-14 22:13:20 UTC */

/* xoshiro256++ (Blackman, Vigna), seeded by splitmix64 */
struct rng {
	uint64_t s[4];
};

static inline uint64_t mix64(uint64_t z)
{
	z += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static inline void rng_seed(struct rng *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++)
		r->s[i] = mix64(seed + (uint64_t)i * UINT64_C(0x9e3779b97f4a7c15));
}

static inline uint64_t rng_rotl(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

static inline uint64_t rng_u64(struct rng *r)
{
	uint64_t *s = r->s;
	uint64_t out = rng_rotl(s[0] + s[3], 23) + s[0];
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rng_rotl(s[3], 45);
	return out;
}

/* 0 .. n-1; the bias is below n / 2^32 */
static inline uint32_t rng_below(struct rng *r, uint32_t n)
{
	return (uint32_t)(((rng_u64(r) >> 32) * n) >> 32);
}

/* true `ppm` times in a million */
static inline bool rng_ppm(struct rng *r, uint32_t ppm)
{
	return rng_below(r, 1000000) < ppm;
}

static inline void put_be16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void put_be32(uint8_t *p, uint32_t v)
{
	put_be16(p, v >> 16);
	put_be16(p + 2, v & 0xffff);
}

static inline void put_le32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)(v >> 16);
	p[3] = (uint8_t)(v >> 24);
}

/* What was written, for --stats: the truth that a test compares other tools with. */
struct stats {
	uint64_t n_flows, n_tcp, n_udp, n_ipv6, n_vlan, n_closed;
	uint64_t n_data, n_lost, n_reordered, n_retransmitted;
	uint64_t n_http, n_tls, n_dns_query, n_dns_answer;
};

/* The capture being written. A frame that would pass `limit` is dropped and sets `full`.
 */
struct out {
	int fd;
	const char *name;
	uint8_t *buf;
	size_t len, cap;
	uint64_t limit, total, n_packets, frame_bytes;
	int64_t last_ns;
	bool nanos, full;
	struct stats st;
};

/* Opens `name` ("-" is standard output) and writes the file header. Exits on failure, as
 * all of these do: there is nobody to hand an error to. */
void out_open(struct out *o, const char *name, uint64_t limit, bool nanos);
/* Room for one frame of FRAME_MAX, valid until out_commit. */
uint8_t *out_frame(struct out *o);
/* Writes the frame of `len` bytes that out_frame gave. False when the file is full. */
bool out_commit(struct out *o, size_t len, int64_t time_ns);
void out_close(struct out *o);

/* One conversation; side 0 is the client. */
struct conv {
	bool is_v6, is_vlan;
	uint16_t vid;
	uint16_t ip_id[2];
	uint16_t port[2];
	uint8_t addr[2][16];
	uint64_t addr_sum; /* both addresses, for pseudo headers */
};

/* Fills addresses from a client (< N_CLIENTS) and a server (< N_HOSTS) number. */
void conv_set(struct conv *c, bool is_v6, int vid, uint32_t client, uint32_t server,
	      uint16_t cport, uint16_t sport);
/* Must follow a change of an address. */
void conv_resum(struct conv *c);
/* The name of a server, at most 40 bytes with its NUL; returns the length. */
size_t host_name(char *dst, uint32_t server);

struct tcp_hdr {
	uint32_t seq, ack;
	uint8_t flags;
	uint16_t window;
	bool has_ts;       /* 12 bytes of timestamp option */
	bool is_plain_syn; /* a SYN with the MSS as its only option */
	uint32_t tsval, tsecr;
};
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_PSH 0x08
#define TCP_ACK 0x10

/* Offset of the payload in a frame of this conversation. */
size_t tcp_payload_at(const struct conv *c, const struct tcp_hdr *h);
size_t udp_payload_at(const struct conv *c);
/* Headers and checksums around `n` payload bytes already at that offset; returns the
 * frame's length, padded to 60. */
size_t tcp_frame(uint8_t *f, struct conv *c, int side, const struct tcp_hdr *h, size_t n);
size_t udp_frame(uint8_t *f, struct conv *c, int side, size_t n);
/* The same frame sent once more: the next IP id, its checksum adjusted. */
void frame_resend(uint8_t *f, struct conv *c, int side);

/* Payloads. Each returns the length written; `dst` has at least the named room. */
#define HEAD_MAX 4096
size_t http_request(char *dst, struct rng *r, uint32_t server, uint64_t body_len);
size_t http_response(char *dst, struct rng *r, int status, bool is_text,
		     uint64_t body_len);
size_t tls_client_hello(uint8_t *dst, struct rng *r, uint32_t server);
/* 1.2: ServerHello, two certificates, key exchange, done. 1.3: ServerHello, CCS, flight.
 */
size_t tls_server_flight(uint8_t *dst, struct rng *r, uint32_t server, bool is_13);
size_t tls_client_finish(uint8_t *dst, struct rng *r, bool is_13);
size_t tls_server_finish(uint8_t *dst, struct rng *r);
enum { DNS_A = 1, DNS_AAAA = 28 };
size_t dns_query(uint8_t *dst, uint16_t id, uint16_t qtype, uint32_t server,
		 uint32_t label);
/* The answer to that query; `rcode` 0 or 3. */
size_t dns_answer(uint8_t *dst, uint16_t id, uint16_t qtype, uint32_t server,
		  uint32_t label, int rcode, uint32_t n_records);

enum body_kind { BODY_RANDOM, BODY_TEXT, BODY_TLS };
#define TLS_RECORD (5 + 16384)
/* `n` bytes at `off` of the body of `len` bytes that `seed` names. */
void body_copy(uint8_t *dst, enum body_kind kind, uint64_t seed, uint64_t len,
	       uint64_t off, size_t n);
void body_init(void);

struct params {
	const char *workload;
	uint64_t size, seed, count;
	uint32_t flows, active, exchanges, stride;
	uint32_t loss_ppm, reorder_ppm, retransmit_ppm;
	bool is_zipf, is_up, is_down;
};

void gen_mix(struct out *o, const struct params *p); /* also many and long */
void gen_p64(struct out *o, const struct params *p);
void gen_dns(struct out *o, const struct params *p);
void gen_syn(struct out *o, const struct params *p);
void gen_half(struct out *o, const struct params *p);
void gen_idle(struct out *o, const struct params *p);
void gen_hole(struct out *o, const struct params *p);

_Noreturn void die(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void *alloc(size_t n, size_t size);
