#include <exception>
#include <map>
#include <memory>
#include <thread>

#include "groups.h"
#include "workloads.h"

namespace simdrope::bench {
namespace {

// Jobs of one workload and dtype share their buffers; only the latest pair is kept.
std::shared_ptr<Stage> StageOf(const Workload& workload, Dtype dtype) {
  static std::shared_ptr<Stage> latest;
  if (latest == nullptr || latest->workload().name != workload.name || latest->dtype() != dtype) {
    latest.reset();
    latest = std::make_shared<Stage>(workload, dtype);
  }
  return latest;
}

// "" if `peer` is ready to be timed on `job`.
std::string ReadyOrWhyNot(Peer& peer, const Job& job, Stage& stage) {
  try {
    peer.Prepare(job);
    stage.Refill();
    peer.Run();
  } catch (const std::exception& error) {
    return error.what();
  }
  return peer.rotates() ? Check(job, stage.activations(), peer.accuracy(job.c)) : "";
}

OpenGroup Open(const Peers& peers, const Case& c, const Wanted& wanted) {
  const std::string group = GroupName(c);
  std::shared_ptr<Stage> stage = StageOf(c.workload, c.dtype);
  const Job job = stage->MakeJob(c.pairing, c.mode, c.threads);
  OpenGroup open;
  for (const auto& peer : peers) {
    const std::string impl = peer->name();
    const std::string name = FullName(group, impl, c.threads);
    if (!peer->Refuses(c).empty() || !wanted(name)) continue;
    const std::string problem = ReadyOrWhyNot(*peer, job, *stage);
    if (problem.empty()) {
      open.measurements.push_back({name, impl, [peer = peer.get()] { peer->Run(); }});
    } else {
      open.failures.push_back({name, impl, problem});
    }
  }
  open.refill = [stage] { stage->Refill(); };
  return open;
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

std::vector<Group> ApplyGroups(const Peers& peers, Size size) {
  std::vector<Group> groups;
  for (const Case& c : CasesOf(size)) {
    Group group;
    group.name = GroupName(c);
    group.threads = c.threads;
    group.bytes = c.bytes_moved();
    for (const auto& peer : peers) {
      if (peer->Refuses(c).empty()) group.names.push_back(FullName(group.name, peer->name(), c.threads));
    }
    group.open = [&peers, c](const Wanted& wanted) { return Open(peers, c, wanted); };
    groups.push_back(std::move(group));
  }
  return groups;
}

std::vector<std::string> LeftOut(const Peers& peers) {
  std::vector<std::string> lines;
  for (const auto& peer : peers) {
    if (!peer->rotates()) continue;
    std::map<std::string, int> cases_by_reason;
    int all = 0;
    for (const Case& c : CasesOf(Size::kReal)) {
      ++all;
      const std::string reason = peer->Refuses(c);
      if (!reason.empty()) ++cases_by_reason[reason];
    }
    for (const auto& [reason, cases] : cases_by_reason) {
      lines.push_back(peer->name() + ": " + reason + " (" + std::to_string(cases) + " of " + std::to_string(all) +
                      " cases)");
    }
  }
  return lines;
}

}  // namespace simdrope::bench
