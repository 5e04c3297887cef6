// XPos: the product of a rotated Q and K depends on their distance alone, at any cache length.
#include <cmath>

#include "support.h"

using namespace testing;

namespace {

constexpr int kHeadDim = 64;
constexpr int kPairs = kHeadDim / 2;

struct Heads {
  std::vector<float> q;
  std::vector<float> k;
};

Heads Draw(uint64_t seed) {
  Random random(seed);
  Heads heads{std::vector<float>(kHeadDim), std::vector<float>(kHeadDim)};
  for (int d = 0; d < kHeadDim; ++d) {
    heads.q[static_cast<size_t>(d)] = static_cast<float>(random.Real(-1, 1));
    heads.k[static_cast<size_t>(d)] = static_cast<float>(random.Real(-1, 1));
  }
  return heads;
}

// The dot product after rotating Q at one position and K at another.
double Dot(const simdrope::Rope& rope, Heads heads, int64_t q_position, int64_t k_position) {
  REQUIRE(simdrope::apply(rope.stream(q_position), simdrope::thd(heads.q.data(), 1, 1, kHeadDim)).ok());
  const simdrope::QKV k({}, simdrope::thd(heads.k.data(), 1, 1, kHeadDim));
  REQUIRE(simdrope::apply(rope.stream(k_position), k).ok());
  double dot = 0;
  for (size_t d = 0; d < kHeadDim; ++d) dot += static_cast<double>(heads.q[d]) * static_cast<double>(heads.k[d]);
  return dot;
}

struct Truth {
  double dot;
  double scale;  // what its rounding errors are proportional to
};

// zeta^(distance / scale_base) times the dot product of the pair turned by distance.
Truth Expected(const Heads& heads, int64_t distance, double scale_base, double theta) {
  const std::vector<double> inv_freq = PlainInvFreq(theta, kHeadDim);
  Truth truth{0, 0};
  for (size_t i = 0; i < kPairs; ++i) {
    const double zeta = (2 * static_cast<double>(i) + 0.4 * kHeadDim) / (1.4 * kHeadDim);
    const double decay = std::pow(zeta, static_cast<double>(distance) / scale_base);
    const Row row = RowAt({inv_freq[i]}, static_cast<double>(distance));
    const double qx = heads.q[i], qy = heads.q[i + kPairs], kx = heads.k[i], ky = heads.k[i + kPairs];
    truth.dot += decay * ((qx * kx + qy * ky) * row.cos[0] + (qx * ky - qy * kx) * row.sin[0]);
    truth.scale += decay * (std::fabs(qx) + std::fabs(qy)) * (std::fabs(kx) + std::fabs(ky));
  }
  return truth;
}

simdrope::Rope RopeOf(double scale_base, double theta, int64_t cache_length, bool flash_centre) {
  simdrope::Config config(kHeadDim, theta);
  config.xpos.scale_base = scale_base;
  config.xpos.center_at_half_length = flash_centre;
  if (flash_centre) {
    config.scaling.seq_len = cache_length;
  } else {
    config.xpos.center = static_cast<double>(cache_length) / 2;
  }
  auto rope = simdrope::Rope::create(config);
  REQUIRE(rope.ok());
  return *std::move(rope);
}

}  // namespace

TEST_CASE("XPos dot products depend on the distance alone, up to 2^17, at two cache lengths") {
  // The magnitudes zeta^(p / scale_base) of either side have to stay within float: with zeta from 2/7
  // on, |p - center| may be up to 69 scale_base. 512 is what models use; 2048 covers 2^17 positions.
  int pairs = 0;
  for (const double theta : {1e4, 5e5}) {
    for (const double scale_base : {512.0, 2048.0}) {
      const int64_t reach = int64_t{1} << (scale_base == 512.0 ? 14 : 17);
      for (const int64_t cache_length : {reach / 4, reach}) {
        for (const bool flash_centre : {false, true}) {
          const simdrope::Rope rope = RopeOf(scale_base, theta, cache_length, flash_centre);
          for (int64_t distance = -reach / 2; distance <= reach; distance += reach / 2 - 13) {
            const Heads heads = Draw(static_cast<uint64_t>(distance + reach));
            const Truth truth = Expected(heads, distance, scale_base, theta);
            for (const int64_t k_position : {int64_t{0}, int64_t{1}, reach / 8, reach / 3}) {
              CAPTURE(scale_base);
              CAPTURE(cache_length);
              CAPTURE(distance);
              CAPTURE(k_position);
              const double dot = Dot(rope, heads, k_position + distance, k_position);
              // Each side: 2 u of the rotation and 1.02 u of its row, both sides' products of two.
              CHECK(std::fabs(dot - truth.dot) <= 2 * 3.1 * kU * truth.scale * 1.001);
              ++pairs;
            }
          }
        }
      }
    }
  }
  CHECK(pairs > 100);
}

TEST_CASE("keys cached before the cache grew stay valid with a fixed centre") {
  const simdrope::Rope rope = RopeOf(512, 1e4, 0, false);
  Heads cached = Draw(71), again = cached;
  const simdrope::QKV one({}, simdrope::thd(cached.k.data(), 1, 1, kHeadDim));
  const simdrope::QKV two({}, simdrope::thd(again.k.data(), 1, 1, kHeadDim));
  REQUIRE(simdrope::apply(rope.stream(100), one).ok());
  simdrope::Config longer(kHeadDim);
  longer.xpos.scale_base = 512;
  longer.scaling.seq_len = 100000;  // counts only where the centre follows the length
  const auto grown = simdrope::Rope::create(longer);
  REQUIRE(grown.ok());
  REQUIRE(simdrope::apply(grown->stream(100), two).ok());
  CHECK(cached.k == again.k);
}

TEST_CASE("Q and K at the centre are plainly rotated") {
  const simdrope::Rope rope = RopeOf(512, 1e4, 2000, false);
  const auto plain = simdrope::Rope::create(simdrope::Config(kHeadDim));
  REQUIRE(plain.ok());
  Heads a = Draw(72), b = a;
  for (const auto& [heads, r] : {std::pair{&a, &rope}, {&b, &*plain}}) {
    const simdrope::QKV both(simdrope::thd(heads->q.data(), 1, 1, kHeadDim),
                             simdrope::thd(heads->k.data(), 1, 1, kHeadDim));
    REQUIRE(simdrope::apply(r->stream(1000), both).ok());
  }
  CHECK(a.q == b.q);
  CHECK(a.k == b.k);
}
