// A function whose every allocation fails once, alone and with all after it.
#ifndef SIMDROPE_TESTS_FAULTS_EVERY_ALLOCATION_H_
#define SIMDROPE_TESTS_FAULTS_EVERY_ALLOCATION_H_

#include <doctest/doctest.h>
#include <simdrope/simdrope.h>

#include <functional>
#include <string>

#include "failing.h"

namespace simdrope::test {

// `call` gives a code and frees all that it took. `after(code)` looks at what it left, while nothing fails.
inline void EveryAllocationFails(const char* name, const std::function<simdrope_status()>& call,
                                 const std::function<void(simdrope_status)>& after = nullptr) {
  CAPTURE(name);
  REQUIRE(call() == SIMDROPE_OK);
  for (const Memory memory : {Memory::kOneFails, Memory::kAllFailFrom}) {
    CAPTURE(static_cast<int>(memory));
    int64_t n = 1, survived = 0;
    for (;; ++n) {
      simdrope_status code = SIMDROPE_OK;
      const AllocationResult result = WithFailingAllocation(n, memory, [&] { code = call(); });
      if (after) after(code);
      if (result.allocations < n) {
        CHECK(code == SIMDROPE_OK);
        break;
      }
      CAPTURE(n);
      CHECK(result.kept == 0);
      // One that the C++ library can do without (a buffer of std::stable_sort) may go unnoticed.
      if (code == SIMDROPE_OK) {
        ++survived;
      } else {
        CHECK(code == SIMDROPE_OUT_OF_MEMORY);
      }
    }
    MESSAGE(std::string(name) << ": " << n - 1 << " allocations, " << survived << " of no consequence");
    CHECK(n > 1);
    CHECK(survived * 4 <= n);
  }
}

}  // namespace simdrope::test

#endif  // SIMDROPE_TESTS_FAULTS_EVERY_ALLOCATION_H_
