// What the layers above call: one table of row functions per Highway target, found once a call.
// Row functions know nothing of tensors, positions or threads, and never fail.
#ifndef SIMDROPE_KERNELS_KERNELS_H_
#define SIMDROPE_KERNELS_KERNELS_H_

#include <simdrope/simdrope.h>

#include <cstddef>
#include <cstdint>

namespace simdrope::impl {

inline constexpr size_t kCacheLine = 64;  // bytes

// `groups` groups of `rows` rows of `pairs` pairs; the rows of a group share their angles. Row r of group g
// reads from in + g * in_group_stride + r * in_stride and writes likewise to out (bytes); its angles are at cos
// and sin + g * angle_stride (floats). With half pairs the second half is *_split elements after the first.
// `in` may equal `out` with equal strides; otherwise they do not overlap.
struct RotateRows {
  const void* in;
  void* out;
  ptrdiff_t in_stride;
  ptrdiff_t out_stride;
  ptrdiff_t in_group_stride;
  ptrdiff_t out_group_stride;
  ptrdiff_t in_split;
  ptrdiff_t out_split;
  const float* cos;
  const float* sin;
  ptrdiff_t angle_stride;
  size_t groups;
  size_t rows;
  size_t pairs;
  // While working on a row, the one `prefetch_near` bytes on is fetched into the first-level cache, and the one
  // `prefetch_far` bytes on into the second, with the angles of the groups to come. 0: not fetched; far wants near.
  ptrdiff_t prefetch_near;
  ptrdiff_t prefetch_far;
  // Results go past the caches, until finish_past_caches: can_go_past_caches, and types and pairings of input and
  // output are the same.
  bool past_caches;
};
using RotateFunction = void (*)(const RotateRows&);

// What decides whether rows can go past the caches.
struct OutputRows {
  size_t pairs;
  ptrdiff_t split;
  size_t alignment;  // of all rows, their ends, and what is copied around them: bytes, a power of two
  bool dense;        // they follow each other without gaps
};

// The phases of `rows` rows, at `position` and, one by one, the positions after it; or of one row, pair i at
// pair_position[i] if that is not NULL.
// In units of 2^-64 turn, the integer position times phase_step[i] wraps modulo a turn exactly; the real
// one times phase_rest[i] makes good what the step's rounding left out.
struct PhaseRows {
  const uint64_t* phase_step;
  const double* phase_rest;
  int64_t position;
  double real_position;
  const int64_t* pair_position;
  const double* real_pair_position;
  size_t rows;
  ptrdiff_t stride;  // floats from a row's results to the next one's
};

// What cos and sin are multiplied by before they are rounded to float: `factor`, times
// pair_factor[i] unless that is NULL.
struct Magnitude {
  double factor;
  const double* pair_factor;
};

struct Kernels {
  RotateFunction rotate[3][3][2][2];  // [in format][out format][in pairing][out pairing]

  // out[i] = in[i] * scale for n elements, rounded once; any of the three types to any other.
  void (*copy[3][3])(const void* in, void* out, size_t n, float scale);

  bool (*can_go_past_caches[3][2])(const OutputRows&);  // [format][pairing]

  // Copies n bytes past the caches; `out` and n are multiples of 64. What a task writes so
  // becomes visible to other threads with finish_past_caches. What lies `prefetch_far` bytes on from `in` is
  // fetched into the second-level cache, unless that is 0.
  void (*copy_past_caches)(const void* in, void* out, size_t n, ptrdiff_t prefetch_far);
  void (*finish_past_caches)();

  // Rows of cos and sin. Results to 0.501 ULP of the row's own angle:
  void (*cos_sin_of_phases)(const PhaseRows&, Magnitude, size_t pairs, float* cos, float* sin);
  void (*cos_sin_of_turns)(const double* turns, Magnitude, size_t pairs, float* cos, float* sin);
  // radians, each below 2^48 in magnitude
  void (*cos_sin_of_angles)(const float* radians, Magnitude, size_t pairs, float* cos, float* sin);

  // A row of cos and sin times `scale`, sin also times -1 if `negate`; any NaN becomes the default one. The
  // outputs are not the inputs.
  void (*scale)(const float* cos, const float* sin, size_t pairs, float scale, bool negate, float* out_cos,
                float* out_sin);

  bool (*is_fused)();
};

// A Highway target compiled into the library.
struct Target {
  const char* name;
  const Kernels* kernels;
  bool supported;  // by this CPU
  bool fused;      // multiply-add rounds once; false if unsupported
};

// Best first. Writes up to `capacity` and returns how many there are.
size_t ListTargets(Target* targets, size_t capacity);

// The kernels to use: the best supported ones, or those that SIMDROPE_TARGET or UseTarget names.
// Fails if SIMDROPE_TARGET names none.
simdrope_status FindKernels(const Kernels** kernels);

// The name of those kernels' target; "" where FindKernels fails.
const char* TargetInUse();

// NULL: back to SIMDROPE_TARGET or the best.
simdrope_status UseTarget(const char* name);

}  // namespace simdrope::impl

#endif  // SIMDROPE_KERNELS_KERNELS_H_
