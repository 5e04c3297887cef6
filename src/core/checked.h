// Sums and products of int64_t that say whether they fit: the only file that uses compiler builtins for it.
#ifndef SIMDROPE_CORE_CHECKED_H_
#define SIMDROPE_CORE_CHECKED_H_

#include <cstdint>

namespace simdrope::impl {

// In standard C++, for compilers without the builtins. Return whether the exact result fits; only then is it written.
namespace portable {

inline bool CheckedAdd(int64_t a, int64_t b, int64_t* sum) {
  if (b >= 0 ? a > INT64_MAX - b : a < INT64_MIN - b) return false;
  *sum = a + b;
  return true;
}

inline bool CheckedMul(int64_t a, int64_t b, int64_t* product) {
  if (a != 0 && b != 0) {
    // Divisors below have the sign that keeps INT64_MIN / -1 out.
    if (a > 0) {
      if (b > 0 ? a > INT64_MAX / b : b < INT64_MIN / a) return false;
    } else {
      if (b > 0 ? a < INT64_MIN / b : b < INT64_MAX / a) return false;
    }
  }
  *product = a * b;
  return true;
}

}  // namespace portable

// The result may be an operand too: CheckedAdd(x, y, &x).
#if defined(__GNUC__)
[[nodiscard]] inline bool CheckedAdd(int64_t a, int64_t b, int64_t* sum) {
  int64_t result;
  if (__builtin_add_overflow(a, b, &result)) return false;
  *sum = result;
  return true;
}

[[nodiscard]] inline bool CheckedMul(int64_t a, int64_t b, int64_t* product) {
  int64_t result;
  if (__builtin_mul_overflow(a, b, &result)) return false;
  *product = result;
  return true;
}
#else
[[nodiscard]] inline bool CheckedAdd(int64_t a, int64_t b, int64_t* sum) { return portable::CheckedAdd(a, b, sum); }

[[nodiscard]] inline bool CheckedMul(int64_t a, int64_t b, int64_t* product) {
  return portable::CheckedMul(a, b, product);
}
#endif

}  // namespace simdrope::impl

#endif  // SIMDROPE_CORE_CHECKED_H_
