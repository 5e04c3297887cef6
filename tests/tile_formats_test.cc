// Loading and storing tiles in every format, bit by bit against plain scalar code, on every target.
#include <cmath>
#include <cstring>

#include "support/tile.h"

using namespace testing;

namespace {

bool IsBlocks(simdrope_format format) { return format == SIMDROPE_Q8_0 || format == SIMDROPE_Q4_0; }

// The numbers of an fp8 format by the definition.
double Fp8Value(unsigned byte, simdrope_format format) {
  const bool e4m3 = format == SIMDROPE_F8_E4M3;
  const int fraction_bits = e4m3 ? 3 : 2;
  const int bias = e4m3 ? 7 : 15;
  const int exponent = static_cast<int>(byte & 0x7fu) >> fraction_bits;
  const int fraction = static_cast<int>(byte) & ((1 << fraction_bits) - 1);
  const double sign = byte >= 0x80u ? -1 : 1;
  if (e4m3 && (byte & 0x7fu) == 0x7fu) return sign * kNaN;
  if (!e4m3 && exponent == 31) return fraction == 0 ? sign * kInfinity : sign * kNaN;
  if (exponent == 0) return sign * std::ldexp(fraction, 1 - bias - fraction_bits);
  return sign * std::ldexp((1 << fraction_bits) + fraction, exponent - bias - fraction_bits);
}

// The nearest number, the even one of two; saturating. By trying all of them.
unsigned NearestFp8(float value, simdrope_format format) {
  const unsigned sign = std::signbit(value) ? 0x80u : 0;
  const unsigned largest = format == SIMDROPE_F8_E4M3 ? 0x7eu : 0x7bu;
  if (std::isnan(value)) return sign | 0x7fu;
  const double magnitude = std::min<double>(std::fabs(value), Fp8Value(largest, format));
  unsigned best = 0;
  for (unsigned byte = 1; byte <= largest; ++byte) {
    const double closer = std::fabs(Fp8Value(byte, format) - magnitude) - std::fabs(Fp8Value(best, format) - magnitude);
    if (closer < 0 || (closer == 0 && byte % 2 == 0)) best = byte;
  }
  return sign | best;
}

float Float16Value(const uint8_t* at) {
  uint16_t bits;
  std::memcpy(&bits, at, 2);
  return static_cast<float>(Decoded(bits, simdrope::f16));
}

struct ScalarScales {
  float scale = 1;
  float zero_point = 0;
};

int ScalarWhole(float x, float least, float greatest) {
  if (std::isnan(x)) return 0;
  return static_cast<int>(std::nearbyint(std::clamp(x, least, greatest)));
}

// The bytes of a head in `format`; writes the scales that it computes. `at(i)`: the given ones.
std::vector<uint8_t> ScalarStored(const std::vector<float>& x, simdrope_format format, bool computes,
                                  ScalarScales* computed, const std::function<ScalarScales(size_t)>& at) {
  const size_t n = x.size();
  std::vector<uint8_t> bytes(BytesOf(format, n));
  const bool any_nan = std::any_of(x.begin(), x.end(), [](float v) { return std::isnan(v); });
  if (format == SIMDROPE_F32) {
    std::memcpy(bytes.data(), x.data(), bytes.size());
  } else if (format == SIMDROPE_F16 || format == SIMDROPE_BF16) {
    for (size_t i = 0; i < n; ++i) {
      const uint16_t bits = static_cast<uint16_t>(Encoded(static_cast<double>(x[i]), static_cast<Format>(format)));
      std::memcpy(bytes.data() + 2 * i, &bits, 2);
    }
  } else if (format == SIMDROPE_F8_E4M3 || format == SIMDROPE_F8_E5M2) {
    for (size_t i = 0; i < n; ++i) bytes[i] = static_cast<uint8_t>(NearestFp8(x[i] / at(i).scale, format));
  } else if (format == SIMDROPE_I8) {
    if (computes) {
      float amax = 0;
      for (const float v : x) amax = std::max(amax, std::fabs(v));
      computed->scale = any_nan ? kNaN : amax / 127.0f;
    }
    for (size_t i = 0; i < n; ++i) {
      const float scale = computes ? (computed->scale == 0 ? 1.0f : computed->scale) : at(i).scale;
      bytes[i] = static_cast<uint8_t>(ScalarWhole(x[i] / scale, -127, 127));
    }
  } else if (format == SIMDROPE_U8) {
    if (computes) {
      const auto [least, greatest] = std::minmax_element(x.begin(), x.end());
      computed->scale = any_nan ? kNaN : (*greatest - *least) / 255.0f;
      if (computed->scale == 0) computed->scale = 1e-4f;
      computed->zero_point = -*least / computed->scale;
    }
    for (size_t i = 0; i < n; ++i) {
      const ScalarScales s = computes ? *computed : at(i);
      bytes[i] = static_cast<uint8_t>(ScalarWhole(x[i] / s.scale + s.zero_point, 0, 255));
    }
  } else {
    // ggml's reference quantisers, block by block, with their UB for what is no number made 0 and its end.
    const size_t block_bytes = format == SIMDROPE_Q8_0 ? 34 : 18;
    for (size_t first = 0; first < n; first += 32) {
      uint8_t* block = bytes.data() + first / 32 * block_bytes;
      float amax = 0, extreme = 0;
      for (size_t i = first; i < first + 32; ++i) {
        if (std::fabs(x[i]) > amax) {
          amax = std::fabs(x[i]);
          extreme = x[i];
        }
      }
      const bool nan =
          std::any_of(x.begin() + static_cast<ptrdiff_t>(first), x.begin() + static_cast<ptrdiff_t>(first) + 32,
                      [](float v) { return std::isnan(v); });
      const float d = nan ? kNaN : format == SIMDROPE_Q8_0 ? amax / 127.0f : extreme / -8.0f;
      const float id = d != 0 ? 1.0f / d : 0.0f;
      const uint16_t bits = static_cast<uint16_t>(Encoded(static_cast<double>(d), simdrope::f16));
      std::memcpy(block, &bits, 2);
      for (size_t i = 0; i < 32; ++i) {
        const float scaled = x[first + i] * id;
        if (format == SIMDROPE_Q8_0) {
          const float rounded = std::isnan(scaled) ? 0 : std::clamp(std::round(scaled), -128.0f, 127.0f);
          block[2 + i] = static_cast<uint8_t>(static_cast<int>(rounded));
        } else {
          const float sum = (std::isnan(scaled) ? 0 : scaled) + 8.5f;
          const int q = static_cast<int>(std::clamp(sum, 0.0f, 15.0f));
          block[2 + i % 16] = static_cast<uint8_t>(block[2 + i % 16] | (i < 16 ? q : q << 4));
        }
      }
    }
  }
  return bytes;
}

float ScalarLoaded(const uint8_t* head, simdrope_format format, size_t i, ScalarScales s) {
  const auto f8 = [&] { return static_cast<float>(Fp8Value(head[i], format)); };
  switch (format) {
    case SIMDROPE_F32: {
      float x;
      std::memcpy(&x, head + 4 * i, 4);
      return x;
    }
    case SIMDROPE_F16:
    case SIMDROPE_BF16: {
      uint16_t bits;
      std::memcpy(&bits, head + 2 * i, 2);
      return static_cast<float>(Decoded(bits, static_cast<Format>(format)));
    }
    case SIMDROPE_F8_E4M3:
    case SIMDROPE_F8_E5M2: return f8() * s.scale;
    case SIMDROPE_I8: return static_cast<float>(static_cast<int8_t>(head[i])) * s.scale;
    case SIMDROPE_U8: return (static_cast<float>(head[i]) - s.zero_point) * s.scale;
    case SIMDROPE_Q8_0: {
      const uint8_t* block = head + i / 32 * 34;
      return static_cast<float>(static_cast<int8_t>(block[2 + i % 32])) * Float16Value(block);
    }
    case SIMDROPE_Q4_0: {
      const uint8_t* block = head + i / 32 * 18;
      const int byte = block[2 + i % 16];
      return static_cast<float>((i % 32 < 16 ? byte & 15 : byte >> 4) - 8) * Float16Value(block);
    }
  }
  return kNaN;
}

// Scales of a tile in memory, with strides.
struct DrawnScales {
  std::vector<float> scale, zero_point;
  ptrdiff_t head_stride = 0, element_stride = 0;

  DrawnScales(Random& random, size_t heads, size_t n, bool elements) {
    element_stride = elements ? random.Int(1, 2) : 0;
    head_stride = random.Chance(3) ? 0 : elements ? static_cast<ptrdiff_t>(2 * n + 3) : random.Int(1, 3);
    const size_t count = (2 * n + 3) * (heads + 1);
    for (size_t k = 0; k < count; ++k) {
      scale.push_back(random.Chance(3) ? 1.0f : static_cast<float>(random.Real(1e-3, 2)));
      zero_point.push_back(static_cast<float>(random.Real(-10, 200)));
    }
  }
  ScalarScales At(size_t h, size_t i) const {
    const size_t index =
        static_cast<size_t>(static_cast<ptrdiff_t>(h) * head_stride + static_cast<ptrdiff_t>(i) * element_stride);
    return {scale[index], zero_point[index]};
  }
};

bool HasScales(simdrope_format format) {
  return simdrope::impl::EntryOf(format).scales != simdrope::impl::Scales::kNone;
}

// Stores the tile on one target and compares with the scalar code; true if all bytes agree.
bool StoresAlike(const TileKernels& k, TestTile& tile, simdrope_format format, Random& random, bool computes,
                 bool elements) {
  const Tile& t = *tile;
  const size_t head_bytes = BytesOf(format, t.head_dim);
  const size_t between = (IsBlocks(format) || format == SIMDROPE_F16 || format == SIMDROPE_BF16) ? 6 : 4;
  const size_t stride = head_bytes + between;
  Buffer out(static_cast<int64_t>(stride * t.heads));
  const std::vector<char> before = out.Bytes();
  DrawnScales scales(random, t.heads, t.head_dim, elements);
  if (computes && scales.head_stride == 0) scales.head_stride = 1;
  const std::vector<float> given = scales.scale;
  TileOutput output{out.data(),
                    static_cast<ptrdiff_t>(stride),
                    scales.scale.data(),
                    scales.zero_point.data(),
                    scales.head_stride,
                    scales.element_stride,
                    computes,
                    random.Chance(2) ? TileAhead{t.data, 64, 200} : TileAhead{}};
  const bool no_scale = !computes && format <= SIMDROPE_F8_E5M2 && random.Chance(4);
  if (no_scale) output.scale = output.zero_point = nullptr;
  k.store[format](t, output);
  if (!out.GuardsIntact() || !tile.IsWhole()) return false;
  for (size_t h = 0; h < t.heads; ++h) {
    ScalarScales computed;
    const std::vector<uint8_t> expected = ScalarStored(tile.Head(h), format, computes, &computed, [&](size_t i) {
      return no_scale ? ScalarScales{} : scales.At(h, i);
    });
    const char* bytes = out.data() + h * stride;
    if (std::memcmp(bytes + head_bytes, before.data(), between) != 0) return false;
    if (computes && (!Same(scales.At(h, 0).scale, computed.scale) ||
                     (format == SIMDROPE_U8 && !Same(scales.At(h, 0).zero_point, computed.zero_point) &&
                      scales.At(h, 0).zero_point != computed.zero_point))) {  // zeros of either sign
      MESSAGE(NameOf(format), " head ", h, ": scale ", scales.At(h, 0).scale, ", zero point ",
              scales.At(h, 0).zero_point, " instead of ", computed.scale, ", ", computed.zero_point);
      return false;
    }
    for (size_t i = 0; i < head_bytes; ++i) {
      const uint8_t got = static_cast<uint8_t>(bytes[i]);
      if (got == expected[i]) continue;
      // NaNs may differ in their bits.
      const size_t e = format == SIMDROPE_F32 ? i / 4 : i / 2;
      const bool is_float = format <= SIMDROPE_BF16;
      const bool both_nan = is_float && std::isnan(ScalarLoaded(expected.data(), format, e, {})) &&
                            std::isnan(ScalarLoaded(reinterpret_cast<const uint8_t*>(bytes), format, e, {}));
      const bool both_nan8 = (format == SIMDROPE_F8_E4M3 || format == SIMDROPE_F8_E5M2) &&
                             std::isnan(Fp8Value(got, format)) && std::isnan(Fp8Value(expected[i], format));
      const size_t block_bytes = format == SIMDROPE_Q8_0 ? 34 : 18;
      const bool nan_scale =
          IsBlocks(format) && i % block_bytes < 2 &&
          std::isnan(Float16Value(expected.data() + i / block_bytes * block_bytes)) &&
          std::isnan(Float16Value(reinterpret_cast<const uint8_t*>(bytes) + i / block_bytes * block_bytes));
      if (both_nan || both_nan8 || nan_scale) continue;
      MESSAGE(NameOf(format), " head ", h, " byte ", i, ": ", int{got}, " instead of ", int{expected[i]}, ", head_dim ",
              t.head_dim);
      return false;
    }
  }
  if (!computes && given != scales.scale) return false;
  return true;
}

}  // namespace

TEST_CASE("bytes of every format, in the library's table and in simdrope.hpp") {
  for (const simdrope_format format : kAllFormats) {
    INFO(NameOf(format));
    CHECK(simdrope::impl::BytesOf(format, 96) == static_cast<ptrdiff_t>(BytesOf(format, 96)));
    CHECK(simdrope::size_of(format, 96) == static_cast<int64_t>(BytesOf(format, 96)));
  }
}

TEST_CASE("every target's table has each format") {
  ForEachTable([](const TileKernels& k, bool) {
    for (const simdrope_format format : kAllFormats) {
      INFO(NameOf(format));
      CHECK(static_cast<bool>(k.load[format]));
      CHECK(static_cast<bool>(k.load_and_sum[format]));
      REQUIRE(static_cast<bool>(k.store[format]));
    }
  });
}

TEST_CASE("stores of every format, hostile elements, given and computed scales") {
  ForEachTable([](const TileKernels& k, bool) {
    Random random(1);
    for (const simdrope_format format : kAllFormats) {
      int wrong = 0;
      for (int draw = 0; draw < Draws(600); ++draw) {
        const Shape shape = DrawShape(random, IsBlocks(format) ? 32 : 1);
        TestTile tile(shape.heads, shape.head_dim, shape.more_stride);
        const bool special = random.Chance(3);
        const int kind = static_cast<int>(random.Int(0, 3));
        const float constant = Hostile(random, false);
        tile.Fill([&](size_t, size_t) {
          if (kind == 0) return Hostile(random, special);
          if (kind == 1) return constant;
          if (kind == 2) return static_cast<float>(random.Int(-254, 254)) * 0.5f;  // ties
          return static_cast<float>(random.Real(-4, 4));
        });
        const bool computes = (format == SIMDROPE_I8 || format == SIMDROPE_U8) && random.Chance(2);
        wrong +=
            StoresAlike(k, tile, format, random, computes, !computes && HasScales(format) && random.Chance(3)) ? 0 : 1;
      }
      CHECK_MESSAGE(wrong == 0, NameOf(format));
    }
  });
}

TEST_CASE("fp8 stores at every number, tie and neighbour; loads of every byte") {
  ForEachTable([](const TileKernels& k, bool) {
    Random random(2);
    for (const simdrope_format format : {SIMDROPE_F8_E4M3, SIMDROPE_F8_E5M2}) {
      std::vector<float> delicate = {kInfinity, -kInfinity, kNaN, 3e38f, 1e-45f, -1e-45f, 0.0f, -0.0f};
      const unsigned largest = format == SIMDROPE_F8_E4M3 ? 0x7eu : 0x7bu;
      for (unsigned byte = 0; byte < largest; ++byte) {
        const double low = Fp8Value(byte, format), high = Fp8Value(byte + 1, format);
        for (const double x : {low, (low + high) / 2, high}) {
          const float f = static_cast<float>(x);
          for (const float v : {f, std::nextafter(f, 0.0f), std::nextafter(f, kInfinity)}) {
            delicate.push_back(v);
            delicate.push_back(-v);
          }
        }
      }
      size_t wrong = 0;
      for (size_t first = 0; first < delicate.size(); first += 512) {
        const size_t n = std::min<size_t>(512, delicate.size() - first);
        TestTile tile(1, n);
        tile.Fill([&](size_t, size_t i) { return delicate[first + i]; });
        std::vector<uint8_t> out(n);
        k.store[format](*tile, {out.data(), 0, nullptr, nullptr, 0, 0, false});
        for (size_t i = 0; i < n; ++i) {
          const unsigned expected = NearestFp8(delicate[first + i], format);
          const bool nan = std::isnan(delicate[first + i]) && std::isnan(Fp8Value(out[i], format));
          wrong += out[i] == expected || nan ? 0 : 1;
        }
      }
      CHECK_MESSAGE(wrong == 0, NameOf(format));
      std::vector<uint8_t> all(256);
      for (size_t i = 0; i < 256; ++i) all[i] = static_cast<uint8_t>(i);
      TestTile tile(1, 256);
      k.load[format]({all.data(), 0, nullptr, nullptr, 0, 0}, *tile);
      for (size_t i = 0; i < 256; ++i) {
        wrong += Same(tile.At(0, i), static_cast<float>(Fp8Value(static_cast<unsigned>(i), format))) ? 0 : 1;
      }
      CHECK_MESSAGE(wrong == 0, NameOf(format));
    }
  });
}

TEST_CASE("loads of every format, any bytes; sums taken with them are those taken after") {
  ForEachTable([](const TileKernels& k, bool) {
    Random random(3);
    for (const simdrope_format format : kAllFormats) {
      int wrong = 0;
      for (int draw = 0; draw < Draws(400); ++draw) {
        const Shape shape = DrawShape(random, IsBlocks(format) ? 32 : 1);
        TestTile tile(shape.heads, shape.head_dim, shape.more_stride), again(shape.heads, shape.head_dim);
        const size_t head_bytes = BytesOf(format, shape.head_dim);
        // Exactly as long as needed: a sanitizer sees what is read beyond.
        std::vector<uint8_t> in(head_bytes * shape.heads);
        for (uint8_t& byte : in) byte = static_cast<uint8_t>(random.Bits());
        const DrawnScales scales(random, shape.heads, shape.head_dim, HasScales(format) && random.Chance(3));
        const bool backwards = random.Chance(3);  // heads in memory
        const ptrdiff_t stride = static_cast<ptrdiff_t>(head_bytes) * (backwards ? -1 : 1);
        const uint8_t* first = backwards ? in.data() + head_bytes * (shape.heads - 1) : in.data();
        const TileInput input{
            first, stride, scales.scale.data(), scales.zero_point.data(), scales.head_stride, scales.element_stride};
        k.load[format](input, *tile);
        bool same = tile.IsWhole();
        for (size_t h = 0; h < shape.heads; ++h) {
          const uint8_t* head = first + static_cast<ptrdiff_t>(h) * stride;
          for (size_t i = 0; i < shape.head_dim; ++i) {
            same = same && Same(tile.At(h, i), ScalarLoaded(head, format, i, scales.At(h, i)));
          }
        }
        float sums[kTileHeads], sums_after[kTileHeads];
        k.load_and_sum[format](input, *again, sums);
        k.square_sums(*tile, sums_after);
        for (size_t h = 0; h < shape.heads; ++h) {
          same = same && Same(sums[h], sums_after[h]);
          for (size_t i = 0; i < shape.head_dim; ++i) same = same && Same(tile.At(h, i), again.At(h, i));
        }
        wrong += same && again.IsWhole() ? 0 : 1;
      }
      CHECK_MESSAGE(wrong == 0, NameOf(format));
    }
  });
}

TEST_CASE("a quantised head is stored and loaded within half a step of its scale") {
  ForEachTable([](const TileKernels& k, bool) {
    Random random(4);
    for (const simdrope_format format : {SIMDROPE_I8, SIMDROPE_U8}) {
      for (int draw = 0; draw < Draws(200); ++draw) {
        const Shape shape = DrawShape(random);
        TestTile tile(shape.heads, shape.head_dim), back(shape.heads, shape.head_dim);
        const double size = std::ldexp(1.0, static_cast<int>(random.Int(-60, 60)));
        const float constant = static_cast<float>(random.Real(-size, size));
        const bool is_constant = random.Chance(4);
        tile.Fill(
            [&](size_t, size_t) { return is_constant ? constant : static_cast<float>(random.Real(-size, size)); });
        std::vector<uint8_t> out(shape.heads * shape.head_dim);
        float scale[kTileHeads], zero[kTileHeads];
        const ptrdiff_t stride = static_cast<ptrdiff_t>(shape.head_dim);
        k.store[format](*tile, {out.data(), stride, scale, zero, 1, 0, true});
        k.load[format]({out.data(), stride, scale, zero, 1, 0}, *back);
        bool close = true;
        for (size_t h = 0; h < shape.heads; ++h) {
          for (size_t i = 0; i < shape.head_dim; ++i) {
            const double x = static_cast<double>(tile.At(h, i));
            // Half a step, and roundings of x / scale, zero_point, their sum, the difference and the product: each of
            // at most u times what it rounds, which is below |x| + max|x| in all of them. 1e-4 a step where constant.
            const double step = is_constant && format == SIMDROPE_U8 ? 0 : static_cast<double>(scale[h]);
            const double bound = 0.5 * step + 8 * kUnit * (std::fabs(x) + size);
            close = close && std::fabs(static_cast<double>(back.At(h, i)) - x) <= bound;
          }
        }
        CHECK_MESSAGE(close, NameOf(format), " ", shape.head_dim);
        if (!close) return;
      }
    }
  });
}
