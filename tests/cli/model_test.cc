// simdrope model: a whole model file at a glance.
#include <doctest/doctest.h>

#include <cmath>
#include <string>

#include "tool.h"

namespace simdrope::test {
namespace {

constexpr const char* kGemma3 = R"({
  "model_type": "gemma3", "text_config": {"model_type": "gemma3_text", "num_hidden_layers": 12, "sliding_window": 1024,
  "rope_scaling": {"factor": 8.0, "rope_type": "linear"}, "max_position_embeddings": 131072}
})";

TEST_CASE("model says kinds of layers, and why") {
  const Folder folder;
  WriteText(folder / "config.json", kGemma3);
  const Outcome outcome = Run({"model", folder / "config.json", "--json"});
  REQUIRE(outcome.code == 0);
  const Json json = outcome.json();
  CHECK(json["model_type"] == "gemma3_text");
  REQUIRE(json["kinds"].size() == 2);
  const Json& local = json["kinds"][0];
  CHECK(local["name"] == "sliding_attention");
  CHECK(local["theta"] == 10000);
  CHECK(local["scaling"] == "none");
  const Json& full = json["kinds"][1];
  CHECK(full["layers"] == Json::parse("[5, 11]"));
  CHECK(full["rotary"] == true);
  CHECK(full["pairing"] == "half");
  CHECK(full["head_dim"] == 256);
  CHECK(full["inv_freq"].size() == 128);
  CHECK(full["inv_freq"][0] == 1.0 / 8);
  CHECK(full["pair_axis"].is_null());
  CHECK(json["sources"]["head_dim"] == "the default of model type gemma3_text");
  CHECK(json["sources"]["full_attention.theta"] == "the default of model type gemma3_text");

  // A folder, and --config.
  CHECK(Run({"model", folder / "", "--json"}).json()["kinds"].size() == 2);
  CHECK(Run({"model", "--json", "--config", folder / "config.json"}).out == outcome.out);
  const Outcome text = Run({"model", folder / "config.json"});
  CHECK(text.code == 0);
  CHECK(text.out.find("sliding_attention") != std::string::npos);
  CHECK(text.out.find("why") != std::string::npos);
}

TEST_CASE("model tells a model without RoPE from one whose RoPE cannot be told") {
  const Folder folder;
  WriteText(folder / "bert.json", R"({"model_type": "bert", "hidden_size": 768, "num_attention_heads": 12})");
  const Outcome bert = Run({"model", folder / "bert.json", "--json"});
  CHECK(bert.code == 0);
  CHECK(bert.json()["kinds"][0]["rotary"] == false);
  CHECK(Run({"model", folder / "bert.json"}).out.find("no RoPE") != std::string::npos);

  WriteText(folder / "baichuan.json", R"({"model_type": "baichuan", "hidden_size": 4096, "num_attention_heads": 32})");
  CheckFails(Run({"model", folder / "baichuan.json"}), {"baichuan", "cannot be told"});
  CheckFails(Run({"model", folder / "baichuan.json", "--allow-unknown"}), {"baichuan"});
  WriteText(folder / "zebra.json", R"({"model_type": "lama", "hidden_size": 4096, "num_attention_heads": 32})");
  CheckFails(Run({"model", folder / "zebra.json"}), {"\"lama\" is not known", "\"llama\"", "--allow-unknown"});
  CHECK(Run({"model", folder / "zebra.json", "--family", "llama"}).code == 0);
  CheckFails(Run({"model"}), {"FILE"});
  CheckFails(Run({"model", folder / "none"}), {"no such file"});
}

TEST_CASE("model draws all kinds, and compares two files at the last position") {
  const Folder folder;
  WriteText(folder / "a.json", kGemma3);
  WriteText(folder / "b.json", R"({"model_type": "gemma3_text", "num_hidden_layers": 12, "sliding_window": 1024,
      "max_position_embeddings": 131072})");
  const Outcome plot = Run({"model", folder / "a.json", "--plot", folder / "a.svg", "--json"});
  REQUIRE(plot.code == 0);
  const std::string svg = ReadText(folder / "a.svg");
  CHECK(svg.find("sliding_attention") != std::string::npos);
  CHECK(svg.find("full_attention") != std::string::npos);

  const Outcome outcome = Run({"model", folder / "a.json", "--compare", folder / "b.json", "--json"});
  REQUIRE(outcome.code == 0);
  const Json compare = outcome.json()["compare"];
  CHECK(compare["same"] == false);
  CHECK(compare["position"] == 131072);
  CHECK(compare["kinds"][0]["same"] == true);
  // The first pair turns 1/8 instead of 1 radian a position.
  CHECK(compare["worst_radians"].get<double>() == doctest::Approx(131072 * 7.0 / 8));
  CHECK(Run({"model", folder / "a.json", "--compare", folder / "a.json"}).out.find("alike") != std::string::npos);
}

TEST_CASE("model lists the families it knows") {
  const Json list = Run({"model", "--families", "--json"}).json();
  size_t config = 0, gguf = 0;
  for (const Json& family : list) (family["file"] == "gguf" ? gguf : config) += 1;
  CHECK(config > 200);
  CHECK(gguf > 20);
}

}  // namespace
}  // namespace simdrope::test
