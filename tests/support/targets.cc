#include "support/targets.h"

namespace testing {

std::vector<simdrope_target> AllTargets() {
  std::vector<simdrope_target> targets(simdrope_targets(nullptr, 0));
  simdrope_targets(targets.data(), targets.size());
  return targets;
}

std::vector<simdrope_target> SupportedTargets() {
  std::vector<simdrope_target> supported;
  for (const simdrope_target& target : AllTargets()) {
    if (target.supported) supported.push_back(target);
  }
  return supported;
}

}  // namespace testing
