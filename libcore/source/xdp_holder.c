/* SPDX-License-Identifier: BSD-3-Clause */
#include "source/xdp_holder.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <ctype.h>
#include <dirent.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*
 * The link of this program on this interface, 0 where there is none: then it was attached
 * by netlink. The interface alone does not tell: other namespaces have the same numbers.
 */
static uint32_t link_of(uint32_t ifindex, uint32_t program)
{
	uint32_t id = 0;

	while (bpf_link_get_next_id(id, &id) == 0) {
		struct bpf_link_info info = { 0 };
		uint32_t len = sizeof(info);
		int fd = bpf_link_get_fd_by_id(id);
		bool ours;

		if (fd < 0)
			continue;
		ours = bpf_obj_get_info_by_fd(fd, &info, &len) == 0 &&
		       info.type == BPF_LINK_TYPE_XDP && info.prog_id == program &&
		       info.xdp.ifindex == ifindex;
		close(fd);
		if (ours)
			return id;
	}
	return 0;
}

/* Does descriptor information say "link_id: N"? */
static bool has_link(const char *path, uint32_t id)
{
	char line[128];
	unsigned found = 0;
	FILE *f = fopen(path, "re");

	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f))
		if (sscanf(line, "link_id: %u", &found) != 1)
			found = 0;
	fclose(f);
	return found == id;
}

static bool process_has_link(const char *pid, uint32_t id)
{
	char path[600];
	struct dirent *e;
	bool found = false;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/%s/fdinfo", pid);
	d = opendir(path);
	if (!d)
		return false;
	while (!found && (e = readdir(d)) != NULL) {
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/fdinfo/%s", pid, e->d_name);
		found = has_link(path, id);
	}
	closedir(d);
	return found;
}

/* Appends ", held by process 4711 (name)". */
static void add_process(uint32_t link, char *out, size_t n)
{
	char path[300], name[64] = "?", pid[16] = "";
	struct dirent *e;
	FILE *f;
	DIR *d = opendir("/proc");

	if (!d)
		return;
	while (!pid[0] && (e = readdir(d)) != NULL)
		if (isdigit((unsigned char)e->d_name[0]) &&
		    strlen(e->d_name) < sizeof(pid) && process_has_link(e->d_name, link))
			memcpy(pid, e->d_name, strlen(e->d_name) + 1);
	closedir(d);
	if (!pid[0])
		return;
	snprintf(path, sizeof(path), "/proc/%s/comm", pid);
	f = fopen(path, "re");
	if (f) {
		if (fgets(name, sizeof(name), f))
			name[strcspn(name, "\n")] = '\0';
		fclose(f);
	}
	snprintf(out + strlen(out), n - strlen(out), ", held by process %s (%s)", pid,
		 name);
}

void nr_xdp_holder(uint32_t ifindex, char *out, size_t n)
{
	struct bpf_xdp_query_opts q = { .sz = sizeof(q) };
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info), id, link;
	char name[IF_NAMESIZE];
	int fd;

	snprintf(out, n, "another program");
	if (bpf_xdp_query((int)ifindex, 0, &q))
		return;
	id = q.prog_id ? q.prog_id : q.drv_prog_id ? q.drv_prog_id : q.skb_prog_id;
	if (!id)
		return;
	fd = bpf_prog_get_fd_by_id(id);
	if (fd >= 0) {
		bpf_obj_get_info_by_fd(fd, &info, &len);
		close(fd);
	}
	snprintf(out, n, "program %.*s (id %u)", (int)sizeof(info.name),
		 info.name[0] ? info.name : "without a name", id);
	link = link_of(ifindex, id);
	if (link)
		add_process(link, out, n);
	else if (if_indextoname(ifindex, name))
		snprintf(out + strlen(out), n - strlen(out),
			 ", which stays until `ip link set %s %s off`", name,
			 q.drv_prog_id   ? "xdpdrv"
			 : q.skb_prog_id ? "xdpgeneric"
					 : "xdp");
}
