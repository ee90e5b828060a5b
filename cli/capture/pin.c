/* SPDX-License-Identifier: BSD-3-Clause */
/* --pin: the thread that reads the rings on one CPU, and no other thread. */
#include "capture/capture.h"
#include "cli.h"

#include <errno.h>
#include <string.h>

static cpu_set_t only(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return set;
}

int nr_capture_check_pin(struct nr_capture_run *r, struct nr_err *err)
{
	uint64_t cpu;
	cpu_set_t one;

	r->pin.cpu = -1;
	if (!r->c->pin)
		return 0;
	if (nr_parse_u64(r->c->pin, &cpu) || cpu >= CPU_SETSIZE)
		return nr_fail(err, -EINVAL, "--pin needs the number of a CPU, not '%s'",
			       r->c->pin);
	one = only((unsigned)cpu);
	if (sched_getaffinity(0, sizeof(r->pin.before), &r->pin.before) ||
	    sched_setaffinity(0, sizeof(one), &one) ||
	    sched_setaffinity(0, sizeof(r->pin.before), &r->pin.before))
		return nr_fail(err, -EINVAL, "cannot run on CPU %s: %s", r->c->pin,
			       strerror(errno));
	r->pin.cpu = (int)cpu;
	return 0;
}

void nr_capture_pin(const struct nr_capture_run *r)
{
	cpu_set_t one;

	if (r->pin.cpu < 0)
		return;
	one = only((unsigned)r->pin.cpu);
	sched_setaffinity(0, sizeof(one), &one); /* could be done when it was checked */
}

void nr_capture_unpin(const struct nr_capture_run *r)
{
	if (r->pin.cpu >= 0)
		sched_setaffinity(0, sizeof(r->pin.before), &r->pin.before);
}
