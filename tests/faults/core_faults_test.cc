// The core where memory runs out: every function of simdrope.h either says OUT_OF_MEMORY, keeps nothing and leaves its
// outputs as they were, or takes no memory at all.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <simdrope/simdrope.hpp>
#include <string>
#include <vector>

#include "every_allocation.h"
#include "failing.h"

namespace simdrope::test {
namespace {

// Configs that take different ways through the making of a rope.
std::vector<Config> Configs() {
  std::vector<Config> all;
  all.emplace_back(128, 5e5);
  all.emplace_back(128, 1e4);
  all.back().scaling.type = SIMDROPE_SCALING_YARN;
  all.back().scaling.factor = 4;
  all.back().scaling.original_max_position = 4096;
  all.emplace_back(64, 1e4);
  all.back().xpos = {512, 0, false};
  all.emplace_back(64, 1e4);
  all.back().precision = SIMDROPE_PRECISION_FLOAT32;
  all.emplace_back(64, 1e4);
  all.back().axes.count = 3;
  all.back().axes.sections[0] = 16;
  all.back().axes.sections[1] = all.back().axes.sections[2] = 8;
  all.emplace_back(8, 1e4);
  all.back().scaling.type = SIMDROPE_SCALING_LONGROPE;
  all.back().scaling.original_max_position = 4096;
  all.back().set_factors({1, 2, 3, 4});
  all.back().set_long_factors({2, 3, 4, 5});
  return all;
}

// Anything but a rope: what a failed call may not have written to.
simdrope_rope* Untouched() { return reinterpret_cast<simdrope_rope*>(uintptr_t{0x5a5a}); }

struct Call {
  static constexpr int64_t kBatch = 2, kSeq = 3, kHeads = 2, kDim = 64;
  Rope rope = *Rope::create(Config(kDim));
  std::vector<float> in = std::vector<float>(kBatch * kSeq * kHeads * kDim, 1.0f);
  std::vector<float> out = std::vector<float>(kBatch * 8 * kHeads * kDim, 7.0f);
  std::vector<int64_t> slots = {3, 1, 2, 9, 8, 15};
  simdrope_cos_sin rows = rope.stream(5);
  simdrope_qkv from = SIMDROPE_QKV_INIT, to = SIMDROPE_QKV_INIT;
  simdrope_options options = SIMDROPE_OPTIONS_INIT;

  Call() {
    options.threads = 1;
    from.q = bshd(in.data(), kBatch, kSeq, kHeads, kDim);
    to.q = bshd(out.data(), kBatch, kSeq, kHeads, kDim);
  }
  // Into a cache of 2 x 8 slots, none of them twice: that is looked for in a set of bits.
  void WriteToSlots() {
    to.q = bshd(out.data(), kBatch, 8, kHeads, kDim);
    to.q.slots.source = SIMDROPE_SLOTS_IDS;
    to.q.slots.batch = kBatch;
    to.q.slots.seq = kSeq;
    to.q.slots.ids = slots.data();
    to.q.slots.batch_stride = kSeq;
    to.q.slots.reject_duplicates = true;
  }
  bool IsUntouched() const {
    return std::all_of(out.begin(), out.end(), [](float value) { return value == 7.0f; });
  }
};

TEST_CASE("memory: ropes") {
  for (const Config& config : Configs()) {
    simdrope_rope* rope = Untouched();
    EveryAllocationFails(
        "rope_create",
        [&] {
          rope = Untouched();
          const simdrope_status code = simdrope_rope_create(&config, &rope);
          if (code == SIMDROPE_OK) simdrope_rope_release(rope);
          return code;
        },
        [&](simdrope_status code) { CHECK((code == SIMDROPE_OK) == (rope != Untouched())); });
  }
}

TEST_CASE("memory: re-rotations") {
  const Rope from = *Rope::create(Config(128, 1e4)), to = *Rope::create(Config(128, 5e5));
  for (const simdrope_rope* first : {static_cast<const simdrope_rope*>(nullptr), from.get()}) {
    simdrope_rope* rope = Untouched();
    EveryAllocationFails(
        "rope_create_rerotation",
        [&] {
          rope = Untouched();
          const simdrope_status code = simdrope_rope_create_rerotation(first, to.get(), 0, &rope);
          if (code == SIMDROPE_OK) simdrope_rope_release(rope);
          return code;
        },
        [&](simdrope_status code) { CHECK((code == SIMDROPE_OK) == (rope != Untouched())); });
  }
}

TEST_CASE("memory: shared ropes, which stay on success alone") {
  for (const Memory memory : {Memory::kOneFails, Memory::kAllFailFrom}) {
    int64_t failed = 0;
    for (int64_t n = 1;; ++n) {
      // A Config that is not among those remembered.
      static double theta = 2e4;
      const Config config(128, ++theta);
      simdrope_rope* rope = Untouched();
      simdrope_status code = SIMDROPE_OK;
      const AllocationResult result =
          WithFailingAllocation(n, memory, [&] { code = simdrope_get_rope(&config, &rope); });
      CHECK((code == SIMDROPE_OK) == (rope != Untouched()));
      if (code == SIMDROPE_OK) {
        simdrope_rope* again = nullptr;
        REQUIRE(simdrope_get_rope(&config, &again) == SIMDROPE_OK);
        CHECK(again == rope);
        simdrope_rope_release(again);
        simdrope_rope_release(rope);
      } else {
        CHECK(code == SIMDROPE_OUT_OF_MEMORY);
        CHECK(result.kept == 0);
        ++failed;
      }
      if (result.allocations < n) break;
    }
    CHECK(failed > 0);
  }
}

TEST_CASE("memory: caches, and their rows") {
  const Rope rope = *Rope::create(Config(64));
  for (const Format format : {f32, bf16}) {
    EveryAllocationFails("cache_create and cache_rows", [&] {
      simdrope_cache* cache = nullptr;
      simdrope_cos_sin view = SIMDROPE_COS_SIN_INIT;
      simdrope_status code = simdrope_cache_create(rope.get(), format, &cache);
      if (code == SIMDROPE_OK) code = simdrope_cache_rows(cache, 5000, &view);
      simdrope_cache_release(cache);
      return code;
    });
  }
  // A cache that could not grow keeps what it had, and grows later.
  simdrope_cache* cache = nullptr;
  REQUIRE(simdrope_cache_create(rope.get(), f32, &cache) == SIMDROPE_OK);
  simdrope_cos_sin before = SIMDROPE_COS_SIN_INIT, after = SIMDROPE_COS_SIN_INIT;
  REQUIRE(simdrope_cache_rows(cache, 100, &before) == SIMDROPE_OK);
  const float cos = static_cast<const float*>(before.table.cos)[99 * before.table.row_stride + 1];
  simdrope_status code = SIMDROPE_OK;
  WithFailingAllocation(1, Memory::kAllFailFrom, [&] { code = simdrope_cache_rows(cache, 1 << 20, &after); });
  CHECK(code == SIMDROPE_OUT_OF_MEMORY);
  CHECK(after.table.cos == nullptr);
  CHECK(static_cast<const float*>(before.table.cos)[99 * before.table.row_stride + 1] == cos);
  REQUIRE(simdrope_cache_rows(cache, 1 << 15, &after) == SIMDROPE_OK);
  CHECK(after.table.rows >= 1 << 15);
  CHECK(static_cast<const float*>(before.table.cos)[99 * before.table.row_stride + 1] == cos);
  simdrope_cache_release(cache);
}

TEST_CASE("memory: plans") {
  const Call call;
  EveryAllocationFails("plan_create", [&] {
    simdrope_plan* plan = nullptr;
    const simdrope_status code = simdrope_plan_create(&call.rows, &call.from, &call.to, &call.options, &plan);
    CHECK((code == SIMDROPE_OK) == (plan != nullptr));
    simdrope_plan_release(plan);
    return code;
  });
  CHECK(call.IsUntouched());
}

TEST_CASE("memory: the set in which slots are looked for") {
  Call call;
  call.WriteToSlots();
  simdrope_plan* plan = nullptr;
  REQUIRE(simdrope_plan_create(&call.rows, &call.from, &call.to, &call.options, &plan) == SIMDROPE_OK);
  simdrope_run run;
  simdrope_plan_pointers(plan, &run);
  const auto clear = [&] { std::fill(call.out.begin(), call.out.end(), 7.0f); };
  const auto check = [&](simdrope_status code) { CHECK((code == SIMDROPE_OK) != call.IsUntouched()); };
  EveryAllocationFails(
      "apply",
      [&] {
        clear();
        return simdrope_apply(&call.rows, &call.from, &call.to, &call.options);
      },
      check);
  EveryAllocationFails(
      "plan_run",
      [&] {
        clear();
        return simdrope_plan_run(plan, &run);
      },
      check);
  simdrope_plan_release(plan);
}

TEST_CASE("memory: what computes, describes and gives back takes none") {
  Call call;
  simdrope_plan* plan = nullptr;
  REQUIRE(simdrope_plan_create(&call.rows, &call.from, &call.to, &call.options, &plan) == SIMDROPE_OK);
  simdrope_run run;
  simdrope_plan_pointers(plan, &run);
  simdrope_cache* cache = nullptr;
  REQUIRE(simdrope_cache_create(call.rope.get(), f32, &cache) == SIMDROPE_OK);
  simdrope_cos_sin view = SIMDROPE_COS_SIN_INIT;
  REQUIRE(simdrope_cache_rows(cache, 100, &view) == SIMDROPE_OK);
  std::vector<float> table(2 * 3 * 32);
  simdrope_cos_sin_output output = SIMDROPE_COS_SIN_OUTPUT_INIT;
  output.table = Table(table.data(), table.data() + 96, 3, 32);
  simdrope_rope_info info;
  simdrope_target targets[8];
  simdrope_config config;
  simdrope_cos_sin bad = call.rows;
  bad.source = static_cast<simdrope_cos_sin_source>(9);
  const struct {
    const char* name;
    std::function<simdrope_status()> call;
  } functions[] = {
      {"apply", [&] { return simdrope_apply(&call.rows, &call.from, &call.to, &call.options); }},
      {"apply by a table", [&] { return simdrope_apply(&view, &call.from, &call.to, &call.options); }},
      {"apply, refused",
       [&] {
         return simdrope_apply(&bad, &call.from, &call.to, &call.options) == SIMDROPE_INVALID_ARGUMENT
                    ? SIMDROPE_OK
                    : SIMDROPE_BAD_FILE;
       }},
      {"plan_run", [&] { return simdrope_plan_run(plan, &run); }},
      {"plan_pointers", [&] { return simdrope_plan_pointers(plan, &run), SIMDROPE_OK; }},
      {"compute_cos_sin",
       [&] { return simdrope_compute_cos_sin(call.rope.get(), &call.rows.positions, 2, 3, &output, &call.options); }},
      {"rotate_half", [&] { return simdrope_rotate_half(&call.from.q, &call.to.q, SIMDROPE_HALF); }},
      {"cache_rows that are there", [&] { return simdrope_cache_rows(cache, 50, &view); }},
      {"rope_describe", [&] { return simdrope_rope_describe(call.rope.get(), &info), SIMDROPE_OK; }},
      {"rope_fingerprint",
       [&] { return simdrope_rope_fingerprint(call.rope.get()) != 0 ? SIMDROPE_OK : SIMDROPE_BAD_FILE; }},
      {"rope_retain and release",
       [&] {
         simdrope_rope_retain(const_cast<simdrope_rope*>(call.rope.get()));
         simdrope_rope_release(const_cast<simdrope_rope*>(call.rope.get()));
         return SIMDROPE_OK;
       }},
      {"config_init", [&] { return simdrope_config_init(&config), SIMDROPE_OK; }},
      {"targets", [&] { return simdrope_targets(targets, 8) > 0 ? SIMDROPE_OK : SIMDROPE_BAD_FILE; }},
      {"use_target", [&] { return simdrope_use_target(nullptr); }},
      {"target_in_use", [&] { return simdrope_target_in_use()[0] != '\0' ? SIMDROPE_OK : SIMDROPE_BAD_FILE; }},
      {"check_version", [] { return SIMDROPE_CHECK_VERSION(); }},
      {"last_error and names",
       [] {
         return simdrope_last_error() != nullptr && simdrope_status_name(SIMDROPE_OK) != nullptr &&
                        simdrope_version() != nullptr
                    ? SIMDROPE_OK
                    : SIMDROPE_BAD_FILE;
       }},
  };
  for (const auto& function : functions) {
    CAPTURE(function.name);
    simdrope_status code = SIMDROPE_BAD_FILE;
    const AllocationResult result = WithFailingAllocation(1, Memory::kAllFailFrom, [&] { code = function.call(); });
    CHECK(code == SIMDROPE_OK);
    CHECK(result.allocations == 0);
  }
  simdrope_cache_release(cache);
  simdrope_plan_release(plan);
}

}  // namespace
}  // namespace simdrope::test
