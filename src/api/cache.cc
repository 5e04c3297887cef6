// The CosSinCache handle.
#include "exec/cache.h"

#include <new>

#include "core/status.h"
#include "core/tensor.h"

using namespace simdrope::impl;

simdrope_status simdrope_cache_create(const simdrope_rope* rope, simdrope_format format, simdrope_cache** cache) {
  if (rope == nullptr || cache == nullptr) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s is NULL", rope == nullptr ? "rope" : "cache");
  }
  SIMDROPE_TRY(CheckFormat("cache", format));
  simdrope_cache* made = new (std::nothrow) simdrope_cache(const_cast<simdrope_rope*>(rope), format);
  if (made == nullptr) return Fail(SIMDROPE_OUT_OF_MEMORY, "no memory for a cache");
  *cache = made;
  return SIMDROPE_OK;
}

void simdrope_cache_release(simdrope_cache* cache) { delete cache; }

simdrope_status simdrope_cache_rows(simdrope_cache* cache, int64_t rows, simdrope_cos_sin* view) {
  if (cache == nullptr || view == nullptr) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "%s is NULL", cache == nullptr ? "cache" : "view");
  }
  return cache->Rows(rows, view);
}
