// What a fuzz target draws from its input, and the memory that it hands out.
#ifndef SIMDROPE_TESTS_FUZZ_DRAWN_H_
#define SIMDROPE_TESTS_FUZZ_DRAWN_H_

#include <simdrope/simdrope.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

namespace fuzz {

class Bytes {
 public:
  Bytes(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  uint8_t byte() { return at_ < size_ ? data_[at_++] : 0; }
  int64_t wide() {
    int64_t value = 0;
    for (int i = 0; i < 8; ++i) value |= static_cast<int64_t>(byte()) << (8 * i);
    return value;
  }
  // In [least, most], which are at most 255 apart.
  int64_t within(int64_t least, int64_t most) { return least + byte() % (most - least + 1); }
  // Mostly small, at times anything.
  int64_t count(int small) {
    const uint8_t kind = byte();
    return kind < 240 ? kind % (small + 1) : kind < 250 ? wide() : -(kind - 249);
  }
  // `factor` times a small number, at times anything.
  int64_t multiple(uint64_t factor) { return static_cast<int64_t>(static_cast<uint64_t>(count(250)) * factor); }
  double real() {
    const uint8_t kind = byte();
    constexpr double kUsual[] = {0, 1, 2, 4, 8, 32, 0.5, 1e4, 5e5, 1e6, -1, 1e30, 1e-30, 64, 4096, 0.25};
    if (kind < 240) return kUsual[kind % 16];
    const int64_t bits = wide();
    double value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }
  bool flag() { return (byte() & 1) != 0; }
  bool one_in(int many) { return byte() % many == many - 1; }
  template <class Enum>
  Enum choice(int values) {
    const uint8_t kind = byte();
    return static_cast<Enum>(kind < 248 ? kind % values : static_cast<int>(wide()));
  }

 private:
  const uint8_t* data_;
  size_t size_;
  size_t at_ = 0;
};

// Memory that ends where a page without access begins.
class Guarded {
 public:
  explicit Guarded(size_t bytes) : bytes_(bytes) {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    mapped_ = (bytes + page - 1) / page * page + page;
    base_ = static_cast<char*>(mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (base_ == MAP_FAILED || mprotect(base_ + mapped_ - page, page, PROT_NONE) != 0) __builtin_trap();
    data_ = base_ + mapped_ - page - bytes;
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() { munmap(base_, mapped_); }
  char* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  char* base_;
  char* data_;
  size_t bytes_, mapped_;
};

}  // namespace fuzz

#endif  // SIMDROPE_TESTS_FUZZ_DRAWN_H_
