# SPDX-License-Identifier: BSD-3-Clause
"""Session rows against Zeek, tshark, Suricata, Arkime and nDPI; see __init__.py."""

import collections
import importlib
import os
import pkgutil
import subprocess
import sys
from multiprocessing import Pool
from pathlib import Path

import common
import sessions
from sessions import classes, compare, oracles
from sessions.mapping import Context, Mapping

OPTIONS = ("--checksums", "ignore", "--store-secrets")
HEAD = ["path", "column", "tshark", "nrtool", "class", "reason"]
HERE = Path(__file__).resolve().parent
# Two captures hold most rows of Zeek: the share is also taken with all captures cut down
# to this many, so that large ones hide nothing.
WEIGHT = 100


def mappings(only):
    out = []
    for m in pkgutil.iter_modules(sessions.__path__):
        if m.name.startswith("_") or (only and m.name not in only):
            continue
        found = getattr(importlib.import_module(f"sessions.{m.name}"), "MAPPING", None)
        if isinstance(found, Mapping):
            out.append(found)
    return out


def exceptions(m):
    path = HERE / f"{m.name}.tsv"
    rows = common.tsv(path) if path.exists() else []
    return {(r["path"], r["column"]): r for r in rows}


def classify(m, d):
    for c in classes.FIRST + m.classes + classes.CLASSES:
        if c.fits(d):
            return c
    return None


def compare_file(m, ctx, job):
    """{oracle: Result} of one protocol and capture."""
    out = collections.defaultdict(compare.Result)
    for log in m.zeek:
        if log.baseline:
            if job["file"] in job["baselines"].get(log.baseline, {}):
                rows = job["baselines"][log.baseline][job["file"]][1]
                compare.zeek_log(log, ctx, rows, out[log.name])
        else:
            compare.zeek_log(log, ctx, ctx.zeek.get(log.log, []), out[log.name])
    if ctx.truth.get("soundness") == "sound":
        for c in m.truth:
            compare.truth(c, ctx, out[f"truth {c.column}"])
    for ev in m.events:
        some = [e for e in job["events"] if e["event_type"] == ev.event_type]
        for config in ("default-config", "own-config"):
            compare.events(ev, ctx, [e for e in some if e["config"] == config],
                           out[f"suricata {ev.event_type} ({config})"])
    for f in m.fields:
        kind, read = oracles.TOOLS[f.tool]
        if job["file"] in job["tools"].get(kind, {}):
            pairs = read(job["tools"][kind][job["file"]], f.field)
            compare.field(f, ctx, pairs, out[f"{f.tool} {f.field}"])
    if m.services:
        compare.service(m.services, ctx, out["service"])
    return out


def brief(row, size=900):
    if row is None:
        return "-"
    skip = {"type", "ts", "community_id", "source_id", "uids"}
    text = " ".join(f"{k}={v!r}" for k, v in row.items() if k not in skip)
    return text[:size]


def wanted(d, name, show):
    return (show["column"] in (None, d.column)
            and (not show["where"] or d.where.startswith(show["where"]))
            and (name == show["class"] if show["class"] else name is None))


def work(job):
    """[(protocol, oracle, capture, rows, bad rows, compared, counts, unknown, list)]"""
    tables = {t for m in MAPPINGS for t in m.tables} | {"flow", "anomaly", "source"}
    by = collections.defaultdict(list)
    for r in common.read_rows(job["out"], sorted(tables)):
        by[r["type"]].append(r)
    ctx = Context(job["file"], by, job)
    results, texts = [], []
    for m in MAPPINGS:
        for where, res in compare_file(m, ctx, job).items():
            counts, listed, bad = collections.Counter(), [], res.bad_rows
            for d in res.differences:
                c = classify(m, d)
                name = c and c.name
                counts[d.column, name] += 1
                if where.startswith("truth"):
                    bad -= c is not None and not c.counted
                    listed.append((d.column, d.b, d.a, name, c.reason if c else "-"))
                if len(texts) < job["show"]["n"] and wanted(d, name, job["show"]):
                    texts.append(f"{d.where} {job['file']} [{d.column}] "
                                 f"{name or 'UNEXPLAINED'}: nrtool {d.a!r}, "
                                 f"theirs {d.b!r}\n   nrtool {brief(d.o)}\n"
                                 f"   theirs {brief(d.z)}")
            if res.rows or res.compared:
                results.append((m.name, where, job["file"], res.rows, bad,
                                res.compared, counts, res.unknown, listed))
    return results, texts


def jobs(root, tool, files, show):
    logs = set(oracles.ALWAYS)
    kinds, event_types = set(), set()
    for m in MAPPINGS:
        logs |= set(m.logs) | {z.log for z in m.zeek if not z.baseline}
        kinds |= {z.baseline for z in m.zeek if z.baseline}
        event_types |= {e.event_type for e in m.events}
    zeek = {log: oracles.zeek9(root, tool.cache.parent, log) for log in sorted(logs)}
    baselines = {k: oracles.baselines(root, k) for k in kinds}
    events = oracles.events(root, event_types)
    tools = {kind: oracles.expected(root, kind) for kind, _ in oracles.TOOLS.values()}
    manifest = {r["path"]: r for r in common.tsv(root / "MANIFEST.tsv")}
    truth = {r["path"]: r for r in common.tsv(root / "GROUND_TRUTH.tsv")}
    runs = {r["path"]: r for r in common.tsv(root / "zeek9" / "runs.tsv")}
    for f in files:
        run = runs.get(f, {})
        yield {"file": f, "out": tool.out(f, OPTIONS), "show": show,
               "manifest": manifest.get(f, {}), "truth": truth.get(f, {}),
               "exit": run.get("exit", "0"), "words": run.get("last_words", ""),
               "zeek": {log: by[f] for log, by in zeek.items() if f in by},
               "baselines": {k: {f: by[f]} for k, by in baselines.items() if f in by},
               "events": events.get(f, []),
               "tools": {k: {f: by[f]} for k, by in tools.items() if f in by}}


class Sum:
    """One oracle over all captures."""

    def __init__(self):
        self.rows = self.bad_rows = 0
        self.compared, self.counts = collections.Counter(), collections.Counter()
        self.unknown, self.by_file = collections.Counter(), collections.Counter()
        self.shares = []
        self.light = self.light_bad = 0  # with each capture's weight limited
        self.listed = {}

    def add(self, file, rows, bad_rows, compared, counts, unknown, listed):
        self.rows += rows
        self.bad_rows += bad_rows
        self.compared.update(compared)
        self.counts.update(counts)
        self.unknown.update(unknown)
        if rows:
            self.shares.append(bad_rows / rows)
            weight = min(rows, WEIGHT)
            self.light += weight
            self.light_bad += weight * bad_rows / rows
        n = sum(n for (_, name), n in counts.items() if name is None)
        if n:
            self.by_file[file] += n
        for column, theirs, ours, name, reason in listed:
            self.listed[file, column] = (theirs, ours, name, reason)

    @property
    def unexplained(self):
        return sum(n for (_, name), n in self.counts.items() if name is None)


def print_sum(where, s, show):
    share = s.bad_rows / s.rows if s.rows else 0
    mean = s.light_bad / s.light if s.light else 0
    print(f"{where}: {s.rows} rows in {len(s.shares)} captures, {s.rows - s.bad_rows} "
          f"equal, exceptions {share:.2%} of rows, {mean:.2%} where no capture counts for "
          f"more than {WEIGHT}")
    if s.unknown:
        print("   not compared:", ", ".join(f"{k} ({n})" for k, n in
                                            s.unknown.most_common(12)))
    columns = collections.Counter()
    for (col, _), n in s.counts.items():
        columns[col] += n
    for col, n in sorted(columns.items(), key=lambda x: -x[1]):
        of = s.compared[col] or n
        print(f"   {col:22} {n:6} of {of:6} differ ({n / of:.2%}), unexplained "
              f"{s.counts[col, None]}")
        if show["classes"]:
            for (c, name), k in s.counts.most_common():
                if c == col:
                    print(f"      {name or 'UNEXPLAINED':28} {k:6} "
                          f"({k / max(1, s.rows):.2%} of rows)")
    return share, mean


def judge_truth(tally, m, where, s, listed):
    """Explained is what the committed list holds with these very figures."""
    for key, (theirs, ours, _, _) in sorted(s.listed.items()):
        e = listed.get(key)
        ok = e and (e["tshark"], e["nrtool"]) == (theirs, ours) \
            and e["class"] not in ("", "unexplained")
        tally.check(ok, f"{where} {key[0]}: tshark {theirs}, nrtool {ours}"
                    + (f" (listed: {e['nrtool']}, {e['class']})" if e else ""))
    for key in sorted(k for k in listed if f"truth {k[1]}" == where):
        if key not in s.listed:
            tally.check(False, f"{m.name}.tsv: {key[0]} {key[1]} no longer differs")


def limits(m):
    out = {log.name: log.limit for log in m.zeek}
    out.update({f"truth {c.column}": c.limit for c in m.truth})
    out["service"] = m.service_limit
    return out


def judge(tally, m, sums, show, part):
    limit = limits(m)
    listed = exceptions(m)
    for where, s in sorted(sums.items()):
        share, mean = print_sum(where, s, show)
        if part:
            continue
        tally.passed += s.rows - s.bad_rows
        if where.startswith("truth"):
            judge_truth(tally, m, where, s, listed)
        else:
            tally.check(not s.unexplained, f"{m.name}, {where}: {s.unexplained} "
                        f"unexplained")
        top = limit.get(where)
        if top is not None:
            tally.check(share <= top, f"{m.name}, {where}: {share:.2%} of rows differ "
                        f"(of {top:.0%} allowed)")
        if top is not None and not where.startswith("truth"):
            tally.check(mean <= top, f"{m.name}, {where}: {mean:.2%} differ where no "
                        f"capture counts for more than {WEIGHT} rows (of {top:.0%} "
                        "allowed)")
    if not part:
        used = {name for s in sums.values() for _, name in s.counts}
        for c in m.classes:
            tally.check(c.name in used, f"{m.name}: class {c.name} explains nothing any "
                        "more")


def update(m, sums):
    old, rows = exceptions(m), []
    for s in sums.values():
        for key, (theirs, ours, name, reason) in s.listed.items():
            e = old.get(key)
            if not name and e and (e["tshark"], e["nrtool"]) == (theirs, ours):
                name, reason = e["class"], e["reason"]
            rows.append([*key, theirs, ours, name or "unexplained", reason])
    with open(HERE / f"{m.name}.tsv", "w", encoding="utf-8") as f:
        for r in [HEAD, *sorted(rows)]:
            f.write("\t".join(r) + "\n")


def present(tool, m):
    """Whether this nrtool has the tables."""
    ddl = subprocess.run([str(tool.nrtool), "schema", "--format=sql"],
                         capture_output=True, text=True).stdout
    return all(f"CREATE TABLE {t} (" in ddl for t in m.tables)


def arguments():
    p = common.arguments(__doc__)
    p.add_argument("--only", action="append", help="protocols: names of mappings")
    p.add_argument("--show", type=int, default=0, help="examples to print")
    p.add_argument("--where", default="", help="of oracles that begin so: zeek9, truth …")
    p.add_argument("--column", help="examples of this column")
    p.add_argument("--class", dest="of", help="examples of this class")
    p.add_argument("--file", help="only captures whose path contains this")
    p.add_argument("--top", type=int, default=0, help="captures with most unexplained")
    p.add_argument("--classes", action="store_true", help="what each class explains")
    p.add_argument("--update", action="store_true", help="rewrite NAME.tsv")
    return p.parse_args()


def main():
    global MAPPINGS
    a = arguments()
    tally = common.Tally("sessions")
    root = common.captures()
    if not root:
        tally.skip("no captures (set NRTOOL_CAPTURES)")
        return tally.close()
    tool = common.Nrtool(a.build, root, a.jobs)
    MAPPINGS = []
    for m in mappings(a.only):
        if present(tool, m):
            MAPPINGS.append(m)
        else:
            tally.skip(f"{m.name}: this nrtool has no table {' '.join(m.tables)}")
    show = {"n": a.show, "column": a.column, "class": a.of, "where": a.where,
            "classes": a.classes}
    files = common.manifest(root, a.file)
    tool.replay(files, OPTIONS)
    sums = collections.defaultdict(lambda: collections.defaultdict(Sum))
    texts = []
    todo = sorted(jobs(root, tool, files, show), key=lambda j: -common.size(j["out"]))
    with Pool(a.jobs) as pool:
        for results, some in pool.imap(work, todo, chunksize=4):
            texts += some
            for name, where, *rest in results:
                sums[name][where].add(*rest)
    step = max(1, len(texts) // a.show) if a.show else 1
    for t in texts[::step][:a.show]:  # spread over the captures
        print(t)
    part = bool(a.file or a.column or a.of)
    for m in MAPPINGS:
        if a.update and not part:
            update(m, sums[m.name])
        print(f"-- {m.name}")
        judge(tally, m, sums[m.name], show, part)
        for where, s in sums[m.name].items():
            for f, n in s.by_file.most_common(a.top):
                print(f"{n:7} {where}: {f}")
    return tally.close()


if __name__ == "__main__":
    os.chdir(common.ROOT)
    sys.exit(main())
