// simdrope permute.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tool.h"

namespace simdrope::test {
namespace {

constexpr int kHeads = 4, kKeyHeads = 2, kHeadDim = 8, kHidden = 6;

struct Model {
  std::vector<io::Array> arrays;
  std::vector<io::NamedArray> entries;

  void Add(const std::string& name, io::ElementType type, const std::vector<int64_t>& shape) {
    io::Array array = io::Array::zeros(type, shape);
    for (size_t i = 0; i < array.bytes.size(); ++i) {
      array.bytes[i] = static_cast<std::byte>((i * 131 + entries.size() * 17 + i / 251) & 0xff);
    }
    arrays.push_back(std::move(array));
    const io::Array& kept = arrays.back();
    entries.push_back({name, type, shape, kept.bytes.data(), kept.bytes.size()});
  }
  void Write(const std::string& path) const { REQUIRE(io::write_safetensors(path, entries, {{"format", "pt"}}).ok()); }
};

Model SmallModel() {
  Model model;
  const auto bf16 = io::ElementType::bf16;
  const auto f32 = io::ElementType::f32;
  model.Add("model.embed_tokens.weight", bf16, {10, kHidden});
  model.Add("model.layers.0.self_attn.q_proj.weight", bf16, {kHeads * kHeadDim, kHidden});
  model.Add("model.layers.0.self_attn.q_proj.bias", f32, {kHeads * kHeadDim});
  model.Add("model.layers.0.self_attn.k_proj.weight", bf16, {kKeyHeads * kHeadDim, kHidden});
  model.Add("model.layers.0.self_attn.v_proj.weight", bf16, {kKeyHeads * kHeadDim, kHidden});
  model.Add("model.layers.0.self_attn.q_norm.weight", f32, {kHeadDim});
  model.Add("model.layers.0.self_attn.k_norm.weight", f32, {kHeadDim});
  return model;
}

Arguments Command(const std::string& from, const std::string& to, const std::string& model, const std::string& out) {
  return {"permute",    "--from",
          from,         "--to",
          to,           model,
          "--out",      out,
          "--heads",    "4",
          "--kv-heads", std::to_string(kKeyHeads),
          "--head-dim", std::to_string(kHeadDim)};
}

Arguments With(Arguments arguments, const Arguments& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

io::Array Tensor(const std::string& path, const std::string& name) {
  auto file = io::Safetensors::open(path);
  REQUIRE(file.ok());
  auto array = file->read(name);
  REQUIRE(array.ok());
  return *std::move(array);
}

TEST_CASE("permute reorders Q and K alone, and its inverse restores the file") {
  const Folder folder;
  const Model model = SmallModel();
  model.Write(folder / "a.safetensors");
  const Outcome outcome =
      Run(With(Command("interleaved", "half", folder / "a.safetensors", folder / "b.safetensors"), {"--json"}));
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  CHECK(outcome.json()["permuted"].size() == 5);
  CHECK(outcome.json()["copied"] == 2);

  int reordered = 0;
  for (const io::NamedArray& entry : model.entries) {
    CAPTURE(entry.name);
    const io::Array after = Tensor(folder / "b.safetensors", entry.name);
    REQUIRE(after.bytes.size() == entry.bytes);
    const bool is_moved = entry.name.find(".q_") != std::string::npos || entry.name.find(".k_") != std::string::npos;
    const size_t row = entry.bytes / static_cast<size_t>(entry.shape[0]);
    for (int64_t r = 0; r < entry.shape[0]; ++r) {
      const int64_t head = r / kHeadDim * kHeadDim, within = r % kHeadDim, pairs = kHeadDim / 2;
      const int64_t source = is_moved ? head + (within < pairs ? 2 * within : 2 * (within - pairs) + 1) : r;
      for (size_t b = 0; b < row; ++b) {
        CHECK(after.bytes[static_cast<size_t>(r) * row + b] == entry.data[static_cast<size_t>(source) * row + b]);
      }
    }
    reordered += is_moved;
  }
  CHECK(reordered == 5);

  CHECK(ReadText(folder / "b.safetensors") != ReadText(folder / "a.safetensors"));
  REQUIRE(Run(Command("half", "interleaved", folder / "b.safetensors", folder / "c.safetensors")).code == 0);
  CHECK(ReadText(folder / "c.safetensors") == ReadText(folder / "a.safetensors"));
}

TEST_CASE("permute keeps a header that another program wrote, byte for byte") {
  const Folder folder;
  const std::string header = R"({ "layers.0.attention.wk.weight":{"shape":[4,1],"data_offsets":[0,4],"dtype":"U8"},  )"
                             R"("y":{"dtype":"U8","data_offsets":[4,6],"shape":[2]}}   )";
  std::string file(8, '\0');
  file[0] = static_cast<char>(header.size());
  file += header + "abcdXY";
  WriteText(folder / "a.safetensors", file);
  const Outcome outcome = Run({"permute", "--from", "interleaved", "--to", "half", folder / "a.safetensors", "--out",
                               folder / "b.safetensors", "--head-dim", "4", "--kv-heads", "1", "--allow-unpaired"});
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  const std::string expected = file.substr(0, file.size() - 6) + "acbdXY";
  CHECK(ReadText(folder / "b.safetensors") == expected);
}

TEST_CASE("permute moves only the rotated window") {
  const Folder folder;
  Model model;
  model.Add("layers.0.attention.wq.weight", io::ElementType::u8, {kHeadDim, 1});
  model.Add("layers.0.attention.wk.weight", io::ElementType::u8, {kHeadDim, 1});
  model.Write(folder / "a.safetensors");
  REQUIRE(Run({"permute", "--from", "interleaved", "--to", "half", folder / "a.safetensors", "--out",
               folder / "b.safetensors", "--heads", "1", "--kv-heads", "1", "--head-dim", "8", "--rotary-dim", "4",
               "--rotary-offset", "2"})
              .code == 0);
  const io::Array after = Tensor(folder / "b.safetensors", "layers.0.attention.wq.weight");
  const int source[] = {0, 1, 2, 4, 3, 5, 6, 7};
  for (int r = 0; r < kHeadDim; ++r)
    CHECK(after.bytes[static_cast<size_t>(r)] == model.arrays[0].bytes[static_cast<size_t>(source[r])]);
}

TEST_CASE("permute takes sizes from a config and names from patterns") {
  const Folder folder;
  Model model;
  model.Add("blk.0.mine", io::ElementType::u8, {kHeads * kHeadDim, 1});
  model.Write(folder / "a.safetensors");
  WriteText(folder / "config.json", R"({"model_type": "llama", "hidden_size": 32, "num_attention_heads": 4,
                                        "max_position_embeddings": 64, "rope_theta": 10000.0})");
  const Arguments base = {"permute",     "--from",
                          "interleaved", "--to",
                          "half",        folder / "a.safetensors",
                          "--out",       folder / "b.safetensors",
                          "--config",    folder / "config.json"};
  CheckFails(Run(base), {"--pattern"});
  CheckFails(Run(With(base, {"--pattern", "q=mine"})), {"--pattern", "1 tensors of Q and 0 of K", "--allow-unpaired"});
  CHECK(Run(With(base, {"--pattern", "q=mine", "--allow-unpaired"})).code == 0);
  const Outcome outcome = Run(With(base, {"--pattern", "q=blk.*.mine", "--allow-unpaired", "--json"}));
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  CHECK(outcome.json()["permuted"] == Json({"blk.0.mine"}));
  CHECK(outcome.json()["head_dim"] == kHeadDim);
}

TEST_CASE("permute refuses what it would get wrong, and leaves no file") {
  const Folder folder;
  SmallModel().Write(folder / "a.safetensors");
  const std::string a = folder / "a.safetensors", b = folder / "b.safetensors";
  CheckFails(Run({"permute", "--from", "interleaved", "--to", "half", a, "--out", b}), {"--head-dim"});
  CheckFails(Run({"permute", "--from", "both", "--to", "half", a, "--out", b, "--head-dim", "8"}), {"both"});
  CheckFails(Run({"permute", "--from", "half", "--to", "interleaved", a, "--out", b, "--head-dim", "12", "--heads", "4",
                  "--kv-heads", "2"}),
             {"q_proj", "32 rows", "12"});
  CheckFails(Run({"permute", "--from", "half", "--to", "interleaved", a, "--out", b, "--head-dim", "8"}),
             {"q_proj", "--heads"});
  CheckFails(
      Run({"permute", "--from", "half", "--to", "interleaved", a, "--out", b, "--head-dim", "8", "--heads", "4"}),
      {"k_proj", "--kv-heads"});
  CheckFails(Run({"permute", "--from", "half", "--to", "interleaved", a, "--out", b, "--head-dim", "8", "--heads", "8",
                  "--kv-heads", "2"}),
             {"q_proj", "8 heads"});
  CheckFails(Run(Command("half", "half", a, b)), {"--from", "--to"});
  CheckFails(Run({"permute", "--from", "half", "--to", "interleaved", a, "--head-dim", "8"}), {"--out"});
  CheckFails(Run(Command("half", "interleaved", a, a)), {"--out"});
  CheckFails(Run(Command("half", "interleaved", folder / "none.safetensors", b)), {"none.safetensors"});
  WriteText(folder / "short.safetensors", "abc");
  CheckFails(Run(Command("half", "interleaved", folder / "short.safetensors", b)), {"short.safetensors"});

  CHECK(!std::filesystem::exists(b));
}

// Windows whose end, computed in 64 bits, wraps.
TEST_CASE("permute: no sizes make it leave its tensors") {
  const Folder folder;
  SmallModel().Write(folder / "a.safetensors");
  const std::string a = folder / "a.safetensors", b = folder / "b.safetensors";
  const std::vector<Arguments> sizes = {
      {"--rotary-offset", "9223372036854775800", "--rotary-dim", "64"},
      {"--rotary-dim", "9223372036854775806", "--rotary-offset", "2"},
      {"--rotary-offset", "-2", "--rotary-dim", "4"},
      {"--rotary-offset", "8"},
      {"--rotary-offset", "9"},
      {"--rotary-dim", "3"},
      {"--rotary-dim", "-8"},
      {"--rotary-dim", "10"},
      {"--rotary-dim", "8", "--rotary-offset", "1"},
      {"--rotary-offset", "-9223372036854775808", "--rotary-dim", "-9223372036854775808"},
  };
  for (const Arguments& more : sizes) {
    CAPTURE(more);
    CheckFails(Run(With(Command("half", "interleaved", a, b), more)), {"--rotary-dim", "--rotary-offset"});
  }
  for (const char* heads : {"-1", "4611686018427387904", "9223372036854775807"}) {
    Arguments call = Command("half", "interleaved", a, b);
    *std::find(call.begin(), call.end(), "4") = heads;
    CheckFails(Run(call), {"--heads", heads});
  }
  for (const char* head_dim : {"-8", "9223372036854775807", "1"}) {
    CheckFails(Run({"permute", "--from", "half", "--to", "interleaved", a, "--out", b, "--heads", "4", "--kv-heads",
                    "2", "--head-dim", head_dim}),
               {"--head-dim", head_dim});
  }
  CHECK(!std::filesystem::exists(b));
}

// One tensor after another: what becomes of it when Q and K of 4 and 2 heads of 8 go from interleaved to half.
struct NamedCase {
  const char* name;
  std::vector<int64_t> shape;
  // Of each row of the new tensor the old one; "": refused; "=": left as it is.
  std::string (*rows)();
};

std::string Heads(int first, int heads) {
  std::string rows;
  const int within[] = {0, 2, 4, 6, 1, 3, 5, 7};
  for (int h = 0; h < heads; ++h) {
    for (const int r : within) rows += static_cast<char>(first + h * kHeadDim + r);
  }
  return rows;
}
std::string Same(int first, int rows) {
  std::string all;
  for (int r = 0; r < rows; ++r) all += static_cast<char>(first + r);
  return all;
}

const NamedCase kNames[] = {
    {"model.layers.3.self_attn.q_proj.weight", {32, 3}, [] { return Heads(0, 4); }},
    {"model.language_model.layers.3.self_attn.q_proj.weight", {32, 3}, [] { return Heads(0, 4); }},
    {"layers.10.attention.wk.weight", {16, 3}, [] { return Heads(0, 2); }},
    {"blk.0.attn_q.bias", {32}, [] { return Heads(0, 4); }},
    {"model.layers.3.self_attn.k_norm.weight", {8}, [] { return Heads(0, 1); }},
    {"model.layers.3.self_attn.k_norm.weight", {16}, [] { return Heads(0, 2); }},
    {"model.layers.3.self_attn.q_norm.weight", {4, 8}, [] { return Heads(0, 4); }},
    {"model.layers.3.self_attn.q_layernorm.norms.2.weight", {8}, [] { return Heads(0, 1); }},
    {"model.layers.3.self_attn.qkv_proj.weight", {64, 3}, [] { return Heads(0, 6) + Same(48, 16); }},
    {"model.layers.3.self_attn.W_pack.weight", {64, 3}, [] { return Heads(0, 6) + Same(48, 16); }},
    {"blk.3.attn_qkv.weight", {64, 3}, [] { return Heads(0, 6) + Same(48, 16); }},
    {"gpt_neox.layers.3.attention.query_key_value.weight",
     {64, 3},
     [] { return Heads(0, 3) + Same(24, 8) + Heads(32, 3) + Same(56, 8); }},
    {"gpt_neox.layers.3.attention.query_key_value.bias",
     {64},
     [] { return Heads(0, 3) + Same(24, 8) + Heads(32, 3) + Same(56, 8); }},
    {"transformer.h.3.self_attention.query_key_value.weight",
     {64, 3},
     [] { return Heads(0, 3) + Same(24, 8) + Heads(32, 3) + Same(56, 8); }},
    {"model.layers.3.self_attn.q_b_proj.weight", {32, 3}, [] { return Heads(0, 4); }},
    {"model.layers.3.self_attn.0.q_b_proj.weight", {32, 3}, [] { return Heads(0, 4); }},
    {"model.layers.3.attn.Wqkv.weight", {64, 3}, [] { return Heads(0, 6) + Same(48, 16); }},
    {"transformer.encoder.layers.3.self_attention.query_key_value.bias",
     {64},
     [] { return Heads(0, 6) + Same(48, 16); }},
    // Adapters
    {"base_model.model.model.layers.3.self_attn.q_proj.lora_A.weight", {2, 3}, [] { return std::string("="); }},
    {"base_model.model.model.layers.3.self_attn.q_proj.lora_A.weight", {8, 3}, [] { return std::string("="); }},
    {"base_model.model.model.layers.3.self_attn.q_proj.lora_B.weight", {32, 2}, [] { return Heads(0, 4); }},
    {"base_model.model.model.layers.3.self_attn.k_proj.lora_magnitude_vector", {16}, [] { return Heads(0, 2); }},
    // Scales
    {"model.layers.3.self_attn.q_proj.input_scale", {}, [] { return std::string("="); }},
    {"model.layers.3.self_attn.q_proj.weight_scale", {1}, [] { return std::string("="); }},
    // Parts with positions of their own
    {"vision_tower.vision_model.encoder.layers.3.self_attn.q_proj.weight", {32, 3}, [] { return std::string("="); }},
    {"model.visual.blocks.3.attn.qkv.weight", {64, 3}, [] { return std::string("="); }},
    {"model.layers.3.cross_attn.k_proj.weight", {16, 3}, [] { return std::string("="); }},
    {"model.layers.3.mlp.gate_proj.weight", {32, 3}, [] { return std::string("="); }},
    {"model.layers.3.self_attn.q_a_proj.weight", {32, 3}, [] { return std::string("="); }},
    // Refused by name
    {"model.layers.3.self_attn.q_proj.qweight", {32, 3}, [] { return std::string(); }},
    {"model.layers.3.self_attn.q_proj.weight.absmax", {32}, [] { return std::string(); }},
    {"model.layers.3.self_attn.q_proj.weight.", {32, 3}, [] { return std::string(); }},
    {"model.layers.3.self_attn.kv_proj.weight", {32, 3}, [] { return std::string(); }},
    {"some_encoder.layers.3.self_attn.q_proj.weight", {32, 3}, [] { return std::string(); }},
    {"xmodel.layers.3.self_attn.q_proj.weight", {32, 3}, [] { return std::string(); }},
    {"model.layers.x.self_attn.q_proj.weight", {32, 3}, [] { return std::string(); }},
    {"model.layers.-3.self_attn.q_proj.weight", {32, 3}, [] { return std::string(); }},
    {"model.layers.3.attention.query_key_value.weight", {64, 3}, [] { return std::string(); }},
    {"transformer.h.3.attn.in_proj_weight", {64, 3}, [] { return std::string(); }},
    {"encoder.layer.3.attention.self.query.weight", {32, 3}, [] { return std::string(); }},
    // Refused by shape
    {"model.layers.3.self_attn.q_proj.weight", {31, 3}, [] { return std::string(); }},
    {"model.layers.3.self_attn.q_proj.weight", {64, 3}, [] { return std::string(); }},
    {"model.layers.3.self_attn.q_proj.weight", {8, 3}, [] { return std::string(); }},
    {"model.layers.3.self_attn.q_proj.weight", {32, 3, 1}, [] { return std::string(); }},
    {"model.layers.3.self_attn.q_proj.weight", {32, 0}, [] { return std::string(); }},
    {"model.layers.3.self_attn.q_norm.weight", {12}, [] { return std::string(); }},
    {"model.layers.3.self_attn.qkv_proj.weight", {96, 3}, [] { return std::string(); }},
    {"model.layers.3.self_attn.kv_a_proj_with_mqa.weight", {24, 3}, [] { return std::string(); }},
    {"model.layers.3.self_attn.q_proj.weight_scale_inv", {4, 1}, [] { return std::string(); }},
};

// What the config's family says of rows that no name tells.
TEST_CASE("permute: a family's rows, by its config") {
  struct FamilyCase {
    const char* config;
    const char* name;
    std::vector<int64_t> shape;
    std::string rows;
  };
  const char* bailing = R"({"model_type": "bailing_moe", "head_dim": 8, "num_attention_heads": 4,
                            "num_key_value_heads": 2})";
  const char* next = R"({"model_type": "qwen3_next", "head_dim": 8, "num_attention_heads": 2, "hidden_size": 64,
                         "num_key_value_heads": 2, "partial_rotary_factor": 1.0, "num_hidden_layers": 4})";
  const FamilyCase cases[] = {
      {bailing, "model.layers.3.attention.query_key_value.weight", {64, 3}, Heads(0, 6) + Same(48, 16)},
      {bailing, "model.layers.3.attention.query_key_value.bias", {64}, Heads(0, 6) + Same(48, 16)},
      {R"({"model_type": "gpt_neox", "hidden_size": 32, "num_attention_heads": 4, "rotary_pct": 1.0})",
       "layers.3.attention.query_key_value.weight",
       {96, 3},
       Heads(0, 2) + Same(16, 8) + Heads(24, 2) + Same(40, 8) + Heads(48, 2) + Same(64, 8) + Heads(72, 2) +
           Same(88, 8)},
      {next, "model.layers.3.self_attn.q_proj.weight", {32, 3}, Heads(0, 1) + Same(8, 8) + Heads(16, 1) + Same(24, 8)},
      {next, "model.layers.3.self_attn.q_norm.weight", {8}, Heads(0, 1)},
      {next, "model.layers.3.self_attn.k_proj.bias", {16}, Heads(0, 2)},
      // Four parts of Q, V and K of one head each.
      {R"({"model_type": "codegen", "n_embd": 32, "n_head": 4, "rotary_dim": 8})",
       "transformer.h.3.attn.qkv_proj.weight",
       {96, 3},
       Heads(0, 1) + Same(8, 8) + Heads(16, 2) + Same(32, 8) + Heads(40, 2) + Same(56, 8) + Heads(64, 2) + Same(80, 8) +
           Heads(88, 1)},
      {R"({"model_type": "deepseek_v3", "num_attention_heads": 2, "kv_lora_rank": 5, "qk_nope_head_dim": 8,
           "qk_rope_head_dim": 8})",
       "model.layers.3.self_attn.kv_a_proj_with_mqa.weight",
       {13, 3},
       Same(0, 5) + Heads(5, 1)},
      {R"({"model_type": "gemma4_text", "num_hidden_layers": 6, "num_attention_heads": 2, "num_key_value_heads": 2,
           "num_global_key_value_heads": 1, "attention_k_eq_v": true, "head_dim": 8, "global_head_dim": 8})",
       "model.layers.5.self_attn.k_proj.weight",
       {8, 3},
       Heads(0, 1)},
      {R"({"model_type": "decilm", "hidden_size": 32, "num_attention_heads": 4, "num_hidden_layers": 4,
           "num_key_value_heads_per_layer": [4, 1, 1, 2]})",
       "model.layers.3.self_attn.k_proj.weight",
       {16, 3},
       Heads(0, 2)},
  };
  const Folder folder;
  for (const FamilyCase& one : cases) {
    CAPTURE(one.config);
    CAPTURE(one.name);
    WriteText(folder / "config.json", one.config);
    Model model;
    model.Add(one.name, io::ElementType::u16, one.shape);
    model.Write(folder / "a.safetensors");
    const Arguments call = {"permute",
                            "--from",
                            "interleaved",
                            "--to",
                            "half",
                            folder / "a.safetensors",
                            "--out",
                            folder / "b.safetensors",
                            "--config",
                            folder / "config.json",
                            "--allow-unpaired"};
    const Outcome outcome = Run(call);
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
    const io::Array before = model.arrays.back(), after = Tensor(folder / "b.safetensors", one.name);
    REQUIRE(static_cast<int64_t>(one.rows.size()) == one.shape[0]);
    const size_t row = before.bytes.size() / one.rows.size();
    for (size_t r = 0; r < one.rows.size(); ++r) {
      const size_t source = static_cast<unsigned char>(one.rows[r]);
      CAPTURE(r);
      CHECK(std::equal(after.bytes.begin() + static_cast<long>(r * row),
                       after.bytes.begin() + static_cast<long>((r + 1) * row),
                       before.bytes.begin() + static_cast<long>(source * row)));
    }
  }
}

TEST_CASE("permute: what each name means") {
  const Folder folder;
  int cases = 0;
  for (const NamedCase& one : kNames) {
    CAPTURE(one.name);
    CAPTURE(one.shape);
    Model model;
    model.Add("layers.9.attention.wq.weight", io::ElementType::u8, {32, 1});  // so that something moves
    model.Add(one.name, io::ElementType::u16, one.shape);
    model.Write(folder / "a.safetensors");
    const Arguments call =
        With(Command("interleaved", "half", folder / "a.safetensors", folder / "b.safetensors"), {"--allow-unpaired"});
    const std::string rows = one.rows();
    ++cases;
    if (rows.empty()) {
      CheckFails(Run(call), {one.name});
      CheckFails(Run(With(call, {"--dry-run"})), {one.name});
      CHECK(!std::filesystem::exists(folder / "b.safetensors"));
      continue;
    }
    const Outcome dry = Run(With(call, {"--dry-run", "--json"}));
    REQUIRE_MESSAGE(dry.code == 0, dry.err);
    CHECK(!std::filesystem::exists(folder / "b.safetensors"));
    const Outcome outcome = Run(With(call, {"--json"}));
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
    CHECK(outcome.json()["permuted"].size() == (rows == "=" ? 1 : 2));
    CHECK(outcome.json()["permuted"] == dry.json()["permuted"]);
    CHECK(outcome.json()["left"] == dry.json()["left"]);
    const io::Array before = model.arrays.back(), after = Tensor(folder / "b.safetensors", one.name);
    if (rows == "=") {
      CHECK(after.bytes == before.bytes);
    } else {
      const size_t row = before.bytes.size() / rows.size();
      for (size_t r = 0; r < rows.size(); ++r) {
        CHECK(std::equal(after.bytes.begin() + static_cast<long>(r * row),
                         after.bytes.begin() + static_cast<long>((r + 1) * row),
                         before.bytes.begin() + static_cast<long>(static_cast<unsigned char>(rows[r]) * row)));
      }
    }
    std::filesystem::remove(folder / "b.safetensors");
  }
  CHECK(cases == std::size(kNames));
}

TEST_CASE("permute: Q without K is refused, in one layer of many too") {
  const Folder folder;
  const std::string b = folder / "b.safetensors";
  Model model;
  for (const char* layer : {"0", "1", "2"}) {
    const std::string block = std::string("model.layers.") + layer + ".self_attn.";
    model.Add(block + "q_proj.weight", io::ElementType::u8, {32, 1});
    if (layer[0] != '1') model.Add(block + "k_proj.weight", io::ElementType::u8, {16, 1});
  }
  model.Write(folder / "a.safetensors");
  CheckFails(Run(Command("interleaved", "half", folder / "a.safetensors", b)),
             {"model.layers.1.self_attn.q_proj.weight", "no K", "--allow-unpaired"});
  CHECK(Run(With(Command("interleaved", "half", folder / "a.safetensors", b), {"--allow-unpaired"})).code == 0);

  Model beside;
  beside.Add("model.layers.0.self_attn.q_proj.weight", io::ElementType::u8, {32, 1});
  beside.Add("model.layers.0.self_attn.kv_proj.weight", io::ElementType::u8, {32, 1});
  beside.Write(folder / "beside.safetensors");
  CheckFails(Run(Command("interleaved", "half", folder / "beside.safetensors", folder / "c.safetensors")),
             {"kv_proj", "--keep"});
  CHECK(!std::filesystem::exists(folder / "c.safetensors"));
}

TEST_CASE("permute: MLA moves the rotated rows behind the latent") {
  const Folder folder;
  Model model;  // 2 heads of 6 + 4 rotated, a latent of 10
  model.Add("model.layers.0.self_attn.q_proj.weight", io::ElementType::u8, {20, 1});
  model.Add("model.layers.0.self_attn.kv_a_proj_with_mqa.weight", io::ElementType::u8, {14, 1});
  model.Add("model.layers.0.self_attn.kv_a_layernorm.weight", io::ElementType::u8, {10});
  model.Write(folder / "a.safetensors");
  const Arguments call = {"permute",
                          "--from",
                          "interleaved",
                          "--to",
                          "half",
                          folder / "a.safetensors",
                          "--out",
                          folder / "b.safetensors",
                          "--heads",
                          "2",
                          "--head-dim",
                          "10",
                          "--rotary-dim",
                          "4",
                          "--rotary-offset",
                          "6"};
  REQUIRE(Run(call).code == 0);
  const io::Array q = Tensor(folder / "b.safetensors", model.entries[0].name);
  const io::Array k = Tensor(folder / "b.safetensors", model.entries[1].name);
  const int q_rows[] = {0, 1, 2, 3, 4, 5, 6, 8, 7, 9, 10, 11, 12, 13, 14, 15, 16, 18, 17, 19};
  const int k_rows[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 11, 13};
  for (size_t r = 0; r < 20; ++r) CHECK(q.bytes[r] == model.entries[0].data[q_rows[r]]);
  for (size_t r = 0; r < 14; ++r) CHECK(k.bytes[r] == model.entries[1].data[k_rows[r]]);
  CheckFails(Run(With(call, {"--kv-lora-rank", "8"})), {"kv_a_proj_with_mqa", "latent of 8"});
}

TEST_CASE("permute: scales of FP8 blocks stay where rows stay in their blocks, else the file is refused") {
  const Folder folder;
  const auto write = [&](int64_t head_dim) {
    Model model;
    for (const char* name : {"q_proj", "k_proj"}) {
      const std::string base = std::string("model.layers.0.self_attn.") + name;
      model.Add(base + ".weight", io::ElementType::f8_e4m3, {4 * head_dim, 2});
      model.Add(base + ".weight_scale_inv", io::ElementType::f32, {(4 * head_dim + 127) / 128, 1});
    }
    model.Write(folder / "a.safetensors");
    return Run({"permute", "--from", "half", "--to", "interleaved", folder / "a.safetensors", "--out",
                folder / "b.safetensors", "--heads", "4", "--kv-heads", "4", "--head-dim", std::to_string(head_dim)});
  };
  CHECK(write(64).code == 0);
  CHECK(write(128).code == 0);
  CheckFails(write(96), {"weight_scale_inv", "block"});
  CheckFails(write(256), {"weight_scale_inv", "block"});
}

TEST_CASE("permute: kinds of layers with heads of their own") {
  const Folder folder;
  WriteText(folder / "config.json",
            R"({"model_type": "gemma3_text", "hidden_size": 32, "num_attention_heads": 4, "num_key_value_heads": 2,
    "head_dim": 8, "max_position_embeddings": 32768, "rope_theta": 1000000, "rope_local_base_freq": 10000,
    "sliding_window": 512, "num_hidden_layers": 6, "sliding_window_pattern": 6})");
  SmallModel().Write(folder / "a.safetensors");
  const Outcome outcome = Run({"permute", "--from", "half", "--to", "interleaved", folder / "a.safetensors", "--out",
                               folder / "b.safetensors", "--config", folder / "config.json", "--json"});
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  CHECK(outcome.json()["permuted"].size() == 5);
}

TEST_CASE("permute: names reach the terminal as text") {
  const Folder folder;
  Model model;
  model.Add("model.layers.0.self_attn.q_proj.weight", io::ElementType::u8, {32, 1});
  model.Add("model.layers.0.self_attn.k_proj.weight", io::ElementType::u8, {16, 1});
  const std::string hostile = "visual.\x1b]0;title\x07\x1b[2J.q_proj." + std::string(1, '\0') + "\u202eweight";
  model.Add(hostile, io::ElementType::u8, {1});
  model.Write(folder / "a.safetensors");
  const Outcome outcome =
      Run(With(Command("half", "interleaved", folder / "a.safetensors", folder / "b"), {"--dry-run"}));
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  CHECK(outcome.out.find("visual.\\x1b]0;title\\x07\\x1b[2J.q_proj.\\x00\\xe2\\x80\\xaeweight") != std::string::npos);
  CHECK(outcome.out.find('\x1b') == std::string::npos);
  CheckFails(Run({"permute", "--from", "\x1b[2J", "--to", "half", folder / "a.safetensors", "--out", folder / "b"}),
             {"\\x1b[2J"});
}

TEST_CASE("permute: a pattern of many stars takes no time") {
  const Folder folder;
  Model model;
  model.Add(std::string(400, 'a'), io::ElementType::u8, {32, 1});
  model.Write(folder / "a.safetensors");
  std::string stars = "q=";
  for (int i = 0; i < 40; ++i) stars += "*a";
  CheckFails(
      Run(With(Command("half", "interleaved", folder / "a.safetensors", folder / "b"), {"--pattern", stars + "b"})),
      {"no tensor"});
}

}  // namespace
}  // namespace simdrope::test
