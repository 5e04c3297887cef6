// Storing a tile as f32, f16 and bf16. Included once per target.
#if defined(SIMDROPE_TILE_STORE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SIMDROPE_TILE_STORE_INL_H_
#undef SIMDROPE_TILE_STORE_INL_H_
#else
#define SIMDROPE_TILE_STORE_INL_H_
#endif

#include "hwy/highway.h"
#include "kernels/convert-inl.h"
#include "kernels/tile.h"
#include "kernels/tile_vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace simdrope::impl {
namespace HWY_NAMESPACE {

template <class T>
HWY_INLINE void StoreHead(const float* head, size_t n, T* to) {
  const TileTag d;
  const size_t lanes = hn::Lanes(d);
  size_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    StoreTwo<NaNs::kAny, false>(hn::Load(d, head + i), hn::Load(d, head + i + lanes), d, to + i);
  }
  for (; i < n; i += lanes) {
    const auto x = hn::Load(d, head + i);
    if (i + lanes <= n) {
      StoreFloats<NaNs::kAny, false>(x, d, to + i);
    } else {
      alignas(kTileAlignment) T rest[kTileGranule];
      StoreFloats<NaNs::kAny, false>(x, d, rest);
      std::memcpy(to + i, rest, (n - i) * sizeof(T));
    }
  }
}

template <class T>
void StoreTile(const Tile& tile, const TileOutput& output) {
  AssertTile(tile);
  HWY_DASSERT(reinterpret_cast<uintptr_t>(output.data) % sizeof(T) == 0);
  for (size_t h = 0; h < tile.heads; ++h) {
    PrefetchHead(output.ahead, h);
    StoreHead(tile.data + h * tile.stride, tile.head_dim, reinterpret_cast<T*>(HeadBytes(output, h)));
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace simdrope::impl
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
