// Half pairs by whole cache lines of the output, with the bits of SeparateForm.
#if defined(SIMDROPE_LINES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SIMDROPE_LINES_INL_H_
#undef SIMDROPE_LINES_INL_H_
#else
#define SIMDROPE_LINES_INL_H_
#endif

#include "hwy/highway.h"
#include "kernels/convert-inl.h"
#include "kernels/forms-inl.h"
#include "kernels/kernels.h"
#include "kernels/walk-inl.h"

HWY_BEFORE_NAMESPACE();
namespace simdrope::impl {
namespace HWY_NAMESPACE {

#if HWY_TARGET != HWY_SCALAR && !HWY_HAVE_SCALABLE

// ---- past the caches, where each half begins and ends with a line: a line of x, then one of y

template <class D>
HWY_INLINE void StreamLine(D d, const hn::Vec<D>* v, float* p) {
  constexpr size_t kLanes = hn::MaxLanes(D());
  for (size_t i = 0; i < kCacheLine / sizeof(float); i += kLanes) hn::Stream(v[i / kLanes], d, p + i);
}
template <class D>
HWY_INLINE void StreamLine(D d, const hn::Vec<D>* v, F16* p) {
  constexpr size_t kLanes = hn::MaxLanes(D());
  const TwoHalves<D> dh;
  for (size_t i = 0; i < kCacheLine / sizeof(F16); i += 2 * kLanes) {
    const auto low = F16OfFloat(d, v[i / kLanes]);
    const auto high = F16OfFloat(d, v[i / kLanes + 1]);
    hn::Stream(hn::Combine(dh, high, low), dh, Bits(p + i));
  }
}

// Rows of kLines lines in each half; of any number if that is 0.
template <class T, size_t kLines>
struct LinesBody {
  static constexpr size_t kPairs = kCacheLine / sizeof(T);  // of a line of x and one of y
  static constexpr size_t kLanes = kMaxLanes<float>;
  static constexpr size_t kVectors = kPairs / kLanes;
  static constexpr size_t kAngles = 2 * kLines * kVectors;
  static constexpr bool kResident = kLines != 0 && kAngles <= kResidentAngles;

  template <class Walk>
  HWY_INLINE void operator()(const RotateRows& a, Walk& walk) const {
    const hn::ScalableTag<float> d;
    using V = hn::Vec<decltype(d)>;
    [[maybe_unused]] V cos[kResident ? kAngles / 2 : 1], sin[kResident ? kAngles / 2 : 1];
    if constexpr (kResident) {
      for (size_t v = 0; v < kAngles / 2; ++v) {
        cos[v] = hn::LoadU(d, a.cos + v * kLanes);
        sin[v] = hn::LoadU(d, a.sin + v * kLanes);
      }
    }
    const size_t pairs = kLines != 0 ? kLines * kPairs : a.pairs;
    for (; walk.Begin(pairs); walk.Next()) {
      const Row<T, T>& row = walk.row();
      for (size_t line = 0; line < pairs; line += kPairs) {
        V x[kVectors], y[kVectors];
        for (size_t v = 0; v < kVectors; ++v) {
          const size_t i = line + v * kLanes;
          const V c = kResident ? cos[i / kLanes] : hn::LoadU(d, a.cos + i);
          const V s = kResident ? sin[i / kLanes] : hn::LoadU(d, a.sin + i);
          RotatePair(d, LoadFloats(d, row.in + i), LoadFloats(d, row.in_second + i), c, s, x[v], y[v]);
        }
        StreamLine(d, x, row.out + line);
        StreamLine(d, y, row.out_second + line);
      }
    }
  }
};

// Heads of up to so many vectors of angles have a body of their own.
inline constexpr size_t kFixedLineAngles = 16;

template <class T, size_t kLines = 8>
HWY_INLINE void RotateLines(const RotateRows& a) {
  using Body = LinesBody<T, kLines>;
  constexpr bool kIsMade = Body::kAngles <= kFixedLineAngles;
  if constexpr (kLines > 0) {
    if (!kIsMade || a.pairs != kLines * Body::kPairs) return RotateLines<T, kLines - 1>(a);
  }
  if constexpr (kIsMade) ForGroups<T, T, SIMDROPE_HALF>(a, Body());
}

// ---- rows of an odd number of vectors, whose halves meet in the middle of one (heads of 48, 80, 112)

// Angles of vector v of such a row: of the first half, then of the second, which differ in the sign of sin.
template <size_t kVectors, class D>
HWY_INLINE void LoadOddRowAngles(D d, const float* cos, const float* sin, size_t v, hn::Vec<D>& v_cos,
                                 hn::Vec<D>& v_sin) {
  const hn::Half<D> dh;
  constexpr size_t kMiddle = kVectors / 2;
  const size_t i = v * hn::Lanes(d);
  if (v < kMiddle) {
    v_cos = hn::LoadU(d, cos + i);
    v_sin = hn::Neg(hn::LoadU(d, sin + i));
  } else if (v == kMiddle) {
    v_cos = hn::Combine(d, hn::LoadU(dh, cos), hn::LoadU(dh, cos + i));
    v_sin = hn::Combine(d, hn::LoadU(dh, sin), hn::Neg(hn::LoadU(dh, sin + i)));
  } else {
    const size_t pairs = kVectors * hn::Lanes(dh);
    v_cos = hn::LoadU(d, cos + i - pairs);
    v_sin = hn::LoadU(d, sin + i - pairs);
  }
}

template <class T, bool kPastCaches, size_t kVectors>
struct OddRowsBody {
  template <class Walk>
  HWY_INLINE void operator()(const RotateRows& a, Walk& walk) const {
    const hn::ScalableTag<float> d;
    constexpr size_t kLanes = kMaxLanes<float>;
    hn::Vec<decltype(d)> cos[kVectors], sin[kVectors], x[kVectors];
    for (size_t v = 0; v < kVectors; ++v) LoadOddRowAngles<kVectors>(d, a.cos, a.sin, v, cos[v], sin[v]);
    for (; walk.Begin(kVectors * kLanes / 2); walk.Next()) {
      const Row<T, T>& row = walk.row();
      for (size_t v = 0; v < kVectors; ++v) x[v] = LoadFloats(d, row.in + v * kLanes);
      const auto rotated = [&](size_t v) HWY_ATTR {
        const size_t other = v + kVectors / 2;
        const auto y = hn::ConcatLowerUpper(d, x[(other + 1) % kVectors], x[other % kVectors]);
        return hn::MulAdd(y, sin[v], hn::Mul(x[v], cos[v]));
      };
      constexpr NaNs kNaNs = kNaNsOf<T, T>;
      constexpr size_t kLast = kVectors - 1;
      for (size_t v = 0; v < kLast; v += 2) {
        StoreTwo<kNaNs, kPastCaches>(rotated(v), rotated(v + 1), d, row.out + v * kLanes);
      }
      StoreFloats<kNaNs, kPastCaches>(rotated(kLast), d, row.out + kLast * kLanes);
    }
  }
};

#endif

// 0: none. Shorter vectors than those of 512 bits seldom straddle lines.
inline constexpr size_t kMostOddVectors = HWY_HAVE_SCALABLE || kMaxLanes<float> < 16 ? 0 : 7;

inline bool IsOddRow(size_t pairs, ptrdiff_t split) {
  const size_t vectors = 2 * pairs / kMaxLanes<float>;
  return split == static_cast<ptrdiff_t>(pairs) && vectors * kMaxLanes<float> == 2 * pairs && vectors % 2 == 1 &&
         vectors > 1 && vectors <= kMostOddVectors;
}

template <class T, bool kPastCaches, size_t kVectors = 3>
HWY_INLINE bool TryOddRows([[maybe_unused]] const RotateRows& a) {
#if HWY_TARGET != HWY_SCALAR && !HWY_HAVE_SCALABLE
  if constexpr (kVectors <= kMostOddVectors) {
    if (2 * a.pairs != kVectors * kMaxLanes<float>) return TryOddRows<T, kPastCaches, kVectors + 2>(a);
    if (!IsOddRow(a.pairs, a.in_split) || a.in_split != a.out_split) return false;
    ForGroups<T, T, SIMDROPE_INTERLEAVED>(a, OddRowsBody<T, kPastCaches, kVectors>());
    return true;
  }
#endif
  return false;
}

// ---- which outputs

// Rows may go past the caches by whole lines, or by pieces of 32 bytes that fill lines one after another.
template <class T, simdrope_pairing kPairing>
bool CanGoPastCaches(const OutputRows& rows) {
  constexpr size_t kVectorBytes = kMaxLanes<float> * sizeof(T);
  constexpr size_t kPiece = kVectorBytes > 32 ? kVectorBytes : 32;
  const bool in_order = rows.alignment >= kCacheLine || (rows.dense && rows.alignment >= kPiece);
  if (kPairing == SIMDROPE_INTERLEAVED) return in_order;
  const bool halves_of_lines = rows.pairs * sizeof(T) % kCacheLine == 0 && rows.split * sizeof(T) % kCacheLine == 0;
  return (in_order && IsOddRow(rows.pairs, rows.split)) || (rows.alignment >= kCacheLine && halves_of_lines);
}

}  // namespace HWY_NAMESPACE
}  // namespace simdrope::impl
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
