"""report.md: what was measured, for people."""

from report_data import best_peer, disturbed, fused_groups, groups, is_own, is_yardstick, workloads


def microseconds(timing):
    return f"{timing['median_ns'] / 1000:.4g}" if timing else ""


def row(*cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def header(*cells):
    return [row(*cells), row(*["---"] * len(cells))]


def machine_lines(report):
    machine, context = report["machine"], report["context"]
    lines = [
        f"- commit {report['commit']}; simdrope {context.get('simdrope_version')}, "
        f"target {context.get('simdrope_target')}",
        f"- {machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB, "
        f"{' '.join(machine['instruction_sets'])}",
        f"- Linux {machine['kernel']}; load average when done {machine['load_average']:.2f}",
        f"- medians of {report['rounds']} interleaved rounds (fewer for what is slow, at least 3), the middle one of "
        f"{report['passes']} passes; microseconds a call",
        "- ratios to simdrope's times are medians, too, of the ratios within each round",
    ]
    waiting, alone = disturbed(report["timings"])
    lines.append(f"- in {waiting} of {alone} one-thread medians over 5% is waiting for a CPU that others had"
                 + ("" if waiting * 20 <= alone else ": THE MACHINE WAS BUSY, measure again"))
    versions = [value for key, value in context.items() if key.startswith("implementation_") and "simdrope" not in key]
    lines += [f"- {version}" for version in versions]
    return lines


def target_lines(report):
    lines = header("target", "required", "measured", "met", "against the roof that reads angles, too",
                   "and converts 16 bits")
    for target in report["targets"]:
        bound = "at most" if target["at_most"] else "at least"
        met = "yes" if target["met"] else "no"
        to_roofs = [f"{target[key]:.3g}" if target[key] else "" for key in ("roof_angles", "roof_convert_angles")]
        lines.append(row(target["what"], f"{bound} {target['required']:.3g}", f"{target['measured']:.3g}", met,
                         *to_roofs))
    return lines


def peer_lines(report, threads):
    lines = header("workload", "dtype", "pairing", "mode", "roof", "roof with conversion", "simdrope",
                   "roof / simdrope", "best peer", "", "best peer / simdrope", "compiler's loop / simdrope")
    slower = 0
    found = groups(report["timings"])
    names = workloads(report["timings"])
    for key in sorted((k for k in found if k[0] in names), key=lambda k: (names.index(k[0]),) + k[1:]):
        group = found[key]
        own = group.get("simdrope")
        if key[4] != threads or own is None:
            continue
        peer, roof = best_peer(group), group.get("roof")
        loops = [t["over_simdrope"] for impl, t in group.items() if impl in ("loop-gcc", "loop-clang")]
        gain = peer["over_simdrope"] if peer else None
        slower += gain is not None and gain < 1
        lines.append(row(*key[:4], microseconds(roof), microseconds(group.get("roof-convert")), microseconds(own),
                         f"{roof['over_simdrope']:.2f}" if roof else "", microseconds(peer),
                         peer["impl"] if peer else "", f"{gain:.2f}" if gain else "",
                         f"{min(loops):.2f}" if loops else ""))
    if len(lines) == 2:
        return ["Not measured."]
    return lines + ["", f"{slower} of {len(lines) - 2} cases slower than the best peer."]


def all_lines(report):
    lines = []
    for key, group in groups(report["timings"]).items():
        if key[4] != 1 or key[0].startswith("tokens-"):
            continue
        times = sorted(group.values(), key=lambda t: t["median_ns"])
        lines.append(f"- {'/'.join(key[:4])}: " + ", ".join(f"{t['impl']} {microseconds(t)}" for t in times))
    return lines


def thread_lines(report):
    found = groups(report["timings"])
    counts = sorted({key[4] for key in found if key[0] == "prefill"})
    if len(counts) < 2:
        return ["Not measured."]
    lines = header("prefill, half, in place", *[f"{n} threads" for n in counts], "gain")
    for dtype in ("f32", "f16", "bf16"):
        impls = {impl for key, group in found.items() if key[0] == "prefill" and key[1] == dtype for impl in group}
        for impl in sorted(impls):
            times = [found.get(("prefill", dtype, "half", "inplace", n), {}).get(impl) for n in counts]
            if times[-1] is None:
                continue
            gain = f"{times[0]['median_ns'] / times[-1]['median_ns']:.2f}" if times[0] else ""
            lines.append(row(f"{dtype} {impl}", *[microseconds(t) for t in times], gain))
    return lines


def other_lines(report):
    lines = header("rows of cos and sin; creation of a Rope", "microseconds", "ns a row")
    for timing in report["timings"]:
        if timing["kind"] in ("apply", "fused"):
            continue
        count = timing["workload"].rsplit("-", 1)[-1]
        each = f"{timing['median_ns'] / int(count):.4g}" if count.isdigit() else ""
        lines.append(row(timing["name"].rsplit("/", 1)[0], microseconds(timing), each))
    return lines


def fused_lines(report):
    found = fused_groups(report["timings"])
    peers = {impl for group in found.values() for impl in group if not is_own(impl) and not is_yardstick(impl)}
    impls = ("simdrope", "simdrope-plan", "simdrope-streamed", "simdrope-separate", *sorted(peers), "roof-convert")
    lines = header("chain", "formats", "tokens", "threads", *impls)
    for key, group in found.items():
        chain, formats, workload, threads = key
        lines.append(row(chain, formats, workload.split("-")[-1], threads,
                         *[microseconds(group.get(impl)) for impl in impls]))
    return lines if len(lines) > 2 else ["Not measured."]


def instruction_lines(report):
    if not report["instructions"]:
        return ["Not counted."]
    lines = header("one call (AVX2 forced, callgrind)", "instructions")
    return lines + [row(name.rsplit("/", 1)[0], count) for name, count in report["instructions"].items()]


def left_out_lines(report):
    context = report["context"]
    lines = [f"- {value}" for key, value in context.items() if key.startswith("left_out_")]
    return lines + [f"- {message}" for message in report.get("messages", [])]


def write_markdown(report, plots, path):
    sections = [
        ("# simdrope beside roofs and peers", machine_lines(report)),
        ("## Targets", target_lines(report)),
        ("## Against the best peer, one thread", peer_lines(report, 1)),
        ("## Against the best peer, all threads", peer_lines(report, report["machine"]["cores"])
         if report["machine"]["cores"] > 1 else ["One core."]),
        ("## Threads", thread_lines(report)),
        ("## From projection to cache, microseconds a layer", fused_lines(report)),
        ("## Angles", other_lines(report)),
        ("## Instructions", instruction_lines(report)),
        ("## Plots", [f"![{plot}]({plot})" for plot in plots] or ["None."]),
        ("## All implementations, one thread", all_lines(report)),
        ("## Left out", left_out_lines(report)),
    ]
    with open(path, "w") as out:
        for title, lines in sections:
            out.write(title + "\n\n" + "\n".join(lines) + "\n\n")
