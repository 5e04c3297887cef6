"""The project's speed targets, and what was measured for each."""

from report_data import Table

DTYPES = ("f32", "f16", "bf16")


def ratio(a, b):
    return a / b if a and b else None


# Of norm-rope-write over the converting roof, by target: (from memory, in cache).
ROOF_SHARES = {"AVX2": {"16 bits": (0.6, 0.35), "q8_0": (0.5, 0.2)},
               "": {"16 bits": (0.70, 0.45), "q8_0": (0.62, 0.28)}}


def fused_targets(report, add):
    """Chains from projection to cache, one thread."""
    table, avx2 = Table(report["timings"]), Table(report["timings_avx2"])
    for chain in ("norm-rope-write", "qkv-split-norm-rope-write"):
        for tokens, required in ((512, 2.2), (1, 3.5)):
            what = f"{chain} f32-f16, {tokens} tokens, ggml"
            ggml = table.fused(chain, "f32-f16", tokens, "ggml", "median_ns")
            add(f"{what} / simdrope", required, table.fused(chain, "f32-f16", tokens, "ggml"))
            for own in ("plan", "streamed"):
                add(f"{what} / simdrope-{own}", required,
                    ratio(ggml, table.fused(chain, "f32-f16", tokens, f"simdrope-{own}", "median_ns")))
    for formats in ("f32-f16", "f16-f16", "bf16-bf16", "f32-q8_0", "bf16-q8_0"):
        add(f"norm-rope-write {formats}, 2048 tokens, separate calls / simdrope", 1.7,
            table.fused("norm-rope-write", formats, 2048, "simdrope-separate"))
    in_use = report["context"].get("simdrope_target", "")
    for times, target, label in ((table, in_use, ""), (avx2, "AVX2", ", AVX2 forced")):
        for formats in ("f32-f16", "f16-f16", "bf16-bf16", "f32-q8_0", "bf16-q8_0"):
            shares = ROOF_SHARES["AVX2" if target == "AVX2" else ""]["q8_0" if "q8_0" in formats else "16 bits"]
            for tokens, place, required in ((2048, "from memory", shares[0]), (16, "in cache", shares[1])):
                arithmetic = times.fused("norm-rope-write", formats, tokens, "roof-arithmetic")
                limit = f", arithmetic alone / simdrope {arithmetic:.2f}" if arithmetic else ""
                add(f"norm-rope-write {formats}, {place}, converting roof / simdrope{limit}{label}", required,
                    times.fused("norm-rope-write", formats, tokens, "roof-convert"))


def targets(report):
    """Rows of {what, required, measured, met, roof_angles, roof_convert_angles}; at_most where smaller is better.

    The last two: the ratio to the roof that reads cos and sin, too, and to the one that converts 16 bits as well; None
    where there is none.
    """
    table, avx2 = Table(report["timings"]), Table(report["timings_avx2"])
    rows = []

    def add(what, required, measured, at_most=False, **to_roofs):
        if measured is not None:
            met = measured <= required if at_most else measured >= required
            rows.append({"what": what, "required": required, "measured": measured, "at_most": at_most, "met": met,
                         "roof_angles": None, "roof_convert_angles": None, **to_roofs})

    def add_against(what, required, times, workload, dtype, mode, yardstick):
        to_roofs = {}
        if yardstick == "roof":
            for roof in ("roof-angles", "roof-convert-angles"):
                to_roofs[roof.replace("-", "_")] = times.over_simdrope(workload, dtype, mode, roof)
        add(what, required, times.over_simdrope(workload, dtype, mode, yardstick), **to_roofs)

    in_place = {"f32": 0.95, "f16": 0.90, "bf16": 0.90}
    out_of_place = {"f32": 1.0, "f16": 0.95, "bf16": 0.95}
    decode = {"f32": [("roof", 0.75)], "f16": [("roof-convert", 0.80)],
              "bf16": [("roof-convert", 0.80), ("roof-hwconvert", 0.70)]}
    # AVX2 forced: that much of the targets above.
    share = {"f32": 0.9, "f16": 0.9, "bf16": 0.6}
    for times, label, part in ((table, "", None), (avx2, ", AVX2 forced", share)):
        for dtype in DTYPES:
            scale = part[dtype] if part else 1
            for workload in ("prefill", "long"):
                add_against(f"{workload} {dtype} in place, roof / simdrope{label}", in_place[dtype] * scale,
                            times, workload, dtype, "inplace", "roof")
                add_against(f"{workload} {dtype} out of place, fastest copy / simdrope{label}",
                            out_of_place[dtype] * scale, times, workload, dtype, "outofplace", "roof")
                add_against(f"{workload} {dtype} out of place, memcpy / simdrope{label}",
                            out_of_place[dtype] * scale, times, workload, dtype, "outofplace", "memcpy")
            for roof, required in decode[dtype]:
                add_against(f"decode32 {dtype} in place, {roof} / simdrope{label}", required * scale,
                            times, "decode32", dtype, "inplace", roof)
    for workload in ("prefill", "decode32"):
        for dtype in DTYPES:
            add(f"{workload} {dtype} in place, half / interleaved", 0.95,
                table.quotient(*((workload, dtype, pairing, "inplace", "simdrope")
                                 for pairing in ("half", "interleaved"))))
    for dtype in DTYPES:
        add(f"prefill {dtype} in place, streamed / prepared", 1.12,
            table.over_simdrope("prefill", dtype, "inplace", "simdrope-streamed"), at_most=True)
    add("rows of cos and sin, 64 pairs, libm / simdrope", 5,
        ratio(table.other("cos_sin/rows-2048/64/libm"), table.other("cos_sin/rows-2048/64/simdrope")))
    call, rows_alone = (table.apply("decode1", "f32", "half", "inplace", impl) for impl in ("simdrope", "rows"))
    if call and rows_alone:
        add("decode1 f32, ns over the row function", 150, call - rows_alone, at_most=True)
    # Two threads can be asked for what the memory and whole cores give them: that much shows in the roofs.
    roofs = ("roof", "roof-angles", "roof-convert", "roof-cached")
    for dtype in DTYPES:
        gain = {impl: table.quotient(*(("prefill", dtype, "half", "inplace", impl, threads) for threads in (1, 2)))
                for impl in roofs + ("simdrope",)}
        of_roofs = "".join(f", {roof} {gain[roof]:.2f}" for roof in roofs if gain[roof])
        add(f"prefill {dtype} in place, one thread / two{of_roofs}", 1.8, gain["simdrope"])
    fused_targets(report, add)
    return rows
