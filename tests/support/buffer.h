// Memory with guard bytes on both sides, beginning at any alignment.
#ifndef SIMDROPE_TESTS_SUPPORT_BUFFER_H_
#define SIMDROPE_TESTS_SUPPORT_BUFFER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace testing {

class Buffer {
 public:
  static constexpr size_t kGuard = 192;

  // `bytes` bytes that begin `misalignment` bytes after a 64-byte boundary, all of them kFill.
  explicit Buffer(int64_t bytes, int misalignment = 0);
  Buffer(Buffer&&) = default;
  Buffer& operator=(Buffer&&) = default;

  char* data() { return storage_.data() + begin_; }
  const char* data() const { return storage_.data() + begin_; }
  size_t size() const { return size_; }

  std::vector<char> Bytes() const { return {data(), data() + size_}; }
  void Restore(const std::vector<char>& bytes);
  bool GuardsIntact() const;

 private:
  std::vector<char> storage_;
  size_t begin_;
  size_t size_;
};

// The contents of several, to return to.
std::vector<std::vector<char>> BytesOf(const std::vector<Buffer*>& buffers);
void RestoreBytes(const std::vector<Buffer*>& buffers, const std::vector<std::vector<char>>& bytes);

}  // namespace testing

#endif  // SIMDROPE_TESTS_SUPPORT_BUFFER_H_
