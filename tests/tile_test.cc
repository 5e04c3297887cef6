// The stages of a tile, each against plain scalar code: the same bits where the stage's definition fixes every
// operation (docs: src/kernels/tile.h), a bound from an error analysis against double where a reader wants to know how
// far a result is off. On every target.
#include "kernels/tile.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <string>

#include "core/half.h"
#include "exec/rotate_window.h"
#include "kernels/kernels.h"
#include "support.h"

using namespace testing;
using simdrope::impl::BitsOf;
using simdrope::impl::FloatOf;
using simdrope::impl::kTileAlignment;
using simdrope::impl::kTileFloats;
using simdrope::impl::kTileGranule;
using simdrope::impl::kTileHeads;
using simdrope::impl::NormWeights;
using simdrope::impl::Target;
using simdrope::impl::Tile;
using simdrope::impl::TileAhead;
using simdrope::impl::TileInput;
using simdrope::impl::TileKernels;
using simdrope::impl::TileOutput;
using simdrope::impl::TileRotation;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr double kUnit = 0x1p-24;  // the error of one rounding to float, relative

bool IsBlocks(simdrope_format format) { return format == SIMDROPE_Q8_0 || format == SIMDROPE_Q4_0; }

size_t BytesOf(simdrope_format format, size_t n) {
  switch (format) {
    case SIMDROPE_F32: return 4 * n;
    case SIMDROPE_F16:
    case SIMDROPE_BF16: return 2 * n;
    case SIMDROPE_Q8_0: return n / 32 * 34;
    case SIMDROPE_Q4_0: return n / 32 * 18;
    case SIMDROPE_F8_E4M3:
    case SIMDROPE_F8_E5M2:
    case SIMDROPE_I8:
    case SIMDROPE_U8: return n;
  }
  return 0;
}

template <class Body>
void ForEachTable(const Body& body) {
  Target targets[64];
  const size_t count = std::min<size_t>(simdrope::impl::ListTargets(targets, 64), 64);
  int run = 0;
  for (size_t t = 0; t < count; ++t) {
    if (!targets[t].supported) continue;
    INFO("target ", std::string(targets[t].name));
    body(targets[t].kernels->tile, targets[t].fused);
    ++run;
  }
  REQUIRE(run > 0);
}

// A tile with room before and behind it that no stage may touch.
class TestTile {
 public:
  TestTile(size_t heads, size_t head_dim, size_t more_stride = 0)
      : storage_(kTileFloats + 2 * kRoom + 16, kMark), bits_(storage_.size()) {
    const uintptr_t at = reinterpret_cast<uintptr_t>(storage_.data() + kRoom);
    begin_ = kRoom + (64 - at % 64) % 64 / sizeof(float);
    const size_t stride = (head_dim + 15) / 16 * 16 + more_stride;
    tile_ = {storage_.data() + begin_, heads, head_dim, stride};
    REQUIRE(heads * stride <= kTileFloats);
  }
  TestTile(const TestTile&) = delete;

  const Tile& operator*() const { return tile_; }
  float& At(size_t h, size_t i) { return tile_.data[h * tile_.stride + i]; }

  // Elements by value(h, i), and zeros behind them.
  template <class Value>
  void Fill(const Value& value) {
    for (size_t h = 0; h < tile_.heads; ++h) {
      for (size_t i = 0; i < tile_.stride; ++i) At(h, i) = i < tile_.head_dim ? value(h, i) : 0.0f;
    }
  }

  std::vector<float> Head(size_t h) {
    return {tile_.data + h * tile_.stride, tile_.data + h * tile_.stride + tile_.head_dim};
  }

  // Padding is zero, and what is not the tile is as it was.
  bool IsWhole() const {
    for (size_t i = 0; i < storage_.size(); ++i) {
      const bool inside = i >= begin_ && i < begin_ + tile_.heads * tile_.stride;
      if (!inside && storage_[i] != kMark) return false;
      if (inside && (i - begin_) % tile_.stride >= tile_.head_dim && BitsOf(storage_[i]) != 0) return false;
    }
    return true;
  }

 private:
  static constexpr size_t kRoom = 64;
  static constexpr float kMark = -12345.0f;
  std::vector<float> storage_;
  std::vector<uint32_t> bits_;
  size_t begin_ = 0;
  Tile tile_{};
};

// Bit by bit, but any NaN is as good as another.
bool Same(float a, float b) { return BitsOf(a) == BitsOf(b) || (std::isnan(a) && std::isnan(b)); }

// Numbers of every size: ordinary ones, powers of two, subnormals, zeros of both signs, huge ones; NaN and infinities
// if `special`.
float Hostile(Random& random, bool special) {
  switch (random.Int(0, special ? 11 : 8)) {
    case 0: return 0.0f;
    case 1: return -0.0f;
    case 2: return std::ldexp(random.Chance(2) ? 1.0f : -1.0f, static_cast<int>(random.Int(-149, 120)));
    case 3: return FloatOf(static_cast<uint32_t>(random.Bits() & 0x807fffffu));  // subnormal
    case 4: return static_cast<float>(random.Real(-1e30, 1e30));
    case 5: return static_cast<float>(random.Int(-260, 260)) * 0.5f;
    case 9: return random.Chance(2) ? kInfinity : -kInfinity;
    case 10: return random.Chance(2) ? kNaN : -kNaN;
    case 11: return FloatOf(static_cast<uint32_t>(random.Bits()));
    default: return static_cast<float>(random.Real(-4, 4));
  }
}

// A number of heads and a head_dim that fit a tile together.
struct Shape {
  size_t heads;
  size_t head_dim;
  size_t more_stride;
};
Shape DrawShape(Random& random, size_t multiple = 1) {
  Shape shape{};
  shape.head_dim = static_cast<size_t>(random.Chance(3) ? random.Pick<int64_t>({32, 64, 80, 96, 128, 256, 512, 1024})
                                                        : random.Int(1, random.Chance(2) ? 70 : 1024));
  shape.head_dim = std::max<size_t>(shape.head_dim / multiple * multiple, multiple);
  size_t stride = (shape.head_dim + 15) / 16 * 16;
  if (stride < 1024 && random.Chance(4)) {
    shape.more_stride = 16;
    stride += 16;
  }
  shape.heads =
      static_cast<size_t>(random.Int(1, static_cast<int64_t>(std::min<size_t>(kTileHeads, kTileFloats / stride))));
  return shape;
}

int Draws(int all) { return IsQuick() ? all / 10 : all; }

// ---------------------------------------------------------------------------- plain scalar code

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
