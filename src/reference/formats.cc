#include "reference/formats.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <iterator>

#include "core/names.h"

namespace simdrope::reference {
namespace {

// Significant bits (the implicit one counted), exponents of the least and of the greatest normal, bits in all.
struct Encoding {
  int digits;
  int least;
  int greatest;
  int width;
  bool has_infinity;  // else the greatest exponent has numbers, and all bits set are NaN
  bool saturates;
};

Encoding EncodingOf(Format format) {
  switch (format) {
    case SIMDROPE_F32: return {24, -126, 127, 32, true, false};
    case SIMDROPE_F16: return {11, -14, 15, 16, true, false};
    case SIMDROPE_BF16: return {8, -126, 127, 16, true, false};
    case SIMDROPE_F8_E4M3: return {4, -6, 8, 8, false, true};
    case SIMDROPE_F8_E5M2: return {3, -14, 15, 8, true, true};
    case SIMDROPE_I8:
    case SIMDROPE_U8:
    case SIMDROPE_Q8_0:
    case SIMDROPE_Q4_0: break;  // no exponent of its own
  }
  std::abort();
}

int ExponentOf(double value, const Encoding& f) { return value == 0 ? f.least : std::max(std::ilogb(value), f.least); }

uint32_t MagnitudeMask(const Encoding& f) { return (uint32_t{1} << (f.width - 1)) - 1; }

// The bits of infinity, or those that it would have.
uint32_t InfinityOf(const Encoding& f) { return static_cast<uint32_t>(f.greatest - f.least + 2) << (f.digits - 1); }

float FloatOf(double value) { return static_cast<float>(Rounded(value, f32)); }

constexpr int64_t kBlock = 32;  // elements of Q8_0 and Q4_0

// What a C cast gives where it is defined; NaN is 0, and beyond the range its end.
int Whole(float value, int least, int greatest) {
  if (std::isnan(value)) return 0;
  return static_cast<int>(std::clamp(value, static_cast<float>(least), static_cast<float>(greatest)));
}

void StoreF16(float value, char* at) { Store(static_cast<double>(value), f16, at); }

void EncodeQ8_0(const float* x, char* block) {
  float amax = 0;
  for (int i = 0; i < kBlock; ++i) amax = std::max(amax, std::fabs(x[i]));
  const float d = amax / 127;
  const float inverse = d != 0 ? 1 / d : 0;
  StoreF16(d, block);
  for (int i = 0; i < kBlock; ++i) block[2 + i] = static_cast<char>(Whole(std::round(x[i] * inverse), -128, 127));
}

void EncodeQ4_0(const float* x, char* block) {
  float amax = 0, extreme = 0;
  for (int i = 0; i < kBlock; ++i) {
    if (std::fabs(x[i]) <= amax) continue;
    amax = std::fabs(x[i]);
    extreme = x[i];
  }
  const float d = extreme / -8;
  const float inverse = d != 0 ? 1 / d : 0;
  StoreF16(d, block);
  const auto nibble = [&](int i) { return static_cast<unsigned>(Whole(x[i] * inverse + 8.5f, 0, 15)); };
  for (int i = 0; i < kBlock / 2; ++i) block[2 + i] = static_cast<char>(nibble(i) | nibble(i + kBlock / 2) << 4);
}

// Bytes from block to block.
int64_t BlockSize(Format format) { return size_of(format, kBlock); }

double ValueInBlock(const char* block, Format format, int64_t i) {
  const double d = Load(block, f16);
  if (format == q8_0) return d * static_cast<signed char>(block[2 + i]);
  const unsigned byte = static_cast<unsigned char>(block[2 + i % (kBlock / 2)]);
  return d * (static_cast<int>(i < kBlock / 2 ? byte & 15 : byte >> 4) - 8);
}

bool AllFinite(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
}

// To the nearest whole number, to even on ties.
float NearestEven(float value) { return std::nearbyint(value); }

void EncodeI8(const std::vector<double>& values, const StoredHead& head) {
  if (!head.scale_is_given) {
    float amax = 0;
    for (const double v : values) amax = std::max(amax, std::fabs(FloatOf(v)));
    *head.scale = amax / 127;
  }
  for (int64_t d = 0; d < head.head_dim; ++d) {
    const float scale = head.scale[d * head.element_stride];
    const float divisor = scale == 0 && !head.scale_is_given ? 1 : scale;
    const float q = NearestEven(FloatOf(values[static_cast<size_t>(d)]) / divisor);
    head.data[d] = static_cast<char>(Whole(q, -127, 127));
  }
}

void EncodeU8(const std::vector<double>& values, const StoredHead& head) {
  if (!head.scale_is_given) {
    const auto [least, greatest] = std::minmax_element(values.begin(), values.end());
    const float step = (FloatOf(*greatest) - FloatOf(*least)) / 255;
    *head.scale = step == 0 ? 1e-4f : step;
    *head.zero_point = -FloatOf(*least) / *head.scale;
  }
  for (int64_t d = 0; d < head.head_dim; ++d) {
    const float scale = head.scale[d * head.element_stride], zero = head.zero_point[d * head.element_stride];
    const float q = NearestEven(FloatOf(values[static_cast<size_t>(d)]) / scale + zero);
    head.data[d] = static_cast<char>(Whole(q, 0, 255));
  }
}

}  // namespace

const char* NameOf(Format format) { return impl::NameOf(format); }

bool IsFloat(Format format) { return format <= SIMDROPE_F8_E5M2; }

double MaxFinite(Format format) {
  const Encoding f = EncodingOf(format);
  // Without infinity, the last value before NaN.
  const int steps_below_two = f.has_infinity ? 1 : 2;
  return std::ldexp(2 - steps_below_two * std::ldexp(1.0, 1 - f.digits), f.greatest);
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
  if (std::isnan(value) || value == 0) return value;
  const Encoding f = EncodingOf(format);
  const double overflow = f.saturates ? MaxFinite(format) : INFINITY;
  if (std::isinf(value)) return std::copysign(overflow, value);
  const int last_place = ExponentOf(value, f) - f.digits + 1;
  const double rounded = std::ldexp(std::nearbyint(std::ldexp(value, -last_place)), last_place);
  if (std::fabs(rounded) > MaxFinite(format)) return std::copysign(overflow, value);
  return rounded == 0 ? std::copysign(0.0, value) : rounded;
}

uint32_t Encoded(double value, Format format) {
  const Encoding f = EncodingOf(format);
  const uint32_t implicit_bit = 1u << (f.digits - 1);
  const uint32_t sign = std::signbit(value) ? 1u << (f.width - 1) : 0;
  if (std::isnan(value)) return sign | (f.has_infinity ? InfinityOf(f) | (implicit_bit >> 1) : MagnitudeMask(f));
  const double rounded = std::fabs(Rounded(value, format));
  if (std::isinf(rounded)) return sign | InfinityOf(f);
  const int exponent = ExponentOf(rounded, f);
  const uint32_t significand = static_cast<uint32_t>(std::ldexp(rounded, f.digits - 1 - exponent));
  if (significand < implicit_bit) return sign | significand;
  return sign | (static_cast<uint32_t>(exponent - f.least + 1) << (f.digits - 1)) | (significand - implicit_bit);
}

double Decoded(uint32_t bits, Format format) {
  const Encoding f = EncodingOf(format);
  const uint32_t implicit_bit = 1u << (f.digits - 1);
  const uint32_t fraction = bits & (implicit_bit - 1);
  const uint32_t magnitude = bits & MagnitudeMask(f);
  const double sign = (bits >> (f.width - 1)) != 0 ? -1.0 : 1.0;
  if (f.has_infinity && magnitude >= InfinityOf(f)) return std::copysign(fraction != 0 ? NAN : INFINITY, sign);
  if (!f.has_infinity && magnitude == MagnitudeMask(f)) return std::copysign(NAN, sign);
  const int biased = static_cast<int>(magnitude >> (f.digits - 1));
  if (biased == 0) return sign * std::ldexp(fraction, f.least - f.digits + 1);
  return sign * std::ldexp(fraction + implicit_bit, biased + f.least - f.digits);
}

uint32_t LoadBits(const void* at, Format format) {
  const auto load = [at](auto bits) {
    std::memcpy(&bits, at, sizeof bits);
    return static_cast<uint32_t>(bits);
  };
  switch (EncodingOf(format).width) {
    case 32: return load(uint32_t{0});
    case 16: return load(uint16_t{0});
    default: return load(uint8_t{0});
  }
}

void StoreBits(uint32_t bits, Format format, void* at) {
  const auto store = [at](auto stored) { std::memcpy(at, &stored, sizeof stored); };
  switch (EncodingOf(format).width) {
    case 32: return store(bits);
    case 16: return store(static_cast<uint16_t>(bits));
    default: return store(static_cast<uint8_t>(bits));
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

StoredHead HeadAt(const simdrope_tensor& t, int64_t b, int64_t s, int64_t h) {
  StoredHead head;
  // Of blocked formats all strides are whole blocks; a negative offset is one too.
  head.data = static_cast<char*>(t.data) + size_of(t.format, b * t.batch_stride + s * t.seq_stride + h * t.head_stride);
  head.format = t.format;
  head.head_dim = t.head_dim;
  const simdrope_scales& scales = t.scales;
  const int64_t at = b * scales.batch_stride + s * scales.seq_stride + h * scales.head_stride;
  if (scales.scale != nullptr) head.scale = scales.scale + at;
  if (scales.zero_point != nullptr) head.zero_point = scales.zero_point + at;
  head.element_stride = scales.element_stride;
  head.scale_is_given = scales.given || IsFloat(t.format);
  return head;
}

std::vector<double> Decode(const StoredHead& head) {
  std::vector<double> values(static_cast<size_t>(head.head_dim));
  for (int64_t d = 0; d < head.head_dim; ++d) {
    const float scale = head.scale == nullptr ? 1 : head.scale[d * head.element_stride];
    double& value = values[static_cast<size_t>(d)];
    switch (head.format) {
      case SIMDROPE_Q8_0:
      case SIMDROPE_Q4_0:
        value = ValueInBlock(head.data + d / kBlock * BlockSize(head.format), head.format, d % kBlock);
        break;
      case SIMDROPE_I8: value = static_cast<float>(static_cast<signed char>(head.data[d])) * scale; break;
      case SIMDROPE_U8: {
        const float q = static_cast<float>(static_cast<unsigned char>(head.data[d]));
        value = (q - head.zero_point[d * head.element_stride]) * scale;
        break;
      }
      case SIMDROPE_F8_E4M3:
      case SIMDROPE_F8_E5M2: value = static_cast<float>(Load(head.data + d, head.format)) * scale; break;
      default: value = Load(head.data + size_of(head.format, d), head.format);
    }
  }
  return values;
}

void Encode(const std::vector<double>& values, const StoredHead& head) {
  if (head.format == i8) return EncodeI8(values, head);
  if (head.format == u8) return EncodeU8(values, head);
  if (head.format == q8_0 || head.format == q4_0) {
    for (int64_t first = 0; first < head.head_dim; first += kBlock) {
      float x[kBlock];
      std::transform(values.begin() + first, values.begin() + first + kBlock, x, FloatOf);
      char* block = head.data + first / kBlock * BlockSize(head.format);
      head.format == q8_0 ? EncodeQ8_0(x, block) : EncodeQ4_0(x, block);
    }
    return;
  }
  for (int64_t d = 0; d < head.head_dim; ++d) {
    double value = values[static_cast<size_t>(d)];
    if (head.scale != nullptr) value = FloatOf(value) / head.scale[d * head.element_stride];
    Store(value, head.format, head.data + size_of(head.format, d));
  }
}

std::vector<double> StoreErrors(const std::vector<double>& values, const std::vector<double>& errors,
                                const StoredHead& head) {
  constexpr double kU = 0x1p-24;
  const size_t n = values.size();
  std::vector<double> allowed(n, INFINITY);
  const auto reach = [&](size_t i) { return std::fabs(values[i]) + errors[i]; };
  if (head.format == q8_0 || head.format == q4_0) {
    const double steps = head.format == q8_0 ? 127 : 8;
    for (size_t first = 0; first < n; first += kBlock) {
      double amax = 0;
      for (size_t i = first; i < first + kBlock; ++i) amax = std::max(amax, reach(i));
      const double step = amax / steps;
      if (!(step < MaxFinite(f16))) continue;
      // Half a step (Q4_0: a whole one at the end that has but 7), the scale's rounding to f16, and its subnormals.
      const double nearest = head.format == q8_0 ? 0.5 : 1;
      for (size_t i = first; i < first + kBlock; ++i) {
        allowed[i] = errors[i] + step * (nearest + steps * (0x1p-11 + 4 * kU)) + steps * 0x1p-25;
      }
    }
    return allowed;
  }
  if (head.format == i8 || head.format == u8) {
    if (!AllFinite(values)) return allowed;
    double amax = 0, least = INFINITY, greatest = -INFINITY;
    for (size_t i = 0; i < n; ++i) {
      amax = std::max(amax, reach(i));
      least = std::min(least, values[i] - errors[i]);
      greatest = std::max(greatest, values[i] + errors[i]);
    }
    for (size_t i = 0; i < n; ++i) {
      const int64_t at = static_cast<int64_t>(i) * head.element_stride;
      const double computed = head.format == i8 ? amax / 127 : (greatest - least) / 255;
      const double step = head.scale_is_given ? static_cast<double>(head.scale[at]) : computed;
      allowed[i] = errors[i] + step * 0.5 + 8 * kU * (2 * amax + 255 * step);
      if (!head.scale_is_given) continue;
      // Beyond the range of a given scale, the range's end.
      const double zero = head.format == i8 ? 0 : static_cast<double>(head.zero_point[at]);
      const double low = head.format == i8 ? -127 * step : -zero * step;
      const double high = head.format == i8 ? 127 * step : (255 - zero) * step;
      allowed[i] += std::max({0.0, values[i] - high, low - values[i]});
    }
    return allowed;
  }
  for (size_t i = 0; i < n; ++i) {
    const int64_t at = static_cast<int64_t>(i) * head.element_stride;
    const double scale = head.scale == nullptr ? 1 : std::fabs(static_cast<double>(head.scale[at]));
    const double size = std::min(reach(i) / scale, MaxFinite(head.format));
    const double rounding = head.format == f32 ? 0 : UlpAt(size, head.format) / 2 * scale;
    allowed[i] = errors[i] + rounding + (head.scale == nullptr ? 0 : 3 * kU * reach(i));
    if (EncodingOf(head.format).saturates) {
      allowed[i] += std::max(0.0, std::fabs(values[i]) - MaxFinite(head.format) * scale);
    }
  }
  return allowed;
}

}  // namespace simdrope::reference
