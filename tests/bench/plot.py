# SPDX-License-Identifier: BSD-3-Clause
"""One bar per tool, megabytes a second on a logarithmic axis, with the span of the runs;
and how many times as good as asked for each bar of bars.py is."""

import math
from xml.sax.saxutils import escape

LEFT, BAR, GAP, WIDTH = 190, 18, 10, 620


def write(path, name, machine, stats, table):
    rows = sorted((r for r in table if "median" in r), key=lambda r: r["median"])
    if not rows:
        return
    rate = {r["tool"]: [stats["bytes"] / r[k] / 1e6 for k in ("max", "median", "min")]
            for r in rows}
    low = math.floor(math.log10(min(v[0] for v in rate.values())))
    high = math.ceil(math.log10(max(v[2] for v in rate.values())))
    high = max(high, low + 1)

    def x(v):
        return LEFT + (math.log10(v) - low) / (high - low) * WIDTH

    top = 64
    bottom = top + len(rows) * (BAR + GAP)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + 90}" '
           f'height="{bottom + 46}" font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="white"/>',
           f'<text x="10" y="22" font-size="15">{escape(name)}: throughput, median of '
           f'{len(rows[0]["runs"])} runs (line: slowest to fastest)</text>',
           f'<text x="10" y="42" fill="#555">{stats["bytes"] / 1e6:.0f} MB on '
           f'{escape(machine["cpu"])}, {machine["cores"]} cores</text>']
    for e in range(low, high + 1):
        out.append(f'<line x1="{x(10 ** e):.1f}" y1="{top - 6}" x2="{x(10 ** e):.1f}" '
                   f'y2="{bottom}" stroke="#ddd"/>')
        out.append(f'<text x="{x(10 ** e):.1f}" y="{bottom + 16}" text-anchor="middle" '
                   f'fill="#555">{10 ** e:g}</text>')
    out.append(f'<text x="{LEFT + WIDTH / 2}" y="{bottom + 36}" text-anchor="middle" '
               'fill="#555">MB/s of capture file, logarithmic</text>')
    for i, r in enumerate(rows):
        lo, med, hi = rate[r["tool"]]
        y = top + i * (BAR + GAP)
        colour = "#2a7" if r["tool"].startswith("nrtool") else \
            "#bbb" if r["tool"].startswith("walk") else "#68a"
        mid = y + BAR / 2
        label = f"{med:.0f}" + (" (disturbed)" if r["disturbed"] else "")
        out += [f'<text x="{LEFT - 8}" y="{mid + 4}" text-anchor="end">'
                f'{escape(r["tool"])}</text>',
                f'<rect x="{LEFT}" y="{y}" width="{max(x(med) - LEFT, 1):.1f}" '
                f'height="{BAR}" fill="{colour}"/>',
                f'<line x1="{x(lo):.1f}" y1="{mid}" x2="{x(hi):.1f}" y2="{mid}" '
                'stroke="black"/>',
                f'<text x="{x(max(med, hi)) + 6:.1f}" y="{mid + 4}">{label}</text>']
    out.append("</svg>")
    with open(path, "w") as f:
        f.write("\n".join(out) + "\n")


def write_bars(path, machine, lines):
    """What was judged, as multiples of the bar on a logarithmic axis from 1/8 to 64."""
    rows = [r for r in lines if "value" in r]
    if not rows:
        return
    left, low, high = 420, -3, 6

    def x(v):
        return left + (min(max(math.log2(max(v, 1e-9)), low), high) - low) / (high - low) * WIDTH

    top = 64
    bottom = top + len(rows) * (BAR + GAP)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + WIDTH + 120}" '
           f'height="{bottom + 46}" font-family="sans-serif" font-size="12">',
           '<rect width="100%" height="100%" fill="white"/>',
           '<text x="10" y="22" font-size="15">how many times as good as the bar asks</text>',
           f'<text x="10" y="42" fill="#555">{escape(machine["cpu"])}, {machine["cores"]} '
           'cores</text>']
    for e in range(low, high + 1):
        colour = "#a33" if e == 0 else "#ddd"
        out.append(f'<line x1="{x(2 ** e):.1f}" y1="{top - 6}" x2="{x(2 ** e):.1f}" '
                   f'y2="{bottom}" stroke="{colour}"/>')
        out.append(f'<text x="{x(2 ** e):.1f}" y="{bottom + 16}" text-anchor="middle" '
                   f'fill="#555">{2.0 ** e:g}</text>')
    for i, r in enumerate(rows):
        y = top + i * (BAR + GAP)
        colour = {"stretch": "#2a7", "met": "#8c6"}.get(r["verdict"], "#c55")
        from_x, to_x = sorted((x(1), x(r["of_bar"])))
        out += [f'<text x="{left - 8}" y="{y + BAR / 2 + 4}" text-anchor="end">'
                f'{escape(r["what"])}</text>',
                f'<rect x="{from_x:.1f}" y="{y}" width="{max(to_x - from_x, 1):.1f}" '
                f'height="{BAR}" fill="{colour}"/>',
                f'<text x="{to_x + 6:.1f}" y="{y + BAR / 2 + 4}">{r["value"]:.2f} '
                f'{escape(r["unit"])}</text>']
    out.append("</svg>")
    with open(path, "w") as f:
        f.write("\n".join(out) + "\n")
