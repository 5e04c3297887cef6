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

// Phases are in units of 2^-64 turn, in two parts: a multiple of a quarter turn in the top two bits of an
// integer whose other bits do not count, and x within an eighth of a turn, give or take a rounding.
template <class D>
using Quarter = f64::Vec<DU64<D>>;

inline constexpr double kTurn = 0x1p64;
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

template <class D, class V = f64::Vec<D>>
HWY_INLINE void ReducePhase(D d, Quarter<D> phase, V real_position, V phase_rest, Quarter<D>& quarter, V& x) {
  const DU64<D> du;
  const hn::RebindToSigned<D> di;
  quarter = f64::Add(phase, f64::Set(du, uint64_t{1} << 61));
  const auto whole = f64::And(quarter, f64::Set(du, uint64_t{3} << 62));
  x = f64::MulAdd(real_position, phase_rest, f64::ConvertTo(d, f64::BitCast(di, f64::Sub(phase, whole))));
}

struct OfPhases {
  const PhaseRows& rows;
  uint64_t* phases;  // keeps them for NextRow
  template <class D>
  HWY_INLINE void operator()(D d, size_t i, Quarter<D>& quarter, f64::Vec<D>& x) const {
    const DU64<D> du;
    const hn::RebindToSigned<D> di;
    auto position = f64::Set(du, static_cast<uint64_t>(rows.position));
    auto real_position = f64::Set(d, rows.real_position);
    if (rows.pair_position != nullptr) {
      position = f64::BitCast(du, f64::LoadU(di, rows.pair_position + i));
      real_position = f64::LoadU(d, rows.real_pair_position + i);
    }
    const auto phase = f64::Mul(position, f64::LoadU(du, rows.phase_step + i));
    f64::StoreU(phase, du, phases + i);
    ReducePhase(d, phase, real_position, f64::LoadU(d, rows.phase_rest + i), quarter, x);
  }
};

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

// Whole vectors; the last one by way of a buffer where the row ends within it, so that there is one copy of the code.
// What the sources read is there up to a multiple of kMaxDoubles.
template <class Source>
HWY_INLINE void CosSinRow(const Source& source, Magnitude magnitude, size_t pairs, float* cos, float* sin) {
  const hn::CappedTag<double, kMaxDoubles> d;
  const hn::Rebind<float, decltype(d)> d32;
  const size_t lanes = hn::Lanes(d);
  const auto factor = f64::Set(d, magnitude.factor);
  for (size_t i = 0; i < pairs; i += lanes) {
    Quarter<decltype(d)> quarter;
    f64::Vec<decltype(d)> x, cos_x, sin_x;
    source(d, i, quarter, x);
    CosSinOf(d, quarter, x, cos_x, sin_x);
    auto m = factor;  // a factor of 1 changes no bit
    if (magnitude.pair_factor != nullptr) m = f64::Mul(m, f64::LoadU(d, magnitude.pair_factor + i));
    const auto cos_rounded = f64::DemoteTo(d32, f64::Mul(cos_x, m));
    const auto sin_rounded = f64::DemoteTo(d32, f64::Mul(sin_x, m));
    if (i + lanes <= pairs) {
      f64::StoreU(cos_rounded, d32, cos + i);
      f64::StoreU(sin_rounded, d32, sin + i);
    } else {
      alignas(64) float last[2][kMaxDoubles];
      f64::StoreU(cos_rounded, d32, last[0]);
      f64::StoreU(sin_rounded, d32, last[1]);
      std::memcpy(cos + i, last[0], (pairs - i) * sizeof(float));
      std::memcpy(sin + i, last[1], (pairs - i) * sizeof(float));
    }
  }
}

// The row after the one that `phases` are of, of whole vectors: an addition takes the place of the product.
HWY_INLINE void NextRow(const PhaseRows& rows, double real_position, double magnitude, size_t pairs, uint64_t* phases,
                        float* cos, float* sin) {
  const hn::CappedTag<double, kMaxDoubles> d;
  const DU64<decltype(d)> du;
  const hn::Rebind<float, decltype(d)> d32;
  const auto real = f64::Set(d, real_position);
  const auto factor = f64::Set(d, magnitude);
  for (size_t i = 0; i < pairs; i += hn::Lanes(d)) {
    Quarter<decltype(d)> quarter;
    f64::Vec<decltype(d)> x, cos_x, sin_x;
    const auto phase = f64::Add(f64::LoadU(du, phases + i), f64::LoadU(du, rows.phase_step + i));
    f64::StoreU(phase, du, phases + i);
    ReducePhase(d, phase, real, f64::LoadU(d, rows.phase_rest + i), quarter, x);
    CosSinOf(d, quarter, x, cos_x, sin_x);
    f64::StoreU(f64::DemoteTo(d32, f64::Mul(cos_x, factor)), d32, cos + i);
    f64::StoreU(f64::DemoteTo(d32, f64::Mul(sin_x, factor)), d32, sin + i);
  }
}

inline void CosSinOfPhases(const PhaseRows& rows, Magnitude magnitude, size_t pairs, float* cos, float* sin) {
  HWY_DASSERT(pairs <= kCosSinChunk);
  HWY_DASSERT(rows.rows == 1 || (rows.pair_position == nullptr && magnitude.pair_factor == nullptr));
  const bool is_whole = pairs % hn::Lanes(hn::CappedTag<double, kMaxDoubles>()) == 0;
  alignas(64) uint64_t phases[kCosSinChunk];
  PhaseRows row = rows;
  for (size_t r = 0; r < rows.rows; ++r) {
    if (r > 0) {
      ++row.position;
      row.real_position += 1.0;
      cos += rows.stride;
      sin += rows.stride;
    }
    if (r > 0 && is_whole) {
      NextRow(rows, row.real_position, magnitude.factor, pairs, phases, cos, sin);
    } else {
      CosSinRow(OfPhases{row, phases}, magnitude, pairs, cos, sin);
    }
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
