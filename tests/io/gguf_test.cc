#include "io/gguf.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <string>

#include "gguf_writer.h"
#include "io/reject.h"
#include "temporary_file.h"

namespace io = simdrope::io;

namespace {

GgufWriter model(const std::string& name) {
  GgufWriter file(name);
  file.u32(name + ".context_length", 4096).u32(name + ".embedding_length", 512).u32(name + ".block_count", 8);
  file.u32(name + ".attention.head_count", 8).u32(name + ".attention.head_count_kv", 2);
  return file;
}

io::Model read(const GgufWriter& file, const io::ReadOptions& options = {}) {
  const std::string bytes = file.file();
  const auto model = io::parse_gguf(io::bytes_of(bytes), options);
  REQUIRE_MESSAGE(model.ok(), model.status().message());
  return *model;
}

void check_refused(const std::string& file, const std::string& reason) {
  const auto model = io::parse_gguf(io::bytes_of(file), {});
  REQUIRE_FALSE(model.ok());
  CHECK(model.status().code() == SIMDROPE_BAD_FILE);
  CAPTURE(model.status().message());
  CHECK(model.status().message().find(reason) != std::string::npos);
}

}  // namespace

TEST_CASE("gguf: sizes, heads and theta") {
  const io::Model m = read(model("llama").u32("llama.rope.dimension_count", 64).f32("llama.rope.freq_base", 5e5f));
  CHECK(m.model_type == "llama");
  CHECK(m.source == "gguf");
  CHECK(m.max_position == 4096);
  CHECK(m.q_heads == 8);
  CHECK(m.k_heads == 2);
  const simdrope::Config& c = m.find("")->config;
  CHECK(c.head_dim == 64);
  CHECK(c.rotary_dim == 64);
  CHECK(c.theta == 500000);
  CHECK(c.scaling.type == SIMDROPE_SCALING_NONE);
}

TEST_CASE("gguf: a count is an integer of any type that is not negative and fits 63 bits") {
  struct Type {
    uint32_t type;
    size_t bytes;
    bool has_sign;
  };
  for (const Type& t : {Type{0, 1, false},
                        {1, 1, true},
                        {2, 2, false},
                        {3, 2, true},
                        {4, 4, false},
                        {5, 4, true},
                        {10, 8, false},
                        {11, 8, true}}) {
    CAPTURE(t.type);
    const auto length = [&](uint64_t value) {
      return GgufWriter("llama")
          .u32("llama.rope.dimension_count", 64)
          .u32("llama.attention.key_length", 64)
          .integer("llama.context_length", t.type, t.bytes, value);
    };
    const uint64_t top = uint64_t{1} << (8 * t.bytes - 1);
    CHECK(read(length(top - 1)).max_position == static_cast<int64_t>(top - 1));
    if (t.has_sign || t.bytes == 8) {
      check_refused(length(top).file(), "is not a count");
    } else {
      CHECK(read(length(2 * top - 1)).max_position == static_cast<int64_t>(2 * top - 1));
    }
  }
}

TEST_CASE("gguf: the architecture decides the pairing") {
  CHECK(read(model("llama")).ropes[0].config.pairing == simdrope::interleaved);
  CHECK(read(model("command-r")).ropes[0].config.pairing == simdrope::interleaved);
  CHECK(read(model("qwen2")).ropes[0].config.pairing == simdrope::half);
  CHECK(read(model("gptneox")).ropes[0].config.pairing == simdrope::half);
  CHECK_FALSE(read(model("mamba")).ropes[0].rotary);
  const io::Model m = read(model("qwen2vl").u32s("qwen2vl.rope.dimension_sections", {8, 12, 12, 0}));
  CHECK(m.ropes[0].config.axes.count == 3);
  CHECK(m.ropes[0].config.axes.layout == SIMDROPE_AXES_SECTIONS);
  const io::Model i = read(model("qwen3vl").u32s("qwen3vl.rope.dimension_sections", {12, 10, 10, 0}));
  CHECK(i.ropes[0].config.axes.layout == SIMDROPE_AXES_INTERLEAVED);
  CHECK(i.ropes[0].config.axes.sections[0] == 12);
}

TEST_CASE("gguf: linear scaling in both spellings, and type none") {
  const auto scaling = [](GgufWriter file) { return read(file).ropes[0].config.scaling; };
  CHECK(scaling(model("qwen2").f32("qwen2.rope.scaling.factor", 4)).type == SIMDROPE_SCALING_LINEAR);
  CHECK(scaling(model("qwen2").f32("qwen2.rope.scale_linear", 4)).factor == 4);
  CHECK(scaling(model("qwen2").f32("qwen2.rope.scaling.factor", 4).text("qwen2.rope.scaling.type", "none")).type ==
        SIMDROPE_SCALING_NONE);
}

TEST_CASE("gguf: YaRN, and the magnitude that llama.cpp arrives at") {
  const auto yarn = [](const std::string& name, float multiplier, bool latent) {
    GgufWriter file = model(name);
    file.text(name + ".rope.scaling.type", "yarn").f32(name + ".rope.scaling.factor", 40);
    file.u32(name + ".rope.scaling.original_context_length", 4096).u32(name + ".rope.dimension_count", 32);
    if (multiplier != 0) file.f32(name + ".rope.scaling.yarn_log_multiplier", multiplier);
    if (latent) file.u32(name + ".attention.kv_lora_rank", 512).u32(name + ".attention.key_length_mla", 96);
    return read(file).ropes[0].config;
  };
  const simdrope::Config plain = yarn("qwen2", 0, false);
  CHECK(plain.scaling.type == SIMDROPE_SCALING_YARN);
  CHECK(plain.scaling.factor == 40);
  CHECK(plain.scaling.original_max_position == 4096);
  CHECK(plain.scaling.truncate);
  CHECK(plain.scaling.attention_factor == doctest::Approx(0.1 * std::log(40.0) + 1).epsilon(1e-12));
  CHECK(plain.rotary_offset == 0);
  // DeepSeek-V3: mscale = mscale_all_dim = 1; V2-Lite: both 0.707. The converter stores a tenth.
  CHECK(yarn("deepseek2", 0.1f, true).scaling.attention_factor == doctest::Approx(1).epsilon(1e-6));
  CHECK(yarn("deepseek2", 0.0707f, true).scaling.attention_factor == doctest::Approx(1).epsilon(1e-6));
  CHECK(yarn("deepseek2", 0.1f, true).head_dim == 96);
  CHECK(yarn("deepseek2", 0.1f, true).rotary_offset == 64);
  // Mistral stores mscale_all_dim itself.
  CHECK(yarn("mistral3", 1.0f, false).scaling.attention_factor == doctest::Approx(1).epsilon(1e-12));
}

TEST_CASE("gguf: tensors of frequency factors") {
  std::vector<float> factors(32);
  for (int i = 0; i < 32; ++i) factors[static_cast<size_t>(i)] = 1.0f + static_cast<float>(i);
  const io::Model llama = read(model("llama").tensor("rope_freqs.weight", factors));
  const simdrope_scaling& s = llama.ropes[0].config.scaling;
  CHECK(s.type == SIMDROPE_SCALING_FREQ_FACTORS);
  CHECK(s.factor_count == 32);
  CHECK(s.factors[31] == 32);

  io::ReadOptions options;
  options.seq_len = 100000;
  const io::Model phi = read(model("phi3")
                                 .u32("phi3.rope.scaling.original_context_length", 2048)
                                 .f32("phi3.rope.scaling.attn_factor", 1.25f)
                                 .tensor("rope_factors_long.weight", std::vector<float>(32, 8))
                                 .tensor("rope_factors_short.weight", factors),
                             options);
  const simdrope_scaling& l = phi.ropes[0].config.scaling;
  CHECK(l.type == SIMDROPE_SCALING_LONGROPE);
  CHECK(l.factors[1] == 2);
  CHECK(l.long_factors[1] == 8);
  CHECK(l.attention_factor == 1.25);
  CHECK(l.original_max_position == 2048);
  CHECK(l.seq_len == 100000);

  check_refused(model("llama").tensor("rope_freqs.weight", {1, 2}).file(), "2 elements for 32 pairs");
  check_refused(model("llama").tensor("rope_factors_long.weight", factors).file(), "rope_factors_short.weight");
}

TEST_CASE("gguf: kinds of layers") {
  const io::Model gemma = read(model("gemma3")
                                   .u32("gemma3.attention.sliding_window", 1024)
                                   .f32("gemma3.rope.freq_base", 1e6f)
                                   .f32("gemma3.rope.scaling.factor", 8));
  REQUIRE(gemma.ropes.size() == 2);
  CHECK(gemma.find("full_attention")->config.scaling.factor == 8);
  CHECK(gemma.find("full_attention")->layers == std::vector<int>{5});
  CHECK(gemma.find("sliding_attention")->config.theta == 10000);
  CHECK(gemma.find("sliding_attention")->config.scaling.type == SIMDROPE_SCALING_NONE);

  const io::Model four = read(model("gemma4")
                                  .u32("gemma4.attention.key_length", 128)
                                  .u32("gemma4.attention.key_length_swa", 32)
                                  .u32("gemma4.rope.dimension_count_swa", 32)
                                  .booleans("gemma4.attention.sliding_window_pattern", {true, false}));
  CHECK(four.find("sliding_attention")->config.head_dim == 32);
  CHECK(four.find("full_attention")->layers == std::vector<int>{1});

  const io::Model smol = read(model("smollm3"));
  CHECK(smol.find("rope")->layers == std::vector<int>{0, 1, 2, 4, 5, 6});
  CHECK_FALSE(smol.find("no_rope")->rotary);
  CHECK(read(model("llama4")).find("no_rope")->config.temperature.beta == 0.1);
  CHECK_FALSE(read(model("cohere2")).find("full_attention")->rotary);
}

TEST_CASE("gguf: what is not understood is named, or warned of") {
  check_refused(model("zebra").file(), "\"zebra\" is not known");
  check_refused(model("qwen2").f32("qwen2.rope.scaling.alpha", 2).file(), "qwen2.rope.scaling.alpha");
  check_refused(model("qwen2").text("qwen2.rope.scaling.type", "magic").file(), "\"magic\"");
  check_refused(model("qwen2vl").file(), "qwen2vl.rope.dimension_sections");
  io::ReadOptions options;
  options.allow_unknown = true;
  CHECK(read(model("qwen2").f32("qwen2.rope.stripes", 2), options).warnings.size() == 1);
  const std::string zebra = model("zebra").file();
  CHECK_FALSE(io::parse_gguf(io::bytes_of(zebra), options).ok());
  options.family = "llama";
  CHECK(io::parse_gguf(io::bytes_of(zebra), options)->ropes[0].config.pairing == simdrope::interleaved);
}

TEST_CASE("gguf: hostile files are refused") {
  const std::string good = gguf_examples()[0];
  REQUIRE(io::parse_gguf(io::bytes_of(good), {}).ok());
  for (size_t size = 0; size < good.size(); ++size) {
    CHECK_FALSE(io::parse_gguf(io::bytes_of(good.substr(0, size)), {}).ok());
  }
  const auto changed = [&](size_t at, uint64_t value, size_t bytes) {
    std::string file = good;
    std::memcpy(file.data() + at, &value, bytes);
    return file;
  };
  check_refused(changed(4, 1, 4), "version 1");
  check_refused(changed(4, 0x03000000, 4), "big-endian");
  check_refused(changed(8, UINT64_MAX, 8), "");
  check_refused(changed(16, UINT64_MAX, 8), "");
  check_refused(changed(24, UINT64_MAX, 8), "a key at byte");
  check_refused(model("llama").u32("llama.context_length", 1).file(), "appears twice");
  check_refused(GgufWriter("llama").file(), "no head size");
  check_refused(model("llama").u32("llama.rope.dimension_count", 65).file(), "is 65 in heads of 64");
  check_refused(model("llama").f32("llama.rope.freq_base", NAN).file(), "theta");
  check_refused(model("llama").text("llama.rope.freq_base", "x").file(), "is not a number");
  check_refused(model("llama").u32("general.alignment", 3).file(), "general.alignment");
}

TEST_CASE("gguf: read from a file by what it begins with") {
  const TemporaryFile gguf("model.gguf", gguf_examples()[0]);
  CHECK(io::read_model(gguf.path())->source == "gguf");
  const TemporaryFile json("config.json", R"({"model_type": "llama", "head_dim": 64})");
  CHECK(io::read_model(json.path())->source == "config.json");
  CHECK(io::read_gguf(json.path()).status().message().find(json.path()) == 0);
  CHECK_FALSE(io::read_model("/nonexistent").ok());
}

TEST_CASE("a file that is cut short while it is read is rejected") {
  const TemporaryFile cut("cut", std::string(300000, 'x'));
  const auto file = simdrope::io::InputFile::open(cut.path());
  REQUIRE(file.ok());
  const simdrope::io::ByteSource source(*file);
  CHECK(source.size() == 300000);
  CHECK(source.text(65530, 12) == std::string(12, 'x'));
  CHECK(source.text(0, 200000) == std::string(200000, 'x'));
  std::filesystem::resize_file(cut.path(), 100);
  CHECK_THROWS_AS(source.text(0, 300000), simdrope::io::Rejected);
}
