// Tiles of ggml's blocks, Q8_0 and Q4_0: 32 elements that share a scale. Included once per target.
#if defined(SIMDROPE_TILE_BLOCKS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SIMDROPE_TILE_BLOCKS_INL_H_
#undef SIMDROPE_TILE_BLOCKS_INL_H_
#else
#define SIMDROPE_TILE_BLOCKS_INL_H_
#endif

#include "core/half.h"
#include "hwy/highway.h"
#include "kernels/convert-inl.h"
#include "kernels/tile.h"
#include "kernels/tile_bytes-inl.h"
#include "kernels/tile_vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace simdrope::impl {
namespace HWY_NAMESPACE {

// A block is its scale as f16, then its elements: 32 bytes, or 16 of which the low halves are elements 0 to 15.
inline constexpr size_t kBlock = 32;  // elements
inline constexpr size_t kScaleBytes = 2;
inline constexpr size_t kQ8Bytes = kScaleBytes + kBlock;
inline constexpr size_t kQ4Bytes = kScaleBytes + kBlock / 2;

// ---- loads

struct LoadQ8Block {
  static constexpr size_t kBytes = kQ8Bytes;

  HWY_INLINE void operator()(const uint8_t* quants, float scale, float* out) const {
    const TileTag d;
    for (size_t i = 0; i < kBlock; i += hn::Lanes(d)) {
      const auto q = FloatOfByte<SIMDROPE_I8>(d, hn::LoadU(Bytes<TileTag>(), quants + i));
      hn::Store(hn::Mul(q, hn::Set(d, scale)), d, out + i);
    }
  }
};

struct LoadQ4Block {
  static constexpr size_t kBytes = kQ4Bytes;

  HWY_INLINE void operator()(const uint8_t* quants, float scale, float* out) const {
    const TileTag d;
    const hn::RebindToSigned<Words<TileTag>> di;
    for (size_t i = 0; i < kBlock / 2; i += hn::Lanes(d)) {
      const auto both = hn::PromoteTo(di, hn::LoadU(Bytes<TileTag>(), quants + i));
      const auto low = hn::Sub(hn::And(both, hn::Set(di, 15)), hn::Set(di, 8));
      const auto high = hn::Sub(hn::ShiftRight<4>(both), hn::Set(di, 8));
      hn::Store(hn::Mul(hn::ConvertTo(d, low), hn::Set(d, scale)), d, out + i);
      hn::Store(hn::Mul(hn::ConvertTo(d, high), hn::Set(d, scale)), d, out + kBlock / 2 + i);
    }
  }
};

template <class LoadBlock>
void LoadBlockTile(const TileInput& input, const Tile& tile) {
  AssertTile(tile);
  HWY_DASSERT(tile.head_dim % kBlock == 0);
  for (size_t h = 0; h < tile.heads; ++h) {
    const uint8_t* block = HeadBytes(input, h);
    float* head = tile.data + h * tile.stride;
    for (size_t i = 0; i < tile.head_dim; i += kBlock, block += LoadBlock::kBytes) {
      F16 scale;
      std::memcpy(&scale, block, sizeof(scale));
      LoadBlock()(block + kScaleBytes, ToFloat(scale), head + i);
    }
    ZeroPadding(tile, h);
  }
}

// ---- stores: four blocks at a time, for their maxima, divisions and conversions of scales

inline constexpr size_t kBlocksAtOnce = 4;

using BlockTag = hn::RebindToSigned<Words<TileTag>>;
using BlockWords = hn::Vec<BlockTag>;

#if SIMDROPE_FIXED_VECTORS
// The greatest lanes 0, 1, 2 and 3 of the vector's blocks of 128 bits.
template <class D>
HWY_INLINE hn::Vec<hn::CappedTag<int32_t, 4>> MaxOfBlocks(D, hn::Vec<D> v) {
  if constexpr (hn::MaxLanes(D()) == 4) {
    return v;
  } else {
    const hn::Half<D> half;
    return MaxOfBlocks(half, hn::Max(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
}
#endif

// The greatest of the lanes of four vectors, one after the other.
HWY_INLINE void FourMaxima(BlockWords v0, BlockWords v1, BlockWords v2, BlockWords v3, int32_t* HWY_RESTRICT maxima) {
  const BlockTag d;
#if SIMDROPE_FIXED_VECTORS
  const hn::Repartition<int64_t, BlockTag> d64;
  const auto m01 = hn::BitCast(d64, hn::Max(hn::InterleaveLower(d, v0, v1), hn::InterleaveUpper(d, v0, v1)));
  const auto m23 = hn::BitCast(d64, hn::Max(hn::InterleaveLower(d, v2, v3), hn::InterleaveUpper(d, v2, v3)));
  const auto m = hn::Max(hn::BitCast(d, hn::InterleaveLower(d64, m01, m23)),
                         hn::BitCast(d, hn::InterleaveUpper(d64, m01, m23)));  // the four, in each 128 bits
  hn::Store(MaxOfBlocks(d, m), hn::CappedTag<int32_t, 4>(), maxima);
#else
  maxima[0] = hn::GetLane(hn::MaxOfLanes(d, v0));
  maxima[1] = hn::GetLane(hn::MaxOfLanes(d, v1));
  maxima[2] = hn::GetLane(hn::MaxOfLanes(d, v2));
  maxima[3] = hn::GetLane(hn::MaxOfLanes(d, v3));
#endif
}

// The bits of |x|, or of x or -x, as integers: in the order of the numbers where they are positive, NaN above all.
enum class Taken { kMagnitude, kNumber, kNegated };

template <Taken kTaken>
HWY_INLINE BlockWords Maxima(const float* in) {
  const BlockTag di;
  auto greatest = hn::Set(di, INT32_MIN);
  for (size_t i = 0; i < kBlock; i += hn::Lanes(di)) {
    auto bits = hn::BitCast(di, hn::Load(TileTag(), in + i));
    if constexpr (kTaken == Taken::kMagnitude) bits = hn::And(bits, hn::Set(di, INT32_MAX));
    if constexpr (kTaken == Taken::kNegated) bits = hn::Xor(bits, hn::Set(di, INT32_MIN));
    greatest = hn::Max(greatest, bits);
  }
  return greatest;
}

template <Taken kTaken>
HWY_INLINE void MaximaOfBlocks(const float* const* in, int32_t* HWY_RESTRICT maxima) {
  FourMaxima(Maxima<kTaken>(in[0]), Maxima<kTaken>(in[1]), Maxima<kTaken>(in[2]), Maxima<kTaken>(in[3]), maxima);
}

struct BlockScales {
  alignas(kTileAlignment) float reciprocal[kBlocksAtOnce];
  uint16_t bits[kBlocksAtOnce];
};

// Of maximum / divisor. A scale of 0 has the reciprocal 0.
HWY_INLINE void ScalesOfBlocks(const float* maxima, float divisor, BlockScales& scales) {
  const hn::CappedTag<float, kBlocksAtOnce> d;
  for (size_t k = 0; k < kBlocksAtOnce; k += hn::Lanes(d)) {
    const auto scale = hn::Div(hn::Load(d, maxima + k), hn::Set(d, divisor));
    const auto reciprocal = hn::Div(hn::Set(d, 1.0f), scale);
    hn::Store(hn::IfThenZeroElse(hn::Eq(scale, hn::Zero(d)), reciprocal), d, scales.reciprocal + k);
    hn::StoreU(F16OfFloat(d, scale), Halves<decltype(d)>(), scales.bits + k);
  }
}

struct StoreQ8Blocks {
  static constexpr size_t kBytes = kQ8Bytes;

  HWY_INLINE void operator()(const float* const* in, uint8_t* const* out) const {
    alignas(kTileAlignment) int32_t maxima[kBlocksAtOnce];
    alignas(kTileAlignment) float magnitudes[kBlocksAtOnce];
    MaximaOfBlocks<Taken::kMagnitude>(in, maxima);
    std::memcpy(magnitudes, maxima, sizeof(magnitudes));
    BlockScales scales;
    ScalesOfBlocks(magnitudes, 127.0f, scales);
    for (size_t k = 0; k < kBlocksAtOnce; ++k) {
      std::memcpy(out[k], &scales.bits[k], kScaleBytes);
      int8_t* const quants = reinterpret_cast<int8_t*>(out[k]) + kScaleBytes;
      // Finite elements times a finite reciprocal need no test for NaN.
      constexpr float kGreatest = hwy::HighestValue<float>();
      if (HWY_LIKELY(magnitudes[k] <= kGreatest && scales.reciprocal[k] <= kGreatest)) {
        StoreQuants<false>(in[k], scales.reciprocal[k], quants);
      } else {
        StoreQuants<true>(in[k], scales.reciprocal[k], quants);
      }
    }
  }

 private:
  // Rounded half away from zero: the largest float below a half, added to a number that is one, reaches the next
  // integer.
  template <bool kMayBeNaN>
  static HWY_INLINE hn::Vec<BlockTag> Quants(const float* in, float reciprocal) {
    const TileTag d;
    auto x = hn::Mul(hn::Load(d, in), hn::Set(d, reciprocal));
    if constexpr (kMayBeNaN) x = hn::IfThenZeroElse(hn::IsNaN(x), x);
    x = hn::Add(x, hn::CopySignToAbs(hn::Set(d, 0x1.fffffep-2f), x));
    // Without NaN |x| is below 128: Highway's own tests for integers that do not fit, four operations, are not needed.
    // (ConvertInRangeTo from Highway 1.2 on.)
#if HWY_TARGET == HWY_AVX2
    if constexpr (!kMayBeNaN) return hn::Vec<BlockTag>{_mm256_cvttps_epi32(x.raw)};
#elif HWY_ARCH_X86 && HWY_TARGET < HWY_AVX2
    if constexpr (!kMayBeNaN) return hn::Vec<BlockTag>{_mm512_cvttps_epi32(x.raw)};
#endif
    return hn::ConvertTo(BlockTag(), x);
  }

  template <bool kMayBeNaN>
  static HWY_INLINE void StoreQuants(const float* in, float reciprocal, int8_t* out) {
#if HWY_TARGET == HWY_AVX2
    // Four vectors narrowed by three packs and one permute.
    const auto words = [&](size_t i) HWY_ATTR { return Quants<kMayBeNaN>(in + i, reciprocal).raw; };
    const __m256i low = _mm256_packs_epi32(words(0), words(8)), high = _mm256_packs_epi32(words(16), words(24));
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), bytes);
#elif HWY_ARCH_X86 && HWY_TARGET < HWY_AVX2
    // Highway narrows by three shuffles.
    for (size_t i = 0; i < kBlock; i += kTileGranule) {
      const __m128i bytes = _mm512_cvtsepi32_epi8(Quants<kMayBeNaN>(in + i, reciprocal).raw);
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), bytes);
    }
#else
    const hn::Rebind<int8_t, TileTag> d8;
    for (size_t i = 0; i < kBlock; i += hn::Lanes(TileTag())) {
      hn::StoreU(hn::DemoteTo(d8, Quants<kMayBeNaN>(in + i, reciprocal)), d8, out + i);
    }
#endif
  }
};

struct StoreQ4Blocks {
  static constexpr size_t kBytes = kQ4Bytes;

  HWY_INLINE void operator()(const float* const* in, uint8_t* const* out) const {
    const TileTag d;
    alignas(kTileAlignment) int32_t numbers[kBlocksAtOnce];
    alignas(kTileAlignment) int32_t negated[kBlocksAtOnce];
    alignas(kTileAlignment) float extremes[kBlocksAtOnce];
    MaximaOfBlocks<Taken::kNumber>(in, numbers);
    MaximaOfBlocks<Taken::kNegated>(in, negated);
    for (size_t k = 0; k < kBlocksAtOnce; ++k) extremes[k] = Extreme(in[k], numbers[k], negated[k]);
    BlockScales scales;
    ScalesOfBlocks(extremes, -8.0f, scales);
    for (size_t k = 0; k < kBlocksAtOnce; ++k) {
      std::memcpy(out[k], &scales.bits[k], kScaleBytes);
      const auto reciprocal = hn::Set(d, scales.reciprocal[k]);
      for (size_t i = 0; i < kBlock / 2; i += hn::Lanes(d)) {
        const auto low = Quants(d, hn::Mul(hn::Load(d, in[k] + i), reciprocal));
        const auto high = Quants(d, hn::Mul(hn::Load(d, in[k] + kBlock / 2 + i), reciprocal));
        StoreBytes(d, hn::Or(low, hn::ShiftLeft<4>(high)), out[k] + kScaleBytes + i);
      }
    }
  }

 private:
  // The element of largest magnitude, the first one of several; the greatest x and -x are given, as integers.
  static float Extreme(const float* in, int32_t number, int32_t negated) {
    const int32_t magnitude = HWY_MAX(number, negated);
    if (magnitude == 0) return 0.0f;
    if (number != negated) return FloatOf(static_cast<uint32_t>(magnitude) | (negated > number ? 0x80000000u : 0u));
    size_t i = 0;
    while ((BitsOf(in[i]) & 0x7fffffffu) != static_cast<uint32_t>(magnitude)) ++i;
    return in[i];
  }

  template <class D>
  static HWY_INLINE hn::Vec<Words<D>> Quants(D d, hn::Vec<D> x) {
    const hn::RebindToSigned<Words<D>> di;
    const auto sum = hn::Add(hn::IfThenZeroElse(hn::IsNaN(x), x), hn::Set(d, 8.5f));
    const auto clamped = hn::Min(hn::Max(sum, hn::Zero(d)), hn::Set(d, 15.0f));
    return hn::BitCast(Words<D>(), hn::ConvertTo(di, clamped));
  }
};

template <class StoreBlocks>
void StoreBlockTile(const Tile& tile, const TileOutput& output) {
  AssertTile(tile);
  HWY_DASSERT(tile.head_dim % kBlock == 0 && tile.stride % kTileGranule == 0);
  const size_t head_blocks = tile.head_dim / kBlock;
  const size_t blocks = tile.heads * head_blocks;
  size_t h = 0, block = 0;  // of the next one
  for (size_t done = 0; done < blocks; done += kBlocksAtOnce) {
    const float* in[kBlocksAtOnce];
    uint8_t* out[kBlocksAtOnce];
    for (size_t k = 0; k < kBlocksAtOnce; ++k) {
      in[k] = tile.data + h * tile.stride + block * kBlock;
      out[k] = HeadBytes(output, h) + block * StoreBlocks::kBytes;
      if (done + k + 1 >= blocks) continue;  // the last one again and again, where fewer are left
      if (++block == head_blocks) {
        PrefetchHead(output.ahead, h++);
        block = 0;
      }
    }
    StoreBlocks()(in, out);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace simdrope::impl
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
