#include "api/make_plan.h"

#include "angle/rope.h"
#include "api/checks.h"
#include "core/tensor.h"

namespace simdrope::impl {
namespace {

simdrope_status FindWindow(const simdrope_cos_sin& cos_sin, int64_t head_dim, Window* window) {
  if (cos_sin.source < SIMDROPE_STREAMED || cos_sin.source > SIMDROPE_TABLE) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "cos_sin.source = %d is none of the simdrope_cos_sin_source",
                static_cast<int>(cos_sin.source));
  }
  SIMDROPE_TRY(CheckReserved("cos_sin", cos_sin.reserved));
  if (cos_sin.source == SIMDROPE_TABLE) {
    return MakeWindow(head_dim, cos_sin.rotary_dim, cos_sin.rotary_offset, cos_sin.split, cos_sin.pairing, window);
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
    return Fail(SIMDROPE_INVALID_ARGUMENT, "options.output_pairing = %d is none of the simdrope_pairing",
                static_cast<int>(options.output_pairing));
  }
  *pairing = options.output_pairing == SIMDROPE_SAME_PAIRING ? window.pairing : options.output_pairing;
  if (*pairing != window.pairing && window.split != window.pairs()) {
    return Fail(SIMDROPE_UNSUPPORTED, "another output pairing wants adjoining halves, but split = %d with %d pairs",
                window.split, window.pairs());
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

}  // namespace

simdrope_status MakeCheckedCall(const simdrope_cos_sin* cos_sin, const simdrope_qkv* in_qkv,
                                const simdrope_qkv* out_qkv, const simdrope_options* given_options, CheckedCall* call,
                                simdrope_run* run) {
  SIMDROPE_TRY(CheckPointer("in", in_qkv));
  const simdrope_qkv& in = *in_qkv;
  const simdrope_qkv& out = out_qkv != nullptr ? *out_qkv : in;
  const simdrope_options& options = given_options != nullptr ? *given_options : kDefaultOptions;
  const Kernels* kernels;
  SIMDROPE_TRY(FindKernels(&kernels));
  if (IsPresent(in.q) || IsPresent(in.k)) SIMDROPE_TRY(CheckPointer("cos_sin", cos_sin));
  const bool has_key_positions = options.key_positions != nullptr;
  const simdrope_tensor* shape;
  SIMDROPE_TRY(CheckOperands(in, out, has_key_positions, &shape));
  SIMDROPE_TRY(CheckOptions(options, shape->head_dim));
  Window window;
  simdrope_pairing output_pairing = SIMDROPE_HALF;
  if (cos_sin != nullptr) {
    SIMDROPE_TRY(FindWindow(*cos_sin, shape->head_dim, &window));
    output_pairing = window.pairing;
    SIMDROPE_TRY(FindOutputPairing(options, window, &output_pairing));
    SIMDROPE_TRY(CheckSource(*cos_sin, window.pairs(), BatchOf(*shape)));
  }
  SIMDROPE_TRY(CheckOverlap(cos_sin, in, out));
  PointersOf(cos_sin, in, out, options, run);
  call->has_key_positions = has_key_positions;
  const int64_t batch = BatchOf(*shape);
  if (!has_key_positions || !IsPresent(in.k)) {
    call->count = 1;
    MakePlan(*kernels, cos_sin, window, output_pairing, in, out, options, batch, SeqOf(*shape), &call->plans[0]);
    return SIMDROPE_OK;
  }
  // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): with K present it was checked above
  if (cos_sin->source == SIMDROPE_PREPARED) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "options.key_positions are given, but cos_sin is PREPARED for Q's");
  }
  call->count = 2;
  call->key_positions = *options.key_positions;
  MakePlan(*kernels, cos_sin, window, output_pairing, PartOf(in, true), PartOf(out, true), options, batch,
           SeqOf(*shape), &call->plans[0]);
  simdrope_cos_sin of_keys = *cos_sin;
  of_keys.positions = *options.key_positions;
  MakePlan(*kernels, &of_keys, window, output_pairing, PartOf(in, false), PartOf(out, false), options, batch,
           SeqOf(in.k), &call->plans[1]);
  return SIMDROPE_OK;
}

simdrope_status RunCheckedCall(const CheckedCall& call, const simdrope_run& run) {
  if (call.count == 1 && TryOneToken(call.plans[0], run)) return SIMDROPE_OK;
  // Without Q the positions of cos_sin place nothing: they may have another length than K.
  const bool has_query = call.count == 1 || call.plans[0].count > 0;
  if (has_query) SIMDROPE_TRY(CheckRun(call.plans[0], run));
  if (call.count == 1) {
    RunPlan(call.plans[0], run);
    return SIMDROPE_OK;
  }
  simdrope_run of_keys = run;
  of_keys.start = call.key_positions.start;
  of_keys.offsets = call.key_positions.offsets;
  of_keys.ids = call.key_positions.ids;
  of_keys.cu_seqlens = call.key_positions.cu_seqlens;
  SIMDROPE_TRY(CheckRun(call.plans[1], of_keys));
  RunPlan(call.plans[0], run);
  RunPlan(call.plans[1], of_keys);
  return SIMDROPE_OK;
}

}  // namespace simdrope::impl
