#include "token_positions.h"

#include <algorithm>
#include <charconv>

#include "arrays.h"
#include "failure.h"

namespace simdrope::tool {
namespace {

using io::ElementType;

bool ParseInteger(const std::string& text, int64_t& value) {
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && at == end;
}

simdrope_index_type IndexTypeOf(ElementType type) {
  switch (type) {
    case ElementType::i32: return SIMDROPE_INDEX_I32;
    case ElementType::f32: return SIMDROPE_INDEX_F32;
    case ElementType::f64: return SIMDROPE_INDEX_F64;
    default: return SIMDROPE_INDEX_I64;
  }
}

bool IsInteger(ElementType type) { return type == ElementType::i32 || type == ElementType::i64; }

constexpr int64_t kMaxRange = int64_t{1} << 32;

}  // namespace

TokenPositions TokenPositions::Parse(const std::string& text, const std::string& cu_seqlens, bool padding) {
  TokenPositions positions;
  positions.padding_ = padding;
  const size_t colon = text.find(':');
  int64_t begin = 0, end = 0;
  if (ParseInteger(text, positions.start_)) {
  } else if (colon != std::string::npos && ParseInteger(text.substr(0, colon), begin) &&
             ParseInteger(text.substr(colon + 1), end)) {
    int64_t count;
    if (__builtin_sub_overflow(end, begin, &count) || count < 0 || count > kMaxRange) {
      Fail("--positions ", text, ": the end must follow the beginning, by at most 2^32");
    }
    positions.start_ = begin;
    positions.length_ = count;
  } else {
    positions.ids_ = ReadArray(text, "position_ids");
    const std::vector<int64_t>& shape = positions.ids_.shape;
    const ElementType type = positions.ids_.type;
    if (!IsInteger(type) && type != ElementType::f32 && type != ElementType::f64) {
      Fail(text, " holds ", io::name_of(type), "; position ids are i32, i64, f32 or f64");
    }
    if (shape.empty() || shape.size() > 3) {
      Fail(text, " has rank ", shape.size(), "; position ids are [seq], [batch, seq] or [axes, batch, seq]");
    }
    if (shape.size() == 3 && (shape[0] < 1 || shape[0] > SIMDROPE_MAX_AXES)) {
      Fail(text, " has ", shape[0], " axes of position; 1 to ", SIMDROPE_MAX_AXES, " can be");
    }
    positions.has_ids_ = true;
    positions.length_ = shape.back();
    if (shape.size() > 1) positions.ids_batch_ = shape[shape.size() - 2];
    if (shape.size() > 2) positions.ids_axes_ = shape[0];
  }
  if (!cu_seqlens.empty()) {
    positions.boundaries_ = ReadArray(cu_seqlens, "cu_seqlens");
    if (positions.boundaries_.shape.size() != 1 || !IsInteger(positions.boundaries_.type)) {
      Fail(cu_seqlens, ": cu_seqlens are [sequences + 1], of i32 or i64");
    }
    if (positions.boundaries_.shape[0] < 1) Fail(cu_seqlens, ": cu_seqlens are empty");
  }
  return positions;
}

TokenPositions TokenPositions::Of(const std::vector<int64_t>& ids) {
  TokenPositions positions;
  positions.has_ids_ = true;
  positions.length_ = static_cast<int64_t>(ids.size());
  positions.ids_ = io::Array::zeros(ElementType::i64, {*positions.length_});
  std::copy(ids.begin(), ids.end(), positions.ids_.data<int64_t>());
  return positions;
}

simdrope::Positions TokenPositions::view() const {
  simdrope::Positions view(start_);
  if (has_ids_) {
    view.ids = ids_.bytes.data();
    view.ids_type = IndexTypeOf(ids_.type);
    view.ids_axes = static_cast<int32_t>(ids_axes_);
    view.ids_batch = ids_batch_;
    view.ids_seq = *length_;
    view.axis_stride = ids_batch_ * *length_;
    view.batch_stride = ids_batch_ == 1 ? 0 : *length_;
  }
  if (is_packed()) {
    view.cu_seqlens = boundaries_.bytes.data();
    view.cu_seqlens_type = IndexTypeOf(boundaries_.type);
    view.sequences = boundaries_.shape[0] - 1;
  }
  view.padding = padding_;
  return view;
}

}  // namespace simdrope::tool
