// Tiles of 8-bit elements with scales: fp8, int8 and uint8. Included once per target.
#if defined(SIMDROPE_TILE_BYTES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SIMDROPE_TILE_BYTES_INL_H_
#undef SIMDROPE_TILE_BYTES_INL_H_
#else
#define SIMDROPE_TILE_BYTES_INL_H_
#endif

#include "hwy/highway.h"
#include "kernels/convert-inl.h"
#include "kernels/tile.h"
#include "kernels/tile_vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace simdrope::impl {
namespace HWY_NAMESPACE {

template <class D>
using Bytes = hn::Rebind<uint8_t, D>;  // as many uint8_t lanes

// ---- numbers of a format as floats, and back

template <simdrope_format kFormat, class D>
HWY_INLINE hn::Vec<D> FloatOfByte(D d, hn::Vec<Bytes<D>> bytes) {
  const hn::RebindToSigned<Words<D>> di;
  const Halves<D> dh;
  if constexpr (kFormat == SIMDROPE_I8) {
    return hn::ConvertTo(d, hn::PromoteTo(di, hn::BitCast(hn::Rebind<int8_t, D>(), bytes)));
  } else if constexpr (kFormat == SIMDROPE_U8) {
    return hn::ConvertTo(d, hn::PromoteTo(di, bytes));
  } else if constexpr (kFormat == SIMDROPE_F8_E5M2) {
    return FloatOfF16(d, hn::ShiftLeft<8>(hn::PromoteTo(dh, bytes)));  // the upper half of an f16
  } else {
    static_assert(kFormat == SIMDROPE_F8_E4M3);
    // The f16 of the same fraction and exponent bits is 2^-8 of the number, subnormals too.
    const auto wide = hn::PromoteTo(dh, bytes);
    const auto magnitude = hn::And(wide, hn::Set(dh, uint16_t{0x7f}));
    const auto sign = hn::ShiftLeft<8>(hn::And(wide, hn::Set(dh, uint16_t{0x80})));
    const auto half = hn::IfThenElse(hn::Eq(magnitude, hn::Set(dh, uint16_t{0x7f})), hn::Set(dh, uint16_t{0x7e00}),
                                     hn::ShiftLeft<7>(magnitude));
    return hn::Mul(FloatOfF16(d, hn::Or(half, sign)), hn::Set(d, 256.0f));
  }
}

template <simdrope_format kFormat>
struct Fp8;
template <>
struct Fp8<SIMDROPE_F8_E4M3> {
  static constexpr int kDropped = 20;  // fraction bits that a float has more
  static constexpr uint32_t kRebias = 127 - 7;
  static constexpr float kLargest = 448.0f;
  static constexpr float kLeastNormal = 0x1p-6f;
  static constexpr float kSubnormalSum = 0x1p14f;  // its last place is the least subnormal, 2^-9
  static constexpr uint32_t kNaN = 0x7f;
};
template <>
struct Fp8<SIMDROPE_F8_E5M2> {
  static constexpr int kDropped = 21;
  static constexpr uint32_t kRebias = 127 - 15;
  static constexpr float kLargest = 57344.0f;
  static constexpr float kLeastNormal = 0x1p-14f;
  static constexpr float kSubnormalSum = 0x1p7f;
  static constexpr uint32_t kNaN = 0x7e;
};

// To nearest even, in words below 2^8.
template <simdrope_format kFormat, class D>
HWY_INLINE hn::Vec<Words<D>> ByteOfFloat(D d, hn::Vec<D> v) {
  const Words<D> du;
  if constexpr (kFormat == SIMDROPE_I8 || kFormat == SIMDROPE_U8) {
    const auto number = hn::IfThenZeroElse(hn::IsNaN(v), v);
    const auto least = hn::Set(d, kFormat == SIMDROPE_I8 ? -127.0f : 0.0f);
    const auto greatest = hn::Set(d, kFormat == SIMDROPE_I8 ? 127.0f : 255.0f);
    // The last place of the sum is 1, and its low byte the rounded number.
    const auto sum = hn::Add(hn::Min(hn::Max(number, least), greatest), hn::Set(d, 0x1.8p23f));
    return hn::And(hn::BitCast(du, sum), hn::Set(du, 0xffu));
  } else {
    using Format = Fp8<kFormat>;
    constexpr int kDropped = Format::kDropped;
    const auto sign = hn::And(hn::ShiftRight<24>(hn::BitCast(du, v)), hn::Set(du, 0x80u));
    const auto is_nan = hn::RebindMask(du, hn::IsNaN(v));
    const auto magnitude = hn::Min(hn::Abs(v), hn::Set(d, Format::kLargest));
    const auto bits = hn::BitCast(du, magnitude);
    const auto odd = hn::And(hn::ShiftRight<kDropped>(bits), hn::Set(du, 1u));
    const auto rounded = hn::Add(bits, hn::Add(odd, hn::Set(du, (1u << (kDropped - 1)) - 1)));
    const auto normal = hn::Sub(hn::ShiftRight<kDropped>(rounded), hn::Set(du, Format::kRebias << (23 - kDropped)));
    const auto base = hn::Set(d, Format::kSubnormalSum);
    const auto subnormal = hn::Sub(hn::BitCast(du, hn::Add(magnitude, base)), hn::BitCast(du, base));
    const auto is_subnormal = hn::RebindMask(du, hn::Lt(magnitude, hn::Set(d, Format::kLeastNormal)));
    const auto number = hn::IfThenElse(is_subnormal, subnormal, normal);
    return hn::Or(hn::IfThenElse(is_nan, hn::Set(du, Format::kNaN), number), sign);
  }
}

template <class D>
HWY_INLINE void StoreBytes(D, hn::Vec<Words<D>> words, uint8_t* to) {
  const hn::RebindToSigned<Words<D>> di;
  hn::StoreU(hn::DemoteTo(Bytes<D>(), hn::BitCast(di, words)), Bytes<D>(), to);
}

// ---- scales

// Scales or zero points of one head, one for all elements or one for each.
struct ElementScales {
  const float* values;
  ptrdiff_t stride;
  size_t n;

  // Of elements i and on; of those beyond n, the last one's.
  template <class D>
  HWY_INLINE hn::Vec<D> At(D d, size_t i) const {
    if (stride == 0) return hn::Set(d, *values);
    alignas(kTileAlignment) float row[kTileGranule];
    for (size_t k = 0; k < hn::Lanes(d); ++k) row[k] = values[static_cast<ptrdiff_t>(HWY_MIN(i + k, n - 1)) * stride];
    return hn::Load(d, row);
  }
};

struct HeadScales {
  ElementScales scale;
  ElementScales zero_point;
};

inline constexpr float kNoScale = 1.0f;

// `Side`: TileInput or TileOutput.
template <simdrope_format kFormat, class Side>
HWY_INLINE HeadScales ScalesOf(const Side& side, size_t h, size_t n) {
  HWY_DASSERT(side.scale != nullptr || kFormat == SIMDROPE_F8_E4M3 || kFormat == SIMDROPE_F8_E5M2);
  HWY_DASSERT(side.zero_point != nullptr || kFormat != SIMDROPE_U8);
  if (side.scale == nullptr) return {{&kNoScale, 0, n}, {nullptr, 0, n}};
  const ptrdiff_t index = static_cast<ptrdiff_t>(h) * side.scale_head_stride;
  const float* zero_point = kFormat == SIMDROPE_U8 ? side.zero_point + index : nullptr;
  return {{side.scale + index, side.scale_element_stride, n}, {zero_point, side.scale_element_stride, n}};
}

// ---- loads

template <simdrope_format kFormat, class D>
HWY_INLINE hn::Vec<D> ScaledBytes(D d, const uint8_t* from, const HeadScales& scales, size_t i) {
  auto x = FloatOfByte<kFormat>(d, hn::LoadU(Bytes<D>(), from));
  if constexpr (kFormat == SIMDROPE_U8) x = hn::Sub(x, scales.zero_point.At(d, i));
  return hn::Mul(x, scales.scale.At(d, i));
}

template <simdrope_format kFormat>
void LoadByteTile(const TileInput& input, const Tile& tile) {
  AssertTile(tile);
  const TileTag d;
  const size_t lanes = hn::Lanes(d);
  const size_t n = tile.head_dim;
  for (size_t h = 0; h < tile.heads; ++h) {
    const uint8_t* from = HeadBytes(input, h);
    float* head = tile.data + h * tile.stride;
    const HeadScales scales = ScalesOf<kFormat>(input, h, n);
    for (size_t i = 0; i < n; i += lanes) {
      alignas(kTileAlignment) uint8_t rest[kTileGranule];
      const uint8_t* bytes = from + i;
      if (i + lanes > n) {
        std::memset(rest, 0, sizeof(rest));
        std::memcpy(rest, from + i, n - i);
        bytes = rest;
      }
      hn::Store(ScaledBytes<kFormat>(d, bytes, scales, i), d, head + i);
    }
    ZeroPadding(tile, h);
  }
}

// ---- stores

// Floats in the order of these integers, negative NaN first, positive NaN last. The same function leads back.
template <class DI>
HWY_INLINE hn::Vec<DI> InOrder(DI di, hn::Vec<DI> bits) {
  return hn::Xor(bits, hn::And(hn::ShiftRight<31>(bits), hn::Set(di, 0x7fffffff)));
}
inline float FromOrder(int32_t ordered) {
  return FloatOf(static_cast<uint32_t>(ordered < 0 ? ordered ^ 0x7fffffff : ordered));
}

struct Range {
  float least;
  float greatest;
};

// Of a head. kMagnitudes: greatest alone, of |x|. NaN is beyond every number.
template <bool kMagnitudes>
HWY_INLINE Range RangeOf(const float* head, size_t n) {
  const TileTag d;
  const hn::RebindToSigned<Words<TileTag>> di;
  const size_t lanes = hn::Lanes(d);
  auto least = hn::Set(di, INT32_MAX);
  auto greatest = hn::Set(di, INT32_MIN);
  for (size_t i = 0; i < n; i += lanes) {
    const auto bits = hn::BitCast(di, hn::Load(d, head + i));
    if constexpr (kMagnitudes) {
      greatest = hn::Max(greatest, hn::And(bits, hn::Set(di, 0x7fffffff)));  // of the padding, 0
    } else {
      const auto ordered = InOrder(di, bits);
      if (i + lanes > n) {  // the padding is none of the elements
        const auto is_element = hn::FirstN(di, n - i);
        least = hn::IfThenElse(is_element, hn::Min(least, ordered), least);
        greatest = hn::IfThenElse(is_element, hn::Max(greatest, ordered), greatest);
      } else {
        least = hn::Min(least, ordered);
        greatest = hn::Max(greatest, ordered);
      }
    }
  }
  const float top = FromOrder(hn::GetLane(hn::MaxOfLanes(di, greatest)));
  return {kMagnitudes ? 0.0f : FromOrder(hn::GetLane(hn::MinOfLanes(di, least))), top};
}

// Of a head whose elements are all the same, c: then zero_point is -c / scale, and loading gives c, not NaN.
inline constexpr float kScaleOfConstant = 1e-4f;

template <simdrope_format kFormat>
HWY_INLINE void ComputeScale(const float* head, size_t n, float* scale, float* zero_point) {
  if constexpr (kFormat == SIMDROPE_I8) {
    *scale = RangeOf<true>(head, n).greatest / 127.0f;
  } else {
    static_assert(kFormat == SIMDROPE_U8);
    const Range range = RangeOf<false>(head, n);
    *scale = (range.greatest - range.least) / 255.0f;
    if (*scale == 0.0f) *scale = kScaleOfConstant;
    *zero_point = -range.least / *scale;
  }
}

template <simdrope_format kFormat>
void StoreByteTile(const Tile& tile, const TileOutput& output) {
  AssertTile(tile);
  constexpr bool kIsInteger = kFormatTable[kFormat].scales == Scales::kComputed;
  HWY_DASSERT(kIsInteger || !output.computes_scale);
  HWY_DASSERT(!output.computes_scale || output.scale_element_stride == 0);
  const TileTag d;
  const size_t lanes = hn::Lanes(d);
  const size_t n = tile.head_dim;
  for (size_t h = 0; h < tile.heads; ++h) {
    PrefetchHead(output.ahead, h);
    const float* head = tile.data + h * tile.stride;
    uint8_t* to = HeadBytes(output, h);
    HeadScales scales = ScalesOf<kFormat>(output, h, n);
    float divisor = 1.0f;
    if constexpr (kIsInteger) {
      if (output.computes_scale) {
        const ptrdiff_t index = static_cast<ptrdiff_t>(h) * output.scale_head_stride;
        ComputeScale<kFormat>(head, n, output.scale + index,
                              kFormat == SIMDROPE_U8 ? output.zero_point + index : nullptr);
        divisor = output.scale[index] == 0.0f ? 1.0f : output.scale[index];
        scales.scale.values = &divisor;
      }
    }
    for (size_t i = 0; i < n; i += lanes) {
      auto x = hn::Div(hn::Load(d, head + i), scales.scale.At(d, i));
      if constexpr (kFormat == SIMDROPE_U8) x = hn::Add(x, scales.zero_point.At(d, i));
      const auto words = ByteOfFloat<kFormat>(d, x);
      if (i + lanes <= n) {
        StoreBytes(d, words, to + i);
      } else {
        alignas(kTileAlignment) uint8_t rest[kTileGranule];
        StoreBytes(d, words, rest);
        std::memcpy(to + i, rest, n - i);
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace simdrope::impl
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
