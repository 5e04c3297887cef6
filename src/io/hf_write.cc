#include <cmath>
#include <exception>
#include <new>
#include <simdrope/io.hpp>
#include <vector>

#include "io/hf_overrides.h"
#include "io/json.h"

namespace simdrope::io {
namespace {

int32_t rotary_dim_of(const simdrope_config& config) {
  return config.rotary_dim != 0 ? config.rotary_dim : config.head_dim - config.rotary_offset;
}

// `window` as a part of the head, so that a reader that truncates head_dim * fraction gets it back: 64 / 253 * 253 is
// below 64.
double fraction_for(int32_t window, int32_t head_dim) {
  double fraction = static_cast<double>(window) / head_dim;
  if (window > 0 && window < head_dim && fraction * head_dim < window) fraction = std::nextafter(fraction, 1.0);
  return fraction;
}

// A model type whose implementation pairs and assigns axes as `config` does, as far as one exists.
std::string model_type_for(const simdrope_config& config) {
  if (config.rotary_offset > 0) return "deepseek_v3";
  const bool half_pairs = config.pairing == SIMDROPE_HALF;
  if (config.axes.count > 1) {
    switch (config.axes.layout) {
      case SIMDROPE_AXES_SECTIONS: return half_pairs ? "qwen2_vl_text" : "glm4v_text";
      case SIMDROPE_AXES_INTERLEAVED: return "qwen3_vl_text";
      case SIMDROPE_AXES_ALTERNATE: return "ernie4_5_vl_moe_text";
      case SIMDROPE_AXES_STRIDED: return "pixtral";
      default: break;
    }
  }
  return half_pairs ? "llama" : "cohere";
}

void write_sections(const simdrope_axes& axes, OrderedJson& rope) {
  if (axes.count < 2 || axes.layout > SIMDROPE_AXES_ALTERNATE) return;
  std::vector<int32_t> sections(axes.sections, axes.sections + axes.count);
  if (axes.layout == SIMDROPE_AXES_ALTERNATE) {  // [H, W, T]
    sections.push_back(sections.front());
    sections.erase(sections.begin());
  }
  rope["mrope_section"] = sections;
  if (axes.layout == SIMDROPE_AXES_INTERLEAVED) rope["mrope_interleaved"] = true;
}

template <class Number>
void put_if_given(OrderedJson& object, const char* key, Number value) {
  if (value != 0) object[key] = value;
}

using OrderedTree = TreeOf<OrderedJson>;

// nlohmann's ordered objects copy their members when they grow, which is not safe where memory runs out.
OrderedJson object_with_room(size_t members) {
  OrderedJson object = OrderedJson::object();
  object.get_ref<OrderedJson::object_t&>().reserve(members);
  return object;
}
constexpr size_t kMostMembers = 32;  // of what is written here

// Child by child, so that what is there already is part of a tree that is freed without memory.
void copy_to(OrderedJson& to, const Json& from) {
  if (from.is_array()) {
    to = OrderedJson::array();
    to.get_ref<OrderedJson::array_t&>().reserve(from.size());
    for (const Json& value : from) copy_to(to.emplace_back(), value);
    return;
  }
  if (!from.is_object()) {
    to = OrderedJson(from);
    return;
  }
  to = object_with_room(from.size());
  for (const auto& [key, value] : from.items()) copy_to(to[key], value);
}

OrderedTree rope_parameters(const simdrope_config& config) {
  const simdrope_scaling& s = config.scaling;
  OrderedTree tree(object_with_room(kMostMembers));
  OrderedJson& rope = tree.root;
  const auto put_lists = [&] {
    const auto list = [&](const double* values) {
      const bool usable = values != nullptr && s.factor_count > 0 && s.factor_count <= SIMDROPE_MAX_PAIRS;
      return usable ? std::vector<double>(values, values + s.factor_count) : std::vector<double>();
    };
    rope["short_factor"] = list(s.factors);
    rope["long_factor"] = list(s.long_factors);
  };
  rope["rope_type"] = "default";
  rope["rope_theta"] = config.theta;
  const int32_t window = rotary_dim_of(config);
  if (config.rotary_offset == 0 && window != config.head_dim) {
    rope["partial_rotary_factor"] = fraction_for(window, config.head_dim);
  }
  switch (s.type) {
    case SIMDROPE_SCALING_LINEAR:
      rope["rope_type"] = "linear";
      rope["factor"] = s.factor;
      break;
    case SIMDROPE_SCALING_NTK:  // Hunyuan's way of saying it
      rope["rope_type"] = "dynamic";
      rope["factor"] = 1.0;
      rope["alpha"] = s.factor;
      break;
    case SIMDROPE_SCALING_DYNAMIC:
      rope["rope_type"] = "dynamic";
      rope["factor"] = s.factor;
      break;
    case SIMDROPE_SCALING_LLAMA3:
      rope["rope_type"] = "llama3";
      rope["factor"] = s.factor;
      rope["low_freq_factor"] = s.low_freq_factor;
      rope["high_freq_factor"] = s.high_freq_factor;
      rope["original_max_position_embeddings"] = s.original_max_position;
      break;
    case SIMDROPE_SCALING_YARN:
      rope["rope_type"] = "yarn";
      put_if_given(rope, "factor", s.factor);
      rope["original_max_position_embeddings"] = s.original_max_position;
      put_if_given(rope, "attention_factor", s.attention_factor);
      put_if_given(rope, "beta_fast", s.beta_fast);
      put_if_given(rope, "beta_slow", s.beta_slow);
      put_if_given(rope, "mscale", s.mscale);
      put_if_given(rope, "mscale_all_dim", s.mscale_all_dim);
      if (!s.truncate) rope["truncate"] = false;
      break;
    case SIMDROPE_SCALING_LONGROPE:
      rope["rope_type"] = "longrope";
      put_lists();
      rope["original_max_position_embeddings"] = s.original_max_position;
      put_if_given(rope, "factor", s.factor);
      put_if_given(rope, "attention_factor", s.attention_factor);
      put_if_given(rope, "short_mscale", s.short_mscale);
      put_if_given(rope, "long_mscale", s.long_mscale);
      break;
    case SIMDROPE_SCALING_PROPORTIONAL:
      rope["rope_type"] = "proportional";
      rope["partial_rotary_factor"] = s.proportion;
      put_if_given(rope, "factor", s.factor);
      break;
    default: break;
  }
  write_sections(config.axes, rope);
  const simdrope_temperature& t = config.temperature;
  if (t.beta != 0 && t.offset == 0 && t.length == static_cast<double>(s.original_max_position)) {
    rope["llama_4_scaling_beta"] = t.beta;
  }
  return tree;
}

std::string write(const simdrope_config& config) {
  OrderedTree tree(object_with_room(kMostMembers));
  OrderedJson& out = tree.root;
  out["model_type"] = model_type_for(config);
  out["head_dim"] = config.head_dim;
  if (config.rotary_offset > 0) {
    out["qk_nope_head_dim"] = config.rotary_offset;
    out["qk_rope_head_dim"] = rotary_dim_of(config);
    out["rope_interleave"] = config.pairing == SIMDROPE_INTERLEAVED;
  }
  const simdrope_scaling& s = config.scaling;
  const int64_t longest = s.type == SIMDROPE_SCALING_DYNAMIC ? s.original_max_position : s.max_position;
  if (longest > 0) out["max_position_embeddings"] = longest;
  OrderedTree parameters = rope_parameters(config);
  std::swap(out["rope_parameters"], parameters.root);

  // What that does not read back to is said in this library's own words.
  ReadOptions options;
  options.seq_len = s.seq_len;
  const Result<Model> read = parse_hf_config(out.dump(), options);
  if (read.status().code() == SIMDROPE_OUT_OF_MEMORY) throw std::bad_alloc();
  Config fallback;
  const bool readable = read.ok() && read->ropes.size() == 1;
  if (!readable) {
    OrderedTree none(OrderedJson::object());
    std::swap(out["rope_parameters"], none.root);
    fallback.head_dim = config.head_dim;
    fallback.rotary_dim = config.head_dim - config.head_dim % 2;
    if (config.head_dim % 2 != 0) {  // which no reader rotates whole
      out["rope_parameters"]["partial_rotary_factor"] = fraction_for(fallback.rotary_dim, config.head_dim);
    }
    fallback.pairing = model_type_for(config) == "llama" ? half : interleaved;
    out["model_type"] = fallback.pairing == half ? "llama" : "cohere";
    out.erase("qk_nope_head_dim");
    out.erase("qk_rope_head_dim");
    out.erase("rope_interleave");
  }
  simdrope_config wanted = config;
  wanted.rotary_dim = rotary_dim_of(config);
  const JsonTree overrides = write_overrides(wanted, readable ? read->ropes[0].config : fallback);
  if (!overrides.root.empty()) copy_to(out["simdrope"], overrides.root);
  return out.dump(2) + "\n";
}

}  // namespace

std::string to_hf_config(const simdrope_config& config) {
  try {
    return write(config);
  } catch (const std::exception&) {  // out of memory
    return {};
  }
}

}  // namespace simdrope::io
