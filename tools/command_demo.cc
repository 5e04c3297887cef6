// simdrope demo: seeded Q and K of a layer's shape; rotated, checked, timed beside the roof.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "command.h"
#include "failure.h"
#include "names.h"
#include "progress.h"
#include "random.h"
#include "reference/job.h"
#include "roof.h"
#include "rope_arguments.h"
#include "targets.h"
#include "token_positions.h"

namespace simdrope::tool {
namespace {

constexpr int kMostHeads = 4096;
constexpr int kRounds = 31;
constexpr double kLeastSeconds = 2e-4;  // of one timing; a call is repeated to fill it

struct DemoArguments {
  bool json = false;
  RopeArguments rope;
  int64_t heads = 0, kv_heads = 0;
  int64_t tokens = 512, position = 0;
  uint64_t seed = 1;
  int threads = 0;

  void AddTo(CLI::App& app) {
    rope.AddTo(app);
    app.add_option("--heads", heads, "Heads of Q; default: as the config, or 32")->check(CLI::Range(1, kMostHeads));
    app.add_option("--kv-heads", kv_heads, "Heads of K; default: as the config, or 8")
        ->check(CLI::Range(1, kMostHeads));
    app.add_option("--tokens", tokens, "Tokens of the prompt; default 512")->check(CLI::Range(1, 1 << 20));
    app.add_option("--position", position, "Of the first token");
    app.add_option("--seed", seed, "Of the activations");
    app.add_option("--threads", threads, "0 (default): as many as pay")->check(CLI::Range(0, 1 << 16));
  }
};

struct Layer {
  Format format;
  int64_t tokens;
  std::vector<char> q_in, k_in, q_out, k_out;
  QKV in, out;

  Layer(Format type, int64_t seq, int64_t q_heads, int64_t k_heads, int64_t head_dim, Random& random)
      : format(type), tokens(seq) {
    const auto make = [&](int64_t heads, std::vector<char>& from, std::vector<char>& to, Tensor& source) {
      const int64_t count = seq * heads * head_dim;
      from.resize(static_cast<size_t>(count * size_of(type)));
      to.resize(from.size());
      for (int64_t i = 0; i < count; ++i) reference::Store(random.Normal(), type, from.data() + size_of(type, i));
      source = bshd(from.data(), type, 1, seq, heads, head_dim);
      return bshd(to.data(), type, 1, seq, heads, head_dim);
    };
    Tensor q, k;
    const Tensor q_rotated = make(q_heads, q_in, q_out, q);
    const Tensor k_rotated = make(k_heads, k_in, k_out, k);
    in = QKV(q, k);
    out = QKV(q_rotated, k_rotated);
  }
  double bytes() const { return 2.0 * static_cast<double>(q_in.size() + k_in.size()); }
};

class Stopwatch {
 public:
  template <class Body>
  explicit Stopwatch(Body body) {
    while (Once(body, repeats_) < kLeastSeconds) repeats_ *= 2;
  }
  template <class Body>
  void Time(Body body) {
    seconds_.push_back(Once(body, repeats_) / repeats_);
  }
  double Median() {
    std::nth_element(seconds_.begin(), seconds_.begin() + static_cast<long>(seconds_.size() / 2), seconds_.end());
    return seconds_[seconds_.size() / 2];
  }

 private:
  template <class Body>
  static double Once(Body body, int repeats) {
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < repeats; ++i) body();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  int repeats_ = 1;
  std::vector<double> seconds_;
};

struct Job {
  const char* name;
  int64_t position;  // of the first token
  int64_t tokens;
  std::vector<int> threads;  // each timed; 0: as many as pay
};

// Times `job` with each number of threads and the roof in turn, and compares what was rotated with the reference.
void RunJob(const Job& job, Format format, const DemoArguments& arguments, const RopeChoice& choice, const Rope& rope,
            Json& rows) {
  Random random(arguments.seed);
  Layer layer(format, job.tokens, choice.q_heads, choice.k_heads, choice.config.head_dim, random);
  const TokenPositions positions = TokenPositions::Parse(std::to_string(job.position));
  const CosSin cos_sin = Require(rope.cos_sin(positions.view(), 1, job.tokens));
  const auto rotate = [&](int threads) {
    Options options;
    options.threads = threads;
    Require(apply(cos_sin, layer.in, layer.out, options));
  };
  const auto roof = [&] {
    const auto size = static_cast<size_t>(size_of(format));
    ReadMultiplyWrite(layer.q_in.data(), layer.q_out.data(), layer.q_in.size(), size);
    ReadMultiplyWrite(layer.k_in.data(), layer.k_out.data(), layer.k_in.size(), size);
  };
  Stopwatch roof_watch(roof);
  std::vector<Stopwatch> watches;
  for (const int threads : job.threads) watches.emplace_back([&] { rotate(threads); });
  for (int round = 0; round < kRounds; ++round) {
    roof_watch.Time(roof);
    for (size_t i = 0; i < watches.size(); ++i) watches[i].Time([&] { rotate(job.threads[i]); });
  }

  const simdrope_rope_info info = rope.info();
  reference::Job wanted;
  wanted.in = layer.in;
  wanted.out = layer.out;
  wanted.window = reference::Window::Of(info);
  wanted.row = reference::RowsOfRope(choice.config, reference::FrequenciesOf(info), positions.view());
  const double roof_seconds = roof_watch.Median();
  for (size_t i = 0; i < watches.size(); ++i) {
    roof();  // overwrites what the call before had rotated
    rotate(job.threads[i]);
    reference::Comparison comparison;
    reference::CompareAll(wanted, &comparison);
    const double seconds = watches[i].Median();
    Json json = {{"job", job.name},
                 {"dtype", NameOf(kFormats, format)},
                 {"position", job.position},
                 {"tokens", job.tokens},
                 {"threads", job.threads[i]},
                 {"seconds", seconds},
                 {"gb_per_s", layer.bytes() / seconds * 1e-9},
                 {"roof_seconds", roof_seconds},
                 {"over_roof", seconds / roof_seconds},
                 {"over_one_thread", seconds / watches[0].Median()},
                 {"worst_ulp", comparison.worst_ulp},
                 {"bound_ulp", comparison.bound_ulp},
                 {"ok", comparison.ok()}};
    if (!comparison.ok()) json["wrong"] = comparison.first_wrong;
    rows.push_back(std::move(json));
  }
}

// What the machine was doing besides, where that may have slowed what was timed; "" if nothing much.
std::string OtherLoad() {
  double load = 0;
  const double cores = std::max(1u, std::thread::hardware_concurrency());
  if (getloadavg(&load, 1) != 1 || load < 0.75 * cores) return "";
  char text[96];
  std::snprintf(text, sizeof text, "other processes were using the cores, too (load average %.1f on %.0f cores)", load,
                cores);
  return text;
}

void PrintRow(const Json& row) {
  const int threads = row["threads"];
  std::printf("%-8s %-5s %7lld %8s %12.2f %12.2f %9.2fx  %.4f of %.4f: %s\n", row["job"].get<std::string>().c_str(),
              row["dtype"].get<std::string>().c_str(), row["tokens"].get<long long>(),
              threads == 0 ? "auto" : std::to_string(threads).c_str(), 1e6 * row["seconds"].get<double>(),
              1e6 * row["roof_seconds"].get<double>(), row["over_roof"].get<double>(), row["worst_ulp"].get<double>(),
              row["bound_ulp"].get<double>(), row["ok"] ? "ok" : "WRONG");
  if (!row["ok"]) std::printf("    %s\n", row["wrong"].get<std::string>().c_str());
}

// The last lines: whether that is good. Prefill counts: there the rotation's arithmetic and the conversion of 16-bit
// formats hide behind the memory, or nearly so. In decode they and the call itself do not.
void PrintVerdict(const Json& json) {
  constexpr double kGood = 2.0;     // times the roof, one thread
  constexpr double kSlower = 1.03;  // times one thread; less is within the noise of these timings
  double worst = 0, worst_threads = 0;
  for (const Json& row : json["jobs"]) {
    if (row["job"] != "prefill") continue;
    if (row["threads"] == 1) worst = std::max(worst, row["over_roof"].get<double>());
    worst_threads = std::max(worst_threads, row["over_one_thread"].get<double>());
  }
  const std::string load = OtherLoad();
  if (!json["ok"].get<bool>()) {
    std::printf("Not good: some results are outside their error bounds (WRONG above).\n");
  } else if (worst <= kGood) {
    std::printf("Good: all results are within their error bounds, and prefill takes at most %.2f times the roof.\n",
                worst);
  } else {
    std::printf(
        "All results are within their error bounds. Prefill takes up to %.2f times the roof, which is slow: below\n"
        "%.0f is what to expect of a quiet machine%s%s.\n",
        worst, kGood, load.empty() ? "" : "; ", load.c_str());
  }
  if (worst_threads > kSlower) {
    std::printf(
        "Automatic threads were slower than one somewhere: %s.\n",
        load.empty() ? "one core already moves what this memory, or the cores of a shared host, allow" : load.c_str());
  }
}

void PrintTable(const Json& json) {
  std::printf("%s layer: %d query heads and %d key heads of %d, %s pairs, theta %.10g, scaling %s\n",
              json["model_type"].get<std::string>().c_str(), json["heads"].get<int>(), json["kv_heads"].get<int>(),
              json["head_dim"].get<int>(), json["pairing"].get<std::string>().c_str(), json["theta"].get<double>(),
              json["scaling"].get<std::string>().c_str());
  std::printf("target %s, up to %d threads; medians of %d rounds, in each of which everything is timed in turn\n\n",
              json["target"].get<std::string>().c_str(), simdrope_max_threads(), kRounds);
  std::printf("%-8s %-5s %7s %8s %12s %12s %10s  %s\n", "job", "dtype", "tokens", "threads", "rotate us", "roof us",
              "over roof", "worst error (ULP)");
  for (const Json& row : json["jobs"]) PrintRow(row);
  std::printf(
      "\nThe roof is the time that one thread takes to read, multiply by one and write the same bytes, which no\n"
      "rotation can do without: 1.0x is as fast as that. Decode is one token, from the cache, its call included.\n");
  PrintVerdict(json);
}

int RunDemo(const DemoArguments& arguments) {
  RopeChoice choice = arguments.rope.Resolve();
  const Rope rope = Compile(choice.config, arguments.rope.config);
  if (arguments.heads != 0) choice.q_heads = static_cast<int>(arguments.heads);
  if (arguments.kv_heads != 0) choice.k_heads = static_cast<int>(arguments.kv_heads);
  if (choice.q_heads == 0) choice.q_heads = 32;
  if (choice.k_heads == 0) choice.k_heads = 8;
  if (choice.q_heads < 1 || choice.k_heads < 1 || choice.q_heads > kMostHeads || choice.k_heads > kMostHeads) {
    Fail("--heads and --kv-heads must be 1 to ", kMostHeads);
  }
  if (rope.info().axes > 1 || rope.info().scales_queries) Fail("the demo knows plain text models only");

  const int64_t first = arguments.position, tokens = arguments.tokens;
  std::vector<int> threads = {1};
  if (arguments.threads != 1 && simdrope_max_threads() > 1) threads.push_back(arguments.threads);
  const Job jobs[] = {{"decode", first + tokens, 1, {1}}, {"prefill", first, tokens, threads}};
  Json rows = Json::array();
  bool all_ok = true;
  {
    Progress progress("timing", static_cast<int64_t>(std::size(jobs) * std::size(kFormats)));
    for (const Named<Format>& format : kFormats) {
      for (const Job& job : jobs) {
        RunJob(job, format.value, arguments, choice, rope, rows);
        progress.Add(1);
      }
    }
  }
  for (const Json& row : rows) all_ok = all_ok && row["ok"].get<bool>();
  const Json json = {{"model_type", choice.model_type.empty() ? "unnamed" : choice.model_type},
                     {"heads", choice.q_heads},
                     {"kv_heads", choice.k_heads},
                     {"head_dim", choice.config.head_dim},
                     {"pairing", NameOf(kPairings, choice.config.pairing)},
                     {"theta", choice.config.theta},
                     {"scaling", NameOf(kScalings, choice.config.scaling.type)},
                     {"target", TargetInUse()},
                     {"ok", all_ok},
                     {"jobs", rows}};
  if (arguments.json) {
    Print(json);
  } else {
    PrintTable(json);
  }
  return all_ok ? 0 : 1;
}

}  // namespace

void AddDemo(CLI::App& app, int& exit_code) {
  AddCommand<DemoArguments>(
      app, exit_code, "demo",
      "Seeded Q and K of a layer's shape: rotated, checked, timed beside reading and writing alone", RunDemo);
}

}  // namespace simdrope::tool
