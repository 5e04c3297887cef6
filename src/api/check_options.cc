#include <cmath>

#include "api/checks.h"
#include "core/format.h"

namespace simdrope::impl {
namespace {

simdrope_status CheckHadamard(const char* operand, const char* field, int32_t width, int64_t head_dim) {
  const bool is_power = width >= 2 && (width & (width - 1)) == 0;
  if (width == 0 || (is_power && head_dim % width == 0)) return SIMDROPE_OK;
  return Fail(SIMDROPE_INVALID_ARGUMENT,
              "options.%s.%s = %d must be 0 or a power of two, at least 2, that divides head_dim = %lld", operand,
              field, width, static_cast<long long>(head_dim));
}

simdrope_status CheckNorm(const char* operand, const simdrope_norm& n, int64_t head_dim) {
  if (n.type < SIMDROPE_NORM_NONE || n.type > SIMDROPE_NORM_LAYER) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "options.%s.norm.type = %d is none of the simdrope_norm_type", operand,
                static_cast<int>(n.type));
  }
  if (n.type == SIMDROPE_NORM_NONE) return SIMDROPE_OK;
  SIMDROPE_TRY(CheckReserved("options.norm", n.reserved));
  if (!(n.eps >= 0) || !std::isfinite(n.eps)) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "options.%s.norm.eps = %g must be >= 0 and finite", operand,
                static_cast<double>(n.eps));
  }
  if (!std::isfinite(n.weight_offset)) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "options.%s.norm.weight_offset = %g must be finite", operand,
                static_cast<double>(n.weight_offset));
  }
  if (n.bias != nullptr && n.type != SIMDROPE_NORM_LAYER) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "options.%s.norm.bias is given, but only LAYER has one", operand);
  }
  if (n.weight == nullptr && n.bias == nullptr) return SIMDROPE_OK;
  SIMDROPE_TRY(CheckFloatFormat("options.norm.weight", n.weight_format));
  if (n.weight_head_stride == 0 || n.weight_head_stride >= head_dim) return SIMDROPE_OK;
  return Fail(SIMDROPE_INVALID_ARGUMENT,
              "options.%s.norm.weight_head_stride = %lld must be 0 (shared) or at least head_dim = %lld", operand,
              static_cast<long long>(n.weight_head_stride), static_cast<long long>(head_dim));
}

simdrope_status CheckStages(const char* operand, const simdrope_stages& stages, int64_t head_dim) {
  if (!std::isfinite(stages.scale)) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "options.%s.scale = %g must be finite", operand,
                static_cast<double>(stages.scale));
  }
  SIMDROPE_TRY(CheckReserved("options.stages", stages.reserved));
  if (!HasStages(stages)) return SIMDROPE_OK;
  SIMDROPE_TRY(CheckHadamard(operand, "input_hadamard", stages.input_hadamard, head_dim));
  SIMDROPE_TRY(CheckHadamard(operand, "hadamard", stages.hadamard, head_dim));
  return CheckNorm(operand, stages.norm, head_dim);
}

}  // namespace

simdrope_status CheckSlice(int64_t slice_index, int64_t slice_count) {
  if (slice_count < 0 || (slice_count > 0 && (slice_index < 0 || slice_index >= slice_count))) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "slice_index = %lld is not in [0, slice_count = %lld)",
                static_cast<long long>(slice_index), static_cast<long long>(slice_count));
  }
  return SIMDROPE_OK;
}

simdrope_status CheckThreads(const simdrope_options& options) {
  if (options.threads < 0) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "options.threads = %d must be >= 0", options.threads);
  }
  SIMDROPE_TRY(CheckReserved("options", options.reserved));
  return CheckSlice(options.slice_index, options.slice_count);
}

simdrope_status CheckOptions(const simdrope_options& options, int64_t head_dim) {
  SIMDROPE_TRY(CheckThreads(options));
  SIMDROPE_TRY(CheckStages("q", options.q, head_dim));
  SIMDROPE_TRY(CheckStages("k", options.k, head_dim));
  return CheckStages("v", options.v, head_dim);
}

}  // namespace simdrope::impl
