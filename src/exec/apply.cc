#include "exec/apply.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "core/tensor.h"
#include "exec/parallel.h"

namespace simdrope::impl {
namespace {

// Floats of angles that one task keeps on its stack for each of Q and K: 16 KB, so that both stay
// in the first-level cache.
constexpr size_t kAngleFloats = 4096;

constexpr size_t kMaxTokensInBlock = 64;

// Consecutive elements of a head.
struct Segment {
  int32_t begin;
  int32_t count;
};

// What is to be done with one of Q, K and V.
struct Stream {
  const simdrope_tensor& in;
  const simdrope_tensor& out;
  bool rotated;  // else only copied
  Side side;
  bool in_place;
  bool token_major = true;  // the heads of a token lie closer together than the tokens of a head
  Rotation rotation = {};
  bool always_arrange = false;
  Segment outside[3] = {};  // elements of a head outside the window
  int outside_count = 0;

  ptrdiff_t in_stride_of_head() const { return in.head_stride * static_cast<ptrdiff_t>(SizeOf(in.dtype)); }
  ptrdiff_t out_stride_of_head() const { return out.head_stride * static_cast<ptrdiff_t>(SizeOf(out.dtype)); }
  ptrdiff_t in_stride_of_token() const { return in.seq_stride * static_cast<ptrdiff_t>(SizeOf(in.dtype)); }
  ptrdiff_t out_stride_of_token() const { return out.seq_stride * static_cast<ptrdiff_t>(SizeOf(out.dtype)); }
  const char* in_at(int64_t b, int64_t s, int64_t h) const {
    return static_cast<const char*>(in.data) + b * in.batch_stride * static_cast<ptrdiff_t>(SizeOf(in.dtype)) +
           s * in_stride_of_token() + h * in_stride_of_head();
  }
  char* out_at(int64_t b, int64_t s, int64_t h) const {
    return static_cast<char*>(out.data) + b * out.batch_stride * static_cast<ptrdiff_t>(SizeOf(out.dtype)) +
           s * out_stride_of_token() + h * out_stride_of_head();
  }
};

// Rows of heads that share a treatment: `count` of them, `*_stride` bytes apart.
struct Rows {
  const char* in;
  char* out;
  ptrdiff_t in_stride;
  ptrdiff_t out_stride;
  int64_t count;
};

// Angles of consecutive tokens, in the order that a rotation wants; token t's are at t * stride.
struct Angles {
  const float* cos;
  const float* sin;
  ptrdiff_t stride;
};

class Worker {
 public:
  Worker(const Kernels& kernels, const ApplyCall& call, const Stream* const* streams, int stream_count)
      : kernels_(kernels), call_(call), rows_(call.rows), streams_(streams), stream_count_(stream_count) {
    for (int i = 0; i < stream_count; ++i) {
      heads_ += streams[i]->in.heads;
      token_major_ = token_major_ && streams[i]->token_major;
    }
  }

  int64_t heads() const { return heads_; }

  // Items are (token, head) with the heads of Q, K and V in turn; tokens count through the batch.
  void Run(Range items) {
    const int64_t seq = streams_[0]->in.seq;
    const int64_t first_token = items.begin / heads_;
    int64_t head = items.begin - first_token * heads_;
    int64_t b = first_token / seq;
    int64_t s = first_token - b * seq;
    int64_t left = items.end - items.begin;
    while (left > 0) {
      int64_t tokens = 1;
      Range heads{head, std::min(heads_, head + left)};
      if (head == 0 && left >= heads_) tokens = std::min(left / heads_, token_major_ ? int64_t{1} : TokensInBlock(seq - s));
      RunBlock(b, s, tokens, heads);
      left -= tokens * (heads.end - heads.begin);
      head = 0;
      s += tokens;
      if (s == seq) {
        s = 0;
        ++b;
      }
    }
  }

 private:
  // A block stays within one batch entry, and within the room for its angles.
  int64_t TokensInBlock(int64_t tokens_of_entry) const {
    size_t width = 1;
    for (int i = 0; i < stream_count_; ++i) {
      if (streams_[i]->rotated) width = std::max(width, AngleWidth(streams_[i]->rotation.order, pairs()));
    }
    return std::min<int64_t>({tokens_of_entry, kMaxTokensInBlock, static_cast<int64_t>(kAngleFloats / (2 * width))});
  }

  size_t pairs() const { return static_cast<size_t>(call_.window.pairs()); }

  void RunBlock(int64_t b, int64_t s, int64_t tokens, Range heads) {
    for (int64_t t = 0; t < tokens; ++t) {
      rows_.MoveTo(b, s + t);
      action_[t] = rows_.action();
      scale_[t] = rows_.query_scale() * call_.options.q_scale;
    }
    int64_t before = 0;
    angles_of_ = nullptr;
    for (int i = 0; i < stream_count_; ++i) {
      const Stream& stream = *streams_[i];
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
      int64_t end = t + 1;
      while (end < tokens && ActionOf(stream, end) == action && ScaleOf(stream, end) == scale) ++end;
      RunTokens(stream, action, scale, b, s, {t, end}, heads);
      t = end;
    }
  }

  TokenAction ActionOf(const Stream& stream, int64_t t) const {
    return stream.rotated || action_[t] == TokenAction::kSkip ? action_[t] : TokenAction::kCopy;
  }

  float ScaleOf(const Stream& stream, int64_t t) const {
    return stream.rotated && stream.side == Side::kQuery ? scale_[t] : 1.0f;
  }

  void RunTokens(const Stream& stream, TokenAction action, float scale, int64_t b, int64_t s, Range tokens,
                 Range heads) {
    if (action == TokenAction::kSkip) return;
    const auto rows_from = [&](int64_t token, int64_t head, bool along_heads, int64_t count) {
      return Rows{stream.in_at(b, s + token, head), stream.out_at(b, s + token, head),
                  along_heads ? stream.in_stride_of_head() : stream.in_stride_of_token(),
                  along_heads ? stream.out_stride_of_head() : stream.out_stride_of_token(), count};
    };
    if (stream.token_major) {
      for (int64_t t = tokens.begin; t < tokens.end; ++t) {
        const Angles angles{angles_.cos + t * angles_.stride, angles_.sin + t * angles_.stride, 0};
        RunRows(stream, action, scale, angles, rows_from(t, heads.begin, true, heads.end - heads.begin));
      }
    } else {
      const Angles angles{angles_.cos + tokens.begin * angles_.stride, angles_.sin + tokens.begin * angles_.stride,
                          angles_.stride};
      for (int64_t h = heads.begin; h < heads.end; ++h) {
        RunRows(stream, action, scale, angles, rows_from(tokens.begin, h, false, tokens.end - tokens.begin));
      }
    }
  }

  void RunRows(const Stream& stream, TokenAction action, float scale, const Angles& angles, const Rows& rows) {
    if (action == TokenAction::kCopy) {
      CopySegment(stream, {0, static_cast<int32_t>(stream.in.head_dim)}, scale, rows);
      return;
    }
    Rotate(stream, angles, rows);
    for (int i = 0; i < stream.outside_count; ++i) CopySegment(stream, stream.outside[i], scale, rows);
  }

  void CopySegment(const Stream& stream, Segment segment, float scale, const Rows& rows) {
    if (stream.in_place && scale == 1.0f) return;
    const ptrdiff_t in_begin = segment.begin * static_cast<ptrdiff_t>(SizeOf(stream.in.dtype));
    const ptrdiff_t out_begin = segment.begin * static_cast<ptrdiff_t>(SizeOf(stream.out.dtype));
    const size_t count = static_cast<size_t>(segment.count);
    for (int64_t r = 0; r < rows.count; ++r) {
      const char* in = rows.in + r * rows.in_stride + in_begin;
      char* out = rows.out + r * rows.out_stride + out_begin;
      if (scale == 1.0f && stream.in.dtype == stream.out.dtype) {
        std::memcpy(out, in, count * SizeOf(stream.in.dtype));
      } else {
        kernels_.copy[stream.in.dtype][stream.out.dtype](in, out, count, scale);
      }
    }
  }

  void Rotate(const Stream& stream, const Angles& angles, const Rows& rows) {
    const Window& window = call_.window;
    const ptrdiff_t in_size = static_cast<ptrdiff_t>(SizeOf(stream.in.dtype));
    const ptrdiff_t out_size = static_cast<ptrdiff_t>(SizeOf(stream.out.dtype));
    RotateRows args{rows.in + window.offset * in_size,
                    rows.out + window.offset * out_size,
                    rows.in_stride,
                    rows.out_stride,
                    window.split,
                    window.split,
                    angles.cos,
                    angles.sin,
                    angles.stride,
                    static_cast<size_t>(rows.count),
                    pairs(),
                    nullptr};
    if (!stream.in_place || window.pairing == call_.output_pairing) {
      stream.rotation.run(args);
      return;
    }
    // Another pairing in the same place moves elements across the window: by way of a spare head.
    alignas(64) char spare[SIMDROPE_MAX_HEAD_DIM * sizeof(float)];
    char* const destination = static_cast<char*>(args.out);
    args.out = spare;
    args.rows = 1;
    for (int64_t r = 0; r < rows.count; ++r) {
      stream.rotation.run(args);
      std::memcpy(destination + r * rows.out_stride, spare, static_cast<size_t>(window.rotary_dim * out_size));
      args.in = static_cast<const char*>(args.in) + rows.in_stride;
      args.cos += angles.stride;
      args.sin += angles.stride;
    }
  }

  // Makes angles_ those of `tokens` tokens from (b, s) for `stream`; kept from the stream before if
  // they are the same.
  void FindAngles(const Stream& stream, int64_t b, int64_t s, int64_t tokens) {
    if (angles_of_ != nullptr && angles_of_->rotation.order == stream.rotation.order && !rows_.has_key_rows() &&
        angles_of_->always_arrange == stream.always_arrange && !HasScale(*angles_of_, tokens) &&
        !HasScale(stream, tokens)) {
      return;
    }
    angles_of_ = &stream;
    const size_t width = AngleWidth(stream.rotation.order, pairs());
    for (int64_t t = 0; t < tokens; ++t) {
      if (action_[t] != TokenAction::kRotate) continue;
      if (tokens > 1) rows_.MoveTo(b, s + t);
      const AngleRow row = rows_.Row(stream.side, natural_);
      const float scale = ScaleOf(stream, t) * call_.magnitude;
      if (tokens == 1 && stream.rotation.order == AngleOrder::kNatural && scale == 1.0f && !call_.options.inverse &&
          !stream.always_arrange) {
        angles_ = {row.cos, row.sin, 0};
        return;
      }
      float* cos = arranged_ + 2 * width * static_cast<size_t>(t);
      kernels_.arrange(row.cos, row.sin, pairs(), scale, call_.options.inverse, stream.rotation.order, cos, cos + width);
    }
    angles_ = {arranged_, arranged_ + width, static_cast<ptrdiff_t>(2 * width)};
  }

  bool HasScale(const Stream& stream, int64_t tokens) const {
    for (int64_t t = 0; t < tokens; ++t) {
      if (ScaleOf(stream, t) != 1.0f) return true;
    }
    return false;
  }

  const Kernels& kernels_;
  const ApplyCall& call_;
  RowSource rows_;
  const Stream* const* streams_;
  int stream_count_;
  int64_t heads_ = 0;
  bool token_major_ = true;

  TokenAction action_[kMaxTokensInBlock];
  float scale_[kMaxTokensInBlock];  // on Q
  const Stream* angles_of_ = nullptr;
  Angles angles_{};
  alignas(64) float natural_[2 * SIMDROPE_MAX_PAIRS];
  alignas(64) float arranged_[kAngleFloats];
};

Stream MakeStream(const Kernels& kernels, const ApplyCall& call, const simdrope_tensor& in, const simdrope_tensor& out,
                  bool rotated, Side side) {
  Stream stream{in, out, rotated, side, IsSameView(in, out)};
  stream.token_major = in.seq < 2 || in.heads < 2 || std::llabs(in.head_stride) <= std::llabs(in.seq_stride);
  stream.rotation = kernels.rotate[in.dtype][out.dtype][call.window.pairing][call.output_pairing];
  // Rounding to bf16 without a test for NaN relies on default NaNs.
  stream.always_arrange = call.rows.is_from_caller() && in.dtype == SIMDROPE_BF16 && out.dtype == SIMDROPE_BF16;

  const Window& w = call.window;
  const int32_t first_end = w.offset + (w.pairing == SIMDROPE_HALF ? w.pairs() : w.rotary_dim);
  const int32_t second_begin = w.pairing == SIMDROPE_HALF ? w.offset + w.split : first_end;
  const int32_t window_end = w.offset + w.span();
  const auto add = [&](int32_t begin, int32_t end) {
    if (begin < end) stream.outside[stream.outside_count++] = {begin, end - begin};
  };
  add(0, w.offset);
  add(first_end, second_begin);
  add(window_end, static_cast<int32_t>(in.head_dim));
  return stream;
}

}  // namespace

void Apply(const Kernels& kernels, const ApplyCall& call) {
  const simdrope_qkv &in = call.in, &out = call.out;
  const Stream all[] = {MakeStream(kernels, call, in.q, out.q, true, Side::kQuery),
                        MakeStream(kernels, call, in.k, out.k, true, Side::kKey),
                        MakeStream(kernels, call, in.v, out.v, false, Side::kKey)};
  const Stream* streams[3];
  int count = 0;
  int64_t heads = 0;
  int64_t bytes_per_token = 0;
  for (const Stream& stream : all) {
    if (!IsPresent(stream.in) || !IsPresent(stream.out) || (!stream.rotated && stream.in_place)) continue;
    streams[count++] = &stream;
    heads += stream.in.heads;
    bytes_per_token += stream.in.heads * stream.in.head_dim *
                       static_cast<int64_t>(SizeOf(stream.in.dtype) + SizeOf(stream.out.dtype));
  }
  const int64_t tokens = streams[0]->in.batch * streams[0]->in.seq;
  if (tokens == 0) return;

  ForRanges(call.options, tokens * heads, heads, tokens * bytes_per_token, [&](Range items) {
    if (items.begin < items.end) Worker(kernels, call, streams, count).Run(items);
  });
}

}  // namespace simdrope::impl
