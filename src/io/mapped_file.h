#ifndef SIMDROPE_IO_MAPPED_FILE_H_
#define SIMDROPE_IO_MAPPED_FILE_H_

#include <memory>
#include <simdrope/simdrope.hpp>
#include <string>

#include "io/bytes.h"

namespace simdrope::io {

// A whole regular file, mapped read-only. It must not shrink while mapped.
class MappedFile {
 public:
  static Result<std::shared_ptr<const MappedFile>> open(const std::string& path);
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  Bytes bytes() const { return bytes_; }

 private:
  explicit MappedFile(Bytes bytes) : bytes_(bytes) {}
  Bytes bytes_;
};

}  // namespace simdrope::io

#endif  // SIMDROPE_IO_MAPPED_FILE_H_
