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
#include <utility>

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "kernels/arrange-inl.h"
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

// A form rotates the elements of one row at lane i of the angles, given their vectors:
//   Lanes(pairs)           angles of a row, in lanes; Pairs(lanes) the other way round
//   kAngles, Angle<k>      the vectors of angles that lane i takes, from angles in the form's order,
//   NaturalAngle<k>        and from angles in natural order, for whole vectors
//   Block(d, i, angles...) the rotation

// Any types, any pairings: x and y in separate vectors. Natural angles.
template <class In, class Out, simdrope_pairing kIn, simdrope_pairing kOut, bool kPastCaches>
struct SeparateForm {
  static constexpr AngleOrder kOrder = AngleOrder::kNatural;
  static constexpr size_t kAngles = 2;
  static constexpr size_t kSmallest = 1;
  const In* in;
  Out* out;
  ptrdiff_t in_split;
  ptrdiff_t out_split;

  static size_t Lanes(size_t pairs) { return pairs; }
  static constexpr size_t Pairs(size_t lanes) { return lanes; }

  template <size_t k, class D>
  static HWY_INLINE hn::Vec<D> Angle(D d, const RotateRows& a, size_t i) {
    return hn::LoadU(d, (k == 0 ? a.cos : a.sin) + i);
  }
  template <size_t k, class D>
  static HWY_INLINE hn::Vec<D> NaturalAngle(D d, const RotateRows& a, size_t i) {
    return Angle<k>(d, a, i);
  }

  template <class D, class V = hn::Vec<D>>
  HWY_INLINE void Block(D d, size_t i, V cos, V sin) const {
    V x, y, x_out, y_out;
    if constexpr (kIn == SIMDROPE_HALF) {
      x = LoadFloats(d, in + i);
      y = LoadFloats(d, in + in_split + i);
    } else {
      LoadInterleaved(d, in + 2 * i, x, y);
    }
    RotatePair(d, x, y, cos, sin, x_out, y_out);
    constexpr NaNs kNaNs = kNaNsOf<In, Out>;
    if constexpr (kOut == SIMDROPE_HALF) {
      StoreFloats<kNaNs, kPastCaches>(x_out, d, out + i);
      StoreFloats<kNaNs, kPastCaches>(y_out, d, out + out_split + i);
    } else {
      StoreInterleaved<kNaNs, kPastCaches>(x_out, y_out, d, out + 2 * i);
    }
  }
};

#if HWY_TARGET != HWY_SCALAR

// Interleaved in and out without separating the elements: each is multiplied by its cos, its
// neighbour by its signed sin. One shuffle a vector.
template <class In, class Out, bool kPastCaches>
struct NeighbourForm {
  static constexpr AngleOrder kOrder = AngleOrder::kSigned;
  static constexpr size_t kAngles = 2;
  static constexpr size_t kSmallest = 2;
  const In* in;
  Out* out;
  ptrdiff_t in_split;
  ptrdiff_t out_split;

  static size_t Lanes(size_t pairs) { return 2 * pairs; }
  static constexpr size_t Pairs(size_t lanes) { return lanes / 2; }

  template <size_t k, class D>
  static HWY_INLINE hn::Vec<D> Angle(D d, const RotateRows& a, size_t i) {
    return hn::LoadU(d, (k == 0 ? a.cos : a.sin) + i);
  }
  template <size_t k, class D>
  static HWY_INLINE hn::Vec<D> NaturalAngle(D d, const RotateRows& a, size_t i) {
    return k == 0 ? LoadTwice(d, a.cos + i / 2) : LoadSigned(d, a.sin + i / 2);
  }

  template <class D, class V = hn::Vec<D>>
  HWY_INLINE void Block(D d, size_t i, V cos, V signed_sin) const {
    const auto v = LoadFloats(d, in + i);
    const auto rotated = hn::MulAdd(hn::Reverse2(d, v), signed_sin, hn::Mul(v, cos));
    StoreFloats<kNaNsOf<In, Out>, kPastCaches>(rotated, d, out + i);
  }
};

// bf16 halves as words of two elements, without widening or narrowing shuffles: the even pairs are the
// lower halves of the words, the odd pairs the upper ones. Angles in even-odd order.
template <bool kPastCaches>
struct WordsForm {
  static constexpr AngleOrder kOrder = AngleOrder::kEvenOdd;
  static constexpr size_t kAngles = 4;
  static constexpr size_t kSmallest = 1;
  const Bf16* in;
  Bf16* out;
  ptrdiff_t in_split;
  ptrdiff_t out_split;

  static size_t Lanes(size_t pairs) { return pairs / 2; }  // an odd pair is left over
  static constexpr size_t Pairs(size_t lanes) { return 2 * lanes; }

  template <size_t k, class D>
  static HWY_INLINE hn::Vec<D> Angle(D d, const RotateRows& a, size_t i) {
    const size_t evens = (a.pairs + 1) / 2;
    return hn::LoadU(d, (k % 2 == 0 ? a.cos : a.sin) + (k < 2 ? 0 : evens) + i);
  }
  template <size_t k, class D>
  static HWY_INLINE hn::Vec<D> NaturalAngle(D d, const RotateRows& a, size_t i) {
    const float* p = (k % 2 == 0 ? a.cos : a.sin) + 2 * i;
    const auto low = hn::LoadU(d, p);
    const auto high = hn::LoadU(d, p + hn::Lanes(d));
    return k < 2 ? hn::ConcatEven(d, high, low) : hn::ConcatOdd(d, high, low);
  }

  template <class D, class V = hn::Vec<D>>
  HWY_INLINE void Block(D d, size_t i, V cos_even, V sin_even, V cos_odd, V sin_odd) const {
    const Words<D> du;
    const TwoHalves<D> dh;
    const auto x = hn::BitCast(du, hn::LoadU(dh, Bits(in + 2 * i)));
    const auto y = hn::BitCast(du, hn::LoadU(dh, Bits(in + in_split + 2 * i)));
    V x_even, y_even, x_odd, y_odd;
    RotatePair(d, FromLowerHalf(d, x), FromLowerHalf(d, y), cos_even, sin_even, x_even, y_even);
    RotatePair(d, FromUpperHalf(d, x), FromUpperHalf(d, y), cos_odd, sin_odd, x_odd, y_odd);
    StoreInterleaved<NaNs::kBf16, kPastCaches>(x_even, x_odd, d, out + 2 * i);
    StoreInterleaved<NaNs::kBf16, kPastCaches>(y_even, y_odd, d, out + out_split + 2 * i);
  }
};

// f16 halves past the caches: two vectors of floats at a time, so that stores are as wide as vectors. Natural
// angles. An even number of pairs.
struct JoinedForm {
  static constexpr AngleOrder kOrder = AngleOrder::kNatural;
  static constexpr size_t kAngles = 4;
  static constexpr size_t kSmallest = 1;
  const F16* in;
  F16* out;
  ptrdiff_t in_split;
  ptrdiff_t out_split;

  static size_t Lanes(size_t pairs) { return pairs / 2; }
  static constexpr size_t Pairs(size_t lanes) { return 2 * lanes; }

  template <size_t k, class D>
  static HWY_INLINE hn::Vec<D> Angle(D d, const RotateRows& a, size_t i) {
    return hn::LoadU(d, (k % 2 == 0 ? a.cos : a.sin) + 2 * i + (k < 2 ? 0 : hn::Lanes(d)));
  }
  template <size_t k, class D>
  static HWY_INLINE hn::Vec<D> NaturalAngle(D d, const RotateRows& a, size_t i) {
    return Angle<k>(d, a, i);
  }

  template <class D, class V = hn::Vec<D>>
  HWY_INLINE void Block(D d, size_t i, V cos0, V sin0, V cos1, V sin1) const {
    const size_t lower = 2 * i;
    const size_t upper = lower + hn::Lanes(d);
    V x0, y0, x1, y1;
    RotatePair(d, LoadFloats(d, in + lower), LoadFloats(d, in + in_split + lower), cos0, sin0, x0, y0);
    RotatePair(d, LoadFloats(d, in + upper), LoadFloats(d, in + in_split + upper), cos1, sin1, x1, y1);
    const TwoHalves<D> dh;
    StoreVector<true>(hn::Combine(dh, F16OfFloat(d, x1), F16OfFloat(d, x0)), dh, Bits(out + lower));
    StoreVector<true>(hn::Combine(dh, F16OfFloat(d, y1), F16OfFloat(d, y0)), dh, Bits(out + out_split + lower));
  }
};

#endif

template <class In, class Out, simdrope_pairing kIn, simdrope_pairing kOut, bool kPastCaches>
struct FormFor {
  using Type = SeparateForm<In, Out, kIn, kOut, kPastCaches>;
};
#if HWY_TARGET != HWY_SCALAR
template <class In, class Out, bool kPastCaches>
struct FormFor<In, Out, SIMDROPE_INTERLEAVED, SIMDROPE_INTERLEAVED, kPastCaches> {
  using Type = NeighbourForm<In, Out, kPastCaches>;
};
template <bool kPastCaches>
struct FormFor<Bf16, Bf16, SIMDROPE_INTERLEAVED, SIMDROPE_INTERLEAVED, kPastCaches> {
  using Type = SeparateForm<Bf16, Bf16, SIMDROPE_INTERLEAVED, SIMDROPE_INTERLEAVED, kPastCaches>;
};
template <bool kPastCaches>
struct FormFor<Bf16, Bf16, SIMDROPE_HALF, SIMDROPE_HALF, kPastCaches> {
  using Type = WordsForm<kPastCaches>;
};
template <>
struct FormFor<F16, F16, SIMDROPE_HALF, SIMDROPE_HALF, true> {
  using Type = JoinedForm;
};
#endif

// The hardware prefetcher alone does not keep up with rows of 512-bit vectors (docs/performance.md).
template <class In, simdrope_pairing kIn, class Fetch>
HWY_INLINE void FetchRow(const char* row, size_t pairs, ptrdiff_t split, const Fetch& fetch) {
  constexpr size_t kLine = 64;
  const size_t bytes = (kIn == SIMDROPE_HALF ? pairs : 2 * pairs) * sizeof(In);
  for (size_t byte = 0; byte < bytes; byte += kLine) {
    fetch(row + byte);
    if constexpr (kIn == SIMDROPE_HALF) fetch(row + split * ptrdiff_t{sizeof(In)} + byte);
  }
}

struct IntoFirstLevel {
  HWY_INLINE void operator()(const char* p) const { hwy::Prefetch(p); }
};
struct IntoSecondLevel {
  HWY_INLINE void operator()([[maybe_unused]] const char* p) const {
#if HWY_COMPILER_GCC || HWY_COMPILER_CLANG
    __builtin_prefetch(p, 0, 2);
#endif
  }
};

// While working on how many of the rows the one `ahead` bytes on is to be fetched.
HWY_INLINE size_t FetchingRows(const RotateRows& a, ptrdiff_t ahead) {
  const ptrdiff_t room = static_cast<const char*>(a.prefetch_end) - static_cast<const char*>(a.in) - ahead;
  if (ahead == 0 || room <= 0) return 0;
  if (room > static_cast<ptrdiff_t>(a.rows - 1) * a.in_stride) return a.rows;
  return static_cast<size_t>((room + a.in_stride - 1) / a.in_stride);
}

template <class In, simdrope_pairing kIn>
class Prefetcher {
 public:
  HWY_INLINE explicit Prefetcher(const RotateRows& a)
      : near_(a.prefetch_near),
        far_(a.prefetch_far),
        near_rows_(FetchingRows(a, near_)),
        far_rows_(FetchingRows(a, far_)) {}

  // `pairs` of row r, at `row`, are about to be read.
  HWY_INLINE void Fetch(const char* row, size_t r, size_t pairs, ptrdiff_t split) const {
    if (r < near_rows_) FetchRow<In, kIn>(row + near_, pairs, split, IntoFirstLevel());
    if (r < far_rows_) FetchRow<In, kIn>(row + far_, pairs, split, IntoSecondLevel());
  }

 private:
  ptrdiff_t near_;
  ptrdiff_t far_;
  size_t near_rows_;
  size_t far_rows_;
};

// Vectors of angles that leave enough registers for the rest.
inline constexpr size_t kResidentAngles =
    (HWY_ARCH_X86 && HWY_TARGET > HWY_AVX3) || HWY_ARCH_ARM_V7 || HWY_ARCH_WASM ? 8 : 16;
// Of wider rows, those of up to so many vectors of angles are unrolled.
inline constexpr size_t kFixedAngles = 32;

// ---- rows of any width that share their angles

template <class Form>
struct LoadingBody {
  const Form& form;
  const RotateRows& a;
  template <class D>
  HWY_INLINE void operator()(D d, size_t i) const {
    if constexpr (Form::kAngles == 2) {
      form.Block(d, i, Form::template Angle<0>(d, a, i), Form::template Angle<1>(d, a, i));
    } else {
      form.Block(d, i, Form::template Angle<0>(d, a, i), Form::template Angle<1>(d, a, i),
                 Form::template Angle<2>(d, a, i), Form::template Angle<3>(d, a, i));
    }
  }
};

// What RotateLoading does with a row: vectors of any number, or of a number known here, which takes no
// counting and no computed addresses.
template <class Form, class In, class Out>
struct AnyBlocks {
  const RotateRows& a;

  size_t pairs() const { return a.pairs; }
  HWY_INLINE void operator()(const Form& form) const {
    ForVectors<float, kMaxLanes<float>, Form::kSmallest>(0, Form::Lanes(a.pairs), LoadingBody<Form>{form, a});
    if constexpr (Form::kOrder == AngleOrder::kEvenOdd) {
      if (a.pairs % 2 != 0) {
        const hn::CappedTag<float, 1> d1;
        const size_t last = a.pairs - 1;
        SeparateForm<In, Out, SIMDROPE_HALF, SIMDROPE_HALF, false>{form.in + last, form.out + last, a.in_split, a.out_split}
            .Block(d1, 0, hn::LoadU(d1, a.cos + last / 2), hn::LoadU(d1, a.sin + last / 2));
      }
    }
  }
};

template <class Form, size_t... kBlock>
struct FixedBlocks {
  const RotateRows& a;

  static size_t pairs() { return Form::Pairs(sizeof...(kBlock) * hn::Lanes(hn::ScalableTag<float>())); }
  HWY_INLINE void operator()(const Form& form) const {
    const hn::ScalableTag<float> d;
    const LoadingBody<Form> body{form, a};
    (body(d, kBlock * hn::Lanes(d)), ...);
  }
};
template <class Form, size_t... kBlock>
FixedBlocks<Form, kBlock...> MakeFixedBlocks(const RotateRows& a, std::index_sequence<kBlock...>) {
  return {a};
}

template <class Form, class In, class Out, simdrope_pairing kIn, class Blocks>
HWY_INLINE void RotateLoading(const RotateRows& a, const Blocks& blocks) {
  const char* in = static_cast<const char*>(a.in);
  char* out = static_cast<char*>(a.out);
  const Prefetcher<In, kIn> prefetcher(a);
  for (size_t r = 0; r < a.rows; ++r) {
    prefetcher.Fetch(in, r, blocks.pairs(), a.in_split);
    blocks(Form{reinterpret_cast<const In*>(in), reinterpret_cast<Out*>(out), a.in_split, a.out_split});
    in += a.in_stride;
    out += a.out_stride;
  }
}

// Rotates all rows if they are just kBlocks, kBlocks / 2, ... kLeast whole vectors wide.
template <class Form, class In, class Out, simdrope_pairing kIn, size_t kBlocks, size_t kLeast>
HWY_INLINE bool TryFixed(const RotateRows& a) {
  if constexpr (kBlocks >= kLeast) {
    const auto blocks = MakeFixedBlocks<Form>(a, std::make_index_sequence<kBlocks>());
    if (a.pairs == blocks.pairs()) {
      RotateLoading<Form, In, Out, kIn>(a, blocks);
      return true;
    }
    return TryFixed<Form, In, Out, kIn, kBlocks / 2, kLeast>(a);
  }
  return false;
}

template <class Form, class In, class Out, simdrope_pairing kIn, bool kCommon>
HWY_INLINE void RotateAnyWidth(RotateRows a) {
  alignas(64) [[maybe_unused]] float angles[Form::kOrder == AngleOrder::kNatural ? 1 : 4 * SIMDROPE_MAX_PAIRS];
  if constexpr (Form::kOrder != AngleOrder::kNatural) {
    float* const cos = angles;
    float* const sin = angles + 2 * SIMDROPE_MAX_PAIRS;
    Arrange<Form::kOrder>(a.cos, a.sin, a.pairs, cos, sin);
    a.cos = cos;
    a.sin = sin;
  }
  if constexpr (kCommon) {
    constexpr size_t kBlocks = kFixedAngles / Form::kAngles;
    constexpr size_t kLeast = 2 * kResidentAngles / Form::kAngles;
    if (TryFixed<Form, In, Out, kIn, kBlocks, kLeast>(a)) return;
  }
  RotateLoading<Form, In, Out, kIn>(a, AnyBlocks<Form, In, Out>{a});
}

// ---- rows of a few vectors that share their angles, which stay in registers

// One row, given the angles of all its vectors.
template <class Form, class V, class... More>
HWY_INLINE void RotateBlocks(std::integral_constant<size_t, 2> two, const Form& form, size_t i, V a0, V a1,
                             More... more) {
  const hn::DFromV<V> d;
  form.Block(d, i, a0, a1);
  if constexpr (sizeof...(More) > 0) RotateBlocks(two, form, i + hn::Lanes(d), more...);
}
template <class Form, class V, class... More>
HWY_INLINE void RotateBlocks(std::integral_constant<size_t, 4> four, const Form& form, size_t i, V a0, V a1, V a2, V a3,
                             More... more) {
  const hn::DFromV<V> d;
  form.Block(d, i, a0, a1, a2, a3);
  if constexpr (sizeof...(More) > 0) RotateBlocks(four, form, i + hn::Lanes(d), more...);
}

// kWhole vectors, then one of kTail lanes unless that is 0.
template <size_t kWhole, size_t kTail>
struct Shape {
  static constexpr size_t kVectors = kWhole + (kTail != 0);
  static size_t Lanes() { return kWhole * hn::Lanes(hn::ScalableTag<float>()) + kTail; }
};

// Loads the angles that are still missing, then rotates all rows of a group.
template <class Form, class In, class Out, simdrope_pairing kIn, size_t kWhole, size_t kTail, class... Angles>
HWY_INLINE void RotateResident(Shape<kWhole, kTail> shape, const RotateRows& a, Angles... angles) {
  constexpr size_t kLoaded = sizeof...(Angles);
  constexpr size_t kNext = kLoaded % Form::kAngles;
  const hn::ScalableTag<float> d;
  if constexpr (kLoaded < kWhole * Form::kAngles) {
    const auto angle = Form::template NaturalAngle<kNext>(d, a, kLoaded / Form::kAngles * hn::Lanes(d));
    RotateResident<Form, In, Out, kIn>(shape, a, angles..., angle);
  } else if constexpr (kTail != 0 && kLoaded < (kWhole + 1) * Form::kAngles) {
    const hn::CappedTag<float, kTail> tail;
    const auto angle = Form::template NaturalAngle<kNext>(tail, a, kWhole * hn::Lanes(d));
    RotateResident<Form, In, Out, kIn>(shape, a, angles..., angle);
  } else {
    const char* in = static_cast<const char*>(a.in);
    char* out = static_cast<char*>(a.out);
    const Prefetcher<In, kIn> prefetcher(a);
    for (size_t r = 0; r < a.rows; ++r) {
      prefetcher.Fetch(in, r, Form::Pairs(shape.Lanes()), a.in_split);
      const Form form{reinterpret_cast<const In*>(in), reinterpret_cast<Out*>(out), a.in_split, a.out_split};
      RotateBlocks(std::integral_constant<size_t, Form::kAngles>(), form, 0, angles...);
      in += a.in_stride;
      out += a.out_stride;
    }
  }
}

// Calls body(group) for each group of `a`, as rows of a single group.
template <class Body>
HWY_INLINE void ForGroups(const RotateRows& a, const Body& body) {
  RotateRows group = a;  // a copy that no store of a row can change, for all that the compiler knows
  for (size_t g = group.groups; g > 0; --g) {
    body(group);
    group.in = static_cast<const char*>(group.in) + group.in_group_stride;
    group.out = static_cast<char*>(group.out) + group.out_group_stride;
    group.cos += group.angle_stride;
    group.sin += group.angle_stride;
  }
}

template <class Form, class In, class Out, simdrope_pairing kIn, class Shape>
struct ResidentBody {
  HWY_INLINE void operator()(const RotateRows& group) const { RotateResident<Form, In, Out, kIn>(Shape(), group); }
};

template <class Form, class In, class Out, simdrope_pairing kIn, bool kCommon>
struct AnyWidthBody {
  HWY_INLINE void operator()(const RotateRows& group) const {
    RotateAnyWidth<Form, In, Out, kIn, kCommon>(group);
  }
};

// Rotates everything if rows have just the shape of one of these, with angles for which there are registers.
template <class Form, class In, class Out, simdrope_pairing kIn>
HWY_INLINE bool TryShapes(const RotateRows&, size_t) {
  return false;
}
template <class Form, class In, class Out, simdrope_pairing kIn, class First, class... More>
HWY_INLINE bool TryShapes(const RotateRows& a, size_t lanes, First, More... more) {
  if constexpr (First::kVectors * Form::kAngles <= kResidentAngles) {
    if (lanes == First::Lanes()) {
      ForGroups(a, ResidentBody<Form, In, Out, kIn, First>());
      return true;
    }
  }
  return TryShapes<Form, In, Out, kIn>(a, lanes, more...);
}

template <class Form, class In, class Out, simdrope_pairing kIn, size_t... kWhole>
HWY_INLINE bool TryWhole(const RotateRows& a, std::index_sequence<kWhole...>) {
  return TryShapes<Form, In, Out, kIn>(a, Form::Lanes(a.pairs), Shape<sizeof...(kWhole) - kWhole, 0>()...);
}

// Heads of 48, 72, 80, 112 and the like, in vectors that are long enough for it to matter.
template <class Form, class In, class Out, simdrope_pairing kIn>
HWY_INLINE bool TryWithTail([[maybe_unused]] const RotateRows& a) {
#if !HWY_HAVE_SCALABLE
  constexpr size_t kHalf = kMaxLanes<float> / 2;
  if constexpr (kHalf >= 4) {
    const size_t lanes = Form::Lanes(a.pairs);
    if (TryShapes<Form, In, Out, kIn>(a, lanes, Shape<1, kHalf>(), Shape<2, kHalf>(), Shape<3, kHalf>())) return true;
    if constexpr (kHalf >= 8) {
      return TryShapes<Form, In, Out, kIn>(a, lanes, Shape<1, kHalf / 2>(), Shape<2, kHalf / 2>());
    }
  }
#endif
  return false;
}

template <class In, class Out, simdrope_pairing kIn, simdrope_pairing kOut, bool kPastCaches>
HWY_INLINE void RotateGroups(const RotateRows& a) {
  using Form = typename FormFor<In, Out, kIn, kOut, kPastCaches>::Type;
  // Only the common combinations are made for certain widths, for the sake of code size.
  constexpr bool kCommon = std::is_same_v<In, Out> && kIn == kOut;
  if constexpr (kCommon) {
    const bool whole_pairs = Form::kOrder != AngleOrder::kEvenOdd || a.pairs % 2 == 0;
    constexpr size_t kMostWhole = kResidentAngles / Form::kAngles;
    if (whole_pairs && TryWhole<Form, In, Out, kIn>(a, std::make_index_sequence<kMostWhole>())) return;
    if constexpr (!kPastCaches) {
      if (whole_pairs && TryWithTail<Form, In, Out, kIn>(a)) return;
    }
  }
  ForGroups(a, AnyWidthBody<Form, In, Out, kIn, kCommon>());
}

template <class In, class Out, simdrope_pairing kIn, simdrope_pairing kOut>
void Rotate(const RotateRows& a) {
  if constexpr (std::is_same_v<In, Out> && kIn == kOut) {
    if (a.past_caches) return RotateGroups<In, Out, kIn, kOut, true>(a);
  }
  RotateGroups<In, Out, kIn, kOut, false>(a);
}

inline void CopyPastCaches(const void* in, void* out, size_t n, ptrdiff_t prefetch_far) {
  constexpr size_t kLine = 64;
  const hn::CappedTag<uint8_t, kLine> d;
  const char* from = static_cast<const char*>(in);
  uint8_t* to = static_cast<uint8_t*>(out);
  for (const char* const end = from + n; from < end; from += kLine, to += kLine) {
    if (prefetch_far != 0) IntoSecondLevel()(from + prefetch_far);
    for (size_t i = 0; i < kLine; i += hn::Lanes(d)) {
      hn::Stream(hn::LoadU(d, reinterpret_cast<const uint8_t*>(from) + i), d, to + i);
    }
  }
}

inline void FinishPastCaches() { hwy::FlushStream(); }

// out[i] = in[i] * scale.
template <class In, class Out>
struct CopyScaled {
  const In* in;
  Out* out;
  float scale;

  template <class D>
  HWY_INLINE void operator()(D d, size_t i) const {
    StoreFloats<NaNs::kAny, false>(hn::Mul(LoadFloats(d, in + i), hn::Set(d, scale)), d, out + i);
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
