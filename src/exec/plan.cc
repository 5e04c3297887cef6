#include "exec/plan.h"

#include <algorithm>
#include <cstdlib>

#include "angle/rope.h"
#include "core/format.h"
#include "core/tensor.h"
#include "exec/machine.h"

namespace simdrope::impl {
namespace {

void SetStorage(const simdrope_tensor& t, bool swapped, bool is_output, Storage* storage) {
  Storage& s = *storage;
  s.format = t.format;
  const Scales scales = EntryOf(t.format).scales;
  const bool has_slots = t.slots.source != SIMDROPE_SLOTS_NONE;
  s.batch = t.batch > 1 ? BytesOf(t.format, t.batch_stride) : 0;
  s.token = t.seq > 1 ? BytesOf(t.format, t.seq_stride) : 0;
  s.head = BytesOf(t.format, HeadStrideOf(t));
  s.scales = scales == Scales::kNone ? simdrope_scales{} : t.scales;
  s.computes_scale = is_output && scales == Scales::kComputed && !t.scales.given;
  s.slots.source = t.slots.source;
  if (has_slots) {
    s.slots = t.slots;
    s.slot_rows = t.seq;
    s.slot_count = t.batch * t.seq;
  } else if (swapped) {
    std::swap(s.batch, s.token);
    std::swap(s.scales.batch_stride, s.scales.seq_stride);
  }
}

Road RoadFor(const Plan& plan, const Operand& o, const simdrope_tensor& in, const simdrope_tensor& out) {
  const bool same_format = in.format == out.format;
  if (HasStages(o.stages)) return Road::kTile;
  if (o.rotates) {
    const bool straight = same_format && IsFloat(in.format) && plan.window.pairing == plan.output_pairing &&
                          plan.window.is_plain() && plan.row_heads == 1;
    return straight ? Road::kStraight : Road::kTile;
  }
  if (!same_format || o.stages.scale != 1.0f) return Road::kTile;
  // Bytes with scales of their own would have to take them along.
  if (EntryOf(in.format).scales != Scales::kNone) return o.in_place ? Road::kNothing : Road::kTile;
  return o.in_place ? Road::kNothing : Road::kCopy;
}

void AddOutside(Operand* o, int32_t begin, int32_t end) {
  if (begin < end) o->outside[o->outside_count++] = {begin, end - begin};
}

void FindOutside(const Window& w, int32_t head_dim, Operand* o) {
  const int32_t first_end = w.offset + (w.pairing == SIMDROPE_HALF ? w.pairs() : w.rotary_dim);
  const int32_t second_begin = w.pairing == SIMDROPE_HALF ? w.offset + w.split : first_end;
  AddOutside(o, 0, w.offset);
  AddOutside(o, first_end, second_begin);
  AddOutside(o, w.offset + w.span(), head_dim);
}

// Whether heads follow each other in memory along the heads of a token and on to the next token, or along the tokens of
// a head.
bool HeadsAreContiguous(const Operand& o, const Storage& s) {
  if (s.slots.source != SIMDROPE_SLOTS_NONE) return false;
  return o.token_major ? s.head > 0 && o.heads * s.head == s.token : s.token > 0;
}

// Whole heads of at least that many bytes, or of a head's share of them where several go together; 0 where heads do not
// follow each other.
ptrdiff_t Ahead(const Operand& o, ptrdiff_t bytes_in_all) {
  if (!HeadsAreContiguous(o, o.in)) return 0;
  const ptrdiff_t step = o.token_major ? o.in.head : o.in.token;
  const ptrdiff_t bytes = bytes_in_all / (o.token_major ? 1 : std::min(kHeadsTogether, o.heads));
  return (bytes + step - 1) / step * step;
}

bool CanBeNonTemporal(const Plan& plan, const Operand& o, const simdrope_tensor& out) {
  const Storage& to = o.out;
  const Window& w = plan.window;
  if (o.road != Road::kStraight || o.in_place || to.slots.source != SIMDROPE_SLOTS_NONE) return false;
  const ptrdiff_t size = SizeOf(to.format);
  uintptr_t ends = reinterpret_cast<uintptr_t>(out.data) | kCacheLine;
  for (const ptrdiff_t bytes : {to.batch, to.token, to.head, plan.head_dim * size, w.offset * size, w.span() * size}) {
    ends |= static_cast<uintptr_t>(bytes);
  }
  const ptrdiff_t step = o.token_major ? to.head : to.token;
  const bool dense = o.outside_count == 0 && step == plan.head_dim * size && HeadsAreContiguous(o, to);
  return plan.kernels->can_be_non_temporal[to.format][w.pairing](
      {static_cast<size_t>(w.pairs()), w.split, ends & -ends, dense});
}

void AddOperand(Plan* plan, const simdrope_tensor& in, const simdrope_tensor& out, const simdrope_stages& stages,
                simdrope_operand simdrope_run::*pointers, const char* name, Side side, bool rotates) {
  Operand& o = plan->operands[plan->count];
  o.call = StraightCall{};
  o.outside_count = 0;
  o.canonical_nans = false;
  o.pointers = pointers;
  o.name = name;
  o.side = side;
  o.rotates = rotates;
  o.in_place = IsSameView(in, out);
  o.heads = in.heads;
  SetStorage(out, plan->swapped, true, &o.out);
  if (o.in_place) {
    o.in = o.out;
  } else {
    SetStorage(in, plan->swapped, false, &o.in);
  }
  o.stages = stages;
  o.road = RoadFor(*plan, o, in, out);
  if (o.road == Road::kNothing) return;
  o.folds_scale =
      rotates && stages.hadamard == 0 && !(stages.norm.type != SIMDROPE_NORM_NONE && stages.norm.after_rotation);
  const bool has_slots = in.slots.source != SIMDROPE_SLOTS_NONE || out.slots.source != SIMDROPE_SLOTS_NONE;
  o.token_major = has_slots || in.seq < 2 || in.heads < 2 || std::llabs(in.head_stride) <= std::llabs(in.seq_stride);
  if (rotates) FindOutside(plan->window, plan->head_dim, &o);
  if (o.road == Road::kStraight) {
    o.rotate = plan->kernels->rotate[in.format][plan->window.pairing];
    o.canonical_nans = plan->cos_sin->source == SIMDROPE_TABLE && in.format == SIMDROPE_BF16;
    o.call.in_head_stride = o.in.head;
    o.call.out_head_stride = o.out.head;
    o.call.in_token_stride = o.in.token;
    o.call.out_token_stride = o.out.token;
    o.call.split = plan->window.split;
    o.call.pairs = static_cast<size_t>(plan->window.pairs());
  }
  plan->whole_tokens = plan->whole_tokens || stages.norm.over_all_heads;
  plan->heads += in.heads;
  ++plan->count;
}

// Prefetch distances and non-temporal stores, by the size of the whole call.
void ChooseMemoryAccess(const simdrope_qkv& out, Plan* plan) {
  int64_t written = 0;  // a token, out of place
  int64_t touched = 0;
  for (int i = 0; i < plan->count; ++i) {
    const Operand& o = plan->operands[i];
    const int64_t bytes = o.heads * BytesOf(o.out.format, plan->head_dim);
    touched += bytes + o.heads * BytesOf(o.in.format, plan->head_dim);
    if (!o.in_place) written += bytes;
  }
  plan->bytes = plan->tokens() * touched;
  for (int i = 0; i < plan->count; ++i) {
    Operand& o = plan->operands[i];
    const simdrope_tensor& to = o.name[0] == 'q' ? out.q : o.name[0] == 'k' ? out.k : out.v;
    const int64_t bytes_written = plan->tokens() * written;
    if (o.road == Road::kTile) {
      o.call.non_temporal = bytes_written > kTileNonTemporalFrom && !o.in_place;  // it looks at the pointers itself
    } else if (bytes_written > kNonTemporalFrom) {
      o.call.non_temporal = CanBeNonTemporal(*plan, o, to);
    }
    const int64_t far_from = o.call.non_temporal ? kPrefetchNonTemporalFrom : kPrefetchFarFrom;
    const bool in_place_by_tokens = o.in_place && o.token_major;
    const int64_t near_from = in_place_by_tokens ? kPrefetchNearFrom : far_from;
    if (plan->bytes >= near_from) o.call.prefetch_near = Ahead(o, kPrefetchNearBytes);
    if (plan->bytes >= far_from) o.call.prefetch_far = Ahead(o, kPrefetchFarBytes);
    plan->non_temporal = plan->non_temporal || o.call.non_temporal;
  }
}

}  // namespace

void MakePlan(const Kernels& kernels, const simdrope_cos_sin* cos_sin, const Window& window,
              simdrope_pairing output_pairing, const simdrope_qkv& in, const simdrope_qkv& out,
              const simdrope_options& options, int64_t batch, int64_t seq, Plan* plan) {
  plan->kernels = &kernels;
  plan->window = window;
  plan->output_pairing = output_pairing;
  static const simdrope_cos_sin kNoRows = SIMDROPE_COS_SIN_INIT;
  plan->cos_sin = cos_sin != nullptr ? cos_sin : &kNoRows;
  plan->inverse = options.inverse;
  plan->row_heads = RowHeads(*plan->cos_sin);
  plan->magnitude = plan->cos_sin->source == SIMDROPE_TABLE ? plan->cos_sin->magnitude : 1.0f;
  plan->batch = batch;
  plan->seq = seq;
  plan->swapped = seq == 1;
  plan->count = 0;
  plan->heads = 0;
  plan->whole_tokens = false;
  plan->non_temporal = false;
  plan->threads = options.threads;
  const auto add = [&](const simdrope_tensor& from, const simdrope_tensor& to, const simdrope_stages& stages,
                       simdrope_operand simdrope_run::*pointers, const char* name, Side side, bool rotates) {
    if (!IsPresent(from) || !IsPresent(to)) return;
    plan->head_dim = static_cast<int32_t>(from.head_dim);
    if (plan->tokens() == 0) return;  // heads and strides of tensors without elements are not checked
    AddOperand(plan, from, to, stages, pointers, name, side, rotates);
  };
  add(in.q, out.q, options.q, &simdrope_run::q, "q", Side::kQuery, true);
  add(in.k, out.k, options.k, &simdrope_run::k, "k", Side::kKey, true);
  add(in.v, out.v, options.v, &simdrope_run::v, "v", Side::kKey, false);
  ChooseMemoryAccess(out, plan);
}

void PointersOf(const simdrope_cos_sin* cos_sin, const simdrope_qkv& in, const simdrope_qkv& out,
                const simdrope_options& options, simdrope_run* run) {
  *run = simdrope_run{};
  const auto operand = [](const simdrope_tensor& from, const simdrope_tensor& to) {
    return simdrope_operand{
        from.data,      to.data,     from.scales.scale, from.scales.zero_point, to.scales.scale, to.scales.zero_point,
        from.slots.ids, to.slots.ids};
  };
  run->q = operand(in.q, out.q);
  run->k = operand(in.k, out.k);
  run->v = operand(in.v, out.v);
  run->slice_index = options.slice_index;
  run->slice_count = options.slice_count;
  if (cos_sin == nullptr) return;
  run->start = cos_sin->positions.start;
  run->offsets = cos_sin->positions.offsets;
  run->ids = cos_sin->positions.ids;
  run->cu_seqlens = cos_sin->positions.cu_seqlens;
  if (cos_sin->source == SIMDROPE_STREAMED) return;
  run->cos = cos_sin->table.cos;
  run->sin = cos_sin->table.sin;
  run->key_cos = cos_sin->key_table.cos;
  run->key_sin = cos_sin->key_table.sin;
  run->query_scale = cos_sin->query_scale;
  run->padding = cos_sin->padding;
}

simdrope_positions PositionsOf(const simdrope_positions& planned, const simdrope_run& run) {
  simdrope_positions positions = planned;
  positions.start = run.start;
  positions.offsets = run.offsets;
  positions.ids = run.ids;
  positions.cu_seqlens = run.cu_seqlens;
  return positions;
}

}  // namespace simdrope::impl
