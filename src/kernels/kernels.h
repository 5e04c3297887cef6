// What the layers above call: one table of kernels per Highway target, found once a call.
// Kernels know nothing of tensors, positions or threads, and never fail.
#ifndef SIMDROPE_KERNELS_KERNELS_H_
#define SIMDROPE_KERNELS_KERNELS_H_

#include <simdrope/simdrope.h>

#include <cstddef>

#include "kernels/arguments.h"
#include "kernels/tile.h"

namespace simdrope::impl {

struct Kernels {
  StraightFunction rotate[3][2];                           // [format][pairing]
  bool (*can_be_non_temporal[3][2])(const OutputLayout&);  // of `rotate`

  // Copies n bytes by non-temporal stores; `out` and n are multiples of 64. What lies `prefetch_far` bytes on from `in`
  // is fetched into the second-level cache, unless that is 0.
  void (*copy_non_temporal)(const void* in, void* out, size_t n, ptrdiff_t prefetch_far);
  // After it, what this thread stored non-temporally is seen by other threads as its other stores are.
  void (*fence)();

  TileKernels tile;

  // Rows of cos and sin. Results to (0.5 + 2^-13) ULP of the row's own angle:
  void (*cos_sin_of_phases)(const PhaseRows&, Magnitude, size_t pairs, float* cos, float* sin);
  void (*cos_sin_of_turns)(const double* turns, Magnitude, size_t pairs, float* cos, float* sin);
  // each below 2^48 in magnitude
  void (*cos_sin_of_radians)(const float* radians, Magnitude, size_t pairs, float* cos, float* sin);

  // A row of cos and sin times `scale`, sin also times -1 if `negate`; any NaN becomes the default one. The
  // outputs may be the inputs.
  void (*scale_cos_sin)(const float* cos, const float* sin, size_t pairs, float scale, bool negate, float* out_cos,
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
