#include "io/hf_layers.h"

#include <algorithm>
#include <cmath>

#include "io/bytes.h"
#include "io/reject.h"

namespace simdrope::io {
namespace {

constexpr size_t kMaxKinds = 16;

// Keys that give the length of a period, or its letters: "LLLG".
constexpr std::string_view kPeriodKeys[] = {"sliding_window_pattern",
                                            "_sliding_window_pattern",
                                            "global_attn_every_n_layers",
                                            "full_attention_interval",
                                            "no_rope_layer_interval",
                                            "nope_layer_interval",
                                            "mamba_step",
                                            "layer_group_size"};

// Layer types of any family, where it has no Kind that says more.
constexpr std::string_view kRotating =
    "full_attention sliding_attention chunked_attention attention self_attention deepseek_sparse_attention hybrid "
    "hybrid_sliding window_attention minimax_m3_sparse rope compressed_attention";
constexpr std::string_view kNotRotating =
    "linear_attention conv mamba mamba2 recurrent moe mlp cross_attention no_rope gated_deltanet kda";

class Layers {
 public:
  Layers(Keys& keys, const Family& family) : keys_(keys), family_(family) {
    const auto given =
        keys.integer({"num_hidden_layers", "n_layer", "n_layers", "num_layers", "num_transformer_layers"});
    count_ = given.value_or(keys.integer({"depth"}).value_or(0));
    told_ = count_;
    if (count_ > kMaxLayers) reject("key ", keys.path_of("num_hidden_layers"), " is ", count_, ", beyond ", kMaxLayers);
    if (count_ == 0 && !given) count_ = family.sizes.layers;
  }

  LayerKinds find() {
    if (family_.period.length != 0) {
      for (const std::string_view key : kPeriodKeys) keys_.ignore(key);
    }
    if (from_list(family_.list)) return std::move(out_);
    if (family_.layer_types && from_names("layer_types")) return std::move(out_);
    if (family_.period.length != 0) return from_period();
    if (!family_.list.absent.empty()) return from_absent_list();
    return {};
  }

 private:
  void add(std::string_view name, int64_t layer) {
    auto kind =
        std::find_if(out_.kinds.begin(), out_.kinds.end(), [&](const LayerKind& known) { return known.name == name; });
    if (kind == out_.kinds.end()) {
      if (out_.kinds.size() == kMaxKinds) reject("more than ", kMaxKinds, " layer types");
      kind = out_.kinds.insert(kind, LayerKind{std::string(name), {}});
    }
    kind->layers.push_back(static_cast<int>(layer));
  }

  // Lists may go on for the layers of multi-token prediction.
  void check_length(size_t size, std::string_view key) const {
    if (size > static_cast<size_t>(kMaxLayers)) reject("key ", keys_.path_of(key), " is too long");
    if (static_cast<int64_t>(size) < told_) {
      reject("key ", keys_.path_of(key), " has ", size, " entries for ", told_, " layers");
    }
  }
  int64_t layers_of(size_t size) const { return told_ != 0 ? told_ : static_cast<int64_t>(size); }

  bool from_list(const LayerList& list) {
    if (list.key.empty()) return false;
    const Json* value = keys_.array(list.key);
    if (value == nullptr || value->empty()) return false;
    read(list, *value);
    out_.origin = "key " + keys_.path_of(list.key);
    return true;
  }

  void read(const LayerList& list, const Json& value) {
    if (list.form == LayerList::Form::names) return read_names(value, list.key, true);
    std::vector<double> numbers;
    for (const Json& entry : value) {
      if (!entry.is_number() && !entry.is_boolean()) {
        reject("key ", keys_.path_of(list.key), " has an entry that is no number");
      }
      numbers.push_back(entry.is_boolean() ? (entry.get<bool>() ? 1.0 : 0.0) : entry.get<double>());
    }
    if (list.form == LayerList::Form::flags) {
      check_length(numbers.size(), list.key);
      for (int64_t layer = 0; layer < layers_of(numbers.size()); ++layer) {
        add(numbers[static_cast<size_t>(layer)] != 0 ? list.listed : list.others, layer);
      }
      return;
    }
    if (count_ == 0) reject("key ", keys_.path_of("num_hidden_layers"), " is missing");
    for (const double layer : numbers) {
      if (!(layer >= 0 && layer < static_cast<double>(count_)) || layer != std::floor(layer)) {
        reject("key ", keys_.path_of(list.key), " names layer ", layer, ", but there are ", count_, " layers");
      }
    }
    for (int64_t layer = 0; layer < count_; ++layer) {
      const bool listed = std::find(numbers.begin(), numbers.end(), static_cast<double>(layer)) != numbers.end();
      add(listed ? list.listed : list.others, layer);
    }
  }

  void read_names(const Json& value, std::string_view key, bool repeats) {
    if (!repeats) check_length(value.size(), key);
    if (value.size() > static_cast<size_t>(kMaxLayers)) reject("key ", keys_.path_of(key), " is too long");
    for (int64_t layer = 0; layer < layers_of(value.size()); ++layer) {
      const Json& name = value[static_cast<size_t>(layer) % value.size()];
      if (!name.is_string()) reject("key ", keys_.path_of(key), " has an entry that is no string");
      add(name.get_ref<const std::string&>(), layer);
    }
  }

  bool from_names(std::string_view key) {
    const Json* list = keys_.array(key);
    if (list == nullptr || list->empty()) return false;
    read_names(*list, key, false);
    out_.origin = "key " + keys_.path_of(key);
    return true;
  }

  LayerKinds from_absent_list() {
    if (family_.list.form == LayerList::Form::names) told_ = count_;  // of as many layers as the class has
    read(family_.list, Json::parse(family_.list.absent));
    out_.origin = "the model type's default";
    return std::move(out_);
  }

  int64_t period() {
    for (const std::string_view name : kPeriodKeys) {
      const Json* value = keys_.any(name);
      if (value == nullptr) continue;
      out_.origin = "key " + keys_.path_of(name);
      // One letter a layer, the last one global.
      if (value->is_string()) return static_cast<int64_t>(value->get_ref<const std::string&>().size());
      const int64_t period = keys_.integer({name}).value();
      if (period == 0) reject("key ", keys_.path_of(name), " is 0");
      return period;
    }
    out_.origin = "the model type's default";
    return family_.period.length;
  }

  bool is_the_one(int64_t layer, int64_t period) const {
    switch (family_.period.phase) {
      case Period::Phase::last: return (layer + 1) % period == 0;
      case Period::Phase::first: return layer % period == 0;
      case Period::Phase::first_and_last: return layer == 0 || (layer + 1) % period == 0;
      case Period::Phase::from_the_end: return (count_ - 1 - layer) % period == 0;
      case Period::Phase::middle: return layer % period == period / 2;
      case Period::Phase::last_and_rest: return (layer + 1) % period == 0 || layer >= count_ / period * period;
    }
    return false;
  }

  LayerKinds from_period() {
    const int64_t length = period();
    for (int64_t layer = 0; layer < count_; ++layer) {
      add(is_the_one(layer, length) ? family_.period.one : family_.period.others, layer);
    }
    if (count_ == 0) {
      out_.kinds = {LayerKind{std::string(family_.period.one), {}}, LayerKind{std::string(family_.period.others), {}}};
    }
    return std::move(out_);
  }

  Keys& keys_;
  const Family& family_;
  int64_t told_ = 0;   // by the file
  int64_t count_ = 0;  // that, or the model type's default
  LayerKinds out_;
};

// Leading dense layers of a family in which they rotate become a kind of their own.
void split_dense(Keys& keys, LayerKinds& found) {
  const int64_t dense = keys.integer({"first_k_dense_replace"}).value_or(0);
  LayerKind leading{"dense_attention", {}};
  for (LayerKind& kind : found.kinds) {
    if (kind.name != "full_attention") continue;
    for (const int layer : kind.layers) {
      if (layer < dense) leading.layers.push_back(layer);
    }
    std::erase_if(kind.layers, [&](int layer) { return layer < dense; });
  }
  std::erase_if(found.kinds, [](const LayerKind& kind) { return kind.layers.empty(); });
  if (!leading.layers.empty()) found.kinds.insert(found.kinds.begin(), std::move(leading));
}

// Layers of one type with other thetas or windows become kinds of their own (lists of Step 3.5).
void split_by_lists(Keys& keys, LayerKinds& found) {
  const auto list_of = [&](std::string_view key) {
    const Json* value = keys.any(key);
    return value != nullptr && value->is_array() ? keys.numbers({key}).value() : std::vector<double>();
  };
  const std::vector<double> thetas = list_of("rope_theta");
  const std::vector<double> fractions = list_of("partial_rotary_factors");
  if (thetas.empty() && fractions.empty()) return;
  if (found.kinds.empty()) reject("key ", keys.path_of("rope_theta"), " is a list, but nothing tells the layers apart");
  const auto entry = [&](const std::vector<double>& list, int layer, std::string_view key) {
    if (list.empty()) return 0.0;
    if (static_cast<size_t>(layer) >= list.size()) {
      reject("key ", keys.path_of(key), " has ", list.size(), " entries, none for layer ", layer);
    }
    return list[static_cast<size_t>(layer)];
  };
  std::vector<LayerKind> split;
  for (const LayerKind& kind : found.kinds) {
    for (const int layer : kind.layers) {
      const double theta = entry(thetas, layer, "rope_theta");
      const double fraction = entry(fractions, layer, "partial_rotary_factors");
      auto at = std::find_if(split.begin(), split.end(), [&](const LayerKind& known) {
        return known.name == kind.name && known.theta == theta && known.fraction == fraction;
      });
      if (at == split.end()) {
        if (split.size() == kMaxKinds) reject("more than ", kMaxKinds, " kinds of layers");
        at = split.insert(split.end(), LayerKind{kind.name, {}, theta, fraction});
      }
      at->layers.push_back(layer);
    }
  }
  found.kinds = std::move(split);
}

bool is_among(std::string_view word, std::string_view list) {
  return any_word(list, [&](std::string_view known) { return known == word; });
}

}  // namespace

LayerKinds layer_kinds(Keys& keys, const Family& family) {
  LayerKinds found = Layers(keys, family).find();
  if (family.dense_rotates) split_dense(keys, found);
  split_by_lists(keys, found);
  return found;
}

bool rotates_nothing(std::string_view layer_type) { return is_among(layer_type, kNotRotating); }
bool rotates(std::string_view layer_type) { return is_among(layer_type, kRotating); }

}  // namespace simdrope::io
