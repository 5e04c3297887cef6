// The rotation of rows, by the form that suits their types, pairing and width.
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
#include "kernels/forms-inl.h"
#include "kernels/kernels.h"
#include "kernels/lines-inl.h"
#include "kernels/walk-inl.h"

HWY_BEFORE_NAMESPACE();
namespace simdrope::impl {
namespace HWY_NAMESPACE {

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
        using OnePair = SeparateForm<In, Out, SIMDROPE_HALF, SIMDROPE_HALF, false>;
        const auto& row = form.row;
        OnePair{{row.in + last, row.in_second + last, row.out + last, row.out_second + last}}.Block(
            d1, 0, hn::LoadU(d1, a.cos + last / 2), hn::LoadU(d1, a.sin + last / 2));
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

template <class Form, class Walk, class Blocks>
HWY_INLINE void RotateLoading(Walk& walk, const Blocks& blocks) {
  for (; walk.Begin(blocks.pairs()); walk.Next()) blocks(Form{walk.row()});
}

// Rotates all rows if they are just kBlocks, kBlocks / 2, ... kLeast whole vectors wide.
template <class Form, size_t kBlocks, size_t kLeast, class Walk>
HWY_INLINE bool TryFixed(const RotateRows& a, Walk& walk) {
  if constexpr (kBlocks >= kLeast) {
    const auto blocks = MakeFixedBlocks<Form>(a, std::make_index_sequence<kBlocks>());
    if (a.pairs == blocks.pairs()) {
      RotateLoading<Form>(walk, blocks);
      return true;
    }
    return TryFixed<Form, kBlocks / 2, kLeast>(a, walk);
  }
  return false;
}

template <class Form, class In, class Out, bool kCommon, class Walk>
HWY_INLINE void RotateAnyWidth(RotateRows a, Walk& walk) {
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
    if (TryFixed<Form, kBlocks, kLeast>(a, walk)) return;
  }
  RotateLoading<Form>(walk, AnyBlocks<Form, In, Out>{a});
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
template <class Form, class Walk, size_t kWhole, size_t kTail, class... Angles>
HWY_INLINE void RotateResident(Shape<kWhole, kTail> shape, const RotateRows& a, Walk& walk, Angles... angles) {
  constexpr size_t kLoaded = sizeof...(Angles);
  constexpr size_t kNext = kLoaded % Form::kAngles;
  const hn::ScalableTag<float> d;
  if constexpr (kLoaded < kWhole * Form::kAngles) {
    const auto angle = Form::template NaturalAngle<kNext>(d, a, kLoaded / Form::kAngles * hn::Lanes(d));
    RotateResident<Form>(shape, a, walk, angles..., angle);
  } else if constexpr (kTail != 0 && kLoaded < (kWhole + 1) * Form::kAngles) {
    const hn::CappedTag<float, kTail> tail;
    const auto angle = Form::template NaturalAngle<kNext>(tail, a, kWhole * hn::Lanes(d));
    RotateResident<Form>(shape, a, walk, angles..., angle);
  } else {
    for (; walk.Begin(Form::Pairs(shape.Lanes())); walk.Next()) {
      const Form form{walk.row()};
      RotateBlocks(std::integral_constant<size_t, Form::kAngles>(), form, 0, angles...);
    }
  }
}

template <class Form, class Shape>
struct ResidentBody {
  template <class Walk>
  HWY_INLINE void operator()(const RotateRows& group, Walk& walk) const {
    RotateResident<Form>(Shape(), group, walk);
  }
};

template <class Form, class In, class Out, bool kCommon>
struct AnyWidthBody {
  template <class Walk>
  HWY_INLINE void operator()(const RotateRows& group, Walk& walk) const {
    RotateAnyWidth<Form, In, Out, kCommon>(group, walk);
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
      ForGroups<In, Out, kIn>(a, ResidentBody<Form, First>());
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
  if constexpr (kCommon && kIn == SIMDROPE_HALF) {
    if (TryOddRows<In, kPastCaches>(a)) return;
#if HWY_TARGET != HWY_SCALAR && !HWY_HAVE_SCALABLE
    if constexpr (kPastCaches && !std::is_same_v<In, Bf16>) return RotateLines<In>(a);
#endif
  }
  if constexpr (kCommon) {
    const bool whole_pairs = Form::kOrder != AngleOrder::kEvenOdd || a.pairs % 2 == 0;
    constexpr size_t kMostWhole = kResidentAngles / Form::kAngles;
    if (whole_pairs && TryWhole<Form, In, Out, kIn>(a, std::make_index_sequence<kMostWhole>())) return;
    if constexpr (!kPastCaches || kIn == SIMDROPE_INTERLEAVED) {
      if (whole_pairs && TryWithTail<Form, In, Out, kIn>(a)) return;
    }
  }
  ForGroups<In, Out, kIn>(a, AnyWidthBody<Form, In, Out, kCommon>());
}

template <class In, class Out, simdrope_pairing kIn, simdrope_pairing kOut>
void Rotate(const RotateRows& a) {
  if constexpr (std::is_same_v<In, Out> && kIn == kOut) {
    if (a.past_caches) return RotateGroups<In, Out, kIn, kOut, true>(a);
  }
  RotateGroups<In, Out, kIn, kOut, false>(a);
}

inline void CopyPastCaches(const void* in, void* out, size_t n, ptrdiff_t prefetch_far) {
  const hn::CappedTag<uint8_t, kCacheLine> d;
  const char* from = static_cast<const char*>(in);
  uint8_t* to = static_cast<uint8_t*>(out);
  for (const char* const end = from + n; from < end; from += kCacheLine, to += kCacheLine) {
    if (prefetch_far != 0) IntoSecondLevel()(from + prefetch_far);
    for (size_t i = 0; i < kCacheLine; i += hn::Lanes(d)) {
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
