/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DNS messages as bytes (RFC 1035 section 4): headers, names, records, and their text.
 *
 * Everything here takes a whole message (pointers are offsets in it) that may be cut
 * short, allocates only from the batch arena, and takes time linear in the message.
 */
#pragma once

#include "base/arena.h"
#include "base/cursor.h"

enum {
	NR_DNS_HEADER = 12,
	NR_DNS_NAME_MAX = 255,       /* RFC 1035 section 2.3.4 */
	NR_DNS_HOPS = 127,           /* pointers in one name: it has no more labels */
	NR_DNS_JSON_MAX = 256 << 10, /* of one list of records; the rest is counted */
};

enum nr_dns_flag {
	NR_DNS_QR = 0x8000,
	NR_DNS_AA = 0x0400,
	NR_DNS_TC = 0x0200,
	NR_DNS_RD = 0x0100,
	NR_DNS_RA = 0x0080,
	NR_DNS_Z = 0x0040,
	NR_DNS_AD = 0x0020,
	NR_DNS_CD = 0x0010,
};

/* The four protocols that speak it. */
enum nr_dns_service { NR_DNS_DNS, NR_DNS_MDNS, NR_DNS_LLMNR, NR_DNS_NBNS };

/* What is wrong with a message; the first thing found counts. */
enum nr_dns_bad {
	NR_DNS_GOOD,
	NR_DNS_SHORT,   /* it ends before what it announces */
	NR_DNS_LOOP,    /* more than NR_DNS_HOPS pointers in a name */
	NR_DNS_POINTER, /* one into the header or beyond the end */
	NR_DNS_LONG,    /* a name of more than 255 bytes */
	NR_DNS_LABEL,   /* a label of a kind that does not exist */
	/* What follows does not keep the message from being read to its end. */
	NR_DNS_FORWARD, /* a pointer to what comes later (RFC 1035 section 4.1.4) */
	NR_DNS_RDATA,   /* data of a record that does not fit its type */
	NR_DNS_OPTIONS, /* EDNS options that overrun the record */
};

const char *nr_dns_bad_text(enum nr_dns_bad bad);

/* A name without compression: labels with their lengths, the root's included. */
struct nr_dns_name {
	uint8_t len;
	bool forward; /* a pointer in it was NR_DNS_FORWARD */
	uint8_t wire[NR_DNS_NAME_MAX];
};

/*
 * The name at *at of the message, which moves behind it. Pointers may point anywhere but
 * into the header; loops end at NR_DNS_HOPS.
 */
enum nr_dns_bad nr_dns_name_get(const uint8_t *msg, size_t len, size_t *at,
				struct nr_dns_name *out);

/*
 * Text that grows in the arena. With json everything that _text, _label and _quoted write
 * stands inside a JSON string: valid UTF-8, escaped as nr_buf_json() does. A zeroed one
 * with arena set is ready; without an arena all is dropped.
 */
struct nr_dns_out {
	struct nr_arena *arena;
	char *p;
	size_t len, cap;
	bool json;
};

void nr_dns_out_raw(struct nr_dns_out *o, const char *p, size_t n);
static inline void nr_dns_out_str(struct nr_dns_out *o, const char *s)
{
	nr_dns_out_raw(o, s, __builtin_strlen(s));
}
void nr_dns_out_uint(struct nr_dns_out *o, uint64_t v);
void nr_dns_out_hex(struct nr_dns_out *o, const uint8_t *p, size_t n);
void nr_dns_out_base64(struct nr_dns_out *o, const uint8_t *p, size_t n);
void nr_dns_out_base32hex(struct nr_dns_out *o, const uint8_t *p, size_t n);
void nr_dns_out_ip(struct nr_dns_out *o, unsigned version, const uint8_t *addr);
/* Bytes as RFC 1035 section 5.1 has them: \ before `special` and itself, \DDD for control
   characters; all else stays, UTF-8 too (RFC 6763 section 4.1.1). */
void nr_dns_out_text(struct nr_dns_out *o, const uint8_t *p, size_t n, char special);
void nr_dns_out_quoted(struct nr_dns_out *o, const uint8_t *p, size_t n);
/*
 * A name with dots, the root alone as ".". nbns: a first label in NetBIOS' encoding (RFC
 * 1001 section 14.1) becomes the name and its suffix, "WORKGROUP<1d>".
 */
void nr_dns_out_name(struct nr_dns_out *o, const struct nr_dns_name *name, bool nbns);

/* "AAAA", "TYPE65280" (RFC 3597). */
void nr_dns_out_type(struct nr_dns_out *o, unsigned type, bool nbns);
void nr_dns_out_class(struct nr_dns_out *o, unsigned class);
/* Static, or NULL where the number has no name. */
const char *nr_dns_type_name(unsigned type, bool nbns);
const char *nr_dns_class_name(unsigned class);
const char *nr_dns_rcode_name(unsigned rcode);
const char *nr_dns_opcode_name(unsigned opcode, bool nbns);

struct nr_dns_rr {
	struct nr_dns_name name;
	uint16_t type, class;
	uint32_t ttl;
	size_t at; /* of its data, of which len bytes are there */
	uint16_t len;
};

/* The data of a record as the inside of a JSON string. False: it does not fit its type
   and stands there as RFC 3597 has unknown types. */
bool nr_dns_out_rdata(struct nr_dns_out *o, const uint8_t *msg, size_t len,
		      const struct nr_dns_rr *rr, bool nbns);
/* OPT (RFC 6891) as a JSON object. False: options overrun it. */
bool nr_dns_out_opt(struct nr_dns_out *o, const uint8_t *msg, const struct nr_dns_rr *rr);

/* A message as read. */
struct nr_dns_read {
	uint16_t id, flags, count[4];
	bool has_question; /* the first one is whole */
	struct nr_dns_name name;
	uint16_t type, class; /* class without mDNS' highest bit */
	bool unicast;         /* mDNS: that bit */
	bool has_opt;
	uint8_t opt_rcode; /* the upper bits of the rcode */
	enum nr_dns_bad bad;
	size_t bad_at;               /* offset in the message */
	size_t trailing;             /* bytes behind its end */
	uint32_t n_records;          /* read, OPT not among them */
	uint32_t left_out;           /* records and questions over NR_DNS_JSON_MAX */
	struct nr_dns_out questions; /* JSON: list of those behind the first, or empty */
	struct nr_dns_out records;   /* JSON: list of records without OPT */
	struct nr_dns_out opt;       /* JSON: object, or empty */
};

/*
 * Reads a message of at least NR_DNS_HEADER bytes. Without an arena nothing is written,
 * but as much is checked.
 */
void nr_dns_read(struct nr_dns_read *r, const uint8_t *msg, size_t len,
		 enum nr_dns_service service, struct nr_arena *arena);
/* Header and first question only. */
void nr_dns_read_question(struct nr_dns_read *r, const uint8_t *msg, size_t len,
			  enum nr_dns_service service);
