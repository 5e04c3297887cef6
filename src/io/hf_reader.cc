#include "io/hf_reader.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <memory>

#include "core/config_fields.h"
#include "io/bytes.h"
#include "io/hf_layers.h"
#include "io/hf_overrides.h"
#include "io/hf_scaling.h"
#include "io/json_keys.h"
#include "io/reject.h"

namespace simdrope::io {
namespace {

// Names of RoPE keys that say nothing about the rotation of Q and K, or nothing that is not known of the model type.
constexpr std::string_view kIgnored[] = {"use_mrope",
                                         "rope_3d",
                                         "flash_rotary",
                                         "rope_full_precision",
                                         "rope_impl",
                                         "rope_max_length",
                                         "fused_rope",
                                         "apply_rope_fusion",
                                         "memory_attention_rope_dropout",
                                         "use_dynamic_ntk",
                                         "rope",
                                         "rotary",
                                         "use_rope",
                                         "use_rotary_pos_emb"};

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

// Whether a key about RoPE could say which layers rotate, what makes a pair, or which part of a head turns.
bool may_decide_too_much(std::string_view key) {
  for (const std::string_view part :
       {"layer", "nope",    "no_", "interval", "pattern", "interleav", "neox", "style",   "pair", "layout", "impl",
        "dim",   "partial", "pct", "fraction", "offset",  "type",      "axes", "section", "use_", "_use",   "head"}) {
    if (key.find(part) != std::string_view::npos) return true;
  }
  return false;
}

bool is_word_of(std::string_view list, std::string_view word) {
  return any_word(list, [&](std::string_view known) { return known == word; });
}

class ConfigReader {
 public:
  ConfigReader(const Json& config, const std::string& path, std::string model_type, const Family& family,
               const Families& families, const ReadOptions& options, Model& model)
      : keys_(config, path), family_(&family), families_(families), options_(options), model_(model) {
    model_.model_type = std::move(model_type);
    model_.source = "config.json";
  }

  void read() {
    // DBRX keeps its attention's keys apart.
    if (const Json* attention = keys_.object("attn_config")) {
      attention_.emplace(*attention, keys_.path() + "attn_config.");
    }
    any_word(family_->keys, [&](std::string_view pair) {
      keys_.rename(pair.substr(0, pair.find('=')), pair.substr(pair.find('=') + 1));
      return false;
    });
    const std::string why = no_rope();
    if (!why.empty()) return read_no_rope(why);
    if (family_->answer == Answer::refused) {
      reject("model type ", in_quotes(model_.model_type),
             ": the RoPE of such a model cannot be told from its file: ", family_->note);
    }
    note("rope", "model type " + model_.model_type);
    check_required();
    check_known_values();
    read_heads();
    read_context();
    read_kinds();
    read_indexer();
    if (const Json* overrides = keys_.object("simdrope")) {
      Keys fields(*overrides, keys_.path() + "simdrope.");
      for (LayerRope& rope : model_.ropes) read_overrides(fields, rope.config);
      for (const std::string& name : fields.unread()) report_unknown(fields.path_of(name));
    }
    if (!family_->note.empty()) note("note", std::string(family_->note));
    warn_of_more();
    for (const std::string_view name : kIgnored) keys_.ignore(name);
    for (const std::string& name : keys_.unread()) {
      const Json& value = *keys_.any(name);
      const bool says_nothing = (value.is_array() || value.is_object()) && value.empty();
      if (is_about_rope(name) && !says_nothing) report_unknown(keys_.path_of(name));
    }
    if (attention_) {
      for (const std::string& name : attention_->unread()) {
        if (is_about_rope(name)) report_unknown(attention_->path_of(name));
      }
    }
    judge_unknown();
  }

 private:
  void note(std::string fact, std::string why) { model_.origins.push_back({std::move(fact), std::move(why)}); }
  // Notes the key that gave the value asked for last; else what was taken in its place.
  void note_key(std::string fact, std::string otherwise) {
    note(std::move(fact), keys_.last().empty() ? std::move(otherwise) : "key " + keys_.last());
  }
  std::string class_default() const { return "the default of model type " + model_.model_type; }

  // "": the model has RoPE.
  std::string no_rope() {
    // Keys of any model that say so.
    constexpr Switch kAny[] = {{"alibi", Switch::When::is, "true"},
                               {"rotary", Switch::When::is, "false"},
                               {"rope", Switch::When::is, "false"},
                               {"use_rope", Switch::When::is, "false"},
                               {"use_rotary_pos_emb", Switch::When::is, "false"},
                               {"position_embedding_type", Switch::When::is, "\"nope\""},
                               {"position_embedding_type", Switch::When::is, "\"none\""},
                               {"position_embedding_type", Switch::When::is, "\"alibi\""}};
    for (const Switch& each : kAny) {
      if (applies(each)) return "key " + keys_.path_of(each.key) + " is " + std::string(each.value);
    }
    if (attention_ && attention_->boolean({"rope"}).value_or(false)) {  // MPT may have one, of several kinds
      reject("key ", attention_->path_of("rope"), " is true, which is not understood");
    }
    if (attention_ && attention_->boolean({"alibi"}).value_or(false)) return "key " + attention_->path_of("alibi");
    for (const Switch& each : family_->switches) {
      if (each.key.empty() || !applies(each)) continue;
      const std::string key = "key " + keys_.path_of(each.key);
      if (each.as.empty()) {
        return key + (each.when == Switch::When::is ? " is " : " is not ") + std::string(each.value);
      }
      const Family* other = families_.find(FileType::config_json, each.as);
      if (other == nullptr) reject(key, " asks for model type ", in_quotes(each.as), ", which is not known");
      note("family", key + ": read as model type " + std::string(each.as));
      family_ = other;
      return {};
    }
    if (family_->answer == Answer::no_rope)
      return "model type " + model_.model_type + ": " + std::string(family_->note);
    return {};
  }

  bool applies(const Switch& each) {
    const Json* value = keys_.any(each.key);
    const JsonTree wanted = parse_json(each.value);
    return (value == nullptr ? wanted.root.is_null() : *value == wanted.root) == (each.when == Switch::When::is);
  }

  void read_no_rope(const std::string& why) {
    note("rope", "none: " + why);
    const int32_t hidden = hidden_size();
    const int32_t heads = head_count();
    model_.q_heads = model_.k_heads = heads;
    Config config;
    config.head_dim = small({"head_dim", "kv_channels"}, heads != 0 ? hidden / heads : 0);
    model_.ropes.push_back({"", false, config, {}});
  }

  void check_required() {
    const std::string_view key = family_->requires_key;
    if (key.empty() || keys_.has(key)) return;
    if (key == "rope_theta" && keys_.has("rope_parameters")) return;
    reject("key ", keys_.path_of(key), " is missing, and model type ", in_quotes(model_.model_type),
           " alone does not tell it");
  }

  void check_known_values() {
    any_word(family_->known_values, [&](std::string_view pair) {
      const size_t equals = pair.find('=');
      const std::string_view key = pair.substr(0, equals), known = pair.substr(equals + 1);
      const Json* value = keys_.any(key);
      if (value != nullptr && *value != parse_json(known).root) {
        reject("key ", keys_.path_of(key), " is ", value->dump(), "; model type ", in_quotes(model_.model_type),
               " is known with ", known, " only");
      }
      return false;
    });
  }

  int32_t hidden_size() { return small({"embed_dim", "hidden_size", "n_embd", "d_model"}, family_->sizes.hidden); }
  int32_t head_count() {
    return small({"num_attention_heads", "n_head", "n_heads", "num_heads"}, family_->sizes.heads);
  }

  int32_t small(Keys::Names names, int32_t otherwise) {
    const int64_t value = keys_.integer(names).value_or(otherwise);
    if (value > (1 << 24)) reject("key ", keys_.path_of(*names.begin()), " is ", value, ", beyond 2^24");
    return static_cast<int32_t>(value);
  }

  void read_heads() {
    const int32_t hidden = hidden_size();
    const std::string hidden_from = keys_.last().empty() ? class_default() : "key " + keys_.last();
    const int32_t heads = head_count();
    const std::string heads_from = keys_.last().empty() ? class_default() : "key " + keys_.last();
    model_.q_heads = heads;
    model_.qkv_rows = family_->qkv_rows;
    model_.query_gate = family_->query_gate && keys_.boolean({"attn_output_gate"}).value_or(true);
    model_.kv_lora_rank = small({"kv_lora_rank"}, 0);
    model_.k_heads = k_head_count(heads);
    if (attention_) model_.k_heads = static_cast<int>(attention_->integer({"kv_n_heads"}).value_or(heads));
    if (keys_.boolean({"multi_query_attention"}).value_or(false)) {
      model_.k_heads = small({"multi_query_group_num"}, model_.k_heads);
    }
    if (keys_.boolean({"multi_query"}).value_or(false) &&
        !keys_.boolean({"new_decoder_architecture"}).value_or(false)) {
      model_.k_heads = 1;
    }

    int32_t head_dim = small({"head_dim", "kv_channels"}, 0);
    std::string from = keys_.last().empty() ? "" : "key " + keys_.last();
    const bool known_parts = family_->latent || family_->window_last;
    const int32_t rope_part = small({"qk_rope_head_dim"}, known_parts ? family_->rope_dim : 0);
    note_key("rotary_dim", rope_part != 0 ? class_default() : "");
    const int32_t plain_part = small({"qk_nope_head_dim"}, family_->latent ? family_->plain_dim : 0);
    if (rope_part != 0 && !family_->window_last) {  // multi-head latent attention: [plain | rotated]
      head_dim = plain_part + rope_part;
      from = "the sum of keys qk_nope_head_dim and qk_rope_head_dim, or their defaults";
      context_.rotary_offset = plain_part;
      context_.rotary_dim = rope_part;
    }
    if (head_dim == 0 && family_->head_dim != 0) {
      head_dim = family_->head_dim;
      from = class_default();
    }
    if (head_dim == 0 && heads != 0) {
      head_dim = hidden / heads;
      from = "hidden size (" + hidden_from + ") / heads (" + heads_from + ")";
    }
    if (head_dim == 0) {
      reject("no head size: neither key ", keys_.path_of("head_dim"), " nor ", keys_.path_of("hidden_size"), " and ",
             keys_.path_of("num_attention_heads"));
    }
    if (family_->window_last) {
      if (rope_part > head_dim) {
        reject("key ", keys_.path_of("qk_rope_head_dim"), " is ", rope_part, " in heads of ", head_dim);
      }
      context_.rotary_offset = head_dim - rope_part;
      context_.rotary_dim = rope_part;
    }
    note("head_dim", from);
    context_.head_dim = head_dim;
    read_head_dims_by_layer();
  }

  // Of one layer as of another, unless read_heads_of_layers finds them listed.
  int32_t k_head_count(int32_t heads) {
    const Json* listed = keys_.any("num_kv_heads");
    if (listed != nullptr && listed->is_array()) return heads;
    // The class's default belongs to a class's default number of heads.
    const Sizes& sizes = family_->sizes;
    const int32_t otherwise = sizes.k_heads != 0 && !keys_.has_null("num_key_value_heads") ? sizes.k_heads : heads;
    return small({"num_key_value_heads", "num_kv_heads", "n_head_kv", "num_attention_groups"}, otherwise);
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
    c.family = family_;
    c.warnings = &model_.warnings;
    c.seq_len = options_.seq_len;
    c.max_position = keys_.integer({"max_position_embeddings", "n_positions", "seq_length", "max_seq_len"})
                         .value_or(family_->sizes.max_position);
    model_.max_position = c.max_position;
    c.original_max_position =
        keys_.integer({"original_max_position_embeddings"}).value_or(family_->original_max_position);
    read_theta();

    c.rotary_fraction = keys_.number({"partial_rotary_factor", "rotary_pct", "rope_pct", "rotary_emb_fraction"})
                            .value_or(family_->fraction);
    fraction_from_ = keys_.last().empty() ? class_default() : "key " + keys_.last();
    // GPT-J: an absent key means 64, null the whole head.
    const int32_t family_dim = keys_.has_null("rotary_dim") ? 0 : family_->rotary_dim;
    const int32_t rotary_dim = small({"rotary_dim"}, family_dim);
    if (c.rotary_dim == 0 && rotary_dim != 0) {
      fraction_from_ = keys_.last().empty() ? class_default() : "key " + keys_.last();
      c.rotary_dim = rotary_dim;
    }
    read_pairing();
  }

  void read_theta() {
    HfContext& c = context_;
    const Json* listed = keys_.any("rope_theta");
    if (listed != nullptr && listed->is_array()) {  // one for each layer
      c.theta = family_->theta;
      return;
    }
    c.theta = keys_.number({"rope_theta", "rotary_emb_base", "global_rope_theta"}).value_or(family_->theta);
    theta_from_ = keys_.last().empty() ? class_default() : "key " + keys_.last();
    if (attention_) {
      c.theta = attention_->number({"rope_theta"}).value_or(c.theta);
      if (!attention_->last().empty()) theta_from_ = "key " + attention_->last();
    }
    if (const std::optional<double> ratio = keys_.number({"rope_ratio"})) {  // ChatGLM
      c.theta *= *ratio;
      theta_from_ += " times key " + keys_.last();
    }
    if (!keys_.boolean({"original_rope"}).value_or(true)) report_unknown(keys_.path_of("original_rope") + " = false");
    // InternLM 1: {"base": 10000, "type": "dynamic"}
    if (const Json* rotary = keys_.any("rotary"); rotary != nullptr && rotary->is_object()) {
      Keys parts(*rotary, keys_.path() + "rotary.");
      c.theta = parts.number({"base"}).value_or(c.theta);
      const std::string type = parts.text({"type"}).value_or("origin");
      if (type == "dynamic") {
        internlm_rope_ = {{"rope_type", "dynamic"}, {"factor", parts.number({"scaling_factor"}).value_or(1.0)}};
      } else if (type != "origin") {
        reject("key ", parts.path_of("type"), " is ", in_quotes(type), ", which is not known");
      }
    }
  }

  void read_pairing() {
    context_.pairing = family_->pairing;
    std::string from = "model type " + model_.model_type;
    if (const auto given = keys_.boolean({"rope_interleave", "rotary_emb_interleaved"})) {
      context_.pairing = *given ? interleaved : half;
      from = "key " + keys_.last();
    }
    // Keys that only repeat what the model type says.
    if (const auto given = keys_.boolean({"rope_interleaved", "rope_traditional"})) {
      if (*given != (context_.pairing == interleaved)) {
        reject("key ", keys_.last(), " is ", *given ? "true" : "false", ", but model type ",
               in_quotes(model_.model_type), " is known with ", *given ? "half" : "interleaved", " pairing");
      }
    }
    note("pairing", from);
  }

  void read_kinds() {
    const Json* scaling = keys_.object("rope_scaling");
    const Json* parameters = keys_.object("rope_parameters");
    const Json* rope = scaling != nullptr && !scaling->empty() ? scaling : parameters;
    const std::string path = keys_.path() + (rope == scaling && rope != nullptr ? "rope_scaling." : "rope_parameters.");
    file_says_rope_ = rope != nullptr && !rope->empty();
    scaled_by_class_ = !keys_.has_null("rope_scaling") && !keys_.has_null("rope_parameters");
    if (rope == nullptr) rope = &none_;
    if (!internlm_rope_.empty()) rope = &internlm_rope_;

    LayerKinds found = layer_kinds(keys_, *family_);
    if (!found.origin.empty()) note("layers", found.origin);
    const bool by_layer_type =
        std::any_of(rope->begin(), rope->end(), [](const Json& value) { return value.is_object(); });
    if (by_layer_type) {
      read_by_layer_type(*rope, path, found.kinds);
    } else {
      read_flat(*rope, path, found.kinds);
    }
    name_apart();
    read_heads_of_layers();
    merge_alike();
    read_temperature_of_nope_layers();
  }

  // Heads that differ from layer to layer: listed, or those of a kind.
  void read_heads_of_layers() {
    const auto read = [&](Keys::Names lists, std::string_view Kind::*key, int all, std::vector<int>& heads) {
      for (const std::string_view name : lists) {
        const Json* list = keys_.any(name);
        if (list == nullptr || !list->is_array()) continue;
        const std::vector<double> counts = keys_.numbers({name}).value();
        for (const double count : counts) heads.push_back(head_number(name, count));
        return;
      }
      for (const LayerRope& rope : model_.ropes) {
        const Kind* differs = family_->kind(rope.layer_type);
        if (differs == nullptr) continue;
        const bool counts = key != &Kind::k_heads_key || differs->k_heads_if.empty() ||
                            keys_.boolean({differs->k_heads_if}).value_or(false);
        const int own = counts ? heads_by_key(differs->*key).value_or(all) : all;
        if (own == all || rope.layers.empty()) continue;
        heads.resize(std::max(heads.size(), static_cast<size_t>(rope.layers.back()) + 1), all);
        for (const int layer : rope.layers) heads[static_cast<size_t>(layer)] = own;
      }
    };
    read({"num_attention_heads_per_layer", "num_query_heads"}, &Kind::q_heads_key, model_.q_heads,
         model_.q_heads_of_layer);
    read({"num_key_value_heads_per_layer", "num_kv_heads"}, &Kind::k_heads_key, model_.k_heads,
         model_.k_heads_of_layer);
    if (const Json* blocks = keys_.array("block_configs")) read_head_groups(*blocks);
  }

  // Nemotron-NAS: {"attention": {"n_heads_in_group": 8, ...}} for each layer; null where it has no attention.
  void read_head_groups(const Json& blocks) {
    for (const Json& block : blocks) {
      const auto attention = block.is_object() ? block.find("attention") : block.end();
      double group = 0;
      if (block.is_object() && attention != block.end() && attention->is_object()) {
        group = Keys(*attention, keys_.path() + "block_configs.attention.").number({"n_heads_in_group"}).value_or(0);
      }
      model_.k_heads_of_layer.push_back(group >= 1 ? static_cast<int>(model_.q_heads / group) : 0);
    }
  }

  int head_number(std::string_view key, double count) {
    if (!(count >= 0 && count <= (1 << 24)) || count != std::floor(count)) {
      reject("key ", keys_.path_of(key), " has ", count, ", no number of heads");
    }
    return static_cast<int>(count);
  }

  // "object.key" is a key of an object.
  std::optional<int> heads_by_key(std::string_view key) {
    if (key.empty()) return std::nullopt;
    const size_t dot = key.find('.');
    if (dot == std::string_view::npos) {
      const int32_t heads = small({key}, 0);
      return heads != 0 ? std::optional<int>(heads) : std::nullopt;
    }
    const Json* object = keys_.object(key.substr(0, dot));
    if (object == nullptr) return std::nullopt;
    const std::string_view name = key.substr(dot + 1);
    const auto value = Keys(*object, keys_.path() + std::string(key.substr(0, dot + 1))).number({name});
    return value ? std::optional<int>(head_number(key, *value)) : std::nullopt;
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
      const Kind* differs = family_->kind(kind.name);
      const std::string name = differs != nullptr && !differs->entry.empty() ? std::string(differs->entry) : kind.name;
      const auto entry = rope.find(name);
      const bool listed = entry != rope.end();
      if (listed && entry->is_object() && !never_rotates(kind.name)) {
        add(std::move(kind), *entry, path + name + ".", context_, theta_from_);
      } else if (listed || never_rotates(kind.name)) {
        add_nope(std::move(kind));
      } else {
        reject("key ", in_quotes(path + name), " is missing, but there are layers of that type");
      }
    }
    for (const std::string& name : by_type.unread()) report_unknown(by_type.path_of(name));
  }

  bool never_rotates(std::string_view layer_type) {
    const Kind* differs = family_->kind(layer_type);
    if (differs == nullptr) return rotates_nothing(layer_type);
    switch (differs->rotates) {
      case Kind::Rotates::yes: return false;
      case Kind::Rotates::no: return true;
      case Kind::Rotates::unless_window: return !keys_.has_null("sliding_window");
    }
    return false;
  }

  void read_flat(const Json& rope, const std::string& path, std::vector<LayerKind>& kinds) {
    if (kinds.empty()) kinds.push_back({"", {}});
    std::string scaled_types;
    if (const Json* types = keys_.array("yarn_only_types")) {
      for (const Json& type : *types) {
        if (type.is_string()) scaled_types += " " + type.get<std::string>();
      }
    }
    for (LayerKind& kind : kinds) {
      const Kind* differs = family_->kind(kind.name);
      if (never_rotates(kind.name)) {
        add_nope(std::move(kind));
        continue;
      }
      if (!kind.name.empty() && differs == nullptr && !rotates(kind.name) && kind.name != "dense_attention") {
        reject("layers of type ", in_quotes(kind.name), ": it is not known whether these rotate");
      }
      HfContext context = context_;
      std::string theta_from = theta_from_;
      const Json* own = &rope;
      if (differs != nullptr && differs->theta != 0) {
        context.theta = differs->theta;
        theta_from = class_default();
        any_word(differs->theta_keys, [&](std::string_view key) {
          const std::optional<double> theta = keys_.number({key});
          if (theta) {
            context.theta = *theta;
            theta_from = "key " + keys_.last();
          }
          return theta.has_value();
        });
      }
      const bool unscaled =
          (differs != nullptr && differs->unscaled) || (!scaled_types.empty() && !is_word_of(scaled_types, kind.name));
      JsonTree changed_tree;
      Json& changed = changed_tree.root;
      if (!file_says_rope_ && scaled_by_class_ && internlm_rope_.empty()) {
        const std::string_view text = differs != nullptr && !differs->rope.empty() ? differs->rope : family_->rope;
        if (!text.empty()) {
          changed_tree = parse_json(text);
          if (keys_.has("rope_theta") && changed.contains("rope_theta") && differs == nullptr)
            changed.erase("rope_theta");
          own = &changed;
          note(fact(kind.name, "scaling"), class_default());
        }
      } else if (unscaled) {
        changed = Json::object();
        if (differs == nullptr || differs->theta == 0) copy_key(rope, "rope_theta", changed);
        copy_key(rope, "partial_rotary_factor", changed);
        own = &changed;
      } else if (differs != nullptr && differs->theta != 0 && rope.contains("rope_theta")) {
        changed = rope;
        changed.erase("rope_theta");
        own = &changed;
      } else if (differs != nullptr && !differs->rope.empty() && !file_says_rope_) {
        // "rope_scaling": null beside a class that has rope_parameters by layer type
        changed = Json::parse(differs->rope);
        own = &changed;
      }
      add(std::move(kind), *own, path, context, theta_from);
    }
  }

  static void copy_key(const Json& from, const char* key, Json& to) {
    if (from.contains(key)) to[key] = from[key];
  }

  static std::string fact(const std::string& kind, const char* name) { return kind.empty() ? name : kind + "." + name; }

  void add(LayerKind&& kind, const Json& rope, const std::string& path, HfContext context,
           const std::string& theta_from) {
    const Kind* differs = family_->kind(kind.name);
    if (differs != nullptr) {
      const int32_t by_key = differs->head_dim_key.empty() ? 0 : small({differs->head_dim_key}, 0);
      if (by_key != 0 || differs->head_dim != 0) context.head_dim = by_key != 0 ? by_key : differs->head_dim;
      if (differs->plain_heads) {
        context.pairing = half;
        context.rotary_offset = context.rotary_dim = 0;
      }
    }
    if (full_head_dim_ != 0 && kind.name == "full_attention") context.head_dim = full_head_dim_;
    if (kind.theta != 0) context.theta = kind.theta;
    if (kind.fraction != 0) context.rotary_fraction = kind.fraction;
    Keys keys(rope, path);
    Config config = read_hf_rope(keys, context);
    if (differs != nullptr && differs->attention_factor != 0 && config.scaling.attention_factor == 0 &&
        !config.scaling.attention_factor_given) {
      config.scaling.attention_factor = differs->attention_factor;
    }
    note(fact(kind.name, "theta"), rope.contains("rope_theta") ? "key " + keys.path_of("rope_theta") : theta_from);
    if (context.rotary_dim == 0 || context.rotary_offset == 0) {
      note(fact(kind.name, "rotary_dim"),
           rope.contains("partial_rotary_factor") ? "key " + keys.path_of("partial_rotary_factor") : fraction_from_);
    }
    read_flash_attention_keys(config);
    read_growing_theta(config);
    // Phi-3 small multiplies positions.
    if (const double scale = keys_.number({"rope_position_scale"}).value_or(1); scale != 1) {
      if (config.scaling.type != SIMDROPE_SCALING_NONE || !(scale > 0)) {
        reject("key ", keys_.last(), " is ", scale, ", not above 0, or beside another scaling");
      }
      config.scaling.type = SIMDROPE_SCALING_LINEAR;
      config.scaling.factor = 1 / scale;
    }
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

  void read_growing_theta(Config& config) {
    const GrowingTheta& growing = family_->growing;
    if (growing.base_key.empty()) return;
    const double base = static_cast<double>(keys_.integer({growing.base_key}).value_or(growing.base));
    const bool has_trained = !growing.trained_key.empty();
    const double trained = has_trained ? static_cast<double>(keys_.integer({growing.trained_key}).value_or(0)) : base;
    if (base > 1 && keys_.boolean({"use_logn_attn"}).value_or(false)) config.query_log_length = base;
    const bool counts = growing.if_key.empty() || keys_.boolean({growing.if_key}).value_or(false);
    const double length = std::max(static_cast<double>(options_.seq_len), trained);
    if (!counts || !(base > 0 && length > 0)) return;
    const double alpha = std::exp2(std::ceil(std::log2(length / base) + 1)) - 1;
    if (alpha > 1) {
      config.scaling.type = SIMDROPE_SCALING_NTK;
      config.scaling.factor = alpha;
    }
    if (has_trained && length > trained) config.scaling.attention_factor = 0.1 * std::log(length / trained) + 1;
  }

  void add_nope(LayerKind&& kind) {
    Config config;
    config.head_dim = context_.head_dim;
    model_.ropes.push_back({std::move(kind.name), false, config, std::move(kind.layers)});
  }

  // Kinds of one layer type that lists for each layer have split.
  void name_apart() {
    for (size_t i = 1; i < model_.ropes.size(); ++i) {
      size_t same = 0;
      for (size_t j = 0; j < i; ++j) same += model_.ropes[j].layer_type == model_.ropes[i].layer_type ? 1 : 0;
      if (same != 0) model_.ropes[i].layer_type += "_" + std::to_string(same + 1);
    }
  }

  // Layer types that all rotate alike are one kind.
  void merge_alike() {
    const LayerRope& first = model_.ropes.front();
    for (const LayerRope& rope : model_.ropes) {
      if (!rope.rotary || !impl::SameConfig(rope.config, first.config)) return;
    }
    model_.ropes.resize(1);
    model_.ropes[0].layer_type.clear();
    model_.ropes[0].layers.clear();
  }

  // Llama 4 scales the queries of its NoPE layers.
  void read_temperature_of_nope_layers() {
    const simdrope_temperature& temperature = family_->nope_temperature;
    if (temperature.beta == 0) return;
    const Json* tuning = keys_.any("attn_temperature_tuning");  // a number in early files
    const bool tuned = tuning == nullptr || (*tuning != false && *tuning != 0);
    const double length = keys_.number({"floor_scale"}).value_or(temperature.length);
    const double beta = keys_.number({"attn_scale"}).value_or(temperature.beta);
    for (LayerRope& rope : model_.ropes) {
      if (!rope.rotary && tuned) rope.config.temperature = {beta, length, temperature.offset};
    }
  }

  // Sparse attention chooses tokens by heads of its own, which rotate like the last kind of layer.
  void read_indexer() {
    const auto told = keys_.boolean({"indexer_rope_interleave"});
    if (!family_->indexer) return;
    const int32_t head_dim = small({"index_head_dim"}, 0);
    if (head_dim == 0 || model_.ropes.empty() || !model_.ropes.back().rotary) return;
    LayerRope indexer = model_.ropes.back();
    indexer.layer_type = "indexer";
    indexer.config.head_dim = head_dim;
    indexer.config.rotary_offset = family_->window_last ? head_dim - indexer.config.rotary_dim : 0;
    indexer.config.pairing = told.value_or(family_->indexer_interleaved) ? interleaved : half;
    if (indexer.config.rotary_dim > head_dim) {
      reject("key ", keys_.path_of("index_head_dim"), " is ", head_dim, ", less than the ", indexer.config.rotary_dim,
             " elements that turn");
    }
    model_.others.push_back(std::move(indexer));
  }

  // What such a model does beside the rotation of Q and K that a Config says.
  void warn_of_more() {
    if (keys_.boolean({"rotary_value"}).value_or(false)) {
      model_.warnings.push_back("key " + keys_.last() + ": V is rotated like Q and K");
    }
    if (keys_.boolean({"use_logn_attn"}).value_or(false) && family_->growing.base_key != "seq_length") {
      model_.warnings.push_back("key " + keys_.last() +
                                ": beyond seq_length, queries at position p are multiplied by " +
                                "ln(p + 1) / ln(seq_length), which only model type \"qwen\" is read with");
    }
    if (const Json* chunks = keys_.any("dual_chunk_attention_config"); chunks != nullptr && chunks->is_object()) {
      model_.warnings.push_back("key " + keys_.path_of("dual_chunk_attention_config") +
                                ": beyond a chunk, positions are those of io::dual_chunk_positions");
    }
  }

  void report_unknown(const std::string& key) {
    if (std::find(unknown_.begin(), unknown_.end(), key) == unknown_.end()) unknown_.push_back(key);
  }

  void judge_unknown() {
    std::string list;
    bool too_much = false;
    for (const std::string& key : unknown_) {
      too_much = too_much || may_decide_too_much(key.substr(key.rfind('.') + 1));
      list += (list.empty() ? "" : ", ") + key;
    }
    if (list.empty()) return;
    if (options_.allow_unknown && !too_much) {
      for (const std::string& key : unknown_) model_.warnings.push_back("not understood: key " + key);
      return;
    }
    reject("not understood: key ", list, " (about RoPE; model type ", in_quotes(model_.model_type), "). ",
           too_much ? "--allow-unknown does not help: it could say which layers rotate, the pairing or the window"
                    : "--allow-unknown would read the file without it");
  }

  Keys keys_;
  std::optional<Keys> attention_;
  const Family* family_;
  const Families& families_;
  const ReadOptions& options_;
  Model& model_;
  HfContext context_;
  int32_t full_head_dim_ = 0;
  bool file_says_rope_ = false;
  bool scaled_by_class_ = false;  // rope_scaling is absent, not null
  std::string theta_from_;
  std::string fraction_from_;
  std::vector<std::string> unknown_;
  Json internlm_rope_ = Json::object();
  const Json none_ = Json::object();
};

}  // namespace

void read_hf_object(const Json& config, const std::string& path, std::string model_type, const Family& family,
                    const Families& families, const ReadOptions& options, Model& model) {
  ConfigReader(config, path, std::move(model_type), family, families, options, model).read();
}

}  // namespace simdrope::io
