// Runs the published cases and says how many of each kind. SIMDROPE_VECTORS names their folder.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <map>

#include "case.h"

namespace conformance {
namespace {

using Runner = Outcome (*)(const Case&);

const std::map<std::string, Runner>& Runners() {
  static const std::map<std::string, Runner> runners = {
      {"apply", RunApply},           {"mrope_apply", RunApply},
      {"oob_passthrough", RunApply}, {"gqa_packed_qkv", RunPackedQkv},
      {"cos_sin_table", RunTable},   {"error", RunError},
      {"inv_freq", RunInvFreq},      {"attention_factor", RunAttentionFactor},
      {"behaviour", RunBehaviour},   {"mrope_positions", RunPrompt},
      {"aggregate", RunAggregate},
  };
  return runners;
}

struct Count {
  int passed = 0;
  int failed = 0;
  int skipped = 0;
  int runs = 0;
};

Outcome Run(const Case& c) {
  const auto runner = Runners().find(c.kind());
  if (runner == Runners().end()) return Outcome::Skip("cases of kind " + c.kind() + " are not known");
  try {
    return runner->second(c);
  } catch (const std::exception& e) {
    return Outcome::Fail(e.what());
  }
}

std::filesystem::path Folder() {
  const char* given = std::getenv("SIMDROPE_VECTORS");
  return given != nullptr && given[0] != '\0' ? given : SIMDROPE_VECTORS_FOLDER;
}

int RunAll() {
  const std::filesystem::path folder = Folder();
  std::ifstream file(folder / "index.json");
  if (!file) {
    std::printf("no published cases at %s: nothing was compared\n", folder.c_str());
    return 77;
  }
  std::map<std::string, Count> kinds;
  Count total;
  for (const Json& entry : Json::parse(file)) {
    const std::string id = entry.at("id");
    const Case c(folder / id);
    const Outcome outcome = Run(c);
    for (Count* count : {&kinds[c.kind()], &total}) {
      ++(outcome.skipped ? count->skipped : outcome.passed ? count->passed : count->failed);
      count->runs += outcome.runs;
    }
    const std::string& remark = outcome.passed ? outcome.note : outcome.what;
    if (remark.empty()) continue;
    std::printf("%s %s: %s\n",
                outcome.skipped  ? "SKIPPED"
                : outcome.passed ? "passed"
                                 : "FAILED",
                id.c_str(), remark.c_str());
  }
  for (const auto& [kind, count] : kinds) {
    std::printf("%-18s %3d passed, %d failed, %d skipped, run in %d ways\n", kind.c_str(), count.passed, count.failed,
                count.skipped, count.runs);
  }
  std::printf("test cases: %d | %d passed | %d failed | %d skipped\n", total.passed + total.failed, total.passed,
              total.failed, total.skipped);
  return total.failed > 0 || total.passed == 0 ? 1 : 0;
}

}  // namespace
}  // namespace conformance

int main() { return conformance::RunAll(); }
