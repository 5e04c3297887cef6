// The table of a target's stages. Included once per target.
#if defined(SIMDROPE_TILE_TABLE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SIMDROPE_TILE_TABLE_INL_H_
#undef SIMDROPE_TILE_TABLE_INL_H_
#else
#define SIMDROPE_TILE_TABLE_INL_H_
#endif

#include "hwy/highway.h"
#include "kernels/tile.h"
#include "kernels/tile_blocks-inl.h"
#include "kernels/tile_bytes-inl.h"
#include "kernels/tile_load-inl.h"
#include "kernels/tile_norm-inl.h"
#include "kernels/tile_rotate-inl.h"
#include "kernels/tile_store-inl.h"
#include "kernels/tile_sums-inl.h"
#include "kernels/tile_transform-inl.h"

HWY_BEFORE_NAMESPACE();
namespace simdrope::impl {
namespace HWY_NAMESPACE {

template <class T>
constexpr void FillFloats(TileKernels& k, simdrope_format format) {
  k.load[format] = &LoadTile<T>;
  k.load_and_sum[format] = &LoadTileAndSum<T>;
  k.store[format] = &StoreTile<T>;
#if SIMDROPE_NORMALISE_ROTATE_STORE
  k.normalise_rotate_store[format] = &NormaliseRotateStore<T>;
#endif
}

template <simdrope_format kFormat>
constexpr void FillBytes(TileKernels& k) {
  k.load[kFormat] = &LoadByteTile<kFormat>;
  k.load_and_sum[kFormat] = &LoadThenSum<&LoadByteTile<kFormat>>;
  k.store[kFormat] = &StoreByteTile<kFormat>;
}

template <class LoadBlock, class StoreBlocks>
constexpr void FillBlocks(TileKernels& k, simdrope_format format) {
  k.load[format] = &LoadBlockTile<LoadBlock>;
  k.load_and_sum[format] = &LoadThenSum<&LoadBlockTile<LoadBlock>>;
  k.store[format] = &StoreBlockTile<StoreBlocks>;
}

constexpr TileKernels MakeTileKernels() {
  TileKernels k{};
  FillFloats<float>(k, SIMDROPE_F32);
  FillFloats<F16>(k, SIMDROPE_F16);
  FillFloats<Bf16>(k, SIMDROPE_BF16);
  FillBytes<SIMDROPE_F8_E4M3>(k);
  FillBytes<SIMDROPE_F8_E5M2>(k);
  FillBytes<SIMDROPE_I8>(k);
  FillBytes<SIMDROPE_U8>(k);
  FillBlocks<LoadQ8Block, StoreQ8Blocks>(k, SIMDROPE_Q8_0);
  FillBlocks<LoadQ4Block, StoreQ4Blocks>(k, SIMDROPE_Q4_0);
  k.sums = &Sums;
  k.square_sums = &SquareSums;
  k.deviation_sums = &DeviationSums;
  k.norm_factors = &NormFactors;
  k.normalise = &Normalise;
  k.centre_and_normalise = &CentreAndNormalise;
  k.layer_norm = &LayerNorm;
  k.rotate[SIMDROPE_HALF][SIMDROPE_HALF] = &RotateHalves;
  k.rotate[SIMDROPE_HALF][SIMDROPE_INTERLEAVED] = &RotateAcross<SIMDROPE_HALF>;
  k.rotate[SIMDROPE_INTERLEAVED][SIMDROPE_HALF] = &RotateAcross<SIMDROPE_INTERLEAVED>;
  k.rotate[SIMDROPE_INTERLEAVED][SIMDROPE_INTERLEAVED] = &RotateInterleaved;
  k.normalise_and_rotate[SIMDROPE_HALF] = &NormaliseAndRotateHalves;
  k.normalise_and_rotate[SIMDROPE_INTERLEAVED] = &NormaliseAndRotateInterleaved;
  k.hadamard = &Hadamard;
  k.scale = &ScaleTile;
  return k;
}

}  // namespace HWY_NAMESPACE
}  // namespace simdrope::impl
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
