// src/exec/parallel.cc over a oneTBB that throws (tests/throwing_tbb): every part is done once. And how work is
// divided.
#include "exec/parallel.h"

#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>

#include <algorithm>
#include <atomic>
#include <memory>

#include "exec/machine.h"
#include "support.h"

using namespace testing;
namespace impl = simdrope::impl;

namespace {

bool All(int64_t) { return true; }
bool None(int64_t) { return false; }
bool EveryThird(int64_t index) { return index % 3 == 0; }
bool AllButEveryFifth(int64_t index) { return index % 5 != 4; }

using Counts = std::unique_ptr<std::atomic<int>[]>;

}  // namespace

TEST_CASE("where oneTBB throws, what it began is not done again, and the rest is done") {
  for (const auto begins : {All, None, EveryThird, AllButEveryFifth}) {
    tbb::part_begins = begins;
    for (const int64_t count : {1, 2, 63, 64, 65, 130, 1023, 1024}) {
      CAPTURE(count);
      const Counts times(new std::atomic<int>[static_cast<size_t>(count)]());
      impl::ParallelFor(
          count,
          [](void* context, int64_t index) { ++static_cast<std::atomic<int>*>(context)[static_cast<size_t>(index)]; },
          times.get());
      const bool once = std::all_of(times.get(), times.get() + count, [](const auto& n) { return n == 1; });
      CHECK(once);
    }
  }
}

TEST_CASE("ranges in parallel cover all items once, whatever the grain") {
  tbb::part_begins = EveryThird;
  for (const int64_t size : {1, 7, 1000, 4099}) {
    for (const int64_t grain : {1, 3, 40, 5000}) {
      CAPTURE(size);
      CAPTURE(grain);
      const Counts times(new std::atomic<int>[static_cast<size_t>(size)]());
      impl::ForRanges({0, 0, 0}, size, grain, int64_t{1} << 30, [&](impl::Range range) {
        for (int64_t i = range.begin; i < range.end; ++i) ++times[static_cast<size_t>(i)];
      });
      const bool once = std::all_of(times.get(), times.get() + size, [](const auto& n) { return n == 1; });
      CHECK(once);
    }
  }
}

TEST_CASE("parts: none where waking others costs more, never more than asked for, than items, than 1024") {
  const auto parts = [](int threads, int64_t size, int64_t bytes) {
    return impl::PartsFor({threads, 0, 0}, size, bytes);
  };
  constexpr int64_t kLarge = int64_t{1} << 40;
  for (const int width : {1, 2, 4, 64, 200}) {
    tbb::this_task_arena::width = width;
    CAPTURE(width);
    CHECK(impl::MaxThreads() == width);
    CHECK(parts(1, 1000, kLarge) == 1);
    CHECK(parts(0, 1000, impl::kWakingBytes) == 1);
    CHECK(parts(0, 1, kLarge) == 1);
    if (width == 1) continue;
    // Two threads take half of it each, after the time to wake one.
    CHECK(parts(2, 1000, 2 * impl::kWakingBytes) == 1);
    CHECK(parts(2, 1000, 2 * impl::kWakingBytes + 1) == (width == 2 ? 8 : 2));
    const int64_t most = std::min<int64_t>(1024, width * impl::kMostPartsPerThread);
    CHECK(parts(0, INT64_MAX, kLarge) == most);
    CHECK(parts(0, 17, kLarge) == 17);
    // No part below a size, and of middling calls a few for each thread.
    const int64_t middling = 3 * impl::kWakingBytes;
    CHECK(parts(0, INT64_MAX, middling) ==
          std::min(middling / impl::kMinBytesPerPart, width * impl::kLeastPartsPerThread));
    for (const int threads : {2, 3, width, width + 1}) {
      const bool limited = threads < width;
      CHECK(parts(threads, INT64_MAX, kLarge) == (limited ? threads : most));
    }
  }
}
