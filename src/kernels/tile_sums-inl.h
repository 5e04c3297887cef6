// Sums over the elements of a head, in an order that does not depend on the target, and the factors of norms made of
// them. Included once per target.
#if defined(SIMDROPE_TILE_SUMS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SIMDROPE_TILE_SUMS_INL_H_
#undef SIMDROPE_TILE_SUMS_INL_H_
#else
#define SIMDROPE_TILE_SUMS_INL_H_
#endif

#include "hwy/highway.h"
#include "kernels/tile.h"
#include "kernels/tile_vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace simdrope::impl {
namespace HWY_NAMESPACE {

// The partial sums of one head: element i goes into sum i % kTileGranule.
#if SIMDROPE_FIXED_VECTORS
struct PartialSums {
  static constexpr size_t kVectors = kTileGranule / hn::MaxLanes(TileTag());
  TileVector sums[kVectors];

  HWY_INLINE PartialSums() {
    for (size_t k = 0; k < kVectors; ++k) sums[k] = hn::Zero(TileTag());
  }

  // Upper half added to lower half, until one is left.
  HWY_INLINE float Total() const {
    const TileTag d;
    TileVector s = sums[0];
    if constexpr (kVectors == 2) s = hn::Add(s, sums[1]);
    if constexpr (kVectors == 4) s = hn::Add(hn::Add(s, sums[2]), hn::Add(sums[1], sums[3]));
    const auto quarter = AddHalves(d, s);
    const auto pair = hn::Add(quarter, hn::Shuffle1032(quarter));
    return hn::GetLane(hn::Add(pair, hn::Shuffle2301(pair)));
  }

 private:
  template <class D>
  static HWY_INLINE hn::Vec<hn::CappedTag<float, 4>> AddHalves(D, hn::Vec<D> v) {
    if constexpr (hn::MaxLanes(D()) == 4) {
      return v;
    } else {
      const hn::Half<D> half;
      return AddHalves(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
    }
  }
};
#else
inline float TotalOf(float* sums) {
  for (size_t half = kTileGranule / 2; half > 0; half /= 2) {
    for (size_t k = 0; k < half; ++k) sums[k] += sums[k + half];
  }
  return sums[0];
}
#endif

struct AddPlain {
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V operator()(D, V sum, V x) const {
    return hn::Add(sum, x);
  }
};
struct AddSquare {
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V operator()(D, V sum, V x) const {
    return hn::MulAdd(x, x, sum);
  }
};
struct AddDeviation {
  float mean;
  template <class D, class V = hn::Vec<D>>
  HWY_INLINE V operator()(D d, V sum, V x) const {
    const V deviation = hn::Sub(x, hn::Set(d, mean));
    return hn::MulAdd(deviation, deviation, sum);
  }
};

// Elements beyond n are not added, so that deviations have no share of the padding.
template <class Add>
HWY_INLINE float SumOf(const float* head, size_t n, const Add& add) {
  const TileTag d;
  const size_t lanes = hn::Lanes(d);
#if SIMDROPE_FIXED_VECTORS
  PartialSums partial;
  size_t i = 0;
  for (; i + kTileGranule <= n; i += kTileGranule) {
    for (size_t k = 0; k < PartialSums::kVectors; ++k) {
      partial.sums[k] = add(d, partial.sums[k], hn::Load(d, head + i + k * lanes));
    }
  }
  if (i < n) {
    for (size_t k = 0; k < PartialSums::kVectors && i + k * lanes < n; ++k) {
      const auto added = add(d, partial.sums[k], hn::Load(d, head + i + k * lanes));
      partial.sums[k] = hn::IfThenElse(hn::FirstN(d, n - i - k * lanes), added, partial.sums[k]);
    }
  }
  return partial.Total();
#else
  alignas(kTileAlignment) float partial[kTileGranule];
  for (size_t k = 0; k < kTileGranule; k += lanes) {
    auto sum = hn::Zero(d);
    size_t i = k;
    for (; i + lanes <= n; i += kTileGranule) sum = add(d, sum, hn::Load(d, head + i));
    if (i < n) sum = hn::IfThenElse(hn::FirstN(d, n - i), add(d, sum, hn::Load(d, head + i)), sum);
    hn::Store(sum, d, partial + k);
  }
  return TotalOf(partial);
#endif
}

HWY_NOINLINE void Sums(const Tile& tile, float* sums) {
  AssertTile(tile);
  for (size_t h = 0; h < tile.heads; ++h) sums[h] = SumOf(tile.data + h * tile.stride, tile.head_dim, AddPlain());
}

HWY_NOINLINE void SquareSums(const Tile& tile, float* sums) {
  AssertHeads(tile);
  for (size_t h = 0; h < tile.heads; ++h) sums[h] = SumOf(tile.data + h * tile.stride, tile.head_dim, AddSquare());
}

HWY_NOINLINE void DeviationSums(const Tile& tile, const float* means, float* sums) {
  AssertTile(tile);
  for (size_t h = 0; h < tile.heads; ++h) {
    sums[h] = SumOf(tile.data + h * tile.stride, tile.head_dim, AddDeviation{means[h]});
  }
}

// All heads' at once: square roots and divisions take long, and vectors of them hardly longer.
inline void NormFactors(simdrope_norm_type type, const float* sums, float count, float eps, float* factors) {
  HWY_DASSERT(type == SIMDROPE_NORM_RMS || type == SIMDROPE_NORM_L2);
  const hn::CappedTag<float, kTileHeads> d;
  const auto epsilon = hn::Set(d, eps);
  for (size_t h = 0; h < kTileHeads; h += hn::Lanes(d)) {
    const auto sum = hn::LoadU(d, sums + h);
    auto divisor = epsilon;
    if (type == SIMDROPE_NORM_RMS) {
      divisor = hn::Sqrt(hn::Add(hn::Div(sum, hn::Set(d, count)), epsilon));
    } else {
      const auto root = hn::Sqrt(sum);
      divisor = hn::IfThenElse(hn::Lt(root, epsilon), epsilon, root);  // NaN stays
    }
    hn::StoreU(hn::Div(hn::Set(d, 1.0f), divisor), d, factors + h);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace simdrope::impl
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
