#include "numbers.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

namespace simdrope::tool {
namespace {

struct FloatBits {
  int fraction_bits;
  int least_exponent;  // of normal numbers
  int greatest_exponent;
};

FloatBits BitsOf(Format dtype) {
  switch (dtype) {
    case SIMDROPE_F16: return {10, -14, 15};
    case SIMDROPE_BF16: return {7, -126, 127};
    default: break;
  }
  return {23, -126, 127};
}

uint32_t BitsAt(const void* data, Format dtype, int64_t index) {
  if (dtype == f32) {
    uint32_t bits;
    std::memcpy(&bits, static_cast<const char*>(data) + 4 * index, sizeof bits);
    return bits;
  }
  uint16_t bits;
  std::memcpy(&bits, static_cast<const char*>(data) + 2 * index, sizeof bits);
  return bits;
}

}  // namespace

double Load(const void* data, Format dtype, int64_t index) {
  const FloatBits format = BitsOf(dtype);
  const uint32_t bits = BitsAt(data, dtype, index);
  const uint32_t sign = dtype == f32 ? bits >> 31 : bits >> 15;
  const uint32_t fraction = bits & ((1u << format.fraction_bits) - 1);
  const int top = format.greatest_exponent - format.least_exponent + 2;  // Inf and NaN
  const int exponent = static_cast<int>(bits >> format.fraction_bits) & top;
  double value;
  if (exponent == top) {
    value = fraction == 0 ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  } else {
    const uint32_t leading = exponent == 0 ? 0 : 1u << format.fraction_bits;
    value = std::ldexp(static_cast<double>(leading | fraction),
                       std::max(exponent, 1) - 1 + format.least_exponent - format.fraction_bits);
  }
  return sign != 0 ? -value : value;
}

double Ulp(Format dtype, double magnitude) {
  const FloatBits format = BitsOf(dtype);
  const int exponent = magnitude == 0 ? format.least_exponent : std::ilogb(magnitude);
  return std::ldexp(1.0, std::clamp(exponent, format.least_exponent, format.greatest_exponent) - format.fraction_bits);
}

double Largest(Format dtype) {
  const FloatBits format = BitsOf(dtype);
  return std::ldexp(2.0 - std::ldexp(1.0, -format.fraction_bits), format.greatest_exponent);
}

double Rounded(double value, Format dtype) {
  if (!std::isfinite(value)) return value;
  const double ulp = Ulp(dtype, std::fabs(value));
  const double rounded = std::copysign(std::nearbyint(std::fabs(value) / ulp) * ulp, value);
  return std::fabs(rounded) > Largest(dtype) ? std::copysign(std::numeric_limits<double>::infinity(), value) : rounded;
}

void Store(double value, void* data, Format dtype, int64_t index) {
  const double rounded = Rounded(value, dtype);
  if (dtype == f32) {
    const float single = static_cast<float>(rounded);
    std::memcpy(static_cast<char*>(data) + 4 * index, &single, sizeof single);
    return;
  }
  const FloatBits format = BitsOf(dtype);
  const uint32_t sign = std::signbit(rounded) ? 0x8000u : 0;
  const uint32_t infinity = static_cast<uint32_t>(format.greatest_exponent - format.least_exponent + 2)
                            << format.fraction_bits;
  uint32_t bits;
  if (std::isnan(rounded)) {
    bits = infinity | (1u << (format.fraction_bits - 1));
  } else if (std::isinf(rounded)) {
    bits = infinity;
  } else {
    const double magnitude = std::fabs(rounded);
    const int exponent =
        magnitude == 0 ? format.least_exponent : std::max(std::ilogb(magnitude), format.least_exponent);
    const uint32_t fraction = static_cast<uint32_t>(std::ldexp(magnitude, format.fraction_bits - exponent));
    // A normal number's leading bit counts one exponent on.
    bits = (static_cast<uint32_t>(exponent - format.least_exponent) << format.fraction_bits) + fraction;
  }
  const uint16_t stored = static_cast<uint16_t>(sign | bits);
  std::memcpy(static_cast<char*>(data) + 2 * index, &stored, sizeof stored);
}

}  // namespace simdrope::tool
