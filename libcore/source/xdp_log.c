/* SPDX-License-Identifier: BSD-3-Clause */
#include "source/xdp_log.h"

#include <bpf/libbpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <xdp/libxdp.h>

/* The callbacks have no argument of their own, and fire on the thread that called. */
static _Thread_local char last[256];
static _Thread_local char told[256];

__attribute__((format(printf, 1, 0))) static int keep(const char *fmt, va_list ap)
{
	int n = vsnprintf(last, sizeof(last), fmt, ap);

	last[strcspn(last, "\n")] = '\0';
	return n;
}

__attribute__((format(printf, 2, 0))) static int of_libbpf(enum libbpf_print_level level,
							   const char *fmt, va_list ap)
{
	return level == LIBBPF_WARN ? keep(fmt, ap) : 0;
}

__attribute__((format(printf, 2, 0))) static int of_libxdp(enum libxdp_print_level level,
							   const char *fmt, va_list ap)
{
	return level == LIBXDP_WARN ? keep(fmt, ap) : 0;
}

void nr_xdp_log_keep(void)
{
	libbpf_set_print(of_libbpf);
	libxdp_set_print(of_libxdp);
}

const char *nr_xdp_log_last(void)
{
	memcpy(told, last, sizeof(told));
	last[0] = '\0';
	return told;
}
