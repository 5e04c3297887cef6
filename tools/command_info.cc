// simdrope info: what was built, and what of it this machine uses.
#include <simdrope/simdrope.hpp>
#include <string>
#include <vector>

#include "command.h"
#include "failure.h"
#include "targets.h"

namespace simdrope::tool {
namespace {

struct InfoArguments {
  bool json = false;
  void AddTo(CLI::App&) {}
};

std::string Join(const std::vector<std::string>& words) {
  std::string all;
  for (const std::string& word : words) all += (all.empty() ? "" : ", ") + word;
  return all;
}

int RunInfo(const InfoArguments& arguments) {
  const std::string chosen = TargetInUse();
  std::vector<std::string> compiled, supported;
  for (const simdrope_target& target : Targets()) {
    compiled.push_back(target.name);
    if (target.supported) supported.push_back(target.name);
  }
  if (arguments.json) {
    Print({{"version", simdrope_version()},
           {"target", chosen},
           {"targets_compiled", compiled},
           {"targets_supported", supported},
           {"threads", simdrope_max_threads()},
           {"tbb", simdrope_has_tbb()}});
    return 0;
  }
  std::printf("version            %s\n", simdrope_version());
  std::printf("target             %s\n", chosen.c_str());
  std::printf("targets compiled   %s\n", Join(compiled).c_str());
  std::printf("targets supported  %s\n", Join(supported).c_str());
  std::printf("threads            %d\n", simdrope_max_threads());
  std::printf("TBB                %s\n", simdrope_has_tbb() ? "yes" : "no");
  return 0;
}

}  // namespace

void AddInfo(CLI::App& app, int& exit_code) {
  AddCommand<InfoArguments>(app, exit_code, "info", "Version, SIMD targets (SIMDROPE_TARGET=NAME forces one), threads",
                            RunInfo);
}

}  // namespace simdrope::tool
