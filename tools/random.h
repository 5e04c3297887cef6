// A small generator that gives the same numbers everywhere.
#ifndef SIMDROPE_TOOLS_RANDOM_H_
#define SIMDROPE_TOOLS_RANDOM_H_

#include <cmath>
#include <cstdint>

namespace simdrope::tool {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  // splitmix64
  uint64_t Next() {
    uint64_t z = state_ += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  int Below(int limit) { return static_cast<int>(Next() % static_cast<uint64_t>(limit)); }
  double Uniform() { return static_cast<double>(Next() >> 11) * 0x1p-53; }  // [0, 1)
  double Normal() { return std::sqrt(-2 * std::log(1 - Uniform())) * std::cos(6.283185307179586477 * Uniform()); }

 private:
  uint64_t state_;
};

}  // namespace simdrope::tool

#endif  // SIMDROPE_TOOLS_RANDOM_H_
