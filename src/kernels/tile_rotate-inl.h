// The rotation of a tile, alone and together with its norm. Included once per target.
#if defined(SIMDROPE_TILE_ROTATE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SIMDROPE_TILE_ROTATE_INL_H_
#undef SIMDROPE_TILE_ROTATE_INL_H_
#else
#define SIMDROPE_TILE_ROTATE_INL_H_
#endif

#include <cmath>
#include <iterator>
#include <type_traits>

#include "hwy/highway.h"
#include "kernels/convert-inl.h"
#include "kernels/tile.h"
#include "kernels/tile_norm-inl.h"
#include "kernels/tile_vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace simdrope::impl {
namespace HWY_NAMESPACE {

// One multiply and one multiply-add for each result, as on the straight road, so that both give the same bits.
template <class D, class V = hn::Vec<D>>
HWY_INLINE void TurnPair(D, V& x, V& y, V cos, V sin) {
  const V x_cos = hn::Mul(x, cos);
  const V y_cos = hn::Mul(y, cos);
  const V turned_x = hn::NegMulAdd(y, sin, x_cos);
  y = hn::MulAdd(x, sin, y_cos);
  x = turned_x;
}

inline void AssertRotation([[maybe_unused]] const Tile& tile, [[maybe_unused]] const TileRotation& r,
                           [[maybe_unused]] bool has_halves) {
  AssertTile(tile);
  HWY_DASSERT(r.pairs >= 1 && r.offset % 2 == 0);
  HWY_DASSERT(r.offset + 2 * r.pairs <= tile.head_dim);
  HWY_DASSERT(!has_halves || (r.split >= r.pairs && r.offset + r.split + r.pairs <= tile.head_dim));
}

struct RotateHalvesBody {
  const Tile& tile;
  const TileRotation& r;

  template <class D>
  HWY_INLINE void operator()(D d, size_t i) const {
    const auto cos = hn::LoadU(d, r.cos + i);
    const auto sin = hn::LoadU(d, r.sin + i);
    float* p = tile.data + r.offset + i;
    for (size_t h = 0; h < tile.heads; ++h, p += tile.stride) {
      auto x = hn::LoadU(d, p);
      auto y = hn::LoadU(d, p + r.split);
      TurnPair(d, x, y, cos, sin);
      hn::StoreU(x, d, p);
      hn::StoreU(y, d, p + r.split);
    }
  }
};

HWY_NOINLINE void RotateHalves(const Tile& tile, const TileRotation& r) {
  AssertRotation(tile, r, true);
  ForElements(0, r.pairs, RotateHalvesBody{tile, r});
}

#if SIMDROPE_FIXED_VECTORS

// Each element is multiplied by its cos, its neighbour by its signed sin: one shuffle a vector. `i` counts elements.
struct RotateNeighboursBody {
  const Tile& tile;
  const TileRotation& r;

  template <class D>
  HWY_INLINE void operator()(D d, size_t i) const {
    const hn::Half<D> half;
    alignas(kTileAlignment) float beside[kTileGranule];
    const auto cos_half = hn::LoadU(half, r.cos + i / 2);
    const auto sin_half = hn::LoadU(half, r.sin + i / 2);
    hn::StoreInterleaved2(cos_half, cos_half, half, beside);
    const auto cos = hn::Load(d, beside);
    hn::StoreInterleaved2(hn::Neg(sin_half), sin_half, half, beside);
    const auto signed_sin = hn::Load(d, beside);
    float* p = tile.data + r.offset + i;
    for (size_t h = 0; h < tile.heads; ++h, p += tile.stride) {
      const auto v = hn::LoadU(d, p);
      hn::StoreU(hn::MulAdd(hn::Reverse2(d, v), signed_sin, hn::Mul(v, cos)), d, p);
    }
  }
};

HWY_NOINLINE void RotateInterleaved(const Tile& tile, const TileRotation& r) {
  AssertRotation(tile, r, false);
  ForVectors<float, hn::MaxLanes(TileTag()), 2>(0, 2 * r.pairs, RotateNeighboursBody{tile, r});
}

#else

struct RotateInterleavedBody {
  const Tile& tile;
  const TileRotation& r;

  template <class D>
  HWY_INLINE void operator()(D d, size_t i) const {
    const auto cos = hn::LoadU(d, r.cos + i);
    const auto sin = hn::LoadU(d, r.sin + i);
    float* p = tile.data + r.offset + 2 * i;
    for (size_t h = 0; h < tile.heads; ++h, p += tile.stride) {
      hn::Vec<D> x, y;
      LoadInterleaved(d, p, x, y);
      TurnPair(d, x, y, cos, sin);
      StoreInterleaved<NaNs::kAny, false>(x, y, d, p);
    }
  }
};

HWY_NOINLINE void RotateInterleaved(const Tile& tile, const TileRotation& r) {
  AssertRotation(tile, r, false);
  ForElements(0, r.pairs, RotateInterleavedBody{tile, r});
}

#endif

// From one pairing to the other: one window by way of `out`.
template <simdrope_pairing kIn>
struct RotateAcrossBody {
  const float* in;
  float* out;
  const TileRotation& r;

  template <class D>
  HWY_INLINE void operator()(D d, size_t i) const {
    hn::Vec<D> x, y;
    if constexpr (kIn == SIMDROPE_HALF) {
      x = hn::LoadU(d, in + i);
      y = hn::LoadU(d, in + r.pairs + i);
    } else {
      LoadInterleaved(d, in + 2 * i, x, y);
    }
    TurnPair(d, x, y, hn::LoadU(d, r.cos + i), hn::LoadU(d, r.sin + i));
    if constexpr (kIn == SIMDROPE_HALF) {
      StoreInterleaved<NaNs::kAny, false>(x, y, d, out + 2 * i);
    } else {
      hn::StoreU(x, d, out + i);
      hn::StoreU(y, d, out + r.pairs + i);
    }
  }
};

template <simdrope_pairing kIn>
void RotateAcross(const Tile& tile, const TileRotation& r) {
  AssertRotation(tile, r, true);
  HWY_DASSERT(r.split == r.pairs);
  alignas(kTileAlignment) float out[SIMDROPE_MAX_HEAD_DIM];
  for (size_t h = 0; h < tile.heads; ++h) {
    float* in = tile.data + h * tile.stride + r.offset;
    ForElements(0, r.pairs, RotateAcrossBody<kIn>{in, out, r});
    std::memcpy(in, out, 2 * r.pairs * sizeof(float));
  }
}

// ---- with the norm

struct NormaliseAndRotateBody {
  const Tile& tile;
  const float* factors;
  const float* weight;
  const TileRotation& r;

  template <class D>
  HWY_INLINE void operator()(D d, size_t i) const {
    const auto cos = hn::LoadU(d, r.cos + i);
    const auto sin = hn::LoadU(d, r.sin + i);
    const auto x_weight = hn::LoadU(d, weight + r.offset + i);
    const auto y_weight = hn::LoadU(d, weight + r.offset + r.split + i);
    float* p = tile.data + r.offset + i;
    for (size_t h = 0; h < tile.heads; ++h, p += tile.stride) {
      const auto factor = hn::Set(d, factors[h]);
      auto x = hn::Mul(hn::Mul(hn::LoadU(d, p), factor), x_weight);
      auto y = hn::Mul(hn::Mul(hn::LoadU(d, p + r.split), factor), y_weight);
      TurnPair(d, x, y, cos, sin);
      hn::StoreU(x, d, p);
      hn::StoreU(y, d, p + r.split);
    }
  }
};

struct NormaliseAndRotateHeads {
  const float* factors;
  const NormWeights& weights;
  const TileRotation& r;

  HWY_INLINE void operator()(const Tile& tile, size_t first, ptrdiff_t index) const {
    FloatRow row;
    const float* weight = row.Set(weights.weight, weights.format, index, tile.head_dim, weights.offset, 1.0f);
    const NormaliseBody unrotated{tile, factors + first, weight};
    const size_t second = r.offset + r.split;
    const size_t ends[] = {0, r.offset, r.offset + r.pairs, second, second + r.pairs, tile.head_dim};
    for (const size_t* end = ends; end < std::end(ends); end += 2) ForElements(end[0], end[1], unrotated);
    ForElements(0, r.pairs, NormaliseAndRotateBody{tile, factors + first, weight, r});
  }
};

inline void NormaliseAndRotateHalves(const Tile& tile, const float* factors, const NormWeights& weights,
                                     simdrope_format rounding, const TileRotation& r) {
  if (rounding == SIMDROPE_F32) {
    AssertRotation(tile, r, true);
    ForSharedWeights(tile, weights, NormaliseAndRotateHeads{factors, weights, r});
  } else {
    Normalise(tile, factors, weights, rounding);
    RotateHalves(tile, r);
  }
}

// ---- with the norm and the store

// The targets that people run on; elsewhere three stages do.
#undef SIMDROPE_NORMALISE_ROTATE_STORE
#if (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2) || HWY_ARCH_ARM_A64
#define SIMDROPE_NORMALISE_ROTATE_STORE 1
#else
#define SIMDROPE_NORMALISE_ROTATE_STORE 0
#endif

#if SIMDROPE_NORMALISE_ROTATE_STORE

struct UnrotatedHead {
  const float* x;
  const float* weight;
  const float* cos;
  const float* sin;
  size_t pairs;
  float factor;
};
using StoreRotated = void (*)(const UnrotatedHead&, void* out);

// Copies the head's fields: stores of 16-bit elements might be thought to change them.
template <class T, NaNs kNaNs, bool kNonTemporal>
HWY_NOINLINE void StoreRotatedHead(const UnrotatedHead& of, void* to) {
  const TileTag d;
  const size_t lanes = hn::Lanes(d);
  const UnrotatedHead head = of;
  const size_t pairs = head.pairs;
  const auto factor = hn::Set(d, head.factor);
  T* const out = static_cast<T*>(to);
  const auto rotate = [&](size_t i, TileVector& x, TileVector& y) HWY_ATTR {
    x = hn::Mul(hn::Mul(hn::Load(d, head.x + i), factor), hn::LoadU(d, head.weight + i));
    y = hn::Mul(hn::Mul(hn::Load(d, head.x + pairs + i), factor), hn::LoadU(d, head.weight + pairs + i));
    TurnPair(d, x, y, hn::LoadU(d, head.cos + i), hn::LoadU(d, head.sin + i));
  };
  size_t i = 0;
  for (; i + 2 * lanes <= pairs; i += 2 * lanes) {
    TileVector x0, y0, x1, y1;
    rotate(i, x0, y0);
    rotate(i + lanes, x1, y1);
    StoreTwo<kNaNs, kNonTemporal>(x0, x1, d, out + i);
    StoreTwo<kNaNs, kNonTemporal>(y0, y1, d, out + pairs + i);
  }
  for (; i < pairs; i += lanes) {
    TileVector x, y;
    rotate(i, x, y);
    StoreFloats<kNaNs, false>(x, d, out + i);
    StoreFloats<kNaNs, false>(y, d, out + pairs + i);
  }
}

HWY_NOINLINE bool AreFinite(const float* p, size_t n) {
  const TileTag d;
  const Words<TileTag> du;
  auto all = hn::Zero(du);
  for (size_t i = 0; i < n; i += hn::Lanes(d)) {
    all = hn::Max(all, hn::And(hn::BitCast(du, hn::LoadU(d, p + i)), hn::Set(du, 0x7fffffffu)));
  }
  return hn::GetLane(hn::MaxOfLanes(du, all)) < 0x7f800000u;
}

// Head after head, so that whole lines are written one after the other: by `store`, or by `store_finite` where factor,
// weights, cos and sin are finite.
HWY_NOINLINE void NormaliseRotateStoreHeads(const Tile& tile, const float* factors, const NormWeights& weights,
                                            const TileRotation& r, const TileOutput& output, StoreRotated store,
                                            StoreRotated store_finite) {
  AssertRotation(tile, r, true);
  HWY_DASSERT(r.offset == 0 && r.split == r.pairs && 2 * r.pairs == tile.head_dim && r.pairs % kTileGranule == 0);
  FloatRow row;
  UnrotatedHead head{tile.data, nullptr, r.cos, r.sin, r.pairs, 0.0f};
  bool are_finite = store != store_finite && AreFinite(r.cos, r.pairs) && AreFinite(r.sin, r.pairs);
  for (size_t h = 0; h < tile.heads; ++h, head.x += tile.stride) {
    if (h == 0 || weights.head_stride != 0) {
      const ptrdiff_t index = static_cast<ptrdiff_t>(h) * weights.head_stride;
      head.weight = row.Set(weights.weight, weights.format, index, tile.head_dim, weights.offset, 1.0f);
      are_finite = are_finite && AreFinite(head.weight, tile.head_dim);
    }
    head.factor = factors[h];
    const bool is_finite = are_finite && std::abs(head.factor) <= hwy::HighestValue<float>();
    (is_finite ? store_finite : store)(head, HeadBytes(output, h));
  }
}

template <class T>
void NormaliseRotateStore(const Tile& tile, const float* factors, const NormWeights& weights, const TileRotation& r,
                          const TileOutput& output, bool non_temporal) {
  // Of finite factors only infinities make a NaN, which rounds to bf16 without a test: 4 operations a vector of 7.
  constexpr bool kIsBf16 = std::is_same_v<T, Bf16>;
  constexpr NaNs kFinite = kIsBf16 ? NaNs::kBf16 : NaNs::kAny;
  const StoreRotated finite = non_temporal ? &StoreRotatedHead<T, kFinite, true> : &StoreRotatedHead<T, kFinite, false>;
  const StoreRotated any = kIsBf16 ? &StoreRotatedHead<T, NaNs::kAny, false> : finite;
  NormaliseRotateStoreHeads(tile, factors, weights, r, output, any, finite);
}

#endif

inline void NormaliseAndRotateInterleaved(const Tile& tile, const float* factors, const NormWeights& weights,
                                          simdrope_format rounding, const TileRotation& r) {
  Normalise(tile, factors, weights, rounding);
  RotateInterleaved(tile, r);
}

}  // namespace HWY_NAMESPACE
}  // namespace simdrope::impl
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
