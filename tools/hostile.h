// Inputs that ask a rotation the hardest questions.
#ifndef SIMDROPE_TOOLS_HOSTILE_H_
#define SIMDROPE_TOOLS_HOSTILE_H_

#include <cstdint>
#include <simdrope/simdrope.hpp>
#include <vector>

#include "random.h"
#include "reference/job.h"

namespace simdrope::tool {

// One case: geometry of a head and where its tokens stand.
struct HostileCase {
  int head_dim, rotary_dim, rotary_offset;
  double theta;
  bool inverse;
};

const std::vector<HostileCase>& HostileCases();
const std::vector<int64_t>& HostilePositions();  // up to +-2^31

// Fills Q of the job, [1, seq, heads, head_dim] contiguous, with a kind of value a pair: normal numbers, pairs that
// cancel at the token's angle, subnormals and numbers that become so, zeros of both signs, the largest
// numbers, Inf and NaN.
void FillHostile(const reference::Job& job, Random& random);

}  // namespace simdrope::tool

#endif  // SIMDROPE_TOOLS_HOSTILE_H_
