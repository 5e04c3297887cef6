// From a simdrope_positions to the position of each token.
#ifndef SIMDROPE_EXEC_POSITIONS_H_
#define SIMDROPE_EXEC_POSITIONS_H_

#include <simdrope/simdrope.h>

namespace simdrope::impl {

inline bool IsReal(simdrope_index_type type) { return type == SIMDROPE_INDEX_F32 || type == SIMDROPE_INDEX_F64; }

// The sizes and pointers of `p` fit `batch` sequences of `seq` tokens; cu_seqlens is in order; no
// sum of start, offset and id overflows; real ids are finite.
simdrope_status CheckPositions(const simdrope_positions& p, int64_t batch, int64_t seq);

// Whether every batch entry has the same positions.
bool IsSharedByBatch(const simdrope_positions& p);

// Walks the tokens of a checked simdrope_positions, which must outlive it.
class TokenPositions {
 public:
  explicit TokenPositions(const simdrope_positions& p) : p_(&p) {}

  // Goes to token s of batch entry b. Cheapest when tokens come in order.
  void MoveTo(int64_t b, int64_t s) {
    batch_ = b;
    token_ = s;
    in_sequence_ = s;
    base_ = p_->start;
    if (p_->cu_seqlens != nullptr || p_->offsets != nullptr) FindSequence();
  }

  bool is_real() const { return p_->ids != nullptr && IsReal(p_->ids_type); }
  bool is_padding() const { return p_->padding && HasPaddingId(); }
  // With integer ids, or none.
  int64_t on_axis(int32_t axis) const { return base_ + (p_->ids == nullptr ? in_sequence_ : IdOnAxis(axis)); }
  double real_on_axis(int32_t axis) const;  // of any kind
  // How many tokens from here on, `most` of this batch entry at most, have integer positions that count
  // up by one on the first axis.
  int64_t CountUp(int64_t most) const;

 private:
  void FindSequence();
  bool HasPaddingId() const;
  int64_t IdOnAxis(int32_t axis) const;
  int64_t IdIndex(int32_t axis) const;

  const simdrope_positions* p_;
  int64_t batch_ = 0;
  int64_t token_ = 0;
  int64_t sequence_ = 0;  // with cu_seqlens
  int64_t base_ = 0;      // start + offset
  int64_t in_sequence_ = 0;
};

// The smallest and largest position over all tokens (but padding) and all axes; false if there are
// none. For integer positions.
struct PositionRange {
  int64_t least;
  int64_t greatest;
};
bool RangeOf(const simdrope_positions& p, int64_t batch, int64_t seq, int32_t axes, PositionRange* range);

// The largest magnitude of a real position, 0 if there are none.
double RealReach(const simdrope_positions& p, int64_t batch, int64_t seq, int32_t axes);

}  // namespace simdrope::impl

#endif  // SIMDROPE_EXEC_POSITIONS_H_
