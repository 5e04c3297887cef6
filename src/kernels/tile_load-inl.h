// Loading a tile from f32, f16 and bf16. Included once per target.
#if defined(SIMDROPE_TILE_LOAD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SIMDROPE_TILE_LOAD_INL_H_
#undef SIMDROPE_TILE_LOAD_INL_H_
#else
#define SIMDROPE_TILE_LOAD_INL_H_
#endif

#include "hwy/highway.h"
#include "kernels/convert-inl.h"
#include "kernels/tile.h"
#include "kernels/tile_sums-inl.h"
#include "kernels/tile_vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace simdrope::impl {
namespace HWY_NAMESPACE {

// The last n elements of a row, followed by zeros: nothing is read beyond the row.
template <class T>
struct Rest {
  alignas(kTileAlignment) T elements[kTileGranule] = {};

  HWY_INLINE Rest(const T* from, size_t n) { std::memcpy(elements, from, n * sizeof(T)); }
};

template <class T>
HWY_INLINE void LoadHead(const T* from, const Tile& tile, float* head) {
  const TileTag d;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + lanes <= tile.head_dim; i += lanes) hn::Store(LoadFloats(d, from + i), d, head + i);
  if (i < tile.head_dim) {
    const Rest<T> rest(from + i, tile.head_dim - i);
    hn::Store(LoadFloats(d, rest.elements), d, head + i);
    i += lanes;
  }
  for (; i < tile.stride; i += lanes) hn::Store(hn::Zero(d), d, head + i);
}

template <class T>
void LoadTile(const TileInput& input, const Tile& tile) {
  AssertTile(tile);
  HWY_DASSERT(reinterpret_cast<uintptr_t>(input.data) % sizeof(T) == 0);
  for (size_t h = 0; h < tile.heads; ++h) {
    const T* from = reinterpret_cast<const T*>(HeadBytes(input, h));
    LoadHead(from, tile, tile.data + h * tile.stride);
  }
}

template <class T>
void LoadTileAndSum(const TileInput& input, const Tile& tile, float* square_sums) {
#if SIMDROPE_FIXED_VECTORS
  AssertTile(tile);
  const TileTag d;
  const size_t lanes = hn::Lanes(d);
  for (size_t h = 0; h < tile.heads; ++h) {
    const T* from = reinterpret_cast<const T*>(HeadBytes(input, h));
    float* head = tile.data + h * tile.stride;
    const size_t head_dim = tile.head_dim;
    PartialSums partial;
    size_t i = 0;
    for (; i + kTileGranule <= head_dim; i += kTileGranule) {
      for (size_t k = 0; k < PartialSums::kVectors; ++k) {
        const auto x = LoadFloats(d, from + i + k * lanes);
        hn::Store(x, d, head + i + k * lanes);
        partial.sums[k] = hn::MulAdd(x, x, partial.sums[k]);
      }
    }
    if (i < tile.head_dim) {
      const Rest<T> rest(from + i, tile.head_dim - i);
      for (size_t k = 0; k < PartialSums::kVectors; ++k) {
        const auto x = LoadFloats(d, rest.elements + k * lanes);
        hn::Store(x, d, head + i + k * lanes);
        partial.sums[k] = hn::MulAdd(x, x, partial.sums[k]);
      }
      i += kTileGranule;
    }
    for (; i < tile.stride; i += lanes) hn::Store(hn::Zero(d), d, head + i);
    square_sums[h] = partial.Total();
  }
#else
  LoadTile<T>(input, tile);
  SquareSums(tile, square_sums);
#endif
}

// Formats of which loading and summing together gains nothing.
template <void (*kLoad)(const TileInput&, const Tile&)>
void LoadThenSum(const TileInput& input, const Tile& tile, float* square_sums) {
  kLoad(input, tile);
  SquareSums(tile, square_sums);
}

}  // namespace HWY_NAMESPACE
}  // namespace simdrope::impl
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
