// The library's SIMD targets.
#ifndef SIMDROPE_TOOLS_TARGETS_H_
#define SIMDROPE_TOOLS_TARGETS_H_

#include <simdrope/simdrope.hpp>
#include <string>
#include <vector>

#include "failure.h"

namespace simdrope::tool {

// Best first.
inline std::vector<simdrope_target> Targets() {
  std::vector<simdrope_target> targets(simdrope_targets(nullptr, 0));
  simdrope_targets(targets.data(), targets.size());
  return targets;
}

// Fails where SIMDROPE_TARGET names one that this CPU or build has not.
inline std::string TargetInUse() {
  std::string name = simdrope_target_in_use();
  if (name.empty()) Fail(simdrope_last_error());
  return name;
}

// Whether multiply-adds of the target in use are fused.
inline bool IsFused() {
  const std::string name = TargetInUse();
  for (const simdrope_target& target : Targets()) {
    if (name == target.name) return target.fused;
  }
  return false;
}

}  // namespace simdrope::tool

#endif  // SIMDROPE_TOOLS_TARGETS_H_
