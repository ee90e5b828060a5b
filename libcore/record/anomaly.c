/* SPDX-License-Identifier: BSD-3-Clause */
#include "record/anomaly.h"

const struct nr_anomaly_info nr_anomaly_info[NR_N_ANOMALIES] = {
#define NR_X(id, n, sev, d) [NR_ANOM_##id] = { n, NR_SEV_##sev, d },
	NR_ANOMALIES(NR_X)
#undef NR_X
};

const char *nr_severity_name(enum nr_severity s)
{
	static const char *const names[] = { "info", "warning", "error" };

	return names[s];
}
