// Which of the compiled targets is in use.
#include <atomic>
#include <cstdlib>
#include <cstring>

#include "core/status.h"
#include "kernels/kernels.h"

namespace simdrope::impl {
namespace {

constexpr size_t kMaxTargets = 64;

struct Targets {
  Target list[kMaxTargets];
  size_t count;
};

const Targets& AllTargets() {
  static const Targets targets = [] {
    Targets t;
    t.count = ListTargets(t.list, kMaxTargets);
    return t;
  }();
  return targets;
}

std::atomic<const Target*> in_use{nullptr};

simdrope_status FindByName(const char* name, const char* source, const Target** target) {
  const Targets& all = AllTargets();
  char known[256] = "";
  for (size_t i = 0; i < all.count; ++i) {
    const Target& candidate = all.list[i];
    if (std::strcmp(candidate.name, name) == 0) {
      if (!candidate.supported) {
        return Fail(SIMDROPE_UNSUPPORTED, "%s = %s, which this CPU does not support", source, name);
      }
      *target = &candidate;
      return SIMDROPE_OK;
    }
    if (i > 0) std::strncat(known, ", ", sizeof(known) - std::strlen(known) - 1);
    std::strncat(known, candidate.name, sizeof(known) - std::strlen(known) - 1);
  }
  return Fail(SIMDROPE_INVALID_ARGUMENT, "%s = %s is not a known target; known are %s", source, name, known);
}

simdrope_status FindTarget(const Target** target) {
  *target = in_use.load(std::memory_order_acquire);
  if (*target != nullptr) return SIMDROPE_OK;
  const char* wanted = std::getenv("SIMDROPE_TARGET");
  if (wanted != nullptr && wanted[0] != '\0') {
    SIMDROPE_TRY(FindByName(wanted, "SIMDROPE_TARGET", target));
  } else {
    const Targets& all = AllTargets();
    for (size_t i = 0; i < all.count && *target == nullptr; ++i) {
      if (all.list[i].supported) *target = &all.list[i];
    }
    if (*target == nullptr) return Fail(SIMDROPE_UNSUPPORTED, "this CPU supports none of the compiled targets");
  }
  in_use.store(*target, std::memory_order_release);
  return SIMDROPE_OK;
}

}  // namespace

simdrope_status FindKernels(const Kernels** kernels) {
  const Target* target;
  SIMDROPE_TRY(FindTarget(&target));
  *kernels = target->kernels;
  return SIMDROPE_OK;
}

const char* TargetInUse() {
  const Target* target;
  return FindTarget(&target) == SIMDROPE_OK ? target->name : "";
}

simdrope_status UseTarget(const char* name) {
  const Target* target = nullptr;
  if (name != nullptr) SIMDROPE_TRY(FindByName(name, "target", &target));
  in_use.store(target, std::memory_order_release);
  return SIMDROPE_OK;
}

}  // namespace simdrope::impl
