#include "rope_arguments.h"

#include <algorithm>
#include <filesystem>

#include "failure.h"
#include "names.h"

namespace simdrope::tool {
namespace {

std::string LayerTypes(const io::Model& model) {
  std::string all;
  for (const io::LayerRope& rope : model.ropes) {
    all += (all.empty() ? "" : ", ") + (rope.layer_type.empty() ? "(unnamed)" : rope.layer_type);
  }
  return all;
}

template <class Value, class Field>
void Replace(const std::optional<Value>& given, Field& field) {
  if (given) field = *given;
}

void CheckFactors(const char* option, const std::vector<double>& given) {
  if (given.size() <= SIMDROPE_MAX_PAIRS) return;
  Fail(option, ": ", given.size(), " values, but at most ", SIMDROPE_MAX_PAIRS, " pairs");
}

}  // namespace

void RopeArguments::AddTo(CLI::App& app) {
  const std::string group = "Which RoPE";
  app.add_option("--config", config, "A model's config.json or .gguf; the options below replace its values")
      ->group(group);
  app.add_option("--layer-type", layer_type, "Kind of layer, where a model has several (sliding_attention, ...)")
      ->group(group);
  app.add_flag("--allow-unknown", allow_unknown, "Warn about RoPE keys that are not understood, instead of failing")
      ->group(group);
  app.add_option("--seq-len", seq_len, "Current length, for dynamic and longrope scaling")->group(group);
  app.add_option("--head-dim", head_dim, "Elements of one head")->group(group);
  app.add_option("--rotary-dim", rotary_dim, "Width of the rotated window; default: the rest of the head")
      ->group(group);
  app.add_option("--rotary-offset", rotary_offset, "First element of the window")->group(group);
  app.add_option("--theta", theta, "Base of the frequencies; default 10000")->group(group);
  app.add_option("--pairing", pairing, Choices(kPairings) + "; default half")->group(group);
  app.add_option("--precision", precision, Choices(kPrecisions) + "; default exact")->group(group);
  app.add_option("--scaling", scaling, Choices(kScalings))->group(group);
  app.add_option("--factor", factor, "Context extension of the scaling")->group(group);
  app.add_option("--attention-factor", attention_factor, "Multiplies cos and sin")->group(group);
  app.add_option("--original-max-position", original_max_position, "Trained context length")->group(group);
  app.add_option("--max-position", max_position, "Extended context length")->group(group);
  app.add_option("--low-freq-factor", low_freq_factor, "llama3")->group(group);
  app.add_option("--high-freq-factor", high_freq_factor, "llama3")->group(group);
  app.add_option("--beta-fast", beta_fast, "yarn; default 32")->group(group);
  app.add_option("--beta-slow", beta_slow, "yarn; default 1")->group(group);
  app.add_flag("--no-truncate", no_truncate, "yarn: do not round the correction range")->group(group);
  app.add_option("--mscale", mscale, "yarn")->group(group);
  app.add_option("--mscale-all-dim", mscale_all_dim, "yarn")->group(group);
  app.add_option("--proportion", proportion, "proportional: part of the head that turns")->group(group);
  app.add_option("--factors", factors, "longrope (short list), freq_factors or explicit: a value for each pair")
      ->delimiter(',')
      ->group(group);
  app.add_option("--long-factors", long_factors, "longrope: a value for each pair")->delimiter(',')->group(group);
}

RopeChoice RopeArguments::ResolveFile(const std::string& path) const {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) Fail(path, ": no such file");
  io::ReadOptions options;
  options.allow_unknown = allow_unknown;
  options.seq_len = seq_len.value_or(0);
  const io::Model model = Require(io::read_model(path, options), path);

  RopeChoice choice;
  choice.model_type = model.model_type;
  choice.max_position = model.max_position;
  choice.q_heads = model.q_heads;
  choice.k_heads = model.k_heads;
  choice.warnings = model.warnings;
  const io::LayerRope* rope = model.find(layer_type);
  if (rope == nullptr && layer_type.empty()) Fail(path, ": no layer of this model uses RoPE");
  if (rope == nullptr) Fail(path, ": no layer type '", layer_type, "'; the model has ", LayerTypes(model));
  if (!rope->rotary) Fail(path, ": layers of type '", rope->layer_type, "' use no RoPE");
  choice.layer_type = rope->layer_type;
  for (const io::LayerRope& each : model.ropes) choice.layer_types.push_back(each.layer_type);
  choice.config = rope->config;
  return choice;
}

RopeChoice RopeArguments::Resolve(int64_t head_dim_of_array) const {
  RopeChoice choice;
  if (!config.empty()) {
    choice = ResolveFile(config);
  } else if (!layer_type.empty()) {
    Fail("--layer-type wants --config");
  }
  Config& c = choice.config;
  if (c.head_dim == 0 && head_dim_of_array <= SIMDROPE_MAX_HEAD_DIM)
    c.head_dim = static_cast<int32_t>(head_dim_of_array);
  Replace(head_dim, c.head_dim);
  Replace(rotary_dim, c.rotary_dim);
  Replace(rotary_offset, c.rotary_offset);
  Replace(theta, c.theta);
  if (!pairing.empty()) c.pairing = Parse(kPairings, "--pairing", pairing);
  if (c.pairing == interleaved) c.split = 0;
  if (!precision.empty()) c.precision = Parse(kPrecisions, "--precision", precision);

  simdrope_scaling& s = c.scaling;
  if (!scaling.empty()) s.type = Parse(kScalings, "--scaling", scaling);
  Replace(factor, s.factor);
  Replace(attention_factor, s.attention_factor);
  Replace(original_max_position, s.original_max_position);
  Replace(max_position, s.max_position);
  Replace(seq_len, s.seq_len);
  Replace(low_freq_factor, s.low_freq_factor);
  Replace(high_freq_factor, s.high_freq_factor);
  Replace(beta_fast, s.beta_fast);
  Replace(beta_slow, s.beta_slow);
  Replace(mscale, s.mscale);
  Replace(mscale_all_dim, s.mscale_all_dim);
  Replace(proportion, s.proportion);
  if (no_truncate) s.truncate = false;
  CheckFactors("--factors", factors);
  CheckFactors("--long-factors", long_factors);
  if (!factors.empty()) c.set_factors(factors);
  if (!long_factors.empty()) c.set_long_factors(long_factors);

  Replace(max_position, choice.max_position);
  if (choice.max_position == 0) choice.max_position = s.max_position;
  if (choice.max_position == 0 && s.original_max_position > 0) {
    choice.max_position = static_cast<int64_t>(static_cast<double>(s.original_max_position) * std::max(1.0, s.factor));
  }
  return choice;
}

Rope Compile(const Config& config, const std::string& about) {
  if (config.head_dim == 0) Fail("--head-dim or --config is needed");
  return Require(Rope::create(config), about);
}

}  // namespace simdrope::tool
