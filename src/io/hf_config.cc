#include "io/hf_config.h"

#include <simdrope/io.hpp>

#include "io/bytes.h"
#include "io/hf_model_type.h"
#include "io/hf_reader.h"
#include "io/input_file.h"
#include "io/json.h"
#include "io/reject.h"

namespace simdrope::io {
namespace {

// Objects that hold other models, which may rotate too.
constexpr std::string_view kOtherConfigs[] = {"vision_config",  "vision_tower_cfg", "audio_config",
                                              "encoder_config", "encoder",          "talker_config"};

void check(const Model& model) {
  for (const std::vector<LayerRope>* ropes : {&model.ropes, &model.others}) {
    for (const LayerRope& rope : *ropes) {
      if (!rope.rotary) continue;
      require_rope(rope.config);
    }
  }
}

// Vision towers, encoders and talkers beside the language model; those that are not understood are left out.
void read_others(const Place& place, const Families& families, const ReadOptions& options, Model& model) {
  for (const auto& [object, path] : place.around) {
    for (const std::string_view name : kOtherConfigs) {
      const auto at = object->find(name);
      if (at == object->end() || !at->is_object()) continue;
      const Place inner = find_language_model(*at);
      const std::string key = path + std::string(name);
      Model part;
      try {
        const std::string type = model_type_of(inner, families);
        if (type.empty() && !inner.config->contains("spatial_merge_size")) continue;
        const Family& family = family_of(*inner.config, type, families, options, part);
        read_hf_object(*inner.config, key + "." + inner.path, type, family, families, options, part);
        check(part);
      } catch (const Rejected& why) {
        model.origins.push_back({key, std::string("left out: ") + why.what()});
        continue;
      }
      for (LayerRope& rope : part.ropes) {
        if (!rope.rotary) continue;
        rope.layer_type = rope.layer_type.empty() ? key : key + "." + rope.layer_type;
        model.others.push_back(std::move(rope));
      }
    }
  }
}

// A tree takes many times the memory of its text. Published files have kilobytes.
constexpr size_t kMaxBytes = size_t{1} << 24;

}  // namespace

Model parse_hf(std::string_view json, const ReadOptions& options, const Families& families) {
  if (json.size() > kMaxBytes) reject("a config.json of ", json.size(), " bytes is beyond ", kMaxBytes);
  const JsonTree tree = parse_json(json);
  const Json& root = tree.root;
  if (!root.is_object()) reject("the file holds no JSON object");
  const Place place = find_language_model(root);
  Model model;
  const std::string model_type = model_type_of(place, families);
  const Family& family = family_of(*place.config, model_type, families, options, model);
  read_hf_object(*place.config, place.path, model_type, family, families, options, model);
  read_others(place, families, options, model);
  check(model);
  return model;
}

Result<Model> parse_hf_config(std::string_view json, const ReadOptions& options) {
  return guarded([&]() -> Result<Model> { return parse_hf(json, options, {}); });
}

Result<Model> read_hf_config(const std::string& path, const ReadOptions& options) {
  return guarded([&]() -> Result<Model> {
    const auto file = InputFile::open(path);
    if (!file) return file.status();
    if ((*file)->size() > kMaxBytes) {
      return bad_file(path, ": a config.json of ", (*file)->size(), " bytes is beyond ", kMaxBytes);
    }
    const Result<std::vector<std::byte>> bytes = (*file)->read_all();
    if (!bytes) return bytes.status();
    Result<Model> model = parse_hf_config(text_of(*bytes), options);
    if (!model) return with_path(path, model.status());
    return model;
  });
}

}  // namespace simdrope::io
