// simdrope_compute_cos_sin and simdrope_cache_*.
#include <new>

#include "angle/rope.h"
#include "api/checks.h"
#include "core/checked.h"
#include "core/format.h"
#include "exec/cache.h"
#include "exec/compute.h"
#include "exec/positions.h"

namespace simdrope::impl {
namespace {

simdrope_status CheckDestination(const char* name, const simdrope_table& t, int32_t pairs, int64_t batch, int64_t seq,
                                 bool shared) {
  SIMDROPE_TRY(CheckTable(name, t, pairs, batch, false));
  if (t.heads > 1) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s.heads = %lld; the rows of one head are computed at a time", name,
                static_cast<long long>(t.heads));
  }
  if (t.rows < seq) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s has %lld rows, but there are %lld tokens", name,
                static_cast<long long>(t.rows), static_cast<long long>(seq));
  }
  if (!shared && t.batches != batch) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s.batches = %lld, but positions differ among the %lld batch entries", name,
                static_cast<long long>(t.batches), static_cast<long long>(batch));
  }
  int64_t width, bytes;
  if (t.copy_stride < 0 || !CheckedMul(t.copies - 1, t.copy_stride, &width) ||
      !CheckedAdd(width, (pairs - 1) * t.column_stride + 1, &width) || !CheckedMul(width, 4, &bytes)) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s.copies = %d with copy_stride = %lld must fit the address range", name,
                t.copies, static_cast<long long>(t.copy_stride));
  }
  if (seq > 1 && t.row_stride < width) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s.row_stride = %lld makes rows of %lld elements overlap", name,
                static_cast<long long>(t.row_stride), static_cast<long long>(width));
  }
  return SIMDROPE_OK;
}

simdrope_status ComputeChecked(const simdrope_rope& rope, const simdrope_positions& positions, int64_t batch,
                               int64_t seq, const simdrope_cos_sin_output& output, const simdrope_options& options) {
  const Kernels* kernels;
  SIMDROPE_TRY(FindKernels(&kernels));
  SIMDROPE_TRY(CheckThreads(options));
  int64_t tokens;
  if (batch < 0 || seq < 0 || !CheckedMul(batch, seq, &tokens)) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "batch = %lld and seq = %lld must be >= 0 and their product fit",
                static_cast<long long>(batch), static_cast<long long>(seq));
  }
  SIMDROPE_TRY(CheckPositions(positions, batch, seq));
  SIMDROPE_TRY(CheckReach(rope, positions, batch, seq, true, true));
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
  simdrope_cos_sin_output written = output;
  if (!rope.has_xpos()) written.key_table = SIMDROPE_TABLE_INIT;
  if (!rope.has_temperature()) written.query_scale = nullptr;
  if (!positions.padding) written.padding = nullptr;
  SIMDROPE_TRY(CheckDestinations(written, seq, pairs));

  ComputeCosSin(*kernels, rope, positions, seq, output, options);
  return SIMDROPE_OK;
}

}  // namespace
}  // namespace simdrope::impl

using namespace simdrope::impl;

simdrope_status simdrope_compute_cos_sin(const simdrope_rope* rope, const simdrope_positions* positions, int64_t batch,
                                         int64_t seq, const simdrope_cos_sin_output* output,
                                         const simdrope_options* options) {
  SIMDROPE_TRY(CheckPointer("rope", rope));
  SIMDROPE_TRY(CheckPointer("positions", positions));
  SIMDROPE_TRY(CheckPointer("output", output));
  return ComputeChecked(*rope, *positions, batch, seq, *output, options != nullptr ? *options : kDefaultOptions);
}

simdrope_status simdrope_cache_create(const simdrope_rope* rope, simdrope_format format, simdrope_cache** cache) {
  if (rope == nullptr || cache == nullptr) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s is NULL", rope == nullptr ? "rope" : "cache");
  }
  SIMDROPE_TRY(CheckFloatFormat("cache", format));
  if (rope->summed_axes > 1) {
    return Fail(SIMDROPE_UNSUPPORTED, "angles that are sums over %d axes have no table of positions", rope->axes);
  }
  simdrope_cache* made = new (std::nothrow) simdrope_cache(const_cast<simdrope_rope*>(rope), format);
  if (made == nullptr) return Fail(SIMDROPE_OUT_OF_MEMORY, "no memory for a cache");
  *cache = made;
  return SIMDROPE_OK;
}

void simdrope_cache_release(simdrope_cache* cache) { delete cache; }

simdrope_status simdrope_cache_rows(simdrope_cache* cache, int64_t rows, simdrope_cos_sin* view) {
  if (cache == nullptr || view == nullptr) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s is NULL", cache == nullptr ? "cache" : "view");
  }
  return cache->Rows(rows, view);
}
