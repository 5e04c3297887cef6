// What all commands that write files share.
#ifndef SIMDROPE_TOOLS_OUTPUT_FILE_H_
#define SIMDROPE_TOOLS_OUTPUT_FILE_H_

#include <string>
#include <vector>

namespace simdrope::tool {

// A file that a command reads: FILE, or FILE.safetensors:NAME. "": none.
struct InputFile {
  const char* option;
  std::string reference;
};

// Fails, naming `option`, where `out` is one of `inputs`, under whatever name. Call it before anything is written.
void RefuseInput(const char* option, const std::string& out, const std::vector<InputFile>& inputs);

// Writes `text` as the file `path`, or fails, naming `option`.
void WriteTextFile(const char* option, const std::string& path, const std::string& text);

// From now on SIGHUP, SIGINT and SIGTERM remove unfinished files before they end the process.
void RemoveUnfinishedOnSignals();

}  // namespace simdrope::tool

#endif  // SIMDROPE_TOOLS_OUTPUT_FILE_H_
