// Walking the groups of rows and their rows, fetching what will be read.
#if defined(SIMDROPE_WALK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SIMDROPE_WALK_INL_H_
#undef SIMDROPE_WALK_INL_H_
#else
#define SIMDROPE_WALK_INL_H_
#endif

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "kernels/kernels.h"

HWY_BEFORE_NAMESPACE();
namespace simdrope::impl {
namespace HWY_NAMESPACE {

// The hardware prefetcher alone does not keep up with rows of 512-bit vectors (docs/performance.md).
template <class In, simdrope_pairing kIn, class Fetch>
HWY_INLINE void FetchRow(const char* row, size_t pairs, ptrdiff_t split, const Fetch& fetch) {
  const size_t bytes = (kIn == SIMDROPE_HALF ? pairs : 2 * pairs) * sizeof(In);
  for (size_t byte = 0; byte < bytes; byte += kCacheLine) {
    fetch(row + byte);
    if constexpr (kIn == SIMDROPE_HALF) fetch(row + split * ptrdiff_t{sizeof(In)} + byte);
  }
}

struct IntoFirstLevel {
  HWY_INLINE void operator()(const char* p) const { hwy::Prefetch(p); }
};
struct IntoSecondLevel {
  HWY_INLINE void operator()([[maybe_unused]] const char* p) const {
#if HWY_COMPILER_GCC || HWY_COMPILER_CLANG
    __builtin_prefetch(p, 0, 2);
#endif
  }
};

// While working on how many of the rows the one `ahead` bytes on is to be fetched.
HWY_INLINE size_t FetchingRows(const RotateRows& a, ptrdiff_t ahead) {
  const ptrdiff_t room = static_cast<const char*>(a.prefetch_end) - static_cast<const char*>(a.in) - ahead;
  if (ahead == 0 || room <= 0) return 0;
  if (room > static_cast<ptrdiff_t>(a.rows - 1) * a.in_stride) return a.rows;
  return static_cast<size_t>((room + a.in_stride - 1) / a.in_stride);
}

template <class In, simdrope_pairing kIn>
class Prefetcher {
 public:
  HWY_INLINE explicit Prefetcher(const RotateRows& a)
      : near_(a.prefetch_near),
        far_(a.prefetch_far),
        near_rows_(FetchingRows(a, near_)),
        far_rows_(FetchingRows(a, far_)) {}

  // `pairs` of row r, at `row`, are about to be read.
  HWY_INLINE void Fetch(const char* row, size_t r, size_t pairs, ptrdiff_t split) const {
    if (r < near_rows_) FetchRow<In, kIn>(row + near_, pairs, split, IntoFirstLevel());
    if (r < far_rows_) FetchRow<In, kIn>(row + far_, pairs, split, IntoSecondLevel());
  }

 private:
  ptrdiff_t near_;
  ptrdiff_t far_;
  size_t near_rows_;
  size_t far_rows_;
};

// Calls body(group) for each group of `a`, as rows of a single group.
template <class Body>
HWY_INLINE void ForGroups(const RotateRows& a, const Body& body) {
  RotateRows group = a;  // a copy that no store of a row can change, for all that the compiler knows
  for (size_t g = group.groups; g > 0; --g) {
    body(group);
    group.in = static_cast<const char*>(group.in) + group.in_group_stride;
    group.out = static_cast<char*>(group.out) + group.out_group_stride;
    group.cos += group.angle_stride;
    group.sin += group.angle_stride;
  }
}

// The rows of a group one by one, prefetching:
//   for (RowWalk<In, Out, kIn> row(a); row.Begin(pairs); row.Next()) ... row.in() ... row.out()
template <class In, class Out, simdrope_pairing kIn>
class RowWalk {
 public:
  HWY_INLINE explicit RowWalk(const RotateRows& a)
      : in_(static_cast<const char*>(a.in)), out_(static_cast<char*>(a.out)), a_(a), prefetcher_(a) {}

  // Whether there is a row, of which `pairs` are about to be read.
  HWY_INLINE bool Begin(size_t pairs) const {
    if (row_ == a_.rows) return false;
    prefetcher_.Fetch(in_, row_, pairs, a_.in_split);
    return true;
  }
  HWY_INLINE void Next() {
    ++row_;
    in_ += a_.in_stride;
    out_ += a_.out_stride;
  }
  HWY_INLINE const In* in() const { return reinterpret_cast<const In*>(in_); }
  HWY_INLINE Out* out() const { return reinterpret_cast<Out*>(out_); }

 private:
  const char* in_;
  char* out_;
  size_t row_ = 0;
  const RotateRows& a_;
  Prefetcher<In, kIn> prefetcher_;
};

}  // namespace HWY_NAMESPACE
}  // namespace simdrope::impl
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
