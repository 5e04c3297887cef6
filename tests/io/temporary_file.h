#ifndef SIMDROPE_TESTS_IO_TEMPORARY_FILE_H_
#define SIMDROPE_TESTS_IO_TEMPORARY_FILE_H_

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

// A path for one test, removed with it.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& name, const std::string& bytes = {})
      : path_((std::filesystem::temp_directory_path() / ("simdrope_" + std::to_string(::getpid()) + "_" + name))
                  .string()) {
    if (!bytes.empty()) std::ofstream(path_, std::ios::binary) << bytes;
  }
  ~TemporaryFile() { std::remove(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  const std::string& path() const { return path_; }
  std::string read() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  std::string path_;
};

#endif  // SIMDROPE_TESTS_IO_TEMPORARY_FILE_H_
