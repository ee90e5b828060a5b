/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * nrbench-send: the frames of a pcap file onto an interface, as fast as one thread can or
 * at a rate. What the sender costs must not be what is measured: 64 frames a call
 * (sendmmsg), no queue in between (PACKET_QDISC_BYPASS), nothing copied here.
 *
 *     nrbench-send INTERFACE FILE [--count N] [--rate PPS]
 *
 * The file is sent again and again until N frames (as many as it has) went out. A frame
 * that the driver had no room for is sent again. One line on stdout: frames and
 * nanoseconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	BATCH = 64,
	FILE_HEAD = 24,
	RECORD_HEAD = 16,
};

struct frames {
	struct iovec *v;
	size_t n;
};

static void die(const char *what)
{
	fprintf(stderr, "nrbench-send: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Of a pcap file in this machine's byte order, as nrbench-gen writes them. */
static struct frames load(const char *path)
{
	struct frames f = { 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	size_t room = 0, at = FILE_HEAD, size;
	uint8_t *p;

	if (fd < 0 || fstat(fd, &st))
		die(path);
	size = (size_t)st.st_size;
	p = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	if (p == MAP_FAILED)
		die(path);
	close(fd);
	while (at < size && size - at >= RECORD_HEAD) {
		uint32_t len = get32(p + at + 8);

		at += RECORD_HEAD;
		if (size - at < len)
			break;
		if (f.n == room) {
			room = room ? 2 * room : 4096;
			f.v = realloc(f.v, room * sizeof(*f.v));
			if (!f.v)
				die("memory");
		}
		f.v[f.n++] = (struct iovec){ p + at, len };
		at += len;
	}
	if (!f.n) {
		errno = EINVAL;
		die(path);
	}
	return f;
}

static int open_socket(const char *interface)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0), one = 1, room = 4 << 20;
	struct sockaddr_ll a = { .sll_family = AF_PACKET,
				 .sll_ifindex = (int)if_nametoindex(interface) };

	if (fd < 0 || !a.sll_ifindex)
		die(interface);
	if (setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one)) ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room)) ||
	    bind(fd, (const struct sockaddr *)&a, sizeof(a)))
		die(interface);
	return fd;
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void nap(int64_t ns)
{
	struct timespec t = { ns / 1000000000, ns % 1000000000 };

	nanosleep(&t, NULL);
}

/* Up to n frames from the at-th on, around the file. */
static unsigned send_some(int fd, const struct frames *f, size_t at, unsigned n)
{
	struct mmsghdr m[BATCH];
	int sent;

	memset(m, 0, sizeof(m));
	for (unsigned i = 0; i < n; i++) {
		m[i].msg_hdr.msg_iov = &f->v[(at + i) % f->n];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	sent = sendmmsg(fd, m, n, 0);
	if (sent > 0)
		return (unsigned)sent;
	if (errno != ENOBUFS && errno != EAGAIN && errno != EINTR)
		die("sending");
	nap(100000);
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t count = 0, rate = 0, sent = 0;
	struct frames f;
	int64_t start, took;
	int fd;

	for (int i = 3; i + 1 < argc; i += 2) {
		uint64_t n = strtoull(argv[i + 1], NULL, 10);

		if (!strcmp(argv[i], "--count"))
			count = n;
		else if (!strcmp(argv[i], "--rate"))
			rate = n;
		else
			argc = 0;
	}
	if (argc < 3) {
		fprintf(stderr, "nrbench-send INTERFACE FILE [--count N] [--rate PPS]\n");
		return 2;
	}
	f = load(argv[2]);
	fd = open_socket(argv[1]);
	count = count ? count : f.n;
	start = now_ns();
	while (sent < count) {
		uint64_t left = count - sent;

		sent += send_some(fd, &f, sent % f.n,
				  left < BATCH ? (unsigned)left : BATCH);
		if (rate) {
			int64_t due =
				start + (int64_t)(sent * UINT64_C(1000000000) / rate);
			int64_t now = now_ns();

			if (due > now)
				nap(due - now);
		}
	}
	took = now_ns() - start;
	close(fd);
	free(f.v);
	printf("%llu %lld\n", (unsigned long long)sent, (long long)took);
	return 0;
}
