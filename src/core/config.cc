#include "core/config.h"

#include <cmath>
#include <cstring>
#include <iterator>

#include "core/names.h"
#include "core/status.h"

namespace simdrope::impl {
namespace {

simdrope_status CheckPositive(const char* name, double value) {
  if (value > 0 && std::isfinite(value)) return SIMDROPE_OK;
  return Fail(SIMDROPE_INVALID_ARGUMENT, "%s = %g must be positive and finite", name, value);
}

simdrope_status CheckNotNegative(const char* name, double value) {
  if (value >= 0 && std::isfinite(value)) return SIMDROPE_OK;
  return Fail(SIMDROPE_INVALID_ARGUMENT, "%s = %g must be 0 (not given) or positive and finite", name, value);
}

simdrope_status CheckLength(const char* name, int64_t value) {
  if (value > 0) return SIMDROPE_OK;
  return Fail(SIMDROPE_INVALID_ARGUMENT, "%s = %lld must be positive", name, static_cast<long long>(value));
}

simdrope_status CheckFactors(const simdrope_scaling& scaling, const char* name, const double* factors, int32_t pairs,
                             bool positive) {
  if (scaling.factor_count != pairs) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "scaling.factor_count = %d, but there are %d pairs", scaling.factor_count,
                pairs);
  }
  if (factors == nullptr) return Fail(SIMDROPE_INVALID_ARGUMENT, "%s is NULL", name);
  for (int32_t i = 0; i < pairs; ++i) {
    if (std::isfinite(factors[i]) && (!positive || factors[i] > 0)) continue;
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s[%d] = %g must be %sfinite", name, i, factors[i],
                positive ? "positive and " : "");
  }
  return SIMDROPE_OK;
}

// `pairs` counts those of each summed axis.
simdrope_status CheckScaling(const simdrope_scaling& s, int32_t pairs) {
  SIMDROPE_TRY(CheckNotNegative("scaling.attention_factor", s.attention_factor));
  if (s.seq_len < 0 || s.max_position < 0) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "scaling.seq_len = %lld and scaling.max_position = %lld must be >= 0",
                static_cast<long long>(s.seq_len), static_cast<long long>(s.max_position));
  }
  switch (s.type) {
    case SIMDROPE_SCALING_NONE: return SIMDROPE_OK;
    case SIMDROPE_SCALING_LINEAR:
    case SIMDROPE_SCALING_NTK: return CheckPositive("scaling.factor", s.factor);
    case SIMDROPE_SCALING_LLAMA3:
      SIMDROPE_TRY(CheckPositive("scaling.factor", s.factor));
      SIMDROPE_TRY(CheckPositive("scaling.low_freq_factor", s.low_freq_factor));
      SIMDROPE_TRY(CheckLength("scaling.original_max_position", s.original_max_position));
      if (s.high_freq_factor >= s.low_freq_factor && std::isfinite(s.high_freq_factor)) return SIMDROPE_OK;
      return Fail(SIMDROPE_INVALID_ARGUMENT,
                  "scaling.high_freq_factor = %g must be finite and at least scaling.low_freq_factor = %g",
                  s.high_freq_factor, s.low_freq_factor);
    case SIMDROPE_SCALING_DYNAMIC:
      SIMDROPE_TRY(CheckPositive("scaling.factor", s.factor));
      return CheckLength("scaling.original_max_position", s.original_max_position);
    case SIMDROPE_SCALING_YARN:
      SIMDROPE_TRY(CheckNotNegative("scaling.factor", s.factor));
      SIMDROPE_TRY(CheckNotNegative("scaling.beta_fast", s.beta_fast));
      SIMDROPE_TRY(CheckNotNegative("scaling.beta_slow", s.beta_slow));
      SIMDROPE_TRY(CheckNotNegative("scaling.extrapolation_factor", s.extrapolation_factor));
      SIMDROPE_TRY(CheckNotNegative("scaling.mscale", s.mscale));
      SIMDROPE_TRY(CheckNotNegative("scaling.mscale_all_dim", s.mscale_all_dim));
      SIMDROPE_TRY(CheckLength("scaling.original_max_position", s.original_max_position));
      if ((s.beta_fast > 0 ? s.beta_fast : 32) < (s.beta_slow > 0 ? s.beta_slow : 1)) {
        return Fail(SIMDROPE_INVALID_ARGUMENT, "scaling.beta_fast = %g (0: 32) is below scaling.beta_slow = %g (0: 1)",
                    s.beta_fast, s.beta_slow);
      }
      if (s.factor > 0 || s.max_position > 0) return SIMDROPE_OK;
      return Fail(SIMDROPE_INVALID_ARGUMENT, "yarn wants scaling.factor or scaling.max_position; both are 0");
    case SIMDROPE_SCALING_LONGROPE:
      SIMDROPE_TRY(CheckNotNegative("scaling.factor", s.factor));
      SIMDROPE_TRY(CheckNotNegative("scaling.short_mscale", s.short_mscale));
      SIMDROPE_TRY(CheckNotNegative("scaling.long_mscale", s.long_mscale));
      SIMDROPE_TRY(CheckLength("scaling.original_max_position", s.original_max_position));
      SIMDROPE_TRY(CheckFactors(s, "scaling.factors", s.factors, pairs, true));
      return CheckFactors(s, "scaling.long_factors", s.long_factors, pairs, true);
    case SIMDROPE_SCALING_PROPORTIONAL:
      SIMDROPE_TRY(CheckNotNegative("scaling.factor", s.factor));
      if (s.proportion > 0 && s.proportion <= 1) return SIMDROPE_OK;
      return Fail(SIMDROPE_INVALID_ARGUMENT, "scaling.proportion = %g must be above 0 and at most 1", s.proportion);
    case SIMDROPE_SCALING_FREQ_FACTORS:
      SIMDROPE_TRY(CheckNotNegative("scaling.factor", s.factor));
      return CheckFactors(s, "scaling.factors", s.factors, pairs, true);
    case SIMDROPE_SCALING_EXPLICIT: return CheckFactors(s, "scaling.factors", s.factors, pairs, false);
  }
  return FailValue("scaling.type", s.type, "simdrope_scaling_type");
}

simdrope_status CheckAxes(const simdrope_axes& axes, int32_t pairs) {
  if (axes.count < 1 || axes.count > SIMDROPE_MAX_AXES) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "axes.count = %d must be 1 to %d", axes.count, SIMDROPE_MAX_AXES);
  }
  if (axes.count == 1) return SIMDROPE_OK;
  if (NameOf(axes.layout) == nullptr) {
    return FailValue("axes.layout", axes.layout, "simdrope_axis_layout");
  }
  if (axes.layout == SIMDROPE_AXES_EXPLICIT) {
    if (axes.pair_axis_count != pairs) {
      return Fail(SIMDROPE_INVALID_ARGUMENT, "axes.pair_axis_count = %d, but there are %d pairs", axes.pair_axis_count,
                  pairs);
    }
    if (axes.pair_axis == nullptr) return Fail(SIMDROPE_INVALID_ARGUMENT, "axes.pair_axis is NULL");
    for (int32_t i = 0; i < pairs; ++i) {
      if (axes.pair_axis[i] < axes.count) continue;
      return Fail(SIMDROPE_INVALID_ARGUMENT, "axes.pair_axis[%d] = %d, but axes.count = %d", i, axes.pair_axis[i],
                  axes.count);
    }
    return SIMDROPE_OK;
  }
  if (axes.layout == SIMDROPE_AXES_SUM) return SIMDROPE_OK;
  if (axes.layout == SIMDROPE_AXES_STRIDED) {
    if (axes.count == 2 && pairs % 2 == 0) return SIMDROPE_OK;
    return Fail(SIMDROPE_INVALID_ARGUMENT, "strided axes want 2 axes and an even number of pairs, not %d and %d",
                axes.count, pairs);
  }
  const bool three = axes.layout == SIMDROPE_AXES_INTERLEAVED || axes.layout == SIMDROPE_AXES_ALTERNATE;
  if (three && axes.count != 3) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "axes.layout = %d wants 3 axes, but axes.count = %d",
                static_cast<int>(axes.layout), axes.count);
  }
  int64_t total = 0;
  for (int32_t a = 0; a < axes.count; ++a) {
    if (axes.sections[a] < 0) {
      return Fail(SIMDROPE_INVALID_ARGUMENT, "axes.sections[%d] = %d must be >= 0", a, axes.sections[a]);
    }
    total += axes.sections[a];
  }
  if (total != pairs) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "axes.sections sum to %lld, but there are %d pairs",
                static_cast<long long>(total), pairs);
  }
  if (axes.layout == SIMDROPE_AXES_ALTERNATE && axes.sections[1] != axes.sections[2]) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "alternating axes want sections[1] = %d and sections[2] = %d to be equal",
                axes.sections[1], axes.sections[2]);
  }
  return SIMDROPE_OK;
}

simdrope_status CheckSum(const simdrope_config& config) {
  if (SummedAxes(config.axes) == 1) return SIMDROPE_OK;
  if (config.scaling.type != SIMDROPE_SCALING_EXPLICIT) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "axes.layout = sum wants explicit frequencies, but scaling.type = %d",
                static_cast<int>(config.scaling.type));
  }
  if (config.precision != SIMDROPE_PRECISION_EXACT || config.xpos.scale_base != 0) {
    return Fail(SIMDROPE_UNSUPPORTED, "axes.layout = sum wants precision = exact (%d) and no xpos.scale_base (%g)",
                static_cast<int>(config.precision), config.xpos.scale_base);
  }
  return SIMDROPE_OK;
}

// Blocks that pairs are made in, and elements with a cos and sin of their own.
simdrope_status CompleteWindow(const simdrope_config& config, Window* window) {
  const simdrope_angle_order order = config.angle_order;
  if (NameOf(order) == nullptr) {
    return FailValue("angle_order", order, "simdrope_angle_order");
  }
  const bool is_half = config.pairing == SIMDROPE_HALF;
  window->full_width = order == (is_half ? SIMDROPE_ANGLES_NEIGHBOURS : SIMDROPE_ANGLES_HALVES);
  if (window->full_width && config.xpos.scale_base != 0) {
    return Fail(SIMDROPE_UNSUPPORTED, "angle_order = %d wants no xpos.scale_base (%g)", static_cast<int>(order),
                config.xpos.scale_base);
  }
  if (!config.pairs_in_sections) return SIMDROPE_OK;
  if (!is_half || config.axes.count < 2 || config.axes.layout != SIMDROPE_AXES_RESTART) {
    return Fail(SIMDROPE_INVALID_ARGUMENT,
                "pairs_in_sections wants pairing = half (%d), axes.count = %d above 1 and axes.layout = restart (%d)",
                static_cast<int>(config.pairing), config.axes.count, static_cast<int>(config.axes.layout));
  }
  if (config.split != 0) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "split = %d has no meaning with pairs_in_sections", config.split);
  }
  window->blocks = config.axes.count;
  for (int32_t a = 0; a < config.axes.count; ++a) window->block_pairs[a] = config.axes.sections[a];
  return SIMDROPE_OK;
}

}  // namespace

simdrope_status MakeWindow(int64_t head_dim, int32_t rotary_dim, int32_t rotary_offset, int32_t split,
                           simdrope_pairing pairing, Window* window) {
  if (head_dim < 2 || head_dim > SIMDROPE_MAX_HEAD_DIM) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "head_dim = %lld must be 2 to %d", static_cast<long long>(head_dim),
                SIMDROPE_MAX_HEAD_DIM);
  }
  if (pairing != SIMDROPE_HALF && pairing != SIMDROPE_INTERLEAVED) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "pairing = %d must be half or interleaved", static_cast<int>(pairing));
  }
  if (rotary_offset < 0 || rotary_offset % 2 != 0 || rotary_offset >= head_dim) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "rotary_offset = %d must be even, >= 0 and below head_dim = %lld",
                rotary_offset, static_cast<long long>(head_dim));
  }
  const int64_t width = rotary_dim == 0 ? head_dim - rotary_offset : rotary_dim;
  if (width < 2 || width % 2 != 0) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "rotary_dim = %lld must be even and at least 2",
                static_cast<long long>(width));
  }
  if (rotary_offset + width > head_dim) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "rotary_offset = %d and rotary_dim = %lld exceed head_dim = %lld",
                rotary_offset, static_cast<long long>(width), static_cast<long long>(head_dim));
  }
  Window w;
  w.rotary_dim = static_cast<int32_t>(width);
  w.offset = rotary_offset;
  w.split = split == 0 ? w.pairs() : split;
  w.pairing = pairing;
  if (pairing == SIMDROPE_INTERLEAVED && split != 0 && split != w.pairs()) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "split = %d has no meaning with interleaved pairs", split);
  }
  if (w.split < w.pairs() || rotary_offset + int64_t{w.split} + w.pairs() > head_dim) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "split = %d puts %d pairs from rotary_offset = %d outside head_dim = %lld",
                split, w.pairs(), rotary_offset, static_cast<long long>(head_dim));
  }
  *window = w;
  return SIMDROPE_OK;
}

simdrope_status CheckConfig(const simdrope_config& config, Window* window) {
  SIMDROPE_TRY(
      MakeWindow(config.head_dim, config.rotary_dim, config.rotary_offset, config.split, config.pairing, window));
  if (NameOf(config.precision) == nullptr) {
    return FailValue("precision", config.precision, "simdrope_precision");
  }
  SIMDROPE_TRY(CheckPositive("theta", config.theta));
  SIMDROPE_TRY(CheckAxes(config.axes, window->pairs()));
  SIMDROPE_TRY(CheckSum(config));
  SIMDROPE_TRY(CompleteWindow(config, window));
  SIMDROPE_TRY(CheckScaling(config.scaling, SummedAxes(config.axes) * window->pairs()));
  SIMDROPE_TRY(CheckNotNegative("xpos.scale_base", config.xpos.scale_base));
  if (!std::isfinite(config.xpos.center)) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "xpos.center = %g must be finite", config.xpos.center);
  }
  const simdrope_temperature& t = config.temperature;
  if (t.beta != 0) SIMDROPE_TRY(CheckPositive("temperature.length", t.length));
  if (!(config.query_log_length == 0 || (config.query_log_length > 1 && std::isfinite(config.query_log_length)))) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "query_log_length = %g must be 0, or above 1 and finite",
                config.query_log_length);
  }
  if (!std::isfinite(t.beta) || !std::isfinite(t.offset)) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "temperature.beta = %g and temperature.offset = %g must be finite", t.beta,
                t.offset);
  }
  for (size_t i = 0; i < std::size(config.reserved); ++i) {
    if (config.reserved[i] == 0) continue;
    return Fail(SIMDROPE_INVALID_ARGUMENT, "config.reserved[%d] = %llu must be 0", static_cast<int>(i),
                static_cast<unsigned long long>(config.reserved[i]));
  }
  return SIMDROPE_OK;
}

}  // namespace simdrope::impl

void simdrope_config_init(simdrope_config* config) {
  if (config == nullptr) return;
  std::memset(config, 0, sizeof(*config));
  config->theta = 10000.0;
  config->axes.count = 1;
  config->scaling.truncate = true;
}
