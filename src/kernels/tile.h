// A tile: a few heads of one operand as float in the first-level cache, and the table of the stages that work on it.
// Stages know nothing of tensors, positions or threads, and never fail. Their preconditions are stated here and
// asserted where they are built with assertions.
#ifndef SIMDROPE_KERNELS_TILE_H_
#define SIMDROPE_KERNELS_TILE_H_

#include <simdrope/simdrope.h>

#include <cstddef>

#include "core/format.h"

namespace simdrope::impl {

inline constexpr size_t kTileHeads = 8;       // at most
inline constexpr size_t kTileFloats = 2048;   // at most, heads * stride
inline constexpr size_t kTileAlignment = 64;  // bytes
inline constexpr size_t kTileGranule = 16;    // floats: strides are multiples of it

// The least stride of a tile.
inline constexpr size_t TileStride(size_t head_dim) {
  return (head_dim + kTileGranule - 1) / kTileGranule * kTileGranule;
}

// Head h is at data + h * stride. `stride` is at least head_dim; elements head_dim to stride - 1 of each head are 0:
// loads write them, every other stage leaves them so. 1 to kTileHeads heads, head_dim 1 to SIMDROPE_MAX_HEAD_DIM.
struct Tile {
  float* data;
  size_t heads;
  size_t head_dim;
  size_t stride;
};

// What a tile is loaded from: head h is at data + h * head_stride bytes, its elements without gaps. Aligned to the
// element, to 2 bytes for Q8_0 and Q4_0, of which head_dim is a multiple of 32.
// F8, I8 and U8: element d of head h has scale[h * scale_head_stride + d * scale_element_stride]; zero_point likewise
// (U8). A scale of NULL is 1 (F8 only). Other formats ignore both.
struct TileInput {
  const void* data;
  ptrdiff_t head_stride;  // bytes
  const float* scale;
  const float* zero_point;
  ptrdiff_t scale_head_stride;  // floats
  ptrdiff_t scale_element_stride;
};

// Heads that are loaded next, at data + h * head_stride bytes: head h is prefetched while head h of a tile is stored.
struct TileAhead {
  const void* data;
  ptrdiff_t head_stride;
  size_t bytes;  // of a head; 0: nothing is prefetched
};

// What a tile is stored to, as a TileInput. With computes_scale (I8 and U8) scale and zero_point of each head are
// computed and written at scale[h * scale_head_stride]; else they are read.
struct TileOutput {
  void* data;
  ptrdiff_t head_stride;
  float* scale;
  float* zero_point;
  ptrdiff_t scale_head_stride;
  ptrdiff_t scale_element_stride;
  bool computes_scale;
  TileAhead ahead = {};
};

// Element d of head h is multiplied by weight[h * head_stride + d], and bias[h * head_stride + d] is added (layer
// norms; others ignore it).
struct NormWeights {
  const float* weight;
  const float* bias;
  ptrdiff_t head_stride;  // elements; 0: shared by the heads
};

// Pairs of the window that begins at element `offset` (even): element i and i + split with half pairs (split >= pairs),
// 2i and 2i + 1 with interleaved ones. cos and sin, in natural order, are shared by the heads.
struct TileRotation {
  size_t offset;
  size_t split;
  size_t pairs;
  const float* cos;
  const float* sin;
};

// A sum over a head is 16 partial sums, element i into sum i % 16 in order of i, by one multiply-add for squares; then
// the upper half of the sums is added to the lower one until one is left. It is the same on all targets.
//
// `rounding` is SIMDROPE_F16 or SIMDROPE_BF16 where a PyTorch module would round to its input's format, SIMDROPE_F32
// where it would not.
struct TileKernels {
  // F8 saturates at its largest number; its NaN and those of f16 and bf16 stay NaN. I8 and U8 have no NaN: one becomes
  // 0 there, but where the scale is computed that is NaN then, as is the scale of a block of Q8_0 or Q4_0.
  void (*load[kFormatCount])(const TileInput&, const Tile&);
  void (*load_and_sum[kFormatCount])(const TileInput&, const Tile&, float* square_sums);
  // F8, I8: x / scale, to nearest even, saturated (I8: at -127 and 127). Computed, the scale of I8 is max|x| / 127; it
  // may be 0, with elements of 0.
  // U8: x / scale + zero_point, to nearest even, saturated. Computed, scale = (max - min) / 255, but 1e-4 where that is
  // 0, so that a head of one value comes back as that value; zero_point = -min / scale.
  // Q8_0 and Q4_0: the bits of ggml's reference quantiser for finite input.
  void (*store[kFormatCount])(const Tile&, const TileOutput&);

  // One result a head.
  void (*sums)(const Tile&, float* sums);
  void (*square_sums)(const Tile&, float* sums);
  void (*deviation_sums)(const Tile&, const float* means, float* sums);  // of (x - means[head])^2

  // factors[h] of sums of squares over `count` elements, kTileHeads of them. RMS: 1 / sqrt(sum / count + eps); L2: 1 /
  // max(sqrt(sum), eps). Each operation is rounded to float.
  void (*norm_factors)(simdrope_norm_type, const float* sums, float count, float eps, float* factors);

  // x * factors[head], rounded; times the weight, rounded.
  void (*normalise)(const Tile&, const float* factors, const NormWeights&, simdrope_format rounding);
  // (x - means[head]) * factors[head] times the weight, plus the bias; rounded once, as torch.nn.LayerNorm does.
  void (*centre_and_normalise)(const Tile&, const float* means, const float* factors, const NormWeights&,
                               simdrope_format rounding);
  // Both sums of each head, then centre_and_normalise: factor 1 / sqrt(variance + eps).
  void (*layer_norm)(const Tile&, float eps, const NormWeights&, simdrope_format rounding);

  // x' = x cos - y sin, y' = y cos + x sin; [in pairing][out pairing]. split is `pairs` where the pairings differ.
  void (*rotate[2][2])(const Tile&, const TileRotation&);
  // normalise, then rotate with the same pairing in and out; [pairing]. Same bits, one loop where it pays.
  void (*normalise_and_rotate[2])(const Tile&, const float* factors, const NormWeights&, simdrope_format rounding,
                                  const TileRotation&);
  // normalise without rounding, rotate and store in one loop, with the same bits: heads of half pairs that are rotated
  // whole, of `pairs` a multiple of kTileGranule. The tile is only read: it may be the caller's input, aligned as a
  // tile is and of any stride, and the output may be that input. NULL where three stages are as fast or are not worth
  // the code. A head that holds a NaN has a factor of NaN. `non_temporal`: heads of the output are aligned to
  // kTileAlignment.
  void (*normalise_rotate_store[kFormatCount])(const Tile&, const float* factors, const NormWeights&,
                                               const TileRotation&, const TileOutput&, bool non_temporal);

  // Orthonormal Walsh-Hadamard transform, in natural (Sylvester) order, of each `width` consecutive elements; a power
  // of two, at least 2, that divides head_dim. Sums of distance 1, 2, 4, ... in float, then one factor of 1 /
  // sqrt(width).
  void (*hadamard)(const Tile&, size_t width);
  void (*scale)(const Tile&, float factor);
};

}  // namespace simdrope::impl

#endif  // SIMDROPE_KERNELS_TILE_H_
