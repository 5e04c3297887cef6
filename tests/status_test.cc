// Statuses, messages and their thread.
#include <cstring>
#include <set>
#include <string>
#include <thread>

#include "support.h"

TEST_CASE("every status has a name of its own") {
  std::set<std::string> names;
  const auto name_of = [](int code) { return std::string(simdrope_status_name(static_cast<simdrope_status>(code))); };
  int count = 0;
  for (; name_of(count) != "unknown status"; ++count) names.insert(name_of(count));
  CHECK(count > SIMDROPE_BAD_FILE);
  CHECK(static_cast<int>(names.size()) == count);
  CHECK(names.count("OK") == 1);
  CHECK(names.count("OUT_OF_RANGE") == 1);
  CHECK(name_of(99) == "unknown status");
}

TEST_CASE("a message stays until the next failure of the same thread") {
  simdrope_rope* rope = nullptr;
  CHECK(simdrope_rope_create(nullptr, &rope) == SIMDROPE_INVALID_ARGUMENT);
  const std::string first = simdrope_last_error();
  CHECK(first.find("config") != std::string::npos);

  simdrope::Config good(8);
  CHECK(simdrope_rope_create(&good, &rope) == SIMDROPE_OK);
  CHECK(simdrope_last_error() == first);
  simdrope_rope_release(rope);

  std::string elsewhere = "unset";
  std::thread([&] { elsewhere = simdrope_last_error(); }).join();
  CHECK(elsewhere == "");

  simdrope::Config bad(7 * 1024);
  CHECK(simdrope_rope_create(&bad, &rope) == SIMDROPE_INVALID_ARGUMENT);
  CHECK(std::string(simdrope_last_error()).find("7168") != std::string::npos);
}

TEST_CASE("the C++ Status and Result carry code and message") {
  const auto rope = simdrope::Rope::create(simdrope::Config(0));
  CHECK(!rope.ok());
  CHECK(rope.status().code() == SIMDROPE_INVALID_ARGUMENT);
  CHECK(rope.status().message().find("head_dim = 0") != std::string::npos);
  CHECK(simdrope::Status().ok());
  CHECK(simdrope::Rope::create(simdrope::Config(64)).ok());
}

TEST_CASE("the version is that of the header") {
  const std::string version = std::to_string(SIMDROPE_VERSION_MAJOR) + "." + std::to_string(SIMDROPE_VERSION_MINOR) +
                              "." + std::to_string(SIMDROPE_VERSION_PATCH);
  CHECK(simdrope_version() == version);
  CHECK(SIMDROPE_CHECK_VERSION() == SIMDROPE_OK);
  CHECK(simdrope_check_version(SIMDROPE_VERSION_MAJOR, SIMDROPE_VERSION_MINOR + 1) == SIMDROPE_UNSUPPORTED);
  CHECK(std::string(simdrope_last_error()).find(version) != std::string::npos);
  CHECK(simdrope_check_version(SIMDROPE_VERSION_MAJOR + 1, SIMDROPE_VERSION_MINOR) == SIMDROPE_UNSUPPORTED);
}

TEST_CASE("releasing nothing is allowed, and a retained rope outlives its first release") {
  simdrope_rope_release(nullptr);
  simdrope::Config config(16);
  simdrope_rope* rope = nullptr;
  REQUIRE(simdrope_rope_create(&config, &rope) == SIMDROPE_OK);
  simdrope_rope_retain(rope);
  simdrope_rope_release(rope);
  simdrope_rope_info info;
  simdrope_rope_describe(rope, &info);
  CHECK(info.pairs == 8);
  simdrope_rope_release(rope);
}
