// FileWriter: a file is there whole or not at all, whatever else happens in its folder.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <simdrope/io.hpp>
#include <string>
#include <thread>
#include <vector>

#include "temporary_folder.h"

namespace io = simdrope::io;
namespace fs = std::filesystem;

namespace {

using Folder = TemporaryFolder;

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void put(const std::string& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

simdrope::Status written(const std::string& path, const std::string& text) {
  io::FileWriter file(path);
  file.write(text);
  return file.commit();
}

mode_t mode_of(const std::string& path) {
  struct stat about {};
  REQUIRE(::stat(path.c_str(), &about) == 0);
  return about.st_mode & 07777;
}

void check_refused(const std::string& path, const std::string& reason) {
  const simdrope::Status status = written(path, "new");
  CHECK(status.code() == SIMDROPE_BAD_FILE);
  CAPTURE(status.message());
  CHECK(status.message().find(path) == 0);
  CHECK(status.message().find(reason) != std::string::npos);
}

}  // namespace

TEST_CASE("writer: a file appears whole and alone") {
  const Folder folder;
  const std::string path = folder / "a";
  {
    io::FileWriter file(path);
    file.write("one");
    CHECK_FALSE(fs::exists(path));
    file.write(" two");
    REQUIRE(file.commit().ok());
    CHECK(contents(path) == "one two");
    CHECK_FALSE(file.commit().ok());
  }
  CHECK(contents(path) == "one two");
  CHECK(folder.files() == 1);
}

TEST_CASE("writer: without a commit the old file stays, and nothing else") {
  const Folder folder;
  put(folder / "a", "old");
  {
    io::FileWriter file(folder / "a");
    file.write("new");
  }
  CHECK(contents(folder / "a") == "old");
  CHECK(folder.files() == 1);
}

TEST_CASE("writer: permissions are those of the file replaced, else as the umask says") {
  const Folder folder;
  int checked = 0;
  for (const mode_t mode : {0600, 0640, 0644, 0444, 0664}) {
    const std::string path = folder / std::to_string(mode);
    put(path, "old");
    REQUIRE(::chmod(path.c_str(), mode) == 0);
    REQUIRE(written(path, "new").ok());
    CHECK(mode_of(path) == mode);
    CHECK(contents(path) == "new");
    ++checked;
  }
  CHECK(checked == 5);
  const mode_t before = ::umask(027);
  REQUIRE(written(folder / "fresh", "new").ok());
  ::umask(before);
  CHECK(mode_of(folder / "fresh") == 0640);
}

TEST_CASE("writer: what is not a regular file is refused and left alone") {
  const Folder folder;
  put(folder / "target", "old");
  fs::create_symlink(folder / "target", folder / "link");
  fs::create_symlink(folder / "nowhere", folder / "dangling");
  fs::create_directory(folder / "dir");
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  check_refused(folder / "link", "symbolic link");
  check_refused(folder / "dangling", "symbolic link");
  check_refused(folder / "dir", "not a regular file");
  check_refused(folder / "pipe", "not a regular file");
  check_refused(folder / "none/a", "cannot open its folder");
  check_refused((folder / "dir") + "/", "not the name of a file");
  check_refused(folder / std::string(256, 'n'), "cannot have this name");
  check_refused("/dev/null", "not a regular file");
  CHECK(fs::is_character_file("/dev/null"));
  CHECK(contents(folder / "target") == "old");
  CHECK(fs::is_symlink(folder / "link"));
  CHECK(folder.files() == 5);
  CHECK(written(folder / std::string(255, 'n'), "new").ok());
}

TEST_CASE("writer: one at a time") {
  const Folder folder;
  const std::string path = folder / "a";
  put(path, "old");
  {
    io::FileWriter first(path);
    first.write("first");
    check_refused(path, "another writer");
    CHECK(contents(path) == "old");
    CHECK(written(folder / "b", "other").ok());  // another file of the folder
    REQUIRE(first.commit().ok());
  }
  CHECK(contents(path) == "first");
  CHECK(written(path, "second").ok());
  CHECK(folder.files() == 2);
}

TEST_CASE("writer: of many threads each writes all of its file or none") {
  const Folder folder;
  const std::string path = folder / "a";
  constexpr int kThreads = 8, kRounds = 20;
  std::atomic<int> succeeded{0}, refused{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < kRounds; ++round) {
        io::FileWriter file(path);
        for (int part = 0; part < 50; ++part) file.write(std::string(200, static_cast<char>('a' + t)));
        ++(file.commit().ok() ? succeeded : refused);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(succeeded > 0);
  CHECK(succeeded + refused == kThreads * kRounds);
  const std::string text = contents(path);
  CHECK(text.size() == 10000);
  CHECK(text == std::string(10000, text[0]));
  CHECK(folder.files() == 1);
}

TEST_CASE("writer: nothing that it did not make is removed or followed") {
  const Folder folder;
  put(folder / ".a.lock", "mine");
  check_refused(folder / "a", "stands in the place of its lock file");
  CHECK(contents(folder / ".a.lock") == "mine");
  fs::create_symlink(folder / "target", folder / ".b.lock");
  check_refused(folder / "b", "lock file");
  CHECK_FALSE(fs::exists(folder / "target"));
  CHECK(folder.files() == 2);

  // A file planted in the place of the one being written is neither renamed nor removed.
  {
    io::FileWriter file(folder / "c");
    file.write("new");
    std::string part;
    for (const fs::directory_entry& entry : fs::directory_iterator(folder.path())) {
      if (entry.path().extension() == ".part") part = entry.path().string();
    }
    REQUIRE(!part.empty());
    fs::rename(part, folder / "moved");
    put(part, "planted");
    CHECK_FALSE(file.commit().ok());
    CHECK(contents(part) == "planted");
  }
  CHECK_FALSE(fs::exists(folder / "c"));
  CHECK(folder.files() == 4);
}

TEST_CASE("writer: an empty lock file that a killed process left is taken over") {
  const Folder folder;
  put(folder / ".a.lock", "");
  REQUIRE(written(folder / "a", "new").ok());
  CHECK(folder.files() == 1);
}

TEST_CASE("writer: what was written can be read back") {
  const Folder folder;
  io::FileWriter file(folder / "a");
  file.write("0123456789");
  REQUIRE(file.sync().ok());
  char text[4] = {};
  REQUIRE(file.read_back(3, text, 4).ok());
  CHECK(std::string(text, 4) == "3456");
  CHECK(file.read_back(7, text, 4).code() == SIMDROPE_INVALID_ARGUMENT);
  CHECK(file.read_back(UINT64_MAX, text, 4).code() == SIMDROPE_INVALID_ARGUMENT);
  REQUIRE(file.commit().ok());
  CHECK(contents(folder / "a") == "0123456789");
}

TEST_CASE("writer: a limit on the size of files leaves the old file") {
  const Folder folder;
  put(folder / "a", "old");
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1000, 1000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const simdrope::Status status = written(folder / "a", std::string(5000, 'x'));
    ::_exit(!status.ok() && status.message().find("File too large") != std::string::npos ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  CHECK(contents(folder / "a") == "old");
  CHECK(folder.files() == 1);
}

// In a process of its own, because no writer opens after remove_unfinished().
template <typename Body>
bool HoldsInChild(Body body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body() ? 0 : 1);
  int status = 0;
  return ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST_CASE("writer: where no more files can be open, that is said and nothing is left") {
  const Folder folder;
  put(folder / "a", "old");
  CHECK(HoldsInChild([&] {
    int refused = 0;
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    for (limit.rlim_cur = 3; limit.rlim_cur < 100; ++limit.rlim_cur) {
      ::setrlimit(RLIMIT_NOFILE, &limit);
      const simdrope::Status status = written(folder / "a", "new");
      if (status.ok()) return refused > 2;
      if (status.message().find("Too many open files") == std::string::npos) return false;
      ++refused;
    }
    return false;
  }));
  CHECK(contents(folder / "a") == "new");
  CHECK(folder.files() == 1);
}

TEST_CASE("writer: a signal's handler removes what is unfinished") {
  const Folder folder;
  put(folder / "a", "old");
  CHECK(HoldsInChild([&] {
    io::FileWriter file(folder / "a"), other(folder / "b");
    file.write("new");
    const bool made = folder.files() == 5;  // a, and two files for each writer
    io::FileWriter::remove_unfinished();
    return made && folder.files() == 1 && !file.commit().ok();
  }));
  CHECK(contents(folder / "a") == "old");
}

TEST_CASE("writer: nothing is left of files that other threads make while a handler runs") {
  const Folder folder;
  int rounds = 0;
  for (; rounds < 20; ++rounds) {
    CHECK(HoldsInChild([&] {
      std::atomic<bool> refused{false};
      std::thread maker([&] {
        for (int i = 0; !refused; ++i) {
          io::FileWriter file(folder / ("a" + std::to_string(i)));
          refused = !file.sync().ok();
        }
      });
      ::usleep(static_cast<useconds_t>(500 + 100 * rounds));
      io::FileWriter::remove_unfinished();
      const size_t left = folder.files();
      maker.join();
      return left == 0;
    }));
  }
  CHECK(rounds == 20);
}
