#include <algorithm>
#include <exception>
#include <memory>
#include <thread>

#include "../groups.h"
#include "implementation.h"

namespace simdrope::bench {
namespace {

// "" if `implementation` is ready to be timed.
std::string ReadyOrWhyNot(ChainImplementation& implementation, ChainStage& stage) {
  try {
    implementation.Prepare(stage.job());
    stage.Refill();
    implementation.Run();
  } catch (const std::exception& error) {
    return error.what();
  }
  return implementation.computes() ? stage.Check(implementation.tolerance(stage.job().c)) : "";
}

OpenGroup Open(const ChainImplementations& implementations, const ChainCase& c, const Wanted& wanted) {
  const auto stage = std::make_shared<ChainStage>(c);
  return OpenOf(implementations, c, GroupName(c), wanted, stage,
                [&](auto& implementation) { return ReadyOrWhyNot(implementation, *stage); });
}

}  // namespace

ChainImplementations AllChainImplementations() {
  ChainImplementations all;
  const auto add = [&](ChainImplementations some) {
    for (auto& implementation : some) all.push_back(std::move(implementation));
  };
  add(MakeSimdropeChains());
  add(MakeChainRoofs());
#define ADD(Peer) add(Make##Peer##Chains());
  FOUND_PEERS(ADD)
#undef ADD
  return all;
}

std::vector<Group> ChainGroups(Size size) {
  static const ChainImplementations implementations = AllChainImplementations();
  const int all_threads = std::max(1u, std::thread::hardware_concurrency());
  std::vector<Group> groups;
  for (ChainCase& c : ChainCases(size == Size::kReal ? all_threads : 2)) {
    if (size == Size::kSmoke) c.tokens = std::min<int64_t>(c.tokens, c.tokens > 16 ? 40 : 3);
    Group group;
    group.name = GroupName(c);
    group.threads = c.threads;
    group.bytes = c.bytes_moved();
    for (const auto& implementation : implementations) {
      if (implementation->Refuses(c).empty())
        group.names.push_back(FullName(group.name, implementation->name(), c.threads));
    }
    group.open = [c](const Wanted& wanted) { return Open(implementations, c, wanted); };
    groups.push_back(std::move(group));
  }
  return groups;
}

}  // namespace simdrope::bench
