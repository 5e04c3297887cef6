// simdrope permute.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tool.h"

namespace simdrope::test {
namespace {

constexpr int kHeads = 4, kKeyHeads = 2, kHeadDim = 8, kHidden = 6;

struct Model {
  std::vector<io::Array> arrays;
  std::vector<io::Safetensors::Entry> entries;

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
  return {"permute", "--from", from, "--to", to, model, "--out", out, "--head-dim", std::to_string(kHeadDim)};
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
      Run(With(Command("interleaved", "half", folder / "a.safetensors", folder / "b.safetensors"),
               {"--heads", std::to_string(kHeads), "--kv-heads", std::to_string(kKeyHeads), "--json"}));
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  CHECK(outcome.json()["permuted"].size() == 5);
  CHECK(outcome.json()["copied"] == 2);

  int reordered = 0;
  for (const io::Safetensors::Entry& entry : model.entries) {
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
  const std::string header = R"({ "x.wk.weight":{"shape":[4,1],"data_offsets":[0,4],"dtype":"U8"},  )"
                             R"("y":{"dtype":"U8","data_offsets":[4,6],"shape":[2]}}   )";
  std::string file(8, '\0');
  file[0] = static_cast<char>(header.size());
  file += header + "abcdXY";
  WriteText(folder / "a.safetensors", file);
  const Outcome outcome = Run({"permute", "--from", "interleaved", "--to", "half", folder / "a.safetensors", "--out",
                               folder / "b.safetensors", "--head-dim", "4"});
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  const std::string expected = file.substr(0, file.size() - 6) + "acbdXY";
  CHECK(ReadText(folder / "b.safetensors") == expected);
}

TEST_CASE("permute moves only the rotated window") {
  const Folder folder;
  Model model;
  model.Add("attn.wq.weight", io::ElementType::u8, {kHeadDim, 1});
  model.Write(folder / "a.safetensors");
  REQUIRE(Run(With(Command("interleaved", "half", folder / "a.safetensors", folder / "b.safetensors"),
                   {"--rotary-dim", "4", "--rotary-offset", "2"}))
              .code == 0);
  const io::Array after = Tensor(folder / "b.safetensors", "attn.wq.weight");
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
  CHECK(Run(With(base, {"--pattern", "q=mine"})).code == 0);
  const Outcome outcome = Run(With(base, {"--pattern", "q=blk.*.mine", "--json"}));
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
  CheckFails(Run({"permute", "--from", "half", "--to", "interleaved", a, "--out", b, "--head-dim", "12"}),
             {"q_proj", "32 rows", "12"});
  CheckFails(Run(With(Command("half", "interleaved", a, b), {"--heads", "8"})), {"q_proj", "8 heads"});
  CheckFails(Run(Command("half", "interleaved", a, a)), {"--out"});
  CheckFails(Run(Command("half", "interleaved", folder / "none.safetensors", b)), {"none.safetensors"});
  WriteText(folder / "short.safetensors", "abc");
  CheckFails(Run(Command("half", "interleaved", folder / "short.safetensors", b)), {"short.safetensors"});

  Model fused;
  fused.Add("layers.0.qkv_proj.weight", io::ElementType::u8, {64, 1});
  fused.Write(folder / "fused.safetensors");
  CheckFails(Run(Command("half", "interleaved", folder / "fused.safetensors", b)), {"qkv_proj"});
  CHECK(!std::filesystem::exists(b));
}

}  // namespace
}  // namespace simdrope::test
