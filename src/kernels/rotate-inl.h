// The rotation of rows: x' = x cos - y sin, y' = y cos + x sin, in float, rounded once to the output
// type. One multiply, one multiply-add for each result, in the same order in every form below, so
// that all forms give the same bits.
#if defined(SIMDROPE_ROTATE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SIMDROPE_ROTATE_INL_H_
#undef SIMDROPE_ROTATE_INL_H_
#else
#define SIMDROPE_ROTATE_INL_H_
#endif

#include <type_traits>

#include "hwy/highway.h"
#include "kernels/convert-inl.h"
#include "kernels/kernels.h"

HWY_BEFORE_NAMESPACE();
namespace simdrope::impl {
namespace HWY_NAMESPACE {

template <class In, class Out>
inline constexpr NaNs kNaNsOf =
    std::is_same_v<In, Bf16> && std::is_same_v<Out, Bf16> ? NaNs::kBf16 : NaNs::kAny;

template <class D, class V = hn::Vec<D>>
HWY_INLINE void RotatePair(D, V x, V y, V cos, V sin, V& x_out, V& y_out) {
  x_out = hn::NegMulAdd(y, sin, hn::Mul(x, cos));
  y_out = hn::MulAdd(x, sin, hn::Mul(y, cos));
}

// One row, any types, any pairings: x and y in separate vectors. Natural angles.
template <class In, class Out, simdrope_pairing kIn, simdrope_pairing kOut>
struct SeparateRow {
  static constexpr AngleOrder kOrder = AngleOrder::kNatural;
  const In* in;
  Out* out;
  const float* cos;
  const float* sin;
  ptrdiff_t in_split;
  ptrdiff_t out_split;

  template <class D>
  HWY_INLINE void operator()(D d, size_t i) const {
    hn::Vec<D> x, y, x_out, y_out;
    if constexpr (kIn == SIMDROPE_HALF) {
      x = LoadFloats(d, in + i);
      y = LoadFloats(d, in + in_split + i);
    } else {
      LoadInterleaved(d, in + 2 * i, x, y);
    }
    RotatePair(d, x, y, hn::LoadU(d, cos + i), hn::LoadU(d, sin + i), x_out, y_out);
    constexpr NaNs kNaNs = kNaNsOf<In, Out>;
    if constexpr (kOut == SIMDROPE_HALF) {
      StoreFloats<kNaNs>(x_out, d, out + i);
      StoreFloats<kNaNs>(y_out, d, out + out_split + i);
    } else {
      StoreInterleaved<kNaNs>(x_out, y_out, d, out + 2 * i);
    }
  }

  HWY_INLINE void Run(size_t pairs) const { ForVectors<float, kMaxLanes<float>>(0, pairs, *this); }
};

#if HWY_TARGET != HWY_SCALAR

// Interleaved in and out without separating the elements: each is multiplied by its cos, its
// neighbour by its signed sin. One shuffle a vector.
template <class In, class Out>
struct NeighbourRow {
  static constexpr AngleOrder kOrder = AngleOrder::kSigned;
  const In* in;
  Out* out;
  const float* cos;
  const float* sin;

  template <class D>
  HWY_INLINE void operator()(D d, size_t i) const {
    const auto v = LoadFloats(d, in + i);
    const auto own = hn::Mul(v, hn::LoadU(d, cos + i));
    const auto rotated = hn::MulAdd(hn::Reverse2(d, v), hn::LoadU(d, sin + i), own);
    StoreFloats<kNaNsOf<In, Out>>(rotated, d, out + i);
  }

  HWY_INLINE void Run(size_t pairs) const { ForVectors<float, kMaxLanes<float>, 2>(0, 2 * pairs, *this); }
};

// bf16 halves as words of two elements, without widening or narrowing shuffles: the even pairs are the
// lower halves of the words, the odd pairs the upper ones. Angles in even-odd order.
struct WordsRow {
  static constexpr AngleOrder kOrder = AngleOrder::kEvenOdd;
  const Bf16* in;
  Bf16* out;
  const float* cos;
  const float* sin;
  ptrdiff_t in_split;
  ptrdiff_t out_split;
  size_t evens;  // number of even pairs

  template <class D>
  HWY_INLINE void operator()(D d, size_t i) const {
    const Words<D> du;
    const TwoHalves<D> dh;
    const auto x = hn::BitCast(du, hn::LoadU(dh, Bits(in + 2 * i)));
    const auto y = hn::BitCast(du, hn::LoadU(dh, Bits(in + in_split + 2 * i)));
    hn::Vec<D> x_even, y_even, x_odd, y_odd;
    RotatePair(d, FromLowerHalf(d, x), FromLowerHalf(d, y), hn::LoadU(d, cos + i), hn::LoadU(d, sin + i), x_even,
               y_even);
    RotatePair(d, FromUpperHalf(d, x), FromUpperHalf(d, y), hn::LoadU(d, cos + evens + i),
               hn::LoadU(d, sin + evens + i), x_odd, y_odd);
    StoreInterleaved<NaNs::kBf16>(x_even, x_odd, d, out + 2 * i);
    StoreInterleaved<NaNs::kBf16>(y_even, y_odd, d, out + out_split + 2 * i);
  }

  HWY_INLINE void Run(size_t pairs) const {
    ForVectors<float, kMaxLanes<float>>(0, pairs / 2, *this);
    if (pairs % 2 != 0) {
      const size_t last = pairs - 1;
      SeparateRow<Bf16, Bf16, SIMDROPE_HALF, SIMDROPE_HALF>{
          in + last, out + last, cos + last / 2, sin + last / 2, in_split, out_split}(hn::CappedTag<float, 1>(), 0);
    }
  }
};

#endif

template <class In, class Out, simdrope_pairing kIn, simdrope_pairing kOut>
struct RowFor {
  using Type = SeparateRow<In, Out, kIn, kOut>;
};
#if HWY_TARGET != HWY_SCALAR
template <>
struct RowFor<Bf16, Bf16, SIMDROPE_HALF, SIMDROPE_HALF> {
  using Type = WordsRow;
};
template <>
struct RowFor<Bf16, Bf16, SIMDROPE_INTERLEAVED, SIMDROPE_INTERLEAVED> {
  using Type = SeparateRow<Bf16, Bf16, SIMDROPE_INTERLEAVED, SIMDROPE_INTERLEAVED>;
};
template <class In, class Out>
struct RowFor<In, Out, SIMDROPE_INTERLEAVED, SIMDROPE_INTERLEAVED> {
  using Type = NeighbourRow<In, Out>;
};
#endif

template <class In, class Out, simdrope_pairing kIn, simdrope_pairing kOut>
void Rotate(const RotateRows& a) {
  using Row = typename RowFor<In, Out, kIn, kOut>::Type;
  const char* in = static_cast<const char*>(a.in);
  char* out = static_cast<char*>(a.out);
  const float* cos = a.cos;
  const float* sin = a.sin;
  for (size_t r = 0; r < a.rows; ++r) {
    const In* row_in = reinterpret_cast<const In*>(in);
    Out* row_out = reinterpret_cast<Out*>(out);
    if constexpr (Row::kOrder == AngleOrder::kSigned) {
      Row{row_in, row_out, cos, sin}.Run(a.pairs);
    } else if constexpr (Row::kOrder == AngleOrder::kEvenOdd) {
      Row{row_in, row_out, cos, sin, a.in_split, a.out_split, (a.pairs + 1) / 2}.Run(a.pairs);
    } else {
      Row{row_in, row_out, cos, sin, a.in_split, a.out_split}.Run(a.pairs);
    }
    in += a.in_stride;
    out += a.out_stride;
    cos += a.angle_stride;
    sin += a.angle_stride;
  }
}

template <class In, class Out, simdrope_pairing kIn, simdrope_pairing kOut>
constexpr Rotation MakeRotation() {
  return {&Rotate<In, Out, kIn, kOut>, RowFor<In, Out, kIn, kOut>::Type::kOrder};
}

// out[i] = in[i] * scale.
template <class In, class Out>
struct CopyScaled {
  const In* in;
  Out* out;
  float scale;

  template <class D>
  HWY_INLINE void operator()(D d, size_t i) const {
    StoreFloats<NaNs::kAny>(hn::Mul(LoadFloats(d, in + i), hn::Set(d, scale)), d, out + i);
  }
};

template <class In, class Out>
void Copy(const void* in, void* out, size_t n, float scale) {
  const CopyScaled<In, Out> body{static_cast<const In*>(in), static_cast<Out*>(out), scale};
  ForVectors<float, kMaxLanes<float>>(0, n, body);
}

}  // namespace HWY_NAMESPACE
}  // namespace simdrope::impl
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
