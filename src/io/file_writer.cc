#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <simdrope/io.hpp>

#include "io/bytes.h"
#include "io/failure.h"
#include "io/unfinished.h"

namespace simdrope::io {
namespace {

constexpr size_t kLongestName = 255;  // NAME_MAX of the file systems in use

// ".NAME" with `ending` after it, NAME cut so that a file can have this name.
std::string hidden_name(const std::string& name, const std::string& ending) {
  std::string hidden(1, '.');
  hidden += name.substr(0, kLongestName - 1 - ending.size());
  hidden += ending;
  return hidden;
}

std::string random_text() {
  unsigned char random[8];
  if (::getentropy(random, sizeof random) != 0) return {};
  std::string text;
  for (const unsigned char byte : random) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

bool is_same(const struct stat& a, const struct stat& b) { return a.st_dev == b.st_dev && a.st_ino == b.st_ino; }

// Holds back the signals that end a process from this thread, as Unfinished::begin() wants it.
class SignalsHeld {
 public:
  SignalsHeld() {
    sigset_t held;
    sigemptyset(&held);
    for (const int signal : {SIGHUP, SIGINT, SIGTERM}) sigaddset(&held, signal);
    ::pthread_sigmask(SIG_BLOCK, &held, &before_);
  }
  SignalsHeld(const SignalsHeld&) = delete;
  SignalsHeld& operator=(const SignalsHeld&) = delete;
  ~SignalsHeld() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

}  // namespace

namespace writer {

// "folder/name" in two; the folder is "." where there is none.
struct Location {
  std::string folder, name;

  explicit Location(const std::string& path) {
    const size_t slash = path.rfind('/');
    folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    name = slash == std::string::npos ? path : path.substr(slash + 1);
  }
};

// An open file descriptor.
class Descriptor {
 public:
  Descriptor() = default;
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { reset(); }

  int get() const { return descriptor_; }
  void reset(int descriptor = -1) {
    if (descriptor_ >= 0) ::close(descriptor_);
    descriptor_ = descriptor;
  }

 private:
  int descriptor_ = -1;
};

}  // namespace writer

struct FileWriter::State {
  explicit State(const std::string& to) : path(to), place(to) {}
  ~State() { discard(); }

  Status open();
  Status lock();
  Status open_temporary();
  Status finish();
  void discard();
  Status process_ends() const { return bad_file(path, ": not written, because a signal ends the process"); }
  Status failed(const char* what, int error) const { return bad_file(path, ": ", what, ": ", std::strerror(error)); }

  std::string path;
  writer::Location place;
  writer::Descriptor folder, lock_file, file;
  Unfinished lock_name, temporary;  // what stands in the folder until the end
  bool replaces = false;
  struct stat replaced {};
  uint64_t size = 0;
  Status status;
};

Status FileWriter::State::open() {
  const SignalsHeld signals_held;
  if (place.name.empty() || place.name == "." || place.name == "..") return bad_file(path, ": not the name of a file");
  if (place.name.size() > kLongestName || place.name.find('\0') != std::string::npos) {
    return bad_file(path, ": a file cannot have this name");
  }
  folder.reset(::open(place.folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder.get() < 0) return failed("cannot open its folder", errno);
  if (Status locked = lock(); !locked) return locked;
  if (::fstatat(folder.get(), place.name.c_str(), &replaced, AT_SYMLINK_NOFOLLOW) == 0) {
    replaces = true;
    if (S_ISLNK(replaced.st_mode)) return bad_file(path, ": is a symbolic link; name the file that it leads to");
    if (!S_ISREG(replaced.st_mode)) return bad_file(path, ": is not a regular file; only such can be replaced");
  } else if (errno != ENOENT) {
    return failed("cannot look at it", errno);
  }
  return open_temporary();
}

// Whoever holds the lock removes its file, so one that was opened may be gone, or another, by the time it is locked.
Status FileWriter::State::lock() {
  std::string name = hidden_name(place.name, ".lock");
  if (!lock_name.begin()) return process_ends();
  for (int attempt = 0; attempt < 100; ++attempt) {
    lock_file.reset(::openat(folder.get(), name.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600));
    if (lock_file.get() < 0) return failed("cannot make its lock file", errno);
    struct stat opened {};
    struct stat standing {};
    if (::fstat(lock_file.get(), &opened) != 0) return failed("cannot look at its lock file", errno);
    if (!S_ISREG(opened.st_mode) || opened.st_size != 0) {
      return bad_file(path, ": ", in_quotes(name), " stands in the place of its lock file");
    }
    if (::flock(lock_file.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno == EINTR) continue;
      if (errno == EWOULDBLOCK) return bad_file(path, ": another writer is at work on it");
      if (errno != ENOLCK && errno != EOPNOTSUPP) return failed("cannot lock it", errno);
    }
    if (::fstatat(folder.get(), name.c_str(), &standing, AT_SYMLINK_NOFOLLOW) == 0 && is_same(opened, standing)) {
      lock_name.add(folder.get(), std::move(name));
      return {};
    }
  }
  return bad_file(path, ": its lock file changes all the time");
}

Status FileWriter::State::open_temporary() {
  if (!temporary.begin()) return process_ends();
  for (int attempt = 0; attempt < 100; ++attempt) {
    const std::string random = random_text();
    if (random.empty()) return failed("no random name", errno);
    std::string name = hidden_name(place.name, "." + random + ".part");
    // Not readable by others before it has the permissions of the file that it replaces.
    file.reset(::openat(folder.get(), name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                        replaces ? 0600 : 0666));
    if (file.get() < 0 && (errno == EEXIST || errno == EINTR)) continue;
    if (file.get() < 0) return failed("cannot make a file beside it", errno);
    temporary.add(folder.get(), std::move(name));
    if (!replaces) return {};
    struct stat made {};
    if (::fstat(file.get(), &made) != 0) return failed("cannot look at the file beside it", errno);
    mode_t mode = replaced.st_mode & 0777;
    if ((made.st_uid != replaced.st_uid || made.st_gid != replaced.st_gid) &&
        ::fchown(file.get(), replaced.st_uid, replaced.st_gid) != 0) {
      mode &= 0700;  // it belongs to another group now
    }
    if (::fchmod(file.get(), mode) != 0) return failed("cannot keep its permissions", errno);
    return {};
  }
  return bad_file(path, ": no name is free beside it");
}

Status FileWriter::State::finish() {
  while (::fsync(file.get()) != 0) {
    if (errno == EINTR) continue;
    if (errno == EINVAL || errno == ENOTSUP) break;  // a file system without it
    return failed("cannot write", errno);
  }
  const std::string& from = temporary.name();
  // What was renamed away or planted since is not this writer's.
  struct stat made {};
  struct stat standing {};
  if (::fstat(file.get(), &made) != 0 || ::fstatat(folder.get(), from.c_str(), &standing, AT_SYMLINK_NOFOLLOW) != 0 ||
      !is_same(made, standing)) {
    temporary.forget();
    return bad_file(path, ": ", in_quotes(from), ", which was being written, is gone");
  }
  if (::renameat(folder.get(), from.c_str(), folder.get(), place.name.c_str()) != 0) {
    return failed("cannot rename what was written", errno);
  }
  temporary.forget();
  while (::fsync(folder.get()) != 0) {
    if (errno == EINTR) continue;
    if (errno == EINVAL || errno == ENOTSUP) break;
    return failed("written, but perhaps not to last: cannot sync its folder", errno);
  }
  return {};
}

void FileWriter::State::discard() {
  temporary.remove();
  lock_name.remove();  // while it is still locked
  file.reset();
  lock_file.reset();
  folder.reset();
}

FileWriter::FileWriter(const std::string& path) : state_(std::make_unique<State>(path)) {
  state_->status = guarded([&] { return state_->open(); });
  if (!state_->status) state_->discard();
}

FileWriter::FileWriter(FileWriter&&) noexcept = default;
FileWriter::~FileWriter() = default;

void FileWriter::write(const void* data, size_t bytes) {
  State& s = *state_;
  const char* at = static_cast<const char*>(data);
  while (s.status.ok() && bytes > 0) {
    const ssize_t done = ::write(s.file.get(), at, bytes);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) {
      s.status = s.failed("cannot write", done < 0 ? errno : ENOSPC);
      return;
    }
    at += done;
    bytes -= static_cast<size_t>(done);
    s.size += static_cast<uint64_t>(done);
  }
}

Status FileWriter::read_back(uint64_t offset, void* data, size_t bytes) {
  State& s = *state_;
  if (!s.status) return s.status;
  if (offset > s.size || bytes > s.size - offset) {
    return failure(SIMDROPE_INVALID_ARGUMENT, s.path, ": ", bytes, " bytes at ", offset, " are not written yet");
  }
  char* to = static_cast<char*>(data);
  while (bytes > 0) {
    const ssize_t done = ::pread(s.file.get(), to, bytes, static_cast<off_t>(offset));
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return s.status = s.failed("cannot read back", done < 0 ? errno : EIO);
    to += done;
    offset += static_cast<uint64_t>(done);
    bytes -= static_cast<size_t>(done);
  }
  return {};
}

Status FileWriter::sync() {
  State& s = *state_;
  if (s.status && ::fsync(s.file.get()) != 0 && errno != EINVAL && errno != ENOTSUP && errno != EINTR) {
    s.status = s.failed("cannot write", errno);
  }
#if defined(POSIX_FADV_DONTNEED)
  // So that read_back() meets the device rather than the page cache, where the system allows it.
  if (s.status) ::posix_fadvise(s.file.get(), 0, 0, POSIX_FADV_DONTNEED);
#endif
  return s.status;
}

Status FileWriter::commit() {
  State& s = *state_;
  if (s.status) {
    s.status = guarded([&] { return s.finish(); });
    Status result = s.status;
    if (result) s.status = bad_file(s.path, ": already written");
    s.discard();
    return result;
  }
  return s.status;
}

void FileWriter::remove_unfinished() { Unfinished::remove_all(); }

}  // namespace simdrope::io
