// cos and sin to far more digits than float has, and phases to more than 64 bits.
#ifndef SIMDROPE_TESTS_SUPPORT_PRECISE_H_
#define SIMDROPE_TESTS_SUPPORT_PRECISE_H_

#include <cstdint>

namespace testing {

// Whether this build has MPFR, or a long double of 113 bits.
bool HasPrecise();

struct PreciseCosSin {
  long double cos;
  long double sin;
};

// Of position * inv_freq radians, the product exact. Correct to the last place but one of a long
// double, its relative accuracy kept near zeros.
PreciseCosSin CosSinOf(int64_t position, double inv_freq);
PreciseCosSin CosSinOf(double position, double inv_freq);

// inv_freq / 2 pi - step, modulo a turn, in units of 2^-64 turn.
double PhaseError(uint64_t step, double inv_freq);

}  // namespace testing

#endif  // SIMDROPE_TESTS_SUPPORT_PRECISE_H_
