/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The seam between flows and what is said in them: what a parser is, and how it speaks.
 *
 * A parser is a const row and some functions. Each flow has at most one at a time, chosen
 * from the first bytes: `probe` judges them, signatures first, ports break ties. It then
 * gets the bytes of both sides in stream order, once, gaps marked; what was seen before
 * the choice is replayed to it. Sides: 0 is the flow's initiator (src of all rows), 1 the
 * responder; who is client of the protocol is for the parser to find out.
 *
 * Nothing a parser is given outlives the call, its context and what it takes from the
 * account excepted. A parser has no globals, reads no clock but p->ts_ns, p->clock_ns and
 * allocates only from p->account. It must not depend on how bytes are cut into calls.
 */
#pragma once

#include "record/anomaly.h"
#include "record/record.h"
#include "session/account.h"

/* What became of bytes, instead of errno: hostile input is normal life. */
enum nr_verdict {
	NR_MORE,      /* fine, go on */
	NR_DONE,      /* nothing more to learn from this flow (closed: done) */
	NR_MALFORMED, /* it broke the protocol beyond repair (closed: error) */
	NR_LOST,      /* cannot go on behind a gap (closed: gap) */
	NR_OVERFLOW,  /* a cap of the parser or the account was hit (closed: overflow) */
	NR_NOT_MINE,  /* it was another protocol after all (closed: not_mine) */
	NR_HAND_OVER, /* another protocol begins: see nr_parse_hand_over() */
};

enum nr_probe_result {
	NR_PROBE_NO,    /* certainly not */
	NR_PROBE_MORE,  /* cannot be told yet: wait for more bytes */
	NR_PROBE_MAYBE, /* possible: taken where a port speaks for it and nobody is sure
			 */
	NR_PROBE_YES,   /* a signature that other protocols do not have */
};

enum nr_transport {
	NR_ON_TCP = 1 << 0,
	NR_ON_UDP = 1 << 1,
	NR_ON_ICMP = 1 << 2, /* ICMP and ICMPv6; datagrams begin with the ICMP header */
};

/* What is known when a parser must be chosen. */
struct nr_probe {
	/* TCP: the first bytes of each side so far (at most NR_PROBE_BYTES; none: len 0);
	   else the datagram that `side` sent, the other len is 0. */
	const uint8_t *data[2];
	size_t len[2];
	unsigned side;    /* who sent the newest bytes */
	uint8_t proto;    /* 6, 17, 1, 58 */
	uint16_t port[2]; /* of each side */
	bool port_match;  /* one of the two is in the parser's list */
	bool begins[2];   /* data[side] is the very beginning of the stream, not the
			     middle of one whose beginning was missed */
	bool last;        /* no more bytes will come: MORE is as good as NO */
};

enum { NR_PROBE_BYTES = 2048 };

/* For joins of records only: hashes of secrets have a key or are not written at all. */
struct nr_parse_options {
	bool store_secrets;
	const uint8_t *secret_key; /* NULL: none */
	size_t secret_key_len;
	/* Told of each secret in the clear, as it stood on the wire; NULL: nobody asks.
	 */
	void (*secret_seen)(void *arg, uint64_t flow_id, const uint8_t *p, size_t n);
	void *secret_arg;
};

struct nr_parse_host;
struct nr_memo;

/* A flow as its parser sees it, made anew for each call. */
struct nr_parse {
	uint64_t flow_id;
	uint8_t proto, ip_version;
	const uint8_t *addr[2]; /* 4 or 16 bytes */
	uint16_t port[2];       /* host order */
	/* The packet that brought (or released) what is being parsed. */
	int64_t source_id, ts_ns;
	uint64_t packet;
	int64_t clock_ns; /* the engine's clock: never runs backwards; for timeouts */
	/* Offset in the side's stream (0: first byte behind the SYN) of the first byte
	   passed to data() or of the gap. */
	uint64_t offset;
	const struct nr_parse_options *options;
	struct nr_account *account;
	struct nr_arena *arena; /* for what records point to: lives until they are
				   written */
	struct nr_memo *memo;   /* session/memo.h; NULL: none */
	const struct nr_parse_host *host;
	void *host_arg;
	/* Set by nr_parse_hand_over(). */
	const char *next;
	const uint8_t *rest;
	size_t rest_len;
	/* Set by nr_parse_early(). */
	const uint8_t *early;
	size_t early_len;
	uint64_t early_gap;
};

/* Whom to expect: a flow announced by another (FTP's data connections). */
struct nr_expectation {
	uint8_t proto, ip_version;
	uint8_t src_ip[16], dst_ip[16]; /* of the expected flow; src all 0: anybody */
	uint16_t src_port, dst_port;    /* src 0: any */
	const char *service;            /* one of the parser's services */
};

/* The 5-tuple of a flow as quoted by another, in the direction quoted. */
struct nr_tuple {
	uint8_t proto, ip_version;
	uint8_t src_ip[16], dst_ip[16];
	uint16_t src_port, dst_port;
};

struct nr_parser_cap {
	const char *what; /* "transactions open at once" */
	uint64_t value;
	const char *beyond; /* what happens then, and where it is said */
};

struct nr_parser {
	const char *name;      /* column flow.parser, `nrtool protocols` */
	const char *about;     /* "HTTP 1.0 and 1.1 (RFC 9112)" */
	unsigned transports;   /* enum nr_transport */
	const uint16_t *ports; /* 0-terminated; NULL: none */
	/* NULL-terminated: what flow.service may say; the first is the usual one. At
	   most 8. */
	const char *const *services;
	const struct nr_record_type *const
		*records;                 /* NULL-terminated: tables it fills */
	const struct nr_parser_cap *caps; /* ends with what NULL; NULL: no caps */
	size_t ctx_size;                  /* arrives zeroed with each flow */

	enum nr_probe_result (*probe)(const struct nr_probe *in);
	/* TCP, in stream order. All bytes are consumed, unless NR_HAND_OVER. */
	enum nr_verdict (*data)(struct nr_parse *p, void *ctx, unsigned side,
				const uint8_t *data, size_t len);
	/* n bytes of side are missing at p->offset. NULL: the parser is closed (gap). */
	enum nr_verdict (*gap)(struct nr_parse *p, void *ctx, unsigned side, uint64_t n);
	/* The side has said everything and closed in order. NULL: of no interest. */
	enum nr_verdict (*fin)(struct nr_parse *p, void *ctx, unsigned side);
	/* The side reset the connection. NULL: of no interest. */
	enum nr_verdict (*rst)(struct nr_parse *p, void *ctx, unsigned side);
	/* UDP and ICMP: len bytes captured of wire_len. */
	enum nr_verdict (*datagram)(struct nr_parse *p, void *ctx, unsigned side,
				    const uint8_t *data, size_t len, size_t wire_len);
	/*
	 * The 5-tuple of the flow that a datagram of ICMP speaks of: what datagram() will
	 * pass to nr_parse_link_quoted() for it, no more is found. It is asked before any
	 * flow is looked at, and knows the bytes alone. NULL: never any.
	 */
	bool (*quotes)(unsigned proto, const uint8_t *data, size_t len,
		       struct nr_tuple *out);
	/* The time asked for with nr_parse_wake() has come (p->clock_ns). */
	enum nr_verdict (*tick)(struct nr_parse *p, void *ctx);
	/*
	 * Last call, always made, whatever the verdict was: incomplete messages become
	 * rows with complete = 0, and all memory from the account is given back. May be
	 * NULL.
	 */
	void (*end)(struct nr_parse *p, void *ctx);
};

/* What the engine (or a test) does for parsers; use the functions below instead. */
struct nr_parse_host {
	struct nr_record *(*record)(struct nr_parse *p, const struct nr_record_type *t);
	void (*anomaly)(struct nr_parse *p, enum nr_anomaly_kind kind, int side,
			const char *detail);
	void (*service)(struct nr_parse *p, const char *name);
	void (*wake)(struct nr_parse *p, int64_t at_ns);
	uint64_t (*expect)(struct nr_parse *p, const struct nr_expectation *x);
	void (*link_expected)(struct nr_parse *p, struct nr_record *r, unsigned field,
			      uint64_t token);
	void (*link_quoted)(struct nr_parse *p, struct nr_record *r, unsigned field,
			    const struct nr_tuple *t);
};

/*
 * A new row of table t, with flow_id, source_id, packet, ts_ns set from p, all else NULL.
 * It goes out with the batch: set the columns before the callback returns.
 */
static inline struct nr_record *nr_parse_record(struct nr_parse *p,
						const struct nr_record_type *t)
{
	return p->host->record(p, t);
}

/* Text, JSON or blob, copied: any n bytes. NULL sets NULL. */
void nr_parse_text(struct nr_parse *p, struct nr_record *r, unsigned field,
		   const void *text, size_t n);
static inline void nr_parse_str(struct nr_parse *p, struct nr_record *r, unsigned field,
				const char *s)
{
	nr_parse_text(p, r, field, s, s ? __builtin_strlen(s) : 0);
}

/* n bytes as lower-case hexadecimal digits, separator between bytes; '\0': none. */
void nr_parse_hex(struct nr_parse *p, struct nr_record *r, unsigned field,
		  const void *bytes, size_t n, char separator);

/* An address of 4 or 16 bytes as text (RFC 5952). */
void nr_parse_ip(struct nr_parse *p, struct nr_record *r, unsigned field,
		 unsigned version, const uint8_t *addr);

/* side: 0, 1, or -1 for none; detail: JSON object in p->arena or static, or NULL. */
static inline void nr_parse_anomaly(struct nr_parse *p, enum nr_anomaly_kind kind,
				    int side, const char *detail)
{
	p->host->anomaly(p, kind, side, detail);
}

/*
 * The flow is what it looked like: called when a first message was understood;
 * flow.service says `name` from now on (one of the parser's services, static). Repeating
 * it is free.
 */
static inline void nr_parse_service(struct nr_parse *p, const char *name)
{
	p->host->service(p, name);
}

/* Calls tick() at the first clock mark or packet of the flow at or after at_ns (the
   engine's clock). One wish a flow: a new one replaces it; INT64_MAX takes it back. */
static inline void nr_parse_wake(struct nr_parse *p, int64_t at_ns)
{
	p->host->wake(p, at_ns);
}

/* Announces a flow, for 60 s of packet time. Returns a token for link_expected. */
static inline uint64_t nr_parse_expect(struct nr_parse *p, const struct nr_expectation *x)
{
	return p->host->expect(p, x);
}

/* Sets field of r to the flow_id of the flow that came as expected, if it has. */
static inline void nr_parse_link_expected(struct nr_parse *p, struct nr_record *r,
					  unsigned field, uint64_t token)
{
	p->host->link_expected(p, r, field, token);
}

/* Sets field of r to the flow_id of the open flow with that 5-tuple, if there is one. */
static inline void nr_parse_link_quoted(struct nr_parse *p, struct nr_record *r,
					unsigned field, const struct nr_tuple *t)
{
	p->host->link_quoted(p, r, field, t);
}

/*
 * STARTTLS, CONNECT, Upgrade: what follows on both sides is another protocol. To be used
 * as `return nr_parse_hand_over(p, "tls", rest, len)`: rest are the bytes of the present
 * data() call that were not consumed; or longer: in front of all of these what this side
 * said before them, kept by the parser, which is copied. From gap(), with rest NULL: the
 * next parser is told of the gap. name NULL: chosen by probing.
 */
static inline enum nr_verdict nr_parse_hand_over(struct nr_parse *p, const char *name,
						 const uint8_t *rest, size_t len)
{
	p->next = name;
	p->rest = rest;
	p->rest_len = len;
	return NR_HAND_OVER;
}

/*
 * Before nr_parse_hand_over() from data(): the other side did not wait, and the last
 * bytes it was heard saying are the next protocol's as well. The parser kept these n
 * bytes and still owns them; they are copied. gap: bytes missed or not kept behind them.
 */
static inline void nr_parse_early(struct nr_parse *p, const uint8_t *bytes, size_t n,
				  uint64_t gap)
{
	p->early = bytes;
	p->early_len = n;
	p->early_gap = gap;
}

/* All parsers, sorted by name (parsers/meson.build), NULL-terminated. */
extern const struct nr_parser *const nr_parsers[];
const struct nr_parser *nr_parser_find(const char *name); /* NULL: none */
