#ifndef SIMDROPE_IO_INPUT_FILE_H_
#define SIMDROPE_IO_INPUT_FILE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <simdrope/io.hpp>
#include <string>
#include <vector>

namespace simdrope::io {

// A regular file that is read with pread(), not mapped: one that is cut short meanwhile gives an error, no signal.
class InputFile {
 public:
  static Result<std::shared_ptr<const InputFile>> open(const std::string& path);
  InputFile(const InputFile&) = delete;
  InputFile& operator=(const InputFile&) = delete;
  ~InputFile();

  const std::string& path() const { return path_; }
  uint64_t size() const { return size_; }  // when it was opened
  // All of `bytes` bytes from `offset` on, or an error.
  Status read(uint64_t offset, void* data, size_t bytes) const;
  Result<std::vector<std::byte>> read_all() const;

 private:
  InputFile(std::string path, int descriptor, uint64_t size)
      : path_(std::move(path)), descriptor_(descriptor), size_(size) {}

  std::string path_;
  int descriptor_;
  uint64_t size_;
};

}  // namespace simdrope::io

#endif  // SIMDROPE_IO_INPUT_FILE_H_
