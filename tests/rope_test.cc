// Frequencies, axes, attention factors and phases against second, independent formulas.
#include <cmath>
#include <numbers>
#include <set>

#include "angle/phase.h"
#include "core/names.h"
#include "support.h"
#include "support/precise.h"

using namespace testing;

namespace {

using simdrope::Config;
using std::numbers::pi;

std::vector<double> InvFreqOf(const Config& config) {
  const auto rope = simdrope::Rope::create(config);
  REQUIRE_MESSAGE(rope.ok(), rope.status().message());
  const simdrope_rope_info info = rope->info();
  return {info.inv_freq, info.inv_freq + info.pairs};
}

double FactorOf(const Config& config) {
  const auto rope = simdrope::Rope::create(config);
  REQUIRE_MESSAGE(rope.ok(), rope.status().message());
  return rope->info().attention_factor;
}

void CheckClose(const std::vector<double>& got, const std::vector<double>& expected, double tolerance = 1e-13) {
  REQUIRE(got.size() == expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    INFO("pair ", i);
    CHECK(std::fabs(got[i] - expected[i]) <= tolerance * std::fabs(expected[i]));
  }
}

Config Scaled(simdrope_scaling_type type, int dim, double theta, double factor, int64_t length) {
  Config config(dim, theta);
  config.scaling.type = type;
  config.scaling.factor = factor;
  config.scaling.original_max_position = length;
  return config;
}

// Where along the pairs a token turns `turns` times within `length`, by bisection.
double PairTurning(double turns, double theta, int dim, double length) {
  double low = -4.0 * dim, high = 4.0 * dim;
  for (int i = 0; i < 200; ++i) {
    const double middle = (low + high) / 2;
    (length * std::pow(theta, -2 * middle / dim) / (2 * pi) > turns ? low : high) = middle;
  }
  return low;
}

struct YarnCase {
  int dim;
  double theta;
  double factor;
  double length;
  double fast;
  double slow;
  bool truncate;
};

std::vector<double> YarnOf(const YarnCase& c) {
  double low = PairTurning(c.fast, c.theta, c.dim, c.length), high = PairTurning(c.slow, c.theta, c.dim, c.length);
  if (c.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::fmax(low, 0);
  high = std::fmin(high, c.dim - 1);
  if (low == high) high += 0.001;
  std::vector<double> inv_freq = PlainInvFreq(c.theta, c.dim);
  for (size_t i = 0; i < inv_freq.size(); ++i) {
    const double kept = 1 - std::fmin(1, std::fmax(0, (static_cast<double>(i) - low) / (high - low)));
    inv_freq[i] *= kept + (1 - kept) / c.factor;
  }
  return inv_freq;
}

Config YarnConfig(const YarnCase& c) {
  Config config = Scaled(SIMDROPE_SCALING_YARN, c.dim, c.theta, c.factor, static_cast<int64_t>(c.length));
  config.scaling.beta_fast = c.fast;
  config.scaling.beta_slow = c.slow;
  config.scaling.truncate = c.truncate;
  return config;
}

Config Multi(int head_dim, simdrope_axis_layout layout, std::initializer_list<int> sections, int count = 0) {
  Config config(head_dim);
  config.axes.layout = layout;
  config.axes.count = count > 0 ? count : static_cast<int>(sections.size());
  int a = 0;
  for (const int section : sections) config.axes.sections[a++] = section;
  return config;
}

struct Pair {
  int axis;
  double inv_freq;
};

void CheckAxes(const Config& config, const std::vector<Pair>& expected) {
  const auto rope = simdrope::Rope::create(config);
  REQUIRE_MESSAGE(rope.ok(), rope.status().message());
  const simdrope_rope_info info = rope->info();
  REQUIRE(static_cast<size_t>(info.pairs) == expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    INFO("pair ", i);
    CHECK(info.pair_axis[i] == expected[i].axis);
    CHECK(std::fabs(info.inv_freq[i] - expected[i].inv_freq) <= 1e-14 * expected[i].inv_freq);
  }
}

}  // namespace

TEST_CASE("no scaling: theta^(-2 i / rotary_dim)") {
  for (const double theta : {1e2, 1e4, 5e5, 1e6, 1e9}) {
    for (const int dim : {2, 6, 64, 128, 1024}) CheckClose(InvFreqOf(Config(dim, theta)), PlainInvFreq(theta, dim));
  }
  Config partial(128);
  partial.rotary_dim = 32;
  CheckClose(InvFreqOf(partial), PlainInvFreq(1e4, 32));
}

TEST_CASE("linear") {
  std::vector<double> expected = PlainInvFreq(1e6, 96);
  for (double& f : expected) f *= 0.125;
  CheckClose(InvFreqOf(Scaled(SIMDROPE_SCALING_LINEAR, 96, 1e6, 8, 0)), expected);
}

TEST_CASE("llama3: a blend by how often a wave fits into the trained length, clamped") {
  for (const double factor : {8.0, 32.0}) {
    Config config = Scaled(SIMDROPE_SCALING_LLAMA3, 128, 5e5, factor, 8192);
    config.scaling.low_freq_factor = 1;
    config.scaling.high_freq_factor = 4;
    std::vector<double> expected = PlainInvFreq(5e5, 128);
    int blended = 0;
    for (double& f : expected) {
      const double turns = 8192 * f / (2 * pi);
      const double kept = std::fmin(1, std::fmax(0, (turns - 1) / 3));
      blended += kept > 0 && kept < 1 ? 1 : 0;
      f *= kept + (1 - kept) / factor;
    }
    CHECK(blended > 3);
    CheckClose(InvFreqOf(config), expected);
  }
}

TEST_CASE("ntk: every frequency falls by factor^(-2 i / (dim - 2))") {
  for (const double factor : {2.0, 50.0, 1000.0}) {
    std::vector<double> expected = PlainInvFreq(1e4, 128);
    for (size_t i = 0; i < expected.size(); ++i) {
      expected[i] *= std::pow(factor, -2.0 * static_cast<double>(i) / 126);
    }
    CheckClose(InvFreqOf(Scaled(SIMDROPE_SCALING_NTK, 128, 1e4, factor, 0)), expected);
  }
}

TEST_CASE("dynamic: as ntk by the excess over the trained length; short again, plain again") {
  for (const int64_t seq_len : {0, 1, 4096, 4097, 20000}) {
    Config config = Scaled(SIMDROPE_SCALING_DYNAMIC, 64, 1e4, 3, 4096);
    config.scaling.seq_len = seq_len;
    const double excess = std::fmax(1, 1 + 3 * (static_cast<double>(seq_len) / 4096 - 1));
    std::vector<double> expected = PlainInvFreq(1e4, 64);
    for (size_t i = 0; i < expected.size(); ++i) {
      expected[i] *= std::pow(excess, -static_cast<double>(i) / 31);
    }
    CheckClose(InvFreqOf(config), expected);
    if (seq_len <= 4096) CheckClose(InvFreqOf(config), PlainInvFreq(1e4, 64));
  }
}

TEST_CASE("yarn: interpolated where a token turns less than beta_slow times, kept above beta_fast") {
  for (const YarnCase& c : {YarnCase{128, 1e4, 16, 4096, 32, 1, true}, YarnCase{64, 1e4, 40, 4096, 32, 1, true},
                            YarnCase{64, 150000, 32, 4096, 32, 1, false}, YarnCase{128, 1e6, 4, 32768, 32, 1, true},
                            YarnCase{128, 1e4, 2, 2048, 1000, 20, true}, YarnCase{32, 1e4, 8, 64, 32, 1, true},
                            YarnCase{16, 1e4, 8, 1 << 20, 32, 1, false}}) {
    CAPTURE(c.dim);
    CAPTURE(c.theta);
    CheckClose(InvFreqOf(YarnConfig(c)), YarnOf(c), 1e-10);
  }
}

TEST_CASE("yarn: a correction range of no width, and one that ends beyond the head") {
  // Within 6 tokens no pair turns once: both ends are pair 0, which alone keeps its frequency.
  const YarnCase empty{64, 1e4, 8, 6, 32, 1, true};
  const std::vector<double> got = InvFreqOf(YarnConfig(empty));
  CheckClose(got, YarnOf(empty));
  std::vector<double> expected = PlainInvFreq(1e4, 64);
  for (size_t i = 1; i < expected.size(); ++i) expected[i] /= 8;
  CheckClose(got, expected);

  // The ramp would end at pair 90 of what 64 dims have, and ends at 63.
  for (const bool truncate : {false, true}) {
    const YarnCase c{64, 10, 4, 4096, 256, 1, truncate};
    const double unclamped = PairTurning(c.slow, c.theta, c.dim, c.length);
    CHECK(unclamped > c.dim);
    CheckClose(InvFreqOf(YarnConfig(c)), YarnOf(c), 1e-10);
  }
}

TEST_CASE("yarn without rounding: the correction range of gpt-oss is 8.0928 to 17.398") {
  const std::vector<double> got = InvFreqOf(YarnConfig({64, 150000, 32, 4096, 32, 1, false}));
  const std::vector<double> plain = PlainInvFreq(150000, 64);
  for (size_t i = 0; i < got.size(); ++i) {
    const double ramp = std::fmin(1, std::fmax(0, (static_cast<double>(i) - 8.0928) / (17.398 - 8.0928)));
    CHECK(std::fabs(got[i] / plain[i] - (1 - ramp * 31 / 32)) < 1e-4);
  }
  CHECK(got[8] == doctest::Approx(plain[8]).epsilon(1e-13));
  CHECK(got[9] < 0.95 * plain[9]);
  CHECK(got[18] == doctest::Approx(plain[18] / 32).epsilon(1e-13));
}

TEST_CASE("yarn's defaults: beta_fast 32, beta_slow 1, the factor from two lengths") {
  const Config given = YarnConfig({128, 1e4, 4, 4096, 32, 1, true});
  Config left_out = given;
  left_out.scaling.beta_fast = left_out.scaling.beta_slow = 0;
  left_out.scaling.factor = 0;
  left_out.scaling.max_position = 16384;
  CheckClose(InvFreqOf(left_out), InvFreqOf(given));
  CHECK(FactorOf(left_out) == FactorOf(given));
}

TEST_CASE("yarn's attention factor is 0.1 ln(factor) + 1 from a factor of 1 on") {
  for (const double factor : {1.0, 1.25, 2.0, 40.0}) {
    const Config config = YarnConfig({64, 1e4, factor, 4096, 32, 1, true});
    CHECK(FactorOf(config) == doctest::Approx(0.1 * std::log(factor) + 1).epsilon(1e-15));
  }
}

TEST_CASE("longrope divides by the short or the long list") {
  Config config = Scaled(SIMDROPE_SCALING_LONGROPE, 32, 1e4, 8, 4096);
  std::vector<double> shorts, longs;
  for (int i = 0; i < 16; ++i) {
    shorts.push_back(1 + 0.1 * i);
    longs.push_back(3 + 2.0 * i);
  }
  config.set_factors(shorts);
  config.set_long_factors(longs);
  for (const int64_t seq_len : {0, 4096, 4097, 100000}) {
    config.scaling.seq_len = seq_len;
    std::vector<double> expected = PlainInvFreq(1e4, 32);
    for (size_t i = 0; i < 16; ++i) {
      expected[i] *= 1 / (seq_len > 4096 ? longs[i] : shorts[i]);
    }
    CheckClose(InvFreqOf(config), expected);
  }
}

TEST_CASE("proportional: the first pairs of the whole head, the rest stand still") {
  for (const double proportion : {0.25, 0.3, 1.0}) {
    Config config = Scaled(SIMDROPE_SCALING_PROPORTIONAL, 128, 1e6, 2, 0);
    config.scaling.proportion = proportion;
    std::vector<double> expected = PlainInvFreq(1e6, 128);
    const size_t live = static_cast<size_t>(std::floor(proportion * 64));
    for (size_t i = 0; i < expected.size(); ++i) expected[i] = i < live ? expected[i] / 2 : 0;
    CheckClose(InvFreqOf(config), expected);
  }
}

TEST_CASE("freq_factors divide, and an explicit list is taken as it is") {
  Config config(16, 5e5);
  std::vector<double> divided = PlainInvFreq(5e5, 16), list;
  for (int i = 0; i < 8; ++i) {
    list.push_back(0.5 + i);
    divided[static_cast<size_t>(i)] /= 0.5 + i;
  }
  config.set_factors(list);
  config.scaling.type = SIMDROPE_SCALING_FREQ_FACTORS;
  CheckClose(InvFreqOf(config), divided);
  config.scaling.type = SIMDROPE_SCALING_EXPLICIT;
  CHECK(InvFreqOf(config) == list);
}

TEST_CASE("float32: each step of transformers' formulas rounded to float, for every scaling") {
  // (type, what it wants besides); lists of the width at hand.
  std::vector<Config> configs;
  const auto add = [&](simdrope_scaling_type type, double factor, int64_t length, auto&& change) {
    Config config = Scaled(type, 2, 1e4, factor, length);
    change(config.scaling);
    configs.push_back(config);
  };
  const auto as_is = [](simdrope_scaling&) {};
  add(SIMDROPE_SCALING_NONE, 0, 0, as_is);
  add(SIMDROPE_SCALING_LINEAR, 3, 0, as_is);
  add(SIMDROPE_SCALING_NTK, 1000, 0, as_is);
  for (const int64_t seq_len : {0, 4096, 4097, 100000}) {
    add(SIMDROPE_SCALING_DYNAMIC, 1.7, 4096, [&](simdrope_scaling& s) { s.seq_len = seq_len; });
    add(SIMDROPE_SCALING_LONGROPE, 0, 4096, [&](simdrope_scaling& s) { s.seq_len = seq_len; });
  }
  for (const bool truncate : {false, true}) {
    add(SIMDROPE_SCALING_YARN, 32, 4096, [&](simdrope_scaling& s) { s.truncate = truncate; });
  }
  for (const double high : {1.0, 4.0}) {
    add(SIMDROPE_SCALING_LLAMA3, 8, 8192, [&](simdrope_scaling& s) {
      s.low_freq_factor = 1;
      s.high_freq_factor = high;
    });
  }
  add(SIMDROPE_SCALING_PROPORTIONAL, 8, 0, [](simdrope_scaling& s) { s.proportion = 0.3; });
  add(SIMDROPE_SCALING_FREQ_FACTORS, 8, 0, as_is);
  add(SIMDROPE_SCALING_EXPLICIT, 0, 0, as_is);
  std::set<simdrope_scaling_type> types;
  for (const Config& config : configs) types.insert(config.scaling.type);
  CHECK(types.size() == size_t{simdrope::impl::NamedValues<simdrope_scaling_type>()});

  int count = 0, differ_from_exact = 0;
  for (Config config : configs) {
    for (const double theta : {1e2, 1e4, 5e5, 8.5e6, 1e9}) {
      for (const int dim : {2, 80, 128, 256}) {
        std::vector<double> list, longs;
        for (int i = 0; i < dim / 2; ++i) {
          list.push_back(1 + 0.1 * i);
          longs.push_back(3 + 1.7 * i);
        }
        config.head_dim = dim;
        config.theta = theta;
        if (config.scaling.type == SIMDROPE_SCALING_LONGROPE || config.scaling.type >= SIMDROPE_SCALING_FREQ_FACTORS) {
          config.set_factors(list);
          config.set_long_factors(longs);
        }
        for (const auto precision : {SIMDROPE_PRECISION_FLOAT32, SIMDROPE_PRECISION_BF16_POSITIONS}) {
          config.precision = precision;
          CAPTURE(static_cast<int>(config.scaling.type));
          CAPTURE(theta);
          CAPTURE(dim);
          const std::vector<double> got = InvFreqOf(config);
          CHECK(got == FrequenciesOf(config).inv_freq);
          config.precision = SIMDROPE_PRECISION_EXACT;
          const std::vector<double> exact = InvFreqOf(config);
          CheckClose(got, exact, 2e-6);
          for (size_t i = 0; i < got.size(); ++i) differ_from_exact += got[i] != static_cast<float>(exact[i]) ? 1 : 0;
          count += dim;
        }
      }
    }
  }
  CHECK(count > 50000);
  CHECK(differ_from_exact > 1000);
}

TEST_CASE("float32: cos and sin are rounded to float before they are multiplied by the attention factor") {
  Config config = Scaled(SIMDROPE_SCALING_YARN, 64, 1e4, 40, 4096);
  config.precision = SIMDROPE_PRECISION_FLOAT32;
  Config plain = config;
  plain.scaling.attention_factor = 1;
  const auto factor = static_cast<float>(FactorOf(config));
  REQUIRE(factor > 1.3f);
  constexpr int64_t kTokens = 50;
  const auto rows_of = [](const Config& c) {
    const auto rope = simdrope::Rope::create(c);
    REQUIRE(rope.ok());
    auto rows = rope->cos_sin(simdrope::Positions(1000), 1, kTokens);
    REQUIRE(rows.ok());
    const simdrope_table& table = rows->view().table;
    std::vector<float> all;
    for (int64_t t = 0; t < kTokens; ++t) {
      for (const void* values : {table.cos, table.sin}) {
        const float* const row = static_cast<const float*>(values) + t * table.row_stride;
        all.insert(all.end(), row, row + table.columns);
      }
    }
    return all;
  };
  const std::vector<float> scaled = rows_of(config), unscaled = rows_of(plain);
  REQUIRE(scaled.size() == 64 * kTokens);
  int wrong = 0;
  for (size_t i = 0; i < scaled.size(); ++i) wrong += scaled[i] != unscaled[i] * factor ? 1 : 0;
  CHECK(wrong == 0);
}

TEST_CASE("attention factors") {
  Config yarn = Scaled(SIMDROPE_SCALING_YARN, 64, 1e4, 40, 4096);
  CHECK(FactorOf(yarn) == doctest::Approx(1.3688879454113936).epsilon(1e-14));  // 0.1 ln 40 + 1
  yarn.scaling.mscale = 0.707;
  CHECK(FactorOf(yarn) == doctest::Approx(1.3688879454113936).epsilon(1e-14));  // one of the two does not count
  yarn.scaling.mscale_all_dim = 0.707;
  CHECK(FactorOf(yarn) == 1);  // DeepSeek V2
  yarn.scaling.mscale = 1;
  CHECK(FactorOf(yarn) == doctest::Approx(1.3688879454113936 / 1.2608037774058553).epsilon(1e-14));
  yarn.scaling.attention_factor = 1.25;
  CHECK(FactorOf(yarn) == 1.25);
  CHECK(FactorOf(Scaled(SIMDROPE_SCALING_YARN, 64, 1e4, 0.5, 4096)) == 1);

  Config phi = Scaled(SIMDROPE_SCALING_LONGROPE, 4, 1e4, 32, 4096);
  phi.set_factors({1, 1});
  phi.set_long_factors({1, 1});
  CHECK(FactorOf(phi) == doctest::Approx(1.1902380714238083).epsilon(1e-14));  // sqrt(1 + 5 / 12): Phi-3 128k
  phi.scaling.short_mscale = 1.1;
  phi.scaling.long_mscale = 1.3;
  CHECK(FactorOf(phi) == 1.1);
  phi.scaling.seq_len = 4097;
  CHECK(FactorOf(phi) == 1.3);
}

TEST_CASE("axes: Qwen2-VL's sections run on") {
  std::vector<Pair> expected;
  for (const double f : PlainInvFreq(1e4, 128)) {
    const size_t i = expected.size();
    expected.push_back({i < 16 ? 0 : i < 40 ? 1 : 2, f});
  }
  CheckAxes(Multi(128, SIMDROPE_AXES_SECTIONS, {16, 24, 24}), expected);
}

TEST_CASE("axes: Qwen3-VL's interleave as T H W T H W ... T T") {
  const char* const order = "THWTHWTHWTHWTHWTHWTHWTHWTHWTHWTHWTHWTHWTHWTHWTHWTHWTHWTHWTHWTTTT";  // 24, 20, 20
  std::vector<Pair> expected;
  for (const double f : PlainInvFreq(1e4, 128)) {
    const char c = order[expected.size()];
    expected.push_back({c == 'T' ? 0 : c == 'H' ? 1 : 2, f});
  }
  CheckAxes(Multi(128, SIMDROPE_AXES_INTERLEAVED, {24, 20, 20}), expected);
}

TEST_CASE("axes: ERNIE's H and W alternate, then T") {
  std::vector<Pair> expected;
  for (const double f : PlainInvFreq(1e4, 128)) {
    const size_t i = expected.size();
    expected.push_back({i >= 44 ? 0 : i % 2 == 0 ? 1 : 2, f});
  }
  CheckAxes(Multi(128, SIMDROPE_AXES_ALTERNATE, {20, 22, 22}), expected);
}

TEST_CASE("axes: Flux, Wan and vision towers restart theta on every axis") {
  for (const auto& sections : {std::vector<int>{8, 28, 28}, {22, 21, 21}, {16, 16}, {4, 8, 8, 12}}) {
    int pairs = 0;
    std::vector<Pair> expected;
    for (size_t a = 0; a < sections.size(); ++a) {
      pairs += sections[a];
      for (const double f : PlainInvFreq(1e4, 2 * sections[a])) expected.push_back({static_cast<int>(a), f});
    }
    Config config = Multi(2 * pairs, SIMDROPE_AXES_RESTART, {}, static_cast<int>(sections.size()));
    std::copy(sections.begin(), sections.end(), config.axes.sections);
    CheckAxes(config, expected);
  }
}

TEST_CASE("axes: Pixtral's H takes the even frequencies, W the odd ones") {
  const std::vector<double> f = PlainInvFreq(1e4, 64);
  std::vector<Pair> expected;
  for (size_t i = 0; i < 32; i += 2) expected.push_back({0, f[i]});
  for (size_t i = 1; i < 32; i += 2) expected.push_back({1, f[i]});
  CheckAxes(Multi(64, SIMDROPE_AXES_STRIDED, {}, 2), expected);
}

TEST_CASE("axes: an explicit map") {
  Config config = Multi(12, SIMDROPE_AXES_EXPLICIT, {}, 4);
  std::vector<Pair> expected;
  std::vector<uint8_t> pair_axis;
  for (const double f : PlainInvFreq(1e4, 12)) {
    const int axis = static_cast<int>(3 * expected.size() + 1) % 4;
    pair_axis.push_back(static_cast<uint8_t>(axis));
    expected.push_back({axis, f});
  }
  config.set_pair_axis(pair_axis);
  CheckAxes(config, expected);
}

TEST_CASE("the phase step is inv_freq / 2 pi to 2^-64 of a turn, and the rest makes it good") {
  if (!HasPrecise()) {
    MESSAGE("neither MPFR nor a long double of 113 bits: not measured");
    CHECK(true);
    return;
  }
  Random random(11);
  double worst_step = 0, worst_rest = 0;
  int count = 0;
  const auto check = [&](double inv_freq) {
    for (const double f : {inv_freq, -inv_freq}) {
      const simdrope::impl::PhaseStep phase = simdrope::impl::PhaseStepOf(f);
      const double error = PhaseError(phase.step, f);
      worst_step = std::fmax(worst_step, std::fabs(error));
      worst_rest = std::fmax(worst_rest, std::fabs(error - phase.rest));
      ++count;
    }
  };
  for (int exponent = -200; exponent < 32; ++exponent) {
    for (int i = 0; i < 50; ++i) check(std::ldexp(random.Real(1, 2), exponent));
  }
  for (const double f : {0.0, 0x1p-1074, 0x1p-1022, 1.0, 2 * pi, pi, pi / 2, 0x1p32}) check(f);
  for (const double theta : {1e2, 1e4, 5e5, 1e9}) {
    for (const double f : PlainInvFreq(theta, 256)) check(f);
  }
  CHECK(count > 20000);
  // A long double of 113 bits keeps 2^-12 of the unit below 2^32 radians; MPFR is exact here.
  CHECK(worst_step <= 0.5 + 0x1p-12);
  CHECK(worst_rest <= 0x1p-12);
}
