// What may be shared is shared among threads of the host's own: ropes, plans, caches, the choice of the target, the
// last error. Built with -fsanitize=thread (tools/dev/check-races) it finds races; here it compares results.
#include <atomic>
#include <cmath>
#include <string>
#include <thread>
#include <vector>

#include "support.h"
#include "support/layouts.h"

using namespace testing;

namespace {

constexpr int kThreads = 6;
constexpr Shape kShape{2, 9, 4, 2, 2, 32};

// Runs body(thread) on kThreads threads that begin together; gives how many said false.
template <class Body>
int OnThreads(const Body& body) {
  std::atomic<int> ready{0}, failures{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      ++ready;
      while (ready < kThreads) std::this_thread::yield();
      if (!body(i)) ++failures;
    });
  }
  for (std::thread& thread : threads) thread.join();
  return failures;
}

Tensors Filled(Format format) {
  Tensors tensors = MakeTensors(Layout::kBshd, kShape, format);
  Random random(5);
  Job job;
  job.in = tensors.qkv;
  FillInputs(job, Inputs::kTame, &random);
  return tensors;
}

}  // namespace

TEST_CASE("the first calls of a process come from many threads at once") {
  // The target is chosen, the fields of Configs are hashed, the first rope is remembered.
  std::atomic<const simdrope_rope*> first{nullptr};
  CHECK(OnThreads([&](int) {
          const auto rope = simdrope::get_rope(simdrope::Config(64));
          if (!rope.ok()) return false;
          const simdrope_rope* expected = nullptr;
          return first.compare_exchange_strong(expected, rope->get()) || expected == rope->get();
        }) == 0);
}

TEST_CASE("one rope and one input, an output for each thread") {
  for (const Format format : kFormats) {
    const auto rope = simdrope::get_rope(simdrope::Config(32));
    REQUIRE(rope.ok());
    Tensors in = Filled(format);
    std::vector<Tensors> out;
    for (int i = 0; i <= kThreads; ++i) out.push_back(MakeTensors(Layout::kBshd, kShape, format));
    const auto run = [&](int i) {
      simdrope::Options options;
      options.threads = 1;
      return simdrope::apply(rope->stream(100), in.qkv, out[static_cast<size_t>(i)].qkv, options).ok();
    };
    REQUIRE(run(kThreads));
    CHECK(OnThreads(run) == 0);
    for (Tensors& tensors : out) CHECK(BytesOf(BuffersOf(&tensors)) == BytesOf(BuffersOf(&out.back())));
  }
}

TEST_CASE("one plan, run by all threads, each its slice of one output, or with pointers of its own") {
  const auto rope = simdrope::Rope::create(simdrope::Config(32));
  REQUIRE(rope.ok());
  Tensors in = Filled(simdrope::bf16), whole = MakeTensors(Layout::kBshd, kShape, simdrope::bf16);
  Tensors sliced = MakeTensors(Layout::kBshd, kShape, simdrope::bf16);
  const simdrope::CosSinView rows = rope->stream(100);
  simdrope_options options = SIMDROPE_OPTIONS_INIT;
  options.threads = 1;
  simdrope_plan* plan = nullptr;
  REQUIRE(simdrope_plan_create(&rows, &in.qkv, &whole.qkv, &options, &plan) == SIMDROPE_OK);
  simdrope_run run;
  simdrope_plan_pointers(plan, &run);
  REQUIRE(simdrope_plan_run(plan, &run) == SIMDROPE_OK);
  CHECK(OnThreads([&](int i) {
          simdrope_run own;
          simdrope_plan_pointers(plan, &own);
          own.q.out = sliced.qkv.q.data;
          own.k.out = sliced.qkv.k.data;
          own.v.out = sliced.qkv.v.data;
          own.slice_index = i;
          own.slice_count = kThreads;
          return simdrope_plan_run(plan, &own) == SIMDROPE_OK;
        }) == 0);
  CHECK(BytesOf(BuffersOf(&sliced)) == BytesOf(BuffersOf(&whole)));
  simdrope_plan_release(plan);
}

TEST_CASE("slices of compute_cos_sin fill one table") {
  const auto rope = simdrope::Rope::create(simdrope::Config(64));
  REQUIRE(rope.ok());
  constexpr int64_t kRows = 200, kPairs = 32;
  std::vector<float> whole(2 * kRows * kPairs), parts(whole.size());
  const auto fill = [&](std::vector<float>& values, int64_t index, int64_t count) {
    const simdrope::CosSinOutput output(
        simdrope::Table(values.data(), values.data() + kRows * kPairs, kRows, static_cast<int>(kPairs)));
    simdrope::Options options;
    options.slice_index = index;
    options.slice_count = count;
    const simdrope::Positions positions(7);
    return simdrope_compute_cos_sin(rope->get(), &positions, 1, kRows, &output, &options) == SIMDROPE_OK;
  };
  REQUIRE(fill(whole, 0, 1));
  CHECK(OnThreads([&](int i) { return fill(parts, i, kThreads); }) == 0);
  CHECK(parts == whole);
}

TEST_CASE("ropes are asked for, kept, given back and forgotten by all threads") {
  CHECK(OnThreads([&](int i) {
          for (int round = 0; round < 300; ++round) {
            // More than are remembered, in another order on each thread.
            const simdrope::Config config(8, 1e4 + (round * (i + 1)) % 90);
            const auto rope = simdrope::get_rope(config);
            if (!rope.ok() || rope->info().theta != config.theta) return false;
            const simdrope::Rope copy = *rope;
            if (copy.info().pairs != 4) return false;
          }
          return true;
        }) == 0);
}

TEST_CASE("a cache grows while it is read") {
  const auto rope = simdrope::Rope::create(simdrope::Config(16));
  REQUIRE(rope.ok());
  simdrope_cache* cache = nullptr;
  REQUIRE(simdrope_cache_create(rope->get(), SIMDROPE_F32, &cache) == SIMDROPE_OK);
  CHECK(OnThreads([&](int i) {
          for (int64_t rows = 1 + i; rows < 20000; rows = rows * 2 + i) {
            simdrope_cos_sin view = SIMDROPE_COS_SIN_INIT;
            if (simdrope_cache_rows(cache, rows, &view) != SIMDROPE_OK || view.table.rows < rows) return false;
            if (static_cast<const float*>(view.table.cos)[0] != 1.0f) return false;
            if (std::isnan(static_cast<const float*>(view.table.cos)[(rows - 1) * view.table.row_stride])) return false;
          }
          return true;
        }) == 0);
  simdrope_cache_release(cache);
}

TEST_CASE("each thread has its own last error") {
  CHECK(OnThreads([&](int i) {
          for (int round = 0; round < 100; ++round) {
            simdrope_rope* rope = nullptr;
            const simdrope::Config config(-10 - i);
            if (simdrope_rope_create(&config, &rope) != SIMDROPE_INVALID_ARGUMENT) return false;
            const std::string message = simdrope_last_error();
            if (message.find("head_dim = " + std::to_string(-10 - i)) == std::string::npos) return false;
          }
          return true;
        }) == 0);
}
