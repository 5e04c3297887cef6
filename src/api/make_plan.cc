#include "api/make_plan.h"

#include "angle/rope.h"
#include "api/checks.h"
#include "core/noinline.h"
#include "core/tensor.h"

namespace simdrope::impl {
namespace {

simdrope_status FindWindow(const simdrope_cos_sin& cos_sin, int64_t head_dim, Window* window) {
  if (cos_sin.source < SIMDROPE_STREAMED || cos_sin.source > SIMDROPE_TABLE) {
    return FailValue("cos_sin.source", cos_sin.source, "simdrope_cos_sin_source");
  }
  SIMDROPE_TRY(CheckReserved("cos_sin", cos_sin.reserved));
  if (cos_sin.source == SIMDROPE_TABLE) {
    SIMDROPE_TRY(
        MakeWindow(head_dim, cos_sin.rotary_dim, cos_sin.rotary_offset, cos_sin.split, cos_sin.pairing, window));
    window->full_width = cos_sin.full_width;
    return SIMDROPE_OK;
  }
  SIMDROPE_TRY(CheckPointer("cos_sin.rope", cos_sin.rope));
  if (cos_sin.rope->head_dim != head_dim) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "the rope has head_dim = %d, the tensors %lld", cos_sin.rope->head_dim,
                static_cast<long long>(head_dim));
  }
  *window = cos_sin.rope->window;
  return SIMDROPE_OK;
}

simdrope_status FindOutputPairing(const simdrope_options& options, const Window& window, simdrope_pairing* pairing) {
  if (options.output_pairing < SIMDROPE_HALF || options.output_pairing > SIMDROPE_SAME_PAIRING) {
    return FailValue("options.output_pairing", options.output_pairing, "simdrope_pairing");
  }
  *pairing = options.output_pairing == SIMDROPE_SAME_PAIRING ? window.pairing : options.output_pairing;
  if (*pairing != window.pairing && window.full_width) {
    return Fail(SIMDROPE_UNSUPPORTED, "another output pairing wants one cos and sin for both elements of a pair");
  }
  if (*pairing != window.pairing && window.split != window.pairs()) {
    return Fail(SIMDROPE_UNSUPPORTED, "another output pairing wants adjoining halves, but split = %d with %d pairs",
                window.split, window.pairs());
  }
  return SIMDROPE_OK;
}

// That the heads of Q and K can share the rows that a table has for heads.
simdrope_status CheckHeadRows(const simdrope_cos_sin& cos_sin, const simdrope_qkv& in,
                              const simdrope_options& options) {
  const int64_t rows = RowHeads(cos_sin);
  if (rows == 1) return SIMDROPE_OK;
  const struct {
    const char* name;
    const simdrope_tensor& tensor;
    const simdrope_norm& norm;
  } operands[] = {{"q", in.q, options.q.norm}, {"k", in.k, options.k.norm}};
  for (const auto& [name, tensor, norm] : operands) {
    if (!IsPresent(tensor)) continue;
    if (tensor.heads % rows != 0) {
      return Fail(SIMDROPE_INVALID_ARGUMENT, "%s has %lld heads, no multiple of cos_sin.table.heads = %lld", name,
                  static_cast<long long>(tensor.heads), static_cast<long long>(rows));
    }
    if (norm.type != SIMDROPE_NORM_NONE && norm.over_all_heads) {
      return Fail(SIMDROPE_UNSUPPORTED, "options.%s.norm is over all heads, but cos_sin.table.heads = %lld", name,
                  static_cast<long long>(rows));
    }
  }
  return SIMDROPE_OK;
}

// `qkv` with only Q, or without it.
simdrope_qkv PartOf(const simdrope_qkv& qkv, bool query) {
  simdrope_qkv part = SIMDROPE_QKV_INIT;
  if (query) {
    part.q = qkv.q;
  } else {
    part.k = qkv.k;
    part.v = qkv.v;
  }
  return part;
}

bool TakesOnePlan(const CheckedArguments& a) { return a.options->key_positions == nullptr || !IsPresent(a.in->k); }

void MakeOnePlan(const CheckedArguments& a, Plan* plan, simdrope_run* run) {
  PointersOf(a.cos_sin, *a.in, *a.out, *a.options, run);
  MakePlan(*a.kernels, a.cos_sin, a.window, a.output_pairing, *a.in, *a.out, *a.options, BatchOf(*a.shape),
           SeqOf(*a.shape), plan);
}

SIMDROPE_NOINLINE simdrope_status RunOnePlan(const CheckedArguments& a) {
  Plan plan;
  simdrope_run run;
  MakeOnePlan(a, &plan, &run);
  SIMDROPE_TRY(CheckRun(plan, run));
  RunPlan(plan, run);
  return SIMDROPE_OK;
}

SIMDROPE_NOINLINE simdrope_status RunTwoPlans(const CheckedArguments& a) {
  CheckedCall call;
  simdrope_run run;
  SIMDROPE_TRY(MakeCheckedCall(a, &call, &run));
  return RunCheckedCall(call, run);
}

}  // namespace

simdrope_status CheckArguments(const simdrope_cos_sin* cos_sin, const simdrope_qkv* in, const simdrope_qkv* out,
                               const simdrope_options* options, CheckedArguments* checked) {
  SIMDROPE_TRY(CheckPointer("in", in));
  CheckedArguments& a = *checked;
  a.cos_sin = cos_sin;
  a.in = in;
  a.out = out != nullptr ? out : in;
  a.options = options != nullptr ? options : &kDefaultOptions;
  SIMDROPE_TRY(FindKernels(&a.kernels));
  if (IsPresent(in->q) || IsPresent(in->k)) SIMDROPE_TRY(CheckPointer("cos_sin", cos_sin));
  SIMDROPE_TRY(CheckOperands(*a.in, *a.out, a.options->key_positions != nullptr, &a.shape));
  SIMDROPE_TRY(CheckOptions(*a.options, a.shape->head_dim));
  a.output_pairing = SIMDROPE_HALF;
  if (cos_sin != nullptr) {
    SIMDROPE_TRY(FindWindow(*cos_sin, a.shape->head_dim, &a.window));
    SIMDROPE_TRY(FindOutputPairing(*a.options, a.window, &a.output_pairing));
    SIMDROPE_TRY(CheckSource(*cos_sin, a.window.pairs(), BatchOf(*a.shape)));
    SIMDROPE_TRY(CheckHeadRows(*cos_sin, *a.in, *a.options));
  }
  return CheckOverlap(cos_sin, *a.in, *a.out);
}

bool MakeOneToken(const CheckedArguments& a, OneToken* one) {
  return a.cos_sin != nullptr &&
         MakeOneToken(*a.kernels, *a.cos_sin, a.window, a.output_pairing, *a.in, *a.out, *a.options, one);
}

simdrope_status MakeCheckedCall(const CheckedArguments& a, CheckedCall* call, simdrope_run* run) {
  const simdrope_qkv &in = *a.in, &out = *a.out;
  const int64_t batch = BatchOf(*a.shape);
  if (TakesOnePlan(a)) {
    call->count = 1;
    MakeOnePlan(a, &call->plans[0], run);
    return SIMDROPE_OK;
  }
  PointersOf(a.cos_sin, in, out, *a.options, run);
  // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): with K present it was checked
  if (a.cos_sin->source == SIMDROPE_PREPARED) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "options.key_positions are given, but cos_sin is PREPARED for Q's");
  }
  call->count = 2;
  MakePlan(*a.kernels, a.cos_sin, a.window, a.output_pairing, PartOf(in, true), PartOf(out, true), *a.options, batch,
           SeqOf(*a.shape), &call->plans[0]);
  call->of_keys = *a.cos_sin;
  call->of_keys.positions = *a.options->key_positions;
  MakePlan(*a.kernels, &call->of_keys, a.window, a.output_pairing, PartOf(in, false), PartOf(out, false), *a.options,
           batch, SeqOf(in.k), &call->plans[1]);
  return SIMDROPE_OK;
}

simdrope_status RunOnce(const CheckedArguments& a) { return TakesOnePlan(a) ? RunOnePlan(a) : RunTwoPlans(a); }

simdrope_status RunCheckedCall(const CheckedCall& call, const simdrope_run& run) {
  // Without Q the positions of cos_sin place nothing: they may have another length than K.
  const bool has_query = call.count == 1 || call.plans[0].count > 0;
  if (has_query) SIMDROPE_TRY(CheckRun(call.plans[0], run));
  if (call.count == 1) {
    RunPlan(call.plans[0], run);
    return SIMDROPE_OK;
  }
  simdrope_run of_keys = run;
  const simdrope_positions& key_positions = call.of_keys.positions;
  of_keys.start = key_positions.start;
  of_keys.offsets = key_positions.offsets;
  of_keys.ids = key_positions.ids;
  of_keys.cu_seqlens = key_positions.cu_seqlens;
  SIMDROPE_TRY(CheckRun(call.plans[1], of_keys));
  RunPlan(call.plans[0], run);
  RunPlan(call.plans[1], of_keys);
  return SIMDROPE_OK;
}

}  // namespace simdrope::impl
