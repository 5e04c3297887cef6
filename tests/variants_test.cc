// Rotations beyond the plain one, each against a plain second formula of its source.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <numbers>

#include "core/names.h"
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

// Frequencies of more pairs than are computed at once.
TEST_CASE("variants: angles that are sums over axes, of wide heads") {
  for (const int head_dim : {128, 130, 512, 1024}) {
    const int pairs = head_dim / 2;
    Random random(27);
    std::vector<double> list;
    for (int i = 0; i < 2 * pairs; ++i) list.push_back(random.Real(-2, 2));
    Config config(head_dim);
    config.axes = {2, SIMDROPE_AXES_SUM, {}, 0, nullptr};
    config.scaling.type = SIMDROPE_SCALING_EXPLICIT;
    config.set_factors(list);
    const int64_t at[2][kTokens] = {{0, 3, -7, 100, 5}, {9, -1, 4, 50, 0}};
    double real_at[2][kTokens];
    for (int t = 0; t < 2 * kTokens; ++t) real_at[t / kTokens][t % kTokens] = random.Real(-20, 20);
    const std::vector<float> q = Draw(static_cast<size_t>(kTokens * head_dim), 28);
    std::vector<double> expected(q.size()), real_expected = expected;
    for (int t = 0; t < kTokens; ++t) {
      const auto begin = static_cast<size_t>(t * head_dim);
      for (int i = 0; i < pairs; ++i) {
        const double first = list[static_cast<size_t>(i)], second = list[static_cast<size_t>(pairs + i)];
        const auto angle = [&](const auto& p) {
          return static_cast<double>(p[0][t]) * first + static_cast<double>(p[1][t]) * second;
        };
        TurnHalf(&q[begin], &expected[begin], pairs, i, angle(at));
        TurnHalf(&q[begin], &real_expected[begin], pairs, i, angle(real_at));
      }
    }
    const simdrope::Rope rope = Compiled(config);
    const auto check = [&](const Positions& positions, const std::vector<double>& wanted) {
      std::vector<float> got = q;
      REQUIRE(simdrope::apply(rope.stream(positions), simdrope::thd(got.data(), kTokens, 1, head_dim)).ok());
      CheckNear(got, wanted);
    };
    check(Positions::per_token(&at[0][0], 2, 1, kTokens), expected);
    check(Positions::per_token(&real_at[0][0], 2, 1, kTokens), real_expected);
  }
}

// The same in one call: each head's rope writes its rows into a table [tokens, heads, pairs]. Q has twice the heads.
TEST_CASE("variants: rows for each head in one call") {
  constexpr int kAxes = 2, kQueryHeads = 2 * kHeads;
  Random random(21);
  const std::vector<float> q = Draw(kTokens * kQueryHeads * kHeadDim, 22), k = Draw(kTokens * kHeads * kHeadDim, 23);
  int64_t at[kAxes][kTokens];
  for (auto& axis : at) {
    for (int64_t& position : axis) position = random.Int(-1000, 1000);
  }
  const auto positions = Positions::per_token(&at[0][0], kAxes, 1, kTokens);
  for (const auto pairing : {simdrope::half, simdrope::interleaved}) {
    std::vector<float> cos(kTokens * kHeads * kPairs), sin = cos, q_wanted = q, k_wanted = k;
    for (size_t h = 0; h < kHeads; ++h) {
      Config config(kHeadDim);
      config.pairing = pairing;
      config.scaling.type = SIMDROPE_SCALING_EXPLICIT;
      std::vector<double> list;
      for (int i = 0; i < kAxes * kPairs; ++i) list.push_back(random.Real(-2, 2));
      config.set_factors(list);
      config.axes.count = kAxes;
      config.axes.layout = SIMDROPE_AXES_SUM;
      const simdrope::Rope rope = Compiled(config);
      simdrope::Table rows(&cos[h * kPairs], &sin[h * kPairs], kTokens, kPairs);
      rows.row_stride = kHeads * kPairs;
      const simdrope::CosSinOutput output(rows);
      REQUIRE(simdrope_compute_cos_sin(rope.get(), &positions, 1, kTokens, &output, nullptr) == SIMDROPE_OK);
      // The way of one call a head.
      const auto heads = [&](std::vector<float>& data, int all, int count) {
        return simdrope::heads(simdrope::thd(data.data(), kTokens, all, kHeadDim), static_cast<int>(h) * count, count);
      };
      REQUIRE(
          simdrope::apply(rope.stream(positions), heads(q_wanted, kQueryHeads, 2), heads(k_wanted, kHeads, 1)).ok());
    }
    const auto view = [&](std::vector<float>& data, int heads) {
      return simdrope::thd(data.data(), kTokens, heads, kHeadDim);
    };
    simdrope::CosSinView rows(simdrope::Table(cos.data(), sin.data(), kTokens, kPairs).per_head(kHeads), pairing);
    std::vector<float> q_got = q, k_got = k;
    REQUIRE(simdrope::apply(rows, view(q_got, kQueryHeads), view(k_got, kHeads)).ok());
    CHECK(q_got == q_wanted);
    CHECK(k_got == k_wanted);

    std::vector<float> q_single = q;
    for (int t = 0; t < kTokens; ++t) {
      rows.positions.start = t;
      float* token = &q_single[static_cast<size_t>(t * kQueryHeads * kHeadDim)];
      REQUIRE(simdrope::apply(rows, simdrope::thd(token, 1, kQueryHeads, kHeadDim)).ok());
    }
    rows.positions.start = 0;
    CHECK(q_single == q_wanted);

    // In slices that cut through heads, and back again.
    std::vector<float> q_slices = q, k_slices = k;
    simdrope::Options options;
    options.slice_count = 7;
    for (options.slice_index = 0; options.slice_index < 7; ++options.slice_index) {
      REQUIRE(simdrope::apply(rows, view(q_slices, kQueryHeads), view(k_slices, kHeads), options).ok());
    }
    CHECK(q_slices == q_wanted);
    CHECK(k_slices == k_wanted);
    options = simdrope::Options();
    options.inverse = true;
    REQUIRE(simdrope::apply(rows, view(q_slices, kQueryHeads), options).ok());
    CheckNear(q_slices, std::vector<double>(q.begin(), q.end()));

    // Of a norm before and a scale after it, what each of the calls does.
    const std::vector<float> weight = Draw(kHeadDim, 24);
    options = simdrope::Options();
    options.q.norm = simdrope::rms_norm(weight.data());
    options.q.scale = 0.75f;
    std::vector<float> q_norm = q, q_norm_wanted = q;
    REQUIRE(simdrope::apply(rows, view(q_norm, kQueryHeads), options).ok());
    for (int h = 0; h < kHeads; ++h) {
      simdrope_table own = rows.table;
      own.cos = &cos[static_cast<size_t>(h * kPairs)];
      own.sin = &sin[static_cast<size_t>(h * kPairs)];
      own.heads = 0;
      const auto part = simdrope::heads(view(q_norm_wanted, kQueryHeads), 2 * h, 2);
      REQUIRE(simdrope::apply(simdrope::CosSinView(own, pairing), part, options).ok());
    }
    CHECK(q_norm == q_norm_wanted);

    const auto refused = [&](const simdrope::Status& status, const char* word) {
      REQUIRE_FALSE(status.ok());
      CHECK_MESSAGE(status.message().find(word) != std::string::npos, status.message());
    };
    options.q.norm.over_all_heads = true;
    refused(simdrope::apply(rows, view(q_norm, kQueryHeads), options), "over all heads");
    refused(simdrope::apply(rows, simdrope::heads(view(q_norm, kQueryHeads), 0, 2)), "q has 2 heads");
    rows.table.heads = -1;
    refused(simdrope::apply(rows, view(q_norm, kQueryHeads)), "heads = -1");
  }
}

// FoPE (arXiv 2412.17739): for each KV head the cosines of the frequencies that are kept are mixed by one matrix, the
// sines by another; pairs beyond them have cos 1 and sin 1. Not a rotation: the values of a table are used as they are.
TEST_CASE("variants: FoPE's tables for each KV head") {
  constexpr int kKept = 5, kGroup = 2;
  Random random(25);
  double cos_mix[kHeads][kKept][kKept], sin_mix[kHeads][kKept][kKept];
  for (auto* mix : {&cos_mix, &sin_mix}) {
    for (auto& head : *mix) {
      for (auto& row : head) {
        for (double& value : row) value = random.Real(-1, 1);
      }
    }
  }
  std::vector<float> cos, sin;  // [tokens, heads, pairs]
  for (int t = 0; t < kTokens; ++t) {
    for (int h = 0; h < kHeads; ++h) {
      for (int i = 0; i < kPairs; ++i) {
        double c = i < kKept ? 0 : 1, s = c;
        for (int j = 0; i < kKept && j < kKept; ++j) {
          const double angle = t * std::pow(10000.0, -j / double{kPairs});
          c += std::cos(angle) * cos_mix[h][j][i];
          s += std::sin(angle) * sin_mix[h][j][i];
        }
        cos.push_back(static_cast<float>(c));
        sin.push_back(static_cast<float>(s));
      }
    }
  }
  std::vector<float> q = Draw(kTokens * kGroup * kHeads * kHeadDim, 26);
  std::vector<double> expected(q.size());
  for (size_t row = 0; row < kTokens * kGroup * kHeads; ++row) {
    const float* x = &q[row * kHeadDim];
    const size_t at = row / kGroup * kPairs;
    for (size_t i = 0; i < kPairs; ++i) {
      const double c = cos[at + i], s = sin[at + i], first = x[i], second = x[i + kPairs];
      expected[row * kHeadDim + i] = first * c - second * s;
      expected[row * kHeadDim + i + kPairs] = second * c + first * s;
    }
  }
  const simdrope::CosSinView rows(simdrope::Table(cos.data(), sin.data(), kTokens, kPairs).per_head(kHeads));
  REQUIRE(simdrope::apply(rows, simdrope::thd(q.data(), kTokens, kGroup * kHeads, kHeadDim)).ok());
  CheckNear(q, expected);
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

// transformers, modeling_gemma4.py (apply_multidimensional_rope) and RoPE2D (CroCo, models/pos_embed.py): each axis has
// half a head to itself, its pairs half of that apart.
TEST_CASE("variants: half pairing within the block of each axis") {
  constexpr int kBlock = kHeadDim / 2, kBlockPairs = kBlock / 2;
  std::vector<float> q = Draw(kTokens * kHeads * kHeadDim, 8);
  const std::vector<float> input = q;
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
  Config whole(kHeadDim, 100.0);
  whole.axes = {2, SIMDROPE_AXES_RESTART, {kBlockPairs, kBlockPairs}, 0, nullptr};
  whole.pairs_in_sections = true;
  const simdrope::Rope rope = Compiled(whole);
  CHECK(rope.info().pairs_in_sections);
  const auto positions = Positions::per_token(&at[0][0], 2, 1, kTokens);
  const auto view = simdrope::thd(q.data(), kTokens, kHeads, kHeadDim);
  REQUIRE(simdrope::apply(rope.stream(positions), view).ok());
  CheckNear(q, expected);

  // The same as a call for each axis, on its window; and from rows that are computed first.
  std::vector<float> twice = input, prepared = input;
  for (int a = 0; a < 2; ++a) {
    Config config(kHeadDim, 100.0);
    config.rotary_dim = kBlock;
    config.rotary_offset = a * kBlock;
    const auto part = simdrope::thd(twice.data(), kTokens, kHeads, kHeadDim);
    REQUIRE(simdrope::apply(Compiled(config).stream(Positions::per_token(at[a], kTokens)), part).ok());
  }
  CHECK(twice == q);
  const auto rows = rope.cos_sin(positions, 1, kTokens);
  REQUIRE(rows.ok());
  REQUIRE(simdrope::apply(*rows, simdrope::thd(prepared.data(), kTokens, kHeads, kHeadDim)).ok());
  CHECK(prepared == q);

  // One token a call, on a row of its own.
  std::vector<float> one = Draw(kHeads * kHeadDim, 17), two = one;
  two.insert(two.end(), one.begin(), one.end());
  REQUIRE(simdrope::apply(rope.stream(9), simdrope::thd(one.data(), 1, kHeads, kHeadDim)).ok());
  REQUIRE(simdrope::apply(rope.stream(9), simdrope::thd(two.data(), 2, kHeads, kHeadDim)).ok());
  CHECK(std::equal(one.begin(), one.end(), two.begin()));

  // To interleaved pairs: element 2 i and 2 i + 1 of each block.
  std::vector<float> across = input, back = q;
  simdrope::Options options;
  options.output_pairing = simdrope::interleaved;
  REQUIRE(
      simdrope::apply(rope.stream(positions), simdrope::thd(across.data(), kTokens, kHeads, kHeadDim), options).ok());
  for (size_t head = 0; head < kTokens * kHeads * 2; ++head) {
    for (size_t i = 0; i < kBlockPairs; ++i) {
      CHECK(across[head * kBlock + 2 * i] == q[head * kBlock + i]);
      CHECK(across[head * kBlock + 2 * i + 1] == q[head * kBlock + kBlockPairs + i]);
    }
  }
  options = simdrope::Options();
  options.inverse = true;
  REQUIRE(simdrope::apply(rope.stream(positions), simdrope::thd(back.data(), kTokens, kHeads, kHeadDim), options).ok());
  CheckNear(back, std::vector<double>(input.begin(), input.end()));
  CHECK(Compiled(whole).shift().ok());
}

TEST_CASE("variants: what blocks and two angles a pair cannot have is refused by name") {
  const auto refused = [](const Config& config, const char* word) {
    const auto rope = simdrope::Rope::create(config);
    REQUIRE_FALSE(rope.ok());
    CHECK_MESSAGE(rope.status().message().find(word) != std::string::npos, rope.status().message());
  };
  Config blocks(kHeadDim);
  blocks.pairs_in_sections = true;
  refused(blocks, "axes.count = 1");
  blocks.axes = {2, SIMDROPE_AXES_SECTIONS, {4, 4}, 0, nullptr};
  refused(blocks, "restart");
  blocks.axes.layout = SIMDROPE_AXES_RESTART;
  CHECK(simdrope::Rope::create(blocks).ok());
  blocks.split = kPairs;
  refused(blocks, "split = 8");
  blocks.split = 0;
  blocks.pairing = simdrope::interleaved;
  refused(blocks, "pairing");

  Config wide(kHeadDim);
  wide.pairing = simdrope::interleaved;
  wide.angle_order = static_cast<simdrope_angle_order>(3);
  refused(wide, "angle_order = 3");
  wide.angle_order = SIMDROPE_ANGLES_HALVES;
  wide.xpos.scale_base = 512;
  refused(wide, "xpos");
  wide.xpos.scale_base = 0;
  const simdrope::Rope rope = Compiled(wide);
  CHECK(rope.info().element_pair != nullptr);
  CHECK_FALSE(rope.shift().ok());
  std::vector<float> q(kHeadDim);
  simdrope::Options options;
  options.output_pairing = simdrope::half;
  CHECK_FALSE(simdrope::apply(rope.stream(0), simdrope::thd(q.data(), 1, 1, kHeadDim), options).ok());
  // Half pairs in the order of halves are plain.
  wide.pairing = simdrope::half;
  CHECK(Compiled(wide).info().element_pair == nullptr);
  CHECK(Compiled(wide).shift().ok());
}

// transformers, modeling_vjepa2.py (rotate_queries_or_keys): of each axis' part x of the head, x cos + rotate(x) sin
// with rotate(x) of neighbours, [-x1, x0, -x3, x2, ...], but cos and sin of the n frequencies repeated as a whole: c0
// ... c(n - 1) c0 ... c(n - 1). What three axes leave of the head stays as it is.
TEST_CASE("variants: V-JEPA 2 gives each element of a pair an angle of its own") {
  for (const int head_dim : {16, 64, 88}) {
    const int block = 2 * (head_dim / 3 / 2), pairs = block / 2, axes = 3;
    const auto width = static_cast<size_t>(head_dim);
    std::vector<float> q = Draw(kTokens * kHeads * width, 11), k = Draw(kTokens * width, 12);
    const std::vector<float> input = q;
    const int64_t at[3][kTokens] = {{0, 0, 1, 1, 2}, {0, 1, 0, 7, 0}, {5, 4, 3, 2, 1000}};
    const auto turned = [&](const std::vector<float>& x, size_t heads) {
      std::vector<double> y(x.begin(), x.end());
      for (size_t row = 0; row < kTokens * heads; ++row) {
        for (int a = 0; a < axes; ++a) {
          const size_t begin = row * width + static_cast<size_t>(a * block);
          for (int j = 0; j < block; ++j) {
            const double angle =
                static_cast<double>(at[a][row / heads]) * std::pow(10000.0, -(j % pairs) / static_cast<double>(pairs));
            const size_t element = begin + static_cast<size_t>(j);
            const double own = x[element], other = j % 2 == 0 ? -x[element + 1] : x[element - 1];
            y[element] = own * std::cos(angle) + other * std::sin(angle);
          }
        }
      }
      return y;
    };
    Config config(head_dim);
    config.pairing = simdrope::interleaved;
    config.rotary_dim = axes * block;
    config.axes = {axes, SIMDROPE_AXES_RESTART, {pairs, pairs, pairs}, 0, nullptr};
    config.angle_order = SIMDROPE_ANGLES_HALVES;
    const simdrope::Rope rope = Compiled(config);
    const auto positions = Positions::per_token(&at[0][0], axes, 1, kTokens);
    const std::vector<double> q_expected = turned(q, kHeads), k_expected = turned(k, 1);
    const auto view = [&](std::vector<float>& data, int heads) {
      return simdrope::thd(data.data(), kTokens, heads, head_dim);
    };
    REQUIRE(simdrope::apply(rope.stream(positions), view(q, kHeads), view(k, 1)).ok());
    CheckNear(q, q_expected);
    CheckNear(k, k_expected);

    std::vector<float> prepared = input;
    const auto rows = rope.cos_sin(positions, 1, kTokens);
    REQUIRE(rows.ok());
    REQUIRE(simdrope::apply(*rows, view(prepared, kHeads)).ok());
    CHECK(prepared == q);
  }
}

// transformers, apply_rotary_pos_emb: q cos + rotate_half(q) sin, with cos and sin as wide as the head and of any
// values; the backward pass of it is the transpose. Both pairings, with a norm before and a scale, and a wide head.
TEST_CASE("variants: a table with a column for each element") {
  int cases = 0;
  for (const auto pairing : {simdrope::half, simdrope::interleaved}) {
    for (const int head_dim : {6, 16, 40, 128, 1024}) {
      for (const bool inverse : {false, true}) {
        const auto width = static_cast<size_t>(head_dim), half_width = width / 2;
        const int64_t rows = 9, start = 3;
        const std::vector<float> cos = Draw(static_cast<size_t>(rows) * width, 13), sin = Draw(cos.size(), 14);
        std::vector<float> q = Draw(kTokens * kHeads * width, 15), strided = q;
        const std::vector<float> input = q;
        std::vector<double> expected(q.size());
        for (size_t row = 0; row < kTokens * kHeads; ++row) {
          const float* c = &cos[(row / kHeads + start) * width];
          const float* s = &sin[(row / kHeads + start) * width];
          const float* x = &input[row * width];
          for (size_t j = 0; j < width; ++j) {
            const bool is_half = pairing == simdrope::half;
            const bool is_first = is_half ? j < half_width : j % 2 == 0;
            const size_t partner = is_half ? (is_first ? j + half_width : j - half_width) : j ^ 1;
            const double own = x[j], other = x[partner];
            const double sine = inverse ? -s[partner] : s[j];
            expected[row * width + j] = 0.5 * (own * c[j] + (is_first ? -other : other) * sine);
          }
        }
        simdrope::CosSinView view(simdrope::Table(cos.data(), sin.data(), rows, head_dim), pairing, start);
        view.full_width = true;
        simdrope::Options options;
        options.inverse = inverse;
        options.q.scale = 0.5f;
        REQUIRE(simdrope::apply(view, simdrope::thd(q.data(), kTokens, kHeads, head_dim), options).ok());
        CheckNear(q, expected);

        // Columns apart from each other, and positions looked up.
        std::vector<float> wide_cos(2 * cos.size(), 9.0f), wide_sin = wide_cos;
        for (size_t i = 0; i < cos.size(); ++i) {
          wide_cos[2 * i] = cos[i];
          wide_sin[2 * i] = sin[i];
        }
        view.table = simdrope::Table(wide_cos.data(), wide_sin.data(), rows, head_dim);
        view.table.row_stride = 2 * head_dim;
        view.table.column_stride = 2;
        const int32_t ids[kTokens] = {3, 4, 5, 6, 7};
        view.positions = Positions::per_token(ids, kTokens);
        REQUIRE(simdrope::apply(view, simdrope::thd(strided.data(), kTokens, kHeads, head_dim), options).ok());
        CHECK(strided == q);

        // One token a call.
        std::vector<float> one = input;
        options.q.scale = 1.0f;
        std::vector<float> all = input;
        view = simdrope::CosSinView(simdrope::Table(cos.data(), sin.data(), rows, head_dim), pairing, start);
        view.full_width = true;
        REQUIRE(simdrope::apply(view, simdrope::thd(all.data(), kTokens, kHeads, head_dim), options).ok());
        for (size_t t = 0; t < kTokens; ++t) {
          view.positions.start = start + static_cast<int64_t>(t);
          float* token = &one[t * kHeads * width];
          REQUIRE(simdrope::apply(view, simdrope::thd(token, 1, kHeads, head_dim), options).ok());
        }
        CHECK(one == all);
        ++cases;
      }
    }
  }
  CHECK(cases == 20);

  // A row of pairs repeated is the plain rotation, bit by bit.
  Config config(kHeadDim);
  const simdrope::Rope rope = Compiled(config);
  std::vector<float> cos(kTokens * kHeadDim), sin = cos, plain = Draw(kTokens * kHeads * kHeadDim, 16), wide = plain;
  auto doubled = simdrope::Table::doubled_halves(cos.data(), sin.data(), simdrope::f32, kTokens, kPairs);
  const simdrope::CosSinOutput output(doubled);
  const Positions from_zero;
  REQUIRE(simdrope_compute_cos_sin(rope.get(), &from_zero, 1, kTokens, &output, nullptr) == SIMDROPE_OK);
  simdrope::CosSinView view(simdrope::Table(cos.data(), sin.data(), kTokens, kHeadDim));
  view.full_width = true;
  REQUIRE(simdrope::apply(view, simdrope::thd(wide.data(), kTokens, kHeads, kHeadDim)).ok());
  REQUIRE(simdrope::apply(rope.stream(0), simdrope::thd(plain.data(), kTokens, kHeads, kHeadDim)).ok());
  CHECK(wide == plain);

  view.table.columns = kPairs;
  CHECK_FALSE(simdrope::apply(view, simdrope::thd(wide.data(), kTokens, kHeads, kHeadDim)).ok());
}

// The same where pairs are looked up by axes of their own: both elements of a pair take the row of its axis.
TEST_CASE("variants: a table with a column for each element, by several axes") {
  constexpr uint8_t kAxes[kPairs] = {0, 1, 1, 2, 0, 2, 1, 0};
  constexpr int kRows = 7;
  constexpr int64_t kAt[3][kTokens] = {{0, 1, 2, 3, 4}, {6, 6, 0, 1, 5}, {2, 0, 3, 0, 6}};
  const std::vector<float> cos = Draw(kRows * kHeadDim, 29), sin = Draw(kRows * kHeadDim, 30);
  for (const auto pairing : {simdrope::half, simdrope::interleaved}) {
    const bool is_half = pairing == simdrope::half;
    std::vector<float> q = Draw(kTokens * kHeads * kHeadDim, 31);
    std::vector<double> expected(q.size());
    for (size_t row = 0; row < kTokens * kHeads; ++row) {
      const float* x = &q[row * kHeadDim];
      for (size_t pair = 0; pair < kPairs; ++pair) {
        const size_t a = is_half ? pair : 2 * pair, b = is_half ? pair + kPairs : 2 * pair + 1;
        const auto at = static_cast<size_t>(kAt[kAxes[pair]][row / kHeads]) * kHeadDim;
        const double first = x[a], second = x[b];
        expected[row * kHeadDim + a] = first * cos[at + a] - second * sin[at + a];
        expected[row * kHeadDim + b] = second * cos[at + b] + first * sin[at + b];
      }
    }
    simdrope::CosSinView view(simdrope::Table(cos.data(), sin.data(), kRows, kHeadDim), pairing);
    view.full_width = true;
    view.pair_axis = kAxes;
    view.positions = Positions::per_token(&kAt[0][0], 3, 1, kTokens);
    REQUIRE(simdrope::apply(view, simdrope::thd(q.data(), kTokens, kHeads, kHeadDim)).ok());
    CheckNear(q, expected);
  }
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
  // Which axis each pair is on, by every layout.
  const uint8_t pair_axis[kPairs] = {2, 0, 1, 1, 2, 0, 0, 1};
  const simdrope_axes all_axes[] = {
      {3, SIMDROPE_AXES_SECTIONS, {3, 1, 4}, 0, nullptr}, {3, SIMDROPE_AXES_INTERLEAVED, {4, 2, 2}, 0, nullptr},
      {3, SIMDROPE_AXES_RESTART, {3, 1, 4}, 0, nullptr},  {3, SIMDROPE_AXES_ALTERNATE, {2, 3, 3}, 0, nullptr},
      {2, SIMDROPE_AXES_STRIDED, {}, 0, nullptr},         {3, SIMDROPE_AXES_EXPLICIT, {}, kPairs, pair_axis}};
  static_assert(std::size(all_axes) + 1 == simdrope::impl::NamedValues<simdrope_axis_layout>());  // `sum` is above
  for (const simdrope_axes& axes : all_axes) {
    CAPTURE(static_cast<int>(axes.layout));
    Config config(kHeadDim);
    config.axes = axes;
    if (axes.pair_axis != nullptr) config.set_pair_axis({pair_axis, pair_axis + kPairs});
    const Frequencies wanted = FrequenciesOf(config), got = FrequenciesOf(Compiled(config).info());
    CHECK(got.axis == wanted.axis);
    for (size_t i = 0; i < kPairs; ++i) CHECK(got.inv_freq[i] == doctest::Approx(wanted.inv_freq[i]).epsilon(1e-14));
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
