#include "tool.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>

namespace simdrope::test {
namespace {

void Redirect(const std::string& path, int descriptor) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (file < 0 || dup2(file, descriptor) < 0) _exit(126);
  close(file);
}

}  // namespace

Started Start(const Arguments& arguments, const std::vector<std::string>& environment, uint64_t most_bytes) {
  const char* tool = std::getenv("SIMDROPE_TOOL");
  REQUIRE_MESSAGE(tool != nullptr, "SIMDROPE_TOOL must name the simdrope command");
  auto folder = std::make_unique<Folder>();
  const std::string out = *folder / "out", err = *folder / "err";
  std::vector<char*> argv{const_cast<char*>(tool)};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);

  // A signal that comes before the command runs must not meet the test program's own handlers.
  sigset_t held, before;
  sigemptyset(&held);
  sigaddset(&held, SIGTERM);
  sigprocmask(SIG_BLOCK, &held, &before);
  const pid_t child = fork();
  if (child == 0) {
    signal(SIGTERM, SIG_DFL);
    sigprocmask(SIG_SETMASK, &before, nullptr);
    for (const std::string& setting : environment) putenv(const_cast<char*>(setting.c_str()));
    Redirect(out, STDOUT_FILENO);
    Redirect(err, STDERR_FILENO);
    if (most_bytes != 0) {
      const rlimit limit{most_bytes, most_bytes};
      setrlimit(RLIMIT_FSIZE, &limit);
      signal(SIGXFSZ, SIG_IGN);
    }
    execv(tool, argv.data());
    _exit(127);
  }
  sigprocmask(SIG_SETMASK, &before, nullptr);
  REQUIRE(child >= 0);
  return {child, std::move(folder)};
}

Outcome Finish(const Started& started) {
  int status = 0;
  REQUIRE(waitpid(started.process, &status, 0) == started.process);
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  REQUIRE_MESSAGE(code != 127, "cannot run $SIMDROPE_TOOL");
  return {code, ReadText(*started.folder / "out"), ReadText(*started.folder / "err")};
}

Outcome Run(const Arguments& arguments, const std::vector<std::string>& environment, uint64_t most_bytes) {
  return Finish(Start(arguments, environment, most_bytes));
}

std::string ReadText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void WriteText(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  REQUIRE(file);
}

io::Array ReadNpy(const std::string& path) {
  auto array = io::read_npy(path);
  REQUIRE_MESSAGE(array.ok(), array.status().message());
  return *std::move(array);
}

void WriteFloats(const std::string& path, const std::vector<int64_t>& shape, const std::vector<float>& values) {
  io::Array array = io::Array::zeros(io::ElementType::f32, shape);
  REQUIRE(array.size() == static_cast<int64_t>(values.size()));
  std::copy(values.begin(), values.end(), array.data<float>());
  REQUIRE(io::write_npy(path, array).ok());
}

void WriteIds(const std::string& path, const std::vector<int64_t>& shape, const std::vector<int64_t>& values) {
  io::Array array = io::Array::zeros(io::ElementType::i64, shape);
  REQUIRE(array.size() == static_cast<int64_t>(values.size()));
  std::copy(values.begin(), values.end(), array.data<int64_t>());
  REQUIRE(io::write_npy(path, array).ok());
}

std::vector<float> Noise(size_t count, uint32_t seed) {
  std::vector<float> values;
  for (size_t i = 0; i < count; ++i) {
    seed = seed * 1664525u + 1013904223u;
    values.push_back(static_cast<float>(static_cast<int32_t>(seed)) * 0x1p-31f);
  }
  return values;
}

void CheckFails(const Outcome& outcome, const std::vector<std::string>& words) {
  CHECK(outcome.code == 2);
  CHECK(outcome.out == "");
  INFO("stderr: ", outcome.err);
  CHECK(std::count(outcome.err.begin(), outcome.err.end(), '\n') == 1);
  CHECK(outcome.err.rfind("simdrope: ", 0) == 0);
  REQUIRE(!words.empty());
  for (const std::string& word : words) CHECK_MESSAGE(outcome.err.find(word) != std::string::npos, "no ", word);
}

}  // namespace simdrope::test
