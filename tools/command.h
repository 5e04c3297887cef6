// The commands. Each adds itself to the application and leaves its exit code when it has run:
// 0, or 1 where a check that it was asked for failed. Errors are thrown as Failure.
#ifndef SIMDROPE_TOOLS_COMMAND_H_
#define SIMDROPE_TOOLS_COMMAND_H_

#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

namespace simdrope::tool {

using Json = nlohmann::ordered_json;

void AddInfo(CLI::App& app, int& exit_code);
void AddModel(CLI::App& app, int& exit_code);
void AddFreqs(CLI::App& app, int& exit_code);
void AddCosSin(CLI::App& app, int& exit_code);
void AddRotate(CLI::App& app, int& exit_code);
void AddCheck(CLI::App& app, int& exit_code);
void AddPermute(CLI::App& app, int& exit_code);
void AddDemo(CLI::App& app, int& exit_code);

// A subcommand with --json whose options are an Arguments with AddTo(CLI::App&) and a member `json`.
template <class Arguments>
void AddCommand(CLI::App& app, int& exit_code, const char* name, const char* about, int (*run)(const Arguments&)) {
  CLI::App* command = app.add_subcommand(name, about);
  auto arguments = std::make_shared<Arguments>();
  command->add_flag("--json", arguments->json, "Print the result as JSON");
  arguments->AddTo(*command);
  command->callback([arguments, run, &exit_code] { exit_code = run(*arguments); });
}

inline void Print(const Json& json) { std::printf("%s\n", json.dump(2).c_str()); }

}  // namespace simdrope::tool

#endif  // SIMDROPE_TOOLS_COMMAND_H_
