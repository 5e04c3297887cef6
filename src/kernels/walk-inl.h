// Walking the groups of rows and their rows, fetching what will be read.
#if defined(SIMDROPE_WALK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SIMDROPE_WALK_INL_H_
#undef SIMDROPE_WALK_INL_H_
#else
#define SIMDROPE_WALK_INL_H_
#endif

#include <type_traits>

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "kernels/kernels.h"

HWY_BEFORE_NAMESPACE();
namespace simdrope::impl {
namespace HWY_NAMESPACE {

// Where a row is, and of half pairs its second half. Two pointers, not one and a distance: GCC would spend a register
// on each sum of the distance and a constant, and spill them.
template <class In, class Out>
struct Row {
  const In* in;
  const In* in_second;
  Out* out;
  Out* out_second;
};

template <class T>
HWY_INLINE T* AtBytes(T* p, ptrdiff_t bytes) {
  using Byte = std::conditional_t<std::is_const_v<T>, const char, char>;
  return reinterpret_cast<T*>(reinterpret_cast<Byte*>(p) + bytes);
}

// The same pointer, of which the compiler does not know how it was made, so that it keeps no such sums.
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

// The rows of all groups one by one, prefetching.
template <class In, class Out, simdrope_pairing kIn>
class RowWalk {
 public:
  HWY_INLINE explicit RowWalk(const RotateRows& a)
      : row_{static_cast<const In*>(a.in), static_cast<const In*>(a.in) + a.in_split, static_cast<Out*>(a.out),
             static_cast<Out*>(a.out) + a.out_split},
        rows_left_(a.rows),
        in_stride_(a.in_stride),
        out_stride_(a.out_stride),
        near_(a.prefetch_near),
        far_(a.prefetch_far),
        rows_(a.rows),
        in_gap_(a.in_group_stride - static_cast<ptrdiff_t>(a.rows) * a.in_stride),
        out_gap_(a.out_group_stride - static_cast<ptrdiff_t>(a.rows) * a.out_stride) {}

  // Whether the group has another row, of which `pairs` are about to be read.
  HWY_INLINE bool Begin(size_t pairs) const {
    if (rows_left_ == 0) return false;
    if (near_ != 0) {
      FetchAhead(pairs, near_, IntoFirstLevel());
      if (far_ != 0) FetchAhead(pairs, far_, IntoSecondLevel());
    }
    return true;
  }
  HWY_INLINE const Row<In, Out>& row() const { return row_; }
  HWY_INLINE void Next() {
    --rows_left_;
    Advance(in_stride_, out_stride_);
  }
  // From the end of a group to the beginning of the next one.
  HWY_INLINE void NextGroup() {
    rows_left_ = rows_;
    Advance(in_gap_, out_gap_);
  }

 private:
  HWY_INLINE void Advance(ptrdiff_t in_bytes, ptrdiff_t out_bytes) {
    row_.in = Opaque(AtBytes(row_.in, in_bytes));
    row_.in_second = Opaque(AtBytes(row_.in_second, in_bytes));
    row_.out = Opaque(AtBytes(row_.out, out_bytes));
    row_.out_second = Opaque(AtBytes(row_.out_second, out_bytes));
  }

  template <class Fetch>
  HWY_INLINE void FetchAhead(size_t pairs, ptrdiff_t ahead, const Fetch& fetch) const {
    const size_t bytes = (kIn == SIMDROPE_HALF ? pairs : 2 * pairs) * sizeof(In);
    FetchLines(Opaque(AtBytes(row_.in, ahead)), bytes, fetch);
    if constexpr (kIn == SIMDROPE_HALF) FetchLines(Opaque(AtBytes(row_.in_second, ahead)), bytes, fetch);
  }

  Row<In, Out> row_;
  size_t rows_left_;
  const ptrdiff_t in_stride_;
  const ptrdiff_t out_stride_;
  const ptrdiff_t near_;
  const ptrdiff_t far_;
  const size_t rows_;
  const ptrdiff_t in_gap_;
  const ptrdiff_t out_gap_;
};

// How many groups ahead angles are fetched, where rows are fetched far.
inline constexpr ptrdiff_t kAnglesAhead = 2;

// Calls body(group, walk) for each group of `a`. `group` gives the pairs and the angles, `walk` the rows, which body
// walks to the end:
//   for (; walk.Begin(pairs); walk.Next()) ... walk.row()
// group.in and group.out stay where `a` begins.
template <class In, class Out, simdrope_pairing kIn, class Body>
HWY_INLINE void ForGroups(const RotateRows& a, const Body& body) {
  RotateRows group = a;  // a copy that no store of a row can change, for all that the compiler knows
  RowWalk<In, Out, kIn> walk(group);
  for (size_t g = group.groups; g > 0; --g) {
    if (group.prefetch_far != 0) {
      const ptrdiff_t ahead = kAnglesAhead * group.angle_stride;
      FetchLines(group.cos + ahead, group.pairs * sizeof(float), IntoFirstLevel());
      FetchLines(group.sin + ahead, group.pairs * sizeof(float), IntoFirstLevel());
    }
    body(group, walk);
    walk.NextGroup();
    group.cos += group.angle_stride;
    group.sin += group.angle_stride;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace simdrope::impl
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
