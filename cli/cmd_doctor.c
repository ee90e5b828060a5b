/* SPDX-License-Identifier: BSD-3-Clause */
/* nrtool doctor: what this host lacks for a capture, and what mends it. */
#include "cli.h"

#include "base/mem.h"
#include "host/doctor.h"
#include "host/rowtable.h"
#include "text.h"

#include <net/if.h>
#include <string.h>

struct doctor {
	int format;
	bool all;
	uint64_t ring_size;
	const char *directory;
};

static const struct nr_option doctor_options[] = {
	{ "format", 0, NR_OPT_ENUM, "FORMAT", NR_OPT(doctor, format), "table",
	  .values = nr_row_formats, .help = "how to write the findings" },
	{ "all", 'a', NR_OPT_FLAG, NULL, NR_OPT(doctor, all),
	  .help = "also what is in order" },
	{ "directory", 'd', NR_OPT_TEXT, "DIR", NR_OPT(doctor, directory), ".",
	  .help = "where the capture is to write" },
	{ "ring-size", 0, NR_OPT_SIZE, "SIZE", NR_OPT(doctor, ring_size), "256M",
	  .help = "memory of a ring, as capture takes it" },
};

static const char *const levels[] = { "ok", "note", "warning", "missing" };

struct gather {
	const struct doctor *c;
	struct nr_rowtable *rows; /* NULL: text for a person */
	unsigned n[4];
};

static void print_one(enum nr_finding_level level, const char *subject,
		      const char *finding, const char *mend)
{
	struct nr_colours c = nr_colours_for(stdout);
	const char *const colour[] = { c.green, "", c.bold, c.red };

	printf("%s%s%s %s: %s\n", colour[level], levels[level], c.reset, subject,
	       finding);
	if (mend)
		printf("    %s\n", mend);
}

static void add(void *arg, enum nr_finding_level level, const char *subject,
		const char *finding, const char *mend)
{
	struct gather *g = arg;

	g->n[level]++;
	if (level == NR_FINDING_OK && !g->c->all)
		return;
	if (!g->rows) {
		print_one(level, subject, finding, mend);
		return;
	}
	nr_rowtable_text(g->rows, 0, levels[level]);
	nr_rowtable_text(g->rows, 1, subject);
	nr_rowtable_text(g->rows, 2, finding);
	if (mend)
		nr_rowtable_text(g->rows, 3, mend);
	nr_rowtable_add(g->rows);
}

/* Those named, or all that are up. */
static int look_at_interfaces(const struct nr_call *call, const struct nr_findings *to,
			      struct nr_err *err)
{
	struct nr_netdev *d;
	size_t n;
	int rc = nr_netdevs(&d, &n, err);

	if (rc < 0)
		return rc;
	for (int i = 0; i < call->n; i++) {
		const struct nr_netdev *one = nr_netdev_find(d, n, call->operands[i]);

		if (one)
			nr_doctor_interface(to, one);
		else
			to->add(to->arg, NR_FINDING_MISSING, call->operands[i],
				"there is no such interface in this network namespace",
				"nrtool interfaces");
	}
	for (size_t i = 0; i < n && !call->n; i++)
		if (d[i].flags & IFF_UP && !(d[i].flags & IFF_LOOPBACK))
			nr_doctor_interface(to, &d[i]);
	nr_free(d);
	return 0;
}

static int doctor_run(const struct nr_call *call)
{
	const struct doctor *c = call->config;
	struct gather g = { .c = c };
	const struct nr_findings to = { &g, add };
	struct nr_err err = { "" };
	int rc = 0;

	if (c->format != NR_ROWS_TABLE)
		rc = nr_rowtable_new(&g.rows, "level, subject, finding, mend", &err);
	if (!rc) {
		nr_doctor_host(&to, c->directory, c->ring_size);
		rc = look_at_interfaces(call, &to, &err);
	}
	if (!rc && g.rows)
		rc = nr_rowtable_write(g.rows, "*", (enum nr_row_format)c->format, true,
				       stdout, &err);
	nr_rowtable_free(g.rows);
	if (rc)
		return nr_complain(NR_EXIT_FAILED, "doctor", "%s", err.text);
	if (c->format == NR_ROWS_TABLE)
		printf("%u in order, %u notes, %u warnings, %u missing\n", g.n[0], g.n[1],
		       g.n[2], g.n[3]);
	rc = nr_stdout_finish("doctor");
	return rc ? rc : g.n[NR_FINDING_MISSING] ? NR_EXIT_FAILED : NR_EXIT_OK;
}

const struct nr_command nr_cmd_doctor = {
	.name = "doctor",
	.operands = "[INTERFACE…]",
	.summary = "says what this host lacks for a capture",
	.about = "Looks at rights, memory, kernel, clock and disk of this host, and at "
		 "its\n"
		 "interfaces, and says what is in a capture's way and what mends it.\n"
		 "Nothing is changed. Status 1 where something is missing.",
	.max_operands = NR_ANY,
	.options = { doctor_options, sizeof(doctor_options) / sizeof(*doctor_options) },
	.config_size = sizeof(struct doctor),
	.run = doctor_run,
};
