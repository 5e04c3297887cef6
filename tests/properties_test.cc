// What any rotation by position has to have, whatever its formula.
#include <cmath>
#include <cstring>

#include "support.h"
#include "support/ids.h"
#include "support/layouts.h"

using namespace testing;

namespace {

constexpr Pairing kPairings[] = {simdrope::half, simdrope::interleaved};

Shape ShapeOfAll() { return IsQuick() ? Shape{1, 11, 1, 1, 0, 64} : Shape{2, 11, 3, 2, 0, 64}; }

Tensors Drawn(Format format, uint64_t seed, const Shape& shape = ShapeOfAll()) {
  Tensors t = MakeTensors(Layout::kBshd, shape, format);
  Random random(seed);
  Job job;
  job.in = t.qkv;
  FillInputs(job, Inputs::kTame, &random);
  return t;
}

simdrope::Rope RopeOf(Pairing pairing, double theta = 5e5, int head_dim = 64) {
  simdrope::Config config(head_dim, theta);
  config.pairing = pairing;
  auto rope = simdrope::Rope::create(config);
  REQUIRE(rope.ok());
  return *std::move(rope);
}

// Places of pair i in a head of 64.
std::pair<int, int> PairAt(Pairing pairing, int i) {
  return pairing == simdrope::half ? std::pair(i, i + 32) : std::pair(2 * i, 2 * i + 1);
}

// The largest |a - b| over all elements of Q, divided by the magnitude of its pair in a.
double WorstOverPair(const Tensors& a, const Tensors& b, Pairing pairing) {
  double worst = 0;
  ForHeads(a.qkv.q, [&](int64_t n, int64_t s, int64_t h) {
    for (int i = 0; i < 32; ++i) {
      const auto [x, y] = PairAt(pairing, i);
      const double norm = std::hypot(ValueOf(a.qkv.q, n, s, h, x), ValueOf(a.qkv.q, n, s, h, y));
      for (const int d : {x, y}) {
        worst = std::fmax(worst, std::fabs(ValueOf(a.qkv.q, n, s, h, d) - ValueOf(b.qkv.q, n, s, h, d)) / norm);
      }
    }
  });
  return worst;
}

}  // namespace

TEST_CASE("the norm of every pair is kept") {
  // |fl(cos), fl(sin)| is within 1.5 u of 1, either result within 3 u sqrt(2) of the pair's norm.
  ForEachTarget([](const simdrope_target&) {
    for (const Pairing pairing : kPairings) {
      const Tensors before = Drawn(simdrope::f32, 61);
      Tensors after = Drawn(simdrope::f32, 61);
      REQUIRE(simdrope::apply(RopeOf(pairing).stream(123456), after.qkv).ok());
      double worst = 0;
      ForHeads(before.qkv.q, [&](int64_t b, int64_t s, int64_t h) {
        for (int i = 0; i < 32; ++i) {
          const auto [x, y] = PairAt(pairing, i);
          const double was = std::hypot(ValueOf(before.qkv.q, b, s, h, x), ValueOf(before.qkv.q, b, s, h, y));
          const double is = std::hypot(ValueOf(after.qkv.q, b, s, h, x), ValueOf(after.qkv.q, b, s, h, y));
          worst = std::fmax(worst, std::fabs(is / was - 1));
        }
      });
      CHECK(worst <= 6 * kU);
    }
  });
}

TEST_CASE("inverse undoes forward") {
  ForEachTarget([](const simdrope_target&) {
    for (const Pairing pairing : kPairings) {
      for (const Format format : kFormats) {
        const Tensors before = Drawn(format, 62);
        Tensors there_and_back = Drawn(format, 62);
        const simdrope::Rope rope = RopeOf(pairing);
        simdrope::Options inverse;
        inverse.inverse = true;
        REQUIRE(simdrope::apply(rope.stream(-777), there_and_back.qkv).ok());
        REQUIRE(simdrope::apply(rope.stream(-777), there_and_back.qkv, inverse).ok());
        // Two rotations of 3 u sqrt(2) each, and two roundings of half an ULP (at most u' = ulp(1) / 2 of
        // the norm, either turned into both elements).
        const double rounding = format == simdrope::f32 ? 0 : UlpAt(1, format) / 2;
        const double worst = WorstOverPair(before, there_and_back, pairing);
        CHECK(worst <= 9 * kU + 2.5 * rounding);
      }
    }
  });
}

TEST_CASE("inverse is exactly forward at the negated position, and in another pairing the same numbers") {
  ForEachTarget([](const simdrope_target&) {
    for (const Pairing pairing : kPairings) {
      for (const Format format : kFormats) {
        const int64_t there[] = {5, 70000, 3, 0, 1, 2, 3, 4, 5, 6, 1 << 30};
        int64_t back[11];
        for (int i = 0; i < 11; ++i) back[i] = -there[i];
        Tensors a = Drawn(format, 63), b = Drawn(format, 63);
        const simdrope::Rope rope = RopeOf(pairing);
        simdrope::Options inverse;
        inverse.inverse = true;
        REQUIRE(simdrope::apply(rope.stream(simdrope::Positions::per_token(there, 11)), a.qkv, inverse).ok());
        REQUIRE(simdrope::apply(rope.stream(simdrope::Positions::per_token(back, 11)), b.qkv).ok());
        const bool same = BytesOf(BuffersOf(&a)) == BytesOf(BuffersOf(&b));
        CHECK(same);
      }
    }
  });
}

TEST_CASE("position 0 is the identity") {
  ForEachTarget([](const simdrope_target&) {
    for (const Pairing pairing : kPairings) {
      for (const Format format : kFormats) {
        const int64_t zero = 0;
        simdrope::Positions positions = simdrope::Positions::per_token(&zero, 1);
        positions.seq_stride = 0;
        Tensors before = Drawn(format, 64), after = Drawn(format, 64);
        REQUIRE(simdrope::apply(RopeOf(pairing).stream(positions), after.qkv).ok());
        const bool same = BytesOf(BuffersOf(&before)) == BytesOf(BuffersOf(&after));
        CHECK(same);
      }
    }
  });
}

TEST_CASE("the dot product of a rotated Q and K depends on their distance alone") {
  for (const Pairing pairing : kPairings) {
    const simdrope::Rope rope = RopeOf(pairing);
    for (const int64_t distance : {0, 1, 17, 4096, 100000}) {
      double first = 0;
      for (const int64_t k_position : {0, 5, 333, 65536, 1000000}) {
        Tensors t = Drawn(simdrope::f32, 65, {1, 1, 1, 1, 0, 64});
        double scale = 0;
        for (int i = 0; i < 32; ++i) {
          const auto [x, y] = PairAt(pairing, i);
          scale += std::hypot(ValueOf(t.qkv.q, 0, 0, 0, x), ValueOf(t.qkv.q, 0, 0, 0, y)) *
                   std::hypot(ValueOf(t.qkv.k, 0, 0, 0, x), ValueOf(t.qkv.k, 0, 0, 0, y));
        }
        const simdrope::Tensor q(t.qkv.q.data, simdrope::f32, 1, 1, 1, 64, 0, 0, 0);
        const simdrope::Tensor k(t.qkv.k.data, simdrope::f32, 1, 1, 1, 64, 0, 0, 0);
        REQUIRE(simdrope::apply(rope.stream(k_position + distance), q).ok());
        REQUIRE(simdrope::apply(rope.stream(k_position), simdrope::QKV({}, k)).ok());
        double dot = 0;
        for (int d = 0; d < 64; ++d) dot += ValueOf(q, 0, 0, 0, d) * ValueOf(k, 0, 0, 0, d);
        if (k_position == 0) first = dot;
        // Each rotated pair is within 3 u sqrt(2) of the true one; so is the other side.
        CHECK(std::fabs(dot - first) <= 2 * 2 * 4.5 * kU * scale);
      }
    }
  }
}

TEST_CASE("rotating by p and then by d is rotating by p + d") {
  for (const Pairing pairing : kPairings) {
    Tensors twice = Drawn(simdrope::f32, 66), once = Drawn(simdrope::f32, 66);
    const simdrope::Rope rope = RopeOf(pairing);
    const int64_t d = 4321;
    simdrope::Positions by_d = simdrope::Positions::per_token(&d, 1);
    by_d.seq_stride = 0;
    REQUIRE(simdrope::apply(rope.stream(50), twice.qkv).ok());
    REQUIRE(simdrope::apply(rope.stream(by_d), twice.qkv).ok());
    REQUIRE(simdrope::apply(rope.stream(50 + d), once.qkv).ok());
    const double worst = WorstOverPair(once, twice, pairing);
    CHECK(worst <= 14 * kU);
  }
}

TEST_CASE("half and interleaved pairs give the same numbers in other places") {
  ForEachTarget([](const simdrope_target& target) {
    for (const Format format : kFormats) {
      Tensors a = Drawn(format, 67), b = Drawn(format, 67), c = Drawn(format, 67);
      // b is a with its pairs side by side.
      ForHeads(a.qkv.q, [&](int64_t n, int64_t s, int64_t h) {
        for (int i = 0; i < 32; ++i) {
          Store(ValueOf(a.qkv.q, n, s, h, i), format, ElementOf(b.qkv.q, n, s, h, 2 * i));
          Store(ValueOf(a.qkv.q, n, s, h, i + 32), format, ElementOf(b.qkv.q, n, s, h, 2 * i + 1));
        }
      });
      simdrope::Options to_half;
      to_half.output_pairing = simdrope::half;
      REQUIRE(simdrope::apply(RopeOf(simdrope::half).stream(9), a.qkv).ok());
      REQUIRE(simdrope::apply(RopeOf(simdrope::interleaved).stream(9), b.qkv, c.qkv, to_half).ok());
      if (!target.fused) continue;  // two forms of the rotation that round alike when fused
      const bool same = a.buffers[0].Bytes() == c.buffers[0].Bytes();
      CHECK(same);
    }
  });
}
