// Published cases: configs and prompts. SIMDROPE_VECTORS names their folder.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <simdrope/io.hpp>
#include <simdrope/prompts.hpp>

namespace io = simdrope::io;
using Json = nlohmann::json;
using std::filesystem::path;

namespace {

std::vector<path> cases_of(const std::string& group) {
  std::vector<path> cases;
  const char* folder = std::getenv("SIMDROPE_VECTORS");
  if (folder == nullptr || !std::filesystem::is_directory(path(folder) / group)) return cases;
  for (const auto& entry : std::filesystem::directory_iterator(path(folder) / group)) {
    if (entry.is_directory()) cases.push_back(entry.path());
  }
  return cases;
}

Json json_of(const path& folder) {
  std::ifstream file(folder / "case.json");
  return Json::parse(file);
}

void say_how_many(const char* group, size_t count) {
  std::cout << group << ": " << count << " cases" << (count == 0 ? " (SIMDROPE_VECTORS not set?)" : "") << "\n";
}

// "2.0 x 64" and "1..64" are how the cases abbreviate LongRoPE's lists.
std::vector<double> list_of(const std::string& text) {
  std::vector<double> list;
  const double first = std::stod(text);
  const size_t range = text.find("..");
  const int count = range == std::string::npos ? 64 : std::stoi(text.substr(range + 2));
  for (int i = 0; i < count; ++i) list.push_back(range == std::string::npos ? first : first + i);
  return list;
}

// The cases leave the model type out, and sometimes LongRoPE's lists.
Json completed(Json config) {
  config["model_type"] = "llama";
  config.erase("model");
  Json& rope = config["rope_parameters"];
  for (const char* name : {"short_factor", "long_factor"}) {
    if (rope["rope_type"] != "longrope" || (rope.contains(name) && rope[name].is_array())) continue;
    rope[name] = list_of(rope.contains(name) ? rope[name].get<std::string>() : "1");
  }
  return config;
}

simdrope::Rope compiled(Json config) {
  io::ReadOptions options;
  if (config.contains("seq_len") && config["seq_len"].is_number()) options.seq_len = config["seq_len"];
  config.erase("seq_len");
  const auto model = io::parse_hf_config(completed(config).dump(), options);
  REQUIRE_MESSAGE(model.ok(), model.status().message());
  auto rope = simdrope::Rope::create(model->find("")->config);
  REQUIRE_MESSAGE(rope.ok(), rope.status().message());
  return *rope;
}

double element(const io::Array& array, size_t i) {
  return array.type == io::ElementType::f64 ? array.data<double>()[i] : array.data<float>()[i];
}

}  // namespace

TEST_CASE("vectors: inv_freq of Hugging Face configs") {
  size_t count = 0;
  for (const char* group : {"hf_inv_freq", "zml", "unattributed"}) {
    for (const path& folder : cases_of(group)) {
      const Json about = json_of(folder);
      if (about["kind"] != "inv_freq") continue;
      CAPTURE(folder.string());
      const simdrope::Rope rope = compiled(about["config"]);
      const simdrope_rope_info info = rope.info();
      const auto expected = io::read_npy((folder / "inv_freq.npy").string());
      REQUIRE(expected.ok());
      // One case gives the last pairs only.
      REQUIRE(expected->size() <= info.pairs);
      const double* inv_freq = info.inv_freq + (info.pairs - expected->size());
      for (int64_t i = 0; i < expected->size(); ++i) {
        const double want = element(*expected, static_cast<size_t>(i));
        CHECK(std::abs(inv_freq[i] - want) <=
              about["tolerance"]["atol"].get<double>() + about["tolerance"]["rtol"].get<double>() * std::abs(want));
      }
      // The one case without a magnitude of its own says so in its notes.
      if (about["id"] != "unattributed/yarn_dsv4_small") {
        CHECK(info.attention_factor ==
              doctest::Approx(about["expected_attention_factor"].get<double>()).epsilon(1e-15));
      }
      ++count;
    }
  }
  say_how_many("inv_freq", count);
}

TEST_CASE("vectors: attention factors of Hugging Face configs") {
  const auto cases = cases_of("hf_attention_factor");
  for (const path& folder : cases) {
    CAPTURE(folder.string());
    const Json about = json_of(folder);
    CHECK(compiled(about["config"]).info().attention_factor == about["expected_attention_factor"].get<double>());
  }
  say_how_many("attention_factor", cases.size());
}

TEST_CASE("vectors: a long sequence's dynamic scaling is gone when the sequence is short again") {
  for (const path& folder : cases_of("hf_inv_freq")) {
    const Json about = json_of(folder);
    if (about["kind"] != "behaviour") continue;
    Json config = about["config"];
    const auto inv_freq = [&](int64_t seq_len) {
      config["seq_len"] = seq_len;
      const simdrope::Rope rope = compiled(config);
      return std::vector<double>(rope.info().inv_freq, rope.info().inv_freq + rope.info().pairs);
    };
    const std::vector<double> original = inv_freq(0);
    CHECK(inv_freq(32) != original);
    CHECK(inv_freq(4) == original);
  }
}

TEST_CASE("vectors: positions of multimodal prompts") {
  const auto cases = cases_of("mrope_positions");
  for (const path& folder : cases) {
    CAPTURE(folder.string());
    const Json spec = json_of(folder)["spec"];
    const std::string name = spec["model"];
    const io::PromptModel model = name == "qwen2_vl"     ? io::PromptModel::qwen2_vl
                                  : name == "qwen2_5_vl" ? io::PromptModel::qwen2_5_vl
                                                         : io::PromptModel::qwen3_vl;
    std::vector<std::vector<io::Segment>> prompts;
    io::PromptOptions options;
    options.tokens_per_second = spec.value("tokens_per_second", 2.0);
    if (spec.contains("packed_sequences")) {
      for (const Json& tokens : spec["packed_sequences"]) {
        prompts.push_back({io::text(static_cast<int64_t>(tokens.size()))});
      }
    } else {
      size_t video = 0;
      prompts.emplace_back();
      for (const Json& segment : spec["segments"]) {
        if (segment["type"] == "text") {
          prompts[0].push_back(io::text(segment["tokens"]));
          continue;
        }
        const std::vector<int64_t> grid = segment["grid_thw"];
        if (segment["type"] == "video") {
          prompts[0].push_back(io::video(grid[0], grid[1], grid[2], spec["second_per_grid_ts"][video++]));
        } else {
          prompts[0].push_back(io::image(grid[1], grid[2]));
        }
      }
    }
    const auto positions = io::mrope_positions(model, prompts, options);
    REQUIRE_MESSAGE(positions.ok(), positions.status().message());
    const auto expected = io::read_npy((folder / "expected.npy").string());
    REQUIRE(expected.ok());
    REQUIRE(expected->type == io::ElementType::i64);
    const auto* ids = expected->data<int64_t>();
    CHECK(positions->ids == std::vector<int64_t>(ids, ids + expected->size()));
  }
  say_how_many("mrope_positions", cases.size());
}

TEST_CASE("vectors: every published array is read") {
  size_t count = 0;
  const char* folder = std::getenv("SIMDROPE_VECTORS");
  if (folder != nullptr && std::filesystem::is_directory(folder)) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      if (entry.path().extension() != ".npy") continue;
      const auto array = io::read_npy(entry.path().string());
      CHECK_MESSAGE(array.ok(), array.status().message());
      ++count;
    }
  }
  say_how_many("npy files", count);
}
