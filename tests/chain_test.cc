// Random chains of stages against the reference. SIMDROPE_CHAINS and SIMDROPE_SEED choose how many and which.
#include "support/chain.h"

#include <cstdlib>
#include <string>

#include "support.h"

using namespace testing;

namespace {

int64_t NumberFrom(const char* variable, int64_t otherwise) {
  const char* text = std::getenv(variable);
  return text != nullptr && text[0] != '\0' ? std::strtoll(text, nullptr, 10) : otherwise;
}

}  // namespace

TEST_CASE("random chains agree with the reference, their stored bits with its encoding, and all ways of running them") {
  const int64_t chains = NumberFrom("SIMDROPE_CHAINS", IsQuick() ? 200 : 10000);
  const uint64_t seed = static_cast<uint64_t>(NumberFrom("SIMDROPE_SEED", 20261124));
  int64_t with_slots = 0, with_norm = 0, quantised = 0, in_place = 0, mismatches = 0;
  const int64_t before = ComparedElements();
  for (int64_t i = 0; i < chains && mismatches < 5; ++i) {
    Chain chain(seed + static_cast<uint64_t>(i));
    with_slots += chain.has_slots() ? 1 : 0;
    with_norm += chain.has_norm() ? 1 : 0;
    quantised += chain.is_quantised() ? 1 : 0;
    in_place += chain.in_place() ? 1 : 0;
    const std::string mismatch = chain.Check();
    INFO("SIMDROPE_CHAINS=1 SIMDROPE_SEED=", seed + static_cast<uint64_t>(i), ": ", chain.Describe());
    CHECK(mismatch == "");
    mismatches += mismatch.empty() ? 0 : 1;
  }
  MESSAGE(chains, " chains, ", (ComparedElements() - before), " elements compared; with slots ", with_slots,
          ", with a norm ", with_norm, ", quantised ", quantised, ", in place ", in_place);
  if (chains < 100 || mismatches > 0) return;
  for (const int64_t count : {with_slots, with_norm, quantised, in_place}) CHECK(count > chains / 5);
  CHECK(ComparedElements() - before > 100 * chains);
}
