#include "io/file_writer.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "io/failure.h"

namespace simdrope::io {

FileWriter::FileWriter(std::string path) : path_(std::move(path)), written_path_(path_) {
  struct stat about {};
  const bool direct = ::stat(path_.c_str(), &about) == 0 && !S_ISREG(about.st_mode);
  if (!direct) written_path_ += ".part" + std::to_string(::getpid());
  file_ = std::fopen(written_path_.c_str(), "wb");
  if (file_ == nullptr) error_ = errno;
}

FileWriter::~FileWriter() {
  if (file_ == nullptr) return;
  std::fclose(file_);
  if (written_path_ != path_) std::remove(written_path_.c_str());
}

void FileWriter::write(Bytes bytes) {
  if (error_ != 0 || bytes.empty()) return;
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_) != bytes.size()) error_ = errno;
}

Status FileWriter::commit() {
  if (error_ == 0) {
    if (std::fclose(file_) != 0) error_ = errno;
    file_ = nullptr;
    if (error_ == 0 && written_path_ != path_ && std::rename(written_path_.c_str(), path_.c_str()) != 0) {
      error_ = errno;
    }
    if (error_ != 0 && written_path_ != path_) std::remove(written_path_.c_str());
  }
  if (error_ != 0) return bad_file(path_, ": cannot write: ", std::strerror(error_));
  return {};
}

}  // namespace simdrope::io
