#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <numeric>
#include <random>
#include <simdrope/io.hpp>
#include <type_traits>

#include "catalogue.h"
#include "core/config_fields.h"
#include "core/names.h"
#include "io/hf_overrides.h"

namespace io = simdrope::io;
using simdrope::Config;

namespace {

io::Model parse(const std::string& json, const io::ReadOptions& options = {}) {
  const auto model = io::parse_hf_config(json, options);
  REQUIRE_MESSAGE(model.ok(), model.status().message());
  return *model;
}

// The keys of a small llama, and more.
Config llama(const std::string& more, const io::ReadOptions& options = {}) {
  return parse(R"({"model_type": "llama", "head_dim": 64, "max_position_embeddings": 8192, )" + more + "}", options)
      .find("")
      ->config;
}

void check_refused(const std::string& json, const std::string& reason) {
  const auto model = io::parse_hf_config(json);
  REQUIRE_FALSE(model.ok());
  CHECK(model.status().code() == SIMDROPE_BAD_FILE);
  CAPTURE(model.status().message());
  CHECK(model.status().message().find(reason) != std::string::npos);
}

void check_llama_refused(const std::string& more, const std::string& reason) {
  check_refused(R"({"model_type": "llama", "head_dim": 64, "max_position_embeddings": 8192, )" + more + "}", reason);
}

std::string list_of(const char* number, int count) {
  std::string list = "[";
  for (int i = 0; i < count; ++i) list += std::string(i == 0 ? "" : ",") + number;
  return list + "]";
}

bool same(const simdrope_config& a, const simdrope_config& b) {
  return io::write_overrides(a, b).empty() && io::write_overrides(b, a).empty();
}

void check_round_trip(const Config& config) {
  const std::string json = io::to_hf_config(config);
  CAPTURE(json);
  io::ReadOptions options;
  options.seq_len = config.scaling.seq_len;
  const auto model = io::parse_hf_config(json, options);
  REQUIRE_MESSAGE(model.ok(), model.status().message());
  REQUIRE(model->ropes.size() == 1);
  Config expected = config;
  if (expected.rotary_dim == 0) expected.rotary_dim = expected.head_dim - expected.rotary_offset;
  CHECK(same(model->ropes[0].config, expected));
}

}  // namespace

TEST_CASE("hf_config: v4 and v5 spellings say the same") {
  const Config v4 = llama(R"("rope_theta": 5e5, "rope_scaling": {"type": "linear", "factor": 4})");
  const Config v5 = llama(R"("rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 500000})");
  CHECK(same(v4, v5));
  CHECK(v4.theta == 500000);
  CHECK(v4.scaling.type == SIMDROPE_SCALING_LINEAR);
  CHECK(v4.scaling.factor == 4);
}

TEST_CASE("hf_config: every scaling") {
  const simdrope_scaling l3 = llama(R"("rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1,
      "high_freq_factor": 4, "original_max_position_embeddings": 4096})")
                                  .scaling;
  CHECK(l3.type == SIMDROPE_SCALING_LLAMA3);
  CHECK(l3.original_max_position == 4096);
  CHECK(l3.high_freq_factor == 4);

  io::ReadOptions options;
  options.seq_len = 20000;
  const simdrope_scaling dynamic = llama(R"("rope_scaling": {"type": "dynamic", "factor": 2})", options).scaling;
  CHECK(dynamic.type == SIMDROPE_SCALING_DYNAMIC);
  CHECK(dynamic.original_max_position == 8192);
  CHECK(dynamic.seq_len == 20000);

  // vLLM's and GTE's: theta^(-2i / d) * factor^(-(2i + 2) / d).
  const Config read_ntk = llama(R"("rope_scaling": {"type": "ntk", "factor": 2})");
  const simdrope_scaling& ntk = read_ntk.scaling;
  CHECK(ntk.type == SIMDROPE_SCALING_EXPLICIT);
  CHECK(ntk.factors[0] == doctest::Approx(std::pow(2, -2.0 / 64)).epsilon(1e-14));
  CHECK(ntk.factors[31] == doctest::Approx(std::pow(10000, -62.0 / 64) / 2).epsilon(1e-14));
  const simdrope_scaling alpha =
      llama(R"("rope_scaling": {"type": "dynamic", "factor": 1.0, "alpha": 1000.0})").scaling;
  CHECK(alpha.type == SIMDROPE_SCALING_NTK);
  CHECK(alpha.factor == 1000);

  const simdrope_scaling yarn = llama(R"("rope_scaling": {"type": "yarn", "original_max_position_embeddings": 2048,
      "beta_fast": 16, "beta_slow": 2, "mscale": 0.7, "mscale_all_dim": 1, "attention_factor": 1.5,
      "truncate": false})")
                                    .scaling;
  CHECK(yarn.type == SIMDROPE_SCALING_YARN);
  CHECK(yarn.factor == 4);  // max / original, where it is absent
  CHECK(yarn.beta_fast == 16);
  CHECK(yarn.beta_slow == 2);
  CHECK(yarn.mscale == 0.7);
  CHECK(yarn.mscale_all_dim == 1);
  CHECK(yarn.attention_factor == 1.5);
  CHECK_FALSE(yarn.truncate);
  // An explicit factor of 0 is one, and not what the paper prescribes.
  const simdrope::Config zero = llama(R"("rope_scaling": {"type": "yarn", "factor": 2, "attention_factor": 0})");
  CHECK(zero.scaling.attention_factor_given);
  CHECK(simdrope::Rope::create(zero)->info().attention_factor == 0);
  CHECK_FALSE(llama(R"("rope_scaling": {"type": "yarn", "factor": 2})").scaling.attention_factor_given);
  CHECK(llama(R"("rope_scaling": {"type": "yarn", "factor": 2})").scaling.original_max_position == 8192);

  const std::string lists = R"("short_factor": )" + list_of("1.5", 32) + R"(, "long_factor": )" + list_of("9", 32);
  for (const char* name : {"longrope", "su"}) {
    const Config read =
        llama(R"("original_max_position_embeddings": 1024, "rope_scaling": {"type": ")" + std::string(name) +
                  R"(", "original_max_position_embeddings": 4096,
                                            "short_mscale": 1.1, "long_mscale": 1.2, )" +
                  lists + "}",
              options);
    const simdrope_scaling& longrope = read.scaling;
    CHECK(longrope.type == SIMDROPE_SCALING_LONGROPE);
    CHECK(longrope.factor_count == 32);
    CHECK(longrope.factors[31] == 1.5);
    CHECK(longrope.long_factors[31] == 9);
    CHECK(longrope.original_max_position == 1024);  // the one outside the dictionary wins
    CHECK(longrope.max_position == 8192);
    CHECK(longrope.short_mscale == 1.1);
    CHECK(longrope.seq_len == 20000);
  }

  const Config proportional =
      llama(R"("rope_parameters": {"rope_type": "proportional", "partial_rotary_factor": 0.25, "factor": 2})");
  CHECK(proportional.scaling.type == SIMDROPE_SCALING_PROPORTIONAL);
  CHECK(proportional.scaling.proportion == 0.25);
  CHECK(proportional.scaling.factor == 2);
  CHECK(proportional.rotary_dim == 64);
}

TEST_CASE("hf_config: the type has two names, and rope_type counts") {
  const io::Model m = parse(R"({"model_type": "llama", "head_dim": 64,
      "rope_scaling": {"type": "linear", "rope_type": "default", "factor": 2}})");
  CHECK(m.find("")->config.scaling.type == SIMDROPE_SCALING_NONE);
  CHECK(m.warnings.size() == 2);
  CHECK(llama(R"("rope_scaling": {"type": "mrope", "rope_type": "default"})").scaling.type == SIMDROPE_SCALING_NONE);
}

TEST_CASE("hf_config: head sizes and rotary parts") {
  const auto config = [](const std::string& json) { return parse(json).find("")->config; };
  CHECK(config(R"({"model_type": "llama", "hidden_size": 512, "num_attention_heads": 8})").head_dim == 64);
  CHECK(config(R"({"model_type": "llama", "hidden_size": 512, "num_attention_heads": 8, "head_dim": null})").head_dim ==
        64);
  CHECK(config(R"({"model_type": "gemma", "hidden_size": 512, "num_attention_heads": 8})").head_dim == 256);
  CHECK(config(R"({"model_type": "gpt_neox", "hidden_size": 512, "num_attention_heads": 4})").rotary_dim == 32);
  CHECK(config(R"({"model_type": "gpt_neox", "hidden_size": 512, "num_attention_heads": 4, "rotary_pct": 1.0})")
            .rotary_dim == 128);
  CHECK(config(R"({"model_type": "gptj", "n_embd": 1024, "n_head": 8})").rotary_dim == 64);
  CHECK(config(R"({"model_type": "gptj", "n_embd": 1024, "n_head": 8, "rotary_dim": null})").rotary_dim == 128);
  CHECK(config(R"({"model_type": "phi", "hidden_size": 512, "num_attention_heads": 4})").rotary_dim == 64);
  CHECK(config(R"({"model_type": "stablelm_epoch", "hidden_size": 512, "num_attention_heads": 4, "rope_pct": 0.5})")
            .rotary_dim == 64);
  const Config latent = config(R"({"model_type": "deepseek_v3", "qk_nope_head_dim": 128, "qk_rope_head_dim": 64,
                                   "head_dim": 64, "rope_interleave": false})");
  CHECK(latent.head_dim == 192);
  CHECK(latent.rotary_offset == 128);
  CHECK(latent.pairing == simdrope::half);
}

TEST_CASE("hf_config: axes") {
  const auto axes = [](const std::string& type, const std::string& rope) {
    return parse(R"({"model_type": ")" + type + R"(", "head_dim": 128, "rope_scaling": )" + rope + "}")
        .find("")
        ->config.axes;
  };
  CHECK(axes("qwen2_vl", R"({"type": "mrope", "mrope_section": [16, 24, 24]})").layout == SIMDROPE_AXES_SECTIONS);
  CHECK(axes("qwen3_vl_text", R"({"rope_type": "default", "mrope_section": [24, 20, 20]})").layout ==
        SIMDROPE_AXES_INTERLEAVED);
  CHECK(axes("qwen3_vl_text", "null").sections[0] == 24);  // as its class has it
  const simdrope_axes ernie = axes("ernie4_5_vl_moe", R"({"type": "default", "mrope_section": [22, 22, 20]})");
  CHECK(ernie.layout == SIMDROPE_AXES_ALTERNATE);
  CHECK(ernie.sections[0] == 20);  // the file's order is H, W, T
  CHECK(ernie.sections[1] == 22);
  const Config vision =
      parse(R"({"model_type": "qwen2_vl", "embed_dim": 1280, "num_heads": 16, "spatial_merge_size": 2})")
          .find("")
          ->config;
  CHECK(vision.axes.count == 2);
  CHECK(vision.axes.layout == SIMDROPE_AXES_RESTART);
  CHECK(vision.axes.sections[0] == 20);
  CHECK(parse(R"({"model_type": "pixtral", "head_dim": 64})").find("")->config.axes.layout == SIMDROPE_AXES_STRIDED);
}

TEST_CASE("hf_config: layers that differ") {
  const io::Model by_type = parse(R"({"model_type": "olmo3", "head_dim": 64, "max_position_embeddings": 8192,
      "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
      "rope_parameters": {"sliding_attention": {"rope_theta": 1000}, "full_attention": null}})");
  REQUIRE(by_type.ropes.size() == 2);
  CHECK(by_type.find("sliding_attention")->config.theta == 1000);
  CHECK(by_type.find("sliding_attention")->layers == std::vector<int>{0, 2});
  CHECK_FALSE(by_type.find("full_attention")->rotary);
  CHECK(by_type.find("")->layer_type == "sliding_attention");
  CHECK(by_type.find("conv") == nullptr);

  const io::Model olmo = parse(R"({"model_type": "olmo3", "head_dim": 64, "max_position_embeddings": 8192,
      "num_hidden_layers": 8, "rope_theta": 5e5, "rope_scaling": {"type": "yarn", "factor": 8}})");
  CHECK(olmo.find("full_attention")->config.scaling.type == SIMDROPE_SCALING_YARN);
  CHECK(olmo.find("sliding_attention")->config.scaling.type == SIMDROPE_SCALING_NONE);
  CHECK(olmo.find("sliding_attention")->config.theta == 500000);

  const io::Model cohere = parse(R"({"model_type": "cohere2", "head_dim": 64, "num_hidden_layers": 8,
      "sliding_window": 4096, "sliding_window_pattern": 4})");
  CHECK(cohere.find("full_attention")->layers == std::vector<int>{3, 7});
  CHECK_FALSE(cohere.find("full_attention")->rotary);

  const io::Model exaone = parse(R"({"model_type": "exaone4", "head_dim": 64, "num_hidden_layers": 4,
      "sliding_window": null, "sliding_window_pattern": "LLLG"})");
  CHECK(exaone.ropes.size() == 1);

  const io::Model llama4 =
      parse(R"({"model_type": "llama4_text", "num_hidden_layers": 4, "no_rope_layers": [1, 0, 1, 0]})");
  CHECK(llama4.find("no_rope")->layers == std::vector<int>{1, 3});
  CHECK(llama4.find("no_rope")->config.temperature.length == 8192);

  const io::Model gemma4 = parse(R"({"model_type": "gemma4_text", "num_hidden_layers": 12,
      "per_layer_config": {"05": {"head_dim": 512}, "11": {"head_dim": 512}}})");
  CHECK(gemma4.find("full_attention")->config.head_dim == 512);
  CHECK(gemma4.find("full_attention")->config.scaling.proportion == 0.25);
  CHECK(gemma4.find("sliding_attention")->config.head_dim == 256);
}

TEST_CASE("hf_config: temperature, XPos and nested configs") {
  const Config ministral = llama(R"("rope_parameters": {"rope_type": "yarn", "factor": 16, "llama_4_scaling_beta": 0.1,
      "original_max_position_embeddings": 512})");
  CHECK(ministral.temperature.beta == 0.1);
  CHECK(ministral.temperature.length == 512);
  CHECK(ministral.temperature.offset == 0);
  const Config nomic = parse(R"({"model_type": "nomic_bert", "n_embd": 768, "n_head": 12, "rotary_emb_scale_base": 512,
      "rotary_emb_interleaved": true})")
                           .find("")
                           ->config;
  CHECK(nomic.xpos.scale_base == 512);
  CHECK(nomic.pairing == simdrope::interleaved);
  CHECK(nomic.theta == 1000);
  const io::Model omni = parse(R"({"model_type": "qwen2_5_omni", "thinker_config": {"text_config":
      {"model_type": "qwen2_5_omni_text", "head_dim": 64}}})");
  CHECK(omni.model_type == "qwen2_5_omni_text");
  CHECK(omni.find("")->config.theta == 1000000);
  const Config dbrx = parse(R"({"model_type": "dbrx", "d_model": 512, "n_heads": 8,
      "attn_config": {"kv_n_heads": 2, "rope_theta": 500000}})")
                          .find("")
                          ->config;
  CHECK(dbrx.theta == 500000);
}

TEST_CASE("hf_config: Python's constants are no JSON, but are written into it") {
  const Config config = llama(R"("time_step_limit": [0.0, Infinity], "x": -Infinity, "y": NaN, "z": "NaN")");
  CHECK(config.head_dim == 64);
  check_llama_refused(R"("rope_theta": Infinity)", "\"rope_theta\" is NaN, infinite or {}");
}

TEST_CASE("hf_config: what is not understood is named, or warned of") {
  check_llama_refused(R"("rope_magic": 1)", "\"rope_magic\"");
  check_llama_refused(R"("rope_scaling": {"type": "linear", "factor": 2, "magic": 1})", "\"rope_scaling.magic\"");
  check_llama_refused(R"("rope_scaling": {"type": "magic"})", "\"magic\", which is not known");
  check_llama_refused(R"("no_rope_layer_interval": 4)", "\"no_rope_layer_interval\"");  // SmolLM3 has it, Llama not
  check_llama_refused(R"("rotary_kernel": 1, "yarn_depth": 2)", "\"rotary_kernel\", \"yarn_depth\"");
  check_refused(R"({"model_type": "zebra", "head_dim": 64})", "\"zebra\" is not known");
  CHECK(llama(R"("property": 1, "dropout": 0.1, "rope_none": null)").head_dim == 64);

  io::ReadOptions options;
  options.allow_unknown = true;
  CHECK(parse(R"({"model_type": "llama", "head_dim": 64, "rope_magic": 1})", options).warnings.size() == 1);
  // What could say which layers rotate, the pairing or the window is never assumed.
  for (const char* key : {"rope_every_layer", "nope_stride", "rotary_style", "rope_width_dim", "use_rope_magic"}) {
    const auto model =
        io::parse_hf_config(R"({"model_type": "llama", "head_dim": 64, ")" + std::string(key) + "\": 1}", options);
    REQUIRE_FALSE(model.ok());
    CHECK(model.status().message().find(key) != std::string::npos);
  }
  const auto zebra = io::parse_hf_config(R"({"model_type": "zebra", "head_dim": 64})", options);
  REQUIRE_FALSE(zebra.ok());
  CHECK(zebra.status().message().find("never assumed") != std::string::npos);
  options.family = "gptj";
  CHECK(parse(R"({"model_type": "zebra", "head_dim": 64})", options).ropes[0].config.pairing == simdrope::interleaved);
  check_refused(R"({"head_dim": 64})", "\"model_type\" is missing");
  CHECK(parse(R"({"head_dim": 64, "architectures": ["LlamaForCausalLM"]})").find("")->config.head_dim == 64);
  check_refused(R"({"model_type": "llamma"})", "nearest known family is \"llama\"");
  // A key of another type has no effect, and says so.
  const io::Model beta = parse(R"({"model_type": "llama", "head_dim": 64,
      "rope_scaling": {"type": "linear", "factor": 2, "beta_fast": 32}})");
  CHECK(beta.warnings.size() == 1);
}

TEST_CASE("hf_config: hostile files are refused, and the message names the key or the byte") {
  check_refused("", "byte");
  check_refused("[]", "no JSON object");
  check_refused(std::string(size_t{1} << 25, ' '), "is beyond 16777216");
  check_refused("{", "byte");
  check_refused(R"({"a": 1, "a": 2})", "\"a\" appears twice");
  check_refused(std::string(100000, '['), "64 levels");
  check_refused("{\"a\": \"\xff\"}", "byte");
  check_refused(R"({"model_type": 1})", "model_type");
  check_refused(R"({"model_type": "orion"})", "\"head_dim\"");
  check_refused(R"({"model_type": "llama", "head_dim": 1e400})", "byte");
  check_refused(R"({"model_type": "llama", "head_dim": 99999999999999999999999})", "\"head_dim\"");
  check_refused(R"({"model_type": "llama", "head_dim": -64})", "\"head_dim\" is -64");
  check_refused(R"({"model_type": "llama", "head_dim": 64.5})", "64.5");
  check_refused(R"({"model_type": "llama", "head_dim": "64"})", "\"64\"");
  check_refused(R"({"model_type": "llama", "head_dim": 16777216})", "16777216");
  check_refused(R"({"model_type": "llama", "head_dim": 65})", "65");
  check_refused(R"({"model_type": "llama", "hidden_size": 8, "num_attention_heads": 16})", "\"head_dim\"");
  check_refused(R"({"model_type": "gemma3_text", "num_hidden_layers": 1000000000000})", "num_hidden_layers");
  check_refused(R"({"model_type": "gemma3_text", "sliding_window_pattern": 0, "num_hidden_layers": 4})",
                "sliding_window_pattern");
  check_llama_refused(R"("rope_theta": 0)", "theta");
  check_llama_refused(R"("rope_theta": "big")", "\"rope_theta\"");
  check_llama_refused(R"("partial_rotary_factor": 2)", "partial_rotary_factor");
  check_llama_refused(R"("partial_rotary_factor": 0.55)", "rotates 35");
  check_llama_refused(R"("rope_scaling": {"type": "linear"})", "\"rope_scaling.factor\" is missing");
  check_llama_refused(R"("rope_scaling": {"type": "linear", "factor": -1})", "factor");
  check_llama_refused(R"("rope_scaling": {"type": "longrope", "short_factor": [1], "long_factor": [1]})",
                      "1 numbers for 32 pairs");
  check_llama_refused(R"("rope_scaling": {"type": "longrope", "short_factor": 1, "long_factor": [1]})",
                      "not a list of numbers");
  check_llama_refused(R"("rope_scaling": {"type": "default", "mrope_section": [1, 2, 3]})", "sums to 6");
  check_llama_refused(R"("rope_scaling": {"type": "default", "mrope_section": [-32, 32, 32]})", "no count");
  check_llama_refused(R"("rope_scaling": {"type": "default", "mrope_section": [32]})", "1 numbers");
  check_llama_refused(R"("rope_scaling": 3)", "\"rope_scaling\"");
  std::string kinds;
  for (int i = 0; i < 20; ++i) kinds += (i == 0 ? "\"k" : ",\"k") + std::to_string(i) + "\": {}";
  check_llama_refused(R"("rope_parameters": {)" + kinds + "}", "16 layer types");
}

TEST_CASE("hf_config: every scaling and axis layout is written and read back") {
  for (int type = 0; type < simdrope::impl::NamedValues<simdrope_scaling_type>(); ++type) {
    for (int layout = -1; layout < simdrope::impl::NamedValues<simdrope_axis_layout>(); ++layout) {
      if (layout == SIMDROPE_AXES_SUM) continue;  // with explicit frequencies alone: below
      for (const simdrope::Pairing pairing : {simdrope::half, simdrope::interleaved}) {
        Config c(64, 500000.0);
        c.pairing = pairing;
        c.rotary_dim = 48;
        simdrope_scaling& s = c.scaling;
        s.type = static_cast<simdrope_scaling_type>(type);
        if (type != SIMDROPE_SCALING_NONE) {
          s.factor = 4;
          s.original_max_position = 2048;
          s.max_position = 8192;
          s.low_freq_factor = 1;
          s.high_freq_factor = 4;
          s.proportion = 0.25;
          std::vector<double> shorts, longs;
          for (int i = 0; i < 24; ++i) {
            shorts.push_back(1 + 0.1 * i);
            longs.push_back(2 + 0.1 * i);
          }
          c.set_factors(shorts);
          c.set_long_factors(longs);
        }
        if (type == SIMDROPE_SCALING_YARN) {
          s.beta_fast = 16;
          s.mscale = 0.7;
          s.truncate = false;
        }
        if (layout >= 0) {
          c.axes.layout = static_cast<simdrope_axis_layout>(layout);
          const bool two = layout == SIMDROPE_AXES_STRIDED || layout == SIMDROPE_AXES_RESTART;
          c.axes.count = two ? 2 : 3;
          const int sections[3] = {two ? 12 : 8, two ? 12 : 8, two ? 0 : 8};
          std::memcpy(c.axes.sections, sections, sizeof(sections));
          if (layout == SIMDROPE_AXES_EXPLICIT) {
            std::vector<uint8_t> pair_axis;
            for (int i = 0; i < 24; ++i) pair_axis.push_back(static_cast<uint8_t>(i % 3));
            c.set_pair_axis(pair_axis);
          }
        }
        REQUIRE(simdrope::Rope::create(c).ok());
        check_round_trip(c);
      }
    }
  }
}

TEST_CASE("hf_config: the rest of a Config is written and read back") {
  Config sum(8);
  sum.axes.count = 2;
  sum.axes.layout = SIMDROPE_AXES_SUM;
  sum.scaling.type = SIMDROPE_SCALING_EXPLICIT;
  sum.set_factors({1, 2, 3, 4, 5, 6, 7, -8});
  sum.reversed = true;
  sum.query_log_length = 2048;
  check_round_trip(sum);
  Config yarn(8);
  yarn.scaling.type = SIMDROPE_SCALING_YARN;
  yarn.scaling.factor = 4;
  yarn.scaling.original_max_position = 2048;
  yarn.scaling.extrapolation_factor = 0.5;
  check_round_trip(yarn);
  Config c(192, 10000.0);
  c.rotary_offset = 128;
  c.rotary_dim = 64;
  c.pairing = simdrope::interleaved;
  check_round_trip(c);
  c.pairing = simdrope::half;
  check_round_trip(c);
  c.rotary_offset = 64;
  check_round_trip(c);
  c = Config(128);
  c.rotary_dim = 66;  // 128 * (66 / 128) may not be 66
  c.split = 62;
  c.precision = SIMDROPE_PRECISION_FLOAT32;
  c.xpos = {512, 3, true};
  c.temperature = {0.1, 8192, 1};
  check_round_trip(c);
  c = Config(64);
  c.scaling.type = SIMDROPE_SCALING_YARN;
  c.scaling.factor = 16;
  c.scaling.original_max_position = 1024;
  c.scaling.max_position = 16384;
  c.temperature = {0.1, 1024, 0};
  CHECK(io::to_hf_config(c).find("llama_4_scaling_beta") != std::string::npos);
  CHECK(io::to_hf_config(c).find("simdrope") == std::string::npos);
  check_round_trip(c);
  c.scaling.type = SIMDROPE_SCALING_DYNAMIC;
  c.scaling.seq_len = 5000;
  check_round_trip(c);
}

namespace {

// Changes field number `wanted` to a value that is not its default; then `name` says which it was.
struct ChangeOneField {
  int wanted;
  std::string name;
  int seen = 0;

  bool IsIt(const simdrope::impl::Field& field) {
    if (seen++ != wanted) return false;
    name = field.name;
    return field.role == simdrope::impl::FieldRole::kModel;
  }
  template <class T>
  void Value(const simdrope::impl::Field& field, T& x) {
    if (!IsIt(field)) return;
    if constexpr (std::is_same_v<T, bool>) {
      x = !x;
    } else if constexpr (std::is_enum_v<T>) {
      x = static_cast<T>(1);
    } else if constexpr (std::is_floating_point_v<T>) {
      x += 0.75;
    } else {
      x += 2;
    }
  }
  template <size_t n>
  void Array(const simdrope::impl::Field& field, int32_t (&x)[n]) {
    if (IsIt(field)) std::iota(x, x + n, 1);
  }
  template <class FieldList>
  void List(FieldList list, Config& config) {
    if (IsIt(list.field)) list.Set(config, decltype(std::vector(list.Values(config), list.Values(config)))(32, 1));
  }
};

}  // namespace

TEST_CASE("hf_config: every window of every head is written and read back, odd heads too") {
  for (int head_dim = 2; head_dim <= 300; head_dim += head_dim < 70 ? 1 : 23) {
    for (int32_t rotary_dim = 2; rotary_dim <= head_dim; rotary_dim += 2) {
      Config c(head_dim);
      c.rotary_dim = rotary_dim;
      check_round_trip(c);
      if (rotary_dim + 2 > head_dim) continue;
      c.rotary_offset = 2;
      check_round_trip(c);
    }
  }
}

TEST_CASE("hf_config: each field of a Config is written and read back") {
  int fields = 0;
  for (;; ++fields) {
    Config base(64);
    base.rotary_dim = 64;
    base.temperature.length = 8192;
    Config changed = base;
    ChangeOneField change{fields, ""};
    simdrope::impl::VisitFields(change, changed);
    if (change.seen <= fields) break;
    if (change.name == "head_dim") changed.rotary_dim = 64;
    if (change.name == "rotary_dim") changed.rotary_dim = 62;
    if (change.name == "rotary_offset") changed.rotary_dim = 62;
    if (change.name == "scaling.type") changed.scaling.factor = 4;
    if (change.name == "pairs_in_sections") changed.axes = {2, SIMDROPE_AXES_RESTART, {16, 16}, 0, nullptr};
    if (change.name == "query_log_length") changed.query_log_length = 2048;
    if (change.name == "split") {
      changed.rotary_dim = 32;
      changed.split = 40;
    }
    if (change.name == "axes.count") {
      const int32_t sections[] = {12, 10, 10};
      std::copy(sections, sections + 3, changed.axes.sections);
    }
    CAPTURE(change.name);
    check_round_trip(changed);
  }
  CHECK(fields > 30);
}

TEST_CASE("hf_config: every config of the catalogue survives being written") {
  for (const CatalogueEntry& entry : kCatalogue) {
    CAPTURE(entry.model);
    const io::Model model = parse(entry.config);
    for (const io::LayerRope& rope : model.ropes) {
      if (rope.rotary) check_round_trip(rope.config);
    }
  }
}

TEST_CASE("hf: NanoChat turns the other way, Qwen's queries grow with log n, YaRN extrapolates in part") {
  const auto nanochat = io::parse_hf_config(R"({"model_type": "nanochat"})");
  REQUIRE_MESSAGE(nanochat.ok(), nanochat.status().message());
  CHECK(nanochat->ropes[0].config.reversed);
  CHECK(nanochat->ropes[0].config.head_dim == 128);
  CHECK(simdrope::Rope::create(nanochat->ropes[0].config)->info().inv_freq[0] == -1);

  const std::string qwen = R"({"model_type": "qwen", "hidden_size": 64, "num_attention_heads": 4, "kv_channels": 16,
                               "seq_length": 2048)";
  const auto logn = io::parse_hf_config(qwen + R"(, "use_logn_attn": true})");
  REQUIRE_MESSAGE(logn.ok(), logn.status().message());
  CHECK(logn->ropes[0].config.query_log_length == 2048);
  CHECK(logn->ropes[0].config.temperature.beta == 0);
  CHECK(logn->warnings.empty());
  CHECK(io::parse_hf_config(qwen + "}")->ropes[0].config.query_log_length == 0);

  const std::string yarn = R"("rope_scaling": {"type": "yarn", "factor": 4, "extrapolation_factor": )";
  CHECK(llama(yarn + "0.5}").scaling.extrapolation_factor == 0.5);
  CHECK(llama(yarn + "1}").scaling.extrapolation_factor == 0);
  const Config linear = llama(yarn + "0}");
  CHECK(linear.scaling.type == SIMDROPE_SCALING_LINEAR);
  CHECK(linear.scaling.attention_factor == doctest::Approx(0.1 * std::log(4) + 1));
}

// transformers, configuration_gemma4.py and modeling_vjepa2.py.
TEST_CASE("hf: vision towers whose axes have a part of the head each") {
  const io::Model gemma = parse(R"({"model_type": "gemma4_vision", "num_attention_heads": 16, "head_dim": 72})");
  const Config& blocks = gemma.ropes[0].config;
  CHECK(blocks.theta == 100);
  CHECK(blocks.pairing == simdrope::half);
  CHECK(blocks.pairs_in_sections);
  CHECK(blocks.axes.count == 2);
  CHECK(blocks.axes.layout == SIMDROPE_AXES_RESTART);
  CHECK(blocks.axes.sections[0] == 18);
  CHECK(blocks.axes.sections[1] == 18);
  check_round_trip(blocks);

  const io::Model vjepa = parse(R"({"model_type": "vjepa2"})");
  const Config& wide = vjepa.ropes[0].config;
  CHECK(wide.head_dim == 64);
  CHECK(wide.rotary_dim == 60);
  CHECK(wide.pairing == simdrope::interleaved);
  CHECK(wide.angle_order == SIMDROPE_ANGLES_HALVES);
  CHECK(wide.axes.count == 3);
  CHECK(wide.axes.sections[2] == 10);
  check_round_trip(wide);
  CHECK(
      parse(R"({"model_type": "vjepa2", "hidden_size": 1408, "num_attention_heads": 22})").ropes[0].config.rotary_dim ==
      60);
  CHECK(parse(R"({"model_type": "vjepa2", "hidden_size": 1280})").ropes[0].config.rotary_dim == 78);
}

// modeling_telechat.py: theta grows by alpha = 2^ceil(log2(n / base_seqlen) + 1) - 1, n at least training_seqlen.
TEST_CASE("hf: TeleChat's theta follows the length") {
  const auto config = [](const char* keys, int64_t seq_len) {
    io::ReadOptions options;
    options.seq_len = seq_len;
    const auto model = io::parse_hf_config(
        R"({"model_type": "telechat", "hidden_size": 4096, "n_head": 32, "n_layer": 30, "seq_length": 8192, )" +
            std::string(keys) + "}",
        options);
    REQUIRE_MESSAGE(model.ok(), model.status().message());
    return model->ropes[0].config;
  };
  const Config plain = config(R"("base_seqlen": 8192, "training_seqlen": 8192)", 0);
  CHECK(plain.scaling.type == SIMDROPE_SCALING_NONE);
  CHECK(plain.theta == 10000);
  const Config first = config(R"("training_seqlen": 8192)", 100);  // TeleChat 1: base 4096
  CHECK(first.scaling.type == SIMDROPE_SCALING_NTK);
  CHECK(first.scaling.factor == 3);
  CHECK(first.scaling.attention_factor == 0);
  const Config longer = config(R"("base_seqlen": 8192, "training_seqlen": 8192)", 20000);
  CHECK(longer.scaling.factor == 7);
  CHECK(longer.scaling.attention_factor == doctest::Approx(0.1 * std::log(20000 / 8192.0) + 1));
  CHECK_FALSE(io::parse_hf_config(R"({"model_type": "telechat", "hidden_size": 4096, "n_head": 32})").ok());
}

// SGLang, grok.py: rope_type "original" keeps the frequencies. The type that Grok 2's file gives is GIT's.
TEST_CASE("hf: Grok 2 calls itself git") {
  const std::string file = R"({"model_type": "git", "hidden_size": 8192, "num_attention_heads": 64, "head_dim": 128,
      "num_key_value_heads": 8, "num_hidden_layers": 64, "max_position_embeddings": 131072, "rope_theta": 208533496,
      "attn_temperature_len": 1024, "original_max_position_embeddings": 8192, "scaling_factor": 16.0,
      "attn_factor": 1.0, "beta_fast": 8, "beta_slow": 1, "architectures": ["Grok1ForCausalLM"])";
  const io::Model model = parse(file + R"(, "rope_type": "original"})");
  CHECK(model.ropes[0].rotary);
  CHECK(model.ropes[0].config.theta == 208533496);
  CHECK(model.ropes[0].config.scaling.type == SIMDROPE_SCALING_NONE);
  CHECK(model.k_heads == 8);
  CHECK_FALSE(io::parse_hf_config(file + R"(, "rope_type": "yarn_log"})").ok());
  CHECK_FALSE(parse(R"({"model_type": "git", "architectures": ["GitForCausalLM"]})").ropes[0].rotary);
}

// modeling_bailing_moe_v2_5.py: linear attention rotates half pairs in the first half of heads of its own, one layer in
// layer_group_size, and what is beyond the last whole group, has latent attention. Ling 3's delta attention turns
// nothing.
TEST_CASE("hf: Ling's hybrids") {
  const io::Model ring = parse(R"({"model_type": "bailing_hybrid", "num_hidden_layers": 12, "layer_group_size": 5,
      "head_dim": 128, "rope_theta": 6000000, "partial_rotary_factor": 0.5, "rope_interleave": true})");
  const io::LayerRope& linear = *ring.find("linear_attention");
  CHECK(linear.layers == std::vector<int>{0, 1, 2, 3, 5, 6, 7, 8});
  CHECK(linear.config.pairing == simdrope::half);
  CHECK(linear.config.head_dim == 128);
  CHECK(linear.config.rotary_dim == 64);
  CHECK(linear.config.rotary_offset == 0);
  CHECK(linear.config.theta == 6000000);
  const io::LayerRope& full = *ring.find("full_attention");
  CHECK(full.layers == std::vector<int>{4, 9, 10, 11});
  CHECK(full.config.pairing == simdrope::interleaved);
  CHECK(full.config.head_dim == 192);
  CHECK(full.config.rotary_dim == 64);
  CHECK(full.config.rotary_offset == 128);

  const std::string delta = R"({"model_type": "bailing_hybrid", "num_hidden_layers": 8, "layer_group_size": 4,
      "rope_theta": 6000000, "rotary_dim": 64, "short_conv_kernel_size": 4, "use_mla_nope": )";
  const io::Model ling = parse(delta + "false}");
  CHECK_FALSE(ling.find("linear_attention")->rotary);
  CHECK(ling.find("full_attention")->layers == std::vector<int>{3, 7});
  CHECK(ling.find("full_attention")->config.rotary_dim == 64);
  CHECK_FALSE(parse(delta + "true}").ropes[0].rotary);
}

// inclusionAI/Ming, modeling_bailing_moe_v2.py (apply_3d_rotary_pos_emb): rows and columns take turns, then time.
TEST_CASE("hf: Ming's video_rope") {
  const auto file = [](const char* model_type, const char* type) {
    return std::string(R"({"model_type": ")") + model_type +
           R"(", "hidden_size": 2048, "num_attention_heads": 16, "partial_rotary_factor": 0.5,
            "rope_scaling": {"type": ")" +
           type + R"(", "mrope_section": [8, 12, 12]}})";
  };
  const Config video = parse(file("bailing_moe_v2", "video_rope")).ropes[0].config;
  CHECK(video.axes.layout == SIMDROPE_AXES_ALTERNATE);
  CHECK(video.axes.sections[0] == 8);
  CHECK(video.axes.sections[2] == 12);
  CHECK(video.rotary_dim == 64);
  CHECK(parse(file("bailing_moe_v2", "3D")).ropes[0].config.axes.layout == SIMDROPE_AXES_SECTIONS);
  CHECK_FALSE(io::parse_hf_config(file("llama", "video_rope")).ok());
  CHECK_FALSE(io::parse_hf_config(file("llama", "3D")).ok());
}

// modeling_kimi_vl.py (Rope2DPosEmb): element pair 2 i turns by the column, 2 i + 1 by the row, both with
// theta^(-4 i / head_dim).
TEST_CASE("hf: Kimi's vision tower") {
  const io::Model model = parse(R"({"model_type": "kimi_k25_vision", "vt_hidden_size": 1152,
      "vt_num_attention_heads": 16, "vt_num_hidden_layers": 27})");
  const Config& config = model.ropes[0].config;
  CHECK(config.head_dim == 72);
  CHECK(config.pairing == simdrope::interleaved);
  REQUIRE(config.axes.pair_axis_count == 36);
  REQUIRE(config.scaling.factor_count == 36);
  for (int i = 0; i < 36; ++i) {
    CHECK(config.axes.pair_axis[i] == (i % 2 == 0 ? 1 : 0));
    CHECK(config.scaling.factors[i] == doctest::Approx(std::pow(10000.0, -4.0 * (i / 2) / 72)).epsilon(1e-14));
  }
  check_round_trip(config);
}
