// Running a test body on every Highway target that this CPU supports.
#ifndef SIMDROPE_TESTS_SUPPORT_TARGETS_H_
#define SIMDROPE_TESTS_SUPPORT_TARGETS_H_

#include <doctest/doctest.h>
#include <simdrope/simdrope.h>

#include <string>
#include <vector>

namespace testing {

std::vector<simdrope_target> AllTargets();
std::vector<simdrope_target> SupportedTargets();

// Goes back to the target of choice when it dies.
struct TargetRestorer {
  ~TargetRestorer() { simdrope_use_target(nullptr); }
};

// Calls body(target) with each supported target forced and shown to be in use.
template <class Body>
void ForEachTarget(const Body& body) {
  const TargetRestorer restorer;
  int count = 0;
  for (const simdrope_target& target : SupportedTargets()) {
    INFO("target ", std::string(target.name));
    REQUIRE(simdrope_use_target(target.name) == SIMDROPE_OK);
    REQUIRE(std::string(simdrope_target_in_use()) == target.name);
    body(target);
    REQUIRE(std::string(simdrope_target_in_use()) == target.name);
    ++count;
  }
  REQUIRE(count > 0);
}

}  // namespace testing

#endif  // SIMDROPE_TESTS_SUPPORT_TARGETS_H_
