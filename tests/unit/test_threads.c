/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Threads change no record: the whole engine over captures, with one thread and with
 * more. Built with ThreadSanitizer (`./dev check`) it also shows that they share nothing
 * they should not.
 */
#include "../sum.h"
#include "replay.h"

#include "engine/crew.h"
#include "record/tables.h"

#include <dirent.h>
#include <stdatomic.h>

#define S 1000000000ll

struct sum {
	struct nr_sink sink; /* first: the sink is the sum */
	uint64_t hash, rows, tables;
	uint64_t largest;
};

static uint64_t mix_text(uint64_t h, const char *s)
{
	return s ? sum_bytes(h, s, strlen(s) + 1) : sum_bytes(h, "", 1);
}

static int sum_write(struct nr_sink *sink, struct nr_record *const *r, size_t n,
		     struct nr_err *err)
{
	struct sum *s = (struct sum *)sink;

	(void)err;
	s->rows += n;
	s->largest = n > s->largest ? n : s->largest;
	for (size_t i = 0; i < n; i++) {
		const struct nr_flow_ident *id = r[i]->ident;

		if (r[i]->type->flags & NR_R_RUN)
			continue;
		s->tables |= UINT64_C(1) << (sum_bytes(0, r[i]->type->name, 3) & 63);
		s->hash = sum_record(s->hash, r[i]);
		if (id) {
			s->hash = mix_text(s->hash, id->community_id);
			s->hash = mix_text(s->hash, id->src_ip);
			s->hash = sum_bytes(s->hash, &id->dst_port, sizeof(id->dst_port));
		}
	}
	return 0;
}

static const struct nr_sink_ops sum_ops = { .name = "sum", .write = sum_write };

static void replay(const char *path, const struct nr_engine_config *c, struct sum *s)
{
	uint64_t records;

	memset(s, 0, sizeof(*s));
	s->sink.ops = &sum_ops;
	records = replay_file(path, c, &s->sink, NULL).records;
	assert_int_equal(records, s->rows);
}

static struct nr_engine_config config(void)
{
	struct nr_engine_config c;

	nr_engine_config_defaults(&c);
	c.flow_start = true;
	return c;
}

/* All combinations against one thread. */
static void compare(const char *path, struct nr_engine_config *c)
{
	static const struct {
		unsigned threads, batch;
	} how[] = { { 4, 256 }, { 2, 7 }, { 8, 1 } };
	struct sum one, s;

	c->threads = 1;
	c->batch = 256;
	replay(path, c, &one);
	for (size_t i = 0; i < sizeof(how) / sizeof(how[0]); i++) {
		c->threads = how[i].threads;
		c->batch = how[i].batch;
		replay(path, c, &s);
		if (s.hash != one.hash || s.rows != one.rows)
			fail_msg("%s: %u threads, batch %u: %llu rows for %llu", path,
				 c->threads, c->batch, (unsigned long long)s.rows,
				 (unsigned long long)one.rows);
	}
}

static void test_threads_change_no_record_of_the_captures(void **state)
{
	const char *root = getenv("NRTOOL_ROOT");
	char folder[512], path[1024];
	struct nr_engine_config c = config();
	unsigned n = 0;
	struct dirent *d;
	DIR *dir;

	(void)state;
	snprintf(folder, sizeof(folder), "%s/testdata", root ? root : ".");
	dir = opendir(folder);
	assert_non_null(dir);
	while ((d = readdir(dir))) {
		if (!strstr(d->d_name, ".pcap"))
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, d->d_name);
		compare(path, &c);
		n++;
	}
	closedir(dir);
	assert_true(n > 30);
}

/* An Ethernet frame with a UDP datagram of flow i, in VXLAN where vni is not 0. */
static void frame(struct buf *b, int64_t t, uint32_t i, uint32_t vni, bool back)
{
	static const uint8_t eth[12] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 };
	uint32_t src = back ? 0x0a000001 : 0x0b000000 + i;
	uint32_t dst = back ? 0x0b000000 + i : 0x0a000001;
	uint32_t len = 46 + (vni ? 50 : 0);

	put32(b, (uint32_t)(t / S));
	put32(b, (uint32_t)(t % S));
	put32(b, len);
	put32(b, len);
	b->big = true;
	if (vni) {
		put(b, eth, 12);
		put16(b, 0x0800);
		put32(b, 0x45000000 | (len - 14));
		put32(b, 0);
		put32(b, 0x40110000);
		put32(b, 0xc0a80000 + vni % 5);
		put32(b, 0xc0a80100);
		put16(b, (uint16_t)(20000 + vni % 7));
		put16(b, 4789);
		put32(b, (len - 34) << 16);
		put32(b, 0x08000000);
		put32(b, vni << 8);
	}
	put(b, eth, 12);
	put16(b, 0x0800);
	put32(b, 0x45000020);
	put32(b, i << 16);
	put32(b, 0x40110000);
	put32(b, src);
	put32(b, dst);
	put16(b, back ? 2000 : 1000);
	put16(b, back ? 1000 : 2000);
	put32(b, 12u << 16);
	put32(b, 0x61626364);
	b->big = false;
}

static void test_threads_change_no_record_where_many_flows_end_at_once(void **state)
{
	enum { FLOWS = 36000 };
	struct nr_engine_config c = config();
	struct buf b = { 0 };
	struct sum one, s;
	char path[64];
	int fd;

	(void)state;
	pcap_header(&b, 0xa1b23c4d, 2, 4, 1);
	for (uint32_t i = 1; i <= FLOWS; i++)
		frame(&b, 1000 * S + i, i, 0, false);
	frame(&b, 2000 * S, 1, 0, false); /* all others end before it */
	for (uint32_t i = 1; i <= FLOWS / 2; i++)
		frame(&b, 2000 * S + i, i * 3, 0, false);
	fd = mem_file(&b, path);
	replay(path, &c, &one);
	c.threads = 3;
	replay(path, &c, &s);
	assert_int_equal(s.rows, one.rows);
	assert_int_equal(s.hash, one.hash);
	assert_true(s.largest < 5000); /* handed on in pieces */
	close(fd);
	free(b.p);
}

static void test_threads_change_no_record_at_caps_and_in_tunnels(void **state)
{
	struct nr_engine_config c = config();
	struct buf b = { 0 };
	char path[64];
	uint32_t x = 7;
	int fd;

	(void)state;
	pcap_header(&b, 0xa1b23c4d, 2, 4, 1);
	for (unsigned i = 0; i < 10000; i++) {
		x = x * 1664525u + 1013904223u;
		frame(&b, 1000 * S + i * (S / 50), x >> 18 & 4095, x & 256 ? x >> 28 : 0,
		      x >> 19 & 1);
	}
	fd = mem_file(&b, path);
	c.max_flows = 16 * 64;
	c.index_memory = 64 * 1024;
	compare(path, &c);
	close(fd);
	free(b.p);
}

static void count(void *arg, unsigned i)
{
	atomic_uint *n = arg;

	atomic_fetch_add(&n[i % 7], 1);
}

static void first(void *arg)
{
	atomic_uint *n = arg;

	atomic_fetch_add(&n[7], 1);
}

static void test_crew_does_each_task_once(void **state)
{
	for (unsigned threads = 1; threads <= 8; threads += 3) {
		struct nr_crew *c = nr_crew_new(threads);
		atomic_uint n[8] = { 0 };

		assert_int_equal(nr_crew_size(c), threads);
		for (unsigned run = 0; run < 200; run++)
			nr_crew_run(c, run % 2 ? first : NULL, count, run % 50, n);
		nr_crew_free(c);
		assert_int_equal(n[7], 100);
		for (unsigned i = 0, all = 0; i < 7; i++) {
			all += n[i];
			if (i == 6)
				assert_int_equal(all, 4 * (49 * 50 / 2));
		}
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_crew_does_each_task_once),
		cmocka_unit_test(test_threads_change_no_record_of_the_captures),
		cmocka_unit_test(
			test_threads_change_no_record_where_many_flows_end_at_once),
		cmocka_unit_test(test_threads_change_no_record_at_caps_and_in_tunnels),
	};

	return cmocka_run_group_tests_name("threads", tests, NULL, NULL);
}
