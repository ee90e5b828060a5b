/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Hands each frame that comes in to the AF_XDP socket of its queue, with its time in
 * front of it; a frame on a queue without a socket goes on to the host. Counts what it
 * does in memory that the capture maps, so that reading it takes no system call.
 *
 * One of three programs is loaded. nr_xdp_host stamps with the host's clock. The others
 * ask the driver, and have to be loaded for one interface (BPF_F_XDP_DEV_BOUND_ONLY):
 * nr_xdp_device for its time (Linux 6.3), nr_xdp_tags for the VLAN tag that the NIC took
 * off (Linux 6.8), and its time where nr_device_time says so.
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "source/xdp_shared.h"

struct {
	__uint(type, BPF_MAP_TYPE_XSKMAP);
	__uint(max_entries, NR_XDP_QUEUES);
	__type(key, __u32);
	__type(value, __u32);
} nr_sockets SEC(".maps");

/* In .bss: mapped by the capture. */
struct nr_xdp_count nr_counts[NR_XDP_CPUS];
__u32 nr_unstamped; /* set for good where a driver leaves no room in front */
const volatile __u32 nr_device_time;

extern int bpf_xdp_metadata_rx_timestamp(const struct xdp_md *ctx,
					 __u64 *timestamp) __ksym __weak;
extern int bpf_xdp_metadata_rx_vlan_tag(const struct xdp_md *ctx, __be16 *vlan_proto,
					__u16 *vlan_tci) __ksym __weak;

/* Two processors may share a place where there are more than NR_XDP_CPUS. */
#define COUNT(member, n) __sync_fetch_and_add(&c->member, (n))

static __always_inline struct nr_xdp_meta host_time(void)
{
	return (struct nr_xdp_meta){ .stamp = bpf_ktime_get_tai_ns() };
}

static __always_inline struct nr_xdp_meta device_time(struct xdp_md *ctx)
{
	__u64 stamp = 0;

	if (bpf_xdp_metadata_rx_timestamp(ctx, &stamp) || !stamp)
		return host_time();
	return (struct nr_xdp_meta){ .stamp = stamp, .flags = NR_XDP_HARDWARE };
}

static __always_inline int hand_over(struct xdp_md *ctx, const struct nr_xdp_meta *m)
{
	__u32 cpu = bpf_get_smp_processor_id() & (NR_XDP_CPUS - 1);
	struct nr_xdp_count *c = &nr_counts[cpu];
	struct nr_xdp_meta *front;
	int verdict;

	COUNT(seen, 1);
	COUNT(bytes, bpf_xdp_get_buff_len(ctx));
	if (bpf_xdp_adjust_meta(ctx, -(int)sizeof(*front)) == 0) {
		front = (struct nr_xdp_meta *)(long)ctx->data_meta;
		if ((void *)(front + 1) <= (void *)(long)ctx->data)
			*front = *m;
		if (m->flags & NR_XDP_HARDWARE)
			COUNT(hardware, 1);
		if (m->flags & NR_XDP_TAG)
			COUNT(tags, 1);
	} else {
		COUNT(no_room, 1);
		nr_unstamped = 1;
	}
	verdict = bpf_redirect_map(&nr_sockets, ctx->rx_queue_index, XDP_PASS);
	if (verdict != XDP_REDIRECT)
		COUNT(no_socket, 1);
	return verdict;
}

SEC("?xdp.frags")
int nr_xdp_host(struct xdp_md *ctx)
{
	struct nr_xdp_meta m = host_time();

	return hand_over(ctx, &m);
}

SEC("?xdp.frags")
int nr_xdp_device(struct xdp_md *ctx)
{
	struct nr_xdp_meta m = device_time(ctx);

	return hand_over(ctx, &m);
}

SEC("?xdp.frags")
int nr_xdp_tags(struct xdp_md *ctx)
{
	struct nr_xdp_meta m = nr_device_time ? device_time(ctx) : host_time();
	__be16 tpid;
	__u16 tci;

	if (bpf_xdp_metadata_rx_vlan_tag(ctx, &tpid, &tci) == 0) {
		m.tpid_be = tpid;
		m.tci = tci;
		m.flags |= NR_XDP_TAG;
	}
	return hand_over(ctx, &m);
}

char nr_license[] SEC("license") = "Dual BSD/GPL";
