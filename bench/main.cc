// simdrope_bench. Without flags of its own it is a Google Benchmark program. With --rounds=N it times each
// group in N interleaved rounds, and writes the same JSON; that is what tools/dev/compare-peers runs. With
// --count, under callgrind, it has the instructions of one call of each measurement dumped. With --smoke it
// runs everything once, small.
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <regex>
#include <set>

#ifdef HAVE_CALLGRIND
#include <valgrind/callgrind.h>
#endif

#include "groups.h"
#include "rounds.h"

namespace simdrope::bench {
namespace {

struct Flags {
  bool smoke = false;
  bool count = false;
  bool list_left_out = false;
  int rounds = 0;
  double turn_ms = 5;
  std::string filter;
  std::string out;
};

// The number that all of `text` is; ends the program where it is none.
double NumberOf(const std::string& flag, const std::string& text) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !(number >= 0) || number > 1e6) {
    std::fprintf(stderr, "simdrope_bench: %s: no number: %s\n", flag.c_str(), text.c_str());
    std::exit(2);
  }
  return number;
}

bool TakeValue(const std::string& argument, const std::string& flag, std::string* value) {
  if (argument.rfind(flag + "=", 0) != 0) return false;
  *value = argument.substr(flag.size() + 1);
  return true;
}

// Takes this program's own flags out of argv, and notes those of Google Benchmark that both modes know.
Flags ParseFlags(int* argc, char** argv) {
  Flags flags;
  int kept = 1;
  for (int i = 1; i < *argc; ++i) {
    const std::string argument = argv[i];
    std::string value;
    if (argument == "--smoke") {
      flags.smoke = true;
    } else if (argument == "--count") {
      flags.count = true;
    } else if (argument == "--left-out") {
      flags.list_left_out = true;
    } else if (TakeValue(argument, "--rounds", &value)) {
      flags.rounds = static_cast<int>(NumberOf("--rounds", value));
    } else if (TakeValue(argument, "--turn-ms", &value)) {
      flags.turn_ms = NumberOf("--turn-ms", value);
    } else {
      TakeValue(argument, "--benchmark_filter", &flags.filter);
      TakeValue(argument, "--benchmark_out", &flags.out);
      argv[kept++] = argv[i];
    }
  }
  *argc = kept;
  return flags;
}

Wanted WantedBy(const std::string& filter) {
  if (filter.empty() || filter == "all") return [](const std::string&) { return true; };
  const bool negated = filter[0] == '-';
  const std::regex regex(negated ? filter.substr(1) : filter);
  return [=](const std::string& name) { return std::regex_search(name, regex) != negated; };
}

bool AnyWanted(const Group& group, const Wanted& wanted) {
  for (const std::string& name : group.names) {
    if (wanted(name)) return true;
  }
  return false;
}

// Says what went wrong; true if it is simdrope that did.
bool Report(const std::vector<Failure>& failures) {
  bool own = false;
  for (const Failure& failure : failures) {
    std::fprintf(stderr, "not timed: %s: %s\n", failure.name.c_str(), failure.why.c_str());
    own |= failure.impl.rfind("simdrope", 0) == 0;
  }
  return own;
}

int RunSmoke(const std::vector<Group>& groups, const Wanted& wanted) {
  size_t runs = 0, failures = 0;
  for (const Group& group : groups) {
    if (!AnyWanted(group, wanted)) continue;
    const OpenGroup open = group.open(wanted);
    for (const Measurement& measurement : open.measurements) measurement.run();
    runs += open.measurements.size();
    failures += open.failures.size();
    Report(open.failures);
  }
  std::printf("ran %zu benchmarks once; %zu failed\n", runs, failures);
  return failures == 0 && runs != 0 ? 0 : 1;
}

// Each dump's description is the measurement's name; the smallest of its dumps counts.
int RunCount([[maybe_unused]] const std::vector<Group>& groups, [[maybe_unused]] const Wanted& wanted) {
#ifdef HAVE_CALLGRIND
  for (const Group& group : groups) {
    if (!AnyWanted(group, wanted)) continue;
    const OpenGroup open = group.open(wanted);
    Report(open.failures);
    for (const Measurement& measurement : open.measurements) {
      measurement.run();
      // What happens once only, or on other threads, is not in all of three.
      for (int repetition = 0; repetition < 3; ++repetition) {
        CALLGRIND_ZERO_STATS;
        measurement.run();
        CALLGRIND_DUMP_STATS_AT(measurement.name.c_str());
      }
    }
  }
  return 0;
#else
  std::fprintf(stderr, "built without valgrind/callgrind.h\n");
  return 2;
#endif
}

int RunRounds(const std::vector<Group>& groups, const Wanted& wanted, const Flags& flags) {
  RoundsOptions options;
  options.rounds = flags.rounds;
  options.turn_ms = flags.turn_ms;
  std::ofstream file;
  benchmark::JSONReporter json;
  if (!flags.out.empty()) {
    file.open(flags.out);
    if (!file) {
      std::fprintf(stderr, "cannot write %s\n", flags.out.c_str());
      return 2;
    }
    json.SetOutputStream(&file);
    json.ReportContext(benchmark::BenchmarkReporter::Context());
  }
  bool own_failure = false;
  for (const Group& group : groups) {
    if (!AnyWanted(group, wanted)) continue;
    const OpenGroup open = group.open(wanted);
    own_failure |= Report(open.failures);
    if (open.measurements.empty()) continue;
    const std::vector<Timing> timings = TimeInterleaved(group, open, options);
    PrintTable(group, timings);
    if (file.is_open()) json.ReportRuns(ToRuns(group, timings));
  }
  if (file.is_open()) json.Finalize();
  return own_failure ? 1 : 0;
}

// The group that Google Benchmark is in; opened at the first of its benchmarks.
const OpenGroup& Opened(const Group& group, const Wanted& wanted) {
  static const Group* current = nullptr;
  static OpenGroup open;
  if (current != &group) {
    open = OpenGroup();
    open = group.open(wanted);
    current = &group;
    Report(open.failures);
    if (open.refill != nullptr) open.refill();
  }
  return open;
}

void Register(const std::vector<Group>& groups, const Wanted& wanted) {
  for (const Group& group : groups) {
    for (const std::string& name : group.names) {
      benchmark::RegisterBenchmark(name.c_str(), [&group, name, wanted](benchmark::State& state) {
        for (const Measurement& measurement : Opened(group, wanted).measurements) {
          if (measurement.name != name) continue;
          for (auto _ : state) measurement.run();
          state.SetBytesProcessed(state.iterations() * group.bytes);
          return;
        }
        state.SkipWithError("not timed; see above");
      });
    }
  }
}

void AddContext(const Implementations& implementations) {
  benchmark::AddCustomContext("simdrope_version", simdrope_version());
  benchmark::AddCustomContext("simdrope_target", simdrope_target_in_use());
  std::set<std::string> seen;
  for (const auto& implementation : implementations) {
    const std::string version = implementation->version();
    if (!version.empty() && seen.insert(version).second)
      benchmark::AddCustomContext("implementation_" + implementation->name(), version);
  }
  for (const Absent& absent : AbsentImplementations())
    benchmark::AddCustomContext("absent_" + absent.name, absent.reason);
  size_t number = 0;
  for (const std::string& line : LeftOut(implementations)) {
    benchmark::AddCustomContext("left_out_" + std::to_string(number++), line);
  }
}

int Main(int argc, char** argv) {
  const Flags flags = ParseFlags(&argc, argv);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;

  const Implementations implementations = AllImplementations();
  for (const Absent& absent : AbsentImplementations()) {
    std::fprintf(stderr, "left out: %s: %s\n", absent.name.c_str(), absent.reason.c_str());
  }
  if (flags.list_left_out) {
    for (const std::string& line : LeftOut(implementations)) std::printf("%s\n", line.c_str());
    return 0;
  }
  const Size size = flags.smoke ? Size::kSmoke : Size::kReal;
  std::vector<Group> groups = ApplyGroups(implementations, size);
  for (Group& group : ChainGroups(size)) groups.push_back(std::move(group));
  for (Group& group : AngleGroups(size)) groups.push_back(std::move(group));
  const Wanted wanted = WantedBy(flags.filter);

  if (flags.smoke) return RunSmoke(groups, wanted);
  if (flags.count) return RunCount(groups, wanted);
  AddContext(implementations);
  if (flags.rounds > 0) return RunRounds(groups, wanted, flags);
  Register(groups, wanted);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}

}  // namespace
}  // namespace simdrope::bench

int main(int argc, char** argv) try { return simdrope::bench::Main(argc, argv); } catch (const std::exception& error) {
  std::fprintf(stderr, "simdrope_bench: %s\n", error.what());
  return 1;
}
