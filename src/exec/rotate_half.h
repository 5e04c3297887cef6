// rotate_half on whole tensors.
#ifndef SIMDROPE_EXEC_ROTATE_HALF_H_
#define SIMDROPE_EXEC_ROTATE_HALF_H_

#include <simdrope/simdrope.h>

namespace simdrope::impl {

// Checked tensors of equal sizes, the same or disjoint.
void RotateHalf(const simdrope_tensor& in, const simdrope_tensor& out, simdrope_pairing pairing);

}  // namespace simdrope::impl

#endif  // SIMDROPE_EXEC_ROTATE_HALF_H_
