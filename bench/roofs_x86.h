// The roofs' kernels for x86: vectors of 256 and 512 bits, with and without software prefetch. Included
// by roofs.cc alone; chosen at run time by what the CPU has.
#ifndef SIMDROPE_BENCH_ROOFS_X86_H_
#define SIMDROPE_BENCH_ROOFS_X86_H_

#include <immintrin.h>

#include "roofs.h"

#define BENCH_INLINE inline __attribute__((always_inline))
#define BENCH_AVX2 __attribute__((target("avx2,fma,f16c")))
#define BENCH_AVX512 __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq")))
#define BENCH_AVX512_BF16 __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))

namespace simdrope::bench::x86 {

// Multiplied into the data and unknown to the compiler; 1, so that the data stays in range for ever.
inline volatile float factor = 1.0f;

// Bytes that software prefetch runs ahead.
constexpr int64_t kAheadFlat = 4096;
constexpr int64_t kAheadWindows = 8192;
constexpr int64_t kAheadFar = 8192;
constexpr int64_t kTokensAhead = 2;  // of angles

// ---- what is done to one line of 64 bytes

struct MultiplyF32 {
  BENCH_AVX512 BENCH_INLINE static void Line(const char* in, char* out, float f) {
    _mm512_storeu_ps(out, _mm512_mul_ps(_mm512_loadu_ps(in), _mm512_set1_ps(f)));
  }
};
struct MultiplyF32Narrow {
  BENCH_AVX2 BENCH_INLINE static void Line(const char* in, char* out, float f) {
    for (int i = 0; i < 64; i += 32) {
      const __m256 v = _mm256_loadu_ps(reinterpret_cast<const float*>(in + i));
      _mm256_storeu_ps(reinterpret_cast<float*>(out + i), _mm256_mul_ps(v, _mm256_set1_ps(f)));
    }
  }
};

// 16-bit data without conversion: an integer multiply, which no bit pattern slows down.
struct MultiplyI16 {
  BENCH_AVX512 BENCH_INLINE static void Line(const char* in, char* out, float f) {
    const __m512i v = _mm512_loadu_si512(in);
    _mm512_storeu_si512(out, _mm512_mullo_epi16(v, _mm512_set1_epi16(static_cast<short>(f))));
  }
};
struct MultiplyI16Narrow {
  BENCH_AVX2 BENCH_INLINE static void Line(const char* in, char* out, float f) {
    for (int i = 0; i < 64; i += 32) {
      const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + i));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i),
                          _mm256_mullo_epi16(v, _mm256_set1_epi16(static_cast<short>(f))));
    }
  }
};

struct ConvertF16 {
  BENCH_AVX512 BENCH_INLINE static void Line(const char* in, char* out, float f) {
    for (int i = 0; i < 64; i += 32) {
      const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + i));
      const __m512 product = _mm512_mul_ps(_mm512_cvtph_ps(v), _mm512_set1_ps(f));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), _mm512_cvtps_ph(product, 0));
    }
  }
};
struct ConvertF16Narrow {
  BENCH_AVX2 BENCH_INLINE static void Line(const char* in, char* out, float f) {
    for (int i = 0; i < 64; i += 16) {
      const __m128i v = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + i));
      const __m256 product = _mm256_mul_ps(_mm256_cvtph_ps(v), _mm256_set1_ps(f));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), _mm256_cvtps_ph(product, 0));
    }
  }
};

// bf16 as 32-bit words: the low value shifted up, the high one masked; rounded in integers.
struct ConvertBf16 {
  BENCH_AVX512 BENCH_INLINE static __m512i Rounded(__m512i bits) {
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    return _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
  }
  BENCH_AVX512 BENCH_INLINE static __m512i Converted(const char* in, float f) {
    const __m512i v = _mm512_loadu_si512(in);
    const __m512i high_mask = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
    const __m512 low = _mm512_mul_ps(_mm512_castsi512_ps(_mm512_slli_epi32(v, 16)), _mm512_set1_ps(f));
    const __m512 high = _mm512_mul_ps(_mm512_castsi512_ps(_mm512_and_si512(v, high_mask)), _mm512_set1_ps(f));
    const __m512i low_bits = _mm512_srli_epi32(Rounded(_mm512_castps_si512(low)), 16);
    const __m512i high_bits = Rounded(_mm512_castps_si512(high));
    // (high_bits & high_mask) | low_bits
    return _mm512_ternarylogic_epi32(high_bits, high_mask, low_bits, 0xea);
  }
  BENCH_AVX512 BENCH_INLINE static void Line(const char* in, char* out, float f) {
    _mm512_storeu_si512(out, Converted(in, f));
  }
};
struct ConvertBf16Narrow {
  BENCH_AVX2 BENCH_INLINE static __m256i Rounded(__m256i bits) {
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    return _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
  }
  BENCH_AVX2 BENCH_INLINE static void Line(const char* in, char* out, float f) {
    const __m256i high_mask = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
    for (int i = 0; i < 64; i += 32) {
      const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + i));
      const __m256 low = _mm256_mul_ps(_mm256_castsi256_ps(_mm256_slli_epi32(v, 16)), _mm256_set1_ps(f));
      const __m256 high = _mm256_mul_ps(_mm256_castsi256_ps(_mm256_and_si256(v, high_mask)), _mm256_set1_ps(f));
      const __m256i low_bits = _mm256_srli_epi32(Rounded(_mm256_castps_si256(low)), 16);
      const __m256i high_bits = Rounded(_mm256_castps_si256(high));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i), _mm256_blend_epi16(low_bits, high_bits, 0xaa));
    }
  }
};

// bf16 with the hardware's rounding: as words, put back in order by a permute ...
struct HardwareBf16Words {
  BENCH_AVX512_BF16 BENCH_INLINE static void Line(const char* in, char* out, float f) {
    const __m512i v = _mm512_loadu_si512(in);
    const __m512i high_mask = _mm512_set1_epi32(static_cast<int>(0xffff0000u));
    const __m512 low = _mm512_mul_ps(_mm512_castsi512_ps(_mm512_slli_epi32(v, 16)), _mm512_set1_ps(f));
    const __m512 high = _mm512_mul_ps(_mm512_castsi512_ps(_mm512_and_si512(v, high_mask)), _mm512_set1_ps(f));
    const __m512i both = reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(high, low));
    const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                                           21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    _mm512_storeu_si512(out, _mm512_permutexvar_epi16(order, both));
  }
};
// ... or widened in order.
struct HardwareBf16 {
  BENCH_AVX512_BF16 BENCH_INLINE static __m512 Widened(const char* in) {
    const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(v), 16));
  }
  BENCH_AVX512_BF16 BENCH_INLINE static void Line(const char* in, char* out, float f) {
    const __m512 first = _mm512_mul_ps(Widened(in), _mm512_set1_ps(f));
    const __m512 second = _mm512_mul_ps(Widened(in + 32), _mm512_set1_ps(f));
    _mm512_storeu_si512(out, reinterpret_cast<__m512i>(_mm512_cvtne2ps_pbh(second, first)));
  }
};

struct Copy512 {
  BENCH_AVX512 BENCH_INLINE static void Line(const char* in, char* out, float) {
    _mm512_storeu_si512(out, _mm512_loadu_si512(in));
  }
};
struct Copy256 {
  BENCH_AVX2 BENCH_INLINE static void Line(const char* in, char* out, float) {
    for (int i = 0; i < 64; i += 32) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i),
                          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + i)));
    }
  }
};
// Past the caches.
struct Stream512 {
  BENCH_AVX512 BENCH_INLINE static void Line(const char* in, char* out, float) {
    _mm512_stream_si512(reinterpret_cast<__m512i*>(out), _mm512_loadu_si512(in));
  }
};

struct StreamF16 {
  BENCH_AVX512 BENCH_INLINE static __m256i Converted(const char* in, float f) {
    const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in));
    return _mm512_cvtps_ph(_mm512_mul_ps(_mm512_cvtph_ps(v), _mm512_set1_ps(f)), 0);
  }
  BENCH_AVX512 BENCH_INLINE static void Line(const char* in, char* out, float f) {
    const __m512i first = _mm512_castsi256_si512(Converted(in, f));
    _mm512_stream_si512(reinterpret_cast<__m512i*>(out), _mm512_inserti64x4(first, Converted(in + 32, f), 1));
  }
};
struct StreamBf16 {
  BENCH_AVX512 BENCH_INLINE static void Line(const char* in, char* out, float f) {
    _mm512_stream_si512(reinterpret_cast<__m512i*>(out), ConvertBf16::Converted(in, f));
  }
};

// ---- walking a span, four lines at a time; one function for each instruction set

// Lines to come, into the first-level cache; and others into the second-level cache.
enum class Fetch { kNone, kNear, kNearAndFar };

// A walk for each Fetch, or for the first ones.
using Ways = std::vector<void (*)(const Span&)>;

BENCH_INLINE void ReadAngles(const char* row, int64_t bytes, bool fetch) {
  for (int64_t i = 0; i < bytes; i += 64) {
    *const_cast<const volatile char*>(row + i);
    if (fetch) _mm_prefetch(row + kTokensAhead * bytes + i, _MM_HINT_T0);
  }
}

#define BENCH_DEFINE_WALK(NAME, TARGET)                                                                            \
  template <class Op, Fetch kFetch>                                                                                \
  TARGET BENCH_INLINE void NAME##Run(const char* in, char* out, int64_t bytes, int64_t ahead, int64_t prefetched,  \
                                     float f) {                                                                    \
    int64_t i = 0;                                                                                                 \
    for (; i + 256 <= bytes; i += 256) {                                                                           \
      for (int line = 0; line < 256; line += 64) {                                                                 \
        if (kFetch != Fetch::kNone && i < prefetched) _mm_prefetch(in + i + line + ahead, _MM_HINT_T0);            \
        if (kFetch == Fetch::kNearAndFar) _mm_prefetch(in + i + line + kAheadFar, _MM_HINT_T1);                    \
        Op::Line(in + i + line, out + i + line, f);                                                                \
      }                                                                                                            \
    }                                                                                                              \
    for (; i < bytes; i += 64) {                                                                                   \
      if (kFetch != Fetch::kNone && i < prefetched) _mm_prefetch(in + i + ahead, _MM_HINT_T0);                     \
      Op::Line(in + i, out + i, f);                                                                                \
    }                                                                                                              \
  }                                                                                                                \
  template <class Op, Fetch kFetch>                                                                                \
  TARGET void NAME(const Span& s) {                                                                                \
    const float f = factor;                                                                                        \
    if (s.count == 1) {                                                                                            \
      return NAME##Run<Op, kFetch>(s.in, s.out, s.bytes, kAheadFlat, s.bytes - kAheadFlat, f);                     \
    }                                                                                                              \
    const int64_t runs_ahead = (kAheadWindows + s.stride - 1) / s.stride;                                          \
    for (int64_t r = 0; r < s.count; ++r) {                                                                        \
      NAME##Run<Op, kFetch>(s.in + r * s.stride, s.out + r * s.stride, s.bytes, runs_ahead * s.stride,             \
                            r + runs_ahead < s.count ? s.bytes : 0, f);                                            \
    }                                                                                                              \
  }                                                                                                                \
  template <class Op, Fetch kFetch>                                                                                \
  TARGET void NAME##Angles(const Span& s) {                                                                        \
    const float f = factor;                                                                                        \
    for (int64_t r = 0; r < s.count; ++r) {                                                                        \
      ReadAngles(s.cos + r * s.angle_bytes, s.angle_bytes, kFetch != Fetch::kNone);                                \
      ReadAngles(s.sin + r * s.angle_bytes, s.angle_bytes, kFetch != Fetch::kNone);                                \
      NAME##Run<Op, kFetch>(s.in + r * s.bytes, s.out + r * s.bytes, s.bytes, kAheadFlat,                          \
                            (s.count - r) * s.bytes - kAheadFlat, f);                                              \
    }                                                                                                              \
  }                                                                                                                \
  template <class Op>                                                                                              \
  Ways NAME##Ways() {                                                                                              \
    return {NAME<Op, Fetch::kNone>, NAME<Op, Fetch::kNear>};                                                       \
  }                                                                                                                \
  template <class Op>                                                                                              \
  Ways NAME##AnglesWays() {                                                                                        \
    return {NAME##Angles<Op, Fetch::kNone>, NAME##Angles<Op, Fetch::kNear>, NAME##Angles<Op, Fetch::kNearAndFar>}; \
  }
BENCH_DEFINE_WALK(Walk256, BENCH_AVX2)
BENCH_DEFINE_WALK(Walk512, BENCH_AVX512)
BENCH_DEFINE_WALK(Walk512Bf16, BENCH_AVX512_BF16)
#undef BENCH_DEFINE_WALK

inline std::vector<RoofKernel> RoofKernels(Format format, Mode mode) {
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512dq");
  const bool avx512_bf16 = avx512 && __builtin_cpu_supports("avx512bf16");

  std::vector<RoofKernel> kernels;
  const auto add = [&](bool supported, const std::string& name, const Ways& ways, Reads reads = Reads::kData) {
    if (!supported) return;
    constexpr const char* kSuffixes[] = {"", "+prefetch", "+prefetch-far"};
    // NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): a vector of functions, all given
    for (size_t i = 0; i < ways.size(); ++i) kernels.push_back({name + kSuffixes[i], ways[i], reads});
  };
  // As `roof` and as `roof-angles`.
  const auto add_both = [&](bool supported, const std::string& variant, const Ways& ways, const Ways& with_angles) {
    add(supported, "roof." + variant, ways);
    add(supported, "roof-angles." + variant, with_angles, Reads::kDataAndAngles);
  };
  const auto add_converting_angles = [&](bool supported, const std::string& variant, const Ways& ways) {
    add(supported, "roof-convert-angles." + variant, ways, Reads::kDataAndAngles);
  };
  const auto add_cached = [&](bool supported, const std::string& variant, const Ways& ways) {
    add(supported, "roof-cached." + variant, {ways.front()}, Reads::kCachedData);
  };
  // In place and out of place.
  if (format == f16) {
    add_converting_angles(avx2, "256", Walk256AnglesWays<ConvertF16Narrow>());
    add_converting_angles(avx512, "512", Walk512AnglesWays<ConvertF16>());
  } else if (format == bf16) {
    add_converting_angles(avx2, "256", Walk256AnglesWays<ConvertBf16Narrow>());
    add_converting_angles(avx512, "512", Walk512AnglesWays<ConvertBf16>());
  }
  if (mode == Mode::kOutOfPlace) {
    add_both(avx2, "256", Walk256Ways<Copy256>(), Walk256AnglesWays<Copy256>());
    add_both(avx512, "512", Walk512Ways<Copy512>(), Walk512AnglesWays<Copy512>());
    add_both(avx512, "stream512", Walk512Ways<Stream512>(), Walk512AnglesWays<Stream512>());
    if (format == f16) add_converting_angles(avx512, "stream512", Walk512AnglesWays<StreamF16>());
    if (format == bf16) add_converting_angles(avx512, "stream512", Walk512AnglesWays<StreamBf16>());
    return kernels;
  }
  if (format == f32) {
    add_both(avx2, "256", Walk256Ways<MultiplyF32Narrow>(), Walk256AnglesWays<MultiplyF32Narrow>());
    add_both(avx512, "512", Walk512Ways<MultiplyF32>(), Walk512AnglesWays<MultiplyF32>());
    add_cached(avx2, "256", Walk256Ways<MultiplyF32Narrow>());
    add_cached(avx512, "512", Walk512Ways<MultiplyF32>());
    return kernels;
  }
  add_both(avx2, "256", Walk256Ways<MultiplyI16Narrow>(), Walk256AnglesWays<MultiplyI16Narrow>());
  add_both(avx512, "512", Walk512Ways<MultiplyI16>(), Walk512AnglesWays<MultiplyI16>());
  const auto add_converting = [&](bool supported, const std::string& variant, const Ways& ways) {
    add(supported, "roof-convert." + variant, ways);
    add_cached(supported, variant, ways);
  };
  if (format == f16) {
    add_converting(avx2, "256", Walk256Ways<ConvertF16Narrow>());
    add_converting(avx512, "512", Walk512Ways<ConvertF16>());
  } else {
    add_converting(avx2, "256", Walk256Ways<ConvertBf16Narrow>());
    add_converting(avx512, "512", Walk512Ways<ConvertBf16>());
    add(avx512_bf16, "roof-hwconvert.words", Walk512Bf16Ways<HardwareBf16Words>());
    add(avx512_bf16, "roof-hwconvert.widen", Walk512Bf16Ways<HardwareBf16>());
  }
  return kernels;
}

}  // namespace simdrope::bench::x86

#endif  // SIMDROPE_BENCH_ROOFS_X86_H_
