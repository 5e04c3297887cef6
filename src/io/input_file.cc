#include "io/input_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "io/failure.h"

namespace simdrope::io {

Result<std::shared_ptr<const InputFile>> InputFile::open(const std::string& path) {
  std::string kept = path;  // before there is a descriptor to lose
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return bad_file(path, ": cannot open: ", std::strerror(errno));
  // From here on the object closes it.
  std::unique_ptr<InputFile> file;
  try {
    file.reset(new InputFile(std::move(kept), descriptor, 0));
  } catch (...) {
    ::close(descriptor);
    throw;
  }
  struct stat about {};
  if (::fstat(descriptor, &about) != 0) return bad_file(path, ": cannot look at it: ", std::strerror(errno));
  if (!S_ISREG(about.st_mode)) return bad_file(path, ": not a regular file");
  file->size_ = static_cast<uint64_t>(about.st_size);
  return std::shared_ptr<const InputFile>(std::move(file));
}

InputFile::~InputFile() { ::close(descriptor_); }

Status InputFile::read(uint64_t offset, void* data, size_t bytes) const {
  char* to = static_cast<char*>(data);
  while (bytes > 0) {
    const ssize_t done = ::pread(descriptor_, to, bytes, static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return bad_file(path_, ": cannot read: ", std::strerror(errno));
    if (done == 0) return bad_file(path_, ": ends at byte ", offset, ", but had ", size_, " bytes when it was opened");
    to += done;
    offset += static_cast<uint64_t>(done);
    bytes -= static_cast<size_t>(done);
  }
  return {};
}

Result<std::vector<std::byte>> InputFile::read_all() const {
  std::vector<std::byte> bytes(size_);
  if (Status status = read(0, bytes.data(), bytes.size()); !status) return status;
  return bytes;
}

}  // namespace simdrope::io
