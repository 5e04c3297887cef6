// The two 16-bit formats, one value at a time: to nearest even, NaN stays NaN, subnormals kept. The
// definition that the vector conversions are tested against.
#ifndef SIMDROPE_CORE_HALF_H_
#define SIMDROPE_CORE_HALF_H_

#include <cstdint>
#include <cstring>

namespace simdrope::impl {

// Storage types, so that kernels can be chosen by type.
struct F16 {
  uint16_t bits;
};
struct Bf16 {
  uint16_t bits;
};

inline uint32_t BitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

inline float FloatOf(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

inline float ToFloat(float x) { return x; }
inline float ToFloat(Bf16 x) { return FloatOf(uint32_t{x.bits} << 16); }
inline float ToFloat(F16 x) {
  const uint32_t sign = (x.bits & 0x8000u) << 16;
  const uint32_t magnitude = x.bits & 0x7fffu;
  if (magnitude >= 0x7c00u) return FloatOf(sign | (magnitude << 13) | 0x7f800000u);
  if (magnitude >= 0x0400u) return FloatOf(sign | ((magnitude << 13) + (112u << 23)));
  const float subnormal = static_cast<float>(magnitude) * 0x1p-24f;
  return FloatOf(sign | BitsOf(subnormal));
}

template <class T>
T FromFloat(float x);

template <>
inline float FromFloat<float>(float x) {
  return x;
}
template <>
inline Bf16 FromFloat<Bf16>(float x) {
  const uint32_t bits = BitsOf(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return {static_cast<uint16_t>((bits >> 16) | 0x40u)};
  return {static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16)};
}
template <>
inline F16 FromFloat<F16>(float x) {
  const uint32_t bits = BitsOf(x);
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  uint32_t half;
  if (magnitude > 0x7f800000u) {
    half = 0x7e00u | ((magnitude >> 13) & 0x3ffu);
  } else if (magnitude >= 0x477ff000u) {  // 65520 and above round to infinity
    half = 0x7c00u;
  } else if (magnitude < 0x38800000u) {  // below 2^-14: the sum's last place is 2^-24
    half = BitsOf(FloatOf(magnitude) + 0.5f) - BitsOf(0.5f);
  } else {
    half = (magnitude - (112u << 23) + 0xfffu + ((magnitude >> 13) & 1u)) >> 13;
  }
  return {static_cast<uint16_t>(sign | half)};
}

inline float RoundToBf16(float x) { return ToFloat(FromFloat<Bf16>(x)); }
inline float RoundToF16(float x) { return ToFloat(FromFloat<F16>(x)); }

}  // namespace simdrope::impl

#endif  // SIMDROPE_CORE_HALF_H_
