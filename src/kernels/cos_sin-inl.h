// Rows of cos and sin: reduce to an octant around a multiple of a quarter turn, evaluate polynomials
// in double, multiply by the magnitude, round once to float.
#if defined(SIMDROPE_COS_SIN_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SIMDROPE_COS_SIN_INL_H_
#undef SIMDROPE_COS_SIN_INL_H_
#else
#define SIMDROPE_COS_SIN_INL_H_
#endif

#include <cstring>

#include "hwy/highway.h"
#include "kernels/arguments.h"
#include "kernels/doubles-inl.h"
#include "kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace simdrope::impl {
namespace HWY_NAMESPACE {

template <class D>
using DU64 = hn::RebindToUnsigned<D>;

// An angle is in two parts: a multiple of a quarter turn, in the top two bits of an integer whose other bits do not
// count, and x, in units of 2^-66 turn, within an eighth of a turn, give or take a rounding.
template <class D>
using Quarter = f64::Vec<DU64<D>>;

inline constexpr double kTurn = 0x1p66;
inline constexpr double kRadian = 0x1.921fb54442d18p+2 / kTurn;
template <int n>  // its n-th power
inline constexpr double kRadianTo = kRadian* kRadianTo<n - 1>;
template <>
inline constexpr double kRadianTo<0> = 1.0;

// Nearest integer, |v| < 2^51: as a double, and its lowest two bits as quarters.
template <class D>
HWY_INLINE f64::Vec<D> Nearest(D d, f64::Vec<D> v, Quarter<D>& quarters) {
  const auto magic = f64::Set(d, 0x1.8p52);
  const auto shifted = f64::Add(v, magic);
  quarters = f64::ShiftLeft<62>(f64::BitCast(DU64<D>(), shifted));
  return f64::Sub(shifted, magic);
}

// sin on [-pi/4, pi/4]: relative error 2^-37.6; cos: 2^-43.7. Minimax polynomials with double
// coefficients (Sollya, fpminimax), scaled to the unit of x.
template <class D, class V = f64::Vec<D>>
HWY_INLINE V SinOnOctant(D d, V x, V x2) {
  V p = f64::Set(d, 2.71714510310915885544e-6 * kRadianTo<9>);
  p = f64::MulAdd(p, x2, f64::Set(d, -1.983917751761814555165608364717400036e-4 * kRadianTo<7>));
  p = f64::MulAdd(p, x2, f64::Set(d, 8.33332868735422137296264821770819e-3 * kRadianTo<5>));
  p = f64::MulAdd(p, x2, f64::Set(d, -0.166666666304170096868375594567623920738697 * kRadianTo<3>));
  p = f64::MulAdd(p, x2, f64::Set(d, 0.99999999999544575413068514535552822053432464599609375 * kRadian));
  return f64::Mul(p, x);
}
template <class D, class V = f64::Vec<D>>
HWY_INLINE V CosOnOctant(D d, V x2) {
  V p = f64::Set(d, -0x1.23b68e445c035p-22 * kRadianTo<10>);
  p = f64::MulAdd(p, x2, f64::Set(d, 0x1.a00e385b38456p-16 * kRadianTo<8>));
  p = f64::MulAdd(p, x2, f64::Set(d, -0x1.6c16b20762bfdp-10 * kRadianTo<6>));
  p = f64::MulAdd(p, x2, f64::Set(d, 0x1.555555430acfcp-5 * kRadianTo<4>));
  p = f64::MulAdd(p, x2, f64::Set(d, -0x1.ffffffffdfea8p-2 * kRadianTo<2>));
  return f64::MulAdd(p, x2, f64::Set(d, 0x1.ffffffffffdbp-1));
}

template <class D, class V = f64::Vec<D>>
HWY_INLINE void CosSinOf(D d, Quarter<D> quarter, V x, V& cos, V& sin) {
  const DU64<D> du;
  const V x2 = f64::Mul(x, x);
  const V sin_x = SinOnOctant(d, x, x2);
  const V cos_x = CosOnOctant(d, x2);

  // The lower bit of the quarter swaps the two; the upper bit of it and of its successor are the signs.
  const auto one = f64::Set(du, uint64_t{1} << 62);
  const auto sign_bit = f64::Set(du, uint64_t{1} << 63);
  const auto swap = f64::RebindMask(d, f64::TestBit(quarter, one));
  const auto sin_sign = f64::BitCast(d, f64::And(quarter, sign_bit));
  const auto cos_sign = f64::BitCast(d, f64::And(f64::Add(quarter, one), sign_bit));
  sin = f64::Xor(f64::IfThenElse(swap, cos_x, sin_x), sin_sign);
  cos = f64::Xor(f64::IfThenElse(swap, sin_x, cos_x), cos_sign);
}

// Of a phase in units of 2^-64 turn: what is left of it when its two top bits are shifted out is signed, and in the
// unit of x. So is what real_position and phase_rest add.
template <class D, class V = f64::Vec<D>>
HWY_INLINE void ReducePhase(D d, Quarter<D> phase, V real_position, V phase_rest, Quarter<D>& quarter, V& x) {
  const DU64<D> du;
  const hn::RebindToSigned<D> di;
  quarter = f64::Add(phase, f64::Set(du, uint64_t{1} << 61));
  x = f64::MulAdd(real_position, phase_rest, f64::ConvertTo(d, f64::BitCast(di, f64::ShiftLeft<2>(phase))));
}

struct OfTurns {
  const double* turns;  // below 2^49
  template <class D>
  HWY_INLINE void operator()(D d, size_t i, Quarter<D>& quarter, f64::Vec<D>& x) const {
    const auto t = f64::Mul(f64::LoadU(d, turns + i), f64::Set(d, 4.0));
    const auto rest = f64::Sub(t, Nearest(d, t, quarter));  // exact
    x = f64::Mul(rest, f64::Set(d, kTurn / 4));
  }
};

struct OfRadians {
  const float* radians;  // below 2^48
  // a / (pi / 2) with 2 / pi = c0 + c1 + c2: the products of a float with c0 and c1 are exact, and
  // so is the removal of their integer parts.
  template <class D>
  HWY_INLINE void operator()(D d, size_t i, Quarter<D>& quarter, f64::Vec<D>& x) const {
    const hn::Rebind<float, D> d32;
    const auto a = f64::PromoteTo(d, f64::LoadU(d32, radians + i));
    Quarter<D> n0, n1, n2;
    auto t0 = f64::Mul(a, f64::Set(d, 0x1.45f306dp-1));
    t0 = f64::Sub(t0, Nearest(d, t0, n0));
    auto t1 = f64::Mul(a, f64::Set(d, 0x1.9391054p-30));
    t1 = f64::Sub(t1, Nearest(d, t1, n1));
    auto t = f64::Add(t0, t1);
    t = f64::Sub(t, Nearest(d, t, n2));
    t = f64::Add(t, f64::Mul(a, f64::Set(d, 0x1.4fe13abe8fa9ap-59)));
    quarter = f64::Add(n0, f64::Add(n1, n2));
    x = f64::Mul(t, f64::Set(d, kTurn / 4));
  }
};

// Of pairs from i on. Like all arrays of a value for each pair, pair_factor is readable up to a multiple of
// kMaxDoubles.
template <class D>
HWY_INLINE f64::Vec<D> MagnitudeAt(D d, const Magnitude& magnitude, size_t i) {
  const auto factor = f64::Set(d, magnitude.factor);
  return magnitude.pair_factor != nullptr ? f64::Mul(factor, f64::LoadU(d, magnitude.pair_factor + i)) : factor;
}

// The first `count` of less than 2 * kPart values. No loop and no memcpy of an unknown size: GCC would call a function,
// and load all constants again after it.
template <size_t kPart>
HWY_INLINE void CopyPart(const float* from, size_t count, float* to) {
  if constexpr (kPart > 0) {
    if ((count & kPart) != 0) {
      std::memcpy(to, from, kPart * sizeof(float));
      from += kPart;
      to += kPart;
    }
    CopyPart<kPart / 2>(from, count, to);
  }
}

// cos and sin of a vector of pairs, of which `left` remain in the row; the last ones by way of a buffer where the row
// ends within a vector, so that there is one copy of the code. A magnitude of 1 changes no bit.
template <class D>
HWY_INLINE void StoreCosSin(D d, Quarter<D> quarter, f64::Vec<D> x, f64::Vec<D> magnitude, size_t left, float* cos,
                            float* sin) {
  const hn::Rebind<float, D> d32;
  f64::Vec<D> cos_x, sin_x;
  CosSinOf(d, quarter, x, cos_x, sin_x);
  const auto cos_rounded = f64::DemoteTo(d32, f64::Mul(cos_x, magnitude));
  const auto sin_rounded = f64::DemoteTo(d32, f64::Mul(sin_x, magnitude));
  if (hn::Lanes(d) <= left) {
    f64::StoreU(cos_rounded, d32, cos);
    f64::StoreU(sin_rounded, d32, sin);
  } else {
    alignas(64) float last[2][kMaxDoubles];
    f64::StoreU(cos_rounded, d32, last[0]);
    f64::StoreU(sin_rounded, d32, last[1]);
    CopyPart<kMaxDoubles / 2>(last[0], left, cos);
    CopyPart<kMaxDoubles / 2>(last[1], left, sin);
  }
}

// Rows inside pairs: a phase and its step stay in registers, and an addition a row takes the place of the product.
inline void CosSinOfPhases(const PhaseRows& rows, Magnitude magnitude, size_t pairs, float* cos, float* sin) {
  HWY_DASSERT(pairs <= kCosSinChunk);
  HWY_DASSERT(rows.rows == 1 || magnitude.pair_factor == nullptr);
  const hn::CappedTag<double, kMaxDoubles> d;
  const DU64<decltype(d)> du;
  const hn::RebindToSigned<decltype(d)> di;
  const ptrdiff_t stride = rows.stride;
  for (size_t i = 0; i < pairs; i += hn::Lanes(d)) {
    const auto step = f64::LoadU(du, rows.phase_step + i);
    const auto rest = f64::Mul(f64::LoadU(d, rows.phase_rest + i), f64::Set(d, kTurn / 0x1p64));
    auto position = f64::Set(du, static_cast<uint64_t>(rows.position));
    auto real_position = f64::Set(d, rows.real_position);
    auto phase_to_next = step;
    auto real_to_next = f64::Set(d, 1.0);
    if (rows.pairs != nullptr) {
      position = f64::BitCast(du, f64::LoadU(di, rows.pairs->position + i));
      real_position = f64::LoadU(d, rows.pairs->real_position + i);
      phase_to_next = f64::Mul(step, f64::BitCast(du, f64::LoadU(di, rows.pairs->to_next + i)));
      real_to_next = f64::LoadU(d, rows.pairs->real_to_next + i);
    }
    auto phase = f64::Mul(position, step);
    const auto factor = MagnitudeAt(d, magnitude, i);
    float* row_cos = cos + i;
    float* row_sin = sin + i;
    size_t rows_left = rows.rows;
    do {
      Quarter<decltype(d)> quarter;
      f64::Vec<decltype(d)> x;
      ReducePhase(d, phase, real_position, rest, quarter, x);
      StoreCosSin(d, quarter, x, factor, pairs - i, row_cos, row_sin);
      phase = f64::Add(phase, phase_to_next);
      real_position = f64::Add(real_position, real_to_next);
      row_cos += stride;
      row_sin += stride;
    } while (--rows_left != 0);
  }
}

template <class Source>
HWY_INLINE void CosSinRow(const Source& source, const Magnitude& magnitude, size_t pairs, float* cos, float* sin) {
  const hn::CappedTag<double, kMaxDoubles> d;
  for (size_t i = 0; i < pairs; i += hn::Lanes(d)) {
    Quarter<decltype(d)> quarter;
    f64::Vec<decltype(d)> x;
    source(d, i, quarter, x);
    StoreCosSin(d, quarter, x, MagnitudeAt(d, magnitude, i), pairs - i, cos + i, sin + i);
  }
}
inline void CosSinOfTurns(const double* turns, Magnitude magnitude, size_t pairs, float* cos, float* sin) {
  CosSinRow(OfTurns{turns}, magnitude, pairs, cos, sin);
}
inline void CosSinOfRadians(const float* radians, Magnitude magnitude, size_t pairs, float* cos, float* sin) {
  CosSinRow(OfRadians{radians}, magnitude, pairs, cos, sin);
}

}  // namespace HWY_NAMESPACE
}  // namespace simdrope::impl
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
