#include "io/gguf.h"

#include <algorithm>
#include <cmath>

#include "io/gguf_architectures.h"
#include "io/gguf_file.h"
#include "io/mapped_file.h"
#include "io/reject.h"

namespace simdrope::io {
namespace {

constexpr int64_t kMaxLayers = 4096;

// Pairs i and i + n/2, as most architectures have them, where the name says nothing.
constexpr GgufArchitecture kUnknown = {.name = "", .rope = GgufRope::neox};

class GgufReader {
 public:
  GgufReader(Bytes bytes, const ReadOptions& options) : file_(bytes), options_(options) {}

  Model read() {
    const std::optional<std::string> name = file_.text("general.architecture");
    if (!name) reject("key \"general.architecture\" is missing");
    prefix_ = *name + ".";
    model_.model_type = *name;
    model_.source = "gguf";
    find_architecture(*name);
    read_sizes();
    if (architecture_->rope == GgufRope::none) {
      add_nope("", {});
      for (const std::string& key : file_.unread(prefix_ + "rope.")) {
        model_.warnings.push_back("architecture " + in_quotes(*name) + " uses no RoPE; ignored: key " + in_quotes(key));
      }
      return std::move(model_);
    }
    const Config config = read_config();
    read_layers(config);
    report_unread();
    for (const LayerRope& rope : model_.ropes) {
      if (!rope.rotary) continue;
      if (const Result<Rope> compiled = Rope::create(rope.config); !compiled) reject(compiled.status().message());
    }
    return std::move(model_);
  }

 private:
  std::string key(std::string_view name) const { return prefix_ + std::string(name); }

  void find_architecture(const std::string& name) {
    architecture_ = find_gguf_architecture(name);
    if (architecture_ != nullptr) return;
    if (!options_.allow_unknown) reject("key \"general.architecture\": ", in_quotes(name), " is not known");
    model_.warnings.push_back("architecture " + in_quotes(name) + " is not known: half pairing is assumed");
    architecture_ = &kUnknown;
  }

  int32_t small(std::string_view name, int64_t otherwise) {
    const int64_t value = file_.integer(key(name)).value_or(otherwise);
    if (value > (1 << 24)) reject("key ", in_quotes(key(name)), " is ", value, ", beyond 2^24");
    return static_cast<int32_t>(value);
  }
  // A count that may differ from layer to layer: the largest.
  int32_t largest(std::string_view name, int32_t otherwise) {
    const std::optional<std::vector<int64_t>> counts = file_.integers(key(name));
    if (!counts || counts->empty()) return otherwise;
    const int64_t most = *std::max_element(counts->begin(), counts->end());
    if (most < 0 || most > (1 << 24)) reject("key ", in_quotes(key(name)), " is ", most);
    return static_cast<int32_t>(most);
  }

  void read_sizes() {
    model_.max_position = file_.integer(key("context_length")).value_or(0);
    model_.q_heads = largest("attention.head_count", 0);
    model_.k_heads = largest("attention.head_count_kv", model_.q_heads);
    layer_count_ = file_.integer(key("block_count")).value_or(0);
    if (layer_count_ > kMaxLayers) reject("key ", in_quotes(key("block_count")), " is ", layer_count_);
    const int32_t width = small("embedding_length", 0);
    const int32_t by_width = model_.q_heads != 0 ? width / model_.q_heads : 0;
    head_dim_ = small("attention.key_length", by_width);
    // Multi-head latent attention: the file's key_length may be that of the compressed keys.
    latent_ = file_.integer(key("attention.kv_lora_rank")).has_value();
    if (latent_) head_dim_ = small("attention.key_length_mla", head_dim_);
    if (head_dim_ == 0 && architecture_->rope != GgufRope::none) {
      reject("no head size: neither key ", in_quotes(key("attention.key_length")), " nor ",
             in_quotes(key("embedding_length")), " and ", in_quotes(key("attention.head_count")));
    }
  }

  Config read_config() {
    Config config;
    config.head_dim = head_dim_;
    config.rotary_dim = small("rope.dimension_count", head_dim_);
    if (config.rotary_dim > head_dim_ || config.rotary_dim < 2 || head_dim_ > SIMDROPE_MAX_HEAD_DIM) {
      reject("key ", in_quotes(key("rope.dimension_count")), " is ", config.rotary_dim, " in heads of ", head_dim_);
    }
    if (latent_) config.rotary_offset = head_dim_ - config.rotary_dim;
    config.pairing = architecture_->rope == GgufRope::norm ? interleaved : half;
    config.theta = file_.number(key("rope.freq_base")).value_or(10000.0);
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
    const bool wanted = architecture_->rope == GgufRope::mrope || architecture_->rope == GgufRope::imrope;
    if (!any) {
      if (wanted) reject("key ", in_quotes(key("rope.dimension_sections")), " is missing");
      return;
    }
    // These hold two kinds of models, told apart by the sections.
    const bool may = wanted || architecture_->name == "glm4" || architecture_->name == "glm4moe" ||
                     architecture_->name == "hunyuan_vl" || architecture_ == &kUnknown;
    if (!may) {
      report(key("rope.dimension_sections"));
      return;
    }
    config.pairing = half;
    size_t count = sections->size();
    while (count > 1 && (*sections)[count - 1] == 0) --count;
    if (count > SIMDROPE_MAX_AXES) reject("key ", in_quotes(key("rope.dimension_sections")), " has ", count, " axes");
    if (count < 2) return;
    config.axes.count = static_cast<int32_t>(count);
    config.axes.layout =
        told.value_or(architecture_->rope == GgufRope::imrope) ? SIMDROPE_AXES_INTERLEAVED : SIMDROPE_AXES_SECTIONS;
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
    if (!yarn && factor != 1) {
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
    if (mix > 0 && mix != 1) {
      reject("key ", in_quotes(key("rope.scaling.yarn_ext_factor")), " is ", mix, "; only 0 and 1 are understood");
    }
    if (architecture_->tenth_log_multiplier) log_multiplier *= 10;
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
      const bool both = architecture_->name == "deepseek2" && log_multiplier != 1;
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
    const std::vector<double> longs = factors_of("rope_factors_long.weight", pairs);
    const std::vector<double> shorts = factors_of("rope_factors_short.weight", pairs);
    if (freqs.empty() && longs.empty() && shorts.empty()) return;
    if (s.type == SIMDROPE_SCALING_YARN) reject("YaRN and a tensor of frequency factors together are not understood");
    s.factor_count = pairs;
    s.factor = 0;
    if (!freqs.empty()) {
      s.type = SIMDROPE_SCALING_FREQ_FACTORS;
      std::copy(freqs.begin(), freqs.end(), s.factors);
      if (factor != 1) s.factor = factor;
      return;
    }
    if (longs.empty() || shorts.empty()) {
      reject("tensor ", longs.empty() ? "\"rope_factors_long.weight\"" : "\"rope_factors_short.weight\"",
             " is missing, but the other one is there");
    }
    s.type = SIMDROPE_SCALING_LONGROPE;
    for (int32_t i = 0; i < pairs; ++i) {
      s.factors[i] = shorts[static_cast<size_t>(i)] * factor;
      s.long_factors[i] = longs[static_cast<size_t>(i)] * factor;
    }
    s.original_max_position = original_length_;
    s.max_position = model_.max_position;
    s.attention_factor = attention;
    s.seq_len = options_.seq_len;
  }

  Config local_config(const Config& full) {
    Config local = full;
    const std::optional<double> base = file_.number(key("rope.freq_base_swa"));
    const bool same_base = architecture_->layers == GgufLayers::local_unscaled;
    local.theta = base ? *base : same_base ? full.theta : 10000.0;
    local.head_dim = small("attention.key_length_swa", full.head_dim);
    local.rotary_dim = small("rope.dimension_count_swa", std::min(full.rotary_dim, local.head_dim));
    local.scaling = Config().scaling;
    return local;
  }

  bool has_window() { return file_.integer(key("attention.sliding_window")).value_or(0) > 0; }

  // Which layers slide: told by the file as a list or a period, else by the architecture.
  std::vector<bool> sliding_layers() {
    std::vector<bool> slides;
    int64_t period = architecture_->period;
    if (const auto pattern = file_.integers(key("attention.sliding_window_pattern"))) {
      if (pattern->size() > 1) {
        if (pattern->size() > static_cast<size_t>(kMaxLayers)) {
          reject("key ", in_quotes(key("attention.sliding_window_pattern")), " has ", pattern->size(), " layers");
        }
        for (const int64_t layer : *pattern) slides.push_back(layer != 0);
        return slides;
      }
      period = pattern->empty() ? 0 : (*pattern)[0];
    }
    if (period <= 0) return slides;
    for (int64_t layer = 0; layer < layer_count_; ++layer) {
      slides.push_back(architecture_->full_first ? layer % period != 0 : (layer + 1) % period != 0);
    }
    return slides;
  }

  void read_layers(const Config& config) {
    const bool window = has_window();
    const bool told_local = file_.number(key("rope.freq_base_swa")).has_value() ||
                            file_.integer(key("rope.dimension_count_swa")) ||
                            file_.integer(key("attention.key_length_swa"));
    const std::vector<bool> slides = sliding_layers();
    std::vector<int> full;
    std::vector<int> sliding;
    for (size_t layer = 0; layer < slides.size(); ++layer) {
      (slides[layer] ? sliding : full).push_back(static_cast<int>(layer));
    }
    switch (architecture_->layers) {
      case GgufLayers::no_rope:
        model_.ropes.push_back({"rope", true, config, sliding});
        add_nope("no_rope", full);
        if (architecture_->name == "llama4") model_.ropes.back().config.temperature = {0.1, 8192, 1};
        return;
      case GgufLayers::local_only:
        // EXAONE 4 has sliding layers in its large size only.
        if (architecture_->name == "exaone4" && (!window || layer_count_ != 64)) break;
        model_.ropes.push_back({"sliding_attention", true, config, sliding});
        add_nope("full_attention", full);
        return;
      case GgufLayers::local_theta:
      case GgufLayers::local_unscaled:
        if (!window && !told_local) break;
        model_.ropes.push_back({"full_attention", true, config, full});
        model_.ropes.push_back({"sliding_attention", true, local_config(config), sliding});
        return;
      case GgufLayers::alike:
        if (!told_local) break;
        model_.ropes.push_back({"full_attention", true, config, full});
        model_.ropes.push_back({"sliding_attention", true, local_config(config), sliding});
        return;
    }
    model_.ropes.push_back({"", true, config, {}});
  }

  void add_nope(std::string layer_type, std::vector<int> layers) {
    Config config;
    config.head_dim = head_dim_;
    model_.ropes.push_back({std::move(layer_type), false, config, std::move(layers)});
  }

  void report(const std::string& name) {
    if (!options_.allow_unknown) reject("not understood: key ", in_quotes(name), " (about RoPE)");
    model_.warnings.push_back("not understood: key " + in_quotes(name));
  }

  void report_unread() {
    for (const std::string& name : file_.unread(prefix_ + "rope.")) report(name);
  }

  GgufFile file_;
  const ReadOptions& options_;
  const GgufArchitecture* architecture_ = nullptr;
  std::string prefix_;
  Model model_;
  int64_t layer_count_ = 0;
  int32_t head_dim_ = 0;
  bool latent_ = false;
  int64_t original_length_ = 0;
};

}  // namespace

Result<Model> parse_gguf(Bytes file, const ReadOptions& options) {
  return guarded([&]() -> Result<Model> { return GgufReader(file, options).read(); });
}

Result<Model> read_gguf(const std::string& path, const ReadOptions& options) {
  return guarded([&]() -> Result<Model> {
    const auto file = MappedFile::open(path);
    if (!file) return file.status();
    Result<Model> model = parse_gguf((*file)->bytes(), options);
    if (!model) return with_path(path, model.status());
    return model;
  });
}

}  // namespace simdrope::io
