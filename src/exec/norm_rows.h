// Weights and biases of an operand's norm as the kernels want them: float, the offset added, 1 and 0 where there are
// none.
#ifndef SIMDROPE_EXEC_NORM_ROWS_H_
#define SIMDROPE_EXEC_NORM_ROWS_H_

#include "exec/plan.h"
#include "kernels/kernels.h"

namespace simdrope::impl {

class NormRows {
 public:
  // How many floats of scratch the norms of a plan need: none where weights and biases are read where they are.
  static size_t FloatsFor(const Plan& plan);

  // `scratch` has FloatsFor(plan) and is aligned to kTileAlignment. It outlives this, as does the plan.
  NormRows(const Plan& plan, float* scratch) : plan_(plan), scratch_(scratch) {}

  // Before the tiles of an operand.
  void Begin(const Operand& o);

  // How many heads a tile may have.
  int64_t most_heads() const { return most_heads_; }

  // Of most_heads() heads from `head` on. Valid until the next call.
  NormWeights At(int64_t head);

 private:
  // A head's values, element `at` the first, with `offset` added; NULL: if_none. Returns `row`, which holds them.
  const float* Converted(const void* values, ptrdiff_t at, float offset, float if_none, float* row) const;

  const Plan& plan_;
  float* const scratch_;
  const simdrope_norm* norm_ = nullptr;
  bool reads_weight_ = false, reads_bias_ = false;  // where they are
  bool is_shared_ = false;
  int64_t most_heads_ = kTileHeads;
  NormWeights shared_{};
};

}  // namespace simdrope::impl

#endif  // SIMDROPE_EXEC_NORM_ROWS_H_
