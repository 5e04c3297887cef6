#include "exec/compute.h"

#include <algorithm>
#include <cstring>

#include "angle/rope.h"
#include "core/format.h"
#include "exec/cos_sin_rows.h"
#include "exec/floating_point.h"
#include "exec/parallel.h"

namespace simdrope::impl {
namespace {

// Tokens that are computed together, so that neighbouring tasks do not share a cache line.
constexpr int64_t kGrain = 16;

void* ElementAt(void* data, simdrope_format format, int64_t index) {
  return static_cast<char*>(data) + index * SizeOf(format);
}

void Scatter(const Kernels& kernels, const float* values, int32_t pairs, const simdrope_table& t, void* destination) {
  uint32_t converted[SIMDROPE_MAX_PAIRS];
  const size_t count = static_cast<size_t>(pairs);
  kernels.tile.store[t.format]({const_cast<float*>(values), 1, count, TileStride(count)},
                               {converted, 0, nullptr, nullptr, 0, 0, false});
  const size_t size = static_cast<size_t>(SizeOf(t.format));
  for (int32_t c = 0; c < t.copies; ++c) {
    for (int32_t i = 0; i < pairs; ++i) {
      std::memcpy(ElementAt(destination, t.format, i * t.column_stride + c * t.copy_stride),
                  reinterpret_cast<const char*>(converted) + static_cast<size_t>(i) * size, size);
    }
  }
}

bool IsComputedInPlace(const simdrope_table& t) {
  return t.format == SIMDROPE_F32 && t.column_stride == 1 && t.copies == 1;
}

void FillRows(const Kernels& kernels, const simdrope_rope& rope, const TokenPositions& tokens, Side side, int64_t rows,
              const simdrope_table& t, int64_t b, int64_t s) {
  const int32_t pairs = rope.window.pairs();
  const int64_t at = b * t.batch_stride + s * t.row_stride;
  void* cos = ElementAt(t.cos, t.format, at);
  void* sin = ElementAt(t.sin, t.format, at);
  if (IsComputedInPlace(t)) {
    ComputeRows(kernels, rope, tokens, side, rows, t.row_stride, static_cast<float*>(cos), static_cast<float*>(sin));
    return;
  }
  alignas(kTileAlignment) float cos_row[SIMDROPE_MAX_PAIRS] = {};
  alignas(kTileAlignment) float sin_row[SIMDROPE_MAX_PAIRS] = {};
  ComputeRows(kernels, rope, tokens, side, 1, 0, cos_row, sin_row);
  Scatter(kernels, cos_row, pairs, t, cos);
  Scatter(kernels, sin_row, pairs, t, sin);
}

}  // namespace

void ComputeCosSin(const Kernels& kernels, const simdrope_rope& rope, const simdrope_positions& positions, int64_t seq,
                   const simdrope_cos_sin_output& output, const simdrope_options& options) {
  const int32_t pairs = rope.window.pairs();
  const int64_t count = output.table.batches * seq;
  const Split split{options.threads, options.slice_index, options.slice_count};
  ForRanges(split, count, kGrain, count * pairs * 64, [&](Range range) {
    const DefaultFloatingPoint mode;
    TokenPositions position(positions);
    int64_t together = 1;
    for (int64_t t = range.begin; t < range.end; t += together) {
      const int64_t b = t / seq;
      const int64_t s = t % seq;
      position.MoveTo(b, s);
      together = IsComputedInPlace(output.table) ? RowsTogether(rope, position, std::min(range.end - t, seq - s)) : 1;
      FillRows(kernels, rope, position, Side::kQuery, together, output.table, b, s);
      if (rope.has_xpos()) FillRows(kernels, rope, position, Side::kKey, 1, output.key_table, b, s);
      for (int64_t r = 0; r < together; ++r) {
        position.MoveTo(b, s + r);
        const int64_t row = b * output.table.rows + s + r;
        if (rope.has_temperature()) output.query_scale[row] = QueryScaleOf(rope, position);
        if (positions.padding) output.padding[row] = position.is_padding();
      }
    }
  });
}

}  // namespace simdrope::impl
