#include "exec/positions.h"

#include <algorithm>
#include <utility>

namespace simdrope::impl {
namespace {

int64_t Difference(int64_t a, int64_t b) {  // modulo 2^64
  return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
}

}  // namespace

bool IsPaddingAt(const simdrope_positions& p, int64_t b, int64_t s) {
  if (!p.padding || p.ids == nullptr) return false;
  const int64_t index = b * p.batch_stride + s * p.seq_stride;
  return IsReal(p.ids_type) ? RealAt(p.ids, p.ids_type, index) == -1.0 : IntegerAt(p.ids, p.ids_type, index) == -1;
}

bool IsSharedByBatch(const simdrope_positions& p) {
  return p.offsets == nullptr && (p.ids == nullptr || p.ids_batch == 1);
}

int64_t TokenPositions::ToNext(int32_t axis) const {
  if (p_->ids == nullptr && p_->cu_seqlens == nullptr) return 1;
  TokenPositions next = *this;
  next.MoveTo(batch_, token_ + 1);
  return Difference(next.on_axis(axis), on_axis(axis));
}

int64_t TokenPositions::CountAlike(int32_t axes, int64_t most) const {
  if (p_->ids == nullptr && p_->cu_seqlens == nullptr) return most;
  TokenPositions token = *this;
  int64_t to_next[SIMDROPE_MAX_AXES], last[SIMDROPE_MAX_AXES];
  for (int32_t a = 0; a < axes; ++a) {
    to_next[a] = ToNext(a);
    last[a] = on_axis(a);
  }
  for (int64_t count = 1; count < most; ++count) {
    token.MoveTo(batch_, token_ + count);
    for (int32_t a = 0; a < axes; ++a) {
      const int64_t before = std::exchange(last[a], token.on_axis(a));
      if (Difference(last[a], before) != to_next[a]) return count;
    }
  }
  return most;
}

void TokenPositions::FindSequence() {
  int64_t sequence = batch_;
  if (p_->cu_seqlens != nullptr) {
    const auto begin_of = [&](int64_t i) { return IntegerAt(p_->cu_seqlens, p_->cu_seqlens_type, i); };
    if (token_ < begin_of(sequence_) || token_ >= begin_of(sequence_ + 1)) {
      int64_t low = 0, high = p_->sequences;  // the last one that begins at or before the token
      while (high - low > 1) {
        const int64_t middle = low + (high - low) / 2;
        (begin_of(middle) <= token_ ? low : high) = middle;
      }
      sequence_ = low;
    }
    sequence = sequence_;
    in_sequence_ = token_ - begin_of(sequence_);
  }
  if (p_->offsets != nullptr) base_ += IntegerAt(p_->offsets, p_->offsets_type, sequence);
}

bool TokenPositions::HasPaddingId() const { return IsPaddingAt(*p_, p_->ids_batch == 1 ? 0 : batch_, token_); }

int64_t TokenPositions::IdIndex(int32_t axis) const {
  return std::min(axis, p_->ids_axes - 1) * p_->axis_stride + (p_->ids_batch == 1 ? 0 : batch_) * p_->batch_stride +
         token_ * p_->seq_stride;
}

int64_t TokenPositions::IdOnAxis(int32_t axis) const { return IntegerAt(p_->ids, p_->ids_type, IdIndex(axis)); }

double TokenPositions::real_on_axis(int32_t axis) const {
  if (!is_real()) return static_cast<double>(on_axis(axis));
  return static_cast<double>(base_) + RealAt(p_->ids, p_->ids_type, IdIndex(axis));
}

}  // namespace simdrope::impl
