// Seeded draws, and how much of the suite is to run.
#ifndef SIMDROPE_TESTS_SUPPORT_RANDOM_H_
#define SIMDROPE_TESTS_SUPPORT_RANDOM_H_

#include <cstdint>
#include <initializer_list>
#include <random>
#include <vector>

namespace testing {

// SIMDROPE_QUICK=1: a smaller sample, for emulators.
bool IsQuick();

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  uint64_t Bits() { return engine_(); }
  // In [least, greatest].
  int64_t Int(int64_t least, int64_t greatest) {
    const uint64_t span = static_cast<uint64_t>(greatest) - static_cast<uint64_t>(least) + 1;
    return static_cast<int64_t>(static_cast<uint64_t>(least) + (span == 0 ? Bits() : Bits() % span));
  }
  bool Chance(int one_in) { return Int(1, one_in) == 1; }
  double Real(double least, double greatest) {
    return least + (greatest - least) * static_cast<double>(Bits() >> 11) * 0x1p-53;
  }
  template <class T>
  T Pick(std::initializer_list<T> choices) {
    return choices.begin()[Int(0, static_cast<int64_t>(choices.size()) - 1)];
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace testing

#endif  // SIMDROPE_TESTS_SUPPORT_RANDOM_H_
