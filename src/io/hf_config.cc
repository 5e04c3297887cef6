#include <algorithm>
#include <cctype>
#include <cstring>
#include <iterator>
#include <memory>
#include <simdrope/io.hpp>

#include "io/bytes.h"
#include "io/hf_families.h"
#include "io/hf_layers.h"
#include "io/hf_overrides.h"
#include "io/hf_scaling.h"
#include "io/json.h"
#include "io/json_keys.h"
#include "io/mapped_file.h"
#include "io/reject.h"

namespace simdrope::io {
namespace {

// Half pairs and the whole head, for a config that names no model type.
constexpr HfFamily kUnnamed = {};

constexpr std::string_view kTextConfigs[] = {"text_config", "llm_config", "language_config", "thinker_config"};

// Of a multimodal model the language model counts, wherever it is nested.
const Json& text_config_of(const Json& root, std::string& path) {
  const Json* config = &root;
  for (bool nested = true; nested;) {
    nested = false;
    for (const std::string_view name : kTextConfigs) {
      const auto at = config->find(name);
      if (at == config->end() || !at->is_object()) continue;
      config = &*at;
      path += std::string(name) + ".";
      nested = true;
      break;
    }
  }
  return *config;
}

// Words of a key between underscores that mark it as one about RoPE.
bool is_about_rope(std::string_view key) {
  std::string lower(key);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  for (size_t begin = 0; begin <= lower.size();) {
    const size_t end = std::min(lower.find('_', begin), lower.size());
    const std::string_view word = std::string_view(lower).substr(begin, end - begin);
    for (const std::string_view marker : {"rope", "rotary", "yarn", "mscale"}) {
      if (word.starts_with(marker) || word.ends_with(marker)) return true;
    }
    if (word == "nope" || word == "ntk" || word == "xpos") return true;
    begin = end + 1;
  }
  return false;
}

// Names of RoPE keys that say nothing about the rotation of Q and K.
constexpr std::string_view kIgnored[] = {"indexer_rope_interleave", "use_mrope"};

class ConfigReader {
 public:
  ConfigReader(const Json& config, const std::string& path, std::string model_type, const HfFamily& family,
               const ReadOptions& options, Model& model)
      : keys_(config, path), family_(family), options_(options), model_(model) {
    model_.model_type = std::move(model_type);
    model_.source = "config.json";
  }

  void read() {
    // DBRX keeps its attention's keys apart.
    if (const Json* attention = keys_.object("attn_config")) {
      attention_.emplace(*attention, keys_.path() + "attn_config.");
    }
    read_heads();
    read_context();
    read_kinds();
    if (const Json* overrides = keys_.object("simdrope")) {
      Keys fields(*overrides, keys_.path() + "simdrope.");
      for (LayerRope& rope : model_.ropes) read_overrides(fields, rope.config);
      for (const std::string& name : fields.unread()) report_unknown(fields.path_of(name));
    }
    for (const std::string_view name : kIgnored) keys_.ignore(name);
    for (const std::string& name : keys_.unread()) {
      if (is_about_rope(name)) report_unknown(keys_.path_of(name));
    }
    if (attention_) {
      for (const std::string& name : attention_->unread()) {
        if (is_about_rope(name)) report_unknown(attention_->path_of(name));
      }
    }
    judge_unknown();
  }

 private:
  int32_t small(Keys::Names names, int32_t otherwise) {
    const int64_t value = keys_.integer(names).value_or(otherwise);
    if (value > (1 << 24)) reject("key ", keys_.path_of(*names.begin()), " is ", value, ", beyond 2^24");
    return static_cast<int32_t>(value);
  }

  void read_heads() {
    const int32_t hidden = small({"embed_dim", "hidden_size", "n_embd", "d_model"}, 0);
    const int32_t heads = small({"num_attention_heads", "n_head", "n_heads", "num_heads"}, 0);
    model_.q_heads = heads;
    model_.k_heads = small({"num_key_value_heads", "num_kv_heads", "n_head_kv"}, heads);
    if (attention_) model_.k_heads = static_cast<int>(attention_->integer({"kv_n_heads"}).value_or(heads));
    if (keys_.boolean({"multi_query_attention"}).value_or(false)) {
      model_.k_heads = small({"multi_query_group_num"}, model_.k_heads);
    }
    if (keys_.boolean({"multi_query"}).value_or(false) &&
        !keys_.boolean({"new_decoder_architecture"}).value_or(false)) {
      model_.k_heads = 1;
    }

    int32_t head_dim = small({"head_dim", "kv_channels"}, 0);
    const int32_t rope_part = small({"qk_rope_head_dim"}, 0);
    const int32_t plain_part = small({"qk_nope_head_dim"}, 0);
    if (rope_part != 0) {  // multi-head latent attention: [plain | rotated]
      head_dim = plain_part + rope_part;
      context_.rotary_offset = plain_part;
      context_.rotary_dim = rope_part;
    }
    if (head_dim == 0) head_dim = family_.head_dim;
    if (head_dim == 0 && heads != 0) head_dim = hidden / heads;
    if (head_dim == 0) {
      reject("no head size: neither key ", keys_.path_of("head_dim"), " nor ", keys_.path_of("hidden_size"), " and ",
             keys_.path_of("num_attention_heads"));
    }
    context_.head_dim = head_dim;
    full_head_dim_ = small({"global_head_dim"}, 0);
    read_head_dims_by_layer();
    if (full_head_dim_ == 0) full_head_dim_ = family_.full_head_dim;
  }

  // Gemma 4 saves the head_dim of its full-attention layers so.
  void read_head_dims_by_layer() {
    const Json* by_layer = keys_.object("per_layer_config");
    if (by_layer == nullptr) return;
    for (const auto& [layer, fields] : by_layer->items()) {
      if (!fields.is_object()) continue;
      Keys overrides(fields, keys_.path() + "per_layer_config." + layer + ".");
      const std::optional<int64_t> head_dim = overrides.integer({"head_dim"});
      if (!head_dim || *head_dim == context_.head_dim) continue;
      if (full_head_dim_ != 0 && full_head_dim_ != *head_dim) {
        reject("key ", overrides.path_of("head_dim"), " is ", *head_dim, ", but another layer has ", full_head_dim_);
      }
      full_head_dim_ = static_cast<int32_t>(std::min<int64_t>(*head_dim, 1 << 24));
    }
  }

  void read_context() {
    HfContext& c = context_;
    c.family = &family_;
    c.warnings = &model_.warnings;
    c.seq_len = options_.seq_len;
    c.max_position = keys_.integer({"max_position_embeddings", "n_positions", "seq_length", "max_seq_len"}).value_or(0);
    model_.max_position = c.max_position;
    c.original_max_position = keys_.integer({"original_max_position_embeddings"}).value_or(0);

    c.theta = keys_.number({"rope_theta", "rotary_emb_base", "global_rope_theta"}).value_or(family_.theta);
    if (attention_) c.theta = attention_->number({"rope_theta"}).value_or(c.theta);
    if (const std::optional<double> ratio = keys_.number({"rope_ratio"})) c.theta *= *ratio;  // ChatGLM
    if (!keys_.boolean({"original_rope"}).value_or(true)) report_unknown(keys_.path_of("original_rope") + " = false");

    c.rotary_fraction = keys_.number({"partial_rotary_factor", "rotary_pct", "rope_pct", "rotary_emb_fraction"})
                            .value_or(family_.rotary_fraction);
    // GPT-J: an absent key means 64, null the whole head.
    const int32_t family_dim = keys_.has_null("rotary_dim") ? 0 : family_.rotary_dim;
    const int32_t rotary_dim = small({"rotary_dim"}, family_dim);
    if (c.rotary_dim == 0) c.rotary_dim = rotary_dim;

    c.pairing = family_.pairing;
    if (const auto given = keys_.boolean({"rope_interleave", "rotary_emb_interleaved"})) {
      c.pairing = *given ? interleaved : half;
    }
    local_theta_ = keys_.number({"rope_local_base_freq", "local_rope_theta"}).value_or(family_.local_theta);
  }

  bool uses_rope() {
    bool rotary = !keys_.boolean({"alibi"}).value_or(false);             // Falcon
    if (!keys_.boolean({"rotary"}).value_or(true)) rotary = false;       // GPT-J
    if (const Json* embedding = keys_.any("position_embedding_type")) {  // ESM, Granite
      if (embedding->is_string() && *embedding != "rotary" && *embedding != "rope") {
        rotary = rotary && *embedding != "nope" && *embedding != "none" && family_.model_type != "esm";
      }
    }
    return rotary;
  }

  void read_kinds() {
    const Json* scaling = keys_.object("rope_scaling");
    const Json* parameters = keys_.object("rope_parameters");
    const Json* rope = scaling != nullptr && !scaling->empty() ? scaling : parameters;
    const std::string path = keys_.path() + (rope == scaling && rope != nullptr ? "rope_scaling." : "rope_parameters.");
    if (rope == nullptr) rope = &none_;

    if (!uses_rope()) {
      Config config;
      config.head_dim = context_.head_dim;
      model_.ropes.push_back({"", false, config, {}});
      return;
    }
    std::vector<LayerKind> kinds = layer_kinds(keys_, family_);
    const bool by_layer_type =
        std::any_of(rope->begin(), rope->end(), [](const Json& value) { return value.is_object(); });
    if (by_layer_type) {
      read_by_layer_type(*rope, path, kinds);
    } else {
      read_flat(*rope, path, kinds);
    }
    merge_alike();
    read_temperature_of_nope_layers();
  }

  void read_by_layer_type(const Json& rope, const std::string& path, std::vector<LayerKind>& kinds) {
    Keys by_type(rope, path);
    if (kinds.empty()) {
      for (const auto& [name, value] : rope.items()) kinds.push_back({name, {}});
      if (kinds.size() > 16) reject("key ", in_quotes(path), " has more than 16 layer types");
    }
    for (const auto& [name, value] : rope.items())
      if (value.is_object()) by_type.ignore(name);
    for (LayerKind& kind : kinds) {
      const auto entry = rope.find(kind.name);
      const bool listed = entry != rope.end();
      if (listed && entry->is_object()) {
        add(std::move(kind), *entry, path + kind.name + ".", context_);
      } else if (listed || rotates_nothing(kind.name)) {
        add_nope(std::move(kind));
      } else {
        reject("key ", in_quotes(path + kind.name), " is missing, but there are layers of that type");
      }
    }
    for (const std::string& name : by_type.unread()) report_unknown(by_type.path_of(name));
  }

  void read_flat(const Json& rope, const std::string& path, std::vector<LayerKind>& kinds) {
    // The keys are checked once, by the first kind that takes them all.
    if (kinds.empty()) kinds.push_back({"", {}});
    const bool has_window = keys_.has("sliding_window");
    const double local_theta = local_theta_;
    for (LayerKind& kind : kinds) {
      const bool local = kind.name == "sliding_attention";
      const bool full = kind.name == "full_attention";
      HfContext context = context_;
      if (rotates_nothing(kind.name) || kind.name == kNoRope ||
          (family_.kinds == LayerKinds::local_only && full && has_window)) {
        add_nope(std::move(kind));
      } else if (family_.model_type.starts_with("gemma4") && rope.empty()) {
        add(std::move(kind), local ? gemma4_local_ : gemma4_full_, path, context);
      } else if (local && family_.kinds == LayerKinds::local_theta) {
        context.theta = local_theta;
        add(std::move(kind), none_, path, context);
      } else if (local && family_.kinds == LayerKinds::local_unscaled) {
        const Json theta = rope.contains("rope_theta") ? Json{{"rope_theta", rope["rope_theta"]}} : none_;
        add(std::move(kind), theta, path, context);
      } else {
        add(std::move(kind), rope, path, context);
      }
    }
  }

  static bool rotates_nothing(std::string_view layer_type) {
    return layer_type == "linear_attention" || layer_type == "conv" || layer_type == "mamba" ||
           layer_type == "recurrent" || layer_type == "moe" || layer_type == "mlp";
  }

  void add(LayerKind&& kind, const Json& rope, const std::string& path, HfContext context) {
    if (full_head_dim_ != 0 && kind.name == "full_attention") context.head_dim = full_head_dim_;
    Keys keys(rope, path);
    Config config = read_hf_rope(keys, context);
    read_flash_attention_keys(config);
    for (const std::string& name : keys.unread()) report_unknown(keys.path_of(name));
    model_.ropes.push_back({std::move(kind.name), true, config, std::move(kind.layers)});
  }

  // nomic-bert's rotary embedding is flash-attention's.
  void read_flash_attention_keys(Config& config) {
    if (const std::optional<double> base = keys_.number({"rotary_emb_scale_base"})) {
      config.xpos.scale_base = *base;
      config.xpos.center_at_half_length = true;
      config.scaling.seq_len = options_.seq_len;
    }
    if (const std::optional<double> factor = keys_.number({"rotary_scaling_factor"})) {
      config.scaling.type = SIMDROPE_SCALING_DYNAMIC;
      config.scaling.factor = *factor;
      config.scaling.original_max_position = keys_.integer({"max_trained_positions"}).value_or(2048);
      config.scaling.seq_len = options_.seq_len;
    }
  }

  void add_nope(LayerKind&& kind) {
    Config config;
    config.head_dim = context_.head_dim;
    model_.ropes.push_back({std::move(kind.name), false, config, std::move(kind.layers)});
  }

  // Layer types that all rotate alike are one kind.
  void merge_alike() {
    const LayerRope& first = model_.ropes.front();
    for (const LayerRope& rope : model_.ropes) {
      if (!rope.rotary || !write_overrides(rope.config, first.config).empty() ||
          !write_overrides(first.config, rope.config).empty()) {
        return;
      }
    }
    model_.ropes.resize(1);
    model_.ropes[0].layer_type.clear();
    model_.ropes[0].layers.clear();
  }

  // Llama 4 scales the queries of its NoPE layers.
  void read_temperature_of_nope_layers() {
    if (!family_.model_type.starts_with("llama4")) return;
    const Json* tuning = keys_.any("attn_temperature_tuning");  // a number in early files
    const bool tuned = tuning == nullptr || (*tuning != false && *tuning != 0);
    const double length = keys_.number({"floor_scale"}).value_or(8192);
    const double beta = keys_.number({"attn_scale"}).value_or(0.1);
    for (LayerRope& rope : model_.ropes) {
      if (!rope.rotary && tuned) rope.config.temperature = {beta, length, 1.0};
    }
  }

  void report_unknown(const std::string& key) {
    if (std::find(unknown_.begin(), unknown_.end(), key) == unknown_.end()) unknown_.push_back(key);
  }

  void judge_unknown() {
    std::string list;
    for (const std::string& key : unknown_) {
      if (options_.allow_unknown) model_.warnings.push_back("not understood: key " + key);
      list += (list.empty() ? "" : ", ") + key;
    }
    if (!list.empty() && !options_.allow_unknown) reject("not understood: key ", list, " (about RoPE)");
  }

  Keys keys_;
  std::optional<Keys> attention_;
  const HfFamily& family_;
  const ReadOptions& options_;
  Model& model_;
  HfContext context_;
  int32_t full_head_dim_ = 0;
  double local_theta_ = 0;
  std::vector<std::string> unknown_;
  const Json none_ = Json::object();
  const Json gemma4_local_ = {{"rope_type", "default"}, {"rope_theta", 10000.0}};
  const Json gemma4_full_ = {{"rope_type", "proportional"}, {"rope_theta", 1000000.0}, {"partial_rotary_factor", 0.25}};
};

const HfFamily& family_of(const Json& config, const std::string& model_type, const ReadOptions& options, Model& model) {
  if (config.contains("spatial_merge_size") && config.contains("num_heads")) return kQwenVision;
  if (const HfFamily* family = find_hf_family(model_type)) return *family;
  const bool named = !model_type.empty();
  if (named && !options.allow_unknown) reject("key \"model_type\": ", in_quotes(model_type), " is not known");
  model.warnings.push_back((named ? "model_type " + in_quotes(model_type) + " is not known" : "no model_type") +
                           std::string(": half pairing is assumed"));
  return kUnnamed;
}

std::string model_type_of(const Json& root, const Json& config) {
  for (const Json* object : {&config, &root}) {
    const auto at = object->find("model_type");
    if (at == object->end() || at->is_null()) continue;
    if (!at->is_string()) reject("key \"model_type\" is no string");
    return at->get<std::string>();
  }
  return {};
}

// A tree takes many times the memory of its text. Published files have kilobytes.
constexpr size_t kMaxBytes = size_t{1} << 24;

Model parse(std::string_view json, const ReadOptions& options) {
  if (json.size() > kMaxBytes) reject("a config.json of ", json.size(), " bytes is beyond ", kMaxBytes);
  const Json root = parse_json(json);
  if (!root.is_object()) reject("the file holds no JSON object");
  std::string path;
  const Json& config = text_config_of(root, path);
  Model model;
  const std::string model_type = model_type_of(root, config);
  const HfFamily& family = family_of(config, model_type, options, model);
  ConfigReader(config, path, model_type, family, options, model).read();
  for (const LayerRope& rope : model.ropes) {
    if (!rope.rotary) continue;
    if (const Result<Rope> compiled = Rope::create(rope.config); !compiled) reject(compiled.status().message());
  }
  return model;
}

}  // namespace

Result<Model> parse_hf_config(std::string_view json, const ReadOptions& options) {
  return guarded([&]() -> Result<Model> { return parse(json, options); });
}

Result<Model> read_hf_config(const std::string& path, const ReadOptions& options) {
  return guarded([&]() -> Result<Model> {
    const auto file = MappedFile::open(path);
    if (!file) return file.status();
    Result<Model> model = parse_hf_config(text_of((*file)->bytes()), options);
    if (!model) return with_path(path, model.status());
    return model;
  });
}

}  // namespace simdrope::io
