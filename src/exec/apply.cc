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
  int32_t begin;
  int32_t count;
};

// With one token a sequence (decoding), the batch entries are walked as the tokens of one sequence.
bool WalksBatch(const simdrope_tensor& t) { return t.seq == 1; }

struct ByteStrides {
  explicit ByteStrides(const simdrope_tensor& t)
      : element(static_cast<ptrdiff_t>(SizeOf(t.dtype))),
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
        always_scale(call.rows.is_from_caller() && in.dtype == SIMDROPE_BF16 && out.dtype == SIMDROPE_BF16),
        rotate(kernels.rotate[in.dtype][out.dtype][call.window.pairing][call.output_pairing]) {
    const Window& w = call.window;
    const int32_t first_end = w.offset + (w.pairing == SIMDROPE_HALF ? w.pairs() : w.rotary_dim);
    const int32_t second_begin = w.pairing == SIMDROPE_HALF ? w.offset + w.split : first_end;
    AddOutside(0, w.offset);
    AddOutside(first_end, second_begin);
    AddOutside(w.offset + w.span(), static_cast<int32_t>(in.head_dim));
  }

  void AddOutside(int32_t begin, int32_t end) {
    if (begin < end) outside[outside_count++] = {begin, end - begin};
  }

  const char* in_at(int64_t b, int64_t s, int64_t h) const {
    return static_cast<const char*>(in.data) + b * from.batch + s * from.token + h * from.head;
  }
  char* out_at(int64_t b, int64_t s, int64_t h) const {
    return static_cast<char*>(out.data) + b * to.batch + s * to.token + h * to.head;
  }

  const simdrope_tensor& in;
  const simdrope_tensor& out;
  ByteStrides from;
  ByteStrides to;
  bool rotated;  // else only copied
  Side side;
  bool in_place;
  bool token_major;         // the heads of a token lie closer together than the tokens of a head
  bool by_spare;            // in place, but to another pairing: by way of a spare head
  bool always_scale;        // rounding to bf16 without a test for NaN relies on default NaNs
  RotateFunction rotate;
  bool past_caches = false;     // where the output goes
  ptrdiff_t prefetch_near = 0;  // whole rows; 0: none
  ptrdiff_t prefetch_far = 0;
  Segment outside[3] = {};  // elements of a head outside the window
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

// Heads of consecutive tokens that share a treatment; strides in bytes.
struct HeadBlock {
  const char* in;
  char* out;
  ptrdiff_t in_head_stride;
  ptrdiff_t out_head_stride;
  ptrdiff_t in_token_stride;
  ptrdiff_t out_token_stride;
  int64_t heads;
  int64_t tokens;

  const char* in_at(int64_t t, int64_t h) const { return in + t * in_token_stride + h * in_head_stride; }
  char* out_at(int64_t t, int64_t h) const { return out + t * out_token_stride + h * out_head_stride; }
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
      if (stream.past_caches) any_past_caches_ = true;
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
      scale_[t] = rows_.query_scale() * call_.options.q_scale;
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

  float QueryScaleAt(int64_t t) const { return rows_.rotates_all() ? call_.options.q_scale : scale_[t]; }
  float ScaleOf(const Stream& stream, int64_t t) const {
    return stream.rotated && stream.side == Side::kQuery ? QueryScaleAt(t) : 1.0f;
  }

  void RunTokens(const Stream& stream, TokenAction action, float scale, int64_t b, int64_t s, Range tokens,
                 Range heads) {
    // What lies outside a window is copied while its surroundings are near.
    const bool token_by_token = stream.token_major && stream.outside_count > 0 && !stream.in_place;
    const int64_t heads_together = stream.token_major ? heads.end - heads.begin : kHeadsTogether;
    const int64_t tokens_together = token_by_token ? 1 : tokens.end - tokens.begin;
    for (int64_t t = tokens.begin; t < tokens.end; t += tokens_together) {
      const Angles angles{angles_.cos + t * angles_.stride, angles_.sin + t * angles_.stride, angles_.stride};
      for (int64_t h = heads.begin; h < heads.end; h += heads_together) {
        const int64_t head_count = std::min(heads_together, heads.end - h);
        RunHeads(stream, action, scale, angles,
                 {stream.in_at(b, s + t, h), stream.out_at(b, s + t, h), stream.from.head, stream.to.head,
                  stream.from.token, stream.to.token, head_count, tokens_together});
      }
    }
  }

  template <class Visit>
  static void ForHeads(const HeadBlock& block, const Visit& visit) {
    for (int64_t t = 0; t < block.tokens; ++t) {
      for (int64_t h = 0; h < block.heads; ++h) visit(t, h);
    }
  }

  void RunHeads(const Stream& stream, TokenAction action, float scale, const Angles& angles, const HeadBlock& block) {
    if (action == TokenAction::kCopy) {
      CopySegment(stream, {0, static_cast<int32_t>(stream.in.head_dim)}, scale, block);
      return;
    }
    const Window& window = call_.window;
    const RotateRows args{block.in + window.offset * stream.from.element,
                          block.out + window.offset * stream.to.element,
                          block.in_head_stride,
                          block.out_head_stride,
                          block.in_token_stride,
                          block.out_token_stride,
                          window.split,
                          window.split,
                          angles.cos,
                          angles.sin,
                          angles.stride,
                          static_cast<size_t>(block.tokens),
                          static_cast<size_t>(block.heads),
                          pairs(),
                          stream.prefetch_near,
                          stream.prefetch_far,
                          stream.past_caches};
    if (stream.by_spare) {
      RotateBySpare(stream, angles, args, block);
    } else {
      stream.rotate(args);
    }
    if (stream.in_place && scale == 1.0f) return;
    for (int i = 0; i < stream.outside_count; ++i) CopySegment(stream, stream.outside[i], scale, block);
  }

  void RotateBySpare(const Stream& stream, const Angles& angles, RotateRows args, const HeadBlock& block) {
    alignas(64) char spare[SIMDROPE_MAX_HEAD_DIM * sizeof(float)];
    const ptrdiff_t offset = call_.window.offset * stream.to.element;
    const size_t bytes = static_cast<size_t>(call_.window.rotary_dim * stream.to.element);
    args.groups = args.rows = 1;
    args.out = spare;
    ForHeads(block, [&](int64_t t, int64_t h) {
      args.in = block.in_at(t, h) + offset;
      args.cos = angles.cos + t * angles.stride;
      args.sin = angles.sin + t * angles.stride;
      stream.rotate(args);
      std::memcpy(block.out_at(t, h) + offset, spare, bytes);
    });
  }

  void CopySegment(const Stream& stream, Segment segment, float scale, const HeadBlock& block) {
    if (stream.in_place && scale == 1.0f) return;
    const size_t count = static_cast<size_t>(segment.count);
    const ptrdiff_t from = segment.begin * stream.from.element;
    const ptrdiff_t to = segment.begin * stream.to.element;
    const bool plain = scale == 1.0f && stream.in.dtype == stream.out.dtype;
    const auto copy = kernels_.copy[stream.in.dtype][stream.out.dtype];
    ForHeads(block, [&](int64_t t, int64_t h) {
      const char* in = block.in_at(t, h) + from;
      char* out = block.out_at(t, h) + to;
      if (plain && stream.past_caches) {
        kernels_.copy_past_caches(in, out, count * static_cast<size_t>(stream.from.element), stream.prefetch_far);
      } else if (plain) {
        std::memcpy(out, in, count * static_cast<size_t>(stream.from.element));
      } else {
        copy(in, out, count, scale);
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
    const bool as_they_are =
        !has_scale && call_.magnitude == 1.0f && !call_.options.inverse && !stream.always_scale;
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
    if (rows_.rotates_all()) return call_.options.q_scale != 1.0f;
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
  if (stream.in_place || stream.in.dtype != stream.out.dtype || w.pairing != call.output_pairing) return false;
  uintptr_t ends = reinterpret_cast<uintptr_t>(stream.out.data) | kCacheLine;
  for (const ptrdiff_t bytes :
       {to.batch, to.token, to.head, stream.out.head_dim * to.element, w.offset * to.element, w.span() * to.element}) {
    ends |= static_cast<uintptr_t>(bytes);
  }
  const ptrdiff_t row = stream.token_major ? to.head : to.token;
  const bool dense =
      stream.outside_count == 0 && row == stream.out.head_dim * to.element && RowsGoOn(stream, stream.out, to);
  return kernels.can_go_past_caches[stream.in.dtype][w.pairing](
      {static_cast<size_t>(w.pairs()), w.split, ends & -ends, dense});
}

}  // namespace

void Apply(const Kernels& kernels, const ApplyCall& call) {
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
  const simdrope_qkv &in = call.in, &out = call.out;
  if (IsPresent(in.q)) add(in.q, out.q, true, Side::kQuery);
  if (IsPresent(in.k)) add(in.k, out.k, true, Side::kKey);
  if (IsPresent(in.v) && IsPresent(out.v) && !IsSameView(in.v, out.v)) add(in.v, out.v, false, Side::kKey);
  const int64_t tokens = streams.begin()->in.batch * streams.begin()->in.seq;
  if (tokens == 0) return;
  const int64_t bytes = tokens * bytes_per_token;
  for (Stream& stream : streams) {
    if (tokens * bytes_out_of_place > kPastCachesBytes) stream.past_caches = CanGoPastCaches(kernels, stream, call);
    const int64_t far_from = stream.past_caches ? kPrefetchedPastCaches : kBeyondAllCaches;
    const int64_t near_from = stream.past_caches || !stream.token_major ? far_from : kBeyondOwnCaches;
    if (bytes >= near_from) stream.prefetch_near = Ahead(stream, kNearBytes);
    if (bytes >= far_from) stream.prefetch_far = Ahead(stream, kFarBytes);
  }

  ForRanges(call.options, tokens * heads, heads, bytes, [&](Range items) {
    if (items.begin < items.end) Worker(kernels, call, streams).Run(items);
  });
}

}  // namespace simdrope::impl
