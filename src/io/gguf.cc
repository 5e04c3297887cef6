#include "io/gguf.h"

#include <algorithm>
#include <cmath>

#include "io/family.h"
#include "io/gguf_file.h"
#include "io/reject.h"

namespace simdrope::io {
namespace {

class GgufReader {
 public:
  GgufReader(ByteSource source, const ReadOptions& options, const Families& families)
      : file_(std::move(source)), options_(options), families_(families) {}

  Model read() {
    const std::optional<std::string> name = file_.text("general.architecture");
    if (!name) reject("key \"general.architecture\" is missing");
    prefix_ = *name + ".";
    model_.model_type = *name;
    model_.source = "gguf";
    family_ = &family_of(*name);
    read_sizes();
    const std::string why = no_rope();
    if (!why.empty()) {
      note("rope", "none: " + why);
      add_nope("", {});
      for (const std::string& key : file_.unread(prefix_ + "rope.")) {
        model_.warnings.push_back("this model uses no RoPE; ignored: key " + in_quotes(key));
      }
      return std::move(model_);
    }
    note("rope", "architecture " + *name);
    if (head_dim_ == 0) {
      reject("no head size: neither key ", in_quotes(key("attention.key_length")), " nor ",
             in_quotes(key("embedding_length")), " and ", in_quotes(key("attention.head_count")));
    }
    const Config config = read_config();
    read_layers(config);
    if (!family_->note.empty()) note("note", std::string(family_->note));
    report_unread();
    for (const LayerRope& rope : model_.ropes) {
      if (!rope.rotary) continue;
      require_rope(rope.config);
    }
    return std::move(model_);
  }

 private:
  void note(std::string fact, std::string why) { model_.origins.push_back({std::move(fact), std::move(why)}); }
  std::string key(std::string_view name) const { return prefix_ + std::string(name); }

  const Family& family_of(const std::string& name) {
    if (const Family* family = families_.find(FileType::gguf, name)) return *family;
    if (!options_.family.empty()) {
      const Family* family = families_.find(FileType::gguf, options_.family);
      if (family == nullptr) reject("family ", in_quotes(options_.family), " is not known");
      model_.warnings.push_back("architecture " + in_quotes(name) + " is not known; read as " +
                                in_quotes(options_.family));
      return *family;
    }
    const std::string nearest = families_.nearest(FileType::gguf, name);
    reject("key \"general.architecture\": ", in_quotes(name), " is not known",
           nearest.empty() ? "" : "; the nearest known family is ", nearest.empty() ? "" : in_quotes(nearest),
           ". --allow-unknown does not help: which layers rotate, the pairing and the window are never assumed; "
           "--family NAME reads the file as that family");
  }

  // "": the model has RoPE.
  std::string no_rope() {
    if (family_->answer == Answer::no_rope) {
      return "architecture " + model_.model_type + ": " + std::string(family_->note);
    }
    const Family& named = *family_;
    for (const Switch& each : named.switches) {
      if (each.key.empty()) continue;
      if (!each.as.empty()) {  // the key's presence decides
        if (!file_.integers(key(each.key))) continue;
        const Family* other = families_.find(FileType::gguf, each.as);
        if (other == nullptr) reject("architecture ", in_quotes(each.as), " is not known");
        note("family", "key " + in_quotes(key(each.key)) + ": read as architecture " + std::string(each.as));
        family_ = other;
        continue;
      }
      const std::optional<bool> value = file_.boolean(key(each.key));
      if (value && (*value ? "true" : "false") == each.value) {
        return "key " + in_quotes(key(each.key)) + " is " + std::string(each.value);
      }
    }
    if (family_->rope_layers != 0 && layer_count_ != family_->rope_layers) {
      return "architecture " + model_.model_type + " with " + std::to_string(layer_count_) +
             " layers: " + std::string(family_->note);
    }
    return {};
  }

  int32_t small(std::string_view name, int64_t otherwise) {
    const int64_t value = file_.integer(key(name)).value_or(otherwise);
    if (value > (1 << 24)) reject("key ", in_quotes(key(name)), " is ", value, ", beyond 2^24");
    return static_cast<int32_t>(value);
  }
  // A count that may differ from layer to layer: the largest, and then all of them in `of_layer`.
  int32_t largest(std::string_view name, int32_t otherwise, std::vector<int>& of_layer) {
    const std::optional<std::vector<int64_t>> counts = file_.integers(key(name));
    if (!counts || counts->empty()) return otherwise;
    const int64_t most = *std::max_element(counts->begin(), counts->end());
    const int64_t least = *std::min_element(counts->begin(), counts->end());
    if (least < 0 || most > (1 << 24)) reject("key ", in_quotes(key(name)), " is ", least < 0 ? least : most);
    if (least != most) of_layer.assign(counts->begin(), counts->end());
    return static_cast<int32_t>(most);
  }

  void read_sizes() {
    model_.max_position = file_.integer(key("context_length")).value_or(0);
    model_.q_heads = largest("attention.head_count", 0, model_.q_heads_of_layer);
    model_.k_heads = largest("attention.head_count_kv", model_.q_heads, model_.k_heads_of_layer);
    model_.kv_lora_rank = small("attention.kv_lora_rank", 0);
    model_.query_gate = family_->query_gate;
    layer_count_ = file_.integer(key("block_count")).value_or(0);
    if (layer_count_ > kMaxLayers) reject("key ", in_quotes(key("block_count")), " is ", layer_count_);
    const int32_t width = small("embedding_length", 0);
    const int32_t by_width = model_.q_heads != 0 ? width / model_.q_heads : 0;
    head_dim_ = small("attention.key_length", by_width);
    // Multi-head latent attention: the file's key_length may be that of the compressed keys.
    latent_ = file_.integer(key("attention.kv_lora_rank")).has_value();
    if (latent_) head_dim_ = small("attention.key_length_mla", head_dim_);
    note("head_dim", file_.integer(key("attention.key_length")) ? "key " + in_quotes(key("attention.key_length"))
                                                                : "embedding_length / attention.head_count");
  }

  Config read_config() {
    Config config;
    config.head_dim = head_dim_;
    config.rotary_dim = small("rope.dimension_count", head_dim_);
    if (config.rotary_dim > head_dim_ || config.rotary_dim < 2 || head_dim_ > SIMDROPE_MAX_HEAD_DIM) {
      reject("key ", in_quotes(key("rope.dimension_count")), " is ", config.rotary_dim, " in heads of ", head_dim_);
    }
    if (latent_ || family_->window_last) config.rotary_offset = head_dim_ - config.rotary_dim;
    note("rotary_dim", file_.integer(key("rope.dimension_count")) ? "key " + in_quotes(key("rope.dimension_count"))
                                                                  : "the whole head");
    config.pairing = family_->pairing;
    note("pairing", "architecture " + model_.model_type);
    const std::optional<double> theta = file_.number(key("rope.freq_base"));
    config.theta = theta.value_or(10000.0);
    note("theta", theta ? "key " + in_quotes(key("rope.freq_base")) : "llama.cpp's default");
    read_axes(config);
    read_scaling(config);
    // Mistral Large and Ministral 3: on every layer.
    const double beta = file_.number(key("attention.temperature_scale")).value_or(0);
    const std::optional<double> length = file_.number(key("attention.temperature_length"));
    if (beta != 0) {
      config.temperature.beta = beta;
      config.temperature.length = length.value_or(static_cast<double>(original_length_));
    }
    return config;
  }

  void read_axes(Config& config) {
    const std::optional<std::vector<int64_t>> sections = file_.integers(key("rope.dimension_sections"));
    const std::optional<bool> told = file_.boolean(key("rope.mrope_interleaved"));
    const bool any = sections && std::any_of(sections->begin(), sections->end(), [](int64_t s) { return s != 0; });
    const bool wanted = family_->axes == GgufAxes::always;
    if (!any) {
      if (wanted) reject("key ", in_quotes(key("rope.dimension_sections")), " is missing");
      return;
    }
    if (family_->axes == GgufAxes::no) {
      report(key("rope.dimension_sections"));
      return;
    }
    config.pairing = half;
    size_t count = sections->size();
    while (count > 1 && (*sections)[count - 1] == 0) --count;
    if (count > SIMDROPE_MAX_AXES) reject("key ", in_quotes(key("rope.dimension_sections")), " has ", count, " axes");
    if (count < 2) return;
    config.axes.count = static_cast<int32_t>(count);
    config.axes.layout = told.value_or(family_->layout == SIMDROPE_AXES_INTERLEAVED) ? SIMDROPE_AXES_INTERLEAVED
                                                                                     : SIMDROPE_AXES_SECTIONS;
    for (size_t axis = 0; axis < count; ++axis) {
      const int64_t section = (*sections)[axis];
      if (section < 0 || section > SIMDROPE_MAX_PAIRS) {
        reject("key ", in_quotes(key("rope.dimension_sections")), " has a section of ", section);
      }
      config.axes.sections[axis] = static_cast<int32_t>(section);
    }
  }

  void read_scaling(Config& config) {
    simdrope_scaling& s = config.scaling;
    const std::string type = file_.text(key("rope.scaling.type")).value_or("linear");
    if (type != "none" && type != "linear" && type != "yarn" && type != "longrope") {
      reject("key ", in_quotes(key("rope.scaling.type")), " is ", in_quotes(type), ", which is not known");
    }
    double factor = file_.number(key("rope.scaling.factor")).value_or(0);
    const double old_factor = file_.number(key("rope.scale_linear")).value_or(0);
    if (factor == 0) factor = old_factor;
    if (factor == 0 || type == "none") factor = 1;
    const double attention = file_.number(key("rope.scaling.attn_factor")).value_or(1);
    original_length_ = file_.integer(key("rope.scaling.original_context_length")).value_or(model_.max_position);
    file_.boolean(key("rope.scaling.finetuned"));

    const bool yarn = read_yarn(type == "yarn", factor, attention, s);
    const double alpha = family_->axes == GgufAxes::if_told ? file_.number(key("rope.scaling.alpha")).value_or(0) : 0;
    if (alpha > 0) {  // Hunyuan: theta * alpha^(d / (d - 2))
      if (yarn || factor != 1) reject("key ", in_quotes(key("rope.scaling.alpha")), " beside another scaling");
      s.type = SIMDROPE_SCALING_NTK;
      s.factor = alpha;
    } else if (!yarn && factor != 1) {
      s.type = SIMDROPE_SCALING_LINEAR;
      s.factor = factor;
    }
    if (!yarn && attention != 1) s.attention_factor = attention;
    read_factor_tensors(config, factor, attention);
  }

  bool read_yarn(bool wanted, double factor, double attention, simdrope_scaling& s) {
    const double mix = file_.number(key("rope.scaling.yarn_ext_factor")).value_or(wanted ? 1 : 0);
    const double fast = file_.number(key("rope.scaling.yarn_beta_fast")).value_or(0);
    const double slow = file_.number(key("rope.scaling.yarn_beta_slow")).value_or(0);
    double log_multiplier = file_.number(key("rope.scaling.yarn_log_multiplier")).value_or(0);
    // llama.cpp computes the magnitude anew wherever YaRN is on.
    file_.number(key("rope.scaling.yarn_attn_factor"));
    if (mix < 0 ? !wanted : mix == 0) return false;
    if (mix > 0 && mix != 1) s.extrapolation_factor = mix;
    if (family_->tenth_log_multiplier) log_multiplier *= 10;
    const auto magnitude = [&](double multiplier) {
      return factor <= 1 ? 1.0 : 0.1 * multiplier * std::log(factor) + 1.0;
    };
    s.type = SIMDROPE_SCALING_YARN;
    s.factor = factor;
    s.original_max_position = original_length_;
    s.max_position = model_.max_position;
    s.beta_fast = fast;
    s.beta_slow = slow;
    double scale = magnitude(1);
    if (log_multiplier != 0) {
      // DeepSeek-V2 has mscale = mscale_all_dim, the others mscale = 1.
      const bool both = model_.model_type == "deepseek2" && log_multiplier != 1;
      scale = magnitude(both ? log_multiplier : 1) / magnitude(log_multiplier);
    }
    s.attention_factor = scale * attention;
    return true;
  }

  std::vector<double> factors_of(std::string_view tensor, int32_t pairs) {
    const std::optional<std::vector<double>> factors = file_.tensor(tensor);
    if (!factors) return {};
    if (factors->size() != static_cast<size_t>(pairs)) {
      reject("tensor ", in_quotes(tensor), " has ", factors->size(), " elements for ", pairs, " pairs");
    }
    return *factors;
  }

  // llama.cpp prefers rope_freqs, then the long or short list by context length.
  void read_factor_tensors(Config& config, double factor, double attention) {
    simdrope_scaling& s = config.scaling;
    const int32_t pairs = config.rotary_dim / 2;
    const std::vector<double> freqs = factors_of("rope_freqs.weight", pairs);
    std::vector<double> longs = factors_of("rope_factors_long.weight", pairs);
    std::vector<double> shorts = factors_of("rope_factors_short.weight", pairs);
    if (freqs.empty() && longs.empty() && shorts.empty()) return;
    if (s.type == SIMDROPE_SCALING_YARN) reject("YaRN and a tensor of frequency factors together are not understood");
    s.factor = 0;
    if (!freqs.empty()) {
      s.type = SIMDROPE_SCALING_FREQ_FACTORS;
      config.set_factors(freqs);
      if (factor != 1) s.factor = factor;
      return;
    }
    if (longs.empty() || shorts.empty()) {
      reject("tensor ", longs.empty() ? "\"rope_factors_long.weight\"" : "\"rope_factors_short.weight\"",
             " is missing, but the other one is there");
    }
    s.type = SIMDROPE_SCALING_LONGROPE;
    for (double& value : shorts) value *= factor;
    for (double& value : longs) value *= factor;
    config.set_factors(std::move(shorts));
    config.set_long_factors(std::move(longs));
    s.original_max_position = original_length_;
    s.max_position = model_.max_position;
    s.attention_factor = attention;
    s.seq_len = options_.seq_len;
  }

  bool has_window() { return file_.integer(key("attention.sliding_window")).value_or(0) > 0; }

  // The type of each layer: told by a list of the file, else by a period.
  std::vector<std::string> layer_types() {
    std::vector<std::string> types;
    const LayerList& list = family_->list;
    if (!list.key.empty()) {
      const auto entries = file_.integers(key(list.key));
      if (!entries) reject("key ", in_quotes(key(list.key)), " is missing");
      check_length(entries->size(), list.key);
      for (int64_t layer = 0; layer < layers_of(entries->size()); ++layer) {
        types.emplace_back((*entries)[static_cast<size_t>(layer)] != 0 ? list.listed : list.others);
      }
      note("layers", "key " + in_quotes(key(list.key)));
      return types;
    }
    int64_t period = family_->period.length;
    std::string from = "architecture " + model_.model_type;
    if (const auto pattern = file_.integers(key("attention.sliding_window_pattern"))) {
      if (family_->layer_types && pattern->size() > 1) {
        check_length(pattern->size(), "attention.sliding_window_pattern");
        for (int64_t layer = 0; layer < layers_of(pattern->size()); ++layer) {
          types.emplace_back((*pattern)[static_cast<size_t>(layer)] != 0 ? "sliding_attention" : "full_attention");
        }
        note("layers", "key " + in_quotes(key("attention.sliding_window_pattern")));
        return types;
      }
      if (family_->layer_types) {
        period = pattern->empty() ? 0 : (*pattern)[0];
        from = "key " + in_quotes(key("attention.sliding_window_pattern"));
      }
    }
    if (period <= 0) return types;
    note("layers", from);
    for (int64_t layer = 0; layer < layer_count_; ++layer) {
      const bool one = family_->period.phase == Period::Phase::first ? layer % period == 0 : (layer + 1) % period == 0;
      types.emplace_back(one ? family_->period.one : family_->period.others);
    }
    return types;
  }
  // A list may go on for the layers of multi-token prediction, which block_count may or may not count.
  void check_length(size_t size, std::string_view name) const {
    if (size > static_cast<size_t>(kMaxLayers)) reject("key ", in_quotes(key(name)), " has ", size, " layers");
  }
  int64_t layers_of(size_t size) const {
    const auto count = static_cast<int64_t>(size);
    return layer_count_ > 0 ? std::min(layer_count_, count) : count;
  }

  void read_layers(const Config& config) {
    const bool window = has_window();
    const bool told_local = file_.number(key("rope.freq_base_swa")).has_value() ||
                            file_.integer(key("rope.dimension_count_swa")) ||
                            file_.integer(key("attention.key_length_swa"));
    bool alike = family_->kinds[0].type.empty() && family_->period.length == 0 && !told_local;
    if (family_->needs_window && !window && !told_local) alike = true;
    if (family_->period_layers != 0 && layer_count_ != family_->period_layers && !window) alike = true;
    if (alike) {
      model_.ropes.push_back({"", true, config, {}});
      return;
    }
    const std::vector<std::string> types = layer_types();
    const int64_t dense = family_->dense_rotates ? file_.integer(key("leading_dense_block_count")).value_or(0) : 0;
    for (size_t layer = 0; layer < types.size(); ++layer) {
      const bool leading = static_cast<int64_t>(layer) < dense && types[layer] == "full_attention";
      add_layer(config, leading ? "dense_attention" : types[layer], static_cast<int>(layer));
    }
    if (types.empty()) {  // untold
      add_layer(config, "full_attention", -1);
      add_layer(config, "sliding_attention", -1);
    }
    for (LayerRope& rope : model_.ropes) {
      if (!rope.rotary && family_->nope_temperature.beta != 0) rope.config.temperature = family_->nope_temperature;
    }
  }

  void add_layer(const Config& config, const std::string& type, int layer) {
    auto rope = std::find_if(model_.ropes.begin(), model_.ropes.end(),
                             [&](const LayerRope& known) { return known.layer_type == type; });
    if (rope == model_.ropes.end()) {
      const Kind* differs = family_->kind(type);
      if (type == "no_rope" || (differs != nullptr && differs->rotates != Kind::Rotates::yes)) {
        add_nope(type, {});
      } else {
        model_.ropes.push_back({type, true, config_of(config, type, differs), {}});
      }
      rope = model_.ropes.end() - 1;
    }
    if (layer >= 0) rope->layers.push_back(layer);
  }

  Config config_of(const Config& full, const std::string& type, const Kind* differs) {
    Config config = full;
    if (type == "sliding_attention" && (differs == nullptr || family_->list.key.empty())) {
      const std::optional<double> base = file_.number(key("rope.freq_base_swa"));
      config.theta = base ? *base : differs != nullptr && differs->theta == 0 ? full.theta : 10000.0;
      config.head_dim = small("attention.key_length_swa", full.head_dim);
      config.rotary_dim = small("rope.dimension_count_swa", std::min(full.rotary_dim, config.head_dim));
      config.scaling = Config().scaling;
      if (differs == nullptr && !base && !file_.integer(key("rope.dimension_count_swa"))) config = full;
      return config;
    }
    if (differs == nullptr) return config;
    if (differs->unscaled) config.scaling = Config().scaling;
    if (differs->theta != 0) config.theta = differs->theta;
    any_word(differs->theta_keys, [&](std::string_view name) {
      const std::optional<double> theta = file_.number(key(name));
      if (theta) config.theta = *theta;
      return theta.has_value();
    });
    if (differs->fraction != 0) config.rotary_dim = static_cast<int32_t>(config.rotary_dim * differs->fraction);
    if (differs->attention_factor != 0) config.scaling.attention_factor = differs->attention_factor;
    return config;
  }

  void add_nope(std::string layer_type, std::vector<int> layers) {
    Config config;
    config.head_dim = head_dim_;
    model_.ropes.push_back({std::move(layer_type), false, config, std::move(layers)});
  }

  void report(const std::string& name) {
    if (!options_.allow_unknown || name.find("dimension") != std::string::npos) {
      reject("not understood: key ", in_quotes(name), " (about RoPE; architecture ", in_quotes(model_.model_type),
             options_.allow_unknown ? "): it could say which part of a head turns"
                                    : "). --allow-unknown would read the file without it");
    }
    model_.warnings.push_back("not understood: key " + in_quotes(name));
  }

  void report_unread() {
    for (const std::string& name : file_.unread(prefix_ + "rope.")) report(name);
  }

  GgufFile file_;
  const ReadOptions& options_;
  const Families& families_;
  const Family* family_ = nullptr;
  std::string prefix_;
  Model model_;
  int64_t layer_count_ = 0;
  int32_t head_dim_ = 0;
  bool latent_ = false;
  int64_t original_length_ = 0;
};

}  // namespace

Result<Model> parse_gguf(ByteSource file, const ReadOptions& options, const Families& families) {
  return guarded([&]() -> Result<Model> { return GgufReader(std::move(file), options, families).read(); });
}

Result<Model> read_gguf(const std::string& path, const ReadOptions& options) {
  return guarded([&]() -> Result<Model> {
    const auto file = InputFile::open(path);
    if (!file) return file.status();
    Result<Model> model = parse_gguf(*file, options);
    if (!model) return with_path(path, model.status());
    return model;
  });
}

}  // namespace simdrope::io
