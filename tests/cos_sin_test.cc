// Rows of cos and sin against MPFR, in every precision and on every target.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "support.h"
#include "support/precise.h"

using namespace testing;

namespace {

constexpr int64_t kNear = int64_t{1} << 20;
constexpr int64_t kFar = int64_t{1} << 31;
constexpr double kThetas[] = {1e2, 1e4, 1.5e5, 5e5, 1e6, 1e7, 1e9};
constexpr int kHeadDim = 128;
constexpr int kPairs = kHeadDim / 2;

simdrope::Rope MakeRope(const simdrope::Config& config) {
  auto rope = simdrope::Rope::create(config);
  REQUIRE_MESSAGE(rope.ok(), rope.status().message());
  return *std::move(rope);
}

// [positions, pairs] of cos and of sin.
struct Rows {
  std::vector<float> cos;
  std::vector<float> sin;
};

template <class Id>
Rows Compute(const simdrope::Rope& rope, const std::vector<Id>& positions) {
  const size_t pairs = static_cast<size_t>(rope.info().pairs);
  const int64_t count = static_cast<int64_t>(positions.size());
  Rows rows{std::vector<float>(positions.size() * pairs), std::vector<float>(positions.size() * pairs)};
  const simdrope::CosSinOutput output(
      simdrope::Table(rows.cos.data(), rows.sin.data(), count, static_cast<int>(pairs)));
  const simdrope::Positions ids = simdrope::Positions::per_token(positions.data(), count);
  const simdrope_status status = simdrope_compute_cos_sin(rope.get(), &ids, 1, count, &output, nullptr);
  REQUIRE_MESSAGE(status == SIMDROPE_OK, std::string(simdrope_last_error()));
  return rows;
}

// Half an ULP, and the polynomials' relative error of 2^-37.6 with what doubles lose (docs/numerics.md).
constexpr double kUlp = 0.5 + 0x1p-13;

// How far rows are from the truth: in ULP where that is more than `floor`, and absolutely.
struct Worst {
  double floor = 0;
  double ulp = 0;
  double value = 0;  // where
  double absolute = 0;
  int64_t count = 0;

  void Add(float got, long double exact) {
    const double error = static_cast<double>(std::fabs(got - exact));
    absolute = std::fmax(absolute, error);
    ++count;
    const double here = error / UlpAt(static_cast<double>(exact), simdrope::f32);
    if (error <= floor || here <= ulp) return;
    ulp = here;
    value = static_cast<double>(exact);
  }
  void Add(const Rows& got, size_t index, const PreciseCosSin& exact) {
    Add(got.cos[index], exact.cos);
    Add(got.sin[index], exact.sin);
  }
};

// Whether the precise values can be had. A test that cannot measure says so.
bool CanMeasure() {
  if (!HasPrecise()) MESSAGE("neither MPFR nor a long double of 113 bits: not measured");
  CHECK(true);
  return HasPrecise();
}

// Positions in [0, 2^20] at which some pair's angle is very near a multiple of a quarter turn.
std::vector<int64_t> NearZeros(const double* inv_freq, int pairs) {
  std::vector<int64_t> found;
  for (int i = 0; i < pairs; ++i) {
    const long double turns = inv_freq[i] / 6.283185307179586476925286766559005768L;
    const uint64_t step = static_cast<uint64_t>(turns * 0x1p64L);
    uint64_t phase = 0;
    const uint64_t limit = uint64_t{1} << (IsQuick() ? 44 : 46);  // 2^-18 or 2^-16 of a quarter turn
    for (int64_t p = 1; p <= kNear; ++p) {
      phase += step;
      const uint64_t beyond = phase & ((uint64_t{1} << 62) - 1);
      if (std::min(beyond, (uint64_t{1} << 62) - beyond) < limit) found.push_back(p);
    }
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

std::vector<int64_t> WithNegatives(std::vector<int64_t> positions) {
  const size_t count = positions.size();
  for (size_t i = 0; i < count; ++i) positions.push_back(-positions[i]);
  return positions;
}

std::vector<int64_t> Sample(int64_t reach, int count, Random* random) {
  std::vector<int64_t> positions = {0, 1, 2, 3, reach - 1, reach};
  for (int64_t p = 4; p < reach; p *= 2) {
    for (const int64_t near : {p - 1, p, p + 1}) positions.push_back(near);
  }
  while (static_cast<int>(positions.size()) < count) positions.push_back(random->Int(0, reach));
  return WithNegatives(std::move(positions));
}

// Measures rows at `positions` on every target against one precise computation.
template <class Id>
Worst Measure(const simdrope::Rope& rope, const std::vector<Id>& positions, double floor = 0) {
  const simdrope_rope_info info = rope.info();
  std::vector<Rows> by_target;
  ForEachTarget([&](const simdrope_target&) { by_target.push_back(Compute(rope, positions)); });
  Worst worst;
  worst.floor = floor;
  for (size_t p = 0; p < positions.size(); ++p) {
    for (int i = 0; i < info.pairs; ++i) {
      const PreciseCosSin exact = CosSinOf(positions[p], info.inv_freq[i]);
      const size_t index = p * static_cast<size_t>(info.pairs) + static_cast<size_t>(i);
      for (const Rows& rows : by_target) worst.Add(rows, index, exact);
    }
  }
  return worst;
}

int SampleSize() { return IsQuick() ? 100 : 800; }

}  // namespace

TEST_CASE("exact: half an ULP and 2^-13, within 2^20 and 2^40 positions, for every theta and target") {
  if (!CanMeasure()) return;
  Random random(21);
  for (const double theta : kThetas) {
    CAPTURE(theta);
    for (const int64_t reach : {kNear, int64_t{1} << 40}) {
      const Worst worst = Measure(MakeRope(simdrope::Config(kHeadDim, theta)), Sample(reach, SampleSize(), &random));
      CHECK(worst.count > 10000);
      CHECK(worst.ulp <= kUlp);
      MESSAGE("theta ", theta, ", to position ", reach, ": worst ", worst.ulp, " ULP, at the value ", worst.value,
              ", over ", worst.count);
    }
  }
}

TEST_CASE("exact: the same next to the zeros of sin and cos, found by search") {
  if (!CanMeasure()) return;
  size_t positions = 0;
  for (const double theta : IsQuick() ? std::vector<double>{5e5} : std::vector<double>{1e2, 1e4, 5e5, 1e6, 1e9}) {
    CAPTURE(theta);
    // Every position is measured at the frequency that it was found for, and at the others.
    const simdrope::Rope rope = MakeRope(simdrope::Config(32, theta));
    std::vector<int64_t> found = NearZeros(rope.info().inv_freq, rope.info().pairs);
    if (found.size() > 6000) found.resize(6000);
    positions += found.size();
    const Worst worst = Measure(rope, WithNegatives(found));
    CAPTURE(worst.value);
    CHECK(worst.ulp <= kUlp);
  }
  CHECK(positions > 50);
}

TEST_CASE("exact: every scaling's frequencies are met as well, with their magnitude") {
  if (!CanMeasure()) return;
  Random random(23);
  simdrope::Config config(kHeadDim, 5e5);
  config.scaling.type = SIMDROPE_SCALING_YARN;
  config.scaling.factor = 16;
  config.scaling.original_max_position = 4096;
  const simdrope::Rope rope = MakeRope(config);
  const simdrope_rope_info info = rope.info();
  const std::vector<int64_t> positions = Sample(kNear, SampleSize() / 4, &random);
  const Rows rows = Compute(rope, positions);
  Worst worst;
  for (size_t p = 0; p < positions.size(); ++p) {
    for (int i = 0; i < kPairs; ++i) {
      PreciseCosSin exact = CosSinOf(positions[p], info.inv_freq[i]);
      exact.cos *= info.attention_factor;
      exact.sin *= info.attention_factor;
      worst.Add(rows, p * kPairs + static_cast<size_t>(i), exact);
    }
  }
  CHECK(worst.count > 10000);
  CHECK(worst.ulp <= kUlp);
}

TEST_CASE("exact: 64-bit positions turn as they should, to the resolution of the phase") {
  if (!CanMeasure()) return;
  const simdrope::Rope rope = MakeRope(simdrope::Config(kHeadDim, 5e5));
  const simdrope_rope_info info = rope.info();
  for (const int64_t reach : {int64_t{1} << 40, int64_t{1} << 50}) {
    Random random(24);
    const std::vector<int64_t> positions = Sample(reach, 200, &random);
    const Rows rows = Compute(rope, positions);
    const double resolution = std::ldexp(3.2, -64) * static_cast<double>(reach) + 0x1p-24;  // p 2^-65 turns
    double worst = 0;
    for (size_t p = 0; p < positions.size(); ++p) {
      for (int i = 0; i < kPairs; ++i) {
        const PreciseCosSin exact = CosSinOf(positions[p], info.inv_freq[i]);
        const size_t index = p * kPairs + static_cast<size_t>(i);
        worst = std::fmax(worst, static_cast<double>(std::fabs(rows.cos[index] - exact.cos)));
        worst = std::fmax(worst, static_cast<double>(std::fabs(rows.sin[index] - exact.sin)));
      }
    }
    CHECK(worst <= resolution);
  }
  const Rows extremes = Compute(rope, std::vector<int64_t>{INT64_MIN, INT64_MAX});
  for (size_t i = 0; i < 2 * kPairs; ++i) {
    CHECK(std::fabs(std::hypot(extremes.cos[i], extremes.sin[i]) - 1) < 1e-6);
  }
}

TEST_CASE("exact: position 0 is exactly 1 and 0, and -p mirrors p") {
  ForEachTarget([](const simdrope_target&) {
    const simdrope::Rope rope = MakeRope(simdrope::Config(kHeadDim, 5e5));
    const Rows rows = Compute(rope, std::vector<int64_t>{0, 77777, -77777});
    size_t wrong = 0;
    for (size_t i = 0; i < kPairs; ++i) {
      wrong += rows.cos[i] == 1.0f && rows.sin[i] == 0.0f ? 0 : 1;
      wrong += rows.cos[kPairs + i] == rows.cos[2 * kPairs + i] ? 0 : 1;
      wrong += rows.sin[kPairs + i] == -rows.sin[2 * kPairs + i] ? 0 : 1;
    }
    CHECK(wrong == 0);
  });
}

TEST_CASE("real positions: DINOv3's coordinates and others, to 0.51 ULP or 2^-40") {
  if (!CanMeasure()) return;
  Random random(25);
  std::vector<double> coordinates;
  for (int i = 0; i < SampleSize(); ++i) coordinates.push_back(random.Real(-1, 1));
  simdrope::Config config(64, 100);
  config.scaling.type = SIMDROPE_SCALING_EXPLICIT;
  std::vector<double> inv_freq;
  for (int i = 0; i < 32; ++i) inv_freq.push_back(6.283185307179586 * std::pow(100, -i / 32.0));
  config.set_factors(inv_freq);
  const Worst unit = Measure(MakeRope(config), coordinates, 0x1p-40);
  CHECK(unit.count > 5000);
  CHECK(unit.ulp <= 0.51);

  // Real positions are multiplied in double: 2^-53 of the angle is lost.
  for (double& c : coordinates) c *= 1000;
  const Worst thousand = Measure(MakeRope(simdrope::Config(64, 1e4)), coordinates, 0x1p-40);
  CHECK(thousand.ulp <= 0.51);
  std::vector<float> floats(coordinates.begin(), coordinates.end());
  const std::vector<double> same(floats.begin(), floats.end());
  const simdrope::Rope rope = MakeRope(simdrope::Config(64, 1e4));
  const Rows of_floats = Compute(rope, floats), of_doubles = Compute(rope, same);
  CHECK(of_floats.cos == of_doubles.cos);
  CHECK(of_floats.sin == of_doubles.sin);
}

namespace {

// position * inv_freq as float or 16-bit arithmetic has it.
double RoundedAngle(Format format, int64_t position, double inv_freq) {
  const double f = Rounded(Rounded(inv_freq, simdrope::f32), format);
  const double p = Rounded(Rounded(static_cast<double>(position), simdrope::f32), format);
  return Rounded(Rounded(p * f, simdrope::f32), format);
}

struct Precision {
  simdrope_precision precision;
  Format format;
  int64_t reach;
};

}  // namespace

TEST_CASE("float32 and 16-bit positions: within 1 ULP of cos and sin of the same rounded angle") {
  if (!CanMeasure()) return;
  Random random(26);
  for (const Precision& precision : {Precision{SIMDROPE_PRECISION_FLOAT32, simdrope::f32, kNear},
                                     Precision{SIMDROPE_PRECISION_FLOAT32, simdrope::f32, kFar},
                                     Precision{SIMDROPE_PRECISION_FLOAT32, simdrope::f32, int64_t{1} << 47},
                                     Precision{SIMDROPE_PRECISION_BF16_POSITIONS, simdrope::bf16, kNear},
                                     Precision{SIMDROPE_PRECISION_F16_POSITIONS, simdrope::f16, 32768}}) {
    for (const double theta : {1e4, 5e5}) {
      CAPTURE(theta);
      CAPTURE(static_cast<int>(precision.precision));
      simdrope::Config config(kHeadDim, theta);
      config.precision = precision.precision;
      const simdrope::Rope rope = MakeRope(config);
      const std::vector<int64_t> positions = Sample(precision.reach, SampleSize() / 2, &random);
      ForEachTarget([&](const simdrope_target& target) {
        if (IsQuick() && std::string(target.name) != simdrope_target_in_use()) return;
        const Rows rows = Compute(rope, positions);
        double worst = 0;
        for (size_t p = 0; p < positions.size(); ++p) {
          for (int i = 0; i < kPairs; ++i) {
            const double angle = RoundedAngle(precision.format, positions[p], rope.info().inv_freq[i]);
            const PreciseCosSin exact = CosSinOf(angle, 1.0);
            const size_t index = p * kPairs + static_cast<size_t>(i);
            for (const auto& [got, true_value] :
                 {std::pair{rows.cos[index], exact.cos}, {rows.sin[index], exact.sin}}) {
              const double error = static_cast<double>(std::fabs(got - true_value));
              worst = std::fmax(worst, error / UlpAt(static_cast<double>(true_value), simdrope::f32));
            }
          }
        }
        CHECK(worst <= 1.0);
      });
    }
  }
}

TEST_CASE("positions rounded to 16 bits: neighbours share a row where the type cannot tell them apart") {
  simdrope::Config config(16);
  config.precision = SIMDROPE_PRECISION_BF16_POSITIONS;
  const Rows rows = Compute(MakeRope(config), std::vector<int64_t>{1000, 1001, 1004, 1008});
  CHECK(std::equal(rows.cos.begin(), rows.cos.begin() + 8, rows.cos.begin() + 8));
  CHECK(!std::equal(rows.cos.begin(), rows.cos.begin() + 8, rows.cos.begin() + 24));
}

TEST_CASE("XPos rows: Q and K have reciprocal magnitudes about the centre") {
  simdrope::Config config(32);
  config.xpos.scale_base = 512;
  config.xpos.center = 100;
  const simdrope::Rope rope = MakeRope(config);
  REQUIRE(rope.info().distinct_keys);
  const int64_t seq = 300;
  const auto rows = rope.cos_sin(simdrope::Positions(), 1, seq);
  REQUIRE(rows.ok());
  const simdrope_cos_sin& view = rows->view();
  const float* const q_cos = static_cast<const float*>(view.table.cos);
  const float* const q_sin = static_cast<const float*>(view.table.sin);
  const float* const k_cos = static_cast<const float*>(view.key_table.cos);
  const float* const k_sin = static_cast<const float*>(view.key_table.sin);
  double worst = 0;
  for (int64_t p = 0; p < seq; ++p) {
    for (int i = 0; i < 16; ++i) {
      const double zeta = (2.0 * i + 12.8) / 44.8;
      const double q = std::pow(zeta, (static_cast<double>(p) - 100) / 512);
      const int64_t at = p * 16 + i;
      worst = std::fmax(worst, std::fabs(std::hypot(q_cos[at], q_sin[at]) / q - 1));
      worst = std::fmax(worst, std::fabs(std::hypot(k_cos[at], k_sin[at]) * q - 1));
    }
  }
  CHECK(worst < 4 * kU);

  config.xpos.center_at_half_length = true;
  config.scaling.seq_len = 201;
  const auto at_centre = MakeRope(config).cos_sin(simdrope::Positions(100), 1, 1);
  REQUIRE(at_centre.ok());
  const float* const cos = static_cast<const float*>(at_centre->view().table.cos);
  const float* const sin = static_cast<const float*>(at_centre->view().table.sin);
  for (size_t i = 0; i < 16; ++i) CHECK(std::fabs(std::hypot(cos[i], sin[i]) - 1) < 4 * kU);
}

TEST_CASE("temperature: a factor on Q for each position") {
  for (const auto& [offset, length] : {std::pair{0.0, 16.0}, {1.0, 8.0}}) {
    simdrope::Config config(8);
    config.temperature = {0.1, length, offset};
    const simdrope::Rope rope = MakeRope(config);
    REQUIRE(rope.info().scales_queries);
    const auto rows = rope.cos_sin(simdrope::Positions(5), 1, 60);
    REQUIRE(rows.ok());
    int steps = 0;
    for (int p = 0; p < 60; ++p) {
      const double expected = 1 + 0.1 * std::log(1 + std::floor((5 + p + offset) / length));
      CHECK(std::fabs(rows->view().query_scale[p] - expected) <= 2 * kU * expected);
      steps += p > 0 && rows->view().query_scale[p] != rows->view().query_scale[p - 1] ? 1 : 0;
    }
    CHECK(steps >= 3);
  }
}

TEST_CASE("tables in every form and dtype hold the same rows, and nothing beside them is written") {
  const simdrope::Rope rope = MakeRope(simdrope::Config(12, 1e4));
  constexpr int kN = 6;
  const int64_t seq = 9;
  std::vector<int64_t> positions(static_cast<size_t>(seq));
  for (size_t i = 0; i < positions.size(); ++i) positions[i] = static_cast<int64_t>(i) * 37 - 11;
  const simdrope::Positions ids = simdrope::Positions::per_token(positions.data(), seq);
  const Rows plain = Compute(rope, positions);
  ForEachTarget([&](const simdrope_target&) {
    const Rows here = Compute(rope, positions);
    for (const Format format : kFormats) {
      const int64_t size = simdrope::size_of(format);
      Buffer cos(seq * 2 * kN * size), sin(seq * 2 * kN * size);
      using simdrope::Table;
      const Table forms[] = {Table(cos.data(), sin.data(), format, seq, kN),
                             Table::doubled_halves(cos.data(), sin.data(), format, seq, kN),
                             Table::doubled_elements(cos.data(), sin.data(), format, seq, kN),
                             Table::cos_sin_rows(cos.data(), format, seq, kN),
                             Table::cos_sin_rows(cos.data(), format, seq, kN, true),
                             Table::complex_rows(cos.data(), format, seq, kN)};
      for (const Table& form : forms) {
        const simdrope::CosSinOutput output(form);
        REQUIRE(simdrope_compute_cos_sin(rope.get(), &ids, 1, seq, &output, nullptr) == SIMDROPE_OK);
        size_t wrong = 0;
        for (int64_t r = 0; r < seq; ++r) {
          for (int i = 0; i < kN; ++i) {
            for (int c = 0; c < form.copies; ++c) {
              const int64_t at = (r * form.row_stride + i * form.column_stride + c * form.copy_stride) * size;
              const size_t index = static_cast<size_t>(r * kN + i);
              wrong += LoadBits(static_cast<char*>(form.cos) + at, format) ==
                               Encoded(static_cast<double>(here.cos[index]), format)
                           ? 0
                           : 1;
              wrong += LoadBits(static_cast<char*>(form.sin) + at, format) ==
                               Encoded(static_cast<double>(here.sin[index]), format)
                           ? 0
                           : 1;
            }
          }
        }
        CHECK(wrong == 0);
        CHECK(cos.GuardsIntact());
        CHECK(sin.GuardsIntact());
      }
    }
  });
}
