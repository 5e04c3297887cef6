// The bytes that a rotation must touch, as runs; what roofs walk.
#ifndef SIMDROPE_BENCH_SPANS_H_
#define SIMDROPE_BENCH_SPANS_H_

#include <cstdint>
#include <vector>

#include "job.h"

namespace simdrope::bench {

// `count` runs of `bytes` bytes, a multiple of 64, `stride` bytes apart.
struct Span {
  const char* in;
  char* out;
  int64_t bytes;
  int64_t stride;
  int64_t count;
};

// In place the rotated windows; out of place everything, for the rest of a head is copied.
inline Span SpanOf(const Job& job, const TokenView& view) {
  const Workload& w = job.workload();
  const int64_t size = job.c.element_size();
  const int64_t heads = w.tokens() * view.heads;
  if (!job.c.in_place() || w.whole_heads()) return {view.in, view.out, heads * w.head_dim * size, 0, 1};
  const int64_t offset = w.rotary_offset * size;
  return {view.in + offset, view.out + offset, w.rotary_dim * size, w.head_dim * size, heads};
}

inline Span PartOf(const Span& span, int64_t index, int64_t parts) {
  Span part = span;
  if (span.count > 1) {
    const int64_t first = span.count * index / parts;
    part.count = span.count * (index + 1) / parts - first;
    part.in += first * span.stride;
    part.out += first * span.stride;
  } else {
    const int64_t lines = span.bytes / 64;
    const int64_t first = lines * index / parts;
    part.bytes = (lines * (index + 1) / parts - first) * 64;
    part.in += first * 64;
    part.out += first * 64;
  }
  return part;
}

// What each of `threads` threads walks.
inline std::vector<std::vector<Span>> SpansOf(const Job& job, int threads) {
  std::vector<std::vector<Span>> spans(threads);
  for (const TokenView* view : {&job.q, &job.k}) {
    if (view->heads == 0) continue;
    for (int i = 0; i < threads; ++i) spans[i].push_back(PartOf(SpanOf(job, *view), i, threads));
  }
  return spans;
}

}  // namespace simdrope::bench

#endif  // SIMDROPE_BENCH_SPANS_H_
