// Rows of cos and sin: reduce to an octant around a multiple of a quarter turn, evaluate polynomials
// in double, multiply by the magnitude, round once to float.
#if defined(SIMDROPE_COS_SIN_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SIMDROPE_COS_SIN_INL_H_
#undef SIMDROPE_COS_SIN_INL_H_
#else
#define SIMDROPE_COS_SIN_INL_H_
#endif

#include "hwy/highway.h"
#include "kernels/kernels.h"
#include "kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace simdrope::impl {
namespace HWY_NAMESPACE {

template <class D>
using DU64 = hn::RebindToUnsigned<D>;

// An angle as quarter * pi / 2 + x with x in [-pi/4, pi/4], give or take a rounding. Only the lowest
// two bits of quarter count.
template <class D>
struct Reduced {
  hn::Vec<DU64<D>> quarter;
  hn::Vec<D> x;
};

// Nearest integer, |v| < 2^51: as a double, and its lowest bits as an integer.
template <class D>
HWY_INLINE hn::Vec<D> Nearest(D d, hn::Vec<D> v, hn::Vec<DU64<D>>& integer) {
  const auto magic = hn::Set(d, 0x1.8p52);
  const auto shifted = hn::Add(v, magic);
  integer = hn::BitCast(DU64<D>(), shifted);
  return hn::Sub(shifted, magic);
}

// sin on [-pi/4, pi/4]: relative error 2^-37.6; cos: 2^-43.7. Minimax polynomials with double
// coefficients (Sollya, fpminimax).
template <class D, class V = hn::Vec<D>>
HWY_INLINE V SinOnOctant(D d, V x, V x2) {
  V p = hn::Set(d, 2.71714510310915885544e-6);
  p = hn::MulAdd(p, x2, hn::Set(d, -1.983917751761814555165608364717400036e-4));
  p = hn::MulAdd(p, x2, hn::Set(d, 8.33332868735422137296264821770819e-3));
  p = hn::MulAdd(p, x2, hn::Set(d, -0.166666666304170096868375594567623920738697));
  p = hn::MulAdd(p, x2, hn::Set(d, 0.99999999999544575413068514535552822053432464599609375));
  return hn::Mul(p, x);
}
template <class D, class V = hn::Vec<D>>
HWY_INLINE V CosOnOctant(D d, V x2) {
  V p = hn::Set(d, -0x1.23b68e445c035p-22);
  p = hn::MulAdd(p, x2, hn::Set(d, 0x1.a00e385b38456p-16));
  p = hn::MulAdd(p, x2, hn::Set(d, -0x1.6c16b20762bfdp-10));
  p = hn::MulAdd(p, x2, hn::Set(d, 0x1.555555430acfcp-5));
  p = hn::MulAdd(p, x2, hn::Set(d, -0x1.ffffffffdfea8p-2));
  return hn::MulAdd(p, x2, hn::Set(d, 0x1.ffffffffffdbp-1));
}

template <class D>
HWY_INLINE void StoreCosSin(D d, const Reduced<D>& angle, hn::Vec<D> magnitude, float* cos, float* sin) {
  using V = hn::Vec<D>;
  const DU64<D> du;
  const hn::Rebind<float, D> d32;
  const V x2 = hn::Mul(angle.x, angle.x);
  const V sin_x = SinOnOctant(d, angle.x, x2);
  const V cos_x = CosOnOctant(d, x2);

  // Bit 0 of the quarter swaps the two; bit 1 of it and of its successor are the signs.
  const auto swap = hn::RebindMask(d, hn::TestBit(angle.quarter, hn::Set(du, uint64_t{1})));
  const auto sign_bit = hn::Set(du, uint64_t{1} << 63);
  const auto sin_sign = hn::And(hn::ShiftLeft<62>(angle.quarter), sign_bit);
  const auto cos_sign = hn::And(hn::ShiftLeft<62>(hn::Add(angle.quarter, hn::Set(du, uint64_t{1}))), sign_bit);
  const V sin_v = hn::Xor(hn::IfThenElse(swap, cos_x, sin_x), hn::BitCast(d, sin_sign));
  const V cos_v = hn::Xor(hn::IfThenElse(swap, sin_x, cos_x), hn::BitCast(d, cos_sign));
  hn::StoreU(hn::DemoteTo(d32, hn::Mul(cos_v, magnitude)), d32, cos);
  hn::StoreU(hn::DemoteTo(d32, hn::Mul(sin_v, magnitude)), d32, sin);
}

inline constexpr double kTurn = 0x1.921fb54442d18p+2;  // 2 pi

struct OfPhases {
  PhaseRow row;
  template <class D>
  HWY_INLINE Reduced<D> operator()(D d, size_t i) const {
    const DU64<D> du;
    const hn::RebindToSigned<D> di;
    const auto position = row.pair_position == nullptr
                              ? hn::Set(du, static_cast<uint64_t>(row.position))
                              : hn::BitCast(du, hn::LoadU(di, row.pair_position + i));
    const auto phase = hn::Mul(position, hn::LoadU(du, row.phase_step + i));
    const auto quarter = hn::ShiftRight<62>(hn::Add(phase, hn::Set(du, uint64_t{1} << 61)));
    const auto rest = hn::BitCast(di, hn::Sub(phase, hn::ShiftLeft<62>(quarter)));
    return {quarter, hn::Mul(hn::ConvertTo(d, rest), hn::Set(d, kTurn * 0x1p-64))};
  }
};

struct OfTurns {
  const double* turns;  // below 2^49
  template <class D>
  HWY_INLINE Reduced<D> operator()(D d, size_t i) const {
    Reduced<D> reduced;
    const auto t = hn::Mul(hn::LoadU(d, turns + i), hn::Set(d, 4.0));
    const auto rest = hn::Sub(t, Nearest(d, t, reduced.quarter));  // exact
    reduced.x = hn::Mul(rest, hn::Set(d, kTurn / 4));
    return reduced;
  }
};

struct OfAngles {
  const float* radians;  // below 2^48
  // a / (pi / 2) with 2 / pi = c0 + c1 + c2: the products of a float with c0 and c1 are exact, and
  // so is the removal of their integer parts.
  template <class D>
  HWY_INLINE Reduced<D> operator()(D d, size_t i) const {
    const hn::Rebind<float, D> d32;
    const auto a = hn::PromoteTo(d, hn::LoadU(d32, radians + i));
    hn::Vec<DU64<D>> n0, n1, n2;
    auto t0 = hn::Mul(a, hn::Set(d, 0x1.45f306dp-1));
    t0 = hn::Sub(t0, Nearest(d, t0, n0));
    auto t1 = hn::Mul(a, hn::Set(d, 0x1.9391054p-30));
    t1 = hn::Sub(t1, Nearest(d, t1, n1));
    auto t = hn::Add(t0, t1);
    t = hn::Sub(t, Nearest(d, t, n2));
    t = hn::Add(t, hn::Mul(a, hn::Set(d, 0x1.4fe13abe8fa9ap-59)));
    return {hn::Add(n0, hn::Add(n1, n2)), hn::Mul(t, hn::Set(d, kTurn / 4))};
  }
};

template <class Source>
struct CosSinBody {
  Source source;
  Magnitude magnitude;
  float* cos;
  float* sin;

  template <class D>
  HWY_INLINE void operator()(D d, size_t i) const {
    auto m = hn::Set(d, magnitude.factor);
    if (magnitude.pair_factor != nullptr) m = hn::Mul(m, hn::LoadU(d, magnitude.pair_factor + i));
    StoreCosSin(d, source(d, i), m, cos + i, sin + i);
  }
};

template <class Source>
HWY_INLINE void CosSinRow(const Source& source, Magnitude magnitude, size_t pairs, float* cos, float* sin) {
  const CosSinBody<Source> body{source, magnitude, cos, sin};
  ForVectors<double, kMaxLanes<double>>(0, pairs, body);
}

inline void CosSinOfPhases(const PhaseRow& row, Magnitude magnitude, size_t pairs, float* cos, float* sin) {
  CosSinRow(OfPhases{row}, magnitude, pairs, cos, sin);
}
inline void CosSinOfTurns(const double* turns, Magnitude magnitude, size_t pairs, float* cos, float* sin) {
  CosSinRow(OfTurns{turns}, magnitude, pairs, cos, sin);
}
inline void CosSinOfAngles(const float* radians, Magnitude magnitude, size_t pairs, float* cos, float* sin) {
  CosSinRow(OfAngles{radians}, magnitude, pairs, cos, sin);
}

}  // namespace HWY_NAMESPACE
}  // namespace simdrope::impl
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
