// get_rope: the same Config gives the same Rope, from any thread, bounded.
#include <atomic>
#include <climits>
#include <cstdlib>
#include <set>
#include <thread>

#include "support.h"

#if defined(__unix__)
#include <sys/wait.h>
#include <unistd.h>
#endif

namespace {

using simdrope::Config;

const simdrope_rope* Get(const Config& config) {
  const auto rope = simdrope::get_rope(config);
  REQUIRE_MESSAGE(rope.ok(), rope.status().message());
  return rope->get();
}

}  // namespace

TEST_CASE("the same config gives one object, another config another") {
  const auto first = simdrope::get_rope(Config(128, 5e5));
  REQUIRE(first.ok());
  CHECK(Get(Config(128, 5e5)) == first->get());
  CHECK(Get(Config(128, 1e6)) != first->get());
  CHECK(simdrope::Rope::create(Config(128, 5e5))->get() != first->get());
}

TEST_CASE("every field that counts tells configs apart") {
  Config plain(64);
  plain.rotary_dim = 32;
  std::set<const simdrope_rope*> all;
  std::vector<simdrope::Rope> kept;  // alive, so that no address comes twice
  const auto add = [&](auto change) {
    Config config = plain;
    change(config);
    const auto rope = simdrope::get_rope(config);
    REQUIRE_MESSAGE(rope.ok(), rope.status().message());
    kept.push_back(*rope);
    all.insert(rope->get());
  };
  add([](Config&) {});
  add([](Config& c) { c.head_dim = 66; });
  add([](Config& c) { c.rotary_dim = 30; });
  add([](Config& c) { c.rotary_offset = 2; });
  add([](Config& c) { c.split = 20; });
  add([](Config& c) { c.pairing = SIMDROPE_INTERLEAVED; });
  add([](Config& c) { c.precision = SIMDROPE_PRECISION_FLOAT32; });
  add([](Config& c) { c.theta = 9999; });
  add([](Config& c) { c.scaling.attention_factor = 1.5; });
  add([](Config& c) {
    c.scaling.type = SIMDROPE_SCALING_LINEAR;
    c.scaling.factor = 2;
  });
  add([](Config& c) {
    c.scaling.type = SIMDROPE_SCALING_LINEAR;
    c.scaling.factor = 3;
  });
  const auto listed = [](int changed) {
    return [changed](Config& c) {
      c.scaling.type = SIMDROPE_SCALING_FREQ_FACTORS;
      std::vector<double> factors(16, 1.0);
      if (changed >= 0) factors[static_cast<size_t>(changed)] = 2;
      c.set_factors(factors);
    };
  };
  for (const int changed : {-1, 0, 15}) add(listed(changed));
  const auto axes = [](int changed) {
    return [changed](Config& c) {
      c.axes.count = 2;
      c.axes.layout = SIMDROPE_AXES_EXPLICIT;
      std::vector<uint8_t> pair_axis(16, 0);
      pair_axis[static_cast<size_t>(changed)] = 1;
      c.set_pair_axis(pair_axis);
    };
  };
  for (const int changed : {0, 15}) add(axes(changed));
  add([](Config& c) { c.xpos.scale_base = 512; });
  add([](Config& c) {
    c.xpos.scale_base = 512;
    c.xpos.center = 7;
  });
  add([](Config& c) { c.temperature = {0.1, 10, 0}; });
  add([](Config& c) { c.temperature = {0.1, 10, 1}; });
  CHECK(all.size() == kept.size());
  CHECK(all.size() == 20);
}

TEST_CASE("many configs are remembered one after another without keeping them all") {
  const auto early = simdrope::get_rope(Config(16, 12345));
  REQUIRE(early.ok());
  for (int i = 0; i < 1000; ++i) Get(Config(16, 20000.0 + i));
  CHECK(early->info().theta == 12345);  // still alive through our own reference
  CHECK(Get(Config(16, 20999)) == Get(Config(16, 20999)));
}

TEST_CASE("from many threads at once") {
  const auto first = simdrope::get_rope(Config(32, 777));
  REQUIRE(first.ok());
  std::atomic<int> others{0}, failures{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        const auto same = simdrope::get_rope(Config(32, 777));
        const auto own = simdrope::get_rope(Config(32, 1000 + (t * 7 + i) % 20));
        failures += same.ok() && own.ok() ? 0 : 1;
        others += same.ok() && same->get() != first->get() ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(failures == 0);
  CHECK(others == 0);
}

TEST_CASE("a config that is not accepted is not remembered, nor does its list's length matter") {
  for (const int32_t count : {-1, 513, 100000, INT_MAX, INT_MIN}) {
    Config listed(16);
    listed.scaling.factor_count = count;  // not used without a scaling that lists
    const auto unused = simdrope::get_rope(listed);
    CHECK(unused.ok());
    listed.scaling.type = SIMDROPE_SCALING_LONGROPE;
    listed.scaling.original_max_position = 10;
    CHECK(simdrope::get_rope(listed).status().code() == SIMDROPE_INVALID_ARGUMENT);
  }
  CHECK(simdrope::get_rope(Config(-2)).status().code() == SIMDROPE_INVALID_ARGUMENT);
  simdrope_rope* rope = nullptr;
  CHECK(simdrope_get_rope(nullptr, &rope) == SIMDROPE_INVALID_ARGUMENT);
  const Config good(16);
  CHECK(simdrope_get_rope(&good, nullptr) == SIMDROPE_INVALID_ARGUMENT);
}

#if defined(__unix__)
namespace {

void AskAtExit() {
  simdrope_config config;
  simdrope_config_init(&config);
  config.head_dim = 64;
  simdrope_rope* rope = nullptr;
  if (simdrope_get_rope(&config, &rope) != SIMDROPE_OK) _exit(3);
  simdrope_rope_release(rope);
}

int StatusOfChild(pid_t child) {
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_CASE("ropes can be asked for while the process exits, and after a fork from a process with busy threads") {
  const pid_t exiting = fork();
  if (exiting == 0) {
    std::atexit(AskAtExit);
    AskAtExit();
    std::exit(0);
  }
  CHECK(StatusOfChild(exiting) == 0);

  std::atomic<bool> stop{false};
  std::thread busy([&] {
    while (!stop) AskAtExit();
  });
  for (int i = 0; i < 50; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);
      AskAtExit();
      _exit(0);
    }
    CHECK(StatusOfChild(child) == 0);
  }
  stop = true;
  busy.join();
}
#endif
