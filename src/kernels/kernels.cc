// The only translation unit that sees Highway: compiled once for every target.
#include "kernels/kernels.h"

#include <iterator>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/kernels.cc"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
#include "kernels/arrange-inl.h"
#include "kernels/cos_sin-inl.h"
#include "kernels/lines-inl.h"
#include "kernels/rotate-inl.h"

HWY_BEFORE_NAMESPACE();
namespace simdrope::impl {
namespace HWY_NAMESPACE {

template <class In, class Out>
constexpr void FillTypes(Kernels& k, simdrope_format in, simdrope_format out) {
  RotateFunction(&r)[2][2] = k.rotate[in][out];
  r[0][0] = &Rotate<In, Out, SIMDROPE_HALF, SIMDROPE_HALF>;
  r[0][1] = &Rotate<In, Out, SIMDROPE_HALF, SIMDROPE_INTERLEAVED>;
  r[1][0] = &Rotate<In, Out, SIMDROPE_INTERLEAVED, SIMDROPE_HALF>;
  r[1][1] = &Rotate<In, Out, SIMDROPE_INTERLEAVED, SIMDROPE_INTERLEAVED>;
  k.copy[in][out] = &Copy<In, Out>;
}

template <class In>
constexpr void FillOutputs(Kernels& k, simdrope_format in) {
  k.can_go_past_caches[in][0] = &CanGoPastCaches<In, SIMDROPE_HALF>;
  k.can_go_past_caches[in][1] = &CanGoPastCaches<In, SIMDROPE_INTERLEAVED>;
  FillTypes<In, float>(k, in, SIMDROPE_F32);
  FillTypes<In, F16>(k, in, SIMDROPE_F16);
  FillTypes<In, Bf16>(k, in, SIMDROPE_BF16);
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
  FillOutputs<float>(k, SIMDROPE_F32);
  FillOutputs<F16>(k, SIMDROPE_F16);
  FillOutputs<Bf16>(k, SIMDROPE_BF16);
  k.copy_past_caches = &CopyPastCaches;
  k.finish_past_caches = &FinishPastCaches;
  k.cos_sin_of_phases = &CosSinOfPhases;
  k.cos_sin_of_turns = &CosSinOfTurns;
  k.cos_sin_of_angles = &CosSinOfAngles;
  k.scale = &Scale;
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

HWY_EXPORT(TargetKernels);

const Kernels* KernelsOf(int64_t target) {
  hwy::ChosenTarget chosen;
  chosen.Update(target);
  const size_t index = std::size(HWY_DISPATCH_TABLE(TargetKernels)) == 1 ? 0 : chosen.GetIndex();
  return HWY_DISPATCH_TABLE(TargetKernels)[index]();
}

}  // namespace

size_t ListTargets(Target* targets, size_t capacity) {
  const int64_t supported = hwy::SupportedTargets();
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
