// What builds with Highway's headers alone ask the CPU, against Highway's library.
#include "kernels/cpu.h"

#include "hwy/targets.h"
#include "support.h"

TEST_CASE("the CPU supports the targets that Highway's library says") {
  for (int bit = 0; bit < 62; ++bit) {
    const int64_t target = int64_t{1} << bit;
    if ((HWY_TARGETS & target) == 0) continue;
    CAPTURE(hwy::TargetName(target));
    CHECK((simdrope::impl::SupportedTargets() & target) == (hwy::SupportedTargets() & target));
  }
}
