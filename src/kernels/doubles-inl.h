// f64: vectors of double and what goes with them. Where a target's vectors have no doubles (NEON of
// ARMv7), the same names for one double at a time.
#if defined(SIMDROPE_DOUBLES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SIMDROPE_DOUBLES_INL_H_
#undef SIMDROPE_DOUBLES_INL_H_
#else
#define SIMDROPE_DOUBLES_INL_H_
#endif

#include <cmath>
#include <cstring>

#include "hwy/highway.h"
#include "kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace simdrope::impl {
namespace HWY_NAMESPACE {

#if HWY_HAVE_FLOAT64

namespace f64 = hn;
inline constexpr size_t kMaxDoubles = kMaxLanes<double>;

#else

inline constexpr size_t kMaxDoubles = 1;

namespace f64 {

template <class D>
using Vec = hn::TFromD<D>;

template <class D>
HWY_INLINE Vec<D> Set(D, Vec<D> v) {
  return v;
}
template <class D>
HWY_INLINE Vec<D> LoadU(D, const Vec<D>* p) {
  return *p;
}
template <class D>
HWY_INLINE void StoreU(Vec<D> v, D, Vec<D>* p) {
  *p = v;
}
template <class D, class From>
HWY_INLINE Vec<D> BitCast(D, From from) {
  static_assert(sizeof(Vec<D>) == sizeof(From));
  Vec<D> v;
  std::memcpy(&v, &from, sizeof(v));
  return v;
}
template <class D, class From>
HWY_INLINE Vec<D> PromoteTo(D, From v) {
  return v;
}
template <class D, class From>
HWY_INLINE Vec<D> DemoteTo(D, From v) {
  return static_cast<Vec<D> >(v);
}
template <class D, class From>
HWY_INLINE Vec<D> ConvertTo(D, From v) {
  return static_cast<Vec<D> >(v);
}
template <class D>
HWY_INLINE bool RebindMask(D, bool mask) {
  return mask;
}

template <class V>
HWY_INLINE V Add(V a, V b) {
  return a + b;
}
template <class V>
HWY_INLINE V Sub(V a, V b) {
  return a - b;
}
template <class V>
HWY_INLINE V Mul(V a, V b) {
  return a * b;
}
// Rounds as often as the target's multiply-add of floats.
HWY_INLINE double MulAdd(double a, double b, double c) {
#ifdef __FP_FAST_FMA
  return std::fma(a, b, c);
#else
  return a * b + c;
#endif
}
template <class V>
HWY_INLINE V IfThenElse(bool mask, V yes, V no) {
  return mask ? yes : no;
}

HWY_INLINE uint64_t And(uint64_t a, uint64_t b) { return a & b; }
HWY_INLINE double Xor(double a, double b) {
  const hn::CappedTag<double, 1> d;
  const hn::CappedTag<uint64_t, 1> du;
  return BitCast(d, BitCast(du, a) ^ BitCast(du, b));
}
template <int kBits>
HWY_INLINE uint64_t ShiftLeft(uint64_t v) {
  return v << kBits;
}
template <int kBits>
HWY_INLINE uint64_t ShiftRight(uint64_t v) {
  return v >> kBits;
}
HWY_INLINE bool TestBit(uint64_t v, uint64_t bit) { return (v & bit) != 0; }

}  // namespace f64

#endif  // HWY_HAVE_FLOAT64

}  // namespace HWY_NAMESPACE
}  // namespace simdrope::impl
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
