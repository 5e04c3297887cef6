// The Ropes that simdrope_get_rope remembers.
#include <algorithm>
#include <memory>
#include <mutex>
#include <new>

#include "angle/rope.h"
#include "core/config_fields.h"
#include "core/status.h"

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#define SIMDROPE_HAS_FORK 1
#endif

namespace simdrope::impl {
namespace {

constexpr size_t kRemembered = 64;

struct Slot {
  uint64_t hash;
  uint64_t last_use;
  simdrope_rope* rope;  // one reference; NULL: free
  simdrope_config config;
  double* lists;  // what config's pointers point at
  uint8_t* pair_axis;
};

struct Memory {
  std::mutex mutex;
  uint64_t uses = 0;
  Slot slots[kRemembered] = {};
};

// Never destroyed: threads and exit handlers may ask for ropes until the process is gone.
union NeverDestroyed {
#if !defined(__MINGW32__)  // whose mutex is made at run time
  constexpr
#endif
      NeverDestroyed()
      : memory() {
  }
  ~NeverDestroyed() {}
  Memory memory;
};
NeverDestroyed the;

#if SIMDROPE_HAS_FORK
// A fork while another thread is inside would leave the child's copy of the mutex locked for ever.
const int registered = pthread_atfork([] { the.memory.mutex.lock(); }, [] { the.memory.mutex.unlock(); },
                                      [] { the.memory.mutex.unlock(); });
#endif

// The slot of this config, NULL if there is none.
Slot* Find(Memory& memory, uint64_t hash, const simdrope_config& config) {
  for (Slot& slot : memory.slots) {
    if (slot.rope != nullptr && slot.hash == hash && SameConfig(slot.config, config)) return &slot;
  }
  return nullptr;
}

simdrope_rope* Use(Memory& memory, Slot* slot) {
  slot->last_use = ++memory.uses;
  Retain(slot->rope);
  return slot->rope;
}

template <class T>
T* Copy(const T* list, int32_t count, T* to) {
  std::copy(list, list + count, to);
  return to;
}

// `config` with lists of its own; false without memory.
bool Remember(const simdrope_config& config, Slot* slot) {
  slot->config = config;
  slot->lists = nullptr;
  slot->pair_axis = nullptr;
  simdrope_scaling& s = slot->config.scaling;
  s.factors = s.long_factors = nullptr;
  slot->config.axes.pair_axis = nullptr;
  if (FactorsList::IsUsed(config)) {
    const int32_t count = config.scaling.factor_count;
    slot->lists = new (std::nothrow) double[2 * static_cast<size_t>(count)];
    if (slot->lists == nullptr) return false;
    s.factors = Copy(config.scaling.factors, count, slot->lists);
    if (LongFactorsList::IsUsed(config)) s.long_factors = Copy(config.scaling.long_factors, count, slot->lists + count);
  }
  if (PairAxisList::IsUsed(config)) {
    const int32_t count = config.axes.pair_axis_count;
    slot->pair_axis = new (std::nothrow) uint8_t[static_cast<size_t>(count)];
    if (slot->pair_axis == nullptr) return false;
    slot->config.axes.pair_axis = Copy(config.axes.pair_axis, count, slot->pair_axis);
  }
  return true;
}

void Free(const Slot& slot) {
  Release(slot.rope);
  delete[] slot.lists;
  delete[] slot.pair_axis;
}

}  // namespace

simdrope_status GetSharedRope(const simdrope_config& config, simdrope_rope** rope) {
  Memory& memory = the.memory;
  const uint64_t hash = HashOfFields(config);
  {
    const std::lock_guard<std::mutex> lock(memory.mutex);
    if (Slot* slot = Find(memory, hash, config); slot != nullptr) {
      *rope = Use(memory, slot);
      return SIMDROPE_OK;
    }
  }
  std::unique_ptr<simdrope_rope> made;
  SIMDROPE_TRY(MakeRope(config, &made));
  Slot fresh{};
  fresh.hash = hash;
  if (!Remember(config, &fresh)) {
    Free(fresh);
    return Fail(SIMDROPE_OUT_OF_MEMORY, "no memory to remember a rope");
  }
  Slot old{};
  {
    const std::lock_guard<std::mutex> lock(memory.mutex);
    if (Slot* slot = Find(memory, hash, config); slot != nullptr) {  // another thread was first
      *rope = Use(memory, slot);
      old = fresh;
    } else {
      fresh.rope = made.release();
      slot = std::min_element(memory.slots, memory.slots + kRemembered, [](const Slot& a, const Slot& b) {
        return a.rope == nullptr ? b.rope != nullptr : b.rope != nullptr && a.last_use < b.last_use;
      });
      old = *slot;
      *slot = fresh;
      *rope = Use(memory, slot);
    }
  }
  Free(old);
  return SIMDROPE_OK;
}

}  // namespace simdrope::impl
