// simdrope check: every target that this CPU supports, against the double reference.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "command.h"
#include "failure.h"
#include "hostile.h"
#include "names.h"
#include "progress.h"
#include "random.h"
#include "reference/job.h"
#include "targets.h"
#include "token_positions.h"

namespace simdrope::tool {
namespace {

constexpr int64_t kHeads = 3;
constexpr const char* kBoundText =
    "With M = |x cos| + |y sin| of the pair and u = 2^-24, the bound is (1 + 2^-12) u M for cos and sin, which are "
    "within\n"
    "half an ULP and 2^-13, 2 u M for the two roundings of f32, and half an ULP of f16 or bf16 for the output's. "
    "Errors\n"
    "are counted in ULP of the output at M; 'of bound' is the error as part of its own bound. docs/numerics.md has "
    "more.";

struct CheckArguments {
  bool json = false;
  uint64_t seed = 1;

  void AddTo(CLI::App& app) { app.add_option("--seed", seed, "Of the inputs; default 1"); }
};

struct Row {
  std::string target;
  Format format;
  Pairing pairing;
  reference::Comparison comparison;
  bool in_place_agrees = true;
  bool ok() const { return comparison.ok() && in_place_agrees; }
};

class TargetLock {
 public:
  explicit TargetLock(const std::string& name) {
    Require(Status::of(simdrope_use_target(name.c_str())));
    if (TargetInUse() != name) Fail("target ", name, " was asked for, but ", TargetInUse(), " runs");
  }
  ~TargetLock() { (void)simdrope_use_target(nullptr); }
  TargetLock(const TargetLock&) = delete;
};

struct Buffer {
  std::vector<char> bytes;
  Tensor tensor;
  Buffer(Format format, int64_t seq, int head_dim)
      : bytes(static_cast<size_t>(seq * kHeads * head_dim * size_of(format))),
        tensor(bshd(bytes.data(), format, 1, seq, kHeads, head_dim)) {}
};

// FNV-1a of the values; all NaNs count as one.
uint64_t Fingerprint(uint64_t hash, const Buffer& buffer) {
  const Tensor& t = buffer.tensor;
  const int64_t count = t.batch * t.seq * t.heads * t.head_dim;
  for (int64_t i = 0; i < count; ++i) {
    const double value = reference::Load(buffer.bytes.data() + size_of(t.format, i), t.format);
    uint64_t bits = 0x7ff8;
    if (!std::isnan(value)) std::memcpy(&bits, &value, sizeof bits);
    hash = (hash ^ bits) * 0x100000001b3u;
  }
  return hash;
}

// Returns the fingerprint of all outputs.
uint64_t RunCases(Row& row, uint64_t seed) {
  Random random(seed);
  uint64_t fingerprint = 0xcbf29ce484222325u;
  const std::vector<int64_t>& ids = HostilePositions();
  const int64_t seq = static_cast<int64_t>(ids.size());
  const TokenPositions positions = TokenPositions::Of(ids);
  for (const HostileCase& hostile : HostileCases()) {
    Config config(hostile.head_dim, hostile.theta);
    config.rotary_dim = hostile.rotary_dim;
    config.rotary_offset = hostile.rotary_offset;
    config.pairing = row.pairing;
    const Rope rope = Require(Rope::create(config));
    Buffer in(row.format, seq, hostile.head_dim), out(row.format, seq, hostile.head_dim);
    Options options;
    options.inverse = hostile.inverse;
    reference::Job job;
    job.in = QKV(in.tensor);
    job.out = QKV(out.tensor);
    job.window = reference::Window::Of(rope.info());
    job.SetOptions(options);
    job.row = reference::RowsOfRope(config, reference::FrequenciesOf(rope.info()), positions.view());
    FillHostile(job, random);
    const CosSinView cos_sin = rope.stream(positions.view());
    Require(apply(cos_sin, job.in, job.out, options));
    reference::CompareAll(job, &row.comparison);
    fingerprint = Fingerprint(fingerprint, out);
    Require(apply(cos_sin, in.tensor, options));
    row.in_place_agrees = row.in_place_agrees && in.bytes == out.bytes;
  }
  return fingerprint;
}

Json ToJson(const Row& row) {
  Json json = {{"target", row.target},
               {"dtype", NameOf(kFormats, row.format)},
               {"pairing", NameOf(kPairings, row.pairing)},
               {"elements", row.comparison.elements},
               {"worst_ulp", row.comparison.worst_ulp},
               {"bound_ulp", row.comparison.bound_ulp},
               {"share_of_bound", row.comparison.worst_share},
               {"in_place_agrees", row.in_place_agrees},
               {"ok", row.ok()}};
  if (!row.comparison.ok()) json["wrong"] = row.comparison.first_wrong;
  return json;
}

void PrintTable(const std::vector<Row>& rows, bool fused_agree) {
  std::printf("%-12s %-5s %-12s %10s %10s %10s %8s  %s\n", "target", "dtype", "pairing", "elements", "worst ULP",
              "bound ULP", "of bound", "result");
  for (const Row& row : rows) {
    const reference::Comparison& c = row.comparison;
    std::printf("%-12s %-5s %-12s %10lld %10.5f %10.5f %7.1f%%  %s\n", row.target.c_str(), NameOf(kFormats, row.format),
                NameOf(kPairings, row.pairing), static_cast<long long>(c.elements), c.worst_ulp, c.bound_ulp,
                100 * std::min(c.worst_share, 99.99), row.ok() ? "ok" : "FAILED");
    if (!c.ok()) std::printf("    %s\n", c.first_wrong.c_str());
    if (!row.in_place_agrees) std::printf("    in place and out of place differ\n");
  }
  std::printf("\ntargets with fused multiply-add agree bit for bit: %s\n\n%s\n", fused_agree ? "yes" : "NO",
              kBoundText);
}

int RunCheck(const CheckArguments& arguments) {
  (void)TargetInUse();
  std::vector<simdrope_target> targets = Targets();
  targets.erase(std::remove_if(targets.begin(), targets.end(), [](const auto& t) { return !t.supported; }),
                targets.end());
  Progress progress("checking", static_cast<int64_t>(targets.size() * std::size(kFormats) * std::size(kPairings)));
  std::vector<Row> rows;
  std::map<std::pair<Format, Pairing>, uint64_t> fused_fingerprint;
  bool fused_agree = true, all_ok = true;
  for (const simdrope_target& target : targets) {
    const TargetLock lock(target.name);
    for (const Named<Format>& format : kFormats) {
      for (const Named<Pairing>& pairing : kPairings) {
        Row row{target.name, format.value, pairing.value, {}};
        const uint64_t fingerprint = RunCases(row, arguments.seed);
        if (target.fused) {
          const auto [first, is_new] = fused_fingerprint.insert({{format.value, pairing.value}, fingerprint});
          fused_agree = fused_agree && first->second == fingerprint;
        }
        all_ok = all_ok && row.ok();
        rows.push_back(std::move(row));
        progress.Add(1);
      }
    }
  }
  all_ok = all_ok && fused_agree && !rows.empty();
  if (arguments.json) {
    Json list = Json::array();
    for (const Row& row : rows) list.push_back(ToJson(row));
    Print({{"ok", all_ok}, {"fused_targets_agree", fused_agree}, {"bound", kBoundText}, {"rows", list}});
  } else {
    PrintTable(rows, fused_agree);
  }
  return all_ok ? 0 : 1;
}

}  // namespace

void AddCheck(CLI::App& app, int& exit_code) {
  AddCommand<CheckArguments>(
      app, exit_code, "check",
      "Every supported SIMD target x dtype x pairing against a double reference, on hostile inputs", RunCheck);
}

}  // namespace simdrope::tool
