#include "exec/norm_rows.h"

#include <algorithm>

#include "core/format.h"

namespace simdrope::impl {
namespace {

bool ReadsWeight(const simdrope_norm& norm) {
  return norm.weight != nullptr && norm.weight_format == SIMDROPE_F32 && norm.weight_offset == 0.0f;
}

// Only layer norms have a bias.
bool ReadsBias(const simdrope_norm& norm) {
  return norm.type != SIMDROPE_NORM_LAYER || (norm.bias != nullptr && norm.weight_format == SIMDROPE_F32);
}

}  // namespace

size_t NormRows::FloatsFor(const Plan& plan) {
  const bool all_are_read = std::all_of(plan.operands, plan.operands + plan.count, [](const Operand& o) {
    const simdrope_norm& norm = o.stages.norm;
    return norm.type == SIMDROPE_NORM_NONE || (ReadsWeight(norm) && ReadsBias(norm));
  });
  return all_are_read ? 0 : 2 * TileStride(static_cast<size_t>(plan.head_dim));
}

void NormRows::Begin(const Operand& o) {
  most_heads_ = kTileHeads;
  norm_ = &o.stages.norm;
  if (norm_->type == SIMDROPE_NORM_NONE) return;
  reads_weight_ = ReadsWeight(*norm_);
  reads_bias_ = ReadsBias(*norm_);
  is_shared_ = false;
  if (norm_->weight_head_stride == 0) {
    shared_ = At(0);
    is_shared_ = true;
  } else if (!reads_weight_ || !reads_bias_) {
    most_heads_ = 1;
  }
}

NormWeights NormRows::At(int64_t head) {
  if (is_shared_) return shared_;
  const ptrdiff_t at = head * norm_->weight_head_stride;
  const float* weight = reads_weight_ ? static_cast<const float*>(norm_->weight) + at
                                      : Converted(norm_->weight, at, norm_->weight_offset, 1.0f, scratch_);
  const float* bias = nullptr;
  if (norm_->type == SIMDROPE_NORM_LAYER) {
    float* const row = scratch_ + TileStride(static_cast<size_t>(plan_.head_dim));
    bias = reads_bias_ ? static_cast<const float*>(norm_->bias) + at : Converted(norm_->bias, at, 0.0f, 0.0f, row);
  }
  return {weight, bias, static_cast<ptrdiff_t>(norm_->weight_head_stride)};
}

const float* NormRows::Converted(const void* values, ptrdiff_t at, float offset, float if_none, float* row) const {
  const auto head_dim = static_cast<size_t>(plan_.head_dim);
  if (values == nullptr) {
    std::fill_n(row, head_dim, if_none);
    return row;
  }
  const char* first = static_cast<const char*>(values) + at * SizeOf(norm_->weight_format);
  const Tile tile{row, 1, head_dim, TileStride(head_dim)};
  plan_.kernels->tile.load[norm_->weight_format]({first, 0, nullptr, nullptr, 0, 0}, tile);
  for (size_t i = 0; i < head_dim; ++i) row[i] += offset;
  return row;
}

}  // namespace simdrope::impl
