// From a caller's arguments to a checked plan.
#ifndef SIMDROPE_API_MAKE_PLAN_H_
#define SIMDROPE_API_MAKE_PLAN_H_

#include <simdrope/simdrope.h>

#include "exec/one_token.h"
#include "exec/plan.h"

namespace simdrope::impl {

// A call as one or two plans: Q alone, and K with V, where options.key_positions are given; else all in one. They run
// one after the other.
struct CheckedCall {
  Plan plans[2];
  int count;
  simdrope_cos_sin of_keys;  // plans[1]'s source: the first one's, at options.key_positions
};

// The arguments of apply, checked but for what CheckRun does. All that is pointed to outlives it.
struct CheckedArguments {
  const simdrope_cos_sin* cos_sin;  // NULL where neither Q nor K is present
  const simdrope_qkv* in;
  const simdrope_qkv* out;
  const simdrope_options* options;
  const Kernels* kernels;
  const simdrope_tensor* shape;  // one whose tokens positions speak of
  Window window;
  simdrope_pairing output_pairing;
};

// `out` and `options` may be NULL, `cos_sin` where neither Q nor K is present.
simdrope_status CheckArguments(const simdrope_cos_sin* cos_sin, const simdrope_qkv* in, const simdrope_qkv* out,
                               const simdrope_options* options, CheckedArguments* checked);

// Whether `a` is a call that takes no plan (exec/one_token.h).
bool MakeOneToken(const CheckedArguments& a, OneToken* one);

simdrope_status MakeCheckedCall(const CheckedArguments& a, CheckedCall* call, simdrope_run* run);

// Makes the plans and runs them, with as little stack as the call needs.
simdrope_status RunOnce(const CheckedArguments& a);

// Checks what a run may change, of all plans, then runs them.
simdrope_status RunCheckedCall(const CheckedCall& call, const simdrope_run& run);

}  // namespace simdrope::impl

#endif  // SIMDROPE_API_MAKE_PLAN_H_
