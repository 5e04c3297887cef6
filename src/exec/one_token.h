// Decoding of one token by the straight road alone, with nothing to look up: most calls of an engine. It takes no plan.
#ifndef SIMDROPE_EXEC_ONE_TOKEN_H_
#define SIMDROPE_EXEC_ONE_TOKEN_H_

#include <simdrope/simdrope.h>

#include "core/config.h"
#include "kernels/kernels.h"

namespace simdrope::impl {

struct OneToken {
  const Kernels* kernels;
  const simdrope_cos_sin* cos_sin;  // outlives it
  int32_t pairs;
  int count;
  struct Operand {
    simdrope_operand simdrope_run::*pointers;
    StraightFunction rotate;
    StraightCall call;  // but for the row, which RunOneToken sets
  } operands[2];
};

// Of checked arguments: whether they are such a call; if so, it is made.
bool MakeOneToken(const Kernels& kernels, const simdrope_cos_sin& cos_sin, const Window& window,
                  simdrope_pairing output_pairing, const simdrope_qkv& in, const simdrope_qkv& out,
                  const simdrope_options& options, OneToken* one);

// Whether the call was run, at `position` by the table's `cos` and `sin` (streamed: not looked at). If not, nothing has
// been written, and a plan says why.
bool RunOneToken(OneToken* one, int64_t position, const void* cos, const void* sin);

// The same with the pointers of a run.
bool RunOneToken(const OneToken& one, const simdrope_run& run);

}  // namespace simdrope::impl

#endif  // SIMDROPE_EXEC_ONE_TOKEN_H_
