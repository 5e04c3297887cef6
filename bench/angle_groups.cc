// Rows of cos and sin: simdrope's, against libm's functions and against building a dense table once
// for all positions, as caches of cos and sin do. And the making of a Rope.
#include <cmath>
#include <memory>
#include <stdexcept>
#include <vector>

#include "groups.h"

namespace simdrope::bench {
namespace {

constexpr int kHeadDim = 128;
constexpr double kTheta = 5e5;
constexpr int64_t kFirstPosition = 4000;

struct Rows {
  Rows(int64_t count_, int64_t pairs_) : count(count_), pairs(pairs_), cos(count * pairs), sin(count * pairs) {
    const Workload w{"", 1, count, 1, 0, 2 * pairs, 2 * pairs, 0, kTheta, 0, 0, Layout::kBSHD};
    for (int64_t i = 0; i < pairs; ++i) inv_freq.push_back(InvFreq(w, i));
    inv_freq_float.assign(inv_freq.begin(), inv_freq.end());
  }
  int64_t count;
  int64_t pairs;
  std::vector<float> cos;
  std::vector<float> sin;
  std::vector<double> inv_freq;
  std::vector<float> inv_freq_float;
};

void LibmFloat(Rows& rows) {
  for (int64_t r = 0; r < rows.count; ++r) {
    const float position = static_cast<float>(kFirstPosition + r);
    for (int64_t i = 0; i < rows.pairs; ++i) {
      const float angle = position * rows.inv_freq_float[i];
      rows.cos[r * rows.pairs + i] = std::cos(angle);
      rows.sin[r * rows.pairs + i] = std::sin(angle);
    }
  }
}

// As exact as simdrope at these positions.
void LibmDouble(Rows& rows) {
  for (int64_t r = 0; r < rows.count; ++r) {
    const double position = static_cast<double>(kFirstPosition + r);
    for (int64_t i = 0; i < rows.pairs; ++i) {
      const double angle = position * rows.inv_freq[i];
      rows.cos[r * rows.pairs + i] = static_cast<float>(std::cos(angle));
      rows.sin[r * rows.pairs + i] = static_cast<float>(std::sin(angle));
    }
  }
}

std::string LargestError(const Rows& rows, const Rows& exact, double allowed) {
  double worst = 0;
  for (size_t i = 0; i < exact.cos.size(); ++i) {
    worst = std::fmax(worst, std::fabs(double{rows.cos[i]} - exact.cos[i]));
    worst = std::fmax(worst, std::fabs(double{rows.sin[i]} - exact.sin[i]));
  }
  return worst <= allowed ? "" : "error " + std::to_string(worst) + " against libm in double";
}

class Computed {
 public:
  Computed(Rows& rows, simdrope_precision precision) : rows_(&rows), positions_(kFirstPosition) {
    Config config(static_cast<int>(2 * rows.pairs), kTheta);
    config.precision = precision;
    Result<Rope> rope = Rope::create(config);
    if (!rope.ok()) throw std::runtime_error(rope.status().message());
    rope_ = std::move(*rope);
    output_.table = Table(rows.cos.data(), rows.sin.data(), rows.count, static_cast<int>(rows.pairs));
    options_.threads = 1;
  }
  simdrope_status Run() const {
    return simdrope_compute_cos_sin(rope_.get(), &positions_, 1, rows_->count, &output_, &options_);
  }

 private:
  Rows* rows_;
  Rope rope_;
  Positions positions_;
  CosSinOutput output_;
  Options options_;
};

OpenGroup OpenRows(const std::string& group, int64_t count, int64_t pairs, const Wanted& wanted) {
  OpenGroup open;
  auto exact = std::make_shared<Rows>(count, pairs);
  LibmDouble(*exact);
  const auto add = [&](const std::string& impl, double allowed, const std::shared_ptr<Rows>& rows,
                       std::function<void()> run) {
    const std::string name = FullName(group, impl, 1);
    if (!wanted(name)) return;
    run();
    const std::string wrong = LargestError(*rows, *exact, allowed);
    if (wrong.empty()) {
      open.measurements.push_back({name, impl, std::move(run)});
    } else {
      open.failures.push_back({name, impl, wrong});
    }
  };
  // A float angle at position p is off by p * 2^-24 at most, twice: inv_freq and the product are rounded.
  const double float_angle = static_cast<double>(kFirstPosition + count) * 0x1p-23 + 0x1p-23;
  for (const bool is_exact : {true, false}) {
    const std::string impl = is_exact ? "simdrope" : "simdrope-float32";
    try {
      auto rows = std::make_shared<Rows>(count, pairs);
      auto computed =
          std::make_shared<Computed>(*rows, is_exact ? SIMDROPE_PRECISION_EXACT : SIMDROPE_PRECISION_FLOAT32);
      add(impl, is_exact ? 0x1p-23 : float_angle, rows, [rows, computed] { (void)computed->Run(); });
    } catch (const std::exception& error) {
      open.failures.push_back({FullName(group, impl, 1), impl, error.what()});
    }
  }
  auto rows = std::make_shared<Rows>(count, pairs);
  add("libm", float_angle, rows, [rows] { LibmFloat(*rows); });
  add("libm-double", 0, rows, [rows] { LibmDouble(*rows); });
  return open;
}

// count rows: of one token, of one step, and of a model's whole context.
Group RowsGroup(const std::string& kind, int64_t count, int64_t pairs) {
  Group group;
  group.name = "cos_sin/" + kind + "-" + std::to_string(count) + "/" + std::to_string(pairs);
  for (const char* impl : {"simdrope", "simdrope-float32", "libm", "libm-double"}) {
    group.names.push_back(FullName(group.name, impl, 1));
  }
  group.open = [name = group.name, count, pairs](const Wanted& wanted) { return OpenRows(name, count, pairs, wanted); };
  return group;
}

Group CreateGroup() {
  Group group;
  group.name = "rope/create";
  for (const char* impl : {"default", "llama3"}) group.names.push_back(FullName(group.name, impl, 1));
  group.open = [name = group.name](const Wanted& wanted) {
    OpenGroup open;
    for (const std::string impl : {"default", "llama3"}) {
      if (!wanted(FullName(name, impl, 1))) continue;
      auto config = std::make_shared<Config>(kHeadDim, kTheta);
      if (impl == "llama3") {
        config->scaling.type = SIMDROPE_SCALING_LLAMA3;
        config->scaling.factor = 8;
        config->scaling.low_freq_factor = 1;
        config->scaling.high_freq_factor = 4;
        config->scaling.original_max_position = 8192;
      }
      const Result<Rope> trial = Rope::create(*config);
      if (!trial.ok()) {
        open.failures.push_back({FullName(name, impl, 1), impl, trial.status().message()});
        continue;
      }
      open.measurements.push_back({FullName(name, impl, 1), impl, [config] { (void)Rope::create(*config); }});
    }
    return open;
  };
  return group;
}

}  // namespace

std::vector<Group> AngleGroups(Size size) {
  const bool real = size == Size::kReal;
  return {RowsGroup("row", 1, 64), RowsGroup("rows", real ? 2048 : 16, 64), RowsGroup("rows", real ? 2048 : 16, 32),
          RowsGroup("table", real ? 131072 : 64, 64), CreateGroup()};
}

}  // namespace simdrope::bench
