#include "rounds.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <map>
#include <random>
#include <thread>

#include "roofs.h"

namespace simdrope::bench {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsOf(const std::function<void()>& run, int64_t calls) {
  const Clock::time_point start = Clock::now();
  for (int64_t i = 0; i < calls; ++i) run();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Of this thread; stands still while others have the CPU.
double CpuSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// How many calls fill a turn, and how long it lasts.
struct Turn {
  int64_t calls;
  double seconds;
};
Turn Calibrate(const Measurement& m, double turn_s) {
  for (Turn turn{1, 0};; turn.calls *= 4) {
    turn.seconds = SecondsOf(m.run, turn.calls);
    if (turn.seconds < turn_s / 4) continue;
    const double one = turn.seconds / static_cast<double>(turn.calls);
    turn.calls = std::max<int64_t>(1, static_cast<int64_t>(turn_s / one));
    turn.seconds = one * static_cast<double>(turn.calls);
    return turn;
  }
}

double Quantile(const std::vector<double>& sorted, double q) {
  const double at = q * static_cast<double>(sorted.size() - 1);
  const size_t below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

struct Member {
  const Measurement* measurement;
  int64_t calls;
  int rounds;
  std::vector<double> samples;
  std::vector<double> cpu_samples;
};

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return Quantile(values, 0.5);
}

// Samples of both are in the order of rounds.
double OverSimdrope(const Member& member, const std::vector<Member>& members) {
  for (const Member& own : members) {
    if (own.measurement->impl != "simdrope") continue;
    std::vector<double> ratios;
    for (size_t i = 0; i < std::min(member.samples.size(), own.samples.size()); ++i) {
      ratios.push_back(member.samples[i] / own.samples[i]);
    }
    return Median(ratios);
  }
  return 0;
}

void AddRoofs(const Group& group, std::vector<Timing>& timings) {
  std::map<std::string, Timing> families;
  for (const Timing& timing : timings) {
    const std::string family = RoofFamily(timing.impl);
    if (family.empty()) continue;
    const auto found = families.find(family);
    if (found != families.end() && found->second.median <= timing.median) continue;
    Timing best = timing;
    best.name = FullName(group.name, family, group.threads);
    best.label = timing.impl;
    best.impl = family;
    families[family] = best;
  }
  for (auto& [family, timing] : families) timings.push_back(timing);
}

}  // namespace

std::vector<Timing> TimeInterleaved(const Group& group, const OpenGroup& open, const RoundsOptions& options) {
  const double turn_s = options.turn_ms / 1000;
  // Threads of the member before may still be spinning.
  const auto settle = [&] {
    if (group.threads > 1) std::this_thread::sleep_for(std::chrono::milliseconds(3));
  };
  constexpr int64_t kSmall = int64_t{8} << 20;
  const bool refill = open.refill != nullptr && group.bytes <= kSmall;

  if (open.refill != nullptr) open.refill();
  std::vector<Member> members;
  int rounds = 0;
  for (const Measurement& measurement : open.measurements) {
    settle();
    const Turn turn = Calibrate(measurement, turn_s);
    // Each turn begins with an untimed call.
    const double spent = turn.seconds * (1 + 1.0 / static_cast<double>(turn.calls));
    const int affordable = std::max(3, static_cast<int>(options.member_limit_s / spent));
    members.push_back({&measurement, turn.calls, std::min(options.rounds, affordable), {}, {}});
    rounds = std::max(rounds, members.back().rounds);
  }

  std::mt19937 random(1);
  std::vector<Member*> order;
  order.reserve(members.size());
  for (Member& member : members) order.push_back(&member);
  for (int round = 0; round < rounds; ++round) {
    std::shuffle(order.begin(), order.end(), random);
    for (Member* member : order) {
      if (round >= member->rounds) continue;
      if (refill) open.refill();
      settle();
      const auto& run = member->measurement->run;
      run();
      const double cpu_start = CpuSeconds();
      member->samples.push_back(SecondsOf(run, member->calls) / static_cast<double>(member->calls));
      member->cpu_samples.push_back((CpuSeconds() - cpu_start) / static_cast<double>(member->calls));
    }
  }

  std::vector<Timing> timings;
  for (const Member& member : members) {
    std::vector<double> sorted = member.samples;
    std::sort(sorted.begin(), sorted.end());
    timings.push_back({member.measurement->name, member.measurement->impl, Quantile(sorted, 0.5),
                       Median(member.cpu_samples), sorted.front(), Quantile(sorted, 0.25), Quantile(sorted, 0.75),
                       static_cast<int>(sorted.size()), OverSimdrope(member, members), ""});
  }
  AddRoofs(group, timings);
  return timings;
}

void PrintTable(const Group& group, const std::vector<Timing>& timings) {
  double roof = 0;
  for (const Timing& timing : timings) {
    if (timing.impl == "roof") roof = timing.median;
  }
  std::printf("%s threads:%d\n", group.name.c_str(), group.threads);
  for (const Timing& timing : timings) {
    if (timing.impl.find('.') != std::string::npos) continue;  // a roof's variant
    std::printf("  %-20s %12.3f us", timing.impl.c_str(), timing.median * 1e6);
    if (group.bytes != 0) std::printf("  %7.1f GB/s", static_cast<double>(group.bytes) / timing.median * 1e-9);
    if (roof != 0) std::printf("  roof/this %.2f", roof / timing.median);
    std::printf("  %s\n", timing.label.c_str());
  }
  std::fflush(stdout);
}

std::vector<benchmark::BenchmarkReporter::Run> ToRuns(const Group& group, const std::vector<Timing>& timings) {
  std::vector<benchmark::BenchmarkReporter::Run> runs;
  for (const Timing& timing : timings) {
    benchmark::BenchmarkReporter::Run run;
    run.run_name.function_name = timing.name;
    run.family_index = 0;
    run.per_family_instance_index = 0;
    run.run_type = benchmark::BenchmarkReporter::Run::RT_Aggregate;
    run.aggregate_name = "median";
    run.report_label = timing.label;
    run.iterations = timing.rounds;
    run.threads = group.threads;
    run.repetition_index = 0;
    run.repetitions = timing.rounds;
    run.time_unit = benchmark::kNanosecond;
    run.real_accumulated_time = timing.median * timing.rounds;
    run.cpu_accumulated_time = timing.cpu_median * timing.rounds;
    run.statistics = nullptr;
    run.counters["fastest_ns"] = timing.fastest * 1e9;
    run.counters["lower_quartile_ns"] = timing.lower_quartile * 1e9;
    run.counters["upper_quartile_ns"] = timing.upper_quartile * 1e9;
    run.counters["rounds"] = timing.rounds;
    if (timing.over_simdrope != 0) run.counters["over_simdrope"] = timing.over_simdrope;
    if (group.bytes != 0) {
      run.counters["bytes"] = static_cast<double>(group.bytes);
      run.counters["bytes_per_second"] = static_cast<double>(group.bytes) / timing.median;
    }
    runs.push_back(run);
  }
  return runs;
}

}  // namespace simdrope::bench
