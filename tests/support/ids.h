// Positions in every form, next to a plain way of asking where a token stands.
#ifndef SIMDROPE_TESTS_SUPPORT_IDS_H_
#define SIMDROPE_TESTS_SUPPORT_IDS_H_

#include <cstdint>
#include <memory>
#include <simdrope/simdrope.hpp>
#include <vector>

#include "support/random.h"

namespace testing {

// Integers held as int32 or as int64.
class Integers {
 public:
  Integers() = default;
  Integers(std::vector<int64_t> values, bool wide)
      : values_(std::move(values)), narrow_(values_.begin(), values_.end()), wide_(wide) {}
  const void* data() const { return wide_ ? static_cast<const void*>(values_.data()) : narrow_.data(); }
  simdrope_index_type type() const { return wide_ ? SIMDROPE_INDEX_I64 : SIMDROPE_INDEX_I32; }
  int64_t operator[](int64_t i) const { return values_[static_cast<size_t>(i)]; }
  int64_t size() const { return static_cast<int64_t>(values_.size()); }

 private:
  std::vector<int64_t> values_;
  std::vector<int32_t> narrow_;
  bool wide_ = true;
};

enum class IdsForm { kStart, kOffsets, kShared, kPerToken, kOnePerSequence, kPacked, kPackedOffsets };
inline constexpr IdsForm kIdsForms[] = {IdsForm::kStart,         IdsForm::kOffsets, IdsForm::kShared,
                                        IdsForm::kPerToken,      IdsForm::kPacked,  IdsForm::kPackedOffsets,
                                        IdsForm::kOnePerSequence};

// What to draw positions from.
struct IdsDraw {
  IdsForm form = IdsForm::kStart;
  int64_t batch = 1;
  int64_t seq = 1;
  int axes = 1;
  int64_t least = 0;  // of a position
  int64_t greatest = 1;
  bool padding = false;  // some ids are -1, declared as padding
};

class Ids {
 public:
  // Packed forms want batch 1. Every position is within the draw's range, plus the token's number
  // where the form counts tokens.
  Ids(const IdsDraw& draw, Random* random);

  // Points into this object; moving it keeps that valid.
  const simdrope::Positions& view() const { return view_; }
  int64_t At(int axis, int64_t b, int64_t s) const;
  bool IsPadding(int64_t b, int64_t s) const;
  // The same of axis `axis_of[i]`, for each i.
  std::vector<double> OfPairs(const uint8_t* axis_of, int pairs, int64_t b, int64_t s) const;

 private:
  IdsDraw draw_;
  int64_t start_ = 0;
  Integers ids_;      // [axes, batch or 1, seq or 1]
  Integers offsets_;  // [batch or sequences]
  Integers cu_;
  simdrope::Positions view_;
};

}  // namespace testing

#endif  // SIMDROPE_TESTS_SUPPORT_IDS_H_
