// Writing rows of cos and sin into tables of any form.
#ifndef SIMDROPE_EXEC_COMPUTE_H_
#define SIMDROPE_EXEC_COMPUTE_H_

#include <simdrope/simdrope.h>

#include "kernels/kernels.h"

namespace simdrope::impl {

// A checked simdrope_compute_cos_sin.
void ComputeCosSin(const Kernels& kernels, const simdrope_rope& rope, const simdrope_positions& positions, int64_t seq,
                   const simdrope_cos_sin_output& output, const simdrope_options& options);

}  // namespace simdrope::impl

#endif  // SIMDROPE_EXEC_COMPUTE_H_
