#include "exec/norm_rows.h"

#include <algorithm>

#include "core/format.h"

namespace simdrope::impl {
namespace {

size_t Padded(int32_t head_dim) {
  return (static_cast<size_t>(head_dim) + kTileGranule - 1) / kTileGranule * kTileGranule;
}

bool ReadsWeight(const simdrope_norm& norm) {
  return norm.weight != nullptr && norm.weight_format == SIMDROPE_F32 && norm.weight_offset == 0.0f;
}

// Other norms have none that is read.
bool ReadsBias(const simdrope_norm& norm) {
  return norm.type != SIMDROPE_NORM_LAYER || (norm.bias != nullptr && norm.weight_format == SIMDROPE_F32);
}

}  // namespace

size_t NormRows::FloatsFor(const Plan& plan) {
  const bool all_are_read = std::all_of(plan.operands, plan.operands + plan.count, [](const Operand& o) {
    const simdrope_norm& norm = o.stages.norm;
    return norm.type == SIMDROPE_NORM_NONE || (ReadsWeight(norm) && ReadsBias(norm));
  });
  return all_are_read ? 0 : 2 * Padded(plan.head_dim);
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
  const float* weight = RowAt(norm_->weight, norm_->weight_offset, 1.0f, reads_weight_, head, scratch_);
  float* const bias_scratch = reads_bias_ ? nullptr : scratch_ + Padded(plan_.head_dim);
  const float* bias = RowAt(norm_->bias, 0.0f, 0.0f, reads_bias_, head, bias_scratch);
  return {weight, bias, static_cast<ptrdiff_t>(norm_->weight_head_stride)};
}

const float* NormRows::RowAt(const void* values, float offset, float if_none, bool reads, int64_t head,
                             float* scratch) {
  const ptrdiff_t at = head * norm_->weight_head_stride;
  if (reads) return values == nullptr ? nullptr : static_cast<const float*>(values) + at;
  const auto head_dim = static_cast<size_t>(plan_.head_dim);
  if (values == nullptr) {
    std::fill_n(scratch, head_dim, if_none);
    return scratch;
  }
  const char* row = static_cast<const char*>(values) + at * SizeOf(norm_->weight_format);
  plan_.kernels->tile.load[norm_->weight_format]({row, 0, nullptr, nullptr, 0, 0},
                                                 {scratch, 1, head_dim, Padded(plan_.head_dim)});
  for (size_t i = 0; i < head_dim; ++i) scratch[i] += offset;
  return scratch;
}

}  // namespace simdrope::impl
