// Which of Highway's targets this CPU supports, for builds with Highway's headers alone. In the library's own build
// hwy::SupportedTargets says it; a test compares the two.
#ifndef SIMDROPE_KERNELS_CPU_H_
#define SIMDROPE_KERNELS_CPU_H_

#include <cstdint>
#include <initializer_list>

#include "hwy/detect_targets.h"

#if HWY_ARCH_X86
#if defined(_MSC_VER)
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#elif HWY_ARCH_ARM_A64 && defined(__linux__)
#include <sys/auxv.h>
#include <sys/prctl.h>
#endif

namespace simdrope::impl {

#if HWY_ARCH_X86

struct CpuId {
  uint32_t a = 0, b = 0, c = 0, d = 0;
};

inline CpuId AskCpu(uint32_t leaf, uint32_t subleaf) {
  CpuId id;
#if defined(_MSC_VER)
  int registers[4];
  __cpuidex(registers, static_cast<int>(leaf), static_cast<int>(subleaf));
  id.a = registers[0], id.b = registers[1], id.c = registers[2], id.d = registers[3];
#else
  __cpuid_count(leaf, subleaf, id.a, id.b, id.c, id.d);
#endif
  return id;
}

// The register state that the operating system saves: bits 1, 2 for AVX, 5 to 7 for AVX-512.
inline uint32_t SavedState() {
#if defined(_MSC_VER)
  return static_cast<uint32_t>(_xgetbv(0));
#else
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
#endif
}

// Bits as in Intel's and AMD's manuals (CPUID leaves 1, 7, 0x80000001); which features make a target is Highway's
// definition (hwy/detect_targets.h).
inline int64_t SupportedTargets() {
  const auto has = [](uint32_t word, std::initializer_list<int> bits) {
    for (const int bit : bits) {
      if ((word >> bit & 1) == 0) return false;
    }
    return true;
  };
  int64_t targets = HWY_SCALAR | HWY_EMU128;
  const CpuId top = AskCpu(0, 0);
  const CpuId one = AskCpu(1, 0);
  const CpuId seven = top.a >= 7 ? AskCpu(7, 0) : CpuId();
  const CpuId seven_one = top.a >= 7 && seven.a >= 1 ? AskCpu(7, 1) : CpuId();
  const CpuId extended = AskCpu(0x80000000u, 0).a >= 0x80000001u ? AskCpu(0x80000001u, 0) : CpuId();
  const bool is_amd = top.b == 0x68747541u;  // "Auth"enticAMD

  if (!has(one.d, {25, 26})) return targets;  // SSE, SSE2
#ifdef HWY_SSE2
  targets |= HWY_SSE2;
#endif
  if (!has(one.c, {0, 9})) return targets;  // SSE3, SSSE3
  targets |= HWY_SSSE3;
  if (!has(one.c, {1, 19, 20, 25})) return targets;  // PCLMULQDQ, SSE4.1, SSE4.2, AES
  targets |= HWY_SSE4;
  const bool avx2 = has(one.c, {12, 27, 28, 29}) &&  // FMA, OSXSAVE, AVX, F16C
                    has(seven.b, {3, 5, 8}) &&       // BMI1, AVX2, BMI2
                    has(extended.c, {5});            // LZCNT
  if (!avx2 || (SavedState() & 6) != 6) return targets;
  targets |= HWY_AVX2;
  if (!has(seven.b, {16, 17, 28, 30, 31}) || (SavedState() & 0xe0) != 0xe0) return targets;  // AVX512 F, DQ, CD, BW, VL
  targets |= HWY_AVX3;
  // AVX512 VBMI, VBMI2, GFNI, VAES, VPCLMULQDQ, VNNI, BITALG, VPOPCNTDQ
  if (!has(seven.c, {1, 6, 8, 9, 10, 11, 12, 14})) return targets;
  targets |= HWY_AVX3_DL;
  if (!has(seven_one.a, {5})) return targets;  // AVX512 BF16
#ifdef HWY_AVX3_ZEN4
  if (is_amd) targets |= HWY_AVX3_ZEN4;
#endif
#ifdef HWY_AVX3_SPR
  if (has(seven.d, {23})) targets |= HWY_AVX3_SPR;  // AVX512 FP16
#endif
  (void)is_amd;
  return targets;
}

#elif HWY_ARCH_ARM_A64 && defined(__linux__)

// Bits of Linux's AT_HWCAP and AT_HWCAP2 (Documentation/arch/arm64/elf_hwcaps.rst).
inline int64_t SupportedTargets() {
  const uint64_t first = getauxval(AT_HWCAP), second = getauxval(AT_HWCAP2);
  int64_t targets = HWY_SCALAR | HWY_EMU128 | HWY_STATIC_TARGET;
#ifdef HWY_NEON_WITHOUT_AES
  targets |= HWY_NEON_WITHOUT_AES;
#endif
  if ((first >> 3 & 1) != 0) {  // AES
    targets |= HWY_NEON;
#ifdef HWY_NEON_BF16
    if ((first >> 20 & 1) != 0 && (second >> 14 & 1) != 0) targets |= HWY_NEON_BF16;  // ASIMDDP, BF16
#endif
  }
  if ((first >> 22 & 1) == 0) return targets;  // SVE
  targets |= HWY_SVE;
  const bool sve2 = (second >> 1 & 1) != 0 && (second >> 2 & 1) != 0;  // SVE2, SVEAES
  if (sve2) targets |= HWY_SVE2;
  const int bytes = prctl(51 /* PR_SVE_GET_VL */) & 0xffff;
  if (bytes == 32) targets |= HWY_SVE_256;
  if (bytes == 16 && sve2) targets |= HWY_SVE2_128;
  return targets;
}

#else

// Elsewhere, what the compiler's flags name.
inline int64_t SupportedTargets() { return HWY_STATIC_TARGET; }

#endif

}  // namespace simdrope::impl

#endif  // SIMDROPE_KERNELS_CPU_H_
