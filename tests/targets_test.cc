// Listing, forcing and comparing targets.
#include <cstdlib>
#include <cstring>

#include "support.h"
#include "support/layouts.h"

using namespace testing;

namespace {

// SIMDROPE_TARGET for as long as it lives, the library's choice made anew at both ends.
class TargetVariable {
 public:
  explicit TargetVariable(const char* value) {
    const char* before = std::getenv("SIMDROPE_TARGET");
    had_ = before != nullptr;
    if (had_) before_ = before;
    setenv("SIMDROPE_TARGET", value, 1);
    simdrope_use_target(nullptr);
  }
  ~TargetVariable() {
    if (had_) {
      setenv("SIMDROPE_TARGET", before_.c_str(), 1);
    } else {
      unsetenv("SIMDROPE_TARGET");
    }
    simdrope_use_target(nullptr);
  }

 private:
  bool had_;
  std::string before_;
};

// The bytes of everything that one target computes, over many shapes and types.
std::vector<char> Fingerprint() {
  std::vector<char> all;
  Random random(51);
  for (const Format in : kFormats) {
    for (const Format out : kFormats) {
      for (const Pairing from : {simdrope::half, simdrope::interleaved}) {
        for (const Pairing to : {simdrope::half, simdrope::interleaved}) {
          for (const int dim : {2, 10, 30, 64, 128, 130}) {
            simdrope::Config config(dim + 2, 5e5);
            config.rotary_dim = dim;
            config.pairing = from;
            const Shape shape{1, 6, 3, 2, 0, dim + 2};
            Tensors a = MakeTensors(Layout::kBshd, shape, in), b = MakeTensors(Layout::kBshd, shape, out);
            Job job;
            job.in = a.qkv;
            FillInputs(job, in == simdrope::f32 ? Inputs::kTame : Inputs::kWide, &random);
            simdrope::Options options;
            options.output_pairing = to;
            options.q.scale = 0.7f;
            const auto rope = simdrope::Rope::create(config);
            REQUIRE(rope.ok());
            REQUIRE(simdrope::apply(rope->stream(123456), a.qkv, b.qkv, options).ok());
            for (const Buffer& buffer : b.buffers) {
              const std::vector<char> bytes = buffer.Bytes();
              all.insert(all.end(), bytes.begin(), bytes.end());
            }
          }
        }
      }
    }
  }
  return all;
}

}  // namespace

TEST_CASE("the best supported target is chosen, and the list is best first") {
  const std::vector<simdrope_target> all = AllTargets();
  const std::vector<simdrope_target> supported = SupportedTargets();
  REQUIRE(!all.empty());
  REQUIRE(!supported.empty());
  if (std::getenv("SIMDROPE_TARGET") == nullptr) {
    CHECK(std::string(simdrope_target_in_use()) == supported.front().name);
  }
  for (const simdrope_target& target : all) {
    CHECK(std::strlen(target.name) > 0);
    CHECK((target.supported || !target.fused));
  }
  simdrope_target first;
  CHECK(simdrope_targets(&first, 1) == all.size());
  CHECK(std::string(first.name) == all.front().name);
}

TEST_CASE("SIMDROPE_TARGET forces a target") {
  for (const simdrope_target& target : SupportedTargets()) {
    const TargetVariable variable(target.name);
    CHECK(std::string(simdrope_target_in_use()) == target.name);
  }
  const TargetVariable empty("");
  CHECK(std::string(simdrope_target_in_use()) == SupportedTargets().front().name);
}

TEST_CASE("an unknown SIMDROPE_TARGET fails every computing call, and the message lists the known ones") {
  const TargetVariable variable("AVX9");
  CHECK(std::string(simdrope_target_in_use()) == "");
  const auto rope = simdrope::Rope::create(simdrope::Config(8));
  REQUIRE(rope.ok());
  float data[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  const simdrope::Status status = simdrope::apply(rope->stream(3), simdrope::thd(data, 1, 1, 8));
  CHECK(status.code() == SIMDROPE_INVALID_ARGUMENT);
  CHECK(status.message().find("AVX9") != std::string::npos);
  for (const simdrope_target& target : AllTargets()) CHECK(status.message().find(target.name) != std::string::npos);
  CHECK(data[0] == 1);
  CHECK(data[7] == 8);
  CHECK(rope->cos_sin(simdrope::Positions(), 1, 1).status().code() == SIMDROPE_INVALID_ARGUMENT);
}

TEST_CASE("simdrope_use_target refuses what it does not know and keeps the choice") {
  const std::string before = simdrope_target_in_use();
  CHECK(simdrope_use_target("nonsense") == SIMDROPE_INVALID_ARGUMENT);
  CHECK(std::string(simdrope_last_error()).find("nonsense") != std::string::npos);
  CHECK(simdrope_target_in_use() == before);
  for (const simdrope_target& target : AllTargets()) {
    if (target.supported) continue;
    CHECK(simdrope_use_target(target.name) == SIMDROPE_UNSUPPORTED);
    CHECK(simdrope_target_in_use() == before);
  }
}

TEST_CASE("all fused targets give the same bits") {
  std::vector<char> first;
  std::string first_name;
  int fused = 0;
  ForEachTarget([&](const simdrope_target& target) {
    const std::vector<char> here = Fingerprint();
    CHECK(here.size() > 100000);
    if (!target.fused) return;
    ++fused;
    if (first.empty()) {
      first = here;
      first_name = target.name;
    }
    const bool same = here == first;
    CHECK_MESSAGE(same, std::string(target.name), " differs from ", first_name);
  });
  MESSAGE(fused, " fused targets of ", SupportedTargets().size(), " supported");
}
