# SPDX-License-Identifier: BSD-3-Clause
"""One run of one command: time, memory, and whether a neighbour disturbed it."""

import json
import os
import resource
import signal
import subprocess
import tempfile
import time

# A neighbour that used this much of a core while a tool ran disturbed it.
NEIGHBOUR = 0.15


def cpu_ticks():
    """Seconds that all cores were busy, steal included."""
    with open("/proc/stat") as f:
        v = [int(x) for x in f.readline().split()[1:9]]
    return (sum(v) - v[3] - v[4]) / os.sysconf("SC_CLK_TCK")


def stats_of(text):
    """What --stats=json said, if it was asked."""
    for line in text.splitlines():
        if line.startswith("{"):
            try:
                return json.loads(line)
            except ValueError:
                pass
    return None


def note_output(r, argv, status, late, timeout, out, err):
    err.seek(0)
    words = err.read().decode(errors="replace")
    if late:
        r["error"] = f"did not end within {timeout} s"
    elif status:
        last = words.strip().splitlines() or [""]
        r["error"] = f"exit status {status}: {last[-1][:200]}"
    elif os.path.basename(argv[0]) == "nrbench-walk":
        out.seek(0)
        r["inner"] = int(out.read().split()[1]) / 1e9
    elif stats := stats_of(words):
        r["stats"] = stats


def run_once(argv, timeout, stdin=subprocess.DEVNULL, environment=None):
    """One run in an empty folder that is removed; a dict, with "error" when it failed."""
    with tempfile.TemporaryDirectory(prefix="nrbench-") as d, \
            tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as out:
        argv = [a.replace("{d}", d) for a in argv]
        keep = os.path.basename(argv[0]) == "nrbench-walk"
        busy = cpu_ticks()
        start = time.monotonic()
        p = subprocess.Popen(argv, cwd=d, stdin=stdin, env=environment,
                             stdout=out if keep else subprocess.DEVNULL, stderr=err)
        late = []

        def stop(_signal, _frame):
            late.append(True)
            p.kill()

        signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, timeout)
        _, status, ru = os.wait4(p.pid, 0)
        wall = time.monotonic() - start
        signal.setitimer(signal.ITIMER_REAL, 0)
        p.returncode = os.waitstatus_to_exitcode(status)
        busy = cpu_ticks() - busy
        r = {"wall": wall, "cpu": ru.ru_utime + ru.ru_stime, "user": ru.ru_utime,
             "sys": ru.ru_stime, "rss": ru.ru_maxrss * 1024, "switched": ru.ru_nivcsw}
        # the kernel carries the peak of this process over fork and exec
        r["rss_floor"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        # ticks are 10 ms: a short run says nothing
        r["neighbours"] = max(0.0, busy - r["cpu"] - 0.02) / wall
        note_output(r, argv, p.returncode, late, timeout, out, err)
        return r


def is_disturbed(r):
    return r["neighbours"] > NEIGHBOUR
