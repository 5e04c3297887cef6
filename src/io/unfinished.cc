#include "io/unfinished.h"

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

namespace simdrope::io {
namespace {

// Fixed, because a signal handler may read it at any moment. A writer takes two; beyond the last, files are
// removed by their owners alone.
constexpr int kSlots = 64;
constexpr int kFree = 0, kTaken = 1, kReady = 2;

struct Slot {
  std::atomic<int> state;
  int folder;
  char name[256];
};
static_assert(std::atomic<int>::is_always_lock_free);

Slot slots[kSlots];

}  // namespace

void Unfinished::add(int folder, std::string name) noexcept {
  name_ = std::move(name);
  folder_ = folder;
  if (name_.size() >= sizeof Slot::name) return;
  for (int i = 0; i < kSlots; ++i) {
    int expected = kFree;
    if (!slots[i].state.compare_exchange_strong(expected, kTaken)) continue;
    slots[i].folder = folder;
    std::memcpy(slots[i].name, name_.c_str(), name_.size() + 1);
    slots[i].state.store(kReady);
    slot_ = i;
    return;
  }
}

void Unfinished::remove() {
  if (folder_ >= 0) ::unlinkat(folder_, name_.c_str(), 0);
  forget();
}

void Unfinished::forget() {
  if (slot_ >= 0) slots[slot_].state.store(kFree);
  slot_ = -1;
  folder_ = -1;
}

void Unfinished::remove_all() {
  const int error = errno;
  for (Slot& slot : slots) {
    if (slot.state.load() == kReady) ::unlinkat(slot.folder, slot.name, 0);
  }
  errno = error;
}

}  // namespace simdrope::io
