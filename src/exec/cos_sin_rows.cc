#include "exec/cos_sin_rows.h"

#include <algorithm>
#include <cmath>

#include "angle/phase.h"
#include "angle/rope.h"
#include "core/format.h"
#include "core/half.h"
#include "core/noinline.h"

namespace simdrope::impl {
namespace {

constexpr double kTurnsPerRadian = 0.15915494309189533577;

// Results of rows that are computed together stay in the first-level cache: 32 rows of 64 pairs are 16 KB.
constexpr int64_t kMaxPairsTogether = 2048;

// Of a block whose rows are read where they are.
constexpr int64_t kTokensInPlace = 24;

float TableValue(const void* data, simdrope_format format, int64_t index) {
  switch (format) {
    case SIMDROPE_F16: return ToFloat(static_cast<const F16*>(data)[index]);
    case SIMDROPE_BF16: return ToFloat(static_cast<const Bf16*>(data)[index]);
    default: return static_cast<const float*>(data)[index];
  }
}

// `count` consecutive elements as floats; by a tile's load where that fills nothing beyond them.
void LoadRow(const Kernels& kernels, simdrope_format format, const void* data, size_t count, float* out) {
  if (count % kTileGranule == 0 && reinterpret_cast<uintptr_t>(out) % kTileAlignment == 0) {
    kernels.tile.load[format]({data, 0, nullptr, nullptr, 0, 0}, {out, 1, count, count});
    return;
  }
  for (size_t i = 0; i < count; ++i) out[i] = TableValue(data, format, static_cast<int64_t>(i));
}

// A chunk to the 16-bit format in which a precision other than exact computes, and back.
void RoundChunk(const Kernels& kernels, simdrope_precision precision, float* values) {
  if (precision == SIMDROPE_PRECISION_FLOAT32) return;
  const simdrope_format format = precision == SIMDROPE_PRECISION_BF16_POSITIONS ? SIMDROPE_BF16 : SIMDROPE_F16;
  uint16_t rounded[kCosSinChunk];
  const Tile tile{values, 1, kCosSinChunk, kCosSinChunk};
  kernels.tile.store[format](tile, {rounded, 0, nullptr, nullptr, 0, 0, false});
  kernels.tile.load[format]({rounded, 0, nullptr, nullptr, 0, 0}, tile);
}

float RoundPosition(simdrope_precision precision, float position) {
  switch (precision) {
    case SIMDROPE_PRECISION_BF16_POSITIONS: return RoundToBf16(position);
    case SIMDROPE_PRECISION_F16_POSITIONS: return RoundToF16(position);
    default: return position;
  }
}

const void* ElementAt(const void* data, simdrope_format format, int64_t index) {
  return static_cast<const char*>(data) + index * SizeOf(format);
}

// cos and sin of `pairs` pairs from pair `first` on, at most kCosSinChunk.
struct Chunk {
  const simdrope_rope& rope;
  size_t first;
  size_t pairs;
};

PhaseRows RowsOf(const Chunk& c, int64_t position, int64_t rows, ptrdiff_t stride) {
  return {c.rope.phase_step.get() + c.first,
          c.rope.phase_rest.get() + c.first,
          position,
          RestPosition(position),
          nullptr,
          static_cast<size_t>(rows),
          stride};
}

// Of several axes, of which each pair has one.
SIMDROPE_NOINLINE void ComputePhasesOfAxes(const Kernels& kernels, const Chunk& c, const TokenPositions& tokens,
                                           const Magnitude& magnitude, int64_t rows, ptrdiff_t stride, float* cos,
                                           float* sin) {
  int64_t position[SIMDROPE_MAX_AXES], to_next[SIMDROPE_MAX_AXES];
  for (int32_t a = 0; a < c.rope.axes; ++a) {
    position[a] = tokens.on_axis(a);
    to_next[a] = rows > 1 ? tokens.ToNext(a) : 0;
  }
  PairPositions pairs;
  for (size_t i = 0; i < kCosSinChunk; ++i) {
    const int32_t axis = i < c.pairs ? c.rope.pair_axis[c.first + i] : 0;
    pairs.position[i] = position[axis];
    pairs.real_position[i] = RestPosition(position[axis]);
    pairs.to_next[i] = to_next[axis];
    pairs.real_to_next[i] = static_cast<double>(to_next[axis]);
  }
  PhaseRows phases = RowsOf(c, 0, rows, stride);
  phases.pairs = &pairs;
  kernels.cos_sin_of_phases(phases, magnitude, c.pairs, cos, sin);
}

// One row, each pair turned by all axes: the phases are added up here, and taken at position 1.
SIMDROPE_NOINLINE void ComputeSumsOfPhases(const Kernels& kernels, const Chunk& c, const TokenPositions& tokens,
                                           const Magnitude& magnitude, float* cos, float* sin) {
  uint64_t sum[kCosSinChunk] = {};
  double sum_of_rests[kCosSinChunk] = {};
  const auto pairs = static_cast<size_t>(c.rope.window.pairs());
  for (int32_t a = 0; a < c.rope.summed_axes; ++a) {
    const int64_t on_axis = tokens.on_axis(a);
    const size_t begin = static_cast<size_t>(a) * pairs + c.first;
    for (size_t i = 0; i < c.pairs; ++i) {
      sum[i] += static_cast<uint64_t>(on_axis) * c.rope.phase_step[begin + i];
      sum_of_rests[i] += RestPosition(on_axis) * c.rope.phase_rest[begin + i];
    }
  }
  PhaseRows phases = RowsOf(c, 1, 1, 0);
  phases.phase_step = sum;
  phases.phase_rest = sum_of_rests;
  kernels.cos_sin_of_phases(phases, magnitude, c.pairs, cos, sin);
}

void ComputePhases(const Kernels& kernels, const Chunk& c, const TokenPositions& tokens, const Magnitude& magnitude,
                   int64_t rows, ptrdiff_t stride, float* cos, float* sin) {
  if (c.rope.summed_axes > 1) {
    ComputeSumsOfPhases(kernels, c, tokens, magnitude, cos, sin);
  } else if (c.rope.axes > 1) {
    ComputePhasesOfAxes(kernels, c, tokens, magnitude, rows, stride, cos, sin);
  } else {
    kernels.cos_sin_of_phases(RowsOf(c, tokens.on_axis(0), rows, stride), magnitude, c.pairs, cos, sin);
  }
}

SIMDROPE_NOINLINE void ComputeTurns(const Kernels& kernels, const Chunk& c, const double* on_axis,
                                    const Magnitude& magnitude, float* cos, float* sin) {
  double turns[kCosSinChunk] = {};
  const auto pairs = static_cast<size_t>(c.rope.window.pairs());
  for (int32_t a = 0; c.rope.summed_axes > 1 && a < c.rope.summed_axes; ++a) {
    const double* inv_freq = &c.rope.inv_freq[static_cast<size_t>(a) * pairs + c.first];
    for (size_t i = 0; i < c.pairs; ++i) turns[i] += on_axis[a] * inv_freq[i] * kTurnsPerRadian;
  }
  for (size_t i = 0; i < c.pairs && c.rope.summed_axes == 1; ++i) {
    const size_t pair = c.first + i;
    turns[i] = on_axis[c.rope.pair_axis[pair]] * c.rope.inv_freq[pair] * kTurnsPerRadian;
  }
  kernels.cos_sin_of_turns(turns, magnitude, c.pairs, cos, sin);
}

// As PyTorch models: cos and sin are rounded to float, and then multiplied by the magnitude in float.
SIMDROPE_NOINLINE void ComputeRounded(const Kernels& kernels, const Chunk& c, const double* on_axis,
                                      const Magnitude& magnitude, float* cos, float* sin) {
  float position[SIMDROPE_MAX_AXES];
  alignas(64) float radians[kCosSinChunk] = {};
  for (int32_t a = 0; a < c.rope.axes; ++a) {
    position[a] = RoundPosition(c.rope.precision, static_cast<float>(on_axis[a]));
  }
  for (size_t i = 0; i < c.pairs; ++i) {
    const size_t pair = c.first + i;
    radians[i] = position[c.rope.pair_axis[pair]] * c.rope.float_inv_freq[pair];
  }
  RoundChunk(kernels, c.rope.precision, radians);
  kernels.cos_sin_of_radians(radians, {1.0, nullptr}, c.pairs, cos, sin);
  if (magnitude.factor == 1 && magnitude.pair_factor == nullptr) return;
  for (size_t i = 0; i < c.pairs; ++i) {
    const double pair_factor = magnitude.pair_factor != nullptr ? magnitude.pair_factor[i] : 1.0;
    const auto factor = static_cast<float>(magnitude.factor * pair_factor);
    cos[i] *= factor;
    sin[i] *= factor;
  }
}

}  // namespace

float QueryScaleOf(const simdrope_rope& rope, const TokenPositions& tokens) {
  return rope.has_temperature() ? static_cast<float>(QueryScale(rope, tokens.real_on_axis(0))) : 1.0f;
}

int64_t RowsTogether(const simdrope_rope& rope, const TokenPositions& tokens, int64_t most) {
  const bool are_phases = rope.precision == SIMDROPE_PRECISION_EXACT && !tokens.is_real();
  most = std::min<int64_t>(most, kMaxPairsTogether / std::max(1, rope.window.pairs()));
  if (!are_phases || rope.has_xpos() || rope.summed_axes > 1 || most < 2) return 1;
  if (rope.axes == 1 && tokens.ToNext(0) != 1) return 1;
  most = tokens.CountAlike(rope.axes, most);
  // The part of the angle that is left out from kMaxRestPosition on is not to depend on where rows begin.
  const auto has_rest = [](int64_t position) { return position >= -kMaxRestPosition && position <= kMaxRestPosition; };
  for (int32_t a = 0; a < rope.axes; ++a) {
    const int64_t first = tokens.on_axis(a);
    const int64_t to_next = tokens.ToNext(a);
    if (!has_rest(first) || !has_rest(to_next) || !has_rest(first + (most - 1) * to_next)) return 1;
  }
  return most;
}

void ComputeRows(const Kernels& kernels, const simdrope_rope& rope, const TokenPositions& tokens, Side side,
                 int64_t rows, ptrdiff_t stride, float* cos, float* sin) {
  const size_t pairs = static_cast<size_t>(rope.window.pairs());
  const bool is_exact = rope.precision == SIMDROPE_PRECISION_EXACT;
  const bool are_phases = is_exact && !tokens.is_real();
  double on_axis[SIMDROPE_MAX_AXES] = {};
  if (!are_phases || rope.has_xpos()) {
    for (int32_t a = 0; a < rope.axes; ++a) on_axis[a] = tokens.real_on_axis(a);
  }
  double pair_factor[kCosSinChunk];
  for (size_t first = 0; first < pairs; first += kCosSinChunk) {
    const Chunk chunk{rope, first, std::min(kCosSinChunk, pairs - first)};
    Magnitude magnitude{rope.attention_factor, nullptr};
    if (rope.has_xpos()) {
      for (size_t i = 0; i < kCosSinChunk; ++i) {
        const size_t pair = std::min(first + i, pairs - 1);
        const double distance = (on_axis[rope.pair_axis[pair]] - rope.xpos_center) / rope.xpos_scale_base;
        pair_factor[i] = std::exp2((side == Side::kQuery ? distance : -distance) * rope.log2_zeta[pair]);
      }
      magnitude.pair_factor = pair_factor;
    }
    if (are_phases) {
      ComputePhases(kernels, chunk, tokens, magnitude, rows, stride, cos + first, sin + first);
    } else if (is_exact) {
      ComputeTurns(kernels, chunk, on_axis, magnitude, cos + first, sin + first);
    } else {
      ComputeRounded(kernels, chunk, on_axis, magnitude, cos + first, sin + first);
    }
  }
}

size_t CosSinRows::FloatsFor(const Plan& plan) {
  constexpr size_t kFew = 2048, kFewBesideTile = 1280, kMany = 2816;
  // A full-width row of the widest head, and the plain one that it is gathered from.
  constexpr size_t kWide = 6 * SIMDROPE_MAX_PAIRS;
  if (plan.window.columns() > 256) return kWide;
  // Where the tokens of a head follow each other (BHSD), each head takes all rows of a block in turn: larger blocks are
  // faster there, and only there.
  const bool by_heads = std::any_of(plan.operands, plan.operands + plan.count,
                                    [](const Operand& o) { return o.rotates && !o.token_major; });
  if (by_heads) return kMany;
  const bool has_tile =
      std::any_of(plan.operands, plan.operands + plan.count, [](const Operand& o) { return o.road == Road::kTile; });
  return has_tile ? kFewBesideTile : kFew;
}

CosSinRows::CosSinRows(const Plan& plan, const simdrope_run& run, const simdrope_positions& positions, float* scratch,
                       size_t scratch_floats)
    : plan_(plan),
      run_(run),
      source_(*plan.cos_sin),
      kernels_(*plan.kernels),
      pairs_(plan.window.pairs()),
      columns_(plan.window.columns()),
      has_identity_rows_(plan.output_pairing != plan.window.pairing),
      tokens_(positions),
      scratch_(scratch),
      scratch_floats_(scratch_floats) {
  scales_queries_ =
      is_streamed() ? source_.rope != nullptr && source_.rope->has_temperature() : run.query_scale != nullptr;
  rotates_all_ = !scales_queries_ && !positions.padding &&
                 (is_streamed() || (run.padding == nullptr && source_.out_of_range == SIMDROPE_REJECT));
  if (plan.window.full_width && source_.source != SIMDROPE_TABLE && source_.rope != nullptr) {
    element_pair_ = source_.rope->element_pair.get();
  }
  gathers_ = plan.window.full_width && (element_pair_ != nullptr || plan.window.pairing == SIMDROPE_INTERLEAVED);
  if (!is_streamed() && source_.pair_axis != nullptr) {
    for (int32_t i = 0; i < pairs_; ++i) axes_ = std::max(axes_, source_.pair_axis[i] + 1);
    if (axes_ > 1) has_identity_rows_ = true;
  }
  has_one_row_ = plan.swapped && IsSharedByBatch(positions) && positions.cu_seqlens == nullptr &&
                 (is_streamed() || (source_.table.batches == 1 && TableOf(Side::kKey).batches == 1));
  takes_no_scratch_ = TakeNoScratch();
}

int64_t CosSinRows::TokensInBlock(int64_t left) const {
  if (left == 1 || pairs_ == 0 || has_one_row_) return std::min(left, kMaxTokensInBlock);
  if (takes_no_scratch_) return std::min(left, kTokensInPlace);
  const int64_t floats = static_cast<int64_t>(scratch_floats_) - (gathers_ ? 2 * pairs_ : 0);
  return std::min<int64_t>({left, kMaxTokensInBlock, floats / (2 * columns_)});
}

void CosSinRows::MoveTo(int64_t t) {
  batch_ = plan_.swapped ? s_ + t : b_;
  tokens_.MoveTo(batch_, plan_.swapped ? b_ : s_ + t);
}

void CosSinRows::Begin(int64_t b, int64_t s, int64_t tokens) {
  b_ = b;
  s_ = s;
  count_ = tokens;
  has_block_ = false;
  for (int64_t t = 0; t < tokens && !rotates_all_; ++t) {
    MoveTo(t);
    action_[t] = ActionOfToken();
    query_scale_[t] = scales_queries_ ? QueryScaleOfToken() : 1.0f;
  }
}

TokenAction CosSinRows::ActionOfToken() const {
  if (tokens_.is_padding()) return TokenAction::kSkip;
  if (is_streamed()) return TokenAction::kRotate;
  for (int32_t a = 0; a < axes_; ++a) {
    if (HasRow(tokens_.on_axis(a))) continue;
    if (source_.out_of_range == SIMDROPE_SKIP) return TokenAction::kSkip;
    return has_identity_rows_ ? TokenAction::kRotate : TokenAction::kCopy;
  }
  if (run_.padding != nullptr && run_.padding[RowNumber()] != 0) return TokenAction::kSkip;
  return TokenAction::kRotate;
}

int64_t CosSinRows::RowNumber() const {
  const int64_t entry = source_.table.batches == 1 ? 0 : batch_;
  return entry * source_.table.rows + tokens_.on_axis(0);
}

float CosSinRows::QueryScaleOfToken() const {
  if (is_streamed()) return QueryScaleOf(*source_.rope, tokens_);
  return HasRow(tokens_.on_axis(0)) ? run_.query_scale[RowNumber()] : 1.0f;
}

bool CosSinRows::HasKeyRows() const { return is_streamed() ? source_.rope->has_xpos() : run_.key_cos != nullptr; }

const simdrope_table& CosSinRows::TableOf(Side side) const {
  return side == Side::kKey && run_.key_cos != nullptr ? source_.key_table : source_.table;
}
const void* CosSinRows::CosOf(Side side) const {
  return side == Side::kKey && run_.key_cos != nullptr ? run_.key_cos : run_.cos;
}
const void* CosSinRows::SinOf(Side side) const {
  return side == Side::kKey && run_.key_cos != nullptr ? run_.key_sin : run_.sin;
}

// Which column of the source a column of a row takes.
int32_t CosSinRows::SourceColumn(int32_t column) const {
  if (element_pair_ != nullptr) return element_pair_[column];
  if (!gathers_) return column;
  return column < pairs_ ? 2 * column : 2 * (column - pairs_) + 1;
}

bool CosSinRows::AreInPlace(Side side) const {
  const simdrope_table& t = TableOf(side);
  return !is_streamed() && t.format == SIMDROPE_F32 && t.column_stride == 1 && !gathers_ && axes_ == 1 &&
         run_.ids == nullptr && run_.offsets == nullptr && run_.cu_seqlens == nullptr &&
         source_.out_of_range == SIMDROPE_REJECT;
}

// Whether For never takes scratch.
bool CosSinRows::TakeNoScratch() const {
  if (!rotates_all_ || plan_.magnitude != 1.0f || plan_.inverse || plan_.row_heads > 1) return false;
  return std::all_of(plan_.operands, plan_.operands + plan_.count, [this](const Operand& o) {
    return !o.rotates || (AreInPlace(o.side) && !o.canonical_nans && !(o.folds_scale && o.stages.scale != 1.0f));
  });
}

bool CosSinRows::FindInPlace(Side side, CosSinBlock* rows) const {
  if (!AreInPlace(side)) return false;
  const simdrope_table& t = TableOf(side);
  const int64_t batch_stride = t.batches == 1 ? 0 : t.batch_stride;
  const int64_t b = plan_.swapped ? s_ : b_;
  const int64_t s = plan_.swapped ? b_ : s_;
  const int64_t at = b * batch_stride + (run_.start + s) * t.row_stride;
  rows->cos = static_cast<const float*>(CosOf(side)) + at;
  rows->sin = static_cast<const float*>(SinOf(side)) + at;
  // A single row's stride may be anything.
  rows->stride = count_ < 2 ? 0 : static_cast<ptrdiff_t>(plan_.swapped ? batch_stride : t.row_stride);
  return true;
}

// Rows of up to `most` tokens from token t on; returns of how many. Several are 2 * columns floats apart. `scratch` has
// room for that many.
int64_t CosSinRows::Fetch(Side side, int64_t t, int64_t most, float* scratch, const float** cos, const float** sin) {
  MoveTo(t);
  float* own_cos = scratch;
  float* own_sin = scratch + columns_;
  *cos = own_cos;
  *sin = own_sin;
  if (is_streamed()) {
    const int64_t rows = plan_.swapped || gathers_ ? 1 : RowsTogether(*source_.rope, tokens_, most);
    if (rows == 1 && action(t) != TokenAction::kRotate) return 1;
    if (gathers_) {
      float* const of_pairs = scratch_ + scratch_floats_ - 2 * pairs_;
      ComputeRows(kernels_, *source_.rope, tokens_, side, 1, 0, of_pairs, of_pairs + pairs_);
      for (int32_t i = 0; i < columns_; ++i) {
        own_cos[i] = of_pairs[element_pair_[i]];
        own_sin[i] = of_pairs[pairs_ + element_pair_[i]];
      }
      return 1;
    }
    ComputeRows(kernels_, *source_.rope, tokens_, side, rows, 2 * columns_, own_cos, own_sin);
    return rows;
  }
  if (action(t) != TokenAction::kRotate) return 1;
  const simdrope_table& table = TableOf(side);
  const int64_t entry = (table.batches == 1 ? 0 : batch_ * table.batch_stride) + row_head_ * table.head_stride;
  if (axes_ == 1 && table.column_stride == 1 && !gathers_ && HasRow(tokens_.on_axis(0))) {
    const int64_t at = entry + tokens_.on_axis(0) * table.row_stride;
    const void* table_cos = ElementAt(CosOf(side), table.format, at);
    const void* table_sin = ElementAt(SinOf(side), table.format, at);
    if (table.format == SIMDROPE_F32) {
      *cos = static_cast<const float*>(table_cos);
      *sin = static_cast<const float*>(table_sin);
    } else {
      LoadRow(kernels_, table.format, table_cos, static_cast<size_t>(columns_), own_cos);
      LoadRow(kernels_, table.format, table_sin, static_cast<size_t>(columns_), own_sin);
    }
    return 1;
  }
  for (int32_t i = 0; i < columns_; ++i) {
    const int32_t column = SourceColumn(i);
    const int32_t pair = element_pair_ != nullptr ? column : i < pairs_ ? i : i - pairs_;
    const int64_t position = tokens_.on_axis(axes_ == 1 ? 0 : source_.pair_axis[pair]);
    if (!HasRow(position)) {
      own_cos[i] = source_.source == SIMDROPE_TABLE ? 1.0f / source_.magnitude : 1.0f;
      own_sin[i] = 0.0f;
      continue;
    }
    const int64_t at = entry + position * table.row_stride + column * table.column_stride;
    own_cos[i] = TableValue(CosOf(side), table.format, at);
    own_sin[i] = TableValue(SinOf(side), table.format, at);
  }
  return 1;
}

float CosSinRows::FactorOf(const Operand& o, int64_t t) const {
  return (o.folds_scale ? scale(o, t) : 1.0f) * plan_.magnitude;
}

CosSinBlock CosSinRows::For(const Operand& o) {
  bool is_scaled = false;
  if (o.folds_scale) {
    is_scaled = o.stages.scale != 1.0f;
    for (int64_t t = 0; t < count_ && !rotates_all_ && !is_scaled; ++t) is_scaled = scale(o, t) != 1.0f;
  }
  if (has_block_ && block_is_plain_ && !is_scaled && !HasKeyRows() && block_is_canonical_ == o.canonical_nans) {
    return block_;
  }
  has_block_ = true;
  block_is_plain_ = !is_scaled;
  block_is_canonical_ = o.canonical_nans;
  const bool as_they_are = !is_scaled && plan_.magnitude == 1.0f && !plan_.inverse && !o.canonical_nans;
  if (as_they_are && FindInPlace(o.side, &block_)) return block_;
  const ptrdiff_t stride = 2 * columns_;
  const int64_t count = has_one_row_ ? 1 : count_;
  int64_t together = 1;
  for (int64_t t = 0; t < count; t += together) {
    float* own = scratch_ + stride * t;
    const float *cos, *sin;
    together = Fetch(o.side, t, count - t, own, &cos, &sin);
    for (int64_t r = 0; r < together && !(as_they_are && cos == own); ++r) {
      if (action(t + r) == TokenAction::kRotate) {
        kernels_.scale_cos_sin(cos + r * stride, sin + r * stride, static_cast<size_t>(columns_), FactorOf(o, t + r),
                               plan_.inverse, own + r * stride, own + r * stride + columns_);
      }
    }
  }
  block_ = {scratch_, scratch_ + columns_, has_one_row_ ? 0 : stride};
  return block_;
}

CosSinBlock CosSinRows::OfHeads(const Operand& o, int64_t t, int64_t row_head) {
  row_head_ = row_head;
  const float *cos, *sin;
  Fetch(o.side, t, 1, scratch_, &cos, &sin);
  const float factor = FactorOf(o, t);
  if (factor == 1.0f && !plan_.inverse) return {cos, sin, 0};
  kernels_.scale_cos_sin(cos, sin, static_cast<size_t>(columns_), factor, plan_.inverse, scratch_, scratch_ + columns_);
  return {scratch_, scratch_ + columns_, 0};
}

}  // namespace simdrope::impl
