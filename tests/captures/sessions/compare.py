# SPDX-License-Identifier: BSD-3-Clause
"""One capture against everything that others say of it: lists of differences."""

import bisect
import collections
import ipaddress
import re

from sessions.mapping import Difference, ends, our_tuple, their_tuple, zeek_ns


class Result:
    """Of one oracle and capture: what was compared, what differs."""

    def __init__(self):
        self.compared = collections.Counter()  # column: how many
        self.rows = 0       # the other tool's
        self.bad_rows = 0   # of these, with any difference
        self.differences = []
        self.unknown = collections.Counter()  # keys of events that were not compared


def values(log, row, side):
    return [getattr(c, side)(row) for c in log.columns]


def likeness(log, a, b):
    n = 0
    for c, x, y in zip(log.columns, a, b):
        if c.same(x, y):
            n += 10 if c.main else 1
    return n


def main_values(log, v):
    return repr([x for c, x in zip(log.columns, v) if c.main])


def pair_equal(log, ours, theirs):
    """Takes the rows apart that are equal, time included: ([(ours, theirs)], ours left,
    theirs left). Most are, so that the search below has little to do."""
    at = collections.defaultdict(list)
    for o in ours:
        at[o[0] and o[0] // log.slack_ns, repr(o[1])].append(o)
    pairs, rest = [], []
    for z in theirs:
        text, t = repr(z[1]), z[0] and z[0] // log.slack_ns
        for near in [t] if t is None else (t, t - 1, t + 1):
            some = at.get((near, text))
            if some and (t is None or abs(some[0][0] - z[0]) <= log.slack_ns):
                pairs.append((some.pop(0), z))
                break
        else:
            rest.append(z)
    return pairs, [o for some in at.values() for o in some], rest


SEARCH = 300  # rows of one time that are held against each other


def pair_by_time(log, ours, theirs):
    """Of rows at the same time the likest; gives pairs and what is left."""
    times = [o[0] for o in ours]
    taken, pairs, rest = set(), [], []
    for z in theirs:
        best = None
        i = bisect.bisect_left(times, z[0] - log.slack_ns)
        looked = 0
        while i < len(times) and times[i] <= z[0] + log.slack_ns and looked < SEARCH:
            if i not in taken:
                looked += 1
                n = likeness(log, ours[i][1], z[1])
                if best is None or n > best[0]:
                    best = (n, i)
            i += 1
        if best is None:
            rest.append(z)
        else:
            taken.add(best[1])
            pairs.append((ours[best[1]], z))
    return pairs, [o for i, o in enumerate(ours) if i not in taken], rest


def pair_up(log, ours, theirs):
    """Pairs the rows of one key: [(ours, theirs)], None where one stands alone.

    First by time, the likest where several fit; then by the main columns, the nearest in
    time. An entry is (time, values, row)."""
    pairs, ours, theirs = pair_equal(log, ours, theirs)
    theirs.sort(key=lambda e: e[0] or 0)
    ours.sort(key=lambda e: e[0] or 0)
    if theirs and theirs[0][0] is not None:
        more, ours, theirs = pair_by_time(log, ours, theirs)
        pairs += more
    left = collections.defaultdict(list)
    for o in ours:
        left[main_values(log, o[1])].append(o)
    for z in theirs:
        some = left.get(main_values(log, z[1]))
        if not some:
            pairs.append((None, z))
            continue
        if z[0] is None:
            o = max(some, key=lambda o: likeness(log, o[1], z[1]))
        else:
            o = min(some, key=lambda o: abs((o[0] or 0) - z[0]))
        some.remove(o)
        pairs.append((o, z))
    return pairs + [(o, None) for some in left.values() for o in some]


def zeek_log(log, ctx, rows, res):
    by = collections.defaultdict(lambda: ([], []))
    for r in log.rows(ctx):
        by[log.our_key(r)][0].append((log.our_time(r), values(log, r, "ours"), r))
    for z in log.their_rows(ctx, rows) if log.their_rows else rows:
        by[log.their_key(z)][1].append((log.their_time(z), values(log, z, "theirs"), z))
    for mine, their in by.values():
        key_ours, key_theirs = [e[2] for e in mine], [e[2] for e in their]

        def add(column, a, b, o, z, columns):
            res.differences.append(Difference(
                log.name, column, a, b, o and o[2], z and z[2], ctx, key_ours,
                key_theirs, columns))

        res.rows += len(their)
        for o, z in pair_up(log, mine, their):
            if o is None or z is None:
                name = "match" if o is None else "extra"
                res.bad_rows += o is None
                res.compared[name] += 1
                add(name, None, None, o, z, frozenset([name]))
                continue
            res.compared["match"] += 1
            differ = []
            if z[0] is not None:
                res.compared["ts"] += 1
                if abs(o[0] - z[0]) > log.slack_ns:
                    differ.append(("ts", o[0], z[0]))
            for c, a, b in zip(log.columns, o[1], z[1]):
                res.compared[c.name] += 1
                if not c.same(a, b):
                    differ.append((c.name, a, b))
            names = frozenset(d[0] for d in differ)
            res.bad_rows += bool(differ)
            for name, a, b in differ:
                add(name, a, b, o, z, names)


def truth(count, ctx, res):
    """ctx.truth is the capture's row."""
    any_, same, a, b = count.compare(ctx, ctx.truth[count.column])
    if not any_:
        return
    res.compared[count.column] += 1
    res.rows += 1
    if not same:
        res.bad_rows += 1
        res.differences.append(Difference(f"truth {count.column}", count.column, a, b,
                                          None, None, ctx))


PART = re.compile(r"[^.\[\]]+")
COMMON = {"event_type", "timestamp", "flow_id", "src_ip", "src_port", "dest_ip",
          "dest_port", "proto", "event_type"}
MISSING = object()


def walk(value, path):
    """Into lists and dicts; .__len is the length of a list."""
    for part in PART.findall(path):
        if part in ("__len", "length") and isinstance(value, (list, dict)):
            value = len(value)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        elif isinstance(value, dict) and part in value:
            value = value[part]
        else:
            return MISSING
    return value


def known(keys, path):
    """The longest key that the path begins with, and the rest; or None."""
    best = None
    for k in keys:
        if path == k or path.startswith((k + ".", k + "[")):
            if best is None or len(k) > len(best):
                best = k
    return best and (best, path[len(best):])


def plain(end):
    """Suricata writes all groups of an IPv6 address."""
    try:
        return str(ipaddress.ip_address(end)) if isinstance(end, str) else str(end)
    except ValueError:
        return end.lower()


def same_ends(row, match):
    """The endpoints that the event names are those of the row's flow, in some order."""
    src = [match.get("src_ip"), match.get("src_port")]
    dst = [match.get("dest_ip"), match.get("dest_port")]
    a = [row.get("src_ip"), row.get("src_port")]
    b = [row.get("dst_ip"), row.get("dst_port")]

    def fit(want, have):
        return all(w is None or plain(w) == plain(h) for w, h in zip(want, have))

    return (fit(src, a) and fit(dst, b)) or (fit(src, b) and fit(dst, a))


PRESENCE = ("has-key", "not-has-key")


def paths(match):
    """[(path, what it must be)]; of keys that must be there or not True and False."""
    for path, want in match.items():
        if path in PRESENCE:
            for name in want if isinstance(want, list) else [want]:
                yield name, path == "has-key"
        else:
            yield path, want


def event_holds(ev, row, match):
    if not same_ends(row, match):
        return False
    proto = match.get("proto")
    if proto and row.get("proto") and proto.lower().replace("ipv6-icmp", "icmpv6") != \
            row["proto"]:
        return False
    for path, want in paths(match):
        k = known(ev.keys, path)
        if k is None:
            continue
        have = walk(ev.keys[k[0]](row), k[1])
        if isinstance(want, bool) and match.get(path) is not want:
            if (have not in (MISSING, None, "", [])) != want:
                return False
        elif have is MISSING or (have != want and str(have) != str(want)):
            return False
    return True


def events(ev, ctx, expected, res):
    rows = list(ev.rows(ctx))
    for e in expected:
        match = e["match"]
        for path, _ in paths(match):
            if path not in COMMON and known(ev.keys, path) is None:
                res.unknown[re.sub(r"\[\d+\]", "[]", path)] += 1
        n = sum(event_holds(ev, r, match) for r in rows)
        res.rows += 1
        res.compared["count"] += 1
        if n != int(e["count"]):
            res.bad_rows += 1
            res.differences.append(Difference(
                f"suricata {ev.event_type}", "count", n, int(e["count"]), None, e, ctx,
                rows, []))


def field(f, ctx, pairs, res):
    theirs, ours = collections.defaultdict(set), collections.defaultdict(set)
    rows = collections.defaultdict(list)
    norm = f.same or (lambda v: v)
    for key, v in pairs:
        theirs[ends(*key)].add(norm(v))
    for r in ctx.table(f.table):
        v, key = f.ours(r), our_tuple(r)
        rows[key].append(r)
        if v is not None:
            ours[key].add(norm(v))
    for key in set(theirs) | (set(ours) if f.exact else set()):
        a, b = ours.get(key, set()), theirs.get(key, set())
        res.rows += 1
        res.compared[f.field] += 1
        if not (a == b if f.exact else b <= a):
            res.bad_rows += 1
            res.differences.append(Difference(
                f"{f.tool} {f.field}", f.field, sorted(a), sorted(b), None,
                {"key": key}, ctx, rows.get(key, []), []))


def service(names, ctx, res):
    """names: {Zeek's: ours, or a tuple of several}. Flows and connections of one 5-tuple pair by time. As in the
    logs, the rows are those in which Zeek says something; what only nrtool names must be
    explained as well, but does not weigh."""
    by = collections.defaultdict(lambda: ([], []))
    alike = {mine: s for s, some in names.items()
             for mine in (some if isinstance(some, tuple) else (some,))}
    for f in ctx.table("flow"):
        by[our_tuple(f)][0].append(f)
    for c in ctx.zeek.get("conn", ()):
        by[their_tuple(c)][1].append(c)
    for flows, conns in by.values():
        conns.sort(key=zeek_ns)
        flows.sort(key=lambda f: f["first_ns"])
        for c in conns:
            said = {s for s in c.get("service", "").split(",") if s in names}
            t = zeek_ns(c)
            f = min(flows, key=lambda f: abs(f["first_ns"] - t), default=None)
            ours = f and f.get("service")
            have = {alike[s] for s in (ours or "").split(",") if s in alike}
            if not said and not have:
                continue
            res.rows += bool(said)
            res.compared["service"] += 1
            if not (have & said if said else not have):
                res.bad_rows += bool(said)
                res.differences.append(Difference(
                    "service " + "/".join(sorted(said or {ours})), "service", ours,
                    c.get("service"), f, c, ctx, flows, conns))
