// Calls at the edge of what can be computed: results that cannot be finite, destinations that lie on each other,
// sums beyond 64 bits, hosts that changed their rounding. Each was once accepted, or was computed wrongly.
#include <cfenv>
#include <cmath>
#include <limits>

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

#include "support.h"

namespace {

using simdrope::Config;
using simdrope::Positions;
using simdrope::Tensor;

// Rotates one token of one head of 8 at `position`. Checks that a refused call writes nothing.
simdrope::Status RotateAt(const Config& config, int64_t position) {
  const auto rope = simdrope::Rope::create(config);
  if (!rope.ok()) return rope.status();
  std::vector<float> q(8, 1.0f), k(8, 1.0f);
  const auto before = q;
  const simdrope::QKV qkv(simdrope::bshd(q.data(), 1, 1, 1, 8), simdrope::bshd(k.data(), 1, 1, 1, 8));
  const simdrope::Status status = simdrope::apply(rope->stream(Positions(position)), qkv);
  if (!status.ok()) CHECK((q == before && k == before));
  for (const float x : q) CHECK(std::isfinite(x));
  for (const float x : k) CHECK(std::isfinite(x));
  return status;
}

// A rope with XPos and temperature, its prepared rows, and a call that they serve.
struct Prepared {
  Config config{8};
  simdrope::Result<simdrope::Rope> rope = MakeRope();
  std::vector<float> cos = std::vector<float>(8), sin = cos, key_cos = cos, key_sin = cos, scale = cos, data = cos;
  simdrope_cos_sin view = SIMDROPE_COS_SIN_INIT;

  simdrope::Result<simdrope::Rope> MakeRope() {
    config.xpos.scale_base = 512;
    config.temperature = {0.1, 8192, 0};
    return simdrope::Rope::create(config);
  }
  Prepared() {
    REQUIRE(rope.ok());
    view.source = SIMDROPE_PREPARED;
    view.rope = rope->get();
    view.table = simdrope::Table(cos.data(), sin.data(), 2, 4);
    view.key_table = simdrope::Table(key_cos.data(), key_sin.data(), 2, 4);
    view.query_scale = scale.data();
  }
  simdrope::Status Apply() {
    const simdrope::QKV qkv(simdrope::bshd(data.data(), 1, 1, 1, 8));
    const simdrope_status code = simdrope_apply(&view, &qkv, nullptr, nullptr);
    return simdrope::Status::of(code);
  }
};

simdrope_status Compute(const Config& config, simdrope_cos_sin_output* output, int64_t batch, int64_t seq,
                        const Positions& positions = {}) {
  const auto rope = simdrope::Rope::create(config);
  REQUIRE(rope.ok());
  return simdrope_compute_cos_sin(rope->get(), &positions, batch, seq, output, nullptr);
}

}  // namespace

TEST_CASE("positions whose rows cannot be finite are refused, and those beside them are not") {
  Config temperature(8);
  temperature.temperature = {0.1, 8192, 0};
  CHECK(RotateAt(temperature, 0).ok());
  CHECK_FALSE(RotateAt(temperature, -8192).ok());
  CHECK_FALSE(RotateAt(temperature, -20000).ok());

  Config rounded(8);
  rounded.precision = SIMDROPE_PRECISION_F16_POSITIONS;
  CHECK(RotateAt(rounded, 65504).ok());
  CHECK(RotateAt(rounded, 65519).ok());
  CHECK_FALSE(RotateAt(rounded, 65520).ok());

  Config xpos(8);
  xpos.xpos.scale_base = 512;
  CHECK(RotateAt(xpos, 1000).ok());
  CHECK_FALSE(RotateAt(xpos, 400000).ok());

  Config factor(8);
  factor.scaling.attention_factor = 1e39;
  CHECK_FALSE(RotateAt(factor, 1).ok());
}

TEST_CASE("of all positions the one farthest from 0 says whether rows are finite, on either side of it") {
  const auto rotate = [](simdrope_precision precision, const double(&ids)[2]) {
    Config config(8);
    config.precision = precision;
    const auto rope = simdrope::Rope::create(config);
    REQUIRE(rope.ok());
    std::vector<float> q(16, 1.0f);
    const auto before = q;
    const auto rows = rope->stream(Positions::per_token(ids, 2));
    const simdrope_status code = simdrope::apply(rows, simdrope::bshd(q.data(), 1, 2, 1, 8)).code();
    if (code != SIMDROPE_OK) CHECK(q == before);
    return code;
  };
  const double f16 = 65519, beyond_f16 = 65520;
  CHECK(rotate(SIMDROPE_PRECISION_F16_POSITIONS, {-f16, f16}) == SIMDROPE_OK);
  CHECK(rotate(SIMDROPE_PRECISION_F16_POSITIONS, {3, beyond_f16}) == SIMDROPE_UNSUPPORTED);
  CHECK(rotate(SIMDROPE_PRECISION_F16_POSITIONS, {-beyond_f16, 3}) == SIMDROPE_UNSUPPORTED);
  // The first pair turns by a radian a position; reals are turned up to 2^48 radians.
  const double most = std::ldexp(1.0, 48);
  CHECK(rotate(SIMDROPE_PRECISION_EXACT, {1 - most, most - 1}) == SIMDROPE_OK);
  CHECK(rotate(SIMDROPE_PRECISION_EXACT, {0, most}) == SIMDROPE_UNSUPPORTED);
  CHECK(rotate(SIMDROPE_PRECISION_EXACT, {-most, 0}) == SIMDROPE_UNSUPPORTED);
}

TEST_CASE("prepared rows lack nothing that their rope asks for") {
  Prepared prepared;
  CHECK(prepared.Apply().ok());
  prepared.view.key_table = SIMDROPE_TABLE_INIT;
  CHECK(prepared.Apply().message().find("key_table") != std::string::npos);
  Prepared other;
  other.view.query_scale = nullptr;
  CHECK(other.Apply().message().find("query_scale") != std::string::npos);
}

TEST_CASE("destinations of cos and sin that lie on each other are refused") {
  std::vector<float> memory(64, 7.0f);
  const auto before = memory;
  const auto output = [&](float* cos, float* sin, int64_t row_stride, int64_t batch_stride) {
    simdrope_cos_sin_output made = SIMDROPE_COS_SIN_OUTPUT_INIT;
    made.table = simdrope::Table(cos, sin, 2, 4);
    made.table.row_stride = row_stride;
    made.table.batches = 2;
    made.table.batch_stride = batch_stride;
    return made;
  };
  const int64_t offsets[] = {0, 5};
  const Positions positions = Positions::per_sequence(offsets, 2);
  float* at = memory.data();
  simdrope_cos_sin_output bad[] = {output(at, at, 4, 8), output(at, at + 2, 4, 8), output(at, at + 16, 4, 0),
                                   output(at, at + 16, 0, 8), output(at, at + 8, 4, 8)};
  for (auto& each : bad) {
    CHECK(Compute(Config(8), &each, 2, 2, positions) == SIMDROPE_INVALID_ARGUMENT);
    CHECK(memory == before);
  }
  simdrope_cos_sin_output good = output(at, at + 16, 4, 8);
  CHECK(Compute(Config(8), &good, 2, 2, positions) == SIMDROPE_OK);
}

TEST_CASE("an output on the table that it is rotated by is refused") {
  std::vector<float> table(32, 1.0f);
  const auto before = table;
  simdrope::CosSinView rows{simdrope::Table(table.data(), table.data() + 16, 4, 4)};
  const simdrope::QKV qkv(simdrope::bshd(table.data() + 8, 1, 1, 1, 8));
  CHECK(simdrope_apply(&rows, &qkv, nullptr, nullptr) == SIMDROPE_INVALID_ARGUMENT);
  CHECK(table == before);
}

TEST_CASE("two axes of equal stride overlap") {
  std::vector<float> data(64, 1.0f);
  const auto before = data;
  const auto rope = simdrope::Rope::create(Config(4));
  REQUIRE(rope.ok());
  const Tensor q(data.data(), simdrope::f32, 2, 2, 1, 4, 4, 4, 4);
  CHECK(simdrope::apply(rope->stream(), q).code() == SIMDROPE_INVALID_ARGUMENT);
  CHECK(data == before);
}

TEST_CASE("real ids add to start and offsets without wrapping") {
  const auto rope = simdrope::Rope::create(Config(8));
  REQUIRE(rope.ok());
  std::vector<float> data(8, 1.0f);
  const double ids[] = {1.0};
  const int64_t offsets[] = {INT64_MAX};
  Positions positions = Positions::per_token(ids, 1);
  positions.start = INT64_MAX;
  positions.offsets = offsets;
  positions.offsets_type = SIMDROPE_INDEX_I64;
  const simdrope::Status status = simdrope::apply(rope->stream(positions), simdrope::bshd(data.data(), 1, 1, 1, 8));
  CHECK_FALSE(status.ok());
  CHECK(data == std::vector<float>(8, 1.0f));
}

TEST_CASE("empty tensors of any length return at once") {
  const Tensor empty(nullptr, simdrope::f32, INT64_MAX, 1, 0, 64, 0, 0, 0);
  CHECK(simdrope::rotate_half(empty, empty, simdrope::half).ok());
}

TEST_CASE("the host's rounding and flushing change nothing, and are as before after the call") {
  Config config(64);
  const auto rope = simdrope::Rope::create(config);
  REQUIRE(rope.ok());
  std::vector<float> input(64 * 64 * 4);
  for (size_t i = 0; i < input.size(); ++i) {
    const auto n = static_cast<int>(i);
    input[i] = std::ldexp(1.0f + static_cast<float>(n % 97) / 97, n % 9 - 130);  // half of them subnormal
  }
  const auto rotate = [&](int threads) {
    std::vector<float> data = input;
    simdrope::Options options;
    options.threads = threads;
    REQUIRE(simdrope::apply(rope->stream(1000), simdrope::bshd(data.data(), 1, 64, 4, 64), options).ok());
    return data;
  };
  const auto expected = rotate(1);
  REQUIRE(rotate(0) == expected);
  int modes = 0;
  for (const int rounding : {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO}) {
    REQUIRE(std::fesetround(rounding) == 0);
    const auto serial = rotate(1), threaded = rotate(0);
    const int after = std::fegetround();
    std::fesetround(FE_TONEAREST);
    CHECK(serial == expected);
    CHECK(threaded == expected);
    CHECK(after == rounding);
    ++modes;
  }
  CHECK(modes == 3);
#if defined(__SSE__)
  const unsigned before = _mm_getcsr();
  _mm_setcsr(before | 0x8040u);  // FTZ, DAZ
  const auto serial = rotate(1), threaded = rotate(0);
  const unsigned after = _mm_getcsr();
  _mm_setcsr(before);
  CHECK(serial == expected);
  CHECK(threaded == expected);
  CHECK((after & 0x8040u) == 0x8040u);
#endif
}
