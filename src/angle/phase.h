// Angles as fractions of a turn in 64-bit fixed point: the product with any integer position wraps
// modulo one turn exactly.
#ifndef SIMDROPE_ANGLE_PHASE_H_
#define SIMDROPE_ANGLE_PHASE_H_

#include <cstdint>

namespace simdrope::impl {

// Largest |inv_freq| that PhaseStep takes, in radians per position.
inline constexpr double kMaxInvFreq = 4294967296.0;

// inv_freq / (2 pi) modulo one turn, in units of 2^-64 turn, rounded to nearest.
uint64_t PhaseStep(double inv_freq);

}  // namespace simdrope::impl

#endif  // SIMDROPE_ANGLE_PHASE_H_
