/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What SQL of `nrtool query` can call besides SQLite's own:
 *
 * cidr(ip, net)  1 where the address lies in the network ("10.0.0.0/8"), else 0
 * iso(ns)        time as RFC 3339
 * duration(ns)   "1 h 02 min"
 * human(bytes)   "12.3 MiB"
 * ip_sort(ip)    a blob that sorts as the addresses do, IPv4 before IPv6
 *
 * NULL and what is no address give NULL.
 */
#pragma once

#include <sqlite3.h>

int nr_sqlfunc_register(sqlite3 *db); /* SQLITE_OK or SQLite's code */
