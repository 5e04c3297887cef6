#include "exec/rotate_window.h"

#include <algorithm>
#include <cstring>

namespace simdrope::impl {
namespace {

// Each pair is rotated twice by the kernels, so that the bits are theirs: in the tile by the row of first elements, and
// a copy by that of second ones, from which the second element is taken. Twice the work of a plain rotation in the
// first-level cache, and no code in kernels.
void RotateApart(const TileKernels& kernels, simdrope_pairing pairing, const Tile& tile, const TileRotation& first,
                 const float* second_cos, const float* second_sin) {
  constexpr size_t kWidth = 2 * kTileGranule;  // of the copy's heads
  const auto rotate = kernels.rotate[pairing][pairing];
  const bool is_half = pairing == SIMDROPE_HALF;
  alignas(kTileAlignment) float copy[kTileHeads * kWidth] = {};
  for (size_t i = 0; i < first.pairs; i += kTileGranule) {
    const size_t pairs = std::min(kTileGranule, first.pairs - i);
    const size_t begin = first.offset + (is_half ? i : 2 * i);
    for (size_t h = 0; h < tile.heads; ++h) {
      const float* from = tile.data + h * tile.stride + begin;
      float* const to = copy + h * kWidth;
      std::memcpy(to, from, (is_half ? pairs : 2 * pairs) * sizeof(float));
      if (is_half) std::memcpy(to + kTileGranule, from + first.split, pairs * sizeof(float));
    }
    rotate(tile, {begin, first.split, pairs, first.cos + i, first.sin + i});
    rotate({copy, tile.heads, kWidth, kWidth}, {0, kTileGranule, pairs, second_cos + i, second_sin + i});
    for (size_t h = 0; h < tile.heads; ++h) {
      const float* from = copy + h * kWidth;
      float* const to = tile.data + h * tile.stride + begin;
      if (is_half) {
        std::memcpy(to + first.split, from + kTileGranule, pairs * sizeof(float));
      } else {
        for (size_t j = 1; j < 2 * pairs; j += 2) to[j] = from[j];
      }
    }
  }
}

}  // namespace

void RotateWindow(const TileKernels& kernels, const Window& window, simdrope_pairing output_pairing, bool inverse,
                  const Tile& tile, const float* cos, const float* sin) {
  size_t done = 0;  // pairs
  for (int32_t b = 0; b < window.blocks; ++b) {
    const auto pairs = static_cast<size_t>(window.blocks == 1 ? window.pairs() : window.block_pairs[b]);
    if (pairs == 0) continue;
    const size_t split = window.blocks == 1 ? static_cast<size_t>(window.split) : pairs;
    TileRotation r{static_cast<size_t>(window.offset) + 2 * done, split, pairs, cos + done, sin + done};
    if (window.full_width) {
      const float* second_sin = r.sin + window.pairs();
      if (inverse) std::swap(r.sin, second_sin);
      RotateApart(kernels, window.pairing, tile, r, r.cos + window.pairs(), second_sin);
    } else {
      kernels.rotate[window.pairing][output_pairing](tile, r);
    }
    done += pairs;
  }
}

}  // namespace simdrope::impl
