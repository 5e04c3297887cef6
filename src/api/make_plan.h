// From a caller's arguments to a checked plan.
#ifndef SIMDROPE_API_MAKE_PLAN_H_
#define SIMDROPE_API_MAKE_PLAN_H_

#include <simdrope/simdrope.h>

#include "exec/plan.h"

namespace simdrope::impl {

// A call as one or two plans: Q alone, and K with V, where options.key_positions are given; else all in one. They run
// one after the other.
struct CheckedCall {
  Plan plans[2];
  int count;
  bool has_key_positions;
  simdrope_positions key_positions;  // of plans[1]
};

// Checks everything but what CheckRun does. `out` and `options` may be NULL, `cos_sin` where neither Q nor K is
// present.
simdrope_status MakeCheckedCall(const simdrope_cos_sin* cos_sin, const simdrope_qkv* in, const simdrope_qkv* out,
                                const simdrope_options* options, CheckedCall* call, simdrope_run* run);

// Checks what a run may change, of all plans, then runs them.
simdrope_status RunCheckedCall(const CheckedCall& call, const simdrope_run& run);

}  // namespace simdrope::impl

#endif  // SIMDROPE_API_MAKE_PLAN_H_
