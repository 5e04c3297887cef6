// Keys that are rotated already, turned on: a context shift, or from one set of frequencies to another.
#include <cmath>

#include "support.h"
#include "support/ids.h"
#include "support/layouts.h"

using namespace testing;

namespace {

using simdrope::Config;

constexpr int kHeadDim = 32;

Config Scaled(simdrope_scaling_type type) {
  Config config(kHeadDim, 5e5);
  config.scaling.type = type;
  config.scaling.factor = 8;
  config.scaling.original_max_position = 4096;
  config.scaling.low_freq_factor = 1;
  config.scaling.high_freq_factor = 4;
  config.scaling.proportion = 0.5;
  std::vector<double> shorts, longs;
  for (int i = 0; i < kHeadDim / 2; ++i) {
    shorts.push_back(1 + 0.05 * i);
    longs.push_back(1.5 + 0.5 * i);
  }
  config.set_factors(shorts);
  config.set_long_factors(longs);
  return config;
}

simdrope::Rope RopeOf(const Config& config) {
  auto rope = simdrope::Rope::create(config);
  REQUIRE_MESSAGE(rope.ok(), rope.status().message());
  return *std::move(rope);
}

Tensors Keys(uint64_t seed, int64_t tokens) {
  Tensors t = MakeTensors(Layout::kBshd, {1, tokens, 0, 2, 0, kHeadDim}, simdrope::f32);
  Random random(seed);
  Job job;
  job.in = t.qkv;
  FillInputs(job, Inputs::kTame, &random);
  return t;
}

// The largest difference between two sets of keys, against `norm`.
double Worst(const Tensors& a, const Tensors& b) {
  double worst = 0;
  ForHeads(a.qkv.k, [&](int64_t n, int64_t s, int64_t h) {
    for (int d = 0; d < kHeadDim; ++d) {
      worst = std::fmax(worst, std::fabs(ValueOf(a.qkv.k, n, s, h, d) - ValueOf(b.qkv.k, n, s, h, d)));
    }
  });
  return worst;
}

// Elements are at most 2 and pairs 2 sqrt(2); three rotations of at most 3.1 u (|x| + |y|) each.
double Bound(double magnitude) { return 3 * 3.1 * kU * 4 * magnitude; }

void CheckShift(const Config& config, const simdrope::Positions& before, const simdrope::Positions& delta,
                const simdrope::Positions& after, double magnitude, int64_t tokens) {
  const simdrope::Rope rope = RopeOf(config);
  const auto shift = rope.shift();
  REQUIRE_MESSAGE(shift.ok(), shift.status().message());
  Tensors moved = Keys(81, tokens), direct = Keys(81, tokens);
  REQUIRE(simdrope::apply(rope.stream(before), moved.qkv).ok());
  const simdrope::Status status = simdrope::apply(shift->stream(delta), moved.qkv);
  REQUIRE_MESSAGE(status.ok(), status.message());
  REQUIRE(simdrope::apply(rope.stream(after), direct.qkv).ok());
  CHECK(Worst(moved, direct) <= Bound(magnitude));
}

}  // namespace

TEST_CASE("a context shift, for every scaling, its magnitude applied once") {
  for (const auto type : {SIMDROPE_SCALING_NONE, SIMDROPE_SCALING_LINEAR, SIMDROPE_SCALING_LLAMA3, SIMDROPE_SCALING_NTK,
                          SIMDROPE_SCALING_DYNAMIC, SIMDROPE_SCALING_YARN, SIMDROPE_SCALING_LONGROPE,
                          SIMDROPE_SCALING_PROPORTIONAL, SIMDROPE_SCALING_FREQ_FACTORS}) {
    const Config config = Scaled(type);
    const double magnitude = std::fmax(1, RopeOf(config).info().attention_factor);
    for (const int64_t delta : {0, 1, -100, 5000}) {
      CAPTURE(static_cast<int>(type));
      CAPTURE(delta);
      simdrope::Positions by = simdrope::Positions::per_token(&delta, 1);
      by.seq_stride = 0;
      CheckShift(config, 200, by, 200 + delta, magnitude, 5);
    }
  }
}

TEST_CASE("a context shift of several axes") {
  Config config(kHeadDim);
  config.axes.count = 3;
  config.axes.sections[0] = 4;
  config.axes.sections[1] = config.axes.sections[2] = 6;
  const int64_t before[] = {10, 11, 12, 3, 4, 5, 7, 7, 8}, delta[] = {5, 5, 5, 1, 0, -1, 2, 2, 2};
  int64_t after[9];
  for (int i = 0; i < 9; ++i) after[i] = before[i] + delta[i];
  const auto ids = [](const int64_t* p) { return simdrope::Positions::per_token(p, 3, 1, 3); };
  CheckShift(config, ids(before), ids(delta), ids(after), 1, 3);
}

TEST_CASE("a context shift with XPos scales keys by the distance alone") {
  Config config(kHeadDim);
  config.xpos.scale_base = 512;
  config.xpos.center = 60;
  const int64_t delta = 300;
  simdrope::Positions by = simdrope::Positions::per_token(&delta, 1);
  by.seq_stride = 0;
  // K's magnitude at position 504: (7 / 2)^(444 / 512).
  CheckShift(config, 200, by, 500, std::pow(3.5, 444.0 / 512), 5);
}

TEST_CASE("from LongRoPE's short list to its long one, at the same positions") {
  Config small = Scaled(SIMDROPE_SCALING_LONGROPE), large = small;
  large.scaling.seq_len = 4097;
  small.scaling.short_mscale = large.scaling.short_mscale = 1.1;
  small.scaling.long_mscale = large.scaling.long_mscale = 1.3;
  const simdrope::Rope from = RopeOf(small), to = RopeOf(large);
  const auto turn = from.rerotation(to);
  REQUIRE_MESSAGE(turn.ok(), turn.status().message());
  Tensors turned = Keys(82, 40), direct = Keys(82, 40);
  REQUIRE(simdrope::apply(from.stream(3000), turned.qkv).ok());
  REQUIRE(simdrope::apply(turn->stream(3000), turned.qkv).ok());
  REQUIRE(simdrope::apply(to.stream(3000), direct.qkv).ok());
  CHECK(Worst(turned, direct) <= Bound(1.3));
}

TEST_CASE("ropes that cannot be turned into one another are refused") {
  const simdrope::Rope plain = RopeOf(Config(kHeadDim));
  Config other(kHeadDim);
  other.pairing = SIMDROPE_INTERLEAVED;
  CHECK(plain.rerotation(RopeOf(other)).status().code() == SIMDROPE_INVALID_ARGUMENT);
  CHECK(plain.rerotation(RopeOf(Config(64))).status().code() == SIMDROPE_INVALID_ARGUMENT);
  Config partial(kHeadDim);
  partial.rotary_dim = 16;
  CHECK(plain.rerotation(RopeOf(partial)).status().code() == SIMDROPE_INVALID_ARGUMENT);
  Config xpos(kHeadDim);
  xpos.xpos.scale_base = 512;
  CHECK(plain.rerotation(RopeOf(xpos)).status().code() == SIMDROPE_UNSUPPORTED);
  // Two angles a pair, or sums of angles, on either side.
  Config wide(kHeadDim);
  wide.angle_order = SIMDROPE_ANGLES_NEIGHBOURS;
  Config summed(kHeadDim);
  summed.axes = {2, SIMDROPE_AXES_SUM, {}, 0, nullptr};
  summed.scaling.type = SIMDROPE_SCALING_EXPLICIT;
  summed.set_factors(std::vector<double>(kHeadDim, 0.5));
  for (const Config& config : {wide, summed}) {
    const simdrope::Rope rope = RopeOf(config);
    CHECK(rope.shift().status().code() == SIMDROPE_UNSUPPORTED);
    CHECK(plain.rerotation(rope).status().code() == SIMDROPE_UNSUPPORTED);
    CHECK(rope.rerotation(plain).status().code() == SIMDROPE_UNSUPPORTED);
    CHECK(rope.rerotation(rope).status().code() == SIMDROPE_UNSUPPORTED);
  }
  simdrope_rope* none = nullptr;
  CHECK(simdrope_rope_create_rerotation(plain.get(), nullptr, 0, &none) == SIMDROPE_INVALID_ARGUMENT);
  CHECK(simdrope_rope_create_rerotation(nullptr, plain.get(), 0, nullptr) == SIMDROPE_INVALID_ARGUMENT);
}

TEST_CASE("a fingerprint says what a rope means, and a re-rotation refuses another one") {
  const simdrope::Config config(64, 5e5);
  const simdrope::Rope rope = (*simdrope::Rope::create(config));
  CHECK(rope.fingerprint() != 0);
  simdrope::Config same = config;
  same.rotary_dim = 64;  // as the default
  CHECK((*simdrope::Rope::create(config)).fingerprint() == rope.fingerprint());
  CHECK((*simdrope::Rope::create(same)).fingerprint() == rope.fingerprint());
  simdrope::Config other = config;
  other.theta = 1e4;
  const simdrope::Rope to = (*simdrope::Rope::create(other));
  CHECK(to.fingerprint() != rope.fingerprint());
  CHECK(rope.rerotation(to, rope.fingerprint()).ok());
  CHECK(rope.rerotation(to).ok());
  CHECK(rope.shift(rope.fingerprint()).ok());
  const auto refused = rope.rerotation(to, to.fingerprint());
  CHECK(refused.status().code() == SIMDROPE_INVALID_ARGUMENT);
  CHECK(refused.status().message().find("fingerprint") != std::string::npos);
  CHECK(simdrope_rope_fingerprint(nullptr) == 0);
  // Stored beside caches by earlier versions: it may never change.
  CHECK(rope.fingerprint() == 17350081831110001012u);
}
