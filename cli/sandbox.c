/* SPDX-License-Identifier: BSD-3-Clause */
#include "sandbox.h"

#include "source/hash.h"
#include "source/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||               \
	__has_feature(memory_sanitizer)
#define IS_SANITIZER 1
#endif
#endif
#ifndef IS_SANITIZER
#define IS_SANITIZER 0
#endif

#define SYS(name) SCMP_SYS(name)

/* Refused whatever their arguments. */
static const int refused[] = {
	/* the network and other processes' doors */
	SYS(socket),
	SYS(socketpair),
	SYS(connect),
	SYS(bind),
	SYS(listen),
	SYS(accept),
	SYS(accept4),
	SYS(sendto),
	SYS(sendmsg),
	SYS(sendmmsg),
	SYS(memfd_create),
	SYS(shmget),
	SYS(shmat),
	SYS(msgget),
	SYS(semget),
	SYS(mq_open),
	/* programs and processes */
	SYS(execve),
	SYS(execveat),
	SYS(fork),
	SYS(vfork),
	SYS(ptrace),
	SYS(kcmp),
	SYS(process_vm_readv),
	SYS(process_vm_writev),
	SYS(process_madvise),
	SYS(pidfd_open),
	SYS(pidfd_getfd),
	SYS(pidfd_send_signal),
	SYS(rt_sigqueueinfo),
	SYS(rt_tgsigqueueinfo),
	SYS(tkill),
	SYS(setpgid),
	SYS(setsid),
	/* namespaces, mounts, roots */
	SYS(unshare),
	SYS(setns),
	SYS(mount),
	SYS(umount2),
	SYS(pivot_root),
	SYS(chroot),
	SYS(move_mount),
	SYS(open_tree),
	SYS(fsopen),
	SYS(fsconfig),
	SYS(fsmount),
	SYS(fspick),
	SYS(mount_setattr),
	SYS(name_to_handle_at),
	SYS(open_by_handle_at),
	SYS(mknod),
	SYS(mknodat),
	SYS(symlink),
	SYS(symlinkat),
	SYS(setxattr),
	SYS(lsetxattr),
	SYS(fsetxattr),
	SYS(removexattr),
	SYS(lremovexattr),
	SYS(fremovexattr),
	SYS(quotactl),
	SYS(quotactl_fd),
	SYS(fanotify_init),
	/* identities */
	SYS(setuid),
	SYS(setgid),
	SYS(setreuid),
	SYS(setregid),
	SYS(setresuid),
	SYS(setresgid),
	SYS(setfsuid),
	SYS(setfsgid),
	SYS(setgroups),
	SYS(capset),
	SYS(personality),
	/* large doors into the kernel */
	SYS(bpf),
	SYS(perf_event_open),
	SYS(userfaultfd),
	SYS(io_uring_setup),
	SYS(io_uring_enter),
	SYS(io_uring_register),
	SYS(io_setup),
	SYS(keyctl),
	SYS(add_key),
	SYS(request_key),
	SYS(vmsplice),
	SYS(modify_ldt),
	SYS(lookup_dcookie),
	/* the machine */
	SYS(init_module),
	SYS(finit_module),
	SYS(delete_module),
	SYS(kexec_load),
	SYS(kexec_file_load),
	SYS(reboot),
	SYS(swapon),
	SYS(swapoff),
	SYS(acct),
	SYS(settimeofday),
	SYS(clock_settime),
	SYS(clock_adjtime),
	SYS(adjtimex),
	SYS(sethostname),
	SYS(setdomainname),
	SYS(syslog),
	SYS(iopl),
	SYS(ioperm),
	SYS(vhangup),
};

/* Refused where an argument says so. */
static int refuse_by_argument(scmp_filter_ctx f)
{
	const uint32_t no = SCMP_ACT_ERRNO(EPERM);
	const scmp_datum_t pid = (scmp_datum_t)getpid();
	int rc = 0;

	/* clone() makes threads alone; its flags cannot be seen in clone3(), for which
	   the C library falls back to clone() */
	rc |= seccomp_rule_add(f, no, SYS(clone), 1,
			       SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
	rc |= seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), SYS(clone3), 0);
	rc |= seccomp_rule_add(f, no, SYS(kill), 1, SCMP_A0(SCMP_CMP_NE, pid));
	rc |= seccomp_rule_add(f, no, SYS(tgkill), 1, SCMP_A0(SCMP_CMP_NE, pid));
	rc |= seccomp_rule_add(f, no, SYS(mmap), 1,
			       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC));
	rc |= seccomp_rule_add(f, no, SYS(mprotect), 1,
			       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC));
	rc |= seccomp_rule_add(f, no, SYS(pkey_mprotect), 1,
			       SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC));
	/* typing into the terminal on behalf of the person; the kernel looks at 32 bits
	 */
	rc |= seccomp_rule_add(f, no, SYS(ioctl), 1,
			       SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, TIOCSTI));
	rc |= seccomp_rule_add(f, no, SYS(ioctl), 1,
			       SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, TIOCLINUX));
	return rc;
}

static bool enter_seccomp(void)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	int rc;

	if (!f)
		return false;
	rc = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
		int one = seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), refused[i], 0);

		/* below zero and not known here: this machine has no such call */
		if (one && refused[i] >= 0)
			rc |= one;
	}
	rc |= refuse_by_argument(f);
	if (!rc)
		rc = seccomp_load(f);
	seccomp_release(f);
	return !rc;
}

/* Of Linux 6.2 to 6.12; the headers may be older than the kernel. */
enum {
	FS_REFER = 1 << 13,
	FS_TRUNCATE = 1 << 14,
	FS_IOCTL_DEV = 1 << 15,
	NET_BIND_CONNECT = 3,
	SCOPE_ALL = 3, /* abstract sockets, signals */
	READ = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
	WRITE = READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG |
		LANDLOCK_ACCESS_FS_REMOVE_FILE | FS_TRUNCATE,
	OF_FILES = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |
		   FS_TRUNCATE, /* what a rule on a file may name */
};

struct ruleset_attr { /* as struct landlock_ruleset_attr has grown */
	uint64_t fs, net, scoped;
};

static struct ruleset_attr handled_by(int abi, size_t *size)
{
	struct ruleset_attr a = { .fs = (1 << 13) - 1 };

	a.fs |= abi >= 2 ? FS_REFER : 0;
	a.fs |= abi >= 3 ? FS_TRUNCATE : 0;
	a.fs |= abi >= 5 ? FS_IOCTL_DEV : 0;
	a.net = abi >= 4 ? NET_BIND_CONNECT : 0;
	a.scoped = abi >= 6 ? SCOPE_ALL : 0;
	*size = abi >= 6 ? sizeof(a) : abi >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
	return a;
}

/* What cannot be opened needs no rule: whoever opens it will say so. */
static int allow(int ruleset, uint64_t handled, const char *path, uint64_t access,
		 struct nr_err *err)
{
	struct landlock_path_beneath_attr a = { .parent_fd =
							open(path, O_PATH | O_CLOEXEC) };
	struct stat st;
	int rc = 0;

	if (a.parent_fd < 0)
		return 0;
	a.allowed_access = access & handled;
	if (fstat(a.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
		a.allowed_access &= OF_FILES;
	/* EBADFD: a pipe of /proc/self/fd, which Landlock does not confine */
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &a, 0) &&
	    errno != EBADFD)
		rc = nr_fail(err, -errno,
			     "cannot confine the run to %s: %s; --no-sandbox goes "
			     "without",
			     path, strerror(errno));
	close(a.parent_fd);
	return rc;
}

/* The operands; and what links below a directory lead to, which may lie elsewhere. */
static int allow_inputs(int ruleset, uint64_t handled, const struct nr_sandbox *s,
			struct nr_err *err)
{
	struct nr_paths all = { 0 };
	struct nr_err ignored; /* who opens them will say it */
	struct stat st;
	int rc = 0;

	for (size_t i = 0; i < s->n_reads && !rc; i++)
		if (strcmp(s->reads[i], "-") != 0)
			rc = allow(ruleset, handled, s->reads[i], READ, err);
	nr_paths_collect(&all, s->reads, s->n_reads, &ignored);
	for (size_t i = 0; i < all.n && !rc; i++)
		if (all.path[i].from_dir && lstat(all.path[i].path, &st) == 0 &&
		    S_ISLNK(st.st_mode))
			rc = allow(ruleset, handled, all.path[i].path, READ, err);
	nr_paths_fini(&all);
	return rc;
}

/* The target itself where it is a device or pipe, else the directory that it lies in. */
static int allow_target(int ruleset, uint64_t handled, const char *target,
			struct nr_err *err)
{
	char path[PATH_MAX];
	struct stat st;
	char *slash;

	if (!strcmp(target, "-") || !strncmp(target, "null:", 5))
		return 0;
	if (stat(target, &st) == 0) {
		if (!S_ISREG(st.st_mode))
			return allow(ruleset, handled, target, WRITE & OF_FILES, err);
		if (!realpath(target, path))
			return 0;
	} else if (snprintf(path, sizeof(path), "%s", target) >= (int)sizeof(path)) {
		return 0;
	}
	slash = strrchr(path, '/');
	if (slash)
		slash[slash == path ? 1 : 0] = '\0';
	return allow(ruleset, handled, slash ? path : ".", WRITE, err);
}

/* 1 where it holds, 0 where the kernel has none. */
static int enter_landlock(const struct nr_sandbox *s, struct nr_err *err)
{
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0,
			   LANDLOCK_CREATE_RULESET_VERSION);
	struct ruleset_attr a;
	size_t size;
	int fd, rc = 0;

	if (abi < 1)
		return 0;
	a = handled_by((int)abi, &size);
	fd = (int)syscall(SYS_landlock_create_ruleset, &a, size, 0);
	if (fd < 0)
		return 0;
	rc = allow_inputs(fd, a.fs, s, err);
	for (size_t i = 0; i < s->n_targets && !rc; i++)
		rc = allow_target(fd, a.fs, s->targets[i], err);
	if (!rc)
		rc = syscall(SYS_landlock_restrict_self, fd, 0) == 0;
	close(fd);
	return rc;
}

/* Libraries that open files of the system at their first use do so now. */
static void warm_up(void)
{
	char random;

	tzset();
	nr_hasher_free(nr_hasher_new(false)); /* libcrypto's configuration */
	sqlite3_initialize();
	sqlite3_randomness(1, &random);
}

int nr_sandbox_enter(const struct nr_sandbox *s, char applied[NR_SANDBOX_TEXT],
		     struct nr_err *err)
{
	bool seccomp;
	int landlock;

	snprintf(applied, NR_SANDBOX_TEXT, "none");
	if (IS_SANITIZER)
		return 0;
	warm_up();
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return 0;
	landlock = enter_landlock(s, err);
	if (landlock < 0)
		return landlock;
	seccomp = enter_seccomp();
	snprintf(applied, NR_SANDBOX_TEXT, "no_new_privs%s%s", seccomp ? ",seccomp" : "",
		 landlock ? ",landlock" : "");
	return 0;
}
