// What the runners time: groups of things done over the same data, to be compared with each other.
#ifndef SIMDROPE_BENCH_MEASUREMENT_H_
#define SIMDROPE_BENCH_MEASUREMENT_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace simdrope::bench {

struct Measurement {
  std::string name;  // GROUP/IMPL/threads:N
  std::string impl;
  std::function<void()> run;
};

// An implementation that gave wrong results, or could not be set up, and is not timed.
struct Failure {
  std::string name;
  std::string impl;
  std::string why;
};

struct OpenGroup {
  std::vector<Measurement> measurements;
  std::vector<Failure> failures;
  std::function<void()> refill;  // gives all data its first values; may be null
};

using Wanted = std::function<bool(const std::string& name)>;

struct Group {
  std::string name;
  int threads = 1;
  int64_t bytes = 0;                             // moved by one run; 0: not a matter of bytes
  std::vector<std::string> names;                // of all measurements that it may hold
  std::function<OpenGroup(const Wanted&)> open;  // may view what an earlier open made: one at a time
};

inline std::string FullName(const std::string& group, const std::string& impl, int threads) {
  return group + "/" + impl + "/threads:" + std::to_string(threads);
}

// The measurements of case `c` of a group, by every implementation that takes it and is wanted; `ready` readies one
// over the data of `stage`, which the group keeps, and says why it could not.
template <class Implementations, class Case, class Stage, class Ready>
OpenGroup OpenOf(const Implementations& implementations, const Case& c, const std::string& group, const Wanted& wanted,
                 const std::shared_ptr<Stage>& stage, const Ready& ready) {
  OpenGroup open;
  for (const auto& implementation : implementations) {
    const std::string impl = implementation->name();
    const std::string name = FullName(group, impl, c.threads);
    if (!implementation->Refuses(c).empty() || !wanted(name)) continue;
    const std::string problem = ready(*implementation);
    if (problem.empty()) {
      open.measurements.push_back({name, impl, [implementation = implementation.get()] { implementation->Run(); }});
    } else {
      open.failures.push_back({name, impl, problem});
    }
  }
  open.refill = [stage] { stage->Refill(); };
  return open;
}

}  // namespace simdrope::bench

#endif  // SIMDROPE_BENCH_MEASUREMENT_H_
