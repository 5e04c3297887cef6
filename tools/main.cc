// simdrope: rotary position embeddings from the command line.
#include <cstdio>
#include <exception>
#include <new>
#include <string>

#include "command.h"
#include "failure.h"
#include "output_file.h"
#include "printable.h"

namespace {

constexpr int kError = 2;

int Report(const char* message) {
  std::fflush(stdout);
  std::fprintf(stderr, "simdrope: %s\n", simdrope::tool::Printable(message, 2000).c_str());
  return kError;
}

// What the parser says of a missing command names none; the word in its place does more.
std::string MessageOf(const CLI::Error& error, const CLI::App& app, int argc, char** argv) {
  if (error.get_exit_code() != static_cast<int>(CLI::ExitCodes::RequiredError) || !app.get_subcommands().empty()) {
    return error.what();
  }
  std::string commands;
  for (const CLI::App* command : app.get_subcommands({})) {
    commands += (commands.empty() ? "" : ", ") + command->get_name();
  }
  const std::string word = argc > 1 ? "'" + std::string(argv[1]) + "' is no subcommand" : "A subcommand is required";
  return word + ": " + commands;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace simdrope::tool;
  CLI::App app("Rotary position embeddings (RoPE) of a model's queries and keys");
  app.set_version_flag("--version", simdrope_version());
  app.require_subcommand(1);
  int exit_code = 0;
  AddInfo(app, exit_code);
  AddModel(app, exit_code);
  AddFreqs(app, exit_code);
  AddCosSin(app, exit_code);
  AddRotate(app, exit_code);
  AddCheck(app, exit_code);
  AddPermute(app, exit_code);
  AddDemo(app, exit_code);
  RemoveUnfinishedOnSignals();
  try {
    app.parse(argc, argv);
    return exit_code;
  } catch (const CLI::Success& help) {
    return app.exit(help);
  } catch (const CLI::Error& error) {
    return Report(MessageOf(error, app, argc, argv).c_str());
  } catch (const Failure& failure) {
    return Report(failure.what());
  } catch (const std::bad_alloc&) {
    return Report("out of memory");
  } catch (const std::exception& error) {
    return Report(error.what());
  }
}
