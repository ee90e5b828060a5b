/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nrbench-walk: the least that any reader must do, as a limit to compare with. It maps a
 * pcap file, steps from record to record and reads Ethernet, IP and ports; nothing is
 * kept. With a linear software prefetch 4 KiB ahead, or --plain without one. The time it
 * prints is of the walk alone, without the mapping of the file.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define AHEAD 4096

struct walk {
	uint64_t n_packets, n_tcp, n_udp, bytes, mix;
};

static uint32_t le32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t be16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return v;
}

static void walk_frame(struct walk *w, const uint8_t *p, size_t n)
{
	size_t at = 12, hlen, addrs;
	uint32_t type, proto;

	if (n < 14)
		return;
	type = be16(p + at);
	if (type == 0x8100 && n >= 18)
		type = be16(p + (at += 4));
	at += 2;
	if (type == 0x0800 && n - at >= 20) {
		proto = p[at + 9];
		hlen = (p[at] & 15u) * 4;
		addrs = at + 12;
		w->mix += load32(p + addrs) * UINT64_C(31) + load32(p + addrs + 4);
	} else if (type == 0x86dd && n - at >= 40) {
		proto = p[at + 6];
		hlen = 40;
		addrs = at + 8;
		for (size_t i = 0; i < 32; i += 4)
			w->mix = w->mix * 31 + load32(p + addrs + i);
	} else {
		return;
	}
	if (n - at < hlen || n - at - hlen < 8)
		return;
	w->mix += load32(p + at + hlen);
	w->n_tcp += proto == 6;
	w->n_udp += proto == 17;
}

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static int walk_file(struct walk *w, const uint8_t *p, size_t size, int is_plain)
{
	const uint8_t *end = p + size;
	uintptr_t ahead = (uintptr_t)p;

	if (size < 24 || (le32(p) != 0xa1b2c3d4 && le32(p) != 0xa1b23c4d))
		return -1;
	p += 24;
	while (end - p >= 16) {
		uint32_t len = le32(p + 8);

		/* every line once, in order; a prefetch past the mapping is harmless, a
		 * pointer there is not, so it stays an integer */
		for (; !is_plain && ahead < (uintptr_t)p + AHEAD; ahead += 64)
			__builtin_prefetch((const void *)ahead);
		p += 16;
		if ((size_t)(end - p) < len)
			break;
		walk_frame(w, p, len);
		w->n_packets++;
		w->bytes += len;
		p += len;
	}
	return 0;
}

int main(int argc, char **argv)
{
	int is_plain = argc == 3 && !strcmp(argv[1], "--plain"), fd, rc;
	const char *path = argv[argc - 1];
	struct walk w = { 0 };
	struct stat st;
	uint64_t start;
	void *map;

	if (argc < 2 || argc > 3 || (argc == 3 && !is_plain)) {
		fputs("usage: nrbench-walk [--plain] FILE.pcap\n", stderr);
		return 2;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st)) {
		fprintf(stderr, "nrbench-walk: cannot open %s: %s\n", path,
			strerror(errno));
		return 1;
	}
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
	if (map == MAP_FAILED) {
		fprintf(stderr, "nrbench-walk: cannot map %s: %s\n", path,
			strerror(errno));
		return 1;
	}
	start = now_ns();
	rc = walk_file(&w, map, (size_t)st.st_size, is_plain);
	if (rc)
		fprintf(stderr, "nrbench-walk: %s is not a little-endian pcap file\n",
			path);
	start = now_ns() - start;
	printf("ns %llu packets %llu tcp %llu udp %llu bytes %llu mix %016llx\n",
	       (unsigned long long)start, (unsigned long long)w.n_packets,
	       (unsigned long long)w.n_tcp, (unsigned long long)w.n_udp,
	       (unsigned long long)w.bytes, (unsigned long long)w.mix);
	munmap(map, (size_t)st.st_size);
	close(fd);
	return rc ? 1 : 0;
}
