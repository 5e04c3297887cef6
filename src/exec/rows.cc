#include "exec/rows.h"

#include <algorithm>
#include <cmath>

#include "angle/phase.h"
#include "angle/rope.h"
#include "core/half.h"
#include "core/status.h"
#include "core/tensor.h"

namespace simdrope::impl {
namespace {

constexpr double kTurnsPerRadian = 0.15915494309189533577;
constexpr double kMaxReach = 0x1p48;  // radians that the float and real-valued paths can reduce

// Results of rows that are computed together stay in the first-level cache: 32 rows of 64 pairs are 16 KB.
constexpr int64_t kMaxRowsTogether = 32;

double MaxInvFreq(const simdrope_rope& rope) {
  double max = 0;
  for (int32_t i = 0; i < rope.window.pairs(); ++i) max = std::max(max, std::fabs(rope.inv_freq[i]));
  return max;
}

// To the type in which a precision other than exact computes positions and angles, and back.
void RoundToPrecision(const Kernels& kernels, simdrope_precision precision, float* values, size_t n) {
  if (precision == SIMDROPE_PRECISION_FLOAT32) return;
  const simdrope_format format = precision == SIMDROPE_PRECISION_BF16_POSITIONS ? SIMDROPE_BF16 : SIMDROPE_F16;
  uint16_t rounded[SIMDROPE_MAX_PAIRS];
  kernels.copy[SIMDROPE_F32][format](values, rounded, n, 1.0f);
  kernels.copy[format][SIMDROPE_F32](rounded, values, n, 1.0f);
}

float TableValue(const void* data, simdrope_format format, int64_t index) {
  switch (format) {
    case SIMDROPE_F32: return static_cast<const float*>(data)[index];
    case SIMDROPE_F16: return ToFloat(static_cast<const F16*>(data)[index]);
    default: return ToFloat(static_cast<const Bf16*>(data)[index]);
  }
}

const void* Element(const void* data, simdrope_format format, int64_t index) {
  return static_cast<const char*>(data) + index * static_cast<int64_t>(SizeOf(format));
}

}  // namespace

float QueryScaleOf(const simdrope_rope& rope, const TokenPositions& tokens) {
  return rope.has_temperature() ? static_cast<float>(QueryScale(rope, tokens.real_on_axis(0))) : 1.0f;
}

int64_t RowsTogether(const simdrope_rope& rope, const TokenPositions& tokens, int64_t most) {
  const bool are_phases = rope.precision == SIMDROPE_PRECISION_EXACT && !tokens.is_real();
  if (!are_phases || rope.has_xpos() || rope.axes > 1) return 1;
  most = tokens.CountUp(std::min(most, kMaxRowsTogether));
  // The part of the angle that is left out from kMaxRestPosition on is not to depend on where rows begin.
  const int64_t first = tokens.on_axis(0);
  return first >= -kMaxRestPosition && first <= kMaxRestPosition - most ? most : 1;
}

void ComputeRows(const Kernels& kernels, const simdrope_rope& rope, const TokenPositions& tokens, Side side,
                 int64_t rows, ptrdiff_t stride, float* cos, float* sin) {
  const size_t pairs = static_cast<size_t>(rope.window.pairs());
  const uint8_t* axis = rope.pair_axis.get();
  double real_on_axis[SIMDROPE_MAX_AXES];
  for (int32_t a = 0; a < rope.axes; ++a) real_on_axis[a] = tokens.real_on_axis(a);
  double pair_factor[SIMDROPE_MAX_PAIRS];
  Magnitude magnitude{rope.attention_factor, nullptr};
  if (rope.has_xpos()) {
    for (size_t i = 0; i < pairs; ++i) {
      const double distance = (real_on_axis[axis[i]] - rope.xpos_center) / rope.xpos_scale_base;
      pair_factor[i] = std::exp2((side == Side::kQuery ? distance : -distance) * rope.log2_zeta[i]);
    }
    magnitude.pair_factor = pair_factor;
  }
  if (rope.precision != SIMDROPE_PRECISION_EXACT) {
    float position[SIMDROPE_MAX_AXES];
    float angle[SIMDROPE_MAX_PAIRS];
    for (int32_t a = 0; a < rope.axes; ++a) position[a] = static_cast<float>(real_on_axis[a]);
    RoundToPrecision(kernels, rope.precision, position, static_cast<size_t>(rope.axes));
    for (size_t i = 0; i < pairs; ++i) angle[i] = position[axis[i]] * rope.float_inv_freq[i];
    RoundToPrecision(kernels, rope.precision, angle, pairs);
    kernels.cos_sin_of_angles(angle, magnitude, pairs, cos, sin);
  } else if (tokens.is_real()) {
    double turns[SIMDROPE_MAX_PAIRS];
    for (size_t i = 0; i < pairs; ++i) turns[i] = real_on_axis[axis[i]] * rope.inv_freq[i] * kTurnsPerRadian;
    kernels.cos_sin_of_turns(turns, magnitude, pairs, cos, sin);
  } else {
    const int64_t first = tokens.on_axis(0);
    PhaseRows phases{rope.phase_step.get(),
                     rope.phase_rest.get(),
                     first,
                     RestPosition(first),
                     nullptr,
                     nullptr,
                     static_cast<size_t>(rows),
                     stride};
    int64_t position[SIMDROPE_MAX_PAIRS];
    double real_position[SIMDROPE_MAX_PAIRS];
    if (rope.axes > 1) {
      int64_t on_axis[SIMDROPE_MAX_AXES];
      for (int32_t a = 0; a < rope.axes; ++a) on_axis[a] = tokens.on_axis(a);
      for (size_t i = 0; i < pairs; ++i) {
        position[i] = on_axis[axis[i]];
        real_position[i] = RestPosition(position[i]);
      }
      phases.pair_position = position;
      phases.real_pair_position = real_position;
    }
    kernels.cos_sin_of_phases(phases, magnitude, pairs, cos, sin);
  }
}

simdrope_status CheckReach(const simdrope_rope& rope, const simdrope_positions& positions, int64_t batch, int64_t seq) {
  const bool real = positions.ids != nullptr && IsReal(positions.ids_type);
  if (rope.precision == SIMDROPE_PRECISION_EXACT && !real) return SIMDROPE_OK;
  const double reach = RealReach(positions, batch, seq, rope.axes) * MaxInvFreq(rope);
  if (reach < kMaxReach) return SIMDROPE_OK;
  return Fail(SIMDROPE_UNSUPPORTED, "positions reach angles of %g radians; this precision turns up to 2^48", reach);
}

simdrope_status CheckTable(const char* name, const simdrope_table& t, int32_t pairs, int64_t batch) {
  SIMDROPE_TRY(CheckFormat(name, t.format));
  if (t.cos == nullptr || t.sin == nullptr) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s wants both cos and sin", name);
  }
  if (t.rows < 0 || t.columns < pairs) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s has %lld rows of %d columns, but rotary_dim / 2 = %d", name,
                static_cast<long long>(t.rows), t.columns, pairs);
  }
  if (t.batches != 1 && t.batches != batch) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s.batches = %lld, but the batch is %lld", name,
                static_cast<long long>(t.batches), static_cast<long long>(batch));
  }
  if (t.copies < 1 || t.column_stride < 1) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s.copies = %d and column_stride = %lld must be at least 1", name, t.copies,
                static_cast<long long>(t.column_stride));
  }
  int64_t reach, more;
  if (__builtin_mul_overflow(std::max<int64_t>(t.rows, 1), t.row_stride, &reach) ||
      __builtin_mul_overflow(t.batches, t.batch_stride, &more) || __builtin_add_overflow(reach, more, &reach) ||
      __builtin_mul_overflow(reach, 4, &reach)) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s: %lld rows with stride %lld overflow the address range", name,
                static_cast<long long>(t.rows), static_cast<long long>(t.row_stride));
  }
  return SIMDROPE_OK;
}

RowSource::RowSource(const Kernels& kernels, const simdrope_cos_sin& cos_sin, const Window& window,
                     simdrope_pairing output_pairing)
    : kernels_(&kernels),
      cos_sin_(&cos_sin),
      pairs_(window.pairs()),
      has_identity_rows_(output_pairing != window.pairing),
      tokens_(cos_sin.positions) {
  scales_queries_ =
      is_streamed() ? cos_sin.rope != nullptr && cos_sin.rope->has_temperature() : cos_sin.query_scale != nullptr;
  rotates_all_ = !scales_queries_ && !cos_sin.positions.padding &&
                 (is_streamed() || (cos_sin.padding == nullptr && cos_sin.out_of_range == SIMDROPE_REJECT));
  if (is_streamed() || cos_sin.pair_axis == nullptr) return;
  for (int32_t i = 0; i < pairs_; ++i) axes_ = std::max(axes_, cos_sin.pair_axis[i] + 1);
  if (axes_ > 1) has_identity_rows_ = true;
}

simdrope_status RowSource::Check(int64_t batch, int64_t seq) const {
  const simdrope_cos_sin& c = *cos_sin_;
  SIMDROPE_TRY(CheckPositions(c.positions, batch, seq));
  if (is_streamed()) return CheckReach(*c.rope, c.positions, batch, seq);
  SIMDROPE_TRY(CheckTable("cos_sin.table", c.table, pairs_, batch));
  if (c.key_table.cos != nullptr) {
    SIMDROPE_TRY(CheckTable("cos_sin.key_table", c.key_table, pairs_, batch));
    if (c.key_table.rows != c.table.rows) {
      return Fail(SIMDROPE_INVALID_ARGUMENT, "cos_sin.key_table has %lld rows, cos_sin.table %lld",
                  static_cast<long long>(c.key_table.rows), static_cast<long long>(c.table.rows));
    }
  }
  if (!is_from_caller() && c.rope->has_xpos() && c.key_table.cos == nullptr) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "cos_sin.key_table is absent, but the rope has XPos");
  }
  if (!is_from_caller() && c.rope->has_temperature() && c.query_scale == nullptr) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "cos_sin.query_scale is NULL, but the rope scales queries by position");
  }
  if (!std::isfinite(c.magnitude)) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "cos_sin.magnitude = %g must be finite", static_cast<double>(c.magnitude));
  }
  if (c.out_of_range < SIMDROPE_REJECT || c.out_of_range > SIMDROPE_SKIP) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "cos_sin.out_of_range = %d is none of the simdrope_out_of_range",
                static_cast<int>(c.out_of_range));
  }
  if (tokens_.is_real()) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "a table is looked up by integer positions, but ids are real-valued");
  }
  if (axes_ > SIMDROPE_MAX_AXES) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "cos_sin.pair_axis has an axis %d; there are at most %d", axes_ - 1,
                SIMDROPE_MAX_AXES);
  }
  return c.out_of_range == SIMDROPE_REJECT ? CheckRange(batch, seq) : SIMDROPE_OK;
}

simdrope_status RowSource::CheckRange(int64_t batch, int64_t seq) const {
  PositionRange range;
  if (!RangeOf(cos_sin_->positions, batch, seq, axes_, &range) || (HasRow(range.least) && HasRow(range.greatest))) {
    return SIMDROPE_OK;
  }
  TokenPositions token = tokens_;
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t s = 0; s < seq; ++s) {
      token.MoveTo(b, s);
      if (token.is_padding()) continue;
      for (int32_t a = 0; a < axes_; ++a) {
        const int64_t position = token.on_axis(a);
        if (HasRow(position)) continue;
        return Fail(SIMDROPE_OUT_OF_RANGE,
                    "positions[%lld] (batch %lld, token %lld, axis %d) = %lld, but the cos_sin table has %lld rows",
                    static_cast<long long>(b * seq + s), static_cast<long long>(b), static_cast<long long>(s), a,
                    static_cast<long long>(position), static_cast<long long>(cos_sin_->table.rows));
      }
    }
  }
  return SIMDROPE_OK;
}

TokenAction RowSource::TableAction() const {
  for (int32_t a = 0; a < axes_; ++a) {
    if (HasRow(tokens_.on_axis(a))) continue;
    if (cos_sin_->out_of_range == SIMDROPE_SKIP) return TokenAction::kSkip;
    return has_identity_rows_ ? TokenAction::kRotate : TokenAction::kCopy;
  }
  if (cos_sin_->padding != nullptr && cos_sin_->padding[RowNumber()] != 0) return TokenAction::kSkip;
  return TokenAction::kRotate;
}

int64_t RowSource::RowNumber() const {
  const int64_t entry = cos_sin_->table.batches == 1 ? 0 : batch_;
  return entry * cos_sin_->table.rows + tokens_.on_axis(0);
}

float RowSource::QueryScaleOfToken() const {
  if (is_streamed()) return QueryScaleOf(*cos_sin_->rope, tokens_);
  return HasRow(tokens_.on_axis(0)) ? cos_sin_->query_scale[RowNumber()] : 1.0f;
}

bool RowSource::has_key_rows() const {
  return is_streamed() ? cos_sin_->rope->has_xpos() : cos_sin_->key_table.cos != nullptr;
}

bool RowSource::FindRowsInPlace(int64_t b, int64_t s, bool by_batch, Side side, AngleRow* first,
                                ptrdiff_t* stride) const {
  const simdrope_table& t = TableOf(side);
  const simdrope_positions& p = cos_sin_->positions;
  if (is_streamed() || t.format != SIMDROPE_F32 || t.column_stride != 1 || axes_ > 1 || p.ids != nullptr ||
      p.offsets != nullptr || p.cu_seqlens != nullptr || cos_sin_->out_of_range != SIMDROPE_REJECT) {
    return false;
  }
  const int64_t batch_stride = t.batches == 1 ? 0 : t.batch_stride;
  const int64_t at = b * batch_stride + (p.start + s) * t.row_stride;
  *first = {static_cast<const float*>(t.cos) + at, static_cast<const float*>(t.sin) + at};
  *stride = by_batch ? batch_stride : t.row_stride;
  return true;
}

AngleRow RowSource::Rows(Side side, int64_t rows, float* scratch) const {
  float* cos = scratch;
  float* sin = scratch + pairs_;
  if (is_streamed()) {
    ComputeRows(*kernels_, *cos_sin_->rope, tokens_, side, rows, 2 * pairs_, cos, sin);
    return {cos, sin};
  }
  const simdrope_table& t = TableOf(side);
  const int64_t entry = t.batches == 1 ? 0 : batch_ * t.batch_stride;
  if (axes_ == 1 && t.column_stride == 1 && HasRow(tokens_.on_axis(0))) {
    const int64_t at = entry + tokens_.on_axis(0) * t.row_stride;
    const void* table_cos = Element(t.cos, t.format, at);
    const void* table_sin = Element(t.sin, t.format, at);
    if (t.format == SIMDROPE_F32) return {static_cast<const float*>(table_cos), static_cast<const float*>(table_sin)};
    kernels_->copy[t.format][SIMDROPE_F32](table_cos, cos, static_cast<size_t>(pairs_), 1.0f);
    kernels_->copy[t.format][SIMDROPE_F32](table_sin, sin, static_cast<size_t>(pairs_), 1.0f);
    return {cos, sin};
  }
  for (int32_t i = 0; i < pairs_; ++i) {
    const int64_t position = tokens_.on_axis(axes_ == 1 ? 0 : cos_sin_->pair_axis[i]);
    if (!HasRow(position)) {
      cos[i] = is_from_caller() ? 1.0f / cos_sin_->magnitude : 1.0f;
      sin[i] = 0.0f;
      continue;
    }
    const int64_t at = entry + position * t.row_stride + i * t.column_stride;
    cos[i] = TableValue(t.cos, t.format, at);
    sin[i] = TableValue(t.sin, t.format, at);
  }
  return {cos, sin};
}

}  // namespace simdrope::impl
