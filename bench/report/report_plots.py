"""The plots of the report, as SVG."""

import os

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt

from report_data import groups, is_own, is_yardstick, workloads

DTYPES = ("f32", "f16", "bf16")
OWN, YARDSTICK, PEER = "#c44e52", "#999999", "#4c72b0"
LINES = {
    "simdrope": "#c44e52", "simdrope-streamed": "#e8888b", "simdrope-slices": "#7f1d20",
    "loop-gcc": "#4c72b0", "loop-clang": "#55a868", "loop-scalar": "#8c8c00",
    "ggml": "#8172b3", "torch-inplace": "#dd8452", "rows": "#000000",
    "roof": "#999999", "roof-angles": "#777777", "roof-cached": "#dddddd",
    "roof-convert": "#bbbbbb", "roof-hwconvert": "#666666", "roof-convert-angles": "#444444",
}


def colour(impl):
    return OWN if is_own(impl) else YARDSTICK if is_yardstick(impl) else PEER


def label(microseconds):
    return f"{microseconds:,.0f}" if microseconds >= 100 else f"{microseconds:.3g}"


def time_by_implementation(found, workload, path):
    """Bars of time, a panel for each dtype and mode; half pairs, one thread."""
    panels = [(dtype, mode) for mode in ("inplace", "outofplace") for dtype in DTYPES]
    figure, axes = plt.subplots(2, 3, figsize=(15, 9))
    drawn = False
    for (dtype, mode), axis in zip(panels, axes.flat):
        group = found.get((workload, dtype, "half", mode, 1), {})
        times = sorted(((t["median_ns"] / 1000, impl) for impl, t in group.items()), reverse=True)
        axis.set_title(f"{dtype}, {'in place' if mode == 'inplace' else 'out of place'}")
        if not times:
            continue
        drawn = True
        axis.barh([impl for _, impl in times], [time for time, _ in times], color=[colour(i) for _, i in times])
        axis.set_xscale("log")
        axis.set_xlabel("microseconds, log scale; less is better")
        for y, (time, _) in enumerate(times):
            axis.text(time, y, f" {label(time)}", va="center", fontsize=8)
        slowest, fastest = times[0][0], times[-1][0]
        axis.set_xlim(fastest / 2, slowest * (slowest / fastest) ** 0.25 * 1.5)  # room for labels
    figure.suptitle(f"{workload}: Q and K rotated once, half pairs, one thread")
    figure.tight_layout()
    if drawn:
        figure.savefig(path)
    plt.close(figure)
    return drawn


def ratio_to_roof(found, names, path):
    """simdrope and its best peers as a part of the roof, in place, half pairs, one thread."""
    impls = ("simdrope", "loop-gcc", "loop-clang", "ggml", "torch-inplace")
    figure, axes = plt.subplots(3, 1, figsize=(12, 11), sharex=True)
    drawn = False
    names = [w for w in names if any((w, dtype, "half", "inplace", 1) in found for dtype in DTYPES)]
    for dtype, axis in zip(DTYPES, axes):
        for index, impl in enumerate(impls):
            xs, ys = [], []
            for x, workload in enumerate(names):
                group = found.get((workload, dtype, "half", "inplace", 1), {})
                if impl in group and "roof" in group:
                    xs.append(x + (index - 2) * 0.16)
                    ys.append(group["roof"]["median_ns"] / group[impl]["median_ns"])
            if xs:
                drawn = True
                axis.bar(xs, ys, 0.15, color=LINES[impl])
        axis.axhline(1, color=YARDSTICK)
        axis.set_xticks(range(len(names)), names)
        axis.set_ylabel(f"{dtype}: roof time / time")
    figure.suptitle("Part of the roof (read, multiply, write) reached: in place, half pairs, one thread; "
                    "more is better")
    figure.legend([plt.Rectangle((0, 0), 1, 1, color=LINES[impl]) for impl in impls], impls, loc="lower center",
                  ncol=len(impls))
    figure.tight_layout(rect=(0, 0.04, 1, 1))
    if drawn:
        figure.savefig(path)
    plt.close(figure)
    return drawn


def curves(found, keys, x_of, xlabel, title, path):
    """Time of every implementation along one key, a panel for each dtype."""
    figure, axes = plt.subplots(1, 3, figsize=(17, 6))
    drawn = False
    for dtype, axis in zip(DTYPES, axes):
        lines = {}
        for key in keys:
            if key[1] != dtype:
                continue
            for impl, timing in found[key].items():
                lines.setdefault(impl, []).append((x_of(key), timing["median_ns"] / 1000))
        lines = {impl: points for impl, points in lines.items() if len(points) > 1}
        for impl, points in sorted(lines.items()):
            drawn = True
            own = is_own(impl)
            axis.plot(*zip(*sorted(points)), marker="o", markersize=3, label=impl, linewidth=2.2 if own else 1,
                      color=LINES.get(impl), linestyle="--" if is_yardstick(impl) else "-")
        axis.set_xscale("log", base=2)
        xs = sorted({x for points in lines.values() for x, _ in points})
        ys = sorted(y for points in lines.values() for _, y in points)
        axis.set_xticks(xs, [str(x) for x in xs])
        if ys and ys[-1] < 16 * ys[0]:
            axis.set_ylim(0, 1.1 * ys[-1])
        else:
            axis.set_yscale("log", base=2)
        axis.yaxis.set_major_formatter(lambda value, _: label(value))
        axis.set_title(dtype)
        axis.set_xlabel(xlabel)
        axis.set_ylabel("microseconds")
        if lines:
            axis.legend(fontsize=7)
    figure.suptitle(title)
    figure.tight_layout()
    if drawn:
        figure.savefig(path)
    plt.close(figure)
    return drawn


def write_plots(report, folder):
    """Names of the files written."""
    found = groups(report["timings"])
    written = []

    def keep(name, draw):
        if draw(os.path.join(folder, name)):
            written.append(name)

    names = workloads(report["timings"])
    for workload in names:
        keep(f"time-{workload}.svg", lambda path: time_by_implementation(found, workload, path))
    keep("ratio-to-roof.svg", lambda path: ratio_to_roof(found, names, path))
    scaling = [k for k in found if k[0] == "prefill" and k[2:4] == ("half", "inplace")]
    keep("threads.svg", lambda path: curves(found, scaling, lambda key: key[4], "threads",
                                            "prefill in place, half pairs, by threads", path))
    tokens = [k for k in found if k[0].startswith("tokens-") and k[4] == 1]
    keep("tokens.svg", lambda path: curves(found, tokens, lambda key: int(key[0].split("-")[1]), "tokens",
                                           "Latency by number of tokens: 32 + 8 heads of 128, in place, one thread",
                                           path))
    return written
