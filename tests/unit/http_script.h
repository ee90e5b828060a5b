/* SPDX-License-Identifier: BSD-3-Clause */
/* Lines of scripts (rig.h) that tests of HTTP have in common. */
#pragma once

#include "rig.h"

extern const struct nr_parser nr_parser_http;

#define END                                                                              \
	{                                                                                \
		0, NULL, 0                                                               \
	}
#define GET(path)                                                                        \
	{                                                                                \
		0, "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n", 0                         \
	}
#define OK(n, body)                                                                      \
	{                                                                                \
		1, "HTTP/1.1 200 OK\r\nContent-Length: " #n "\r\n\r\n" body, 0           \
	}
#define SAY(...)                                                                         \
	{                                                                                \
		__VA_ARGS__, END                                                         \
	}

/* Rows, then anomalies. */
static inline char *http_run(const struct rig_line *script)
{
	return rig_run(&nr_parser_http, 80, script, 0, false);
}
