#include "exec/one_token.h"

#include "angle/rope.h"
#include "core/format.h"
#include "core/tensor.h"
#include "exec/cos_sin_rows.h"
#include "exec/floating_point.h"
#include "exec/machine.h"
#include "exec/plan.h"

namespace simdrope::impl {
namespace {

bool CountsFromStart(const simdrope_positions& p) {
  uint64_t reserved = 0;
  for (const uint64_t word : p.reserved) reserved |= word;
  return p.ids == nullptr && p.offsets == nullptr && p.cu_seqlens == nullptr && !p.padding && reserved == 0;
}

// Whether one row serves Q and K as it is computed, or lies in the table.
bool HasPlainRow(const simdrope_cos_sin& c) {
  if (!CountsFromStart(c.positions)) return false;
  if (c.source == SIMDROPE_STREAMED) {
    return c.rope->precision == SIMDROPE_PRECISION_EXACT && !c.rope->has_xpos() && !c.rope->has_temperature();
  }
  return c.table.format == SIMDROPE_F32 && c.table.column_stride == 1 && c.key_table.cos == nullptr &&
         c.query_scale == nullptr && c.padding == nullptr && c.pair_axis == nullptr &&
         c.out_of_range == SIMDROPE_REJECT && (c.source != SIMDROPE_TABLE || c.magnitude == 1.0f);
}

// Adds an operand, if it is present. False where it needs more than a rotation.
bool Add(const simdrope_tensor& in, const simdrope_tensor& out, const simdrope_stages& stages, const Window& window,
         simdrope_operand simdrope_run::*pointers, OneToken* one) {
  if (!IsPresent(in)) return true;
  const simdrope_format format = in.format;
  if (in.batch != 1 || in.seq != 1 || out.format != format || !IsFloat(format) || HasStages(stages) ||
      stages.scale != 1.0f || in.slots.source != SIMDROPE_SLOTS_NONE || out.slots.source != SIMDROPE_SLOTS_NONE) {
    return false;
  }
  // A caller's rows may hold any NaN: see StraightCall.
  if (one->cos_sin->source == SIMDROPE_TABLE && format == SIMDROPE_BF16) return false;
  const ptrdiff_t size = SizeOf(format);
  if (size * in.heads * in.head_dim > kWakingBytes) return false;
  OneToken::Operand& o = one->operands[one->count++];
  o.pointers = pointers;
  o.rotate = one->kernels->rotate[format][window.pairing];
  StraightCall& call = o.call;  // each field by itself: GCC clears a whole struct by a slow string instruction
  call.in = in.data;
  call.out = out.data;
  call.in_head_stride = HeadStrideOf(in) * size;
  call.out_head_stride = HeadStrideOf(out) * size;
  call.in_token_stride = call.out_token_stride = call.cos_sin_stride = 0;
  call.split = window.split;
  call.tokens = 1;
  call.heads = static_cast<size_t>(in.heads);
  call.pairs = static_cast<size_t>(one->pairs);
  call.prefetch_near = call.prefetch_far = 0;
  call.non_temporal = false;
  return true;
}

}  // namespace

bool MakeOneToken(const Kernels& kernels, const simdrope_cos_sin& cos_sin, const Window& window,
                  simdrope_pairing output_pairing, const simdrope_qkv& in, const simdrope_qkv& out,
                  const simdrope_options& options, OneToken* one) {
  // Then the window has neither an offset nor a gap.
  const bool is_whole_head = window.rotary_dim == (IsPresent(in.q) ? in.q : in.k).head_dim;
  if (!is_whole_head || !window.is_plain() || RowHeads(cos_sin) != 1 || IsPresent(in.v) || options.inverse ||
      options.slice_count != 0 || options.key_positions != nullptr || output_pairing != window.pairing ||
      !HasPlainRow(cos_sin)) {
    return false;
  }
  one->kernels = &kernels;
  one->cos_sin = &cos_sin;
  one->pairs = window.pairs();
  one->count = 0;
  return Add(in.q, out.q, options.q, window, &simdrope_run::q, one) &&
         Add(in.k, out.k, options.k, window, &simdrope_run::k, one);
}

bool RunOneToken(OneToken* one, int64_t position, const void* cos, const void* sin) {
  const simdrope_cos_sin& source = *one->cos_sin;
  const bool is_streamed = source.source == SIMDROPE_STREAMED;
  if (!is_streamed && (position < 0 || position >= source.table.rows)) return false;
  const DefaultFloatingPoint mode;
  alignas(64) float scratch[2 * SIMDROPE_MAX_PAIRS];
  const float* row_cos = scratch;
  const float* row_sin = scratch + one->pairs;
  if (is_streamed) {
    simdrope_positions positions = source.positions;
    positions.start = position;
    TokenPositions token(positions);
    token.MoveTo(0, 0);
    ComputeRows(*one->kernels, *source.rope, token, Side::kQuery, 1, 0, scratch, scratch + one->pairs);
  } else {
    row_cos = static_cast<const float*>(cos) + position * source.table.row_stride;
    row_sin = static_cast<const float*>(sin) + position * source.table.row_stride;
  }
  for (int i = 0; i < one->count; ++i) {
    OneToken::Operand& o = one->operands[i];
    o.call.cos = row_cos;
    o.call.sin = row_sin;
    o.rotate(o.call);
  }
  return true;
}

bool RunOneToken(const OneToken& one, const simdrope_run& run) {
  if (run.slice_count != 0 || run.ids != nullptr || run.offsets != nullptr || run.cu_seqlens != nullptr ||
      run.query_scale != nullptr || run.padding != nullptr || run.key_cos != nullptr) {
    return false;
  }
  if (one.cos_sin->source != SIMDROPE_STREAMED && (run.cos == nullptr || run.sin == nullptr)) return false;
  OneToken with_pointers = one;
  for (int i = 0; i < one.count; ++i) {
    const OneToken::Operand& o = one.operands[i];
    const simdrope_operand& p = run.*o.pointers;
    if (p.in == nullptr || p.out == nullptr || (p.in == p.out) != (o.call.in == o.call.out)) return false;
    with_pointers.operands[i].call.in = p.in;
    with_pointers.operands[i].call.out = p.out;
  }
  return RunOneToken(&with_pointers, run.start, run.cos, run.sin);
}

}  // namespace simdrope::impl
