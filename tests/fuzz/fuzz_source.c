/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The file readers. The input's first byte says how many views a read may give (bits 0
 * and 1), how large the blocks are (2, 3) and, of an archive, whether only a part is
 * wanted (4); the rest is the file. Every byte of every view is touched, and what was
 * read must not depend on batch and block size.
 */
#include "../sum.h"

#include "source/merge.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { LIMIT = 64 << 20 }; /* content of a bomb that is worth the time */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static uint64_t mix_text(uint64_t h, struct nr_text t)
{
	return sum_bytes(sum_bytes(h, &t.len, sizeof(t.len)), t.p, t.len);
}

static uint64_t mix_view(uint64_t h, const struct nr_packet *v)
{
	const struct nr_event *e = v->event;
	uint64_t facts[] = { v->record,   v->offset,       (uint64_t)v->ts_ns,
			     v->clock_ns, v->ordinal,      v->cap_len,
			     v->wire_len, v->interface_id, v->link_type,
			     v->fcs_len,  v->flags,        v->time_bogus,
			     v->time_jump };

	h = sum_bytes(h, facts, sizeof(facts));
	if (!e)
		return v->fcs_len > v->cap_len ? (abort(), 0)
					       : sum_bytes(h, v->data, v->cap_len);
	h = sum_bytes(h, &e->kind, sizeof(e->kind));
	h = sum_bytes(h, &e->received, sizeof(e->received));
	h = mix_text(mix_text(h, e->text), e->address);
	h = mix_text(mix_text(h, e->interface.name), e->interface.description);
	h = mix_text(mix_text(h, e->interface.filter), e->interface.os);
	return mix_text(h, e->interface.hardware);
}

static uint64_t run(const char *path, unsigned max, size_t block, bool part,
		    uint64_t *views)
{
	static struct nr_batch b;
	struct nr_merge_options opt = {
		.max_jump_ns = 3600000000000,
		.block_size = block,
		.from_ns = part ? INT64_C(1000000000000000000) : 0,
		.to_ns = part ? INT64_C(1200000000000000000) : 0,
	};
	int64_t clock = INT64_MIN;
	uint64_t h = 14695981039346656037u, total = 0;
	struct nr_merge *m;
	struct nr_err err;

	*views = 0;
	if (nr_merge_open(&m, &path, 1, &opt, &err) < 0)
		return sum_bytes(0, err.text, 0);
	while (total < LIMIT && nr_merge_read(m, &b, max, &err) > 0) {
		for (unsigned i = 0; i < b.n; i++) {
			if (b.pkt[i].clock_ns < clock)
				abort();
			clock = b.pkt[i].clock_ns;
			h = mix_view(h, &b.pkt[i]);
			total += b.pkt[i].cap_len + 64;
		}
		*views += b.n;
		nr_batch_release(&b);
	}
	nr_merge_close(m);
	return total < LIMIT ? h : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const unsigned batches[] = { 1, 2, 7, 256 };
	static const size_t blocks[] = { 1, 5000, 65536, 0 };
	uint64_t one, two, v1, v2;
	char path[40];
	int fd;

	if (n == 0)
		return 0;
	fd = memfd_create("fuzz", MFD_CLOEXEC);
	if (fd < 0 || write(fd, data + 1, n - 1) != (ssize_t)(n - 1))
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	one = run(path, batches[data[0] & 3], blocks[data[0] >> 2 & 3], data[0] & 16,
		  &v1);
	two = run(path, NR_BATCH_MAX, 0, data[0] & 16, &v2);
	close(fd);
	if (one && two && (one != two || v1 != v2))
		abort();
	return 0;
}
