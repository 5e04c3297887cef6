// The bytes that a rotation must touch, as runs; what roofs walk.
#ifndef SIMDROPE_BENCH_SPANS_H_
#define SIMDROPE_BENCH_SPANS_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "job.h"

namespace simdrope::bench {

// `count` runs of `bytes` bytes, a multiple of 64, `stride` bytes apart. Before run r, `angle_bytes` are to be read at
// cos and sin + r * angle_bytes; 0: none.
struct Span {
  const char* in;
  char* out;
  int64_t bytes;
  int64_t stride;
  int64_t count;
  const char* cos = nullptr;
  const char* sin = nullptr;
  int64_t angle_bytes = 0;
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

// Token by token, with the token's cos and sin: of BSHD, heads rotated whole.
inline Span TokenSpanOf(const Job& job, const TokenView& view) {
  const int64_t bytes = view.token_stride * job.c.element_size();
  return {view.in,
          view.out,
          bytes,
          bytes,
          job.workload().tokens(),
          reinterpret_cast<const char*>(job.cos),
          reinterpret_cast<const char*>(job.sin),
          job.workload().pairs() * static_cast<int64_t>(sizeof(float))};
}

inline Span PartOf(const Span& span, int64_t index, int64_t parts) {
  Span part = span;
  if (span.count > 1) {
    const int64_t first = span.count * index / parts;
    part.count = span.count * (index + 1) / parts - first;
    part.in += first * span.stride;
    part.out += first * span.stride;
    part.cos += first * span.angle_bytes;
    part.sin += first * span.angle_bytes;
  } else {
    const int64_t lines = span.bytes / 64;
    const int64_t first = lines * index / parts;
    part.bytes = (lines * (index + 1) / parts - first) * 64;
    part.in += first * 64;
    part.out += first * 64;
  }
  return part;
}

// `part` in pieces of the first-level cache, all where it begins. In place.
inline void AddCached(const Span& part, std::vector<Span>* spans) {
  constexpr int64_t kPiece = 8192;
  const int64_t total = part.bytes * part.count;
  for (int64_t done = 0; done < total; done += kPiece) {
    spans->push_back({part.in, part.out, std::min(kPiece, total - done), 0, 1});
  }
}

enum class Reads {
  kData,
  kDataAndAngles,  // of each token; BSHD, heads rotated whole
  kCachedData,     // as many bytes, of those a thread begins with
};

// What each of `threads` threads walks. K shares Q's angles: they are read once.
inline std::vector<std::vector<Span>> SpansOf(const Job& job, int threads, Reads reads) {
  std::vector<Span> whole = {reads == Reads::kDataAndAngles ? TokenSpanOf(job, job.q) : SpanOf(job, job.q)};
  if (job.k.heads != 0) whole.push_back(SpanOf(job, job.k));
  std::vector<std::vector<Span>> spans(threads);
  for (int i = 0; i < threads; ++i) {
    for (const Span& span : whole) {
      const Span part = PartOf(span, i, threads);
      if (reads == Reads::kCachedData) {
        AddCached(part, &spans[i]);
      } else {
        spans[i].push_back(part);
      }
    }
  }
  return spans;
}

}  // namespace simdrope::bench

#endif  // SIMDROPE_BENCH_SPANS_H_
