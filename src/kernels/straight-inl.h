// The straight road: heads of one format and pairing, rotated in registers, by the path that suits their width.
#if defined(SIMDROPE_STRAIGHT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SIMDROPE_STRAIGHT_INL_H_
#undef SIMDROPE_STRAIGHT_INL_H_
#else
#define SIMDROPE_STRAIGHT_INL_H_
#endif

#include <type_traits>
#include <utility>

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "kernels/arguments.h"
#include "kernels/cos_sin_order-inl.h"
#include "kernels/head_walk-inl.h"
#include "kernels/straight_forms-inl.h"
#include "kernels/straight_odd-inl.h"

HWY_BEFORE_NAMESPACE();
namespace simdrope::impl {
namespace HWY_NAMESPACE {

// Vectors of cos and sin that leave enough registers for the rest.
inline constexpr size_t kMostResident =
    (HWY_ARCH_X86 && HWY_TARGET > HWY_AVX3) || HWY_ARCH_ARM_V7 || HWY_ARCH_WASM ? 8 : 16;

// Numbers of steps that are unrolled, on targets that people run on: heads of 32 to 256 in vectors of 128 to 512 bits.
// Scalable vectors cannot be kept in arrays, and take the loop.
#if HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2
using UnrolledSteps = std::index_sequence<1, 2, 3, 4, 8, 16>;
#elif HWY_ARCH_ARM_A64 && !HWY_HAVE_SCALABLE && HWY_TARGET != HWY_SCALAR
using UnrolledSteps = std::index_sequence<4, 8, 16>;
#else
using UnrolledSteps = std::index_sequence<>;
#endif
inline constexpr size_t kMostUnrolledVectors = 32;  // of cos and sin
inline constexpr bool kUnrolls = UnrolledSteps::size() != 0;

template <class Form, size_t kSteps>
inline constexpr bool kIsUnrolled = kSteps* Form::kVectors <= kMostUnrolledVectors;

// ---- which path

enum class Path {
  kUnrolled,    // `count` steps, one of UnrolledSteps
  kOddVectors,  // `count` vectors, whose halves meet in one (straight_odd-inl.h)
  kAnyWidth,
};
struct PathChoice {
  Path path;
  size_t count;
};

template <class Form, size_t... kSteps>
HWY_INLINE bool IsUnrolled(size_t steps, std::index_sequence<kSteps...>) {
  return ((steps == kSteps && kIsUnrolled<Form, kSteps>) || ...);
}

// Non-temporal stores wait for memory, whatever the loop: they are not worth unrolled code.
template <class Form>
HWY_INLINE PathChoice PathFor(size_t pairs, ptrdiff_t split, bool non_temporal) {
  if constexpr (Form::kPairing == SIMDROPE_HALF) {
    if (const size_t vectors = OddVectors(pairs, split); vectors != 0) return {Path::kOddVectors, vectors};
  }
  const size_t lanes = hn::Lanes(hn::ScalableTag<float>());
  const size_t steps = Form::Lanes(pairs) / lanes;
  if (!non_temporal && Form::Pairs(steps * lanes) == pairs && IsUnrolled<Form>(steps, UnrolledSteps())) {
    return {Path::kUnrolled, steps};
  }
  return {Path::kAnyWidth, 0};
}

// Whether heads can be stored non-temporally, on the targets that unroll: by whole lines, or by pieces of 32 bytes that
// fill lines one after another.
template <class T, simdrope_pairing kPairing>
bool CanBeNonTemporal(const OutputLayout& layout) {
  if (!kUnrolls) return false;
  constexpr size_t kVectorBytes = kMaxLanes<float> * sizeof(T);
  constexpr size_t kPiece = kVectorBytes > 32 ? kVectorBytes : 32;
  const bool in_order = layout.alignment >= kCacheLine || (layout.dense && layout.alignment >= kPiece);
  if (kPairing == SIMDROPE_INTERLEAVED) return in_order;
  using Form = typename FormFor<T, kPairing>::Type;
  if (PathFor<Form>(layout.pairs, layout.split, true).path == Path::kOddVectors) return in_order;
  const bool halves_of_lines = layout.pairs * sizeof(T) % kCacheLine == 0 && layout.split * sizeof(T) % kCacheLine == 0;
  return layout.alignment >= kCacheLine && halves_of_lines;
}

// ---- the paths

#if !HWY_HAVE_SCALABLE

// kSteps whole steps. The row stays in registers over all heads of a token where there are enough of them; else it is
// read for each head, in the form's order.
template <class Form, size_t kSteps>
HWY_INLINE void RotateUnrolled(const StraightCall& call) {
  using T = typename Form::Element;
  const hn::ScalableTag<float> d;
  constexpr size_t kLanes = kMaxLanes<float>;
  constexpr bool kResident = kSteps * Form::kVectors <= kMostResident;
  constexpr bool kReorders = !kResident && Form::kOrder != CosSinOrder::kNatural;
  constexpr size_t kPairs = Form::Pairs(kSteps * kLanes);
  alignas(64) [[maybe_unused]] float ordered[kReorders ? 4 * kPairs : 1];
  typename Form::template CosSin<hn::Vec<decltype(d)>> row[kResident ? kSteps : 1];
  HeadWalk<T, Form::kPairing> walk(call);
  for (size_t t = call.tokens; t > 0; --t, walk.NextToken()) {
    const float *cos, *sin;
    walk.BeginToken(cos, sin);
    if constexpr (kResident) {
      HWY_UNROLL(16)
      for (size_t step = 0; step < kSteps; ++step) row[step] = Form::LoadNatural(d, cos, sin, step * kLanes);
    } else if constexpr (kReorders) {
      Reorder<Form::kOrder>(cos, sin, kPairs, ordered, ordered + 2 * kPairs);
      cos = ordered;
      sin = ordered + 2 * kPairs;
    }
    for (; walk.Begin(kPairs); walk.NextHead()) {
      HWY_UNROLL(16)
      for (size_t step = 0; step < kSteps; ++step) {
        Form::template Rotate<false>(d, walk.head(), step * kLanes, [&](size_t) HWY_ATTR {
          if constexpr (kResident) {
            return row[step];
          } else {
            return Form::At(d, cos, sin, kPairs, step * kLanes);
          }
        });
      }
    }
  }
}

template <class Form, size_t... kSteps>
HWY_INLINE void RotateSteps(const StraightCall& call, size_t steps, std::index_sequence<kSteps...>) {
  [[maybe_unused]] const auto try_steps = [&](auto n) HWY_ATTR {
    if constexpr (kIsUnrolled<Form, decltype(n)::value>) {
      if (steps == n) RotateUnrolled<Form, decltype(n)::value>(call);
    }
  };
  (try_steps(std::integral_constant<size_t, kSteps>()), ...);
}

template <class T, bool kNonTemporal, size_t kVectors = 3>
HWY_INLINE void RotateOddVectors([[maybe_unused]] const StraightCall& call, [[maybe_unused]] size_t vectors) {
#if HWY_TARGET != HWY_SCALAR
  if constexpr (kVectors <= kMostOddVectors) {
    if (vectors == kVectors) return RotateOdd<T, kVectors, kNonTemporal>(call);
    RotateOddVectors<T, kNonTemporal, kVectors + 2>(call, vectors);
  }
#endif
}

#endif  // !HWY_HAVE_SCALABLE

// The last of an odd number of pairs, which WordsForm leaves over.
template <class T>
HWY_INLINE void RotateLastPair(const Head<T>& head, size_t pairs, float cos, float sin) {
  const hn::CappedTag<float, 1> d;
  const size_t last = pairs - 1;
  hn::Vec<decltype(d)> x, y;
  RotatePair(d, LoadFloats(d, head.in + last), LoadFloats(d, head.in_second + last), hn::Set(d, cos), hn::Set(d, sin),
             x, y);
  StoreFloats<kNaNsOf<T>, false>(x, d, head.out + last);
  StoreFloats<kNaNsOf<T>, false>(y, d, head.out_second + last);
}

template <class Form, bool kNonTemporal>
HWY_INLINE void RotateAnyWidth(const StraightCall& call) {
  using T = typename Form::Element;
  constexpr bool kReorders = Form::kOrder != CosSinOrder::kNatural;
  constexpr size_t kStepsAtOnce = kNonTemporal ? Form::kStepsInLine : 1;
  alignas(64) [[maybe_unused]] float ordered[kReorders ? 4 * SIMDROPE_MAX_PAIRS : 1];
  const size_t pairs = call.pairs;
  HeadWalk<T, Form::kPairing> walk(call);
  for (size_t t = call.tokens; t > 0; --t, walk.NextToken()) {
    const float *natural_cos, *natural_sin;
    walk.BeginToken(natural_cos, natural_sin);
    const float *cos = natural_cos, *sin = natural_sin;
    if constexpr (kReorders) {
      Reorder<Form::kOrder>(cos, sin, pairs, ordered, ordered + 2 * SIMDROPE_MAX_PAIRS);
      cos = ordered;
      sin = ordered + 2 * SIMDROPE_MAX_PAIRS;
    }
    for (; walk.Begin(pairs); walk.NextHead()) {
      const Head<T>& head = walk.head();
      if constexpr (kStepsAtOnce > 1) {
        const hn::ScalableTag<float> d;
        const size_t lanes = hn::Lanes(d);
        for (size_t i = 0; i < pairs; i += kStepsAtOnce * lanes) {
          Form::template Rotate<kNonTemporal>(
              d, head, i, [&](size_t k) HWY_ATTR { return Form::At(d, cos, sin, pairs, i + k * lanes); });
        }
      } else {
        ForVectors<float, kMaxLanes<float>, Form::kLeastLanes>(0, Form::Lanes(pairs), [&](auto d, size_t i) HWY_ATTR {
          Form::template Rotate<kNonTemporal>(d, head, i,
                                              [&](size_t) HWY_ATTR { return Form::At(d, cos, sin, pairs, i); });
        });
      }
      if (Form::kOrder == CosSinOrder::kEvenOdd && pairs % 2 != 0) {
        RotateLastPair(head, pairs, natural_cos[pairs - 1], natural_sin[pairs - 1]);
      }
    }
  }
}

// A function of its own: the other paths need no such stack.
template <class Form, bool kNonTemporal>
HWY_NOINLINE void RotateReordered(const StraightCall& call) {
  RotateAnyWidth<Form, kNonTemporal>(call);
}

template <class Form, bool kNonTemporal>
HWY_INLINE void RotateBy(const StraightCall& call) {
  const PathChoice choice = PathFor<Form>(call.pairs, call.split, kNonTemporal);
#if !HWY_HAVE_SCALABLE
  if constexpr (!kNonTemporal) {
    if (choice.path == Path::kUnrolled) return RotateSteps<Form>(call, choice.count, UnrolledSteps());
  }
  if constexpr (Form::kPairing == SIMDROPE_HALF) {
    if (choice.path == Path::kOddVectors) {
      return RotateOddVectors<typename Form::Element, kNonTemporal>(call, choice.count);
    }
  }
#endif
  if constexpr (Form::kOrder != CosSinOrder::kNatural) {
    RotateReordered<Form, kNonTemporal>(call);
  } else {
    RotateAnyWidth<Form, kNonTemporal>(call);
  }
}

template <class T, simdrope_pairing kPairing>
void RotateStraight(const StraightCall& call) {
  using Form = typename FormFor<T, kPairing>::Type;
  if constexpr (kUnrolls) {
    if (call.non_temporal) return RotateBy<Form, true>(call);
  }
  HWY_DASSERT(!call.non_temporal);
  RotateBy<Form, false>(call);
}

inline void CopyNonTemporal(const void* in, void* out, size_t n, ptrdiff_t prefetch_far) {
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

inline void Fence() { hwy::FlushStream(); }

}  // namespace HWY_NAMESPACE
}  // namespace simdrope::impl
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
