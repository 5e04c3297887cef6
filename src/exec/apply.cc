#include "exec/apply.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <type_traits>
#include <utility>

#include "core/tensor.h"
#include "exec/parallel.h"

namespace simdrope::impl {
namespace {

// Floats of angles that one task keeps on its stack for each of Q and K: 16 KB, so that both stay
// in the first-level cache.
constexpr size_t kAngleFloats = 4096;

constexpr size_t kMaxTokensInBlock = 64;

// Heads that share each row of angles while it is loaded, where the tokens of a head lie closer together than the
// heads of a token.
constexpr int64_t kHeadsTogether = 4;

// How far ahead to prefetch into the first-level cache, and into the second, in all: heads that go together share it.
constexpr ptrdiff_t kNearBytes = 4096;
constexpr ptrdiff_t kFarBytes = 2 * kNearBytes;

// Bytes of a call from which on its data is not in a core's own caches, and is fetched near; not in any, and is
// fetched far too. With less, the instructions cost more than they save. Where stores go past the caches or heads go
// together, one size decides on both.
constexpr int64_t kBeyondOwnCaches = 2 << 20;
constexpr int64_t kBeyondAllCaches = 192 << 20;
constexpr int64_t kPrefetchedPastCaches = 128 << 20;

// Outputs of a call that are larger than this in all, and not in place, go past the caches: they would
// not stay there, and the lines need not be read before they are written.
constexpr int64_t kPastCachesBytes = 16 << 20;

// Consecutive elements of a head.
struct Segment {
  int32_t begin;  // from the window's beginning on
  int32_t count;
};

// With one token a sequence (decoding), the batch entries are walked as the tokens of one sequence.
bool WalksBatch(const simdrope_tensor& t) { return t.seq == 1; }

struct ByteStrides {
  explicit ByteStrides(const simdrope_tensor& t)
      : element(static_cast<ptrdiff_t>(SizeOf(t.format))),
        batch(t.batch_stride * element),
        token((WalksBatch(t) ? t.batch_stride : t.seq_stride) * element),
        head(t.head_stride * element) {}

  ptrdiff_t element;
  ptrdiff_t batch;
  ptrdiff_t token;
  ptrdiff_t head;
};

// What is to be done with one of Q, K and V.
struct Stream {
  Stream(const Kernels& kernels, const ApplyCall& call, const simdrope_tensor& in, const simdrope_tensor& out,
         bool rotated, Side side)
      : in(in),
        out(out),
        from(in),
        to(out),
        rotated(rotated),
        side(side),
        in_place(IsSameView(in, out)),
        token_major(in.seq < 2 || in.heads < 2 || std::llabs(in.head_stride) <= std::llabs(in.seq_stride)),
        by_spare(in_place && call.window.pairing != call.output_pairing),
        always_scale(call.rows.is_from_caller() && in.format == SIMDROPE_BF16 && out.format == SIMDROPE_BF16),
        rotate(kernels.rotate[in.format][out.format][call.window.pairing][call.output_pairing]) {
    const Window& w = call.window;
    rows.in = static_cast<const char*>(in.data) + w.offset * from.element;
    rows.out = static_cast<char*>(out.data) + w.offset * to.element;
    rows.in_stride = from.head;
    rows.out_stride = to.head;
    rows.in_group_stride = from.token;
    rows.out_group_stride = to.token;
    rows.in_split = rows.out_split = w.split;
    rows.pairs = static_cast<size_t>(w.pairs());
    const int32_t first_end = w.pairing == SIMDROPE_HALF ? w.pairs() : w.rotary_dim;
    const int32_t second_begin = w.pairing == SIMDROPE_HALF ? w.split : first_end;
    AddOutside(-w.offset, 0);
    AddOutside(first_end, second_begin);
    AddOutside(w.span(), static_cast<int32_t>(in.head_dim) - w.offset);
  }

  void AddOutside(int32_t begin, int32_t end) {
    if (begin < end) outside[outside_count++] = {begin, end - begin};
  }

  // The window of a head.
  const void* in_at(int64_t b, int64_t s, int64_t h) const {
    return static_cast<const char*>(rows.in) + b * from.batch + s * from.token + h * from.head;
  }
  void* out_at(int64_t b, int64_t s, int64_t h) const {
    return static_cast<char*>(rows.out) + b * to.batch + s * to.token + h * to.head;
  }

  const simdrope_tensor& in;
  const simdrope_tensor& out;
  ByteStrides from;
  ByteStrides to;
  bool rotated;  // else only copied
  Side side;
  bool in_place;
  bool token_major;   // the heads of a token lie closer together than the tokens of a head
  bool by_spare;      // in place, but to another pairing: by way of a spare head
  bool always_scale;  // rounding to bf16 without a test for NaN relies on default NaNs
  RotateFunction rotate;
  RotateRows rows{};   // of which angles and numbers of rows and groups are missing
  Segment outside[3];  // elements of a head outside the window
  int outside_count = 0;
};

// Up to three of them. Not an array of std::optional, whose clearing costs a call 10 ns.
class Streams {
 public:
  template <class... Arguments>
  Stream& Add(const Arguments&... arguments) {
    return *new (storage_ + sizeof(Stream) * count_++) Stream(arguments...);
  }
  Stream* begin() { return std::launder(reinterpret_cast<Stream*>(storage_)); }
  Stream* end() { return begin() + count_; }
  const Stream* begin() const { return std::launder(reinterpret_cast<const Stream*>(storage_)); }
  const Stream* end() const { return begin() + count_; }

 private:
  static_assert(std::is_trivially_destructible_v<Stream>);
  alignas(Stream) unsigned char storage_[3 * sizeof(Stream)];
  size_t count_ = 0;
};

// Angles of consecutive tokens; token t's are at t * stride.
struct Angles {
  const float* cos;
  const float* sin;
  ptrdiff_t stride;
};

class Worker {
 public:
  Worker(const Kernels& kernels, const ApplyCall& call, const Streams& streams)
      : kernels_(kernels),
        call_(call),
        rows_(call.rows),
        streams_(streams),
        by_batch_(WalksBatch(streams.begin()->in)) {
    for (const Stream& stream : streams) {
      heads_ += stream.in.heads;
      if (stream.rows.past_caches) any_past_caches_ = true;
    }
  }

  // Items are (token, head) with the heads of Q, K and V in turn; tokens count through the batch. Divisions
  // cost as much as a few rows: a whole call needs none.
  void Run(Range items) {
    const simdrope_tensor& shape = streams_.begin()->in;
    const int64_t seq = by_batch_ ? shape.batch : shape.seq;
    const int64_t tokens = shape.batch * shape.seq;
    const int64_t first = items.begin == 0 ? 0 : items.begin / heads_;
    const int64_t last = items.end == tokens * heads_ ? tokens : items.end / heads_;
    int64_t b = first == 0 ? 0 : first / seq;
    int64_t s = first - b * seq;
    int64_t head = items.begin - first * heads_;
    const int64_t heads_of_last = items.end - last * heads_;
    for (int64_t token = first; token < last || (token == last && head < heads_of_last);) {
      const int64_t left = last - token;
      int64_t count = 1;
      if (head == 0 && left > 0) count = std::min(left, TokensInBlock(seq - s));
      RunBlock(b, s, count, {head, left > 0 ? heads_ : heads_of_last});
      head = 0;
      token += count;
      s += count;
      if (s == seq) {
        s = 0;
        ++b;
      }
    }
    if (any_past_caches_) kernels_.finish_past_caches();
  }

 private:
  // A block stays within one batch entry, and within the room for its angles.
  int64_t TokensInBlock(int64_t tokens_of_entry) const {
    if (tokens_of_entry == 1) return 1;
    return std::min<int64_t>({tokens_of_entry, kMaxTokensInBlock, static_cast<int64_t>(kAngleFloats / (2 * pairs()))});
  }

  void MoveTo(int64_t b, int64_t s) {
    if (by_batch_) {
      rows_.MoveTo(s, 0);
    } else {
      rows_.MoveTo(b, s);
    }
  }

  size_t pairs() const { return static_cast<size_t>(call_.window.pairs()); }

  void RunBlock(int64_t b, int64_t s, int64_t tokens, Range heads) {
    for (int64_t t = 0; t < tokens && !rows_.rotates_all(); ++t) {
      MoveTo(b, s + t);
      action_[t] = rows_.action();
      scale_[t] = rows_.query_scale() * call_.options.q.scale;
    }
    int64_t before = 0;
    angles_of_ = nullptr;
    for (const Stream& stream : streams_) {
      const Range own{std::clamp<int64_t>(heads.begin - before, 0, stream.in.heads),
                      std::clamp<int64_t>(heads.end - before, 0, stream.in.heads)};
      before += stream.in.heads;
      if (own.begin < own.end) RunStream(stream, b, s, tokens, own);
    }
  }

  void RunStream(const Stream& stream, int64_t b, int64_t s, int64_t tokens, Range heads) {
    if (stream.rotated) FindAngles(stream, b, s, tokens);
    // Tokens of one action and scale go together.
    for (int64_t t = 0; t < tokens;) {
      const TokenAction action = ActionOf(stream, t);
      const float scale = ScaleOf(stream, t);
      int64_t end = rows_.rotates_all() ? tokens : t + 1;
      while (end < tokens && ActionOf(stream, end) == action && ScaleOf(stream, end) == scale) ++end;
      if (action != TokenAction::kSkip) RunTokens(stream, action, scale, b, s, {t, end}, heads);
      t = end;
    }
  }

  TokenAction ActionAt(int64_t t) const { return rows_.rotates_all() ? TokenAction::kRotate : action_[t]; }
  TokenAction ActionOf(const Stream& stream, int64_t t) const {
    const TokenAction action = ActionAt(t);
    return stream.rotated || action == TokenAction::kSkip ? action : TokenAction::kCopy;
  }

  float QueryScaleAt(int64_t t) const { return rows_.rotates_all() ? call_.options.q.scale : scale_[t]; }
  float ScaleOf(const Stream& stream, int64_t t) const {
    return stream.rotated && stream.side == Side::kQuery ? QueryScaleAt(t) : 1.0f;
  }

  void RunTokens(const Stream& stream, TokenAction action, float scale, int64_t b, int64_t s, Range tokens,
                 Range heads) {
    // What lies outside a window is copied while its surroundings are near.
    const bool token_by_token = stream.token_major && stream.outside_count > 0 && !stream.in_place;
    const int64_t tokens_together = token_by_token ? 1 : tokens.end - tokens.begin;
    const int64_t heads_together = stream.token_major ? heads.end - heads.begin : kHeadsTogether;
    RotateRows rows = stream.rows;
    rows.groups = static_cast<size_t>(tokens_together);
    rows.angle_stride = angles_.stride;
    for (int64_t t = tokens.begin; t < tokens.end; t += tokens_together) {
      rows.cos = angles_.cos + t * angles_.stride;
      rows.sin = angles_.sin + t * angles_.stride;
      for (int64_t h = heads.begin; h < heads.end; h += heads_together) {
        rows.rows = static_cast<size_t>(std::min(heads_together, heads.end - h));
        rows.in = stream.in_at(b, s + t, h);
        rows.out = stream.out_at(b, s + t, h);
        RunRows(stream, action, scale, rows);
      }
    }
  }

  void RunRows(const Stream& stream, TokenAction action, float scale, const RotateRows& rows) {
    if (action == TokenAction::kCopy) {
      CopySegment(stream, {-call_.window.offset, static_cast<int32_t>(stream.in.head_dim)}, scale, rows);
      return;
    }
    if (stream.by_spare) {
      RotateBySpare(stream, rows);
    } else {
      stream.rotate(rows);
    }
    for (int i = 0; i < stream.outside_count; ++i) CopySegment(stream, stream.outside[i], scale, rows);
  }

  // Calls visit(group, in, out) for each row.
  template <class Visit>
  static void ForRows(const RotateRows& rows, const Visit& visit) {
    const char* in = static_cast<const char*>(rows.in);
    char* out = static_cast<char*>(rows.out);
    for (ptrdiff_t g = 0; g < static_cast<ptrdiff_t>(rows.groups); ++g) {
      for (ptrdiff_t r = 0; r < static_cast<ptrdiff_t>(rows.rows); ++r) {
        visit(g, in + g * rows.in_group_stride + r * rows.in_stride,
              out + g * rows.out_group_stride + r * rows.out_stride);
      }
    }
  }

  void RotateBySpare(const Stream& stream, const RotateRows& rows) {
    alignas(64) char spare[SIMDROPE_MAX_HEAD_DIM * sizeof(float)];
    const size_t bytes = static_cast<size_t>(call_.window.rotary_dim * stream.to.element);
    RotateRows one = rows;
    one.groups = one.rows = 1;
    one.out = spare;
    ForRows(rows, [&](ptrdiff_t group, const char* in, char* out) {
      one.in = in;
      one.cos = rows.cos + group * rows.angle_stride;
      one.sin = rows.sin + group * rows.angle_stride;
      stream.rotate(one);
      std::memcpy(out, spare, bytes);
    });
  }

  void CopySegment(const Stream& stream, Segment segment, float scale, const RotateRows& rows) {
    if (stream.in_place && scale == 1.0f) return;
    const size_t count = static_cast<size_t>(segment.count);
    const size_t bytes = count * static_cast<size_t>(stream.from.element);
    const ptrdiff_t from = segment.begin * stream.from.element;
    const ptrdiff_t to = segment.begin * stream.to.element;
    const bool plain = scale == 1.0f && stream.in.format == stream.out.format;
    const auto copy = kernels_.copy[stream.in.format][stream.out.format];
    ForRows(rows, [&](ptrdiff_t, const char* in, char* out) {
      if (plain && rows.past_caches) {
        kernels_.copy_past_caches(in + from, out + to, bytes, rows.prefetch_far);
      } else if (plain) {
        std::memcpy(out + to, in + from, bytes);
      } else {
        copy(in + from, out + to, count, scale);
      }
    });
  }

  // Makes angles_ those of `tokens` tokens from (b, s) for `stream`; kept from the stream before if
  // they are the same.
  void FindAngles(const Stream& stream, int64_t b, int64_t s, int64_t tokens) {
    const bool has_scale = stream.side == Side::kQuery && HasScale(tokens);
    if (angles_of_ != nullptr && !rows_.has_key_rows() && angles_of_->always_scale == stream.always_scale && !scaled_ &&
        !has_scale) {
      return;
    }
    scaled_ = has_scale;
    angles_of_ = &stream;
    const bool as_they_are = !has_scale && call_.magnitude == 1.0f && !call_.options.inverse && !stream.always_scale;
    if (as_they_are) {
      AngleRow first;
      const bool in_place = by_batch_ ? rows_.FindRowsInPlace(s, 0, true, stream.side, &first, &angles_.stride)
                                      : rows_.FindRowsInPlace(b, s, false, stream.side, &first, &angles_.stride);
      if (in_place) {
        angles_.cos = first.cos;
        angles_.sin = first.sin;
        return;
      }
    }
    const int64_t room = as_they_are || tokens == 1 ? tokens : static_cast<int64_t>(SIMDROPE_MAX_PAIRS / pairs());
    int64_t together = 1;
    for (int64_t t = 0; t < tokens; t += together) {
      MoveTo(b, s + t);
      together = by_batch_ ? 1 : rows_.RowsTogether(std::min(tokens - t, room));
      if (together == 1 && ActionAt(t) != TokenAction::kRotate) continue;
      float* cos = own_ + 2 * pairs() * static_cast<size_t>(t);
      AngleRow row = rows_.Rows(stream.side, together, as_they_are ? cos : unscaled_);
      if (row.cos == cos) continue;
      for (int64_t r = 0; r < together; ++r) {
        kernels_.scale(row.cos, row.sin, pairs(), ScaleOf(stream, t + r) * call_.magnitude, call_.options.inverse, cos,
                       cos + pairs());
        cos += 2 * pairs();
        row.cos += 2 * pairs();
        row.sin += 2 * pairs();
      }
    }
    angles_ = {own_, own_ + pairs(), static_cast<ptrdiff_t>(2 * pairs())};
  }

  bool HasScale(int64_t tokens) const {
    if (rows_.rotates_all()) return call_.options.q.scale != 1.0f;
    return std::any_of(scale_, scale_ + tokens, [](float scale) { return scale != 1.0f; });
  }

  const Kernels& kernels_;
  const ApplyCall& call_;
  RowSource rows_;
  const Streams& streams_;
  int64_t heads_ = 0;
  bool any_past_caches_ = false;
  bool by_batch_;

  // Of each token, unless rows_.rotates_all().
  TokenAction action_[kMaxTokensInBlock];
  float scale_[kMaxTokensInBlock];  // on Q
  const Stream* angles_of_ = nullptr;
  bool scaled_ = false;  // angles_ are scaled for Q
  Angles angles_{};
  alignas(64) float unscaled_[2 * SIMDROPE_MAX_PAIRS];
  alignas(64) float own_[kAngleFloats];  // rows that are not used where they lie
};

// Whether rows follow each other in memory along the heads of a token and on to the next token, or along the
// tokens of a head.
bool RowsGoOn(const Stream& stream, const simdrope_tensor& t, const ByteStrides& strides) {
  return stream.token_major ? strides.head > 0 && t.heads * strides.head == strides.token : strides.token > 0;
}

// Whole rows of at least that many bytes, or of a head's share of them where several go together; 0 where rows do not
// follow each other.
ptrdiff_t Ahead(const Stream& stream, ptrdiff_t bytes_in_all) {
  if (!RowsGoOn(stream, stream.in, stream.from)) return 0;
  const ptrdiff_t row = stream.token_major ? stream.from.head : stream.from.token;
  const ptrdiff_t bytes = bytes_in_all / (stream.token_major ? 1 : std::min(kHeadsTogether, stream.in.heads));
  return (bytes + row - 1) / row * row;
}

bool CanGoPastCaches(const Kernels& kernels, const Stream& stream, const ApplyCall& call) {
  const ByteStrides& to = stream.to;
  const Window& w = call.window;
  if (stream.in_place || stream.in.format != stream.out.format || w.pairing != call.output_pairing) return false;
  uintptr_t ends = reinterpret_cast<uintptr_t>(stream.out.data) | kCacheLine;
  for (const ptrdiff_t bytes :
       {to.batch, to.token, to.head, stream.out.head_dim * to.element, w.offset * to.element, w.span() * to.element}) {
    ends |= static_cast<uintptr_t>(bytes);
  }
  const ptrdiff_t row = stream.token_major ? to.head : to.token;
  const bool dense =
      stream.outside_count == 0 && row == stream.out.head_dim * to.element && RowsGoOn(stream, stream.out, to);
  return kernels.can_go_past_caches[stream.in.format][w.pairing](
      {static_cast<size_t>(w.pairs()), w.split, ends & -ends, dense});
}

}  // namespace

void Apply(const Kernels& kernels, const ApplyCall& call) {
  const simdrope_qkv &in = call.in, &out = call.out;
  const simdrope_tensor& shape = IsPresent(in.q) ? in.q : in.k;
  const int64_t tokens = shape.batch * shape.seq;
  if (tokens == 0) return;

  Streams streams;
  int64_t heads = 0;
  int64_t bytes_per_token = 0;
  int64_t bytes_out_of_place = 0;  // written for a token
  const auto add = [&](const simdrope_tensor& in, const simdrope_tensor& out, bool rotated, Side side) {
    const Stream& stream = streams.Add(kernels, call, in, out, rotated, side);
    heads += in.heads;
    bytes_per_token += in.heads * in.head_dim * (stream.from.element + stream.to.element);
    if (!stream.in_place) bytes_out_of_place += out.heads * out.head_dim * stream.to.element;
  };
  if (IsPresent(in.q)) add(in.q, out.q, true, Side::kQuery);
  if (IsPresent(in.k)) add(in.k, out.k, true, Side::kKey);
  if (IsPresent(in.v) && IsPresent(out.v) && !IsSameView(in.v, out.v)) add(in.v, out.v, false, Side::kKey);
  const int64_t bytes = tokens * bytes_per_token;
  for (Stream& stream : streams) {
    RotateRows& rows = stream.rows;
    if (tokens * bytes_out_of_place > kPastCachesBytes) rows.past_caches = CanGoPastCaches(kernels, stream, call);
    const int64_t far_from = rows.past_caches ? kPrefetchedPastCaches : kBeyondAllCaches;
    const int64_t near_from = rows.past_caches || !stream.token_major ? far_from : kBeyondOwnCaches;
    if (bytes >= near_from) rows.prefetch_near = Ahead(stream, kNearBytes);
    if (bytes >= far_from) rows.prefetch_far = Ahead(stream, kFarBytes);
  }

  ForRanges(call.options, tokens * heads, heads, bytes, [&](Range items) {
    if (items.begin < items.end) Worker(kernels, call, streams).Run(items);
  });
}

}  // namespace simdrope::impl
