# SPDX-License-Identifier: BSD-3-Clause
"""The parts of a protocol's mapping, and what a class may look at."""

import dataclasses
import functools
import ipaddress
import operator
from typing import Any, Callable

import common
import frames


def getter(what):
    """A function of a row: what is one already, or a key."""
    return what if callable(what) else operator.methodcaller("get", what)


@dataclasses.dataclass
class Column:
    """One column of both; theirs defaults to the same name. A value is whatever compares
    with == (or by `same`); None is absent. main: tells rows of one 5-tuple apart."""

    name: str
    ours: Any = None
    theirs: Any = None
    main: bool = False
    same: Callable = operator.eq

    def __post_init__(self):
        self.ours = getter(self.ours or self.name)
        self.theirs = getter(self.theirs or self.name)


@dataclasses.dataclass
class ZeekLog:
    """rows: a table, or a function of ctx giving rows. their_rows: a function of ctx and
    Zeek's rows giving those to compare. The key functions give what pairs must share; the
    time functions nanoseconds, or None where masked."""

    log: str
    rows: Any
    columns: list
    their_rows: Callable = None
    our_key: Callable = None
    their_key: Callable = None
    our_time: Callable = None
    their_time: Callable = None
    slack_ns: int = 1000
    baseline: str = None
    limit: float = 0.05

    def __post_init__(self):
        table = self.rows
        if isinstance(table, str):
            self.rows = lambda ctx: ctx.table(table)
        self.our_key = self.our_key or our_tuple
        self.their_key = self.their_key or their_tuple
        self.our_time = self.our_time or getter("ts_ns")
        self.their_time = self.their_time or zeek_ns

    @property
    def name(self):
        return f"baseline {self.log}" if self.baseline else f"zeek9 {self.log}"


@dataclasses.dataclass
class Count:
    column: str
    ours: Callable  # of ctx: a number
    limit: float = 0.03

    def compare(self, ctx, text):
        a, b = self.ours(ctx), int(text)
        return a or b, a == b, str(a), str(b)


@dataclasses.dataclass
class Values:
    """A list in GROUND_TRUTH, in any order; `distinct` compares as a set, `fold` without
    regard to case."""

    column: str
    ours: Callable  # of ctx: a list of texts
    distinct: bool = False
    limit: float = 0.03
    cut_at: int = 400
    fold: bool = False

    def compare(self, ctx, text):
        theirs = [] if text == "-" else (text.upper() if self.fold else text).split(";")
        ours = [str(v) for v in self.ours(ctx) if v is not None]
        cut = len(theirs) >= self.cut_at
        if self.distinct:
            theirs, ours = sorted(set(theirs)), sorted(set(ours))
        less, more = minus(theirs, ours), minus(ours, theirs)
        same = not less and (cut or not more)
        return ours or theirs, same, shorten(more), shorten(less)


def minus(a, b):
    left = list(b)
    out = []
    for v in a:
        if v in left:
            left.remove(v)
        else:
            out.append(v)
    return out


def shorten(values):
    text = " ".join(";".join(values).split())
    return (text[:120] + f"… ({len(values)})" if len(text) > 120 else text) or "-"


@dataclasses.dataclass
class Events:
    """keys: {path of Suricata's event: key or function of our row}. A value may be a list
    or dict, into which the rest of the path leads."""

    event_type: str
    rows: Any
    keys: dict

    def __post_init__(self):
        table = self.rows
        if isinstance(table, str):
            self.rows = lambda ctx: ctx.table(table)
        self.keys = {k: getter(v) for k, v in self.keys.items()}


@dataclasses.dataclass
class Field:
    """Values of one field by 5-tuple: all of tool's must be ours (and with `exact` ours
    theirs)."""

    tool: str  # arkime, ndpi
    field: str
    table: str
    ours: Any
    exact: bool = False
    same: Callable = None  # normalises both values

    def __post_init__(self):
        self.ours = getter(self.ours)


@dataclasses.dataclass
class Class:
    """where: None (all), or beginnings of the oracle's name ("zeek9 dns", "truth",
    "suricata", "arkime", "ndpi", "service"). columns: None or a collection. counted:
    False only for a GROUND_TRUTH count that says something else than the protocol's
    messages there; the file then does not weigh in the share."""

    name: str
    where: Any
    columns: Any
    reason: str
    test: Callable
    counted: bool = True

    def fits(self, d):
        if self.where is not None:
            some = (self.where,) if isinstance(self.where, str) else tuple(self.where)
            if not d.where.startswith(some):
                return False
        if self.columns is not None and d.column not in self.columns:
            return False
        return bool(self.test(d))


@dataclasses.dataclass
class Mapping:
    name: str
    tables: list
    zeek: list = dataclasses.field(default_factory=list)
    truth: list = dataclasses.field(default_factory=list)
    events: list = dataclasses.field(default_factory=list)
    fields: list = dataclasses.field(default_factory=list)
    services: dict = dataclasses.field(default_factory=dict)
    service_limit: float = 0.05
    classes: list = dataclasses.field(default_factory=list)
    # Other logs of Zeek that its classes look at (ctx.zeek[log]); conn, weird and
    # analyzer are always there.
    logs: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Difference:
    """One difference.

    where, column    the oracle, as "zeek9 dns"; "match": nrtool has no such row, "extra":
                     the other has none; "ts": the time
    a, b             our value, theirs
    o, z             our row, theirs (None where there is none)
    key_ours, key_theirs   all rows with this key
    columns          all that differ in this pair
    """

    where: str
    column: str
    a: Any
    b: Any
    o: Any
    z: Any
    ctx: Any
    key_ours: list = ()
    key_theirs: list = ()
    columns: frozenset = frozenset()


class Context:
    """One capture: nrtool's rows and all that others say of it."""

    def __init__(self, file, rows, job):
        self.file = file
        self.by_table = rows
        self.manifest, self.truth = job["manifest"], job["truth"]
        self.zeek_exit, self.zeek_words = job["exit"], job["words"]
        self.zeek = job["zeek"]  # {log: rows}
        self._flows = None
        self._kinds = None

    @functools.cached_property
    def unread(self):
        """Pairs of hosts of which Zeek does not read all frames: frames.py."""
        root = common.captures()
        path = root and root / self.file
        return frames.behind_metadata(path) if path and path.is_file() else set()

    def zeek_reads(self, z):
        return frozenset((z["id.orig_h"], z["id.resp_h"])) not in self.unread

    def table(self, name):
        return self.by_table.get(name, [])

    @property
    def flows(self):
        """Flows by flow_id."""
        if self._flows is None:
            self._flows = {r["flow_id"]: r for r in self.table("flow")}
        return self._flows

    def flow(self, row):
        """The flow of one of our rows."""
        return self.flows.get(row.get("flow_id"))

    @property
    def anomalies(self):
        """Kinds of anomalies in this capture."""
        if self._kinds is None:
            self._kinds = {r["kind"] for r in self.table("anomaly")}
        return self._kinds

    def conn(self, z):
        """Rows of Zeek's conn.log for a row of another log."""
        uids = set(z.get("uids") or [z.get("uid")])
        return [c for c in self.zeek.get("conn", ()) if c["uid"] in uids]


def address(text):
    """Zeek prints IPv4-mapped addresses as IPv4."""
    if text.startswith("::ffff:") and text.count(":") < 5:
        mapped = ipaddress.IPv6Address(text).ipv4_mapped
        return str(mapped) if mapped else text
    return text


def ends(ip1, port1, ip2, port2):
    """Two endpoints in either order."""
    a, b = (address(ip1), int(port1)), (address(ip2), int(port2))
    return (a, b) if a <= b else (b, a)


def our_tuple(r):
    if "src_ip" not in r:
        return None
    return ends(r["src_ip"], r.get("src_port", 0), r["dst_ip"], r.get("dst_port", 0))


def their_tuple(z):
    return ends(z["id.orig_h"], z["id.orig_p"], z["id.resp_h"], z["id.resp_p"])


def said_once(ctx, rows, columns):
    """Without what is said again in a flow with the same 5-tuple in another VLAN or tunnel:
    tshark 4.0's streams know nothing of these, it is a retransmission to it."""
    scope = {f["flow_id"]: (f.get("vlan"), f.get("tunnel"), f.get("parent_flow_id"))
             for f in ctx.table("flow")}
    first, out = {}, []
    for r in rows:
        same = (our_tuple(r), *(str(r.get(c)) for c in columns))
        mine = scope.get(r["flow_id"])
        if r["proto"] != "tcp" or first.setdefault(same, mine) == mine:
            out.append(r)
    return out


def zeek_ns(z):
    return round(float(z["ts"]) * 1e6) * 1000 if "ts" in z else None


def zeek_bytes(text):
    """Zeek writes bytes that are no text as \\xNN, and a backslash doubled."""
    if text is None:
        return None
    out, i = bytearray(), 0
    while i < len(text):
        if text.startswith("\\x", i) and i + 4 <= len(text):
            out.append(int(text[i + 2:i + 4], 16))
            i += 4
        elif text.startswith("\\\\", i):
            out.append(0x5c)
            i += 2
        else:
            out += text[i].encode()
            i += 1
    return bytes(out)


def our_bytes(text):
    """nrtool writes bytes that are no UTF-8, and NUL, as \\xNN; a backslash stays."""
    if text is None:
        return None
    out, i = bytearray(), 0
    while i < len(text):
        if text.startswith("\\x", i) and i + 4 <= len(text):
            out.append(int(text[i + 2:i + 4], 16))
            i += 4
        else:
            out += text[i].encode()
            i += 1
    return bytes(out)
