// Version, targets and threads.
#include <simdrope/simdrope.h>

#include "core/status.h"
#include "exec/parallel.h"
#include "kernels/kernels.h"

#define SIMDROPE_TEXT_OF(x) #x
#define SIMDROPE_TEXT(x) SIMDROPE_TEXT_OF(x)

using namespace simdrope::impl;

const char* simdrope_version(void) {
  return SIMDROPE_TEXT(SIMDROPE_VERSION_MAJOR) "." SIMDROPE_TEXT(SIMDROPE_VERSION_MINOR) "." SIMDROPE_TEXT(
      SIMDROPE_VERSION_PATCH);
}

simdrope_status simdrope_check_version(int32_t major, int32_t minor) {
  if (major == SIMDROPE_VERSION_MAJOR && minor == SIMDROPE_VERSION_MINOR) return SIMDROPE_OK;
  return Fail(SIMDROPE_UNSUPPORTED, "compiled with the header of version %d.%d, but the library is %s", major, minor,
              simdrope_version());
}

size_t simdrope_targets(simdrope_target* targets, size_t capacity) {
  constexpr size_t kMaxTargets = 64;
  Target list[kMaxTargets];
  const size_t count = ListTargets(list, kMaxTargets);
  for (size_t i = 0; i < count && i < capacity; ++i) targets[i] = {list[i].name, list[i].supported, list[i].fused};
  return count;
}

const char* simdrope_target_in_use(void) { return TargetInUse(); }

simdrope_status simdrope_use_target(const char* name) { return UseTarget(name); }

bool simdrope_has_tbb(void) {
#if SIMDROPE_HAVE_TBB
  return true;
#else
  return false;
#endif
}

int simdrope_max_threads(void) { return MaxThreads(); }
