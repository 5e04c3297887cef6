// Runs a plan: tokens and heads to the kernels.
#include <algorithm>
#include <cstring>

#include "core/format.h"
#include "core/noinline.h"
#include "exec/cos_sin_rows.h"
#include "exec/floating_point.h"
#include "exec/machine.h"
#include "exec/parallel.h"
#include "exec/plan.h"
#include "exec/tile_road.h"

namespace simdrope::impl {
namespace {

class Worker {
 public:
  // `scratch`: NormRows::FloatsFor floats, and some for rows of cos and sin.
  Worker(const Plan& plan, const simdrope_run& run, const simdrope_positions& positions, float* scratch,
         size_t scratch_floats)
      : plan_(plan),
        run_(run),
        kernels_(*plan.kernels),
        norm_rows_(plan, scratch),
        rows_(plan, run, positions, scratch + NormRows::FloatsFor(plan), scratch_floats - NormRows::FloatsFor(plan)) {}

  // Items are (token, head) with the heads of the operands in turn; tokens count through the batch. Divisions
  // cost as much as a few heads: a whole call needs none.
  void Run(Range items) {
    const int64_t seq = plan_.swapped ? plan_.batch : plan_.seq;
    const int64_t tokens = plan_.tokens();
    const int64_t heads = plan_.heads;
    const int64_t first = items.begin == 0 ? 0 : items.begin / heads;
    const int64_t last = items.end == tokens * heads ? tokens : items.end / heads;
    int64_t b = first == 0 ? 0 : first / seq;
    int64_t s = first - b * seq;
    int64_t head = items.begin - first * heads;
    const int64_t heads_of_last = items.end - last * heads;
    for (int64_t token = first; token < last || (token == last && head < heads_of_last);) {
      const int64_t left = last - token;
      int64_t count = 1;
      if (head == 0 && left > 0) count = rows_.TokensInBlock(std::min(left, seq - s));
      RunBlock(b, s, count, {head, left > 0 ? heads : heads_of_last});
      head = 0;
      token += count;
      s += count;
      if (s == seq) {
        s = 0;
        ++b;
      }
    }
    if (plan_.non_temporal) kernels_.fence();
  }

 private:
  void RunBlock(int64_t b, int64_t s, int64_t tokens, Range heads) {
    b_ = b;
    s_ = s;
    rows_.Begin(b, s, tokens);
    int64_t before = 0;
    for (int i = 0; i < plan_.count; ++i) {
      const Operand& o = plan_.operands[i];
      const Range own{std::clamp<int64_t>(heads.begin - before, 0, o.heads),
                      std::clamp<int64_t>(heads.end - before, 0, o.heads)};
      before += o.heads;
      if (own.begin < own.end) RunOperand(o, tokens, own);
    }
  }

  void RunOperand(const Operand& o, int64_t tokens, Range heads) {
    if (o.road != Road::kCopy) norm_rows_.Begin(o);
    const CosSinBlock rows = o.rotates && plan_.row_heads == 1 ? rows_.For(o) : CosSinBlock{};
    const bool has_slots = o.in.slots.source != SIMDROPE_SLOTS_NONE || o.out.slots.source != SIMDROPE_SLOTS_NONE;
    // Tokens of one action and scale go together; what lies outside a window is copied while its surroundings are near.
    const bool one_by_one = has_slots || (o.token_major && o.outside_count > 0 && !o.in_place);
    for (int64_t t = 0; t < tokens;) {
      const TokenAction action = rows_.action(t);
      int64_t end = rows_.rotates_all() && !one_by_one ? tokens : t + 1;
      while (!one_by_one && end < tokens && rows_.action(end) == action && rows_.scale(o, end) == rows_.scale(o, t)) {
        ++end;
      }
      if (action != TokenAction::kSkip) RunTokens(o, action, rows, {t, end}, heads);
      t = end;
    }
  }

  void RunTokens(const Operand& o, TokenAction action, const CosSinBlock& rows, Range tokens, Range heads) {
    const float scale = rows_.scale(o, tokens.begin);
    const bool rotates = o.rotates && action == TokenAction::kRotate;
    const bool is_copy = !rotates && o.in.format == o.out.format && scale == 1.0f;
    if (o.road == Road::kStraight && rotates) {
      RunStraight(o, rows, scale, tokens, heads);
    } else if (o.road == Road::kCopy || (o.road == Road::kStraight && is_copy)) {
      if (!o.in_place) Copy(o, {0, plan_.head_dim}, tokens, heads);
    } else {
      for (int64_t t = tokens.begin; t < tokens.end; ++t) {
        HeadsOfToken token;
        if (!Find(o, t, heads, &token)) continue;
        if (rotates && plan_.row_heads > 1) {
          RunHeadRows(o, t, &token);
          continue;
        }
        const float* cos = rotates ? rows.cos + t * rows.stride : nullptr;
        const float* sin = rotates ? rows.sin + t * rows.stride : nullptr;
        RunTile(plan_, o, token, cos, sin, rows_.scale(o, t), &norm_rows_);
      }
    }
  }

  // The tile road where heads have rows of their own.
  void RunHeadRows(const Operand& o, int64_t t, HeadsOfToken* token) {
    const int64_t group = o.heads / plan_.row_heads, end = token->end;
    while (token->begin < end) {
      const int64_t row_head = token->begin / group;
      token->end = std::min(end, (row_head + 1) * group);
      const CosSinBlock row = rows_.OfHeads(o, t, row_head);
      RunTile(plan_, o, *token, row.cos, row.sin, rows_.scale(o, t), &norm_rows_);
      token->begin = token->end;
    }
  }

  // The heads of token t of the block in memory; false where a slot skips it.
  bool Find(const Operand& o, int64_t t, Range heads, HeadsOfToken* token) {
    const simdrope_operand& p = run_.*o.pointers;
    ptrdiff_t in, in_scale, out, out_scale;
    if (!Locate(o.in, p.in_slots, t, &in, &in_scale) || !Locate(o.out, p.out_slots, t, &out, &out_scale)) return false;
    token->in = static_cast<const char*>(p.in) + in;
    token->out = static_cast<char*>(p.out) + out;
    token->in_scale = p.in_scale != nullptr ? p.in_scale + in_scale : nullptr;
    token->in_zero_point = p.in_zero_point != nullptr ? p.in_zero_point + in_scale : nullptr;
    token->out_scale = p.out_scale != nullptr ? p.out_scale + out_scale : nullptr;
    token->out_zero_point = p.out_zero_point != nullptr ? p.out_zero_point + out_scale : nullptr;
    token->begin = heads.begin;
    token->end = heads.end;
    return true;
  }

  // Where token t's first head and its scale are.
  bool Locate(const Storage& s, const void* slots, int64_t t, ptrdiff_t* bytes, ptrdiff_t* scale) {
    int64_t entry = b_, row = s_ + t;
    if (s.slots.source != SIMDROPE_SLOTS_NONE) {
      const int64_t slot = SlotOf(s, slots, t);
      if (slot < 0) return false;
      entry = slot / s.slot_rows;
      row = slot % s.slot_rows;
    }
    *bytes = entry * s.batch + row * s.token;
    *scale = entry * s.scales.batch_stride + row * s.scales.seq_stride;
    return true;
  }

  int64_t SlotOf(const Storage& s, const void* slots, int64_t t) {
    const int64_t b = plan_.swapped ? s_ + t : b_;
    if (s.slots.source == SIMDROPE_SLOTS_POSITIONS) return b * s.slot_rows + rows_.position(t);
    const int64_t at = b * s.slots.batch_stride + (plan_.swapped ? b_ : s_ + t) * s.slots.seq_stride;
    return IntegerAt(slots, s.slots.type, at);
  }

  void RunStraight(const Operand& o, const CosSinBlock& rows, float scale, Range tokens, Range heads) {
    HeadsOfToken first;
    if (!Find(o, tokens.begin, heads, &first)) return;
    const int64_t heads_together = o.token_major ? heads.end - heads.begin : kHeadsTogether;
    const ptrdiff_t window = plan_.window.offset * SizeOf(o.in.format);
    StraightCall call = o.call;
    call.cos = rows.cos + tokens.begin * rows.stride;
    call.sin = rows.sin + tokens.begin * rows.stride;
    call.cos_sin_stride = rows.stride;
    call.tokens = static_cast<size_t>(tokens.end - tokens.begin);
    for (int64_t h = heads.begin; h < heads.end; h += heads_together) {
      call.heads = static_cast<size_t>(std::min(heads_together, heads.end - h));
      call.in = first.in + h * o.in.head + window;
      call.out = first.out + h * o.out.head + window;
      o.rotate(call);
      const Range these{h, h + static_cast<int64_t>(call.heads)};
      for (int i = 0; i < o.outside_count; ++i) CopyScaled(o, o.outside[i], scale, tokens, these);
    }
  }

  void CopyScaled(const Operand& o, Segment segment, float scale, Range tokens, Range heads) {
    if (scale == 1.0f) {
      if (!o.in_place) Copy(o, segment, tokens, heads);
      return;
    }
    for (int64_t t = tokens.begin; t < tokens.end; ++t) {
      HeadsOfToken token;
      if (Find(o, t, heads, &token)) ScaleSegment(plan_, o, token, segment, scale);
    }
  }

  // Bytes of a segment of heads that are stored as they were.
  void Copy(const Operand& o, Segment segment, Range tokens, Range heads) {
    const ptrdiff_t bytes_of_head = BytesOf(o.in.format, segment.count);
    const bool is_dense = o.in.head == bytes_of_head && o.out.head == bytes_of_head;
    const int64_t together = is_dense ? heads.end - heads.begin : 1;
    const size_t bytes = static_cast<size_t>(together * bytes_of_head);
    const ptrdiff_t at = BytesOf(o.in.format, segment.begin);
    for (int64_t t = tokens.begin; t < tokens.end; ++t) {
      HeadsOfToken token;
      if (!Find(o, t, heads, &token)) continue;
      for (int64_t h = heads.begin; h < heads.end; h += together) {
        const char* in = token.in + h * o.in.head + at;
        char* out = token.out + h * o.out.head + at;
        if (o.call.non_temporal) {
          kernels_.copy_non_temporal(in, out, bytes, o.call.prefetch_far);
        } else {
          std::memcpy(out, in, bytes);
        }
      }
    }
  }

  const Plan& plan_;
  const simdrope_run& run_;
  const Kernels& kernels_;
  NormRows norm_rows_;
  CosSinRows rows_;
  int64_t b_ = 0, s_ = 0;  // the block, in the plan's own batch and seq
};

SIMDROPE_NOINLINE void RunItems(const Plan& plan, const simdrope_run& run, const simdrope_positions& positions,
                                Range items, float* scratch, size_t scratch_floats) {
  Worker(plan, run, positions, scratch, scratch_floats).Run(items);
}

// On this thread, with so much stack for rows of cos and sin and of norms.
template <size_t kFloats>
SIMDROPE_NOINLINE void RunItemsWith(const Plan& plan, const simdrope_run& run, const simdrope_positions& positions,
                                    Range items) {
  alignas(kTileAlignment) float scratch[kFloats];
  RunItems(plan, run, positions, items, scratch, kFloats);
}

}  // namespace

void RunPlan(const Plan& plan, const simdrope_run& run) {
  if (plan.tokens() == 0 || plan.count == 0) return;
  const simdrope_positions positions = PositionsOf(plan.cos_sin->positions, run);
  const Split split{plan.threads, run.slice_index, run.slice_count};
  // Of rows at most 3072, of norms 2048; usually 2048 of rows alone, or 1280 and 256.
  const size_t floats = CosSinRows::FloatsFor(plan) + NormRows::FloatsFor(plan);
  const auto run_items = floats <= 1280   ? RunItemsWith<1280>
                         : floats <= 2048 ? RunItemsWith<2048>
                         : floats <= 3072 ? RunItemsWith<3072>
                                          : RunItemsWith<5120>;
  const int64_t unit = plan.whole_tokens ? plan.heads : 1;
  ForRanges(split, plan.tokens() * plan.heads / unit, plan.heads / unit, plan.bytes, [&](Range range) {
    if (range.begin >= range.end) return;
    const DefaultFloatingPoint mode;
    const Range items{range.begin * unit, range.end * unit};
    run_items(plan, run, positions, items);
  });
}

}  // namespace simdrope::impl
