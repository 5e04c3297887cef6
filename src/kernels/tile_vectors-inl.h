// What the stages of a tile share: the vectors they work in. Included once per target.
#if defined(SIMDROPE_TILE_VECTORS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SIMDROPE_TILE_VECTORS_INL_H_
#undef SIMDROPE_TILE_VECTORS_INL_H_
#else
#define SIMDROPE_TILE_VECTORS_INL_H_
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "hwy/highway.h"
#include "kernels/convert-inl.h"
#include "kernels/tile.h"
#include "kernels/vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace simdrope::impl {
namespace HWY_NAMESPACE {

// No more lanes than a granule: then whole vectors cover a head with its padding.
using TileTag = hn::CappedTag<float, kTileGranule>;
using TileVector = hn::Vec<TileTag>;

// Arrays of vectors, and vectors whose number of lanes is known here.
#undef SIMDROPE_FIXED_VECTORS
#if HWY_HAVE_SCALABLE || HWY_TARGET == HWY_SCALAR
#define SIMDROPE_FIXED_VECTORS 0
#else
#define SIMDROPE_FIXED_VECTORS 1
#endif

// A tile, or heads of a caller's that lie as those of a tile.
inline void AssertHeads([[maybe_unused]] const Tile& tile) {
  HWY_DASSERT(reinterpret_cast<uintptr_t>(tile.data) % kTileAlignment == 0);
  HWY_DASSERT(tile.heads >= 1 && tile.heads <= kTileHeads);
  HWY_DASSERT(tile.head_dim >= 1 && tile.head_dim <= SIMDROPE_MAX_HEAD_DIM);
  HWY_DASSERT(tile.stride >= tile.head_dim && tile.stride % kTileGranule == 0);
}

inline void AssertTile([[maybe_unused]] const Tile& tile) {
  AssertHeads(tile);
  HWY_DASSERT(tile.heads * tile.stride <= kTileFloats);
}

// Head h alone.
inline Tile HeadOf(const Tile& tile, size_t h) { return {tile.data + h * tile.stride, 1, tile.head_dim, tile.stride}; }

// Calls body(d, i) for the elements [begin, end) of a head, by whole vectors, then smaller ones.
template <class Body>
HWY_INLINE void ForElements(size_t begin, size_t end, const Body& body) {
  ForVectors<float, HWY_MIN(kTileGranule, kMaxLanes<float>)>(begin, end, body);
}

inline void ZeroPadding(const Tile& tile, size_t h) {
  if (tile.head_dim == tile.stride) return;
  std::memset(tile.data + h * tile.stride + tile.head_dim, 0, (tile.stride - tile.head_dim) * sizeof(float));
}

inline const uint8_t* HeadBytes(const TileInput& input, size_t h) {
  return static_cast<const uint8_t*>(input.data) + static_cast<ptrdiff_t>(h) * input.head_stride;
}
inline uint8_t* HeadBytes(const TileOutput& output, size_t h) {
  return static_cast<uint8_t*>(output.data) + static_cast<ptrdiff_t>(h) * output.head_stride;
}

// Bytes [begin, end) of a head.
HWY_INLINE void PrefetchRange(const TileAhead& ahead, size_t h, size_t begin, size_t end) {
  const char* head = static_cast<const char*>(ahead.data) + static_cast<ptrdiff_t>(h) * ahead.head_stride;
  for (size_t i = begin; i < end; i += kCacheLine) hwy::Prefetch(head + i);
}
HWY_NOINLINE void PrefetchHead(const TileAhead& ahead, size_t h) { PrefetchRange(ahead, h, 0, ahead.bytes); }

}  // namespace HWY_NAMESPACE
}  // namespace simdrope::impl
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
