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

// Weights or biases of a head as float; n of them. Nothing is converted where they can be read as they are.
class FloatRow {
 public:
  // `index`: of the first element. No weights at all are given by `values` NULL: then they are `if_none`.
  HWY_INLINE const float* Set(const void* values, simdrope_format format, ptrdiff_t index, size_t n, float offset,
                              float if_none) {
    HWY_DASSERT(format == SIMDROPE_F32 || format == SIMDROPE_F16 || format == SIMDROPE_BF16);
    if (values != nullptr && format == SIMDROPE_F32 && offset == 0.0f) return static_cast<const float*>(values) + index;
    Convert(values, format, index, n, offset, if_none);
    return row_;
  }

 private:
  HWY_NOINLINE void Convert(const void* values, simdrope_format format, ptrdiff_t index, size_t n, float offset,
                            float if_none) {
    const TileTag d;
    const size_t padded = (n + kTileGranule - 1) / kTileGranule * kTileGranule;
    const Tile row = {row_, 1, n, padded};
    if (values == nullptr) {
      offset = if_none;
      std::memset(row_, 0, padded * sizeof(float));
    } else if (format == SIMDROPE_F32) {
      LoadHead(static_cast<const float*>(values) + index, row, row_);
    } else if (format == SIMDROPE_F16) {
      LoadHead(static_cast<const F16*>(values) + index, row, row_);
    } else {
      LoadHead(static_cast<const Bf16*>(values) + index, row, row_);
    }
    for (size_t i = 0; i < n; i += hn::Lanes(d)) {
      hn::Store(hn::Add(hn::Load(d, row_ + i), hn::Set(d, offset)), d, row_ + i);
    }
  }

  alignas(kTileAlignment) float row_[SIMDROPE_MAX_HEAD_DIM];
};

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

struct NormaliseHeads {
  const float* factors;
  const NormWeights& weights;

  HWY_INLINE void operator()(const Tile& tile, size_t first, ptrdiff_t index) const {
    FloatRow row;
    const float* weight = row.Set(weights.weight, weights.format, index, tile.head_dim, weights.offset, 1.0f);
    ForElements(0, tile.head_dim, NormaliseBody{tile, factors + first, weight});
  }
};

HWY_NOINLINE void NormaliseUnrounded(const Tile& tile, const float* factors, const NormWeights& weights) {
  ForSharedWeights(tile, weights, NormaliseHeads{factors, weights});
}

HWY_NOINLINE void Normalise(const Tile& tile, const float* factors, const NormWeights& weights,
                            simdrope_format rounding) {
  AssertTile(tile);
  if (rounding == SIMDROPE_F32 || weights.weight == nullptr) {
    NormaliseUnrounded(tile, factors, weights);
    RoundTile(tile, rounding);
  } else {
    static constexpr float kOnes[kTileHeads] = {1, 1, 1, 1, 1, 1, 1, 1};
    NormaliseUnrounded(tile, factors, {nullptr, nullptr, SIMDROPE_F32, 0, 0.0f});
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

struct CentreHeads {
  const float* means;
  const float* factors;
  const NormWeights& weights;

  HWY_INLINE void operator()(const Tile& tile, size_t first, ptrdiff_t index) const {
    FloatRow weight_row, bias_row;
    const float* weight = weight_row.Set(weights.weight, weights.format, index, tile.head_dim, weights.offset, 1.0f);
    const float* bias = bias_row.Set(weights.bias, weights.format, index, tile.head_dim, 0.0f, 0.0f);
    ForElements(0, tile.head_dim, CentreBody{tile, means + first, factors + first, weight, bias});
  }
};

HWY_NOINLINE void CentreAndNormalise(const Tile& tile, const float* means, const float* factors,
                                     const NormWeights& weights, simdrope_format rounding) {
  AssertTile(tile);
  ForSharedWeights(tile, weights, CentreHeads{means, factors, weights});
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
