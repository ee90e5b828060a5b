/* SPDX-License-Identifier: BSD-3-Clause */
/* What libbpf and libxdp would print: kept for the sentence of an error instead. */
#pragma once

/* From now on they print nothing. */
void nr_xdp_log_keep(void);
/* The last warning on this thread, one line, and forgets it; "" = none. */
const char *nr_xdp_log_last(void);
