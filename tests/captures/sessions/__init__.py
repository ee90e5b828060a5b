# SPDX-License-Identifier: BSD-3-Clause
"""Session rows against other tools, over all captures. How a protocol joins:

1. Copy ntp.py (one row here is one row there) or dhcp.py (rows must be gathered first) to
   NAME.py. It ends in one object, MAPPING, made of the parts that mapping.py defines:

   Mapping(name, tables, zeek=[…], truth=[…], events=[…], fields=[…], services={…},
           classes=[…])

   tables    the tables of nrtool that it reads (all rows of them are in ctx.table(name))
   zeek      ZeekLog(log, table, columns): rows of zeek9/<log>.jsonl.zst, or with
             baseline="zeek-quic.log" of the logs of Zeek's own tests (times masked).
             Rows are paired by 5-tuple (either direction) and time; what is left of a
             5-tuple then by its main columns, and the time is a difference. Each column
             is compared: Column(name, ours, theirs, main=…, same=…). ours and theirs are
             a key of the row or a function of it. Normalise there what is only notation.
   truth     Count(column of GROUND_TRUTH.tsv, function of ctx giving a number), or
             Values(column, function giving the list of values), on `sound` captures.
   events    Events(event_type, table, {"dhcp.id": "trans_id", …}): of the rows as many as
             EXPECTED_EVENTS says must match. Keys it does not know are said in the report.
   fields    Field("arkime", "tls.ja4", table, "ja4"), Field("ndpi", "JA4", table, "ja4"):
             values by 5-tuple.
   services  {"dhcp": "dhcp"}: name in Zeek's conn.log: name in flow.service.
   classes   Class(name, where, columns, reason, test): test(d) is a predicate over one
             Difference. It looks at the rows or at the capture, never at the mere fact
             that they differ. The first that fits explains; those of classes.py (Zeek
             gave up, several link types, …) come last and hold for all.

2. Work on what is unexplained:
       tests/captures/run sessions --only NAME --show 10 [--where 'zeek9 http']
           [--column uri] [--class NAME] [--file PART] [--top 20] [--classes]
3. tests/captures/run sessions --only NAME --update writes NAME.tsv: the files whose
   GROUND_TRUTH count differs, with the class that fits. What no class explains stays
   `unexplained` there and fails; a class and reason may also be written by hand and is
   kept as long as the figures stay.

It fails when anything is unexplained, when a class explains nothing any more, when more
than 5 % of a log's rows (of all, or with no capture counting for more than 100) or 3 % of
a count's files differ. Replay output is kept per binary (common.Nrtool), so that all protocols, and all
suites with the same options, share one replay.
"""
