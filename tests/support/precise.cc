#include "support/precise.h"

#include <cfloat>
#include <cmath>

#if SIMDROPE_HAVE_MPFR
#include <mpfr.h>
#endif

namespace testing {

#if SIMDROPE_HAVE_MPFR

namespace {

// Enough for 64 bits of position times 53 of inv_freq, 2^100 turns, and 64 bits next to a zero.
constexpr mpfr_prec_t kBits = 320;

class Number {
 public:
  Number() { mpfr_init2(value_, kBits); }
  ~Number() { mpfr_clear(value_); }
  Number(const Number&) = delete;
  Number& operator=(const Number&) = delete;
  operator mpfr_ptr() { return value_; }

 private:
  mpfr_t value_;
};

PreciseCosSin CosSinOfProduct(mpfr_ptr angle) {
  static Number cos, sin;
  mpfr_sin_cos(sin, cos, angle, MPFR_RNDN);
  return {mpfr_get_ld(cos, MPFR_RNDN), mpfr_get_ld(sin, MPFR_RNDN)};
}

}  // namespace

bool HasPrecise() { return true; }

PreciseCosSin CosSinOf(int64_t position, double inv_freq) {
  static Number angle;
  mpfr_set_d(angle, inv_freq, MPFR_RNDN);
  mpfr_mul_si(angle, angle, position, MPFR_RNDN);
  return CosSinOfProduct(angle);
}

PreciseCosSin CosSinOf(double position, double inv_freq) {
  static Number angle;
  mpfr_set_d(angle, inv_freq, MPFR_RNDN);
  mpfr_mul_d(angle, angle, position, MPFR_RNDN);
  return CosSinOfProduct(angle);
}

double PhaseError(uint64_t step, double inv_freq) {
  Number turns, whole, given;
  mpfr_const_pi(turns, MPFR_RNDN);
  mpfr_mul_2ui(turns, turns, 1, MPFR_RNDN);
  mpfr_d_div(turns, inv_freq, turns, MPFR_RNDN);
  mpfr_mul_2ui(turns, turns, 64, MPFR_RNDN);
  mpfr_set_uj(given, step, MPFR_RNDN);
  mpfr_sub(turns, turns, given, MPFR_RNDN);
  mpfr_div_2ui(turns, turns, 64, MPFR_RNDN);
  mpfr_round(whole, turns);
  mpfr_sub(turns, turns, whole, MPFR_RNDN);
  mpfr_mul_2ui(turns, turns, 64, MPFR_RNDN);
  return mpfr_get_d(turns, MPFR_RNDN);
}

#else

bool HasPrecise() { return LDBL_MANT_DIG >= 113; }

PreciseCosSin CosSinOf(int64_t position, double inv_freq) {
  const long double angle = static_cast<long double>(position) * inv_freq;
  return {std::cos(angle), std::sin(angle)};
}

PreciseCosSin CosSinOf(double position, double inv_freq) {
  const long double angle = static_cast<long double>(position) * inv_freq;
  return {std::cos(angle), std::sin(angle)};
}

double PhaseError(uint64_t step, double inv_freq) {
  const long double turns = inv_freq / (2 * 3.14159265358979323846264338327950288L);
  const long double off = turns - static_cast<long double>(step) * 0x1p-64L;
  return static_cast<double>((off - std::round(off)) * 0x1p64L);
}

#endif

}  // namespace testing
