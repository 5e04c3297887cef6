// Memory that all implementations share: on 2 MiB pages where the kernel grants them, filled with
// seeded activations.
#ifndef SIMDROPE_BENCH_BUFFERS_H_
#define SIMDROPE_BENCH_BUFFERS_H_

#include <sys/mman.h>

#include <cstdint>
#include <cstring>
#include <new>
#include <random>
#include <utility>
#include <vector>

#include "reference/formats.h"

namespace simdrope::bench {

class Buffer {
 public:
  static constexpr size_t kPage = size_t{2} << 20;

  Buffer() = default;
  explicit Buffer(size_t bytes) : mapped_((bytes + kPage - 1) / kPage * kPage + kPage) {
    base_ = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base_ == MAP_FAILED) throw std::bad_alloc();
    const auto address = reinterpret_cast<uintptr_t>(base_);
    data_ = static_cast<char*>(base_) + (kPage - address % kPage) % kPage;
#ifdef MADV_HUGEPAGE
    madvise(data_, mapped_ - kPage, MADV_HUGEPAGE);
#endif
    std::memset(data_, 0, mapped_ - kPage);
  }
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Buffer() {
    if (base_ != nullptr) munmap(base_, mapped_);
  }

  char* data() const { return data_; }

 private:
  void swap(Buffer& other) {
    std::swap(base_, other.base_);
    std::swap(data_, other.data_);
    std::swap(mapped_, other.mapped_);
  }

  void* base_ = nullptr;
  char* data_ = nullptr;
  size_t mapped_ = 0;
};

// value(i), rounded to `format`, for each element i.
template <class Value>
void StoreAll(void* data, Format format, int64_t elements, const Value& value) {
  for (int64_t i = 0; i < elements; ++i) {
    reference::Store(static_cast<double>(value(i)), format, static_cast<char*>(data) + size_of(format, i));
  }
}

// Normally distributed values, rounded to `format`; element i of a tensor holds value i modulo a prime,
// so that neighbouring tokens and heads never hold the same ones.
class Activations {
 public:
  static constexpr int64_t kPeriod = 65521;

  explicit Activations(Format format) : format_(format), block_(kPeriod * size_of(format)) {
    std::mt19937 random(20240521);
    std::normal_distribution<float> normal(0.0f, 1.0f);
    StoreAll(block_.data(), format, kPeriod, [&](int64_t) { return normal(random); });
  }

  double operator[](int64_t index) const {
    return reference::Load(block_.data() + size_of(format_, index % kPeriod), format_);
  }

  void Fill(char* data, int64_t elements) const {
    const int64_t size = size_of(format_);
    for (int64_t done = 0; done < elements; done += kPeriod) {
      std::memcpy(data + done * size, block_.data(), std::min(kPeriod, elements - done) * size);
    }
  }

 private:
  Format format_;
  std::vector<char> block_;
};

}  // namespace simdrope::bench

#endif  // SIMDROPE_BENCH_BUFFERS_H_
