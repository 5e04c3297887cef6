#include <exception>
#include <map>
#include <memory>
#include <thread>

#include "groups.h"
#include "workloads.h"

namespace simdrope::bench {
namespace {

// Jobs of one workload and format share their buffers; only the latest pair is kept.
std::shared_ptr<Stage> StageOf(const Workload& workload, Format format) {
  static std::shared_ptr<Stage> latest;
  if (latest == nullptr || latest->workload().name != workload.name || latest->format() != format) {
    latest.reset();
    latest = std::make_shared<Stage>(workload, format);
  }
  return latest;
}

// "" if `implementation` is ready to be timed on `job`.
std::string ReadyOrWhyNot(Implementation& implementation, const Job& job, Stage& stage) {
  try {
    implementation.Prepare(job);
    stage.Refill();
    implementation.Run();
  } catch (const std::exception& error) {
    return error.what();
  }
  return implementation.rotates() ? Check(job, stage.activations(), implementation.accuracy(job.c)) : "";
}

OpenGroup Open(const Implementations& implementations, const Case& c, const Wanted& wanted) {
  const std::string group = GroupName(c);
  std::shared_ptr<Stage> stage = StageOf(c.workload, c.format);
  const Job job = stage->MakeJob(c.pairing, c.mode, c.threads);
  return OpenOf(implementations, c, group, wanted, stage,
                [&](auto& implementation) { return ReadyOrWhyNot(implementation, job, *stage); });
}

std::vector<Case> CasesOf(Size size) {
  const int all_threads = std::max(1u, std::thread::hardware_concurrency());
  std::vector<Case> cases = Cases(size == Size::kReal ? all_threads : 2);
  if (size == Size::kSmoke) {
    for (Case& c : cases) c.workload = Shrunk(c.workload);
  }
  return cases;
}

}  // namespace

std::vector<Group> ApplyGroups(const Implementations& implementations, Size size) {
  std::vector<Group> groups;
  for (const Case& c : CasesOf(size)) {
    Group group;
    group.name = GroupName(c);
    group.threads = c.threads;
    group.bytes = c.bytes_moved();
    for (const auto& implementation : implementations) {
      if (implementation->Refuses(c).empty())
        group.names.push_back(FullName(group.name, implementation->name(), c.threads));
    }
    group.open = [&implementations, c](const Wanted& wanted) { return Open(implementations, c, wanted); };
    groups.push_back(std::move(group));
  }
  return groups;
}

std::vector<std::string> LeftOut(const Implementations& implementations) {
  std::vector<std::string> lines;
  for (const auto& implementation : implementations) {
    if (!implementation->rotates()) continue;
    std::map<std::string, int> cases_by_reason;
    int all = 0;
    for (const Case& c : CasesOf(Size::kReal)) {
      ++all;
      const std::string reason = implementation->Refuses(c);
      if (!reason.empty()) ++cases_by_reason[reason];
    }
    for (const auto& [reason, cases] : cases_by_reason) {
      lines.push_back(implementation->name() + ": " + reason + " (" + std::to_string(cases) + " of " +
                      std::to_string(all) + " cases)");
    }
  }
  return lines;
}

}  // namespace simdrope::bench
