// Rotations beyond the plain one, each against a plain second formula of its source.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "support.h"

using namespace testing;

namespace {

using simdrope::Config;
using simdrope::Positions;
using std::numbers::pi;

constexpr int kHeads = 3, kTokens = 5, kHeadDim = 16, kPairs = kHeadDim / 2;

std::vector<float> Draw(size_t count, uint64_t seed) {
  Random random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.Real(-1, 1));
  return values;
}

simdrope::Rope Compiled(const Config& config) {
  auto rope = simdrope::Rope::create(config);
  REQUIRE_MESSAGE(rope.ok(), rope.status().message());
  return *std::move(rope);
}

void CheckNear(const std::vector<float>& got, const std::vector<double>& expected) {
  REQUIRE(got.size() == expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    INFO("element ", i);
    CHECK(std::fabs(static_cast<double>(got[i]) - expected[i]) < 1e-6);
  }
}

// A pair turned by `angle`; the elements are half a head apart.
void TurnHalf(const float* head, double* out, int pairs, int pair, double angle) {
  const double x = head[pair], y = head[pair + pairs];
  out[pair] = x * std::cos(angle) - y * std::sin(angle);
  out[pair + pairs] = x * std::sin(angle) + y * std::cos(angle);
}

}  // namespace

// transformers, modeling_nanochat.py: q * cos + rotate_half(q) * sin, where rotate_half(q) is [q2, -q1].
TEST_CASE("variants: NanoChat turns the other way") {
  Config config(kHeadDim);
  config.reversed = true;
  const simdrope::Rope rope = Compiled(config);
  std::vector<float> q = Draw(kTokens * kHeads * kHeadDim, 1);
  std::vector<double> expected(q.size());
  for (size_t row = 0; row < kTokens * kHeads; ++row) {
    const auto position = static_cast<double>(row / kHeads);
    const float* x = &q[row * kHeadDim];
    double* y = &expected[row * kHeadDim];
    for (int i = 0; i < kPairs; ++i) {
      const double cos = std::cos(position * std::pow(10000.0, -i / double{kPairs}));
      const double sin = std::sin(position * std::pow(10000.0, -i / double{kPairs}));
      y[i] = x[i] * cos + x[i + kPairs] * sin;
      y[i + kPairs] = x[i + kPairs] * cos - x[i] * sin;
    }
  }
  REQUIRE(simdrope::apply(rope.stream(0), simdrope::thd(q.data(), kTokens, kHeads, kHeadDim)).ok());
  CheckNear(q, expected);

  // All precisions, and the inverse, agree that it is the plain rotation's inverse.
  for (const simdrope_precision precision : {SIMDROPE_PRECISION_EXACT, SIMDROPE_PRECISION_FLOAT32}) {
    config.precision = precision;
    Config plain = config;
    plain.reversed = false;
    std::vector<float> a = Draw(kTokens * kHeads * kHeadDim, 2), b = a;
    simdrope::Options back;
    back.inverse = true;
    REQUIRE(simdrope::apply(Compiled(config).stream(7), simdrope::thd(a.data(), kTokens, kHeads, kHeadDim)).ok());
    REQUIRE(simdrope::apply(Compiled(plain).stream(7), simdrope::thd(b.data(), kTokens, kHeads, kHeadDim), back).ok());
    CHECK(a == b);
  }
}

// Qwen 1's modeling_qwen.py: at token number n = p + 1 beyond seq_length, queries are multiplied by log(n, seq_length).
TEST_CASE("variants: queries grow with the logarithm of the position") {
  Config config(kHeadDim);
  config.query_log_length = 4;
  const simdrope::Rope rope = Compiled(config), plain = Compiled(Config(kHeadDim));
  CHECK(rope.info().scales_queries);
  const int64_t positions[kTokens] = {0, 3, 4, 63, 1000000};
  std::vector<float> q = Draw(kTokens * kHeadDim, 3), k = Draw(kTokens * kHeadDim, 4), q_plain = q, k_plain = k;
  const auto per_token = Positions::per_token(positions, kTokens);
  const auto view = [](std::vector<float>& data) { return simdrope::thd(data.data(), kTokens, 1, kHeadDim); };
  REQUIRE(simdrope::apply(rope.stream(per_token), view(q), view(k)).ok());
  REQUIRE(simdrope::apply(plain.stream(per_token), view(q_plain), view(k_plain)).ok());
  CHECK(k == k_plain);
  for (size_t t = 0; t < kTokens; ++t) {
    const double number = static_cast<double>(positions[t]) + 1;
    const double scale = number > 4 ? std::log(number) / std::log(4.0) : 1.0;
    for (size_t d = 0; d < kHeadDim; ++d) {
      const double expected = scale * static_cast<double>(q_plain[t * kHeadDim + d]);
      CHECK(static_cast<double>(q[t * kHeadDim + d]) == doctest::Approx(expected).epsilon(1e-6));
    }
  }
  // Nothing for negative positions either.
  const int64_t negative[1] = {-5};
  std::vector<float> a = Draw(kHeadDim, 5), b = a;
  REQUIRE(
      simdrope::apply(rope.stream(Positions::per_token(negative, 1)), simdrope::thd(a.data(), 1, 1, kHeadDim)).ok());
  REQUIRE(
      simdrope::apply(plain.stream(Positions::per_token(negative, 1)), simdrope::thd(b.data(), 1, 1, kHeadDim)).ok());
  CHECK(a == b);
}

// vLLM, yarn_scaling_rope.py: the mask of pairs that keep their frequency is multiplied by extrapolation_factor.
TEST_CASE("variants: YaRN's extrapolation_factor") {
  Config config(64);
  config.scaling.type = SIMDROPE_SCALING_YARN;
  config.scaling.factor = 4;
  config.scaling.original_max_position = 4096;
  const auto frequencies = [&](double extrapolation) {
    config.scaling.extrapolation_factor = extrapolation;
    const simdrope::Rope rope = Compiled(config);
    return std::vector<double>(rope.info().inv_freq, rope.info().inv_freq + 32);
  };
  const std::vector<double> whole = frequencies(0), one = frequencies(1), part = frequencies(0.25);
  CHECK(whole == one);
  const auto correction = [](double turns) { return 64 * std::log(4096 / (turns * 2 * pi)) / (2 * std::log(10000.0)); };
  const double low = std::floor(correction(32)), high = std::ceil(correction(1));
  for (int i = 0; i < 32; ++i) {
    const double kept = 0.25 * (1 - std::clamp((i - low) / (high - low), 0.0, 1.0));
    const double base = std::pow(10000.0, -i / 32.0);
    CHECK(part[static_cast<size_t>(i)] == doctest::Approx(base / 4 * (1 - kept) + base * kept).epsilon(1e-13));
  }
}

// RoPE-Mixed (arXiv 2403.13298): a patch at (x, y) turns pair i of head h by x f[0][h][i] + y f[1][h][i]. Mochi
// (genmo/mochi, rope_mixed.py) and golden RoPE have three axes. A rope for each head, on a view of that head alone.
TEST_CASE("variants: angles that are sums over axes, and frequencies of each head") {
  constexpr int kAxes = 3;
  Random random(6);
  double f[kAxes][kHeads][kPairs];
  for (auto& axis : f) {
    for (auto& head : axis) {
      for (double& value : head) value = random.Real(-2, 2);
    }
  }
  std::vector<float> q = Draw(kTokens * kHeads * kHeadDim, 7), real = q;
  std::vector<double> expected(q.size()), expected_real(q.size());
  int64_t at[kAxes][kTokens];
  double real_at[kAxes][kTokens];
  for (int a = 0; a < kAxes; ++a) {
    for (int t = 0; t < kTokens; ++t) {
      at[a][t] = static_cast<int64_t>(random.Real(-1000, 1000));
      real_at[a][t] = random.Real(-3, 3);
    }
  }
  for (int h = 0; h < kHeads; ++h) {
    std::vector<double> list;
    for (const auto& axis : f) list.insert(list.end(), std::begin(axis[h]), std::end(axis[h]));
    Config config(kHeadDim);
    config.pairing = simdrope::interleaved;
    config.scaling.type = SIMDROPE_SCALING_EXPLICIT;
    config.set_factors(list);
    config.axes.count = kAxes;
    config.axes.layout = SIMDROPE_AXES_SUM;
    const simdrope::Rope rope = Compiled(config);
    CHECK(rope.info().axes == kAxes);
    const auto head = [&](std::vector<float>& data) {
      return simdrope::Tensor(&data[static_cast<size_t>(h * kHeadDim)], simdrope::f32, 1, kTokens, 1, kHeadDim,
                              kTokens * kHeads * kHeadDim, kHeads * kHeadDim, kHeadDim);
    };
    for (int t = 0; t < kTokens; ++t) {
      for (int i = 0; i < kPairs; ++i) {
        const auto element = static_cast<size_t>((t * kHeads + h) * kHeadDim + 2 * i);
        const double x = q[element], y = q[element + 1];
        double angle = 0, real_angle = 0;
        for (int a = 0; a < kAxes; ++a) {
          angle += static_cast<double>(at[a][t]) * f[a][h][i];
          real_angle += real_at[a][t] * f[a][h][i];
        }
        expected[element] = x * std::cos(angle) - y * std::sin(angle);
        expected[element + 1] = x * std::sin(angle) + y * std::cos(angle);
        expected_real[element] = x * std::cos(real_angle) - y * std::sin(real_angle);
        expected_real[element + 1] = x * std::sin(real_angle) + y * std::cos(real_angle);
      }
    }
    REQUIRE(simdrope::apply(rope.stream(Positions::per_token(&at[0][0], kAxes, 1, kTokens)), head(q)).ok());
    REQUIRE(simdrope::apply(rope.stream(Positions::per_token(&real_at[0][0], kAxes, 1, kTokens)), head(real)).ok());
  }
  CheckNear(q, expected);
  CheckNear(real, expected_real);
}

TEST_CASE("variants: what a sum over axes cannot have is refused by name") {
  Config config(kHeadDim);
  config.axes.count = 2;
  config.axes.layout = SIMDROPE_AXES_SUM;
  const auto refused = [&](const char* word) {
    const auto rope = simdrope::Rope::create(config);
    REQUIRE_FALSE(rope.ok());
    CHECK_MESSAGE(rope.status().message().find(word) != std::string::npos, rope.status().message());
  };
  refused("explicit");
  config.scaling.type = SIMDROPE_SCALING_EXPLICIT;
  config.set_factors(std::vector<double>(kPairs, 0.5));
  refused("factor_count");
  config.set_factors(std::vector<double>(2 * kPairs, 0.5));
  CHECK(simdrope::Rope::create(config).ok());
  config.precision = SIMDROPE_PRECISION_FLOAT32;
  refused("precision");
  config.precision = SIMDROPE_PRECISION_EXACT;
  config.xpos.scale_base = 512;
  refused("xpos");
  config.xpos.scale_base = 0;
  // A table has one position a row.
  CHECK_FALSE(simdrope::CosSinCache::create(Compiled(config)).ok());
  CHECK_FALSE(Compiled(config).shift().ok());
}

// Gemma 4's vision tower and RoPE2D (CroCo): each axis has half a head to itself, its pairs half of that apart. Two
// calls, each on the window of one axis.
TEST_CASE("variants: half pairing within the block of each axis") {
  constexpr int kBlock = kHeadDim / 2, kBlockPairs = kBlock / 2;
  std::vector<float> q = Draw(kTokens * kHeads * kHeadDim, 8);
  std::vector<double> expected(q.size());
  const int64_t at[2][kTokens] = {{0, 0, 1, 1, 2}, {0, 1, 0, 1, 0}};
  for (int t = 0; t < kTokens; ++t) {
    for (int h = 0; h < kHeads; ++h) {
      for (int a = 0; a < 2; ++a) {
        const auto begin = static_cast<size_t>((t * kHeads + h) * kHeadDim + a * kBlock);
        for (int i = 0; i < kBlockPairs; ++i) {
          TurnHalf(&q[begin], &expected[begin], kBlockPairs, i,
                   static_cast<double>(at[a][t]) * std::pow(100.0, -2.0 * i / kBlock));
        }
      }
    }
  }
  for (int a = 0; a < 2; ++a) {
    Config config(kHeadDim, 100.0);
    config.rotary_dim = kBlock;
    config.rotary_offset = a * kBlock;
    const auto view = simdrope::thd(q.data(), kTokens, kHeads, kHeadDim);
    REQUIRE(simdrope::apply(Compiled(config).stream(Positions::per_token(at[a], kTokens)), view).ok());
  }
  CheckNear(q, expected);
}

// LTX-2 (Lightricks/LTX-2, rope.py): theta^linspace(0, 1) pi / 2 times 2 c - 1, c a coordinate within the grid, the
// axes taking turns, over the whole inner width with identity before them; each head has its part of the width. A rope
// for each head, coordinates as real-valued positions.
TEST_CASE("variants: LTX-2's inner width is wider than any head, and padded on the left") {
  constexpr int kAxes = 3, kWidth = 4096, kWide = kWidth / 128, kAll = kWidth / 2, kEach = kAll / kAxes;
  constexpr int kPadding = kAll - kEach * kAxes, kHead = 128, kHeadPairs = kHead / 2;
  std::vector<float> q = Draw(kTokens * kWidth, 9);
  std::vector<double> expected(q.size());
  double at[kAxes][kTokens];
  Random random(10);
  for (auto& axis : at) {
    for (double& value : axis) value = 2 * random.Real(0, 1) - 1;
  }
  const auto frequency = [&](int column) {  // 0: identity
    const double step = (column - kPadding) / kAxes;
    return column < kPadding ? 0.0 : std::pow(10000.0, step / (kEach - 1)) * pi / 2;
  };
  const auto axis_of = [&](int column) { return column < kPadding ? 0 : (column - kPadding) % kAxes; };
  for (int h = 0; h < kWide; ++h) {
    Config config(kHead);
    std::vector<double> factors;
    std::vector<uint8_t> axes;
    for (int i = 0; i < kHeadPairs; ++i) {
      factors.push_back(frequency(h * kHeadPairs + i));
      axes.push_back(static_cast<uint8_t>(axis_of(h * kHeadPairs + i)));
    }
    config.scaling.type = SIMDROPE_SCALING_EXPLICIT;
    config.set_factors(factors);
    config.axes.count = kAxes;
    config.axes.layout = SIMDROPE_AXES_EXPLICIT;
    config.set_pair_axis(axes);
    for (int t = 0; t < kTokens; ++t) {
      const auto begin = static_cast<size_t>(t * kWidth + h * kHead);
      for (int i = 0; i < kHeadPairs; ++i) {
        const int column = h * kHeadPairs + i;
        TurnHalf(&q[begin], &expected[begin], kHeadPairs, i, at[axis_of(column)][t] * frequency(column));
      }
    }
    const simdrope::Tensor head(&q[static_cast<size_t>(h * kHead)], simdrope::f32, 1, kTokens, 1, kHead,
                                kTokens * kWidth, kWidth, kHead);
    REQUIRE(simdrope::apply(Compiled(config).stream(Positions::per_token(&at[0][0], kAxes, 1, kTokens)), head).ok());
  }
  CheckNear(q, expected);
}

TEST_CASE("variants: the reference reads these fields too") {
  Config reversed(kHeadDim), yarn(kHeadDim), zero(kHeadDim), sum(kHeadDim), log(kHeadDim);
  reversed.reversed = true;
  for (Config* config : {&yarn, &zero}) {
    config->scaling.type = SIMDROPE_SCALING_YARN;
    config->scaling.factor = 8;
    config->scaling.original_max_position = 4096;
  }
  yarn.scaling.extrapolation_factor = 0.75;
  zero.scaling.attention_factor_given = true;
  sum.axes.count = 2;
  sum.axes.layout = SIMDROPE_AXES_SUM;
  sum.scaling.type = SIMDROPE_SCALING_EXPLICIT;
  sum.set_factors({1, 2, 3, 4, 5, 6, 7, 8, -1, 0.5, 0.25, 0, 3, 2, 1, 0});
  log.query_log_length = 4;
  for (const Config& config : {reversed, yarn, zero, sum, log}) {
    const Frequencies wanted = FrequenciesOf(config), got = FrequenciesOf(Compiled(config).info());
    REQUIRE(wanted.inv_freq.size() == got.inv_freq.size());
    for (size_t i = 0; i < got.inv_freq.size(); ++i) {
      CHECK(got.inv_freq[i] == doctest::Approx(wanted.inv_freq[i]).epsilon(1e-14));
    }
    CHECK(got.attention_factor == doctest::Approx(wanted.attention_factor).epsilon(1e-14));
  }
  yarn.precision = SIMDROPE_PRECISION_FLOAT32;
  CHECK(FrequenciesOf(yarn).inv_freq == FrequenciesOf(Compiled(yarn).info()).inv_freq);
  CHECK(FrequenciesOf(zero).attention_factor == 0);
  CHECK(FrequenciesOf(sum).inv_freq.size() == 2 * kPairs);

  const std::vector<Position> at = {At(15), At(-3)};
  const Row row = RowOf(sum, FrequenciesOf(sum), at, false);
  CHECK(row.cos[4] == doctest::Approx(std::cos(15 * 5 - 3 * 3)).epsilon(1e-12));
  CHECK(row.sin[4] == doctest::Approx(std::sin(15 * 5 - 3 * 3)).epsilon(1e-12));
  CHECK(RowOf(log, FrequenciesOf(log), at, false).query_scale == doctest::Approx(2));
  CHECK(RowOf(log, FrequenciesOf(log), at, true).query_scale == 1);
  CHECK(RowOf(reversed, FrequenciesOf(reversed), at, false).sin[0] == doctest::Approx(-std::sin(15.0)));
}
