// The only translation unit that sees Highway: compiled once for every target.
#include "kernels/kernels.h"

#if SIMDROPE_HIGHWAY_HEADERS_ONLY
#include "kernels/cpu.h"
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/kernels.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/cos_sin-inl.h"
#include "kernels/cos_sin_order-inl.h"
#include "kernels/straight-inl.h"
#include "kernels/tile_table-inl.h"

HWY_BEFORE_NAMESPACE();
namespace simdrope::impl {
namespace HWY_NAMESPACE {

template <class T>
constexpr void FillStraight(Kernels& k, simdrope_format format) {
  k.rotate[format][SIMDROPE_HALF] = &RotateStraight<T, SIMDROPE_HALF>;
  k.rotate[format][SIMDROPE_INTERLEAVED] = &RotateStraight<T, SIMDROPE_INTERLEAVED>;
  k.can_be_non_temporal[format][SIMDROPE_HALF] = &CanBeNonTemporal<T, SIMDROPE_HALF>;
  k.can_be_non_temporal[format][SIMDROPE_INTERLEAVED] = &CanBeNonTemporal<T, SIMDROPE_INTERLEAVED>;
}

// Whether MulAdd rounds once: then the square of 1 + e keeps its e * e.
bool IsFused() {
  const hn::CappedTag<float, 1> d;
  volatile float e = 0x1p-12f;
  const auto x = hn::Set(d, 1.0f + e);
  const auto minus_rounded_square = hn::Set(d, -(1.0f + 2 * e));
  return hn::GetLane(hn::MulAdd(x, x, minus_rounded_square)) != 0.0f;
}

constexpr Kernels MakeKernels() {
  Kernels k{};
  FillStraight<float>(k, SIMDROPE_F32);
  FillStraight<F16>(k, SIMDROPE_F16);
  FillStraight<Bf16>(k, SIMDROPE_BF16);
  k.copy_non_temporal = &CopyNonTemporal;
  k.fence = &Fence;
  k.tile = MakeTileKernels();
  k.cos_sin_of_phases = &CosSinOfPhases;
  k.cos_sin_of_turns = &CosSinOfTurns;
  k.cos_sin_of_radians = &CosSinOfRadians;
  k.scale_cos_sin = &ScaleCosSin;
  k.is_fused = &IsFused;
  return k;
}

constexpr Kernels kKernels = MakeKernels();

// Runs on any CPU: only the address of a constant.
const Kernels* TargetKernels() { return &kKernels; }

}  // namespace HWY_NAMESPACE
}  // namespace simdrope::impl
HWY_AFTER_NAMESPACE();

#if HWY_ONCE

namespace simdrope::impl {
namespace {

#if HWY_TARGETS == HWY_STATIC_TARGET
const Kernels* KernelsOf(int64_t) { return HWY_STATIC_DISPATCH(TargetKernels)(); }
#else
// As HWY_EXPORT's table, whose first entry alone needs Highway's library.
constexpr decltype(&HWY_STATIC_DISPATCH(TargetKernels)) kTargetKernels[] = {
    nullptr, HWY_CHOOSE_TARGET_LIST(TargetKernels), HWY_CHOOSE_FALLBACK(TargetKernels)};

const Kernels* KernelsOf(int64_t target) {
  hwy::ChosenTarget chosen;
  chosen.Update(target);
  return kTargetKernels[chosen.GetIndex()]();
}
#endif

}  // namespace

size_t ListTargets(Target* targets, size_t capacity) {
#if SIMDROPE_HIGHWAY_HEADERS_ONLY
  const int64_t supported = SupportedTargets();
#else
  const int64_t supported = hwy::SupportedTargets();
#endif
  size_t count = 0;
  for (int64_t rest = HWY_TARGETS; rest != 0; rest &= rest - 1) {  // lower bits are better targets
    const int64_t bit = rest & -rest;
    if (count < capacity) {
      const Kernels* kernels = KernelsOf(bit);
      const bool runs = (supported & bit) != 0 || bit == HWY_STATIC_TARGET;
      targets[count] = {hwy::TargetName(bit), kernels, runs, runs && kernels->is_fused()};
    }
    ++count;
  }
  return count;
}

}  // namespace simdrope::impl

#endif  // HWY_ONCE
