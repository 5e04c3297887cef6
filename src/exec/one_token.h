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

// Whether these checked arguments are such a call; only then is *one filled.
bool MakeOneToken(const Kernels& kernels, const simdrope_cos_sin& cos_sin, const Window& window,
                  simdrope_pairing output_pairing, const simdrope_qkv& in, const simdrope_qkv& out,
                  const simdrope_options& options, OneToken* one);

// Runs the call at `position`, by the table's `cos` and `sin` (not read where the source is streamed). False: nothing
// was written, and a plan finds out why.
bool RunOneToken(OneToken* one, int64_t position, const void* cos, const void* sin);

// The same with the pointers of a run.
bool RunOneToken(const OneToken& one, const simdrope_run& run);

}  // namespace simdrope::impl

#endif  // SIMDROPE_EXEC_ONE_TOKEN_H_
