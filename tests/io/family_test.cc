// The table of families: its rows are sound, and a new model is one row.
#include "io/family.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "class_defaults.h"
#include "gguf_writer.h"
#include "io/gguf.h"
#include "io/hf_config.h"
#include "io/reject.h"

namespace io = simdrope::io;

namespace {

// A made-up model: local layers of another theta, every third one global and without RoPE, the last 32 of 96
// elements of a head in interleaved pairs.
constexpr io::Family kMadeUp[] = {
    {.names = "quagga quagga_text",
     .pairing = simdrope::interleaved,
     .theta = 5000.0,
     .head_dim = 96,
     .sizes = {960, 10, 6, 4096},
     .rope_dim = 32,
     .window_last = true,
     .period = {3},
     .kinds = {{{.type = "full_attention", .rotates = io::Kind::Rotates::no},
                {.type = "sliding_attention", .theta = 700.0, .theta_keys = "quagga_theta"}}}}};

// As ClassDefaults::means.
std::string meaning_of(const io::Family& family, std::string_view type) {
  const std::string json = R"({"model_type": ")" + std::string(type) + "\"}";
  const io::Sizes& sizes = family.sizes;
  std::string text;
  for (const int64_t size : {int64_t{sizes.hidden}, int64_t{sizes.heads}, int64_t{sizes.layers}, sizes.max_position,
                             int64_t{sizes.k_heads}}) {
    text += std::to_string(size) + ' ';
  }
  text += "-> ";
  const auto model = io::parse_hf_config(json);
  if (!model.ok()) return text + "refused";
  text +=
      std::to_string(model->q_heads) + ' ' + std::to_string(model->k_heads) + ' ' + std::to_string(model->max_position);
  for (const io::LayerRope& rope : model->ropes) {
    const simdrope_config& c = rope.config;
    char kind[200];
    std::snprintf(kind, sizeof kind, "; %s%s%zu x %d", rope.layer_type.c_str(), rope.layer_type.empty() ? "" : " ",
                  rope.layers.size(), c.head_dim);
    text += kind;
    if (!rope.rotary) continue;
    std::snprintf(kind, sizeof kind, " %d+%d %.10g", c.rotary_offset, c.rotary_dim, c.theta);
    text += kind;
  }
  return text;
}

}  // namespace

TEST_CASE("family: what a config.json of nothing but its model_type means") {
  size_t rows = 0;
  for (const io::Family& family : io::families(io::FileType::config_json)) {
    if (family.answer != io::Answer::rope) continue;
    const std::string_view type = family.names.substr(0, family.names.find(' '));
    CAPTURE(std::string(type));
    const auto* row = std::find_if(std::begin(kClassDefaults), std::end(kClassDefaults),
                                   [&](const ClassDefaults& each) { return type == each.type; });
    REQUIRE(row != std::end(kClassDefaults));
    CHECK(meaning_of(family, type) == row->means);
    ++rows;
  }
  CHECK(rows == std::size(kClassDefaults));
}

TEST_CASE("family: a made-up model is one row") {
  const io::Families families{kMadeUp};
  const io::Model m = io::parse_hf(R"({"model_type": "quagga_text", "quagga_theta": 300})", {}, families);
  REQUIRE(m.ropes.size() == 2);
  const io::LayerRope& local = *m.find("sliding_attention");
  CHECK(local.layers == std::vector<int>{0, 1, 3, 4});
  CHECK(local.config.pairing == simdrope::interleaved);
  CHECK(local.config.theta == 300);
  CHECK(local.config.head_dim == 96);
  CHECK(local.config.rotary_dim == 32);
  CHECK(local.config.rotary_offset == 64);
  CHECK_FALSE(m.find("full_attention")->rotary);
  CHECK(m.max_position == 4096);

  const std::string gguf = GgufWriter("quagga")
                               .u32("quagga.block_count", 3)
                               .u32("quagga.attention.key_length", 96)
                               .u32("quagga.rope.dimension_count", 32)
                               .file();
  const auto g = io::parse_gguf(io::bytes_of(gguf), {}, families);
  REQUIRE_MESSAGE(g.ok(), g.status().message());
  CHECK(g->find("sliding_attention")->config.rotary_offset == 64);
  CHECK_FALSE(g->find("full_attention")->rotary);
}

TEST_CASE("family: rows are sound") {
  for (const io::FileType file : {io::FileType::config_json, io::FileType::gguf}) {
    std::map<std::string, int> seen;
    for (const io::Family& family : io::families(file)) {
      CAPTURE(std::string(family.names));
      REQUIRE_FALSE(family.names.empty());
      io::any_word(family.names, [&](std::string_view name) {
        ++seen[std::string(name)];
        return false;
      });
      if (family.answer != io::Answer::rope) CHECK_FALSE(family.note.empty());
      for (const std::string_view json : {family.rope, family.list.absent}) {
        if (!json.empty()) CHECK(nlohmann::json::accept(json));
      }
      for (const io::Kind& kind : family.kinds) {
        if (!kind.rope.empty()) CHECK(nlohmann::json::accept(kind.rope));
        if (kind.type.empty()) CHECK(kind.rope.empty());
      }
      for (const io::Switch& each : family.switches) {
        if (each.key.empty()) continue;
        CHECK(nlohmann::json::accept(each.value));
        if (!each.as.empty()) CHECK(io::Families().find(file, each.as) != nullptr);
      }
      if (!family.text.empty()) CHECK(io::Families().find(file, family.text) != nullptr);
      if (family.latent) CHECK(family.rope_dim > 0);
    }
    CHECK(seen.size() > 100);
    for (const auto& entry : seen) {
      CAPTURE(entry.first);
      CHECK(entry.second == 1);
    }
  }
}

TEST_CASE("family: every row of a model with RoPE reads its class's defaults") {
  size_t read = 0;
  for (const io::Family& family : io::families(io::FileType::config_json)) {
    if (family.answer == io::Answer::refused) continue;
    const std::string name(family.names.substr(0, family.names.find(' ')));
    CAPTURE(name);
    // What no class has a default of.
    std::string more = R"(, "hidden_size": 1024, "num_attention_heads": 8, "num_hidden_layers": 40)";
    if (family.requires_key == "rope_theta") more += R"(, "rope_theta": 10000)";
    if (family.requires_key == "head_dim") more += R"(, "head_dim": 128)";
    if (family.requires_key == "training_seqlen") more += R"(, "training_seqlen": 8192)";
    if (family.requires_key == "rope_local_theta") more += R"(, "rope_local_theta": 10000)";
    if (family.requires_key == "qk_rope_head_dim") more += R"(, "qk_rope_head_dim": 64)";
    if (family.requires_key == "layer_types" || family.requires_key == "rope_layout") continue;
    const int pairs = family.sections[0] + family.sections[1] + family.sections[2];
    if (pairs != 0) more += ", \"head_dim\": " + std::to_string(static_cast<int>(2 * pairs / family.fraction));
    if (name == "moonshine") more = R"(, "hidden_size": 288, "num_attention_heads": 8, "num_hidden_layers": 6)";
    if (name == "zamba2") more += R"(, "attention_head_dim": 64)";
    const auto model = io::parse_hf_config(R"({"model_type": ")" + name + "\"" + more + "}");
    REQUIRE_MESSAGE(model.ok(), model.status().message());
    CHECK_FALSE(model->origins.empty());
    if (family.answer == io::Answer::no_rope) CHECK_FALSE(model->ropes[0].rotary);
    ++read;
  }
  CHECK(read > 150);
}

TEST_CASE("family: a model's own names of keys mean what the usual ones do") {
  size_t own_names = 0;
  for (const io::Family& family : io::families(io::FileType::config_json)) {
    if (family.answer != io::Answer::rope || family.keys.empty()) continue;
    const std::string name(family.names.substr(0, family.names.find(' ')));
    CAPTURE(name);
    nlohmann::json usual = {{"model_type", name},
                            {"hidden_size", 960},
                            {"num_attention_heads", 12},
                            {"num_hidden_layers", 24},
                            {"rope_theta", 12345}};
    if (!family.requires_key.empty() && !usual.contains(family.requires_key)) usual[family.requires_key] = 64;
    nlohmann::json own = usual;
    io::any_word(family.keys, [&](std::string_view pair) {
      const std::string key(pair.substr(0, pair.find('='))), own_key(pair.substr(pair.find('=') + 1));
      if (!usual.contains(key)) usual[key] = key == "num_key_value_heads" ? 4 : 64;
      own.erase(key);
      own[own_key] = usual[key];
      ++own_names;
      return false;
    });
    const auto expected = io::parse_hf_config(usual.dump()), got = io::parse_hf_config(own.dump());
    REQUIRE_MESSAGE(expected.ok(), expected.status().message());
    REQUIRE_MESSAGE(got.ok(), got.status().message());
    CHECK(got->q_heads == expected->q_heads);
    CHECK(got->k_heads == expected->k_heads);
    REQUIRE(got->ropes.size() == expected->ropes.size());
    for (size_t i = 0; i < got->ropes.size(); ++i) {
      CHECK(got->ropes[i].layers == expected->ropes[i].layers);
      CHECK(got->ropes[i].config.head_dim == expected->ropes[i].config.head_dim);
      CHECK(got->ropes[i].config.rotary_dim == expected->ropes[i].config.rotary_dim);
      CHECK(got->ropes[i].config.theta == expected->ropes[i].config.theta);
    }
  }
  CHECK(own_names > 10);
}

TEST_CASE("family: what is nearest") {
  const io::Families families;
  CHECK(families.nearest(io::FileType::config_json, "llamma") == "llama");
  CHECK(families.nearest(io::FileType::config_json, "deepseek_v5").starts_with("deepseek_v"));
  CHECK(families.nearest(io::FileType::gguf, "gemma5") != "");
  // Three letters at the beginning are enough, two are not.
  constexpr io::Family kQuagga[] = {{.names = "quagga"}};
  const io::Families with_quagga{kQuagga};
  CHECK(with_quagga.nearest(io::FileType::config_json, "quaxyzxyzxyz") == "quagga");
  CHECK(with_quagga.nearest(io::FileType::config_json, "quxxyzxyzxyz") != "quagga");
  CHECK(families.nearest(io::FileType::config_json, "") == "");
  CHECK(families.nearest(io::FileType::config_json, std::string(10000, 'x')) == "");
}

TEST_CASE("family: all of transformers' types with RoPE are known") {
  for (const char* name : {"afmoe",
                           "aria_text",
                           "bamba",
                           "chameleon",
                           "clvp_encoder",
                           "cohere2_moe",
                           "csm",
                           "cwm",
                           "deepseek_v4",
                           "dia_encoder",
                           "dia_decoder",
                           "diffllama",
                           "dinov3_vit",
                           "doge",
                           "emu3_text_model",
                           "eomt_dinov3",
                           "eurobert",
                           "evolla",
                           "exaone_moe",
                           "falcon_h1",
                           "flex_olmo",
                           "gemma4_vision",
                           "glm4_moe_lite",
                           "glm4v_moe_text",
                           "glm_image_text",
                           "glm_moe_dsa",
                           "glm_ocr_text",
                           "glmasr_encoder",
                           "granitemoehybrid",
                           "helium",
                           "higgs_audio_v2",
                           "hrm_text",
                           "hy_v3",
                           "hyperclovax",
                           "jais2",
                           "jetmoe",
                           "jina_embeddings_v3",
                           "kyutai_speech_to_text",
                           "laguna",
                           "lasr_encoder",
                           "lfm2",
                           "lfm2_moe",
                           "llama4_vision_model",
                           "longcat_flash",
                           "mimi",
                           "minimax",
                           "minimax_m2",
                           "mistral4",
                           "mllama_text_model",
                           "modernbert-decoder",
                           "moonshine",
                           "moonshine_streaming",
                           "moshi",
                           "nanochat",
                           "olmo_hybrid",
                           "openai_privacy_filter",
                           "paddleocr_vl_text",
                           "pe_audio_encoder",
                           "phi4_multimodal",
                           "qwen2_5_omni_talker",
                           "qwen3_omni_moe_talker_text",
                           "recurrent_gemma",
                           "sam3_vit_model",
                           "seamless_m4t",
                           "solar_open",
                           "t5_gemma_module",
                           "t5gemma2_text",
                           "timesfm2_5",
                           "vaultgemma",
                           "voxtral_realtime_text",
                           "wav2vec2-bert",
                           "wav2vec2-conformer",
                           "youtu",
                           "zamba2",
                           "fuyu",
                           "blt",
                           "musicflamingo",
                           "edgetam_video",
                           "sam2_video",
                           "sam3_tracker_video",
                           "efficientloftr",
                           "qwen2_5_omni_dit",
                           "pe_video_encoder",
                           "pe_audio_video_encoder",
                           "granite4_vision_text"}) {
    CAPTURE(name);
    CHECK(io::Families().find(io::FileType::config_json, name) != nullptr);
  }
}
