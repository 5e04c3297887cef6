// What the layers above call: one table of row functions per Highway target, found once a call.
// Row functions know nothing of tensors, positions or threads, and never fail.
#ifndef SIMDROPE_KERNELS_KERNELS_H_
#define SIMDROPE_KERNELS_KERNELS_H_

#include <simdrope/simdrope.h>

#include <cstddef>
#include <cstdint>

namespace simdrope::impl {

// How a rotation wants the cos and sin of a row laid out.
enum class AngleOrder {
  kNatural,  // c0 c1 ... | s0 s1 ...
  kSigned,   // each pair twice, ready for interleaved elements: c0 c0 c1 c1 ... | -s0 s0 -s1 s1 ...
  kEvenOdd,  // pairs 0 2 4 ... before pairs 1 3 5 ..., in cos and in sin
};

// Floats that the cos (or the sin) of a row takes.
inline size_t AngleWidth(AngleOrder order, size_t pairs) {
  return order == AngleOrder::kSigned ? 2 * pairs : pairs;
}

// `rows` rows of `pairs` pairs. Row r reads from in + r * in_stride and writes to out + r *
// out_stride (bytes); its angles are at cos and sin + r * angle_stride (floats; 0: shared by all).
// With half pairs the second half is *_split elements after the first. `in` may equal `out` with
// equal strides; otherwise they do not overlap.
struct RotateRows {
  const void* in;
  void* out;
  ptrdiff_t in_stride;
  ptrdiff_t out_stride;
  ptrdiff_t in_split;
  ptrdiff_t out_split;
  const float* cos;
  const float* sin;
  ptrdiff_t angle_stride;
  size_t rows;
  size_t pairs;
  // While working on a row, the one `prefetch_ahead` bytes on is fetched if it begins before
  // `prefetch_end`: the caller will go on to there in this call and the next ones. 0: none.
  ptrdiff_t prefetch_ahead;
  const void* prefetch_end;
};
using RotateFunction = void (*)(const RotateRows&);

// A rotation for given types, and the angle order it wants.
struct Rotation {
  RotateFunction run;
  AngleOrder order;
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
  Rotation rotate[3][3][2][2];  // [in dtype][out dtype][in pairing][out pairing]

  // out[i] = in[i] * scale for n elements, rounded once; any of the three types to any other.
  void (*copy[3][3])(const void* in, void* out, size_t n, float scale);

  // Copies n bytes past the caches; both ends and n are multiples of 64. The copies of a task become
  // visible to other threads with finish_streaming.
  void (*stream)(const void* in, void* out, size_t n);
  void (*finish_streaming)();

  // Rows of cos and sin, in natural order. Results to 0.501 ULP of the row's own angle:
  void (*cos_sin_of_phases)(const PhaseRows&, Magnitude, size_t pairs, float* cos, float* sin);
  void (*cos_sin_of_turns)(const double* turns, Magnitude, size_t pairs, float* cos, float* sin);
  // radians, each below 2^48 in magnitude
  void (*cos_sin_of_angles)(const float* radians, Magnitude, size_t pairs, float* cos, float* sin);

  // Rearranges a natural row, multiplied by scale, sin also by -1 if `negate`; NaN is made the
  // default one. out_cos and out_sin have AngleWidth(order, pairs) floats and are not the inputs.
  void (*arrange)(const float* cos, const float* sin, size_t pairs, float scale, bool negate, AngleOrder order,
                  float* out_cos, float* out_sin);

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
