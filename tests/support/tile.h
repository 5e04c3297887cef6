// Tiles for tests: drawn shapes and elements, room around them that no stage may touch, every target's table of stages.
#ifndef SIMDROPE_TESTS_SUPPORT_TILE_H_
#define SIMDROPE_TESTS_SUPPORT_TILE_H_

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "core/half.h"
#include "kernels/kernels.h"
#include "kernels/tile.h"
#include "support.h"

namespace testing {

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

inline constexpr float kInfinity = std::numeric_limits<float>::infinity();
inline constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
inline constexpr double kUnit = 0x1p-24;  // the error of one rounding to float, relative

inline size_t BytesOf(simdrope_format format, size_t n) {
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
  TestTile(size_t heads, size_t head_dim, size_t more_stride = 0) : storage_(kTileFloats + 2 * kRoom + 16, kMark) {
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
  size_t begin_ = 0;
  Tile tile_{};
};

// Bit by bit, but any NaN is as good as another.
inline bool Same(float a, float b) { return BitsOf(a) == BitsOf(b) || (std::isnan(a) && std::isnan(b)); }

// Numbers of every size: ordinary ones, powers of two, subnormals, zeros of both signs, huge ones; NaN and infinities
// if `special`.
inline float Hostile(Random& random, bool special) {
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
inline Shape DrawShape(Random& random, size_t multiple = 1) {
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

inline int Draws(int all) { return IsQuick() ? all / 10 : all; }

}  // namespace testing

#endif  // SIMDROPE_TESTS_SUPPORT_TILE_H_
