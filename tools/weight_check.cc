#include "weight_check.h"

#include <algorithm>
#include <numeric>

#include "failure.h"
#include "layer_sizes.h"
#include "permutation.h"
#include "printable.h"
#include "projection_names.h"

namespace simdrope::tool {
namespace {

using Kind = NameMeaning::Kind;

std::string ShapeText(const std::vector<int64_t>& shape) {
  std::string text;
  for (const int64_t extent : shape) text += (text.empty() ? "" : ", ") + std::to_string(extent);
  return "[" + text + "]";
}

int64_t Elements(const std::vector<int64_t>& shape) {
  return std::accumulate(shape.begin(), shape.end(), int64_t{1}, std::multiplies<>());
}

bool IsNorm(RowForm form) { return form == RowForm::kQueryNorm || form == RowForm::kKeyNorm; }

// Of how many heads the rows are made; 0: of no known number.
int64_t HeadsIn(RowForm form, const HeadSizes& sizes) {
  switch (form) {
    case RowForm::kQuery: return sizes.q_heads;
    case RowForm::kGatedQuery: return 2 * sizes.q_heads;
    case RowForm::kKey: return sizes.k_heads;
    case RowForm::kQueryNorm:
    case RowForm::kKeyNorm: return 1;
    case RowForm::kBlocks:
    case RowForm::kGroups: return sizes.q_heads + 2 * sizes.k_heads;
    case RowForm::kPartitions: return 3 * sizes.q_heads;
    case RowForm::kLatentKey:
    case RowForm::kFused: break;
  }
  return 0;
}

bool HeadsAreKnown(RowForm form, const HeadSizes& sizes) {
  switch (form) {
    case RowForm::kQuery:
    case RowForm::kQueryNorm:
    case RowForm::kGatedQuery: return sizes.q_heads != 0;
    case RowForm::kKey:
    case RowForm::kKeyNorm: return sizes.k_heads != 0;
    case RowForm::kLatentKey: return true;
    default: return sizes.q_heads != 0 && sizes.k_heads != 0;
  }
}

class Checker {
 public:
  explicit Checker(const io::Model& model) : model_(model), sizes_(SizesOfModel(model, "", model.model_type)) {}

  WeightCheck Check(const std::vector<io::TensorShape>& shapes) {
    for (const io::TensorShape& tensor : shapes) {
      if (out_.files.empty() || out_.files.back() != tensor.file) out_.files.push_back(tensor.file);
      CheckOne(tensor);
    }
    return std::move(out_);
  }

 private:
  void CheckOne(const io::TensorShape& tensor) {
    const NameMeaning meaning = MeaningOf(tensor.name);
    if (meaning.kind == Kind::kUnknown) out_.left.push_back(tensor.name);
    if (meaning.kind != Kind::kRows) return;
    const HeadSizes* sizes = SizesOfLayer(sizes_, meaning.layer);
    if (sizes == nullptr) return;  // a layer that does not rotate
    const RowForm form = FormOf(meaning.form, model_);
    const std::vector<int64_t>& shape = tensor.shape;
    const bool is_column = meaning.is_weight && shape.size() == 2 && shape[1] == 1;  // 4-bit weights of bitsandbytes
    if (tensor.packed || is_column || form == RowForm::kFused || !HeadsAreKnown(form, *sizes)) {
      out_.left.push_back(tensor.name);
      return;
    }
    ++out_.checked;
    const std::string fault = FaultOf(tensor, form, *sizes);
    if (!fault.empty()) out_.mismatches.push_back({tensor, fault});
  }

  // "": it is as the config implies.
  std::string FaultOf(const io::TensorShape& tensor, RowForm form, const HeadSizes& sizes) const {
    const std::string name = "'" + Printable(tensor.name) + "' " + ShapeText(tensor.shape);
    if (tensor.shape.empty() || tensor.shape.size() > 2) {
      return Text("tensor ", name, " has ", tensor.shape.size(), " dimensions, not 1 or 2");
    }
    const int64_t rows = IsNorm(form) ? Elements(tensor.shape) : tensor.shape[0];
    if (rows <= 0) return Text("tensor ", name, " is empty");
    if (form == RowForm::kLatentKey && model_.kv_lora_rank != 0 && rows != model_.kv_lora_rank + sizes.rotary_dim) {
      return Text("tensor ", name, " has ", rows, " rows, not a latent of ", model_.kv_lora_rank,
                  " (key \"kv_lora_rank\") and ", sizes.rotary_dim, " rotated ones", Why("rotary_dim"));
    }
    try {
      SourceRows(name, form, rows, sizes, half, interleaved);
      return "";
    } catch (const Failure& failure) {
      return failure.what() + Why("head_dim") + Fitting(rows, form, sizes);
    }
  }

  std::string Why(std::string_view fact) const {
    for (const io::Origin& origin : model_.origins) {
      if (origin.fact == fact) return Text(" (", fact, ": ", origin.why, ")");
    }
    return "";
  }

  // A head_dim that the same numbers of heads would fit.
  static std::string Fitting(int64_t rows, RowForm form, const HeadSizes& sizes) {
    const int64_t heads = HeadsIn(form, sizes);
    if (heads == 0 || rows % heads != 0 || rows / heads % 2 != 0) return "";
    return Text("; heads of ", rows / heads, " would fit");
  }

  const io::Model& model_;
  std::vector<LayerSizes> sizes_;
  WeightCheck out_;
};

}  // namespace

WeightCheck CheckWeights(const io::Model& model, const std::vector<io::TensorShape>& shapes) {
  return Checker(model).Check(shapes);
}

}  // namespace simdrope::tool
