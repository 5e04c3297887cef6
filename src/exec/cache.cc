#include "exec/cache.h"

#include <algorithm>
#include <new>

#include "core/checked.h"
#include "core/format.h"
#include "core/status.h"
#include "exec/compute.h"
#include "kernels/kernels.h"

using namespace simdrope::impl;

namespace {

constexpr int64_t kLeastRows = 256;

simdrope_status MakeBlock(const simdrope_rope& rope, simdrope_format format, int64_t rows,
                          std::unique_ptr<CacheBlock>* result) {
  const int32_t pairs = rope.window.pairs();
  const int64_t tables = rope.has_xpos() ? 4 : 2;
  const int64_t scales = rope.has_temperature() ? 1 : 0;
  const int64_t row_bytes = tables * pairs * SizeOf(format) + scales * int64_t{sizeof(float)};
  int64_t bytes;
  std::unique_ptr<CacheBlock> block(new (std::nothrow) CacheBlock);
  if (block != nullptr && CheckedMul(rows, row_bytes, &bytes)) {
    block->memory.reset(new (std::nothrow) char[static_cast<size_t>(bytes)]);
  }
  if (block == nullptr || block->memory == nullptr) {
    return Fail(SIMDROPE_OUT_OF_MEMORY, "no memory for a cache of rows = %lld, %lld bytes each",
                static_cast<long long>(rows), static_cast<long long>(row_bytes));
  }
  char* next = block->memory.get();
  const auto take = [&](int64_t count) {
    char* const at = next;
    next += count;
    return at;
  };
  simdrope_cos_sin_output output = SIMDROPE_COS_SIN_OUTPUT_INIT;
  if (scales != 0) output.query_scale = reinterpret_cast<float*>(take(rows * int64_t{sizeof(float)}));
  const auto take_table = [&] {
    simdrope_table table = SIMDROPE_TABLE_INIT;
    const int64_t table_bytes = rows * pairs * SizeOf(format);
    table.cos = take(table_bytes);
    table.sin = take(table_bytes);
    table.format = format;
    table.rows = rows;
    table.columns = pairs;
    table.row_stride = pairs;
    return table;
  };
  block->view.source = SIMDROPE_PREPARED;
  block->view.rope = &rope;
  if (rope.axes > 1) block->view.pair_axis = rope.pair_axis.get();
  output.table = take_table();
  if (rope.has_xpos()) output.key_table = take_table();
  const simdrope_positions from_zero = SIMDROPE_POSITIONS_INIT;
  const simdrope_options options = SIMDROPE_OPTIONS_INIT;
  const Kernels* kernels;
  SIMDROPE_TRY(FindKernels(&kernels));
  ComputeCosSin(*kernels, rope, from_zero, rows, output, options);
  block->view.table = output.table;
  block->view.key_table = output.key_table;
  block->view.query_scale = output.query_scale;
  *result = std::move(block);
  return SIMDROPE_OK;
}

}  // namespace

simdrope_status simdrope_cache::Rows(int64_t rows, simdrope_cos_sin* view) {
  if (rows < 0) return Fail(SIMDROPE_INVALID_ARGUMENT, "rows = %lld must be >= 0", static_cast<long long>(rows));
  const CacheBlock* block = current.load(std::memory_order_acquire);
  if (block == nullptr || block->view.table.rows < rows) {
    SIMDROPE_TRY(Grow(rows));
    block = current.load(std::memory_order_acquire);
  }
  *view = block->view;
  return SIMDROPE_OK;
}

// At least doubles, so that all blocks together take at most twice what the largest does.
simdrope_status simdrope_cache::Grow(int64_t rows) {
  const std::lock_guard<std::mutex> lock(growing);
  const int64_t have = largest != nullptr ? largest->view.table.rows : 0;
  if (largest != nullptr && have >= rows) return SIMDROPE_OK;  // another thread was first
  std::unique_ptr<CacheBlock> block;
  SIMDROPE_TRY(MakeBlock(*rope, format, std::max({rows, have <= INT64_MAX / 2 ? 2 * have : have, kLeastRows}), &block));
  block->smaller = std::move(largest);
  largest = std::move(block);
  current.store(largest.get(), std::memory_order_release);
  return SIMDROPE_OK;
}
