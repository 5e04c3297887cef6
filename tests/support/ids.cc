#include "support/ids.h"

#include <algorithm>

namespace testing {
namespace {

bool IsShared(IdsForm form) { return form == IdsForm::kShared; }
bool HasIds(IdsForm form) {
  return form == IdsForm::kShared || form == IdsForm::kPerToken || form == IdsForm::kOnePerSequence;
}
bool IsPacked(IdsForm form) { return form == IdsForm::kPacked || form == IdsForm::kPackedOffsets; }

Integers Draw(int64_t count, int64_t least, int64_t greatest, Random* random) {
  std::vector<int64_t> values(static_cast<size_t>(count));
  for (int64_t& value : values) value = random->Int(least, greatest);
  const bool wide = random->Chance(2) || least < INT32_MIN || greatest > INT32_MAX;
  return Integers(std::move(values), wide);
}

// Sequence lengths that sum to `tokens`; some are empty.
Integers DrawCuSeqlens(int64_t tokens, Random* random) {
  std::vector<int64_t> cu = {0};
  while (cu.back() < tokens) cu.push_back(std::min(tokens, cu.back() + random->Int(0, 4)));
  if (random->Chance(3)) cu.push_back(tokens);
  return Integers(std::move(cu), random->Chance(2));
}

}  // namespace

Ids::Ids(const IdsDraw& draw, Random* random) : draw_(draw) {
  if (!HasIds(draw.form)) draw_.padding = false;
  if (draw.form == IdsForm::kStart) start_ = random->Int(draw.least, draw.greatest);
  if (IsPacked(draw.form)) {
    cu_ = DrawCuSeqlens(draw.seq, random);
    view_.cu_seqlens = cu_.data();
    view_.cu_seqlens_type = cu_.type();
    view_.sequences = cu_.size() - 1;
  }
  if (draw.form == IdsForm::kOffsets || draw.form == IdsForm::kPackedOffsets) {
    offsets_ = Draw(IsPacked(draw.form) ? cu_.size() - 1 : draw.batch, draw.least, draw.greatest, random);
    view_.offsets = offsets_.data();
    view_.offsets_type = offsets_.type();
    view_.offsets_count = offsets_.size();
  }
  if (HasIds(draw.form)) {
    const int64_t rows = IsShared(draw.form) ? 1 : draw.batch;
    const int64_t columns = draw.form == IdsForm::kOnePerSequence ? 1 : draw.seq;
    std::vector<int64_t> values;
    for (int64_t i = 0; i < draw.axes * rows * columns; ++i) {
      const bool pad = draw.padding && i < rows * columns && random->Chance(4);
      values.push_back(pad ? -1 : random->Int(draw.least, draw.greatest));
    }
    ids_ = Integers(std::move(values), random->Chance(2) || draw.least < INT32_MIN || draw.greatest > INT32_MAX);
    view_.ids = ids_.data();
    view_.ids_type = ids_.type();
    view_.ids_axes = draw.axes;
    view_.ids_batch = rows;
    view_.ids_seq = columns;
    view_.axis_stride = rows * columns;
    view_.batch_stride = columns;
    view_.seq_stride = draw.form == IdsForm::kOnePerSequence ? 0 : 1;
    view_.padding = draw_.padding;
  }
  view_.start = start_;
}

int64_t Ids::At(int axis, int64_t b, int64_t s) const {
  axis = std::min(axis, draw_.axes - 1);
  switch (draw_.form) {
    case IdsForm::kStart: return start_ + s;
    case IdsForm::kOffsets: return offsets_[b] + s;
    case IdsForm::kShared: return ids_[axis * draw_.seq + s];
    case IdsForm::kPerToken: return ids_[(axis * draw_.batch + b) * draw_.seq + s];
    case IdsForm::kOnePerSequence: return ids_[axis * draw_.batch + b];
    case IdsForm::kPacked:
    case IdsForm::kPackedOffsets: {
      int64_t sequence = 0;
      while (s >= cu_[sequence + 1]) ++sequence;
      return (draw_.form == IdsForm::kPacked ? 0 : offsets_[sequence]) + s - cu_[sequence];
    }
  }
  return 0;
}

bool Ids::IsPadding(int64_t b, int64_t s) const { return draw_.padding && At(0, b, s) == -1; }

std::vector<double> Ids::OfPairs(const uint8_t* axis_of, int pairs, int64_t b, int64_t s) const {
  std::vector<double> positions(static_cast<size_t>(pairs));
  for (int i = 0; i < pairs; ++i) positions[static_cast<size_t>(i)] = static_cast<double>(At(axis_of[i], b, s));
  return positions;
}

}  // namespace testing
