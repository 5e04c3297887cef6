#include "exec/compute.h"

#include <algorithm>
#include <cstring>

#include "angle/rope.h"
#include "core/half.h"
#include "core/status.h"
#include "core/tensor.h"
#include "exec/parallel.h"
#include "exec/rows.h"

namespace simdrope::impl {
namespace {

// Tokens that are computed together, so that neighbouring tasks do not share a cache line.
constexpr int64_t kGrain = 16;

void* ElementAt(void* data, simdrope_format format, int64_t index) {
  return static_cast<char*>(data) + index * static_cast<int64_t>(SizeOf(format));
}

void Scatter(const Kernels& kernels, const float* values, int32_t pairs, const simdrope_table& t, void* destination) {
  uint32_t converted[SIMDROPE_MAX_PAIRS];
  kernels.copy[SIMDROPE_F32][t.format](values, converted, static_cast<size_t>(pairs), 1.0f);
  const size_t size = SizeOf(t.format);
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
  float natural[2 * SIMDROPE_MAX_PAIRS];
  ComputeRows(kernels, rope, tokens, side, 1, 0, natural, natural + pairs);
  Scatter(kernels, natural, pairs, t, cos);
  Scatter(kernels, natural + pairs, pairs, t, sin);
}

simdrope_status CheckDestination(const char* name, const simdrope_table& t, int32_t pairs, int64_t batch, int64_t seq,
                                 bool shared) {
  SIMDROPE_TRY(CheckTable(name, t, pairs, batch));
  if (t.rows < seq) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s has %lld rows, but there are %lld tokens", name,
                static_cast<long long>(t.rows), static_cast<long long>(seq));
  }
  if (!shared && t.batches != batch) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s.batches = %lld, but positions differ among the %lld batch entries", name,
                static_cast<long long>(t.batches), static_cast<long long>(batch));
  }
  const int64_t width = (pairs - 1) * t.column_stride + (t.copies - 1) * t.copy_stride + 1;
  if (t.copy_stride < 0 || (seq > 1 && t.row_stride < width)) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s.row_stride = %lld makes rows of %lld elements overlap", name,
                static_cast<long long>(t.row_stride), static_cast<long long>(width));
  }
  return SIMDROPE_OK;
}

}  // namespace

simdrope_status ComputeCosSin(const simdrope_rope& rope, const simdrope_positions& positions, int64_t batch,
                              int64_t seq, const simdrope_cos_sin_output& output, const simdrope_options& options) {
  const Kernels* kernels;
  SIMDROPE_TRY(FindKernels(&kernels));
  SIMDROPE_TRY(CheckThreads(options));
  int64_t tokens;
  if (batch < 0 || seq < 0 || __builtin_mul_overflow(batch, seq, &tokens)) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "batch = %lld and seq = %lld must be >= 0 and their product fit",
                static_cast<long long>(batch), static_cast<long long>(seq));
  }
  SIMDROPE_TRY(CheckPositions(positions, batch, seq));
  SIMDROPE_TRY(CheckReach(rope, positions, batch, seq));
  if (tokens == 0) return SIMDROPE_OK;
  const int32_t pairs = rope.window.pairs();
  const bool shared = IsSharedByBatch(positions);
  SIMDROPE_TRY(CheckDestination("output.table", output.table, pairs, batch, seq, shared));
  if (rope.has_xpos()) {
    SIMDROPE_TRY(CheckDestination("output.key_table", output.key_table, pairs, batch, seq, shared));
    if (output.key_table.batches != output.table.batches) {
      return Fail(SIMDROPE_INVALID_ARGUMENT, "output.key_table.batches = %lld, but output.table.batches = %lld",
                  static_cast<long long>(output.key_table.batches), static_cast<long long>(output.table.batches));
    }
  }
  if (rope.has_temperature() && output.query_scale == nullptr) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "output.query_scale is NULL, but the rope scales queries by position");
  }
  if (positions.padding && output.padding == nullptr) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "output.padding is NULL, but positions declare padding");
  }

  const int64_t count = output.table.batches * seq;
  ForRanges(options, count, kGrain, count * pairs * 64, [&](Range range) {
    TokenPositions position(positions);
    int64_t together = 1;
    for (int64_t t = range.begin; t < range.end; t += together) {
      const int64_t b = t / seq;
      const int64_t s = t % seq;
      position.MoveTo(b, s);
      together = IsComputedInPlace(output.table) ? RowsTogether(rope, position, std::min(range.end - t, seq - s)) : 1;
      FillRows(*kernels, rope, position, Side::kQuery, together, output.table, b, s);
      if (rope.has_xpos()) FillRows(*kernels, rope, position, Side::kKey, 1, output.key_table, b, s);
      for (int64_t r = 0; r < together; ++r) {
        position.MoveTo(b, s + r);
        const int64_t row = b * output.table.rows + s + r;
        if (rope.has_temperature()) output.query_scale[row] = QueryScaleOf(rope, position);
        if (positions.padding) output.padding[row] = position.is_padding();
      }
    }
  });
  return SIMDROPE_OK;
}

}  // namespace simdrope::impl
