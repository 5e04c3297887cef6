// Splitting work: into slices for a host's threads, or over oneTBB.
#ifndef SIMDROPE_EXEC_PARALLEL_H_
#define SIMDROPE_EXEC_PARALLEL_H_

#include <simdrope/simdrope.h>

namespace simdrope::impl {

struct Range {
  int64_t begin;
  int64_t end;
};

// Part `index` of `count` near-equal parts of [0, size), cut at multiples of `grain` where that
// leaves every part some.
inline Range Slice(int64_t size, int64_t grain, int64_t index, int64_t count) {
  if (size / grain < count) grain = 1;
  const int64_t grains = (size + grain - 1) / grain;
  const int64_t each = grains / count;
  const int64_t more = grains % count;  // the first `more` parts have one grain more
  const auto begin_of = [&](int64_t i) {
    const int64_t at = (i * each + (i < more ? i : more)) * grain;
    return at < size ? at : size;
  };
  return {begin_of(index), begin_of(index + 1)};
}

// Threads that a call from this thread may use: those of its TBB arena, 1 without TBB.
int MaxThreads();

// Calls body(context, i) for i in [0, count), on the caller's TBB arena if there is TBB.
void ParallelFor(int64_t count, void (*body)(void* context, int64_t index), void* context);

// How a call is divided: simdrope_options' fields.
struct Split {
  int threads;
  int64_t slice_index;
  int64_t slice_count;
};

// How many parts a call that touches `bytes` in `size` indivisible items is worth splitting into.
int64_t PartsFor(const Split& split, int64_t size, int64_t bytes);

// Runs body(range) over all of [0, size), or the slice of it, in parallel where that pays.
template <class Body>
void ForRanges(const Split& split, int64_t size, int64_t grain, int64_t bytes, const Body& body) {
  if (split.slice_count > 0) {
    body(Slice(size, grain, split.slice_index, split.slice_count));
    return;
  }
  struct Context {
    const Body* body;
    int64_t size, grain, parts;
  } context{&body, size, grain, PartsFor(split, size, bytes)};
  if (context.parts == 1) {
    body(Range{0, size});
    return;
  }
  ParallelFor(
      context.parts,
      [](void* opaque, int64_t index) {
        const Context& c = *static_cast<const Context*>(opaque);
        (*c.body)(Slice(c.size, c.grain, index, c.parts));
      },
      &context);
}

}  // namespace simdrope::impl

#endif  // SIMDROPE_EXEC_PARALLEL_H_
