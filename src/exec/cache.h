// A dense table of cos and sin rows that grows on demand.
#ifndef SIMDROPE_EXEC_CACHE_H_
#define SIMDROPE_EXEC_CACHE_H_

#include <simdrope/simdrope.h>

#include <atomic>
#include <memory>
#include <mutex>

#include "angle/rope.h"

namespace simdrope::impl {

// Rows [0, rows) of all that a simdrope_cos_sin of the rope needs, in one allocation. Immutable once
// published; a larger one takes its place, and it is kept for its readers.
struct CacheBlock {
  simdrope_cos_sin view = SIMDROPE_COS_SIN_INIT;
  std::unique_ptr<char[]> memory;
  std::unique_ptr<CacheBlock> smaller;
};

}  // namespace simdrope::impl

struct simdrope_cache {
  simdrope_cache(simdrope_rope* rope, simdrope_format format) : rope(rope), format(format) {
    simdrope::impl::Retain(rope);
  }
  ~simdrope_cache() { simdrope::impl::Release(rope); }

  simdrope_status Rows(int64_t rows, simdrope_cos_sin* view);

  simdrope_rope* const rope;
  const simdrope_format format;
  std::atomic<const simdrope::impl::CacheBlock*> current{nullptr};  // what readers see
  std::mutex growing;
  std::unique_ptr<simdrope::impl::CacheBlock> largest;

 private:
  simdrope_status Grow(int64_t rows);
};

#endif  // SIMDROPE_EXEC_CACHE_H_
