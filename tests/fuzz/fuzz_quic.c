/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * QUIC behind its protection: frames are sealed as a peer would, so that what is inside
 * an Initial is reached. What is sealed goes to the harness of all parsers.
 *
 * Input: operations, each: what (1: bit 0 the side, bits 1 and 2 the kind, bits 3 to 7
 * more), length (2), bytes. Kinds: 0 an Initial with these frames, 1 a datagram as it is,
 * 2 a Retry (its id: the bytes) or, with bit 3, a Version Negotiation, 3 other keys:
 * version by bits 3 to 5, id: the bytes.
 */
#define NR_FUZZ_PARSER         "quic"
#define LLVMFuzzerTestOneInput nr_fuzz_operations
#include "fuzz_parser.c"
#undef LLVMFuzzerTestOneInput

#include "../unit/quic_seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { ROOM = 1 << 17, BODY_MAX = 1500, CID_MAX = 20 };

struct out {
	uint8_t *p;
	size_t n;
};

struct talk {
	struct out out;
	struct nr_quic_keys keys[2];
	struct speaker side[2];
};

static void emit(struct talk *t, unsigned side, const struct bytes *b)
{
	uint8_t *to = t->out.p + t->out.n;

	if (ROOM - t->out.n < b->n + 3)
		return;
	to[0] = (uint8_t)side;
	to[1] = (uint8_t)(b->n >> 8);
	to[2] = (uint8_t)b->n;
	memcpy(to + 3, b->p, b->n);
	t->out.n += b->n + 3;
}

static void set_keys(struct talk *t, uint32_t version, const uint8_t *cid, size_t n)
{
	const struct nr_quic_version *v = nr_quic_version(version);

	if (!nr_quic_derive(v ? v : nr_quic_version(1), cid, n, t->keys))
		abort();
	for (int i = 0; i < 2; i++) {
		t->side[i].keys = &t->keys[i];
		t->side[i].version = version;
	}
	t->side[0].dcid.n = 0;
	add(&t->side[0].dcid, cid, n);
}

static void answer(struct talk *t, bool negotiates, const uint8_t *p, size_t n)
{
	struct speaker s = t->side[1];
	struct bytes b = no_bytes();

	if (negotiates) {
		s.version = 0;
		add_long_head(&b, &s, 0);
		add(&b, p, n);
	} else {
		s.scid = no_bytes();
		add(&s.scid, p, n < CID_MAX ? n : CID_MAX);
		add_long_head(&b, &s, seal_is_v2(s.version) ? 0 : 3);
		add(&b, "token, then a tag of 16 bytes", 29);
	}
	emit(t, 1, &b);
}

static void speak(struct talk *t, uint8_t what, const uint8_t *p, size_t n)
{
	static const uint32_t versions[] = { 1,          0x6b3343cf, 0xff00001d,
					     0x54303530, 0x0a1a2a3a, 0xfaceb002,
					     1,          1 };
	struct bytes frames = no_bytes(), b = no_bytes();

	switch (what >> 1 & 3) {
	case 0:
		add(&frames, p, n);
		t->side[0].token.n = what & 8 ? 3 : 0;
		say_initial(&b, &t->side[what & 1], &frames, 4);
		emit(t, what & 1, &b);
		break;
	case 1:
		add(&b, p, n);
		emit(t, what & 1, &b);
		break;
	case 2:
		answer(t, what & 8, p, n);
		break;
	default:
		set_keys(t, versions[what >> 3 & 7], p, n < CID_MAX ? n : CID_MAX);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct talk t = { .out.p = nr_xmalloc(ROOM) };

	for (int i = 0; i < 2; i++) {
		t.side[i].dcid = no_bytes();
		t.side[i].scid = no_bytes();
		t.side[i].token = no_bytes();
	}
	add(&t.side[1].scid, "srv", 3);
	set_keys(&t, 1, (const uint8_t *)"destined", 8);
	memset(t.out.p, 0, 2);
	t.out.n = 2;
	for (size_t at = 0; at < n && n - at >= 3;) {
		size_t len = nr_be16(data + at + 1), left = n - at - 3;

		len = len < left ? len : left;
		speak(&t, data[at], data + at + 3, len < BODY_MAX ? len : BODY_MAX);
		at += 3 + len;
	}
	run(t.out.p, t.out.n, false);
	nr_free(t.out.p);
	nr_arena_reset(&seal_arena);
	return 0;
}
