// From strides to rows: rotates whole tensors by calling the row functions.
#ifndef SIMDROPE_EXEC_APPLY_H_
#define SIMDROPE_EXEC_APPLY_H_

#include <simdrope/simdrope.h>

#include "core/config.h"
#include "exec/rows.h"

namespace simdrope::impl {

// A simdrope_apply whose every argument has been checked.
struct ApplyCall {
  const simdrope_qkv& in;
  const simdrope_qkv& out;
  Window window;
  simdrope_pairing output_pairing;
  RowSource rows;
  float magnitude;  // of the rotated elements
  const simdrope_options& options;
};

void Apply(const Kernels& kernels, const ApplyCall& call);

}  // namespace simdrope::impl

#endif  // SIMDROPE_EXEC_APPLY_H_
