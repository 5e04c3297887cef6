// inv_freq, axes and attention factor of a Config.
#include <algorithm>
#include <cmath>
#include <utility>

#include "reference/rows.h"

namespace simdrope::reference {
namespace {

using Real = long double;

constexpr Real kTurn = 6.283185307179586476925286766559005768L;

// Which section a pair is in, and its number there.
std::pair<int, int> SectionOf(const simdrope_axes& axes, int pair) {
  int axis = 0;
  for (; axis < axes.count - 1 && pair >= axes.sections[axis]; ++axis) pair -= axes.sections[axis];
  return {axis, pair};
}

int AxisOf(const simdrope_axes& axes, int pairs, int pair) {
  if (axes.count == 1) return 0;
  switch (axes.layout) {
    case SIMDROPE_AXES_SECTIONS:
    case SIMDROPE_AXES_RESTART: return SectionOf(axes, pair).first;
    case SIMDROPE_AXES_INTERLEAVED:
      for (const int axis : {1, 2}) {
        if (pair % 3 == axis && pair < 3 * axes.sections[axis]) return axis;
      }
      return 0;
    case SIMDROPE_AXES_ALTERNATE: return pair < axes.sections[1] + axes.sections[2] ? 1 + pair % 2 : 0;
    case SIMDROPE_AXES_STRIDED: return 2 * pair < pairs ? 0 : 1;
    case SIMDROPE_AXES_EXPLICIT: return axes.pair_axis[pair];
    case SIMDROPE_AXES_SUM: return 0;
  }
  return 0;
}

// The part of the way from theta^0 to theta^-1 that pair i stands at: 2 i / dim.
Real ExponentOf(const simdrope_axes& axes, int pairs, int pair) {
  if (axes.count > 1 && axes.layout == SIMDROPE_AXES_RESTART) {
    const auto [axis, number] = SectionOf(axes, pair);
    return static_cast<Real>(number) / axes.sections[axis];
  }
  if (axes.count > 1 && axes.layout == SIMDROPE_AXES_STRIDED) {
    return static_cast<Real>(2 * pair < pairs ? 2 * pair : 2 * (pair - pairs / 2) + 1) / pairs;
  }
  return static_cast<Real>(pair) / pairs;
}

Real FactorOf(const simdrope_scaling& s, Real otherwise) {
  if (s.factor > 0) return s.factor;
  return s.max_position > 0 ? static_cast<Real>(s.max_position) / s.original_max_position : otherwise;
}

Real ThetaOf(const simdrope_config& config, int dim) {
  const simdrope_scaling& s = config.scaling;
  const Real power = dim > 2 ? static_cast<Real>(dim) / (dim - 2) : 1;
  if (s.type == SIMDROPE_SCALING_NTK) return config.theta * std::pow(static_cast<Real>(s.factor), power);
  if (s.type != SIMDROPE_SCALING_DYNAMIC) return config.theta;
  const Real longer = static_cast<Real>(std::max(s.seq_len, s.original_max_position)) / s.original_max_position;
  return config.theta * std::pow(s.factor * longer - (static_cast<Real>(s.factor) - 1), power);
}

// The pairs between which YaRN goes from not at all interpolated, where a pair turns more than beta_fast times in the
// original length, to wholly, where fewer than beta_slow times.
std::pair<Real, Real> YarnRange(const simdrope_config& config, int dim) {
  const simdrope_scaling& s = config.scaling;
  const auto pair_that_turns = [&](Real times) {
    return dim * std::log(s.original_max_position / (times * kTurn)) / (2 * std::log(static_cast<Real>(config.theta)));
  };
  Real low = pair_that_turns(s.beta_fast > 0 ? s.beta_fast : 32);
  Real high = pair_that_turns(s.beta_slow > 0 ? s.beta_slow : 1);
  if (s.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max<Real>(low, 0);
  high = std::min<Real>(high, dim - 1);
  if (low == high) high += 0.001L;
  return {low, high};
}

// How far each pair is interpolated, 0 to 1.
Real YarnRamp(const simdrope_config& config, int dim, int pair) {
  const auto [low, high] = YarnRange(config, dim);
  const Real kept = 1 - std::clamp<Real>((pair - low) / (high - low), 0, 1);
  const double extrapolation = config.scaling.extrapolation_factor;
  return 1 - kept * (extrapolation > 0 ? extrapolation : 1);
}

Real Llama3(const simdrope_scaling& s, Real inv_freq) {
  const Real turns = s.original_max_position * inv_freq / kTurn;
  if (turns >= s.high_freq_factor) return inv_freq;
  if (turns <= s.low_freq_factor) return inv_freq / s.factor;
  const Real kept = (turns - s.low_freq_factor) / (static_cast<Real>(s.high_freq_factor) - s.low_freq_factor);
  return inv_freq * (kept + (1 - kept) / s.factor);
}

bool IsLong(const simdrope_scaling& s) { return s.seq_len > s.original_max_position; }

Real Scaled(const simdrope_config& config, int pairs, int pair, Real inv_freq) {
  const simdrope_scaling& s = config.scaling;
  switch (s.type) {
    case SIMDROPE_SCALING_NONE:
    case SIMDROPE_SCALING_NTK:
    case SIMDROPE_SCALING_DYNAMIC: return inv_freq;
    case SIMDROPE_SCALING_LINEAR: return inv_freq / s.factor;
    case SIMDROPE_SCALING_LLAMA3: return Llama3(s, inv_freq);
    case SIMDROPE_SCALING_YARN: {
      const Real ramp = YarnRamp(config, 2 * pairs, pair);
      return inv_freq * (1 - ramp) + inv_freq / FactorOf(s, 1) * ramp;
    }
    case SIMDROPE_SCALING_LONGROPE: return inv_freq / (IsLong(s) ? s.long_factors : s.factors)[pair];
    case SIMDROPE_SCALING_PROPORTIONAL:
      return pair < static_cast<int>(s.proportion * pairs) ? inv_freq / (s.factor > 0 ? s.factor : 1) : 0;
    case SIMDROPE_SCALING_FREQ_FACTORS: return inv_freq / s.factors[pair] / (s.factor > 0 ? s.factor : 1);
    case SIMDROPE_SCALING_EXPLICIT: return s.factors[pair];
  }
  return inv_freq;
}

Real YarnMagnitude(Real factor, Real mscale) { return factor <= 1 ? 1 : 0.1L * mscale * std::log(factor) + 1; }

Real AttentionFactorOf(const simdrope_scaling& s) {
  if (s.attention_factor > 0 || s.attention_factor_given) return s.attention_factor;
  if (s.type == SIMDROPE_SCALING_YARN) {
    const Real factor = FactorOf(s, 1);
    if (s.mscale > 0 && s.mscale_all_dim > 0) {
      return YarnMagnitude(factor, s.mscale) / YarnMagnitude(factor, s.mscale_all_dim);
    }
    return YarnMagnitude(factor, 1);
  }
  if (s.type == SIMDROPE_SCALING_LONGROPE) {
    const double given = IsLong(s) ? s.long_mscale : s.short_mscale;
    if (given > 0) return given;
    const Real factor = FactorOf(s, 1);
    if (factor <= 1 || s.original_max_position < 2) return 1;
    return std::sqrt(1 + std::log(factor) / std::log(static_cast<Real>(s.original_max_position)));
  }
  return 1;
}

// An element of a float tensor of PyTorch's: what is computed with it is rounded to float.
struct Single {
  double value;
  Single(double exact) : value(Rounded(exact, f32)) {}
};
Single operator+(Single a, Single b) { return a.value + b.value; }
Single operator-(Single a, Single b) { return a.value - b.value; }
Single operator*(Single a, Single b) { return a.value * b.value; }
Single operator/(Single a, Single b) { return a.value / b.value; }
Single Power(Single a, Single b) {
  return static_cast<double>(std::pow(static_cast<Real>(a.value), static_cast<Real>(b.value)));
}

Single SingleYarnRamp(const simdrope_config& config, int dim, int pair) {
  const auto [low, high] = YarnRange(config, dim);
  const Single width = static_cast<double>(high) - static_cast<double>(low);
  return std::clamp(((Single(pair) - Single(static_cast<double>(low))) / width).value, 0.0, 1.0);
}

Single SingleTheta(const simdrope_config& config, int dim) {
  const simdrope_scaling& s = config.scaling;
  if (s.type != SIMDROPE_SCALING_DYNAMIC || !IsLong(s)) return static_cast<double>(ThetaOf(config, dim));
  const Single longer =
      Single(s.factor) * Single(static_cast<double>(s.seq_len)) / Single(static_cast<double>(s.original_max_position));
  const double stretch = (longer - Single(s.factor - 1)).value;
  return Single(config.theta) * Single(std::pow(stretch, dim > 2 ? dim / (dim - 2.0) : 1.0));
}

// modeling_rope_utils of transformers, line by line; it names theta^(2 i / dim) pos_freqs.
Single SingleScaled(const simdrope_config& config, int pairs, int pair, Single pos_freq) {
  const simdrope_scaling& s = config.scaling;
  const Single one = 1.0, factor = s.factor > 0 ? s.factor : 1.0, inv_freq = one / pos_freq;
  switch (s.type) {
    case SIMDROPE_SCALING_NONE:
    case SIMDROPE_SCALING_NTK:
    case SIMDROPE_SCALING_DYNAMIC: return inv_freq;
    case SIMDROPE_SCALING_LINEAR: return inv_freq / factor;
    case SIMDROPE_SCALING_LLAMA3: {
      const double context = static_cast<double>(s.original_max_position);
      const Single wavelen = one / inv_freq * Single(static_cast<double>(kTurn));
      const bool is_low = wavelen.value > Single(context / s.low_freq_factor).value;
      const bool is_high = wavelen.value < Single(context / s.high_freq_factor).value;
      if (is_high) return inv_freq;
      if (is_low || s.high_freq_factor == s.low_freq_factor) return inv_freq / factor;
      const Single smooth = (one / wavelen * Single(context) - Single(s.low_freq_factor)) /
                            Single(s.high_freq_factor - s.low_freq_factor);
      return (one - smooth) * inv_freq / factor + smooth * inv_freq;
    }
    case SIMDROPE_SCALING_YARN: {
      const Single interpolation = one / (Single(static_cast<double>(FactorOf(s, 1))) * pos_freq);
      const Single given = s.extrapolation_factor > 0 ? s.extrapolation_factor : 1;
      const Single extrapolation_factor = (one - SingleYarnRamp(config, 2 * pairs, pair)) * given;
      return interpolation * (one - extrapolation_factor) + inv_freq * extrapolation_factor;
    }
    case SIMDROPE_SCALING_LONGROPE: return one / (Single((IsLong(s) ? s.long_factors : s.factors)[pair]) * pos_freq);
    case SIMDROPE_SCALING_PROPORTIONAL:
      return pair < static_cast<int>(s.proportion * pairs) ? inv_freq / factor : Single(0.0);
    case SIMDROPE_SCALING_FREQ_FACTORS: return inv_freq / Single(s.factors[pair]) / factor;
    case SIMDROPE_SCALING_EXPLICIT: return s.factors[pair];
  }
  return inv_freq;
}

}  // namespace

Frequencies FrequenciesOf(const simdrope_config& config) {
  Frequencies frequencies;
  const int dim = config.rotary_dim > 0 ? config.rotary_dim : config.head_dim - config.rotary_offset;
  const int pairs = dim / 2;
  const Real theta = ThetaOf(config, dim);
  for (int i = 0; i < pairs; ++i) {
    const Real exponent = ExponentOf(config.axes, pairs, i);
    if (config.precision == SIMDROPE_PRECISION_EXACT) {
      const Real unscaled = std::pow(theta, -exponent);
      frequencies.inv_freq.push_back(static_cast<double>(Scaled(config, pairs, i, unscaled)));
    } else {
      const Single pos_freq = Power(SingleTheta(config, dim), static_cast<double>(exponent));
      frequencies.inv_freq.push_back(SingleScaled(config, pairs, i, pos_freq).value);
    }
    frequencies.axis.push_back(AxisOf(config.axes, pairs, i));
  }
  if (config.axes.count > 1 && config.axes.layout == SIMDROPE_AXES_SUM) {
    frequencies.inv_freq.assign(config.scaling.factors, config.scaling.factors + config.axes.count * pairs);
  }
  for (double& inv_freq : frequencies.inv_freq) inv_freq = config.reversed ? -inv_freq : inv_freq;
  frequencies.attention_factor = static_cast<double>(AttentionFactorOf(config.scaling));
  return frequencies;
}

}  // namespace simdrope::reference
