#ifndef SIMDROPE_IO_FILE_WRITER_H_
#define SIMDROPE_IO_FILE_WRITER_H_

#include <cstdio>
#include <simdrope/simdrope.hpp>
#include <string>

#include "io/bytes.h"

namespace simdrope::io {

// Writes a file that appears under its name only once it is whole, so that a file may be rewritten
// from its own mapping. A device or pipe is written directly.
class FileWriter {
 public:
  explicit FileWriter(std::string path);
  FileWriter(const FileWriter&) = delete;
  FileWriter& operator=(const FileWriter&) = delete;
  ~FileWriter();  // without a commit nothing is left behind

  void write(Bytes bytes);
  void write(std::string_view text) { write(bytes_of(text)); }
  Status commit();  // the first error of all the above, if any

 private:
  std::string path_;
  std::string written_path_;
  std::FILE* file_ = nullptr;
  int error_ = 0;
};

}  // namespace simdrope::io

#endif  // SIMDROPE_IO_FILE_WRITER_H_
