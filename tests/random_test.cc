// Random calls against the double reference. SIMDROPE_DRAWS and SIMDROPE_SEED choose how many and which.
#include <cstdlib>
#include <string>

#include "support/draw.h"

#if SIMDROPE_HAVE_TBB
#include <oneapi/tbb/global_control.h>
#endif

using namespace testing;

namespace {

int64_t NumberFrom(const char* variable, int64_t otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr && text[0] != '\0' ? std::strtoll(text, nullptr, 10) : otherwise;
}

}  // namespace

TEST_CASE("random draws agree with the double reference, and serial, oneTBB and slices with one another") {
#if SIMDROPE_HAVE_TBB
  const tbb::global_control control(tbb::global_control::max_allowed_parallelism, 4);
#endif
  const int64_t draws = NumberFrom("SIMDROPE_DRAWS", IsQuick() ? 400 : 10000);
  const uint64_t seed = static_cast<uint64_t>(NumberFrom("SIMDROPE_SEED", 20240229));
  MESSAGE(draws, " draws, SIMDROPE_SEED=", seed);
  std::vector<simdrope_target> targets = SupportedTargets();
  if (const char* wanted = std::getenv("SIMDROPE_TARGET"); wanted != nullptr && wanted[0] != '\0') {
    std::erase_if(targets, [&](const simdrope_target& target) { return std::string(target.name) != wanted; });
  }
  REQUIRE(!targets.empty());
  const TargetRestorer restorer;
  int64_t large = 0, refused = 0, mismatches = 0;
  int64_t by_source[3] = {};
  const int64_t before = ComparedElements();
  for (int64_t i = 0; i < draws && mismatches < 5; ++i) {
    const simdrope_target& target = targets[static_cast<size_t>(i) % targets.size()];
    REQUIRE(simdrope_use_target(target.name) == SIMDROPE_OK);
    Draw draw(seed + static_cast<uint64_t>(i));
    large += draw.is_large() ? 1 : 0;
    refused += draw.must_fail() ? 1 : 0;
    ++by_source[static_cast<int>(draw.source())];
    const std::string mismatch = draw.Check();
    INFO("SIMDROPE_TARGET=", std::string(target.name),
         " SIMDROPE_DRAWS=1 SIMDROPE_SEED=", seed + static_cast<uint64_t>(i), ": ", draw.Describe());
    CHECK(mismatch == "");
    mismatches += mismatch.empty() ? 0 : 1;
  }
  MESSAGE((ComparedElements() - before), " elements compared; ", large, " draws large enough for several threads, ",
          refused, " refused as they should be; streamed ", by_source[0], ", prepared ", by_source[1], ", tables ",
          by_source[2]);
  if (draws < 1000 || mismatches > 0) return;
  CHECK(large > 0);
  CHECK(refused > 0);
  for (const int64_t count : by_source) CHECK(count > draws / 6);
  CHECK(ComparedElements() - before > 100 * draws);
}
