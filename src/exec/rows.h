// The row of cos and sin of each token, from whichever source a simdrope_cos_sin names.
#ifndef SIMDROPE_EXEC_ROWS_H_
#define SIMDROPE_EXEC_ROWS_H_

#include <simdrope/simdrope.h>

#include "core/config.h"
#include "exec/positions.h"
#include "kernels/kernels.h"

namespace simdrope::impl {

enum class Side { kQuery, kKey };

enum class TokenAction {
  kRotate,
  kCopy,  // unrotated
  kSkip,  // its output is not written
};

// A row in natural order: pairs floats each.
struct AngleRow {
  const float* cos;
  const float* sin;
};

// How many rows of `rope`, `most` at most, can be computed together from the current token of `tokens` on.
int64_t RowsTogether(const simdrope_rope& rope, const TokenPositions& tokens, int64_t most);

// cos and sin of `rope` for as many tokens as RowsTogether allows, from the current one of `tokens` on;
// the results of each are `stride` floats after those of the one before. With XPos they depend on the side.
void ComputeRows(const Kernels& kernels, const simdrope_rope& rope, const TokenPositions& tokens, Side side,
                 int64_t rows, ptrdiff_t stride, float* cos, float* sin);

// The factor on Q of the current token.
float QueryScaleOf(const simdrope_rope& rope, const TokenPositions& tokens);

// That `rope` can turn by `positions` in its precision.
simdrope_status CheckReach(const simdrope_rope& rope, const simdrope_positions& positions, int64_t batch, int64_t seq);

// That `table` is well-formed and serves `pairs` pairs and `batch` entries.
simdrope_status CheckTable(const char* name, const simdrope_table& table, int32_t pairs, int64_t batch);

// Walks the rows of a simdrope_cos_sin, which must outlive it, on one thread. Copy it for each.
class RowSource {
 public:
  RowSource(const Kernels& kernels, const simdrope_cos_sin& cos_sin, const Window& window,
            simdrope_pairing output_pairing);

  // That the source can serve `batch` sequences of `seq` tokens. To be called once, before the rest.
  simdrope_status Check(int64_t batch, int64_t seq) const;

  void MoveTo(int64_t b, int64_t s) {
    batch_ = b;
    tokens_.MoveTo(b, s);
  }
  TokenAction action() const {
    if (tokens_.is_padding()) return TokenAction::kSkip;
    return is_streamed() ? TokenAction::kRotate : TableAction();
  }
  // Whether every token is kRotate with a query_scale of 1, once Check has passed.
  bool rotates_all() const { return rotates_all_; }
  float query_scale() const { return scales_queries_ ? QueryScaleOfToken() : 1.0f; }
  // Whether Q and K have different rows.
  bool has_key_rows() const;
  // How many tokens from the current one on, `most` at most, Rows takes at once.
  int64_t RowsTogether(int64_t most) const {
    return is_streamed() ? impl::RowsTogether(*cos_sin_->rope, tokens_, most) : 1;
  }
  // The rows of `rows` tokens from the current one on; several are 2 * pairs floats apart. `scratch` has
  // room for that many.
  AngleRow Rows(Side side, int64_t rows, float* scratch) const;
  // Whether the rows of the tokens from (b, s) on lie in memory as they are wanted, `*stride` floats
  // apart; along the batch if `by_batch`. Then *first is that of (b, s).
  bool FindRowsInPlace(int64_t b, int64_t s, bool by_batch, Side side, AngleRow* first, ptrdiff_t* stride) const;
  // Whether rows may hold NaN of any kind: a caller's table.
  bool is_from_caller() const { return cos_sin_->source == SIMDROPE_TABLE; }

 private:
  bool is_streamed() const { return cos_sin_->source == SIMDROPE_STREAMED; }
  bool HasRow(int64_t position) const { return position >= 0 && position < cos_sin_->table.rows; }
  TokenAction TableAction() const;
  float QueryScaleOfToken() const;
  const simdrope_table& TableOf(Side side) const {
    const bool key = side == Side::kKey && cos_sin_->key_table.cos != nullptr;
    return key ? cos_sin_->key_table : cos_sin_->table;
  }
  int64_t RowNumber() const;  // of the current token in query_scale and padding
  simdrope_status CheckRange(int64_t batch, int64_t seq) const;

  const Kernels* kernels_;
  const simdrope_cos_sin* cos_sin_;
  int32_t pairs_;
  int32_t axes_ = 1;  // that the table is looked up by
  bool scales_queries_ = false;
  bool rotates_all_;
  // What has no row is turned by an angle of 0, not copied: pairs may have axes of their own, or
  // another place to go to.
  bool has_identity_rows_;
  TokenPositions tokens_;
  int64_t batch_ = 0;
};

}  // namespace simdrope::impl

#endif  // SIMDROPE_EXEC_ROWS_H_
