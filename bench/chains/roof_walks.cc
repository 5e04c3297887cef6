#include "roof_walks.h"

#include <cstdlib>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace simdrope::bench {
namespace {

#if defined(__x86_64__)

constexpr int64_t kGroup = 32;  // elements; a block of q8_0
constexpr int64_t kQ8Bytes = 34;

// Multiplied into the data and unknown to the compiler; 1, so that values stay as they are.
volatile float factor = 1.0f;

#define BENCH_INLINE inline __attribute__((always_inline))
#define BENCH_AVX2 __attribute__((target("avx2,fma,f16c")))
#define BENCH_AVX512 __attribute__((target("avx2,fma,f16c,avx512f,avx512bw,avx512vl,avx512dq")))

constexpr int64_t kAhead = 4096;  // bytes that software prefetch runs ahead

// Vector i of a group as floats; a group of floats into memory. kStreams: non-temporal stores, where there are any.
template <Format kIn>
struct Load256 {
  BENCH_AVX2 BENCH_INLINE static __m256 At(const char* in, int i) {
    if constexpr (kIn == f32) return _mm256_loadu_ps(reinterpret_cast<const float*>(in) + 8 * i);
    const __m128i half = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in) + i);
    if constexpr (kIn == f16) return _mm256_cvtph_ps(half);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
  }
};

template <Format kOut, bool kStreams>
struct Store256 {
  BENCH_AVX2 BENCH_INLINE static void Put(char* out, __m256i v) {
    if constexpr (kStreams) {
      _mm256_stream_si256(reinterpret_cast<__m256i*>(out), v);
    } else {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), v);
    }
  }
  BENCH_AVX2 BENCH_INLINE static __m256i Rounded(__m256 x) {
    const __m256i bits = _mm256_castps_si256(x);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    return _mm256_srli_epi32(_mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd), 16);
  }
  BENCH_AVX2 BENCH_INLINE static __m256i Halves(__m256 a, __m256 b) {
    if constexpr (kOut == f16) return _mm256_set_m128i(_mm256_cvtps_ph(b, 0), _mm256_cvtps_ph(a, 0));
    return _mm256_permute4x64_epi64(_mm256_packus_epi32(Rounded(a), Rounded(b)), 0xd8);
  }
  BENCH_AVX2 BENCH_INLINE static void Group(char* out, const __m256* x) {
    if constexpr (kOut == f32) {
      for (int i = 0; i < 4; ++i) Put(out + 32 * i, _mm256_castps_si256(x[i]));
    } else if constexpr (kOut == q8_0) {
      const __m256i low = _mm256_packs_epi32(_mm256_cvtps_epi32(x[0]), _mm256_cvtps_epi32(x[1]));
      const __m256i high = _mm256_packs_epi32(_mm256_cvtps_epi32(x[2]), _mm256_cvtps_epi32(x[3]));
      const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
      const uint16_t scale = 0x3c00;
      std::memcpy(out, &scale, sizeof(scale));
      const __m256i quants = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + sizeof(scale)), quants);
    } else {
      for (int i = 0; i < 2; ++i) Put(out + 32 * i, Halves(x[2 * i], x[2 * i + 1]));
    }
  }
};

template <Format kIn>
struct Load512 {
  BENCH_AVX512 BENCH_INLINE static __m512 At(const char* in, int i) {
    if constexpr (kIn == f32) return _mm512_loadu_ps(reinterpret_cast<const float*>(in) + 16 * i);
    const __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in) + i);
    if constexpr (kIn == f16) return _mm512_cvtph_ps(half);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
  }
};

template <Format kOut, bool kStreams>
struct Store512 {
  BENCH_AVX512 BENCH_INLINE static void Put(char* out, __m512i v) {
    if constexpr (kStreams) {
      _mm512_stream_si512(reinterpret_cast<__m512i*>(out), v);
    } else {
      _mm512_storeu_si512(out, v);
    }
  }
  BENCH_AVX512 BENCH_INLINE static __m256i Half(__m512 x) {
    if constexpr (kOut == f16) return _mm512_cvtps_ph(x, 0);
    const __m512i bits = _mm512_castps_si512(x);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i sum = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(sum, 16));
  }
  BENCH_AVX512 BENCH_INLINE static void Group(char* out, const __m512* x) {
    if constexpr (kOut == f32) {
      for (int i = 0; i < 2; ++i) Put(out + 64 * i, _mm512_castps_si512(x[i]));
    } else if constexpr (kOut == q8_0) {
      const uint16_t scale = 0x3c00;
      std::memcpy(out, &scale, sizeof(scale));
      __m128i* const quants = reinterpret_cast<__m128i*>(out + sizeof(scale));
      for (int i = 0; i < 2; ++i) _mm_storeu_si128(quants + i, _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(x[i])));
    } else {
      Put(out, _mm512_inserti64x4(_mm512_castsi256_si512(Half(x[0])), Half(x[1]), 1));
    }
  }
};

#define BENCH_DEFINE_WALK(NAME, TARGET, VECTOR, SET, MUL, LOAD, STORE)                                       \
  template <Format kIn, Format kOut, bool kPrefetches, bool kStreams>                                        \
  TARGET void NAME(const ConvertSpan& s) {                                                                   \
    constexpr int kVectors = kGroup * static_cast<int>(sizeof(float)) / static_cast<int>(sizeof(VECTOR));    \
    constexpr int64_t kInBytes = kGroup * (kIn == f32 ? 4 : 2);                                              \
    constexpr int64_t kOutBytes = kOut == q8_0 ? kQ8Bytes : kGroup * (kOut == f32 ? 4 : 2);                  \
    const VECTOR f = SET(factor);                                                                            \
    char* out = s.out;                                                                                       \
    for (int64_t r = 0; r < s.rows; ++r) {                                                                   \
      const char* in = s.in + r * s.in_stride;                                                               \
      for (int64_t i = 0; i < s.elements; i += kGroup, in += kInBytes, out += kOutBytes) {                   \
        if constexpr (kPrefetches) {                                                                         \
          for (int64_t line = 0; line < kInBytes; line += 64) _mm_prefetch(in + kAhead + line, _MM_HINT_T0); \
        }                                                                                                    \
        VECTOR x[kVectors];                                                                                  \
        for (int v = 0; v < kVectors; ++v) x[v] = MUL(LOAD<kIn>::At(in, v), f);                              \
        STORE<kOut, kStreams>::Group(out, x);                                                                \
      }                                                                                                      \
    }                                                                                                        \
    if constexpr (kStreams) _mm_sfence();                                                                    \
  }
BENCH_DEFINE_WALK(Convert256, BENCH_AVX2, __m256, _mm256_set1_ps, _mm256_mul_ps, Load256, Store256)
BENCH_DEFINE_WALK(Convert512, BENCH_AVX512, __m512, _mm512_set1_ps, _mm512_mul_ps, Load512, Store512)
#undef BENCH_DEFINE_WALK

// Eight heads of 128 at a time: their sums of squares, their factors, then norm and rotation by half pairs. Weights,
// cos and sin are one row for all tokens.
constexpr int64_t kHead = 128, kHeads = 8;
alignas(64) float weights[kHead], cosines[kHead / 2], sines[kHead / 2];

BENCH_AVX2 BENCH_INLINE __m256 Factors(const float* sums) {
  const __m256 mean = _mm256_div_ps(_mm256_load_ps(sums), _mm256_set1_ps(kHead));
  return _mm256_div_ps(_mm256_set1_ps(1.0f), _mm256_sqrt_ps(_mm256_add_ps(mean, _mm256_set1_ps(1e-6f))));
}
BENCH_AVX2 BENCH_INLINE float Total(__m256 x) {
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
BENCH_AVX512 BENCH_INLINE float Total(__m512 x) {
  return Total(_mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1)));
}

#define BENCH_DEFINE_ROTATION(NAME, TARGET, VECTOR, OP, LOAD, STORE)                                       \
  template <Format kIn, Format kOut, bool kPrefetches, bool kStreams>                                      \
  TARGET void NAME(const ConvertSpan& s) {                                                                 \
    constexpr int kLanes = static_cast<int>(sizeof(VECTOR) / sizeof(float)), kVectors = kGroup / kLanes;   \
    constexpr int kHalf = kHead / 2 / kLanes; /* vectors */                                                \
    constexpr int64_t kInBytes = kHead * (kIn == f32 ? 4 : 2);                                             \
    constexpr int64_t kGroupBytes = kOut == q8_0 ? kQ8Bytes : kGroup * (kOut == f32 ? 4 : 2);              \
    char* out = s.out;                                                                                     \
    for (int64_t r = 0; r < s.rows; ++r) {                                                                 \
      for (int64_t first = 0; first < s.elements; first += kHeads * kHead) {                               \
        const char* in = s.in + r * s.in_stride + first / kHead * kInBytes;                                \
        alignas(64) float sums[kHeads], factors[kHeads];                                                   \
        for (int64_t h = 0; h < kHeads; ++h) {                                                             \
          VECTOR sum = OP(setzero_ps)();                                                                   \
          for (int v = 0; v < 2 * kHalf; ++v) {                                                            \
            const VECTOR x = LOAD<kIn>::At(in + h * kInBytes, v);                                          \
            sum = OP(fmadd_ps)(x, x, sum);                                                                 \
          }                                                                                                \
          sums[h] = Total(sum);                                                                            \
        }                                                                                                  \
        _mm256_store_ps(factors, Factors(sums));                                                           \
        for (int64_t h = 0; h < kHeads; ++h, in += kInBytes, out += 4 * kGroupBytes) {                     \
          if constexpr (kPrefetches) {                                                                     \
            for (int64_t line = 0; line < kInBytes; line += 64)                                            \
              _mm_prefetch(in + kHeads * kInBytes + line, _MM_HINT_T0);                                    \
          }                                                                                                \
          const VECTOR factor = OP(set1_ps)(factors[h]);                                                   \
          for (int group = 0; group < 2; ++group) {                                                        \
            VECTOR x[kVectors], y[kVectors];                                                               \
            for (int v = 0; v < kVectors; ++v) {                                                           \
              const int i = group * kVectors + v;                                                          \
              const VECTOR c = OP(load_ps)(cosines + i * kLanes), d = OP(load_ps)(sines + i * kLanes);     \
              const VECTOR a =                                                                             \
                  OP(mul_ps)(OP(mul_ps)(LOAD<kIn>::At(in, i), factor), OP(load_ps)(weights + i * kLanes)); \
              const VECTOR b = OP(mul_ps)(OP(mul_ps)(LOAD<kIn>::At(in, i + kHalf), factor),                \
                                          OP(load_ps)(weights + (i + kHalf) * kLanes));                    \
              x[v] = OP(fnmadd_ps)(b, d, OP(mul_ps)(a, c));                                                \
              y[v] = OP(fmadd_ps)(a, d, OP(mul_ps)(b, c));                                                 \
            }                                                                                              \
            STORE<kOut, kStreams>::Group(out + group * kGroupBytes, x);                                    \
            STORE<kOut, kStreams>::Group(out + (group + 2) * kGroupBytes, y);                              \
          }                                                                                                \
        }                                                                                                  \
      }                                                                                                    \
    }                                                                                                      \
    if constexpr (kStreams) _mm_sfence();                                                                  \
  }
#define BENCH_OP256(NAME) _mm256_##NAME
#define BENCH_OP512(NAME) _mm512_##NAME
BENCH_DEFINE_ROTATION(Rotate256, BENCH_AVX2, __m256, BENCH_OP256, Load256, Store256)
BENCH_DEFINE_ROTATION(Rotate512, BENCH_AVX512, __m512, BENCH_OP512, Load512, Store512)
#undef BENCH_OP256
#undef BENCH_OP512
#undef BENCH_DEFINE_ROTATION

using Walk = void (*)(const ConvertSpan&);

// A table of the pairs of formats that chains have.
#define BENCH_DEFINE_CHOICE(NAME, WALK)                                            \
  template <bool kPrefetches, bool kStreams>                                       \
  Walk NAME(Format in, Format out) {                                               \
    if (in == f32 && out == f32) return WALK<f32, f32, kPrefetches, kStreams>;     \
    if (in == f32 && out == f16) return WALK<f32, f16, kPrefetches, kStreams>;     \
    if (in == f32 && out == q8_0) return WALK<f32, q8_0, kPrefetches, kStreams>;   \
    if (in == f16 && out == f16) return WALK<f16, f16, kPrefetches, kStreams>;     \
    if (in == bf16 && out == bf16) return WALK<bf16, bf16, kPrefetches, kStreams>; \
    if (in == bf16 && out == q8_0) return WALK<bf16, q8_0, kPrefetches, kStreams>; \
    std::abort();                                                                  \
  }
BENCH_DEFINE_CHOICE(Choose256, Convert256)
BENCH_DEFINE_CHOICE(Choose512, Convert512)
BENCH_DEFINE_CHOICE(ChooseRotate256, Rotate256)
BENCH_DEFINE_CHOICE(ChooseRotate512, Rotate512)
#undef BENCH_DEFINE_CHOICE

#endif

}  // namespace

std::vector<RoofWay> ChainRoofWays() {
  std::vector<RoofWay> ways;
#if defined(__x86_64__)
  __builtin_cpu_init();
  // SIMDROPE_TARGET=AVX2 asks for the roof of that target, too.
  const char* forced = std::getenv("SIMDROPE_TARGET");
  const bool narrow = forced != nullptr && std::strcmp(forced, "AVX2") == 0;
  const auto add = [&](const std::string& name, auto convert, auto rotate) {
    ways.push_back({"convert." + name, convert, nullptr});
    ways.push_back({"arithmetic." + name, convert, rotate});
  };
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    add("256", Choose256<false, false>, ChooseRotate256<false, false>);
    add("256+prefetch", Choose256<true, false>, ChooseRotate256<true, false>);
    add("stream256", Choose256<false, true>, ChooseRotate256<false, true>);
    add("stream256+prefetch", Choose256<true, true>, ChooseRotate256<true, true>);
  }
  if (!narrow && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq")) {
    add("512", Choose512<false, false>, ChooseRotate512<false, false>);
    add("512+prefetch", Choose512<true, false>, ChooseRotate512<true, false>);
    add("stream512", Choose512<false, true>, ChooseRotate512<false, true>);
    add("stream512+prefetch", Choose512<true, true>, ChooseRotate512<true, true>);
  }
#endif
  return ways;
}

}  // namespace simdrope::bench
