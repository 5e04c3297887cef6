#include "io/unfinished.h"

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <utility>

namespace simdrope::io {
namespace {

// Fixed, because a signal handler may read it at any moment. A writer takes two; beyond the last, files are
// removed by their owners alone.
constexpr int kSlots = 64;
constexpr int kFree = 0, kMaking = 1, kReady = 2;

// How long a signal handler waits for a file that is being made, in ms.
constexpr int kPatience = 1000;

struct Slot {
  std::atomic<int> state;
  int folder;
  char name[256];
};
static_assert(std::atomic<int>::is_always_lock_free);

Slot slots[kSlots];
std::atomic<bool> ending{false};
static_assert(std::atomic<bool>::is_always_lock_free);

}  // namespace

bool Unfinished::begin() noexcept {
  forget();
  for (int i = 0; i < kSlots && slot_ < 0; ++i) {
    int expected = kFree;
    if (slots[i].state.compare_exchange_strong(expected, kMaking)) slot_ = i;
  }
  if (!ending.load()) return true;
  forget();
  return false;
}

void Unfinished::add(int folder, std::string name) noexcept {
  name_ = std::move(name);
  folder_ = folder;
  if (slot_ < 0) return;
  Slot& slot = slots[slot_];
  slot.folder = folder;
  const size_t length = name_.copy(slot.name, sizeof slot.name - 1);
  slot.name[length] = '\0';
  slot.state.store(kReady);
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
  ending.store(true);
  for (Slot& slot : slots) {
    for (int waited = 0; slot.state.load() == kMaking && waited < kPatience; ++waited) ::poll(nullptr, 0, 1);
    if (slot.state.load() == kReady) ::unlinkat(slot.folder, slot.name, 0);
  }
  errno = error;
}

}  // namespace simdrope::io
