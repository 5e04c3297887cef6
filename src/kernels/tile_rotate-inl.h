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
    const float* weight = weights.weight + index;
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
#if SIMDROPE_FIXED_VECTORS && ((HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2) || HWY_ARCH_ARM_A64)
#define SIMDROPE_NORMALISE_ROTATE_STORE 1
#else
#define SIMDROPE_NORMALISE_ROTATE_STORE 0
#endif

#if SIMDROPE_NORMALISE_ROTATE_STORE

// Heads that share their weights.
struct UnrotatedHeads {
  Tile tile;
  const float* factors;
  const float* weight;
  const float* cos;
  const float* sin;
  size_t pairs;
  uint8_t* out;
  ptrdiff_t out_stride;  // bytes
  TileAhead ahead;
  bool non_temporal;
};
using StoreRotated = void (*)(const UnrotatedHeads&);

template <NaNs kNaNs, bool kNonTemporal, size_t kVectors, class D, class T>
HWY_INLINE void StoreVectors(D d, const hn::Vec<D>* v, T* to) {
  if constexpr (kVectors == 1) {
    StoreFloats<kNaNs, kNonTemporal>(v[0], d, to);
  } else {
    HWY_UNROLL(4)
    for (size_t k = 0; k < kVectors; k += 2) {
      StoreTwo<kNaNs, kNonTemporal>(v[k], v[k + 1], d, to + k * hn::MaxLanes(D()));
    }
  }
}

// kVectors vectors of pairs, from pair `i` on, of all heads: weights, cos and sin are loaded once.
// Measured on Zen 4, f32, heads of 128 in cache: 12 to 13 ns a head; head after head 14, and 30 where the rows were not
// aligned.
template <class T, NaNs kNaNs, size_t kVectors>
HWY_INLINE void StoreRotatedColumns(const UnrotatedHeads& heads, size_t i) {
  const TileTag d;
  constexpr size_t kLanes = hn::MaxLanes(TileTag());
  constexpr bool kFillsLines = HWY_ARCH_X86 && kVectors * kLanes * sizeof(T) == kCacheLine;
  const size_t pairs = heads.pairs;
  TileVector x_weight[kVectors], y_weight[kVectors], cos[kVectors], sin[kVectors];
  HWY_UNROLL(8)
  for (size_t k = 0; k < kVectors; ++k) {
    x_weight[k] = hn::LoadU(d, heads.weight + i + k * kLanes);
    y_weight[k] = hn::LoadU(d, heads.weight + pairs + i + k * kLanes);
    cos[k] = hn::LoadU(d, heads.cos + i + k * kLanes);
    sin[k] = hn::LoadU(d, heads.sin + i + k * kLanes);
  }
  // The heads ahead are fetched in the order of memory, a share at each step.
  const size_t columns = pairs / (kVectors * kLanes), share = heads.ahead.bytes / columns;
  size_t step = i / (kVectors * kLanes) * heads.tile.heads;
  const float* in = heads.tile.data + i;
  uint8_t* out = heads.out + i * sizeof(T);
  for (size_t h = 0; h < heads.tile.heads; ++h, ++step, in += heads.tile.stride, out += heads.out_stride) {
    if (share != 0) {
      const size_t begin = step % columns * share;
      PrefetchRange(heads.ahead, step / columns, begin, begin + share);
    }
    const auto factor = hn::Set(d, heads.factors[h]);
    TileVector x[kVectors], y[kVectors];
    HWY_UNROLL(8)
    for (size_t k = 0; k < kVectors; ++k) {
      x[k] = hn::Mul(hn::Mul(hn::Load(d, in + k * kLanes), factor), x_weight[k]);
      y[k] = hn::Mul(hn::Mul(hn::Load(d, in + pairs + k * kLanes), factor), y_weight[k]);
      TurnPair(d, x[k], y[k], cos[k], sin[k]);
    }
    T* const x_out = reinterpret_cast<T*>(out);
    if (kFillsLines && heads.non_temporal) {
      StoreVectors<kNaNs, true, kVectors>(d, x, x_out);
      StoreVectors<kNaNs, true, kVectors>(d, y, x_out + pairs);
    } else {
      StoreVectors<kNaNs, false, kVectors>(d, x, x_out);
      StoreVectors<kNaNs, false, kVectors>(d, y, x_out + pairs);
    }
  }
}

// By cache lines of the output where it may be stored non-temporally; elsewhere by two vectors of NEON's. Copies the
// fields: stores of 16-bit elements might be thought to change them.
template <class T, NaNs kNaNs>
HWY_NOINLINE void StoreRotatedHeads(const UnrotatedHeads& of) {
  constexpr size_t kLanes = hn::MaxLanes(TileTag());
  constexpr size_t kStep = HWY_ARCH_X86 ? kCacheLine / sizeof(T) : kTileGranule / 2;
  const UnrotatedHeads heads = of;
  size_t i = 0;
  for (; i + kStep <= heads.pairs; i += kStep) StoreRotatedColumns<T, kNaNs, kStep / kLanes>(heads, i);
  if constexpr (kStep > kTileGranule) {
    if (i < heads.pairs) StoreRotatedColumns<T, kNaNs, kTileGranule / kLanes>(heads, i);
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

// By `store`, or by `store_finite` where factors, weights, cos and sin are finite.
HWY_NOINLINE void NormaliseRotateStoreHeads(const Tile& tile, const float* factors, const NormWeights& weights,
                                            const TileRotation& r, const TileOutput& output, bool non_temporal,
                                            StoreRotated store, StoreRotated store_finite) {
  AssertHeads(tile);
  HWY_DASSERT(r.offset == 0 && r.split == r.pairs && 2 * r.pairs == tile.head_dim && r.pairs % kTileGranule == 0);
  bool are_finite = store != store_finite && AreFinite(r.cos, r.pairs) && AreFinite(r.sin, r.pairs);
  for (size_t h = 0; h < tile.heads; ++h) {
    are_finite = are_finite && std::abs(factors[h]) <= hwy::HighestValue<float>();
  }
  ForSharedWeights(tile, weights, [&](const Tile& part, size_t first, ptrdiff_t index) {
    const float* weight = weights.weight + index;
    TileAhead ahead = output.ahead;
    ahead.data = static_cast<const char*>(ahead.data) + static_cast<ptrdiff_t>(first) * ahead.head_stride;
    const UnrotatedHeads heads{
        part,  factors + first, weight, r.cos, r.sin, r.pairs, HeadBytes(output, first), output.head_stride,
        ahead, non_temporal};
    (are_finite && AreFinite(weight, tile.head_dim) ? store_finite : store)(heads);
  });
}

template <class T>
void NormaliseRotateStore(const Tile& tile, const float* factors, const NormWeights& weights, const TileRotation& r,
                          const TileOutput& output, bool non_temporal) {
  // Of finite factors only infinities make a NaN, which rounds to bf16 without a test: 4 operations a vector of 7.
  constexpr NaNs kFinite = std::is_same_v<T, Bf16> ? NaNs::kBf16 : NaNs::kAny;
  NormaliseRotateStoreHeads(tile, factors, weights, r, output, non_temporal, &StoreRotatedHeads<T, NaNs::kAny>,
                            &StoreRotatedHeads<T, kFinite>);
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
