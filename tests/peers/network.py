# SPDX-License-Identifier: BSD-3-Clause
"""The network of the live tests (tests/live/net.py), for daemons and their clients: the
clients live in namespace a, the servers in b."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "live"))
import net  # noqa: E402

CLIENT4, SERVER4 = "10.77.1.1", "10.77.1.2"
CLIENT6, SERVER6 = "fd77:1::1", "fd77:1::2"


def cannot():
    """Why there can be no such network here; None if there can."""
    if not shutil.which("tcpdump", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
        return "tcpdump is not installed (./dev test --peers installs it)"
    return net.why_not()


def die_with_parent():
    """Between fork and exec: a daemon does not outlive a test that is killed."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


class Network(net.Network):
    def __init__(self):
        super().__init__()
        self.ipv6()

    def run(self, space, *words, must=True, timeout=30, **more):
        """Runs a command inside; its output as text."""
        p = subprocess.run(space.command(words), capture_output=True, text=True,
                           errors="replace", timeout=timeout, check=False,
                           **({} if "input" in more else {"stdin": subprocess.DEVNULL}), **more)
        if must and p.returncode:
            raise RuntimeError(f"{words}: status {p.returncode}\n{p.stdout}{p.stderr}")
        return p

    def start(self, space, *words, **more):
        """Starts a command inside; the pid is the command's own."""
        return space.popen(words, preexec_fn=die_with_parent, **more)

    def delete(self):
        """Children of daemons that still run in these namespaces end first."""
        for space in self.spaces:
            for pid in net.sh("ip", "netns", "pids", space.name, check=False).split():
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    pass
        super().delete()
