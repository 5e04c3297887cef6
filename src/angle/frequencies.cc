#include "angle/frequencies.h"

#include <algorithm>
#include <cmath>

#include "angle/axes.h"
#include "core/config.h"

namespace simdrope::impl {
namespace {

constexpr double kPi = 3.14159265358979323846;

// One pair's place in the geometric series theta^(-2 index / dim).
struct Series {
  double theta;
  double At(Exponent e) const { return std::pow(theta, -2.0 * e.index / e.dim); }
};

double YarnFactor(const simdrope_scaling& s) {
  return s.factor > 0 ? s.factor : static_cast<double>(s.max_position) / static_cast<double>(s.original_max_position);
}

double LongRopeFactor(const simdrope_scaling& s) {
  if (s.factor > 0) return s.factor;
  return s.max_position > 0 ? static_cast<double>(s.max_position) / static_cast<double>(s.original_max_position) : 1.0;
}

bool IsBeyondOriginal(const simdrope_scaling& s) { return s.seq_len > s.original_max_position; }

double ScaledTheta(const simdrope_config& config, int32_t dim) {
  const simdrope_scaling& s = config.scaling;
  // With dim 2 there is one pair, of frequency 1 whatever theta is.
  const double exponent = dim > 2 ? static_cast<double>(dim) / (dim - 2) : 1.0;
  if (s.type == SIMDROPE_SCALING_NTK) return config.theta * std::pow(s.factor, exponent);
  if (s.type == SIMDROPE_SCALING_DYNAMIC) {
    const double length = static_cast<double>(s.original_max_position);
    const double current = std::max(static_cast<double>(s.seq_len), length);
    return config.theta * std::pow(s.factor * current / length - (s.factor - 1), exponent);
  }
  return config.theta;
}

double Llama3(const simdrope_scaling& s, double inv_freq) {
  const double length = static_cast<double>(s.original_max_position);
  const double wavelength = 2 * kPi / inv_freq;
  if (wavelength <= length / s.high_freq_factor) return inv_freq;
  if (wavelength >= length / s.low_freq_factor) return inv_freq / s.factor;
  const double smooth = (length / wavelength - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
  return (1 - smooth) * inv_freq / s.factor + smooth * inv_freq;
}

struct CorrectionRange {
  double low;
  double high;
};

// The (fractional) pairs that turn beta_fast and beta_slow times within the original length.
CorrectionRange YarnRange(const simdrope_config& config, int32_t dim) {
  const simdrope_scaling& s = config.scaling;
  const double length = static_cast<double>(s.original_max_position);
  const auto pair_of = [&](double turns) {
    return dim * std::log(length / (turns * 2 * kPi)) / (2 * std::log(config.theta));
  };
  double low = pair_of(s.beta_fast > 0 ? s.beta_fast : 32);
  double high = pair_of(s.beta_slow > 0 ? s.beta_slow : 1);
  if (s.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, dim - 1.0);
  if (low == high) high += 0.001;
  return {low, high};
}

double Yarn(const simdrope_scaling& s, const CorrectionRange& range, int32_t pair, double inv_freq) {
  double ramp = std::clamp((pair - range.low) / (range.high - range.low), 0.0, 1.0);
  if (s.extrapolation_factor > 0 && s.extrapolation_factor != 1) ramp = 1 - (1 - ramp) * s.extrapolation_factor;
  return inv_freq / YarnFactor(s) * ramp + inv_freq * (1 - ramp);
}

// ---------------------------------------------------------------------------- in steps of float

float FloatPower(float base, float exponent) { return static_cast<float>(std::pow(double{base}, double{exponent})); }

float FloatTheta(const simdrope_config& config, int32_t dim) {
  const simdrope_scaling& s = config.scaling;
  if (s.type != SIMDROPE_SCALING_DYNAMIC || !IsBeyondOriginal(s)) return static_cast<float>(ScaledTheta(config, dim));
  // The current length comes from a tensor of positions, and all that follows from it is one.
  const float stretch =
      static_cast<float>(s.factor) * static_cast<float>(s.seq_len) / static_cast<float>(s.original_max_position) -
      static_cast<float>(s.factor - 1);
  // A single element is raised to a Python number in double.
  const double exponent = dim > 2 ? static_cast<double>(dim) / (dim - 2) : 1.0;
  return static_cast<float>(config.theta) * static_cast<float>(std::pow(double{stretch}, exponent));
}

float FloatLlama3(const simdrope_scaling& s, float inv_freq) {
  const double length = static_cast<double>(s.original_max_position);
  const double width = s.high_freq_factor - s.low_freq_factor;
  // A number divided by a tensor is the tensor's reciprocal times the number.
  const float wavelength = 1 / inv_freq * static_cast<float>(2 * kPi);
  const float factor = static_cast<float>(s.factor);
  if (wavelength < static_cast<float>(length / s.high_freq_factor)) return inv_freq;
  if (wavelength > static_cast<float>(length / s.low_freq_factor) || width == 0) return inv_freq / factor;
  const float turns = 1 / wavelength * static_cast<float>(length);
  const float smooth = (turns - static_cast<float>(s.low_freq_factor)) / static_cast<float>(width);
  return (1 - smooth) * inv_freq / factor + smooth * inv_freq;
}

// `power` is theta^(2 index / dim).
float FloatYarn(const simdrope_scaling& s, const CorrectionRange& range, int32_t pair, float power) {
  const float distance = static_cast<float>(pair) - static_cast<float>(range.low);
  const float ramp = std::clamp(distance / static_cast<float>(range.high - range.low), 0.0f, 1.0f);
  const float extrapolated = 1 / power;
  const float interpolated = 1 / (static_cast<float>(YarnFactor(s)) * power);
  const float extrapolation = s.extrapolation_factor > 0 ? static_cast<float>(s.extrapolation_factor) : 1.0f;
  const float kept = (1 - ramp) * extrapolation;
  return interpolated * (1 - kept) + extrapolated * kept;
}

double YarnMscale(double factor, double mscale) { return factor <= 1 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0; }

}  // namespace

void InvFreq(const simdrope_config& config, int32_t pairs, double* inv_freq) {
  const simdrope_scaling& s = config.scaling;
  if (SummedAxes(config.axes) > 1) {
    std::copy(s.factors, s.factors + SummedAxes(config.axes) * pairs, inv_freq);
    return;
  }
  const int32_t dim = 2 * pairs;
  const Series series{ScaledTheta(config, dim)};
  const CorrectionRange range = s.type == SIMDROPE_SCALING_YARN ? YarnRange(config, dim) : CorrectionRange{0, 1};
  const int32_t live = s.type == SIMDROPE_SCALING_PROPORTIONAL ? static_cast<int32_t>(s.proportion * dim / 2) : pairs;
  const double divisor = s.factor > 0 ? s.factor : 1.0;

  for (int32_t i = 0; i < pairs; ++i) {
    const double base = series.At(ExponentOfPair(config.axes, pairs, i));
    switch (s.type) {
      case SIMDROPE_SCALING_NONE:
      case SIMDROPE_SCALING_NTK:
      case SIMDROPE_SCALING_DYNAMIC: inv_freq[i] = base; break;
      case SIMDROPE_SCALING_LINEAR: inv_freq[i] = base / s.factor; break;
      case SIMDROPE_SCALING_LLAMA3: inv_freq[i] = Llama3(s, base); break;
      case SIMDROPE_SCALING_YARN: inv_freq[i] = Yarn(s, range, i, base); break;
      case SIMDROPE_SCALING_LONGROPE: inv_freq[i] = base / (IsBeyondOriginal(s) ? s.long_factors : s.factors)[i]; break;
      case SIMDROPE_SCALING_PROPORTIONAL: inv_freq[i] = i < live ? base / divisor : 0.0; break;
      case SIMDROPE_SCALING_FREQ_FACTORS: inv_freq[i] = base / s.factors[i] / divisor; break;
      case SIMDROPE_SCALING_EXPLICIT: inv_freq[i] = s.factors[i]; break;
    }
  }
}

void FloatInvFreq(const simdrope_config& config, int32_t pairs, double* inv_freq) {
  const simdrope_scaling& s = config.scaling;
  const int32_t dim = 2 * pairs;
  const float theta = FloatTheta(config, dim);
  const CorrectionRange range = s.type == SIMDROPE_SCALING_YARN ? YarnRange(config, dim) : CorrectionRange{0, 1};
  const int32_t live = s.type == SIMDROPE_SCALING_PROPORTIONAL ? static_cast<int32_t>(s.proportion * dim / 2) : pairs;
  const float divisor = s.factor > 0 ? static_cast<float>(s.factor) : 1.0f;
  const auto factor_of = [](const double* factors, int32_t i) { return static_cast<float>(factors[i]); };

  for (int32_t i = 0; i < pairs; ++i) {
    const Exponent e = ExponentOfPair(config.axes, pairs, i);
    const float power = FloatPower(theta, static_cast<float>(2 * e.index) / static_cast<float>(e.dim));
    const float base = 1 / power;
    float result = base;
    switch (s.type) {
      case SIMDROPE_SCALING_NONE:
      case SIMDROPE_SCALING_NTK:
      case SIMDROPE_SCALING_DYNAMIC: break;
      case SIMDROPE_SCALING_LINEAR: result = base / divisor; break;
      case SIMDROPE_SCALING_LLAMA3: result = FloatLlama3(s, base); break;
      case SIMDROPE_SCALING_YARN: result = FloatYarn(s, range, i, power); break;
      case SIMDROPE_SCALING_LONGROPE:
        result = 1 / (factor_of(IsBeyondOriginal(s) ? s.long_factors : s.factors, i) * power);
        break;
      case SIMDROPE_SCALING_PROPORTIONAL: result = i < live ? base / divisor : 0.0f; break;
      case SIMDROPE_SCALING_FREQ_FACTORS: result = base / factor_of(s.factors, i) / divisor; break;
      case SIMDROPE_SCALING_EXPLICIT: result = factor_of(s.factors, i); break;
    }
    inv_freq[i] = result;
  }
}

double AttentionFactor(const simdrope_config& config) {
  const simdrope_scaling& s = config.scaling;
  if (s.attention_factor > 0 || s.attention_factor_given) return s.attention_factor;
  if (s.type == SIMDROPE_SCALING_YARN) {
    const double factor = YarnFactor(s);
    if (s.mscale > 0 && s.mscale_all_dim > 0) {
      return YarnMscale(factor, s.mscale) / YarnMscale(factor, s.mscale_all_dim);
    }
    return YarnMscale(factor, 1.0);
  }
  if (s.type == SIMDROPE_SCALING_LONGROPE) {
    const double given = IsBeyondOriginal(s) ? s.long_mscale : s.short_mscale;
    if (given > 0) return given;
    const double factor = LongRopeFactor(s);
    if (factor <= 1 || s.original_max_position < 2) return 1.0;
    return std::sqrt(1 + std::log(factor) / std::log(static_cast<double>(s.original_max_position)));
  }
  return 1.0;
}

}  // namespace simdrope::impl
