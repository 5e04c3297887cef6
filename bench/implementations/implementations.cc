#include "implementation.h"

namespace simdrope::bench {

Implementations AllImplementations() {
  Implementations all;
  const auto add = [&](Implementations some) {
    for (auto& implementation : some) all.push_back(std::move(implementation));
  };
  add(MakeSimdrope());
#ifdef HAVE_ROW_FUNCTIONS
  add(MakeRowFunctions());
#endif
  add(MakeRoofs());
  add(MakeMemcpy());
  add(MakePlainLoops());
#define ADD(Peer) add(Make##Peer());
  FOUND_PEERS(ADD)
#undef ADD
  return all;
}

std::vector<Absent> AbsentImplementations() {
  std::vector<Absent> absent;
  // The reasons come from the build, which tried.
#ifndef HAVE_ROW_FUNCTIONS
  absent.push_back({"rows", "needs -Ddefault_library=both"});
#endif
#ifndef HAVE_LOOP_GCC
  absent.push_back({"loop-gcc", WHY_NO_LOOP_GCC});
#endif
#ifndef HAVE_LOOP_CLANG
  absent.push_back({"loop-clang", WHY_NO_LOOP_CLANG});
#endif
#define ADD(name, reason) absent.push_back({name, reason});
  ABSENT_PEERS(ADD)
#undef ADD
  return absent;
}

}  // namespace simdrope::bench
