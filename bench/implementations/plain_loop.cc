// Compiled with -DPLAIN_LOOP=<namespace>, on -march=native among others: nothing here may be shared with
// other objects, so no standard library header with inline functions.
#include "plain_loop.h"

namespace simdrope::bench::PLAIN_LOOP {
namespace {

// Half precision of the compiler's own, if it has any here: clang before 15 has no _Float16 on x86, and its __fp16 can
// be stored but not passed; without the CPU's conversions (F16C) it calls functions that no library has.
#if defined(__FLT16_MANT_DIG__)
using F16 = _Float16;
#define PLAIN_LOOP_F16
#elif defined(__clang__) && (defined(__F16C__) || defined(__ARM_FP16_FORMAT_IEEE))
struct F16 {
  __fp16 value;
  explicit F16(float x) : value(static_cast<__fp16>(x)) {}
  explicit operator float() const { return static_cast<float>(value); }
};
#define PLAIN_LOOP_F16
#endif

struct Bf16 {
  uint16_t bits;
};

inline float Value(float x) { return x; }
#ifdef PLAIN_LOOP_F16
inline float Value(F16 x) { return static_cast<float>(x); }
#endif
inline float Value(Bf16 x) {
  const uint32_t bits = uint32_t{x.bits} << 16;
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

inline void Set(float& x, float value) { x = value; }
#ifdef PLAIN_LOOP_F16
inline void Set(F16& x, float value) { x = static_cast<F16>(value); }
#endif
inline void Set(Bf16& x, float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof bits);
  x.bits = static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

template <class T>
void HalfInPlace(T* __restrict first, T* __restrict second, const float* __restrict cos, const float* __restrict sin,
                 int64_t pairs) {
  for (int64_t i = 0; i < pairs; ++i) {
    const float x = Value(first[i]), y = Value(second[i]);
    Set(first[i], x * cos[i] - y * sin[i]);
    Set(second[i], y * cos[i] + x * sin[i]);
  }
}

template <class T>
void Half(const T* __restrict in, T* __restrict first, T* __restrict second, const float* __restrict cos,
          const float* __restrict sin, int64_t pairs) {
  for (int64_t i = 0; i < pairs; ++i) {
    const float x = Value(in[i]), y = Value(in[i + pairs]);
    Set(first[i], x * cos[i] - y * sin[i]);
    Set(second[i], y * cos[i] + x * sin[i]);
  }
}

template <class T>
void InterleavedInPlace(T* __restrict data, const float* __restrict cos, const float* __restrict sin, int64_t pairs) {
  for (int64_t i = 0; i < pairs; ++i) {
    const float x = Value(data[2 * i]), y = Value(data[2 * i + 1]);
    Set(data[2 * i], x * cos[i] - y * sin[i]);
    Set(data[2 * i + 1], y * cos[i] + x * sin[i]);
  }
}

template <class T>
void Interleaved(const T* __restrict in, T* __restrict out, const float* __restrict cos, const float* __restrict sin,
                 int64_t pairs) {
  for (int64_t i = 0; i < pairs; ++i) {
    const float x = Value(in[2 * i]), y = Value(in[2 * i + 1]);
    Set(out[2 * i], x * cos[i] - y * sin[i]);
    Set(out[2 * i + 1], y * cos[i] + x * sin[i]);
  }
}

template <class T>
inline void RotateHead(const PlainLoop& p, int64_t token, int64_t h) {
  const int64_t pairs = p.rotary_dim / 2;
  const float* cos = p.cos + token * pairs;
  const float* sin = p.sin + token * pairs;
  const int64_t head = token * p.token_stride + h * p.head_stride;
  const T* in = static_cast<const T*>(p.in) + head;
  T* out = static_cast<T*>(p.out) + head;
  T* window = out + p.rotary_offset;
  if (in == out) {
    if (p.interleaved) return InterleavedInPlace(window, cos, sin, pairs);
    return HalfInPlace(window, window + pairs, cos, sin, pairs);
  }
  __builtin_memcpy(out, in, static_cast<size_t>(p.rotary_offset) * sizeof(T));
  if (p.interleaved) {
    Interleaved(in + p.rotary_offset, window, cos, sin, pairs);
  } else {
    Half(in + p.rotary_offset, window, window + pairs, cos, sin, pairs);
  }
  const int64_t end = p.rotary_offset + p.rotary_dim;
  __builtin_memcpy(out + end, in + end, static_cast<size_t>(p.head_dim - end) * sizeof(T));
}

// Walks memory upwards in either layout.
template <class T>
void RotateAll(const PlainLoop& p) {
  if (p.head_stride < p.token_stride) {
    for (int64_t t = p.first_token; t < p.last_token; ++t) {
      for (int64_t h = p.first_head; h < p.last_head; ++h) RotateHead<T>(p, t, h);
    }
  } else {
    for (int64_t h = p.first_head; h < p.last_head; ++h) {
      for (int64_t t = p.first_token; t < p.last_token; ++t) RotateHead<T>(p, t, h);
    }
  }
}

void Rotate(const PlainLoop& p) {
  if (p.format == 0) return RotateAll<float>(p);
#ifdef PLAIN_LOOP_F16
  if (p.format == 1) return RotateAll<F16>(p);
#endif
  RotateAll<Bf16>(p);
}

#ifdef PLAIN_LOOP_F16
constexpr bool kHasF16 = true;
#else
constexpr bool kHasF16 = false;
#endif

#if defined(__clang__)
constexpr const char* kCompiler = __VERSION__;
#else
constexpr const char* kCompiler = "GCC " __VERSION__;
#endif

}  // namespace

PlainLoopBuild Build() { return {Rotate, kHasF16, kCompiler}; }

}  // namespace simdrope::bench::PLAIN_LOOP
