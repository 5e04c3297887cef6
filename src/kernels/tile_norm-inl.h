// Norms of the heads of a tile, given their sums. Included once per target.
#if defined(SIMDROPE_TILE_NORM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SIMDROPE_TILE_NORM_INL_H_
#undef SIMDROPE_TILE_NORM_INL_H_
#else
#define SIMDROPE_TILE_NORM_INL_H_
#endif

#include "hwy/highway.h"
#include "kernels/convert-inl.h"
#include "kernels/tile.h"
#include "kernels/tile_load-inl.h"
#include "kernels/tile_sums-inl.h"
#include "kernels/tile_transform-inl.h"
#include "kernels/tile_vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace simdrope::impl {
namespace HWY_NAMESPACE {

// The value rounded to a format and back.
template <simdrope_format kRounding, class D>
HWY_INLINE hn::Vec<D> RoundTo([[maybe_unused]] D d, hn::Vec<D> v) {
  if constexpr (kRounding == SIMDROPE_F16) {
    return FloatOfF16(d, F16OfFloat(d, v));
  } else if constexpr (kRounding == SIMDROPE_BF16) {
    return FromUpperHalf(d, RoundToUpperHalf<NaNs::kAny>(d, v));
  } else {
    return v;
  }
}

// Rounds to a format and back.
template <simdrope_format kRounding>
HWY_NOINLINE void RoundTile(const Tile& tile) {
  const TileTag d;
  for (size_t i = 0; i < tile.heads * tile.stride; i += hn::Lanes(d)) {
    hn::Store(RoundTo<kRounding>(d, hn::Load(d, tile.data + i)), d, tile.data + i);
  }
}

inline void RoundTile(const Tile& tile, simdrope_format rounding) {
  HWY_DASSERT(rounding == SIMDROPE_F32 || rounding == SIMDROPE_F16 || rounding == SIMDROPE_BF16);
  if (rounding == SIMDROPE_F16) RoundTile<SIMDROPE_F16>(tile);
  if (rounding == SIMDROPE_BF16) RoundTile<SIMDROPE_BF16>(tile);
}

// Calls run(part, first, index) for the heads that share their weights: all, or one after the other. `first` is the
// number of the part's first head, `index` that of its first weight.
template <class Run>
HWY_INLINE void ForSharedWeights(const Tile& tile, const NormWeights& weights, const Run& run) {
  HWY_DASSERT(weights.weight != nullptr);
  const size_t heads = weights.head_stride == 0 ? tile.heads : 1;
  for (size_t h = 0; h < tile.heads; h += heads) {
    run(Tile{tile.data + h * tile.stride, heads, tile.head_dim, tile.stride}, h,
        static_cast<ptrdiff_t>(h) * weights.head_stride);
  }
}

struct NormaliseBody {
  const Tile& tile;
  const float* factors;
  const float* weight;

  template <class D>
  HWY_INLINE void operator()(D d, size_t i) const {
    const auto w = hn::LoadU(d, weight + i);
    float* x = tile.data + i;
    for (size_t h = 0; h < tile.heads; ++h, x += tile.stride) {
      hn::StoreU(hn::Mul(hn::Mul(hn::LoadU(d, x), hn::Set(d, factors[h])), w), d, x);
    }
  }
};

HWY_NOINLINE void NormaliseUnrounded(const Tile& tile, const float* factors, const NormWeights& weights) {
  ForSharedWeights(tile, weights, [&](const Tile& part, size_t first, ptrdiff_t index) HWY_ATTR {
    ForElements(0, tile.head_dim, NormaliseBody{part, factors + first, weights.weight + index});
  });
}

HWY_NOINLINE void Normalise(const Tile& tile, const float* factors, const NormWeights& weights,
                            simdrope_format rounding) {
  AssertTile(tile);
  if (rounding == SIMDROPE_F32) {
    NormaliseUnrounded(tile, factors, weights);
  } else {
    static constexpr float kOnes[kTileHeads] = {1, 1, 1, 1, 1, 1, 1, 1};
    for (size_t h = 0; h < tile.heads; ++h) ScaleTile(HeadOf(tile, h), factors[h]);
    RoundTile(tile, rounding);
    NormaliseUnrounded(tile, kOnes, weights);
    RoundTile(tile, rounding);
  }
}

struct CentreBody {
  const Tile& tile;
  const float* means;
  const float* factors;
  const float* weight;
  const float* bias;

  template <class D>
  HWY_INLINE void operator()(D d, size_t i) const {
    const auto w = hn::LoadU(d, weight + i);
    const auto b = hn::LoadU(d, bias + i);
    float* x = tile.data + i;
    for (size_t h = 0; h < tile.heads; ++h, x += tile.stride) {
      const auto normal = hn::Mul(hn::Sub(hn::LoadU(d, x), hn::Set(d, means[h])), hn::Set(d, factors[h]));
      hn::StoreU(hn::MulAdd(normal, w, b), d, x);
    }
  }
};

HWY_NOINLINE void CentreAndNormalise(const Tile& tile, const float* means, const float* factors,
                                     const NormWeights& weights, simdrope_format rounding) {
  AssertTile(tile);
  HWY_DASSERT(weights.bias != nullptr);
  ForSharedWeights(tile, weights, [&](const Tile& part, size_t first, ptrdiff_t index) HWY_ATTR {
    ForElements(0, tile.head_dim,
                CentreBody{part, means + first, factors + first, weights.weight + index, weights.bias + index});
  });
  RoundTile(tile, rounding);
}

inline void LayerNorm(const Tile& tile, float eps, const NormWeights& weights, simdrope_format rounding) {
  const float count = static_cast<float>(tile.head_dim);
  float means[kTileHeads], factors[kTileHeads] = {};
  Sums(tile, means);
  for (size_t h = 0; h < tile.heads; ++h) means[h] /= count;
  DeviationSums(tile, means, factors);
  NormFactors(SIMDROPE_NORM_RMS, factors, count, eps, factors);
  CentreAndNormalise(tile, means, factors, weights, rounding);
}

}  // namespace HWY_NAMESPACE
}  // namespace simdrope::impl
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
