/* SPDX-License-Identifier: BSD-3-Clause */
#include "host/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/if_ether.h>
#include <linux/magic.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <unistd.h>

enum { TEXT = 400 };

#define GIB (UINT64_C(1) << 30)
#define MIB (UINT64_C(1) << 20)

__attribute__((format(printf, 5, 6))) static void tell(const struct nr_findings *to,
						       enum nr_finding_level level,
						       const char *subject,
						       const char *mend, const char *fmt,
						       ...)
{
	char text[TEXT];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	to->add(to->arg, level, subject, text, mend);
}

/* ---- rights ------------------------------------------------------------------- */

static uint64_t capabilities(void)
{
	struct __user_cap_header_struct h = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct d[2] = { { 0 } };

	if (syscall(SYS_capget, &h, d) < 0)
		return 0;
	return d[0].effective | (uint64_t)d[1].effective << 32;
}

static bool has(uint64_t caps, int cap)
{
	return caps >> cap & 1;
}

static const char *setcap_command(const char *caps)
{
	static char cmd[PATH_MAX + 100];
	char exe[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	exe[n > 0 ? n : 0] = '\0';
	snprintf(cmd, sizeof(cmd), "sudo setcap %s %s", caps, n > 0 ? exe : "nrtool");
	return cmd;
}

#define XDP_CAPS "cap_net_raw,cap_net_admin,cap_bpf,cap_perfmon=ep"

static void xdp_rights(const struct nr_findings *to, uint64_t caps)
{
	static const struct {
		int cap;
		const char *name, *there, *missing;
	} needed[] = {
		{ CAP_NET_ADMIN, "CAP_NET_ADMIN",
		  "it is there: offloads and XDP can be set",
		  "it is missing: --backend xdp does not work" },
		{ CAP_BPF, "CAP_BPF", "it is there: XDP programs can be loaded",
		  "it is missing: --backend xdp does not work" },
		{ CAP_PERFMON, "CAP_PERFMON",
		  "it is there: XDP can ask the driver for tags and times",
		  "it is missing: --backend xdp works, without the tags that "
		  "rxvlan takes and without hardware time stamps" },
	};

	/* CAP_SYS_ADMIN holds what was once a part of it (capabilities(7)) */
	if (has(caps, CAP_SYS_ADMIN))
		caps |= UINT64_C(1) << CAP_BPF | UINT64_C(1) << CAP_PERFMON;
	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++)
		if (has(caps, needed[i].cap))
			tell(to, NR_FINDING_OK, needed[i].name, NULL, "%s",
			     needed[i].there);
		else
			tell(to, NR_FINDING_NOTE, needed[i].name,
			     setcap_command(XDP_CAPS), "%s", needed[i].missing);
}

static void rights(const struct nr_findings *to)
{
	uint64_t caps = capabilities();
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		tell(to, NR_FINDING_OK, "capture", NULL,
		     "packet sockets can be opened (CAP_NET_RAW)");
	else if (errno == EPERM)
		tell(to, NR_FINDING_MISSING, "capture",
		     setcap_command("cap_net_raw,cap_net_admin=ep"),
		     "packet sockets need CAP_NET_RAW, which this process does not have");
	else
		tell(to, NR_FINDING_MISSING, "capture", "sudo modprobe af_packet",
		     "packet sockets cannot be opened: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	xdp_rights(to, caps);
	if (!has(caps, CAP_SETUID))
		tell(to, NR_FINDING_NOTE, "CAP_SETUID", "sudo nrtool capture …",
		     "the user cannot be changed: the capture goes on as user %d",
		     (int)geteuid());
}

/* ---- BPF, for xdp ------------------------------------------------------------- */

static long read_number(const char *path, long none)
{
	FILE *f = fopen(path, "re");
	long v = none;

	if (f && fscanf(f, "%ld", &v) != 1)
		v = none;
	if (f)
		fclose(f);
	return v;
}

static void bpf(const struct nr_findings *to)
{
	union bpf_attr a;
	int fd;

	memset(&a, 0, sizeof(a));
	a.map_type = BPF_MAP_TYPE_ARRAY;
	a.key_size = 4;
	a.value_size = 4;
	a.max_entries = 1;
	fd = (int)syscall(SYS_bpf, BPF_MAP_CREATE, &a, sizeof(a));
	if (fd >= 0)
		tell(to, NR_FINDING_OK, "BPF", NULL, "maps can be made");
	else if (errno == ENOSYS)
		tell(to, NR_FINDING_NOTE, "BPF", NULL,
		     "this kernel has no bpf(2): only --backend tpacket and pcap");
	else
		tell(to, NR_FINDING_NOTE, "BPF", setcap_command(XDP_CAPS),
		     "maps cannot be made (%s): --backend xdp does not work",
		     strerror(errno));
	if (fd >= 0)
		close(fd);
	if (read_number("/proc/sys/net/core/bpf_jit_enable", 1) == 0)
		tell(to, NR_FINDING_WARNING, "BPF compiler",
		     "sudo sysctl -w net.core.bpf_jit_enable=1",
		     "filters and XDP programs are interpreted: several times slower");
	fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd >= 0)
		close(fd);
	else if (errno == EAFNOSUPPORT)
		tell(to, NR_FINDING_NOTE, "AF_XDP", NULL,
		     "this kernel has no AF_XDP sockets: no --backend xdp");
}

static void memlock(const struct nr_findings *to, uint64_t ring_size)
{
	struct rlimit r = { RLIM_INFINITY, RLIM_INFINITY };

	getrlimit(RLIMIT_MEMLOCK, &r);
	if (has(capabilities(), CAP_IPC_LOCK) || r.rlim_cur == RLIM_INFINITY ||
	    r.rlim_cur >= ring_size)
		tell(to, NR_FINDING_OK, "locked memory", NULL,
		     "enough may be locked for AF_XDP");
	else
		tell(to, NR_FINDING_NOTE, "locked memory",
		     "ulimit -l unlimited   # or LimitMEMLOCK=infinity in the unit",
		     "only %llu KiB may be locked: AF_XDP cannot have rings of %llu KiB",
		     (unsigned long long)r.rlim_cur / 1024,
		     (unsigned long long)ring_size / 1024);
}

/* ---- memory, kernel, clock ---------------------------------------------------- */

static uint64_t available_memory(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	unsigned long long kib = 0;
	char line[128];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %llu kB", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib * 1024;
}

static void memory(const struct nr_findings *to, uint64_t ring_size)
{
	uint64_t free_bytes = available_memory();

	if (!free_bytes)
		return;
	if (free_bytes > 2 * ring_size)
		tell(to, NR_FINDING_OK, "ring memory", NULL,
		     "%llu MiB are available, a ring takes %llu MiB",
		     (unsigned long long)(free_bytes / MIB),
		     (unsigned long long)(ring_size / MIB));
	else
		tell(to, NR_FINDING_WARNING, "ring memory",
		     "nrtool capture --ring-size 64M …",
		     "%llu MiB are available, and each ring takes %llu MiB, which the "
		     "kernel does not check",
		     (unsigned long long)(free_bytes / MIB),
		     (unsigned long long)(ring_size / MIB));
}

static void kernel(const struct nr_findings *to)
{
	unsigned major = 0, minor = 0;
	struct utsname u;

	if (uname(&u) < 0 || sscanf(u.release, "%u.%u", &major, &minor) != 2)
		return;
	if (major < 4 || (major == 4 && minor < 20))
		tell(to, NR_FINDING_WARNING, "kernel", "sudo apt-get dist-upgrade",
		     "Linux %s does not know PACKET_IGNORE_OUTGOING (4.20): loopback "
		     "is sorted out by nrtool",
		     u.release);
	else if (major < 6 || (major == 6 && minor < 6))
		tell(to, NR_FINDING_NOTE, "kernel", NULL,
		     "Linux %s: AF_XDP without frames of several buffers (6.6), so "
		     "none larger than a page",
		     u.release);
	else
		tell(to, NR_FINDING_OK, "kernel", NULL, "Linux %s", u.release);
}

static void sandbox(const struct nr_findings *to)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1u /* version */);

	if (abi > 0)
		tell(to, NR_FINDING_OK, "Landlock", NULL, "version %ld", abi);
	else
		tell(to, NR_FINDING_NOTE, "Landlock",
		     "add landlock to the lsm= list of the kernel's command line",
		     "not there (%s): files are not confined", strerror(errno));
	if (prctl(PR_GET_SECCOMP, 0, 0, 0, 0) < 0)
		tell(to, NR_FINDING_NOTE, "seccomp", NULL,
		     "this kernel has none: calls are not confined");
	else
		tell(to, NR_FINDING_OK, "seccomp", NULL, "there");
}

static void host_clock(const struct nr_findings *to)
{
	struct timex t = { 0 };

	if (adjtimex(&t) < 0)
		return;
	if (t.status & STA_UNSYNC)
		tell(to, NR_FINDING_WARNING, "clock", "sudo timedatectl set-ntp true",
		     "the host's clock is not synchronised: packet times cannot be "
		     "compared with those of others");
	else
		tell(to, NR_FINDING_OK, "clock", NULL, "synchronised, within %ld us",
		     t.maxerror);
}

/* ---- disk --------------------------------------------------------------------- */

static void disk(const struct nr_findings *to, const char *dir)
{
	static const char elsewhere[] =
		"nrtool doctor --directory DIR   # one of this user's own, or run it as "
		"the user who is to capture";
	char mend[PATH_MAX + 60];
	struct statfs fs;
	uint64_t room;

	if (statfs(dir, &fs) < 0) {
		snprintf(mend, sizeof(mend), "mkdir -p %s", dir);
		tell(to, NR_FINDING_MISSING, "disk", errno == ENOENT ? mend : elsewhere,
		     "%s: %s", dir, strerror(errno));
		return;
	}
	if (access(dir, W_OK | X_OK) < 0)
		tell(to, NR_FINDING_MISSING, "disk", elsewhere,
		     "%s cannot be written by user %d: %s", dir, (int)geteuid(),
		     strerror(errno));
	room = (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize;
	if (room < GIB)
		tell(to, NR_FINDING_WARNING, "disk",
		     "nrtool capture --keep-free 256M --rotate-size 64M …",
		     "%s has %llu MiB free", dir, (unsigned long long)(room / MIB));
	else
		tell(to, NR_FINDING_OK, "disk", NULL, "%s has %.1f GiB free", dir,
		     (double)room / (double)GIB);
	if (fs.f_type == TMPFS_MAGIC)
		tell(to, NR_FINDING_NOTE, "disk", "nrtool doctor --directory /var/lib/…",
		     "%s lies in memory (tmpfs): what is captured there is gone when "
		     "the host ends",
		     dir);
	if (fs.f_type == NFS_SUPER_MAGIC || fs.f_type == (int)SMB_SUPER_MAGIC)
		tell(to, NR_FINDING_WARNING, "disk",
		     "nrtool doctor --directory /var/lib/…",
		     "%s lies on another host: databases that are read while they grow "
		     "need shared memory, which works on local file systems alone",
		     dir);
}

void nr_doctor_host(const struct nr_findings *to, const char *dir, uint64_t ring_size)
{
	rights(to);
	bpf(to);
	memlock(to, ring_size);
	memory(to, ring_size);
	kernel(to);
	sandbox(to);
	host_clock(to);
	disk(to, dir);
}

/* ---- interfaces --------------------------------------------------------------- */

static void offloads(const struct nr_findings *to, const struct nr_netdev *d)
{
	char mend[100];

	if (d->offloads & NR_OFF_LRO) {
		snprintf(mend, sizeof(mend), "sudo ethtool -K %s lro off", d->name);
		tell(to, NR_FINDING_WARNING, d->name, mend,
		     "LRO merges TCP segments before they are seen: sizes, counts and "
		     "retransmissions are not those of the wire");
	}
	if (d->offloads & NR_OFF_GRO) {
		snprintf(mend, sizeof(mend), "sudo ethtool -K %s gro off", d->name);
		tell(to, NR_FINDING_WARNING, d->name, mend,
		     "GRO merges packets that come in: frames of up to 64 KiB that were "
		     "never on the wire");
	}
	if (d->offloads & (NR_OFF_TSO | NR_OFF_GSO)) {
		snprintf(mend, sizeof(mend), "sudo ethtool -K %s tso off gso off",
			 d->name);
		tell(to, NR_FINDING_NOTE, d->name, mend,
		     "packets that this host sends are seen before they are cut into "
		     "segments (TSO, GSO)");
	}
	if (d->offloads & NR_OFF_TX_CSUM) {
		snprintf(mend, sizeof(mend), "sudo ethtool -K %s tx off", d->name);
		tell(to, NR_FINDING_NOTE, d->name, mend,
		     "checksums of packets that this host sends are made by the NIC, "
		     "and wrong where they are seen; nrtool knows them");
	}
}

void nr_doctor_interface(const struct nr_findings *to, const struct nr_netdev *d)
{
	char mend[100], why[NR_XDP_WHY];

	if (!(d->flags & IFF_UP)) {
		snprintf(mend, sizeof(mend), "sudo ip link set %s up", d->name);
		tell(to, NR_FINDING_MISSING, d->name, mend, "it is down");
	} else if (!strcmp(d->state, "no-carrier") || !strcmp(d->state, "down")) {
		tell(to, NR_FINDING_WARNING, d->name, NULL,
		     "it is up, but has no carrier: is the cable in, the other end up?");
	} else {
		tell(to, NR_FINDING_OK, d->name, NULL, "%s, MTU %u, %u receive queues",
		     d->state, d->mtu, d->rx_queues);
	}
	if (d->link_type < 0)
		tell(to, NR_FINDING_MISSING, d->name, NULL,
		     "its link type (ARPHRD %u) is none that nrtool knows", d->arphrd);
	if (d->flags & IFF_LOOPBACK)
		return;
	offloads(to, d);
	if (d->rx_ring && d->rx_ring_max && d->rx_ring < d->rx_ring_max) {
		snprintf(mend, sizeof(mend), "sudo ethtool -G %s rx %u", d->name,
			 d->rx_ring_max);
		tell(to, NR_FINDING_NOTE, d->name, mend,
		     "the NIC's ring has %u of %u descriptors: bursts may be lost before "
		     "the kernel sees them",
		     d->rx_ring, d->rx_ring_max);
	}
	if (d->xdp_attached[0]) {
		snprintf(mend, sizeof(mend), "sudo ip link set dev %s xdp off", d->name);
		tell(to, NR_FINDING_NOTE, d->name, mend,
		     "an XDP program is attached (%s): --backend xdp cannot have it, and "
		     "what that program drops is not seen",
		     d->xdp_attached);
	}
	if (nr_netdev_xdp_takes(d, why))
		tell(to, NR_FINDING_NOTE, d->name, "nrtool capture --backend tpacket …",
		     "it %s", why);
}
