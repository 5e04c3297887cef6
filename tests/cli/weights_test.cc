// simdrope model on a folder with weights and on a GGUF file: shapes against the config.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "../io/gguf_writer.h"
#include "tool.h"

namespace simdrope::test {
namespace {

struct Shape {
  std::string name;
  std::vector<int64_t> shape;
};

void WriteWeights(const std::string& path, const std::vector<Shape>& shapes,
                  io::ElementType type = io::ElementType::bf16) {
  std::vector<io::Array> arrays;
  for (const Shape& one : shapes) arrays.push_back(io::Array::zeros(type, one.shape));
  std::vector<io::NamedArray> entries;
  for (size_t i = 0; i < shapes.size(); ++i) {
    entries.push_back({shapes[i].name, type, shapes[i].shape, arrays[i].bytes.data(), arrays[i].bytes.size()});
  }
  REQUIRE(io::write_safetensors(path, entries).ok());
}

// A config and the tensors of its layers: which of them, if any, does not fit.
struct Case {
  const char* config;
  std::vector<Shape> shapes;
  int checked;
  std::vector<std::string> misfits;
  std::vector<std::string> words;  // of the message
};

const char* const kSmallLlama =
    R"({"model_type": "llama", "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2,
        "num_hidden_layers": 2})";
const std::string kAttention = "model.layers.1.self_attn.";

const std::vector<Case>& Cases() {
  static const std::vector<Case> cases = {
      {kSmallLlama,
       {{kAttention + "q_proj.weight", {32, 6}},
        {kAttention + "q_proj.bias", {32}},
        {kAttention + "k_proj.weight", {16, 6}},
        {kAttention + "v_proj.weight", {16, 6}}},
       3,
       {},
       {}},
      // 4 heads of 8 by the hidden size, of 16 by the weights.
      {kSmallLlama,
       {{kAttention + "q_proj.weight", {64, 6}}, {kAttention + "k_proj.weight", {32, 6}}},
       2,
       {kAttention + "q_proj.weight", kAttention + "k_proj.weight"},
       {"q_proj.weight' [64, 6]", "4 heads of 8", "head_dim: hidden size", "heads of 16 would fit", "1 more"}},
      // A norm of one head, one of all heads, and one of neither.
      {kSmallLlama,
       {{kAttention + "q_norm.weight", {8}},
        {kAttention + "k_norm.weight", {16}},
        {"model.layers.0.self_attn.k_norm.weight", {12}}},
       3,
       {"model.layers.0.self_attn.k_norm.weight"},
       {"[12]"}},
      {kSmallLlama, {{kAttention + "k_proj.bias", {32}}}, 1, {kAttention + "k_proj.bias"}, {"2 heads of 8"}},
      {kSmallLlama, {{kAttention + "q_proj.weight", {32, 2, 3}}}, 1, {kAttention + "q_proj.weight"}, {"3 dimensions"}},
      // Not what this RoPE turns, or not understood.
      {kSmallLlama,
       {{"vision_tower.layers.1.self_attn.q_proj.weight", {100, 6}},
        {"model.layers.1.self_attn.q_proj.weight_scale", {1}},
        {kAttention + "q_proj.weight", {512, 1}},
        {kAttention + "kv_proj.weight", {5, 6}}},
       0,
       {},
       {}},
      // The class's default: 8 heads of K.
      {R"({"model_type": "mistral", "hidden_size": 128, "num_attention_heads": 16, "num_hidden_layers": 2})",
       {{kAttention + "q_proj.weight", {128, 6}}, {kAttention + "k_proj.weight", {64, 6}}},
       2,
       {},
       {}},
      // Q, K and V in one.
      {R"({"model_type": "phi3", "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2})",
       {{kAttention + "qkv_proj.weight", {64, 6}}, {"model.layers.0.self_attn.qkv_proj.weight", {96, 6}}},
       2,
       {"model.layers.0.self_attn.qkv_proj.weight"},
       {"4 + 2 x 2 heads", "of 8"}},
      {R"({"model_type": "gpt_neox", "hidden_size": 32, "num_attention_heads": 4})",
       {{"gpt_neox.layers.0.attention.query_key_value.weight", {96, 6}},
        {"layers.0.attention.query_key_value.weight", {96, 6}},
        {"gpt_neox.layers.1.attention.query_key_value.bias", {48}}},
       3,
       {"gpt_neox.layers.1.attention.query_key_value.bias"},
       {"4 groups of 3 heads"}},
      {R"({"model_type": "codegen", "n_embd": 128, "n_head": 8, "rotary_dim": 8})",
       {{"transformer.h.0.attn.qkv_proj.weight", {384, 6}}, {"transformer.h.1.attn.qkv_proj.weight", {256, 6}}},
       2,
       {"transformer.h.1.attn.qkv_proj.weight"},
       {"3 x 8 heads of 16"}},
      // A gate beside each head of Q.
      {R"({"model_type": "qwen3_next", "head_dim": 32, "num_attention_heads": 4, "num_key_value_heads": 2,
           "num_hidden_layers": 4, "hidden_size": 64})",
       {{"model.layers.3.self_attn.q_proj.weight", {256, 6}},
        {"model.layers.3.self_attn.k_proj.weight", {64, 6}},
        {"model.layers.3.self_attn.q_norm.weight", {32}},
        {"model.layers.0.self_attn.q_proj.weight", {7, 6}}},  // a layer that does not rotate
       3,
       {},
       {}},
      // Latent attention.
      {R"({"model_type": "deepseek_v3", "num_attention_heads": 4, "kv_lora_rank": 24, "qk_nope_head_dim": 16,
           "qk_rope_head_dim": 8})",
       {{kAttention + "q_b_proj.weight", {96, 6}},
        {kAttention + "kv_a_proj_with_mqa.weight", {32, 6}},
        {"model.layers.0.self_attn.kv_a_proj_with_mqa.weight", {40, 6}}},
       3,
       {"model.layers.0.self_attn.kv_a_proj_with_mqa.weight"},
       {"40 rows", "latent of 24", "8 rotated"}},
      // Kinds of layers with heads of their own.
      {R"({"model_type": "gemma4_text", "num_hidden_layers": 6, "num_attention_heads": 2, "num_key_value_heads": 2,
           "num_global_key_value_heads": 1, "attention_k_eq_v": true, "head_dim": 16, "global_head_dim": 32})",
       {{"model.layers.0.self_attn.k_proj.weight", {32, 6}},
        {"model.layers.5.self_attn.k_proj.weight", {32, 6}},
        {"model.layers.5.self_attn.q_proj.weight", {64, 6}},
        {"model.layers.4.self_attn.q_norm.weight", {32}}},
       4,
       {},
       {}},
      {R"({"model_type": "gemma4_text", "num_hidden_layers": 6, "num_attention_heads": 4, "num_key_value_heads": 2,
           "head_dim": 16, "global_head_dim": 32})",
       {{"model.layers.0.self_attn.q_proj.weight", {128, 6}}, {"model.layers.5.self_attn.q_proj.weight", {128, 6}}},
       2,
       {"model.layers.0.self_attn.q_proj.weight"},
       {"4 heads of 16"}},
      // Heads listed for each layer.
      {R"({"model_type": "decilm", "hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 2,
           "num_key_value_heads_per_layer": [4, 1]})",
       {{"model.layers.0.self_attn.k_proj.weight", {32, 6}}, {"model.layers.1.self_attn.k_proj.weight", {32, 6}}},
       2,
       {"model.layers.1.self_attn.k_proj.weight"},
       {"1 heads of 8"}},
  };
  return cases;
}

TEST_CASE("model: weights beside a config are held against it") {
  int cases = 0;
  for (const Case& one : Cases()) {
    CAPTURE(one.config);
    CAPTURE(one.shapes[0].name);
    const Folder folder;
    WriteText(folder / "config.json", one.config);
    WriteWeights(folder / "model.safetensors", one.shapes);
    const Outcome outcome = Run({"model", folder / "", "--json"});
    CAPTURE(outcome.err);
    CHECK(outcome.code == (one.misfits.empty() ? 0 : 2));
    REQUIRE_FALSE(outcome.out.empty());
    const Json weights = outcome.json()["weights"];
    CHECK(weights["checked"] == one.checked);
    CHECK(weights["files"] == Json({"model.safetensors"}));
    std::vector<std::string> misfits;
    for (const Json& mismatch : weights["mismatches"]) misfits.push_back(mismatch["tensor"]);
    std::vector<std::string> expected;  // in the order of the file, which is that of the names given
    for (const Shape& shape : one.shapes) {
      if (std::find(one.misfits.begin(), one.misfits.end(), shape.name) != one.misfits.end()) {
        expected.push_back(shape.name);
      }
    }
    CHECK(misfits == expected);
    for (const std::string& word : one.words) CHECK_MESSAGE(outcome.err.find(word) != std::string::npos, "no ", word);
    // The config alone is not held against anything.
    CHECK(Run({"model", folder / "config.json", "--json"}).json()["weights"].is_null());
    ++cases;
  }
  CHECK(cases > 10);
}

TEST_CASE("model: several files, packed weights, and a folder without weights") {
  const Folder folder;
  WriteText(folder / "config.json", kSmallLlama);
  const Outcome bare = Run({"model", folder / "", "--json"});
  REQUIRE(bare.code == 0);
  CHECK(bare.json()["weights"].is_null());

  WriteWeights(folder / "b.safetensors", {{kAttention + "k_proj.weight", {16, 6}}});
  WriteWeights(folder / "a.safetensors", {{kAttention + "q_proj.weight", {32, 6}}});
  WriteWeights(folder / "c.safetensors", {{"model.layers.0.self_attn.q_proj.weight", {11, 6}}}, io::ElementType::u8);
  const Outcome outcome = Run({"model", folder / "", "--json"});
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  const Json weights = outcome.json()["weights"];
  CHECK(weights["files"] == Json({"a.safetensors", "b.safetensors", "c.safetensors"}));
  CHECK(weights["checked"] == 2);
  CHECK(weights["left"] == Json({"model.layers.0.self_attn.q_proj.weight"}));
  CHECK(Run({"model", folder / ""}).out.find("2 tensors of Q and K checked") != std::string::npos);

  WriteText(folder / "d.safetensors", "short");
  CheckFails(Run({"model", folder / ""}), {"d.safetensors"});
}

TEST_CASE("model: a GGUF file's tensors are held against its keys") {
  const Folder folder;
  const auto file = [](uint64_t q_rows, uint64_t k_rows) {
    return GgufWriter("llama")
        .u32("llama.context_length", 128)
        .u32("llama.embedding_length", 32)
        .u32("llama.block_count", 2)
        .u32("llama.attention.head_count", 4)
        .u32s("llama.attention.head_count_kv", {2, 1})
        .extents("blk.0.attn_q.weight", {q_rows, 6})
        .extents("blk.0.attn_k.weight", {16, 6})
        .extents("blk.1.attn_k.weight", {k_rows, 6})
        .file();
  };
  WriteText(folder / "a.gguf", file(32, 8));
  const Outcome right = Run({"model", folder / "a.gguf", "--json"});
  REQUIRE_MESSAGE(right.code == 0, right.err);
  CHECK(right.json()["weights"]["checked"] == 3);
  WriteText(folder / "b.gguf", file(64, 16));
  const Outcome wrong = Run({"model", folder / "b.gguf", "--json"});
  CHECK(wrong.code == 2);
  CHECK(wrong.json()["weights"]["mismatches"].size() == 2);
  CHECK(wrong.err.find("'blk.0.attn_q.weight' [64, 6]") != std::string::npos);
  CHECK(wrong.err.find("4 heads of 8") != std::string::npos);
}

}  // namespace
}  // namespace simdrope::test
