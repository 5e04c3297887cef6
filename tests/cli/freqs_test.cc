// simdrope freqs and cossin.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <tuple>
#include <utility>

#include "tool.h"

namespace simdrope::test {
namespace {

constexpr double kTurn = 6.283185307179586477;

TEST_CASE("freqs of sizes given by hand") {
  const Outcome outcome = Run({"freqs", "--head-dim", "64", "--rotary-dim", "16", "--theta", "100", "--json"});
  REQUIRE(outcome.code == 0);
  const Json json = outcome.json();
  CHECK(json["head_dim"] == 64);
  CHECK(json["rotary_dim"] == 16);
  CHECK(json["pairing"] == "half");
  CHECK(json["theta"] == 100);
  CHECK(json["attention_factor"] == 1);
  REQUIRE(json["inv_freq"].size() == 8);
  REQUIRE(json["wavelengths"].size() == 8);
  for (int i = 0; i < 8; ++i) {
    const double expected = std::pow(100.0, -2.0 * i / 16);
    CHECK(json["inv_freq"][i].get<double>() == doctest::Approx(expected).epsilon(1e-14));
    CHECK(json["wavelengths"][i].get<double>() == doctest::Approx(kTurn / expected).epsilon(1e-14));
  }
}

// The formula of Llama 3.1, written out a second time.
double Llama31Frequency(int pair) {
  const double plain = std::pow(500000.0, -2.0 * pair / 128);
  const double turns = 8192 * plain / kTurn;  // within the trained length
  if (turns < 1) return plain / 8;
  if (turns > 4) return plain;
  const double smooth = (turns - 1) / (4 - 1);
  return (1 - smooth) * plain / 8 + smooth * plain;
}

TEST_CASE("freqs of Llama 3.1's config.json, with a picture") {
  const Folder folder;
  WriteText(folder / "config.json", kLlama31);
  const Outcome outcome = Run({"freqs", "--config", folder / "config.json", "--json", "--plot", folder / "plot.svg"});
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  const Json json = outcome.json();
  CHECK(json["model_type"] == "llama");
  CHECK(json["max_position"] == 131072);
  CHECK(json["scaling"] == "llama3");
  REQUIRE(json["inv_freq"].size() == 64);
  for (int i = 0; i < 64; ++i) {
    CHECK(json["inv_freq"][i].get<double>() == doctest::Approx(Llama31Frequency(i)).epsilon(1e-12));
  }
  const std::string svg = ReadText(folder / "plot.svg");
  CHECK(svg.rfind("<svg", 0) == 0);
  CHECK(svg.find("unscaled") != std::string::npos);
  CHECK(svg.find("scaled: llama3") != std::string::npos);
  CHECK(svg.find("context length 131072") != std::string::npos);
  CHECK(svg.find("nan") == std::string::npos);
}

// A GGUF file of metadata alone.
class GgufText {
 public:
  void String(const std::string& key, const std::string& value) { Key(key, 8).Put(value.size(), 8).text_ += value; }
  void Uint32(const std::string& key, uint32_t value) { Key(key, 4).Put(value, 4); }
  void Float32(const std::string& key, float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    Key(key, 6).Put(bits, 4);
  }
  std::string Finish() const {
    GgufText file;
    file.text_ = "GGUF";
    file.Put(3, 4).Put(0, 8).Put(keys_, 8);  // version, tensors, keys
    return file.text_ + text_;
  }

 private:
  GgufText& Put(uint64_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) text_ += static_cast<char>(value >> (8 * i));
    return *this;
  }
  GgufText& Key(const std::string& key, uint32_t type) {
    ++keys_;
    Put(key.size(), 8);
    text_ += key;
    return Put(type, 4);
  }
  std::string text_;
  uint64_t keys_ = 0;
};

TEST_CASE("freqs of a GGUF file") {
  const Folder folder;
  GgufText gguf;
  gguf.String("general.architecture", "llama");
  gguf.Uint32("llama.embedding_length", 512);
  gguf.Uint32("llama.context_length", 2048);
  gguf.Uint32("llama.attention.head_count", 8);
  gguf.Uint32("llama.attention.head_count_kv", 2);
  gguf.Uint32("llama.rope.dimension_count", 64);
  gguf.Float32("llama.rope.freq_base", 1000000.0f);
  WriteText(folder / "model.gguf", gguf.Finish());
  const Outcome outcome = Run({"freqs", "--config", folder / "model.gguf", "--json"});
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  const Json json = outcome.json();
  CHECK(json["model_type"] == "llama");
  CHECK(json["head_dim"] == 64);
  CHECK(json["pairing"] == "interleaved");
  CHECK(json["theta"] == 1000000);
  CHECK(json["max_position"] == 2048);
  WriteText(folder / "cut.gguf", gguf.Finish().substr(0, 60));
  CheckFails(Run({"freqs", "--config", folder / "cut.gguf"}), {"cut.gguf"});
}

TEST_CASE("freqs of each kind of layer") {
  const Folder folder;
  WriteText(folder / "config.json",
            R"({"model_type": "gemma3_text", "hidden_size": 1152, "num_attention_heads": 4,
    "num_key_value_heads": 1, "head_dim": 256, "max_position_embeddings": 32768, "rope_theta": 1000000,
    "rope_local_base_freq": 10000, "sliding_window": 512, "num_hidden_layers": 6, "sliding_window_pattern": 6})");
  int kinds = 0;
  for (const auto& [type, theta] : {std::pair("sliding_attention", 1e4), std::pair("full_attention", 1e6)}) {
    const Outcome outcome = Run({"freqs", "--config", folder / "config.json", "--layer-type", type, "--json"});
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
    CHECK(outcome.json()["theta"] == theta);
    CHECK(outcome.json()["layer_types"].size() == 2);
    ++kinds;
  }
  CHECK(kinds == 2);
  CheckFails(Run({"freqs", "--config", folder / "config.json", "--layer-type", "none"}),
             {"none", "sliding_attention", "full_attention"});
}

TEST_CASE("options replace the config's values") {
  const Folder folder;
  WriteText(folder / "config.json", kLlama31);
  const Outcome outcome = Run({"freqs", "--config", folder / "config.json", "--scaling", "default", "--theta", "100",
                               "--pairing", "interleaved", "--json"});
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  CHECK(outcome.json()["pairing"] == "interleaved");
  CHECK(outcome.json()["inv_freq"][63].get<double>() == doctest::Approx(std::pow(100.0, -126.0 / 128)).epsilon(1e-14));
}

TEST_CASE("every field of a Config has an option") {
  const Json axes = Run({"freqs", "--head-dim", "128", "--axes-count", "3", "--axes-layout", "interleaved",
                         "--axes-sections", "24,20,20", "--no-truncate", "--json"})
                        .json();
  CHECK(axes["axes"] == 3);
  CHECK(axes["pair_axis"][1] == 1);
  CHECK(axes["pair_axis"][2] == 2);
  CHECK(axes["pair_axis"][62] == 0);
  const Json listed = Run({"freqs", "--head-dim", "8", "--axes-count", "2", "--axes-layout", "explicit",
                           "--axes-pair-axis", "1,0,0,1", "--split", "4", "--xpos-scale-base", "512",
                           "--temperature-beta", "0.1", "--temperature-length", "8192", "--json"})
                          .json();
  CHECK(listed["pair_axis"] == Json({1, 0, 0, 1}));
  CHECK(listed["split"] == 4);
  CHECK(listed["xpos_scale_base"] == 512);
  CHECK(listed["temperature_beta"] == 0.1);
  CheckFails(Run({"freqs", "--head-dim", "8", "--axes-sections", "1,1,1,1,1"}), {"--axes-sections", "5 values"});
  CheckFails(Run({"freqs", "--head-dim", "8", "--axes-pair-axis", "0,256"}), {"--axes-pair-axis", "256"});
  CheckFails(Run({"freqs", "--head-dim", "8", "--axes-layout", "spiral"}), {"--axes-layout", "spiral", "alternate"});
}

TEST_CASE("names of version 0.1 are still read") {
  for (const auto& [option, old, now] :
       {std::tuple("--scaling", "default", "none"), std::tuple("--precision", "bf16-positions", "bf16_positions"),
        std::tuple("--precision", "f16-positions", "f16_positions")}) {
    const Outcome a = Run({"freqs", "--head-dim", "64", option, old, "--json"});
    const Outcome b = Run({"freqs", "--head-dim", "64", option, now, "--json"});
    REQUIRE_MESSAGE(a.code == 0, a.err);
    CHECK(a.out == b.out);
    CHECK(a.out.find(std::string("\"") + now + "\"") != std::string::npos);
  }
}

TEST_CASE("compare lists what differs, in radians at the last position") {
  const Folder folder;
  WriteText(folder / "a.json", kLlama31);
  std::string other = kLlama31;
  other.replace(other.find("500000.0"), 8, "400000.0");
  WriteText(folder / "b.json", other);

  const Json same = Run({"freqs", "--config", folder / "a.json", "--compare", folder / "a.json", "--json"}).json();
  CHECK(same["compare"]["same"] == true);
  CHECK(same["compare"]["fields"].empty());
  CHECK(same["compare"]["pairs"].empty());

  const Outcome outcome = Run({"freqs", "--config", folder / "a.json", "--compare", folder / "b.json", "--json"});
  REQUIRE(outcome.code == 0);
  const Json difference = outcome.json()["compare"];
  CHECK(difference["same"] == false);
  CHECK(difference["position"] == 131072);
  REQUIRE(difference["fields"].size() == 1);
  CHECK(difference["fields"][0]["field"] == "theta");
  REQUIRE(difference["pairs"].size() == 63);  // pair 0 turns by 1 whatever theta is
  const Json& pair = difference["pairs"][0];
  CHECK(pair["pair"] == 1);
  const double apart = std::fabs(std::pow(500000.0, -2.0 / 128) - std::pow(400000.0, -2.0 / 128)) * 131072;
  CHECK(pair["radians"].get<double>() == doctest::Approx(apart).epsilon(1e-9));

  const Outcome text = Run({"freqs", "--config", folder / "a.json", "--compare", folder / "b.json"});
  CHECK(text.out.find("theta") != std::string::npos);
}

TEST_CASE("freqs refuses what it cannot mean") {
  const Folder folder;
  CheckFails(Run({"freqs"}), {"--head-dim"});
  CheckFails(Run({"freqs", "--head-dim", "64", "--theta", "-5"}), {"theta", "-5"});
  CheckFails(Run({"freqs", "--head-dim", "63"}), {"63"});
  CheckFails(Run({"freqs", "--head-dim", "64", "--pairing", "odd"}), {"--pairing", "odd", "half", "interleaved"});
  CheckFails(Run({"freqs", "--head-dim", "64", "--scaling", "llama3"}), {"factor"});
  CheckFails(Run({"freqs", "--config", folder / "none.json"}), {"none.json"});
  CheckFails(Run({"freqs", "--head-dim", "8", "--plot", folder / "no/such/plot.svg"}), {"plot.svg"});

  WriteText(folder / "broken.json", "{\"model_type\": ");
  CheckFails(Run({"freqs", "--config", folder / "broken.json"}), {"broken.json"});

  std::string unknown = kLlama31;
  unknown.replace(unknown.find("\"rope_theta\""), 12, "\"rope_twist\": 3, \"rope_theta\"");
  WriteText(folder / "unknown.json", unknown);
  CheckFails(Run({"freqs", "--config", folder / "unknown.json"}), {"rope_twist"});
  const Outcome allowed = Run({"freqs", "--config", folder / "unknown.json", "--allow-unknown", "--json"});
  CHECK(allowed.code == 0);
  CHECK(allowed.err.find("rope_twist") != std::string::npos);
  CHECK(allowed.json()["warnings"].size() == 1);

  WriteText(folder / "config.json", kLlama31);
  CheckFails(Run({"freqs", "--config", folder / "config.json", "--layer-type", "sliding"}), {"sliding"});
}

TEST_CASE("cossin writes each form") {
  const Folder folder;
  struct Form {
    const char* name;
    bool joined;
    int64_t width;
    int64_t cos_at, sin_at, step;  // of pair i: at + i * step
  };
  const Form forms[] = {{"half", false, 4, 0, 0, 1},
                        {"doubled-halves", false, 8, 0, 0, 1},
                        {"doubled-halves", false, 8, 4, 4, 1},
                        {"doubled-elements", false, 8, 0, 0, 2},
                        {"doubled-elements", false, 8, 1, 1, 2},
                        {"cos-sin", true, 8, 0, 4, 1},
                        {"sin-cos", true, 8, 4, 0, 1},
                        {"complex", true, 8, 0, 1, 2}};
  for (const Form& form : forms) {
    CAPTURE(form.name);
    const std::string out = folder / form.name;
    const Outcome outcome = Run({"cossin", "--head-dim", "8", "--theta", "100", "--positions", "5:8", "--form",
                                 form.name, "--out", out, "--json"});
    REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
    CHECK(outcome.json()["rows"] == 3);
    const io::Array cos = ReadNpy(out + (form.joined ? "/cos_sin.npy" : "/cos.npy"));
    const io::Array sin = form.joined ? cos : ReadNpy(out + "/sin.npy");
    REQUIRE(cos.size() == 3 * form.width);
    for (int r = 0; r < 3; ++r) {
      for (int i = 0; i < 4; ++i) {
        const double angle = (5 + r) * std::pow(100.0, -2.0 * i / 8);
        CHECK(cos.data<float>()[r * form.width + form.cos_at + i * form.step] ==
              doctest::Approx(std::cos(angle)).epsilon(1e-6));
        CHECK(sin.data<float>()[r * form.width + form.sin_at + i * form.step] ==
              doctest::Approx(std::sin(angle)).epsilon(1e-6));
      }
    }
  }
}

TEST_CASE("cossin takes ids and 16-bit rows") {
  const Folder folder;
  WriteIds(folder / "ids.npy", {2, 2}, {0, 7, -3, 1000000});
  const Outcome outcome =
      Run({"cossin", "--head-dim", "4", "--positions", folder / "ids.npy", "--dtype", "bf16", "--out", folder / "out"});
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  const io::Array cos = ReadNpy(folder / "out/cos.npy");
  CHECK(cos.type == io::ElementType::u16);
  CHECK(cos.shape == std::vector<int64_t>{2, 2, 2});
  CHECK(cos.data<uint16_t>()[0] == 0x3f80);  // cos 0 = 1 as bf16
  CheckFails(Run({"cossin", "--head-dim", "4", "--positions", "8:0", "--out", folder / "out"}), {"8:0"});
  CheckFails(Run({"cossin", "--head-dim", "4", "--positions", folder / "no.npy", "--out", folder / "out"}), {"no.npy"});
  CheckFails(Run({"cossin", "--head-dim", "4", "--positions", "0", "--form", "square", "--out", folder / "out"}),
             {"square", "doubled-halves"});
}

}  // namespace
}  // namespace simdrope::test
