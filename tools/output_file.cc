#include "output_file.h"

#include <csignal>
#include <filesystem>
#include <simdrope/io.hpp>

#include "arrays.h"
#include "failure.h"

namespace simdrope::tool {
namespace {

void EndBySignal(int signal) {
  io::FileWriter::remove_unfinished();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

}  // namespace

void RefuseInput(const char* option, const std::string& out, const std::vector<InputFile>& inputs) {
  for (const InputFile& input : inputs) {
    if (input.reference.empty()) continue;
    std::error_code error;
    const std::string path = FileOf(input.reference);
    if (std::filesystem::equivalent(path, out, error))
      Fail(option, ": ", out, " is what is read as ", input.option, "; it would be lost");
  }
}

void WriteTextFile(const char* option, const std::string& path, const std::string& text) {
  io::FileWriter file(path);
  file.write(text);
  const Status status = file.commit();
  if (!status) Fail(option, ": ", status.message());
}

void RemoveUnfinishedOnSignals() {
  for (const int signal : {SIGHUP, SIGINT, SIGTERM}) {
    // One that was ignored from the beginning (nohup) stays so.
    if (std::signal(signal, EndBySignal) == SIG_IGN) std::signal(signal, SIG_IGN);
  }
}

}  // namespace simdrope::tool
