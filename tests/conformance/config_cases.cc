// Frequencies and attention factors of Hugging Face configs.
#include <cmath>

#include "case.h"

namespace conformance {
namespace {

// "2.0 x 64" and "1..64" are how the cases abbreviate LongRoPE's lists.
Json Expanded(const std::string& text) {
  Json list = Json::array();
  if (const size_t dots = text.find(".."); dots != std::string::npos) {
    for (int i = std::stoi(text); i <= std::stoi(text.substr(dots + 2)); ++i) list.push_back(i);
  } else {
    const int count = std::stoi(text.substr(text.find('x') + 1));
    for (int i = 0; i < count; ++i) list.push_back(std::stod(text));
  }
  return list;
}

// The case's config as a file that a model has: the cases leave out the model's type, and lists that
// an attention factor does not depend on.
Json Completed(const Case& c) {
  Json config = c.json().at("config");
  config.erase("model");
  config.erase("seq_len");
  config["model_type"] = "llama";
  Json& rope = config["rope_parameters"];
  if (rope.at("rope_type") == "longrope") {
    const Json ones(static_cast<size_t>(config.at("head_dim").get<int>() / 2), 1.0);
    for (const char* name : {"short_factor", "long_factor"}) {
      if (!rope.contains(name)) rope[name] = ones;
      if (rope[name].is_string()) rope[name] = Expanded(rope[name]);
    }
  }
  return config;
}

simdrope::Result<simdrope::Rope> RopeOf(const Json& config, int64_t seq_len) {
  simdrope::io::ReadOptions options;
  options.seq_len = seq_len;
  const auto model = simdrope::io::parse_hf_config(config.dump(), options);
  if (!model) return model.status();
  return simdrope::Rope::create(model->find("")->config);
}

std::vector<double> InvFreqOf(const simdrope::Rope& rope) {
  const simdrope_rope_info info = rope.info();
  return {info.inv_freq, info.inv_freq + info.pairs};
}

int64_t SeqLenOf(const Case& c) {
  const Json& config = c.json().at("config");
  return config.contains("seq_len") && config["seq_len"].is_number() ? config["seq_len"].get<int64_t>() : 0;
}

std::string CompareFactor(const Case& c, const simdrope::Rope& rope) {
  // "assertEqual (exact float64)": between two libraries, one place of a double.
  const double expected = c.json().at("expected_attention_factor");
  return Compare({rope.info().attention_factor}, {expected}, {0, 0x1p-52});
}

}  // namespace

Outcome RunInvFreq(const Case& c) {
  Json config = Completed(c);
  Outcome outcome;
  if (c.id() == "unattributed/yarn_dsv4_small") {
    config["rope_parameters"]["attention_factor"] = 1.0;
    outcome.note = "the case's variant has no mscale: its attention factor of 1 is given";
  }
  const auto rope = RopeOf(config, SeqLenOf(c));
  if (!rope) return Outcome::Fail(rope.status().message());
  const Array expected = c.array("inv_freq");
  std::vector<double> got = InvFreqOf(*rope);
  if (expected.size() < static_cast<int64_t>(got.size())) {  // the last ones are asserted
    got.erase(got.begin(), got.end() - expected.size());
  }
  const std::string mismatch = Compare(got, expected.values, ToleranceOf(c, simdrope::f32));
  if (!mismatch.empty()) return Outcome::Fail(mismatch);
  const std::string factor = CompareFactor(c, *rope);
  if (!factor.empty()) return Outcome::Fail("attention factor: " + factor);
  return outcome;
}

Outcome RunAttentionFactor(const Case& c) {
  Json config = Completed(c);
  const auto rope = RopeOf(config, SeqLenOf(c));
  if (!rope) return Outcome::Fail(rope.status().message());
  const std::string mismatch = CompareFactor(c, *rope);
  if (!mismatch.empty()) return Outcome::Fail(mismatch);
  // The origins also give one explicitly, and it wins.
  config["rope_parameters"]["attention_factor"] = 0.5;
  const auto explicit_rope = RopeOf(config, SeqLenOf(c));
  if (!explicit_rope) return Outcome::Fail(explicit_rope.status().message());
  if (explicit_rope->info().attention_factor != 0.5) return Outcome::Fail("an explicit attention factor does not win");
  Outcome outcome;
  outcome.runs = 2;
  return outcome;
}

// Each step feeds positions up to a length; simdrope is told that length and keeps no state.
Outcome RunBehaviour(const Case& c) {
  const Json config = Completed(c);
  const auto original = RopeOf(config, 0);
  if (!original) return Outcome::Fail(original.status().message());
  for (const Json& step : c.json().at("steps")) {
    const std::string fed = step.at("feed_positions"), expect = step.at("expect");
    const auto rope = RopeOf(config, std::stoll(fed.substr(fed.find("..") + 2)) + 1);
    if (!rope) return Outcome::Fail(rope.status().message());
    const bool same = InvFreqOf(*rope) == InvFreqOf(*original);
    if (same != (expect.find("inv_freq == original") != std::string::npos)) {
      return Outcome::Fail("after positions " + fed + ": not " + expect);
    }
  }
  return Outcome();
}

}  // namespace conformance
