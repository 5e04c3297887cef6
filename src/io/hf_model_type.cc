#include "io/hf_model_type.h"

#include <cctype>

#include "io/bytes.h"
#include "io/reject.h"

namespace simdrope::io {
namespace {

std::string string_at(const Json& object, const char* key) {
  const auto at = object.find(key);
  if (at == object.end() || at->is_null()) return {};
  if (!at->is_string()) reject("key ", in_quotes(key), " is no string");
  return at->get<std::string>();
}

// "LlamaForCausalLM" is model type "llama".
std::string type_of_architecture(const Json& config, const Families& families) {
  const auto list = config.find("architectures");
  if (list == config.end() || !list->is_array() || list->empty() || !(*list)[0].is_string()) return {};
  std::string name = (*list)[0].get<std::string>();
  for (const std::string_view suffix : {"ForCausalLM", "LMHeadModel", "ForConditionalGeneration", "Model"}) {
    if (name.size() > suffix.size() && name.ends_with(suffix)) {
      name.resize(name.size() - suffix.size());
      break;
    }
  }
  std::string lower, snake;
  for (size_t i = 0; i < name.size(); ++i) {
    const auto c = static_cast<unsigned char>(name[i]);
    if (std::isupper(c) && i > 0 && std::islower(static_cast<unsigned char>(name[i - 1]))) snake += '_';
    snake += static_cast<char>(std::tolower(c));
    lower += static_cast<char>(std::tolower(c));
  }
  for (const std::string& candidate : {lower, snake}) {
    if (families.find(FileType::config_json, candidate) != nullptr) return candidate;
  }
  return {};
}

// Objects that hold the language model of a larger one.
constexpr std::string_view kTextConfigs[] = {"text_config",    "llm_config",     "llm_cfg",       "language_config",
                                             "thinker_config", "decoder_config", "global_config", "decoder"};

}  // namespace

Place find_language_model(const Json& root) {
  Place place{&root, "", string_at(root, "model_type"), {{&root, ""}}};
  for (bool nested = true; nested;) {
    nested = false;
    for (const std::string_view name : kTextConfigs) {
      const auto at = place.config->find(name);
      if (at == place.config->end() || !at->is_object() || at->empty()) continue;
      if (const std::string type = string_at(*place.config, "model_type"); !type.empty()) place.outer_type = type;
      place.config = &*at;
      place.path += std::string(name) + ".";
      place.around.emplace_back(place.config, place.path);
      nested = true;
      break;
    }
  }
  return place;
}

std::string model_type_of(const Place& place, const Families& families) {
  if (std::string type = string_at(*place.config, "model_type"); !type.empty()) return type;
  if (const Family* outer = families.find(FileType::config_json, place.outer_type)) {
    return outer->text.empty() ? place.outer_type : std::string(outer->text);
  }
  if (std::string type = type_of_architecture(*place.config, families); !type.empty()) return type;
  return place.outer_type;
}

const Family& family_of(const Json& config, const std::string& type, const Families& families,
                        const ReadOptions& options, Model& model) {
  if (config.contains("spatial_merge_size") && config.contains("num_heads")) return kQwenVision;
  if (const Family* family = families.find(FileType::config_json, type)) return *family;
  if (!options.family.empty()) {
    const Family* family = families.find(FileType::config_json, options.family);
    if (family == nullptr) reject("family ", in_quotes(options.family), " is not known");
    model.warnings.push_back("model type " + in_quotes(type) + " is not known; read as " + in_quotes(options.family));
    return *family;
  }
  if (const std::string name = string_at(config, "_class_name"); type.empty() && !name.empty()) {
    reject("key \"_class_name\" is ", in_quotes(name),
           ": the RoPE of a diffusion transformer cannot be told from its file");
  }
  if (type.empty()) {
    reject("key \"model_type\" is missing, and key \"architectures\" names no known one: the pairing cannot be told");
  }
  const std::string nearest = families.nearest(FileType::config_json, type);
  reject("key \"model_type\": ", in_quotes(type), " is not known",
         nearest.empty() ? "" : "; the nearest known family is ", nearest.empty() ? "" : in_quotes(nearest),
         ". --allow-unknown does not help: which layers rotate, the pairing and the window are never assumed; "
         "--family NAME reads the file as that family");
}

}  // namespace simdrope::io
