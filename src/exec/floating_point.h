// The floating-point mode that results are computed in, whatever a host has set: to nearest even, subnormals kept.
#ifndef SIMDROPE_EXEC_FLOATING_POINT_H_
#define SIMDROPE_EXEC_FLOATING_POINT_H_

#include <cstdint>

#if defined(__SSE__) || defined(_M_X64)
#include <xmmintrin.h>
#define SIMDROPE_HAS_MXCSR 1
#elif defined(__aarch64__) && defined(__GNUC__)
#define SIMDROPE_HAS_FPCR 1
#endif

namespace simdrope::impl {

// While it lives, this thread rounds to nearest even and keeps subnormals (MXCSR: rounding control, FTZ, DAZ; FPCR:
// RMode, FZ, FZ16). The thread's mode comes back with it; flags that were raised stay. Costs one read of the register
// where the mode is the default one. Elsewhere it does nothing.
class DefaultFloatingPoint {
 public:
  DefaultFloatingPoint() : saved_(Read()) {
    if ((saved_ & kModes) != 0) Write(saved_ & ~kModes);
  }
  ~DefaultFloatingPoint() {
    if ((saved_ & kModes) != 0) Write(saved_);
  }
  DefaultFloatingPoint(const DefaultFloatingPoint&) = delete;
  DefaultFloatingPoint& operator=(const DefaultFloatingPoint&) = delete;

 private:
#if defined(SIMDROPE_HAS_MXCSR)
  using Register = uint32_t;
  static constexpr Register kModes = 0xe040u;  // FTZ (15), rounding control (14, 13), DAZ (6)
  static Register Read() { return _mm_getcsr(); }
  static void Write(Register value) { _mm_setcsr(value); }
#elif defined(SIMDROPE_HAS_FPCR)
  using Register = uint64_t;
  static constexpr Register kModes = 0x1c80000u;  // FZ (24), RMode (23, 22), FZ16 (19)
  static Register Read() {
    Register value;
    asm volatile("mrs %0, fpcr" : "=r"(value));
    return value;
  }
  static void Write(Register value) { asm volatile("msr fpcr, %0" : : "r"(value)); }
#else
  using Register = uint32_t;
  static constexpr Register kModes = 0;
  static Register Read() { return 0; }
  static void Write(Register) {}
#endif

  Register saved_;
};

}  // namespace simdrope::impl

#endif  // SIMDROPE_EXEC_FLOATING_POINT_H_
