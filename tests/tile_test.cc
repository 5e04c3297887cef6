// The stages of a tile between its load and its store, each against plain scalar code: the same bits where the stage's
// definition fixes every operation (src/kernels/tile.h), a bound from an error analysis against double where a reader
// wants to know how far a result is off. On every target.
#include "support/tile.h"

#include <cmath>
#include <cstring>
#include <functional>

#include "exec/rotate_window.h"

using namespace testing;

namespace {

float ScalarMulAdd(float a, float b, float c, bool fused) { return fused ? std::fma(a, b, c) : a * b + c; }

// Term by term into 16 sums, which are added by halves.
float ScalarSum(const std::vector<float>& x, const std::function<float(float sum, float x)>& add) {
  float sums[16] = {};
  for (size_t i = 0; i < x.size(); ++i) sums[i % 16] = add(sums[i % 16], x[i]);
  for (size_t half = 8; half > 0; half /= 2) {
    for (size_t k = 0; k < half; ++k) sums[k] += sums[k + half];
  }
  return sums[0];
}

}  // namespace

TEST_CASE("sums are those of the stated order, and within its bound") {
  ForEachTable([](const TileKernels& k, bool fused) {
    Random random(5);
    int wrong = 0, far = 0;
    for (int draw = 0; draw < Draws(2000); ++draw) {
      const Shape shape = DrawShape(random);
      TestTile tile(shape.heads, shape.head_dim, shape.more_stride);
      const bool hostile = random.Chance(3);
      tile.Fill(
          [&](size_t, size_t) { return hostile ? Hostile(random, true) : static_cast<float>(random.Real(-4, 4)); });
      float sums[kTileHeads], squares[kTileHeads], means[kTileHeads], deviations[kTileHeads];
      k.sums(*tile, sums);
      k.square_sums(*tile, squares);
      for (size_t h = 0; h < shape.heads; ++h) means[h] = sums[h] / static_cast<float>(shape.head_dim);
      k.deviation_sums(*tile, means, deviations);
      for (size_t h = 0; h < shape.heads; ++h) {
        const std::vector<float> x = tile.Head(h);
        const float sum = ScalarSum(x, [](float s, float v) { return s + v; });
        const float square = ScalarSum(x, [&](float s, float v) { return ScalarMulAdd(v, v, s, fused); });
        const float deviation =
            ScalarSum(x, [&](float s, float v) { return ScalarMulAdd(v - means[h], v - means[h], s, fused); });
        wrong += Same(sums[h], sum) && Same(squares[h], square) && Same(deviations[h], deviation) ? 0 : 1;
        if (hostile) continue;
        // Each term goes through at most ceil(n / 16) + 4 sums, and one product where that is rounded.
        double exact = 0, exact_square = 0, magnitudes = 0;
        for (const float v : x) {
          exact += static_cast<double>(v);
          magnitudes += std::fabs(static_cast<double>(v));
          exact_square += static_cast<double>(v) * static_cast<double>(v);
        }
        const double roundings = std::ceil(static_cast<double>(x.size()) / 16) + 5;
        far += std::fabs(static_cast<double>(sums[h]) - exact) <= 1.01 * roundings * kUnit * magnitudes ? 0 : 1;
        far += std::fabs(static_cast<double>(squares[h]) - exact_square) <= 1.01 * roundings * kUnit * exact_square ? 0
                                                                                                                    : 1;
      }
      wrong += tile.IsWhole() ? 0 : 1;
    }
    CHECK(wrong == 0);
    CHECK(far == 0);
  });
}

namespace {

// Exactly as many as needed; sometimes all 1 and 0.
struct DrawnWeights {
  std::vector<float> weights, biases;
  NormWeights norm{};

  DrawnWeights(Random& random, const Shape& shape, bool with_bias) {
    norm.head_stride = random.Chance(2) ? 0 : static_cast<ptrdiff_t>(shape.head_dim);
    const size_t count = shape.head_dim * (norm.head_stride == 0 ? 1 : shape.heads);
    const auto draw = [&](std::vector<float>* values, float if_none) {
      const bool none = random.Chance(4);
      for (size_t i = 0; i < count; ++i) {
        values->push_back(none ? if_none : static_cast<float>(random.Real(-2, 2)));
      }
      return values->data();
    };
    norm.weight = draw(&weights, 1.0f);
    if (with_bias) norm.bias = draw(&biases, 0.0f);
  }
  size_t IndexOf(size_t h, size_t i) const { return h * static_cast<size_t>(norm.head_stride) + i; }
  float WeightOf(size_t h, size_t i) const { return weights[IndexOf(h, i)]; }
  float BiasOf(size_t h, size_t i) const { return biases[IndexOf(h, i)]; }
};

float RoundedTo(float x, simdrope_format format) {
  if (format == SIMDROPE_F16) return simdrope::impl::RoundToF16(x);
  if (format == SIMDROPE_BF16) return simdrope::impl::RoundToBf16(x);
  return x;
}

}  // namespace

TEST_CASE("norms: every operation as defined, and the bound against double") {
  ForEachTable([](const TileKernels& k, bool fused) {
    Random random(6);
    int wrong = 0, far = 0;
    for (int draw = 0; draw < Draws(2000); ++draw) {
      const Shape shape = DrawShape(random);
      TestTile tile(shape.heads, shape.head_dim, shape.more_stride);
      const bool hostile = random.Chance(3);
      tile.Fill(
          [&](size_t, size_t) { return hostile ? Hostile(random, true) : static_cast<float>(random.Real(-4, 4)); });
      const float count = static_cast<float>(shape.head_dim);
      const float eps = random.Chance(3) ? 0.0f : 1e-6f;
      const bool l2 = random.Chance(2);
      const simdrope_format rounding = random.Pick({SIMDROPE_F32, SIMDROPE_F16, SIMDROPE_BF16});
      const DrawnWeights weights(random, shape, false);
      std::vector<std::vector<float>> in;
      for (size_t h = 0; h < shape.heads; ++h) in.push_back(tile.Head(h));
      float sums[kTileHeads] = {}, factors[kTileHeads];
      k.square_sums(*tile, sums);
      k.norm_factors(l2 ? SIMDROPE_NORM_L2 : SIMDROPE_NORM_RMS, sums, count, eps, factors);
      k.normalise(*tile, factors, weights.norm, rounding);
      wrong += tile.IsWhole() ? 0 : 1;
      for (size_t h = 0; h < shape.heads; ++h) {
        const float root = std::sqrt(sums[h]);
        const float factor = l2 ? 1.0f / (root < eps ? eps : root) : 1.0f / std::sqrt(sums[h] / count + eps);
        wrong += Same(factors[h], factor) ? 0 : 1;
        double square = 0;
        for (const float v : in[h]) square += static_cast<double>(v) * static_cast<double>(v);
        const double exact_factor = l2 ? 1 / std::max(std::sqrt(square), static_cast<double>(eps))
                                       : 1 / std::sqrt(square / shape.head_dim + static_cast<double>(eps));
        for (size_t i = 0; i < shape.head_dim; ++i) {
          float expected = RoundedTo(in[h][i] * factor, rounding);
          expected = RoundedTo(expected * weights.WeightOf(h, i), rounding);
          wrong += Same(tile.At(h, i), expected) ? 0 : 1;
          if (hostile || rounding != SIMDROPE_F32) continue;
          // The sum is off by (ceil(n / 16) + 5) u relative, its root by half of that; then at most 4 roundings of the
          // factor (division, eps, root, reciprocal), 1 of each product.
          const double exact =
              static_cast<double>(in[h][i]) * exact_factor * static_cast<double>(weights.WeightOf(h, i));
          const double roundings = (std::ceil(static_cast<double>(shape.head_dim) / 16) + 5) / 2 + 6;
          far += std::fabs(static_cast<double>(tile.At(h, i)) - exact) <= 1.01 * roundings * kUnit * std::fabs(exact)
                     ? 0
                     : 1;
        }
      }
    }
    CHECK(wrong == 0);
    CHECK(far == 0);
    (void)fused;
  });
}

TEST_CASE("layer norms: every operation as defined, and the bound against double") {
  ForEachTable([](const TileKernels& k, bool fused) {
    Random random(7);
    int wrong = 0, far = 0;
    for (int draw = 0; draw < Draws(2000); ++draw) {
      const Shape shape = DrawShape(random);
      TestTile tile(shape.heads, shape.head_dim, shape.more_stride);
      const bool hostile = random.Chance(3);
      tile.Fill(
          [&](size_t, size_t) { return hostile ? Hostile(random, true) : static_cast<float>(random.Real(-4, 4)); });
      const float n = static_cast<float>(shape.head_dim);
      const float eps = random.Pick({1e-5f, 1e-12f, 0.0f});
      const simdrope_format rounding = random.Pick({SIMDROPE_F32, SIMDROPE_F16, SIMDROPE_BF16});
      const DrawnWeights weights(random, shape, true);
      std::vector<std::vector<float>> in;
      for (size_t h = 0; h < shape.heads; ++h) in.push_back(tile.Head(h));
      k.layer_norm(*tile, eps, weights.norm, rounding);
      wrong += tile.IsWhole() ? 0 : 1;
      for (size_t h = 0; h < shape.heads; ++h) {
        const float mean = ScalarSum(in[h], [](float s, float v) { return s + v; }) / n;
        const float deviation =
            ScalarSum(in[h], [&](float s, float v) { return ScalarMulAdd(v - mean, v - mean, s, fused); });
        const float factor = 1.0f / std::sqrt(deviation / n + eps);
        double exact_mean = 0, variance = 0, magnitudes = 0;
        for (const float v : in[h]) exact_mean += static_cast<double>(v) / shape.head_dim;
        for (const float v : in[h]) {
          variance += std::pow(static_cast<double>(v) - exact_mean, 2) / shape.head_dim;
          magnitudes += std::fabs(static_cast<double>(v)) / shape.head_dim;
        }
        const double exact_factor = 1 / std::sqrt(variance + static_cast<double>(eps));
        for (size_t i = 0; i < shape.head_dim; ++i) {
          const float normal = (in[h][i] - mean) * factor;
          const float expected =
              RoundedTo(ScalarMulAdd(normal, weights.WeightOf(h, i), weights.BiasOf(h, i), fused), rounding);
          wrong += Same(tile.At(h, i), expected) ? 0 : 1;
          if (hostile || rounding != SIMDROPE_F32 || shape.head_dim < 16) continue;
          // The mean is off by g mean|x|, g = (ceil(n / 16) + 5) u, and every deviation by that and u of itself. The
          // variance is off by that times twice the mean deviation, and by (g + 2 u) relative; its root by half of
          // both relative. Then 4 roundings of the factor, 2 of products, 1 of the sum, and those of the bias's sum.
          const double g = (std::ceil(static_cast<double>(shape.head_dim) / 16) + 5) * kUnit;
          const double off = g * magnitudes * exact_factor;  // of a deviation, in standard deviations
          const double deviated = (static_cast<double>(in[h][i]) - exact_mean) * exact_factor;
          const double w = static_cast<double>(weights.WeightOf(h, i)), b = static_cast<double>(weights.BiasOf(h, i));
          const double bound = std::fabs(w) * (off + std::fabs(deviated) * (off + g / 2 + 9 * kUnit)) +
                               2 * kUnit * (std::fabs(deviated * w) + std::fabs(b));
          far += std::fabs(static_cast<double>(tile.At(h, i)) - (deviated * w + b)) <= 1.05 * bound ? 0 : 1;
        }
      }
    }
    CHECK(wrong == 0);
    CHECK(far == 0);
  });
}

namespace {

struct DrawnRotation {
  std::vector<float> cos, sin;
  TileRotation r{};

  DrawnRotation(Random& random, size_t head_dim, bool adjoining) {
    r.offset = random.Chance(2) ? 0 : 2 * static_cast<size_t>(random.Int(0, static_cast<int64_t>(head_dim - 2) / 2));
    const size_t most = (head_dim - r.offset) / 2;
    r.pairs = random.Chance(2) ? most : static_cast<size_t>(random.Int(1, static_cast<int64_t>(most)));
    r.split = r.pairs;
    if (!adjoining && random.Chance(3)) {
      r.split = static_cast<size_t>(
          random.Int(static_cast<int64_t>(r.pairs), static_cast<int64_t>(head_dim - r.offset - r.pairs)));
    }
    for (size_t i = 0; i < r.pairs; ++i) {
      const double angle = random.Real(0, 7);
      cos.push_back(static_cast<float>(std::cos(angle)));
      sin.push_back(static_cast<float>(std::sin(angle)));
    }
    r.cos = cos.data();
    r.sin = sin.data();
  }

  size_t X(simdrope_pairing pairing, size_t i) const { return r.offset + (pairing == SIMDROPE_HALF ? i : 2 * i); }
  size_t Y(simdrope_pairing pairing, size_t i) const {
    return X(pairing, i) + (pairing == SIMDROPE_HALF ? r.split : 1);
  }

  std::vector<float> Rotated(const std::vector<float>& in, simdrope_pairing from, simdrope_pairing to,
                             bool fused) const {
    std::vector<float> out = in;
    for (size_t i = 0; i < r.pairs; ++i) {
      const float x = in[X(from, i)], y = in[Y(from, i)];
      out[X(to, i)] = ScalarMulAdd(-y, sin[i], x * cos[i], fused);
      out[Y(to, i)] = ScalarMulAdd(x, sin[i], y * cos[i], fused);
    }
    return out;
  }
};

constexpr simdrope_pairing kPairings[] = {SIMDROPE_HALF, SIMDROPE_INTERLEAVED};

}  // namespace

TEST_CASE("rotations: any window, between all pairings") {
  ForEachTable([](const TileKernels& k, bool fused) {
    Random random(8);
    int wrong = 0;
    for (const simdrope_pairing from : kPairings) {
      for (const simdrope_pairing to : kPairings) {
        for (int draw = 0; draw < Draws(1000); ++draw) {
          Shape shape = DrawShape(random);
          shape.head_dim = std::max<size_t>(shape.head_dim, 2);
          TestTile tile(shape.heads, shape.head_dim, shape.more_stride);
          const DrawnRotation rotation(random, shape.head_dim, from == SIMDROPE_INTERLEAVED || to != from);
          const bool hostile = random.Chance(3);
          tile.Fill(
              [&](size_t, size_t) { return hostile ? Hostile(random, true) : static_cast<float>(random.Real(-4, 4)); });
          std::vector<std::vector<float>> expected;
          for (size_t h = 0; h < shape.heads; ++h) expected.push_back(rotation.Rotated(tile.Head(h), from, to, fused));
          k.rotate[from][to](*tile, rotation.r);
          wrong += tile.IsWhole() ? 0 : 1;
          for (size_t h = 0; h < shape.heads; ++h) {
            for (size_t i = 0; i < shape.head_dim; ++i) wrong += Same(tile.At(h, i), expected[h][i]) ? 0 : 1;
          }
        }
      }
    }
    CHECK(wrong == 0);
  });
}

TEST_CASE("windows with two angles a pair: the bits of a rotation by each, in any number of heads") {
  ForEachTable([](const TileKernels& k, bool fused) {
    Random random(17);
    int wrong = 0;
    for (const simdrope_pairing pairing : kPairings) {
      for (int draw = 0; draw < Draws(1000); ++draw) {
        Shape shape = DrawShape(random);
        shape.head_dim = std::max<size_t>(shape.head_dim, 2);
        TestTile tile(shape.heads, shape.head_dim, shape.more_stride);
        const DrawnRotation first(random, shape.head_dim, pairing == SIMDROPE_INTERLEAVED);
        DrawnRotation second = first;
        std::vector<float> cos = first.cos, sin = first.sin;
        for (size_t i = 0; i < first.r.pairs; ++i) {
          cos.push_back(second.cos[i] = static_cast<float>(random.Real(-1, 1)));
          sin.push_back(second.sin[i] = static_cast<float>(random.Real(-1, 1)));
        }
        tile.Fill([&](size_t, size_t) { return static_cast<float>(random.Real(-4, 4)); });
        std::vector<std::vector<float>> expected;
        for (size_t h = 0; h < shape.heads; ++h) {
          expected.push_back(first.Rotated(tile.Head(h), pairing, pairing, fused));
          const std::vector<float> by_second = second.Rotated(tile.Head(h), pairing, pairing, fused);
          for (size_t i = 0; i < first.r.pairs; ++i) {
            expected[h][second.Y(pairing, i)] = by_second[second.Y(pairing, i)];
          }
        }
        simdrope::impl::Window window{};
        window.rotary_dim = static_cast<int32_t>(2 * first.r.pairs);
        window.offset = static_cast<int32_t>(first.r.offset);
        window.split = static_cast<int32_t>(first.r.split);
        window.pairing = pairing;
        window.full_width = true;
        RotateWindow(k, window, pairing, false, *tile, cos.data(), sin.data());
        wrong += tile.IsWhole() ? 0 : 1;
        for (size_t h = 0; h < shape.heads; ++h) {
          for (size_t i = 0; i < shape.head_dim; ++i) wrong += Same(tile.At(h, i), expected[h][i]) ? 0 : 1;
        }
      }
    }
    CHECK(wrong == 0);
  });
}

TEST_CASE("norm and rotation in one loop give the bits of both stages") {
  ForEachTable([](const TileKernels& k, bool) {
    Random random(9);
    int wrong = 0;
    for (const simdrope_pairing pairing : kPairings) {
      for (int draw = 0; draw < Draws(1500); ++draw) {
        Shape shape = DrawShape(random);
        shape.head_dim = std::max<size_t>(shape.head_dim, 2);
        TestTile tile(shape.heads, shape.head_dim, shape.more_stride), plain(shape.heads, shape.head_dim);
        const DrawnRotation rotation(random, shape.head_dim, pairing == SIMDROPE_INTERLEAVED);
        const DrawnWeights weights(random, shape, false);
        const simdrope_format rounding = random.Pick({SIMDROPE_F32, SIMDROPE_F16, SIMDROPE_BF16});
        const bool hostile = random.Chance(3);
        tile.Fill(
            [&](size_t, size_t) { return hostile ? Hostile(random, true) : static_cast<float>(random.Real(-4, 4)); });
        plain.Fill([&](size_t h, size_t i) { return tile.At(h, i); });
        float factors[kTileHeads];
        for (float& factor : factors) factor = hostile ? Hostile(random, true) : static_cast<float>(random.Real(0, 2));
        k.normalise_and_rotate[pairing](*tile, factors, weights.norm, rounding, rotation.r);
        k.normalise(*plain, factors, weights.norm, rounding);
        k.rotate[pairing][pairing](*plain, rotation.r);
        wrong += tile.IsWhole() && plain.IsWhole() ? 0 : 1;
        for (size_t h = 0; h < shape.heads; ++h) {
          for (size_t i = 0; i < shape.head_dim; ++i) wrong += Same(tile.At(h, i), plain.At(h, i)) ? 0 : 1;
        }
      }
    }
    CHECK(wrong == 0);
  });
}

TEST_CASE("norm, rotation and store in one loop give the bits of the three stages") {
  int tables = 0;
  ForEachTable([&](const TileKernels& k, bool) {
    if (k.normalise_rotate_store[SIMDROPE_F32] == nullptr) return;
    ++tables;
    Random random(19);
    int wrong = 0;
    for (const simdrope_format format : {SIMDROPE_F32, SIMDROPE_F16, SIMDROPE_BF16}) {
      for (int draw = 0; draw < Draws(600); ++draw) {
        const Shape shape = DrawShape(random, 2 * kTileGranule);
        TestTile tile(shape.heads, shape.head_dim, shape.more_stride), plain(shape.heads, shape.head_dim);
        DrawnRotation rotation(random, shape.head_dim, false);
        rotation.r.offset = 0;
        rotation.r.split = rotation.r.pairs = shape.head_dim / 2;
        std::vector<float> cos(rotation.r.pairs), sin(rotation.r.pairs);
        const DrawnWeights weights(random, shape, false);
        const bool hostile = random.Chance(3);
        const auto draw_value = [&] {
          return hostile ? Hostile(random, true) : static_cast<float>(random.Real(-4, 4));
        };
        for (size_t i = 0; i < cos.size(); ++i) {
          cos[i] = draw_value();
          sin[i] = draw_value();
        }
        rotation.r.cos = cos.data();
        rotation.r.sin = sin.data();
        tile.Fill([&](size_t, size_t) { return draw_value(); });
        plain.Fill([&](size_t h, size_t i) { return tile.At(h, i); });
        float factors[kTileHeads];
        for (size_t h = 0; h < shape.heads; ++h) {
          const std::vector<float> head = tile.Head(h);
          const bool has_nan = std::any_of(head.begin(), head.end(), [](float x) { return std::isnan(x); });
          factors[h] = has_nan ? kNaN : draw_value();
        }

        const size_t bytes = BytesOf(format, shape.head_dim);
        const size_t stride = (bytes + kTileAlignment - 1) / kTileAlignment * kTileAlignment;
        alignas(kTileAlignment) static uint8_t together[kTileFloats * 4 + 64 * kTileHeads];
        alignas(kTileAlignment) static uint8_t apart[sizeof(together)];
        std::memset(together, 0xa5, sizeof(together));
        std::memset(apart, 0xa5, sizeof(apart));
        const auto output = [&](uint8_t* out) {
          return TileOutput{out,     static_cast<ptrdiff_t>(stride),
                            nullptr, nullptr,
                            0,       0,
                            false,   random.Chance(2) ? TileAhead{out, 64, bytes} : TileAhead{}};
        };
        if (format == SIMDROPE_F32 && random.Chance(3)) {  // the output is the tile itself
          for (size_t h = 0; h < shape.heads; ++h) std::memcpy(together + h * stride, tile.Head(h).data(), bytes);
          const Tile own{reinterpret_cast<float*>(together), shape.heads, shape.head_dim, stride / sizeof(float)};
          k.normalise_rotate_store[format](own, factors, weights.norm, rotation.r, output(together), false);
        } else {
          k.normalise_rotate_store[format](*tile, factors, weights.norm, rotation.r, output(together),
                                           random.Chance(2));
        }
        k.normalise(*plain, factors, weights.norm, SIMDROPE_F32);
        k.rotate[SIMDROPE_HALF][SIMDROPE_HALF](*plain, rotation.r);
        k.store[format](*plain, output(apart));
        const auto values_of = [&](const uint8_t* out) {
          TestTile back(shape.heads, shape.head_dim, 0);
          k.load[format]({out, static_cast<ptrdiff_t>(stride), nullptr, nullptr, 0, 0}, *back);
          std::vector<std::vector<float>> heads;
          for (size_t h = 0; h < shape.heads; ++h) heads.push_back(back.Head(h));
          return heads;
        };
        const auto got = values_of(together), want = values_of(apart);
        for (size_t h = 0; h < shape.heads; ++h) {
          for (size_t i = 0; i < shape.head_dim; ++i) wrong += Same(got[h][i], want[h][i]) ? 0 : 1;
          for (size_t i = bytes; i < stride; ++i) wrong += together[h * stride + i] == 0xa5 ? 0 : 1;
        }
      }
    }
    CHECK(wrong == 0);
  });
  MESSAGE(tables, " targets have it");
}

TEST_CASE("Hadamard transforms: the stated order, the bound against the definition, and back") {
  ForEachTable([](const TileKernels& k, bool) {
    Random random(10);
    int wrong = 0, far = 0;
    for (int draw = 0; draw < Draws(600); ++draw) {
      const size_t width = size_t{1} << random.Int(1, 10);
      Shape shape = DrawShape(random, width);
      TestTile tile(shape.heads, shape.head_dim, shape.more_stride);
      const bool hostile = random.Chance(4);
      tile.Fill(
          [&](size_t, size_t) { return hostile ? Hostile(random, true) : static_cast<float>(random.Real(-4, 4)); });
      std::vector<std::vector<float>> in;
      for (size_t h = 0; h < shape.heads; ++h) in.push_back(tile.Head(h));
      k.hadamard(*tile, width);
      wrong += tile.IsWhole() ? 0 : 1;
      const float factor = 1.0f / std::sqrt(static_cast<float>(width));
      for (size_t h = 0; h < shape.heads; ++h) {
        std::vector<float> x = in[h];
        for (size_t distance = 1; distance < width; distance *= 2) {
          for (size_t i = 0; i < x.size(); ++i) {
            if (i / distance % 2 != 0) continue;
            const float a = x[i], b = x[i + distance];
            x[i] = a + b;
            x[i + distance] = a - b;
          }
        }
        for (size_t i = 0; i < x.size(); ++i) wrong += Same(tile.At(h, i), x[i] * factor) ? 0 : 1;
        if (hostile || draw % 8 != 0) continue;
        for (size_t i = 0; i < x.size(); ++i) {
          const size_t first = i / width * width;
          double exact = 0, magnitudes = 0;
          for (size_t j = 0; j < width; ++j) {
            const double v = static_cast<double>(in[h][first + j]);
            exact += __builtin_popcountll(static_cast<unsigned long long>((i - first) & j)) % 2 == 0 ? v : -v;
            magnitudes += std::fabs(v);
          }
          // A rounding a level, and those of root, reciprocal and product.
          const double root = std::sqrt(static_cast<double>(width));
          const double bound = (std::log2(static_cast<double>(width)) + 3) * kUnit * magnitudes / root;
          far += std::fabs(static_cast<double>(tile.At(h, i)) - exact / root) <= 1.01 * bound ? 0 : 1;
        }
      }
    }
    CHECK(wrong == 0);
    CHECK(far == 0);
  });
}

TEST_CASE("scaling multiplies every element") {
  ForEachTable([](const TileKernels& k, bool) {
    Random random(11);
    int wrong = 0;
    for (int draw = 0; draw < Draws(300); ++draw) {
      const Shape shape = DrawShape(random);
      TestTile tile(shape.heads, shape.head_dim, shape.more_stride);
      tile.Fill([&](size_t, size_t) { return Hostile(random, true); });
      const float factor = Hostile(random, true);
      std::vector<std::vector<float>> in;
      for (size_t h = 0; h < shape.heads; ++h) in.push_back(tile.Head(h));
      k.scale(*tile, factor);
      wrong += tile.IsWhole() ? 0 : 1;
      for (size_t h = 0; h < shape.heads; ++h) {
        for (size_t i = 0; i < shape.head_dim; ++i) wrong += Same(tile.At(h, i), in[h][i] * factor) ? 0 : 1;
      }
    }
    CHECK(wrong == 0);
  });
}
