// torchtune's sums over a large rotation, its input drawn anew as torch.randn draws it on a CPU.
#include <algorithm>
#include <cmath>
#include <random>

#include "case.h"
#include "support/random.h"

namespace conformance {
namespace {

struct Aggregate {
  double sum = 0;
  double max = -INFINITY;
  int64_t count = 0;

  void Add(const float* values, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
      sum += static_cast<double>(values[i]);
      max = std::fmax(max, static_cast<double>(values[i]));
    }
    count += n;
  }
};

// torch.randn after manual_seed(seed), for sizes that are multiples of 16: MT19937, uniforms of 24 bits,
// Box-Muller in blocks of 16, the first eight uniforms for the radii and the others for the angles.
class TorchNormal {
 public:
  explicit TorchNormal(uint32_t seed) : engine_(seed) {}

  void Fill(float* values, int64_t count) {
    for (int64_t at = 0; at < count; at += 16) {
      float* block = values + at;
      for (int i = 0; i < 16; ++i) block[i] = static_cast<float>(engine_() & 0xffffffu) * 0x1p-24f;
      for (int i = 0; i < 8; ++i) {
        const float radius = std::sqrt(-2 * std::log(1 - block[i]));
        const float angle = 6.2831853071795864f * block[i + 8];
        block[i] = radius * std::cos(angle);
        block[i + 8] = radius * std::sin(angle);
      }
    }
  }

 private:
  std::mt19937 engine_;
};

// assert_expected's relative tolerance of 1e-5, and 1e-4 absolute for the mean.
Outcome Compare(const Case& c, const Aggregate& got) {
  const Json& expected = c.json().at("expected_aggregate");
  const struct {
    const char* name;
    double got, expected, tolerance;
  } checks[] = {
      {"sum", got.sum, expected.at("sum"), 1e-5 * std::fabs(expected.at("sum").get<double>())},
      {"mean", got.sum / static_cast<double>(got.count), expected.at("mean"), 1e-4},
      {"max", got.max, expected.at("max"), 1e-5 * expected.at("max").get<double>()},
  };
  Outcome outcome;
  for (const auto& check : checks) {
    char text[96];
    std::snprintf(text, sizeof(text), "%s %.9g, expected %.9g; ", check.name, check.got, check.expected);
    outcome.note += text;
    if (std::fabs(check.got - check.expected) <= check.tolerance) continue;
    outcome.passed = false;
    outcome.what += text;
  }
  return outcome;
}

Outcome RunRotation(const Case& c, const Json& spec) {
  if (testing::IsQuick()) return Outcome::Skip("33.5 million elements are left out with SIMDROPE_QUICK");
  const std::vector<int64_t> shape = spec.at("input_shape_BSNH");
  simdrope::Config config(static_cast<int>(shape[3]), spec.at("theta"));
  config.pairing = spec.at("interleaved").get<bool>() ? simdrope::interleaved : simdrope::half;
  config.rotary_dim = spec.at("rotary_dim");
  config.precision = SIMDROPE_PRECISION_FLOAT32;
  const auto rope = simdrope::Rope::create(config);
  if (!rope) return Outcome::Fail(rope.status().message());
  TorchNormal normal(0);
  std::vector<float> x(static_cast<size_t>(shape[1] * shape[2] * shape[3]));
  Aggregate aggregate;
  for (int64_t b = 0; b < shape[0]; ++b) {
    normal.Fill(x.data(), static_cast<int64_t>(x.size()));
    const auto status = simdrope::apply(rope->stream(), simdrope::bshd(x.data(), 1, shape[1], shape[2], shape[3]));
    if (!status) return Outcome::Fail(status.message());
    aggregate.Add(x.data(), static_cast<int64_t>(x.size()));
  }
  return Compare(c, aggregate);
}

Outcome RunCache(const Case& c, const Json& spec) {
  simdrope::Config config(spec.at("head_dim"), spec.at("theta"));
  const Json& llama3 = spec.at("llama3");
  config.scaling.type = SIMDROPE_SCALING_LLAMA3;
  config.scaling.factor = llama3.at("factor");
  config.scaling.low_freq_factor = llama3.at("low_freq_factor");
  config.scaling.high_freq_factor = llama3.at("high_freq_factor");
  config.scaling.original_max_position = llama3.at("original_max_position_embeddings");
  config.precision = SIMDROPE_PRECISION_FLOAT32;
  const auto rope = simdrope::Rope::create(config);
  if (!rope) return Outcome::Fail(rope.status().message());
  const std::vector<int64_t> shape = spec.at("cache_shape");
  const auto rows = rope->cos_sin(simdrope::Positions(), 1, shape[0]);
  if (!rows) return Outcome::Fail(rows.status().message());
  Aggregate aggregate;
  aggregate.Add(static_cast<const float*>(rows->view().table.cos), shape[0] * shape[1]);
  aggregate.Add(static_cast<const float*>(rows->view().table.sin), shape[0] * shape[1]);
  return Compare(c, aggregate);
}

}  // namespace

Outcome RunAggregate(const Case& c) {
  const Json& spec = c.json().at("spec");
  return spec.contains("cache_shape") ? RunCache(c, spec) : RunRotation(c, spec);
}

}  // namespace conformance
