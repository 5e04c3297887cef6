// All groups of measurements.
#ifndef SIMDROPE_BENCH_GROUPS_H_
#define SIMDROPE_BENCH_GROUPS_H_

#include "implementations/implementation.h"
#include "measurement.h"

namespace simdrope::bench {

enum class Size { kReal, kSmoke };

// apply/...: every case on every implementation that takes it. `implementations` must outlive the groups.
std::vector<Group> ApplyGroups(const Implementations& implementations, Size size);

// fused/...: chains from projection to cache (chains/).
std::vector<Group> ChainGroups(Size size);

// cos_sin/...: rows of cos and sin. rope/...: creating a Rope.
std::vector<Group> AngleGroups(Size size);

// A line for each implementation and each reason why it cannot do a case.
std::vector<std::string> LeftOut(const Implementations& implementations);

}  // namespace simdrope::bench

#endif  // SIMDROPE_BENCH_GROUPS_H_
