// simdrope_apply, simdrope_plan_* and simdrope_rotate_half.
#include <new>

#include "angle/rope.h"
#include "api/checks.h"
#include "api/make_plan.h"
#include "core/tensor.h"
#include "exec/rotate_half.h"

using namespace simdrope::impl;

struct simdrope_plan {
  simdrope_cos_sin cos_sin;
  CheckedCall call;
  simdrope_run run;
  bool is_one_token;  // most runs are `one`, if not `call`
  OneToken one;
  simdrope_rope* rope;  // retained, or NULL
};

namespace {

simdrope_status MakePlanOf(const simdrope_cos_sin* cos_sin, const simdrope_qkv* in, const simdrope_qkv* out,
                           const simdrope_options* options, simdrope_plan* plan) {
  if (cos_sin != nullptr) plan->cos_sin = *cos_sin;
  CheckedArguments checked;
  SIMDROPE_TRY(CheckArguments(cos_sin != nullptr ? &plan->cos_sin : nullptr, in, out, options, &checked));
  plan->is_one_token = MakeOneToken(checked, &plan->one);
  return MakeCheckedCall(checked, &plan->call, &plan->run);
}

}  // namespace

simdrope_status simdrope_apply(const simdrope_cos_sin* cos_sin, const simdrope_qkv* in, const simdrope_qkv* out,
                               const simdrope_options* options) {
  CheckedArguments checked;
  SIMDROPE_TRY(CheckArguments(cos_sin, in, out, options, &checked));
  OneToken one;
  if (MakeOneToken(checked, &one) &&
      RunOneToken(&one, cos_sin->positions.start, cos_sin->table.cos, cos_sin->table.sin)) {
    return SIMDROPE_OK;
  }
  return RunOnce(checked);
}

simdrope_status simdrope_plan_create(const simdrope_cos_sin* cos_sin, const simdrope_qkv* in, const simdrope_qkv* out,
                                     const simdrope_options* options, simdrope_plan** plan) {
  SIMDROPE_TRY(CheckPointer("plan", plan));
  simdrope_plan* made = new (std::nothrow) simdrope_plan;
  if (made == nullptr) return Fail(SIMDROPE_OUT_OF_MEMORY, "no memory for a plan");
  const simdrope_status status = MakePlanOf(cos_sin, in, out, options, made);
  if (status != SIMDROPE_OK) {
    delete made;
    return status;
  }
  made->rope =
      cos_sin != nullptr && cos_sin->source != SIMDROPE_TABLE ? const_cast<simdrope_rope*>(cos_sin->rope) : nullptr;
  if (made->rope != nullptr) Retain(made->rope);
  *plan = made;
  return SIMDROPE_OK;
}

void simdrope_plan_release(simdrope_plan* plan) {
  if (plan == nullptr) return;
  Release(plan->rope);
  delete plan;
}

void simdrope_plan_pointers(const simdrope_plan* plan, simdrope_run* run) {
  if (plan != nullptr && run != nullptr) *run = plan->run;
}

simdrope_status simdrope_plan_run(const simdrope_plan* plan, const simdrope_run* run) {
  SIMDROPE_TRY(CheckPointer("plan", plan));
  SIMDROPE_TRY(CheckPointer("run", run));
  SIMDROPE_TRY(CheckReserved("run", run->reserved));
  if (plan->is_one_token && RunOneToken(plan->one, *run)) return SIMDROPE_OK;
  return RunCheckedCall(plan->call, *run);
}

simdrope_status simdrope_rotate_half(const simdrope_tensor* in, const simdrope_tensor* out, simdrope_pairing pairing) {
  SIMDROPE_TRY(CheckPointer("in", in));
  SIMDROPE_TRY(CheckPointer("out", out));
  SIMDROPE_TRY(CheckFloatFormat("in", in->format));
  SIMDROPE_TRY(CheckFloatFormat("out", out->format));
  SIMDROPE_TRY(CheckTensor("in", *in, false));
  SIMDROPE_TRY(CheckTensor("out", *out, true));
  if (in->slots.source != SIMDROPE_SLOTS_NONE || out->slots.source != SIMDROPE_SLOTS_NONE) {
    return Fail(SIMDROPE_UNSUPPORTED, "rotate_half takes no slots");
  }
  SIMDROPE_TRY(CheckSameTokens("in", *in, "out", *out, true, true));
  if (!IsSameView(*in, *out)) SIMDROPE_TRY(CheckDisjoint("in", *in, "out", *out));
  if (in->head_dim % 2 != 0) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "in.head_dim = %lld must be even", static_cast<long long>(in->head_dim));
  }
  Window window;
  SIMDROPE_TRY(MakeWindow(in->head_dim, 0, 0, 0, pairing, &window));
  if (!IsEmpty(*in)) RotateHalf(*in, *out, pairing);
  return SIMDROPE_OK;
}
