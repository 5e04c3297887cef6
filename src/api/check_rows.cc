#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <memory>
#include <new>

#include "angle/rope.h"
#include "api/checks.h"
#include "core/checked.h"
#include "core/format.h"
#include "exec/positions.h"

namespace simdrope::impl {
namespace {

bool HasRealIds(const simdrope_positions& p) { return p.ids != nullptr && IsReal(p.ids_type); }

simdrope_status CheckIntegerType(const char* name, simdrope_index_type type) {
  if (type == SIMDROPE_INDEX_I32 || type == SIMDROPE_INDEX_I64) return SIMDROPE_OK;
  return Fail(SIMDROPE_INVALID_ARGUMENT, "%s = %d must be a 32- or 64-bit integer type", name, static_cast<int>(type));
}

simdrope_status CheckCuSeqlens(const simdrope_positions& p, int64_t batch, int64_t seq) {
  SIMDROPE_TRY(CheckIntegerType("positions.cu_seqlens_type", p.cu_seqlens_type));
  if (batch != 1) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "cu_seqlens wants packed tokens (batch 1), but batch = %lld",
                static_cast<long long>(batch));
  }
  if (p.sequences < 0) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "positions.sequences = %lld must be >= 0",
                static_cast<long long>(p.sequences));
  }
  int64_t before = 0;
  for (int64_t i = 0; i <= p.sequences; ++i) {
    const int64_t at = IntegerAt(p.cu_seqlens, p.cu_seqlens_type, i);
    if (at < before || (i == 0 && at != 0)) {
      return Fail(SIMDROPE_INVALID_ARGUMENT, "cu_seqlens[%lld] = %lld; it must begin at 0 and never fall",
                  static_cast<long long>(i), static_cast<long long>(at));
    }
    before = at;
  }
  if (before != seq) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "cu_seqlens ends at %lld, but there are %lld tokens",
                static_cast<long long>(before), static_cast<long long>(seq));
  }
  return SIMDROPE_OK;
}

simdrope_status CheckIds(const simdrope_positions& p, int64_t batch, int64_t seq) {
  if (p.ids_type < SIMDROPE_INDEX_I32 || p.ids_type > SIMDROPE_INDEX_F64) {
    return FailValue("positions.ids_type", p.ids_type, "simdrope_index_type");
  }
  if (p.ids_axes < 1 || p.ids_axes > SIMDROPE_MAX_AXES) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "positions.ids_axes = %d must be 1 to %d", p.ids_axes, SIMDROPE_MAX_AXES);
  }
  if (p.ids_batch != 1 && p.ids_batch != batch) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "positions.ids_batch = %lld, but the batch is %lld",
                static_cast<long long>(p.ids_batch), static_cast<long long>(batch));
  }
  if (p.ids_seq != seq && !(p.seq_stride == 0 && p.ids_seq == 1)) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "positions.ids_seq = %lld, but there are %lld tokens",
                static_cast<long long>(p.ids_seq), static_cast<long long>(seq));
  }
  return SIMDROPE_OK;
}

// Calls visit(axis, b, s, index into ids) for every id.
template <class Visit>
void ForIds(const simdrope_positions& p, int32_t axes, const Visit& visit) {
  for (int32_t a = 0; a < std::min(axes, p.ids_axes); ++a) {
    for (int64_t b = 0; b < p.ids_batch; ++b) {
      for (int64_t s = 0; s < p.ids_seq; ++s) {
        visit(a, b, s, a * p.axis_stride + b * p.batch_stride + s * p.seq_stride);
      }
    }
  }
}

struct Sum {
  int64_t least = 0;
  int64_t greatest = 0;
  bool any = false;
  void Include(int64_t value) {
    least = any ? std::min(least, value) : value;
    greatest = any ? std::max(greatest, value) : value;
    any = true;
  }
};

// start + offset of the sequences, and the ids or token numbers, each as a range.
Sum BaseRange(const simdrope_positions& p) {
  Sum base;
  if (p.offsets == nullptr) base.Include(0);
  for (int64_t i = 0; p.offsets != nullptr && i < p.offsets_count; ++i) {
    base.Include(IntegerAt(p.offsets, p.offsets_type, i));
  }
  return base;
}

Sum TermRange(const simdrope_positions& p, int64_t seq, int32_t axes) {
  Sum term;
  if (p.ids != nullptr) {
    ForIds(p, axes, [&](int32_t, int64_t b, int64_t s, int64_t index) {
      if (!IsPaddingAt(p, b, s)) term.Include(IntegerAt(p.ids, p.ids_type, index));
    });
  } else if (seq > 0) {
    term.Include(0);
    term.Include(seq - 1);  // an upper bound with cu_seqlens
  }
  return term;
}

// The smallest and largest position over all tokens (but padding) and all axes; false if there are none. For integer
// positions that do not overflow.
struct PositionRange {
  int64_t least;
  int64_t greatest;
};
bool RangeOf(const simdrope_positions& p, int64_t batch, int64_t seq, int32_t axes, PositionRange* range) {
  const Sum base = BaseRange(p);
  const Sum term = TermRange(p, seq, axes);
  if (batch == 0 || !base.any || !term.any) return false;
  *range = {p.start + base.least + term.least, p.start + base.greatest + term.greatest};
  return true;
}

}  // namespace

simdrope_status CheckPositions(const simdrope_positions& p, int64_t batch, int64_t seq) {
  SIMDROPE_TRY(CheckReserved("positions", p.reserved));
  if (p.cu_seqlens != nullptr) SIMDROPE_TRY(CheckCuSeqlens(p, batch, seq));
  if (p.offsets != nullptr) {
    SIMDROPE_TRY(CheckIntegerType("positions.offsets_type", p.offsets_type));
    const int64_t sequences = p.cu_seqlens != nullptr ? p.sequences : batch;
    if (p.offsets_count != sequences) {
      return Fail(SIMDROPE_INVALID_ARGUMENT, "positions.offsets_count = %lld, but there are %lld sequences",
                  static_cast<long long>(p.offsets_count), static_cast<long long>(sequences));
    }
  }
  if (p.ids != nullptr) SIMDROPE_TRY(CheckIds(p, batch, seq));
  if (p.padding && p.ids == nullptr && seq > 0) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "positions.padding is declared, but there are no ids");
  }
  if (HasRealIds(p)) {
    simdrope_status status = SIMDROPE_OK;
    ForIds(p, p.ids_axes, [&](int32_t a, int64_t b, int64_t s, int64_t index) {
      const double value = RealAt(p.ids, p.ids_type, index);
      if (std::isfinite(value) || status != SIMDROPE_OK) return;
      status = Fail(SIMDROPE_INVALID_ARGUMENT, "positions.ids[%d, %lld, %lld] = %g is not finite", a,
                    static_cast<long long>(b), static_cast<long long>(s), value);
    });
    if (status != SIMDROPE_OK) return status;
  }
  if (p.start == 0 && p.offsets == nullptr) return SIMDROPE_OK;
  const Sum base = BaseRange(p);
  Sum term;
  if (HasRealIds(p)) {
    term.Include(0);
  } else {
    term = TermRange(p, seq, p.ids_axes);
  }
  if (!base.any || !term.any) return SIMDROPE_OK;
  int64_t least, greatest;
  if (!CheckedAdd(p.start, base.least, &least) || !CheckedAdd(least, term.least, &least) ||
      !CheckedAdd(p.start, base.greatest, &greatest) || !CheckedAdd(greatest, term.greatest, &greatest)) {
    return Fail(
        SIMDROPE_INVALID_ARGUMENT, "positions overflow: start = %lld, offsets %lld to %lld, ids or tokens %lld to %lld",
        static_cast<long long>(p.start), static_cast<long long>(base.least), static_cast<long long>(base.greatest),
        static_cast<long long>(term.least), static_cast<long long>(term.greatest));
  }
  return SIMDROPE_OK;
}

namespace {

constexpr double kMaxReach = 0x1p48;  // radians that the float and real-valued paths can reduce
constexpr double kMaxF16 = 65520;     // rounds to infinity in f16 from here on
constexpr double kMaxFloatExponent = 127;

double MaxInvFreq(const simdrope_rope& rope) {
  double max = 0;
  const int32_t pairs = rope.window.pairs();
  for (int32_t i = 0; i < pairs; ++i) {
    double sum = 0;
    for (int32_t a = 0; a < rope.summed_axes; ++a) sum += std::fabs(rope.inv_freq[a * pairs + i]);
    max = std::max(max, sum);
  }
  return max;
}

// The least and greatest position on any axis, of any kind; false if there are none.
bool RealRangeOf(const simdrope_positions& p, int64_t batch, int64_t seq, int32_t axes, double* least,
                 double* greatest) {
  if (!HasRealIds(p)) {
    PositionRange range;
    if (!RangeOf(p, batch, seq, axes, &range)) return false;
    *least = static_cast<double>(range.least);
    *greatest = static_cast<double>(range.greatest);
    return true;
  }
  bool any = false;
  double low = 0, high = 0;
  ForIds(p, axes, [&](int32_t, int64_t b, int64_t s, int64_t index) {
    if (IsPaddingAt(p, b, s)) return;
    const double value = RealAt(p.ids, p.ids_type, index);
    low = any ? std::min(low, value) : value;
    high = any ? std::max(high, value) : value;
    any = true;
  });
  const Sum base = BaseRange(p);
  if (!any || !base.any) return false;
  *least = low + static_cast<double>(p.start) + static_cast<double>(base.least);
  *greatest = high + static_cast<double>(p.start) + static_cast<double>(base.greatest);
  return true;
}

}  // namespace

simdrope_status CheckReach(const simdrope_rope& rope, const simdrope_positions& positions, int64_t batch, int64_t seq,
                           bool queries, bool keys) {
  const bool is_exact = rope.precision == SIMDROPE_PRECISION_EXACT && !HasRealIds(positions);
  if (is_exact && !rope.has_xpos() && !rope.has_temperature()) return SIMDROPE_OK;
  double least, greatest;
  if (!RealRangeOf(positions, batch, seq, rope.axes, &least, &greatest)) return SIMDROPE_OK;
  const double most = std::max(std::fabs(least), std::fabs(greatest));
  if (!is_exact && !(most * MaxInvFreq(rope) < kMaxReach)) {
    return Fail(SIMDROPE_UNSUPPORTED, "positions reach angles of %g radians; this precision turns up to 2^48",
                most * MaxInvFreq(rope));
  }
  if (rope.precision == SIMDROPE_PRECISION_F16_POSITIONS && most >= kMaxF16) {
    return Fail(SIMDROPE_UNSUPPORTED, "positions reach %g, which f16 positions cannot hold: they end at 65504", most);
  }
  double first, last;
  if (rope.temperature.beta != 0 && RealRangeOf(positions, batch, seq, 1, &first, &last)) {
    const simdrope_temperature& t = rope.temperature;
    if (std::floor((first + t.offset) / t.length) <= -1) {
      return Fail(SIMDROPE_INVALID_ARGUMENT,
                  "positions begin at %g, where the temperature (length %g, offset %g) has no logarithm", first,
                  t.length, t.offset);
    }
  }
  if (rope.has_xpos()) {
    // Q grows before the centre, K behind it.
    const double before = queries ? rope.xpos_center - least : 0;
    const double behind = keys ? greatest - rope.xpos_center : 0;
    const double exponent = std::max({0.0, before, behind}) / rope.xpos_scale_base * std::fabs(rope.log2_zeta[0]);
    if (!(exponent + std::log2(std::max(1.0, std::fabs(rope.attention_factor))) < kMaxFloatExponent)) {
      return Fail(SIMDROPE_UNSUPPORTED, "positions %g to %g: XPos (center %g, scale_base %g) exceeds float there",
                  least, greatest, rope.xpos_center, rope.xpos_scale_base);
    }
  }
  return SIMDROPE_OK;
}

simdrope_status CheckTable(const char* name, const simdrope_table& t, int32_t pairs, int64_t batch, bool full_width) {
  SIMDROPE_TRY(CheckFloatFormat(name, t.format));
  SIMDROPE_TRY(CheckReserved(name, t.reserved));
  if (t.cos == nullptr || t.sin == nullptr) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s wants both cos and sin", name);
  }
  const auto alignment = static_cast<uintptr_t>(SizeOf(t.format));
  if (reinterpret_cast<uintptr_t>(t.cos) % alignment != 0 || reinterpret_cast<uintptr_t>(t.sin) % alignment != 0) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s.cos = %p and sin = %p are not aligned to their %d bytes", name, t.cos,
                t.sin, static_cast<int>(alignment));
  }
  const int32_t columns = full_width ? 2 * pairs : pairs;
  if (t.rows < 0 || t.columns < columns) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s has %lld rows of %d columns, but rotary_dim%s = %d", name,
                static_cast<long long>(t.rows), t.columns, full_width ? "" : " / 2", columns);
  }
  if (t.batches != 1 && t.batches != batch) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s.batches = %lld, but the batch is %lld", name,
                static_cast<long long>(t.batches), static_cast<long long>(batch));
  }
  if (t.heads < 0) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s.heads = %lld must be >= 0", name, static_cast<long long>(t.heads));
  }
  if (t.copies < 1 || t.column_stride < 1) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s.copies = %d and column_stride = %lld must be at least 1", name, t.copies,
                static_cast<long long>(t.column_stride));
  }
  int64_t entries, reach = 0;
  const auto add = [&](int64_t count, int64_t stride) {
    int64_t part;
    return stride != INT64_MIN && CheckedMul(count, std::llabs(stride), &part) && CheckedAdd(reach, part, &reach);
  };
  if (!add(std::max<int64_t>(t.rows, 1), t.row_stride) || !add(t.batches, t.batch_stride) ||
      (t.heads > 1 && !add(t.heads, t.head_stride)) || !add(t.columns, t.column_stride) ||
      !CheckedMul(reach, 4, &reach) || !CheckedMul(t.batches, t.rows, &entries) || !CheckedMul(entries, 4, &entries)) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s: %lld rows with stride %lld in %lld batches overflow the address range",
                name, static_cast<long long>(t.rows), static_cast<long long>(t.row_stride),
                static_cast<long long>(t.batches));
  }
  return SIMDROPE_OK;
}

simdrope_status CheckSource(const simdrope_cos_sin& c, int32_t pairs, int64_t batch) {
  if (c.source == SIMDROPE_STREAMED) return SIMDROPE_OK;
  const bool full_width = c.source == SIMDROPE_TABLE && c.full_width;
  SIMDROPE_TRY(CheckTable("cos_sin.table", c.table, pairs, batch, full_width));
  if (c.key_table.cos != nullptr || c.key_table.sin != nullptr) {
    SIMDROPE_TRY(CheckTable("cos_sin.key_table", c.key_table, pairs, batch, full_width));
    if (c.key_table.rows != c.table.rows) {
      return Fail(SIMDROPE_INVALID_ARGUMENT, "cos_sin.key_table has %lld rows, cos_sin.table %lld",
                  static_cast<long long>(c.key_table.rows), static_cast<long long>(c.table.rows));
    }
    if (c.key_table.heads != c.table.heads) {
      return Fail(SIMDROPE_INVALID_ARGUMENT, "cos_sin.key_table has rows for %lld heads, cos_sin.table for %lld",
                  static_cast<long long>(c.key_table.heads), static_cast<long long>(c.table.heads));
    }
  }
  if (c.source == SIMDROPE_PREPARED && c.rope->has_xpos() && c.key_table.cos == nullptr) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "cos_sin.key_table is absent, but the rope has XPos");
  }
  if (c.source == SIMDROPE_PREPARED && c.rope->has_temperature() && c.query_scale == nullptr) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "cos_sin.query_scale is NULL, but the rope scales queries by position");
  }
  if (!std::isfinite(c.magnitude)) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "cos_sin.magnitude = %g must be finite", static_cast<double>(c.magnitude));
  }
  if (c.out_of_range < SIMDROPE_REJECT || c.out_of_range > SIMDROPE_SKIP) {
    return FailValue("cos_sin.out_of_range", c.out_of_range, "simdrope_out_of_range");
  }
  if (HasRealIds(c.positions)) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "a table is looked up by integer positions, but ids are real-valued");
  }
  for (int32_t i = 0; c.pair_axis != nullptr && i < pairs; ++i) {
    if (c.pair_axis[i] < SIMDROPE_MAX_AXES) continue;
    return Fail(SIMDROPE_INVALID_ARGUMENT, "cos_sin.pair_axis has an axis %d; there are at most %d", c.pair_axis[i],
                SIMDROPE_MAX_AXES);
  }
  return SIMDROPE_OK;
}

namespace {

// That every token has a row on the axes that its pairs are looked up by.
simdrope_status CheckRows(const simdrope_cos_sin& c, int32_t pairs, const simdrope_positions& positions, int64_t batch,
                          int64_t seq) {
  int32_t axes = 1;
  for (int32_t i = 0; c.pair_axis != nullptr && i < pairs; ++i) axes = std::max(axes, c.pair_axis[i] + 1);
  const auto has_row = [&](int64_t position) { return position >= 0 && position < c.table.rows; };
  PositionRange range;
  if (!RangeOf(positions, batch, seq, axes, &range) || (has_row(range.least) && has_row(range.greatest))) {
    return SIMDROPE_OK;
  }
  TokenPositions token(positions);
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t s = 0; s < seq; ++s) {
      token.MoveTo(b, s);
      if (token.is_padding()) continue;
      for (int32_t a = 0; a < axes; ++a) {
        if (has_row(token.on_axis(a))) continue;
        return Fail(SIMDROPE_OUT_OF_RANGE,
                    "positions[%lld] (batch %lld, token %lld, axis %d) = %lld, but the cos_sin table has %lld rows",
                    static_cast<long long>(b) * seq + s, static_cast<long long>(b), static_cast<long long>(s), a,
                    static_cast<long long>(token.on_axis(a)), static_cast<long long>(c.table.rows));
      }
    }
  }
  return SIMDROPE_OK;
}

// A set of slots, one bit each.
class SlotSet {
 public:
  simdrope_status Allocate(int64_t slots) {
    words_.reset(new (std::nothrow) uint64_t[static_cast<size_t>(slots / 64 + 1)]());
    if (words_ != nullptr) return SIMDROPE_OK;
    return Fail(SIMDROPE_OUT_OF_MEMORY, "no memory to look for duplicates among %lld slots",
                static_cast<long long>(slots));
  }
  bool Insert(int64_t slot) {
    uint64_t& word = words_[static_cast<size_t>(slot / 64)];
    const uint64_t bit = uint64_t{1} << (slot % 64);
    const bool is_new = (word & bit) == 0;
    word |= bit;
    return is_new;
  }

 private:
  std::unique_ptr<uint64_t[]> words_;
};

simdrope_status CheckSlotIds(const char* operand, const char* side, const Storage& s, const void* ids) {
  const simdrope_slots& slots = s.slots;
  const bool rejects_duplicates = slots.reject_duplicates && side[0] == 'o';
  SlotSet seen;
  if (rejects_duplicates) SIMDROPE_TRY(seen.Allocate(s.slot_count));
  for (int64_t b = 0; b < slots.batch; ++b) {
    for (int64_t t = 0; t < slots.seq; ++t) {
      const int64_t slot = IntegerAt(ids, slots.type, b * slots.batch_stride + t * slots.seq_stride);
      if (slot == -1) continue;
      if (slot < 0 || slot >= s.slot_count) {
        return Fail(SIMDROPE_OUT_OF_RANGE, "%s.%s.slots.ids[%lld, %lld] = %lld, but the cache has %lld slots", side,
                    operand, static_cast<long long>(b), static_cast<long long>(t), static_cast<long long>(slot),
                    static_cast<long long>(s.slot_count));
      }
      if (rejects_duplicates && !seen.Insert(slot)) {
        return Fail(SIMDROPE_INVALID_ARGUMENT, "%s.%s.slots.ids[%lld, %lld] = %lld is the slot of another token too",
                    side, operand, static_cast<long long>(b), static_cast<long long>(t), static_cast<long long>(slot));
      }
    }
  }
  return SIMDROPE_OK;
}

simdrope_status CheckSlotPositions(const char* operand, const char* side, const Storage& s,
                                   const simdrope_positions& positions, int64_t batch, int64_t seq) {
  PositionRange range;
  if (HasRealIds(positions)) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s.%s: slots by position want integer positions, but ids are real-valued",
                side, operand);
  }
  if (!RangeOf(positions, batch, seq, 1, &range) || (range.least >= 0 && range.greatest < s.slot_rows)) {
    return SIMDROPE_OK;
  }
  return Fail(SIMDROPE_OUT_OF_RANGE, "%s.%s: positions %lld to %lld, but an entry of the cache has %lld rows", side,
              operand, static_cast<long long>(range.least), static_cast<long long>(range.greatest),
              static_cast<long long>(s.slot_rows));
}

simdrope_status CheckStorage(const Plan& plan, const char* operand, const char* side, const Storage& s,
                             const void* data, const void* ids, const simdrope_positions& positions) {
  if (data == nullptr) return Fail(SIMDROPE_INVALID_ARGUMENT, "run.%s.%s is NULL", operand, side);
  if (s.slots.source == SIMDROPE_SLOTS_NONE) return SIMDROPE_OK;
  if (s.slots.source == SIMDROPE_SLOTS_POSITIONS) {
    return CheckSlotPositions(operand, side, s, positions, plan.batch, plan.seq);
  }
  if (ids == nullptr) return Fail(SIMDROPE_INVALID_ARGUMENT, "run.%s.%s_slots is NULL", operand, side);
  return CheckSlotIds(operand, side, s, ids);
}

}  // namespace

simdrope_status CheckRun(const Plan& plan, const simdrope_run& run) {
  SIMDROPE_TRY(CheckSlice(run.slice_index, run.slice_count));
  if (plan.tokens() == 0) return SIMDROPE_OK;
  const simdrope_cos_sin& c = *plan.cos_sin;
  const simdrope_positions positions = PositionsOf(c.positions, run);
  if ((c.positions.ids != nullptr) != (run.ids != nullptr) ||
      (c.positions.offsets != nullptr) != (run.offsets != nullptr) ||
      (c.positions.cu_seqlens != nullptr) != (run.cu_seqlens != nullptr)) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "run.ids, offsets and cu_seqlens must be given where they were planned");
  }
  SIMDROPE_TRY(CheckPositions(positions, plan.batch, plan.seq));
  if (c.source == SIMDROPE_STREAMED) {
    if (c.rope != nullptr) {
      const auto rotates = [&](Side side) {
        return std::any_of(plan.operands, plan.operands + plan.count,
                           [&](const Operand& o) { return o.rotates && o.side == side; });
      };
      SIMDROPE_TRY(CheckReach(*c.rope, positions, plan.batch, plan.seq, rotates(Side::kQuery), rotates(Side::kKey)));
    }
  } else {
    if (run.cos == nullptr || run.sin == nullptr || (c.key_table.cos != nullptr) != (run.key_cos != nullptr) ||
        (c.query_scale != nullptr) != (run.query_scale != nullptr) ||
        (c.padding != nullptr) != (run.padding != nullptr)) {
      return Fail(SIMDROPE_INVALID_ARGUMENT, "run's rows of cos and sin must be given where they were planned");
    }
    if (c.out_of_range == SIMDROPE_REJECT) {
      SIMDROPE_TRY(CheckRows(c, plan.window.pairs(), positions, plan.batch, plan.seq));
    }
  }
  for (int i = 0; i < plan.count; ++i) {
    const Operand& o = plan.operands[i];
    const simdrope_operand& p = run.*o.pointers;
    SIMDROPE_TRY(CheckStorage(plan, o.name, "in", o.in, p.in, p.in_slots, positions));
    SIMDROPE_TRY(CheckStorage(plan, o.name, "out", o.out, p.out, p.out_slots, positions));
    if ((p.in == p.out) != o.in_place) {
      return Fail(SIMDROPE_INVALID_ARGUMENT, "run.%s: in and out are %s, but the plan was made %s", o.name,
                  o.in_place ? "two buffers" : "one buffer", o.in_place ? "in place" : "out of place");
    }
  }
  return SIMDROPE_OK;
}

}  // namespace simdrope::impl
