/* SPDX-License-Identifier: BSD-3-Clause */
/* What a host lacks for a capture: findings, each with the command that mends it. */
#pragma once

#include "host/netdev.h"

#include <stdbool.h>
#include <stddef.h>

enum nr_finding_level {
	NR_FINDING_OK,
	NR_FINDING_NOTE,    /* worth knowing; a capture is right as it is */
	NR_FINDING_WARNING, /* a capture may lose packets, or show other ones */
	NR_FINDING_MISSING, /* it cannot work at all */
};

struct nr_findings {
	void *arg;
	/* mend: a command, or NULL where there is none or nothing is to be done */
	void (*add)(void *arg, enum nr_finding_level level, const char *subject,
		    const char *finding, const char *mend);
};

/* Of the host: rights, memory, kernel, sandbox, clock; of the directory: disk. */
void nr_doctor_host(const struct nr_findings *to, const char *dir, uint64_t ring_size);
/* Of an interface: state, offloads, rings, XDP. */
void nr_doctor_interface(const struct nr_findings *to, const struct nr_netdev *d);
