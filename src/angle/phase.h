// Angles as fractions of a turn in 64-bit fixed point: the product with any integer position wraps
// modulo one turn exactly.
#ifndef SIMDROPE_ANGLE_PHASE_H_
#define SIMDROPE_ANGLE_PHASE_H_

#include <cstddef>
#include <cstdint>

namespace simdrope::impl {

// Arrays of a value for each pair are readable up to a multiple of so many: kernels read whole vectors.
inline constexpr size_t kPairPadding = 16;

// Largest |inv_freq| that PhaseStep takes, in radians per position.
inline constexpr double kMaxInvFreq = 4294967296.0;

// inv_freq / (2 pi) modulo one turn, in units of 2^-64 turn.
struct PhaseStep {
  uint64_t step;  // rounded to nearest
  double rest;    // what the rounding left out: at most 1/2
};
PhaseStep PhaseStepOf(double inv_freq);

// A position times `rest` stays far below an octant up to here; beyond it the rest is left out, and
// the angle is exact to |position| * 2^-65 turn.
inline constexpr int64_t kMaxRestPosition = int64_t{1} << 40;

inline double RestPosition(int64_t position) {
  return position <= kMaxRestPosition && position >= -kMaxRestPosition ? static_cast<double>(position) : 0.0;
}

}  // namespace simdrope::impl

#endif  // SIMDROPE_ANGLE_PHASE_H_
