// All groups of measurements.
#ifndef SIMDROPE_BENCH_GROUPS_H_
#define SIMDROPE_BENCH_GROUPS_H_

#include "measurement.h"
#include "peers/peer.h"

namespace simdrope::bench {

enum class Size { kReal, kSmoke };

// apply/...: every case on every peer that takes it. `peers` must outlive the groups.
std::vector<Group> ApplyGroups(const Peers& peers, Size size);

// cos_sin/...: rows of cos and sin. rope/...: creating a Rope.
std::vector<Group> AngleGroups(Size size);

// A line for each peer and each reason why it cannot do a case.
std::vector<std::string> LeftOut(const Peers& peers);

}  // namespace simdrope::bench

#endif  // SIMDROPE_BENCH_GROUPS_H_
