// The row of cos and sin of each token of a block, from whichever source a plan names, as the kernels want it.
#ifndef SIMDROPE_EXEC_COS_SIN_ROWS_H_
#define SIMDROPE_EXEC_COS_SIN_ROWS_H_

#include <simdrope/simdrope.h>

#include "exec/plan.h"
#include "exec/positions.h"
#include "kernels/kernels.h"

namespace simdrope::impl {

enum class TokenAction : uint8_t {
  kRotate,
  kCopy,  // everything but the rotation
  kSkip,  // its output is not written
};

inline constexpr int64_t kMaxTokensInBlock = 48;

// Rows of consecutive tokens, of Window::columns columns; token t's are at cos + t * stride and sin + t * stride.
struct CosSinBlock {
  const float* cos;
  const float* sin;
  ptrdiff_t stride;
};

// How many rows of `rope`, `most` at most, can be computed together from the current token of `tokens` on.
int64_t RowsTogether(const simdrope_rope& rope, const TokenPositions& tokens, int64_t most);

// cos and sin of `rope` for as many tokens as RowsTogether allows, from the current one of `tokens` on;
// the results of each are `stride` floats after those of the one before. With XPos they depend on the side.
void ComputeRows(const Kernels& kernels, const simdrope_rope& rope, const TokenPositions& tokens, Side side,
                 int64_t rows, ptrdiff_t stride, float* cos, float* sin);

// The factor on Q of the current token.
float QueryScaleOf(const simdrope_rope& rope, const TokenPositions& tokens);

// On one thread: Begin a block, then ask for each operand's rows.
class CosSinRows {
 public:
  // How many floats of scratch rows that are copied or computed need, at most 3072. With more, blocks may be larger.
  static size_t FloatsFor(const Plan& plan);

  // `scratch` is aligned to 64 bytes. It outlives this, as do plan, run and `positions` (of the run).
  CosSinRows(const Plan& plan, const simdrope_run& run, const simdrope_positions& positions, float* scratch,
             size_t scratch_floats);

  // How many tokens a block that begins with `left` tokens of one batch entry may have.
  int64_t TokensInBlock(int64_t left) const;

  // The next `tokens` tokens from (b, s) on, of the plan's own batch and seq.
  void Begin(int64_t b, int64_t s, int64_t tokens);

  // Whether every token is kRotate and scaled alike.
  bool rotates_all() const { return rotates_all_; }
  TokenAction action(int64_t t) const { return rotates_all_ ? TokenAction::kRotate : action_[t]; }
  // The factor on all elements of token t of this operand.
  float scale(const Operand& o, int64_t t) const {
    return o.side == Side::kQuery && !rotates_all_ ? query_scale_[t] * o.stages.scale : o.stages.scale;
  }
  // The position of token t on the first axis.
  int64_t position(int64_t t) {
    MoveTo(t);
    return tokens_.on_axis(0);
  }

  // The rows of the block for an operand that rotates. Rows of tokens that are not rotated are not set. Valid until the
  // next call of this or Begin.
  CosSinBlock For(const Operand& o);
  // The row of token t of the block for those heads of an operand that take the rows of `row_head`; t is kRotate. Only
  // with Plan::row_heads above 1, in place of For. Valid until the next call.
  CosSinBlock OfHeads(const Operand& o, int64_t t, int64_t row_head);

 private:
  bool is_streamed() const { return source_.source == SIMDROPE_STREAMED; }
  bool HasRow(int64_t position) const { return position >= 0 && position < source_.table.rows; }
  bool HasKeyRows() const;
  const simdrope_table& TableOf(Side side) const;
  const void* CosOf(Side side) const;
  const void* SinOf(Side side) const;
  int64_t RowNumber() const;  // of the current token in query_scale and padding
  TokenAction ActionOfToken() const;
  float QueryScaleOfToken() const;
  void MoveTo(int64_t t);
  int32_t SourceColumn(int32_t column) const;
  bool AreInPlace(Side side) const;
  bool TakeNoScratch() const;
  bool FindInPlace(Side side, CosSinBlock* rows) const;
  int64_t Fetch(Side side, int64_t t, int64_t most, float* scratch, const float** cos, const float** sin);
  float FactorOf(const Operand& o, int64_t t) const;

  const Plan& plan_;
  const simdrope_run& run_;
  const simdrope_cos_sin& source_;
  const Kernels& kernels_;
  const int32_t pairs_;
  const int32_t columns_;  // of a row: Window::columns
  // Full width: the pair of the rope that each column takes, NULL where a table has them all; whether columns of the
  // source are in another order than those of a row.
  const uint16_t* element_pair_ = nullptr;
  bool gathers_ = false;
  int32_t axes_ = 1;  // that a table is looked up by
  bool scales_queries_ = false;
  bool rotates_all_ = true;
  bool takes_no_scratch_ = false;
  bool has_one_row_ = false;  // for all tokens: one token a sequence, all at one position
  // What has no row is turned by an angle of 0, not copied: pairs may have axes of their own, or
  // another place to go to.
  bool has_identity_rows_ = false;
  TokenPositions tokens_;

  int64_t b_ = 0, s_ = 0, count_ = 0;  // the block
  int64_t row_head_ = 0;
  int64_t batch_ = 0;  // the caller's batch entry of the current token
  TokenAction action_[kMaxTokensInBlock];
  float query_scale_[kMaxTokensInBlock];
  // What block_ holds, so that K takes Q's rows where they are the same.
  bool has_block_ = false;
  bool block_is_plain_ = false;  // neither scaled nor made canonical for one operand alone
  bool block_is_canonical_ = false;
  CosSinBlock block_{};
  float* const scratch_;
  const size_t scratch_floats_;
};

}  // namespace simdrope::impl

#endif  // SIMDROPE_EXEC_COS_SIN_ROWS_H_
