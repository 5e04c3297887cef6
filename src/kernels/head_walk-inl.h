// Walking over the heads of a StraightCall, fetching what will be read.
#if defined(SIMDROPE_HEAD_WALK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SIMDROPE_HEAD_WALK_INL_H_
#undef SIMDROPE_HEAD_WALK_INL_H_
#else
#define SIMDROPE_HEAD_WALK_INL_H_
#endif

#include <type_traits>

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "kernels/arguments.h"

HWY_BEFORE_NAMESPACE();
namespace simdrope::impl {
namespace HWY_NAMESPACE {

// Where a head is, and of half pairs the second elements. Two pointers, not one and a distance: GCC 12 would spend a
// register on each sum of the distance and a constant, and spill them.
template <class T>
struct Head {
  const T* in;
  const T* in_second;
  T* out;
  T* out_second;
};

template <class T>
HWY_INLINE T* AtBytes(T* p, ptrdiff_t bytes) {
  using Byte = std::conditional_t<std::is_const_v<T>, const char, char>;
  return reinterpret_cast<T*>(reinterpret_cast<Byte*>(p) + bytes);
}

// Hides the origin of a pointer, so that GCC keeps no derived addresses.
template <class T>
HWY_INLINE T* Opaque(T* p) {
#if HWY_COMPILER_GCC || HWY_COMPILER_CLANG
  asm("" : "+r"(p));
#endif
  return p;
}

struct IntoFirstLevel {
  HWY_INLINE void operator()(const void* p) const { hwy::Prefetch(p); }
};
struct IntoSecondLevel {
  HWY_INLINE void operator()([[maybe_unused]] const void* p) const {
#if HWY_COMPILER_GCC || HWY_COMPILER_CLANG
    __builtin_prefetch(p, 0, 2);
#endif
  }
};

template <class Fetch>
HWY_INLINE void FetchLines(const void* first, size_t bytes, const Fetch& fetch) {
  for (size_t byte = 0; byte < bytes; byte += kCacheLine) fetch(static_cast<const char*>(first) + byte);
}

// The heads of all tokens one by one, prefetching:
//   for (size_t t = 0; t < call.tokens; ++t, walk.NextToken()) {
//     for (; walk.Begin(pairs); walk.NextHead()) ... walk.head()
//   }
template <class T, simdrope_pairing kPairing>
class HeadWalk {
 public:
  HWY_INLINE explicit HeadWalk(const StraightCall& c)
      : head_{static_cast<const T*>(c.in), static_cast<const T*>(c.in) + c.split, static_cast<T*>(c.out),
              static_cast<T*>(c.out) + c.split},
        heads_left_(c.heads),
        in_stride_(c.in_head_stride),
        out_stride_(c.out_head_stride),
        near_(c.prefetch_near),
        far_(c.prefetch_far),
        heads_(c.heads),
        in_gap_(c.in_token_stride - static_cast<ptrdiff_t>(c.heads) * c.in_head_stride),
        out_gap_(c.out_token_stride - static_cast<ptrdiff_t>(c.heads) * c.out_head_stride),
        cos_(c.cos),
        sin_(c.sin),
        cos_sin_stride_(c.cos_sin_stride),
        cos_sin_bytes_(c.pairs * sizeof(float)) {
    HWY_DASSERT(c.pairs > 0 && (near_ != 0 || far_ == 0));
    HWY_DASSERT(c.in != c.out || (c.in_head_stride == c.out_head_stride && c.in_token_stride == c.out_token_stride));
  }

  // Whether the token has another head, of which `pairs` pairs are about to be read.
  HWY_INLINE bool Begin(size_t pairs) const {
    if (heads_left_ == 0) return false;
    if (near_ != 0) {
      FetchAhead(pairs, near_, IntoFirstLevel());
      if (far_ != 0) FetchAhead(pairs, far_, IntoSecondLevel());
    }
    return true;
  }
  HWY_INLINE const Head<T>& head() const { return head_; }
  HWY_INLINE void NextHead() {
    --heads_left_;
    Advance(in_stride_, out_stride_);
  }

  // The token's row, fetching that of a token to come where heads are fetched far.
  HWY_INLINE void BeginToken(const float*& cos, const float*& sin) const {
    if (far_ != 0) {
      FetchLines(cos_ + kRowsAhead * cos_sin_stride_, cos_sin_bytes_, IntoFirstLevel());
      FetchLines(sin_ + kRowsAhead * cos_sin_stride_, cos_sin_bytes_, IntoFirstLevel());
    }
    cos = cos_;
    sin = sin_;
  }
  HWY_INLINE void NextToken() {
    heads_left_ = heads_;
    Advance(in_gap_, out_gap_);
    cos_ += cos_sin_stride_;
    sin_ += cos_sin_stride_;
  }

 private:
  static constexpr ptrdiff_t kRowsAhead = 2;

  HWY_INLINE void Advance(ptrdiff_t in_bytes, ptrdiff_t out_bytes) {
    head_.in = Opaque(AtBytes(head_.in, in_bytes));
    head_.in_second = Opaque(AtBytes(head_.in_second, in_bytes));
    head_.out = Opaque(AtBytes(head_.out, out_bytes));
    head_.out_second = Opaque(AtBytes(head_.out_second, out_bytes));
  }

  template <class Fetch>
  HWY_INLINE void FetchAhead(size_t pairs, ptrdiff_t ahead, const Fetch& fetch) const {
    const size_t bytes = (kPairing == SIMDROPE_HALF ? pairs : 2 * pairs) * sizeof(T);
    FetchLines(Opaque(AtBytes(head_.in, ahead)), bytes, fetch);
    if constexpr (kPairing == SIMDROPE_HALF) FetchLines(Opaque(AtBytes(head_.in_second, ahead)), bytes, fetch);
  }

  Head<T> head_;
  size_t heads_left_;
  const ptrdiff_t in_stride_;
  const ptrdiff_t out_stride_;
  const ptrdiff_t near_;
  const ptrdiff_t far_;
  const size_t heads_;
  const ptrdiff_t in_gap_;
  const ptrdiff_t out_gap_;
  const float* cos_;
  const float* sin_;
  const ptrdiff_t cos_sin_stride_;
  const size_t cos_sin_bytes_;
};

}  // namespace HWY_NAMESPACE
}  // namespace simdrope::impl
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
