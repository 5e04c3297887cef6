#include "angle/rope.h"

#include <algorithm>
#include <cmath>
#include <new>

#include "angle/axes.h"
#include "angle/frequencies.h"
#include "angle/phase.h"
#include "core/config_fields.h"
#include "core/half.h"
#include "core/status.h"

namespace simdrope::impl {

PhaseStep PhaseStepOf(double inv_freq) {
  // 1 / (2 pi) * 2^192, least significant word first.
  static constexpr uint32_t kInverseTurn[6] = {0x4f10e410, 0x36d8a566, 0x7d4d3770, 0x7f09d5f4, 0x9391054a, 0x28be60db};
  int exponent;
  const double fraction = std::frexp(std::fabs(inv_freq), &exponent);
  const uint64_t mantissa = static_cast<uint64_t>(std::ldexp(fraction, 53));
  exponent -= 53;  // |inv_freq| = mantissa * 2^exponent

  uint32_t product[8] = {};  // mantissa / (2 pi) * 2^192
  for (int m = 0; m < 2; ++m) {
    const uint64_t word = (mantissa >> (32 * m)) & 0xffffffffu;
    uint64_t carry = 0;
    for (int i = 0; i < 6; ++i) {
      const uint64_t sum = word * kInverseTurn[i] + product[i + m] + carry;
      product[i + m] = static_cast<uint32_t>(sum);
      carry = sum >> 32;
    }
    product[6 + m] = static_cast<uint32_t>(carry);
  }

  const int shift = 192 - 64 - exponent;  // at least 107, as |inv_freq| <= kMaxInvFreq
  const auto bits_from = [&](int begin) {
    uint64_t bits = 0;
    for (int b = 0; b < 64 && begin + b < 256; ++b) {
      bits |= uint64_t{(product[(begin + b) / 32] >> ((begin + b) % 32)) & 1u} << b;
    }
    return bits;
  };
  const int64_t below = static_cast<int64_t>(bits_from(shift - 64));  // negative: rounds up
  const uint64_t step = bits_from(shift) + (below < 0 ? 1 : 0);
  const double rest = static_cast<double>(below) * 0x1p-64;
  return inv_freq < 0 ? PhaseStep{0 - step, -rest} : PhaseStep{step, rest};
}

namespace {

float RoundedInvFreq(simdrope_precision precision, double inv_freq) {
  const float rounded = static_cast<float>(inv_freq);
  if (precision == SIMDROPE_PRECISION_BF16_POSITIONS) return RoundToBf16(rounded);
  if (precision == SIMDROPE_PRECISION_F16_POSITIONS) return RoundToF16(rounded);
  return rounded;
}

template <class T>
bool Allocate(int32_t count, std::unique_ptr<T[]>* array) {
  const size_t padded = (static_cast<size_t>(count) + kPairPadding - 1) / kPairPadding * kPairPadding;
  array->reset(new (std::nothrow) T[padded]());
  return *array != nullptr;
}

// A rope for `window` whose arrays are there but not filled.
simdrope_status AllocateRope(const Window& window, int32_t head_dim, int32_t summed_axes, bool has_xpos,
                             std::unique_ptr<simdrope_rope>* result) {
  const int32_t pairs = window.pairs();
  std::unique_ptr<simdrope_rope> rope(new (std::nothrow) simdrope_rope);
  const int32_t all = summed_axes * pairs;
  if (rope == nullptr || !Allocate(all, &rope->inv_freq) || !Allocate(all, &rope->phase_step) ||
      !Allocate(all, &rope->phase_rest) || !Allocate(pairs, &rope->float_inv_freq) ||
      !Allocate(pairs, &rope->pair_axis) || (has_xpos && !Allocate(pairs, &rope->log2_zeta)) ||
      (window.full_width && !Allocate(2 * pairs, &rope->element_pair))) {
    return Fail(SIMDROPE_OUT_OF_MEMORY, "no memory for a rope of %d pairs", pairs);
  }
  rope->window = window;
  rope->head_dim = head_dim;
  rope->summed_axes = summed_axes;
  *result = std::move(rope);
  return SIMDROPE_OK;
}

// Whose cos and sin each element takes, in the order of first and second elements of pairs, by Config::angle_order.
void SetElementPairs(const simdrope_config& config, simdrope_rope* rope) {
  const int32_t pairs = rope->window.pairs();
  const bool is_half = config.pairing == SIMDROPE_HALF;
  const bool in_blocks =
      config.axes.count > 1 && config.axes.layout == SIMDROPE_AXES_RESTART && (!is_half || config.pairs_in_sections);
  int32_t first = 0;  // pair of the block
  for (int32_t b = 0; first < pairs; ++b) {
    const int32_t in_block = in_blocks ? config.axes.sections[b] : pairs;
    for (int32_t i = 0; i < in_block; ++i) {
      const int32_t elements[2] = {is_half ? i : 2 * i, is_half ? in_block + i : 2 * i + 1};
      for (int32_t e = 0; e < 2; ++e) {
        const int32_t j = elements[e];
        const int32_t pair = config.angle_order == SIMDROPE_ANGLES_HALVES ? j % in_block : j / 2;
        rope->element_pair[e * pairs + first + i] = static_cast<uint16_t>(first + pair);
      }
    }
    first += in_block;
  }
}

}  // namespace

simdrope_status MakeRope(const simdrope_config& config, std::unique_ptr<simdrope_rope>* result) {
  Window window;
  SIMDROPE_TRY(CheckConfig(config, &window));
  const int32_t pairs = window.pairs();
  std::unique_ptr<simdrope_rope> rope;
  SIMDROPE_TRY(AllocateRope(window, config.head_dim, SummedAxes(config.axes), config.xpos.scale_base > 0, &rope));
  rope->axes = config.axes.count;
  rope->precision = config.precision;
  rope->theta = config.theta;
  rope->attention_factor = AttentionFactor(config);
  rope->temperature = config.temperature;
  rope->query_log_length = config.query_log_length;
  rope->xpos_scale_base = config.xpos.scale_base;
  const int64_t half_length = config.scaling.seq_len / 2;
  rope->xpos_center = config.xpos.center_at_half_length ? static_cast<double>(half_length) : config.xpos.center;

  (config.precision == SIMDROPE_PRECISION_EXACT ? InvFreq : FloatInvFreq)(config, pairs, rope->inv_freq.get());
  for (int32_t i = 0; i < rope->summed_axes * pairs; ++i) {
    if (config.reversed) rope->inv_freq[i] = -rope->inv_freq[i];
    const double inv_freq = rope->inv_freq[i];
    if (!(std::fabs(inv_freq) <= kMaxInvFreq)) {
      return Fail(SIMDROPE_INVALID_ARGUMENT, "inv_freq[%d] = %g is beyond +-2^32 radians per position", i, inv_freq);
    }
    const PhaseStep phase = PhaseStepOf(inv_freq);
    rope->phase_step[i] = phase.step;
    rope->phase_rest[i] = phase.rest;
  }
  for (int32_t i = 0; i < pairs; ++i) {
    rope->float_inv_freq[i] = RoundedInvFreq(config.precision, rope->inv_freq[i]);
    rope->pair_axis[i] = AxisOfPair(config.axes, pairs, i);
    if (rope->has_xpos()) {
      rope->log2_zeta[i] = std::log2((2.0 * i + 0.4 * window.rotary_dim) / (1.4 * window.rotary_dim));
    }
  }
  if (window.full_width) SetElementPairs(config, rope.get());
  rope->fingerprint = FingerprintOf(config, window.rotary_dim, window.split);
  if (!std::isfinite(static_cast<float>(rope->attention_factor))) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "the scaling gives an attention factor of %g", rope->attention_factor);
  }
  *result = std::move(rope);
  return SIMDROPE_OK;
}

simdrope_status MakeRerotation(const simdrope_rope* from, const simdrope_rope& to, uint64_t fingerprint,
                               std::unique_ptr<simdrope_rope>* result) {
  const uint64_t expected = (from != nullptr ? *from : to).fingerprint;
  if (fingerprint != 0 && fingerprint != expected) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "fingerprint = %016llx, but the rope that keys are rotated by has %016llx",
                static_cast<unsigned long long>(fingerprint), static_cast<unsigned long long>(expected));
  }
  const int32_t pairs = to.window.pairs();
  if (to.summed_axes > 1 || (from != nullptr && from->summed_axes > 1)) {
    return Fail(SIMDROPE_UNSUPPORTED, "keys whose angles are sums over axes cannot be rotated again");
  }
  if (to.window.full_width || (from != nullptr && from->window.full_width)) {
    return Fail(SIMDROPE_UNSUPPORTED, "keys whose pairs have two angles (angle_order) cannot be rotated again");
  }
  if (from != nullptr) {
    const Window &a = from->window, &b = to.window;
    if (from->head_dim != to.head_dim || a.rotary_dim != b.rotary_dim || a.offset != b.offset || a.split != b.split ||
        a.pairing != b.pairing || a.blocks != b.blocks ||
        !std::equal(&to.pair_axis[0], &to.pair_axis[0] + pairs, &from->pair_axis[0])) {
      return Fail(SIMDROPE_INVALID_ARGUMENT, "from and to differ in head_dim, window, pairing or axes");
    }
    if (from->xpos_scale_base != to.xpos_scale_base || from->xpos_center != to.xpos_center) {
      return Fail(SIMDROPE_UNSUPPORTED, "from and to differ in XPos: scale_base = %g and %g, center = %g and %g",
                  from->xpos_scale_base, to.xpos_scale_base, from->xpos_center, to.xpos_center);
    }
  }
  // Between two ropes of the same XPos its magnitudes cancel.
  const bool has_xpos = from == nullptr && to.has_xpos();
  std::unique_ptr<simdrope_rope> rope;
  SIMDROPE_TRY(AllocateRope(to.window, to.head_dim, 1, has_xpos, &rope));
  rope->axes = to.axes;
  rope->theta = to.theta;
  if (from != nullptr) rope->attention_factor = to.attention_factor / from->attention_factor;
  if (has_xpos) rope->xpos_scale_base = to.xpos_scale_base;
  for (int32_t i = 0; i < pairs; ++i) {
    rope->inv_freq[i] = to.inv_freq[i] - (from != nullptr ? from->inv_freq[i] : 0);
    rope->phase_step[i] = to.phase_step[i] - (from != nullptr ? from->phase_step[i] : 0);
    rope->phase_rest[i] = to.phase_rest[i] - (from != nullptr ? from->phase_rest[i] : 0);
    rope->float_inv_freq[i] = static_cast<float>(rope->inv_freq[i]);
    rope->pair_axis[i] = to.pair_axis[i];
    if (has_xpos) rope->log2_zeta[i] = to.log2_zeta[i];
  }
  *result = std::move(rope);
  return SIMDROPE_OK;
}

void Retain(simdrope_rope* rope) {
  if (rope != nullptr) rope->references.fetch_add(1, std::memory_order_relaxed);
}

void Release(simdrope_rope* rope) {
  if (rope != nullptr && rope->references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete rope;
}

double QueryScale(const simdrope_rope& rope, double position) {
  const simdrope_temperature& t = rope.temperature;
  double scale = 1;
  if (t.beta != 0) scale += t.beta * std::log(1 + std::floor((position + t.offset) / t.length));
  const double length = rope.query_log_length;
  if (length != 0 && position + 1 > length) scale *= std::log(position + 1) / std::log(length);
  return scale;
}

}  // namespace simdrope::impl
