// Architectures whose layers differ, each against its graph in llama.cpp's src/models (2026-08).
#include <doctest/doctest.h>

#include "gguf_writer.h"
#include "io/gguf.h"

namespace io = simdrope::io;

namespace {

GgufWriter model(const std::string& name, uint32_t layers = 8) {
  GgufWriter file(name);
  file.u32(name + ".context_length", 4096).u32(name + ".embedding_length", 512).u32(name + ".block_count", layers);
  file.u32(name + ".attention.head_count", 8);
  return file;
}

io::Model read(const GgufWriter& file) {
  const std::string bytes = file.file();
  const auto model = io::parse_gguf(io::bytes_of(bytes), {});
  REQUIRE_MESSAGE(model.ok(), model.status().message());
  return *model;
}

using Layers = std::vector<int>;

}  // namespace

TEST_CASE("gguf: Granite's rope.scaling.finetuned is a switch") {
  for (const std::string name : {"granite", "granitemoe", "granitehybrid"}) {
    CAPTURE(name);
    CHECK(read(model(name)).ropes[0].rotary);
    CHECK(read(model(name).boolean(name + ".rope.scaling.finetuned", true)).ropes[0].rotary);
    const io::Model without = read(model(name).boolean(name + ".rope.scaling.finetuned", false));
    CHECK_FALSE(without.ropes[0].rotary);
    CHECK(without.origins.back().why.find("finetuned") != std::string::npos);
  }
  CHECK(read(model("llama").boolean("llama.rope.scaling.finetuned", false)).ropes[0].rotary);
}

TEST_CASE("gguf: layers without RoPE") {
  const io::Model afmoe = read(model("afmoe"));
  CHECK(afmoe.find("rope")->layers == Layers{0, 1, 2, 4, 5, 6});
  CHECK_FALSE(afmoe.find("no_rope")->rotary);
  // Which layers have a window is not which of them rotate.
  const std::string pattern = "afmoe.attention.sliding_window_pattern";
  CHECK(read(model("afmoe").u32(pattern, 2)).find("no_rope")->layers == Layers{3, 7});
  const std::vector<bool> windows = {true, false, true, false, true, false, true, false};
  CHECK(read(model("afmoe").booleans(pattern, windows)).find("no_rope")->layers == Layers{3, 7});

  const io::Model exaone = read(model("exaone-moe").u32("exaone-moe.attention.sliding_window", 128));
  CHECK(exaone.find("full_attention")->layers == Layers{3, 7});
  CHECK_FALSE(exaone.find("full_attention")->rotary);
  CHECK(exaone.find("sliding_attention")->rotary);

  CHECK(read(model("exaone4", 30)).ropes.size() == 1);
  CHECK_FALSE(read(model("exaone4", 64)).find("full_attention")->rotary);

  const io::Model small = read(model("smallthinker").u32("smallthinker.attention.sliding_window", 4096));
  CHECK(small.find("no_rope")->layers == Layers{0, 4});
  CHECK(read(model("smallthinker")).ropes.size() == 1);

  // Leading dense layers rotate all the same.
  const io::Model cohere = read(
      model("cohere2moe")
          .u32("cohere2moe.attention.sliding_window", 4096)
          .u32("cohere2moe.leading_dense_block_count", 1)
          .booleans("cohere2moe.attention.sliding_window_pattern", {false, true, true, true, false, true, true, true}));
  CHECK(cohere.find("dense_attention")->layers == Layers{0});
  CHECK(cohere.find("dense_attention")->rotary);
  CHECK(cohere.find("full_attention")->layers == Layers{4});
  CHECK_FALSE(cohere.find("full_attention")->rotary);

  // Llama 4 scales the queries of these layers, and of no others.
  const io::Model llama4 = read(model("llama4"));
  CHECK(llama4.find("no_rope")->layers == Layers{3, 7});
  CHECK(llama4.find("no_rope")->config.temperature.beta == 0.1);
  CHECK(llama4.find("no_rope")->config.temperature.length == 8192);
  CHECK(llama4.find("rope")->config.temperature.beta == 0);
  CHECK(afmoe.find("no_rope")->config.temperature.beta == 0);

  CHECK(read(model("baichuan", 32)).ropes[0].rotary);
  CHECK_FALSE(read(model("baichuan", 40)).ropes[0].rotary);
}

TEST_CASE("gguf: Step 3.5 turns half of dimension_count on full layers") {
  const io::Model step = read(model("step35", 4)
                                  .u32("step35.attention.key_length", 128)
                                  .u32("step35.rope.dimension_count", 128)
                                  .f32("step35.rope.freq_base", 5e6f)
                                  .f32("step35.rope.freq_base_swa", 1e4f)
                                  .u32("step35.attention.sliding_window", 512)
                                  .booleans("step35.attention.sliding_window_pattern", {false, true, true, true}));
  CHECK(step.find("full_attention")->config.rotary_dim == 64);
  CHECK(step.find("full_attention")->config.theta == 5e6);
  CHECK(step.find("sliding_attention")->config.rotary_dim == 128);
  CHECK(step.find("sliding_attention")->config.theta == 1e4);
}

TEST_CASE("gguf: Mellum's sliding layers are not scaled") {
  const io::Model mellum = read(model("mellum")
                                    .u32("mellum.attention.sliding_window", 1024)
                                    .f32("mellum.rope.freq_base", 5e5f)
                                    .text("mellum.rope.scaling.type", "yarn")
                                    .f32("mellum.rope.scaling.factor", 16)
                                    .u32("mellum.rope.scaling.original_context_length", 8192));
  CHECK(mellum.find("full_attention")->config.scaling.type == SIMDROPE_SCALING_YARN);
  CHECK(mellum.find("full_attention")->layers == Layers{3, 7});
  CHECK(mellum.find("sliding_attention")->config.scaling.type == SIMDROPE_SCALING_NONE);
  CHECK(mellum.find("sliding_attention")->config.theta == 5e5);
}

TEST_CASE("gguf: DeepSeek V4's compressed layers have a theta and YaRN of their own, without its magnitude") {
  const io::Model deepseek = read(model("deepseek4", 4)
                                      .u32("deepseek4.attention.key_length", 512)
                                      .u32("deepseek4.rope.dimension_count", 64)
                                      .f32("deepseek4.rope.freq_base", 10000)
                                      .f32("deepseek4.attention.compress_rope_freq_base", 160000)
                                      .u32s("deepseek4.attention.compress_ratios", {0, 0, 4, 128, 0})
                                      .text("deepseek4.rope.scaling.type", "yarn")
                                      .f32("deepseek4.rope.scaling.factor", 16)
                                      .u32("deepseek4.rope.scaling.original_context_length", 65536));
  const io::LayerRope& sliding = *deepseek.find("sliding_attention");
  const io::LayerRope& compressed = *deepseek.find("compressed_attention");
  CHECK(sliding.layers == Layers{0, 1});
  CHECK(compressed.layers == Layers{2, 3});
  for (const io::LayerRope* rope : {&sliding, &compressed}) {
    CHECK(rope->config.rotary_dim == 64);
    CHECK(rope->config.rotary_offset == 448);
    CHECK(rope->config.pairing == simdrope::interleaved);
  }
  CHECK(sliding.config.theta == 10000);
  CHECK(sliding.config.scaling.type == SIMDROPE_SCALING_NONE);
  CHECK(compressed.config.theta == 160000);
  CHECK(compressed.config.scaling.type == SIMDROPE_SCALING_YARN);
  CHECK(compressed.config.scaling.attention_factor == 1);
}

TEST_CASE("gguf: Hunyuan's alpha stretches theta") {
  const io::Model hunyuan = read(model("hunyuan_vl").f32("hunyuan_vl.rope.scaling.alpha", 1000));
  CHECK(hunyuan.ropes[0].config.scaling.type == SIMDROPE_SCALING_NTK);
  CHECK(hunyuan.ropes[0].config.scaling.factor == 1000);
}

TEST_CASE("gguf: draft models of DFlash are Qwen 3's, those with hyper-connections DeepSeek V4's") {
  const io::Model plain = read(model("dflash").u32("dflash.attention.key_length", 128));
  REQUIRE(plain.ropes.size() == 1);
  CHECK(plain.ropes[0].config.pairing == simdrope::half);
  CHECK(plain.ropes[0].config.rotary_dim == 128);

  const io::Model other = read(model("dflash", 2)
                                   .u32("dflash.attention.key_length", 512)
                                   .u32("dflash.rope.dimension_count", 64)
                                   .u32("dflash.hyper_connection.count", 4)
                                   .u32s("dflash.attention.compress_ratios", {0, 0}));
  CHECK(other.ropes[0].config.pairing == simdrope::interleaved);
  CHECK(other.ropes[0].config.rotary_offset == 448);
}

TEST_CASE("gguf: PLaMo 3 has sliding layers of another theta") {
  const io::Model plamo =
      read(model("plamo3").f32("plamo3.rope.freq_base", 1e6f).u32("plamo3.attention.sliding_window", 2048));
  CHECK(plamo.find("full_attention")->layers == Layers{7});
  CHECK(plamo.find("full_attention")->config.theta == 1e6);
  CHECK(plamo.find("sliding_attention")->config.theta == 1e4);
  CHECK(read(model("plamo3")).ropes.size() == 1);
}

TEST_CASE("gguf: YaRN may extrapolate in part") {
  const io::Model part = read(model("llama")
                                  .text("llama.rope.scaling.type", "yarn")
                                  .f32("llama.rope.scaling.factor", 4)
                                  .f32("llama.rope.scaling.yarn_ext_factor", 0.5f));
  CHECK(part.ropes[0].config.scaling.type == SIMDROPE_SCALING_YARN);
  CHECK(part.ropes[0].config.scaling.extrapolation_factor == 0.5);
}
