#include "io/hf_scaling.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <span>

#include "io/bytes.h"
#include "io/reject.h"

namespace simdrope::io {
namespace {

double require(Keys& rope, std::string_view name, std::string_view type) {
  const std::optional<double> value = rope.number({name});
  if (!value) reject("key ", rope.path_of(name), " is missing; rope_type ", in_quotes(type), " wants it");
  return *value;
}

// Of the family alone: what it means beyond the default is in read_axes.
bool is_own_type(const HfContext& context, std::string_view type) {
  return any_word(context.family->rope_types, [&](std::string_view known) { return known == type; });
}

std::string rope_type_of(Keys& rope, const HfContext& context) {
  const auto canonical = [&](std::string type) {
    if (type == "3D" && is_own_type(context, type)) return std::string("default");
    if (type == "su") return std::string("longrope");
    if (type == "mrope" || type == "axial" || type == "mllama4") return std::string("default");
    if (type == "xdrope") return std::string(rope.has("alpha") ? "dynamic" : "default");  // Hunyuan-VL
    return type;
  };
  const std::optional<std::string> named = rope.text({"rope_type"});
  const std::optional<std::string> old = rope.text({"type"});
  if (!named && !old) return "default";
  std::string type = canonical(named ? *named : *old);
  if (named && old && canonical(*old) != type) {
    context.warnings->push_back("key " + rope.path_of("type") + " is " + in_quotes(*old) + ", but rope_type " +
                                in_quotes(*named) + " counts");
  }
  return type;
}

int64_t original_length(Keys& rope, const HfContext& context, std::string_view type) {
  const std::optional<int64_t> own = rope.integer({"original_max_position_embeddings"});
  if (context.original_max_position != 0) return context.original_max_position;
  if (own) return *own;
  if (context.max_position != 0) return context.max_position;
  reject("key ", rope.path_of("original_max_position_embeddings"), " is missing, and max_position_embeddings too; ",
         "rope_type ", in_quotes(type), " wants one");
}

std::vector<double> read_list(Keys& rope, std::string_view name, int32_t pairs) {
  std::optional<std::vector<double>> list = rope.numbers({name});
  if (!list) reject("key ", rope.path_of(name), " is missing; rope_type \"longrope\" wants it");
  if (list->size() != static_cast<size_t>(pairs)) {
    reject("key ", rope.path_of(name), " has ", list->size(), " numbers for ", pairs, " pairs");
  }
  return *std::move(list);
}

void read_llama3(Keys& rope, const HfContext& context, simdrope_scaling& s) {
  s.type = SIMDROPE_SCALING_LLAMA3;
  s.factor = require(rope, "factor", "llama3");
  s.low_freq_factor = require(rope, "low_freq_factor", "llama3");
  s.high_freq_factor = require(rope, "high_freq_factor", "llama3");
  s.original_max_position = original_length(rope, context, "llama3");
}

void read_dynamic(Keys& rope, const HfContext& context, simdrope_scaling& s) {
  const double factor = require(rope, "factor", "dynamic");
  // Hunyuan: a fixed stretch of theta in place of a growing one.
  if (const std::optional<double> alpha = rope.number({"alpha"}); alpha && *alpha != 0) {
    s.type = SIMDROPE_SCALING_NTK;
    s.factor = *alpha;
    return;
  }
  s.type = SIMDROPE_SCALING_DYNAMIC;
  s.factor = factor;
  if (context.max_position == 0) reject("key \"max_position_embeddings\" is missing; rope_type \"dynamic\" wants it");
  s.original_max_position = context.max_position;
  const std::optional<int64_t> original = rope.integer({"original_max_position_embeddings"});
  if (original && *original != context.max_position) {
    context.warnings->push_back("key " + rope.path_of("original_max_position_embeddings") +
                                " is not used with rope_type \"dynamic\"; max_position_embeddings = " +
                                std::to_string(context.max_position) + " counts");
  }
}

// An explicit 0 counts, as in transformers.
void read_attention_factor(Keys& rope, simdrope_scaling& s) {
  const std::optional<double> given = rope.number({"attention_factor"});
  s.attention_factor = given.value_or(0);
  s.attention_factor_given = given == 0.0;
}

void read_yarn(Keys& rope, const HfContext& context, simdrope_scaling& s) {
  s.type = SIMDROPE_SCALING_YARN;
  s.original_max_position = original_length(rope, context, "yarn");
  s.max_position = context.max_position;
  if (const std::optional<double> factor = rope.number({"factor"})) {
    s.factor = *factor;
  } else if (context.max_position != 0 && s.original_max_position != 0) {
    s.factor = static_cast<double>(context.max_position) / static_cast<double>(s.original_max_position);
  }
  read_attention_factor(rope, s);
  s.beta_fast = rope.number({"beta_fast"}).value_or(0);
  s.beta_slow = rope.number({"beta_slow"}).value_or(0);
  s.truncate = rope.boolean({"truncate"}).value_or(true);
  s.mscale = rope.number({"mscale"}).value_or(0);
  s.mscale_all_dim = rope.number({"mscale_all_dim"}).value_or(0);
}

double yarn_magnitude(double factor, double mscale) {
  return factor <= 1 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

// What vLLM knows of YaRN and transformers does not.
void read_vllm_yarn(Keys& rope, const HfContext& context, const std::string& type, simdrope_scaling& s) {
  const double extrapolation = rope.number({"extrapolation_factor"}).value_or(1);
  if (!(extrapolation >= 0)) reject("key ", rope.path_of("extrapolation_factor"), " is ", extrapolation, ", below 0");
  if (extrapolation == 0) {  // no pair keeps its frequency
    s.type = SIMDROPE_SCALING_LINEAR;
    if (s.attention_factor == 0 && !s.attention_factor_given) s.attention_factor = yarn_magnitude(s.factor, 1);
  } else if (extrapolation != 1) {
    s.extrapolation_factor = extrapolation;
  }
  const double attention = rope.number({"attn_factor"}).value_or(1);
  if (type == "deepseek_yarn" || type == "deepseek_llama_scaling") {
    s.attention_factor =
        yarn_magnitude(s.factor, s.mscale == 0 ? 1 : s.mscale) / yarn_magnitude(s.factor, s.mscale_all_dim) * attention;
    return;
  }
  if (type == "telechat3-yarn") {
    s.attention_factor = yarn_magnitude(s.factor, 0.7) * attention;
    return;
  }
  if (attention != 1) {
    context.warnings->push_back("key " + rope.path_of("attn_factor") +
                                " is not used, as in transformers; vLLM multiplies its attention factor by it");
  }
  if (!rope.boolean({"apply_yarn_scaling"}).value_or(true)) s.attention_factor = 1;
}

// vLLM's and GTE's: inv_freq[i] = theta^(-2i / d) * factor^(-(2i + 2) / d).
void read_ntk(Keys& rope, int32_t pairs, double theta, Config& config) {
  const double factor = require(rope, "factor", "ntk");
  if (!(factor > 0)) reject("key ", rope.path_of("factor"), " is ", factor, ", not above 0");
  if (rope.has("mixed_b")) reject("key ", rope.path_of("mixed_b"), " is not understood");
  std::vector<double> inv_freq;
  inv_freq.reserve(static_cast<size_t>(pairs));
  for (int32_t i = 0; i < pairs; ++i) {
    inv_freq.push_back(std::pow(theta, -static_cast<double>(i) / pairs) * std::pow(factor, -(i + 1.0) / pairs));
  }
  config.scaling.type = SIMDROPE_SCALING_EXPLICIT;
  config.set_factors(std::move(inv_freq));
}

void read_longrope(Keys& rope, const HfContext& context, int32_t pairs, Config& config) {
  config.set_factors(read_list(rope, "short_factor", pairs));
  config.set_long_factors(read_list(rope, "long_factor", pairs));
  simdrope_scaling& s = config.scaling;
  s.type = SIMDROPE_SCALING_LONGROPE;
  s.original_max_position = original_length(rope, context, "longrope");
  s.max_position = context.max_position;
  s.factor = rope.number({"factor"}).value_or(0);
  read_attention_factor(rope, s);
  s.short_mscale = rope.number({"short_mscale"}).value_or(0);
  s.long_mscale = rope.number({"long_mscale"}).value_or(0);
}

// Two axes that take turns, in pairs of one frequency: column, row, column, row, ... (Kimi's MoonViT).
void alternate_axes(int32_t pairs, Config& config) {
  std::vector<uint8_t> pair_axis;
  std::vector<double> inv_freq;
  for (int32_t i = 0; i < pairs; ++i) {
    pair_axis.push_back(i % 2 == 0 ? 1 : 0);
    inv_freq.push_back(std::pow(config.theta, -(i - i % 2) / static_cast<double>(pairs)));
  }
  config.axes.count = 2;
  config.axes.layout = SIMDROPE_AXES_EXPLICIT;
  config.set_pair_axis(std::move(pair_axis));
  config.scaling.type = SIMDROPE_SCALING_EXPLICIT;
  config.set_factors(std::move(inv_freq));
}

void read_axes(Keys& rope, const HfContext& context, const std::string& type, int32_t pairs, Config& config) {
  const Family& family = *context.family;
  simdrope_axes& axes = config.axes;
  std::vector<double> sections;
  if (const auto given = rope.numbers({"mrope_section", "xdrope_section"})) {
    sections = *given;
  } else if (family.sections[0] != 0) {
    sections.assign(family.sections.begin(), family.sections.end());
  }
  const bool interleaved_axes =
      rope.boolean({"mrope_interleaved", "interleaved"}).value_or(family.layout == SIMDROPE_AXES_INTERLEAVED);
  if (family.grid_axes != 0 && family.layout == SIMDROPE_AXES_EXPLICIT) {
    if (config.scaling.type != SIMDROPE_SCALING_NONE) reject("axes that take turns, with rope_type ", in_quotes(type));
    return alternate_axes(pairs, config);
  }
  if (family.grid_axes != 0) {
    axes.count = family.grid_axes;
    axes.layout = family.layout;
    std::fill_n(axes.sections, axes.count, pairs / axes.count);
    return;
  }
  if (sections.empty()) return;
  if (sections.size() < 2 || sections.size() > SIMDROPE_MAX_AXES) {
    reject("key ", rope.path_of("mrope_section"), " has ", sections.size(), " numbers, not 2 to ", SIMDROPE_MAX_AXES);
  }
  axes.count = static_cast<int32_t>(sections.size());
  const bool is_ernie = family.layout == SIMDROPE_AXES_ALTERNATE;
  axes.layout = is_ernie || type == "video_rope" ? SIMDROPE_AXES_ALTERNATE
                : interleaved_axes               ? SIMDROPE_AXES_INTERLEAVED
                                                 : SIMDROPE_AXES_SECTIONS;
  double total = 0;
  for (const double section : sections) total += section;
  if (total != pairs) {
    reject("key ", rope.path_of("mrope_section"), " sums to ", static_cast<int64_t>(std::clamp(total, -1e9, 1e9)),
           ", but there are ", pairs, " pairs");
  }
  for (size_t axis = 0; axis < sections.size(); ++axis) {
    if (!(sections[axis] >= 0 && sections[axis] == std::floor(sections[axis]))) {
      reject("key ", rope.path_of("mrope_section"), " has an entry that is no count");
    }
    axes.sections[axis] = static_cast<int32_t>(sections[axis]);
  }
  // ERNIE's list is [H, W, T]; that of video_rope (Ming) begins with T.
  if (is_ernie) {
    std::rotate(axes.sections, axes.sections + axes.count - 1, axes.sections + axes.count);
  }
}

// Understood, but without effect on the type at hand.
constexpr std::string_view kOtherTypesKeys[] = {
    "attn_factor", "factor",          "attention_factor", "beta_fast",
    "beta_slow",   "mscale",          "mscale_all_dim",   "truncate",
    "alpha",       "low_freq_factor", "high_freq_factor", "short_factor",
    "long_factor", "short_mscale",    "long_mscale",      "original_max_position_embeddings"};

void warn_of_other_types_keys(Keys& rope, const HfContext& context, const std::string& type) {
  for (const std::string& name : rope.unread()) {
    if (std::find(std::begin(kOtherTypesKeys), std::end(kOtherTypesKeys), name) == std::end(kOtherTypesKeys)) continue;
    rope.ignore(name);
    context.warnings->push_back("key " + rope.path_of(name) + " has no effect with rope_type " + in_quotes(type));
  }
}

int32_t rotary_dim_of(Keys& rope, const HfContext& context, bool proportional, double fraction) {
  if (proportional) return context.head_dim - context.rotary_offset;
  if (context.rotary_dim != 0) return context.rotary_dim;
  if (!(fraction > 0 && fraction <= 1)) {
    reject("key ", rope.path_of("partial_rotary_factor"), ": the rotary part of a head is ", fraction,
           ", not above 0 and at most 1");
  }
  // Three axes leave the rest of a head that they do not divide (V-JEPA 2).
  const int32_t parts = context.family->grid_axes > 2 ? 2 * context.family->grid_axes : 1;
  const auto dim = static_cast<int32_t>(context.head_dim * fraction) / parts * parts;
  if (dim < 2 || dim % 2 != 0) {
    reject("a head of ", context.head_dim, " with a rotary part of ", fraction, " rotates ", dim,
           " elements; an even number from 2 on is wanted");
  }
  return dim;
}

}  // namespace

Config read_hf_rope(Keys& rope, const HfContext& context) {
  Config config;
  config.head_dim = context.head_dim;
  config.rotary_offset = context.rotary_offset;
  config.pairing = context.pairing;
  config.reversed = context.family->reversed;
  config.pairs_in_sections = context.family->pairs_in_sections;
  config.angle_order = context.family->angle_order;
  config.theta = rope.number({"rope_theta"}).value_or(context.theta);
  const std::string type = rope_type_of(rope, context);
  const double fraction = rope.number({"partial_rotary_factor"}).value_or(context.rotary_fraction);
  config.rotary_dim = rotary_dim_of(rope, context, type == "proportional", fraction);
  const int32_t pairs = config.rotary_dim / 2;
  if (pairs > SIMDROPE_MAX_PAIRS) reject("a head of ", context.head_dim, " is wider than ", SIMDROPE_MAX_HEAD_DIM);

  simdrope_scaling& scaling = config.scaling;
  if (type == "linear") {
    scaling.type = SIMDROPE_SCALING_LINEAR;
    scaling.factor = require(rope, "factor", type);
  } else if (type == "ntk") {
    read_ntk(rope, pairs, config.theta, config);
  } else if (type == "dynamic") {
    read_dynamic(rope, context, scaling);
  } else if (type == "llama3") {
    read_llama3(rope, context, scaling);
  } else if (type == "yarn" || type == "deepseek_yarn" || type == "deepseek_llama_scaling" ||
             type == "telechat3-yarn") {
    read_yarn(rope, context, scaling);
    read_vllm_yarn(rope, context, type, scaling);
  } else if (type == "longrope") {
    read_longrope(rope, context, pairs, config);
  } else if (type == "proportional") {
    scaling.type = SIMDROPE_SCALING_PROPORTIONAL;
    scaling.proportion = fraction;
    scaling.factor = rope.number({"factor"}).value_or(0);
  } else if (type != "default" && !is_own_type(context, type)) {
    reject("key ", rope.path_of("rope_type"), " is ", in_quotes(type), ", which is not known");
  }
  if (scaling.type == SIMDROPE_SCALING_DYNAMIC || scaling.type == SIMDROPE_SCALING_LONGROPE) {
    scaling.seq_len = context.seq_len;
  }
  read_axes(rope, context, type, pairs, config);

  if (const std::optional<double> beta = rope.number({"llama_4_scaling_beta"}); beta && *beta != 0) {
    config.temperature.beta = *beta;
    config.temperature.length = static_cast<double>(original_length(rope, context, type));
  }
  rope.integer({"max_position_embeddings"});  // Mistral repeats it here
  rope.boolean({"finetuned"});
  warn_of_other_types_keys(rope, context, type);
  return config;
}

}  // namespace simdrope::io
