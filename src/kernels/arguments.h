// Arguments of the kernels that are not about tiles (tile.h). Strides are in bytes where they are of heads and tokens,
// in floats where they are of rows of cos and sin.
#ifndef SIMDROPE_KERNELS_ARGUMENTS_H_
#define SIMDROPE_KERNELS_ARGUMENTS_H_

#include <simdrope/simdrope.h>

#include <cstddef>
#include <cstdint>

namespace simdrope::impl {

inline constexpr size_t kCacheLine = 64;  // bytes

// The straight road: `tokens` tokens of `heads` heads, of which `pairs` pairs are rotated; the heads of a token share
// its row of cos and sin. Head h of token t is read from in + t * in_token_stride + h * in_head_stride and written
// likewise to out; both point at the first pair's first element. Its row is at cos and sin + t * cos_sin_stride.
// `in` may equal `out` with equal strides; otherwise they do not overlap. The rows hold no NaN but quiet ones whose low
// 16 bits are clear, for bf16 is rounded without a test for NaN.
struct StraightCall {
  const void* in;
  void* out;
  ptrdiff_t in_head_stride;
  ptrdiff_t out_head_stride;
  ptrdiff_t in_token_stride;
  ptrdiff_t out_token_stride;
  ptrdiff_t split;  // half pairs: elements from the first element of a pair to its second
  const float* cos;
  const float* sin;
  ptrdiff_t cos_sin_stride;
  size_t tokens;
  size_t heads;
  size_t pairs;
  // While a head is rotated, the one `prefetch_near` bytes on is fetched into the first-level cache, and the one
  // `prefetch_far` bytes on into the second, with the rows of the tokens to come. 0: not fetched; prefetch_far requires
  // prefetch_near.
  ptrdiff_t prefetch_near;
  ptrdiff_t prefetch_far;
  // Stores bypass the caches, until `fence`. Requires can_be_non_temporal.
  bool non_temporal;
};
using StraightFunction = void (*)(const StraightCall&);

// What decides whether the heads of an output can be stored non-temporally.
struct OutputLayout {
  size_t pairs;
  ptrdiff_t split;
  size_t alignment;  // of all heads, their ends, and what is copied around the window: bytes, a power of two
  bool dense;        // heads follow each other without gaps
};

// Rows of cos and sin are computed in chunks of so many pairs: scratch stays small. All that is read for pairs is
// readable up to a multiple of kPairPadding of them (angle/phase.h).
inline constexpr size_t kCosSinChunk = 64;

// Where each pair has a position of its own: that of the first row, and what is added to it for each row after.
struct PairPositions {
  int64_t position[kCosSinChunk];
  double real_position[kCosSinChunk];
  int64_t to_next[kCosSinChunk];
  double real_to_next[kCosSinChunk];
};

// The phases of `rows` rows: at `position` and, one by one, the positions after it, where `pairs` is NULL; else at the
// positions of each pair.
// In units of 2^-64 turn, the integer position times phase_step[i] wraps modulo a turn exactly; the real
// one times phase_rest[i] makes good what the step's rounding left out.
struct PhaseRows {
  const uint64_t* phase_step;
  const double* phase_rest;
  int64_t position;
  double real_position;
  const PairPositions* pairs;
  size_t rows;
  ptrdiff_t stride;  // from a row's results to the next one's
};

// What cos and sin are multiplied by before they are rounded to float: `factor`, times
// pair_factor[i] unless that is NULL.
struct Magnitude {
  double factor;
  const double* pair_factor;
};

}  // namespace simdrope::impl

#endif  // SIMDROPE_KERNELS_ARGUMENTS_H_
