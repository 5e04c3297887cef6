#include "io/hf_layers.h"

#include <algorithm>

#include "io/bytes.h"
#include "io/reject.h"

namespace simdrope::io {
namespace {

constexpr int64_t kMaxLayers = 4096;
constexpr size_t kMaxKinds = 16;

int64_t layer_count(Keys& keys) {
  const int64_t count = keys.integer({"num_hidden_layers", "n_layer", "n_layers", "num_layers", "depth"}).value_or(0);
  if (count > kMaxLayers) reject("key ", keys.path_of("num_hidden_layers"), " is ", count, ", beyond ", kMaxLayers);
  return count;
}

void add_layer(std::vector<LayerKind>& kinds, std::string_view name, int layer) {
  auto kind = std::find_if(kinds.begin(), kinds.end(), [&](const LayerKind& known) { return known.name == name; });
  if (kind == kinds.end()) {
    if (kinds.size() == kMaxKinds) reject("more than ", kMaxKinds, " layer types");
    kind = kinds.insert(kinds.end(), {std::string(name), {}});
  }
  kind->layers.push_back(layer);
}

std::vector<LayerKind> listed_kinds(const Json& list, const Keys& keys) {
  if (list.size() > static_cast<size_t>(kMaxLayers)) reject("key ", keys.path_of("layer_types"), " is too long");
  std::vector<LayerKind> kinds;
  for (size_t layer = 0; layer < list.size(); ++layer) {
    if (!list[layer].is_string()) reject("key ", keys.path_of("layer_types"), " has an entry that is no string");
    add_layer(kinds, list[layer].get_ref<const std::string&>(), static_cast<int>(layer));
  }
  return kinds;
}

int64_t full_period(Keys& keys, const HfFamily& family) {
  for (const std::string_view name :
       {"sliding_window_pattern", "_sliding_window_pattern", "global_attn_every_n_layers", "full_attention_interval"}) {
    const Json* value = keys.any(name);
    if (value == nullptr) continue;
    // "LLLG": one letter a layer, the last one global.
    if (value->is_string()) return static_cast<int64_t>(value->get_ref<const std::string&>().size());
    const int64_t period = keys.integer({name}).value();
    if (period == 0) reject("key ", keys.path_of(name), " is 0");
    return period;
  }
  return family.full_period;
}

bool is_full(int64_t layer, int64_t period, bool full_first) {
  return full_first ? layer % period == 0 : (layer + 1) % period == 0;
}

std::vector<LayerKind> periodic_kinds(Keys& keys, const HfFamily& family) {
  const int64_t period = full_period(keys, family);
  const int64_t count = layer_count(keys);
  std::vector<LayerKind> kinds;
  for (int64_t layer = 0; layer < count; ++layer) {
    const bool full = is_full(layer, period, family.full_first);
    add_layer(kinds, full ? "full_attention" : family.other_layers, static_cast<int>(layer));
  }
  if (count == 0) return {{"full_attention", {}}, {std::string(family.other_layers), {}}};
  return kinds;
}

std::vector<LayerKind> no_rope_kinds(Keys& keys, const HfFamily& family) {
  const int64_t period = keys.integer({"no_rope_layer_interval"}).value_or(family.full_period);
  if (period == 0) reject("key ", keys.path_of("no_rope_layer_interval"), " is 0");
  std::vector<LayerKind> kinds;
  const std::optional<std::vector<double>> uses_rope = keys.numbers({"no_rope_layers"});  // 1: it does, 0: not
  const int64_t count = layer_count(keys);
  if (uses_rope && !uses_rope->empty()) {
    if (uses_rope->size() > static_cast<size_t>(kMaxLayers)) {
      reject("key ", keys.path_of("no_rope_layers"), " is too long");
    }
    for (size_t layer = 0; layer < uses_rope->size(); ++layer) {
      add_layer(kinds, (*uses_rope)[layer] != 0 ? "rope" : kNoRope, static_cast<int>(layer));
    }
    return kinds;
  }
  for (int64_t layer = 0; layer < count; ++layer) {
    add_layer(kinds, is_full(layer, period, false) ? kNoRope : "rope", static_cast<int>(layer));
  }
  if (count == 0) return {{"rope", {}}, {std::string(kNoRope), {}}};
  return kinds;
}

}  // namespace

std::vector<LayerKind> layer_kinds(Keys& keys, const HfFamily& family) {
  if (family.kinds == LayerKinds::no_rope_layers) return no_rope_kinds(keys, family);
  if (const Json* list = keys.array("layer_types"); list != nullptr && !list->empty()) {
    return listed_kinds(*list, keys);
  }
  if (family.full_period == 0) return {};
  return periodic_kinds(keys, family);
}

}  // namespace simdrope::io
