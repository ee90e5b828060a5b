/* SPDX-License-Identifier: BSD-3-Clause */
/* Lines of scripts (rig.h) that tests of HTTP have in common. */
#pragma once

#include "rig.h"

#define END                                                                              \
	{                                                                                \
		0, NULL, 0                                                               \
	}
#define GET(path)                                                                        \
	{                                                                                \
		0, "GET " path " HTTP/1.1\r\nHost: h\r\n\r\n", 0                         \
	}
