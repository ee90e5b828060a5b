/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of DNS, built piece by piece. */
#pragma once

#include "rig.h"

extern const struct nr_parser nr_parser_dns;

#define BYTES(s) s, sizeof(s) - 1

static const uint8_t addr[4] = { 192, 0, 2, 1 };

/* A message being built, in one of some places that are used in turn. */
struct msg {
	uint8_t *p;
	size_t n;
};

static inline struct msg empty(void)
{
	static uint8_t places[16][70000];
	static unsigned next;

	return (struct msg){ .p = places[next++ % 16] };
}

static inline void put(struct msg *m, const void *p, size_t n)
{
	memcpy(m->p + m->n, p, n);
	m->n += n;
}

static inline void u8(struct msg *m, unsigned v)
{
	m->p[m->n++] = (uint8_t)v;
}

static inline void u16(struct msg *m, unsigned v)
{
	u8(m, v >> 8);
	u8(m, v & 255);
}

static inline void u32(struct msg *m, uint32_t v)
{
	u16(m, v >> 16);
	u16(m, v & 0xffff);
}

/* "www.example.com", "" for the root. */
static inline void name(struct msg *m, const char *text)
{
	while (*text) {
		size_t n = strcspn(text, ".");

		u8(m, (unsigned)n);
		put(m, text, n);
		text += n + (text[n] == '.');
	}
	u8(m, 0);
}

static inline struct msg begin(unsigned id, unsigned flags, unsigned qd, unsigned an,
			       unsigned ns, unsigned ar)
{
	struct msg m = empty();

	u16(&m, id);
	u16(&m, flags);
	u16(&m, qd);
	u16(&m, an);
	u16(&m, ns);
	u16(&m, ar);
	return m;
}

static inline void ask(struct msg *m, const char *qname, unsigned type)
{
	name(m, qname);
	u16(m, type);
	u16(m, 1);
}

static inline struct msg query(unsigned id, const char *qname, unsigned type)
{
	struct msg m = begin(id, 0x0100, 1, 0, 0, 0);

	ask(&m, qname, type);
	return m;
}

/* A record of the question's name (offset 12). */
static inline void record(struct msg *m, unsigned type, const void *data, size_t n)
{
	u16(m, 0xc00c);
	u16(m, type);
	u16(m, 1);
	u32(m, 300);
	u16(m, (unsigned)n);
	put(m, data, n);
}

static inline struct msg answer(unsigned id, const char *qname, unsigned type,
				const void *data, size_t n)
{
	struct msg m = begin(id, 0x8180, 1, 1, 0, 0);

	ask(&m, qname, type);
	record(&m, type, data, n);
	return m;
}

static inline enum nr_verdict say(struct rig *r, unsigned side, const struct msg *m)
{
	return rig_datagram(r, side, m->p, m->n);
}

static inline void rig_udp(struct rig *r, uint16_t port)
{
	rig_init(r, &nr_parser_dns, NR_UDP_PROTO, 40000, port);
}

/* Adds the message as TCP carries it, behind its length; the line says these bytes. */
static inline struct rig_line framed(struct msg *to, unsigned side, const struct msg *m)
{
	size_t at = to->n;

	u16(to, (unsigned)m->n);
	put(to, m->p, m->n);
	return (struct rig_line){ side, (const char *)to->p + at, to->n - at };
}
