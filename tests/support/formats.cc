#include "support/formats.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

namespace testing {
namespace {

// Significant bits (the implicit one counted), exponents of the least and of the greatest normal.
struct Encoding {
  int digits;
  int least;
  int greatest;
  int width;
};

Encoding EncodingOf(Format format) {
  switch (format) {
    case SIMDROPE_F32: return {24, -126, 127, 32};
    case SIMDROPE_F16: return {11, -14, 15, 16};
    case SIMDROPE_BF16: return {8, -126, 127, 16};
    default: std::abort();
  }
}

int ExponentOf(double value, const Encoding& f) { return value == 0 ? f.least : std::max(std::ilogb(value), f.least); }

}  // namespace

const char* NameOf(Format format) { return format == simdrope::f32 ? "f32" : format == simdrope::f16 ? "f16" : "bf16"; }

double MaxFinite(Format format) {
  const Encoding f = EncodingOf(format);
  return std::ldexp(2 - std::ldexp(1.0, 1 - f.digits), f.greatest);
}

double LeastNormal(Format format) { return std::ldexp(1.0, EncodingOf(format).least); }

double LeastSubnormal(Format format) {
  const Encoding f = EncodingOf(format);
  return std::ldexp(1.0, f.least - f.digits + 1);
}

double UlpAt(double value, Format format) {
  const Encoding f = EncodingOf(format);
  if (!std::isfinite(value)) return std::ldexp(1.0, f.greatest - f.digits + 1);
  return std::ldexp(1.0, std::min(ExponentOf(value, f), f.greatest) - f.digits + 1);
}

double Rounded(double value, Format format) {
  if (!std::isfinite(value) || value == 0) return value;
  const Encoding f = EncodingOf(format);
  const int last_place = ExponentOf(value, f) - f.digits + 1;
  const double rounded = std::ldexp(std::nearbyint(std::ldexp(value, -last_place)), last_place);
  if (std::fabs(rounded) > MaxFinite(format)) return std::copysign(INFINITY, value);
  return rounded == 0 ? std::copysign(0.0, value) : rounded;
}

uint32_t Encoded(double value, Format format) {
  const Encoding f = EncodingOf(format);
  const uint32_t implicit_bit = 1u << (f.digits - 1);
  const uint32_t infinity = static_cast<uint32_t>(f.greatest - f.least + 2) << (f.digits - 1);
  const uint32_t sign = std::signbit(value) ? 1u << (f.width - 1) : 0;
  if (std::isnan(value)) return sign | infinity | (implicit_bit >> 1);
  const double rounded = std::fabs(Rounded(value, format));
  if (std::isinf(rounded)) return sign | infinity;
  const int exponent = ExponentOf(rounded, f);
  const uint32_t significand = static_cast<uint32_t>(std::ldexp(rounded, f.digits - 1 - exponent));
  if (significand < implicit_bit) return sign | significand;
  return sign | (static_cast<uint32_t>(exponent - f.least + 1) << (f.digits - 1)) | (significand - implicit_bit);
}

double Decoded(uint32_t bits, Format format) {
  const Encoding f = EncodingOf(format);
  const uint32_t implicit_bit = 1u << (f.digits - 1);
  const uint32_t fraction = bits & (implicit_bit - 1);
  const int biased = static_cast<int>((bits & ((1u << (f.width - 1)) - 1)) >> (f.digits - 1));
  const double sign = (bits >> (f.width - 1)) != 0 ? -1.0 : 1.0;
  if (biased == f.greatest - f.least + 2) return std::copysign(fraction != 0 ? NAN : INFINITY, sign);
  if (biased == 0) return sign * std::ldexp(fraction, f.least - f.digits + 1);
  return sign * std::ldexp(fraction + implicit_bit, biased + f.least - f.digits);
}

uint32_t LoadBits(const void* at, Format format) {
  uint32_t word = 0;
  uint16_t half = 0;
  if (format == simdrope::f32) {
    std::memcpy(&word, at, sizeof(word));
    return word;
  }
  std::memcpy(&half, at, sizeof(half));
  return half;
}

void StoreBits(uint32_t bits, Format format, void* at) {
  const uint16_t half = static_cast<uint16_t>(bits);
  if (format == simdrope::f32) {
    std::memcpy(at, &bits, sizeof(bits));
  } else {
    std::memcpy(at, &half, sizeof(half));
  }
}

double Load(const void* at, Format format) { return Decoded(LoadBits(at, format), format); }

void Store(double value, Format format, void* at) { StoreBits(Encoded(value, format), format, at); }

int64_t UlpDistance(double a, double b, Format format) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b) ? 0 : INT64_MAX;
  const uint32_t sign_bit = 1u << (EncodingOf(format).width - 1);
  const auto place = [&](double value) {
    const uint32_t bits = Encoded(value, format);
    const int64_t magnitude = bits & (sign_bit - 1);
    return (bits & sign_bit) != 0 ? -magnitude : magnitude;
  };
  return std::llabs(place(a) - place(b));
}

}  // namespace testing
