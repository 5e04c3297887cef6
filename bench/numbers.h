// Values of the three types as doubles, one at a time, for filling and checking.
#ifndef SIMDROPE_BENCH_NUMBERS_H_
#define SIMDROPE_BENCH_NUMBERS_H_

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <simdrope/simdrope.hpp>

namespace simdrope::bench {

inline double FromBf16(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

inline double FromF16(uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const double mantissa = bits & 1023;
  const double magnitude = exponent == 0    ? std::ldexp(mantissa, -24)
                           : exponent == 31 ? (mantissa == 0 ? INFINITY : NAN)
                                            : std::ldexp(1024 + mantissa, exponent - 25);
  return bits >> 15 ? -magnitude : magnitude;
}

// To nearest even; finite values in range only.
inline uint16_t ToBf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
inline uint16_t ToF16(float value) {
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const double magnitude = std::fabs(value);
  if (magnitude == 0) return sign;
  const int exponent = std::max(std::ilogb(magnitude), -14);
  const double steps = std::nearbyint(std::ldexp(magnitude, 10 - exponent));
  return static_cast<uint16_t>(sign + ((exponent + 14) << 10) + static_cast<int>(steps));
}

inline double Load(const void* data, Format format, int64_t index) {
  if (format == f32) return static_cast<const float*>(data)[index];
  const uint16_t bits = static_cast<const uint16_t*>(data)[index];
  return format == f16 ? FromF16(bits) : FromBf16(bits);
}

inline void Store(void* data, Format format, int64_t index, float value) {
  if (format == f32) {
    static_cast<float*>(data)[index] = value;
  } else {
    static_cast<uint16_t*>(data)[index] = format == f16 ? ToF16(value) : ToBf16(value);
  }
}

}  // namespace simdrope::bench

#endif  // SIMDROPE_BENCH_NUMBERS_H_
