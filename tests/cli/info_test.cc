// simdrope info, check and demo, and the command line itself.
#include <doctest/doctest.h>

#include <set>
#include <simdrope/simdrope.hpp>
#include <string>

#include "tool.h"

namespace simdrope::test {
namespace {

std::set<std::string> KeysOf(const Json& json) {
  std::set<std::string> keys;
  for (const auto& [key, value] : json.items()) keys.insert(key);
  return keys;
}

TEST_CASE("info says version, targets and threads") {
  const Outcome outcome = Run({"info", "--json"}, {"SIMDROPE_TARGET="});
  REQUIRE(outcome.code == 0);
  CHECK(outcome.err == "");
  const Json json = outcome.json();
  CHECK(KeysOf(json) ==
        std::set<std::string>{"version", "target", "targets_compiled", "targets_supported", "threads", "tbb"});
  CHECK(json["version"] == simdrope_version());
  REQUIRE(json["targets_supported"].size() >= 1);
  CHECK(json["target"] == json["targets_supported"][0]);
  CHECK(json["targets_compiled"].size() >= json["targets_supported"].size());
  CHECK(json["threads"].get<int>() >= 1);
  CHECK(json["tbb"].is_boolean());

  const Outcome text = Run({"info"}, {"SIMDROPE_TARGET="});
  CHECK(text.code == 0);
  CHECK(text.out.find(json["target"].get<std::string>()) != std::string::npos);
}

TEST_CASE("SIMDROPE_TARGET forces each supported target") {
  const Json all = Run({"info", "--json"}, {"SIMDROPE_TARGET="}).json()["targets_supported"];
  REQUIRE(!all.empty());
  for (const Json& name : all) {
    const Outcome forced = Run({"info", "--json"}, {"SIMDROPE_TARGET=" + name.get<std::string>()});
    REQUIRE(forced.code == 0);
    CHECK(forced.json()["target"] == name);
  }
}

TEST_CASE("an unknown target is an error that lists the known ones") {
  const Json all = Run({"info", "--json"}, {"SIMDROPE_TARGET="}).json()["targets_compiled"];
  std::vector<std::string> words{"NO_SUCH_TARGET"};
  for (const Json& name : all) words.push_back(name);
  CheckFails(Run({"info"}, {"SIMDROPE_TARGET=NO_SUCH_TARGET"}), words);
  CheckFails(Run({"check"}, {"SIMDROPE_TARGET=NO_SUCH_TARGET"}), words);
}

TEST_CASE("the command line's own errors exit with 2") {
  CheckFails(Run({}), {"subcommand"});
  CheckFails(Run({"spin"}), {"spin", "rotate"});
  CheckFails(Run({"info", "--bogus"}), {"--bogus"});
  CheckFails(Run({"rotate"}), {"--out"});
  CHECK(Run({"--help"}).code == 0);
  CHECK(Run({"rotate", "--help"}).out.find("--layout") != std::string::npos);
  CHECK(Run({"--version"}).out.find(simdrope_version()) != std::string::npos);
}

TEST_CASE("check covers every supported target, dtype and pairing") {
  const Json targets = Run({"info", "--json"}, {"SIMDROPE_TARGET="}).json()["targets_supported"];
  const Outcome outcome = Run({"check", "--json"}, {"SIMDROPE_TARGET="});
  CHECK(outcome.code == 0);
  CHECK(outcome.err == "");
  const Json json = outcome.json();
  CHECK(json["ok"] == true);
  CHECK(json["fused_targets_agree"] == true);
  std::set<std::string> seen;
  for (const Json& row : json["rows"]) {
    seen.insert(row["target"].get<std::string>() + row["dtype"].get<std::string>() + row["pairing"].get<std::string>());
    CHECK(row["elements"].get<int>() > 100000);
    CHECK(row["worst_ulp"].get<double>() > 0.4);  // inputs that ask nothing would show no error
    CHECK(row["worst_ulp"].get<double>() <= row["bound_ulp"].get<double>());
  }
  CHECK(seen.size() == targets.size() * 3 * 2);
}

TEST_CASE("demo rotates, checks and times a layer") {
  const Folder folder;
  WriteText(folder / "config.json", kLlama31);
  const Outcome outcome = Run({"demo", "--config", folder / "config.json", "--tokens", "16", "--json"});
  CHECK(outcome.code == 0);
  const Json json = outcome.json();
  CHECK(json["heads"] == 32);
  CHECK(json["kv_heads"] == 8);
  // Three formats, decode and prefill; prefill with threads, too, where there are any.
  CHECK((json["jobs"].size() == 9 || json["jobs"].size() == 6));
  for (const Json& job : json["jobs"]) {
    CHECK(job["ok"] == true);
    CHECK(job["worst_ulp"].get<double>() > 0);
    CHECK(job["seconds"].get<double>() > 0);
    CHECK(job["roof_seconds"].get<double>() > 0);
  }
}

}  // namespace
}  // namespace simdrope::test
