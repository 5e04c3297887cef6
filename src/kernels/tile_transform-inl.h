// Scaling and the Walsh-Hadamard transform of a tile. Included once per target.
#if defined(SIMDROPE_TILE_TRANSFORM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SIMDROPE_TILE_TRANSFORM_INL_H_
#undef SIMDROPE_TILE_TRANSFORM_INL_H_
#else
#define SIMDROPE_TILE_TRANSFORM_INL_H_
#endif

#include <cmath>

#include "hwy/highway.h"
#include "kernels/tile.h"
#include "kernels/tile_vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace simdrope::impl {
namespace HWY_NAMESPACE {

struct ScaleTileBody {
  float* head;
  float factor;

  template <class D>
  HWY_INLINE void operator()(D d, size_t i) const {
    hn::StoreU(hn::Mul(hn::LoadU(d, head + i), hn::Set(d, factor)), d, head + i);
  }
};

HWY_NOINLINE void ScaleTile(const Tile& tile, float factor) {
  AssertTile(tile);
  for (size_t h = 0; h < tile.heads; ++h) {
    ForElements(0, tile.head_dim, ScaleTileBody{tile.data + h * tile.stride, factor});
  }
}

// (a, b) becomes (a + b, a - b).
template <class V>
HWY_INLINE void Butterfly(V& a, V& b) {
  const V sum = hn::Add(a, b);
  b = hn::Sub(a, b);
  a = sum;
}

// Distance 1.
struct HadamardOfPairs {
  float* head;
  template <class D>
  HWY_INLINE void operator()(D d, size_t i) const {
    hn::Vec<D> a, b;
    hn::LoadInterleaved2(d, head + 2 * i, a, b);
    Butterfly(a, b);
    hn::StoreInterleaved2(a, b, d, head + 2 * i);
  }
};

// Distances 1 and 2.
struct HadamardOfFours {
  float* head;
  template <class D>
  HWY_INLINE void operator()(D d, size_t i) const {
    hn::Vec<D> v0, v1, v2, v3;
    hn::LoadInterleaved4(d, head + 4 * i, v0, v1, v2, v3);
    Butterfly(v0, v1);
    Butterfly(v2, v3);
    Butterfly(v0, v2);
    Butterfly(v1, v3);
    hn::StoreInterleaved4(v0, v1, v2, v3, d, head + 4 * i);
  }
};

// Elements i and i + distance.
struct HadamardAtDistance {
  float* first;
  size_t distance;
  template <class D>
  HWY_INLINE void operator()(D d, size_t i) const {
    auto a = hn::LoadU(d, first + i);
    auto b = hn::LoadU(d, first + i + distance);
    Butterfly(a, b);
    hn::StoreU(a, d, first + i);
    hn::StoreU(b, d, first + i + distance);
  }
};

inline void Hadamard(const Tile& tile, size_t width) {
  AssertTile(tile);
  HWY_DASSERT(width >= 2 && (width & (width - 1)) == 0 && tile.head_dim % width == 0);
  const size_t n = tile.head_dim;
  for (size_t h = 0; h < tile.heads; ++h) {
    float* head = tile.data + h * tile.stride;
    if (width == 2) {
      ForVectors<float, 1>(0, n / 2, HadamardOfPairs{head});
    } else {
      ForElements(0, n / 4, HadamardOfFours{head});
    }
    for (size_t distance = 4; distance < width; distance *= 2) {
      for (size_t i = 0; i < n; i += 2 * distance) {
        ForVectors<float, kMaxLanes<float>, HWY_MIN(4, kMaxLanes<float>)>(0, distance,
                                                                          HadamardAtDistance{head + i, distance});
      }
    }
  }
  ScaleTile(tile, 1.0f / std::sqrt(static_cast<float>(width)));
}

}  // namespace HWY_NAMESPACE
}  // namespace simdrope::impl
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
