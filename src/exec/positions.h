// From a simdrope_positions to the position of each token.
#ifndef SIMDROPE_EXEC_POSITIONS_H_
#define SIMDROPE_EXEC_POSITIONS_H_

#include <simdrope/simdrope.h>

namespace simdrope::impl {

// An I32 or I64.
inline int64_t IntegerAt(const void* data, simdrope_index_type type, int64_t index) {
  if (type == SIMDROPE_INDEX_I32) return static_cast<const int32_t*>(data)[index];
  return static_cast<const int64_t*>(data)[index];
}

inline bool IsReal(simdrope_index_type type) { return type == SIMDROPE_INDEX_F32 || type == SIMDROPE_INDEX_F64; }

inline double RealAt(const void* data, simdrope_index_type type, int64_t index) {
  if (type == SIMDROPE_INDEX_F32) return static_cast<double>(static_cast<const float*>(data)[index]);
  return static_cast<const double*>(data)[index];
}

// Whether the id of token (b, s), b an entry of ids, marks it as padding.
bool IsPaddingAt(const simdrope_positions& p, int64_t b, int64_t s);

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
  // From here to the next token of the batch entry: what is added to the integer position, modulo 2^64.
  int64_t ToNext(int32_t axis) const;
  // How many tokens from here on differ from one to the next by ToNext on each of `axes` axes: from 2 to `most`, which
  // are all of this batch entry.
  int64_t CountAlike(int32_t axes, int64_t most) const;

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

}  // namespace simdrope::impl

#endif  // SIMDROPE_EXEC_POSITIONS_H_
