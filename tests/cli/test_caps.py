# SPDX-License-Identifier: BSD-3-Clause
"""Many flows open at once, each with half a request: caps hold, and say what they cost."""

import subprocess

from common import NRTOOL, Case

GEN = NRTOOL.parent.parent / "tests" / "bench" / "nrbench-gen"
FLOWS = 20000


class Caps(Case):
    def setUp(self):
        super().setUp()
        if not GEN.exists():
            self.skipTest("nrbench-gen was not built")
        subprocess.run([str(GEN), "half", "--count", str(FLOWS), str(self.dir / "half.pcap")],
                       check=True, timeout=60)

    def counts(self, *options):
        self.nrtool("replay", "half.pcap", "-o", "x.db", "--force", "--quiet", *options)
        closed = dict(self.query("x.db", "SELECT parser_close, count(*) FROM flow GROUP BY 1"))
        ended = dict(self.query("x.db", "SELECT end_reason, count(*) FROM flow GROUP BY 1"))
        said = dict(self.query("x.db", "SELECT kind, count(*) FROM anomaly GROUP BY 1"))
        http = self.query("x.db", "SELECT count(*), sum(complete) FROM http")[0]
        self.assertEqual(sum(closed.values()), FLOWS)
        return closed, ended, said, http

    def test_without_caps_each_has_its_row(self):
        closed, ended, said, http = self.counts()
        self.assertEqual(closed, {"flow_end": FLOWS})
        self.assertEqual(ended, {"end_of_input": FLOWS})
        self.assertEqual((said, http), ({}, (FLOWS, 0)))

    def test_memory_of_sessions(self):
        closed, ended, said, http = self.counts("--session-memory=4M")
        self.assertEqual(ended, {"end_of_input": FLOWS})
        self.assertGreater(closed["overflow"], FLOWS // 2)
        self.assertEqual(closed["flow_end"], http[0])
        self.assertGreater(http[0], 1000)  # the cap is used before it refuses
        self.assertEqual(closed["overflow"] + http[0], FLOWS)

    def test_flows_at_once(self):
        closed, ended, said, http = self.counts("--max-flows=4096")
        self.assertEqual(ended, {"end_of_input": 4096, "evicted": FLOWS - 4096})
        self.assertEqual(said, {"flow_evicted": FLOWS - 4096})
        self.assertEqual(http, (FLOWS, 0))
