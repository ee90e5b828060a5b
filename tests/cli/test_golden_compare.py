# SPDX-License-Identifier: BSD-3-Clause
"""The comparison that the golden cases stand on must be able to fail."""

import json
import unittest

from compare import Expectation, compare, updated

A = {"type": "flow", "flow_id": 16, "dst_port": 80, "vlan": "1"}
B = {"type": "flow", "flow_id": 32, "dst_port": 443}
RUN = {"type": "run", "run_id": 1}


def expect(head, *rows):
    return Expectation("\n".join([*head, *map(json.dumps, rows)]) + "\n")


class Subset(unittest.TestCase):
    HEAD = ["# match: subset types=flow"]

    def test_fields_left_out_do_not_matter_nor_order(self):
        e = expect(self.HEAD, {"type": "flow", "dst_port": 443}, {"type": "flow", "dst_port": 80})
        self.assertEqual(compare(e, [A, B, RUN]), [])

    def test_a_wrong_value_is_named(self):
        [words] = compare(expect(self.HEAD, {**A, "dst_port": 81}), [A])
        self.assertIn("dst_port: 80, expected 81", words)

    def test_missing_and_additional_records(self):
        self.assertEqual(len(compare(expect(self.HEAD, A, B), [A])), 1)
        self.assertEqual(len(compare(expect(self.HEAD, A), [A, B])), 1)
        self.assertEqual(len(compare(expect(self.HEAD, A, A), [A, B])), 1)

    def test_null_means_absent(self):
        self.assertEqual(compare(expect(self.HEAD, {"type": "flow", "vlan": None}), [B]), [])
        self.assertEqual(len(compare(expect(self.HEAD, {"type": "flow", "vlan": None}), [A])), 1)


class Full(unittest.TestCase):
    def test_order_and_every_field_matter_but_run_does_not(self):
        self.assertEqual(compare(expect([], A, B), [A, RUN, B]), [])
        self.assertEqual(len(compare(expect([], A, B), [B, A])), 2)
        self.assertEqual(len(compare(expect([], A), [{**A, "more": 1}])), 1)
        self.assertEqual(len(compare(expect([], A, B), [A])), 1)
        self.assertEqual(len(compare(expect([], A), [A, B])), 1)

    def test_status_and_unknown_modes(self):
        self.assertEqual(expect(["# status: 3"]).status, 3)
        self.assertRaises(ValueError, expect, ["# match: roughly"])

    def test_update_passes(self):
        for head in ([], ["# match: subset types=flow"]):
            e = expect(head, {"type": "flow", "dst_port": 1})
            text = "\n".join([*head, '{"type": "flow", "dst_port": 1}'])
            new = Expectation(updated(e, text, [A, B, RUN]))
            self.assertEqual(compare(new, [A, B, RUN]), [])
