// Bytes of a file, or in memory, read where they are wanted.
#ifndef SIMDROPE_IO_BYTE_SOURCE_H_
#define SIMDROPE_IO_BYTE_SOURCE_H_

#include <memory>
#include <string>
#include <vector>

#include "io/bytes.h"
#include "io/input_file.h"

namespace simdrope::io {

class ByteSource {
 public:
  // Memory that outlives this.
  ByteSource(Bytes memory) : memory_(memory), size_(memory.size()) {}
  // Read with pread() through a window, not mapped, so that a file which is cut short meanwhile is rejected.
  ByteSource(std::shared_ptr<const InputFile> file) : file_(std::move(file)), size_(file_->size()) {}

  uint64_t size() const { return size_; }

  // `at + sizeof(T)`, `at + bytes`: at most size().
  template <class T>
  T load(uint64_t at) const {
    T value;
    read(at, &value, sizeof(T));
    return value;
  }
  std::string text(uint64_t at, size_t bytes) const {
    std::string text(bytes, '\0');
    read(at, text.data(), bytes);
    return text;
  }

 private:
  void read(uint64_t at, void* to, size_t bytes) const;

  Bytes memory_;
  std::shared_ptr<const InputFile> file_;
  uint64_t size_;
  mutable std::vector<std::byte> window_;
  mutable uint64_t window_at_ = 0;
};

}  // namespace simdrope::io

#endif  // SIMDROPE_IO_BYTE_SOURCE_H_
