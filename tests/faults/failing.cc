#include "failing.h"

#include <dlfcn.h>
#include <stdio.h>
#include <sys/types.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace simdrope::test {
namespace {

thread_local bool counting = false;
thread_local int64_t allocations = 0, kept = 0, failing = 0;
thread_local bool all_fail = false;

bool Fails() {
  if (!counting) return false;
  ++allocations;
  return all_fail ? allocations >= failing : allocations == failing;
}

void* Allocate(size_t bytes, size_t alignment) {
  if (Fails()) return nullptr;
  void* memory = alignment <= alignof(std::max_align_t)
                     ? std::malloc(bytes == 0 ? 1 : bytes)
                     : std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
  if (memory != nullptr && counting) ++kept;
  return memory;
}

void Free(void* memory) {
  if (memory != nullptr && counting) --kept;
  std::free(memory);
}

void* Require(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

SystemFaults system_faults;
int64_t written = 0, interruptions = 0;
int calls = 0, fsyncs = 0;

bool Interrupts() {
  if (system_faults.interrupt_every == 0 || ++calls % system_faults.interrupt_every != 0) return false;
  ++interruptions;
  errno = EINTR;
  return true;
}

template <class Function>
Function Next(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

}  // namespace

AllocationResult WithFailingAllocation(int64_t n, Memory memory, const std::function<void()>& body) {
  allocations = kept = 0;
  failing = n;
  all_fail = memory == Memory::kAllFailFrom;
  counting = true;
  body();
  counting = false;
  return {allocations, kept};
}

void SetSystemFaults(const SystemFaults& faults) {
  system_faults = faults;
  written = interruptions = 0;
  calls = fsyncs = 0;
}

int64_t InterruptionsGiven() { return interruptions; }

}  // namespace simdrope::test

using namespace simdrope::test;

void* operator new(size_t bytes) { return Require(Allocate(bytes, 0)); }
void* operator new[](size_t bytes) { return Require(Allocate(bytes, 0)); }
void* operator new(size_t bytes, const std::nothrow_t&) noexcept { return Allocate(bytes, 0); }
void* operator new[](size_t bytes, const std::nothrow_t&) noexcept { return Allocate(bytes, 0); }
void* operator new(size_t bytes, std::align_val_t to) { return Require(Allocate(bytes, static_cast<size_t>(to))); }
void* operator new[](size_t bytes, std::align_val_t to) { return Require(Allocate(bytes, static_cast<size_t>(to))); }
void operator delete(void* memory) noexcept { Free(memory); }
void operator delete[](void* memory) noexcept { Free(memory); }
void operator delete(void* memory, size_t) noexcept { Free(memory); }
void operator delete[](void* memory, size_t) noexcept { Free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { Free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { Free(memory); }
void operator delete(void* memory, size_t, std::align_val_t) noexcept { Free(memory); }
void operator delete[](void* memory, size_t, std::align_val_t) noexcept { Free(memory); }

extern "C" {

ssize_t write(int file, const void* data, size_t bytes) {
  static const auto next = Next<ssize_t (*)(int, const void*, size_t)>("write");
  if (Interrupts()) return -1;
  const auto& faults = system_faults;
  if (faults.most_bytes != 0 && bytes > static_cast<size_t>(faults.most_bytes)) {
    bytes = static_cast<size_t>(faults.most_bytes);
  }
  if (faults.write_fails_at >= 0 && written + static_cast<int64_t>(bytes) > faults.write_fails_at) {
    if (written >= faults.write_fails_at) {
      errno = faults.error;
      return -1;
    }
    bytes = static_cast<size_t>(faults.write_fails_at - written);  // a full disk takes what still fits
  }
  const ssize_t done = next(file, data, bytes);
  if (done > 0) written += done;
  return done;
}

ssize_t pread(int file, void* data, size_t bytes, off_t offset) {
  static const auto next = Next<ssize_t (*)(int, void*, size_t, off_t)>("pread");
  if (Interrupts()) return -1;
  if (system_faults.most_bytes != 0 && bytes > static_cast<size_t>(system_faults.most_bytes)) {
    bytes = static_cast<size_t>(system_faults.most_bytes);
  }
  return next(file, data, bytes, offset);
}

int fsync(int file) {
  static const auto next = Next<int (*)(int)>("fsync");
  if (Interrupts()) return -1;
  if (++fsyncs == system_faults.fsync_fails_at) {
    errno = system_faults.error;
    return -1;
  }
  return next(file);
}

int renameat(int from_folder, const char* from, int to_folder, const char* to) {
  static const auto next = Next<int (*)(int, const char*, int, const char*)>("renameat");
  if (system_faults.rename_fails) {
    errno = system_faults.error;
    return -1;
  }
  return next(from_folder, from, to_folder, to);
}
}
