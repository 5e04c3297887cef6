#include "exec/positions.h"

#include <algorithm>
#include <cmath>

#include "core/status.h"

namespace simdrope::impl {
namespace {

int64_t IntegerAt(const void* data, simdrope_index_type type, int64_t index) {
  if (type == SIMDROPE_INDEX_I32) return static_cast<const int32_t*>(data)[index];
  return static_cast<const int64_t*>(data)[index];
}

double RealAt(const void* data, simdrope_index_type type, int64_t index) {
  if (type == SIMDROPE_INDEX_F32) return static_cast<double>(static_cast<const float*>(data)[index]);
  return static_cast<const double*>(data)[index];
}

bool HasRealIds(const simdrope_positions& p) { return p.ids != nullptr && IsReal(p.ids_type); }

simdrope_status CheckIntegerType(const char* name, simdrope_index_type type) {
  if (type == SIMDROPE_INDEX_I32 || type == SIMDROPE_INDEX_I64) return SIMDROPE_OK;
  return Fail(SIMDROPE_INVALID_ARGUMENT, "%s = %d must be a 32- or 64-bit integer type", name, static_cast<int>(type));
}

simdrope_status CheckCuSeqlens(const simdrope_positions& p, int64_t batch, int64_t seq) {
  SIMDROPE_TRY(CheckIntegerType("positions.cu_seqlens_type", p.cu_seqlens_type));
  if (batch != 1) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "cu_seqlens wants packed tokens (batch 1), but batch = %lld",
                static_cast<long long>(batch));
  }
  if (p.sequences < 0) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "positions.sequences = %lld must be >= 0",
                static_cast<long long>(p.sequences));
  }
  int64_t before = 0;
  for (int64_t i = 0; i <= p.sequences; ++i) {
    const int64_t at = IntegerAt(p.cu_seqlens, p.cu_seqlens_type, i);
    if (at < before || (i == 0 && at != 0)) {
      return Fail(SIMDROPE_INVALID_ARGUMENT, "cu_seqlens[%lld] = %lld; it must begin at 0 and never fall",
                  static_cast<long long>(i), static_cast<long long>(at));
    }
    before = at;
  }
  if (before != seq) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "cu_seqlens ends at %lld, but there are %lld tokens",
                static_cast<long long>(before), static_cast<long long>(seq));
  }
  return SIMDROPE_OK;
}

simdrope_status CheckIds(const simdrope_positions& p, int64_t batch, int64_t seq) {
  if (p.ids_type < SIMDROPE_INDEX_I32 || p.ids_type > SIMDROPE_INDEX_F64) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "positions.ids_type = %d is none of the simdrope_index_type",
                static_cast<int>(p.ids_type));
  }
  if (p.ids_axes < 1 || p.ids_axes > SIMDROPE_MAX_AXES) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "positions.ids_axes = %d must be 1 to %d", p.ids_axes, SIMDROPE_MAX_AXES);
  }
  if (p.ids_batch != 1 && p.ids_batch != batch) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "positions.ids_batch = %lld, but the batch is %lld",
                static_cast<long long>(p.ids_batch), static_cast<long long>(batch));
  }
  if (p.ids_seq != seq && !(p.seq_stride == 0 && p.ids_seq == 1)) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "positions.ids_seq = %lld, but there are %lld tokens",
                static_cast<long long>(p.ids_seq), static_cast<long long>(seq));
  }
  return SIMDROPE_OK;
}

// Calls visit(axis, b, s, index into ids) for every id.
template <class Visit>
void ForIds(const simdrope_positions& p, int32_t axes, const Visit& visit) {
  for (int32_t a = 0; a < std::min(axes, p.ids_axes); ++a) {
    for (int64_t b = 0; b < p.ids_batch; ++b) {
      for (int64_t s = 0; s < p.ids_seq; ++s) {
        visit(a, b, s, a * p.axis_stride + b * p.batch_stride + s * p.seq_stride);
      }
    }
  }
}

bool IsPaddingAt(const simdrope_positions& p, int64_t b, int64_t s) {
  if (!p.padding || p.ids == nullptr) return false;
  const int64_t index = b * p.batch_stride + s * p.seq_stride;
  return HasRealIds(p) ? RealAt(p.ids, p.ids_type, index) == -1.0 : IntegerAt(p.ids, p.ids_type, index) == -1;
}

struct Sum {
  int64_t least = 0;
  int64_t greatest = 0;
  bool any = false;
  void Include(int64_t value) {
    least = any ? std::min(least, value) : value;
    greatest = any ? std::max(greatest, value) : value;
    any = true;
  }
};

// start + offset of the sequences, and the ids or token numbers, each as a range.
Sum BaseRange(const simdrope_positions& p) {
  Sum base;
  if (p.offsets == nullptr) base.Include(0);
  for (int64_t i = 0; p.offsets != nullptr && i < p.offsets_count; ++i) {
    base.Include(IntegerAt(p.offsets, p.offsets_type, i));
  }
  return base;
}

Sum TermRange(const simdrope_positions& p, int64_t seq, int32_t axes) {
  Sum term;
  if (p.ids != nullptr) {
    ForIds(p, axes, [&](int32_t, int64_t b, int64_t s, int64_t index) {
      if (!IsPaddingAt(p, b, s)) term.Include(IntegerAt(p.ids, p.ids_type, index));
    });
  } else if (seq > 0) {
    term.Include(0);
    term.Include(seq - 1);  // an upper bound with cu_seqlens
  }
  return term;
}

}  // namespace

simdrope_status CheckPositions(const simdrope_positions& p, int64_t batch, int64_t seq) {
  if (p.cu_seqlens != nullptr) SIMDROPE_TRY(CheckCuSeqlens(p, batch, seq));
  if (p.offsets != nullptr) {
    SIMDROPE_TRY(CheckIntegerType("positions.offsets_type", p.offsets_type));
    const int64_t sequences = p.cu_seqlens != nullptr ? p.sequences : batch;
    if (p.offsets_count != sequences) {
      return Fail(SIMDROPE_INVALID_ARGUMENT, "positions.offsets_count = %lld, but there are %lld sequences",
                  static_cast<long long>(p.offsets_count), static_cast<long long>(sequences));
    }
  }
  if (p.ids != nullptr) SIMDROPE_TRY(CheckIds(p, batch, seq));
  if (p.padding && p.ids == nullptr && seq > 0) {
    return Fail(SIMDROPE_INVALID_ARGUMENT, "positions.padding is declared, but there are no ids");
  }
  if (HasRealIds(p)) {
    simdrope_status status = SIMDROPE_OK;
    ForIds(p, p.ids_axes, [&](int32_t a, int64_t b, int64_t s, int64_t index) {
      const double value = RealAt(p.ids, p.ids_type, index);
      if (std::isfinite(value) || status != SIMDROPE_OK) return;
      status = Fail(SIMDROPE_INVALID_ARGUMENT, "positions.ids[%d, %lld, %lld] = %g is not finite", a,
                    static_cast<long long>(b), static_cast<long long>(s), value);
    });
    return status;
  }
  if (p.start == 0 && p.offsets == nullptr) return SIMDROPE_OK;
  const Sum base = BaseRange(p);
  const Sum term = TermRange(p, seq, p.ids_axes);
  if (!base.any || !term.any) return SIMDROPE_OK;
  int64_t least, greatest;
  if (__builtin_add_overflow(p.start, base.least, &least) || __builtin_add_overflow(least, term.least, &least) ||
      __builtin_add_overflow(p.start, base.greatest, &greatest) ||
      __builtin_add_overflow(greatest, term.greatest, &greatest)) {
    return Fail(
        SIMDROPE_INVALID_ARGUMENT, "positions overflow: start = %lld, offsets %lld to %lld, ids or tokens %lld to %lld",
        static_cast<long long>(p.start), static_cast<long long>(base.least), static_cast<long long>(base.greatest),
        static_cast<long long>(term.least), static_cast<long long>(term.greatest));
  }
  return SIMDROPE_OK;
}

bool IsSharedByBatch(const simdrope_positions& p) {
  return p.offsets == nullptr && (p.ids == nullptr || p.ids_batch == 1);
}

bool RangeOf(const simdrope_positions& p, int64_t batch, int64_t seq, int32_t axes, PositionRange* range) {
  const Sum base = BaseRange(p);
  const Sum term = TermRange(p, seq, axes);
  if (batch == 0 || !base.any || !term.any) return false;
  *range = {p.start + base.least + term.least, p.start + base.greatest + term.greatest};
  return true;
}

double RealReach(const simdrope_positions& p, int64_t batch, int64_t seq, int32_t axes) {
  double term = 0;
  if (HasRealIds(p)) {
    ForIds(p, axes, [&](int32_t, int64_t, int64_t, int64_t index) {
      term = std::max(term, std::fabs(RealAt(p.ids, p.ids_type, index)));
    });
    const Sum base = BaseRange(p);
    return term + std::fabs(static_cast<double>(p.start)) +
           std::max(std::fabs(static_cast<double>(base.least)), std::fabs(static_cast<double>(base.greatest)));
  }
  PositionRange range;
  if (!RangeOf(p, batch, seq, axes, &range)) return 0;
  return std::max(std::fabs(static_cast<double>(range.least)), std::fabs(static_cast<double>(range.greatest)));
}

int64_t TokenPositions::CountUp(int64_t most) const {
  if (p_->ids == nullptr && p_->cu_seqlens == nullptr) return most;
  TokenPositions token = *this;
  for (int64_t run = 1; run < most; ++run) {
    const int64_t before = token.on_axis(0);
    token.MoveTo(batch_, token_ + run);
    if (before == INT64_MAX || token.on_axis(0) != before + 1) return run;
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
