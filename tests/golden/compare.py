# SPDX-License-Identifier: BSD-3-Clause
"""What a golden case expects, and how records are compared with it."""

import json
import re

HEADER = re.compile(r"^#\s*(match|status):\s*(.*)$")


class Expectation:
    """expect.jsonl: header lines beginning with #, then one record a line.

    # match: full                      every record but run, in order, all fields (default)
    # match: subset types=flow,anomaly of these types exactly the lines there are, in any
                                       order; a line may name only some fields, and null
                                       means that the field is absent
    # status: 3                        exit status (default 0)
    """

    def __init__(self, text):
        self.mode, self.types, self.status, self.rows = "full", None, 0, []
        for line in text.splitlines():
            m = HEADER.match(line)
            if m and m[1] == "status":
                self.status = int(m[2])
            elif m:
                self.mode, *words = m[2].split()
                for word in words:
                    key, _, value = word.partition("=")
                    if key != "types":
                        raise ValueError(f"expect.jsonl: what is {word}?")
                    self.types = set(value.split(","))
            elif line.strip() and not line.startswith("#"):
                self.rows.append(json.loads(line))
        if self.mode not in ("full", "subset"):
            raise ValueError(f"expect.jsonl: there is no match {self.mode}")


def misfits(want, have):
    """The fields in which a record is not what is wanted, as text."""
    return [f"{k}: {have.get(k)!r}, expected {v!r}" for k, v in want.items()
            if have.get(k) != v]


def compare_subset(e, records):
    left = [r for r in records if e.types is None or r["type"] in e.types]
    problems, pending = [], []
    for want in e.rows:
        for i, have in enumerate(left):
            if not misfits(want, have):
                del left[i]
                break
        else:
            pending.append(want)
    for want in pending:  # what fits nowhere is shown beside its nearest
        near = min((r for r in left if r["type"] == want.get("type")), default=None,
                   key=lambda r: len(misfits(want, r)))
        if near is None:
            problems.append(f"missing: {json.dumps(want)}")
            continue
        left.remove(near)
        problems.append("differs: " + "; ".join(misfits(want, near)))
    return problems + [f"not expected: {json.dumps(r)}" for r in left]


def compare_full(e, records):
    left = [r for r in records if r["type"] != "run"
            and (e.types is None or r["type"] in e.types)]
    problems = []
    for i, want in enumerate(e.rows):
        if i >= len(left):
            problems.append(f"missing: {json.dumps(want)}")
        elif want != left[i]:
            both = {**dict.fromkeys(left[i]), **want}
            problems.append(f"line {i + 1} differs: " + "; ".join(misfits(both, left[i])))
    return problems + [f"not expected: {json.dumps(r)}" for r in left[len(e.rows):]]


def compare(e, records):
    """Problems as sentences; none: the records are what is expected."""
    return (compare_full if e.mode == "full" else compare_subset)(e, records)


def updated(e, text, records):
    """The text of expect.jsonl that these records would pass."""
    head = [line for line in text.splitlines() if line.startswith("#")]
    if e.mode == "full":
        rows = [r for r in records if r["type"] != "run"
                and (e.types is None or r["type"] in e.types)]
    else:  # the same fields as before, or all of the first line's
        keys = list(e.rows[0]) if e.rows else None
        rows = [{k: r.get(k) for k in keys or r} for r in records
                if e.types is None or r["type"] in e.types]
    return "\n".join(head + [json.dumps(r, ensure_ascii=False) for r in rows]) + "\n"
