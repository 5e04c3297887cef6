// Which tensors of a model file hold rows of Q or K, by their names.
#ifndef SIMDROPE_TOOLS_PROJECTION_NAMES_H_
#define SIMDROPE_TOOLS_PROJECTION_NAMES_H_

#include <optional>
#include <string>
#include <string_view>

#include "permutation.h"

namespace simdrope::tool {

// What a tensor's name says of it.
struct NameMeaning {
  enum class Kind {
    kOther,      // nothing about Q or K
    kRows,       // its rows are those of `form`
    kScale,      // a scale of the tensor `of`, whose rows are those of `form`
    kElsewhere,  // Q or K of a part that this RoPE does not turn (a tower, cross-attention); left alone
    kUnknown,    // reads like Q or K, but by no known rule: must not be passed over
  };
  Kind kind = Kind::kOther;
  RowForm form = RowForm::kQuery;
  bool is_weight = false;  // a projection, not its bias or a norm
  std::optional<int64_t> layer;
  std::string block;  // what stands before the projection's own name: Q and K of one attention have it in common
  std::string of;
  std::string reason;  // of kElsewhere and kUnknown
};

NameMeaning MeaningOf(std::string_view name);

}  // namespace simdrope::tool

#endif  // SIMDROPE_TOOLS_PROJECTION_NAMES_H_
