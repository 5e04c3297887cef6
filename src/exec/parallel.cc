// The only translation unit that sees TBB.
#include "exec/parallel.h"

#include <algorithm>
#include <atomic>

#include "exec/machine.h"

#if SIMDROPE_HAVE_TBB
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>
#endif

namespace simdrope::impl {
namespace {

constexpr int64_t kMaxParts = 1024;

}  // namespace

#if SIMDROPE_HAVE_TBB

int MaxThreads() { return tbb::this_task_arena::max_concurrency(); }

void ParallelFor(int64_t count, void (*body)(void* context, int64_t index), void* context) {
  // TBB may throw when it finds no memory for its tasks; the parts it never began are done here.
  // In place a part may not be done twice, so each is claimed first.
  std::atomic<uint64_t> claimed[kMaxParts / 64] = {};
  const auto claim_and_run = [&](int64_t index) {
    const uint64_t bit = uint64_t{1} << (index % 64);
    if ((claimed[index / 64].fetch_or(bit, std::memory_order_relaxed) & bit) == 0) body(context, index);
  };
  try {
    tbb::parallel_for(int64_t{0}, count, claim_and_run, tbb::simple_partitioner());
  } catch (...) {
    for (int64_t index = 0; index < count; ++index) claim_and_run(index);
  }
}

#else

int MaxThreads() { return 1; }

void ParallelFor(int64_t count, void (*body)(void* context, int64_t index), void* context) {
  for (int64_t index = 0; index < count; ++index) body(context, index);
}

#endif

int64_t PartsFor(const Split& split, int64_t size, int64_t bytes) {
  // Without asking TBB, which costs as much as a small call.
  if (split.threads == 1 || bytes <= kWakingBytes) return 1;
  const int64_t arena = MaxThreads();
  const bool limited = split.threads > 0 && split.threads < arena;
  const int64_t threads = limited ? split.threads : arena;
  if (bytes <= kWakingBytes + bytes / threads) return 1;
  // A limit below the arena's is kept by having no more parts.
  const int64_t parts =
      limited ? threads
              : std::clamp(bytes / kBytesPerPart, kLeastPartsPerThread * threads, kMostPartsPerThread * threads);
  return std::min({size, bytes / kMinBytesPerPart, kMaxParts, parts});
}

}  // namespace simdrope::impl
